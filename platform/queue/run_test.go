package queue

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"surety/kernel/ident"
	"surety/platform/db"
	"surety/platform/db/dbtest"
)

// run starts Run and returns what stops it and checks that nothing is left.
func (h *house) run() (stop func()) {
	h.t.Helper()
	before := goleak.IgnoreCurrent()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- h.Run(ctx) }()
	return func() {
		h.t.Helper()
		cancel()
		if err := <-ended; err != nil {
			h.t.Errorf("Run: %v", err)
		}
		goleak.VerifyNone(h.t, before)
	}
}

// A local commit wakes Run at once, however seldom it polls; jobs that become due
// are found by the poll; a handler's own jobs follow.
func TestRunWakes(t *testing.T) {
	both(t, func(c *Config) { c.Poll, c.Outside = time.Hour, 2 }, func(h *house, _ *db.Faults) {
		h.Handle("in", func(tx *db.Tx, j Job) error {
			if err := h.Put(tx, "out", j.Key, nil, j.Due); err != nil {
				return err
			}
			return count(tx, j.Key)
		})
		h.HandleOutside("out", func(ctx context.Context, j Job) error {
			return h.d.Update(ctx, func(tx *db.Tx) error { return count(tx, "out "+j.Key) })
		})
		defer h.run()()
		for i := range 20 {
			key := fmt.Sprint(i)
			if i%5 == 0 {
				time.Sleep(30 * time.Millisecond) // let the loops fall asleep
			}
			h.mustPut("in", key, start)
			waitFor(h.t, func() bool { return h.effects()["out "+key] == 1 })
		}
		// More than there are hands: a hand that gets free takes the next.
		if err := h.d.Update(context.Background(), func(tx *db.Tx) error {
			for i := range 9 {
				if err := h.Put(tx, "out", fmt.Sprint("many", i), nil, start); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			h.t.Fatal(err)
		}
		waitFor(h.t, func() bool { return len(h.effects()) == 20+20+9 })
	})
}

// On PostgreSQL a process in the middle of a job does not hold up another, which
// passes over the job that is taken and does the rest.
func TestTakenJobsArePassedOver(t *testing.T) {
	ds := processes(t, db.Postgres)
	clock := ident.NewManualClock(start)
	begun, goOn := make(chan struct{}), make(chan struct{})
	slow, quick := build(t, ds[0], clock, func(c *Config) { c.Batch = 1 }), build(t, ds[1], clock, nil)
	slow.Handle("in", func(tx *db.Tx, j Job) error {
		if j.Key == "0" {
			close(begun)
			<-goOn
		}
		return count(tx, "slow "+j.Key)
	})
	quick.Handle("in", func(tx *db.Tx, j Job) error { return count(tx, "quick "+j.Key) })
	for i := range 4 {
		slow.mustPut("in", fmt.Sprint(i), start)
	}
	ended := make(chan error, 1)
	go func() {
		_, err := slow.Drain(context.Background())
		ended <- err
	}()
	<-begun
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	took := make(chan int, 1)
	go func() {
		n, _ := quick.Drain(ctx)
		took <- n
	}()
	select {
	case n := <-took:
		if n != 3 {
			t.Errorf("the other process did %d jobs, want 3", n)
		}
	case <-ctx.Done():
		t.Error("the other process waits")
	}
	close(goOn)
	if err := <-ended; err != nil || slow.effects()["slow 0"] != 1 || len(slow.effects()) != 4 {
		t.Fatal(err, slow.effects())
	}
}

// What becomes due by the clock, and what another process left, is found by polling.
func TestRunPolls(t *testing.T) {
	both(t, nil, func(h *house, _ *db.Faults) {
		h.Handle("in", func(tx *db.Tx, j Job) error { return count(tx, j.Key) })
		h.HandleOutside("out", func(context.Context, Job) error { return nil })
		h.mustPut("in", "later", start.Add(time.Hour))
		h.mustPut("out", "left", start)
		if taken, err := build(h.t, h.d, h.clock, nil).claim(context.Background(), []string{"out"}, 1); err != nil || len(taken) != 1 {
			h.t.Fatal(taken, err)
		}
		defer h.run()()
		time.Sleep(30 * time.Millisecond)
		if len(h.effects()) != 0 || h.job("left").State != Leased {
			h.t.Fatal("it was done before its time")
		}
		h.clock.Advance(time.Hour)
		waitFor(h.t, func() bool { return h.effects()["later"] == 1 && h.job("left").State == Done })
	})
}

// A stop gives back what was under way, without counting a failure.
func TestRunStops(t *testing.T) {
	both(t, nil, func(h *house, _ *db.Faults) {
		var begun sync.WaitGroup
		begun.Add(3)
		h.HandleOutside("out", func(ctx context.Context, j Job) error {
			begun.Done()
			<-ctx.Done()
			time.Sleep(10 * time.Millisecond) // Run waits for it
			if j.Key == "2" {
				return nil // it had got through: that is kept although ctx is over
			}
			return ctx.Err()
		})
		ctx, stop := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- h.Run(ctx) }()
		for i := range 3 {
			h.mustPut("out", fmt.Sprint(i), start)
		}
		begun.Wait()
		stop()
		if err := <-ended; err != nil {
			h.t.Fatal(err)
		}
		for _, e := range h.all() {
			want := Ready
			if e.Key == "2" {
				want = Done
			}
			if e.State != want || e.Failures != 0 || e.Lapses != 0 || e.owner != "" {
				h.t.Errorf("%+v", e)
			}
		}
	})
}

// One kind's failures and a database that fails now and then do not stop Run.
func TestRunGoesOn(t *testing.T) {
	both(t, nil, func(h *house, f *db.Faults) {
		h.Handle("in", func(tx *db.Tx, j Job) error {
			if j.Key == "bad" {
				return errors.New("no")
			}
			return count(tx, j.Key)
		})
		h.HandleOutside("out", func(ctx context.Context, j Job) error {
			if j.Key == "bad" {
				return errors.New("no")
			}
			return nil
		})
		defer h.run()()
		for i := range 20 {
			key := fmt.Sprint(i)
			switch {
			case i%7 == 3:
				key = "bad"
			case i%4 == 1:
				f.FailStatement("update queue_job")
			case i%4 == 2:
				f.LoseCommit(3)
			case i%4 == 3:
				f.MuteCommit(3)
			}
			for _, kind := range []string{"in", "out"} {
				for h.put(kind, key, start) != nil { // as a caller does: the same again
				}
			}
		}
		waitFor(h.t, func() bool {
			// A claim or a completion that a fault left behind comes back by the clock.
			h.clock.Advance(time.Second)
			left := 0
			for _, e := range h.all() {
				if e.State != Done && e.Key != "bad" {
					left++
				}
			}
			return left == 0
		})
		for key, n := range h.effects() {
			if n != 1 {
				h.t.Errorf("the effect of %s happened %d times", key, n)
			}
		}
	})
}

// The promise of the package under random faults: processes that drop in the
// middle, commits lost and muted, statements and handlers that fail. Whatever was
// acknowledged is done in the end, each Handle effect exactly once, each outside
// call at least once, and what was never put leaves nothing.
func TestExactlyOnceUnderRandomFaults(t *testing.T) {
	rounds := uint64(6)
	if testing.Short() {
		rounds = 1
	}
	for seed := range rounds {
		for _, dialect := range []db.Dialect{db.SQLite, db.Postgres} {
			t.Run(fmt.Sprintf("%s/seed=%d", dialect, seed), func(t *testing.T) {
				f := &db.Faults{}
				w := &world{
					t: t, f: f, d: dbtest.Open(t, dialect, options(f)), rng: rand.New(rand.NewPCG(seed, 2)),
					clock: ident.NewManualClock(start), called: map[string]int{}, acked: map[string]bool{},
				}
				w.live(120)
				w.settle()
				w.check()
			})
		}
	}
}

// world is the model: what was put and acknowledged, and what outside calls came.
type world struct {
	t     *testing.T
	f     *db.Faults
	d     *db.DB
	rng   *rand.Rand
	clock *ident.ManualClock
	h     *house
	calm  bool // no more failures of handlers

	called map[string]int  // outside calls by key
	acked  map[string]bool // keys whose Put was acknowledged
	next   int
}

// restart drops the present process, whatever it holds, and starts another.
func (w *world) restart() {
	w.h = build(w.t, w.d, w.clock, func(c *Config) {
		c.Batch, c.MaxAttempts, c.MaxLapses, c.MaxBackoff = 1+w.rng.IntN(5), 1000, 1000, 10*time.Second
	})
	shaky := func(odds int) error {
		if w.calm || w.rng.IntN(odds) > 0 {
			return nil
		}
		return errors.New("shaky")
	}
	w.h.Handle("in", func(tx *db.Tx, j Job) error {
		if err := count(tx, j.Key); err != nil {
			return err
		}
		if w.rng.IntN(4) == 0 { // an event of its own, with its effect
			if err := w.h.Put(tx, "in", j.Key+"'", nil, w.clock.Now().Add(time.Second)); err != nil {
				return err
			}
			if err := count(tx, "put "+j.Key+"'"); err != nil {
				return err
			}
		}
		return shaky(6)
	})
	w.h.HandleOutside("out", func(_ context.Context, j Job) error {
		if err := shaky(6); err != nil {
			return err
		}
		w.called[j.Key]++
		return shaky(6)
	})
}

func (w *world) live(steps int) {
	w.restart()
	for range steps {
		switch w.rng.IntN(10) {
		case 0, 1, 2:
			kind := []string{"in", "out"}[w.rng.IntN(2)]
			key := fmt.Sprint(kind, w.next)
			w.next++
			w.acked[key] = w.h.put(kind, key, w.clock.Now().Add(time.Duration(w.rng.IntN(3))*time.Second)) == nil
		case 3:
			w.f.LoseCommit(1 + w.rng.IntN(4))
		case 4:
			w.f.MuteCommit(1 + w.rng.IntN(4))
		case 5:
			w.f.FailStatement([]string{"queue_job", "update queue_job", "insert into effect", "last_error"}[w.rng.IntN(4)])
		case 6:
			w.clock.Advance(time.Duration(w.rng.IntN(200)) * time.Second)
		case 7:
			w.h.claim(context.Background(), []string{"out"}, 1+w.rng.IntN(3)) // a crash right after the lease
			w.restart()
		default:
			w.h.Drain(context.Background()) // may fail: that is the point
		}
	}
}

// settle lets the faults end and all the work come due.
func (w *world) settle() {
	w.calm = true
	w.f.FailStatement("")
	w.f.LoseCommit(0)
	w.f.MuteCommit(0)
	w.restart()
	for range 50 {
		w.clock.Advance(time.Minute)
		if _, err := w.h.Drain(context.Background()); err != nil {
			w.t.Fatal(err)
		}
	}
}

func (w *world) check() {
	effects := w.h.effects()
	jobs := map[string]Entry{}
	for _, e := range w.h.all() {
		jobs[e.Key] = e
		if e.State != Done {
			w.t.Errorf("not done: %+v", e)
		}
		if e.Kind == "in" && effects[e.Key] != 1 {
			w.t.Errorf("the effect of %s happened %d times", e.Key, effects[e.Key])
		}
		if e.Kind == "out" && w.called[e.Key] == 0 {
			w.t.Errorf("%s was never called", e.Key)
		}
	}
	for key, ok := range w.acked {
		if ok && jobs[key].ID == "" {
			w.t.Errorf("%s was acknowledged and is lost", key)
		}
	}
	for key, n := range effects {
		if n != 1 {
			w.t.Errorf("the effect %s happened %d times", key, n)
		}
		put := key
		if len(key) > 4 && key[:4] == "put " {
			put = key[4:]
		}
		if jobs[put].ID == "" {
			w.t.Errorf("the effect %s has no job", key)
		}
	}
}
