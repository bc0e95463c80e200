package db

import (
	"context"
	"database/sql/driver"
	"errors"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"surety/kernel/ident"
)

// errBegin marks errors before the first statement: nothing was written.
type errBegin struct{ err error }

func (e errBegin) Error() string { return "begin: " + e.err.Error() }
func (e errBegin) Unwrap() error { return e.err }

func beginError(err error) error {
	if retryable(err) {
		return err
	}
	return errBegin{err}
}

// retryable reports whether the database itself undid the transaction and
// asks for it to be run again.
func retryable(err error) bool {
	if err == nil {
		return false
	}
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code == "40001" || pg.Code == "40P01" || pg.Code == "55P03"
	}
	var lite *sqlite.Error
	if errors.As(err, &lite) {
		switch lite.Code() & 0xff {
		case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
			return true
		}
	}
	return false
}

// isIO reports an error of the disk, after which nothing may be acknowledged.
func isIO(err error) bool {
	var lite *sqlite.Error
	if errors.As(err, &lite) {
		switch lite.Code() & 0xff {
		case sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
			return true
		}
		return false
	}
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (pg.Code == "58030" || strings.HasPrefix(pg.Code, "XX"))
}

// refused reports that the server answered the commit with a clean "no".
func refused(err error) bool {
	var pg *pgconn.PgError
	var lite *sqlite.Error
	return errors.As(err, &pg) || errors.As(err, &lite)
}

// classify gives every error that leaves db a kind. Errors that already have
// one pass unchanged.
func classify(err error) error {
	if err == nil {
		return nil
	}
	var known *ident.Error
	if errors.As(err, &known) {
		return err
	}
	var begin errBegin
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.As(err, &begin), retryable(err):
		return ident.E(ident.KindUnavailable, "db_busy", "the database cannot be reached now; nothing was written").Because(err)
	case IsUnique(err):
		return ident.E(ident.KindConflict, "exists", "there is one already").Because(err)
	case isCheck(err):
		return ident.E(ident.KindLimit, "constraint", "the books do not allow this").Because(err)
	case isFull(err):
		return ident.E(ident.KindUnavailable, "disk_full", "the disk is full; nothing was written").Because(err)
	case isConnection(err):
		return ident.E(ident.KindUnavailable, "db_lost", "the database was lost before the commit; nothing was written").Because(err)
	}
	return ident.E(ident.KindInternal, "db_error", "the database refused a statement").Because(err)
}

// IsUnique reports a broken unique or primary-key constraint: the row exists.
// On PostgreSQL the act's transaction is spoilt after it; prefer ON CONFLICT.
func IsUnique(err error) bool {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code == "23505"
	}
	var lite *sqlite.Error
	return errors.As(err, &lite) &&
		(lite.Code() == sqlite3.SQLITE_CONSTRAINT_UNIQUE || lite.Code() == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY)
}

func isCheck(err error) bool {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return strings.HasPrefix(pg.Code, "23") || pg.Code == "P0001"
	}
	var lite *sqlite.Error
	return errors.As(err, &lite) && lite.Code()&0xff == sqlite3.SQLITE_CONSTRAINT
}

func isFull(err error) bool {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code == "53100"
	}
	var lite *sqlite.Error
	return errors.As(err, &lite) && lite.Code()&0xff == sqlite3.SQLITE_FULL
}

func isConnection(err error) bool {
	var nerr net.Error
	return errors.Is(err, driver.ErrBadConn) || errors.As(err, &nerr)
}
