package audit_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"surety/kernel/ident"
	"surety/platform/audit"
	"surety/platform/db"
	"surety/platform/db/dbtest"
)

var tables = []string{"audit_leaf", "audit_detail", "audit_signed", "audit_head"}

// columns of the tables, to put them back after an edit.
var columns = map[string]string{
	"audit_leaf":   "idx, id, at, act, object, actor, outcome, body, hashes",
	"audit_detail": "id, salt, detail", "audit_signed": "size, at, note", "audit_head": "one, size",
}

// unguard drops the triggers, as one who owns the database can.
func (w *world) unguard() {
	w.t.Helper()
	w.update(func(tx *db.Tx) error {
		query := "select name, tbl_name from sqlite_master where type = 'trigger'"
		drop := func(name, _ string) string { return "drop trigger " + name }
		if tx.Dialect() == db.Postgres {
			query = "select t.tgname, c.relname from pg_trigger t join pg_class c on c.oid = t.tgrelid where not t.tgisinternal"
			drop = func(name, table string) string { return "drop trigger " + name + " on " + table }
		}
		var drops []string
		err := tx.Rows(query, nil, func(scan func(...any) error) error {
			var name, table string
			err := scan(&name, &table)
			drops = append(drops, drop(name, table))
			return err
		})
		if err != nil {
			return err
		}
		if len(drops) < 8 {
			return fmt.Errorf("only %d triggers guard the log", len(drops))
		}
		for _, s := range drops {
			if _, err := tx.Exec(s); err != nil {
				return err
			}
		}
		for _, table := range tables {
			if _, err := tx.Exec("create table kept_" + table + " as select " + columns[table] + " from " + table); err != nil {
				return err
			}
		}
		return nil
	})
}

// restore puts the tables back as unguard found them.
func (w *world) restore() {
	w.t.Helper()
	w.update(func(tx *db.Tx) error {
		for _, table := range tables {
			if _, err := tx.Exec("delete from " + table); err != nil {
				return err
			}
			c := columns[table]
			if _, err := tx.Exec("insert into " + table + " (" + c + ") select " + c + " from kept_" + table); err != nil {
				return err
			}
		}
		return nil
	})
}

// tampered is a log of 40 entries with heads at 0, 13, 32 and 40, unguarded.
func tampered(t *testing.T, d *db.DB) (*world, audit.Head) {
	w := newWorld(t, d)
	w.sign()
	w.append(0, 13)
	w.sign()
	w.append(13, 19)
	w.sign()
	w.append(32, 7)
	w.one(audit.Entry{Act: "claim.read", Object: "clm_1", Actor: anna, Outcome: audit.Read}) // without a detail
	kept := w.sign()
	w.unguard()
	w.wantClean(40, kept)
	return w, kept
}

// exec is an edit by SQL that must change something.
func exec(query string, args ...any) func(tx *db.Tx) error {
	return func(tx *db.Tx) error {
		n, err := tx.Exec(query, args...)
		if err == nil && n == 0 {
			err = fmt.Errorf("%s changed nothing", query)
		}
		return err
	}
}

func all(edits ...func(tx *db.Tx) error) func(tx *db.Tx) error {
	return func(tx *db.Tx) error {
		for _, e := range edits {
			if err := e(tx); err != nil {
				return err
			}
		}
		return nil
	}
}

// flipBytes changes one bit of a stored value.
func flipBytes(table, column, key string, id any, pick func(n int) int) func(tx *db.Tx) error {
	return func(tx *db.Tx) error {
		var text string
		var raw []byte
		binary := column == "hashes" || column == "salt"
		dest := any(&text)
		if binary {
			dest = &raw
		}
		found, err := tx.Row([]any{dest}, "select "+column+" from "+table+" where "+key+" = $1", id)
		if err != nil || !found {
			return fmt.Errorf("no %s of %v: %v", column, id, err)
		}
		if !binary {
			raw = []byte(text)
		}
		raw[pick(len(raw))] ^= 1
		value := any(raw)
		if !binary {
			value = strings.ToValidUTF8(string(raw), "?")
		}
		return exec("update "+table+" set "+column+" = $1 where "+key+" = $2", value, id)(tx)
	}
}

func middle(n int) int { return n / 2 }

// idAt is the id of the entry of an index.
func (w *world) idAt(idx int) (id string) {
	w.t.Helper()
	w.view(func(tx *db.Tx) error {
		_, err := tx.Row([]any{&id}, "select id from audit_leaf where idx = $1", idx)
		return err
	})
	return id
}

func swap(a, b int) func(tx *db.Tx) error {
	move := func(from, to int) func(tx *db.Tx) error {
		return exec("update audit_leaf set idx = $1 where idx = $2", to, from)
	}
	return all(move(a, 1000), move(b, a), move(1000, b))
}

// rewrite replaces an entry and makes all stored hashes fit again, as a clever
// owner of the database would.
func rewrite(idx int) func(tx *db.Tx) error {
	return func(tx *db.Tx) error {
		var bodies []string
		err := tx.Rows("select body from audit_leaf order by idx", nil, func(scan func(...any) error) error {
			var b string
			err := scan(&b)
			bodies = append(bodies, b)
			return err
		})
		if err != nil {
			return err
		}
		bodies[idx] = strings.Replace(bodies[idx], `"actor":"stf_anna"`, `"actor":"stf_carl"`, 1)
		if err := exec("update audit_leaf set body = $1, actor = 'stf_carl' where idx = $2", bodies[idx], idx)(tx); err != nil {
			return err
		}
		var stored []tlog.Hash
		r := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
			out := make([]tlog.Hash, len(indexes))
			for i, x := range indexes {
				out[i] = stored[x]
			}
			return out, nil
		})
		for i, b := range bodies {
			hashes, err := tlog.StoredHashes(int64(i), []byte(b), r)
			if err != nil {
				return err
			}
			stored = append(stored, hashes...)
			var raw []byte
			for _, h := range hashes {
				raw = append(raw, h[:]...)
			}
			if err := exec("update audit_leaf set hashes = $1 where idx = $2", raw, i)(tx); err != nil {
				return err
			}
		}
		return nil
	}
}

func remove(idx int) func(tx *db.Tx) error {
	return all(
		exec("delete from audit_detail where id in (select id from audit_leaf where idx = $1)", idx),
		exec("delete from audit_leaf where idx = $1", idx))
}

// cut removes the last entries and sets the size back; heads above it go, too.
func cut(size int) func(tx *db.Tx) error {
	return all(
		exec("delete from audit_detail where id in (select id from audit_leaf where idx >= $1)", size),
		exec("delete from audit_leaf where idx >= $1", size),
		exec("delete from audit_signed where size > $1", size),
		exec("update audit_head set size = $1", size))
}

// Each way to alter the record is found, and the problem names its place.
func TestVerifyFinds(t *testing.T) {
	dbtest.Run(t, opts(nil), func(t *testing.T, d *db.DB) {
		w, kept := tampered(t, d)
		five := w.idAt(5)
		for _, c := range []struct {
			name string
			edit func(tx *db.Tx) error
			want string // a problem that must be there
			only bool   // and no other
		}{
			{"byte of a text", flipBytes("audit_leaf", "body", "idx", 5, middle), "entry 5 (" + five, false},
			{"byte of a leaf's hash", flipBytes("audit_leaf", "hashes", "idx", 4, middle), "entry 4 (", false},
			{"byte of a subtree's hash", flipBytes("audit_leaf", "hashes", "idx", 7, func(int) int { return 70 }),
				"entry 7 (", false},
			{"last byte of the tree", flipBytes("audit_leaf", "hashes", "idx", 39, func(n int) int { return n - 1 }),
				"entry 39 (", false},
			{"hash cut short", exec("update audit_leaf set hashes = substr(hashes, 1, 32) where idx = 7"),
				"have 32 bytes, not 128", false},
			{"entry removed", exec("delete from audit_leaf where idx = 20"), "entry 20 is missing", false},
			{"entry removed with its detail", remove(20), "entry 20 is missing", true},
			{"tail cut, heads left", all(exec("delete from audit_leaf where idx >= 32"), exec("update audit_head set size = 32")),
				"a head of 40 entries was signed, the log has 32", false},
			{"entries removed", exec("delete from audit_leaf where idx between 3 and 17"),
				"entries 3 to 17 are missing", false},
			{"end removed", exec("delete from audit_leaf where idx > 36"), "entries 37 to 39 are missing", false},
			{"all removed", exec("delete from audit_leaf"), "entries 0 to 39 are missing", false},
			{"size set back", exec("update audit_head set size = 39"), "should end after 39 entries", true},
			{"size far away", exec("update audit_head set size = 4000000000000000000"),
				"to 3999999999999999999 are missing", false},
			{"head row removed", exec("delete from audit_head"), "head row", true},
			{"tail cut", cut(32), "a kept head has 40 entries, the log has 32", true},
			{"all cut", cut(0), "a kept head has 40 entries, the log has 0", true},
			{"two entries swapped", swap(8, 9), "entry 8 (", false},
			{"entry moved", exec("update audit_leaf set idx = 99 where idx = 8"), "entry 8 is missing", false},
			{"all rewritten", rewrite(10), "the signed head of 13 entries", false},
			{"all rewritten, heads gone", all(rewrite(38), exec("delete from audit_signed")),
				"fork: the kept head of 40 entries", true},
			{"detail altered", exec("update audit_detail set detail = '{\"n\":7}' where id = $1", five),
				five + "): its detail or its salt", true},
			{"salt altered", flipBytes("audit_detail", "salt", "id", five, middle),
				five + "): its detail or its salt", true},
			{"detail removed", exec("delete from audit_detail where id = $1", five),
				five + "): its detail was removed", true},
			{"detail emptied", exec("update audit_detail set salt = substr(salt, 1, 0), detail = '' where id = $1", five),
				five + ": its detail was emptied without an act", true},
			{"detail moved", exec("update audit_detail set id = 'aud_x' where id = $1", five),
				"a detail of an entry aud_x", false},
			{"detail put to one without", exec("insert into audit_detail (id, salt, detail) values ($1, $2, '{}')", w.idAt(39), []byte("salt")),
				"it never had", true},
			{"column beside the text", exec("update audit_leaf set actor = 'stf_carl' where idx = 5"),
				"entry 5 (" + five + "): the columns", true},
			{"signed note", flipBytes("audit_signed", "note", "size", 32, middle), "the stored head of size 32", true},
			{"signed head moved", exec("update audit_signed set size = 33 where size = 32"),
				"the stored head of size 33", true},
		} {
			t.Run(strings.ReplaceAll(c.name, " ", "_"), func(t *testing.T) {
				w.t = t
				w.update(c.edit)
				r := w.verify(kept)
				w.restore()
				if r.OK || !strings.Contains(strings.Join(r.Problems, "\n"), c.want) || c.only && len(r.Problems) != 1 {
					t.Fatalf("want a problem with %q, got %+v", c.want, r)
				}
			})
		}
		w.t = t
		w.wantClean(40, kept)
	})
}

// Any change of one value anywhere is found, by whatever place it falls on.
func TestVerifyFindsRandomEdits(t *testing.T) {
	dbtest.Run(t, opts(nil), func(t *testing.T, d *db.DB) {
		w, kept := tampered(t, d)
		seed := rand.Uint64()
		rnd := rand.New(rand.NewPCG(seed, 1))
		anyByte := func(n int) int { return rnd.IntN(n) }
		for i := range 300 {
			idx := rnd.IntN(39) // the last has no detail
			id := w.idAt(idx)
			edits := []func(tx *db.Tx) error{
				flipBytes("audit_leaf", "body", "idx", idx, anyByte),
				flipBytes("audit_leaf", "hashes", "idx", idx, anyByte),
				flipBytes("audit_leaf", []string{"id", "act", "object", "actor"}[rnd.IntN(4)], "idx", idx, anyByte),
				exec("update audit_leaf set at = at + $1 where idx = $2", 1+rnd.IntN(1000), idx),
				exec("update audit_leaf set outcome = 'refused' where idx = $1", idx),
				exec("delete from audit_leaf where idx = $1", idx),
				exec("update audit_leaf set idx = $1 where idx = $2", 40+rnd.IntN(5000), idx),
				swap(idx, (idx+1+rnd.IntN(38))%39),
				cut(rnd.IntN(39)), rewrite(idx),
				flipBytes("audit_detail", []string{"salt", "detail"}[rnd.IntN(2)], "id", id, anyByte),
				exec("delete from audit_detail where id = $1", id),
				flipBytes("audit_signed", "note", "size", []int{0, 13, 32, 40}[rnd.IntN(4)], anyByte),
				exec("update audit_head set size = $1", rnd.IntN(40)),
			}
			kind := rnd.IntN(len(edits))
			w.update(edits[kind])
			if r := w.verify(kept); r.OK {
				t.Fatalf("seed %d, round %d: edit %d of entry %d was not found", seed, i, kind, idx)
			}
			w.restore()
		}
		w.wantClean(40, kept)
	})
}

// Two heads of one size and different roots show that two histories were told.
func TestFork(t *testing.T) {
	s, v := newKey(t)
	tell := func(object string) (*world, audit.Head) {
		w := newWorldWith(t, dbtest.Open(t, db.SQLite, opts(nil)), s, v)
		w.append(0, 4)
		w.one(audit.Entry{Act: "payout.send", Object: object, Actor: anna, Outcome: audit.Done})
		return w, w.sign()
	}
	one, head1 := tell("pyo_1")
	_, head2 := tell("pyo_2")
	if r := one.verify(head1); !r.OK || r.Heads != 2 || r.Signed != 5 {
		t.Fatalf("its own head: %+v", r)
	}
	r := one.verify(head2)
	if r.OK || !strings.Contains(r.Problems[0], "fork: the kept head of 5 entries") {
		t.Fatalf("the other's head: %+v", r)
	}
	r = one.verify(head1, head2)
	if r.OK || !strings.Contains(r.Problems[0], "fork: two kept heads of 5 entries") {
		t.Fatalf("both heads: %+v", r)
	}
	_, other := newKey(t)
	r, err := audit.Verify(context.Background(), one.d, other, head1)
	if err != nil || r.OK || r.Signed != 0 {
		t.Fatalf("another key: %+v %v", r, err)
	}
}

// A rewritten or cut log gets no new signature.
func TestSignHeadRefuses(t *testing.T) {
	dbtest.Run(t, opts(nil), func(t *testing.T, d *db.DB) {
		w, _ := tampered(t, d)
		for code, edit := range map[string]func(tx *db.Tx) error{
			"audit_forked":  rewrite(3),
			"audit_rewound": exec("update audit_head set size = 32"),
			"audit_damaged": exec("delete from audit_leaf where idx = 39"),
		} {
			w.update(edit)
			if _, err := w.log.SignHead(context.Background()); ident.CodeOf(err) != code {
				t.Errorf("want %s, got %v", code, err)
			}
			w.restore()
		}
	})
}

// A log much longer than a page, and one with more problems than are listed.
func TestVerifyLong(t *testing.T) {
	dbtest.Run(t, opts(nil), func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		var heads []audit.Head
		for range 5 {
			w.update(func(tx *db.Tx) error {
				for i := range 700 {
					if _, err := w.log.Append(tx, entry(i)); err != nil {
						return err
					}
				}
				return nil
			})
			heads = append(heads, w.sign())
		}
		if r := w.wantClean(3500, heads...); r.Heads != 10 || r.Signed != 3500 {
			t.Fatalf("%+v", r)
		}
		w.unguard()
		w.update(exec("delete from audit_leaf where idx between 900 and 3100"))
		r := w.verify(heads...)
		if r.OK || r.Entries != 1299 || !strings.Contains(strings.Join(r.Problems, "\n"), "missing") {
			t.Fatalf("gap over pages: %+v", r)
		}
		w.update(exec("update audit_leaf set actor = 'x'"))
		r = w.verify(heads...)
		if len(r.Problems) != 101 || !strings.Contains(r.Problems[100], "more problems") {
			t.Fatalf("%d problems, the last: %s", len(r.Problems), r.Problems[len(r.Problems)-1])
		}
	})
}

// Only one spelling of a head is taken, and only of this log.
func TestParseHeadIsStrict(t *testing.T) {
	s, v := newKey(t)
	const root = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
	sign := func(text string) string {
		b, err := note.Sign(&note.Note{Text: text}, s)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	good := sign("surety-audit-test\n0\n" + root + "\n")
	if h, err := audit.ParseHead(good, v); err != nil || h.Size != 0 || h.Root.String() != root {
		t.Fatalf("%+v %v", h, err)
	}
	// The last character before the "=" carries two bits that mean nothing.
	at := strings.LastIndex(good, "=") - 1
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	respelt := good[:at] + string(alphabet[strings.IndexByte(alphabet, good[at])|1]) + good[at+1:]
	if _, err := note.Open([]byte(respelt), note.VerifierList(v)); err != nil {
		t.Fatalf("the respelt note shows nothing: %v", err)
	}
	for _, bad := range []string{
		"", respelt, strings.TrimSuffix(good, "\n"),
		sign("another-log\n0\n" + root + "\n"), sign("surety-audit-test\n00\n" + root + "\n"),
		sign("surety-audit-test\n-1\n" + root + "\n"), sign("surety-audit-test\n0\n" + root[1:] + "\n"),
		sign("surety-audit-test\n0\n" + root + "\nmore\n"), sign("surety-audit-test\n0\n"),
	} {
		if _, err := audit.ParseHead(bad, v); ident.CodeOf(err) != "head_invalid" {
			t.Errorf("%q: got %v", bad, err)
		}
	}
}

func FuzzParseHead(f *testing.F) {
	secret, public, err := note.GenerateKey(strings.NewReader(strings.Repeat("k", 64)), "surety-audit-fuzz")
	if err != nil {
		f.Fatal(err)
	}
	s, err := note.NewSigner(secret)
	if err != nil {
		f.Fatal(err)
	}
	v, err := note.NewVerifier(public)
	if err != nil {
		f.Fatal(err)
	}
	good, err := note.Sign(&note.Note{Text: "surety-audit-fuzz\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"}, s)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(good))
	f.Add("")
	f.Add("surety-audit-fuzz\n-1\n\n\n— x")
	f.Fuzz(func(t *testing.T, text string) {
		h, err := audit.ParseHead(text, v)
		if err == nil && (h.Size != 0 || h.Root.String() != "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=") {
			t.Fatalf("a head that was never signed was taken: %q", text)
		}
	})
}
