package tally

import (
	"math/bits"
	"time"

	"surety/kernel/ident"
)

// Spans are window lengths, prepared once and used for many reads.
type Spans struct{ us []int64 }

// NewSpans takes window lengths, shortest first.
func NewSpans(lengths ...time.Duration) (Spans, error) {
	var s Spans
	last := int64(0)
	for _, d := range lengths {
		us := d.Microseconds()
		if us <= last || us > maxAt {
			return Spans{}, ident.Invalid("spans", "spans_invalid", "windows must be positive and the shortest first; %s is not", d)
		}
		s.us = append(s.us, us)
		last = us
	}
	return s, nil
}

// Len is how many windows there are.
func (s Spans) Len() int { return len(s.us) }

// Query says what is read.
type Query struct {
	Key    Key
	At     int64  // the moment: events later than it are not seen
	Except uint64 // an event id that is not counted; 0 for none
	With   uint64 // a party that Distinct counts whether it is there or not; 0 for none
}

// Window is what happened in (At-span, At].
type Window struct {
	Count    int64
	Sum      int64
	Max      int64
	Distinct int64 // different parties
	Complete bool  // false: the window reaches back past what is kept
}

// History is all that is kept of an entity up to the moment of the query.
type History struct {
	Count int64
	Sum   int64
	Max   int64
	First int64 // microseconds; 0 if there is nothing
	Last  int64

	hi, lo uint64 // sum of squares, 128 bits
}

// Read fills out, one Window for each span, and returns the history. It makes
// one pass over the events, newest first. len(out) must be spans.Len().
func (s *Store) Read(q Query, spans Spans, out []Window) History {
	var h History
	var run Window
	w, floor := 0, s.cutoff
	n := s.entities[q.Key]
	if q.With != 0 {
		run.Distinct = 1
	}
	if n != nil {
		floor = max(floor, n.dropped)
		s.seen.reset()
		if q.With != 0 {
			s.seen.add(q.With)
		}
		for i := n.firstAfter(q.At) - 1; i >= 0; i-- {
			e := &n.events[i]
			if e.At <= s.cutoff {
				break
			}
			if e.ID == q.Except && q.Except != 0 {
				continue
			}
			for w < len(spans.us) && e.At <= q.At-spans.us[w] {
				out[w] = run
				w++
			}
			h.add(e)
			if w < len(spans.us) {
				run.Count, run.Sum, run.Max = h.Count, h.Sum, h.Max
				if s.seen.add(e.Party) {
					run.Distinct++
				}
			}
		}
	}
	for ; w < len(spans.us); w++ {
		out[w] = run
	}
	for i, us := range spans.us {
		out[i].Complete = q.At-us >= floor
	}
	return h
}

func (h *History) add(e *Event) {
	h.Count++
	h.Sum += e.Amount
	h.Max = max(h.Max, e.Amount)
	if h.Last == 0 {
		h.Last = e.At
	}
	h.First = e.At
	hi, lo := bits.Mul64(uint64(e.Amount), uint64(e.Amount))
	var carry uint64
	h.lo, carry = bits.Add64(h.lo, lo, 0)
	h.hi, _ = bits.Add64(h.hi, hi, carry)
}

// Mean is the mean amount, rounded down; 0 if there is nothing.
func (h History) Mean() int64 {
	if h.Count == 0 {
		return 0
	}
	return h.Sum / h.Count
}

// Std is the standard deviation of the amounts (of the whole, not of a sample),
// rounded down. It is computed in 128-bit integers, so that every machine gets
// the same answer: sqrt(n*sum(x^2) - sum(x)^2) / n.
func (h History) Std() int64 {
	if h.Count == 0 {
		return 0
	}
	n := uint64(h.Count)
	hi, lo := bits.Mul64(h.lo, n)
	hi += h.hi * n // MaxAmount and MaxCap keep this below 2^124
	shi, slo := bits.Mul64(uint64(h.Sum), uint64(h.Sum))
	lo, borrow := bits.Sub64(lo, slo, 0)
	hi, _ = bits.Sub64(hi, shi, borrow)
	return int64(sqrt128(hi, lo) / n)
}

// sqrt128 is the whole part of the square root, found bit by bit.
func sqrt128(hi, lo uint64) uint64 {
	var root uint64
	for bit := uint64(1) << 63; bit > 0; bit >>= 1 {
		try := root | bit
		thi, tlo := bits.Mul64(try, try)
		if thi < hi || thi == hi && tlo <= lo {
			root = try
		}
	}
	return root
}

// set is a scratch hash set that is emptied by raising a number.
type set struct {
	keys  []uint64
	marks []uint32 // keys[i] is in the set if marks[i] == mark
	mark  uint32
	n     int
}

func (s *set) reset() {
	s.n = 0
	s.mark++
	if s.mark == 0 || s.keys == nil { // the number came round: empty it for real
		s.keys = make([]uint64, max(64, len(s.keys)))
		s.marks = make([]uint32, len(s.keys))
		s.mark = 1
	}
}

// add reports whether the key is new. Keys are hashes already.
func (s *set) add(key uint64) bool {
	mask := uint64(len(s.keys) - 1)
	i := key & mask
	for ; s.marks[i] == s.mark; i = (i + 1) & mask {
		if s.keys[i] == key {
			return false
		}
	}
	s.keys[i], s.marks[i] = key, s.mark
	s.n++
	if s.n*2 > len(s.keys) {
		s.grow()
	}
	return true
}

func (s *set) grow() {
	old := *s
	s.keys = make([]uint64, 2*len(old.keys))
	s.marks = make([]uint32, len(s.keys))
	s.mark, s.n = 1, 0
	for i, key := range old.keys {
		if old.marks[i] == old.mark {
			s.add(key)
		}
	}
}
