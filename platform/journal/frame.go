package journal

import (
	"encoding/binary"
	"hash/crc32"
	"io"
)

const (
	sector      = 512
	groupHeader = 32
	frameHeader = 8
	groupMagic  = 0x4a505247 // "GRPJ"
	segMagic    = "SURETYJ1"
)

// The flags of a group.
const (
	flagRoll = 1 << iota // the segment ends here, the next one goes on
)

var table = crc32.MakeTable(crc32.Castagnoli)

// seal binds a checksum to the place it stands at.
func (id *journalID) seal(crc uint32, at Position) uint32 {
	var b [24]byte
	copy(b[:16], id[:])
	binary.LittleEndian.PutUint64(b[16:], uint64(at))
	return crc32.Update(crc, table, b[:])
}

// roundUp is the next multiple of a sector.
func roundUp(n int64) int64 { return (n + sector - 1) &^ (sector - 1) }

// groupSize is the room that records of so many bytes, frames included, take.
func groupSize(records int64) int64 { return roundUp(groupHeader + records + 4) }

// group is the head of a group.
type group struct {
	length int64 // bytes of its records, frames included
	count  int
	flags  uint32
}

// putGroup writes the head of a group that stands at the position.
func (id *journalID) putGroup(b []byte, at Position, g group) {
	le := binary.LittleEndian
	le.PutUint32(b[0:], groupMagic)
	le.PutUint32(b[4:], uint32(g.length))
	le.PutUint32(b[8:], uint32(g.count))
	le.PutUint32(b[12:], g.flags)
	le.PutUint64(b[16:], uint64(at))
	le.PutUint32(b[24:], id.seal(crc32.Checksum(b[:24], table), at))
	le.PutUint32(b[28:], 0)
}

// getGroup reads a head; ok is false if there is none at the position.
func (id *journalID) getGroup(b []byte, at Position) (g group, ok bool) {
	le := binary.LittleEndian
	if len(b) < groupHeader || le.Uint32(b) != groupMagic || le.Uint64(b[16:]) != uint64(at) ||
		le.Uint32(b[24:]) != id.seal(crc32.Checksum(b[:24], table), at) {
		return g, false
	}
	return group{length: int64(le.Uint32(b[4:])), count: int(le.Uint32(b[8:])), flags: le.Uint32(b[12:])}, true
}

// putRecord appends a record whose payload's checksum is crc.
func (id *journalID) putRecord(b []byte, at Position, payload []byte, crc uint32) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(len(payload)))
	b = binary.LittleEndian.AppendUint32(b, id.seal(crc, at))
	return append(b, payload...)
}

// getRecord reads the record at the beginning of b. end means that the group ends
// here, ok that a whole and sound record was read.
func (id *journalID) getRecord(b []byte, at Position) (payload []byte, end, ok bool) {
	if len(b) < 4 {
		return nil, false, false
	}
	n := int64(binary.LittleEndian.Uint32(b))
	if n == 0 {
		return nil, true, true
	}
	if int64(len(b)) < frameHeader+n {
		return nil, false, false
	}
	payload = b[frameHeader : frameHeader+n]
	return payload, false, binary.LittleEndian.Uint32(b[4:]) == id.seal(crc32.Checksum(payload, table), at)
}

// check walks the records of a group whose body (records and the zeros after
// them) is b and begins at the position. bad is where the first one that is not
// sound stands, -1 if all are.
func (id *journalID) check(g group, b []byte, at Position) (bad int64) {
	off, n := int64(0), 0
	for off < g.length {
		payload, end, ok := id.getRecord(b[off:g.length], at+Position(off))
		if end || !ok {
			return off
		}
		off += frameHeader + int64(len(payload))
		n++
	}
	if off != g.length || n != g.count || binary.LittleEndian.Uint32(b[off:]) != 0 {
		return off
	}
	return -1
}

// scanned is what a segment holds.
type scanned struct {
	end    int64 // offset after the last sound group
	last   int64 // offset of the last sound group, 0 if there is none
	rolled bool  // the segment was ended, the next one goes on
	bad    int64 // offset of the first thing at end that is not sound
	later  bool  // a sound head of a group stands after end
}

// scan reads a segment from its first group.
func (id *journalID) scan(r io.ReaderAt, start Position, size int64) (s scanned, err error) {
	head := make([]byte, groupHeader)
	var body []byte
	for s.end = sector; s.end+sector <= size; {
		if _, err := r.ReadAt(head, s.end); err != nil {
			return s, err
		}
		at := start + Position(s.end)
		g, ok := id.getGroup(head, at)
		if !ok || s.end+groupSize(g.length) > size {
			s.bad = s.end
			break
		}
		body = grow(body, groupSize(g.length)-groupHeader)
		if _, err := r.ReadAt(body, s.end+groupHeader); err != nil {
			return s, err
		}
		if bad := id.check(g, body, at+groupHeader); bad >= 0 {
			s.bad = s.end + groupHeader + bad
			break
		}
		s.last = s.end
		s.end += groupSize(g.length)
		if g.flags&flagRoll != 0 {
			s.rolled = true
			return s, nil
		}
	}
	s.bad = max(s.bad, s.end)
	s.later, err = id.laterHead(r, start, s.end+sector, size)
	return s, err
}

// laterHead looks for the head of a group from an offset on.
func (id *journalID) laterHead(r io.ReaderAt, start Position, from, size int64) (bool, error) {
	buf := make([]byte, 1<<20)
	for from+sector <= size {
		b := buf[:min(int64(len(buf)), size-from)]
		if _, err := r.ReadAt(b, from); err != nil {
			return false, err
		}
		for off := 0; off+sector <= len(b); off += sector {
			if _, ok := id.getGroup(b[off:], start+Position(from)+Position(off)); ok {
				return true, nil
			}
		}
		from += int64(len(b)) &^ (sector - 1)
	}
	return false, nil
}

// grow is a slice of n bytes, in place of b if that is large enough.
func grow(b []byte, n int64) []byte {
	if int64(cap(b)) >= n {
		return b[:n]
	}
	return make([]byte, n, n+n/2)
}
