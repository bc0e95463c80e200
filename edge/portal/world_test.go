package portal_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
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
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"surety/domain/claim"
	"surety/domain/fund"
	"surety/domain/incident"
	"surety/domain/notice"
	"surety/domain/party"
	"surety/domain/payment"
	"surety/domain/risk"
	"surety/edge/portal"
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

var migrations = []fs.FS{
	audit.Migrations, queue.Migrations, access.Migrations, ledger.Migrations, party.Migrations, notice.Migrations,
	payment.Migrations, fund.Migrations, claim.Migrations, incident.Migrations,
}

// start is a Monday morning in China.
var start = time.Date(2026, 5, 18, 1, 0, 0, 0, time.UTC)

var (
	host    = ident.Actor{Kind: ident.Key, ID: "key_1", Roles: []ident.Role{ident.RoleHost}}
	handler = ident.Actor{Kind: ident.Staff, ID: "stf_1", Name: "Chen Jing",
		Roles: []ident.Role{ident.RoleHandler, ident.RoleFund, ident.RoleLead}}
	job = ident.Job("test")
)

const accounts = `account,name,id_number,phone,city,device,verification,opened,kind
W1,王建国,519906195802016636,17000015947,乐山,dev-1,full,2023-06-16,person
W2,李秀英,519911195009143841,17000024755,德阳,dev-2,full,2022-12-28,person
W9,石言,519924197604160380,17000087046,成都,dev-9,full,2026-05-10,person
M1,尹艳小吃店,,,乐山,,full,2020-01-01,merchant
`

// world is the portal with all it stands on, over one database, and the wallet's
// people in it.
type world struct {
	testing.TB
	ctx      context.Context
	db       *db.DB
	clock    *ident.ManualClock
	access   *access.Access
	queue    *queue.Queue
	party    *party.Service
	payment  *payment.Service
	claim    *claim.Service
	notice   *notice.Service
	fund     *fund.Service
	incident *incident.Service
	out      string
	log      bytes.Buffer
	address  string
	wang, li ident.ID
}

func newWorld(t testing.TB, d *db.DB) *world {
	t.Helper()
	w := &world{TB: t, ctx: context.Background(), db: d, clock: ident.NewManualClock(start), out: filepath.Join(t.TempDir(), "out")}
	ids := ident.NewMaker(w.clock)
	signer, verifier, err := audit.LoadOrCreateKey(t.TempDir())
	w.ok(err)
	log, err := audit.New(audit.Config{DB: d, Clock: w.clock, IDs: ids, Signer: signer, Verifier: verifier})
	w.ok(err)
	w.access, err = access.New(access.Config{DB: d, Audit: log, Clock: w.clock, IDs: ids})
	w.ok(err)
	w.queue, err = queue.New(queue.Config{DB: d, Clock: w.clock, IDs: ids})
	w.ok(err)
	led, err := ledger.New(ledger.Config{Clock: w.clock})
	w.ok(err)
	key := bytes.Repeat([]byte{7}, 32)
	v, err := vault.New(vault.Config{Keys: map[string][]byte{"k1": key}, Current: "k1", IndexKey: key})
	w.ok(err)
	w.party, err = party.New(party.Config{Access: w.access, Vault: v, Clock: w.clock, IDs: ids})
	w.ok(err)
	engine, err := risk.New(risk.Config{Clock: w.clock})
	w.ok(err)
	w.payment, err = payment.New(payment.Config{DB: d, Access: w.access, Queue: w.queue, Party: w.party, Engine: engine, Clock: w.clock})
	w.ok(err)
	w.fund, err = fund.New(fund.Config{DB: d, Access: w.access, Queue: w.queue, Ledger: led, Vault: v, Clock: w.clock, IDs: ids,
		OutDir: w.out, Debtor: fund.Debtor{Name: "某某钱包有限公司", Account: "6200000000000000001", Bank: "中国工商银行"}})
	w.ok(err)
	_, sign, err := ed25519.GenerateKey(rand.Reader)
	w.ok(err)
	w.notice, err = notice.New(notice.Config{DB: d, Access: w.access, Queue: w.queue, Vault: v, Party: w.party, Clock: w.clock, IDs: ids,
		Signer: sign, Operator: "某某钱包有限公司", VerifyURL: "https://pay.example/verify"})
	w.ok(err)
	evidence, err := claim.OpenFiles(t.TempDir())
	w.ok(err)
	w.claim, err = claim.New(claim.Config{DB: d, Access: w.access, Queue: w.queue, Vault: v, Party: w.party, Payment: w.payment,
		Fund: w.fund, Notice: w.notice, Clock: w.clock, IDs: ids, Files: evidence})
	w.ok(err)
	w.incident, err = incident.New(incident.Config{DB: d, Access: w.access, Queue: w.queue, Vault: v, Party: w.party,
		Payment: w.payment, Claim: w.claim, Fund: w.fund, Notice: w.notice, Clock: w.clock, IDs: ids,
		Operator: map[string]string{"zh": "某某钱包", "en": "Some Wallet"}})
	w.ok(err)
	h, err := portal.New(portal.Config{DB: d, Access: w.access, Party: w.party, Payment: w.payment, Claim: w.claim, Notice: w.notice,
		Incident: w.incident, Fund: w.fund, Clock: w.clock, IDs: ids, Log: slog.New(slog.NewTextHandler(&w.log, nil)), Key: key,
		Operator: map[string]string{"zh": "某某钱包", "en": "Some Wallet"},
		Contact: portal.Contact{Phone: "400 000 0000", Email: "help@pay.example",
			Hours: map[string]string{"zh": "每天 24 小时", "en": "day and night"}}})
	w.ok(err)
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	w.address = s.URL
	w.people()
	return w
}

func (w *world) ok(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// people brings the accounts, their ordinary life and one night's theft from Wang.
func (w *world) people() {
	w.Helper()
	_, err := w.party.ImportAccounts(w.ctx, host, strings.NewReader(accounts))
	w.ok(err)
	owner := func(account string) (id ident.ID) {
		w.ok(w.db.View(w.ctx, func(tx *db.Tx) error {
			a, _, err := w.party.Account(tx, account)
			id = a.PartyID
			return err
		}))
		return id
	}
	w.wang, w.li = owner("W1"), owner("W2")
	night := start.Add(-6 * time.Hour) // 03:00 in China
	var reqs []payment.Request
	add := func(id, payer, payee, device string, at time.Time, fen int64) {
		reqs = append(reqs, payment.Request{ID: id, At: at, Payer: payer, Payee: payee, Amount: money.Of(fen, money.CNY), Type: "transfer",
			Channel: "app", Device: device, IP: "10.0.0.1", City: "乐山", Settled: true})
	}
	for i := range 40 {
		add(fmt.Sprintf("S%02d", i), "W1", "M1", "dev-1", start.Add(-time.Duration(i+1)*37*time.Hour), int64(1200+i*35))
	}
	add("T1", "W1", "W9", "dev-x", night, 800_000)
	add("T2", "W1", "W9", "dev-x", night.Add(20*time.Minute), 650_000)
	add("T3", "W1", "BANK:6222020200112233", "dev-x", night.Add(-50*time.Hour), 990_050)
	add("W1own", "W1", "W2", "dev-1", night.Add(40*time.Minute), 5_000)
	add("L1", "W2", "W9", "dev-2", night, 12_300)
	add("L2", "W2", "M1", "dev-2", night.Add(-3*time.Hour), 2_500)
	_, err = w.payment.AssessBatch(w.ctx, host, reqs)
	w.ok(err)
}

func (w *world) link(who ident.ID) string {
	w.Helper()
	token, err := w.access.NewLink(w.ctx, host, who, 0)
	w.ok(err)
	return "/in/" + token
}

// in does something as the product's own code does, in one transaction.
func (w *world) in(fn func(tx *db.Tx) error) { w.Helper(); w.ok(w.access.Run(w.ctx, fn)) }

func (w *world) get(id ident.ID) (c claim.Claim) {
	w.Helper()
	w.ok(w.db.View(w.ctx, func(tx *db.Tx) (err error) { c, _, err = w.claim.Get(tx, id); return err }))
	return c
}

func (w *world) claimsOf(who ident.ID) (cs []claim.Claim) {
	w.Helper()
	w.ok(w.db.View(w.ctx, func(tx *db.Tx) (err error) { cs, err = w.claim.List(tx, claim.Filter{Party: who}); return err }))
	return cs
}

func (w *world) triage(id ident.ID) { w.Helper(); w.join(id, "inc_1", "5·18 盗刷事件") }

func (w *world) join(id, incident ident.ID, name string) {
	w.Helper()
	w.in(func(tx *db.Tx) error {
		return w.claim.JoinTx(tx, handler, id, claim.JoinIn{Incident: incident, IncidentName: name, Basis: claim.LedgerRecord,
			Verdict: "confirmed", Reasons: []string{"records_show_theft"}, Confirmed: w.get(id).Claimed})
	})
}

func (w *world) ask(id ident.ID, words string) {
	w.Helper()
	_, err := w.claim.Move(w.ctx, handler, id, claim.Ask, words)
	w.ok(err)
}

func (w *world) refuse(id ident.ID) {
	w.Helper()
	w.ok(w.claim.Decide(w.ctx, handler, id, claim.DecisionIn{Kind: claim.Refuse, Ground: "paid_by_holder",
		Proofs: []string{"no_record"}, Words: "我们的记录显示是本机付款。"}))
}

// pay approves a claim and lets the bank pay it.
func (w *world) pay(id ident.ID) {
	w.Helper()
	w.order(id, nil)
	if st := w.get(id).Status; st != claim.Settled {
		w.Fatalf("after the bank's answer the claim is %s", st)
	}
}

// order approves a claim, orders its money and brings the bank's answer.
func (w *world) order(id ident.ID, reject map[string]string) {
	w.Helper()
	w.ok(w.claim.Decide(w.ctx, handler, id, claim.DecisionIn{Kind: claim.ApproveFull, Amount: w.get(id).Claimed}))
	w.ok(w.fund.Create(w.ctx, job, emergency))
	w.ok(w.fund.Deposit(w.ctx, job, "dep-1", "emergency", money.Yuan(100_000), "opening"))
	w.ok(w.fund.Earmark(w.ctx, job, "ear-1", "emergency", "inc_1", money.Yuan(90_000)))
	w.in(func(tx *db.Tx) error {
		_, err := w.claim.PayTx(tx, handler, id, claim.PayIn{ID: "po_1", FundID: "emergency", Purpose: "inc_1"})
		return err
	})
	w.drain()
	files, err := filepath.Glob(filepath.Join(w.out, "*"))
	w.ok(err)
	var bank fund.Bank
	for _, f := range files {
		order, err := os.ReadFile(f)
		w.ok(err)
		answer, err := bank.AnswerAll(order, reject, w.clock.Now())
		w.ok(err)
		_, err = w.fund.ImportStatus(w.ctx, job, bytes.NewReader(answer))
		w.ok(err)
	}
	w.drain()
}

func (w *world) drain() {
	w.Helper()
	_, err := w.queue.Drain(w.ctx)
	w.ok(err)
}

// visitor is a browser without JavaScript: cookies, forms and nothing else.
type visitor struct {
	*world
	client *http.Client
	lang   string
}

func (w *world) visitor() *visitor {
	w.Helper()
	jar, err := cookiejar.New(nil)
	w.ok(err)
	return &visitor{world: w, lang: "en", client: &http.Client{Jar: jar}}
}

// enter signs somebody in as the wallet does.
func (w *world) enter(who ident.ID) *visitor {
	w.Helper()
	v := w.visitor()
	v.see("/payments", 200, "My payments", "/in", w.link(who)+"?to=/payments")
	return v
}

// answer is what came back, after redirects.
type answer struct {
	status int
	path   string
	body   string
	header http.Header
}

func (v *visitor) do(r *http.Request) answer {
	v.Helper()
	r.Header.Set("Accept-Language", v.lang)
	res, err := v.client.Do(r)
	v.ok(err)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	v.ok(err)
	return answer{res.StatusCode, res.Request.URL.Path, string(b), res.Header}
}

func (v *visitor) fetch(path string) answer {
	v.Helper()
	r, err := http.NewRequest(http.MethodGet, v.address+path, nil)
	v.ok(err)
	return v.do(r)
}

func (v *visitor) post(path string, form url.Values) answer {
	v.Helper()
	r, err := http.NewRequest(http.MethodPost, v.address+path, strings.NewReader(form.Encode()))
	v.ok(err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return v.do(r)
}

type file struct {
	name string
	body []byte
}

func (v *visitor) upload(path string, files ...file) answer {
	v.Helper()
	var b bytes.Buffer
	m := multipart.NewWriter(&b)
	for _, f := range files {
		part, err := m.CreateFormFile("file", f.name)
		v.ok(err)
		_, err = part.Write(f.body)
		v.ok(err)
	}
	v.ok(m.Close())
	r, err := http.NewRequest(http.MethodPost, v.address+path, &b)
	v.ok(err)
	r.Header.Set("Content-Type", m.FormDataContentType())
	return v.do(r)
}

// see opens a page (open[0] is only a name for it) and expects where it ends,
// its status and words on it.
func (v *visitor) see(path string, status int, words string, open ...string) answer {
	v.Helper()
	from := path
	if len(open) == 2 {
		from = open[1]
	}
	a := v.fetch(from)
	v.is(a, path, status, words)
	return a
}

func (v *visitor) is(a answer, path string, status int, words ...string) {
	v.Helper()
	if a.status != status || path != "" && a.path != path {
		v.Fatalf("got %d at %s, want %d at %s:\n%s\n%s", a.status, a.path, status, path, text(a.body), v.log.String())
	}
	for _, one := range words {
		if !strings.Contains(text(a.body), one) {
			v.Fatalf("%s does not say %q:\n%s", a.path, one, text(a.body))
		}
	}
}

var (
	tag    = regexp.MustCompile(`(?s)<head>.*?</head>|<[^>]*>`)
	hidden = regexp.MustCompile(`<input type="hidden" name="([a-z_]+)" value="([^"]*)"`)
	ticked = regexp.MustCompile(`<input type="checkbox" name="also" value="([^"]+)" checked>`)
)

// text is roughly what a person reads.
func text(body string) string {
	s := strings.NewReplacer("&#39;", "'", "&amp;", "&", "&#34;", `"`, "&lt;", "<", "&gt;", ">").Replace(tag.ReplaceAllString(body, " "))
	return strings.Join(strings.Fields(s), " ")
}

// fields are the hidden values of a page's forms and what is ticked.
func fields(a answer) url.Values {
	out := url.Values{}
	for _, m := range hidden.FindAllStringSubmatch(a.body, -1) {
		out.Add(m[1], m[2])
	}
	for _, m := range ticked.FindAllStringSubmatch(a.body, -1) {
		out.Add("also", m[1])
	}
	return out
}

// file walks the three taps and returns the claim's page.
func (v *visitor) file(payment string, form url.Values) (answer, url.Values) {
	v.Helper()
	which := v.see("/report/"+payment, 200, "Which payments were not you?")
	choice := fields(which)
	choice.Set("kind", "theft")
	money := v.fetch("/report/" + payment + "/money?" + choice.Encode())
	v.is(money, "", 200, "Where shall the money go?")
	send := fields(money)
	for k, vs := range form {
		send[k] = vs
	}
	return v.post("/report/"+payment, send), send
}

var bankAccount = url.Values{"bank": {"工商银行"}, "account": {"6222 0202 0011 2233 445"}}

var declaration = incident.DeclareIn{ID: "inc_1", Title: "5·18 盗刷 <img src=x>", FundID: "emergency",
	From: start.Add(-72 * time.Hour), To: start, Deadline: start.Add(72 * time.Hour)}

var emergency = fund.Fund{ID: "emergency", NameZH: "应急基金", NameEN: "Emergency fund", Kind: fund.Emergency, Currency: money.CNY}
