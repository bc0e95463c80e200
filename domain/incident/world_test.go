package incident_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/csv"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
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

// The scenario's window and the morning on which its files arrive.
var (
	from  = time.Date(2026, 5, 17, 16, 0, 0, 0, time.UTC)
	to    = time.Date(2026, 5, 29, 16, 0, 0, 0, time.UTC)
	today = time.Date(2026, 5, 30, 1, 0, 0, 0, time.UTC)
)

const inc = "inc_0319"

// world is an incident with all that it stands on, over one database.
type world struct {
	*incident.Service
	testing.TB
	ctx     context.Context
	db      *db.DB
	url     string
	faults  *db.Faults
	clock   *ident.ManualClock
	access  *access.Access
	queue   *queue.Queue
	party   *party.Service
	payment *payment.Service
	notice  *notice.Service
	fund    *fund.Service
	claim   *claim.Service
	bank    fund.Bank
	out     string
	files   map[string]bool // of the bank's folder that were answered

	host, lead, second, handler, analyst, treasurer ident.Actor
}

func newWorld(t testing.TB, dialect db.Dialect) *world {
	t.Helper()
	w := &world{TB: t, ctx: context.Background(), faults: &db.Faults{}, clock: ident.NewManualClock(today),
		out: filepath.Join(t.TempDir(), "out"), files: map[string]bool{}}
	w.url = dbtest.NewURL(t, dialect)
	w.db = dbtest.OpenURL(t, w.url, dbtest.Options{Migrations: migrations, Faults: w.faults})
	t.Cleanup(func() { w.db.Close() })
	ids := ident.NewMaker(w.clock)
	signer, verifier, err := audit.LoadOrCreateKey(t.TempDir())
	w.ok(err)
	log, err := audit.New(audit.Config{DB: w.db, Clock: w.clock, IDs: ids, Signer: signer, Verifier: verifier})
	w.ok(err)
	w.access, err = access.New(access.Config{DB: w.db, Audit: log, Clock: w.clock, IDs: ids})
	w.ok(err)
	w.queue, err = queue.New(queue.Config{DB: w.db, Clock: w.clock, IDs: ids})
	w.ok(err)
	books, err := ledger.New(ledger.Config{Clock: w.clock})
	w.ok(err)
	key := make([]byte, 32)
	rand.Read(key)
	v, err := vault.New(vault.Config{Keys: map[string][]byte{"k1": key}, Current: "k1", IndexKey: key})
	w.ok(err)
	w.party, err = party.New(party.Config{Access: w.access, Vault: v, Clock: w.clock, IDs: ids})
	w.ok(err)
	engine, err := risk.New(risk.Config{Clock: w.clock})
	w.ok(err)
	w.payment, err = payment.New(payment.Config{DB: w.db, Access: w.access, Queue: w.queue, Party: w.party, Engine: engine, Clock: w.clock})
	w.ok(err)
	_, sign, err := ed25519.GenerateKey(rand.Reader)
	w.ok(err)
	w.notice, err = notice.New(notice.Config{DB: w.db, Access: w.access, Queue: w.queue, Vault: v, Party: w.party, Clock: w.clock,
		IDs: ids, Signer: sign, Operator: "微付支付", VerifyURL: "https://pay.example/verify"})
	w.ok(err)
	w.fund, err = fund.New(fund.Config{DB: w.db, Access: w.access, Queue: w.queue, Ledger: books, Vault: v, Clock: w.clock, IDs: ids,
		OutDir: w.out, Debtor: fund.Debtor{Name: "微付支付", Account: "6200000000000000001", Bank: "中国工商银行"}})
	w.ok(err)
	evidence, err := claim.OpenFiles(t.TempDir())
	w.ok(err)
	w.claim, err = claim.New(claim.Config{DB: w.db, Access: w.access, Queue: w.queue, Vault: v, Party: w.party, Payment: w.payment,
		Fund: w.fund, Notice: w.notice, Clock: w.clock, IDs: ids, Files: evidence})
	w.ok(err)
	w.Service, err = incident.New(incident.Config{DB: w.db, Access: w.access, Queue: w.queue, Vault: v, Party: w.party,
		Payment: w.payment, Claim: w.claim, Fund: w.fund, Notice: w.notice, Clock: w.clock, IDs: ids,
		Operator: map[string]string{"zh": "微付支付", "en": "Weifu Pay"}, ClaimURL: "https://pay.example"})
	w.ok(err)
	w.people()
	return w
}

func (w *world) people() {
	w.Helper()
	w.host = ident.Actor{Kind: ident.Key, ID: "key_host", Roles: []ident.Role{ident.RoleHost}}
	first, err := w.access.Bootstrap(w.ctx, "admin@pay.example", "Admin", "correct horse battery")
	w.ok(err)
	admin := ident.Actor{Kind: ident.Staff, ID: first.ID, Roles: first.Roles}
	for _, p := range []struct {
		into *ident.Actor
		id   string
		role ident.Role
	}{
		{&w.lead, "stf_lead", ident.RoleLead}, {&w.second, "stf_second", ident.RoleLead}, {&w.handler, "stf_handler", ident.RoleHandler},
		{&w.analyst, "stf_analyst", ident.RoleAnalyst}, {&w.treasurer, "stf_fund", ident.RoleFund},
	} {
		s, err := w.access.AddStaff(w.ctx, admin, access.NewStaff{ID: p.id, Email: p.id + "@pay.example", Name: p.id,
			Roles: []ident.Role{p.role}, Password: "correct horse battery " + p.id})
		w.ok(err)
		*p.into = ident.Actor{Kind: ident.Staff, ID: s.ID, Name: s.Name, Roles: s.Roles}
	}
}

func (w *world) ok(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) want(err error, k ident.Kind, code string) {
	w.Helper()
	if ident.KindOf(err) != k || ident.CodeOf(err) != code {
		w.Fatalf("got %v (%s %s), want %s %s", err, ident.KindOf(err), ident.CodeOf(err), k, code)
	}
}

// data opens the product's own copy of a scenario file.
func data(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "app", "demo", "data", name))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(name, ".gz") {
		return b
	}
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	if b, err = io.ReadAll(z); err != nil {
		t.Fatal(err)
	}
	return b
}

// table is a CSV file without its first row.
func table(t testing.TB, b []byte) [][]string {
	t.Helper()
	in := csv.NewReader(bytes.NewReader(b))
	in.FieldsPerRecord = -1
	rows, err := in.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return rows[1:]
}

// pays reads the scenario's payments; all of them, or those out of the window's accounts.
func (w *world) pays(all bool) []payment.Request {
	w.Helper()
	reqs, problems := payment.ReadCSV(bytes.NewReader(data(w, "payments.csv.gz")))
	if len(problems) > 0 {
		w.Fatal(problems[0])
	}
	if all {
		return reqs
	}
	return slices.DeleteFunc(reqs, func(p payment.Request) bool {
		return p.At.Before(from) || !p.At.Before(to) || p.Type == "purchase" || p.Device == ""
	})
}

// live assesses payments as they happen: the clock goes with them.
func (w *world) live(reqs []payment.Request) {
	w.Helper()
	for part := range slices.Chunk(reqs, 500) {
		w.clock.Set(part[len(part)-1].At)
		res, err := w.payment.AssessBatch(w.ctx, w.host, part)
		w.ok(err)
		for _, r := range res {
			w.ok(r.Err)
		}
	}
	w.clock.Set(today)
}

// begin imports the accounts and payments, fills the fund and declares the incident.
func (w *world) begin(all bool) {
	w.Helper()
	_, err := w.party.ImportAccounts(w.ctx, w.host, bytes.NewReader(data(w, "accounts.csv")))
	w.ok(err)
	w.live(w.pays(all))
	w.declare(30_000_000)
}

func (w *world) declare(yuan int64) {
	w.Helper()
	w.ok(w.fund.Create(w.ctx, w.treasurer, fund.Fund{ID: "emergency", NameZH: "应急基金", NameEN: "Emergency fund", Kind: fund.Emergency,
		Currency: money.CNY}))
	w.ok(w.fund.Deposit(w.ctx, w.treasurer, "dep-1", "emergency", money.Yuan(yuan), "opening"))
	_, err := w.Declare(w.ctx, w.lead, declaration())
	w.ok(err)
}

func declaration() incident.DeclareIn {
	return incident.DeclareIn{ID: inc, Title: "“3·19”系列盗窃案", FundID: "emergency", From: from, To: to, Deadline: today.Add(15 * time.Hour)}
}

func (w *world) list() incident.ListReport {
	w.Helper()
	rep, err := w.ImportList(w.ctx, w.handler, inc, "police-list.csv", bytes.NewReader(data(w, "police-list.csv")))
	w.ok(err)
	return rep
}

func (w *world) reports() incident.ReportsReport {
	w.Helper()
	rep, err := w.ImportReports(w.ctx, w.handler, inc, "user-reports.csv", bytes.NewReader(data(w, "user-reports.csv")))
	w.ok(err)
	return rep
}

func (w *world) estate() {
	w.Helper()
	_, err := w.AddEstate(w.ctx, w.handler, inc, "estate.json", bytes.NewReader(data(w, "estate.json")))
	w.ok(err)
}

func (w *world) gather() incident.GatherReport {
	w.Helper()
	rep, err := w.Gather(w.ctx, w.analyst, inc)
	w.ok(err)
	return rep
}

func (w *world) reconcile() incident.ReconcileReport {
	w.Helper()
	rep, err := w.Reconcile(w.ctx, w.analyst, inc)
	w.ok(err)
	return rep
}

// release proposes and approves.
func (w *world) release() incident.Batch {
	w.Helper()
	b, _, err := w.Propose(w.ctx, w.lead, inc)
	w.ok(err)
	_, err = w.Approve(w.ctx, w.second, inc, b.Hash)
	w.ok(err)
	return b
}

func (w *world) drain() {
	w.Helper()
	_, err := w.queue.Drain(w.ctx)
	w.ok(err)
}

// settle lets the bank answer every file that it has not answered, and rejects the
// payouts named.
func (w *world) settle(reject ...string) {
	w.Helper()
	w.drain()
	bad := map[string]string{}
	for _, id := range reject {
		bad[id] = "AC01"
	}
	names, err := filepath.Glob(filepath.Join(w.out, "*.xml"))
	w.ok(err)
	for _, n := range names {
		if w.files[n] {
			continue
		}
		w.files[n] = true
		order, err := os.ReadFile(n)
		w.ok(err)
		answer, err := w.bank.AnswerAll(order, bad, w.clock.Now())
		w.ok(err)
		_, err = w.fund.ImportStatus(w.ctx, w.treasurer, bytes.NewReader(answer))
		w.ok(err)
	}
	w.drain()
}

func (w *world) view(fn func(tx *db.Tx) error) {
	w.Helper()
	w.ok(w.db.View(w.ctx, fn))
}

func (w *world) inc() (i incident.Incident) {
	w.Helper()
	w.view(func(tx *db.Tx) (err error) { i, _, err = w.Get(tx, inc); return err })
	return i
}

func (w *world) victims() (vs []incident.Victim) {
	w.Helper()
	w.view(func(tx *db.Tx) (err error) { vs, err = w.Victims(tx, inc); return err })
	return vs
}

// victim is the one with this account, or else with this name.
func (w *world) victim(who string) incident.Victim {
	w.Helper()
	for _, v := range w.victims() {
		if v.Account == who || v.Name == who {
			return v
		}
	}
	w.Fatalf("no victim %s", who)
	return incident.Victim{}
}

func (w *world) claimOf(v incident.Victim) (c claim.Claim) {
	w.Helper()
	w.view(func(tx *db.Tx) (err error) { c, _, err = w.claim.Get(tx, v.Claim); return err })
	return c
}

func (w *world) figures() (f fund.Figures) {
	w.Helper()
	w.view(func(tx *db.Tx) (err error) { f, err = w.fund.FiguresTx(tx, "emergency", inc); return err })
	return f
}

func (w *world) booksHold() {
	w.Helper()
	rep, err := ledger.Check(w.ctx, w.db)
	w.ok(err)
	if !rep.Balanced || len(rep.Problems) > 0 {
		w.Fatalf("the books: %v", rep.Problems)
	}
}

// both runs fn in a fresh world on both databases.
func both(t *testing.T, fn func(w *world)) {
	for _, d := range []db.Dialect{db.SQLite, db.Postgres} {
		t.Run(string(d), func(t *testing.T) { fn(newWorld(t, d)) })
	}
}

// say makes a police list of rows: case, name, id number, phone, account, yuan,
// payee, bank account, remark.
func say(rows ...[]string) []byte {
	var b strings.Builder
	b.WriteString("序号,报案编号,报案时间,姓名,身份证号,手机号,账户,被盗金额（元）,收款人,收款银行及账号,备注\n")
	for n, r := range rows {
		fmt.Fprintf(&b, "%d,%s,2026-05-26,%s,%s,%s,%s,%s,%s,农业银行 %s,%s\n", n+1, r[0], r[1], r[2], r[3], r[4], r[5], r[6], r[7], r[8])
	}
	return []byte(b.String())
}

func (w *world) sayList(rows ...[]string) incident.ListReport {
	w.Helper()
	rep, err := w.ImportList(w.ctx, w.handler, inc, "list.csv", bytes.NewReader(say(rows...)))
	w.ok(err)
	if n := len(rep.List.Errors()); n > 0 {
		w.Fatalf("%d rows refused: %v", n, rep.List.Errors()[0])
	}
	return rep
}
