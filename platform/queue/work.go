package queue

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"time"

	"surety/kernel/ident"
	"surety/platform/db"
)

// turn is what one transaction of Handle jobs has come to.
type turn struct {
	jobs []Entry // in the order in which they were begun
	at   stage
}

// stage says where a turn stopped, and so whose fault an error is.
type stage int

const (
	picking    stage = iota // looking for the next job: nobody's fault
	running                 // in the handler of the last job
	committing              // every handler was content
)

// work runs up to limit Handle jobs in one transaction, in order, and returns
// how many are done and whether anything has moved at all. The order is that of
// all kinds: it stops where an outside job is next. What a crash leaves:
//  1. before the commit: nothing; the jobs are ready as before;
//  2. after the commit, the answer lost: the jobs are done; it is looked up.
//  3. after a handler's error, before it is recorded: the job is ready and is
//     simply tried again.
func (q *Queue) work(ctx context.Context, kinds []string, limit int) (done int, moved bool, err error) {
	var t turn
	err = q.cfg.DB.Update(ctx, func(tx *db.Tx) error {
		t = turn{}
		return q.take(tx, kinds, limit, &t)
	})
	n := len(t.jobs)
	switch {
	case err == nil:
		return n, n > 0, nil
	case t.at == running && n > 1: // keep the good ones; the bad one is first in the next turn
		return q.work(ctx, kinds, n-1)
	case t.at == running:
		return 0, true, q.fail(ctx, t.jobs[0], err)
	case t.at == committing && ident.Is(err, ident.KindUnknown):
		if q.isDone(ctx, t.jobs) {
			return n, true, nil
		}
	case t.at == committing && n > 0 && !ident.Is(err, ident.KindUnavailable) && ctx.Err() == nil:
		// A sealer or the commit itself refuses: find the job that is to blame.
		if n > 1 {
			return q.work(ctx, kinds, n/2)
		}
		return 0, true, q.fail(ctx, t.jobs[0], err)
	}
	return 0, false, err
}

// take does jobs within tx until limit, an outside job, or nothing is due.
func (q *Queue) take(tx *db.Tx, kinds []string, limit int, t *turn) error {
	for len(t.jobs) < limit {
		t.at = picking
		now := ident.Micros(q.cfg.Clock.Now())
		next, found, err := due(tx, kinds, now, true)
		if err != nil {
			return err
		}
		if !found {
			break
		}
		q.mu.Lock()
		fn := q.within[next.Kind]
		q.mu.Unlock()
		if fn == nil {
			break
		}
		if err := markDone(tx, next.ID, now); err != nil {
			return err
		}
		t.jobs, t.at = append(t.jobs, next), running
		if err := fn(tx, next.Job); err != nil {
			return err
		}
	}
	t.at = committing
	return nil
}

// isDone looks up whether a turn happened: its jobs are done together or not at all.
func (q *Queue) isDone(ctx context.Context, jobs []Entry) bool {
	if len(jobs) == 0 {
		return false
	}
	var e Entry
	err := q.cfg.DB.View(ctx, func(tx *db.Tx) (err error) {
		e, err = q.Get(tx, jobs[0].ID)
		return err
	})
	return err == nil && e.State == Done
}

// fail records a failed try: ready again later, or dead.
func (q *Queue) fail(ctx context.Context, e Entry, cause error) error {
	now := q.cfg.Clock.Now()
	to, next, ended := Ready, now.Add(backoff(e.ID, e.Attempt, q.cfg.Backoff, q.cfg.MaxBackoff)), int64(0)
	if e.Attempt >= q.cfg.MaxAttempts {
		to, next, ended = Dead, e.Due, ident.Micros(now)
		q.cfg.Log.Error("job is dead", "job", e.ID, "kind", e.Kind, "key", e.Key, "attempt", e.Attempt, "error", cause)
	} else {
		q.cfg.Log.Warn("job failed", "job", e.ID, "kind", e.Kind, "key", e.Key, "attempt", e.Attempt, "next", next, "error", cause)
	}
	return q.settle(ctx, func(tx *db.Tx) error {
		return markFailed(tx, e, to, next, errorText(cause), ended)
	})
}

// settleTries bounds how often a settlement is written again; after that the
// job is as a crash would leave it, and is taken up by the normal path.
const settleTries = 5

// settle writes how a job ended, also when ctx is over: the work was done. It
// may repeat itself, for each write is guarded and a second one misses.
func (q *Queue) settle(ctx context.Context, write func(tx *db.Tx) error) error {
	for try := 0; ; try++ {
		err := q.cfg.DB.Update(context.WithoutCancel(ctx), write)
		if ident.CodeOf(err) == "job_moved" { // this write happened before, or the lease was lost
			return nil
		}
		again := ident.Is(err, ident.KindUnavailable) || ident.Is(err, ident.KindUnknown)
		if !again || try == settleTries-1 || q.cfg.DB.Failure() != nil {
			return err
		}
		time.Sleep(time.Millisecond << (2 * try))
	}
}

// claim leases up to n outside jobs that are due.
func (q *Queue) claim(ctx context.Context, kinds []string, n int) ([]Entry, error) {
	owners := make([]string, n)
	for i := range owners {
		owners[i] = q.cfg.IDs.New("lse")
	}
	// Held before they are written: no other loop of this Queue may think them lost.
	q.hold(owners)
	var got []Entry
	err := q.cfg.DB.Update(ctx, func(tx *db.Tx) error {
		got = nil
		now := q.cfg.Clock.Now()
		if err := q.lapse(tx, now); err != nil {
			return err
		}
		until := now.Add(q.cfg.Lease)
		for _, owner := range owners {
			e, found, err := due(tx, kinds, ident.Micros(now), true)
			if err != nil || !found {
				return err
			}
			if err := markLeased(tx, e.ID, owner, ident.Micros(until)); err != nil {
				return err
			}
			e.State, e.owner, e.LeasedUntil = Leased, owner, until
			got = append(got, e)
		}
		return nil
	})
	if ident.Is(err, ident.KindUnknown) && len(got) > 0 && q.isLeased(ctx, got[0]) {
		err = nil // the answer was lost, but it happened
	}
	if err != nil {
		got = nil
	}
	q.release(owners[len(got):])
	return got, err
}

// isLeased looks up whether a claim happened.
func (q *Queue) isLeased(ctx context.Context, e Entry) bool {
	var now Entry
	err := q.cfg.DB.View(ctx, func(tx *db.Tx) (err error) {
		now, err = q.Get(tx, e.ID)
		return err
	})
	return err == nil && now.State == Leased && now.owner == e.owner
}

// lapse gives back what processes held that have stopped. A lease that this Queue
// itself still holds is left alone, however far the clock was moved.
func (q *Queue) lapse(tx *db.Tx, now time.Time) error {
	gone, err := expired(tx, ident.Micros(now))
	if err != nil {
		return err
	}
	for _, e := range gone {
		if q.holds(e.owner) {
			continue
		}
		to, why, ended := Ready, "the process that worked on this stopped in the middle", int64(0)
		if e.Lapses+1 >= q.cfg.MaxLapses {
			to, ended = Dead, ident.Micros(now)
			why = fmt.Sprintf("%d processes stopped while they worked on this; it may be the cause", e.Lapses+1)
		}
		if err := markLapsed(tx, e, to, why, ended); err != nil && ident.CodeOf(err) != "job_moved" {
			return err
		}
	}
	return nil
}

func (q *Queue) hold(owners []string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, o := range owners {
		q.active[o] = true
	}
}

func (q *Queue) release(owners []string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, o := range owners {
		delete(q.active, o)
	}
}

func (q *Queue) holds(owner string) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.active[owner]
}

// visit does a leased outside job and settles it. What a crash leaves:
//  1. before the call, in it or after it: a lease that runs out; then the job is
//     tried again and its handler finds out by the id what the world knows;
//  2. after the completion: nothing.
func (q *Queue) visit(ctx context.Context, e Entry) (done bool, err error) {
	defer q.release([]string{e.owner})
	q.mu.Lock()
	fn := q.outside[e.Kind]
	q.mu.Unlock()
	cause := q.call(ctx, fn, e.Job)
	switch {
	case cause == nil:
		return true, q.settle(ctx, func(tx *db.Tx) error {
			return markComplete(tx, e.ID, e.owner, ident.Micros(q.cfg.Clock.Now()))
		})
	case ctx.Err() != nil: // it was stopped; that is no failure of the job
		return false, q.settle(ctx, func(tx *db.Tx) error { return markReleased(tx, e.ID, e.owner) })
	}
	return false, q.fail(ctx, e, cause)
}

// call runs an outside handler within its lease; a panic is its error.
func (q *Queue) call(ctx context.Context, fn func(context.Context, Job) error, j Job) (err error) {
	ctx, cancel := context.WithTimeout(ctx, q.cfg.Lease*3/4)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			err = ident.E(ident.KindInternal, "panic", "a defect stopped this job").
				Because(fmt.Errorf("panic: %v\n%s", p, debug.Stack()))
		}
	}()
	err = fn(ctx, j)
	if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		err = fmt.Errorf("it did not end within %v: %w", q.cfg.Lease*3/4, err)
	}
	return err
}

// waiting reports, without writing, whether there is something to take.
func (q *Queue) waiting(ctx context.Context, kinds []string, leases bool) (yes bool, err error) {
	err = q.cfg.DB.View(ctx, func(tx *db.Tx) error {
		now := ident.Micros(q.cfg.Clock.Now())
		if _, yes, err = due(tx, kinds, now, false); err != nil || yes || !leases {
			return err
		}
		gone, err := expired(tx, now)
		yes = slices.ContainsFunc(gone, func(e Entry) bool { return !q.holds(e.owner) })
		return err
	})
	return yes, err
}
