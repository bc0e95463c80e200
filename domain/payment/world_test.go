package payment_test

import (
	"context"
	"io/fs"
	"os"
	"strings"
	"testing"
	"time"

	"surety/domain/party"
	"surety/domain/payment"
	"surety/domain/risk"
	"surety/kernel/ident"
	"surety/kernel/money"
	"surety/platform/access"
	"surety/platform/audit"
	"surety/platform/db"
	"surety/platform/db/dbtest"
	"surety/platform/journal"
	"surety/platform/queue"
	"surety/platform/vault"
)

func TestMain(m *testing.M) { os.Exit(dbtest.Main(m)) }

var migrations = []fs.FS{audit.Migrations, queue.Migrations, access.Migrations, party.Migrations, payment.Migrations}

var start = time.Date(2026, 5, 18, 1, 0, 0, 0, time.UTC)

// world is payment with all it stands on, over one database.
type world struct {
	*payment.Service
	db      *db.DB
	clock   *ident.ManualClock
	engine  *risk.Engine
	party   *party.Service
	audit   *audit.Log
	host    ident.Actor
	cfg     payment.Config
	dir     string          // of the journal
	journal *journal.Faults // of the journal
}

// each runs fn on both databases, with decisions written directly and through a
// journal.
func each(t *testing.T, fn func(t *testing.T, w *world)) {
	for _, durable := range []bool{false, true} {
		name := "direct"
		if durable {
			name = "journal"
		}
		t.Run(name, func(t *testing.T) {
			dbtest.Run(t, dbtest.Options{Migrations: migrations}, func(t *testing.T, d *db.DB) { fn(t, newWorld(t, d, durable)) })
		})
	}
}

func newWorld(t testing.TB, d *db.DB, durable bool) *world {
	t.Helper()
	dir := ""
	if durable {
		dir = t.TempDir()
	}
	w := openWorld(t, d, dir, t.TempDir())
	_, err := w.party.ImportAccounts(context.Background(), w.host, strings.NewReader(accounts))
	must(t, err)
	return w
}

// openWorld opens what stands in a database and in the folders of the journal (""
// for none) and of the keys.
func openWorld(t testing.TB, d *db.DB, dir, keys string) *world {
	t.Helper()
	w := &world{db: d, clock: ident.NewManualClock(start), dir: dir, journal: &journal.Faults{},
		host: ident.Actor{Kind: ident.Key, ID: "key_1", Roles: []ident.Role{ident.RoleHost}}}
	ids := ident.NewMaker(w.clock)
	signer, verifier, err := audit.LoadOrCreateKey(keys)
	must(t, err)
	log, err := audit.New(audit.Config{DB: d, Clock: w.clock, IDs: ids, Signer: signer, Verifier: verifier})
	must(t, err)
	w.audit = log
	acc, err := access.New(access.Config{DB: d, Audit: log, Clock: w.clock, IDs: ids})
	must(t, err)
	q, err := queue.New(queue.Config{DB: d, Clock: w.clock, IDs: ids})
	must(t, err)
	key := make([]byte, 32)
	copy(key, "the same key for every test world")
	v, err := vault.New(vault.Config{Keys: map[string][]byte{"k1": key}, Current: "k1", IndexKey: key})
	must(t, err)
	w.party, err = party.New(party.Config{Access: acc, Vault: v, Clock: w.clock, IDs: ids})
	must(t, err)
	w.cfg = payment.Config{DB: d, Access: acc, Queue: q, Party: w.party, Clock: w.clock}
	w.start(t)
	return w
}

// start opens the journal and replays, as a process does; after stop it is a
// restart.
func (w *world) start(t testing.TB) {
	t.Helper()
	var err error
	w.engine, err = risk.New(risk.Config{Clock: w.clock})
	must(t, err)
	w.cfg.Engine = w.engine
	if w.dir != "" {
		w.cfg.Journal, err = journal.Open(journal.Config{Dir: w.dir, Segment: 1 << 20, Faults: w.journal})
		must(t, err)
		j := w.cfg.Journal
		t.Cleanup(func() { j.Close() })
	}
	w.Service, err = payment.New(w.cfg)
	must(t, err)
	_, err = w.Rebuild(context.Background())
	must(t, err)
}

func (w *world) stop(t testing.TB) {
	t.Helper()
	if w.cfg.Journal != nil {
		must(t, w.cfg.Journal.Close())
	}
}

const accounts = `account,name,id_number,phone,city,device,verification,opened,kind
W1,宋伟,519906195802016636,17000015947,乐山,dev-1,full,2023-06-16,person
W2,汤哲绍,519911195009143841,17000024755,德阳,dev-2,full,2022-12-28,person
W3,邱光发,519929198301193755,17000029901,乐山,dev-3,full,2024-05-07,person
W9,石言,519924197604160380,17000087046,成都,dev-9,full,2026-05-10,person
M1,尹艳小吃店,,,乐山,,full,2020-01-01,merchant
`

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func req(id, payer, payee, device string, fen int64) payment.Request {
	return payment.Request{ID: id, At: start, Payer: payer, Payee: payee, Amount: money.Of(fen, money.CNY), Type: "transfer",
		Channel: "app", Device: device, IP: "10.0.0.1", City: "乐山"}
}

// rows is how many payments the table holds once all that was acknowledged is there.
func (w *world) rows(t testing.TB) int {
	t.Helper()
	must(t, w.Await(context.Background()))
	return w.rowsNow(t)
}

// rowsNow is how many it holds.
func (w *world) rowsNow(t testing.TB) (n int) {
	t.Helper()
	must(t, w.db.View(context.Background(), func(tx *db.Tx) error {
		_, err := tx.Row([]any{&n}, "select count(*) from payment")
		return err
	}))
	return n
}

// rebuildInto replays the journal into another engine, as a restart does.
func (w *world) rebuildInto(e *risk.Engine) error {
	cfg := w.cfg
	cfg.Engine = e
	s, err := payment.New(cfg)
	if err != nil {
		return err
	}
	_, err = s.Rebuild(context.Background())
	return err
}

// tryStart is start for what is expected to be refused.
func (w *world) tryStart(t testing.TB) error {
	t.Helper()
	j, err := journal.Open(journal.Config{Dir: w.dir, Segment: 1 << 20})
	must(t, err)
	defer j.Close()
	cfg := w.cfg
	cfg.Journal = j
	if cfg.Engine, err = risk.New(risk.Config{Clock: w.clock}); err != nil {
		return err
	}
	s, err := payment.New(cfg)
	must(t, err)
	_, err = s.Rebuild(context.Background())
	return err
}
