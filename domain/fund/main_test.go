package fund

import (
	"context"
	"crypto/rand"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

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

const start = "2026-05-30T09:00:00Z"

// house is a fund service on one database, with a bank that reads its folder.
type house struct {
	*Service
	testing.TB
	ctx    context.Context
	d      *db.DB
	clock  *ident.ManualClock
	dir    string
	bank   Bank
	log    *audit.Log
	events map[string][]PayoutEvent
}

func migrationsOf(t testing.TB) []fs.FS {
	own := Migrations
	return []fs.FS{audit.Migrations, access.Migrations, queue.Migrations, ledger.Migrations, own}
}

func newHouse(t testing.TB, d *db.DB, clock *ident.ManualClock, dir string, change func(*Config)) *house {
	t.Helper()
	h := &house{TB: t, ctx: context.Background(), d: d, clock: clock, dir: dir, events: map[string][]PayoutEvent{}}
	ids := ident.NewMaker(clock)
	secret, public, err := note.GenerateKey(rand.Reader, "test")
	h.ok(err)
	signer, err := note.NewSigner(secret)
	h.ok(err)
	verifier, err := note.NewVerifier(public)
	h.ok(err)
	log, err := audit.New(audit.Config{DB: d, Clock: clock, IDs: ids, Signer: signer, Verifier: verifier})
	h.ok(err)
	acc, err := access.New(access.Config{DB: d, Audit: log, Clock: clock, IDs: ids})
	h.ok(err)
	h.log = log
	q, err := queue.New(queue.Config{DB: d, Clock: clock, IDs: ids})
	h.ok(err)
	led, err := ledger.New(ledger.Config{Clock: clock})
	h.ok(err)
	key := []byte(strings.Repeat("k", 32))
	v, err := vault.New(vault.Config{Keys: map[string][]byte{"k1": key}, Current: "k1", IndexKey: key})
	h.ok(err)
	cfg := Config{DB: d, Access: acc, Queue: q, Ledger: led, Vault: v, Clock: clock, IDs: ids,
		OutDir: dir, Debtor: Debtor{Name: "某某钱包有限公司", Account: "6200000000000000001", Bank: "中国工商银行"}}
	if change != nil {
		change(&cfg)
	}
	h.Service, err = New(cfg)
	h.ok(err)
	for _, kind := range []string{EventSettled, EventRejected, EventReturned} {
		q.Handle(kind, func(_ *db.Tx, j queue.Job) error {
			var e PayoutEvent
			if err := j.Decode(&e); err != nil {
				return err
			}
			h.events[kind] = append(h.events[kind], e) // may be seen again after an undone transaction; tests count ids
			return nil
		})
	}
	return h
}

// both runs fn in a fresh house on both databases.
func both(t *testing.T, change func(*Config), fn func(h *house, f *db.Faults)) {
	for _, dialect := range []db.Dialect{db.SQLite, db.Postgres} {
		t.Run(string(dialect), func(t *testing.T) {
			f := &db.Faults{}
			d := dbtest.Open(t, dialect, dbtest.Options{Migrations: migrationsOf(t), Faults: f})
			fn(newHouse(t, d, newClock(t), filepath.Join(t.TempDir(), "out"), change), f)
		})
	}
}

func newClock(t testing.TB) *ident.ManualClock {
	at, err := time.Parse(time.RFC3339, start)
	if err != nil {
		t.Fatal(err)
	}
	return ident.NewManualClock(at)
}

func (h *house) ok(err error) {
	h.Helper()
	if err != nil {
		h.Fatal(err)
	}
}

func (h *house) want(err error, k ident.Kind, code string) {
	h.Helper()
	if ident.KindOf(err) != k || ident.CodeOf(err) != code {
		h.Fatalf("got %v (%s), want %s %s", err, ident.CodeOf(err), k, code)
	}
}

var tester = ident.Job("test")

// rich opens a fund with money and an earmark for inc_1.
func (h *house) rich(free, earmarked int64) {
	h.Helper()
	h.ok(h.Create(h.ctx, tester, Fund{ID: "emergency", NameZH: "应急基金", NameEN: "Emergency fund", Kind: Emergency, Currency: money.CNY}))
	h.ok(h.Deposit(h.ctx, tester, "dep-1", "emergency", money.Yuan(free+earmarked), "opening"))
	if earmarked > 0 {
		h.ok(h.Earmark(h.ctx, tester, "ear-1", "emergency", "inc_1", money.Yuan(earmarked)))
	}
}

func order(n int, yuan int64, rail string) PayIn {
	return PayIn{ID: fmt.Sprintf("po_%026d", n), FundID: "emergency", Purpose: "inc_1", Claim: fmt.Sprintf("clm_%d", n), Ref: "2026-000123",
		Amount: money.Yuan(yuan), To: PayTo{Name: "尹和震", Bank: "中国农业银行", Account: "6270899306786900075", Rail: rail},
		Code: CodeCompensation, Basis: "ledger_record"}
}

func (h *house) pay(in PayIn) (p Payout, err error) {
	err = h.cfg.Access.Run(h.ctx, func(tx *db.Tx) (err error) {
		p, err = h.PayTx(tx, tester, in)
		return err
	})
	return p, err
}

func (h *house) get(id ident.ID) Payout {
	h.Helper()
	p, found, err := h.load(h.ctx, id)
	h.ok(err)
	if !found {
		h.Fatalf("no payout %s", id)
	}
	return p
}

func (h *house) is(id ident.ID, want PayoutState) Payout {
	h.Helper()
	p := h.get(id)
	if p.State != want {
		h.Fatalf("%s is %s (%s), want %s", id, p.State, p.Reason, want)
	}
	return p
}

func (h *house) drain() {
	h.Helper()
	_, err := h.cfg.Queue.Drain(h.ctx)
	h.ok(err)
}

func (h *house) figures(purpose ident.ID) (f Figures) {
	h.Helper()
	h.ok(h.d.View(h.ctx, func(tx *db.Tx) (err error) {
		f, err = h.FiguresTx(tx, "emergency", purpose)
		return err
	}))
	return f
}

// wantFigures compares free, earmarked, underway and paid, in yuan.
func (h *house) wantFigures(free, earmarked, underway, paid int64) {
	h.Helper()
	f := h.figures("inc_1")
	want := Figures{Balance: money.Yuan(free + earmarked), Free: money.Yuan(free), Earmarked: money.Yuan(earmarked),
		Underway: money.Yuan(underway), PaidOut: money.Yuan(paid), EarmarkedFor: money.Yuan(earmarked), PaidFor: money.Yuan(paid)}
	if f != want {
		h.Fatalf("figures are %+v\nwant %+v", f, want)
	}
}

// files are what stands in the bank's folder, by name.
func (h *house) files() map[string]string {
	h.Helper()
	out := map[string]string{}
	names, err := filepath.Glob(filepath.Join(h.dir, "*"))
	h.ok(err)
	for _, n := range names {
		data, err := os.ReadFile(n)
		h.ok(err)
		out[filepath.Base(n)] = string(data)
	}
	return out
}

// oneFile is the only file in the bank's folder.
func (h *house) oneFile() string {
	h.Helper()
	fs := h.files()
	if len(fs) != 1 {
		h.Fatalf("%d files, want 1", len(fs))
	}
	for _, f := range fs {
		return f
	}
	return ""
}

func (h *house) importStatus(file string) (StatusReport, error) {
	return h.ImportStatus(h.ctx, tester, strings.NewReader(file))
}

// clean proves the books.
func (h *house) cleanBooks() {
	h.Helper()
	rep, err := ledger.Check(h.ctx, h.d)
	h.ok(err)
	if !rep.Balanced {
		h.Fatalf("the books: %v", rep.Problems)
	}
}

// worth is what a posted transfer code moved out of the bank in the ledger: the
// auditor's own count, not this package's.
func (h *house) ledgerPaid(purpose ident.ID) (sum int64, times map[ident.ID]int) {
	h.Helper()
	times = map[ident.ID]int{}
	h.ok(h.d.View(h.ctx, func(tx *db.Tx) error {
		ts, err := h.cfg.Ledger.Transfers(tx, ledger.Filter{Ref: purpose, Limit: 10_000})
		for _, t := range ts {
			if t.Kind == ledger.Post && t.Credit == BankAccount(money.CNY) {
				sum += t.Amount.Minor
				times[strings.TrimPrefix(t.Pending, "pay.")]++
			}
		}
		return err
	}))
	return sum, times
}

func newConfigZone() *time.Location { return time.FixedZone("CST", 8*60*60) }
