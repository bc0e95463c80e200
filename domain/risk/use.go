package risk

import (
	"sync"
	"time"

	"surety/kernel/ident"
	"surety/platform/tally"
)

// RuleUse is what a rule has done on one local day.
type RuleUse struct {
	ID      string `json:"id"`
	Day     string `json:"day"`     // 2026-11-21, local to the pack
	Fired   int64  `json:"fired"`   // payments on which it fired, of those stopped or over a limit
	Stopped int64  `json:"stopped"` // payments that were stopped and on which it fired and counted
	Limit   int64  `json:"limit"`   // of Stopped; 0: none
	Over    bool   `json:"over"`    // the limit is reached: the rule only notes until the day ends
}

// usage counts what is limited by the day: rules, and challenges. A payment
// counts once however often it is told, so a rebuild may tell all of them again.
type usage struct {
	mu    sync.Mutex
	days  map[int64]*dayUse // by local day; guarded by mu
	stops map[string]int64  // of stops that a snapshot knew; guarded by mu
}

// dayUse is one local day. Its fields have names for a snapshot.
type dayUse struct {
	Counted    map[uint64]counted `json:"counted"` // by the hash of the payment's id
	Fired      map[string]int64   `json:"fired"`
	Stopped    map[string]int64   `json:"stopped"`
	Challenges int64              `json:"challenges"`
}

// counted is what one payment counted for.
type counted struct {
	Rules     []string `json:"r,omitempty"` // in Fired
	Stopped   []string `json:"s,omitempty"` // in Stopped
	Challenge bool     `json:"c,omitempty"`
	Stop      string   `json:"t,omitempty"`
}

// keptDays is how many days of counts are kept: late payments belong to theirs.
const keptDays = 3

// maxCounted bounds what is remembered of one day's payments. A payment beyond
// it counts, but would count again if it were told twice.
const maxCounted = 1 << 20

// on is the count of a day; u.mu is held.
func (u *usage) on(number int64) *dayUse {
	d := u.days[number]
	if d == nil {
		if u.days == nil {
			u.days = map[int64]*dayUse{}
		}
		newest := number
		for n := range u.days {
			newest = max(newest, n)
		}
		for n := range u.days {
			if n <= newest-keptDays {
				delete(u.days, n)
			}
		}
		d = &dayUse{Counted: map[uint64]counted{}, Fired: map[string]int64{}, Stopped: map[string]int64{}}
		if number > newest-keptDays {
			u.days[number] = d // an older day is over: what it counts is thrown away
		}
	}
	return d
}

func (u *usage) stopUsed(id string) int64 {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.stops[id]
}

// stopOf is the stop that has touched a payment, "" if none has.
func (u *usage) stopOf(number int64, id uint64) string {
	u.mu.Lock()
	defer u.mu.Unlock()
	if d := u.days[number]; d != nil {
		return d.Counted[id].Stop
	}
	return ""
}

// challenges is how many were made on a day without this payment.
func (u *usage) challenges(number int64, id uint64) int64 {
	u.mu.Lock()
	defer u.mu.Unlock()
	d := u.on(number)
	n := d.Challenges
	if d.Counted[id].Challenge {
		n--
	}
	return n
}

// apply holds the verdict to the limits: a rule over its limit is capped, and
// what follows is found anew. If keep, the payment is counted.
func (u *usage) apply(v *verdict, number int64, id uint64, keep bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	d := u.on(number)
	before := d.Counted[id]
	for u.cap(v, d, &before) {
		v.combine()
	}
	if !keep {
		return
	}
	d.forget(id, before)
	if v.outcome == Allow && len(v.capped) == 0 {
		u.moveStop(v.stops, before.Stop, "")
		return
	}
	c := counted{Challenge: v.outcome == Challenge}
	for _, r := range v.fired {
		c.Rules = append(c.Rules, r.id)
		if v.outcome != Allow && r.stops() {
			c.Stopped = append(c.Stopped, r.id)
		}
	}
	for _, r := range v.capped {
		c.Rules = append(c.Rules, r.id)
	}
	if v.stop != nil {
		c.Stop = v.stop.ID
	}
	u.moveStop(v.stops, before.Stop, c.Stop)
	d.add(id, c)
}

// cap looks for rules that are over their limit and takes them out of those that
// fired; it reports whether there was one.
func (u *usage) cap(v *verdict, d *dayUse, before *counted) bool {
	if v.outcome == Allow {
		return false
	}
	found := v.stop != nil && v.stop.left() <= 0 && before.Stop != v.stop.ID
	if found { // another payment took what was left
		v.clearStop()
	}
	n := 0
	for _, r := range v.fired {
		if r.perDay > 0 {
			stopped := d.Stopped[r.id]
			for _, id := range before.Stopped {
				if id == r.id {
					stopped--
				}
			}
			if stopped >= r.perDay {
				v.capped = append(v.capped, r)
				continue
			}
		}
		v.fired[n] = r
		n++
	}
	found = found || n < len(v.fired)
	v.fired = v.fired[:n]
	return found
}

func (u *usage) moveStop(st *stops, from, to string) {
	if st == nil || from == to {
		return
	}
	if s := st.id[from]; s != nil {
		s.used.Add(-1)
	}
	if s := st.id[to]; s != nil {
		s.used.Add(1)
	}
}

func (d *dayUse) add(id uint64, c counted) {
	for _, r := range c.Rules {
		d.Fired[r]++
	}
	for _, r := range c.Stopped {
		d.Stopped[r]++
	}
	if c.Challenge {
		d.Challenges++
	}
	if len(d.Counted) < maxCounted {
		d.Counted[id] = c
	}
}

func (d *dayUse) forget(id uint64, c counted) {
	for _, r := range c.Rules {
		d.Fired[r]--
	}
	for _, r := range c.Stopped {
		d.Stopped[r]--
	}
	if c.Challenge {
		d.Challenges--
	}
	delete(d.Counted, id)
}

// takeBack undoes what a payment counted, if it did.
func (u *usage) takeBack(st *stops, number int64, id uint64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	d := u.days[number]
	if d == nil {
		return
	}
	if c, ok := d.Counted[id]; ok {
		d.forget(id, c)
		u.moveStop(st, c.Stop, "")
	}
}

// Count tells the engine of a decision that was recorded before a restart, so
// that daily limits, the budget of challenges and stops go on where they were.
// The owner's rebuild calls it for the payments of the last days; one that is
// told twice, or that a snapshot knew, counts once. Set stops before.
func (en *Engine) Count(e Event, d Decision) {
	if d.Outcome == Allow && len(d.Capped) == 0 {
		return
	}
	en.mu.RLock()
	defer en.mu.RUnlock()
	p := en.run.pack
	number, _ := p.localDay(ident.Micros(e.At))
	c := counted{Challenge: d.Outcome == Challenge, Stop: d.Stop, Rules: append([]string(nil), d.Capped...)}
	for i := range p.rules {
		r := &p.rules[i]
		for _, reason := range d.Reasons {
			if reason.Code != r.id {
				continue
			}
			c.Rules = append(c.Rules, r.id)
			if d.Outcome != Allow && r.stops() {
				c.Stopped = append(c.Stopped, r.id)
			}
		}
	}
	id := tally.Hash(e.ID)
	en.use.mu.Lock()
	defer en.use.mu.Unlock()
	day := en.use.on(number)
	before := day.Counted[id]
	day.forget(id, before)
	en.use.moveStop(en.stops, before.Stop, c.Stop)
	day.add(id, c)
}

// RuleUses is what the rules that are not off have done on the local day of the
// clock, in the order of the pack.
func (en *Engine) RuleUses() []RuleUse {
	en.mu.RLock()
	defer en.mu.RUnlock()
	p := en.run.pack
	number, _ := p.localDay(en.now())
	name := time.Unix(number*86400, 0).UTC().Format(time.DateOnly)
	en.use.mu.Lock()
	defer en.use.mu.Unlock()
	d := en.use.on(number)
	var out []RuleUse
	for i := range p.rules {
		if r := &p.rules[i]; r.mode != Off {
			out = append(out, RuleUse{ID: r.id, Day: name, Fired: d.Fired[r.id], Stopped: d.Stopped[r.id], Limit: r.perDay,
				Over: r.perDay > 0 && d.Stopped[r.id] >= r.perDay})
		}
	}
	return out
}

// bind reports whether a limit could be reached, or the price of challenges
// change, within so many payments: then their order matters even if they have
// nothing else in common.
func (u *usage) bind(p *Pack, st *stops, es []Event) bool {
	n := int64(len(es))
	if st != nil {
		for _, s := range st.all {
			if s.left() < n {
				return true
			}
		}
	}
	limited := p.costs.perDay > 0
	for i := range p.rules {
		limited = limited || p.rules[i].perDay > 0
	}
	if !limited {
		return false
	}
	least := map[int64]int64{} // by day: how much of it has gone by at the earliest payment
	for i := range es {
		number, gone := p.localDay(ident.Micros(es[i].At))
		if g, ok := least[number]; !ok || gone < g {
			least[number] = gone
		}
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	for number, gone := range least {
		d := u.on(number)
		if p.costs.perDay > 0 && d.Challenges+n > p.costs.pace(gone) {
			return true
		}
		for i := range p.rules {
			if r := &p.rules[i]; r.perDay > 0 && d.Stopped[r.id]+n > r.perDay {
				return true
			}
		}
	}
	return false
}
