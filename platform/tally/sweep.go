package tally

import "unsafe"

// The sweep goes with Observe: every 16th fresh event of a shard looks at 64
// blocks, four an event, so that it is faster than the one block that an event
// may add and the one that it may take the sweep to free. A round begins when the
// edge has moved by a 64th of the horizon since the last.
const (
	sweepEvery  = 16
	sweepBlocks = 64
	sweepShare  = 64
)

// Eviction looks at some blocks and gives up the one whose newest event is
// oldest: an entity of the younger half goes once in 65,000 times.
const (
	evictLook = 16
	evictMost = 32 // in one Observe
	ghostsMin = 64
	ghostsMax = 1 << 16
)

// care is the housekeeping after a fresh event.
func (s *Store) care(e *entry, cutoff int64) {
	if s.memory > 0 && s.held() > s.memory {
		s.evict(e.sh, e.key)
	}
	if e.sh.due++; e.sh.due >= sweepEvery {
		e.sh.due = 0
		s.sweep(e.sh, cutoff)
		if e.sh.rest.freed >= sweepEvery {
			e.sh.rest.freed = 0
			s.compact(e.sh, sweepBlocks+sweepEvery)
		}
	}
}

// sweep goes on with the round.
func (s *Store) sweep(sh *shard, cutoff int64) {
	r := sh.rest
	if !r.sweeping {
		if cutoff-r.swept <= s.horizon/sweepShare {
			return
		}
		r.sweeping, r.swept, r.handClass, r.handBlock = true, cutoff, 0, 0
	}
	for range sweepBlocks {
		for r.handBlock >= r.classes[r.handClass].n {
			r.handBlock = 0
			if r.handClass++; r.handClass == uint32(classes) {
				r.sweeping = false
				return
			}
		}
		line := r.classes[r.handClass].line(int(r.handClass), r.handBlock)
		if s.tidy(sh, line, cutoff) {
			r.handBlock++ // otherwise another block is here now
		}
	}
}

// tidy frees what lies before the cutoff and reports whether the block stays
// where it is.
func (s *Store) tidy(sh *shard, line uint32, cutoff int64) bool {
	p := sh.addr(line)
	if word(p, 8)&freeBit != 0 {
		return true
	}
	known := int64(word(p, 8)>>fromShift) * 1e6
	if countOf(p) > 0 && int64(word(p, headerBytes)>>idShift) > cutoff && !isHot(p) {
		return true
	}
	e := entry{key: keyOf(p), sh: sh, block: p, ver: sh.ver}
	b := s.block(&e)
	if b.hot != nil {
		s.expire(b.hot, b.columns, cutoff)
		if b.hot.empty() && b.hot.edge <= cutoff && b.off == 0 {
			s.cool(sh, e.key)
			setWord(p, 8, word(p, 8)&^hotBit)
			b.hot = nil
		}
	}
	gone := b.after(cutoff)
	e.place = e.key.place()
	e.pos = sh.slotOf(e.place, line)
	if gone == b.n && b.hot == nil && known <= cutoff {
		s.remove(sh, e.pos)
		return false
	}
	if gone > b.n/8 {
		b.drop(0, gone)
		sh.events -= int64(gone)
		if b.hot != nil {
			b.hot.off = 0
		}
	}
	c := classOf(p)
	fit := c
	for fit > 0 && capacity(fit-1, b.columns) > b.n+b.n/4 {
		fit--
	}
	if fit == c {
		return true
	}
	return s.resize(&e, fit) != nil // without memory it stays as it is
}

// held is the memory in use, in bytes.
func (s *Store) held() int64 { return s.arena.used.Load()*pageBytes + s.tiles.Load() }

// evict gives up entities of the shard until the store holds no more than it
// may, or has done its share; never the one that has just been seen.
func (s *Store) evict(sh *shard, keep Key) {
	for range evictMost {
		s.compact(sh, 2)
		if sh.count < 2 || s.held() <= s.memory {
			return
		}
		line, ok := s.victim(sh, keep)
		if !ok {
			return
		}
		p := sh.addr(line)
		place := keyOf(p).place()
		sh.haunt(tagOf(place), s.seen(p))
		sh.rest.evicted++
		s.remove(sh, sh.slotOf(place, line))
	}
}

// victim looks at blocks all over the shard for the one not seen for longest.
// Neighbours are of one age, so the hand goes round in steps of the golden ratio.
func (s *Store) victim(sh *shard, keep Key) (line uint32, ok bool) {
	oldest, blocks := int64(maxAt)+1, uint32(0)
	for c := range sh.rest.classes {
		blocks += sh.rest.classes[c].n
	}
	for range evictLook {
		sh.rest.evictHand += 0x9e3779b9
		at := sh.nth(uint32(uint64(sh.rest.evictHand) * uint64(blocks) >> 32))
		p := sh.addr(at)
		if word(p, 8)&freeBit != 0 {
			continue
		}
		if seen := s.seen(p); seen < oldest && keyOf(p) != keep {
			oldest, line, ok = seen, at, true
		}
	}
	return line, ok
}

// nth is the line of block i of all classes.
func (sh *shard) nth(i uint32) uint32 {
	for c := range sh.rest.classes {
		cl := &sh.rest.classes[c]
		if i < cl.n {
			return cl.line(c, i)
		}
		i -= cl.n
	}
	return 0 // not reached: i is less than the sum of all n
}

// seen is the time of an entity's newest event.
func (s *Store) seen(p unsafe.Pointer) int64 {
	n := countOf(p)
	if n == 0 {
		return 0
	}
	stride := 16 + 8*int(s.columns[keyOf(p).Dim])
	return int64(word(p, headerBytes+(n-1)*stride) >> idShift)
}

// haunt remembers that an entity was evicted whose newest event was at a time.
// The memory has one place for several entities, and the last one evicted has it.
func (sh *shard) haunt(tag uint64, at int64) {
	r := sh.rest
	if r.ghosts == nil {
		n := uint32(ghostsMin)
		for n < sh.count/2 && n < ghostsMax {
			n *= 2
		}
		r.ghosts = make([]uint64, n)
	}
	r.ghosts[tag&uint64(len(r.ghosts)-1)] = tag<<32 | seconds(at)
}

// seconds rounds a time up to whole seconds; the year 2106 and later are one.
func seconds(at int64) uint64 { return uint64(min((at+999_999)/1_000_000, 1<<32-1)) }

// knownFrom is the time in seconds before which an entity that is not there is
// known to have had events that are gone; 0 if none is known.
func (s *Store) knownFrom(sh *shard, place uint64) uint64 {
	if sh.rest == nil || sh.rest.ghosts == nil {
		return 0
	}
	tag := tagOf(place)
	if g := sh.rest.ghosts[tag&uint64(len(sh.rest.ghosts)-1)]; g>>32 == tag {
		return g & (1<<32 - 1)
	}
	return 0
}
