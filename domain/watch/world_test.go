package watch

import (
	"context"
	"crypto/rand"
	"fmt"
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
	"surety/platform/queue"
	"surety/platform/vault"
)

func TestMain(m *testing.M) { os.Exit(dbtest.Main(m)) }

var migrationsOf = []fs.FS{audit.Migrations, queue.Migrations, access.Migrations, party.Migrations, payment.Migrations, Migrations}

// world is the service with all it stands on, over one database.
type world struct {
	*Service
	testing.TB
	ctx    context.Context
	db     *db.DB
	faults *db.Faults
	clock  *ident.ManualClock
	engine *risk.Engine
	pay    *payment.Service
	cfg    Config
	log    *audit.Log
	queue  *queue.Queue
	people *party.Service
	n      int

	host, ana, lea, other ident.Actor
}

// both runs fn over a fresh house on each database.
func both(t *testing.T, fn func(t *testing.T, w *world)) {
	for _, dialect := range []db.Dialect{db.SQLite, db.Postgres} {
		t.Run(string(dialect), func(t *testing.T) {
			f := &db.Faults{}
			fn(t, newWorld(t, dbtest.Open(t, dialect, dbtest.Options{Migrations: migrationsOf, Faults: f}), f))
		})
	}
}

func newWorld(t testing.TB, d *db.DB, f *db.Faults) *world {
	t.Helper()
	w := &world{TB: t, ctx: context.Background(), db: d, faults: f, clock: ident.NewManualClock(noon),
		host: ident.Actor{Kind: ident.Key, ID: "key_1", Roles: []ident.Role{ident.RoleHost}}}
	ids := ident.NewMaker(w.clock)
	signer, verifier, err := audit.LoadOrCreateKey(t.TempDir())
	must(t, err)
	w.log, err = audit.New(audit.Config{DB: d, Clock: w.clock, IDs: ids, Signer: signer, Verifier: verifier})
	must(t, err)
	acc, err := access.New(access.Config{DB: d, Audit: w.log, Clock: w.clock, IDs: ids})
	must(t, err)
	w.queue, err = queue.New(queue.Config{DB: d, Clock: w.clock, IDs: ids})
	must(t, err)
	key := make([]byte, 32)
	rand.Read(key)
	v, err := vault.New(vault.Config{Keys: map[string][]byte{"k1": key}, Current: "k1", IndexKey: key})
	must(t, err)
	w.people, err = party.New(party.Config{Access: acc, Vault: v, Clock: w.clock, IDs: ids})
	must(t, err)
	w.cfg = Config{DB: d, Access: acc, Clock: w.clock, IDs: ids}
	w.cfg.Meter, err = NewMeter(small, noon)
	must(t, err)
	w.engine, err = risk.New(risk.Config{Clock: w.clock, Tap: w.cfg.Meter.Observe})
	must(t, err)
	w.pay, err = payment.New(payment.Config{DB: d, Access: acc, Queue: w.queue, Party: w.people, Engine: w.engine, Clock: w.clock})
	must(t, err)
	w.cfg.Payment, w.cfg.Push, w.cfg.Uses = w.pay, w.engine.SetStops, w.engine.StopUses
	w.Service, err = New(w.cfg)
	must(t, err)
	_, err = w.people.ImportAccounts(w.ctx, w.host, strings.NewReader(accounts))
	must(t, err)
	w.staff()
	must(t, w.Load(w.ctx))
	return w
}

const accounts = `account,name,id_number,phone,city,device,verification,opened,kind
W1,宋伟,519906195802016636,17000015947,乐山,dev-1,full,2023-06-16,person
W2,汤哲绍,519911195009143841,17000024755,德阳,dev-2,full,2022-12-28,person
M1,尹艳小吃店,,,乐山,,full,2020-01-01,merchant
`

// staff are two who may stop, a third who may, and one who may not.
func (w *world) staff() {
	w.Helper()
	admin, err := w.cfg.Access.Bootstrap(w.ctx, "a@example.org", "Admin", "correct horse battery")
	must(w, err)
	boss := ident.Actor{Kind: ident.Staff, ID: admin.ID, Roles: admin.Roles}
	hire := func(name string, r ident.Role) ident.Actor {
		s, err := w.cfg.Access.AddStaff(w.ctx, boss, access.NewStaff{Email: name + "@example.org", Name: name, Roles: []ident.Role{r}, Password: "correct horse battery"})
		must(w, err)
		return ident.Actor{Kind: ident.Staff, ID: s.ID, Name: name, Roles: s.Roles}
	}
	w.ana, w.lea, w.other = hire("ana", ident.RoleAnalyst), hire("lea", ident.RoleLead), hire("hal", ident.RoleHandler)
}

// again is the house after a restart of the process: the same database, a new engine
// and a new meter.
func (w *world) again(change func(*Config)) *world {
	w.Helper()
	c := *w
	var err error
	c.cfg.Meter, err = NewMeter(small, w.clock.Now())
	must(w, err)
	c.engine, err = risk.New(risk.Config{Clock: w.clock, Tap: c.cfg.Meter.Observe})
	must(w, err)
	c.cfg.Push, c.cfg.Uses = c.engine.SetStops, c.engine.StopUses
	if change != nil {
		change(&c.cfg)
	}
	c.Service, err = New(c.cfg)
	must(w, err)
	must(w, c.Load(w.ctx))
	return &c
}

func (w *world) want(err error, k ident.Kind, code string) {
	w.Helper()
	if ident.KindOf(err) != k || ident.CodeOf(err) != code {
		w.Fatalf("got %v (%s), want %s %s", err, ident.CodeOf(err), k, code)
	}
}

// view runs fn in a view and fails the test if it fails.
func view[T any](w *world, fn func(tx *db.Tx) (T, error)) (out T) {
	w.Helper()
	must(w, w.db.View(w.ctx, func(tx *db.Tx) (err error) {
		out, err = fn(tx)
		return err
	}))
	return out
}

func (w *world) stop(id ident.ID) Stop {
	w.Helper()
	return view(w, func(tx *db.Tx) (Stop, error) { return w.needStop(tx, id) })
}

func (w *world) alarms(f AlarmFilter) []Alarm {
	w.Helper()
	return view(w, func(tx *db.Tx) ([]Alarm, error) { return w.Alarms(tx, f) })
}

func order(id string, m risk.Match, limit int64) StopIn {
	return StopIn{ID: id, Match: m, Outcome: risk.Hold, Until: noon.Add(10 * time.Hour), Limit: limit, ZH: "交易异常，暂缓处理", EN: "held for a check",
		Reason: "the terminal is being skimmed"}
}

// assess sends one ordinary payment through the whole house.
func (w *world) assess(change func(r *payment.Request)) payment.Payment {
	w.Helper()
	w.n++
	r := payment.Request{ID: fmt.Sprint("P", w.n), At: w.clock.Now(), Payer: "W1", Payee: "M1", Amount: money.Of(1200, money.CNY), Type: "purchase",
		Channel: "qr", Device: "dev-1", IP: "10.0.0.1", City: "乐山", Terminal: "T1", Merchant: "M1"}
	if change != nil {
		change(&r)
	}
	p, err := w.pay.Assess(w.ctx, w.host, r)
	must(w, err)
	return p
}

// warm lets the meter believe that it has seen weeks in which a key did n an hour.
func (w *world) warm(d int, name string, n float64) {
	m := w.cfg.Meter
	m.tick.mu.Lock()
	defer m.tick.mu.Unlock()
	p := &m.tick.dims[d]
	p.hours, p.rate = 672, max(n, 0.1)
	p.sum.count, p.sum.span = 672*n, 672
	if name == "" {
		return
	}
	e := entry{}
	e.ends[d] = uint16(copy(e.text[:], name))
	t := &m.tables[d]
	at := t.begin(m.hash(name), &e, d)
	k := m.keyAt(d, at)
	k.past.born, k.past.sum = 1, sums{count: 672 * n, span: 672}
	for i := range k.past.slots {
		k.past.slots[i], k.past.weeks[i] = float32(n), 4
	}
}

// burst feeds the meter payments of the past minutes.
func (w *world) burst(n int, change func(e *risk.Event)) {
	for i := range n {
		w.n++
		e := risk.Event{ID: fmt.Sprint("B", w.n), At: w.clock.Now().Add(-time.Duration(n-i) * time.Second), Payer: fmt.Sprint("C", w.n), Payee: "M9",
			Amount: money.Of(1000, money.CNY), Type: risk.Purchase, Channel: "qr", City: "乐山"}
		change(&e)
		w.cfg.Meter.Observe(&e, allowed)
	}
}

func (w *world) tick() {
	w.Helper()
	must(w, w.Tick(w.ctx, w.clock.Now()))
}
