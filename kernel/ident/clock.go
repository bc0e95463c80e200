package ident

import (
	"sync"
	"time"
)

// Clock tells the time. Production uses WallClock; tests and the demo use a
// ManualClock, so that three months of payments take seconds.
type Clock interface {
	// Now is the current time in UTC.
	Now() time.Time
}

// WallClock is the machine's clock, rounded to microseconds as the databases keep it.
type WallClock struct{}

// Now implements Clock.
func (WallClock) Now() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }

// ManualClock stands still until it is told to move. Safe for many goroutines.
type ManualClock struct {
	mu  sync.Mutex
	now time.Time // guarded by mu
}

// NewManualClock returns a clock that shows t.
func NewManualClock(t time.Time) *ManualClock {
	return &ManualClock{now: t.UTC().Truncate(time.Microsecond)}
}

// Now implements Clock.
func (c *ManualClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Set moves the clock to t, also backwards: the product must survive that.
func (c *ManualClock) Set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = t.UTC().Truncate(time.Microsecond)
}

// Advance moves the clock by d and returns the new time.
func (c *ManualClock) Advance(d time.Duration) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d).Truncate(time.Microsecond)
	return c.now
}

// Stopwatch measures how long something takes, on the machine's monotonic clock
// and to the nanosecond; for figures, never for decisions.
type Stopwatch struct{ start time.Time }

// StartStopwatch starts one.
func StartStopwatch() Stopwatch { return Stopwatch{time.Now()} }

// Elapsed is the time since the start.
func (s Stopwatch) Elapsed() time.Duration { return time.Since(s.start) }
