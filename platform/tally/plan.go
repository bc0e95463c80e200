package tally

import (
	"math"
	"math/bits"
	"slices"
	"time"

	"surety/kernel/ident"
)

// Window says what is read: the events in (t-Delay-Span, t-Delay] whose flags
// are as wanted, t being the time of the Query.
type Window struct {
	Span, Delay time.Duration // Span at least a microsecond, Delay not negative
	Mask, Want  uint16        // an event counts if Flags&Mask == Want
	Before      bool          // leaves Query.This out, even if it is stored
	Distinct    uint8         // bit j: count the different values of column j
	Squares     bool          // fill Hi and Lo
	Latest      bool          // fill Col
}

// Plan is the windows of one dimension, prepared once for many reads. It does
// not change and is safe for many goroutines.
type Plan struct {
	dim    Dim
	n      int
	groups []group
}

// group is windows that differ in their span alone: one pass over the events,
// newest first, serves all.
type group struct {
	mask, want uint64 // as in word 1 of an event
	delay      int64
	before     bool
	distinct   uint8
	squares    bool // of any
	latest     bool // of any
	plainly    bool // none of these three
	spans      []span
}

type span struct {
	length          int64
	to              int // place in the plan
	squares, latest bool
}

// NewPlan prepares windows of any length, in any order; Read fills cells in the
// same order. Errors are KindInvalid and name the window by its place, from 0.
func NewPlan(dim Dim, ws []Window) (*Plan, error) {
	p := &Plan{dim: dim, n: len(ws)}
	for i, w := range ws {
		if err := w.check(i); err != nil {
			return nil, err
		}
		g := group{mask: uint64(w.Mask) << flagShift, want: uint64(w.Want) << flagShift, delay: w.Delay.Microseconds(),
			before: w.Before, distinct: w.Distinct}
		k := slices.IndexFunc(p.groups, func(h group) bool {
			return g.mask == h.mask && g.want == h.want && g.delay == h.delay && g.before == h.before && g.distinct == h.distinct
		})
		if k < 0 {
			k = len(p.groups)
			p.groups = append(p.groups, g)
		}
		h := &p.groups[k]
		h.squares, h.latest = h.squares || w.Squares, h.latest || w.Latest
		h.spans = append(h.spans, span{w.Span.Microseconds(), i, w.Squares, w.Latest})
	}
	for k := range p.groups {
		g := &p.groups[k]
		g.plainly = g.distinct == 0 && !g.squares && !g.latest
		slices.SortStableFunc(g.spans, func(a, b span) int { return less(uint64(a.length), uint64(b.length)+1) })
	}
	return p, nil
}

func (w *Window) check(i int) error {
	switch {
	case w.Span < time.Microsecond:
		return ident.Invalid("windows", "span_invalid", "window %d: the span must be a microsecond or more, it is %s", i, w.Span)
	case w.Delay < 0:
		return ident.Invalid("windows", "delay_invalid", "window %d: the delay is negative: %s", i, w.Delay)
	case w.Mask >= MaxFlags || w.Want&^w.Mask != 0:
		return ident.Invalid("windows", "filter_invalid", "window %d: nothing can match mask %#x, want %#x", i, w.Mask, w.Want)
	case bits.Len8(w.Distinct) > MaxColumns:
		return ident.Invalid("windows", "column_unknown", "window %d: an event has %d columns, bit %d is no column",
			i, MaxColumns, bits.Len8(w.Distinct)-1)
	}
	return nil
}

// Len is how many cells Read fills.
func (p *Plan) Len() int { return p.n }

// Check refuses a plan that counts a column which the store does not keep for
// its dimension: KindInvalid. Read would answer 0.
func (s *Store) Check(p *Plan) error {
	for _, g := range p.groups {
		if have := int(s.columns[p.dim]); bits.Len8(g.distinct) > have {
			return ident.Invalid("windows", "column_unknown", "window %d: dimension %d keeps %d columns, bit %d of Distinct is none of them",
				g.spans[0].to, p.dim, have, bits.Len8(g.distinct)-1)
		}
	}
	return nil
}

// Cell is what happened in one window.
type Cell struct {
	Count       int64
	Sum         int64              // minor units; stays at 2^63-1 if the tiles of a hot entity come to more
	Min, Max    int64              // minor units; 0 if there is nothing
	First, Last int64              // microseconds; 0 if there is nothing
	Hi, Lo      uint64             // sum of squares, 128 bits, if Squares
	Distinct    [MaxColumns]int64  // different values, 0 left out, of the columns asked for
	Col         [MaxColumns]uint64 // columns of the newest event in the window but This, if Latest
	Complete    bool               // false: the window reaches back past what is kept; Count and Sum are lower bounds
}

// Mean is the mean amount in minor units; 0 if there is nothing. The whole part
// is exact, and the same on every machine.
func (c Cell) Mean() float64 {
	if c.Count == 0 {
		return 0
	}
	return float64(c.Sum/c.Count) + float64(c.Sum%c.Count)/float64(c.Count)
}

// Std is the standard deviation of the amounts (of the whole, not of a sample)
// in minor units; 0 if there is nothing, Squares was not asked for or the sums
// have stopped at their largest number. What is
// under the root, n*sum(x^2) - sum(x)^2, is a whole number of up to 192 bits; it
// becomes a float once, so that every machine gets the same answer.
func (c Cell) Std() float64 {
	if c.Count == 0 || c.Sum == math.MaxInt64 {
		return 0
	}
	n := uint64(c.Count)
	h1, w0 := bits.Mul64(c.Lo, n)
	w2, l1 := bits.Mul64(c.Hi, n)
	w1, carry := bits.Add64(h1, l1, 0)
	w2 += carry
	shi, slo := bits.Mul64(uint64(c.Sum), uint64(c.Sum))
	w0, borrow := bits.Sub64(w0, slo, 0)
	w1, borrow = bits.Sub64(w1, shi, borrow)
	w2, borrow = bits.Sub64(w2, 0, borrow)
	if borrow != 0 { // no squares
		return 0
	}
	return math.Sqrt(toFloat(w2, w1, w0)) / float64(n)
}

// toFloat rounds a number of 192 bits: its 64 leading bits become a float; what
// is behind them only says whether it was zero.
func toFloat(w2, w1, w0 uint64) float64 {
	shift := 128
	if w2 == 0 {
		w2, w1, w0, shift = w1, w0, 0, 64
	}
	if w2 == 0 {
		return float64(w1)
	}
	z := bits.LeadingZeros64(w2)
	top := w2<<z | w1>>(64-z)
	if w1<<z != 0 || w0 != 0 {
		top |= 1
	}
	return math.Ldexp(float64(top), shift-z)
}
