package sim

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"surety/app"
	"surety/domain/fund"
	"surety/kernel/ident"
	"surety/platform/db"
	"surety/platform/db/dbtest"
)

// desk is the bank in this process: it answers while the payer is speaking.
type desk struct {
	bank fund.Bank
	out  string // where the files lie
	at   string // where the answers go
	err  error
}

// Write takes a line of the payer's.
func (d *desk) Write(line []byte) (int, error) {
	if name, ok := strings.CutPrefix(strings.TrimSpace(string(line)), "bank "); ok {
		text, err := os.ReadFile(filepath.Join(d.out, name))
		if err == nil {
			text, err = d.bank.AnswerAll(text, nil, start)
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(d.at, name), text, 0o600)
		}
		d.err = err
	}
	return len(line), nil
}

// yes answers everything.
type yes struct{}

func (yes) Read(b []byte) (int, error) { b[0] = '\n'; return 1, nil }

// house is a prepared house for a test.
type house struct {
	*testing.T
	ctx    context.Context
	dir    string
	url    string
	clock  *ident.ManualClock
	faults *db.Faults
	wallet string
	a      *app.App
	p      people
	desk   desk
}

// newHouse opens an empty house.
func newHouse(t *testing.T, dialect db.Dialect) *house {
	t.Helper()
	h := &house{T: t, ctx: context.Background(), dir: t.TempDir(), url: dbtest.NewURL(t, dialect), clock: ident.NewManualClock(start),
		faults: &db.Faults{}}
	h.open()
	t.Cleanup(func() { h.a.Close() })
	return h
}

func (h *house) ok(err error) {
	h.Helper()
	if err != nil {
		h.Fatal(err)
	}
}

func (h *house) open() {
	h.Helper()
	var err error
	cfg := app.Config{Dir: h.dir, DB: h.url, Clock: h.clock, Faults: h.faults, WalletURL: h.wallet}
	if h.wallet != "" {
		cfg.WalletSecret = walletSecret
	}
	h.a, err = app.Open(h.ctx, cfg)
	h.ok(err)
	h.p, err = hire(h.ctx, h.a)
	h.ok(err)
}

func (h *house) reopen() {
	h.Helper()
	h.ok(h.a.Close())
	h.clock.Advance(5 * time.Minute)
	h.open()
}

// payer is the pay-out's child, in this process.
func (h *house) payer() *payer {
	h.desk.out = h.a.BankOut()
	if h.desk.at == "" {
		h.desk.at = h.TempDir()
	}
	m := &mouth{out: &h.desk, in: bufio.NewReaderSize(io.Reader(yes{}), 16)}
	return &payer{a: h.a, p: h.p, m: m, s: spec{Desk: h.desk.at}, said: map[string]bool{}}
}

// payOut pays everybody; an error is what stopped it.
func (h *house) payOut() error {
	w := h.payer()
	if err := w.order(h.ctx); err != nil {
		return err
	}
	for range 5 {
		if done, err := w.round(h.ctx); err != nil || done {
			return err
		}
	}
	return fmt.Errorf("the pay-out does not end")
}

// paidHouse is a house in which an incident has been paid.
func paidHouse(t *testing.T, dialect db.Dialect, victims int) *house {
	t.Helper()
	h := newHouse(t, dialect)
	h.ok(prepare(h.ctx, h.a, victims))
	h.ok(h.payOut())
	_, err := h.a.Audit.SignHead(h.ctx)
	h.ok(err)
	return h
}

// exec runs SQL in the house, as somebody who has the database would.
func (h *house) exec(query string, args ...any) error {
	return h.a.DB.Update(h.ctx, func(tx *db.Tx) error { _, err := tx.Exec(query, args...); return err })
}

// found are the problems that the house's own verification, the explanation of
// each cent and the trail see.
func (h *house) found() (all []string) {
	h.Helper()
	v, err := h.a.Verify(h.ctx)
	h.ok(err)
	all = append(append(append(all, v.Problems...), v.Books.Problems...), v.Audit.Problems...)
	if !v.OK && len(all) == 0 {
		all = append(all, "verify says no without a word")
	}
	return append(all, append(h.walked(), h.trailed()...)...)
}

func (h *house) walked() []string {
	h.Helper()
	found, err := Walk(h.ctx, h.a.DB)
	h.ok(err)
	return found
}

func (h *house) trailed() []string {
	h.Helper()
	found, err := Trail(h.ctx, h.a.DB)
	h.ok(err)
	return found
}

// dropTriggers removes what guards the tables, as their owner can.
func (h *house) dropTriggers() {
	h.Helper()
	drops := map[string]string{}
	query := "select name, tbl_name from sqlite_master where type = 'trigger'"
	if h.a.DB.Dialect() == db.Postgres {
		query = "select tgname, relname from pg_trigger join pg_class on pg_class.oid = tgrelid where not tgisinternal"
	}
	h.ok(h.a.DB.View(h.ctx, func(tx *db.Tx) error {
		return tx.Rows(query, nil, func(scan func(...any) error) error {
			var name, table string
			err := scan(&name, &table)
			drops[name] = table
			return err
		})
	}))
	for name, table := range drops {
		if h.a.DB.Dialect() == db.Postgres {
			name += " on " + table
		}
		h.ok(h.exec("drop trigger " + name))
	}
	if len(drops) == 0 {
		h.Fatal("there are no triggers")
	}
}

// both runs a test on both databases.
func both(t *testing.T, fn func(t *testing.T, dialect db.Dialect)) {
	for _, dialect := range []db.Dialect{db.SQLite, db.Postgres} {
		t.Run(string(dialect), func(t *testing.T) { fn(t, dialect) })
	}
}
