package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"surety/kernel/ident"
	"surety/platform/disk"
)

// journalID tells one journal from another; it is random.
type journalID [16]byte

// segment is one file.
type segment struct {
	f     *os.File
	path  string
	start Position
	size  int64 // of the file
}

func (s *segment) end() Position { return s.start + Position(s.size) }

func segmentName(start Position) string { return fmt.Sprintf("%016x.seg", uint64(start)) }

// header is the first sector of a segment.
func (id *journalID) header(start Position, size int64) []byte {
	b := make([]byte, sector)
	copy(b, segMagic)
	copy(b[8:], id[:])
	binary.LittleEndian.PutUint64(b[24:], uint64(start))
	binary.LittleEndian.PutUint64(b[32:], uint64(size))
	binary.LittleEndian.PutUint32(b[40:], crc32.Checksum(b[:40], table))
	return b
}

// openSegment opens a file and checks its first sector.
func openSegment(path string, start Position) (s *segment, id journalID, err error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0o600)
	if err != nil {
		return nil, id, err
	}
	s = &segment{f: f, path: path, start: start}
	b := make([]byte, sector)
	if _, err := f.ReadAt(b, 0); err != nil {
		return s, id, damage(path, 0, "it is shorter than its header")
	}
	s.size = int64(binary.LittleEndian.Uint64(b[32:]))
	if string(b[:8]) != segMagic || binary.LittleEndian.Uint32(b[40:]) != crc32.Checksum(b[:40], table) ||
		Position(binary.LittleEndian.Uint64(b[24:])) != start {
		return s, id, damage(path, 0, "its header is not sound")
	}
	st, err := f.Stat()
	if err != nil {
		return s, id, err
	}
	if st.Size() < s.size || s.size < minSegment || s.size > maxSegment {
		return s, id, damage(path, st.Size(), "it is shorter than it was made")
	}
	copy(id[:], b[8:24])
	return s, id, nil
}

func damage(path string, off int64, what string) error {
	return ident.E(ident.KindInternal, "journal_damaged",
		"the journal's file %s is damaged at byte %d: %s; put the whole folder back from a backup, and do not delete it", path, off, what)
}

const spareName = ".spare" // of a file that will become a segment

// zeros is what new segments are filled with.
var zeros [1 << 20]byte

// A file that is filled ahead of its use is filled in small parts with a rest after
// each, so that the commits beside it do not wait for the disk long.
const (
	fillPart    = 256 << 10
	longestRest = 20 * time.Millisecond
)

// pace is how fast a file is filled: with what rest between its parts, and at once
// without any from when hurry is set.
type pace struct {
	rest  time.Duration
	hurry *atomic.Bool
}

// fill makes a file of zeros. Its blocks are written, not only reserved: a write
// to a block that was merely reserved changes the file's map, and the sync after
// it takes six times as long.
func fill(path string, size int64, p pace) (f *os.File, err error) {
	f, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	for off := int64(0); off < size && err == nil; {
		part := int64(fillPart)
		if p.hurry.Load() {
			part = int64(len(zeros))
		}
		part = min(part, size-off)
		if _, err = f.WriteAt(zeros[:part], off); err == nil && !p.hurry.Load() {
			err = syncData(f)
			time.Sleep(p.rest)
		}
		off += part
	}
	if err == nil {
		err = f.Sync()
	}
	if err != nil {
		return nil, errors.Join(err, f.Close(), os.Remove(path))
	}
	return f, nil
}

// makeSegment makes the segment that begins at start, from a spare file if there
// is one. A crash leaves a spare, or the whole segment.
func (j *Journal) makeSegment(start Position, rest time.Duration) (*segment, error) {
	j.spare.Lock()
	defer j.spare.Unlock()
	spare := filepath.Join(j.dir, spareName)
	f, err := os.OpenFile(spare, os.O_RDWR, 0o600)
	if st, statErr := fileSize(f, err); statErr != nil || st != j.size {
		if err == nil {
			f.Close()
		}
		if f, err = fill(spare, j.size, pace{rest, &j.hurry}); err != nil {
			return nil, err
		}
	}
	s := &segment{f: f, path: filepath.Join(j.dir, segmentName(start)), start: start, size: j.size}
	if _, err = f.WriteAt(j.id.header(start, j.size), 0); err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = os.Rename(spare, s.path)
	}
	if err == nil {
		err = disk.SyncDir(j.dir)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return s, nil
}

func fileSize(f *os.File, err error) (int64, error) {
	if err != nil {
		return 0, err
	}
	st, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return st.Size(), nil
}

// drop takes a segment out of the folder: as the spare file, if there is none.
func (j *Journal) drop(s *segment) error {
	j.spare.Lock()
	defer j.spare.Unlock()
	err := s.f.Close()
	spare := filepath.Join(j.dir, spareName)
	if _, there := os.Stat(spare); errors.Is(there, fs.ErrNotExist) && s.size == j.size {
		return errors.Join(err, os.Rename(s.path, spare))
	}
	return errors.Join(err, os.Remove(s.path))
}

// listSegments names the segments of a folder by their positions, in order.
func listSegments(dir string) (starts []Position, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		hex, ok := strings.CutSuffix(e.Name(), ".seg")
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(hex, 16, 64)
		if err != nil || segmentName(Position(n)) != e.Name() {
			return nil, ident.E(ident.KindInternal, "journal_damaged", "%s is not a file of the journal", filepath.Join(dir, e.Name()))
		}
		starts = append(starts, Position(n))
	}
	slices.Sort(starts)
	return starts, nil
}

// lockFolder keeps other processes out as long as the file is open.
func lockFolder(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := lock(f); err != nil {
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, ident.E(ident.KindUnavailable, "journal_in_use",
				"another process uses the journal in %s; stop it, or go through its interface", dir)
		}
		return nil, err
	}
	return f, nil
}
