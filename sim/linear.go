package sim

import (
	"fmt"
	"math"
	"slices"
)

// operation is one call on one account as a client saw it: put n, take n (which
// may be refused for want of money), or look (which saw n).
type operation struct {
	what  string // put, take, refused, look
	n     int64
	from  int64 // when it was called
	until int64 // when it was answered; math.MaxInt64 if it never was
}

// open is the end of a call whose answer was lost: it may take effect at any
// time after it was made, or never.
const open = int64(math.MaxInt64)

// linearizable reports whether the calls could have happened one after the
// other, each at one moment between call and answer, on an account that begins
// with balance (R10). The search is that of Wing and Gong, with the states that
// were seen remembered.
func linearizable(balance int64, ops []operation) bool {
	slices.SortFunc(ops, func(a, b operation) int { return int(a.from - b.from) })
	s := &search{ops: ops, done: make([]bool, len(ops)), seen: map[string]bool{}}
	for _, o := range ops {
		if o.until != open {
			s.left++
		}
	}
	return s.from(balance)
}

type search struct {
	ops  []operation
	done []bool
	left int // answered calls that have no place yet
	seen map[string]bool
}

func (s *search) from(balance int64) bool {
	if s.left == 0 {
		return true
	}
	key := s.key(balance)
	if s.seen[key] {
		return false
	}
	s.seen[key] = true
	first := open // the next to happen was called before any that waits was answered
	for i, o := range s.ops {
		if !s.done[i] {
			first = min(first, o.until)
		}
	}
	for i, o := range s.ops {
		if s.done[i] || o.from > first {
			continue
		}
		to, possible := o.apply(balance)
		if !possible {
			continue
		}
		s.done[i] = true
		if o.until != open {
			s.left--
		}
		if s.from(to) {
			return true
		}
		s.done[i] = false
		if o.until != open {
			s.left++
		}
	}
	return false
}

func (s *search) key(balance int64) string {
	b := make([]byte, len(s.done)/8+1)
	for i, d := range s.done {
		if d {
			b[i/8] |= 1 << (i % 8)
		}
	}
	return fmt.Sprintf("%d %x", balance, b)
}

// apply is what a call does to a balance, and whether it can have been answered so.
func (o operation) apply(balance int64) (int64, bool) {
	switch o.what {
	case "put":
		return balance + o.n, true
	case "take":
		return balance - o.n, balance >= o.n
	case "refused":
		return balance, balance < o.n
	}
	return balance, balance == o.n
}
