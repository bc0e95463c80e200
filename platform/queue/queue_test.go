package queue

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"surety/kernel/ident"
	"surety/platform/db"
	"surety/platform/db/dbtest"
)

func TestMain(m *testing.M) { os.Exit(dbtest.Main(m)) }

// effects is what the handlers of these tests write: n is how often.
var effects = fstest.MapFS{"00001_effect.sql": {Data: []byte(`-- +goose Up
create table effect (key text primary key, n bigint not null);
`)}}

func options(f *db.Faults) dbtest.Options {
	return dbtest.Options{Migrations: []fs.FS{effects, Migrations}, Faults: f}
}

var start = time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)

// house is a queue on a clock that stands still.
type house struct {
	*Queue
	t     *testing.T
	d     *db.DB
	clock *ident.ManualClock
}

func build(t *testing.T, d *db.DB, clock *ident.ManualClock, change func(*Config)) *house {
	t.Helper()
	cfg := Config{DB: d, Clock: clock, IDs: ident.NewMaker(clock), Poll: 5 * time.Millisecond}
	if change != nil {
		change(&cfg)
	}
	q, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return &house{q, t, d, clock}
}

// both runs a test on both databases, with faults that it may set.
func both(t *testing.T, change func(*Config), fn func(h *house, f *db.Faults)) {
	for _, dialect := range []db.Dialect{db.SQLite, db.Postgres} {
		t.Run(string(dialect), func(t *testing.T) {
			f := &db.Faults{}
			d := dbtest.Open(t, dialect, options(f))
			fn(build(t, d, ident.NewManualClock(start), change), f)
		})
	}
}

func (h *house) put(kind, key string, due time.Time) error {
	return h.d.Update(context.Background(), func(tx *db.Tx) error {
		return h.Put(tx, kind, key, map[string]string{"key": key}, due)
	})
}

func (h *house) mustPut(kind, key string, due time.Time) {
	h.t.Helper()
	if err := h.put(kind, key, due); err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) drain(want int) {
	h.t.Helper()
	n, err := h.Drain(context.Background())
	if err != nil || n != want {
		h.t.Fatalf("Drain did %d jobs (%v), want %d", n, err, want)
	}
}

// job returns the job of a key.
func (h *house) job(key string) Entry {
	h.t.Helper()
	for _, e := range h.all() {
		if e.Key == key {
			return e
		}
	}
	h.t.Fatalf("there is no job %q", key)
	return Entry{}
}

func (h *house) all() (out []Entry) {
	h.t.Helper()
	err := h.d.View(context.Background(), func(tx *db.Tx) (err error) {
		out, err = h.List(tx, Filter{Limit: 1000})
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return out
}

// count adds one to the effect of a key.
func count(tx *db.Tx, key string) error {
	_, err := tx.Exec(`insert into effect (key, n) values ($1, 1)
		on conflict (key) do update set n = effect.n + 1`, key)
	return err
}

func (h *house) effects() map[string]int {
	h.t.Helper()
	out := map[string]int{}
	err := h.d.View(context.Background(), func(tx *db.Tx) error {
		clear(out)
		return tx.Rows("select key, n from effect", nil, func(scan func(...any) error) error {
			var key string
			var n int
			err := scan(&key, &n)
			out[key] = n
			return err
		})
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return out
}

func TestNewRefusesMissingParts(t *testing.T) {
	d := dbtest.Open(t, db.SQLite, options(nil))
	clock := ident.NewManualClock(start)
	good := Config{DB: d, Clock: clock, IDs: ident.NewMaker(clock)}
	for name, spoil := range map[string]func(*Config){
		"DB":       func(c *Config) { c.DB = nil },
		"Clock":    func(c *Config) { c.Clock = nil },
		"IDs":      func(c *Config) { c.IDs = nil },
		"negative": func(c *Config) { c.Lease = -1 },
	} {
		bad := good
		spoil(&bad)
		if _, err := New(bad); ident.CodeOf(err) != "config" {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if _, err := New(good); err != nil {
		t.Fatal(err)
	}
}

func TestPutRefusesBadInput(t *testing.T) {
	both(t, nil, func(h *house, _ *db.Faults) {
		for _, c := range []struct {
			kind, key string
			body      any
			code      string
		}{
			{"", "k", nil, "required"},
			{"a b", "k", nil, "bad_character"},
			{"a", "", nil, "job_key"},
			{"a", strings.Repeat("k", 201), nil, "job_key"},
			{"a", "k\x00", nil, "job_key"},
			{"a", "k\xff", nil, "job_key"},
			{"a", "k", func() {}, "job_body"},
			{"a", "k", strings.Repeat("x", 300_000), "job_body_large"},
		} {
			err := h.d.Update(context.Background(), func(tx *db.Tx) error {
				return h.Put(tx, c.kind, c.key, c.body, start)
			})
			if ident.CodeOf(err) != c.code {
				h.t.Errorf("kind %q key %.10q: got %v, want %s", c.kind, c.key, err, c.code)
			}
		}
		if n := len(h.all()); n != 0 {
			h.t.Fatalf("%d jobs were kept", n)
		}
	})
}

// A job belongs to the caller's transaction, is kept once, and comes when due.
func TestPutAndDue(t *testing.T) {
	both(t, nil, func(h *house, f *db.Faults) {
		h.Handle("a", func(tx *db.Tx, j Job) error {
			var body struct{ Key string }
			if err := j.Decode(&body); err != nil {
				return err
			}
			if body.Key != j.Key || j.Attempt != 1 || j.Kind != "a" || ident.Prefix(j.ID) != "job" {
				return fmt.Errorf("not as put: %+v", j)
			}
			return count(tx, j.Key)
		})
		no := errors.New("no")
		err := h.d.Update(context.Background(), func(tx *db.Tx) error {
			return errors.Join(h.Put(tx, "a", "undone", nil, start), no)
		})
		if !errors.Is(err, no) {
			h.t.Fatal(err)
		}
		f.LoseCommit(1)
		if err := h.put("a", "lost", start); !ident.Is(err, ident.KindUnavailable) {
			h.t.Fatal(err)
		}
		f.MuteCommit(1)
		if err := h.put("a", "muted", start); !ident.Is(err, ident.KindUnknown) {
			h.t.Fatal(err)
		}
		h.mustPut("a", "muted", start)
		h.mustPut("a", "zero", time.Time{})
		h.mustPut("a", "later", start.Add(time.Hour))
		h.drain(2)
		h.mustPut("a", "muted", start) // also after it is done
		h.drain(0)
		h.clock.Advance(time.Hour - time.Microsecond)
		h.drain(0)
		h.clock.Advance(time.Microsecond)
		h.drain(1)
		want := map[string]int{"muted": 1, "zero": 1, "later": 1}
		if diff := cmp.Diff(want, h.effects()); diff != "" {
			h.t.Fatal(diff)
		}
	})
}

// Drain goes strictly by due then id, over both kinds, also for jobs put by jobs.
func TestDrainOrder(t *testing.T) {
	both(t, func(c *Config) { c.Batch = 3 }, func(h *house, _ *db.Faults) {
		var got []string
		h.Handle("in", func(tx *db.Tx, j Job) error {
			if j.Key == "2" { // due before 3, which is waiting
				return h.Put(tx, "out", "2b", nil, start.Add(-95*time.Minute))
			}
			return nil
		})
		h.HandleOutside("out", func(_ context.Context, j Job) error { got = append(got, j.Key); return nil })
		h.Handle("see", func(tx *db.Tx, j Job) error { got = append(got, j.Key); return nil })
		for i, kind := range []string{"out", "in", "see", "out", "see", "see", "see", "out"} {
			h.mustPut(kind, fmt.Sprint(i+1), start.Add(time.Duration(i-96)*time.Minute))
		}
		h.mustPut("see", "9", start)
		h.mustPut("see", "10", start) // the same due: by id
		h.drain(11)
		want := []string{"1", "2b", "3", "4", "5", "6", "7", "8", "9", "10"}
		if diff := cmp.Diff(want, got); diff != "" {
			h.t.Fatal(diff)
		}
	})
}

// A failing Handle job leaves nothing, its neighbours in the turn are kept, and it
// comes back with a growing wait until it is dead; then a person requeues it.
func TestBackoffDeadRequeue(t *testing.T) {
	both(t, func(c *Config) { c.MaxAttempts = 4; c.MaxBackoff = 3 * time.Second }, func(h *house, _ *db.Faults) {
		heal := false
		var attempts []int
		h.Handle("a", func(tx *db.Tx, j Job) error {
			if err := count(tx, j.Key); err != nil || j.Key != "bad" || heal {
				return err
			}
			if attempts = append(attempts, j.Attempt); j.Attempt == 2 {
				panic("a defect")
			}
			return ident.E(ident.KindUnknown, "no", "bad\x00\xff %s", strings.Repeat("长", 2000))
		})
		for _, key := range []string{"x", "bad", "y", "z"} {
			h.mustPut("a", key, start)
		}
		h.drain(3)
		for i, wait := range []time.Duration{time.Second, 2 * time.Second, 3 * time.Second} {
			e := h.job("bad")
			if e.State != Ready || e.Failures != i+1 || e.Attempt != i+2 || e.LastError == "" {
				h.t.Fatalf("after failure %d: %+v", i+1, e)
			}
			d := e.Due.Sub(h.clock.Now())
			if d < wait/2 || d > wait {
				h.t.Fatalf("the wait after failure %d is %v, want %v to %v", i+1, d, wait/2, wait)
			}
			h.clock.Advance(d - time.Microsecond)
			h.drain(0)
			h.clock.Advance(time.Microsecond)
			h.drain(0)
		}
		e := h.job("bad")
		if e.State != Dead || e.Failures != 4 || !e.Ended.Equal(h.clock.Now()) || !strings.Contains(e.LastError, "unknown: bad") {
			h.t.Fatalf("not dead: %+v", e)
		}
		if want := []int{1, 1, 2, 3, 4}; !slices.Equal(attempts, want) { // the first in company, then alone
			h.t.Fatalf("attempts %v, want %v", attempts, want)
		}
		if diff := cmp.Diff(map[string]int{"x": 1, "y": 1, "z": 1}, h.effects()); diff != "" {
			h.t.Fatal(diff)
		}
		h.clock.Advance(24 * time.Hour)
		h.drain(0)
		heal = true
		h.requeue(e.ID)
		h.drain(1)
		if e := h.job("bad"); e.State != Done || e.Failures != 0 || e.LastError == "" || h.effects()["bad"] != 1 {
			h.t.Fatalf("not done: %+v", e)
		}
	})
}

// requeue finds the job among the dead letters and makes it ready.
func (h *house) requeue(id string) {
	h.t.Helper()
	err := h.d.Update(context.Background(), func(tx *db.Tx) error {
		dead, err := h.Dead(tx, 10)
		if err != nil || len(dead) != 1 || dead[0].ID != id {
			return fmt.Errorf("dead letters: %v %v", dead, err)
		}
		return h.Requeue(tx, id)
	})
	if err != nil {
		h.t.Fatal(err)
	}
}

func TestBackoffIsAFunctionOfTheID(t *testing.T) {
	seen := map[time.Duration]bool{}
	for i := range 100 {
		id := fmt.Sprint("job_", i)
		d := backoff(id, 3, time.Second, time.Hour)
		if d < 2*time.Second || d > 4*time.Second || d != backoff(id, 3, time.Second, time.Hour) {
			t.Fatalf("%s: %v", id, d)
		}
		seen[d] = true
	}
	if len(seen) < 90 {
		t.Fatalf("only %d different waits for 100 jobs", len(seen))
	}
	if d := backoff("x", 1000, time.Second, time.Hour); d < time.Hour/2 || d > time.Hour {
		t.Fatalf("the wait is not bounded: %v", d)
	}
	if d := backoff("x", 1, 1, 1); d < time.Millisecond {
		t.Fatalf("the wait is too short: %v", d)
	}
}

// Jobs of a kind that nobody handles wait, are seen, and do not hold up others.
func TestUnknownKind(t *testing.T) {
	both(t, nil, func(h *house, _ *db.Faults) {
		h.Handle("known", func(*db.Tx, Job) error { return nil })
		h.mustPut("new", "1", start.Add(-time.Hour))
		h.mustPut("new", "2", start)
		h.mustPut("known", "3", start)
		h.drain(1)
		var got []Count
		err := h.d.View(context.Background(), func(tx *db.Tx) (err error) {
			got, err = h.Counts(tx)
			return err
		})
		want := []Count{{"known", Done, 1, start, true}, {"new", Ready, 2, start.Add(-time.Hour), false}}
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			h.t.Fatal(err, diff)
		}
		if h.job("1").Handled || !h.job("3").Handled {
			h.t.Fatal("Handled is wrong")
		}
		next := build(h.t, h.d, h.clock, nil) // a newer version of the product
		next.Handle("new", func(*db.Tx, Job) error { return nil })
		next.drain(2)
	})
}

func TestKindHandledTwice(t *testing.T) {
	both(t, nil, func(h *house, _ *db.Faults) {
		h.Handle("a", func(*db.Tx, Job) error { return nil })
		h.HandleOutside("a", func(context.Context, Job) error { return nil })
		if _, err := h.Drain(context.Background()); ident.CodeOf(err) != "job_handler" {
			h.t.Fatalf("Drain: %v", err)
		}
		if err := h.Run(context.Background()); ident.CodeOf(err) != "job_handler" {
			h.t.Fatalf("Run: %v", err)
		}
	})
}

func TestList(t *testing.T) {
	both(t, nil, func(h *house, _ *db.Faults) {
		h.Handle("b", func(*db.Tx, Job) error { return nil })
		for i := range 5 {
			h.mustPut("a", fmt.Sprint("a", i), start)
			h.mustPut("b", fmt.Sprint("b", i), start)
		}
		h.drain(5)
		list := func(f Filter) (keys string) {
			err := h.d.View(context.Background(), func(tx *db.Tx) error {
				got, err := h.List(tx, f)
				keys = ""
				for _, e := range got {
					keys += e.Key + " "
				}
				return err
			})
			if err != nil {
				h.t.Fatal(err)
			}
			return keys
		}
		for _, c := range []struct {
			f    Filter
			want string
		}{
			{Filter{Limit: 3}, "b4 a4 b3 "},
			{Filter{Kind: "a", Limit: 2}, "a4 a3 "},
			{Filter{Kind: "a", After: h.job("a3").ID}, "a2 a1 a0 "},
			{Filter{State: Done, Limit: 2}, "b4 b3 "},
			{Filter{State: Dead}, ""},
			{Filter{Kind: "b", State: Ready}, ""},
		} {
			if got := list(c.f); got != c.want {
				h.t.Errorf("%+v: got %q, want %q", c.f, got, c.want)
			}
		}
	})
}

// The table of the package comment: every state and every event.
func TestEveryStateEveryEvent(t *testing.T) {
	const miss = "job_moved"
	type cell struct {
		state State
		code  string
	}
	events := []string{
		"do", "claim", "complete", "release", "lapse", "lapse too often", "fail", "fail too often", "requeue",
	}
	table := map[State][]cell{
		Ready: {
			{Done, ""}, {Leased, ""}, {Ready, miss}, {Ready, miss}, {Ready, miss},
			{Ready, miss}, {Ready, ""}, {Dead, ""}, {Ready, ""},
		},
		Leased: {
			{Leased, miss}, {Leased, miss}, {Done, ""}, {Ready, ""}, {Ready, ""},
			{Dead, ""}, {Ready, ""}, {Dead, ""}, {Leased, ""},
		},
		Done: {
			{Done, miss}, {Done, miss}, {Done, miss}, {Done, miss}, {Done, miss},
			{Done, miss}, {Done, miss}, {Done, miss}, {Done, "job_done"},
		},
		Dead: {
			{Dead, miss}, {Dead, miss}, {Dead, miss}, {Dead, miss}, {Dead, miss},
			{Dead, miss}, {Dead, miss}, {Dead, miss}, {Ready, ""},
		},
	}
	both(t, nil, func(h *house, _ *db.Faults) {
		for state, cells := range table {
			for i, event := range events {
				e := h.inState(state, fmt.Sprint(state, i))
				if state != Ready && state != Leased { // as a worker holds it who is late
					e.State, e.owner = Leased, "lse_old"
				}
				err := h.d.Update(context.Background(), func(tx *db.Tx) error { return h.event(tx, event, e) })
				got := cell{h.job(e.Key).State, ident.CodeOf(err)}
				if got != cells[i] {
					h.t.Errorf("%s + %s: got %v (%v), want %v", state, event, got, err, cells[i])
				}
			}
		}
	})
}

func (h *house) inState(s State, key string) Entry {
	h.mustPut("a", key, start)
	e := h.job(key)
	err := h.d.Update(context.Background(), func(tx *db.Tx) error {
		switch s {
		case Leased:
			return markLeased(tx, e.ID, "lse_me", ident.Micros(start.Add(time.Hour)))
		case Done:
			return markDone(tx, e.ID, ident.Micros(start))
		case Dead:
			return markFailed(tx, e, Dead, start, "no", ident.Micros(start))
		}
		return nil
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return h.job(key)
}

func (h *house) event(tx *db.Tx, event string, e Entry) error {
	now := ident.Micros(start)
	switch event {
	case "do":
		return markDone(tx, e.ID, now)
	case "claim":
		return markLeased(tx, e.ID, "lse_other", now+1)
	case "complete":
		return markComplete(tx, e.ID, e.owner, now)
	case "release":
		return markReleased(tx, e.ID, e.owner)
	case "lapse":
		return markLapsed(tx, e, Ready, "why", 0)
	case "lapse too often":
		return markLapsed(tx, e, Dead, "why", now)
	case "fail":
		return markFailed(tx, e, Ready, start, "why", 0)
	case "fail too often":
		return markFailed(tx, e, Dead, start, "why", now)
	}
	return h.Requeue(tx, e.ID)
}

// Who lost a lease, or counts a failure twice, changes nothing.
func TestOldLeaseIsFenced(t *testing.T) {
	both(t, nil, func(h *house, _ *db.Faults) {
		e := h.inState(Leased, "k")
		old := e
		old.owner = "lse_before"
		err := h.d.Update(context.Background(), func(tx *db.Tx) error {
			for _, err := range []error{
				markComplete(tx, e.ID, old.owner, 1), markReleased(tx, e.ID, old.owner),
				markLapsed(tx, old, Ready, "", 0), markFailed(tx, old, Ready, start, "", 0),
			} {
				if ident.CodeOf(err) != "job_moved" {
					return fmt.Errorf("got %v", err)
				}
			}
			return nil
		})
		if diff := cmp.Diff(e, h.job("k"), cmp.AllowUnexported(Entry{})); err != nil || diff != "" {
			h.t.Fatal(err, diff)
		}
		err = h.d.Update(context.Background(), func(tx *db.Tx) error { return h.Requeue(tx, "job_none") })
		if !ident.Is(err, ident.KindNotFound) {
			h.t.Fatal(err)
		}
	})
}

// A process that dropped in the middle of outside jobs: they are taken again
// after the lease, by the clock, and only a job that does it again and again dies.
func TestCrashAfterLease(t *testing.T) {
	few := func(c *Config) { c.MaxLapses = 3; c.Lease = time.Minute }
	both(t, few, func(h *house, _ *db.Faults) {
		h.mustPut("out", "k", start)
		for i := 1; i <= 3; i++ {
			dropped := build(h.t, h.d, h.clock, few)
			taken, err := dropped.claim(context.Background(), []string{"out"}, 8)
			if i < 3 && (err != nil || len(taken) != 1) {
				h.t.Fatalf("crash %d: took %v, %v", i, taken, err)
			}
			if i == 2 { // the same instance never thinks its own hands gone
				h.clock.Advance(time.Hour)
				if again, err := dropped.claim(context.Background(), []string{"out"}, 8); err != nil || len(again) != 0 {
					h.t.Fatalf("took its own job again: %v %v", again, err)
				}
				break
			}
			other := build(h.t, h.d, h.clock, few)
			other.HandleOutside("out", func(context.Context, Job) error { return nil })
			h.clock.Advance(time.Minute - time.Microsecond)
			other.drain(0)
			h.clock.Advance(time.Microsecond)
		}
		survivor := build(h.t, h.d, h.clock, few)
		survivor.HandleOutside("out", func(context.Context, Job) error { return nil })
		survivor.drain(1)
		if e := h.job("k"); e.State != Done || e.Lapses != 2 || e.Failures != 0 {
			h.t.Fatalf("%+v", e)
		}

		h.mustPut("out", "killer", start)
		for range 3 {
			dropped := build(h.t, h.d, h.clock, few)
			if _, err := dropped.claim(context.Background(), []string{"out"}, 8); err != nil {
				h.t.Fatal(err)
			}
			h.clock.Advance(time.Minute)
		}
		survivor.drain(0)
		if e := h.job("killer"); e.State != Dead || e.Lapses != 3 || e.LastError == "" {
			h.t.Fatalf("%+v", e)
		}
	})
}

// Outside jobs: an error of any kind, "unknown" too, is tried again by the same
// job; a panic and a handler that is too slow are failures; a stop is none.
func TestOutsideFailures(t *testing.T) {
	both(t, func(c *Config) { c.Lease = 40 * time.Millisecond }, func(h *house, _ *db.Faults) {
		ids := map[string]bool{}
		ctx, stop := context.WithCancel(context.Background())
		h.HandleOutside("out", func(ctx context.Context, j Job) error {
			ids[j.ID] = true
			switch j.Attempt {
			case 1:
				return ident.E(ident.KindUnknown, "outcome_unknown", "nobody answers")
			case 2:
				panic("a defect")
			case 3:
				<-ctx.Done()
				return ctx.Err()
			case 4:
				if len(ids) == 1 && ctx.Err() == nil {
					stop()
				}
				return ctx.Err()
			}
			return nil
		})
		h.mustPut("out", "k", start)
		for i, want := range []string{"nobody answers", "a defect", "did not end within"} {
			h.drain(0)
			e := h.job("k")
			if e.State != Ready || e.Failures != i+1 || !strings.Contains(e.LastError, want) {
				h.t.Fatalf("try %d: %+v", i+1, e)
			}
			h.clock.Set(e.Due)
		}
		if n, err := h.Drain(ctx); n != 0 || !errors.Is(err, context.Canceled) {
			h.t.Fatalf("stopped: %d %v", n, err)
		}
		if e := h.job("k"); e.State != Ready || e.Failures != 3 || e.owner != "" {
			h.t.Fatalf("after the stop: %+v", e)
		}
		h.drain(1) // ctx of this one is alive: attempt 4 succeeds
		if len(ids) != 1 {
			h.t.Fatalf("the job changed its id: %v", ids)
		}
	})
}

// Every commit on the way of a Handle job and of an outside job is lost once and
// muted once: the effect is there once, and Drain does not even notice.
func TestEveryCommitLostAndMuted(t *testing.T) {
	both(t, nil, func(h *house, f *db.Faults) {
		failed := false
		h.Handle("in", func(tx *db.Tx, j Job) error { return count(tx, j.Key) })
		h.Handle("shaky", func(tx *db.Tx, j Job) error {
			if err := count(tx, j.Key); err != nil || j.Attempt > 1 {
				return err
			}
			return errors.New("no")
		})
		h.HandleOutside("out", func(context.Context, Job) error {
			if failed {
				return nil
			}
			failed = true
			return errors.New("no")
		})
		for round := range 14 {
			failed = false
			for i, kind := range []string{"in", "out", "shaky", "in"} {
				h.mustPut(kind, fmt.Sprint(kind, i, "round", round), h.clock.Now())
			}
			before := f.Commits()
			switch {
			case round >= 7:
				f.MuteCommit(round - 6)
			default:
				f.LoseCommit(round + 1)
			}
			h.drain(2)
			h.clock.Advance(time.Minute)
			h.drain(2)
			if n := f.Commits() - before; n < 7 {
				h.t.Fatalf("only %d commits: the fault may not have come", n)
			}
			for _, e := range h.all() {
				if e.State != Done || e.Failures > 1 || e.Lapses > 0 {
					h.t.Errorf("round %d: %+v", round, e)
				}
				if e.Kind != "out" && h.effects()[e.Key] != 1 {
					h.t.Errorf("round %d: the effect of %s happened %d times", round, e.Key, h.effects()[e.Key])
				}
			}
		}
	})
}

// A sealer that refuses one job's transaction takes only that job out.
func TestRefusedByASealer(t *testing.T) {
	both(t, nil, func(h *house, _ *db.Faults) {
		h.d.OnSeal("audit", func(_ *db.Tx, items []any) error {
			if slices.Contains(items, any("bad")) {
				return ident.E(ident.KindInternal, "no", "no")
			}
			return nil
		})
		h.Handle("a", func(tx *db.Tx, j Job) error {
			tx.Seal("audit", j.Key)
			return count(tx, j.Key)
		})
		for _, key := range []string{"1", "2", "bad", "4", "5"} {
			h.mustPut("a", key, start)
		}
		h.drain(4)
		if e := h.job("bad"); e.State != Ready || e.Failures != 1 {
			h.t.Fatalf("%+v", e)
		}
	})
}

// processes opens a database twice, as two processes do.
func processes(t *testing.T, dialect db.Dialect) [2]*db.DB {
	url := dbtest.NewURL(t, dialect)
	var out [2]*db.DB
	for i := range out {
		out[i] = dbtest.OpenURL(t, url, options(nil))
		t.Cleanup(func() { out[i].Close() })
	}
	return out
}

// Two processes run at the same time: no job is done twice at once, all are done,
// each effect once; and nothing is left running after the stop.
func TestTwoProcesses(t *testing.T) {
	const jobs = 60
	for _, dialect := range []db.Dialect{db.SQLite, db.Postgres} {
		t.Run(string(dialect), func(t *testing.T) {
			ds := processes(t, dialect)
			clock := ident.NewManualClock(start)
			var mu sync.Mutex
			at, runs, by := map[string]bool{}, map[string]int{}, [2]int{}
			var done atomic.Int64
			var hs [2]*house
			for i, d := range ds {
				hs[i] = build(t, d, clock, func(c *Config) { c.Batch, c.Outside = 4, 2 })
				hs[i].Handle("in", func(tx *db.Tx, j Job) error { return count(tx, j.Key) })
				hs[i].HandleOutside("out", func(ctx context.Context, j Job) error {
					mu.Lock()
					if at[j.ID] {
						t.Errorf("%s is worked twice at once", j.Key)
					}
					at[j.ID] = true
					runs[j.ID]++
					by[i]++
					mu.Unlock()
					time.Sleep(2 * time.Millisecond)
					mu.Lock()
					at[j.ID] = false
					mu.Unlock()
					done.Add(1)
					return nil
				})
			}
			before := goleak.IgnoreCurrent()
			ctx, stop := context.WithCancel(context.Background())
			var running sync.WaitGroup
			for _, h := range hs {
				running.Go(func() {
					if err := h.Run(ctx); err != nil {
						t.Error(err)
					}
				})
			}
			for i := range jobs {
				hs[i%2].mustPut("in", fmt.Sprint("in", i), start)
				hs[0].mustPut("out", fmt.Sprint("out", i), start)
			}
			waitFor(t, func() bool { return len(hs[0].effects()) == jobs && done.Load() >= jobs })
			stop()
			running.Wait()
			goleak.VerifyNone(t, before)
			for _, e := range hs[1].all() {
				if e.State != Done || e.Failures+e.Lapses > 0 {
					t.Errorf("%+v", e)
				}
			}
			for key, n := range hs[1].effects() {
				if n != 1 {
					t.Errorf("the effect of %s happened %d times", key, n)
				}
			}
			for id, n := range runs {
				if n != 1 {
					t.Errorf("%s was worked %d times, and nothing failed", id, n)
				}
			}
			if dialect == db.Postgres && (by[0] == 0 || by[1] == 0) {
				t.Errorf("the work was not shared: %v", by)
			}
		})
	}
}

func waitFor(t *testing.T, done func() bool) {
	t.Helper()
	timeout := time.After(30 * time.Second)
	for !done() {
		select {
		case <-timeout:
			t.Fatal("it did not happen in 30 seconds")
		case <-time.After(2 * time.Millisecond):
		}
	}
}
