package payment_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"surety/domain/payment"
	"surety/domain/risk"
	"surety/kernel/ident"
	"surety/platform/access"
	"surety/platform/audit"
	"surety/platform/db"
	"surety/platform/db/dbtest"
)

// withJournal runs fn on both databases, with a journal.
func withJournal(t *testing.T, fn func(t *testing.T, w *world, f *db.Faults)) {
	for _, dialect := range []db.Dialect{db.SQLite, db.Postgres} {
		t.Run(string(dialect), func(t *testing.T) {
			f := &db.Faults{}
			fn(t, newWorld(t, dbtest.Open(t, dialect, dbtest.Options{Migrations: migrations, Faults: f}), true), f)
		})
	}
}

// records are the entries of the audit log about payments, oldest first.
func (w *world) records(t *testing.T) (out []audit.Record) {
	t.Helper()
	must(t, w.db.View(context.Background(), func(tx *db.Tx) (err error) {
		out, err = w.audit.Find(tx, audit.Filter{Actor: w.host.ID})
		return err
	}))
	slices.Reverse(out)
	return slices.DeleteFunc(out, func(r audit.Record) bool { return !strings.HasPrefix(r.Act, "payment.") })
}

func some(n int, prefix string) (out []payment.Request) {
	for i := range n {
		out = append(out, req(fmt.Sprint(prefix, i), "W1", "W2", "dev-1", 100+int64(i)))
	}
	return out
}

// What was acknowledged is answered again with the same, or refused with another
// body, while it is in the journal only, after it was posted, and after a restart
// at either time.
func TestAgainWhereverItIs(t *testing.T) {
	withJournal(t, func(t *testing.T, w *world, _ *db.Faults) {
		ctx := context.Background()
		reqs := some(7, "A")
		first, err := w.AssessBatch(ctx, w.host, reqs)
		must(t, err)
		hash := w.engine.Hash()
		check := func(when string, posted int) {
			t.Helper()
			if n := w.rowsNow(t); n != posted {
				t.Fatalf("%s: %d rows, want %d", when, n, posted)
			}
			again, err := w.AssessBatch(ctx, w.host, append(slices.Clone(reqs), reqs[3]))
			must(t, err)
			for i, r := range again {
				want := first[i%7].Payment
				if i == 7 {
					want = first[3].Payment
				}
				if r.Err != nil || !r.Again || r.Payment.ID != want.ID || r.Payment.Created != want.Created || r.Payment.State != want.State ||
					!r.Payment.Decision.Features.Equal(want.Decision.Features) {
					t.Fatalf("%s: answer %d: %+v, first %+v", when, i, r, want)
				}
			}
			other := reqs[2]
			other.City = "成都"
			if _, err := w.Assess(ctx, w.host, other); ident.CodeOf(err) != "payment_id_taken" {
				t.Fatalf("%s: other body: %v", when, err)
			}
			if w.engine.Hash() != hash {
				t.Fatalf("%s: something was counted twice", when)
			}
		}
		check("in the journal", 0)
		w.stop(t)
		w.start(t)
		check("after a restart", 0)
		must(t, w.Await(ctx))
		check("posted", 7)
		w.stop(t)
		w.start(t)
		check("posted, after a restart", 7)
		if rs := w.records(t); len(rs) != 1 || rs[0].Act != "payment.import" || strings.Count(string(rs[0].Detail), "allow") != 7 {
			t.Fatalf("%+v", rs)
		}
	})
}

// Many callers with the same ids while the poster runs: each id is judged once and
// everybody hears the same.
func TestAgainWhilePosting(t *testing.T) {
	withJournal(t, func(t *testing.T, w *world, _ *db.Faults) {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		done := make(chan error, 1)
		go func() { done <- w.Run(ctx) }()
		var mu sync.Mutex
		created := map[string]payment.Payment{}
		var wg sync.WaitGroup
		for g := range 8 {
			wg.Go(func() {
				for i := range 60 {
					var reqs []payment.Request
					for k := range 1 + i%5 {
						reqs = append(reqs, req(fmt.Sprint("C", (i*3+k*7)%97), "W1", "W9", "dev-thief", int64(100_000*((i*3+k*7)%97)+100)))
					}
					if i%7 == g%7 { // another order
						slices.Reverse(reqs)
					}
					res, err := w.AssessBatch(ctx, w.host, reqs)
					if err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					for n, r := range res {
						p, known := created[reqs[n].ID]
						if r.Err != nil || known && (p.Decision.Outcome != r.Payment.Decision.Outcome || p.Decision.Score != r.Payment.Decision.Score) {
							t.Errorf("%s: %v, %s and %s", reqs[n].ID, r.Err, p.Decision.Outcome, r.Payment.Decision.Outcome)
						}
						created[reqs[n].ID] = r.Payment
					}
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		if n := w.rows(t); n != len(created) {
			t.Fatalf("%d rows, %d payments", n, len(created))
		}
		cancel()
		must(t, <-done)
		if w.Backlog() != 0 {
			t.Fatalf("a backlog of %d is left", w.Backlog())
		}
		fresh, err := risk.New(risk.Config{Clock: w.clock})
		must(t, err)
		must(t, w.rebuildInto(fresh))
		if fresh.Hash() != w.engine.Hash() {
			t.Fatal("the replayed state differs from the live one")
		}
	})
}

// The ways to lose a commit of the journal: nothing is left, or all is there after
// the restart that such an error demands; the same call again gives the answer.
func TestJournalLostMutedTorn(t *testing.T) {
	withJournal(t, func(t *testing.T, w *world, _ *db.Faults) {
		ctx := context.Background()
		empty := w.engine.Hash()
		w.journal.Lose(1)
		if _, err := w.Assess(ctx, w.host, req("P1", "W1", "W2", "dev-1", 1500)); !ident.Is(err, ident.KindUnavailable) {
			t.Fatalf("lost: %v", err)
		}
		if w.engine.Hash() != empty || w.rows(t) != 0 || w.Backlog() != 0 {
			t.Fatal("a lost payment was counted")
		}
		_, err := w.Assess(ctx, w.host, req("P1", "W1", "W2", "dev-1", 1500))
		must(t, err)
		for n, c := range []struct {
			name string
			set  func()
			kept bool
		}{
			{"muted", func() { w.journal.Mute(1) }, true},
			{"torn", func() { w.journal.Tear(1, 600) }, false},
			{"empty", func() { w.journal.Tear(1, 0) }, false},
		} {
			c.set()
			r := req(fmt.Sprint("Q", n), "W1", "W2", "dev-1", 1500)
			if _, err := w.Assess(ctx, w.host, r); !ident.Is(err, ident.KindUnknown) {
				t.Fatalf("%s: %v", c.name, err)
			}
			if _, err := w.Assess(ctx, w.host, r); !ident.Is(err, ident.KindUnavailable) {
				t.Fatalf("%s, again before the restart: %v", c.name, err)
			}
			if err := w.Run(ctx); !ident.Is(err, ident.KindUnavailable) {
				t.Fatalf("%s: Run goes on: %v", c.name, err)
			}
			w.stop(t)
			w.start(t)
			res, err := w.AssessBatch(ctx, w.host, []payment.Request{r})
			must(t, err)
			if res[0].Err != nil || res[0].Again != c.kept {
				t.Fatalf("%s, after the restart: %+v", c.name, res[0])
			}
		}
		if n := w.rows(t); n != 4 {
			t.Fatalf("%d rows", n)
		}
		fresh, err := risk.New(risk.Config{Clock: w.clock})
		must(t, err)
		must(t, w.rebuildInto(fresh))
		if fresh.Hash() != w.engine.Hash() {
			t.Fatal("memory and records differ")
		}
	})
}

// Posting that is lost is done again, posting whose answer is lost is not: each
// payment has one row and stands in one entry of the log.
func TestPostLostAndMuted(t *testing.T) {
	withJournal(t, func(t *testing.T, w *world, f *db.Faults) {
		ctx := context.Background()
		for n, set := range []func(){func() { f.LoseCommit(1) }, func() { f.MuteCommit(1) }, func() { f.FailStatement("into payment") },
			func() { f.FailStatement("update payment_journal") }} {
			_, err := w.AssessBatch(ctx, w.host, some(3, fmt.Sprint("N", n, "-")))
			must(t, err)
			set()
			err = w.Await(ctx)
			if n == 1 && err != nil {
				t.Fatalf("muted: the position tells that it happened: %v", err)
			}
			if n != 1 && ident.CodeOf(err) != "records_pending" {
				t.Fatalf("fault %d: %v", n, err)
			}
			if got := w.rows(t); got != 3*(n+1) {
				t.Fatalf("fault %d: %d rows", n, got)
			}
		}
		if rs := w.records(t); len(rs) != 4 {
			t.Fatalf("%d entries of the log: %+v", len(rs), rs)
		}
		// A start whose first act is muted is tried again, and finds all.
		_, err := w.AssessBatch(ctx, w.host, some(3, "X"))
		must(t, err)
		w.stop(t)
		f.MuteCommit(1)
		if err := w.tryStart(t); !ident.Is(err, ident.KindUnknown) {
			t.Fatal(err)
		}
		w.start(t)
		if got := w.rows(t); got != 15 || len(w.records(t)) != 5 {
			t.Fatalf("%d rows, %d entries", got, len(w.records(t)))
		}
	})
}

// A refusal is logged at once, and leaves nothing in the journal.
func TestRefusedAtOnce(t *testing.T) {
	withJournal(t, func(t *testing.T, w *world, _ *db.Faults) {
		ctx := context.Background()
		nobody := w.host
		nobody.Roles = []ident.Role{ident.RoleFund}
		if _, err := w.AssessBatch(ctx, nobody, some(3, "R")); !ident.Is(err, ident.KindDenied) {
			t.Fatal(err)
		}
		if rs := w.records(t); len(rs) != 1 || rs[0].Outcome != audit.Refused {
			t.Fatalf("%+v", rs)
		}
		if w.rows(t) != 0 || w.Backlog() != 0 {
			t.Fatal("something was judged")
		}
	})
}

// One payment at a time has its own entry in the log, about it; calls that were
// posted together share one.
func TestEntriesOfTheLog(t *testing.T) {
	withJournal(t, func(t *testing.T, w *world, _ *db.Faults) {
		ctx := context.Background()
		_, err := w.Assess(ctx, w.host, req("P1", "W1", "W2", "dev-1", 1500))
		must(t, err)
		must(t, w.Await(ctx))
		for _, r := range some(4, "P2-") {
			_, err := w.Assess(ctx, w.host, r)
			must(t, err)
		}
		other := w.host
		other.ID = "key_2"
		_, err = w.Assess(ctx, other, req("P3", "W1", "W2", "dev-1", 1500))
		must(t, err)
		must(t, w.Await(ctx))
		rs := w.records(t)
		if len(rs) != 2 || rs[0].Object != "P1" || rs[0].Act != string(access.ActPaymentAssess) || rs[0].ActorKind != ident.Key ||
			rs[1].Object != "" || strings.Count(string(rs[1].Detail), "P2-") != 4 {
			t.Fatalf("%+v", rs)
		}
		must(t, w.db.View(ctx, func(tx *db.Tx) error {
			rs, err := w.audit.Find(tx, audit.Filter{Actor: "key_2"})
			if len(rs) != 1 || rs[0].Object != "P3" {
				t.Errorf("%+v", rs)
			}
			return err
		}))
	})
}

// What reads or moves a payment finds it as soon as it was acknowledged.
func TestNobodyMissesIt(t *testing.T) {
	withJournal(t, func(t *testing.T, w *world, _ *db.Faults) {
		ctx := context.Background()
		for i := range 20 {
			id := fmt.Sprint("P", i)
			_, err := w.Assess(ctx, w.host, req(id, fmt.Sprint("BANK:", i), "W2", "dev-1", 1500))
			must(t, err)
			switch i % 3 {
			case 0:
				_, err = w.View(ctx, w.host, id)
			case 1:
				_, err = w.Advance(ctx, w.host, id, payment.Settle)
			case 2:
				n := 0
				err = w.Journal(ctx, start, time.Time{}, func(payment.Request, payment.State, risk.Decision) error { n++; return nil })
				if n != i+1 {
					t.Fatalf("%d of %d", n, i+1)
				}
			}
			must(t, err)
		}
		gone, cancel := context.WithCancel(ctx)
		cancel()
		if err := w.Await(gone); err != nil {
			t.Fatalf("nothing is waited for, yet: %v", err)
		}
	})
}

// Whoever assesses when the backlog is full goes at the speed of the database, and
// hears "busy" when that does not take anything.
func TestBacklogIsBounded(t *testing.T) {
	withJournal(t, func(t *testing.T, w *world, f *db.Faults) {
		ctx := context.Background()
		w.stop(t)
		w.cfg.Backlog = 10
		w.start(t)
		for i := range 40 {
			_, err := w.AssessBatch(ctx, w.host, some(5, fmt.Sprint("B", i, "-")))
			must(t, err)
			if n := w.Backlog(); n > 15 {
				t.Fatalf("a backlog of %d", n)
			}
		}
		for w.Backlog() < 10 {
			_, err := w.AssessBatch(ctx, w.host, some(5, fmt.Sprint("D", w.Backlog(), "-")))
			must(t, err)
		}
		f.LoseCommit(1)
		hash := w.engine.Hash()
		if _, err := w.AssessBatch(ctx, w.host, some(5, "E")); ident.CodeOf(err) != "busy" || !ident.Is(err, ident.KindUnavailable) {
			t.Fatal(err)
		}
		if w.engine.Hash() != hash {
			t.Fatal("what was refused was counted")
		}
		_, err := w.AssessBatch(ctx, w.host, some(5, "E"))
		must(t, err)
	})
}

// A journal and a database that are not of one moment are refused: what was
// acknowledged would be lost or taken for written.
func TestWrongJournal(t *testing.T) {
	withJournal(t, func(t *testing.T, w *world, _ *db.Faults) {
		ctx := context.Background()
		if _, err := w.AssessBatch(ctx, w.host, some(200, "F")); err != nil {
			t.Fatal(err)
		}
		w.stop(t)
		behind := filepath.Join(t.TempDir(), "copy")
		must(t, os.CopyFS(behind, os.DirFS(w.dir)))
		w.start(t)
		for i := range 8 {
			_, err := w.AssessBatch(ctx, w.host, some(200, fmt.Sprint("G", i, "-")))
			must(t, err)
			must(t, w.Await(ctx))
		}
		w.stop(t)
		first := w.dir
		w.dir = behind
		if err := w.tryStart(t); ident.CodeOf(err) != "journal_behind" {
			t.Errorf("an old copy of the journal: %v", err)
		}
		w.dir = t.TempDir()
		if err := w.tryStart(t); ident.CodeOf(err) != "journal_other" {
			t.Errorf("another journal: %v", err)
		}
		w.dir = first
		must(t, w.tryStart(t))
		must(t, w.db.Update(ctx, func(tx *db.Tx) error {
			_, err := tx.Exec("update payment_journal set position = 0")
			return err
		}))
		if err := w.tryStart(t); ident.CodeOf(err) != "journal_trimmed" {
			t.Errorf("an old copy of the database: %v", err)
		}
	})
}

// Forty payments of a new payer at once pass in the same number as one by one.
func TestBurst(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := context.Background()
		pass := func(payer string, parallel bool) (n int) {
			var mu sync.Mutex
			var wg sync.WaitGroup
			for i := range 40 {
				one := func() {
					p, err := w.Assess(ctx, w.host, req(fmt.Sprint(payer, "-", i), payer, fmt.Sprint("BANK:", payer, ":", i), "dev-"+payer[1:], 20_000))
					if err != nil {
						t.Error(err)
					}
					mu.Lock()
					defer mu.Unlock()
					if p.Decision.Outcome == risk.Allow {
						n++
					}
				}
				if parallel {
					wg.Go(one)
				} else {
					one()
				}
			}
			wg.Wait()
			return n
		}
		alone, together := pass("W2", false), pass("W3", true)
		if alone != together || alone == 0 || alone == 40 {
			t.Fatalf("%d pass one by one, %d at once", alone, together)
		}
	})
}

// A telephone number is nowhere, also not in the journal; it means the same however
// it is written. A card's number is refused, half a place too.
func TestPersonalDataOfRequests(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := context.Background()
		r := req("P1", "W1", "W2", "dev-1", 1500)
		r.Phone, r.Terminal, r.Merchant, r.Card, r.Region = "170-0001-5947", "T7", "M1", "card_tok_9", "成都"
		r.Lat, r.Lon = payment.Degree{Micro: 29_552_106, Given: true}, payment.Degree{Micro: -103_765_300, Given: true}
		p, err := w.Assess(ctx, w.host, r)
		must(t, err)
		if p.Phone == "" || strings.Contains(p.Phone, "5947") || w.engine == nil {
			t.Fatalf("%+v", p)
		}
		same := r
		same.Phone = "+86 17000015947"
		res, err := w.AssessBatch(ctx, w.host, []payment.Request{same})
		must(t, err)
		if res[0].Err != nil || !res[0].Again {
			t.Fatalf("another way to write the number: %+v", res[0])
		}
		got, err := w.View(ctx, w.host, "P1")
		must(t, err)
		r.Phone = p.Phone
		if got.Request != r {
			t.Fatalf("%+v\n%+v", got.Request, r)
		}
		again, err := w.AssessBatch(ctx, w.host, []payment.Request{same})
		must(t, err)
		if again[0].Err != nil || !again[0].Again {
			t.Fatalf("after it was posted: %+v", again[0])
		}
		for code, spoil := range map[string]func(*payment.Request){
			"card_number":        func(r *payment.Request) { r.Card = "6222 0200 0000 0000 000" },
			"phone_malformed":    func(r *payment.Request) { r.Phone = "secret" },
			"place_incomplete":   func(r *payment.Request) { r.Lon = payment.Degree{} },
			"place_out_of_range": func(r *payment.Request) { r.Lat.Micro = 91_000_000 },
			"time_out_of_range":  func(r *payment.Request) { r.At = time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC) },
			"too_long":           func(r *payment.Request) { r.Terminal = strings.Repeat("x", 129) },
		} {
			bad := same
			bad.ID = "P2"
			spoil(&bad)
			if code == "card_number" {
				bad.Card = "4111111111111111"
			}
			if _, err := w.Assess(ctx, w.host, bad); ident.CodeOf(err) != code {
				t.Errorf("%s: %v", code, err)
			}
		}
		must(t, w.Await(ctx))
		for _, dir := range []string{w.dir} {
			files, _ := filepath.Glob(filepath.Join(dir, "*.seg"))
			for _, f := range files {
				b, err := os.ReadFile(f)
				must(t, err)
				if bytes.Contains(b, []byte("17000015947")) || bytes.Contains(b, []byte("170-0001")) {
					t.Error("the number stands in the journal")
				}
			}
		}
	})
}

// The payments of a time in their order, over the borders of pages.
func TestJournalOfPayments(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := context.Background()
		var want []string
		for b := range 7 {
			var reqs []payment.Request
			for i := range 300 {
				r := req(fmt.Sprintf("J%02d-%04d", b, i), "W1", "W2", "dev-1", 100)
				r.At = start.Add(time.Duration((b*300+i)/3) * time.Second) // several at one moment
				r.Settled = true
				reqs = append(reqs, r)
				want = append(want, r.ID)
			}
			_, err := w.AssessBatch(ctx, w.host, reqs)
			must(t, err)
		}
		_, err := w.Assess(ctx, w.host, func() payment.Request {
			r := req("refused", "W1", "W9", "dev-thief", 9_000_000)
			r.At = start.Add(-time.Hour)
			return r
		}())
		must(t, err)
		var got []string
		must(t, w.Journal(ctx, start, time.Time{}, func(r payment.Request, st payment.State, d risk.Decision) error {
			got = append(got, r.ID)
			if st != payment.Settled || d.Outcome == "" || d.Features.Len() == 0 || r.Device != "dev-1" || !r.Settled {
				return fmt.Errorf("%+v %s %+v", r, st, d)
			}
			return nil
		}))
		if !slices.Equal(got, want) {
			t.Fatalf("%d of %d, in order %v", len(got), len(want), slices.IsSorted(got))
		}
		n := 0
		must(t, w.Journal(ctx, start.Add(10*time.Second), start.Add(20*time.Second), func(payment.Request, payment.State, risk.Decision) error {
			n++
			return nil
		}))
		if n != 30 {
			t.Fatalf("%d in ten seconds", n)
		}
		enough := fmt.Errorf("enough")
		if err := w.Journal(ctx, time.Time{}, start, func(payment.Request, payment.State, risk.Decision) error { return enough }); err != enough {
			t.Fatal(err)
		}
	})
}
