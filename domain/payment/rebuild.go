package payment

import (
	"context"
	"sync"
	"time"

	"surety/domain/risk"
	"surety/kernel/ident"
	"surety/platform/db"
	"surety/platform/journal"
)

func newCond(d *ids) *sync.Cond { return sync.NewCond(&d.mu) }

// page is how many payments are read at once when all are read.
const page = 2000

// Rebuild brings memory to where it was, as a start does: it reads the payments of
// the database into the engine, and then the records of the journal that are not
// in the database yet, which are answered from it until Run has moved them. It
// returns how many payments there were.
//
// It refuses a journal that does not belong to the database: an old copy of one of
// the two, or a folder that was taken away (codes journal_other, journal_trimmed
// and journal_behind).
func (s *Service) Rebuild(ctx context.Context) (n int, err error) {
	select {
	case <-s.turn:
		defer func() { s.turn <- struct{}{} }()
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	from := journal.Position(0)
	if s.cfg.Journal != nil {
		if from, err = s.openPosition(ctx); err != nil {
			return 0, err
		}
	}
	const all = requestColumns + `, state from payment where true`
	err = s.each(ctx, time.Time{}, time.Time{}, all, func(scan func(...any) error, r *Request) (func() error, error) {
		var st State
		err := scanRequest(scan, r, &st)
		return func() error {
			n++
			if s.cfg.Journal != nil {
				s.ids.done([]key{keyOf(r.ID)}, 0)
			}
			return s.count(r, st)
		}, err
	})
	if err == nil {
		err = s.rebuildLimits(ctx)
	}
	if err != nil || s.cfg.Journal == nil || s.ready.Load() {
		return n, err
	}
	waiting, err := s.rebuildJournal(from)
	return n + waiting, err
}

// limitDays is how far back the decisions are told to the engine again, so that
// limits of a day go on where they were: a day anywhere on earth has begun by then.
const limitDays = 50 * time.Hour

// rebuildLimits tells the engine of the payments that it stopped lately.
func (s *Service) rebuildLimits(ctx context.Context) error {
	from := s.cfg.Clock.Now().Add(-limitDays)
	const stopped = requestColumns + `, decision from payment where outcome <> 'allow'`
	return s.each(ctx, from, time.Time{}, stopped, func(scan func(...any) error, r *Request) (func() error, error) {
		var text string
		err := scanRequest(scan, r, &text)
		return func() error { return s.recount(r, text) }, err
	})
}

// recount tells the engine of a decision that was recorded.
func (s *Service) recount(r *Request, decision string) error {
	if r.Settled {
		return nil // the engine did not count it then either
	}
	var d risk.Decision
	if err := decodeDecision(decision, &d); err != nil {
		return err
	}
	s.cfg.Engine.Count(r.event(), d)
	return nil
}

// openPosition finds how far the database has the journal's records.
func (s *Service) openPosition(ctx context.Context) (journal.Position, error) {
	j := s.cfg.Journal
	first, end := j.Bounds()
	var name string
	var at journal.Position
	err := s.cfg.DB.Update(ctx, func(tx *db.Tx) error {
		if err := begin(tx, j.ID(), first); err != nil {
			return err
		}
		var err error
		name, at, _, err = posted(tx)
		return err
	})
	const help = "put the journal's folder and the database back from the same moment; if the journal is lost for good, " +
		"so are the decisions that were only in it: then delete the row of table payment_journal"
	switch {
	case err != nil:
		return 0, err
	case name != j.ID():
		return 0, ident.E(ident.KindInternal, "journal_other", "the payments' journal is not the one that the database knows; %s", help)
	case at < first:
		return 0, ident.E(ident.KindInternal, "journal_trimmed",
			"the database has the journal up to %d, and it begins at %d: the database is older; %s", at, first, help)
	case at > end:
		return 0, ident.E(ident.KindInternal, "journal_behind",
			"the database has the journal up to %d, and it ends at %d: the journal is older; %s", at, end, help)
	}
	return at, nil
}

// rebuildJournal reads the records that the table does not have.
func (s *Service) rebuildJournal(from journal.Position) (n int, err error) {
	s.moved.Store(uint64(from))
	s.ids.done(nil, from)
	err = s.cfg.Journal.Read(from, func(at, _ journal.Position, record []byte) error {
		inRecord := 0
		err := openRecord(record, func(_ header, i int, r *row) error {
			inRecord++
			s.ids.restore(keyOf(r.ID), unposted{r.hash, place{at, i}})
			if r.outcome != string(risk.Allow) {
				if err := s.recount(&r.Request, r.decision); err != nil {
					return err
				}
			}
			return s.count(&r.Request, r.state)
		})
		if err == nil {
			s.backlog.Add(int64(inRecord))
			s.acknowledge(at, inRecord)
			n += inRecord
		}
		return err
	})
	if err == nil {
		s.ready.Store(true)
	}
	return n, err
}

// restore puts in what the journal has.
func (d *ids) restore(k key, e unposted) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.open[k] = e
	d.most = max(d.most, len(d.open))
}

// each reads the payments of [from, to) in the order of (at, id), a page in each
// transaction; zero times do not bound. what is the query from its columns to its
// first condition. take scans one row and returns what is to
// be done with it after the transaction: it may take as long as it likes.
func (s *Service) each(ctx context.Context, from, to time.Time, what string,
	take func(scan func(...any) error, r *Request) (func() error, error)) error {
	lastAt, lastID := ident.Micros(from), ""
	until := int64(1<<63 - 1)
	if !to.IsZero() {
		until = ident.Micros(to)
	}
	for {
		var todo []func() error
		at, id := lastAt, lastID
		err := s.cfg.DB.View(ctx, func(tx *db.Tx) error {
			todo, at, id = todo[:0], lastAt, lastID
			return tx.Rows(`select `+what+` and (at, id) > ($1, $2) and at < $3 order by at, id limit $4`,
				[]any{lastAt, lastID, until, page}, func(scan func(...any) error) error {
					r := new(Request)
					do, err := take(scan, r)
					at, id = ident.Micros(r.At), r.ID
					todo = append(todo, do)
					return err
				})
		})
		if err != nil {
			return err
		}
		for _, do := range todo {
			if err := do(); err != nil {
				return err
			}
		}
		if len(todo) < page {
			return nil
		}
		lastAt, lastID = at, id
	}
}

// Journal gives all payments of [from, to) to fn, in the order of their times and
// ids, as they stand when they are read: for replay and for export. A zero time
// does not bound. fn runs outside of any transaction; its error ends the reading.
func (s *Service) Journal(ctx context.Context, from, to time.Time, fn func(Request, State, risk.Decision) error) error {
	if err := s.Await(ctx); err != nil {
		return err
	}
	const all = requestColumns + `, state, decision from payment where true`
	return s.each(ctx, from, to, all, func(scan func(...any) error, r *Request) (func() error, error) {
		var st State
		var text string
		err := scanRequest(scan, r, &st, &text)
		return func() error {
			var d risk.Decision
			if err := decodeDecision(text, &d); err != nil {
				return err
			}
			return fn(*r, st, d)
		}, err
	})
}
