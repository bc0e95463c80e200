package audit_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"surety/kernel/ident"
	"surety/platform/audit"
	"surety/platform/db"
	"surety/platform/db/dbtest"
)

func TestMain(m *testing.M) { os.Exit(dbtest.Main(m)) }

var start = time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)

var anna = ident.Actor{Kind: ident.Staff, ID: "stf_anna", Name: "Anna"}

func opts(f *db.Faults) dbtest.Options {
	return dbtest.Options{Migrations: []fs.FS{audit.Migrations}, Faults: f}
}

// world is a log with what a test needs beside it.
type world struct {
	t     *testing.T
	d     *db.DB
	log   *audit.Log
	v     note.Verifier
	clock *ident.ManualClock
}

func newKey(t *testing.T) (note.Signer, note.Verifier) {
	t.Helper()
	secret, public, err := note.GenerateKey(rand.Reader, "surety-audit-test")
	if err != nil {
		t.Fatal(err)
	}
	s, err := note.NewSigner(secret)
	if err != nil {
		t.Fatal(err)
	}
	v, err := note.NewVerifier(public)
	if err != nil {
		t.Fatal(err)
	}
	return s, v
}

func newWorld(t *testing.T, d *db.DB) *world {
	t.Helper()
	s, v := newKey(t)
	return newWorldWith(t, d, s, v)
}

func newWorldWith(t *testing.T, d *db.DB, s note.Signer, v note.Verifier) *world {
	t.Helper()
	clock := ident.NewManualClock(start)
	log, err := audit.New(audit.Config{DB: d, Clock: clock, IDs: ident.NewMaker(clock), Signer: s, Verifier: v})
	if err != nil {
		t.Fatal(err)
	}
	return &world{t: t, d: d, log: log, v: v, clock: clock}
}

func entry(i int) audit.Entry {
	return audit.Entry{Act: "claim.file", Object: fmt.Sprintf("clm_%d", i%3), Actor: anna,
		Outcome: audit.Done, Detail: map[string]any{"n": i, "why": "人"}}
}

// append records entries i.. each in an act of its own and returns the ids.
func (w *world) append(from, n int) (ids []ident.ID) {
	w.t.Helper()
	for i := from; i < from+n; i++ {
		ids = append(ids, w.one(entry(i)))
	}
	return ids
}

func (w *world) one(e audit.Entry) (id ident.ID) {
	w.t.Helper()
	w.clock.Advance(time.Second)
	w.update(func(tx *db.Tx) (err error) {
		id, err = w.log.Append(tx, e)
		return err
	})
	return id
}

func (w *world) update(fn func(tx *db.Tx) error) {
	w.t.Helper()
	if err := w.d.Update(context.Background(), fn); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) view(fn func(tx *db.Tx) error) {
	w.t.Helper()
	if err := w.d.View(context.Background(), fn); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) sign() audit.Head {
	w.t.Helper()
	h, err := w.log.SignHead(context.Background())
	if err != nil {
		w.t.Fatal(err)
	}
	return h
}

func (w *world) verify(kept ...audit.Head) audit.Report {
	w.t.Helper()
	r, err := audit.Verify(context.Background(), w.d, w.v, kept...)
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

func (w *world) wantClean(entries int, kept ...audit.Head) audit.Report {
	w.t.Helper()
	r := w.verify(kept...)
	if !r.OK || r.Entries != entries || len(r.Problems) > 0 {
		w.t.Fatalf("want a clean log of %d entries, got %+v", entries, r)
	}
	return r
}

func TestNewRefusesMissingParts(t *testing.T) {
	d := dbtest.Open(t, db.SQLite, opts(nil))
	s, v := newKey(t)
	_, other := newKey(t)
	clock := ident.NewManualClock(start)
	full := audit.Config{DB: d, Clock: clock, IDs: ident.NewMaker(clock), Signer: s, Verifier: v}
	for name, spoil := range map[string]func(*audit.Config){
		"DB": func(c *audit.Config) { c.DB = nil }, "Clock": func(c *audit.Config) { c.Clock = nil },
		"IDs": func(c *audit.Config) { c.IDs = nil }, "Signer": func(c *audit.Config) { c.Signer = nil },
		"Verifier": func(c *audit.Config) { c.Verifier = nil }, "key": func(c *audit.Config) { c.Verifier = other },
	} {
		c := full
		spoil(&c)
		if _, err := audit.New(c); err == nil {
			t.Errorf("New took a config without its %s", name)
		}
	}
}

// Many acts at once: each act that was acknowledged has its entry once, each
// that failed has none, and the indexes have no gap.
func TestAppendManyActs(t *testing.T) {
	dbtest.Run(t, opts(nil), func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		const n = 400
		ids := make([]ident.ID, n)
		errs := make([]error, n)
		no := errors.New("no")
		var wg sync.WaitGroup
		for i := range n {
			wg.Add(1)
			go func() {
				defer wg.Done()
				errs[i] = d.Update(context.Background(), func(tx *db.Tx) (err error) {
					if ids[i], err = w.log.Append(tx, entry(i)); err == nil && i%4 == 3 {
						err = no
					}
					return err
				})
			}()
		}
		wg.Wait()
		var good []ident.ID
		for i, err := range errs {
			switch {
			case i%4 == 3 && !errors.Is(err, no), i%4 != 3 && err != nil:
				t.Fatalf("act %d: %v", i, err)
			case err == nil:
				good = append(good, ids[i])
			}
		}
		w.sameEntries(good)
		w.sign()
		w.wantClean(len(good))
	})
}

// sameEntries demands that the log holds exactly these entries, numbered from 0.
func (w *world) sameEntries(want []ident.ID) {
	w.t.Helper()
	var got []ident.ID
	w.view(func(tx *db.Tx) error {
		got = nil
		return tx.Rows("select idx, id from audit_leaf order by idx", nil, func(scan func(...any) error) error {
			var idx int64
			var id string
			if err := scan(&idx, &id); err != nil {
				return err
			}
			if int(idx) != len(got) {
				w.t.Errorf("index %d follows %d entries", idx, len(got))
			}
			got = append(got, id)
			return nil
		})
	})
	want = slices.Clone(want)
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		w.t.Fatalf("the log has %d entries, want %d, or others", len(got), len(want))
	}
}

// Two processes append at once: the head row puts them in one line.
func TestTwoProcesses(t *testing.T) {
	for _, dialect := range []db.Dialect{db.SQLite, db.Postgres} {
		t.Run(string(dialect), func(t *testing.T) {
			dsn := dbtest.NewURL(t, dialect)
			s, v := newKey(t)
			var worlds []*world
			for range 2 {
				d := dbtest.OpenURL(t, dsn, opts(nil))
				defer d.Close()
				worlds = append(worlds, newWorldWith(t, d, s, v))
			}
			const n = 150
			ids := make([]ident.ID, 2*n)
			var wg sync.WaitGroup
			for i := range ids {
				wg.Add(1)
				go func() {
					defer wg.Done()
					w := worlds[i%2]
					err := w.d.Update(context.Background(), func(tx *db.Tx) (err error) {
						ids[i], err = w.log.Append(tx, entry(i))
						return err
					})
					if err != nil {
						t.Errorf("act %d: %v", i, err)
					}
					if i%50 == 0 {
						if _, err := w.log.SignHead(context.Background()); err != nil {
							t.Errorf("sign: %v", err)
						}
					}
				}()
			}
			wg.Wait()
			worlds[0].sameEntries(ids)
			worlds[1].sign()
			worlds[0].wantClean(2 * n)
		})
	}
}

// Every write of an append fails, also both ways at the commit.
func TestLostAndMuted(t *testing.T) {
	for _, dialect := range []db.Dialect{db.SQLite, db.Postgres} {
		t.Run(string(dialect), func(t *testing.T) {
			f := &db.Faults{}
			w := newWorld(t, dbtest.Open(t, dialect, opts(f)))
			kept := w.append(0, 5)
			try := func(want ident.Kind) {
				t.Helper()
				var id ident.ID
				err := w.d.Update(context.Background(), func(tx *db.Tx) (err error) {
					id, err = w.log.Append(tx, entry(9))
					return err
				})
				if ident.KindOf(err) != want {
					t.Fatalf("got %v, want kind %s", err, want)
				}
				if want == ident.KindUnknown {
					kept = append(kept, id) // it happened: the caller can look the id up
				}
			}
			for _, statement := range []string{"update audit_head",
				"from audit_leaf where idx in", "insert into audit_leaf", "insert into audit_detail"} {
				f.FailStatement(statement)
				try(ident.KindInternal)
			}
			f.LoseCommit(1)
			try(ident.KindUnavailable)
			f.MuteCommit(1)
			try(ident.KindUnknown)
			w.sameEntries(kept)

			f.LoseCommit(1)
			if _, err := w.log.SignHead(context.Background()); ident.KindOf(err) != ident.KindUnavailable {
				t.Fatalf("sign, lost: %v", err)
			}
			f.MuteCommit(1)
			if _, err := w.log.SignHead(context.Background()); ident.KindOf(err) != ident.KindUnknown {
				t.Fatalf("sign, muted: %v", err)
			}
			if h := w.sign(); h.Size != 6 {
				t.Fatalf("signed %d entries, want 6", h.Size)
			}
			if r := w.wantClean(6); r.Heads != 1 {
				t.Fatalf("%d heads are kept, want 1", r.Heads)
			}
		})
	}
}

func TestReading(t *testing.T) {
	dbtest.Run(t, opts(nil), func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		ids := w.append(0, 9)
		thief := ident.Actor{Kind: ident.Customer, ID: "pty_thief"}
		odd := w.one(audit.Entry{Act: "claim.read", Outcome: audit.Refused, Actor: thief,
			Object: "x\x00\xff" + strings.Repeat("长", 200)})
		w.view(func(tx *db.Tx) error {
			h, err := w.log.History(tx, "clm_1")
			if err != nil {
				return err
			}
			if len(h) != 3 || h[0].ID != ids[1] || h[2].ID != ids[7] || h[0].Index != 1 {
				t.Errorf("history: %+v", h)
			}
			if string(h[0].Detail) != `{"n":1,"why":"人"}` || h[0].Actor != anna.ID || h[0].At != start.Add(2*time.Second) {
				t.Errorf("record: %+v", h[0])
			}
			r, err := w.log.Recent(tx, 2)
			if err != nil {
				return err
			}
			if len(r) != 2 || r[0].ID != odd || r[1].ID != ids[8] || r[0].Detail != nil || r[0].Erased {
				t.Errorf("recent: %+v", r)
			}
			one, err := w.log.Entry(tx, odd)
			if err != nil || one.Outcome != audit.Refused || !strings.HasPrefix(one.Object, "x??长") {
				t.Errorf("entry: %+v %v", one, err)
			}
			if _, err := w.log.Entry(tx, "aud_none"); !ident.Is(err, ident.KindNotFound) {
				t.Errorf("entry of no id: %v", err)
			}
			return nil
		})
		for _, c := range []struct {
			name string
			f    audit.Filter
			want []int // indexes
		}{
			{"actor", audit.Filter{Actor: "pty_thief"}, []int{9}},
			{"act and limit", audit.Filter{Act: "claim.file", Limit: 2}, []int{8, 7}},
			{"page after", audit.Filter{Act: "claim.file", Limit: 2, Before: 7}, []int{6, 5}},
			{"time", audit.Filter{From: start.Add(3 * time.Second), To: start.Add(5 * time.Second)}, []int{3, 2}},
			{"object and outcome", audit.Filter{Object: "clm_2", Outcome: audit.Done}, []int{8, 5, 2}},
			{"nothing", audit.Filter{Outcome: audit.Read}, nil},
		} {
			var got []int
			w.view(func(tx *db.Tx) error {
				got = nil
				records, err := w.log.Find(tx, c.f)
				for _, r := range records {
					got = append(got, int(r.Index))
				}
				return err
			})
			if !slices.Equal(got, c.want) {
				t.Errorf("%s: got %v, want %v", c.name, got, c.want)
			}
		}
	})
}

func TestAppendRefuses(t *testing.T) {
	w := newWorld(t, dbtest.Open(t, db.SQLite, opts(nil)))
	for code, spoil := range map[string]func(*audit.Entry){
		"required":          func(e *audit.Entry) { e.Act = "" },
		"outcome":           func(e *audit.Entry) { e.Outcome = "perhaps" },
		"audit_detail":      func(e *audit.Entry) { e.Detail = func() {} },
		"audit_detail_size": func(e *audit.Entry) { e.Detail = strings.Repeat("x", 9<<20) },
	} {
		e := entry(1)
		spoil(&e)
		err := w.d.Update(context.Background(), func(tx *db.Tx) error {
			_, err := w.log.Append(tx, e)
			return err
		})
		if ident.CodeOf(err) != code {
			t.Errorf("want %s, got %v", code, err)
		}
	}
	w.wantClean(0)
}

// The log, its heads and its details cannot be changed through SQL.
func TestGuards(t *testing.T) {
	dbtest.Run(t, opts(nil), func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		w.append(0, 3)
		w.sign()
		statements := []string{
			"update audit_leaf set act = 'x' where idx = 1", "delete from audit_leaf where idx = 1",
			"update audit_signed set note = 'x'", "delete from audit_signed",
			"update audit_head set size = size - 1", "delete from audit_head",
			"update audit_detail set detail = '{}'", "update audit_detail set id = 'x' where id > ''",
			"delete from audit_detail",
		}
		if d.Dialect() == db.Postgres {
			for _, table := range tables {
				statements = append(statements, "truncate "+table)
			}
		}
		for _, s := range statements {
			err := d.Update(context.Background(), func(tx *db.Tx) error {
				_, err := tx.Exec(s)
				return err
			})
			if !ident.Is(err, ident.KindLimit) {
				t.Errorf("%s: got %v", s, err)
			}
		}
		w.wantClean(3)
	})
}

func TestErase(t *testing.T) {
	dbtest.Run(t, opts(nil), func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		ids := w.append(0, 4)
		head := w.sign()
		w.update(func(tx *db.Tx) error { return w.log.Erase(tx, anna, ids[2]) })
		err := d.Update(context.Background(), func(tx *db.Tx) error { return w.log.Erase(tx, anna, ids[2]) })
		if !ident.Is(err, ident.KindState) {
			t.Fatalf("erased twice: %v", err)
		}
		if r := w.wantClean(5, head); r.Erased != 1 {
			t.Fatalf("%+v", r)
		}
		w.view(func(tx *db.Tx) error {
			h, err := w.log.History(tx, "clm_2")
			if err == nil && (len(h) != 1 || !h[0].Erased || h[0].Detail != nil) {
				t.Errorf("history: %+v", h)
			}
			return err
		})
		if _, err := w.log.Prove(context.Background(), ids[2]); err != nil {
			t.Fatal(err)
		}
	})
}

func TestProofs(t *testing.T) {
	dbtest.Run(t, opts(nil), func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		ctx := context.Background()
		heads, ids := []audit.Head{w.sign()}, []ident.ID{} // the first head is of the empty log
		for _, n := range []int{1, 2, 4, 6} {
			ids = append(ids, w.append(len(ids), n)...)
			heads = append(heads, w.sign())
		}
		ids = append(ids, w.append(len(ids), 1)...) // beyond the last head: Prove signs
		for i, id := range ids {
			p, err := w.log.Prove(ctx, id)
			if err != nil {
				t.Fatal(err)
			}
			p = throughJSON(t, p)
			if err := audit.VerifyProof(p, w.v); err != nil || int(p.Index) != i {
				t.Fatalf("proof of %d: %v", i, err)
			}
			for name, spoil := range map[string]func(*audit.Proof){
				"leaf":  func(p *audit.Proof) { p.Leaf = strings.Replace(p.Leaf, "claim.file", "claim.pay", 1) },
				"index": func(p *audit.Proof) { p.Index = (p.Index + 1) % 14 },
				"id":    func(p *audit.Proof) { p.ID = "aud_other" },
				"path":  func(p *audit.Proof) { p.Path = p.Path[1:] },
				"head":  func(p *audit.Proof) { p.Head = heads[0] },
				"note":  func(p *audit.Proof) { p.Head.Note = strings.Replace(p.Head.Note, "\n1", "\n2", 1) },
			} {
				bad := throughJSON(t, p)
				spoil(&bad)
				if audit.VerifyProof(bad, w.v) == nil {
					t.Errorf("a proof of %d with another %s was taken", i, name)
				}
			}
		}
		if _, err := w.log.Prove(ctx, "aud_none"); !ident.Is(err, ident.KindNotFound) {
			t.Fatalf("proof of nothing: %v", err)
		}
		for i, old := range heads {
			for _, now := range heads[i:] {
				e, err := w.log.Consistency(ctx, old.Size, now.Size)
				if err != nil {
					t.Fatal(err)
				}
				e = throughJSON(t, e)
				if err := audit.VerifyConsistency(e, old, now, w.v); err != nil {
					t.Fatalf("%d to %d: %v", old.Size, now.Size, err)
				}
				if old.Size > 0 && old.Size < now.Size && audit.VerifyConsistency(e, now, old, w.v) == nil {
					t.Fatalf("%d to %d was taken backwards", old.Size, now.Size)
				}
			}
		}
		if _, err := w.log.Consistency(ctx, 3, 99); !ident.Is(err, ident.KindInvalid) {
			t.Fatalf("beyond the end: %v", err)
		}
		got, err := w.log.Heads(ctx)
		if err != nil || len(got) != len(heads)+1 || got[1] != heads[len(heads)-1] {
			t.Fatalf("heads: %+v %v", got, err)
		}
		var b strings.Builder
		if _, err := w.log.ExportHead(ctx, &b); err != nil {
			t.Fatalf("export: %v", err)
		}
		back, err := audit.ParseHead(b.String(), w.v)
		if err != nil {
			t.Fatal(err)
		}
		w.wantClean(14, append(heads, back)...)
	})
}

func throughJSON[T any](t *testing.T, in T) (out T) {
	t.Helper()
	b, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestKey(t *testing.T) {
	dir := t.TempDir() + "/new"
	s, v, err := audit.LoadOrCreateKey(dir)
	if err != nil {
		t.Fatal(err)
	}
	s2, v2, err := audit.LoadOrCreateKey(dir)
	if err != nil || s2.KeyHash() != s.KeyHash() || v2.Name() != v.Name() || s.Name() != v.Name() {
		t.Fatalf("another key the second time: %v", err)
	}
	public, err := audit.ReadPublicKey(dir)
	if err != nil {
		t.Fatal(err)
	}
	sig, err := s.Sign([]byte("x"))
	if err != nil || !public.Verify([]byte("x"), sig) || !v.Verify([]byte("x"), sig) || v.Verify([]byte("y"), sig) {
		t.Fatalf("the halves do not fit: %v", err)
	}
	info, err := os.Stat(dir + "/audit.key")
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("mode %v %v", info.Mode(), err)
	}
	if err := os.Chmod(dir+"/audit.key", 0o644); err != nil {
		t.Fatal(err)
	}
	if _, _, err := audit.LoadOrCreateKey(dir); ident.CodeOf(err) != "audit_key_open" {
		t.Fatalf("an open key file was taken: %v", err)
	}
	if err := os.WriteFile(dir+"/audit.key", []byte("junk"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir+"/audit.key", 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := audit.LoadOrCreateKey(dir); ident.CodeOf(err) != "audit_key" {
		t.Fatalf("a broken key file was taken: %v", err)
	}
}
