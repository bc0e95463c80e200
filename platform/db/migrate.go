package db

import (
	"context"
	"fmt"
	"io/fs"
	"strings"
	"testing/fstest"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

// migrate brings the schema forward, never back. Each package owns a range of
// numbers and its own folder; files marked for one database are skipped on the
// other. Two processes may start at once: on PostgreSQL a table lock, on SQLite
// the single writer keeps them apart.
func (d *DB) migrate(ctx context.Context, sets []fs.FS) error {
	merged, err := mergeMigrations(sets, d.dialect)
	if err != nil {
		return err
	}
	if len(merged) == 0 {
		return nil
	}
	opts := []goose.ProviderOption{goose.WithAllowOutofOrder(true), goose.WithDisableGlobalRegistry(true)}
	dialect := goose.DialectSQLite3
	if d.dialect == Postgres {
		dialect = goose.DialectPostgres
		locker, err := lock.NewPostgresTableLocker()
		if err != nil {
			return fmt.Errorf("migration lock: %w", err)
		}
		opts = append(opts, goose.WithLocker(locker))
	}
	p, err := goose.NewProvider(dialect, d.write, merged, opts...)
	if err != nil {
		return fmt.Errorf("migrations: %w", err)
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return nil
}

// mergeMigrations puts the folders together and picks the marked files.
func mergeMigrations(sets []fs.FS, dialect Dialect) (fstest.MapFS, error) {
	out := fstest.MapFS{}
	for _, set := range sets {
		names, err := fs.Glob(set, "*.sql")
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			target := name
			if base, ok := strings.CutSuffix(name, "."+string(dialect)+".sql"); ok {
				target = base + ".sql"
			} else if strings.HasSuffix(name, ".sqlite.sql") || strings.HasSuffix(name, ".postgres.sql") {
				continue
			}
			if out[target] != nil {
				return nil, fmt.Errorf("migrations: two files are called %s", target)
			}
			body, err := fs.ReadFile(set, name)
			if err != nil {
				return nil, err
			}
			out[target] = &fstest.MapFile{Data: body}
		}
	}
	return out, nil
}

// Folder is the folder "migrations" of a package's embedded files, as
// Config.Migrations wants it. A folder that is not there is found when the
// migrations are read.
func Folder(files fs.FS) fs.FS {
	sub, err := fs.Sub(files, "migrations")
	if err != nil { // only for a malformed name, and this one is not
		return files
	}
	return sub
}
