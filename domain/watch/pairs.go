package watch

import (
	"math/bits"
	"sync/atomic"
)

// pairs remembers which payer has paid which payee: a Bloom filter of single
// words (Putze, Sanders and Singler, Cache-, Hash- and Space-Efficient Bloom
// Filters, 2007), so that of two payments at once exactly one is the first. There
// are two, of which the older is dropped when the newer is full: a pair that goes
// on paying stays known. About one new pair in forty is taken for known when it
// is full; the history that a rise is measured against is counted the same way.
type pairs struct {
	gen  atomic.Pointer[generation]
	most int64
}

type generation struct {
	now, old []uint64
	held     atomic.Int64
}

// pairBits is what one pair takes in a filter that is full.
const pairBits = 16

func (p *pairs) init(most int) {
	words := 1 << bits.Len(uint(most*pairBits/64-1))
	p.most = int64(words) * 64 / pairBits
	p.gen.Store(&generation{now: make([]uint64, words), old: make([]uint64, words)})
}

// mark sets isFresh on the payments of a batch that are the first of their pair,
// and remembers them.
func (p *pairs) mark(batch []entry) {
	g := p.gen.Load()
	var at, want, now, old [batchSize]uint64
	for i := range batch { // read all first: the processor does it side by side
		h := fold(batch[i].payer^mix1, batch[i].keys[dPayee]^mix2)
		at[i] = h >> 24 & uint64(len(g.now)-1)
		want[i] = uint64(1)<<(h&63) | 1<<(h>>6&63) | 1<<(h>>12&63) | 1<<(h>>18&63)
		now[i], old[i] = atomic.LoadUint64(&g.now[at[i]]), atomic.LoadUint64(&g.old[at[i]])
	}
	for i, w := range want[:len(batch)] {
		if now[i]&w == w || atomic.OrUint64(&g.now[at[i]], w)&w == w {
			continue
		}
		g.held.Add(1)
		if old[i]&w != w {
			batch[i].flags |= isFresh
		}
	}
}

// turn drops the older filter if the newer is full. Only Tick calls it.
func (p *pairs) turn() {
	g := p.gen.Load()
	if g.held.Load() < p.most {
		return
	}
	p.gen.Store(&generation{now: make([]uint64, len(g.now)), old: g.now})
}
