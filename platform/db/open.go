package db

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	_ "github.com/jackc/pgx/v5/stdlib" // the PostgreSQL driver
	_ "modernc.org/sqlite"             // the SQLite driver

	"surety/kernel/ident"
)

// minSQLite is the first version without the WAL-reset bug that can corrupt.
const minSQLite = 3_051_003

// openSQLite opens one writer (immediate transactions) and a pool of readers
// that cannot write, and refuses to go on unless commits are durable.
func (d *DB) openSQLite(ctx context.Context, path string, readers int) error {
	d.dialect = SQLite
	dsn := func(mode string) string {
		q := url.Values{}
		for _, p := range []string{"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(ON)", "temp_store(MEMORY)"} {
			q.Add("_pragma", p)
		}
		if mode == "read" {
			q.Add("_pragma", "query_only(ON)")
		} else {
			q.Set("_txlock", "immediate")
		}
		return "file:" + url.PathEscape(path) + "?" + q.Encode()
	}
	var err error
	if d.write, err = sql.Open("sqlite", dsn("write")); err != nil {
		return err
	}
	d.write.SetMaxOpenConns(1)
	if d.read, err = sql.Open("sqlite", dsn("read")); err != nil {
		return err
	}
	d.read.SetMaxOpenConns(readers)
	d.read.SetMaxIdleConns(readers)
	if err := checkSQLite(ctx, d.write); err != nil {
		d.closePools()
		return fmt.Errorf("open %s: %w", path, err)
	}
	return nil
}

// checkSQLite reads the settings back: some drivers quietly change them.
func checkSQLite(ctx context.Context, h *sql.DB) error {
	var version, journal string
	var sync int
	if err := h.QueryRowContext(ctx, "select sqlite_version()").Scan(&version); err != nil {
		return err
	}
	if sqliteNumber(version) < minSQLite {
		return ident.E(ident.KindInternal, "sqlite_old", "SQLite %s has a bug that can corrupt the log; 3.51.3 or later is needed", version)
	}
	if err := h.QueryRowContext(ctx, "pragma journal_mode").Scan(&journal); err != nil {
		return err
	}
	if err := h.QueryRowContext(ctx, "pragma synchronous").Scan(&sync); err != nil {
		return err
	}
	if journal != "wal" || sync < 2 {
		return ident.E(ident.KindInternal, "sqlite_not_durable", "SQLite runs with journal_mode=%s synchronous=%d; commits would not be durable",
			journal, sync)
	}
	return nil
}

func sqliteNumber(version string) int {
	n := 0
	parts := strings.SplitN(version, ".", 3)
	for _, p := range parts {
		v, _ := strconv.Atoi(p)
		n = n*1000 + v
	}
	return n
}

// openPostgres opens one pool for both verbs; isolation is READ COMMITTED and
// every invariant is a constraint or a guarded statement.
func (d *DB) openPostgres(ctx context.Context, dsn string, readers int) error {
	d.dialect = Postgres
	h, err := sql.Open("pgx", dsn)
	if err != nil {
		return ident.Invalid("db.url", "db_url", "the PostgreSQL URL cannot be read").Because(err)
	}
	h.SetMaxOpenConns(readers + 4)
	h.SetMaxIdleConns(readers + 4)
	d.write, d.read = h, h
	var sync, fsync string
	row := h.QueryRowContext(ctx, "select current_setting('synchronous_commit'), current_setting('fsync')")
	if err := row.Scan(&sync, &fsync); err != nil {
		h.Close()
		return ident.E(ident.KindUnavailable, "db_unreachable", "PostgreSQL does not answer").Because(err)
	}
	if sync == "off" || fsync == "off" {
		h.Close()
		return ident.E(ident.KindInternal, "postgres_not_durable",
			"PostgreSQL runs with synchronous_commit=%s fsync=%s; commits would not be durable", sync, fsync)
	}
	return nil
}
