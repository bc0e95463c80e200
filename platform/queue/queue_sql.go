package queue

import (
	"fmt"
	"strings"
	"time"

	"surety/kernel/ident"
	"surety/platform/db"
)

const columns = `id, kind, key, body, due, state, attempt, lapses, leased_until, owner, last_error, created, ended`

func scanEntry(scan func(dest ...any) error) (Entry, error) {
	var e Entry
	var body string
	var due, until, created, ended int64
	err := scan(&e.ID, &e.Kind, &e.Key, &body, &due, &e.State, &e.Failures, &e.Lapses,
		&until, &e.owner, &e.LastError, &created, &ended)
	if err != nil {
		return Entry{}, err
	}
	e.Body, e.Due, e.Attempt = []byte(body), ident.FromMicros(due), e.Failures+1
	e.LeasedUntil, e.Created, e.Ended = ident.FromMicros(until), ident.FromMicros(created), ident.FromMicros(ended)
	return e, nil
}

func entries(tx *db.Tx, query string, args ...any) ([]Entry, error) {
	var out []Entry
	err := tx.Rows("select "+columns+" from queue_job "+query, args, func(scan func(dest ...any) error) error {
		e, err := scanEntry(scan)
		out = append(out, e)
		return err
	})
	return out, err
}

func insert(tx *db.Tx, id, kind, key, body string, due, now int64) (fresh bool, err error) {
	n, err := tx.Exec(`insert into queue_job
		(id, kind, key, body, due, state, attempt, lapses, leased_until, owner, last_error, created, ended)
		values ($1, $2, $3, $4, $5, 'ready', 0, 0, 0, '', '', $6, 0)
		on conflict (kind, key) do nothing`, id, kind, key, body, due, now)
	return n == 1, err
}

// due finds the first job that is due of the kinds. With hold, its row is locked
// for this transaction, and rows that another process holds are passed over: on
// SQLite the transaction is the only writer and needs no word for it.
//
// The partial index has the ready jobs in their order, and the first that fits is
// wanted. The comparison of a case keeps both planners from thinking that few
// fit and sorting all there are, which they do without statistics: 100 times slower.
func due(tx *db.Tx, kinds []string, now int64, hold bool) (first Entry, found bool, err error) {
	if len(kinds) == 0 {
		return Entry{}, false, nil
	}
	args := []any{now}
	marks := make([]string, len(kinds))
	for i, k := range kinds {
		args = append(args, k)
		marks[i] = fmt.Sprintf("$%d", i+2)
	}
	query := "where state = 'ready' and due <= $1 and case when kind in (" + strings.Join(marks, ", ") +
		") then 1 else 0 end > 0 order by due, id limit 1"
	if hold && tx.Dialect() == db.Postgres {
		query += " for update skip locked"
	}
	got, err := entries(tx, query, args...)
	if err != nil || len(got) == 0 {
		return Entry{}, false, err
	}
	return got[0], true, nil
}

// expired finds leases that have run out.
func expired(tx *db.Tx, now int64) ([]Entry, error) {
	return entries(tx, "where state = 'leased' and leased_until <= $1 order by due, id limit 200", now)
}

// errMoved says that a guard missed: somebody else has moved the job.
func errMoved(id string) error {
	return ident.E(ident.KindState, "job_moved", "job %s has been moved on by another worker", id)
}

// markDone is the event "do".
func markDone(tx *db.Tx, id string, now int64) error {
	return tx.ExecOne(errMoved(id), `update queue_job set state = 'done', ended = $2
		where id = $1 and state = 'ready'`, id, now)
}

// markLeased is the event "claim".
func markLeased(tx *db.Tx, id, owner string, until int64) error {
	return tx.ExecOne(errMoved(id), `update queue_job set state = 'leased', owner = $2, leased_until = $3
		where id = $1 and state = 'ready'`, id, owner, until)
}

// markComplete is the event "complete".
func markComplete(tx *db.Tx, id, owner string, now int64) error {
	return tx.ExecOne(errMoved(id), `update queue_job set state = 'done', owner = '', leased_until = 0, ended = $3
		where id = $1 and state = 'leased' and owner = $2`, id, owner, now)
}

// markReleased is the event "release".
func markReleased(tx *db.Tx, id, owner string) error {
	return tx.ExecOne(errMoved(id), `update queue_job set state = 'ready', owner = '', leased_until = 0
		where id = $1 and state = 'leased' and owner = $2`, id, owner)
}

// markLapsed is the event "lapse".
func markLapsed(tx *db.Tx, e Entry, to State, why string, ended int64) error {
	return tx.ExecOne(errMoved(e.ID), `update queue_job set state = $3, owner = '', leased_until = 0,
		lapses = lapses + 1, last_error = $4, ended = $5
		where id = $1 and state = 'leased' and owner = $2`, e.ID, e.owner, string(to), why, ended)
}

// markFailed is the event "fail", of a job as it was taken: ready for Handle,
// leased for HandleOutside. The failures it had then are part of the guard, so
// that one failure is counted once.
func markFailed(tx *db.Tx, e Entry, to State, next time.Time, why string, ended int64) error {
	return tx.ExecOne(errMoved(e.ID), `update queue_job set state = $5, owner = '', leased_until = 0,
		attempt = attempt + 1, due = $6, last_error = $7, ended = $8
		where id = $1 and state = $2 and owner = $3 and attempt = $4`,
		e.ID, string(e.State), e.owner, e.Failures, string(to), ident.Micros(next), why, ended)
}

// markRequeued is the event "requeue".
func markRequeued(tx *db.Tx, id string, now int64) (moved bool, err error) {
	n, err := tx.Exec(`update queue_job set state = 'ready', attempt = 0, lapses = 0, due = $2, ended = 0
		where id = $1 and state = 'dead'`, id, now)
	return n == 1, err
}
