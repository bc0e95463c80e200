package watch

import (
	"cmp"
	"math/bits"
	"slices"
	"sync"
)

// ticked is what Tick alone touches: names, pasts and profiles.
type ticked struct {
	mu     sync.Mutex // all below
	folded int64      // minutes up to this one have left the tracks
	blind  int64      // hours up to this one were not seen whole
	dims   [nDims]profile
	shapes [nDims][weekHours]float64
	keys   [nDims][]*key    // by place of the track
	came   [nDims][24]int64 // new keys by hour of the day
	hour   int64            // the newest hour of came

	payments, frauds float64 // faded sums over all payments, for the share of labels
}

// key is one terminal, merchant, payee …
type key struct {
	dim  int
	hash uint64
	name string
	past past
	hot  bool // an alarm is open: learn little, and do not forget it
}

func (t *ticked) init() {
	for d := range t.shapes {
		for i := range t.shapes[d] {
			t.shapes[d][i] = 1
		}
	}
}

// jump puts the meter to a minute without learning from what lies between.
func (m *Meter) jump(minute int64) {
	m.now.Store(minute)
	m.tick.folded, m.tick.blind, m.tick.hour = minute-window60-1, minute/60, minute/60
}

// advance moves to a minute, folds what leaves the tracks into the hours, and
// learns from the hours that are complete. A clock that went back changes nothing.
// m.tick.mu is held.
func (m *Meter) advance(to int64) {
	m.drain()
	for n := m.now.Load() + 1; n <= to; n++ {
		old := n - window60 - 1
		m.fold(old)
		m.tick.folded = old
		if (old+1)%60 == 0 {
			m.closeHour(old / 60)
		}
		m.now.Store(n)
	}
	m.pairs.turn()
}

// chunk is how many tracks are read under one hold of a table's lock, so that
// Observe never waits for more than a few microseconds.
const chunk = 8

// fold moves a minute out of all tracks.
func (m *Meter) fold(minute int64) {
	at := minute & (ringSize - 1)
	var cells [chunk]cell
	for d := range m.tables {
		t := &m.tables[d]
		for w := range t.active[at] {
			t.mu.Lock()
			set := t.active[at][w]
			t.active[at][w] = 0
			t.mu.Unlock()
			for set != 0 {
				places, rest := first(set, w)
				set = rest
				t.mu.Lock()
				for i, p := range places {
					cells[i] = t.cells[at][p]
					t.cells[at][p] = cell{}
				}
				t.mu.Unlock()
				for i, p := range places {
					m.keyAt(d, p).past.put(minute, &cells[i])
				}
			}
		}
	}
}

// first takes up to a chunk of places out of a word of bits.
func first(set uint64, word int) (places []int32, rest uint64) {
	var buf [chunk]int32
	n := 0
	for ; set != 0 && n < chunk; set &= set - 1 {
		buf[n] = int32(word*64 + bits.TrailingZeros64(set))
		n++
	}
	return buf[:n], set
}

// keyAt is the key of a track.
func (m *Meter) keyAt(d int, place int32) *key {
	keys := &m.tick.keys[d]
	for len(*keys) <= int(place) {
		*keys = append(*keys, nil)
	}
	if k := (*keys)[place]; k != nil {
		return k
	}
	t := &m.tables[d]
	t.mu.Lock()
	k := &key{dim: d, hash: t.hashes[place], name: t.names[place]}
	t.mu.Unlock()
	k.past.born = m.now.Load() / 60
	(*keys)[place] = k
	return k
}

// closeHour learns from a complete hour: the keys, then their dimensions.
func (m *Meter) closeHour(hour int64) {
	m.countArrivals(hour)
	blind := hour <= m.tick.blind
	for d := range m.tick.keys {
		p, shape := &m.tick.dims[d], m.tick.shapes[d][:]
		var all cell
		var count, rate, n float64
		for _, k := range m.tick.keys[d] {
			switch {
			case k == nil:
			case blind:
				k.past.tens = [6]uint32{}
			default:
				c := k.past.closeHour(p, shape, hour, k.hot)
				all.plus(&c)
				count += float64(c.count)
				if s := &k.past.sum; s.span > 0 {
					rate, n = rate+s.count/s.span, n+1
				}
			}
		}
		if blind {
			continue
		}
		i := hour % weekHours
		p.slots[i], p.weeks[i] = learn(p.slots[i], p.weeks[i], count)
		p.sum.add(&all, count, 1)
		p.hours++
		p.rate = (rate + 1) / (n + 1)
		for j := range shape {
			shape[j] = p.shape(int64(j))
		}
		if d == dType {
			m.tick.payments = m.tick.payments*fade + count
			m.tick.frauds *= fade
		}
	}
	m.setDrift()
}

// countArrivals notes how many keys have come in the hours up to this one.
func (m *Meter) countArrivals(hour int64) {
	for m.tick.hour < hour {
		m.tick.hour++
		for d := range m.tick.came {
			m.tick.came[d][m.tick.hour%24] = 0
		}
	}
	for d := range m.tables {
		t := &m.tables[d]
		t.mu.Lock()
		m.tick.came[d][hour%24] += t.arrivals
		t.arrivals = 0
		t.mu.Unlock()
	}
}

// population is how many keys of a dimension could have raised an alarm today:
// those followed and those that came in the last 24 hours.
func (m *Meter) population(d int) float64 {
	t := &m.tables[d]
	t.mu.Lock()
	n := t.arrivals + int64(t.used-len(t.free))
	t.mu.Unlock()
	for _, c := range m.tick.came[d] {
		n += c
	}
	return float64(max(1, n))
}

// busy calls fn for each key of a dimension that has had a payment in a minute
// since, with a copy of the last minutes of its track.
func (m *Meter) busy(d int, since int64, minutes int64, fn func(k *key, t *track)) {
	now := m.now.Load()
	since = max(since, now-window60+1)
	t := &m.tables[d]
	var copies [chunk]track
	for w := range t.active[0] {
		set := uint64(0)
		t.mu.Lock()
		for n := since; n <= now+ahead; n++ {
			set |= t.active[n&(ringSize-1)][w]
		}
		t.mu.Unlock()
		for set != 0 {
			places, rest := first(set, w)
			set = rest
			t.mu.Lock()
			for i, p := range places {
				t.copy(p, max(now-minutes, m.tick.folded)+1, now+ahead, &copies[i])
			}
			t.mu.Unlock()
			for i, p := range places {
				fn(m.keyAt(d, p), &copies[i])
			}
		}
	}
}

// lookup finds a key by name with a copy of its track; nil if it is not followed.
func (m *Meter) lookup(d int, name string) (*key, *track) {
	h := m.hash(name)
	t := &m.tables[d]
	t.mu.Lock()
	at := t.find(h)
	out := &track{}
	if at >= 0 {
		t.copy(at, m.tick.folded+1, m.now.Load()+ahead, out)
	}
	t.mu.Unlock()
	if at < 0 {
		return nil, nil
	}
	return m.keyAt(d, at), out
}

// window adds up minutes from on: those still in the track, and the hours before.
// A window that begins before the track does must begin on the hour.
func (m *Meter) window(k *key, t *track, from int64) (sum total) {
	for n := max(from, m.tick.folded+1); n <= m.now.Load()+ahead; n++ {
		sum.plus(t.cell(n))
	}
	if from <= m.tick.folded {
		for h := from / 60; h*60 <= m.tick.folded; h++ {
			c := k.past.hour(h)
			sum.plus(&c)
		}
	}
	return sum
}

// room lets the smallest keys of a full table go, until a tenth of it is free:
// those with the fewest payments in the last hour and in a mean hour.
func (m *Meter) room() {
	for d := range nLarge {
		t := &m.tables[d]
		t.mu.Lock()
		want := len(t.hashes)/10 - len(t.free) - (len(t.hashes) - t.used)
		n := t.used
		t.mu.Unlock()
		if want <= 0 {
			continue
		}
		type weighed struct {
			place int32
			w     float64
		}
		var all []weighed
		for p := range int32(n) {
			var sum total
			t.mu.Lock()
			live := t.hashes[p] != 0
			for i := range t.cells {
				sum.plus(&t.cells[i][p])
			}
			t.mu.Unlock()
			if !live {
				continue
			}
			if k := m.keyAt(d, p); !k.hot {
				all = append(all, weighed{p, float64(sum.count) + k.past.sum.count/max(1, k.past.sum.span)})
			}
		}
		slices.SortFunc(all, func(a, b weighed) int { return cmp.Compare(a.w, b.w) })
		for _, v := range all[:min(want, len(all))] {
			t.mu.Lock()
			t.end(v.place)
			t.mu.Unlock()
			m.tick.keys[d][v.place] = nil
		}
	}
}
