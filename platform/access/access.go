package access

import (
	"context"
	"crypto/rand"
	"errors"
	"io"

	"surety/kernel/ident"
	"surety/platform/audit"
	"surety/platform/db"
)

// Config is what New needs.
type Config struct {
	DB    *db.DB
	Audit *audit.Log
	Clock ident.Clock
	IDs   *ident.Maker
	// Rand makes tokens, keys and salts; the system's randomness if nil. Only a
	// simulation sets it.
	Rand io.Reader
}

// Access answers who may do what. It is safe for many goroutines.
type Access struct {
	db    *db.DB
	audit *audit.Log
	clock ident.Clock
	ids   *ident.Maker
	rand  io.Reader
	keys  keyCache

	hashing chan struct{} // holds one token for each password being hashed
	decoy   string        // hash of nobody's password, tried for unknown addresses
}

// hashers bounds the passwords hashed at once: each takes 19 MiB, and a crowd at
// the door must not empty the house of memory.
const hashers = 4

// New makes an Access. It refuses to work without its log, database, clock or ids.
func New(cfg Config) (*Access, error) {
	if cfg.DB == nil || cfg.Audit == nil || cfg.Clock == nil || cfg.IDs == nil {
		return nil, ident.E(ident.KindInternal, "access_config", "access needs DB, Audit, Clock and IDs")
	}
	if cfg.Rand == nil {
		cfg.Rand = rand.Reader
	}
	a := &Access{
		db: cfg.DB, audit: cfg.Audit, clock: cfg.Clock, ids: cfg.IDs, rand: cfg.Rand,
		hashing: make(chan struct{}, hashers),
	}
	nobody, err := a.random()
	if err != nil {
		return nil, err
	}
	if a.decoy, err = a.hashPassword(context.Background(), nobody); err != nil {
		return nil, err
	}
	return a, nil
}

// refusal is an error that still has to be logged, in a transaction of its own,
// because the one it happened in is undone. Run does that.
type refusal struct {
	err   *ident.Error
	entry audit.Entry
}

func (r *refusal) Error() string { return r.err.Error() }
func (r *refusal) Unwrap() error { return r.err }

// refuse makes a refusal from the reason.
func refuse(why *ident.Error, actor ident.Actor, act Act, object ident.ID, detail any) error {
	return &refusal{err: why, entry: audit.Entry{
		Act: string(act), Object: object, Actor: actor, Outcome: audit.Refused,
		Detail: map[string]any{"code": why.Code, "detail": detail},
	}}
}

// Check decides and appends to the audit log in tx, in one. It returns nil if the
// actor may; otherwise KindDenied, KindUnsignedIn, or for another customer's
// object KindNotFound. Call it inside Update or Run, which log the refusal; the
// error must be returned from there unchanged or wrapped.
func (a *Access) Check(tx *db.Tx, actor ident.Actor, act Act, obj Object, detail any) error {
	if why := decide(actor, act, obj); why != nil {
		return refuse(why, actor, act, obj.ID, detail)
	}
	return a.log(tx, actor, act, obj.ID, detail)
}

// log appends a permitted act as the table says.
func (a *Access) log(tx *db.Tx, actor ident.Actor, act Act, object ident.ID, detail any) error {
	outcome := audit.Done
	switch table[act].Log {
	case Never:
		return nil
	case OnRead:
		outcome = audit.Read
	}
	_, err := a.audit.Append(tx, audit.Entry{
		Act: string(act), Object: object, Actor: actor, Outcome: outcome, Detail: detail,
	})
	return err
}

// Update is Check and fn in one transaction. A refusal is logged in another.
// The rules of db.Update hold for fn.
func (a *Access) Update(ctx context.Context, actor ident.Actor, act Act, obj Object, detail any,
	fn func(tx *db.Tx) error) error {
	return a.Run(ctx, func(tx *db.Tx) error {
		if err := a.Check(tx, actor, act, obj, detail); err != nil {
			return err
		}
		return fn(tx)
	})
}

// Run is db.Update for an fn that calls Check itself, because it has to load the
// object first to know its owner. It logs the refusal if there was one.
func (a *Access) Run(ctx context.Context, fn func(tx *db.Tx) error) error {
	return a.record(ctx, a.db.Update(ctx, fn))
}

// View is Check, logged as a read where the table says so, and then fn in a View.
// A log that cannot be written stops the read.
func (a *Access) View(ctx context.Context, actor ident.Actor, act Act, obj Object, fn func(tx *db.Tx) error) error {
	if spec, known := table[act]; known && spec.Log == Never {
		if why := decide(actor, act, obj); why != nil {
			return a.record(ctx, refuse(why, actor, act, obj.ID, nil))
		}
		return a.db.View(ctx, fn)
	}
	err := a.Run(ctx, func(tx *db.Tx) error { return a.Check(tx, actor, act, obj, nil) })
	if err != nil {
		return err
	}
	return a.db.View(ctx, fn)
}

// record logs the refusal in err, if there is one, and returns err. The caller
// cannot escape the log by hanging up. If the log fails, the refusal stands.
func (a *Access) record(ctx context.Context, err error) error {
	var r *refusal
	if !errors.As(err, &r) {
		return err
	}
	failed := a.db.Update(context.WithoutCancel(ctx), func(tx *db.Tx) error {
		_, err := a.audit.Append(tx, r.entry)
		return err
	})
	if failed != nil {
		return errors.Join(r.err, failed)
	}
	return r.err
}
