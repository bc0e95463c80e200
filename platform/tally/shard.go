package tally

import (
	"sync"
	"unsafe"
)

// A block is the events of one entity in lines of 64 bytes: a header of two
// words and then the events, oldest first.
//
//	word 0   the key's hash
//	word 1   known from, 32 bits | hot | free | dimension, 8 bits | class, 5 bits | events, 17 bits
//
// "Known from" is a time in seconds: an entity that was evicted and came back is
// known to lack what was before it; 0 if there is no such time. In a free block
// word 0 is its place in the list of free ones.
const (
	headerBytes = 16
	countMask   = 1<<17 - 1
	classShift  = 17
	dimShift    = 22
	freeBit     = 1 << 30
	hotBit      = 1 << 31
	fromShift   = 32
)

// classLines are the sizes of blocks. Up to a page several blocks share one.
// They double, for each growth is a move to memory that is far away.
const (
	classes   = 17
	pageClass = 6 // a block of this class is a page
)

func classLines(class int) uint32 { return 1 << class }

// perRun is how many blocks of a class one run of pages holds.
func perRun(class int) uint32 { return max(1, uint32(pageLines)>>class) }

func runPages(class int) int { return max(1, 1<<class/pageLines) }

// A slot of the index is a word, 0 if it is empty:
//
//	tag, 27 bits | class, 5 bits | line, 32 bits
//
// The tag alone says where the slot belongs, so that the index grows without a
// look at the blocks; the class says how many lines to fetch at once.
const (
	tagShift  = 37
	tagBits   = 64 - tagShift
	slotLine  = 1<<32 - 1
	slotClass = 32
)

// class is all blocks of one size in a shard, in a row. A block that is given
// back is the next to be taken; but when more than one of 8 is free, the last
// blocks move into free ones. So little is lost to gaps, all can be walked
// through, and the pages of a class follow its size in both directions.
//
// A class is one cache line: it says where the next block will be taken without
// a look elsewhere.
type class struct {
	runs []run
	n    uint32       // blocks, with the free ones
	end  uint32       // the line behind the last block, 0 if the runs are full
	near [keep]uint32 // the lines of free blocks that were given back last
	held uint32       // how many of near are in use
}

const keep = 7

// shard is a part of the store with a lock of its own. What a lookup needs fits
// one cache line.
type shard struct {
	mu     sync.Mutex
	ver    uint32         // changes when a block or slot moves: what was found before must be found again
	size   uint32         // slots
	slots  unsafe.Pointer // the index: open addressing, linear probing
	table  unsafe.Pointer // the arena's table, as far as the shard's lines need it
	rest   *rest          // nil while the shard is empty
	events int64          // in all blocks
	count  uint32         // entities
	due    uint32         // fresh events since the last step of the sweep
	_      [8]byte        // a cache line of its own
}

// rest is what a shard needs less often.
type rest struct {
	classes [classes]class
	far     [classes][]uint32 // the lines of the free blocks that are not in near
	index   run
	freed   uint32 // blocks given back since the last look for gaps
	hot     map[Key]*hot
	evicted int64
	ghosts  []uint64 // tag | seconds of the newest event, of evicted entities

	handClass, handBlock uint32 // the clock hand of the sweep
	sweeping             bool
	swept                int64  // the cutoff at the start of the last round
	evictHand            uint32 // the clock hand of eviction
}

// view is what Touch may know of a shard without its lock.
type view struct {
	slots unsafe.Pointer
	size  uint32
}

// addr is where a line lies.
func (sh *shard) addr(line uint32) unsafe.Pointer {
	chunk := *(*unsafe.Pointer)(unsafe.Add(sh.table, uintptr(line>>lineBits)*unsafe.Sizeof(sh.table)))
	return unsafe.Add(chunk, int(line&(chunkLines-1))*lineBytes)
}

func tagOf(place uint64) uint64 { return place << 16 >> tagShift }

func home(tag uint64, size uint32) uint32 { return uint32(tag * uint64(size) >> tagBits) }

func (sh *shard) slot(i uint32) uint64 { return *(*uint64)(unsafe.Add(sh.slots, int(i)*8)) }

func (sh *shard) setSlot(i uint32, v uint64) { *(*uint64)(unsafe.Add(sh.slots, int(i)*8)) = v }

// entry is where a key was found.
type entry struct {
	key   Key
	place uint64
	sh    *shard
	block unsafe.Pointer // nil if the key is not there
	pos   uint32         // its slot
	ver   uint32         // of the shard when it was found
}

// find looks the key up.
func (e *entry) find() {
	sh := e.sh
	e.block, e.ver = nil, sh.ver
	if sh.size == 0 {
		return
	}
	tag := tagOf(e.place)
	for i := home(tag, sh.size); ; {
		s := sh.slot(i)
		if s == 0 {
			return
		}
		if s>>tagShift == tag {
			p := sh.addr(uint32(s & slotLine))
			if word(p, 0) == e.key.Hash && Dim(word(p, 8)>>dimShift) == e.key.Dim {
				e.block, e.pos = p, i
				return
			}
		}
		if i++; i == sh.size {
			i = 0
		}
	}
}

// keyOf reads the key of a block.
func keyOf(p unsafe.Pointer) Key { return Key{Dim(word(p, 8) >> dimShift), word(p, 0)} }

func classOf(p unsafe.Pointer) int { return int(word(p, 8) >> classShift & 31) }

func countOf(p unsafe.Pointer) int { return int(word(p, 8) & countMask) }

func isHot(p unsafe.Pointer) bool { return word(p, 8)&hotBit != 0 }

// setCount changes the number of events in the header.
func setCount(p unsafe.Pointer, n int) { setWord(p, 8, word(p, 8)&^countMask|uint64(n)) }

// capacity is how many events of a number of columns a class holds.
func capacity(class, columns int) int {
	return (lineBytes<<class - headerBytes) / (16 + 8*columns)
}

// full reports whether a block of n events has no room for one more.
func full(class, n, stride int) bool { return headerBytes+(n+1)*stride > lineBytes<<class }

// alloc takes a block; its content is whatever was there.
func (s *Store) alloc(sh *shard, c int) (uint32, unsafe.Pointer, error) {
	cl := &sh.rest.classes[c]
	if sh.rest.gaps(c) > 0 {
		line := sh.rest.pop(c)
		return line, sh.addr(line), nil
	}
	if cl.end == 0 {
		r, table, err := s.arena.take(runPages(c))
		if err != nil {
			return 0, nil, err
		}
		sh.table = unsafe.Pointer(&table[0])
		cl.runs = append(cl.runs, r)
		cl.setCount(c, cl.n)
	}
	line := cl.end
	cl.setCount(c, cl.n+1)
	return line, sh.addr(line), nil
}

// setCount changes the number of blocks.
func (cl *class) setCount(c int, n uint32) {
	if cl.n, cl.end = n, 0; n < uint32(len(cl.runs))*perRun(c) {
		cl.end = cl.line(c, n)
	}
}

// next is the line that alloc will take, 0 if it is in a new run.
func (cl *class) next() uint32 {
	if cl.held > 0 {
		return cl.near[cl.held-1]
	}
	return cl.end
}

// gaps is how many blocks of a class are free: a list whose end is in near.
func (r *rest) gaps(c int) int { return len(r.far[c]) + int(r.classes[c].held) }

// push adds a free block to the list.
func (r *rest) push(c int, line uint32) {
	cl := &r.classes[c]
	if cl.held == keep {
		const half = keep / 2
		r.far[c] = append(r.far[c], cl.near[:half]...)
		cl.held = uint32(copy(cl.near[:], cl.near[half:]))
	}
	cl.near[cl.held] = line
	cl.held++
}

// pop takes the last free block off the list; there is one.
func (r *rest) pop(c int) uint32 {
	cl := &r.classes[c]
	cl.held--
	line := cl.near[cl.held]
	if far := r.far[c]; cl.held == 0 && len(far) > 0 {
		from := max(0, len(far)-keep/2)
		cl.held = uint32(copy(cl.near[:], far[from:]))
		r.far[c] = far[:from]
	}
	return line
}

// setGap changes the list at a place.
func (r *rest) setGap(c, i int, line uint32) {
	if far := r.far[c]; i < len(far) {
		far[i] = line
	} else {
		r.classes[c].near[i-len(far)] = line
	}
}

// line is where block number i of a class lies.
func (cl *class) line(c int, i uint32) uint32 {
	if pageClass > c {
		return cl.runs[i>>(pageClass-c)].line + i<<c&(pageLines-1)
	}
	return cl.runs[i].line
}

// release gives a block back. No slot may point to it any more.
func (sh *shard) release(c int, line uint32) {
	p := sh.addr(line)
	setWord(p, 0, uint64(sh.rest.gaps(c)))
	setWord(p, 8, freeBit)
	sh.rest.push(c, line)
	sh.rest.freed++
}

// compact makes classes that have too many gaps shorter, by so many blocks in
// all at most; large blocks are too much to waste any.
func (s *Store) compact(sh *shard, most int) {
	for c := range sh.rest.classes {
		cl := &sh.rest.classes[c]
		gaps := int(cl.n / 8)
		if c < pageClass {
			gaps += 2
		}
		for ; sh.rest.gaps(c) > gaps && most > 0; most-- {
			s.shorten(sh, c)
		}
	}
}

// shorten takes the last block of a class away; its content moves into a gap.
func (s *Store) shorten(sh *shard, c int) {
	cl := &sh.rest.classes[c]
	last := cl.line(c, cl.n-1)
	from := sh.addr(last)
	line := sh.rest.pop(c)
	if word(from, 8)&freeBit == 0 {
		sh.ver++
		to := sh.addr(line)
		copyBlock(to, from, int(s.columns[keyOf(from).Dim]))
		i := sh.slotOf(keyOf(to).place(), last)
		sh.setSlot(i, sh.slot(i)&^slotLine|uint64(line))
	} else if at := word(from, 0); line != last { // the last is a gap itself: the one taken off the list takes its place there
		sh.rest.setGap(c, int(at), line)
		setWord(sh.addr(line), 0, at)
	}
	// One run is kept for the next block, unless it is large.
	spare := uint32(1)
	if runPages(c) > 1 {
		spare = 0
	}
	for n := cl.n - 1; uint32(len(cl.runs))*perRun(c) >= n+(1+spare)*perRun(c); {
		k := len(cl.runs) - 1
		s.arena.give(cl.runs[k])
		cl.runs = cl.runs[:k]
	}
	cl.setCount(c, cl.n-1)
}

// copyBlock copies the header and the events, not what is behind them.
func copyBlock(to, from unsafe.Pointer, columns int) {
	n := headerBytes + countOf(from)*(16+8*columns)
	copy(unsafe.Slice((*byte)(to), n), unsafe.Slice((*byte)(from), n))
}

// slotOf is the slot of the block at a line; there is one.
func (sh *shard) slotOf(place uint64, line uint32) uint32 {
	i := home(tagOf(place), sh.size)
	for uint32(sh.slot(i)&slotLine) != line {
		if i++; i == sh.size {
			i = 0
		}
	}
	return i
}

// create makes an empty entity of a class.
func (s *Store) create(e *entry, c int) error {
	sh := e.sh
	if sh.rest == nil {
		sh.rest = &rest{}
	}
	if err := s.room(sh); err != nil {
		return err
	}
	line, p, err := s.alloc(sh, c)
	if err != nil {
		return err
	}
	setWord(p, 0, e.key.Hash)
	setWord(p, 8, s.knownFrom(sh, e.place)<<fromShift|uint64(e.key.Dim)<<dimShift|uint64(c)<<classShift)
	i := sh.insert(tagOf(e.place)<<tagShift | uint64(c)<<slotClass | uint64(line))
	sh.count++
	sh.ver++
	e.block, e.pos, e.ver = p, i, sh.ver
	return nil
}

// insert puts a slot in the first empty place from its home on.
func (sh *shard) insert(s uint64) uint32 {
	i := home(s>>tagShift, sh.size)
	for sh.slot(i) != 0 {
		if i++; i == sh.size {
			i = 0
		}
	}
	sh.setSlot(i, s)
	return i
}

// room lets the index grow by a quarter when seven slots of ten are taken.
func (s *Store) room(sh *shard) error {
	if uint64(sh.count+1)*10 <= uint64(sh.size)*7 {
		return nil
	}
	old, size := sh.rest.index, sh.size
	r, table, err := s.arena.take(max(int(old.pages)+1, int(old.pages)*5/4))
	if err != nil {
		return err
	}
	was := sh.slots
	sh.table, sh.rest.index = unsafe.Pointer(&table[0]), r
	sh.slots, sh.size = sh.addr(r.line), r.pages*pageBytes/8
	clear(unsafe.Slice((*uint64)(sh.slots), sh.size))
	for i := range int(size) {
		if v := word(was, i*8); v != 0 {
			sh.insert(v)
		}
	}
	sh.ver++
	s.publish(sh)
	s.arena.give(old)
	return nil
}

// remove takes an entity out of the index and gives its block back.
func (s *Store) remove(sh *shard, pos uint32) {
	v := sh.slot(pos)
	line := uint32(v & slotLine)
	p := sh.addr(line)
	if isHot(p) {
		s.cool(sh, keyOf(p))
	}
	sh.events -= int64(countOf(p))
	c := classOf(p)
	// Slots after the gap move up, unless they would come before their home.
	for i := pos; ; {
		if i++; i == sh.size {
			i = 0
		}
		w := sh.slot(i)
		if w == 0 {
			break
		}
		h := home(w>>tagShift, sh.size)
		if between(pos, h, i) {
			continue
		}
		sh.setSlot(pos, w)
		pos = i
	}
	sh.setSlot(pos, 0)
	sh.count--
	sh.ver++
	sh.release(c, line)
}

// between reports whether h lies in (gap, i], going round.
func between(gap, h, i uint32) bool {
	if gap < i {
		return gap < h && h <= i
	}
	return gap < h || h <= i
}

// resize moves an entity to a block of another class.
func (s *Store) resize(e *entry, c int) error {
	sh := e.sh
	old := e.block
	oldLine, oldClass := uint32(sh.slot(e.pos)&slotLine), classOf(old)
	line, p, err := s.alloc(sh, c)
	if err != nil {
		return err
	}
	copyBlock(p, old, int(s.columns[e.key.Dim]))
	setWord(p, 8, word(p, 8)&^(31<<classShift)|uint64(c)<<classShift)
	sh.setSlot(e.pos, tagOf(e.place)<<tagShift|uint64(c)<<slotClass|uint64(line))
	sh.ver++
	sh.release(oldClass, oldLine)
	e.block, e.ver = p, sh.ver
	return nil
}
