package rulebook

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"surety/kernel/ident"
	"surety/platform/access"
	"surety/platform/db"
)

// Job is a question to history that a worker of the house answers.
type Job struct {
	ID       ident.ID
	Question Question
	State    ReplayState
	Done     int // hours of history
	Total    int
	Error    string
	Actor    ident.ID
	Created  time.Time
	Beat     time.Time // when its worker was last heard of
	Version  int
}

// AskHistory puts a question for a worker to answer. The id is the caller's; the
// same again gets the same answer.
func (s *Service) AskHistory(ctx context.Context, actor ident.Actor, id ident.ID, q Question) (out Job, err error) {
	if err := ident.CheckID("id", id); err != nil {
		return Job{}, err
	}
	if err := q.Check(); err != nil {
		return Job{}, err
	}
	if len(q.File) > 0 {
		return Job{}, ident.Invalid("model", "file_not_kept", "import the model first; a worker reads it from the database")
	}
	q.From, q.To = q.From.UTC(), q.To.UTC()
	err = s.cfg.Access.Update(ctx, actor, access.ActRiskEdit, access.Object{ID: id},
		map[string]any{"replay": []time.Time{q.From, q.To}, "pack": q.Pack, "model": q.Model, "against": q.Against},
		func(tx *db.Tx) error {
			old, found, err := replayByID(tx, id)
			if err != nil {
				return err
			}
			if found {
				out = old
				if old.Question.same(q) && old.Actor == actor.ID {
					return nil
				}
				return ident.E(ident.KindConflict, "replay_exists", "the id %q is another replay's", id)
			}
			out = Job{ID: id, Question: q, State: Waiting, Actor: actor.ID, Created: s.cfg.Clock.Now(), Version: 1}
			return insertReplay(tx, out)
		})
	if err == nil {
		select {
		case s.wake <- struct{}{}:
		default:
		}
	}
	return out, err
}

// same compares what was asked. A file is in no kept question.
func (q Question) same(o Question) bool {
	return q.From.Equal(o.From) && q.To.Equal(o.To) && q.Pack == o.Pack && q.Text == o.Text && q.Model == o.Model && q.Against == o.Against
}

// CancelReplay ends a replay that nobody wants to wait for.
func (s *Service) CancelReplay(ctx context.Context, actor ident.Actor, id ident.ID) (out Job, err error) {
	err = s.cfg.Access.Update(ctx, actor, access.ActRiskEdit, access.Object{ID: id}, map[string]any{"cancel": true}, func(tx *db.Tx) error {
		j, found, err := replayByID(tx, id)
		if err != nil {
			return err
		}
		if !found {
			return ident.NotFound("replay", id)
		}
		if out = j; j.State == Cancelled {
			return nil
		}
		if out.State, err = NextReplay(j.State, Cancel); err != nil {
			return err
		}
		if err := saveReplay(tx, out, s.cfg.Clock.Now()); err != nil {
			return err
		}
		out.Version++
		return nil
	})
	return out, err
}

// Replays are the newest 200 replays, newest first.
func (s *Service) Replays(ctx context.Context, actor ident.Actor) (out []Job, err error) {
	err = s.cfg.Access.View(ctx, actor, access.ActRiskRead, access.Object{}, func(tx *db.Tx) error {
		out, err = replays(tx, `order by created desc, id desc limit 200`)
		return err
	})
	return out, err
}

// ReplayJob is one replay; report is nil until it is done.
func (s *Service) ReplayJob(ctx context.Context, actor ident.Actor, id ident.ID) (j Job, report *ReplayReport, err error) {
	text := ""
	err = s.cfg.Access.View(ctx, actor, access.ActRiskRead, access.Object{ID: id}, func(tx *db.Tx) error {
		var found bool
		if j, found, err = replayByID(tx, id); err != nil {
			return err
		}
		if !found {
			return ident.NotFound("replay", id)
		}
		text, err = replayReport(tx, id)
		return err
	})
	if err != nil || text == "" {
		return j, nil, err
	}
	report = &ReplayReport{}
	return j, report, readJSON(text, report)
}

const (
	beatEvery = time.Second      // how often a worker says that it lives
	lapsed    = 30 * time.Second // a worker not heard of for so long has stopped
	looks     = time.Second      // how often a worker looks for questions
)

// answer works replays one after the other until ctx ends.
func (s *Service) answer(ctx context.Context) {
	tick := time.NewTicker(looks)
	defer tick.Stop()
	for ctx.Err() == nil {
		worked, err := s.AnswerOne(ctx)
		if err != nil && ctx.Err() == nil {
			s.cfg.Log.Warn("a replay could not be worked on", "error", err)
		}
		if worked && err == nil {
			continue
		}
		select {
		case <-ctx.Done():
		case <-s.wake:
		case <-tick.C:
		}
	}
}

// AnswerOne answers the replay that has waited longest; worked is false if none
// does. What a crash leaves:
//
//  1. before it is taken: a replay that waits
//  2. while it runs: one whose worker is not heard of; after half a minute it
//     waits again, and the next worker begins anew
//  3. after the report is kept: a replay that is done
func (s *Service) AnswerOne(ctx context.Context) (worked bool, err error) {
	j, found, err := s.takeReplay(ctx)
	if err != nil || !found {
		return false, err
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	report, err := s.replay(ctx, j.Question, s.beater(ctx, &j, stop))
	switch {
	case errors.Is(context.Cause(ctx), errMoved):
		return true, nil // cancelled, or another worker has it
	case err != nil && transient(ctx, err):
		return true, err // it lapses, and is taken again
	case err != nil:
		j.State, j.Error = Broken, clip(err.Error())
		return true, s.endReplay(ctx, func(tx *db.Tx, now time.Time) error { return saveReplay(tx, j, now) })
	}
	text, err := json.Marshal(report)
	if err != nil {
		return true, ident.E(ident.KindInternal, "encode", "the report cannot be written").Because(err)
	}
	j.State, j.Done = Done, j.Total
	return true, s.endReplay(ctx, func(tx *db.Tx, now time.Time) error { return saveReport(tx, j, string(text), now) })
}

// endReplay writes how a replay ended, a few times if need be: an hour's work is
// not thrown away for one lost commit. The guard makes a second write miss.
func (s *Service) endReplay(ctx context.Context, write func(*db.Tx, time.Time) error) error {
	ctx = context.WithoutCancel(ctx)
	for try := 0; ; try++ {
		err := s.cfg.DB.Update(ctx, func(tx *db.Tx) error { return write(tx, s.cfg.Clock.Now()) })
		if errors.Is(err, errMoved) {
			return nil // it was cancelled, or this is the second write of the same
		}
		if err == nil || !transient(ctx, err) || try == 4 || s.cfg.DB.Failure() != nil {
			return err
		}
	}
}

// takeReplay makes a replay this worker's. One whose worker has stopped waits again
// first.
func (s *Service) takeReplay(ctx context.Context) (j Job, found bool, err error) {
	now := s.cfg.Clock.Now()
	open := func(tx *db.Tx) ([]Job, error) {
		return replays(tx, `where state = 'waiting' or state = 'running' and beat < $1 order by created, id limit 1`,
			ident.Micros(now.Add(-lapsed)))
	}
	var js []Job
	err = s.cfg.DB.View(ctx, func(tx *db.Tx) (err error) { js, err = open(tx); return err })
	if err != nil || len(js) == 0 {
		return Job{}, false, err
	}
	err = s.cfg.DB.Update(ctx, func(tx *db.Tx) error {
		found = false
		js, err := open(tx)
		if err != nil || len(js) == 0 {
			return err
		}
		j = js[0]
		if j.State == Running {
			if j.State, err = NextReplay(j.State, Lapse); err != nil {
				return err
			}
		}
		if j.State, err = NextReplay(j.State, Take); err != nil {
			return err
		}
		j.Done, j.Total = 0, 0
		if err := saveReplay(tx, j, now); err != nil {
			return err
		}
		j.Version++
		found = true
		return nil
	})
	if errors.Is(err, errMoved) {
		return Job{}, false, nil // another worker was first
	}
	return j, found, err
}

// beater returns what is told of progress: now and then it writes that the worker
// lives and how far it is, and stops it if the replay is no longer its own.
func (s *Service) beater(ctx context.Context, j *Job, stop context.CancelCauseFunc) func(done, total int) {
	last := j.Beat
	wall := ident.WallClock{} // of the machine, for no more than how often to write
	next := wall.Now()
	return func(done, total int) {
		j.Done, j.Total = done, total
		if wall.Now().Before(next) {
			return
		}
		next = wall.Now().Add(beatEvery)
		last = s.cfg.Clock.Now()
		err := s.cfg.DB.Update(ctx, func(tx *db.Tx) error { return saveReplay(tx, *j, last) })
		switch {
		case err == nil:
			j.Version++
		case errors.Is(err, errMoved), ident.Is(err, ident.KindUnknown):
			stop(errMoved) // what may have been written moves the version: the next worker begins anew
		}
	}
}
