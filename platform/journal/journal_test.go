package journal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"surety/kernel/ident"
)

var ctx = context.Background()

const small = minSegment

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func open(t testing.TB, dir string) *Journal {
	t.Helper()
	j, err := Open(Config{Dir: dir, Segment: small})
	must(t, err)
	t.Cleanup(func() { j.Close() })
	return j
}

func add(t testing.TB, j *Journal, records ...string) Position {
	t.Helper()
	at, err := j.Append(ctx, byteSlices(records)...)
	must(t, err)
	return at
}

func byteSlices(ss []string) (out [][]byte) {
	for _, s := range ss {
		out = append(out, []byte(s))
	}
	return out
}

// all is every record from a position on.
func all(t testing.TB, j *Journal, from Position) (out []string) {
	t.Helper()
	var last Position
	must(t, j.Read(from, func(at, next Position, b []byte) error {
		if at < last || next <= at {
			t.Fatalf("a record from %d to %d comes after %d", at, next, last)
		}
		last = next
		out = append(out, string(b))
		return nil
	}))
	return out
}

func same(t testing.TB, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Fatalf("got %d records %.200q, want %d %.200q", len(got), got, len(want), want)
	}
}

func TestAppendAndRead(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir)
	a := add(t, j, "one")
	b := add(t, j, "two", "three", strings.Repeat("x", 5000))
	if a == 0 || b <= a {
		t.Fatalf("positions %d, %d", a, b)
	}
	want := []string{"one", "two", "three", strings.Repeat("x", 5000)}
	same(t, all(t, j, 0), want)
	same(t, all(t, j, b), want[1:])
	if got, err := j.ReadAt(a); err != nil || string(got) != "one" {
		t.Fatalf("%q %v", got, err)
	}
	var next Position
	must(t, j.Read(b, func(_, n Position, _ []byte) error { next = n; return Stop }))
	same(t, all(t, j, next), want[2:])
	id := j.ID()
	must(t, j.Close())
	if _, err := j.Append(ctx, []byte("x")); !ident.Is(err, ident.KindUnavailable) {
		t.Fatalf("after Close: %v", err)
	}
	j = open(t, dir)
	if j.ID() != id {
		t.Fatal("the journal has another id")
	}
	same(t, all(t, j, 0), want)
	if c := add(t, j, "four"); c <= b {
		t.Fatalf("position %d after %d", c, b)
	}
	_, end := j.Bounds()
	same(t, all(t, j, end), nil)
	if err := j.Read(end+1, nil); ident.CodeOf(err) != "journal_position" {
		t.Fatal(err)
	}
}

func TestRefuses(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir)
	for code, records := range map[string][][]byte{
		"none": nil, "empty": {[]byte("a"), nil}, "record_too_large": {make([]byte, small/2)},
	} {
		if _, err := j.Append(ctx, records...); ident.CodeOf(err) != code {
			t.Errorf("%s: %v", code, err)
		}
	}
	gone, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := j.Append(gone, []byte("x")); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if _, err := Open(Config{Dir: dir}); ident.CodeOf(err) != "journal_in_use" {
		t.Error(err)
	}
	if _, err := Open(Config{Dir: dir, Segment: 1000}); ident.CodeOf(err) != "config" {
		t.Error(err)
	}
	same(t, all(t, j, 0), nil)
}

// Segments come and go; what is kept is read over their borders, and positions
// grow on.
func TestRollAndTrim(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir)
	var want []string
	var at []Position
	for i := range 200 {
		r := fmt.Sprint(i, strings.Repeat("r", 700+i))
		want, at = append(want, r), append(at, add(t, j, r))
		if i == 120 {
			must(t, j.Close())
			j = open(t, dir)
		}
	}
	same(t, all(t, j, 0), want)
	same(t, all(t, j, at[99]), want[99:])
	must(t, j.Trim(at[150]))
	same(t, all(t, j, at[150]), want[150:])
	if err := j.Read(at[0], nil); ident.CodeOf(err) != "journal_trimmed" {
		t.Fatal(err)
	}
	if _, err := j.ReadAt(at[1]); ident.CodeOf(err) != "journal_trimmed" {
		t.Fatal(err)
	}
	if files, err := filepath.Glob(filepath.Join(dir, "*.seg")); err != nil || len(files) > 7 {
		t.Fatalf("%d files are left, %v", len(files), err)
	}
	first, _ := j.Bounds()
	if first == 0 || first > at[150] {
		t.Fatalf("it begins at %d", first)
	}
	must(t, j.Close())
	j = open(t, dir)
	for i := range 100 { // the files that were left behind are used again
		add(t, j, fmt.Sprint("again", i, strings.Repeat("s", 900)))
	}
	same(t, all(t, j, at[150])[:50], want[150:])
	_, end := j.Bounds()
	must(t, j.Trim(end))
	must(t, j.Close())
	open(t, dir)
}

func TestManyAtOnce(t *testing.T) {
	dir := t.TempDir()
	j, err := Open(Config{Dir: dir, Segment: 1 << 20})
	must(t, err)
	var mu sync.Mutex
	places := map[Position]string{}
	var wg sync.WaitGroup
	for g := range 16 {
		wg.Go(func() {
			for i := range 100 {
				r := fmt.Sprint(g, "/", i, strings.Repeat("z", i))
				at, err := j.Append(ctx, []byte(r), []byte("second"))
				if err != nil {
					t.Error(err)
					return
				}
				if got, err := j.ReadAt(at); err != nil || string(got) != r {
					t.Errorf("%q %v", got, err)
				}
				mu.Lock()
				places[at] = r
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	must(t, j.Close())
	j, err = Open(Config{Dir: dir})
	must(t, err)
	defer j.Close()
	found, second := 0, 0
	must(t, j.Read(0, func(at, _ Position, b []byte) error {
		if string(b) == "second" {
			second++
		} else if places[at] == string(b) {
			found++
		}
		return nil
	}))
	if found != 1600 || second != 1600 || len(places) != 1600 {
		t.Fatalf("%d, %d of %d", found, second, len(places))
	}
}

func TestFaults(t *testing.T) {
	dir := t.TempDir()
	f := &Faults{}
	again := func() *Journal {
		t.Helper()
		j, err := Open(Config{Dir: dir, Segment: small, Faults: f})
		must(t, err)
		return j
	}
	j := again()
	add(t, j, "a")
	f.Lose(1)
	if _, err := j.Append(ctx, []byte("lost")); !ident.Is(err, ident.KindUnavailable) || j.Failure() != nil {
		t.Fatal(err)
	}
	add(t, j, "b")
	for _, c := range []struct {
		name string
		set  func()
		want []string
	}{
		{"muted", func() { f.Mute(1) }, []string{"a", "b", "muted"}},
		{"torn", func() { f.Tear(1, 40) }, []string{"a", "b", "muted"}},
		{"whole", func() { f.Tear(1, 511) }, []string{"a", "b", "muted", "whole"}}, // only padding is missing
	} {
		c.set()
		if _, err := j.Append(ctx, []byte(c.name)); !ident.Is(err, ident.KindUnknown) {
			t.Fatalf("%s: %v", c.name, err)
		}
		if _, err := j.Append(ctx, []byte("after")); !ident.Is(err, ident.KindUnavailable) {
			t.Fatalf("after %s: %v", c.name, err)
		}
		<-j.Failed()
		must(t, j.Close())
		j = again()
		same(t, all(t, j, 0), c.want)
	}
	must(t, j.Close())
}

// A disk that has no room for the next file refuses cleanly, and the journal goes
// on when there is room again.
func TestNoRoom(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir)
	block := filepath.Join(dir, spareName, "x")
	must(t, os.MkdirAll(block, 0o700)) // the next file cannot be made
	var err error
	n := 0
	for ; n < 100 && err == nil; n++ {
		_, err = j.Append(ctx, make([]byte, 1000))
	}
	if !ident.Is(err, ident.KindUnavailable) || ident.CodeOf(err) != "journal_no_room" || j.Failure() != nil {
		t.Fatal(err)
	}
	must(t, os.RemoveAll(filepath.Dir(block)))
	for ; n < 200; n++ {
		_, err := j.Append(ctx, make([]byte, 1000))
		must(t, err)
	}
	if got := len(all(t, j, 0)); got != 199 {
		t.Fatalf("%d records", got)
	}
}

// segmentOf makes a journal of these calls and returns its only file, and the
// same with one more call, which was not acknowledged.
func segmentOf(t *testing.T, calls [][]string, last []string) (dir, path string, before, after []byte) {
	t.Helper()
	dir = t.TempDir()
	j := open(t, dir)
	for _, c := range calls {
		add(t, j, c...)
	}
	path = filepath.Join(dir, segmentName(0))
	read := func() []byte {
		b, err := os.ReadFile(path)
		must(t, err)
		return b
	}
	before = read()
	add(t, j, last...)
	after = read()
	must(t, j.Close())
	return dir, path, before, after
}

// A write that a crash cut off at any byte, or of which any sectors never reached
// the disk, is cut off whole; what was acknowledged stays, and the journal goes on.
func TestTornTail(t *testing.T) {
	first := []string{"one", strings.Repeat("q", 900), "three"}
	last := []string{strings.Repeat("b", 600), "e", strings.Repeat("d", 300)}
	dir, path, before, after := segmentOf(t, [][]string{first}, last)
	begin := 0
	for before[begin] == after[begin] {
		begin++
	}
	check := func(name string, file []byte) {
		t.Helper()
		must(t, os.WriteFile(path, file, 0o600))
		j, err := Open(Config{Dir: dir, Segment: small})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got := all(t, j, 0)
		if len(got) == len(first) {
			same(t, got, first)
		} else {
			same(t, got, slices.Concat(first, last))
		}
		add(t, j, "next")
		got = append(got, "next")
		must(t, j.Close())
		j, err = Open(Config{Dir: dir, Segment: small})
		must(t, err)
		same(t, all(t, j, 0), got)
		must(t, j.Close())
	}
	for n := begin; n < begin+2*sector; n++ {
		check(fmt.Sprint("cut at byte ", n), slices.Concat(after[:n], before[n:]))
	}
	for lost := range 8 {
		file := slices.Clone(after)
		for k := range 3 {
			if lost&(1<<k) != 0 {
				at := begin/sector*sector + k*sector
				copy(file[at:at+sector], before[at:at+sector])
			}
		}
		check(fmt.Sprint("lost sectors ", lost), file)
	}
}

// Any changed byte of what was acknowledged is found, and file and offset are
// named; a journal that opens holds all of it.
func TestDamage(t *testing.T) {
	first, last := []string{"one", strings.Repeat("q", 600)}, []string{"last", strings.Repeat("w", 100)}
	dir, path, _, after := segmentOf(t, [][]string{first}, last)
	closed, err := os.ReadFile(path) // with the empty group of Close
	must(t, err)
	if bytes.Equal(after, closed) {
		t.Fatal("Close wrote no empty group")
	}
	refused := 0
	for i := range 5 * sector {
		file := slices.Clone(closed)
		file[i] ^= 0x41
		must(t, os.WriteFile(path, file, 0o600))
		j, err := Open(Config{Dir: dir, Segment: small})
		if err == nil {
			same(t, all(t, j, 0), slices.Concat(first, last))
			must(t, j.Close())
			continue
		}
		refused++
		if ident.CodeOf(err) != "journal_damaged" || !strings.Contains(err.Error(), path) {
			t.Fatalf("byte %d: %v", i, err)
		}
	}
	if refused < 800 {
		t.Fatalf("only %d changes were found", refused)
	}
	for n, file := range [][]byte{closed[:len(closed)-1], closed[:100], {}} {
		must(t, os.WriteFile(path, file, 0o600))
		if _, err := Open(Config{Dir: dir, Segment: small}); ident.CodeOf(err) != "journal_damaged" {
			t.Fatalf("shorter %d: %v", n, err)
		}
	}
}

// A file that is missing, out of place or of another journal is named.
func TestWrongFiles(t *testing.T) {
	fill := func() (string, []string) {
		dir := t.TempDir()
		j := open(t, dir)
		for range 60 {
			add(t, j, strings.Repeat("f", 1000))
		}
		must(t, j.Close())
		files, err := filepath.Glob(filepath.Join(dir, "*.seg"))
		must(t, err)
		return dir, files
	}
	other, otherFiles := fill()
	_ = other
	for name, spoil := range map[string]func(files []string) error{
		"missing":    func(f []string) error { return os.Remove(f[1]) },
		"name":       func(f []string) error { return os.Rename(f[1], filepath.Join(filepath.Dir(f[1]), "zz.seg")) },
		"exchanged":  func(f []string) error { return os.Rename(f[2], f[1]) },
		"of another": func(f []string) error { return os.Rename(otherFiles[1], f[1]) },
		"cut back": func(f []string) error { // a whole file of zeros in the middle
			b, err := os.ReadFile(f[1])
			clear(b[sector:])
			return errors.Join(err, os.WriteFile(f[1], b, 0o600))
		},
	} {
		dir, files := fill()
		must(t, spoil(files))
		if _, err := Open(Config{Dir: dir, Segment: small}); ident.CodeOf(err) != "journal_damaged" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Whatever a file holds, Open refuses it or gives a journal that works.
func FuzzOpen(f *testing.F) {
	id := journalID{1, 2, 3}
	seed := func(calls ...[]string) []byte {
		var out []byte
		for _, c := range calls {
			at := Position(sector + len(out))
			var size int64
			for _, r := range c {
				size += frameHeader + int64(len(r))
			}
			b := make([]byte, groupHeader)
			id.putGroup(b, at, group{length: size, count: len(c)})
			for _, r := range c {
				w := waiter{records: [][]byte{[]byte(r)}}
				b = id.putRecord(b, at+Position(len(b)), w.records[0], crcOf(r))
			}
			out = append(out, append(b, zeros[:groupSize(size)-int64(len(b))]...)...)
		}
		return out
	}
	f.Add(seed([]string{"a"}), 0, byte(0))
	f.Add(seed([]string{"a", "bb"}, nil, []string{strings.Repeat("c", 700)}), 530, byte(3))
	f.Add([]byte{}, 0, byte(0))
	f.Fuzz(func(t *testing.T, body []byte, at int, flip byte) {
		if len(body) > small-sector {
			return
		}
		dir := t.TempDir()
		file := append(id.header(0, small), body...)
		file = append(file, make([]byte, small-len(file))...)
		if at >= 0 {
			file[at%len(file)] ^= flip
		}
		must(t, os.WriteFile(filepath.Join(dir, segmentName(0)), file, 0o600))
		j, err := Open(Config{Dir: dir, Segment: small})
		if err != nil {
			if ident.CodeOf(err) != "journal_damaged" {
				t.Fatal(err)
			}
			return
		}
		want := append(all(t, j, 0), "x")
		add(t, j, "x")
		must(t, j.Close())
		if j, err = Open(Config{Dir: dir, Segment: small}); err != nil {
			t.Fatal(err)
		}
		same(t, all(t, j, 0), want)
		must(t, j.Close())
	})
}

// Readers at any position see whole records or a refusal, never something else.
func TestReadAnywhere(t *testing.T) {
	j := open(t, t.TempDir())
	good := map[Position]bool{}
	for i := range 20 {
		good[add(t, j, strings.Repeat("p", 1+rand.IntN(900)))] = true
		_ = i
	}
	_, end := j.Bounds()
	for at := Position(1); at < end; at++ {
		b, err := j.ReadAt(at)
		if good[at] != (err == nil) {
			t.Fatalf("at %d: %q %v", at, b, err)
		}
	}
}
