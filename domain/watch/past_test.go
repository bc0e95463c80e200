package watch

import (
	"bytes"
	"context"
	"errors"
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"surety/domain/risk"
	"surety/kernel/ident"
)

// directTail sums the negative binomial, or Poisson if shape is infinite.
func directTail(k int, mean, shape float64) float64 {
	sum := 0.0
	for i := k; i < k+4000; i++ {
		x := float64(i)
		f, _ := math.Lgamma(x + 1)
		l := x*math.Log(mean) - mean - f
		if !math.IsInf(shape, 1) {
			a, _ := math.Lgamma(x + shape)
			b, _ := math.Lgamma(shape)
			l = a - b - f + shape*math.Log(shape/(shape+mean)) + x*math.Log(mean/(shape+mean))
		}
		sum += math.Exp(l)
	}
	return math.Log(sum)
}

func TestTailAgainstDirectSum(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		mean := math.Exp(rapid.Float64Range(-6, 4).Draw(rt, "mean"))
		shape := math.Exp(rapid.Float64Range(-1, 5).Draw(rt, "shape"))
		k := rapid.IntRange(1, 120).Draw(rt, "k")
		want := directTail(k, mean, shape)
		if math.IsInf(want, -1) || want < -600 {
			return
		}
		if got := tail(float64(k), mean, shape); math.Abs(got-want) > 1e-6*(1+math.Abs(want)) {
			rt.Fatalf("tail(%d, %v, %v) = %v, want %v", k, mean, shape, got, want)
		}
		// The surer the mean, the smaller the tail above it; the Poisson is the limit.
		if float64(k) > 2*mean+2 {
			poisson := directTail(k, mean, math.Inf(1))
			if got := tail(float64(k), mean, 1e7); poisson > -600 && // below, the direct sum has no digits left
				math.Abs(got-poisson) > 1e-3*(1+math.Abs(poisson)) {
				rt.Fatalf("Poisson: %v, want %v", got, poisson)
			}
			if tail(float64(k), mean, shape) < tail(float64(k), mean, 2*shape)-1e-9 {
				rt.Fatal("a surer mean makes it less surprising")
			}
		}
	})
	for _, c := range []struct{ k, mean, shape, want float64 }{
		{0, 5, 5, 0}, {-1, 5, 5, 0}, {3, 0, 5, math.Inf(-1)}, {1e6, 1e6, 100, math.Log(0.487)},
	} {
		if got := tail(c.k, c.mean, c.shape); got != c.want && math.Abs(got-c.want) > 0.02 {
			t.Errorf("tail(%v, %v, %v) = %v, want %v", c.k, c.mean, c.shape, got, c.want)
		}
	}
}

// The limit keeps what it says: keys x looks x chance is the stated number.
func TestLimit(t *testing.T) {
	w := Watch{FalseAlarms: 250}
	for _, keys := range []float64{1, 300, 1e7} {
		if got := math.Exp(w.limit(keys)) * keys * ticksPerDay; math.Abs(got-0.25) > 1e-9 {
			t.Errorf("%v keys: %v false alarms a day", keys, got)
		}
	}
}

// What is learned of a key that does the same every week is what it does, and what
// is expected of an hour comes from that hour of the week.
func TestExpectation(t *testing.T) {
	m := newMeter(t, small)
	at := noon.Truncate(time.Hour)
	perHour := func(t time.Time) int { // lunch, and nothing at weekends
		switch {
		case t.Weekday() == time.Saturday || t.Weekday() == time.Sunday:
			return 1
		case t.Hour() == 4:
			return 60
		}
		return 12
	}
	for at.Before(noon.AddDate(0, 0, 35)) {
		for i := range perHour(at) {
			m.observe(&risk.Event{ID: "p", At: at.Add(time.Duration(i) * time.Hour / 60), Channel: "qr"}, i == 0)
			m.observe(&risk.Event{ID: "p", At: at.Add(time.Duration(i) * time.Hour / 60), Channel: "app"}, false)
		}
		at = at.Add(time.Hour)
		m.tick.mu.Lock()
		m.advance(at.Unix() / 60)
		m.tick.mu.Unlock()
	}
	k, _ := m.lookup(dMethod, "qr")
	d, shape := &m.tick.dims[dMethod], m.tick.shapes[dMethod][:]
	for _, c := range []struct {
		at     time.Time
		length time.Duration
		want   float64
	}{
		{at.Add(30 * time.Minute).Add(2 * time.Hour), 10 * time.Minute, 2},
		{at.Truncate(24 * time.Hour).Add(28*time.Hour + 35*time.Minute), 10 * time.Minute, 10}, // Tuesday's lunch
		{at.Truncate(24 * time.Hour).Add(5*24*time.Hour + 10*time.Hour), 6 * time.Hour, 6},     // Saturday
		{at.Truncate(24 * time.Hour).Add(48 * time.Hour), 24 * time.Hour, 23*12 + 60},
	} {
		got, known := k.past.expect(d, shape, c.at.Add(-c.length).Unix()/60, c.at.Unix())
		if math.Abs(got-c.want) > 0.12*c.want+0.1 {
			t.Errorf("%s before %s: %.2f expected, want %.2f", c.length, c.at, got, c.want)
		}
		if known < 0.9 || known > 1/spreadLeast {
			t.Errorf("shape %v", known)
		}
	}
	if share, _ := per(k.past.sum.stopped, k.past.sum.count, d.sum.stopped, d.sum.count); math.Abs(share-k.past.sum.stopped/k.past.sum.count) > 0.01 {
		t.Errorf("share %v", share)
	}
}

// A hot key learns little: a theft that goes on for a day does not become ordinary.
func TestHotLearnsLittle(t *testing.T) {
	for _, hot := range []bool{false, true} {
		var p past
		d := &profile{rate: 10}
		shape := make([]float64, weekHours)
		for i := range shape {
			shape[i] = 1
		}
		for h := int64(1); h < 400; h++ {
			n := uint32(10)
			if h >= 390 {
				n = 1000
			}
			p.put(h*60, &cell{count: n, stopped: n})
			p.closeHour(d, shape, h, hot && h >= 390)
		}
		got := p.sum.count / p.sum.span
		if hot && got > 12 || !hot && got < 30 {
			t.Errorf("hot %v: %.1f an hour", hot, got)
		}
	}
}

// What is written down comes back: the same expectations, the same first payments,
// the same suspects. What is damaged is passed over.
func TestKept(t *testing.T) {
	m, w := newMeter(t, small), newTown(3, noon, 5)
	h := &simHouse{Service: &Service{cfg: Config{Meter: m}}}
	h.run(w, 50*time.Hour, false, nil)
	m.Label(labelled("A", "T3"), true, noon)
	m.Label(labelled("B", "T3"), true, noon)
	m.tick.mu.Lock()
	defer m.tick.mu.Unlock()
	parts, err := m.parts()
	must(t, err)

	other := newMeter(t, MeterConfig{Keys: 256, Seen: 1024, Pairs: 10_000, Recent: 64, Seed: 99})
	hour, ok := other.restore(parts)
	if !ok || hour != m.learned() || other.seed != m.seed {
		t.Fatalf("%v %v", hour, ok)
	}
	n := 0
	for d := range nDims {
		if got, want := other.tick.dims[d], m.tick.dims[d]; got != want {
			t.Errorf("profile of %d differs", d)
		}
		for _, k := range m.tick.keys[d] {
			if k == nil {
				continue
			}
			back, _ := other.lookup(d, k.name)
			if back == nil {
				t.Errorf("%s is lost", k.name)
				continue
			}
			n++
			want := k.past
			want.tens = [6]uint32{}
			for i, h := range want.hourOf { // what has only in part come out of the tracks
				if h > hour || h <= hour-hoursKept {
					want.hours[i], want.hourOf[i] = cell{}, 0
				}
			}
			if back.past != want {
				t.Errorf("%s has another past", k.name)
			}
		}
	}
	if n < 100 {
		t.Fatalf("only %d keys were compared", n)
	}
	if s, ok := scoreOf(other, dTerminal, "T3"); !ok || s.labels != 2 {
		t.Error("the suspect is lost")
	}
	b := []entry{{payer: m.hash("W1"), keys: [nDims]uint64{dPayee: m.hash("W0")}}, {payer: m.hash("X"), keys: [nDims]uint64{dPayee: m.hash("W0")}}}
	again := []entry{b[0], b[1]}
	m.pairs.mark(b)
	other.pairs.mark(again)
	if b[0].flags != again[0].flags || b[1].flags != again[1].flags || b[1].flags&isFresh == 0 {
		t.Error("the pairs differ")
	}

	for i := 0; i < len(parts); i += 1 + len(parts)/12 { // one after another damaged
		cut := append([]part{}, parts...)
		cut[i].body = bytes.Clone(cut[i].body)
		cut[i].body[len(cut[i].body)-1] ^= 1
		_, ok := newMeter(t, small).restore(cut)
		if ok != (parts[i].name != "profile") {
			t.Errorf("%s damaged: %v", parts[i].name, ok)
		}
		cut[i].body = cut[i].body[:len(cut[i].body)/2]
		newMeter(t, small).restore(cut)
	}
}

func FuzzUnpack(f *testing.F) {
	body, err := pack("T1", keptKey{}, "T2", keptKey{})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(body)
	f.Fuzz(func(t *testing.T, b []byte) {
		m := newMeter(t, small)
		for _, name := range []string{"keys.terminal.0", "suspects.payee", "pairs.0", "profile", "keys.x.y", "pairs.-1", "", "keys"} {
			m.restore([]part{{name, 1, b}, {"profile", 1, b}})
		}
	})
}

// A meter that learns from history has learned what one that was there has.
func TestRebuildIsTheSame(t *testing.T) {
	start := noon.Truncate(time.Hour)
	live, w := newMeter(t, small), newTown(4, start, 4)
	live.jump(start.Unix() / 60)
	live.tick.blind-- // it was there from the first minute
	var all []risk.Event
	for end := start.Add(30 * time.Hour); w.t.Before(end); {
		for _, e := range w.minute() {
			all = append(all, e)
			live.observe(&e, w.n%9 == 0)
			live.drain()
		}
		live.tick.mu.Lock()
		live.advance(w.t.Unix() / 60)
		live.tick.mu.Unlock()
	}
	clock := ident.NewManualClock(w.t)
	again := newMeter(t, small)
	s := &Service{cfg: Config{Meter: again, Clock: clock}}
	n := 0
	history := func(ctx context.Context, from, to time.Time, fn func(e *risk.Event, stopped bool) error) error {
		for i := range all {
			n++
			if err := fn(&all[i], false); err != nil {
				return err
			}
		}
		return nil
	}
	must(t, s.Rebuild(context.Background(), history))
	for d := range nDims {
		for _, k := range live.tick.keys[d] {
			if k == nil {
				continue
			}
			back, tr := again.lookup(d, k.name)
			if back == nil {
				t.Fatalf("%s is not followed", k.name)
			}
			_, was := live.lookup(d, k.name)
			from := w.t.Unix()/60 - 30
			a, b := again.window(back, tr, from), live.window(k, was, from)
			if a.count != b.count || a.amount != b.amount {
				t.Fatalf("%s in the last half hour: %+v, want %+v", k.name, a, b)
			}
			if d >= nLarge && math.Abs(back.past.sum.count-k.past.sum.count) > 1e-6 {
				t.Fatalf("%s: %v, want %v", k.name, back.past.sum, k.past.sum)
			}
		}
	}
	bad := func(ctx context.Context, from, to time.Time, fn func(e *risk.Event, stopped bool) error) error {
		return errors.Join(fn(&all[len(all)-1], false), fn(&all[0], false))
	}
	if err := s.Rebuild(context.Background(), bad); ident.CodeOf(err) != "history_order" {
		t.Errorf("out of order: %v", err)
	}
}
