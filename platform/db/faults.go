package db

import (
	"errors"
	"strings"
	"sync"

	"surety/kernel/ident"
)

// ErrFault is the error of an injected fault.
var ErrFault = errors.New("injected fault")

// Faults fails chosen writes on purpose, so that every write can be tested both
// ways: lost, and done but the answer lost. A nil *Faults never fails.
type Faults struct {
	mu sync.Mutex
	// all below are guarded by mu
	statement string // fail the next statement that contains this text
	lose      int    // the lose-th commit from now does not happen
	mute      int    // the mute-th commit from now happens but its answer is lost
	commits   int
}

// FailStatement makes the next statement that contains text fail.
func (f *Faults) FailStatement(text string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.statement = text
}

// LoseCommit makes the n-th commit from now (1 is the next) not happen.
func (f *Faults) LoseCommit(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lose = f.commits + n
}

// MuteCommit makes the n-th commit from now happen, but its answer be lost.
func (f *Faults) MuteCommit(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mute = f.commits + n
}

// Commits is how many commits there were: to enumerate all places to crash.
func (f *Faults) Commits() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.commits
}

func (f *Faults) before(query string) error {
	if f == nil {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.statement != "" && strings.Contains(query, f.statement) {
		f.statement = ""
		return ErrFault
	}
	return nil
}

func (f *Faults) beforeCommit() error {
	if f == nil {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.commits++
	if f.lose == f.commits {
		return ident.E(ident.KindUnavailable, "fault", "the commit was lost on purpose").Because(ErrFault)
	}
	return nil
}

func (f *Faults) afterCommit() error {
	if f == nil {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.mute == f.commits {
		return ErrFault
	}
	return nil
}
