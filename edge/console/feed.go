package console

import (
	"sync"
	"sync/atomic"
	"time"

	"surety/domain/payment"
	"surety/domain/risk"
	"surety/kernel/ident"
	"surety/platform/db"
)

// Feed counts the decisions of the last hour by minute and outcome, for the page of
// decisions. The owner of the engine gives it each decision (risk.Config.Tap); what
// was decided before it was made is read from the payments. It holds counts only.
// Safe for many goroutines.
type Feed struct {
	clock ident.Clock
	since time.Time // decisions after this are noted
	turn  sync.Mutex
	slots [feedSlots]feedSlot
}

// feedSlot is one minute. A slot is used again after feedSlots minutes.
type feedSlot struct {
	minute atomic.Int64 // Unix minutes; changed with Feed.turn held
	n      [len(feedOutcomes)]atomic.Int64
}

const (
	feedSlots = 64
	feedHour  = 60 // minutes that are shown
	feedAhead = 2  // minutes that a host's clock may be ahead
)

// feedOutcomes are the parts of a bar, from the bottom up: what was stopped first,
// so that it is read against the ground.
var feedOutcomes = [...]risk.Outcome{risk.Block, risk.Hold, risk.Challenge, risk.Allow}

// NewFeed makes an empty feed.
func NewFeed(clock ident.Clock) *Feed { return &Feed{clock: clock, since: clock.Now()} }

// Note counts a decision by the minute of its payment. It waits for nobody but once
// a minute, and keeps nothing of e and d.
func (f *Feed) Note(e *risk.Event, d *risk.Decision) {
	now, minute := f.clock.Now().Unix()/60, e.At.Unix()/60
	if minute <= now-feedHour || minute > now+feedAhead {
		return
	}
	s := &f.slots[minute&(feedSlots-1)]
	if s.minute.Load() != minute && !f.begin(s, minute) {
		return
	}
	for i, o := range feedOutcomes {
		if o == d.Outcome {
			s.n[i].Add(1)
		}
	}
}

// begin takes a slot for a new minute; false if a newer one has it.
func (f *Feed) begin(s *feedSlot, minute int64) bool {
	f.turn.Lock()
	defer f.turn.Unlock()
	if s.minute.Load() < minute {
		for i := range s.n {
			s.n[i].Store(0)
		}
		s.minute.Store(minute)
	}
	return s.minute.Load() == minute
}

// feedMinute is one minute as it is drawn.
type feedMinute struct {
	at time.Time
	n  [len(feedOutcomes)]int64
}

// feedMost is how many payments of the last hour are read from the records.
const feedMost = 2000

// hour is the last hour by minute, oldest first: what was noted, and the records of
// what was decided before. from is the first moment that is complete; the zero time
// if all of it is.
func (f *Feed) hour(tx *db.Tx, payments *payment.Service) (out []feedMinute, from time.Time, err error) {
	now := f.clock.Now()
	last := now.Unix() / 60
	at := map[int64]int{}
	for m := last - feedHour + 1; m <= last; m++ {
		at[m] = len(out)
		x := feedMinute{at: time.Unix(m*60, 0)}
		if s := &f.slots[m&(feedSlots-1)]; s.minute.Load() == m {
			for i := range s.n {
				x.n[i] = s.n[i].Load()
			}
		}
		out = append(out, x)
	}
	if now.Sub(f.since) >= feedHour*time.Minute {
		return out, from, nil
	}
	list, cut, err := newest(tx, payments, payment.Filter{From: out[0].at, To: now.Add(feedAhead * time.Minute)}, feedMost, f.before)
	for _, p := range list {
		i, ok := at[p.At.Unix()/60]
		if !ok {
			continue
		}
		for j, o := range feedOutcomes {
			if o == p.Decision.Outcome {
				out[i].n[j]++
			}
		}
	}
	if cut && len(list) > 0 {
		from = list[len(list)-1].At
	}
	return out, from, err
}

// before reports a payment that was decided before the feed began to note them.
func (f *Feed) before(p payment.Payment) bool { return !p.Settled && p.Created.Before(f.since) }

// newest reads payments, the newest first, and keeps those that pass; cut reports
// that there may be more than the most that it looks at.
func newest(tx *db.Tx, payments *payment.Service, f payment.Filter, most int, pass func(payment.Payment) bool) (out []payment.Payment,
	cut bool, err error) {
	f.Limit = 500
	for seen := 0; seen < most; {
		page, err := payments.List(tx, f)
		if err != nil {
			return nil, false, err
		}
		for _, p := range page {
			if pass(p) {
				out = append(out, p)
			}
		}
		seen += len(page)
		if len(page) < f.Limit {
			return out, false, nil
		}
		f.Before, f.BeforeAt = page[len(page)-1].ID, page[len(page)-1].At
	}
	return out, true, nil
}
