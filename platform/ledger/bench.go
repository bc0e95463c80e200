package ledger

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"surety/kernel/ident"
	"surety/kernel/money"
	"surety/platform/db"
)

// Figures are what Bench measured, all in one run on one database.
type Figures struct {
	Database  string  `json:"database"`
	Callers   int     `json:"callers"`
	Transfers int64   `json:"transfers"`            // booked durably
	PerSecond float64 `json:"transfers_per_second"` // durable transfers
	Bare      float64 `json:"bare_per_second"`      // one caller, one row, one commit: what a sync costs here
	Shared    float64 `json:"shared_per_second"`    // as many callers, one row each, through db.Update
	Ratio     float64 `json:"ratio_to_bare"`        // PerSecond / Bare
}

// String is one line for people.
func (f Figures) String() string {
	return fmt.Sprintf("%s, %d callers: %.0f durable transfers/s; bare single-row commit %.0f/s (%.1f times), shared %.0f/s",
		f.Database, f.Callers, f.PerSecond, f.Bare, f.Ratio, f.Shared)
}

// benchAccounts is how many accounts the transfers of Bench go between.
const benchAccounts = 1000

// Bench measures durable transfers per second: callers each book one transfer
// after another between guarded accounts through a Committer, for the given
// time; then the yardsticks, a third of that time each. What it books stays,
// for transfers are immutable: give it a database of its own.
func Bench(ctx context.Context, d *db.DB, callers int, length time.Duration) (Figures, error) {
	f := Figures{Database: string(d.Dialect()), Callers: callers}
	clock := ident.WallClock{}
	l, err := New(Config{Clock: clock})
	if err != nil {
		return f, err
	}
	ids := ident.NewMaker(clock)
	run := ids.New("bch")
	names, err := benchOpen(ctx, d, l, run)
	if err != nil {
		return f, err
	}
	c, err := NewCommitter(l, d)
	if err != nil {
		return f, err
	}
	defer c.Close()
	f.Transfers, f.PerSecond, err = benchLoop(ctx, callers, length, func(_, _ int, r *rand.Rand) error {
		from := r.IntN(len(names))
		to := (from + 1 + r.IntN(len(names)-1)) % len(names)
		return c.Transfer(ctx, Transfer{
			ID: ids.New("trf"), Debit: names[from], Credit: names[to],
			Amount: money.Of(1+r.Int64N(100), money.CNY), Code: "bench", Ref: run,
		})
	})
	if err != nil {
		return f, err
	}
	row := func(who, n int, _ *rand.Rand) error {
		return d.Update(ctx, func(tx *db.Tx) error {
			_, err := tx.Exec("insert into ledger_bench (id, n) values ($1, $2)", fmt.Sprintf("%d.%d", who, n), n)
			return err
		})
	}
	if _, f.Bare, err = benchYardstick(ctx, d, 1, length/3, row); err != nil {
		return f, err
	}
	if _, f.Shared, err = benchYardstick(ctx, d, callers, length/3, row); err != nil {
		return f, err
	}
	f.Ratio = f.PerSecond / f.Bare
	return f, nil
}

// benchOpen opens the accounts and gives each a million yuan.
func benchOpen(ctx context.Context, d *db.DB, l *Ledger, run string) ([]string, error) {
	source := Account{ID: run + ":source", Currency: money.CNY, Side: Debit}
	accounts, names, ts := []Account{source}, []string{}, []Transfer{}
	for i := range benchAccounts {
		name := fmt.Sprintf("%s:%d", run, i)
		accounts = append(accounts, Account{ID: name, Currency: money.CNY, Side: Credit, Guarded: true})
		names = append(names, name)
		ts = append(ts, Transfer{ID: name, Debit: source.ID, Credit: name, Amount: money.Yuan(1_000_000), Ref: run})
	}
	return names, d.Update(ctx, func(tx *db.Tx) error {
		if err := l.OpenAccounts(tx, accounts...); err != nil {
			return err
		}
		return l.Transfer(tx, ts...)
	})
}

// benchYardstick runs one bare row per act into a table that comes and goes.
func benchYardstick(ctx context.Context, d *db.DB, callers int, length time.Duration,
	do func(who, n int, r *rand.Rand) error) (int64, float64, error) {
	ddl := func(q string) error {
		return d.Update(ctx, func(tx *db.Tx) error { _, err := tx.Exec(q); return err })
	}
	if err := ddl("drop table if exists ledger_bench"); err != nil {
		return 0, 0, err
	}
	if err := ddl("create table ledger_bench (id text not null primary key, n bigint not null)"); err != nil {
		return 0, 0, err
	}
	n, rate, err := benchLoop(ctx, callers, length, do)
	if dropped := ddl("drop table ledger_bench"); err == nil {
		err = dropped
	}
	return n, rate, err
}

// benchLoop lets callers work until the time is over; the first error ends it.
func benchLoop(ctx context.Context, callers int, length time.Duration,
	do func(who, n int, r *rand.Rand) error) (int64, float64, error) {
	clock := ident.WallClock{}
	var total atomic.Int64
	var failed atomic.Pointer[error]
	var wg sync.WaitGroup
	begin := clock.Now()
	for who := range callers {
		wg.Add(1)
		go func() {
			defer wg.Done()
			r := rand.New(rand.NewPCG(uint64(who), 7))
			for n := 0; clock.Now().Sub(begin) < length && ctx.Err() == nil && failed.Load() == nil; n++ {
				if err := do(who, n, r); err != nil {
					failed.CompareAndSwap(nil, &err)
					return
				}
				total.Add(1)
			}
		}()
	}
	wg.Wait()
	if e := failed.Load(); e != nil {
		return 0, 0, *e
	}
	spent := clock.Now().Sub(begin).Seconds()
	return total.Load(), float64(total.Load()) / spent, ctx.Err()
}
