package risk

import (
	"cmp"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"surety/platform/tally"
)

const (
	// together is how many payments look for their histories at once: a processor
	// waits for many lines of memory hardly longer than for one.
	together = 16
	// parallelFrom is the batch from which more than one worker pays.
	parallelFrom = 64
)

// AssessBatch assesses payments with the answers that Assess would give them one
// by one in the order of the slice: out[i] or errs[i] belongs to es[i]. fs, out
// and errs are as long as es. Payments that have an entity in common, directly or
// over others of the batch, are judged in the order of the slice; groups that have
// none do not see each other, so they are judged beside each other. While a daily
// limit, a stop's limit or the price of challenges could change within the batch,
// order matters between groups too, and the whole batch is judged in order.
func (en *Engine) AssessBatch(es []Event, fs []Facts, out []Decision, errs []error) {
	if len(es) == 0 {
		return
	}
	_, _, _ = fs[len(es)-1], out[len(es)-1], errs[len(es)-1] // too short is a defect of the caller
	en.assessAll(es, fs, out, errs)
	if en.tap == nil {
		return
	}
	for i := range es {
		if errs[i] == nil {
			en.tap(&es[i], &out[i])
		}
	}
}

func (en *Engine) assessAll(es []Event, fs []Facts, out []Decision, errs []error) {
	en.mu.RLock()
	defer en.mu.RUnlock()
	b := &batch{en: en, run: en.run, es: es, fs: fs, out: out, errs: errs, at: make([]int64, len(es)), hashes: make([]hashes, len(es))}
	workers := runtime.GOMAXPROCS(0)
	if len(es) < parallelFrom || workers < 2 || en.use.bind(en.run.pack, en.stops, es) {
		for i := range es {
			b.prepare(i)
		}
		order := make([]int32, len(es))
		for i := range order {
			order[i] = int32(i)
		}
		b.judge(order)
		return
	}
	spread(workers, len(es), func(from, to int) {
		for i := from; i < to; i++ {
			b.prepare(i)
		}
	})
	order, cuts := b.groups(workers * 4)
	var next atomic.Int64
	spread(workers, workers, func(int, int) {
		for {
			k := int(next.Add(1))
			if k >= len(cuts) {
				return
			}
			b.judge(order[cuts[k-1]:cuts[k]])
		}
	})
}

// spread runs fn on parts of n, each in a goroutine, and waits.
func spread(workers, n int, fn func(from, to int)) {
	var wg sync.WaitGroup
	for w := 1; w < workers; w++ {
		wg.Go(func() { fn(w*n/workers, (w+1)*n/workers) })
	}
	fn(0, n/workers)
	wg.Wait()
}

// batch is one call of AssessBatch.
type batch struct {
	en     *Engine
	run    *running
	es     []Event
	fs     []Facts
	out    []Decision
	errs   []error
	at     []int64
	hashes []hashes
}

func (b *batch) prepare(i int) {
	if b.at[i], b.errs[i] = b.en.check(&b.es[i]); b.errs[i] == nil {
		b.run.pack.hash(&b.es[i], &b.hashes[i])
	}
}

// judge assesses the payments at some places, one after the other, a few looked
// up together.
func (b *batch) judge(order []int32) {
	var held [together]*scratch
	for i := range held {
		held[i] = b.run.scratch()
		defer b.run.release(held[i])
	}
	var keys []tally.Key
	p := b.run.pack
	for len(order) > 0 {
		n := min(len(order), together)
		keys = keys[:0]
		for j, i := range order[:n] {
			if b.errs[i] == nil {
				p.prepare(held[j], &b.es[i], &b.hashes[i], b.at[i])
				keys = append(keys, held[j].keys...)
			}
		}
		b.run.store.Touch(keys)
		for j, i := range order[:n] {
			if b.errs[i] == nil {
				b.one(held[j], int(i))
			}
		}
		order = order[n:]
	}
}

func (b *batch) one(s *scratch, i int) {
	e, id := &b.es[i], b.hashes[i].id
	if b.errs[i] = b.en.decide(b.run, s, e, &b.fs[i], id, true); b.errs[i] != nil {
		b.out[i] = Decision{}
		return
	}
	if b.en.next != nil {
		b.en.next.live(b.en, e, id, change{counts: true, refused: s.v.outcome == Block})
	}
	s.v.decision(s, b.run.champion, &b.out[i])
}

// groups orders the payments so that those of one group stand together, each
// group in the order of the batch, and cuts them into about parts parts of whole
// groups: part k is order[cuts[k-1]:cuts[k]].
func (b *batch) groups(parts int) (order, cuts []int32) {
	u := newUnion(len(b.es), len(b.run.pack.entities))
	for i := range b.es {
		if b.errs[i] != nil {
			continue
		}
		for _, n := range b.run.pack.entities {
			if hash := n.hash(&b.hashes[i]); hash != 0 {
				u.join(int32(i), uint64(n.root.dim)*0x9e3779b97f4a7c15^hash)
			}
		}
	}
	order = make([]int32, len(b.es))
	for i := range order {
		order[i] = int32(i)
		u.parent[i] = u.find(int32(i))
	}
	slices.SortStableFunc(order, func(x, y int32) int { return cmp.Compare(u.parent[x], u.parent[y]) })
	least := int32(len(order)/parts + 1)
	cuts = append(cuts, 0)
	for i := 1; i < len(order); i++ {
		if u.parent[order[i]] != u.parent[order[i-1]] && int32(i)-cuts[len(cuts)-1] >= least {
			cuts = append(cuts, int32(i))
		}
	}
	return order, append(cuts, int32(len(order)))
}

// union joins payments that share a key: sets as trees, with a table of the keys
// seen. Two keys of one 64-bit mark are taken for one, which only joins more.
type union struct {
	parent []int32
	marks  []uint64 // open addressing; 0 is free
	first  []int32  // a payment with that key
}

func newUnion(payments, keysEach int) *union {
	size := 16
	for size < 2*payments*keysEach {
		size *= 2
	}
	u := &union{parent: make([]int32, payments), marks: make([]uint64, size), first: make([]int32, size)}
	for i := range u.parent {
		u.parent[i] = int32(i)
	}
	return u
}

func (u *union) find(i int32) int32 {
	for u.parent[i] != i {
		u.parent[i] = u.parent[u.parent[i]]
		i = u.parent[i]
	}
	return i
}

// join puts a payment with the others of a key; the earliest is the root.
func (u *union) join(i int32, mark uint64) {
	mark |= 1
	mask := uint64(len(u.marks) - 1)
	k := mark >> 1 & mask
	for u.marks[k] != 0 && u.marks[k] != mark {
		k = (k + 1) & mask
	}
	if u.marks[k] == 0 {
		u.marks[k], u.first[k] = mark, i
		return
	}
	a, b := u.find(i), u.find(u.first[k])
	u.parent[max(a, b)] = min(a, b)
}
