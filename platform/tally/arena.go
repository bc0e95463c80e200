package tally

import (
	"math/bits"
	"runtime"
	"sync"
	"sync/atomic"
	"unsafe"

	"surety/kernel/ident"
)

// Memory is counted in lines of 64 bytes (what a processor reads at once), given
// to shards in runs of pages, and taken from the system in chunks. A line's
// number is 32 bits, so there can be 256 GiB of them.
const (
	lineBytes  = 64
	pageLines  = 64
	pageBytes  = pageLines * lineBytes
	chunkPages = 1024
	chunkLines = chunkPages * pageLines
	chunkBytes = chunkPages * pageBytes
	lineBits   = 16         // of a line's number within its chunk
	maxChunks  = 1<<16 - 16 // 256 GiB, less what keeps the arithmetic simple
)

// arena is the memory of one store. Its pages go back to it and not to the
// system; the system gets everything back when the store is garbage.
type arena struct {
	mu     sync.Mutex
	table  []unsafe.Pointer // of each chunk; shards hold copies of the header
	free   [][chunkPages / 64]uint64
	left   []int // free pages of each chunk
	hint   int   // no chunk before it has a free page
	frees  *[]func()
	public atomic.Pointer[[]unsafe.Pointer] // table, for Touch

	used atomic.Int64 // pages given out
	peak atomic.Int64 // the most there ever were: they are still held
}

func newArena() *arena {
	a := &arena{frees: new([]func())}
	runtime.AddCleanup(a, func(frees *[]func()) {
		for _, free := range *frees {
			free()
		}
	}, a.frees)
	return a
}

// run is consecutive pages.
type run struct {
	line  uint32 // the first
	pages uint32
}

// take gives out consecutive pages, with whatever was in them, and the table
// that knows them.
func (a *arena) take(pages int) (run, []unsafe.Pointer, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	page, ok := a.find(pages)
	if !ok {
		if err := a.grow(pages); err != nil {
			return run{}, nil, err
		}
		page, _ = a.find(pages)
	}
	a.mark(page, pages, false)
	if n := a.used.Add(int64(pages)); n > a.peak.Load() {
		a.peak.Store(n)
	}
	return run{uint32(page) * pageLines, uint32(pages)}, a.table, nil
}

func (a *arena) give(r run) {
	if r.pages == 0 {
		return
	}
	a.mu.Lock()
	a.mark(int(r.line/pageLines), int(r.pages), true)
	a.mu.Unlock()
	a.used.Add(-int64(r.pages))
}

// find looks for consecutive free pages: one, at the lowest place there is; more,
// within one chunk; more than a chunk, in whole chunks that were mapped together.
func (a *arena) find(pages int) (int, bool) {
	for a.hint < len(a.left) && a.left[a.hint] == 0 {
		a.hint++
	}
	for c := a.hint; c < len(a.left); c++ {
		switch {
		case pages > chunkPages:
			if a.whole(c, (pages+chunkPages-1)/chunkPages) {
				return c * chunkPages, true
			}
		case a.left[c] >= pages:
			if i := firstRun(&a.free[c], pages); i >= 0 {
				return c*chunkPages + i, true
			}
		}
	}
	return 0, false
}

// whole reports whether n chunks from c on are free and lie side by side.
func (a *arena) whole(c, n int) bool {
	if c+n > len(a.left) {
		return false
	}
	for i := c; i < c+n; i++ {
		if a.left[i] != chunkPages || i > c && a.table[i] != unsafe.Add(a.table[i-1], chunkBytes) {
			return false
		}
	}
	return true
}

// firstRun is the first place with n free pages in a row, -1 if there is none.
func firstRun(free *[chunkPages / 64]uint64, n int) int {
	length := 0
	for w, word := range free {
		switch {
		case word == 0:
			length = 0
			continue
		case n == 1:
			return w*64 + bits.TrailingZeros64(word)
		case word == ^uint64(0) && length+64 < n:
			length += 64
			continue
		}
		for b := range 64 {
			if word>>b&1 == 0 {
				length = 0
			} else if length++; length == n {
				return w*64 + b + 1 - n
			}
		}
	}
	return -1
}

func (a *arena) mark(page, n int, free bool) {
	for p := page; p < page+n; p++ {
		c, w, bit := p/chunkPages, p%chunkPages/64, uint64(1)<<(p%64)
		if free {
			a.free[c][w] |= bit
			a.left[c]++
			a.hint = min(a.hint, c)
		} else {
			a.free[c][w] &^= bit
			a.left[c]--
		}
	}
}

// grow maps at least as many pages as are asked for, in one piece. The first
// piece is small, for a store that stays so; then a quarter of what is there.
func (a *arena) grow(pages int) error {
	chunks := max(1, min(16, len(a.table)/4), (pages+chunkPages-1)/chunkPages)
	if len(a.table) > 0 {
		chunks = max(chunks, 2) // large enough for huge pages
	}
	if len(a.table)+chunks > maxChunks {
		return ident.E(ident.KindUnavailable, "memory_full", "the risk memory has reached 256 GiB; split it over more processes")
	}
	p, free, err := region(chunks * chunkBytes)
	if err != nil {
		return ident.E(ident.KindUnavailable, "memory_refused",
			"the system gives no more memory (%d MiB asked for); set a bound or add memory", chunks*chunkBytes>>20).Because(err)
	}
	*a.frees = append(*a.frees, free)
	for c := range chunks {
		all := [chunkPages / 64]uint64{}
		for w := range all {
			all[w] = ^uint64(0)
		}
		a.table = append(a.table, unsafe.Add(p, c*chunkBytes))
		a.free = append(a.free, all)
		a.left = append(a.left, chunkPages)
	}
	if len(a.table) == chunks { // line 0 means "no block": its page is never given out
		a.free[0][0] &^= 1
		a.left[0]--
	}
	table := a.table
	a.public.Store(&table)
	return nil
}
