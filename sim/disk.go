package sim

import (
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// disk is what would be on the plate after a power loss: what was synced, and of
// the rest what the loss happens to leave. It knows POSIX and no more:
//
//   - what was written to a file lasts when the file was synced afterwards;
//   - a name (made, moved, removed) lasts when its folder was synced afterwards;
//   - of what was not synced, any part may last, in any order, by 512 bytes.
//
// Folders themselves are taken to last, and a -shm file never does: it is memory.
type disk struct {
	root  string
	names map[string]*file      // as a program sees them now
	kept  map[string]*file      // as they would be found
	moves map[string][]nameMove // by folder, not yet synced
}

// file is what is in a file, whatever it is called.
type file struct {
	kept    []byte  // synced
	pending []write // not yet
}

// write is a write, or a cut to a length if data is nil.
type write struct {
	off  int64
	data []byte
}

// nameMove takes a name away, gives one, or both at once.
type nameMove struct {
	gone, made string
	file       *file
}

// The sizes in which a disk forgets.
const (
	page   = 4096
	sector = 512
)

// readDisk takes all files under root as synced.
func readDisk(root string) (*disk, error) {
	d := &disk{root: root, names: map[string]*file{}, kept: map[string]*file{}, moves: map[string][]nameMove{}}
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || volatile(path) {
			return err
		}
		b, err := os.ReadFile(path)
		f := &file{kept: b}
		d.names[path], d.kept[path] = f, f
		return err
	})
	return d, err
}

// volatile reports that a file is shared memory under a name.
func volatile(path string) bool { return strings.HasSuffix(path, "-shm") }

// holds reports whether the path is one that this disk answers for.
func (d *disk) holds(path string) bool {
	return strings.HasPrefix(path, d.root+string(filepath.Separator)) && !volatile(path)
}

// open is a file being opened to write; cut empties it.
func (d *disk) open(path string, cut bool) {
	f := d.names[path]
	if f == nil {
		f = &file{}
		d.names[path] = f
		dir := filepath.Dir(path)
		d.moves[dir] = append(d.moves[dir], nameMove{made: path, file: f})
	}
	if cut {
		f.pending = append(f.pending, write{})
	}
}

func (d *disk) write(path string, off int64, data []byte) {
	if f := d.names[path]; f != nil {
		f.pending = append(f.pending, write{off, data})
	}
}

func (d *disk) truncate(path string, size int64) {
	if f := d.names[path]; f != nil {
		f.pending = append(f.pending, write{off: size})
	}
}

// rename and remove change names; a rename onto a name replaces it at once.
func (d *disk) rename(from, to string) {
	f := d.names[from]
	if f == nil {
		return
	}
	delete(d.names, from)
	d.names[to] = f
	dir := filepath.Dir(to)
	d.moves[dir] = append(d.moves[dir], nameMove{gone: from, made: to, file: f})
}

func (d *disk) remove(path string) {
	delete(d.names, path)
	dir := filepath.Dir(path)
	d.moves[dir] = append(d.moves[dir], nameMove{gone: path})
}

// sync makes a file's bytes, or a folder's names, last.
func (d *disk) sync(path string) {
	for _, m := range d.moves[path] {
		m.apply(d.kept)
	}
	delete(d.moves, path)
	if f := d.names[path]; f != nil {
		for _, w := range f.pending {
			f.kept = w.apply(f.kept)
		}
		f.pending = nil
	}
}

func (m nameMove) apply(names map[string]*file) {
	if m.gone != "" {
		delete(names, m.gone)
	}
	if m.made != "" {
		names[m.made] = m.file
	}
}

func (w write) apply(b []byte) []byte {
	if w.data == nil {
		if int64(len(b)) > w.off {
			return slices.Clone(b[:w.off])
		}
		return append(b, make([]byte, w.off-int64(len(b)))...)
	}
	if end := w.off + int64(len(w.data)); int64(len(b)) < end {
		b = append(b, make([]byte, end-int64(len(b)))...)
	}
	copy(b[w.off:], w.data)
	return b
}

// lose is the power loss: it decides what is left of what was not synced, and
// writes that to the folder. It returns how many writes are gone and how many are
// torn.
func (d *disk) lose(rnd *rand.Rand) (dropped, torn int, err error) {
	how := rnd.IntN(3) // nothing is left; the first so many; any
	for _, dir := range sortedKeys(d.moves) {
		ms := d.moves[dir]
		keep := 0
		if how != 0 {
			keep = rnd.IntN(len(ms) + 1)
		}
		for _, m := range ms[:keep] {
			m.apply(d.kept)
		}
	}
	seen := map[*file]bool{}
	for _, path := range sortedKeys(d.kept) {
		f := d.kept[path]
		if seen[f] {
			continue
		}
		seen[f] = true
		n, t := f.lose(rnd, how)
		dropped, torn = dropped+n, torn+t
	}
	return dropped, torn, d.lay()
}

func (f *file) lose(rnd *rand.Rand, how int) (dropped, torn int) {
	first := 0
	if len(f.pending) > 0 {
		first = rnd.IntN(len(f.pending) + 1)
	}
	for n, w := range f.pending {
		keep := how == 1 && n < first || how == 2 && rnd.IntN(2) == 0
		if how == 1 && n == first && w.data != nil || how == 2 && keep && w.data != nil && rnd.IntN(4) == 0 {
			w.data = w.data[:rnd.IntN(len(w.data)/sector+1)*sector]
			keep = len(w.data) > 0
			torn++
		}
		if !keep {
			dropped++
			continue
		}
		f.kept = w.apply(f.kept)
	}
	f.pending = nil
	return dropped, torn
}

// lay writes what is left to the folder, and takes it all as synced from now on.
func (d *disk) lay() error {
	err := filepath.WalkDir(d.root, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		return os.Remove(path)
	})
	if err != nil {
		return err
	}
	d.names, d.moves = map[string]*file{}, map[string][]nameMove{}
	for path, f := range d.kept {
		d.names[path] = f
		if err := os.WriteFile(path, f.kept, 0o600); err != nil {
			return err
		}
	}
	return nil
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
