package tally

import (
	"math"
	"math/bits"
	"unsafe"
)

// Query says at what time, and for which payment, windows are read.
type Query struct {
	At int64 // microseconds; events later than it are not seen
	// This is the payment being judged. It is in every window that its time and
	// flags put it in, once, whether it is stored or not; if it is stored, with
	// the flags that are stored. Nil if there is none.
	This *Event
}

// reading is one entity's events as a read sees them; places are offsets in
// bytes from the first event of the block. Every Read sets all but this anew.
type reading struct {
	base    unsafe.Pointer
	columns int
	stride  int
	lo, hi  int // the oldest event, and the place after the newest
	cutoff  int64
	floor   int64 // a window that begins before it is not complete
	at      int64
	hot     *hot

	this   packed // only if given
	thisAt int64
	given  bool // This is given and can be seen
	stored int  // where This is stored, -1 if it is not
	tiled  bool // This, not stored, is so old that it must be part of a tile
}

// Read fills out with one cell for each window of the plan, in its order, for
// key i; len(out) must be at least p.Len().
func (tx *Tx) Read(i int, q Query, p *Plan, out []Cell) {
	e := tx.at(i)
	s, r := tx.store, &tx.reading
	r.columns, r.cutoff, r.floor, r.at = int(s.columns[e.key.Dim]), tx.cutoff, tx.cutoff, min(q.At, maxAt)
	r.stride = 16 + 8*r.columns
	r.base, r.lo, r.hi, r.hot, r.given, r.tiled, r.stored = nil, 0, 0, nil, false, false, -1
	if e.block == nil {
		r.floor = max(r.floor, int64(s.knownFrom(e.sh, e.place))*1e6)
	} else {
		r.open(s, e)
	}
	if q.This != nil && q.This.At > tx.cutoff && q.This.ok() {
		r.seek(s, e, q.This)
	}
	for g := range p.groups {
		g := &p.groups[g]
		if g.plainly {
			g.plain(r, out)
		} else {
			g.full(r, out, &tx.sets)
		}
		if r.hot != nil {
			g.tiles(r, out)
		}
	}
}

// open looks at the entity's block.
func (r *reading) open(s *Store, e *entry) {
	w := word(e.block, 8)
	r.base = unsafe.Add(e.block, headerBytes)
	r.hi = int(w&countMask) * r.stride
	if from := int64(w >> fromShift); from > 0 {
		r.floor = max(r.floor, from*1e6)
		if from == math.MaxUint32 {
			r.floor = math.MaxInt64
		}
	}
	if w&hotBit != 0 {
		r.hot = e.sh.rest.hot[e.key]
		r.lo = r.hot.off * r.stride
		r.floor = max(r.floor, r.hot.edge)
	}
}

// seek finds out whether This is stored.
func (r *reading) seek(s *Store, e *entry, this *Event) {
	r.this.set(this, r.columns)
	r.thisAt, r.given = this.At, true
	if r.hi <= r.lo {
		r.tiled = r.hot != nil && this.At <= r.hot.edge
		return
	}
	if word(r.base, r.hi-r.stride) < r.this[0] {
		return
	}
	b := s.block(e)
	k, found := b.lookup(&r.this)
	if found {
		r.stored = k * r.stride
		r.this = load(b.event(k), r.columns)
		return
	}
	r.tiled = k == b.off && r.hot != nil && this.At <= r.hot.edge
}

// newest is the place of the newest event not later than end, less than lo if
// there is none.
func (r *reading) newest(end int64) int {
	limit := uint64(max(end, 0))<<idShift | idMask
	off := r.hi - r.stride
	if r.hi-r.lo > 32*r.stride {
		lo, hi := r.lo/r.stride, r.hi/r.stride // the first later than end lies in [lo, hi]
		if word(r.base, off) <= limit {
			return off
		}
		for lo < hi {
			if mid := (lo + hi) / 2; word(r.base, mid*r.stride) > limit {
				hi = mid
			} else {
				lo = mid + 1
			}
		}
		return (lo - 1) * r.stride
	}
	for off >= r.lo && word(r.base, off) > limit {
		off -= r.stride
	}
	return off
}

// pending reports whether This is to be counted though the pass does not meet it.
func (r *reading) pending(g *group, end int64) bool {
	return r.given && !g.before && r.stored < 0 && !r.tiled && r.this[1]&g.mask == g.want && r.thisAt <= end
}

// bound is the word that is not passed in a window that begins after start.
func (r *reading) bound(start int64) uint64 { return uint64(max(start, r.cutoff))<<idShift | idMask }

// plain is the pass for windows of count, sum, min, max, first and last.
func (g *group) plain(r *reading, out []Cell) {
	end := r.at - g.delay
	base, stride, lo := r.base, r.stride, r.lo
	off := r.newest(end)
	skip := math.MinInt
	if g.before && r.stored >= 0 {
		skip = r.stored
	}
	pending := r.pending(g, end)
	mask, want := g.mask, g.want
	var count int64
	var sum, top, newest uint64
	low, oldest := uint64(math.MaxUint64), uint64(math.MaxUint64)
	for w := range g.spans {
		sp := &g.spans[w]
		bound := r.bound(end - sp.length)
		for ; off >= lo; off -= stride {
			w0 := word(base, off)
			if w0 <= bound {
				break
			}
			w1 := word(base, off+8)
			if w1&mask != want || off == skip {
				continue
			}
			count++
			amount := w1 >> amtShift
			sum += amount
			low, top = min(low, amount), max(top, amount)
			oldest, newest = w0, max(newest, w0)
		}
		if pending && r.this[0] > bound {
			pending = false
			count++
			amount := r.this[1] >> amtShift
			sum += amount
			low, top = min(low, amount), max(top, amount)
			oldest, newest = min(oldest, r.this[0]), max(newest, r.this[0])
		}
		c := &out[sp.to]
		*c = Cell{Count: count, Complete: end-sp.length >= r.floor}
		if count > 0 {
			c.Sum, c.Min, c.Max = int64(sum), int64(low), int64(top)
			c.First, c.Last = int64(oldest>>idShift), int64(newest>>idShift)
		}
	}
}

// tally is what full keeps on its way.
type tally struct {
	count          int64
	sum, low, top  uint64
	oldest, newest uint64
	hi, lo         uint64
	distinct       [MaxColumns]int64
	latest         int // the place of the newest event but This, -1 if none yet
}

// full is the pass for windows that want more.
func (g *group) full(r *reading, out []Cell, sets *[MaxColumns]set) {
	end := r.at - g.delay
	off := r.newest(end)
	pending := r.pending(g, end)
	distinct := int(g.distinct) & (1<<r.columns - 1)
	for j := range r.columns {
		if distinct>>j&1 != 0 {
			sets[j].reset((off+r.stride-r.lo)/r.stride + 1)
		}
	}
	t := tally{low: math.MaxUint64, oldest: math.MaxUint64, latest: -1}
	for w := range g.spans {
		sp := &g.spans[w]
		bound := r.bound(end - sp.length)
		for ; off >= r.lo; off -= r.stride {
			p := unsafe.Add(r.base, off)
			w0, w1 := word(p, 0), word(p, 8)
			if w0 <= bound {
				break
			}
			if w1&g.mask != g.want || off == r.stored && g.before {
				continue
			}
			t.add(w0, w1)
			if t.latest < 0 && off != r.stored {
				t.latest = off
			}
			for d := distinct; d != 0; d &= d - 1 {
				j := bits.TrailingZeros(uint(d))
				t.distinct[j] += sets[j].add(word(p, 16+8*j) >> colShift)
			}
		}
		if pending && r.this[0] > bound {
			pending = false
			t.add(r.this[0], r.this[1])
			t.oldest, t.newest = min(t.oldest, r.this[0]), max(t.newest, r.this[0])
			for d := distinct; d != 0; d &= d - 1 {
				j := bits.TrailingZeros(uint(d))
				t.distinct[j] += sets[j].add(r.this.col(j))
			}
		}
		t.emit(&out[sp.to], sp, r)
		out[sp.to].Complete = end-sp.length >= r.floor
	}
}

// add counts one event; they come newest first.
func (t *tally) add(w0, w1 uint64) {
	amount := w1 >> amtShift
	t.count++
	t.sum += amount
	t.low, t.top = min(t.low, amount), max(t.top, amount)
	t.oldest, t.newest = min(t.oldest, w0), max(t.newest, w0)
	hi, lo := bits.Mul64(amount, amount)
	var carry uint64
	t.lo, carry = bits.Add64(t.lo, lo, 0)
	t.hi += hi + carry
}

func (t *tally) emit(c *Cell, sp *span, r *reading) {
	*c = Cell{Count: t.count, Distinct: t.distinct}
	if t.count > 0 {
		c.Sum, c.Min, c.Max = int64(t.sum), int64(t.low), int64(t.top)
		c.First, c.Last = int64(t.oldest>>idShift), int64(t.newest>>idShift)
	}
	if sp.squares {
		c.Hi, c.Lo = t.hi, t.lo
	}
	if sp.latest && t.latest >= 0 {
		for j := range r.columns {
			c.Col[j] = word(r.base, t.latest+16+8*j) >> colShift
		}
	}
}

// tiles adds the tiles of a hot entity to the windows that reach into them.
func (g *group) tiles(r *reading, out []Cell) {
	end := r.at - g.delay
	var exact [MaxColumns][registers]uint8
	noted := g.distinct == 0
	for _, sp := range g.spans {
		start := max(end-sp.length, 0)
		if start >= r.hot.edge {
			continue
		}
		if !noted {
			noted = true
			g.noteExact(r, end, &exact)
		}
		regs := exact
		a := gather{g: g, h: r.hot, columns: r.columns, start: start, end: end, cutoff: r.cutoff,
			cell: &out[sp.to], regs: &regs, squares: sp.squares}
		a.walk(days, start-start%widthOf(days), end+1)
		if !a.any {
			continue
		}
		for j := range r.columns {
			if g.distinct>>j&1 != 0 {
				a.cell.Distinct[j] = max(a.cell.Distinct[j], estimate(&regs[j]))
			}
		}
	}
}

// noteExact puts the values of all exact events up to end into registers: a
// window that reaches into the tiles has them all.
func (g *group) noteExact(r *reading, end int64, regs *[MaxColumns][registers]uint8) {
	each := func(p *packed) {
		for j := range r.columns {
			if v := p.col(j); g.distinct>>j&1 != 0 && v != 0 {
				note(&regs[j], v)
			}
		}
	}
	for off := r.newest(end); off >= r.lo; off -= r.stride {
		p := load(unsafe.Add(r.base, off), r.columns)
		if p.at() <= r.cutoff || p[1]&g.mask != g.want || off == r.stored && g.before {
			continue
		}
		each(&p)
	}
	if r.pending(g, end) {
		each(&r.this)
	}
}

// set is a scratch set of columns that is emptied by raising a number: a word is
// a column and the number of the round that put it there.
type set struct {
	words []uint64
	shift int
	round uint64 // 1 to 65,535
}

// reset empties the set and makes room for n values.
func (s *set) reset(n int) {
	if s.round++; s.round > 0xffff || 2*n > len(s.words) {
		size := max(64, len(s.words))
		for size < 2*n {
			size *= 2
		}
		if size > len(s.words) {
			s.words = make([]uint64, size)
		} else {
			clear(s.words)
		}
		s.shift, s.round = bits.LeadingZeros64(uint64(size))+1, 1
	}
}

// add returns 1 if the value is new; 0 is no value.
func (s *set) add(v uint64) int64 {
	if v == 0 {
		return 0
	}
	want := v<<16 | s.round
	mask := len(s.words) - 1
	for i := int(v * 0x9e3779b97f4a7c15 >> s.shift); ; i = i + 1 {
		switch w := s.words[i&mask]; {
		case w == want:
			return 0
		case w&0xffff != s.round:
			s.words[i&mask] = want
			return 1
		}
	}
}
