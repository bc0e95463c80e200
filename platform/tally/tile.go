package tally

import (
	"cmp"
	"math"
	"math/bits"
	"slices"
	"unsafe"
)

// Tiles have three widths. Those of an hour say what there is to say; those of a
// day are the same again in larger pieces, so that a long window adds up 30 tiles
// and not 720; those of a minute, only of the newest hour in tiles and the one
// before it, let a short window on a very hot entity end within a minute.
const (
	days = iota
	hours
	minutes
	levels

	minuteMicros = 60 * 1_000_000
	hourMicros   = 60 * minuteMicros
	registers    = 64 // of a tile's estimate of distinct values, a byte each
)

// widthOf is the width of the tiles of a level, in microseconds.
func widthOf(level int) int64 {
	return [levels]int64{24 * hourMicros, hourMicros, minuteMicros}[level]
}

// tile is the events of one hour (or day, or minute) that had the same flags, as
// sums.
type tile struct {
	start       int64 // of the hour, microseconds
	flags       uint16
	count       int64
	sum         int64
	min, max    int64
	first, last int64  // times of the oldest and newest event
	hi, lo      uint64 // sum of squares
}

const tileBytes = int64(unsafe.Sizeof(tile{}))

// series is tiles of one width, by (start, flags).
type series struct {
	tiles []tile
	seen  []uint8 // registers x columns for each tile
}

// hot is what an entity has that overflowed its Cap. There are few of them: each
// has had thousands of events. Its tiles lie in Go's heap, without pointers.
type hot struct {
	off   int   // events at the front of the block that are part of tiles or gone
	edge  int64 // the newest event in a tile; all that are not newer are in tiles
	tiles [levels]series
}

func (h *hot) empty() bool { return h.count() == 0 }

func (h *hot) count() (n int) {
	for level := range h.tiles {
		n += len(h.tiles[level].tiles)
	}
	return n
}

// minutesFrom is where the tiles of minutes begin.
func (h *hot) minutesFrom() int64 { return h.edge - h.edge%hourMicros - hourMicros }

// heat makes an entity a hot one.
func (sh *shard) heat(k Key, p unsafe.Pointer) *hot {
	h := &hot{}
	if sh.rest.hot == nil {
		sh.rest.hot = map[Key]*hot{}
	}
	sh.rest.hot[k] = h
	setWord(p, 8, word(p, 8)|hotBit)
	return h
}

// cool forgets all that made an entity hot.
func (s *Store) cool(sh *shard, k Key) {
	h := sh.rest.hot[k]
	s.tiles.Add(-h.bytes())
	delete(sh.rest.hot, k)
}

// bytes is the memory of the tiles.
func (h *hot) bytes() (n int64) {
	for level := range h.tiles {
		r := &h.tiles[level]
		n += int64(cap(r.seen)) + int64(cap(r.tiles))*tileBytes
	}
	return n
}

// roll puts an event into the tiles that begin after the cutoff: the others are
// never read, for they may lack some of their hour. It returns false if there is
// none.
func (s *Store) roll(b *block, ev *packed, cutoff int64) (kept bool) {
	h, at := b.hot, ev.at()
	was := h.bytes()
	if at > h.edge {
		h.edge = at
		h.tiles[minutes].cut(h.minutesFrom(), b.columns)
	}
	for level := range h.tiles {
		start := at - at%widthOf(level)
		if start > cutoff && (level != minutes || start >= h.minutesFrom()) {
			h.tiles[level].add(ev, start, b.columns)
			kept = true
		}
	}
	s.tiles.Add(h.bytes() - was)
	return kept
}

// cut drops the tiles that begin before a time.
func (r *series) cut(before int64, columns int) {
	n, _ := r.find(before, 0)
	if n > 0 {
		r.tiles = slices.Clone(r.tiles[n:])
		r.seen = slices.Clone(r.seen[n*registers*columns:])
	}
}

// find is the place of a tile, and whether it is there. The newest is tried first.
func (r *series) find(start int64, flags uint16) (int, bool) {
	if n := len(r.tiles); n > 0 && r.tiles[n-1].start == start && r.tiles[n-1].flags == flags {
		return n - 1, true
	}
	return slices.BinarySearchFunc(r.tiles, tile{start: start, flags: flags}, func(a, b tile) int {
		return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(a.flags, b.flags))
	})
}

func (r *series) add(ev *packed, start int64, columns int) {
	i, found := r.find(start, ev.flags())
	per := registers * columns
	at, amount := ev.at(), int64(ev.amount())
	if !found {
		r.tiles = slices.Insert(r.tiles, i, tile{start: start, flags: ev.flags(), min: amount, first: at})
		r.seen = slices.Insert(r.seen, i*per, make([]uint8, per)...)
	}
	t := &r.tiles[i]
	t.count++
	t.sum = addSum(t.sum, amount)
	t.min, t.max = min(t.min, amount), max(t.max, amount)
	t.first, t.last = min(t.first, at), max(t.last, at)
	hi, lo := bits.Mul64(uint64(amount), uint64(amount))
	t.hi, t.lo = addSquares(t.hi, t.lo, hi, lo)
	for j := range columns {
		if v := ev.col(j); v != 0 {
			note((*[registers]uint8)(r.seen[i*per+j*registers:]), v)
		}
	}
}

// expire drops the tiles that the cutoff has reached.
func (s *Store) expire(h *hot, columns int, cutoff int64) {
	was := h.bytes()
	for level := range h.tiles {
		h.tiles[level].cut(cutoff+1, columns)
	}
	s.tiles.Add(h.bytes() - was)
}

// addSum adds and stays at the largest number there is.
func addSum(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

// addSquares adds two numbers of 128 bits and stays at the largest there is.
func addSquares(ahi, alo, bhi, blo uint64) (hi, lo uint64) {
	lo, carry := bits.Add64(alo, blo, 0)
	hi, carry = bits.Add64(ahi, bhi, carry)
	if carry != 0 {
		return math.MaxUint64, math.MaxUint64
	}
	return hi, lo
}

// note puts a value into the registers of a HyperLogLog: the longest run of
// zeros in front, in the register that its low bits choose.
func note(regs *[registers]uint8, v uint64) {
	x := mix(v + 0x9e3779b97f4a7c15)
	rank := uint8(min(bits.LeadingZeros64(x|registers-1)+1, 50))
	if r := &regs[x%registers]; *r < rank {
		*r = rank
	}
}

// few is 64*ln(64/empty), rounded: the number of values that leave so many
// registers empty.
var few = [registers + 1]int64{0, 266, 222, 196, 177, 163, 151, 142, 133, 126, 119, 113, 107, 102, 97, 93, 89, 85, 81, 78, 74, 71, 68,
	65, 63, 60, 58, 55, 53, 51, 48, 46, 44, 42, 40, 39, 37, 35, 33, 32, 30, 28, 27, 25, 24, 23, 21, 20, 18, 17, 16, 15,
	13, 12, 11, 10, 9, 7, 6, 5, 4, 3, 2, 1, 0}

// estimate is about how many different values the registers have seen. It is
// the same on every machine: a sum of whole numbers and one division.
func estimate(regs *[registers]uint8) int64 {
	sum, empty := uint64(0), 0 // sum of 2^-r, in units of 2^-50
	for _, r := range regs {
		sum += 1 << 50 >> r
		if r == 0 {
			empty++
		}
	}
	const alpha = 0.709 * registers * registers * (1 << 50)
	n := int64(alpha/float64(sum) + 0.5)
	if n <= registers*5/2 && empty > 0 {
		return few[empty]
	}
	return n
}

// merge makes each register the larger of two: eight at once, for none is larger
// than 50 and the high bit of a byte is free to say which.
func merge(to, from *[registers]uint8) {
	const high = 0x8080808080808080
	for k := 0; k < registers; k += 8 {
		a, b := le.Uint64(to[k:]), le.Uint64(from[k:])
		mine := ((a | high) - b) & high >> 7 * 0xff
		le.PutUint64(to[k:], a&mine|b&^mine)
	}
}

// gather adds the tiles of a group's window to a cell. A tile is taken whole or
// not at all: it is taken if all its events lie in the window, and its hour
// began after the cutoff. Where a tile is not taken, the smaller ones that it is
// made of are looked at.
type gather struct {
	g          *group
	h          *hot
	columns    int
	start, end int64
	cutoff     int64
	cell       *Cell
	regs       *[MaxColumns][registers]uint8
	squares    bool
	any        bool
}

// walk goes through the tiles of a level that begin in [from, to).
func (a *gather) walk(level int, from, to int64) {
	r := &a.h.tiles[level]
	i, _ := r.find(from, 0)
	if level < minutes {
		// Small tiles whose large one began before the cutoff have no large one.
		first := to
		if i < len(r.tiles) {
			first = min(first, r.tiles[i].start)
		}
		if from < first {
			a.walk(level+1, from, first)
		}
	}
	for i < len(r.tiles) && r.tiles[i].start < to {
		start, whole, n := r.tiles[i].start, true, i
		for ; n < len(r.tiles) && r.tiles[n].start == start; n++ {
			whole = whole && a.inside(&r.tiles[n])
		}
		if !whole && (level == days || level == hours && start >= a.h.minutesFrom()) {
			a.walk(level+1, start, min(to, start+widthOf(level)))
			i = n
		}
		for ; i < n; i++ {
			a.take(r, i)
		}
	}
}

func (a *gather) inside(t *tile) bool {
	return t.start > a.cutoff && t.first > a.start && t.last <= a.end
}

func (a *gather) take(r *series, i int) {
	t := &r.tiles[i]
	if uint64(t.flags)<<flagShift&a.g.mask != a.g.want || !a.inside(t) {
		return
	}
	c := a.cell
	if c.Count == 0 {
		c.Min, c.First = t.min, t.first
	}
	c.Count += t.count
	c.Sum = addSum(c.Sum, t.sum)
	c.Min, c.Max = min(c.Min, t.min), max(c.Max, t.max)
	c.First, c.Last = min(c.First, t.first), max(c.Last, t.last)
	if a.squares {
		c.Hi, c.Lo = addSquares(c.Hi, c.Lo, t.hi, t.lo)
	}
	a.any = true
	for j := range a.columns {
		if a.g.distinct>>j&1 != 0 {
			merge(&a.regs[j], (*[registers]uint8)(r.seen[(i*a.columns+j)*registers:]))
		}
	}
}
