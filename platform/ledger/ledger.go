package ledger

import (
	"embed"
	"errors"
	"io/fs"
	"time"

	"surety/kernel/ident"
	"surety/platform/db"
)

//go:embed migrations/*.sql
var files embed.FS

// Migrations are the tables, constraints and triggers of this package.
var Migrations fs.FS = db.Folder(files)

// Config is what a Ledger needs.
type Config struct {
	// Clock tells when a transfer without At happens and which pendings are too
	// late to post.
	Clock ident.Clock
}

// Ledger moves money. It is safe for many goroutines and processes.
type Ledger struct {
	clock ident.Clock
}

// New refuses a missing clock: a late post could not be told.
func New(cfg Config) (*Ledger, error) {
	if cfg.Clock == nil {
		return nil, ident.E(ident.KindInternal, "ledger_config", "the ledger needs a clock")
	}
	return &Ledger{clock: cfg.Clock}, nil
}

// Transfer books a batch, all or nothing. An error leaves the books as they
// were, even if the caller goes on with its transaction.
func (l *Ledger) Transfer(tx *db.Tx, ts ...Transfer) error {
	if len(ts) == 0 {
		return nil
	}
	ready, err := l.prepare(ts)
	if err != nil {
		return err
	}
	return within(tx, func() error {
		_, err := l.apply(tx, ready, guardTotal)
		return err
	})
}

// within runs fn in a savepoint, so that half a batch is never kept.
func within(tx *db.Tx, fn func() error) error {
	if _, err := tx.Exec("savepoint ledger"); err != nil {
		return err
	}
	if err := fn(); err != nil {
		if _, undo := tx.Exec("rollback to savepoint ledger"); undo != nil {
			return errors.Join(err, undo)
		}
		if _, undo := tx.Exec("release savepoint ledger"); undo != nil {
			return errors.Join(err, undo)
		}
		return err
	}
	_, err := tx.Exec("release savepoint ledger")
	return err
}

// Expire ends the pendings whose time has passed, at most expireBatch of them,
// and returns how many; call again until it returns 0.
func (l *Ledger) Expire(tx *db.Tx, now time.Time) (int, error) {
	if now.UnixMicro() <= 0 {
		return 0, ident.Invalid("now", "time_invalid", "the time must be after 1970")
	}
	late, err := overdue(tx, ident.Micros(now), expireBatch)
	if err != nil || len(late) == 0 {
		return 0, err
	}
	ts := make([]Transfer, len(late))
	for i, p := range late {
		ts[i] = Transfer{ID: expiryID(p), Kind: Expire, Pending: p, At: now}
	}
	n := 0
	err = within(tx, func() (err error) {
		n, err = l.apply(tx, ts, guardTotal)
		return err
	})
	return n, err
}
