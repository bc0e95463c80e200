package db_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"surety/kernel/ident"
	"surety/platform/db"
	"surety/platform/db/dbtest"
)

func TestMain(m *testing.M) { os.Exit(dbtest.Main(m)) }

var schema = fstest.MapFS{"00001_t.sql": {Data: []byte(`-- +goose Up
create table t (id text primary key, n bigint not null check (n >= 0));
create table head (one bigint primary key, n bigint not null);
insert into head (one, n) values (1, 0);
`)}}

func opts(f *db.Faults) dbtest.Options {
	return dbtest.Options{Migrations: []fs.FS{schema}, Faults: f}
}

func count(t *testing.T, d *db.DB) (n int) {
	t.Helper()
	err := d.View(context.Background(), func(tx *db.Tx) error {
		_, err := tx.Row([]any{&n}, "select count(*) from t")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func insert(id string, n int) func(*db.Tx) error {
	return func(tx *db.Tx) error {
		_, err := tx.Exec("insert into t (id, n) values ($1, $2)", id, n)
		return err
	}
}

// A failing act leaves nothing and its neighbours in the batch are kept.
func TestUpdateEachItsOwnOutcome(t *testing.T) {
	dbtest.Run(t, opts(nil), func(t *testing.T, d *db.DB) {
		ctx := context.Background()
		var wg sync.WaitGroup
		errs := make([]error, 300)
		for i := range errs {
			wg.Add(1)
			go func() {
				defer wg.Done()
				errs[i] = d.Update(ctx, func(tx *db.Tx) error {
					if err := insert(fmt.Sprint("k", i), i)(tx); err != nil {
						return err
					}
					switch i % 3 {
					case 1:
						return insert("bad", -1)(tx)
					case 2:
						return ident.E(ident.KindState, "no", "no")
					}
					return nil
				})
			}()
		}
		wg.Wait()
		for i, err := range errs {
			want := []ident.Kind{"", ident.KindLimit, ident.KindState}[i%3]
			if ident.KindOf(err) != want {
				t.Fatalf("act %d: got %v, want kind %q", i, err, want)
			}
		}
		if n := count(t, d); n != 100 {
			t.Fatalf("%d rows are kept, want 100", n)
		}
	})
}

// A server that answers before a commit is on the disk is refused.
func TestPostgresNotDurable(t *testing.T) {
	dsn := dbtest.NewURL(t, db.Postgres)
	refused := func(dsn, what string) {
		t.Helper()
		d, err := db.Open(context.Background(), db.Config{URL: dsn, Migrations: []fs.FS{schema}})
		if err == nil {
			d.Close()
		}
		if ident.CodeOf(err) != "postgres_not_durable" || !strings.Contains(err.Error(), what) {
			t.Fatalf("%s: %v", what, err)
		}
	}
	refused(dsn+"&options=-csynchronous_commit%3Doff", "synchronous_commit=off")
	admin, err := sql.Open("pgx", dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	admin.SetMaxIdleConns(-1) // each question is asked on a new connection, which has the new setting
	set := func(to string) {
		t.Helper()
		for _, q := range []string{"alter system set fsync = " + to, "select pg_reload_conf()"} {
			if _, err := admin.Exec(q); err != nil {
				t.Fatal(err)
			}
		}
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		for have := ""; have != to; {
			if err := admin.QueryRowContext(ctx, "select current_setting('fsync')").Scan(&have); err != nil {
				t.Fatalf("fsync is %q, want %q: %v", have, to, err)
			}
		}
	}
	set("off")
	defer set("on") // the server is every test's
	refused(dsn, "fsync=off")
}

// The sealer runs once a physical transaction, with the items of the acts that
// succeeded, and its failure undoes them.
func TestSealer(t *testing.T) {
	dbtest.Run(t, opts(nil), func(t *testing.T, d *db.DB) {
		fail := errors.New("no")
		var failing bool
		d.OnSeal("head", func(tx *db.Tx, items []any) error {
			if failing {
				return fail
			}
			_, err := tx.Exec("update head set n = n + $1 where one = 1", len(items))
			return err
		})
		sealed := func(id string, n int) error {
			return d.Update(context.Background(), func(tx *db.Tx) error {
				tx.Seal("head", id)
				return insert(id, n)(tx)
			})
		}
		if err := sealed("a", 1); err != nil {
			t.Fatal(err)
		}
		if err := sealed("b", -1); err == nil {
			t.Fatal("the check constraint did not hold")
		}
		failing = true
		if err := sealed("c", 1); !errors.Is(err, fail) {
			t.Fatalf("got %v", err)
		}
		var n int
		d.View(context.Background(), func(tx *db.Tx) error {
			_, err := tx.Row([]any{&n}, "select n from head")
			return err
		})
		if n != 1 || count(t, d) != 1 {
			t.Fatalf("head %d rows %d, want 1 and 1", n, count(t, d))
		}
	})
}

// Every write fails both ways: lost, and done but the answer lost.
func TestCommitLostAndMuted(t *testing.T) {
	for _, dialect := range []db.Dialect{db.SQLite, db.Postgres} {
		t.Run(string(dialect), func(t *testing.T) {
			f := &db.Faults{}
			d := dbtest.Open(t, dialect, opts(f))
			ctx := context.Background()
			f.LoseCommit(1)
			if err := d.Update(ctx, insert("a", 1)); ident.KindOf(err) != ident.KindUnavailable {
				t.Fatalf("lost: %v", err)
			}
			if count(t, d) != 0 {
				t.Fatal("a lost commit left a row")
			}
			f.MuteCommit(1)
			if err := d.Update(ctx, insert("a", 1)); ident.KindOf(err) != ident.KindUnknown {
				t.Fatalf("muted: %v", err)
			}
			if count(t, d) != 1 {
				t.Fatal("a muted commit must have happened")
			}
			if err := d.Update(ctx, insert("a", 1)); ident.KindOf(err) != ident.KindConflict {
				t.Fatalf("again: %v", err)
			}
		})
	}
}

func TestNestedUpdateIsRefused(t *testing.T) {
	dbtest.Run(t, opts(nil), func(t *testing.T, d *db.DB) {
		err := d.Update(context.Background(), func(tx *db.Tx) error {
			return d.Update(tx.Context(), insert("x", 1))
		})
		if ident.CodeOf(err) != "nested_update" {
			t.Fatalf("got %v", err)
		}
	})
}

func TestViewCannotWrite(t *testing.T) {
	dbtest.Run(t, opts(nil), func(t *testing.T, d *db.DB) {
		if err := d.View(context.Background(), insert("x", 1)); err == nil {
			t.Fatal("a View wrote")
		}
		if count(t, d) != 0 {
			t.Fatal("a View left a row")
		}
	})
}

// Whoever calls while the database closes gets an answer: done, or not taken.
func TestUpdateWhileClosing(t *testing.T) {
	d := dbtest.OpenURL(t, dbtest.NewURL(t, db.SQLite), opts(nil))
	var wg sync.WaitGroup
	for i := range 64 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for j := range 50 {
				err := d.Update(context.Background(), insert(fmt.Sprint(i, ".", j), 1))
				if err != nil && ident.CodeOf(err) != "closing" {
					t.Errorf("got %v", err)
				}
			}
		}()
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	wg.Wait()
}
