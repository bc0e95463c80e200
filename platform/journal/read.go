package journal

import (
	"errors"
	"io"
	"slices"

	"surety/kernel/ident"
)

// Stop ends a Read from within its fn, without being an error of Read.
var Stop = errors.New("stop reading")

// Read calls fn for each durable record from a position on, in order: the
// position of the record, the position after it, and its bytes, which are fn's
// only until it returns. from is 0 for all that is kept, or a position that
// Append, Read or Bounds has given. Records that become durable meanwhile may or
// may not be among them. An error of fn ends it and is returned, but Stop.
//
// Errors of its own: code journal_trimmed (what is asked for is kept no more),
// journal_position (there is no such place), journal_damaged.
func (j *Journal) Read(from Position, fn func(at, next Position, record []byte) error) error {
	return j.read(from, 256<<10, fn)
}

// read is Read with so many bytes read from the disk at once.
func (j *Journal) read(from Position, ahead int64, fn func(at, next Position, record []byte) error) error {
	j.mu.Lock()
	segments, end := slices.Clone(j.segments), j.end
	j.mu.Unlock()
	if from == 0 {
		from = segments[0].start
	}
	if err := within(from, segments[0].start, end); err != nil {
		return err
	}
	for _, s := range segments {
		if s.end() <= from || s.start >= end {
			continue
		}
		r := reader{j: j, s: s, ahead: ahead, off: max(int64(from)-int64(s.start), sector), end: min(int64(end)-int64(s.start), s.size)}
		err := r.each(fn)
		if err == Stop {
			return nil
		}
		if err != nil {
			return j.trimmedOr(from, err)
		}
	}
	return nil
}

func within(at, first, end Position) error {
	switch {
	case at < first:
		return ident.E(ident.KindInternal, "journal_trimmed", "the journal begins at %d, what stood at %d is gone", first, at)
	case at > end:
		return ident.E(ident.KindInternal, "journal_position", "the journal ends at %d, there is nothing at %d", end, at)
	}
	return nil
}

// trimmedOr is the error of a read that a Trim has overtaken, or err.
func (j *Journal) trimmedOr(at Position, err error) error {
	first, end := j.Bounds()
	if gone := within(max(at, sector), first, end); gone != nil && at != 0 {
		return gone
	}
	return err
}

// ReadAt reads the one record at a position that Append has returned, or Read.
func (j *Journal) ReadAt(at Position) (record []byte, err error) {
	err = j.read(at, 4<<10, func(found, _ Position, b []byte) error {
		if found == at {
			record = slices.Clone(b)
		}
		return Stop
	})
	if err == nil && record == nil {
		err = ident.E(ident.KindInternal, "journal_position", "there is no record at %d", at)
	}
	return record, err
}

// reader walks the records of one segment, from an offset that is a record's or a
// group's.
type reader struct {
	j   *Journal
	s   *segment
	off int64
	end int64

	ahead int64  // how many bytes are read at once
	buf   []byte // holds the bytes [at, at+len) of the file
	at    int64
}

// window is n bytes at the offset, from memory if they were read already.
func (r *reader) window(off, n int64) ([]byte, error) {
	if off >= r.at && off+n <= r.at+int64(len(r.buf)) {
		return r.buf[off-r.at : off-r.at+n], nil
	}
	if off+n > r.s.size {
		return nil, damage(r.s.path, off, "a record reaches past the end of the file")
	}
	r.buf = grow(r.buf, max(n, min(r.ahead, r.s.size-off)))
	if _, err := r.s.f.ReadAt(r.buf, off); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	r.at = off
	return r.buf[:n], nil
}

func (r *reader) each(fn func(at, next Position, record []byte) error) error {
	for r.off < r.end {
		here := r.s.start + Position(r.off)
		if r.off%sector == 0 {
			b, err := r.window(r.off, groupHeader)
			if err != nil {
				return err
			}
			g, ok := r.j.id.getGroup(b, here)
			if ok && g.flags&flagRoll != 0 {
				return nil
			}
			if ok {
				r.off += groupHeader
				continue
			} // a record may by chance begin on a sector
		}
		b, err := r.window(r.off, min(frameHeader, r.s.size-r.off))
		if err != nil {
			return err
		}
		n := recordLength(b)
		if n == 0 {
			r.off = roundUp(r.off + 4)
			continue
		}
		if b, err = r.window(r.off, frameHeader+n); err != nil {
			return err
		}
		payload, _, ok := r.j.id.getRecord(b, here)
		if !ok {
			return damage(r.s.path, r.off, "a record is not what was written")
		}
		r.off += frameHeader + n
		if err := fn(here, r.s.start+Position(r.off), payload); err != nil {
			return err
		}
	}
	return nil
}

// Trim deletes the files that hold only records before a position. What is
// written to stays.
func (j *Journal) Trim(before Position) error {
	for {
		j.mu.Lock()
		s := j.segments[0]
		if len(j.segments) == 1 || s.end() > before || s.end() > j.end {
			j.mu.Unlock()
			return nil
		}
		j.segments = slices.Clone(j.segments[1:])
		j.mu.Unlock()
		if err := j.drop(s); err != nil {
			return err
		}
	}
}

func recordLength(b []byte) int64 {
	if len(b) < 4 {
		return 0
	}
	return int64(uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | uint32(b[3])<<24)
}
