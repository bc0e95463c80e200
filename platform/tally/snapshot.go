package tally

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"unsafe"

	"surety/kernel/ident"
)

// A snapshot is frames: kind (1 byte), number (4), length (4), CRC-32C of these
// nine bytes and the content (4), content. The numbers count from 0. The first
// frame is the head, the last one the counts; after it the file ends. All
// numbers are little-endian.
const (
	frameHead     = 1
	frameEntities = 2
	frameEnd      = 3
	frameHeader   = 13
	frameFlush    = 256 << 10 // a frame is written when it has grown so large
	frameMost     = 256 << 20 // one entity can make a frame no larger than this

	magic   = "surety tally"
	version = 1
)

var le = binary.LittleEndian

// seenBy appends an entity as it is visible after the cutoff, without what has
// expired or does not change an answer. It returns false if nothing is left.
func (s *Store) seenBy(buf []byte, e *entry, cutoff int64) ([]byte, bool) {
	b := s.block(e)
	k := b.after(cutoff)
	from := word(e.block, 8) >> fromShift
	if int64(from)*1e6 <= cutoff {
		from = 0
	}
	edge := int64(0)
	if b.hot != nil && b.hot.edge > cutoff {
		edge = b.hot.edge
	}
	if k == b.n && from == 0 && edge == 0 {
		return buf, false
	}
	buf = append(buf, byte(e.key.Dim))
	buf = le.AppendUint64(buf, e.key.Hash)
	buf = le.AppendUint32(buf, uint32(from))
	buf = le.AppendUint64(buf, uint64(edge))
	buf = le.AppendUint32(buf, uint32(b.n-k))
	for ; k < b.n; k++ {
		for w := 0; w < b.stride; w += 8 {
			buf = le.AppendUint64(buf, word(b.event(k), w))
		}
	}
	if edge != 0 {
		for level := range b.hot.tiles {
			buf = b.hot.tiles[level].append(buf, cutoff, b.columns)
		}
	}
	return buf, true
}

// append appends the part of a series that begins after the cutoff.
func (r *series) append(buf []byte, cutoff int64, columns int) []byte {
	n, _ := r.find(cutoff+1, 0)
	r = &series{r.tiles[n:], r.seen[n*registers*columns:]}
	buf = le.AppendUint32(buf, uint32(len(r.tiles)))
	for i := range r.tiles {
		t := &r.tiles[i]
		for _, v := range [...]uint64{uint64(t.start), uint64(t.flags), uint64(t.count), uint64(t.sum), uint64(t.min), uint64(t.max),
			uint64(t.first), uint64(t.last), t.hi, t.lo} {
			buf = le.AppendUint64(buf, v)
		}
	}
	return append(buf, r.seen...)
}

// each calls fn with every entity. All shards are locked.
func (s *Store) each(fn func(*entry) error) error {
	var e entry
	for i := range s.shards {
		sh := &s.shards[i]
		if sh.rest == nil {
			continue
		}
		for c := range sh.rest.classes {
			cl := &sh.rest.classes[c]
			for k := range cl.n {
				p := sh.addr(cl.line(c, k))
				if word(p, 8)&freeBit != 0 {
					continue
				}
				e = entry{key: keyOf(p), sh: sh, block: p, ver: sh.ver}
				if err := fn(&e); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// Hash is a fingerprint of all that can be read, independent of the order of
// arrival and of what the sweep has freed: two stores of equal Hash answer every
// Read alike. It stops the world and reads everything; it is for tests and for
// checks after a restart.
func (s *Store) Hash() [32]byte {
	s.lockAll()
	defer s.unlockAll()
	var total [32]byte
	var buf []byte
	cutoff := s.edge()
	_ = s.each(func(e *entry) error { // fn returns no error
		visible := false
		if buf, visible = s.seenBy(buf[:0], e, cutoff); visible {
			// Keys are unique, so the digests differ and XOR loses none of them.
			for i, b := range sha256.Sum256(buf) {
				total[i] ^= b
			}
		}
		return nil
	})
	return total
}

// writer writes frames.
type writer struct {
	w      *bufio.Writer
	buf    []byte // the content of the next frame, behind room for its header
	number uint32
}

func (f *writer) flush(kind byte) error {
	if len(f.buf)-frameHeader > frameMost {
		return ident.E(ident.KindTooLarge, "snapshot_entity_too_large", "one entity has more tiles than a snapshot can hold")
	}
	f.buf[0] = kind
	le.PutUint32(f.buf[1:], f.number)
	le.PutUint32(f.buf[5:], uint32(len(f.buf)-frameHeader))
	le.PutUint32(f.buf[9:], checksum(f.buf))
	f.number++
	_, err := f.w.Write(f.buf)
	f.buf = f.buf[:frameHeader]
	return err
}

// checksum is the CRC-32C of a frame without the field it goes into.
func checksum(frame []byte) uint32 {
	table := crc32.MakeTable(crc32.Castagnoli)
	return crc32.Update(crc32.Checksum(frame[:9], table), table, frame[frameHeader:])
}

// Snapshot writes all that is visible. It stops the world until w has taken the
// last byte, so what is written is one moment of all entities: every Tx that had
// ended before, whole, and nothing of any other. Give it a writer that is quick;
// 10 million entities are some 2 GB. Errors are those of w.
func (s *Store) Snapshot(w io.Writer) error {
	s.lockAll()
	defer s.unlockAll()
	f := &writer{w: bufio.NewWriterSize(w, frameFlush), buf: make([]byte, frameHeader, 2*frameFlush)}
	cutoff := s.edge()
	f.buf = s.appendHead(f.buf, cutoff)
	if err := f.flush(frameHead); err != nil {
		return err
	}
	entities := uint64(0)
	err := s.each(func(e *entry) error {
		visible := false
		if f.buf, visible = s.seenBy(f.buf, e, cutoff); visible {
			entities++
		}
		if len(f.buf) < frameFlush {
			return nil
		}
		return f.flush(frameEntities)
	})
	if err != nil {
		return err
	}
	if err := f.flush(frameEntities); err != nil {
		return err
	}
	f.buf = le.AppendUint64(f.buf, entities)
	if err := f.flush(frameEnd); err != nil {
		return err
	}
	return f.w.Flush()
}

// appendHead says what the file is and which store can read it.
func (s *Store) appendHead(buf []byte, cutoff int64) []byte {
	buf = append(buf, magic...)
	buf = le.AppendUint32(buf, version)
	for dim := range s.columns {
		buf = le.AppendUint32(append(buf, s.columns[dim]), uint32(s.caps[dim]))
	}
	return le.AppendUint64(buf, uint64(cutoff))
}

// Restore fills an empty store from a snapshot. The store must have the same Cap
// and Columns; Horizon, Shards and Memory may differ. A file that is cut,
// changed, of another store or of another version is refused (KindInvalid), a
// store that is not empty too (KindState), and the store is then empty. The edge
// of memory is at least where it was when the snapshot was taken. Eviction is
// forgotten: an entity given up before is not known to have been.
func (s *Store) Restore(r io.Reader) error {
	s.lockAll()
	defer s.unlockAll()
	for i := range s.shards {
		if s.shards[i].count > 0 {
			return ident.E(ident.KindState, "memory_not_empty", "a snapshot can be read into an empty memory only")
		}
	}
	cutoff, err := s.restore(&reader{r: bufio.NewReaderSize(r, frameFlush)})
	if err != nil {
		for i := range s.shards {
			s.empty(i)
		}
		return err
	}
	s.Advance(cutoff + s.horizon)
	return nil
}

// empty gives all memory of a shard back.
func (s *Store) empty(i int) {
	sh := &s.shards[i]
	r := sh.rest
	if r == nil {
		return
	}
	for k := range r.hot {
		s.cool(sh, k)
	}
	for c := range r.classes {
		for _, run := range r.classes[c].runs {
			s.arena.give(run)
		}
	}
	s.views[i].Store(nil)
	s.arena.give(r.index)
	sh.rest, sh.slots, sh.size, sh.count, sh.events, sh.due = nil, nil, 0, 0, 0, 0
	sh.ver++
}

// reader reads frames, and fields of the frame at hand. After the first problem
// every field is 0.
type reader struct {
	r      io.Reader
	number uint32
	buf    []byte // what is left of the content
	frame  []byte
	short  bool // a field was asked for that is not there
}

func damaged(frame uint32, format string, args ...any) error {
	return ident.Invalid("snapshot", "snapshot_damaged", "frame %d: %s", frame, fmt.Sprintf(format, args...))
}

// next reads a frame of a kind that may come here.
func (f *reader) next() (byte, error) {
	f.frame = append(f.frame[:0], make([]byte, frameHeader)...)
	if _, err := io.ReadFull(f.r, f.frame); err != nil {
		return 0, f.broken(err)
	}
	kind, number, length := f.frame[0], le.Uint32(f.frame[1:]), int(le.Uint32(f.frame[5:]))
	if number != f.number || length > frameMost {
		return 0, damaged(f.number, "number %d and length %d cannot be", number, length)
	}
	for length > 0 { // in pieces, so that a wrong length costs no memory
		n := min(length, frameFlush)
		at := len(f.frame)
		f.frame = append(f.frame, make([]byte, n)...)
		if _, err := io.ReadFull(f.r, f.frame[at:]); err != nil {
			return 0, f.broken(err)
		}
		length -= n
	}
	if le.Uint32(f.frame[9:]) != checksum(f.frame) {
		return 0, damaged(f.number, "the checksum is wrong")
	}
	f.number++
	f.buf = f.frame[frameHeader:]
	return kind, nil
}

// broken tells a file that ends early from one that cannot be read.
func (f *reader) broken(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return damaged(f.number, "the file ends early")
	}
	return err
}

func (f *reader) bytes(n int) []byte {
	if n > len(f.buf) {
		f.short, f.buf = true, nil
		return nil
	}
	b := f.buf[:n]
	f.buf = f.buf[n:]
	return b
}

func (f *reader) u8() byte {
	if b := f.bytes(1); b != nil {
		return b[0]
	}
	return 0
}

func (f *reader) u32() uint32 {
	if b := f.bytes(4); b != nil {
		return le.Uint32(b)
	}
	return 0
}

func (f *reader) u64() uint64 {
	if b := f.bytes(8); b != nil {
		return le.Uint64(b)
	}
	return 0
}

// restore reads the file and returns its cutoff.
func (s *Store) restore(f *reader) (int64, error) {
	kind, err := f.next()
	if err != nil {
		return 0, err
	}
	head := s.appendHead(nil, 0)
	same := len(head) - 8
	if kind != frameHead || len(f.buf) != len(head) || !bytes.Equal(f.buf[:len(magic)+4], head[:len(magic)+4]) {
		return 0, ident.Invalid("snapshot", "snapshot_unknown", "this is no snapshot of version %d", version)
	}
	if !bytes.Equal(f.buf[:same], head[:same]) {
		return 0, ident.Invalid("snapshot", "snapshot_differs", "the snapshot is of a memory with other caps or columns")
	}
	cutoff := int64(le.Uint64(f.buf[same:]))
	if cutoff < 0 || cutoff > maxAt {
		return 0, damaged(0, "the edge of memory is at %d", cutoff)
	}
	for entities := uint64(0); ; {
		kind, err := f.next()
		switch {
		case err != nil:
			return 0, err
		case kind == frameEnd:
			if n := f.u64(); n != entities || f.short || len(f.buf) > 0 {
				return 0, damaged(f.number-1, "%d entities were read and %d written", entities, n)
			}
			if _, err := io.ReadFull(f.r, make([]byte, 1)); !errors.Is(err, io.EOF) {
				return 0, damaged(f.number, "the file goes on after its end")
			}
			return cutoff, nil
		case kind != frameEntities:
			return 0, damaged(f.number-1, "unknown kind %d", kind)
		}
		for len(f.buf) > 0 {
			if err := s.restoreEntity(f, cutoff); err != nil {
				return 0, err
			}
			entities++
		}
	}
}

// restoreEntity reads one entity. What it checks is what the rest of the package
// relies on; that the numbers are those that were written, the checksum says.
func (s *Store) restoreEntity(f *reader, cutoff int64) error {
	e := entry{key: Key{Dim: Dim(f.u8()), Hash: f.u64()}}
	from, edge, n := f.u32(), int64(f.u64()), int(f.u32())
	columns := int(s.columns[e.key.Dim])
	stride := 16 + 8*columns
	raw := f.bytes(n * stride)
	if f.short || n > int(s.caps[e.key.Dim]) || edge < 0 || edge > maxAt {
		return damaged(f.number-1, "an entity of %d events does not fit", n)
	}
	e.place = e.key.place()
	e.sh = &s.shards[e.place>>s.shift]
	if e.find(); e.block != nil {
		return damaged(f.number-1, "an entity comes twice")
	}
	c := 0
	for capacity(c, columns) < n {
		c++
	}
	if err := s.create(&e, c); err != nil {
		return err
	}
	setWord(e.block, 8, word(e.block, 8)&(1<<fromShift-1)|uint64(from)<<fromShift)
	var last packed
	for k := range n {
		var ev packed
		for w := range stride / 8 {
			ev[w] = le.Uint64(raw[k*stride+8*w:])
		}
		if ev.amount() > MaxAmount || ev.at() <= cutoff || k > 0 && last.compare(&ev, columns) >= 0 {
			return damaged(f.number-1, "event %d of an entity is out of order or range", k)
		}
		ev.store(unsafe.Add(e.block, headerBytes+k*stride), columns)
		last = ev
	}
	setCount(e.block, n)
	e.sh.events += int64(n)
	if edge == 0 {
		return nil
	}
	h := e.sh.heat(e.key, e.block)
	h.edge = edge
	for level := range h.tiles {
		was := h.bytes()
		err := h.tiles[level].restore(f, columns, cutoff)
		s.tiles.Add(h.bytes() - was)
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *series) restore(f *reader, columns int, cutoff int64) error {
	n := int(f.u32())
	if n > len(f.buf)/int(unsafe.Sizeof(tile{})) {
		return damaged(f.number-1, "%d tiles do not fit", n)
	}
	r.tiles = make([]tile, n)
	for i := range r.tiles {
		t := &r.tiles[i]
		t.start, t.flags = int64(f.u64()), uint16(f.u64())
		t.count, t.sum, t.min, t.max = int64(f.u64()), int64(f.u64()), int64(f.u64()), int64(f.u64())
		t.first, t.last, t.hi, t.lo = int64(f.u64()), int64(f.u64()), f.u64(), f.u64()
		ok := t.start > cutoff && t.start <= maxAt && t.count > 0 && t.sum >= 0 && t.flags < MaxFlags
		if i > 0 {
			last := &r.tiles[i-1]
			ok = ok && (t.start > last.start || t.start == last.start && t.flags > last.flags)
		}
		if !ok {
			return damaged(f.number-1, "tile %d of an entity is out of order or range", i)
		}
	}
	r.seen = append([]uint8(nil), f.bytes(n*registers*columns)...)
	if f.short {
		return damaged(f.number-1, "an entity's tiles are cut")
	}
	for _, v := range r.seen {
		if v > 50 {
			return damaged(f.number-1, "a register of %d cannot be", v)
		}
	}
	return nil
}
