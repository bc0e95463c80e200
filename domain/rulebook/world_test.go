package rulebook

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

var tables = []fs.FS{audit.Migrations, queue.Migrations, access.Migrations, party.Migrations, payment.Migrations, Migrations}

var start = time.Date(2026, 5, 18, 1, 0, 0, 0, time.UTC)

const password = "correct horse battery staple"

// world is a rulebook with all it stands on, over one database.
type world struct {
	*Service
	testing.TB
	ctx    context.Context
	db     *db.DB
	dir    string
	clock  *ident.ManualClock
	ids    *ident.Maker
	access *access.Access
	queue  *queue.Queue
	party  *party.Service
	pay    *payment.Service
	engine *risk.Engine
	vault  *vault.Vault
	audit  *audit.Log
	host   ident.Actor
	people map[string]ident.Actor
	before func(payment.Request) // told of each payment just before it is judged
}

// newWorld opens a house whose staff are two analysts, a lead, a handler and a
// compliance officer.
func newWorld(t testing.TB, d *db.DB) *world {
	t.Helper()
	w := &world{TB: t, ctx: context.Background(), db: d, dir: t.TempDir(), clock: ident.NewManualClock(start), people: map[string]ident.Actor{},
		host: ident.Actor{Kind: ident.Key, ID: "key_1", Roles: []ident.Role{ident.RoleHost}}}
	w.ids = ident.NewMaker(w.clock)
	signer, verifier, err := audit.LoadOrCreateKey(w.dir)
	w.ok(err)
	w.audit, err = audit.New(audit.Config{DB: d, Clock: w.clock, IDs: w.ids, Signer: signer, Verifier: verifier})
	w.ok(err)
	w.access, err = access.New(access.Config{DB: d, Audit: w.audit, Clock: w.clock, IDs: w.ids})
	w.ok(err)
	w.queue, err = queue.New(queue.Config{DB: d, Clock: w.clock, IDs: w.ids})
	w.ok(err)
	key := make([]byte, 32)
	rand.Read(key)
	w.vault, err = vault.New(vault.Config{Keys: map[string][]byte{"k1": key}, Current: "k1", IndexKey: key})
	w.ok(err)
	w.party, err = party.New(party.Config{Access: w.access, Vault: w.vault, Clock: w.clock, IDs: w.ids})
	w.ok(err)
	w.process(w.queue)
	_, err = w.party.ImportAccounts(w.ctx, w.host, strings.NewReader(accounts))
	w.ok(err)
	w.hire()
	return w
}

// process starts engine, payments and rulebook, as a start of the program does.
func (w *world) process(q *queue.Queue) {
	w.Helper()
	var err error
	w.engine, err = risk.New(risk.Config{Clock: w.clock, Pack: InForceText(w.ctx, w.db)})
	w.ok(err)
	w.pay = newPayments(w, w.engine, q)
	_, err = w.pay.Rebuild(w.ctx)
	w.ok(err)
	w.Service, err = New(Config{DB: w.db, Access: w.access, Queue: q, Party: w.party, Payment: w.pay, Engine: w.engine, Clock: w.clock, IDs: w.ids})
	w.ok(err)
}

// another is a second process on the same database.
func (w *world) another() *world {
	w.Helper()
	o := *w
	q, err := queue.New(queue.Config{DB: w.db, Clock: w.clock, IDs: w.ids})
	w.ok(err)
	o.dir = filepath.Join(w.dir, "other")
	o.process(q)
	return &o
}

func (w *world) hire() {
	w.Helper()
	_, err := w.access.Bootstrap(w.ctx, "boss@pay.example", "boss", password)
	w.ok(err)
	boss := w.signIn("boss")
	for name, role := range map[string]ident.Role{"ana": ident.RoleAnalyst, "ben": ident.RoleAnalyst, "lea": ident.RoleLead,
		"han": ident.RoleHandler, "con": ident.RoleCompliance} {
		s, err := w.access.AddStaff(w.ctx, boss, access.NewStaff{Email: name + "@pay.example", Name: name, Roles: []ident.Role{role}, Password: password})
		w.ok(err)
		w.people[name] = ident.Actor{Kind: ident.Staff, ID: s.ID, Name: name, Roles: []ident.Role{role}} // as signing in would say
	}
}

func (w *world) signIn(name string) ident.Actor {
	w.Helper()
	token, err := w.access.SignIn(w.ctx, name+"@pay.example", password)
	w.ok(err)
	a, err := w.access.Session(w.ctx, token)
	w.ok(err)
	return a
}

const accounts = `account,name,id_number,phone,city,device,verification,opened,kind
W1,宋伟,519906195802016636,17000015947,乐山,dev-1,full,2023-06-16,person
W2,汤哲绍,519911195009143841,17000024755,德阳,dev-2,full,2022-12-28,person
W3,邱光发,519929198301193755,17000029901,乐山,dev-3,full,2024-05-07,person
W9,石言,519924197604160380,17000087046,成都,dev-9,full,2026-05-10,person
M1,尹艳小吃店,,,乐山,,full,2020-01-01,merchant
`

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

func req(id, payer, payee, device string, fen int64, at time.Time) payment.Request {
	return payment.Request{ID: id, At: at, Payer: payer, Payee: payee, Amount: money.Of(fen, money.CNY), Type: "transfer",
		Channel: "app", Device: device, IP: "10.0.0.1", City: "乐山"}
}

// judge assesses a payment that is made now.
func (w *world) judge(id, payer, payee, device string, fen int64) payment.Payment {
	w.Helper()
	r := req(id, payer, payee, device, fen, w.clock.Now())
	if w.before != nil {
		w.before(r)
	}
	p, err := w.pay.Assess(w.ctx, w.host, r)
	w.ok(err)
	return p
}

// history is some weeks of payments as they came: ordinary ones, and a thief who
// drains accounts with his own device. It returns the decisions by payment.
func (w *world) history(days int) map[string]risk.Decision {
	w.Helper()
	out := map[string]risk.Decision{}
	payers := []string{"W1", "W2", "W3"}
	n := 0
	for day := range days {
		for i, p := range payers {
			n++
			id := fmt.Sprintf("pay-%04d", n)
			w.clock.Advance(time.Hour)
			got := w.judge(id, p, "M1", "dev-"+p[1:], int64(2_000+100*((day*7+i*3)%17)))
			out[id] = got.Decision
			w.end(got)
		}
		if day%5 == 4 {
			n++
			id := fmt.Sprintf("pay-%04d", n)
			w.clock.Advance(time.Hour)
			got := w.judge(id, payers[day%3], "W9", fmt.Sprintf("dev-thief-%d", day), int64(3_000_000+10_000*day))
			out[id] = got.Decision
			w.end(got)
			w.clock.Advance(time.Hour)
			_, err := w.AddLabels(w.ctx, w.people["ana"], []LabelIn{{Payment: id, Fraud: true, Source: "police"}})
			w.ok(err)
		}
		w.clock.Advance(20 * time.Hour)
	}
	return out
}

// end carries a payment out that may go, and ends one that may not.
func (w *world) end(p payment.Payment) {
	w.Helper()
	e := payment.Settle
	switch p.State {
	case payment.Challenged:
		e = payment.FailChallenge
	case payment.Held, payment.Blocked:
		return
	}
	_, err := w.pay.Advance(w.ctx, w.host, p.ID, e)
	w.ok(err)
}

// each runs fn in a fresh house on both databases.
func each(t *testing.T, fn func(w *world, f *db.Faults)) {
	for _, dialect := range []db.Dialect{db.SQLite, db.Postgres} {
		t.Run(string(dialect), func(t *testing.T) {
			f := &db.Faults{}
			fn(newWorld(t, dbtest.Open(t, dialect, dbtest.Options{Migrations: tables, Faults: f})), f)
		})
	}
}

// text is the default pack under another number, with one thing changed.
func (w *world) text(number int, changes ...string) string {
	w.Helper()
	text, err := risk.DefaultPack()
	w.ok(err)
	p, err := risk.LoadPack(text)
	w.ok(err)
	v := p.Info().Version
	out := strings.Replace(text, fmt.Sprintf("number: %d,", v.Number), fmt.Sprintf("number: %d,", number), 1)
	out = strings.NewReplacer(changes...).Replace(out)
	if out == text {
		w.Fatal("the text did not change")
	}
	return out
}

// published is a pack that two people have brought into force.
func (w *world) published(id string, in PublishIn) Publication {
	w.Helper()
	in.ID = id
	p, err := w.Ask(w.ctx, w.people["ana"], in)
	w.ok(err)
	out, err := w.Sign(w.ctx, w.people["con"], id, p.Hash)
	w.ok(err)
	if out.State != InForce {
		w.Fatalf("%s is %s (%s)", id, out.State, out.Error)
	}
	return out
}

func (w *world) save(text string) Pack {
	w.Helper()
	p, err := w.SavePack(w.ctx, w.people["ana"], text, "")
	w.ok(err)
	return p
}

// running is the number of the pack that judges here.
func (w *world) running() int { return w.engine.Pack().Version.Number }

func (w *world) count(query string, args ...any) (n int) {
	w.Helper()
	w.ok(w.db.View(w.ctx, func(tx *db.Tx) error {
		_, err := tx.Row([]any{&n}, query, args...)
		return err
	}))
	return n
}

// damage changes rows behind the package's back.
func (w *world) damage(query string, args ...any) {
	w.Helper()
	w.ok(w.db.Update(w.ctx, func(tx *db.Tx) error {
		n, err := tx.Exec(query, args...)
		if err == nil && n == 0 {
			return fmt.Errorf("nothing was damaged")
		}
		return err
	}))
}
