package payment

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"surety/kernel/ident"
	"surety/platform/access"
	"surety/platform/db"
	"surety/platform/journal"
)

// poster moves records from the journal into the table, in order, each once.
type poster struct {
	ids ids

	turn    chan struct{} // holds one token: who has it moves records
	work    chan struct{} // there is something to move
	ready   atomic.Bool   // Rebuild has read the journal
	backlog atomic.Int64  // payments in the journal or on the way to it, and not in the table
	arrived atomic.Int64  // payments acknowledged since the start
	acked   atomic.Uint64 // position of the last acknowledged record
	moved   atomic.Uint64 // position up to which records are in the table
	buffers sync.Pool     // of *recordBuffers
}

func (p *poster) init() {
	p.ids.landed, p.ids.open = newCond(&p.ids), map[key]unposted{}
	p.turn, p.work = make(chan struct{}, 1), make(chan struct{}, 1)
	p.turn <- struct{}{}
}

// acknowledge counts a record that is durable, before anybody is told of it.
func (p *poster) acknowledge(at journal.Position, n int) {
	for {
		last := p.acked.Load()
		if uint64(at) <= last || p.acked.CompareAndSwap(last, uint64(at)) {
			break
		}
	}
	p.arrived.Add(int64(n))
	select {
	case p.work <- struct{}{}:
	default: // it is known already
	}
}

// Backlog is how many decisions are durable in the journal and not yet in the
// database.
func (s *Service) Backlog() int { return int(s.backlog.Load()) }

// Await returns once every payment that was acknowledged before the call is in the
// database, where transactions see it; at once if there is none that is not. It
// moves records itself if nobody else does. It must not be called in a transaction.
//
// The error is KindUnavailable with code records_pending if ctx ended before that:
// what was acknowledged is safe, and the same call later will find it.
func (s *Service) Await(ctx context.Context) error {
	return s.awaitPosition(ctx, journal.Position(s.acked.Load()))
}

// awaitOne is Await for one payment.
func (s *Service) awaitOne(ctx context.Context, id string) error {
	if s.backlog.Load() == 0 {
		return nil // what was acknowledged counts until it is in the table
	}
	if at, ok := s.ids.find(keyOf(id)); ok {
		return s.awaitPosition(ctx, at.at)
	}
	return nil
}

// awaitPosition waits until the record at a position is in the table; 0 is none.
func (s *Service) awaitPosition(ctx context.Context, at journal.Position) error {
	for at != 0 && journal.Position(s.moved.Load()) <= at {
		if _, err := s.postStep(ctx, largeStep); err != nil {
			return pending(err)
		}
	}
	return nil
}

func pending(err error) error {
	return ident.E(ident.KindUnavailable, "records_pending",
		"payments that were judged are still being written to the database; try again in a moment").Because(err)
}

// How many payments one step moves: few while others need the processor, so that
// they do not wait long for it.
const (
	largeStep = 1000
	smallStep = 16
)

// busyAfter is how long Assess waits for room in the backlog.
const busyAfter = 2 * time.Second

// room waits while the backlog is full, and helps to make it smaller: so Assess
// goes at the speed of the database then.
func (s *Service) room(ctx context.Context) error {
	if !s.ready.Load() {
		return ident.E(ident.KindInternal, "not_rebuilt", "Rebuild has not read the journal yet")
	}
	if s.backlog.Load() < int64(s.cfg.Backlog) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, busyAfter)
	defer cancel()
	for s.backlog.Load() >= int64(s.cfg.Backlog) {
		n, err := s.postStep(ctx, largeStep)
		if err != nil {
			return busy(err)
		}
		if n == 0 { // all of it is still on its way to the disk
			sleep(ctx, time.Millisecond)
		}
	}
	return nil
}

func busy(err error) error {
	return ident.E(ident.KindUnavailable, "busy",
		"more payments come than the database can take; nothing was done, try again in a moment").Because(err)
}

// step is what one turn of the poster moves.
type step struct {
	from, to journal.Position
	rows     []row
	keys     []key
	acts     []postedAct
}

// postedAct is one entry of the audit log: what one actor had judged, in calls
// that follow each other.
type postedAct struct {
	actor  ident.Actor
	act    access.Act
	detail [][2]string // id, outcome
}

// add takes a payment into the step.
func (st *step) add(h header, r *row) {
	st.rows = append(st.rows, *r)
	st.keys = append(st.keys, keyOf(r.ID))
	n := len(st.acts)
	if n == 0 || st.acts[n-1].actor.ID != h.actor.ID || st.acts[n-1].actor.Kind != h.actor.Kind || st.acts[n-1].act != h.act {
		st.acts = append(st.acts, postedAct{actor: h.actor, act: h.act})
		n++
	}
	st.acts[n-1].detail = append(st.acts[n-1].detail, [2]string{r.ID, r.outcome})
}

// load reads the next records, at most so many payments but one record at least.
func (s *Service) load(most int) (st step, err error) {
	st.from = journal.Position(s.moved.Load())
	st.to = st.from
	err = s.cfg.Journal.Read(st.from, func(_, next journal.Position, record []byte) error {
		if len(st.rows) >= most {
			return journal.Stop
		}
		st.to = next
		return openRecord(record, func(h header, _ int, r *row) error {
			st.add(h, r)
			return nil
		})
	})
	return st, err
}

// postStep waits for its turn and moves the next records; it returns how many
// payments they were.
func (s *Service) postStep(ctx context.Context, most int) (int, error) {
	select {
	case <-s.turn:
		defer func() { s.turn <- struct{}{} }()
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	if !s.ready.Load() {
		return 0, ident.E(ident.KindUnavailable, "not_rebuilt", "Rebuild has not read the journal yet")
	}
	return s.post(ctx, most)
}

// post moves the next records: rows, entries of the audit log and the position in
// one transaction. The caller has the turn. If nobody knows whether the
// transaction happened, the position in the table tells.
func (s *Service) post(ctx context.Context, most int) (int, error) {
	st, err := s.load(most)
	if err != nil || len(st.rows) == 0 {
		return 0, err
	}
	err = s.cfg.DB.Update(ctx, func(tx *db.Tx) error { return s.postTx(tx, &st) })
	if ident.Is(err, ident.KindUnknown) || ident.CodeOf(err) == "posted_already" {
		err = s.resolve(ctx, &st, err)
	}
	if err != nil {
		return 0, err
	}
	s.ids.done(st.keys, st.to)
	s.moved.Store(uint64(st.to))
	s.backlog.Add(-int64(len(st.rows)))
	return len(st.rows), s.cfg.Journal.Trim(st.to)
}

func (s *Service) postTx(tx *db.Tx, st *step) error {
	if err := advance(tx, s.cfg.Journal.ID(), st.from, st.to); err != nil {
		return err
	}
	if err := insertAll(tx, st.rows); err != nil {
		return err
	}
	for _, a := range st.acts {
		object := access.Object{}
		if len(a.detail) == 1 {
			object.ID = a.detail[0][0]
		}
		if err := s.cfg.Access.Record(tx, a.actor, a.act, object, a.detail); err != nil {
			return err
		}
	}
	return nil
}

// resolve looks up whether a step whose answer was lost has happened.
func (s *Service) resolve(ctx context.Context, st *step, cause error) error {
	var at journal.Position
	err := s.cfg.DB.View(ctx, func(tx *db.Tx) (err error) {
		_, at, _, err = posted(tx)
		return err
	})
	switch {
	case err != nil:
		return err
	case at == st.to:
		return nil
	case at == st.from:
		return ident.E(ident.KindUnavailable, "not_posted", "the database did not take the records; they are tried again").Because(cause)
	}
	return ident.E(ident.KindInternal, "posted_elsewhere", "the journal stands at %d in the database, not at %d or %d: "+
		"another process writes to it", at, st.from, st.to).Because(cause)
}

// Run moves records from the journal into the database until ctx ends; without a
// journal it waits for that. While payments come faster than the database takes
// them it leaves the processor to them, the more so the smaller the backlog is.
// An error means that the process must stop: the journal or the database has met
// an I/O error.
func (s *Service) Run(ctx context.Context) error {
	if s.cfg.Journal == nil {
		<-ctx.Done()
		return nil
	}
	t := throttle{full: int64(s.cfg.Backlog)}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-s.cfg.Journal.Failed():
			return ident.E(ident.KindUnavailable, "journal_failed", "the journal has stopped after an I/O error").Because(
				s.cfg.Journal.Failure())
		case <-s.cfg.DB.Failed():
			return ident.E(ident.KindUnavailable, "db_failed", "the database has stopped after an I/O error").Because(s.cfg.DB.Failure())
		case <-s.work:
			s.catchUp(ctx, &t)
		}
	}
}

// catchUp moves records until none is left, ctx ends or a disk has failed.
func (s *Service) catchUp(ctx context.Context, t *throttle) {
	wall := ident.WallClock{}
	failures := 0
	for ctx.Err() == nil && s.cfg.DB.Failure() == nil && s.cfg.Journal.Failure() == nil {
		start := wall.Now()
		n, err := s.postStep(ctx, t.step())
		switch {
		case err != nil:
			failures = min(failures+1, 10)
			sleep(ctx, 5*time.Millisecond<<failures) // 10 ms to 5 s
		case n == 0:
			return
		default:
			failures = 0
			sleep(ctx, t.pause(start, wall.Now(), n, s.arrived.Load(), s.backlog.Load()))
		}
	}
}

func sleep(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// throttle decides how long the poster rests between its steps.
type throttle struct {
	full    int64     // the bound of the backlog
	arrived int64     // when the last step had ended
	ended   time.Time // when that was
	hot     bool      // payments come faster than the poster moves them with ease
}

func (t *throttle) step() int {
	if t.hot {
		return smallStep
	}
	return largeStep
}

// pause is how long to rest after a step that moved n payments. As long as they
// come more slowly than three quarters of what the database takes, there is no
// rest. Else the share of the time that the poster works is one percent while the
// backlog is below a sixteenth of its bound, and grows to all of it at three
// quarters.
func (t *throttle) pause(start, end time.Time, n int, arrived, backlog int64) time.Duration {
	took, since := end.Sub(start), end.Sub(t.ended)
	came := arrived - t.arrived
	t.arrived, t.ended = arrived, end
	if took <= 0 || since <= 0 { // the machine's clock was set
		return 0
	}
	// came/since > 3/4 of n/took, without dividing
	t.hot = backlog >= smallStep && float64(came)*4*float64(took) > float64(n)*3*float64(since)
	if !t.hot {
		return 0
	}
	low, high := t.full/16, t.full*3/4
	share := max(1, min(100, 100*(backlog-low)/max(1, high-low)))
	return min(took*time.Duration(100-share)/time.Duration(share), time.Second)
}
