package queue

import (
	"surety/kernel/ident"
	"surety/platform/db"
)

// Get returns one job, or KindNotFound.
func (q *Queue) Get(tx *db.Tx, id string) (Entry, error) {
	found, err := entries(tx, "where id = $1", id)
	if err != nil {
		return Entry{}, err
	}
	if len(found) == 0 {
		return Entry{}, ident.NotFound("job", id)
	}
	found[0].Handled = q.handled(found[0].Kind)
	return found[0], nil
}

// List returns jobs, newest first.
func (q *Queue) List(tx *db.Tx, f Filter) ([]Entry, error) {
	if f.Limit <= 0 {
		f.Limit = 100
	}
	out, err := entries(tx, `where (cast($1 as text) = '' or kind = cast($1 as text))
		and (cast($2 as text) = '' or state = cast($2 as text))
		and (cast($3 as text) = '' or id < cast($3 as text))
		order by id desc limit $4`, f.Kind, string(f.State), f.After, min(f.Limit, 1000))
	for i := range out {
		out[i].Handled = q.handled(out[i].Kind)
	}
	return out, err
}

// Dead returns the dead letters, newest first.
func (q *Queue) Dead(tx *db.Tx, limit int) ([]Entry, error) {
	return q.List(tx, Filter{State: Dead, Limit: limit})
}

// Requeue makes a dead job ready now, with all its tries again; its last error
// stays to be read. A job that is ready or leased stays as it is, so asking twice
// is the same as asking once; a job that is done is refused with KindState.
func (q *Queue) Requeue(tx *db.Tx, id string) error {
	moved, err := markRequeued(tx, id, ident.Micros(q.cfg.Clock.Now()))
	if err != nil {
		return err
	}
	if moved {
		tx.Seal(sealKey, nil)
		return nil
	}
	e, err := q.Get(tx, id)
	if err != nil {
		return err
	}
	if e.State == Done {
		return ident.E(ident.KindState, "job_done", "job %s is done; there is nothing to repeat", id)
	}
	return nil
}

// Counts returns how many jobs there are, by kind and state, in that order.
func (q *Queue) Counts(tx *db.Tx) ([]Count, error) {
	var out []Count
	err := tx.Rows(`select kind, state, count(*), min(due) from queue_job
		group by kind, state order by kind, state`, nil,
		func(scan func(dest ...any) error) error {
			var c Count
			var oldest int64
			if err := scan(&c.Kind, &c.State, &c.Jobs, &oldest); err != nil {
				return err
			}
			c.Oldest, c.Handled = ident.FromMicros(oldest), q.handled(c.Kind)
			out = append(out, c)
			return nil
		})
	return out, err
}
