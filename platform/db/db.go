package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"

	"surety/kernel/ident"
)

// Dialect tells the two databases apart, for the few places that may know.
type Dialect string

// The two databases.
const (
	SQLite   Dialect = "sqlite"
	Postgres Dialect = "postgres"
)

// Config is what Open needs.
type Config struct {
	// URL is "sqlite:/path/to/file.db" or "postgres://user@host/name?…".
	URL string
	// Migrations are the migration folders of the packages in use, each the
	// root of an fs of files named "00100_audit.sql" (both databases) or
	// "00101_audit.sqlite.sql" and "00101_audit.postgres.sql" (marked blocks).
	Migrations []fs.FS
	// Readers is how many connections View may use; 8 if zero.
	Readers int
	// Batch is how many acts share one physical transaction; 256 if zero.
	Batch int
	// Faults lets a test fail a write; nil in production.
	Faults *Faults
}

// DB is an open database. It is safe for many goroutines and processes.
type DB struct {
	dialect Dialect
	write   *sql.DB // SQLite: one connection; PostgreSQL: a small pool
	read    *sql.DB
	faults  *Faults
	sealers map[string]Sealer // set before the first Update, then read only

	acts   chan *act
	stop   chan struct{}
	done   sync.WaitGroup
	closed sync.Once
	gate   sync.RWMutex // held for reading while an act is handed in
	shut   bool         // no act is taken any more; guarded by gate

	failOnce sync.Once
	failed   chan struct{}
	failure  error // set before failed is closed
}

// Open opens the database, migrates it forward, checks that it is durable and
// starts the group committer.
func Open(ctx context.Context, cfg Config) (*DB, error) {
	if cfg.Readers == 0 {
		cfg.Readers = 8
	}
	if cfg.Batch == 0 {
		cfg.Batch = 256
	}
	d := &DB{
		faults: cfg.Faults, sealers: map[string]Sealer{},
		acts: make(chan *act, cfg.Batch), stop: make(chan struct{}), failed: make(chan struct{}),
	}
	var err error
	switch {
	case strings.HasPrefix(cfg.URL, "sqlite:"):
		err = d.openSQLite(ctx, strings.TrimPrefix(cfg.URL, "sqlite:"), cfg.Readers)
	case strings.HasPrefix(cfg.URL, "postgres://"), strings.HasPrefix(cfg.URL, "postgresql://"):
		err = d.openPostgres(ctx, cfg.URL, cfg.Readers)
	default:
		err = ident.Invalid("db.url", "db_url", `the database URL must begin with "sqlite:" or "postgres://"`)
	}
	if err != nil {
		return nil, err
	}
	if err := d.migrate(ctx, cfg.Migrations); err != nil {
		return nil, errors.Join(err, d.closePools())
	}
	d.startCommitter(cfg.Batch)
	return d, nil
}

// Dialect says which database it is.
func (d *DB) Dialect() Dialect { return d.dialect }

// Failed is closed when a commit met an I/O error: the process must stop.
func (d *DB) Failed() <-chan struct{} { return d.failed }

// Failure is the error behind Failed.
func (d *DB) Failure() error {
	select {
	case <-d.failed:
		return d.failure
	default:
		return nil
	}
}

// poison records the first I/O error and stops all further acknowledgements.
func (d *DB) poison(err error) {
	d.failOnce.Do(func() {
		d.failure = err
		close(d.failed)
	})
}

// Close waits for the acts under way and closes the connections.
func (d *DB) Close() error {
	d.closed.Do(func() {
		d.gate.Lock() // every act handed in before is in the channel now
		d.shut = true
		d.gate.Unlock()
		close(d.stop)
	})
	d.done.Wait()
	return d.closePools()
}

func (d *DB) closePools() error {
	if d.read == d.write {
		return d.write.Close()
	}
	return errors.Join(d.read.Close(), d.write.Close())
}

// View runs fn in a read-only transaction. It may run fn again if the database
// was busy, so fn must only read and fill its own results from the start.
func (d *DB) View(ctx context.Context, fn func(tx *Tx) error) error {
	for try := 0; ; try++ {
		err := d.viewOnce(ctx, fn)
		if try < maxTries && retryable(err) {
			continue
		}
		return classify(err)
	}
}

func (d *DB) viewOnce(ctx context.Context, fn func(tx *Tx) error) error {
	opts := &sql.TxOptions{}
	if d.dialect == Postgres { // one snapshot for all its statements, as SQLite has it
		opts = &sql.TxOptions{ReadOnly: true, Isolation: sql.LevelRepeatableRead}
	}
	stx, err := d.read.BeginTx(ctx, opts)
	if err != nil {
		return beginError(err)
	}
	defer stx.Rollback()
	return fn(&Tx{ctx: ctx, tx: stx, dialect: d.dialect, readOnly: true})
}

// Tx is one caller's transaction. It must not be kept or shared.
type Tx struct {
	ctx      context.Context
	tx       *sql.Tx
	dialect  Dialect
	faults   *Faults
	readOnly bool
	sealing  []sealItem // what this act hands to the sealers
}

// Context is the context of the act.
func (t *Tx) Context() context.Context { return t.ctx }

// Dialect says which database this is; only db, queue and tests may ask.
func (t *Tx) Dialect() Dialect { return t.dialect }

// Exec runs a statement and returns how many rows it changed.
func (t *Tx) Exec(query string, args ...any) (int64, error) {
	if t.readOnly {
		return 0, ident.E(ident.KindInternal, "write_in_view", "a View may not write")
	}
	if err := t.faults.before(query); err != nil {
		return 0, err
	}
	res, err := t.tx.ExecContext(t.ctx, query, args...)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", firstLine(query), err)
	}
	return res.RowsAffected()
}

// ExecOne runs a statement that must change exactly one row: a guarded update.
// If it changes none, it returns miss, which says what the guard means.
func (t *Tx) ExecOne(miss error, query string, args ...any) error {
	n, err := t.Exec(query, args...)
	switch {
	case err != nil:
		return err
	case n == 1:
		return nil
	case n == 0:
		return miss
	}
	return ident.E(ident.KindInternal, "too_many_rows", "%s changed %d rows", firstLine(query), n)
}

// Row runs a query for at most one row and scans it; found is false if there is none.
func (t *Tx) Row(dest []any, query string, args ...any) (found bool, err error) {
	if err := t.faults.before(query); err != nil {
		return false, err
	}
	err = t.tx.QueryRowContext(t.ctx, query, args...).Scan(dest...)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("%s: %w", firstLine(query), err)
	}
	return true, nil
}

// Rows runs a query and calls scan for each row.
func (t *Tx) Rows(query string, args []any, scan func(scan func(dest ...any) error) error) error {
	if err := t.faults.before(query); err != nil {
		return err
	}
	rows, err := t.tx.QueryContext(t.ctx, query, args...)
	if err != nil {
		return fmt.Errorf("%s: %w", firstLine(query), err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows.Scan); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("%s: %w", firstLine(query), err)
	}
	return nil
}

func firstLine(q string) string {
	q = strings.Join(strings.Fields(q), " ")
	if len(q) > 60 {
		q = q[:60] + "…"
	}
	return q
}
