package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"surety/kernel/ident"
	"surety/kernel/money"
	"surety/platform/db"
	"surety/platform/db/dbtest"
	"surety/platform/ledger"
)

// model is an independent ledger in memory: it keeps no sums, only what was
// accepted, and works out each question from that.
type model struct {
	side    map[string]ledger.Side
	guarded map[string]bool
	purpose map[string]string
	done    []entry
}

type entry struct {
	id, debit, credit, ref string
	kind                   ledger.Kind
	amount                 int64
	expires                time.Time
	of                     string // the pending
}

func (m *model) find(match func(entry) bool) *entry {
	for i := range m.done {
		if match(m.done[i]) {
			return &m.done[i]
		}
	}
	return nil
}

func (m *model) byID(id string) *entry     { return m.find(func(e entry) bool { return e.id == id }) }
func (m *model) ending(id string) *entry   { return m.find(func(e entry) bool { return e.of == id }) }
func (m *model) free(account string) int64 { p, h := m.stand(account); return p - h }

// stand is the posted balance on the normal side and what is held of it.
func (m *model) stand(account string) (posted, held int64) {
	for _, e := range m.done {
		out, in := e.debit, e.credit
		if m.side[account] == ledger.Debit {
			out, in = in, out
		}
		switch {
		case e.kind == ledger.Single || e.kind == ledger.Post:
			if in == account {
				posted += e.amount
			}
			if out == account {
				posted -= e.amount
			}
		case e.kind == ledger.Pending && m.ending(e.id) == nil && out == account:
			held += e.amount
		}
	}
	return posted, held
}

// book answers one batch with a code, and keeps it if that is "".
func (m *model) book(now time.Time, batch []entry) string {
	kept := len(m.done)
	for _, e := range batch {
		if code := m.one(now, e); code != "" {
			m.done = m.done[:kept]
			return code
		}
	}
	for account := range m.side {
		if m.guarded[account] && m.free(account) < 0 {
			m.done = m.done[:kept]
			return "balance_too_low"
		}
	}
	return ""
}

func (m *model) one(now time.Time, e entry) string {
	if e.of != "" {
		p := m.byID(e.of)
		switch {
		case p == nil:
			return "pending_transfer_not_found"
		case p.kind != ledger.Pending:
			return "not_pending"
		}
		e.debit, e.credit, e.ref = p.debit, p.credit, p.ref
		if e.amount == 0 {
			e.amount = p.amount
		}
		if old := m.byID(e.id); old != nil {
			return m.again(*old, e)
		}
		if e.kind == ledger.Void && e.amount != p.amount {
			return "pending_differs"
		}
		if e.amount > p.amount {
			return "post_too_large"
		}
		if end := m.ending(p.id); end != nil {
			return map[ledger.Kind]string{ledger.Post: "already_posted", ledger.Void: "already_voided",
				ledger.Expire: "already_expired"}[end.kind]
		}
		if !p.expires.IsZero() && !now.Before(p.expires) {
			return "pending_expired"
		}
	} else if old := m.byID(e.id); old != nil {
		return m.again(*old, e)
	}
	if !e.expires.IsZero() && !e.expires.After(now) {
		return "expires_early"
	}
	if e.kind != ledger.Void {
		for _, a := range []string{e.debit, e.credit} {
			out := (a == e.debit) == (m.side[a] == ledger.Credit)
			if out && m.purpose[a] != "" && m.purpose[a] != e.ref {
				return "purpose_differs"
			}
		}
	}
	m.done = append(m.done, e)
	return ""
}

func (m *model) again(old, e entry) string {
	if !old.expires.Equal(e.expires) {
		return "transfer_exists"
	}
	if old.expires = e.expires; old != e { // equal moments may differ in form
		return "transfer_exists"
	}
	return ""
}

func (m *model) expire(now time.Time) (n int) {
	for _, p := range m.done {
		if p.kind == ledger.Pending && !p.expires.IsZero() && !now.Before(p.expires) && m.ending(p.id) == nil {
			m.done = append(m.done, entry{id: "x" + p.id, debit: p.debit, credit: p.credit, amount: p.amount,
				kind: ledger.Expire, of: p.id})
			n++
		}
	}
	return n
}

// TestAgainstModel runs random batches, repeats, expiries and faults and compares
// every answer and every balance with the model's.
func TestAgainstModel(t *testing.T) {
	faults := &db.Faults{}
	for _, dialect := range []db.Dialect{db.SQLite, db.Postgres} {
		t.Run(string(dialect), func(t *testing.T) {
			b := newBooks(t, dbtest.Open(t, dialect, opts(faults)))
			c, err := ledger.NewCommitter(b.l, b.d)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			run := 0
			rapid.Check(t, func(rt *rapid.T) {
				run++
				w := &walk{rt: rt, b: b, c: c, faults: faults, run: fmt.Sprintf("r%d:", run)}
				b.clock.Advance(2 * time.Hour) // ends what a run before left open
				b.expire()
				w.open()
				for range rapid.IntRange(5, 25).Draw(rt, "steps") {
					w.step()
				}
				w.compare()
			})
			b.check()
		})
	}
}

// walk is one random run beside its model.
type walk struct {
	rt     *rapid.T
	b      *books
	c      *ledger.Committer
	faults *db.Faults
	run    string
	m      *model
	used   []entry
	n      int
}

func (w *walk) open() {
	w.m = &model{side: map[string]ledger.Side{}, guarded: map[string]bool{}, purpose: map[string]string{}}
	for _, a := range []ledger.Account{
		{ID: "src", Side: ledger.Debit}, {ID: "a", Side: ledger.Credit, Guarded: true},
		{ID: "b", Side: ledger.Credit, Guarded: true}, {ID: "c", Side: ledger.Debit, Guarded: true},
		{ID: "e", Side: ledger.Credit, Guarded: true, Purpose: "k1"}, {ID: "f", Side: ledger.Debit, Purpose: "k2"},
	} {
		a.ID, a.Currency = w.run+a.ID, money.CNY
		w.b.open(a)
		w.m.side[a.ID], w.m.guarded[a.ID], w.m.purpose[a.ID] = a.Side, a.Guarded, a.Purpose
	}
}

func (w *walk) step() {
	if rapid.IntRange(0, 5).Draw(w.rt, "what") == 0 {
		w.b.clock.Advance(time.Duration(rapid.IntRange(1, 90).Draw(w.rt, "minutes")) * time.Minute)
		if got, want := w.b.expire(), w.m.expire(w.b.clock.Now()); got != want {
			w.rt.Fatalf("%d expired, want %d", got, want)
		}
		return
	}
	var batch []entry
	for range rapid.IntRange(1, 4).Draw(w.rt, "size") {
		batch = append(batch, w.entry())
	}
	before := len(w.m.done)
	want := w.m.book(w.b.clock.Now(), batch)
	w.used = append(w.used, batch...)
	fault := rapid.IntRange(0, 3).Draw(w.rt, "fault")
	if fault == 1 && want == "" && len(w.m.done) > before {
		w.faults.LoseCommit(1)
		if err := w.send(batch); !ident.Is(err, ident.KindUnavailable) {
			w.rt.Fatalf("lost: %v", err)
		}
	}
	if fault == 2 && want == "" && len(w.m.done) > before {
		w.faults.MuteCommit(1)
		if err := w.send(batch); !ident.Is(err, ident.KindUnknown) {
			w.rt.Fatalf("muted: %v", err)
		}
	}
	if err := w.send(batch); ident.CodeOf(err) != want {
		w.rt.Fatalf("%+v: got %v, want %q", batch, err, want)
	}
}

func (w *walk) entry() entry {
	if len(w.used) > 0 && rapid.IntRange(0, 5).Draw(w.rt, "again") == 0 {
		e := rapid.SampledFrom(w.used).Draw(w.rt, "used")
		if rapid.IntRange(0, 2).Draw(w.rt, "change") == 0 {
			e.amount++
		}
		return e
	}
	w.n++
	e := entry{id: fmt.Sprintf("%s%d", w.run, w.n), kind: rapid.SampledFrom([]ledger.Kind{ledger.Single, ledger.Single,
		ledger.Pending, ledger.Post, ledger.Void}).Draw(w.rt, "kind")}
	if e.kind == ledger.Post || e.kind == ledger.Void {
		e.of = w.run + "none"
		if len(w.used) > 0 {
			e.of = rapid.SampledFrom(w.used).Draw(w.rt, "pending").id
		}
		e.amount = rapid.SampledFrom([]int64{0, 0, 1, 5, 40}).Draw(w.rt, "part")
		return e
	}
	names := []string{"src", "a", "b", "c", "e", "f"}
	i := rapid.IntRange(0, 5).Draw(w.rt, "debit")
	j := rapid.IntRange(1, 5).Draw(w.rt, "credit")
	e.debit, e.credit = w.run+names[i], w.run+names[(i+j)%6]
	e.amount = rapid.Int64Range(1, 40).Draw(w.rt, "amount")
	e.ref = rapid.SampledFrom([]string{"", "k1", "k2"}).Draw(w.rt, "ref")
	if e.kind == ledger.Pending && rapid.Bool().Draw(w.rt, "expires") {
		e.expires = w.b.clock.Now().Add(time.Hour)
	}
	return e
}

// send goes by Update or by the Committer, which must answer alike.
func (w *walk) send(batch []entry) error {
	ts := make([]ledger.Transfer, len(batch))
	for i, e := range batch {
		ts[i] = ledger.Transfer{ID: e.id, Debit: e.debit, Credit: e.credit, Kind: e.kind, Pending: e.of, Ref: e.ref,
			Amount: cny(e.amount), Expires: e.expires}
		if e.of != "" && e.amount == 0 {
			ts[i].Amount = money.Amount{}
		}
	}
	if w.n%2 == 0 {
		return w.c.Transfer(context.Background(), ts...)
	}
	return w.b.try(ts...)
}

func (w *walk) compare() {
	err := w.b.d.View(context.Background(), func(tx *db.Tx) error {
		got, err := w.b.l.Balances(tx, w.run)
		if err != nil || len(got) != len(w.m.side) {
			return errors.Join(err, fmt.Errorf("%d accounts", len(got)))
		}
		for _, x := range got {
			posted, held := w.m.stand(x.Account.ID)
			if x.Posted.Minor != posted || x.Pending.Minor != held || x.Available.Minor != posted-held {
				return fmt.Errorf("%+v, want posted %d held %d", x, posted, held)
			}
		}
		return nil
	})
	if err != nil {
		w.rt.Fatal(err)
	}
}

// Many callers at once, by both ways, on few accounts: every answer is accounted
// for, the sum of what was acknowledged is what stands, and no guard gave way.
func TestConcurrentCallers(t *testing.T) {
	dbtest.Run(t, opts(nil), func(t *testing.T, d *db.DB) {
		b := newBooks(t, d)
		c, err := ledger.NewCommitter(b.l, d)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		names := []string{"n0", "n1", "n2", "n3", "n4"}
		b.open(ledger.Account{ID: "src", Currency: money.CNY, Side: ledger.Debit})
		for _, n := range names {
			b.open(ledger.Account{ID: n, Currency: money.CNY, Side: ledger.Credit, Guarded: true})
			b.ok(single("in."+n, "src", n, 100))
		}
		var mu sync.Mutex
		stands := map[string]int64{"n0": 100, "n1": 100, "n2": 100, "n3": 100, "n4": 100}
		outcomes := map[string]int{}
		var wg sync.WaitGroup
		for who := range 16 {
			wg.Add(1)
			go func() {
				defer wg.Done()
				r := rand.New(rand.NewPCG(uint64(who), 1))
				for n := range 40 {
					i := r.IntN(5)
					from, to := names[i], names[(i+1+r.IntN(4))%5]
					x := single(fmt.Sprintf("w%d.%d", who/2, n), from, to, 1+r.Int64N(60))
					x.Memo = fmt.Sprint(who) // two callers share each id: one of them must lose
					send := c.Transfer
					if r.IntN(2) == 0 {
						send = func(ctx context.Context, ts ...ledger.Transfer) error { return b.try(ts...) }
					}
					err := send(context.Background(), x)
					mu.Lock()
					outcomes[ident.CodeOf(err)]++
					if err == nil {
						stands[from] -= x.Amount.Minor
						stands[to] += x.Amount.Minor
					}
					mu.Unlock()
				}
			}()
		}
		wg.Wait()
		for _, n := range names {
			b.stands(n, stands[n], 0, stands[n])
		}
		if outcomes[""] == 0 || outcomes["balance_too_low"] == 0 || outcomes["transfer_exists"] == 0 || len(outcomes) != 3 {
			t.Fatalf("outcomes %v", outcomes)
		}
		b.check()
	})
}

// Post, void and expiry race for the same pendings: exactly one wins each.
func TestResolutionRace(t *testing.T) {
	dbtest.Run(t, opts(nil), func(t *testing.T, d *db.DB) {
		b := newBooks(t, d)
		b.openStandard()
		c, err := ledger.NewCommitter(b.l, d)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		const n = 60
		for i := range n {
			b.ok(b.pending(fmt.Sprint("h", i), 5, time.Hour))
		}
		var mu sync.Mutex
		won, posted := map[int]int{}, int64(0)
		var wg sync.WaitGroup
		race := func(kind ledger.Kind) {
			defer wg.Done()
			for i := range n {
				x := ledger.Transfer{ID: fmt.Sprint(kind, i), Kind: kind, Pending: fmt.Sprint("h", i)}
				err := c.Transfer(context.Background(), x)
				mu.Lock()
				switch ident.CodeOf(err) {
				case "":
					won[i]++
					if kind == ledger.Post {
						posted += 5
					}
				case "already_posted", "already_voided", "already_expired", "pending_expired":
				default:
					t.Error(err)
				}
				mu.Unlock()
			}
		}
		wg.Add(2)
		go race(ledger.Post)
		go race(ledger.Void)
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := range 6 {
				if i == 3 {
					b.clock.Advance(time.Hour)
				}
				err := b.update(func(tx *db.Tx) error { _, err := b.l.Expire(tx, b.clock.Now()); return err })
				if err != nil {
					t.Error(err)
				}
			}
		}()
		wg.Wait()
		b.expire()
		for i := range n {
			if won[i] > 1 {
				t.Errorf("h%d ended %d times", i, won[i])
			}
		}
		b.stands("fund", 1000-posted, 0, 1000-posted)
		b.check()
	})
}

// A committer refuses what it refuses alone: money that only a neighbour brings
// does not count, and each caller has an outcome of its own.
func TestCommitterOutcomes(t *testing.T) {
	faults := &db.Faults{}
	for _, dialect := range []db.Dialect{db.SQLite, db.Postgres} {
		t.Run(string(dialect), func(t *testing.T) {
			b := newBooks(t, dbtest.Open(t, dialect, opts(faults)))
			b.openStandard()
			c, err := ledger.NewCommitter(b.l, b.d)
			if err != nil {
				t.Fatal(err)
			}
			all := func(n int, make func(i int) ledger.Transfer) map[string]int {
				var mu sync.Mutex
				var wg sync.WaitGroup
				got := map[string]int{}
				for i := range n {
					wg.Add(1)
					go func() {
						defer wg.Done()
						err := c.Transfer(context.Background(), make(i))
						mu.Lock()
						defer mu.Unlock()
						got[ident.CodeOf(err)]++
					}()
				}
				wg.Wait()
				return got
			}
			got := all(100, func(i int) ledger.Transfer { return single(fmt.Sprint("c", i), "fund", "bank", 15) })
			if got[""] != 66 || got["balance_too_low"] != 34 {
				t.Fatalf("outcomes %v, want 66 paid", got)
			}
			b.stands("fund", 10, 0, 10)
			// Two empty accounts cannot lend to each other by going together.
			b.open(ledger.Account{ID: "third", Currency: money.CNY, Side: ledger.Credit, Guarded: true})
			got = all(40, func(i int) ledger.Transfer {
				if i%2 == 0 {
					return single(fmt.Sprint("l", i), "other", "third", 5)
				}
				return single(fmt.Sprint("l", i), "third", "other", 5)
			})
			if got["balance_too_low"] != 40 {
				t.Fatalf("outcomes %v, want 40 refused", got)
			}
			x := single("m", "fund", "bank", 1)
			faults.MuteCommit(1)
			if err := c.Transfer(context.Background(), x); !ident.Is(err, ident.KindUnknown) {
				t.Fatal(err)
			}
			if err := c.Transfer(context.Background(), x); err != nil {
				t.Fatal(err)
			}
			b.stands("fund", 9, 0, 9)
			c.Close()
			if err := c.Transfer(context.Background(), x); !ident.Is(err, ident.KindUnavailable) {
				t.Fatal(err)
			}
			b.check()
		})
	}
}
