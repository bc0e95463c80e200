package watch

import "math/bits"

// ways is how many keys share a place among those seen; the one that has been
// quiet longest leaves it.
const ways = 4

// follows is how many payments within an hour begin a track: seen keeps one less.
const follows = 5

// seen remembers the last four payments of keys that are not followed.
type seen struct {
	tags []uint64 // by place and way: 48 bits of the hash, 16 of the newest minute; 0 is free
	keys []glimpse
}

// glimpse is a key's last payments, in no order. It fills a cache line.
type glimpse struct {
	amount [follows - 1]int64
	minute [follows - 1]uint32
	flags  [follows - 1]uint8
	n      uint8
	_      [11]byte
}

const tagMinute = 1<<16 - 1

func (s *seen) init(most int) {
	if most == 0 {
		return
	}
	size := ways
	for size < most {
		size *= 2
	}
	s.tags, s.keys = make([]uint64, size), make([]glimpse, size)
}

// way is where a key is, or where it would go: the place of whoever has been quiet
// longest. Minutes are told apart within 45 days.
func (s *seen) way(h uint64, now int64) (at int, known bool) {
	base := int(h>>20) & (len(s.tags) - 1) &^ (ways - 1)
	at = base
	quiet := uint16(0)
	for i := base; i < base+ways; i++ {
		switch tag := s.tags[i]; {
		case tag&^tagMinute == h&^tagMinute:
			return i, true
		case s.tags[at] == 0: // a free one is the best to take
		case tag == 0:
			at = i
		default:
			if q := uint16(now+ahead) - uint16(tag); q >= quiet {
				at, quiet = i, q
			}
		}
	}
	return at, false
}

// add counts a payment of a key at its way. ready says that it is the fifth within
// the hour: the caller takes the others or pushes it.
func (s *seen) add(at int, known bool, h uint64, p *entry) (ready bool) {
	g := &s.keys[at]
	if !known {
		s.tags[at], *g = h&^tagMinute, glimpse{}
	} else if int(g.n) == len(g.minute) && int64(g.minute[g.oldest()]) > p.now-window60 {
		return true
	}
	s.push(at, p)
	return false
}

func (g *glimpse) oldest() (at int) {
	for i, v := range g.minute {
		if v < g.minute[at] {
			at = i
		}
	}
	return at
}

// push keeps a payment, in the place of the oldest if all are taken and it is not
// older itself.
func (s *seen) push(i int, p *entry) {
	g := &s.keys[i]
	if uint16(p.minute)-uint16(s.tags[i]) < 1<<15 || s.tags[i]&tagMinute == 0 {
		s.tags[i] = s.tags[i]&^tagMinute | uint64(uint16(p.minute))
	}
	at := int(g.n)
	if at == len(g.minute) {
		if at = g.oldest(); int64(g.minute[at]) > p.minute {
			return
		}
	} else {
		g.n++
	}
	g.minute[at], g.amount[at], g.flags[at] = uint32(p.minute), p.amount, p.flags
}

// once is one payment of a key that was seen.
type once struct {
	cell
	minute int64
}

// take gives out what is remembered of a key and forgets it.
func (s *seen) take(i int) (out [follows - 1]once) {
	g := &s.keys[i]
	for j := range out {
		p := entry{amount: g.amount[j], square: float32(g.amount[j]) * float32(g.amount[j]), flags: g.flags[j]}
		out[j].add(&p)
		out[j].minute = int64(g.minute[j])
	}
	s.tags[i], s.keys[i] = 0, glimpse{}
	return out
}

const (
	mix0 = 0xa0761d6478bd642f
	mix1 = 0xe7037ed1a0b428db
	mix2 = 0x8ebc6af09c88c6e3
)

func fold(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}

// hash is a keyed hash of a text, the same in every process with the seed. It is
// no proof against a person who knows the seed; nobody outside does.
func hash(seed uint64, s string) uint64 {
	a, n := seed^mix0, len(s)
	switch {
	case n >= 8:
		for i := 0; i+8 < n; i += 8 {
			a = fold(a^load8(s[i:i+8]), mix1)
		}
		a ^= load8(s[n-8:])
	case n >= 4:
		a ^= load4(s[:4]) | load4(s[n-4:])<<32
	case n > 0:
		a ^= uint64(s[0]) | uint64(s[n/2])<<8 | uint64(s[n-1])<<16
	}
	return fold(a^mix2, uint64(n)^mix1^fold(a, mix0))
}

func load8(s string) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

func load4(s string) uint64 {
	_ = s[3]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24
}
