package claim_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"surety/domain/claim"
	"surety/domain/fund"
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
	payment.Migrations, fund.Migrations, claim.Migrations,
}

var start = time.Date(2026, 5, 30, 1, 0, 0, 0, time.UTC)

const town = `account,name,id_number,phone,city,device,verification,opened,kind
W1,宋伟,519906195802016636,17000015947,乐山,dev-1,full,2023-06-16,person
W2,汤哲绍,519911195009143841,17000024755,德阳,dev-2,full,2022-12-28,person
W3,邱光发,519929198301193755,17000029901,乐山,dev-3,full,2024-05-07,person
`

var (
	host      = ident.Actor{Kind: ident.Key, ID: "key_host", Roles: []ident.Role{ident.RoleHost}}
	handler   = ident.Actor{Kind: ident.Staff, ID: "stf_handler", Roles: []ident.Role{ident.RoleHandler}}
	treasurer = ident.Actor{Kind: ident.Staff, ID: "stf_fund", Roles: []ident.Role{ident.RoleFund}}
	money1    = fund.PayTo{Name: "宋伟", Bank: "农业银行", Account: "6270899306786900075", Rail: fund.RailBank}
	money2    = fund.PayTo{Name: "胡淑芬", Bank: "建设银行", Account: "6217000000000000017", Rail: fund.RailBank}
)

// world is claims with all that they stand on, over one database. Payments P1 to
// P4 of 100.00 each went out of W1; Q1 went out of W2.
type world struct {
	*claim.Service
	testing.TB
	ctx        context.Context
	db         *db.DB
	faults     *db.Faults
	clock      *ident.ManualClock
	access     *access.Access
	queue      *queue.Queue
	party      *party.Service
	payment    *payment.Service
	notice     *notice.Service
	fund       *fund.Service
	ids        *ident.Maker
	bank       fund.Bank
	out, files string
	answered   map[string]bool
	song, tang ident.Actor // the customers of W1 and W2
}

func newWorld(t testing.TB, dialect db.Dialect) *world {
	t.Helper()
	w := &world{TB: t, ctx: context.Background(), faults: &db.Faults{}, clock: ident.NewManualClock(start),
		out: filepath.Join(t.TempDir(), "out"), files: t.TempDir(), answered: map[string]bool{}}
	w.db = dbtest.Open(t, dialect, dbtest.Options{Migrations: migrations, Faults: w.faults})
	w.ids = ident.NewMaker(w.clock)
	signer, verifier, err := audit.LoadOrCreateKey(t.TempDir())
	w.ok(err)
	log, err := audit.New(audit.Config{DB: w.db, Clock: w.clock, IDs: w.ids, Signer: signer, Verifier: verifier})
	w.ok(err)
	w.access, err = access.New(access.Config{DB: w.db, Audit: log, Clock: w.clock, IDs: w.ids})
	w.ok(err)
	w.queue, err = queue.New(queue.Config{DB: w.db, Clock: w.clock, IDs: w.ids})
	w.ok(err)
	books, err := ledger.New(ledger.Config{Clock: w.clock})
	w.ok(err)
	key := make([]byte, 32)
	rand.Read(key)
	v, err := vault.New(vault.Config{Keys: map[string][]byte{"k1": key}, Current: "k1", IndexKey: key})
	w.ok(err)
	w.party, err = party.New(party.Config{Access: w.access, Vault: v, Clock: w.clock, IDs: w.ids})
	w.ok(err)
	engine, err := risk.New(risk.Config{Clock: w.clock})
	w.ok(err)
	w.payment, err = payment.New(payment.Config{DB: w.db, Access: w.access, Queue: w.queue, Party: w.party, Engine: engine, Clock: w.clock})
	w.ok(err)
	_, sign, err := ed25519.GenerateKey(rand.Reader)
	w.ok(err)
	w.notice, err = notice.New(notice.Config{DB: w.db, Access: w.access, Queue: w.queue, Vault: v, Party: w.party, Clock: w.clock,
		IDs: w.ids, Signer: sign, Operator: "微付支付", VerifyURL: "https://pay.example/verify"})
	w.ok(err)
	w.fund, err = fund.New(fund.Config{DB: w.db, Access: w.access, Queue: w.queue, Ledger: books, Vault: v, Clock: w.clock, IDs: w.ids,
		OutDir: w.out, Debtor: fund.Debtor{Name: "微付支付", Account: "6200000000000000001", Bank: "中国工商银行"}})
	w.ok(err)
	evidence, err := claim.OpenFiles(w.files)
	w.ok(err)
	w.Service, err = claim.New(claim.Config{DB: w.db, Access: w.access, Queue: w.queue, Vault: v, Party: w.party, Payment: w.payment,
		Fund: w.fund, Notice: w.notice, Clock: w.clock, IDs: w.ids, Files: evidence})
	w.ok(err)
	w.people()
	return w
}

func (w *world) people() {
	w.Helper()
	_, err := w.party.ImportAccounts(w.ctx, host, strings.NewReader(town))
	w.ok(err)
	for _, p := range []struct{ id, payer string }{{"P1", "W1"}, {"P2", "W1"}, {"P3", "W1"}, {"P4", "W1"}, {"Q1", "W2"}} {
		got, err := w.payment.Assess(w.ctx, host, payment.Request{ID: p.id, At: start, Payer: p.payer, Payee: "W3", Amount: money.Yuan(100),
			Type: "transfer", Channel: "app", Device: "dev-x", IP: "10.0.0.1", City: "乐山", Settled: true})
		w.ok(err)
		if got.State != payment.Settled {
			w.Fatal(got.State)
		}
	}
	w.song, w.tang = w.customer("W1"), w.customer("W2")
	job := ident.Job("test")
	w.ok(w.fund.Create(w.ctx, job, fund.Fund{ID: "yearly", NameZH: "年度基金", NameEN: "Yearly fund", Kind: fund.Yearly, Currency: money.CNY}))
	w.ok(w.fund.Deposit(w.ctx, job, "dep-1", "yearly", money.Yuan(10_000), "opening"))
	w.ok(w.fund.Earmark(w.ctx, job, "ear-1", "yearly", "claims", money.Yuan(5_000)))
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

func (w *world) customer(account string) ident.Actor {
	w.Helper()
	var id ident.ID
	w.view(func(tx *db.Tx) error { a, _, err := w.party.Account(tx, account); id = a.PartyID; return err })
	return ident.Actor{Kind: ident.Customer, ID: id}
}

func (w *world) view(fn func(tx *db.Tx) error) {
	w.Helper()
	w.ok(w.db.View(w.ctx, fn))
}

func (w *world) get(id ident.ID) (c claim.Claim) {
	w.Helper()
	w.view(func(tx *db.Tx) (err error) { c, _, err = w.Get(tx, id); return err })
	return c
}

func (w *world) is(id ident.ID, want claim.Status) claim.Claim {
	w.Helper()
	c := w.get(id)
	if c.Status != want {
		w.Fatalf("%s is %q, want %q", id, c.Status, want)
	}
	return c
}

// in is a claim of the customer of W1 on payments.
func (w *world) in(id string, payments ...string) claim.FileIn {
	return claim.FileIn{ID: id, Kind: claim.Theft, Holder: w.song.ID, Claimant: w.song.ID, Account: "W1", Payments: payments,
		Basis: claim.LedgerRecord, LossDate: start, Words: "不是我付的", PayTo: money1, Source: "portal"}
}

func (w *world) file(id string, payments ...string) claim.Claim {
	w.Helper()
	c, err := w.File(w.ctx, w.song, w.in(id, payments...))
	w.ok(err)
	return c
}

func (w *world) move(actor ident.Actor, id ident.ID, e claim.Event) claim.Claim {
	w.Helper()
	c, err := w.Move(w.ctx, actor, id, e, "请看")
	w.ok(err)
	return c
}

func (w *world) approve(id ident.ID, kind claim.DecisionKind, yuan int64) {
	w.Helper()
	w.ok(w.Decide(w.ctx, handler, id, claim.DecisionIn{Kind: kind, Amount: money.Yuan(yuan), Words: "核实"}))
}

func (w *world) refuse(id ident.ID) {
	w.Helper()
	w.ok(w.Decide(w.ctx, handler, id, claim.DecisionIn{Kind: claim.Refuse, Ground: "paid_by_holder", Proofs: []string{"no_record"},
		Words: "本机付款"}))
}

func (w *world) pay(id, payout ident.ID) (err error) {
	return w.access.Run(w.ctx, func(tx *db.Tx) error {
		_, err := w.PayTx(tx, treasurer, id, claim.PayIn{ID: payout, FundID: "yearly", Purpose: "claims"})
		return err
	})
}

func (w *world) drain() {
	w.Helper()
	_, err := w.queue.Drain(w.ctx)
	w.ok(err)
}

// settle lets the bank answer what is new in its folder, and rejects the payouts named.
func (w *world) settle(reject ...string) {
	w.Helper()
	w.drain()
	w.answer(reject...)
	w.drain()
}

func (w *world) answer(reject ...string) {
	w.Helper()
	bad := map[string]string{}
	for _, id := range reject {
		bad[id] = "AC01"
	}
	names, err := filepath.Glob(filepath.Join(w.out, "*.xml"))
	w.ok(err)
	for _, n := range names {
		if w.answered[n] {
			continue
		}
		w.answered[n] = true
		order, err := os.ReadFile(n)
		w.ok(err)
		reply, err := w.bank.AnswerAll(order, bad, w.clock.Now())
		w.ok(err)
		_, err = w.fund.ImportStatus(w.ctx, ident.Job("bank"), bytes.NewReader(reply))
		w.ok(err)
	}
}

// letters counts the messages of a template to somebody.
func (w *world) letters(to ident.ID, template string) (n int) {
	w.Helper()
	w.view(func(tx *db.Tx) error {
		ms, err := w.notice.SentTo(tx, to)
		for _, m := range ms {
			if m.Template == template {
				n++
			}
		}
		return err
	})
	return n
}

// both runs fn in a fresh world on both databases.
func both(t *testing.T, fn func(w *world)) {
	for _, d := range []db.Dialect{db.SQLite, db.Postgres} {
		t.Run(string(d), func(t *testing.T) { fn(newWorld(t, d)) })
	}
}
