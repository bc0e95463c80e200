package journal

import (
	"errors"
	"sync"
	"time"

	"surety/kernel/ident"
)

// ErrFault is the error of an injected fault.
var ErrFault = errors.New("injected fault")

// Faults fails chosen commits on purpose, so that each can be tested in all ways:
// lost, torn, and done but the answer lost. A nil *Faults never fails.
type Faults struct {
	mu sync.Mutex
	// all below are guarded by mu
	commits int
	lose    int
	mute    int
	tear    int
	keep    int
	slow    time.Duration
}

// Lose makes the n-th commit from now (1 is the next) not happen, as on a disk
// without room: nothing is written, and the journal goes on.
func (f *Faults) Lose(n int) { f.set(func() { f.lose = f.commits + n }) }

// Mute makes the n-th commit from now durable, but its sync report an error.
func (f *Faults) Mute(n int) { f.set(func() { f.mute = f.commits + n }) }

// Tear makes the n-th commit from now write only its first keep bytes.
func (f *Faults) Tear(n, keep int) { f.set(func() { f.tear, f.keep = f.commits+n, keep }) }

// Slow makes each commit take so much longer, as on a disk behind a network.
func (f *Faults) Slow(d time.Duration) { f.set(func() { f.slow = d }) }

func (f *Faults) set(fn func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	fn()
}

// fault is what is to happen to one commit.
type fault struct {
	lost error // not nil: nothing is written
	mute error // not nil: it is written and this is said
	keep int   // bytes that are written
	torn bool
	slow time.Duration
}

func (f *Faults) next() (out fault) {
	if f == nil {
		return out
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.commits++
	out.slow = f.slow
	switch f.commits {
	case f.lose:
		out.lost = ident.E(ident.KindUnavailable, "fault", "the commit was lost on purpose").Because(ErrFault)
	case f.mute:
		out.mute = ErrFault
	case f.tear:
		out.torn, out.keep = true, f.keep
	}
	return out
}
