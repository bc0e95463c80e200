package tally

import (
	"unsafe"
)

// block is one entity's events at hand.
type block struct {
	p       unsafe.Pointer // the header
	columns int
	stride  int
	n       int  // events in the block
	off     int  // of them, the first that are part of tiles already
	hot     *hot // nil for most
}

func (s *Store) block(e *entry) block {
	columns := int(s.columns[e.key.Dim])
	b := block{p: e.block, columns: columns, stride: 16 + 8*columns, n: countOf(e.block)}
	if isHot(e.block) {
		b.hot = e.sh.rest.hot[e.key]
		b.off = b.hot.off
	}
	return b
}

func (b *block) event(k int) unsafe.Pointer { return unsafe.Add(b.p, headerBytes+k*b.stride) }

func (b *block) time(k int) int64 { return int64(word(b.event(k), 0) >> idShift) }

// lookup returns the place of an identity among the exact events, and whether it
// is taken. Events come nearly in order, so it looks at the end first.
func (b *block) lookup(ev *packed) (int, bool) {
	lo, hi := b.off, b.n
	if lo == hi || word(b.event(hi-1), 0) < ev[0] {
		return hi, false
	}
	for lo < hi { // the first that is not before ev
		mid := (lo + hi) / 2
		old := load(b.event(mid), b.columns)
		if old.compare(ev, b.columns) < 0 {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if lo == b.n {
		return lo, false
	}
	old := load(b.event(lo), b.columns)
	return lo, old.compare(ev, b.columns) == 0
}

// after is the place of the first exact event later than at.
func (b *block) after(at int64) int {
	lo, hi := b.off, b.n
	if lo == hi || b.time(lo) > at {
		return lo
	}
	if b.time(hi-1) <= at {
		return hi
	}
	for lo < hi {
		if mid := (lo + hi) / 2; b.time(mid) > at {
			hi = mid
		} else {
			lo = mid + 1
		}
	}
	return lo
}

// drop takes the events [from, to) out.
func (b *block) drop(from, to int) {
	tail := (b.n - to) * b.stride
	if tail > 0 {
		copy(unsafe.Slice((*byte)(b.event(from)), tail), unsafe.Slice((*byte)(b.event(to)), tail))
	}
	b.n -= to - from
	setCount(b.p, b.n)
}

// put adds an event at place k, in a larger block if it must, and makes tiles of
// what is more than Cap.
func (s *Store) put(e *entry, b *block, k int, ev *packed, cutoff int64) (bool, error) {
	if k == b.off && b.hot != nil && b.n-b.off < int(s.caps[e.key.Dim]) && ev.at() <= b.hot.edge {
		// Forget has made room, but what is older than the edge belongs to the tiles.
		return s.roll(b, ev, cutoff), nil
	}
	if full(classOf(b.p), b.n, b.stride) {
		moved, err := s.widen(e, b, cutoff)
		if err != nil {
			return false, err
		}
		k -= moved
	}
	at := b.event(k)
	if tail := (b.n - k) * b.stride; tail > 0 {
		copy(unsafe.Slice((*byte)(b.event(k+1)), tail), unsafe.Slice((*byte)(at), tail))
	}
	ev.store(at, b.columns)
	b.n++
	setCount(b.p, b.n)
	e.sh.events++
	if b.n-b.off <= int(s.caps[e.key.Dim]) {
		return true, nil
	}
	if b.hot == nil {
		b.hot = e.sh.heat(e.key, b.p)
	}
	oldest := load(b.event(b.off), b.columns)
	b.off++
	b.hot.off = b.off
	if oldest.at() <= cutoff {
		return true, nil
	}
	return s.roll(b, &oldest, cutoff) || k != b.off-1, nil
}

// widen makes room for one more event: it drops what is gone if that is a good
// part, so that moving the rest pays, and takes a larger block otherwise. It
// returns how far the events have moved down.
func (s *Store) widen(e *entry, b *block, cutoff int64) (int, error) {
	gone := b.after(cutoff)
	c := classOf(b.p)
	if gone > b.n/8 || c == int(s.top[e.key.Dim]) {
		b.drop(0, gone)
		e.sh.events -= int64(gone)
		if b.hot != nil {
			b.off, b.hot.off = 0, 0
		}
		return gone, nil
	}
	if err := s.resize(e, c+1); err != nil {
		return 0, err
	}
	b.p = e.block
	return 0, nil
}
