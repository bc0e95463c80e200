package console_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"surety/domain/claim"
	"surety/domain/fund"
	"surety/domain/incident"
	"surety/domain/list"
	"surety/domain/notice"
	"surety/domain/party"
	"surety/domain/payment"
	"surety/domain/report"
	"surety/domain/risk"
	"surety/domain/rulebook"
	"surety/domain/watch"
	"surety/edge/console"
	"surety/kernel/ident"
	"surety/kernel/money"
	"surety/platform/access"
	"surety/platform/audit"
	"surety/platform/db"
	"surety/platform/db/dbtest"
	"surety/platform/ledger"
	"surety/platform/queue"
	"surety/platform/vault"
)

func TestMain(m *testing.M) { os.Exit(dbtest.Main(m)) }

// start is a Monday morning in China.
var start = time.Date(2026, 6, 1, 2, 0, 0, 0, time.UTC)

const passphrase = "correct horse battery staple"

// world is the whole house over one database, with a console before it.
type world struct {
	t        *testing.T
	db       *db.DB
	clock    *ident.ManualClock
	ids      *ident.Maker
	audit    *audit.Log
	access   *access.Access
	queue    *queue.Queue
	ledger   *ledger.Ledger
	party    *party.Service
	payment  *payment.Service
	fund     *fund.Service
	notice   *notice.Service
	claim    *claim.Service
	incident *incident.Service
	engine   *risk.Engine
	list     *list.Service
	watch    *watch.Service
	rulebook *rulebook.Service
	feed     *console.Feed
	meter    *watch.Meter
	url      string
	staff    map[ident.Role]ident.Actor
	log      *bytes.Buffer
}

func migrations() []fs.FS {
	return []fs.FS{audit.Migrations, queue.Migrations, access.Migrations, ledger.Migrations, party.Migrations, notice.Migrations,
		payment.Migrations, fund.Migrations, claim.Migrations, incident.Migrations, list.Migrations, rulebook.Migrations, watch.Migrations}
}

func newWorld(t *testing.T, d *db.DB) *world {
	t.Helper()
	w := &world{t: t, db: d, clock: ident.NewManualClock(start), staff: map[ident.Role]ident.Actor{}, log: &bytes.Buffer{}}
	w.ids = ident.NewMaker(w.clock)
	signer, verifier, err := audit.LoadOrCreateKey(t.TempDir())
	must(t, err)
	w.audit, err = audit.New(audit.Config{DB: d, Clock: w.clock, IDs: w.ids, Signer: signer, Verifier: verifier})
	must(t, err)
	w.access, err = access.New(access.Config{DB: d, Audit: w.audit, Clock: w.clock, IDs: w.ids})
	must(t, err)
	w.queue, err = queue.New(queue.Config{DB: d, Clock: w.clock, IDs: w.ids})
	must(t, err)
	w.ledger, err = ledger.New(ledger.Config{Clock: w.clock})
	must(t, err)
	w.services()
	rep, err := report.New(report.Config{Access: w.access})
	must(t, err)
	h, err := console.New(console.Config{DB: d, Access: w.access, Audit: w.audit, Queue: w.queue, Ledger: w.ledger, Party: w.party,
		Payment: w.payment, Claim: w.claim, Fund: w.fund, Incident: w.incident, Notice: w.notice, Report: rep, Clock: w.clock, IDs: w.ids,
		Engine: w.engine, List: w.list, Watch: w.watch, Rulebook: w.rulebook, Feed: w.feed,
		Verifier: verifier, Log: slog.New(slog.NewTextHandler(w.log, nil))})
	must(t, err)
	s := httptest.NewServer(h)
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	w.url = s.URL
	w.people()
	w.data()
	return w
}

// services wires the domain.
func (w *world) services() {
	t := w.t
	key := make([]byte, 32)
	rand.Read(key)
	v, err := vault.New(vault.Config{Keys: map[string][]byte{"k1": key}, Current: "k1", IndexKey: key})
	must(t, err)
	w.party, err = party.New(party.Config{Access: w.access, Vault: v, Clock: w.clock, IDs: w.ids})
	must(t, err)
	w.list, err = list.New(list.Config{DB: w.db, Access: w.access, Vault: v, Clock: w.clock, IDs: w.ids})
	must(t, err)
	must(t, w.list.Load(context.Background()))
	w.meter, err = watch.NewMeter(watch.MeterConfig{Keys: 128, Seen: 64, Pairs: 1000, Recent: 256, Seed: 7}, start)
	must(t, err)
	w.feed = console.NewFeed(w.clock)
	w.engine, err = risk.New(risk.Config{Clock: w.clock, Lists: w.list, Tap: func(e *risk.Event, d *risk.Decision) {
		w.meter.Observe(e, d)
		w.feed.Note(e, d)
	}})
	must(t, err)
	w.payment, err = payment.New(payment.Config{DB: w.db, Access: w.access, Queue: w.queue, Party: w.party, Engine: w.engine, Clock: w.clock})
	must(t, err)
	w.rulebook, err = rulebook.New(rulebook.Config{DB: w.db, Access: w.access, Queue: w.queue, Party: w.party, Payment: w.payment,
		Engine: w.engine, Clock: w.clock, IDs: w.ids, Lists: w.list})
	must(t, err)
	w.watch, err = watch.New(watch.Config{DB: w.db, Access: w.access, Payment: w.payment, Meter: w.meter, Clock: w.clock, IDs: w.ids,
		Push: w.engine.SetStops, Uses: w.engine.StopUses, History: ordinary})
	must(t, err)
	must(t, w.watch.Load(context.Background()))
	w.fund, err = fund.New(fund.Config{DB: w.db, Access: w.access, Queue: w.queue, Ledger: w.ledger, Vault: v, Clock: w.clock, IDs: w.ids,
		OutDir: t.TempDir(), Debtor: fund.Debtor{Name: "示例钱包", Account: "6200000000000001", Bank: "工商银行"}})
	must(t, err)
	sign, err := notice.LoadOrCreateKey(t.TempDir())
	must(t, err)
	w.notice, err = notice.New(notice.Config{DB: w.db, Access: w.access, Queue: w.queue, Vault: v, Party: w.party,
		Clock: w.clock, IDs: w.ids,
		Signer: sign, Operator: "示例钱包", VerifyURL: "https://example.com/verify"})
	must(t, err)
	files, err := claim.OpenFiles(t.TempDir())
	must(t, err)
	w.claim, err = claim.New(claim.Config{DB: w.db, Access: w.access, Queue: w.queue, Vault: v, Party: w.party,
		Payment: w.payment, Fund: w.fund,
		Notice: w.notice, Clock: w.clock, IDs: w.ids, Files: files})
	must(t, err)
	w.incident, err = incident.New(incident.Config{DB: w.db, Access: w.access, Queue: w.queue, Vault: v, Party: w.party, Payment: w.payment,
		Claim: w.claim, Fund: w.fund, Notice: w.notice, Clock: w.clock, IDs: w.ids, Operator: map[string]string{"zh": "示例钱包",
			"en": "Example Wallet"}})
	must(t, err)
}

func staffRoles() []ident.Role {
	return []ident.Role{ident.RoleAdmin, ident.RoleAnalyst, ident.RoleHandler, ident.RoleFund, ident.RoleLead, ident.RoleCompliance}
}

// people adds one member of staff for each role.
func (w *world) people() {
	ctx := context.Background()
	boss, err := w.access.Bootstrap(ctx, "admin@example.com", "陈静 Chen Jing", passphrase)
	must(w.t, err)
	admin := ident.Actor{Kind: ident.Staff, ID: boss.ID, Roles: boss.Roles}
	w.staff[ident.RoleAdmin] = admin
	names := map[ident.Role]string{ident.RoleAnalyst: "分析员 Wu", ident.RoleHandler: "理赔 Lin <script>alert(9)</script>",
		ident.RoleFund: "基金 Zhao",
		ident.RoleLead: "负责人 Liu", ident.RoleCompliance: "合规 Sun"}
	for _, r := range staffRoles()[1:] {
		s, err := w.access.AddStaff(ctx, admin, access.NewStaff{Email: string(r) + "@example.com", Name: names[r],
			Roles: []ident.Role{r}, Password: passphrase})
		must(w.t, err)
		w.staff[r] = ident.Actor{Kind: ident.Staff, ID: s.ID, Name: s.Name, Roles: s.Roles}
	}
}

const hostile = `=cmd|' /C calc'!A0<script>alert(1)</script>`

const accounts = `account,name,id_number,phone,city,device,verification,opened,kind
W1,宋伟,519906195802016636,17000015947,乐山,dev-1,full,2023-06-16,person
W2,汤哲绍,519911195009143841,17000024755,德阳,dev-2,full,2022-12-28,person
W3,邱光发,519929198301193755,17000029901,乐山,dev-3,full,2024-05-07,person
W4,` + hostile + `,519912196909178960,17000060376,成都,dev-4,full,2024-05-07,person
W5,陈国栋,519903200010281399,17000077473,绵阳,dev-5,full,2022-01-01,person
W6,钟言茂,51990219981211569X,17000091961,成都,dev-6,full,2023-01-01,person
W7,苏娟炎,519901199210287287,17000088441,成都,dev-7,full,2023-02-01,person
W9,石言,519924197604160380,17000087046,成都,dev-9,full,2026-05-10,person
M1,尹艳小吃店,,,乐山,,full,2020-01-01,merchant
`

const policeList = `“3·19”系列盗窃案受害人名单,,,,,,,,
报案编号,报案时间,姓名,身份证号,手机号,账户,被盗金额（元）,收款人,收款银行及账号
川公刑〔2026〕1180号,2026/05/26,宋伟,519906195802016636,170-0001-5947,W1,"１２,０００.００",宋伟,农业银行 6270899306786900075
川公刑〔2026〕1181号,2026年05月19日,汤哲绍,519911195009143841,17000024755,W2,"8,000.00元",汤哲绍,工商银行 6202996519000655153
川公刑〔2026〕1182号,2026-05-28,邱光发,519929198301193755,17000029901,W3,"5,000.00",邱光发,招商银行 6243185600115574444
川公刑〔2026〕1183号,2026-05-28,苏娟炎,519901199210287287,17000088441,,"6,000.00",苏娟炎,农业银行 6263310379708640714
川公刑〔2026〕1184号,2026-05-28,某人,519901199210287288,17000088499,,-1,某人,农业银行 6263310379708640714
`

const reports = `report_id,account,claimed_fen,loss_date,words
U0001,W1,1500000,2026-05-25,不是本人操作<script>alert(2)</script>
U0002,W6,700000,2026-05-24,钱不见了
`

const estate = `{"account":"W5","holder":"陈国栋","died":"2026-05-29","loss_fen":900000,"thief":"","heir":{"name":"胡淑芬","relation":"配偶",
"documents":["死亡证明","结婚证"],"pay_to":"建设银行 6217000000000000017"},"police_report":"绵公刑〔2026〕0207号"}`

// data fills the house: accounts, payments (thefts by one device), funds.
func (w *world) data() {
	t, ctx := w.t, context.Background()
	host := ident.Actor{Kind: ident.Key, ID: "key_host", Roles: []ident.Role{ident.RoleHost}}
	_, err := w.party.ImportAccounts(ctx, host, strings.NewReader(accounts))
	must(t, err)
	var reqs []payment.Request
	add := func(id, payer, payee, device string, fen int64, ago time.Duration, settled bool) {
		reqs = append(reqs, payment.Request{ID: id, At: start.Add(-ago), Payer: payer, Payee: payee, Amount: money.Of(fen,
			money.CNY), Type: "transfer",
			Channel: "app", Device: device, IP: "10.0.0.1", City: "乐山", Settled: settled})
	}
	day := 24 * time.Hour
	for i, who := range []string{"W1", "W2", "W3", "W4", "W5", "W6"} {
		add(fmt.Sprintf("pay_ok_%d", i), who, "M1", fmt.Sprintf("dev-%d", i+1), int64(2000+i*100), 20*day-time.Duration(i)*time.Hour, true)
	}
	for i, x := range []struct {
		who string
		fen int64
	}{{"W1", 1_200_000}, {"W2", 800_000}, {"W3", 450_000}, {"W4", 300_000}, {"W5", 900_000}} {
		add(fmt.Sprintf("pay_theft_%d", i), x.who, "W9", "dev-x", x.fen, 7*day-time.Duration(i)*time.Minute, true)
	}
	add("pay_new", "W6", "M1", "dev-6", 3_000, time.Hour, false)
	add("=pay_formula", "W6", "BANK:6228", "dev-new", 9_900_000, time.Hour/2, false)
	reqs[len(reqs)-1].ID = "pay_big"
	rs, err := w.payment.AssessBatch(ctx, host, reqs)
	must(t, err)
	for _, r := range rs {
		must(t, r.Err)
	}
	w.money(ctx)
}

// money opens two funds and fills them.
func (w *world) money(ctx context.Context) {
	by := w.staff[ident.RoleFund]
	for _, f := range []fund.Fund{
		{ID: "emergency", NameZH: "应急基金", NameEN: "Emergency fund", Kind: fund.Emergency, Currency: money.CNY},
		{ID: "yearly", NameZH: "年度基金", NameEN: "Yearly fund", Kind: fund.Yearly, Currency: money.CNY},
	} {
		must(w.t, w.fund.Create(ctx, by, f))
		must(w.t, w.fund.Deposit(ctx, by, "open-"+f.ID, f.ID, money.Yuan(300_000), "opening"))
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// user is one browser without JavaScript.
type user struct {
	w    *world
	http *http.Client
}

// visitor is somebody who has not signed in.
func (w *world) visitor() *user {
	jar, err := cookiejar.New(nil)
	must(w.t, err)
	return &user{w, &http.Client{Jar: jar}}
}

func (w *world) as(r ident.Role) *user {
	w.t.Helper()
	u := w.visitor()
	if status, body := u.post("/sign-in", url.Values{"email": {string(r) + "@example.com"}, "password": {passphrase}}); status != 200 ||
		!strings.Contains(body, "/sign-out") {
		w.t.Fatalf("%s cannot sign in: %d\n%s", r, status, words(body))
	}
	return u
}

func (u *user) get(path string) (int, string) {
	u.w.t.Helper()
	r, err := u.http.Get(u.w.url + path)
	must(u.w.t, err)
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	must(u.w.t, err)
	return r.StatusCode, string(b)
}

func (u *user) post(path string, form url.Values) (int, string) {
	u.w.t.Helper()
	if !form.Has("lang") {
		path = with(path, "lang=en")
	}
	r, err := u.http.PostForm(u.w.url+path, form)
	must(u.w.t, err)
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	must(u.w.t, err)
	return r.StatusCode, string(b)
}

func with(path, q string) string {
	if strings.Contains(path, "?") {
		return path + "&" + q
	}
	return path + "?" + q
}

// upload posts a file.
func (u *user) upload(path string, fields map[string]string, name string, body []byte) (int, string) {
	u.w.t.Helper()
	var buf bytes.Buffer
	m := multipart.NewWriter(&buf)
	for k, v := range fields {
		must(u.w.t, m.WriteField(k, v))
	}
	f, err := m.CreateFormFile("file", name)
	must(u.w.t, err)
	_, err = f.Write(body)
	must(u.w.t, err)
	must(u.w.t, m.Close())
	r, err := u.http.Post(u.w.url+with(path, "lang=en"), m.FormDataContentType(), &buf)
	must(u.w.t, err)
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	must(u.w.t, err)
	return r.StatusCode, string(b)
}

var tags = regexp.MustCompile(`<[^>]*>`)

// words is what a person would read of a page.
func words(page string) string {
	return strings.Join(strings.Fields(tags.ReplaceAllString(page, " ")), " ")
}

// ok fails unless the answer is 200 and the page says all of the texts.
func (u *user) ok(status int, page string, says ...string) {
	u.w.t.Helper()
	if status != 200 {
		u.w.t.Fatalf("status %d: %s\n%s", status, words(page), u.w.log.String())
	}
	for _, s := range says {
		if !strings.Contains(words(page), s) {
			u.w.t.Fatalf("the page does not say %q:\n%s", s, words(page))
		}
	}
}
