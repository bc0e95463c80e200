package queue

import (
	"context"
	"sync"
	"time"

	"surety/kernel/ident"
	"surety/platform/db"
)

// firstPause is how soon a loop looks again after it was woken and found
// nothing: the commit of the job that woke it may still be under way.
const firstPause = time.Millisecond

// Run works jobs until ctx ends, then lets the handlers under way end, gives
// back what they left, and returns nil. It returns an error only for a wiring
// defect or a database that has stopped after an I/O error. It may run in
// any number of processes at the same time.
func (q *Queue) Run(ctx context.Context) error {
	within, outside, err := q.kinds()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var all sync.WaitGroup
	all.Go(func() {
		select {
		case <-q.cfg.DB.Failed():
			cancel()
		case <-ctx.Done():
		}
	})
	if len(within) > 0 {
		all.Go(func() {
			q.loop(ctx, make(chan struct{}, 1), func() (bool, error) { return q.runWithin(ctx, within) })
		})
	}
	if len(outside) > 0 {
		all.Go(func() { q.runOutside(ctx, outside) })
	}
	all.Wait()
	if err := q.cfg.DB.Failure(); err != nil {
		return ident.E(ident.KindUnavailable, "db_failed", "the database has stopped after an I/O error").Because(err)
	}
	return nil
}

// loop calls step again at once while something moves; else it waits: shortly
// after a wake-up, then longer and longer up to Poll.
func (q *Queue) loop(ctx context.Context, wake chan struct{}, step func() (moved bool, err error)) {
	q.mu.Lock()
	q.wakes[wake] = true
	q.mu.Unlock()
	defer func() {
		q.mu.Lock()
		delete(q.wakes, wake)
		q.mu.Unlock()
	}()
	pause := firstPause
	for ctx.Err() == nil {
		moved, err := step()
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			q.cfg.Log.Warn("the queue cannot work now", "error", err)
			pause = q.cfg.Poll
		case moved:
			pause = firstPause
			continue
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
			pause = min(2*pause, q.cfg.Poll)
		case <-wake:
			pause = firstPause
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

// runWithin does one turn of Handle jobs.
func (q *Queue) runWithin(ctx context.Context, kinds []string) (moved bool, err error) {
	if yes, err := q.waiting(ctx, kinds, false); err != nil || !yes {
		return false, err
	}
	_, moved, err = q.work(ctx, kinds, q.cfg.Batch)
	return moved, err
}

// runOutside leases as many jobs as there are hands free, so that no job is
// leased that is not begun at once, and waits for them at the end.
func (q *Queue) runOutside(ctx context.Context, kinds []string) {
	wake := make(chan struct{}, 1)
	hands := make(chan struct{}, q.cfg.Outside)
	var busy sync.WaitGroup
	defer busy.Wait()
	visit := func(e Entry) {
		if _, err := q.visit(ctx, e); err != nil {
			q.cfg.Log.Warn("how the job ended could not be written; its lease will run out",
				"job", e.ID, "kind", e.Kind, "error", err)
		}
		<-hands
		select { // a hand is free: look again
		case wake <- struct{}{}:
		default:
		}
	}
	q.loop(ctx, wake, func() (bool, error) {
		free := cap(hands) - len(hands)
		if free == 0 {
			return false, nil
		}
		if yes, err := q.waiting(ctx, kinds, true); err != nil || !yes {
			return false, err
		}
		taken, err := q.claim(ctx, kinds, free)
		for _, e := range taken {
			hands <- struct{}{} // never waits: only this loop takes hands
			busy.Go(func() { visit(e) })
		}
		return len(taken) > 0, err
	})
}

// drainTries bounds how often Drain meets a database error in a row.
const drainTries = 4

// Drain does everything that is due now by the Clock, one job after the other in
// order of due then id, also what those jobs put, until nothing is due. It
// returns how many were done; failed ones wait for their next due time. For the
// demo, tests and simulations; Run is for production.
func (q *Queue) Drain(ctx context.Context) (n int, err error) {
	within, outside, err := q.kinds()
	if err != nil {
		return 0, err
	}
	if err := q.drainLapsed(ctx, outside); err != nil {
		return 0, err
	}
	for tries := 0; ; {
		if err := ctx.Err(); err != nil {
			return n, err
		}
		done, moved, err := q.drainStep(ctx, within, outside)
		n += done
		switch {
		case err != nil:
			if tries++; tries == drainTries {
				return n, err
			}
			time.Sleep(time.Millisecond << tries)
		case !moved:
			return n, nil
		default:
			tries = 0
		}
	}
}

// drainLapsed takes leases back first, so that their jobs come in their order.
func (q *Queue) drainLapsed(ctx context.Context, outside []string) error {
	if yes, err := q.waiting(ctx, nil, true); err != nil || !yes || len(outside) == 0 {
		return err
	}
	err := q.cfg.DB.Update(ctx, func(tx *db.Tx) error { return q.lapse(tx, q.cfg.Clock.Now()) })
	if ident.Is(err, ident.KindUnavailable) || ident.Is(err, ident.KindUnknown) {
		return nil // claim does it again
	}
	return err
}

// drainStep does the Handle jobs that are next, or the outside job that is next.
func (q *Queue) drainStep(ctx context.Context, within, outside []string) (done int, moved bool, err error) {
	all := append(append([]string{}, within...), outside...)
	if yes, err := q.waiting(ctx, all, true); err != nil || !yes {
		return 0, false, err
	}
	done, moved, err = q.work(ctx, all, q.cfg.Batch)
	if err != nil || moved {
		return done, moved, err
	}
	taken, err := q.claim(ctx, outside, 1)
	if err != nil || len(taken) == 0 {
		return 0, false, err
	}
	ok, err := q.visit(ctx, taken[0])
	if ok {
		done = 1
	}
	return done, true, err
}
