package ledger_test

import (
	"context"
	"io/fs"
	"testing"
	"time"

	"surety/kernel/ident"
	"surety/kernel/money"
	"surety/platform/db"
	"surety/platform/db/dbtest"
	"surety/platform/ledger"
)

func opts(f *db.Faults) dbtest.Options {
	return dbtest.Options{Migrations: []fs.FS{ledger.Migrations}, Faults: f}
}

// books is a ledger under test, in the words of the domain.
type books struct {
	t     testing.TB
	d     *db.DB
	l     *ledger.Ledger
	clock *ident.ManualClock
}

func newBooks(t testing.TB, d *db.DB) *books {
	clock := ident.NewManualClock(time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC))
	l, err := ledger.New(ledger.Config{Clock: clock})
	if err != nil {
		t.Fatal(err)
	}
	return &books{t, d, l, clock}
}

func (b *books) update(fn func(tx *db.Tx) error) error { return b.d.Update(context.Background(), fn) }

func (b *books) open(as ...ledger.Account) {
	b.t.Helper()
	if err := b.update(func(tx *db.Tx) error { return b.l.OpenAccounts(tx, as...) }); err != nil {
		b.t.Fatal(err)
	}
}

func (b *books) try(ts ...ledger.Transfer) error {
	return b.update(func(tx *db.Tx) error { return b.l.Transfer(tx, ts...) })
}

func (b *books) ok(ts ...ledger.Transfer) {
	b.t.Helper()
	if err := b.try(ts...); err != nil {
		b.t.Fatal(err)
	}
}

func (b *books) refused(code string, ts ...ledger.Transfer) {
	b.t.Helper()
	if err := b.try(ts...); ident.CodeOf(err) != code {
		b.t.Fatalf("got %v, want %s", err, code)
	}
}

func (b *books) expire() (n int) {
	b.t.Helper()
	err := b.update(func(tx *db.Tx) (err error) {
		n, err = b.l.Expire(tx, b.clock.Now())
		return err
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return n
}

func (b *books) balances() (out []ledger.Balance) {
	b.t.Helper()
	err := b.d.View(context.Background(), func(tx *db.Tx) (err error) {
		out, err = b.l.Balances(tx, "")
		return err
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return out
}

// stands checks posted, held and available minor units of an account.
func (b *books) stands(id string, posted, held, available int64) {
	b.t.Helper()
	var got ledger.Balance
	err := b.d.View(context.Background(), func(tx *db.Tx) (err error) {
		got, err = b.l.Balance(tx, id)
		return err
	})
	if err != nil {
		b.t.Fatal(err)
	}
	if got.Posted.Minor != posted || got.Pending.Minor != held || got.Available.Minor != available {
		b.t.Fatalf("%s stands at %+v, want posted %d, held %d, available %d", id, got, posted, held, available)
	}
}

func (b *books) check() {
	b.t.Helper()
	rep, err := ledger.Check(context.Background(), b.d)
	if err != nil || !rep.Balanced {
		b.t.Fatalf("the books do not hold: %v %v", rep.Problems, err)
	}
}

// posted is every balance under its exported name, debits positive.
func (b *books) posted() map[string]string {
	out := map[string]string{}
	for _, x := range b.balances() {
		minor := x.Posted.Minor
		if x.Account.Side == ledger.Credit {
			minor = -minor
		}
		amount := money.Of(minor, x.Account.Currency)
		out[ledger.ExportName(x.Account.ID, x.Account.Side)] = amount.Plain() + " " + string(amount.Currency)
	}
	return out
}

func cny(minor int64) money.Amount { return money.Of(minor, money.CNY) }
