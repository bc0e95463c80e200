package watch

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// finding is a rise that a watch finds unusual.
type finding struct {
	watch    *Watch
	dim      int
	name     string
	since    int64   // the minute in which the rise began
	observed float64 // of the measure
	expected float64
	chance   float64 // natural logarithm of it
	sum      total   // all that the window holds
	at       int64   // Unix seconds

	examples []string // ids of payments, newest first
	payers   int      // different ones among the recent payments
	of       map[int]struct{}
	head     int // the finding whose cause it shares; its own place if none
}

// since is the first minute of a watch's window.
func (w *Watch) since(now int64) int64 {
	minutes := int64(w.Window / time.Minute)
	if minutes <= window60 {
		return now - minutes + 1
	}
	return (now/60 - minutes/60) * 60
}

// scan looks at every key that has had a payment since a minute, with every watch
// that is on, and returns what is unusual. m.tick.mu is held.
func (m *Meter) scan(watches []Watch, since int64, at time.Time) []finding {
	var out []finding
	for d := range nDims {
		var mine []*Watch
		minutes := int64(0)
		for i := range watches {
			if w := &watches[i]; w.Enabled && w.Dimension.number() == d {
				if w.Measure == Labels {
					out = append(out, m.scanLabels(w, at)...)
				} else if m.tick.dims[d].hours >= minWarm {
					mine = append(mine, w)
					minutes = max(minutes, min(window60+ahead, int64(w.Window/time.Minute)))
				}
			}
		}
		if len(mine) == 0 {
			continue
		}
		keys := m.population(d)
		m.busy(d, since, minutes, func(k *key, t *track) {
			for _, w := range mine {
				f, unusual := m.judge(w, k, t, at.Unix())
				if unusual && f.chance <= w.limit(keys) {
					out = append(out, f)
				}
			}
		})
	}
	return out
}

// judge compares what a key does with what it is expected to do. unusual means
// that floor and ratio are reached; only then is the chance worked out.
func (m *Meter) judge(w *Watch, k *key, t *track, at int64) (f finding, unusual bool) {
	now := m.now.Load()
	from := w.since(now)
	sum := m.window(k, t, from)
	p, d := &k.past, &m.tick.dims[k.dim]
	f = finding{watch: w, dim: k.dim, name: k.name, sum: sum, at: at, observed: float64(w.Measure.of(&sum))}
	if w.Measure.payments(&sum) < w.Floor || sum.amount < w.FloorAmount {
		return f, false
	}
	mean, known := p.expect(d, m.tick.shapes[k.dim][:], from, at)
	unit := 1.0
	switch w.Measure {
	case Amount:
		unit = max(1, p.sum.unit(&d.sum, &sum))
		mean *= (p.sum.amount + 50*d.sum.amount/max(1, d.sum.count)) / (p.sum.count + 50)
	case Stopped, Share, NewPayers:
		part, of := p.sum.stopped, d.sum.stopped
		if w.Measure == NewPayers {
			part, of = p.sum.fresh, d.sum.fresh
		}
		share, sure := per(part, p.sum.count, of, d.sum.count)
		if w.Measure == Share { // against as many payments as there are now
			mean, known = float64(sum.count), 1/spreadLeast
		}
		mean *= share
		known = 1 / (1/known + 1/sure)
	}
	f.expected = mean
	if f.observed*100 < mean*float64(w.Ratio) {
		return f, false
	}
	f.chance = tail(f.observed/unit, mean/unit, known)
	f.since = m.began(w, k, t, from, mean/float64(max(1, at-from*60)))
	return f, true
}

// of is the measure's value in a window.
func (x Measure) of(t *total) int64 {
	switch x {
	case Amount:
		return t.amount
	case Stopped, Share:
		return t.stopped
	case NewPayers:
		return t.fresh
	}
	return t.count
}

// payments is what a floor is compared with.
func (x Measure) payments(t *total) int64 {
	if x == Amount {
		return t.count
	}
	return x.of(t)
}

// began is the minute, or the hour of a long window, from which on the rise is
// clearest: where the likelihood ratio of "more from here on" is the greatest
// (Kulldorff, A spatial scan statistic, 1997). rate is what is expected a second.
func (m *Meter) began(w *Watch, k *key, t *track, from int64, rate float64) int64 {
	now := m.now.Load()
	step := int64(1)
	if w.Window > time.Hour {
		step = 60
	}
	best, at := math.Inf(-1), from
	x := 0.0
	for n := from + (now-from)/step*step; n >= from; n -= step {
		var part total
		if step == 1 {
			part.plus(t.cell(n))
			if n == now { // what the host's clock is ahead
				part.plus(t.cell(n + 1))
				part.plus(t.cell(n + 2))
			}
			x += float64(w.Measure.of(&part))
		} else {
			part = m.window(k, t, n)
			x = float64(w.Measure.of(&part))
		}
		e := rate*float64((now-n)*60+60) + 1e-9
		if ll := x*math.Log(x/e) - (x - e); x > e && ll > best {
			best, at = ll, n
		}
	}
	return at
}

// scanLabels finds the suspects whose score is over the limit.
func (m *Meter) scanLabels(w *Watch, at time.Time) (out []finding) {
	perDay := 24 * m.tick.payments * (1 - fade) // the faded sum stands for 672 hours
	limit := math.Log(max(10, perDay)) - math.Log(float64(w.FalseAlarms)/1000)
	for _, s := range m.suspects(w.Dimension.number()) {
		if s.score < limit || s.labels < w.Floor {
			continue
		}
		out = append(out, finding{watch: w, dim: w.Dimension.number(), name: s.name, since: s.last / 60, observed: float64(s.labels),
			expected: float64(s.labels) * m.tick.share() / hitShare, chance: -s.score, at: at.Unix()})
	}
	return out
}

// keyed is a key of a dimension by its hash.
type keyed struct {
	dim  int
	hash uint64
}

const mostExamples = 8

// illustrate fills in examples from the recent payments, and which of those each
// finding is made of.
func (m *Meter) illustrate(fs []finding) {
	if len(fs) == 0 {
		return
	}
	by := map[keyed][]int{}
	for i := range fs {
		fs[i].of, fs[i].head = map[int]struct{}{}, i
		k := keyed{fs[i].dim, m.hash(fs[i].name)}
		by[k] = append(by[k], i)
	}
	type example struct {
		id     string
		minute int64
		payer  uint64
		stop   bool
	}
	found := make([][]example, len(fs))
	serial := 0
	for i := range m.stripes {
		s := &m.stripes[i]
		s.mu.Lock() // the others take the payments meanwhile
		for j := range s.recent {
			r := &s.recent[(s.next+j)%len(s.recent)]
			serial++
			for d, h := range r.keys {
				for _, at := range by[keyed{d, h}] {
					if f := &fs[at]; h != 0 && r.minute >= f.since {
						f.of[serial] = struct{}{}
						found[at] = append(found[at], example{string(r.id[:r.idLen]), r.minute, r.payer, r.stopped})
					}
				}
			}
		}
		s.mu.Unlock()
	}
	for i := range fs {
		payers := map[uint64]bool{}
		want := fs[i].watch.Measure == Stopped || fs[i].watch.Measure == Share
		slices.SortStableFunc(found[i], func(a, b example) int {
			if want && a.stop != b.stop { // what the alarm is about comes first
				return cmp.Compare(fresh(b.stop), fresh(a.stop))
			}
			return cmp.Compare(b.minute, a.minute)
		})
		for n, e := range found[i] {
			payers[e.payer] = true
			if n < mostExamples {
				fs[i].examples = append(fs[i].examples, e.id)
			}
		}
		fs[i].payers = len(payers)
	}
}

func fresh(b bool) int {
	if b {
		return 1
	}
	return 0
}

// Two findings have one cause if the smaller has at least this share of its recent
// payments in the larger, percent, and they are at least that share of what the
// larger has too many.
const sameCause, sameExcess = 60, 30

// group finds which findings are made of the same payments: each takes as its head
// the most surprising one of the same cause. fs is sorted, the most surprising first.
func group(fs []finding) {
	for i := range fs {
		for j := range i {
			if fs[j].head == j && overlap(&fs[i], &fs[j]) {
				fs[i].head = j
				break
			}
		}
	}
}

func overlap(f, g *finding) bool {
	if len(f.of) > len(g.of) {
		f, g = g, f
	}
	n := 0
	for x := range f.of {
		if _, ok := g.of[x]; ok {
			n++
		}
	}
	excess := float64(len(g.of)) * max(0, 1-g.expected/max(g.observed, 1))
	return n > 0 && n*100 >= len(f.of)*sameCause && float64(n)*100 >= excess*sameExcess
}

// surprise sorts by chance, then by name, so that two processes agree.
func surprise(a, b finding) int {
	return cmp.Or(cmp.Compare(a.chance, b.chance), cmp.Compare(a.watch.ID, b.watch.ID), cmp.Compare(a.name, b.name))
}
