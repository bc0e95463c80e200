package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime/debug"

	"surety/kernel/ident"
)

// maxTries bounds every retry: a caller learns "unavailable" in the end.
const maxTries = 5

// Sealer writes once, at the end of a physical transaction, for all the acts in
// it that handed it an item: the audit log appends all leaves and moves its head.
// Items come in the order of the acts. If it fails, no act of the batch happened.
type Sealer func(tx *Tx, items []any) error

type sealItem struct {
	key  string
	item any
}

// OnSeal registers the sealer of a key. Call it while wiring, before any Update.
func (d *DB) OnSeal(key string, s Sealer) { d.sealers[key] = s }

// Seal hands an item to the sealer of key; it is dropped if the act fails. In a
// View nothing would ever seal it, so there it is an error.
func (t *Tx) Seal(key string, item any) error {
	if t.readOnly {
		return ident.E(ident.KindInternal, "write_in_view", "a View may not write")
	}
	t.sealing = append(t.sealing, sealItem{key, item})
	return nil
}

// act is one caller's Update on its way through the committer.
type act struct {
	ctx  context.Context
	fn   func(tx *Tx) error
	out  chan error // buffered, 1
	seal []sealItem
	err  error
}

type insideKey struct{}

// Update runs fn in a transaction and returns once it is durable. fn may run
// more than once (after a deadlock), so it must have no effect outside tx; it
// must be quick, for its neighbours wait; and it must not call Update or View.
//
// Errors: fn's own error (nothing written); KindUnavailable (nothing written);
// KindUnknown (the commit's answer was lost: look the id up).
func (d *DB) Update(ctx context.Context, fn func(tx *Tx) error) error {
	if ctx.Value(insideKey{}) != nil {
		return ident.E(ident.KindInternal, "nested_update", "Update was called inside an Update; pass the tx along")
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	a := &act{ctx: ctx, fn: fn, out: make(chan error, 1)}
	if err := d.hand(ctx, a); err != nil {
		return err
	}
	return <-a.out
}

// hand gives an act to the committer. While it holds the gate, Close waits, so
// no act is handed in that nobody will run.
func (d *DB) hand(ctx context.Context, a *act) error {
	d.gate.RLock()
	defer d.gate.RUnlock()
	if d.shut {
		return ident.E(ident.KindUnavailable, "closing", "the database is closing")
	}
	select {
	case d.acts <- a:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-d.failed:
		return ident.E(ident.KindUnavailable, "db_failed", "the database has stopped after an I/O error").Because(d.failure)
	}
}

// startCommitter starts the goroutines that drain acts into physical
// transactions. SQLite has one writer; on PostgreSQL two take turns, so that
// one batch gathers while the other commits.
func (d *DB) startCommitter(batch int) {
	writers := 1
	if d.dialect == Postgres {
		writers = 2
	}
	for range writers {
		d.done.Add(1)
		go func() {
			defer d.done.Done()
			for {
				select {
				case first := <-d.acts:
					d.commit(d.gather(first, batch))
				case <-d.stop:
					d.drain(batch)
					return
				}
			}
		}()
	}
}

// gather takes what is already waiting, at most batch acts; it never waits.
func (d *DB) gather(first *act, batch int) []*act {
	acts := []*act{first}
	for len(acts) < batch {
		select {
		case a := <-d.acts:
			acts = append(acts, a)
		default:
			return acts
		}
	}
	return acts
}

// drain finishes what was handed in before Close.
func (d *DB) drain(batch int) {
	for {
		select {
		case first := <-d.acts:
			d.commit(d.gather(first, batch))
		default:
			return
		}
	}
}

// commit runs a batch until it has an outcome for every act, then tells them.
func (d *DB) commit(acts []*act) {
	for try := 0; ; try++ {
		err := d.commitOnce(acts)
		if err == nil {
			break
		}
		if retryable(err) && try < maxTries {
			continue
		}
		if len(acts) > 1 && ident.KindOf(classify(err)) != ident.KindUnknown && d.Failure() == nil {
			for _, a := range acts { // find the one that spoils the batch
				d.commit([]*act{a})
			}
			return
		}
		for _, a := range acts {
			if a.err == nil {
				a.err = err
			}
		}
		break
	}
	for _, a := range acts {
		a.out <- classify(a.err)
	}
}

// commitOnce is one physical transaction. An error means that none of the acts
// that had succeeded happened (or, if it is KindUnknown, that nobody knows).
func (d *DB) commitOnce(acts []*act) error {
	if err := d.Failure(); err != nil {
		return ident.E(ident.KindUnavailable, "db_failed", "the database has stopped after an I/O error").Because(err)
	}
	// The batch outlives any one caller: a caller that gives up must not undo
	// its neighbours.
	ctx := context.WithValue(context.Background(), insideKey{}, true)
	stx, err := d.write.BeginTx(ctx, nil)
	if err != nil {
		return beginError(err)
	}
	tx := &Tx{ctx: ctx, tx: stx, dialect: d.dialect, faults: d.faults}
	alive := 0
	for _, a := range acts {
		if err := d.runAct(tx, a, len(acts) > 1); err != nil {
			stx.Rollback()
			return err
		}
		if a.err == nil {
			alive++
		}
	}
	if alive == 0 {
		stx.Rollback()
		return nil
	}
	if err := d.seal(tx, acts); err != nil {
		stx.Rollback()
		return err
	}
	return d.finish(stx)
}

// runAct runs one act in a savepoint. Its own failure is kept in a.err; the
// error returned is one that spoils the whole batch.
func (d *DB) runAct(tx *Tx, a *act, savepoint bool) error {
	a.err, a.seal = nil, nil
	if savepoint {
		if _, err := tx.tx.ExecContext(tx.ctx, "savepoint act"); err != nil {
			return err
		}
	}
	mine := &Tx{ctx: context.WithValue(a.ctx, insideKey{}, true), tx: tx.tx, dialect: tx.dialect, faults: tx.faults}
	mine.ctx = context.WithoutCancel(mine.ctx)
	a.err = guard(a.fn, mine)
	if a.err != nil && retryable(a.err) {
		return a.err
	}
	if !savepoint {
		if a.err == nil {
			a.seal = mine.sealing
		}
		return nil
	}
	if a.err != nil {
		_, err := tx.tx.ExecContext(tx.ctx, "rollback to savepoint act")
		return err
	}
	a.seal = mine.sealing
	_, err := tx.tx.ExecContext(tx.ctx, "release savepoint act")
	return err
}

// guard turns a panic of one act into its error, so that neighbours survive.
func guard(fn func(*Tx) error, tx *Tx) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = ident.E(ident.KindInternal, "panic", "a defect stopped this act").
				Because(fmt.Errorf("panic: %v\n%s", p, debug.Stack()))
		}
	}()
	return fn(tx)
}

// seal lets each sealer write once for the acts that succeeded.
func (d *DB) seal(tx *Tx, acts []*act) error {
	items := map[string][]any{}
	var keys []string
	for _, a := range acts {
		if a.err != nil {
			continue
		}
		for _, s := range a.seal {
			if items[s.key] == nil {
				keys = append(keys, s.key)
			}
			items[s.key] = append(items[s.key], s.item)
		}
	}
	for _, k := range keys {
		sealer := d.sealers[k]
		if sealer == nil {
			return ident.E(ident.KindInternal, "no_sealer", "nothing seals %q", k)
		}
		if err := sealer(tx, items[k]); err != nil {
			return err
		}
	}
	return nil
}

// finish commits. An error here is either a clean refusal, an I/O error that
// poisons the DB, or an answer that was lost.
func (d *DB) finish(stx *sql.Tx) error {
	if err := d.faults.beforeCommit(); err != nil {
		stx.Rollback()
		return err
	}
	err := stx.Commit()
	if lost := d.faults.afterCommit(); err == nil && lost != nil {
		return unknown(lost)
	}
	switch {
	case err == nil:
		return nil
	case retryable(err):
		stx.Rollback()
		return err
	case isIO(err):
		d.poison(err)
		return unknown(err)
	case refused(err):
		return err
	}
	return unknown(err)
}

func unknown(err error) error {
	var known *ident.Error
	if errors.As(err, &known) && known.Kind == ident.KindUnknown {
		return err
	}
	return ident.E(ident.KindUnknown, "outcome_unknown",
		"it is not known whether this happened; ask again by its id").Because(err)
}
