package watch

import (
	"math"
	"slices"
	"strings"
	"time"

	"surety/domain/risk"
)

// A suspect is a key at which frauds have been labelled. Its score is a CUSUM of
// log likelihood ratios (Page, Continuous inspection schemes, 1954) between "every
// second payment here is a fraud" and "as everywhere": a labelled fraud adds
// ln(p1/p0), a payment takes ln((1-p0)/(1-p1)) off, and below zero it does not
// go. Payments come before their labels, so what is not labelled yet was taken
// off when it could do no harm.
//
// The mean number of payments between two false alarms of one key is at least
// e^h for the limit h (Lorden, Procedures for reacting to a change in
// distribution, 1971), so all keys together, with M payments a day, raise at most
// M*e^-h a day: for a stated rate A the limit is h = ln(M/A).
type suspect struct {
	name   string
	score  float64
	labels int64
	last   int64   // when the newest label came, Unix seconds
	paid   [8]paid // the payments labelled last, so that none counts twice
	next   uint8
}

// paid is a labelled payment and what it added.
type paid struct {
	ID uint64
	Up float64
}

func (s *suspect) find(payment uint64) int {
	return slices.IndexFunc(s.paid[:], func(p paid) bool { return p.ID == payment })
}

const (
	hitShare     = 0.5  // p1
	mostSuspects = 8192 // of a dimension; the one of the least score leaves
	badScore     = 6.9  // a thousand to one: its labels are left out of p0
	leastShare   = 1e-5 // bounds of p0
	mostShare    = 0.05
)

// share is p0: how many of all payments are labelled frauds.
func (t *ticked) share() float64 {
	return min(mostShare, max(leastShare, (t.frauds+1)/(t.payments+1000)))
}

// setDrift tells the tables what an ordinary payment takes off a score.
func (m *Meter) setDrift() {
	drift := math.Log((1 - m.tick.share()) / (1 - hitShare))
	for d := range nLarge {
		t := &m.tables[d]
		t.mu.Lock()
		t.drift = drift
		t.mu.Unlock()
	}
}

// Label hears that a payment is known to be a fraud, or, after it was said to be
// one, that it is none. The same label twice counts once.
func (m *Meter) Label(e *risk.Event, fraud bool, now time.Time) {
	m.tick.mu.Lock()
	defer m.tick.mu.Unlock()
	up := math.Log(hitShare / m.tick.share())
	id := m.hash(e.ID)
	fresh, known := false, false
	for d, name := range [nLarge]string{e.Terminal, e.Merchant, e.Payee, e.Device} {
		if h := m.hash(name); h != 0 {
			t := &m.tables[d]
			t.mu.Lock()
			if s := t.marked[h]; s != nil && s.score >= badScore {
				known = true
			}
			fresh = t.label(h, name, id, fraud, up, now.Unix()) || fresh
			t.mu.Unlock()
		}
	}
	switch {
	case known: // what a bad key does is not what happens everywhere
	case fresh && fraud:
		m.tick.frauds++
	case fresh:
		m.tick.frauds = max(0, m.tick.frauds-1)
	}
}

// label moves a suspect's score; it says whether the label was news.
func (t *table) label(h uint64, name string, payment uint64, fraud bool, up float64, now int64) bool {
	s := t.marked[h]
	known := s != nil && s.find(payment) >= 0
	switch {
	case fraud == known:
		return false
	case !fraud:
		p := &s.paid[s.find(payment)]
		s.score, s.labels = max(0, s.score-p.Up), s.labels-1
		*p = paid{}
		return true
	case s == nil:
		if t.marked == nil {
			t.marked = map[uint64]*suspect{}
		}
		if len(t.marked) >= mostSuspects {
			t.forget()
		}
		s = &suspect{name: strings.Clone(name)}
		t.marked[h] = s
	}
	s.score += up
	s.labels++
	s.last = now
	s.paid[s.next&7] = paid{payment, up}
	s.next++
	return true
}

func (t *table) forget() {
	least, score := uint64(0), math.Inf(1)
	for h, s := range t.marked {
		if s.score < score || s.score == score && h < least {
			least, score = h, s.score
		}
	}
	delete(t.marked, least)
}

// suspects are copies of those of a dimension.
func (m *Meter) suspects(d int) []suspect {
	t := &m.tables[d]
	t.mu.Lock()
	defer t.mu.Unlock()
	all := make([]suspect, 0, len(t.marked))
	for _, s := range t.marked {
		all = append(all, *s)
	}
	return all
}
