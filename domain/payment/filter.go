package payment

import (
	"encoding/binary"
	"math/bits"
)

// filter is a Bloom filter that grows: it says for sure that an id was never
// posted, or that it may have been. Each generation is twice as large as the one
// before, and its blocks fill one line of the cache. It takes two bytes an id and
// is wrong for about one new id in a thousand, which then costs a look at the
// database. Past maxGeneration it grows no more in steps but in generations of
// that size.
//
// It is guarded by the lock of its owner.
type filter struct {
	gens []*generation
}

const (
	blockWords     = 8
	idsPerBlock    = 32
	firstBlocks    = 1 << 11 // 65,536 ids, 128 KiB
	maxGeneration  = 1 << 21 // blocks: 67 million ids, 128 MiB
	maxGenerations = 16      // then the last one takes them all, and is wrong more often
)

type generation struct {
	words []uint64
	left  int // how many ids it is still meant for
}

// place is the block of an id and its bits: one in each word.
func (g *generation) place(k key) (block []uint64, pattern uint64) {
	n := uint64(len(g.words) / blockWords)
	at, _ := bits.Mul64(binary.LittleEndian.Uint64(k[:8]), n)
	return g.words[at*blockWords : (at+1)*blockWords], binary.LittleEndian.Uint64(k[8:])
}

func (g *generation) has(k key) bool {
	block, pattern := g.place(k)
	for i := range blockWords {
		if block[i]>>(pattern>>(6*i)&63)&1 == 0 {
			return false
		}
	}
	return true
}

// may says that an id may have been added; false is certain.
func (f *filter) may(k key) bool {
	for i := len(f.gens) - 1; i >= 0; i-- { // the newest is the largest
		if f.gens[i].has(k) {
			return true
		}
	}
	return false
}

func (f *filter) add(k key) {
	n := len(f.gens)
	if n == 0 || f.gens[n-1].left <= 0 && n < maxGenerations {
		blocks := min(firstBlocks<<n, maxGeneration)
		f.gens = append(f.gens, &generation{words: make([]uint64, blocks*blockWords), left: blocks * idsPerBlock})
		n++
	}
	g := f.gens[n-1]
	block, pattern := g.place(k)
	for i := range blockWords {
		block[i] |= 1 << (pattern >> (6 * i) & 63)
	}
	g.left--
}
