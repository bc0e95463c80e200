// Package dbtest runs a test on both databases: a SQLite file and a real,
// throw-away PostgreSQL server. A missing PostgreSQL fails the test, it never
// skips it.
//
// Use it from a package's tests:
//
//	func TestMain(m *testing.M) { os.Exit(dbtest.Main(m)) }
//
//	func TestPay(t *testing.T) {
//		dbtest.Run(t, dbtest.Options{Migrations: …}, func(t *testing.T, d *db.DB) { … })
//	}
package dbtest

import (
	"context"
	"database/sql"
	"fmt"
	"io/fs"
	"net/url"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"surety/platform/db"
)

// Options is what a test needs of its databases.
type Options struct {
	Migrations []fs.FS    // those of the packages under test
	Faults     *db.Faults // nil for none
}

// Run calls fn once with SQLite and once with PostgreSQL, each empty and migrated.
func Run(t *testing.T, o Options, fn func(t *testing.T, d *db.DB)) {
	t.Helper()
	for _, dialect := range []db.Dialect{db.SQLite, db.Postgres} {
		t.Run(string(dialect), func(t *testing.T) {
			d := Open(t, dialect, o)
			fn(t, d)
		})
	}
}

// Open opens a fresh database of the dialect and closes it with the test.
func Open(t testing.TB, dialect db.Dialect, o Options) *db.DB {
	t.Helper()
	d := OpenURL(t, NewURL(t, dialect), o)
	t.Cleanup(func() { d.Close() })
	return d
}

// OpenURL opens an existing database again, as a restart does. The caller closes it.
func OpenURL(t testing.TB, dsn string, o Options) *db.DB {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	d, err := db.Open(ctx, db.Config{URL: dsn, Migrations: o.Migrations, Faults: o.Faults})
	if err != nil {
		t.Fatalf("open %s: %v", dsn, err)
	}
	return d
}

var databases atomic.Int64

// NewURL makes an empty database and returns its URL; it goes with the test.
func NewURL(t testing.TB, dialect db.Dialect) string {
	t.Helper()
	if dialect == db.SQLite {
		return "sqlite:" + filepath.Join(t.TempDir(), "surety.db")
	}
	srv, err := server()
	if err != nil {
		t.Fatalf("PostgreSQL is needed and could not be started (make test installs it): %v", err)
	}
	name := fmt.Sprintf("t%d", databases.Add(1))
	admin, err := sql.Open("pgx", srv.url("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	if _, err := admin.Exec("create database " + name); err != nil {
		t.Fatalf("create database: %v", err)
	}
	t.Cleanup(func() { srv.drop(name) })
	return srv.url(name)
}

func (s *pgServer) url(name string) string {
	q := url.Values{"host": {s.dir}, "user": {"postgres"}, "sslmode": {"disable"}}
	return "postgres:///" + name + "?" + q.Encode()
}

func (s *pgServer) drop(name string) {
	admin, err := sql.Open("pgx", s.url("postgres"))
	if err != nil {
		return
	}
	defer admin.Close()
	admin.Exec("drop database if exists " + name + " with (force)")
}
