package watch

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"surety/domain/risk"
	"surety/kernel/money"
)

// town makes ordinary payments: busy and quiet terminals, shops and people, lunch
// and evening, weekends, days that are busier than others all over and for one
// terminal alone, new devices and new customers every day.
type town struct {
	r         *rand.Rand
	perMinute float64
	terminals []float64 // cumulative weights
	night     []bool    // terminals that live at night
	mood      []float64 // of each terminal today
	people    int
	all       float64 // of the hour
	n         int
	t         time.Time // start of the minute to come
}

func newTown(seed uint64, at time.Time, perMinute float64) *town {
	w := &town{r: rand.New(rand.NewPCG(seed, 1)), perMinute: perMinute, people: 2000, all: 1, t: at}
	sum := 0.0
	for i := range 400 {
		sum += 1 / math.Pow(float64(i+3), 0.9)
		w.terminals, w.night, w.mood = append(w.terminals, sum), append(w.night, i%17 == 5), append(w.mood, 1)
	}
	return w
}

// gamma is a factor of mean 1.
func (w *town) gamma(cv float64) float64 { return max(0.1, 1+cv*w.r.NormFloat64()) }

func (w *town) poisson(mean float64) int {
	n, p, l := 0, 1.0, math.Exp(-mean)
	for {
		if p *= w.r.Float64(); p <= l {
			return n
		}
		n++
	}
}

// busy is the time of day and the day of the week.
func busy(t time.Time) float64 {
	local := t.Add(8 * time.Hour)
	h := float64(local.Hour()) + float64(local.Minute())/60
	f := 0.15 + 0.9*math.Exp(-(h-12.3)*(h-12.3)/3) + 1.1*math.Exp(-(h-19)*(h-19)/6) + 0.5*math.Exp(-(h-9)*(h-9)/4)
	if d := local.Weekday(); d == time.Saturday || d == time.Sunday {
		f *= 1.3
	}
	return f
}

// minute makes the payments of the next minute, in order.
func (w *town) minute() []risk.Event {
	if w.t.Minute() == 0 {
		if w.all = w.gamma(0.08); w.t.Hour() == 16 { // midnight there
			for i := range w.mood {
				w.mood[i] = w.gamma(0.2)
			}
			w.people += 10
		}
	}
	out := make([]risk.Event, w.poisson(w.perMinute*busy(w.t)*w.all))
	for i := range out {
		out[i] = w.payment()
		out[i].At = w.t.Add(time.Duration(w.r.IntN(60_000)) * time.Millisecond)
	}
	slices.SortFunc(out, func(a, b risk.Event) int { return a.At.Compare(b.At) })
	w.t = w.t.Add(time.Minute)
	return out
}

func (w *town) payment() risk.Event {
	w.n++
	p := int(float64(w.people) * math.Pow(w.r.Float64(), 1.5)) // the first ones pay most
	e := risk.Event{ID: fmt.Sprint("p", w.n), Payer: fmt.Sprint("W", p), Device: fmt.Sprint("dev-", p), Channel: "app", Type: risk.Transfer,
		City: fmt.Sprint("city-", p%12), Amount: money.Of(int64(500*math.Exp(w.r.NormFloat64()*1.1)), money.CNY)}
	if w.r.IntN(50) == 0 {
		e.Device = fmt.Sprint("new-", w.n)
	}
	if w.r.IntN(10) < 3 {
		e.Payee = fmt.Sprint("W", int(float64(w.people)*math.Pow(w.r.Float64(), 3)))
		return e
	}
	for {
		at, _ := slices.BinarySearch(w.terminals, w.r.Float64()*w.terminals[len(w.terminals)-1])
		if w.night[at] && busy(w.t) > 0.6 || w.r.Float64()*1.8 > w.mood[at] {
			continue
		}
		e.Type, e.Channel, e.Terminal, e.Merchant = risk.Purchase, []string{"qr", "face"}[at%2], fmt.Sprint("T", at), fmt.Sprint("M", at/3)
		e.Payee = e.Merchant
		return e
	}
}

// house is a service without a database: what it would write is kept here.
type simHouse struct {
	*Service
	b      board
	raised []Alarm
}

func newSim(t testing.TB, at time.Time) *simHouse {
	t.Helper()
	ws, _, err := ReadPack(packText)
	if err != nil {
		t.Fatal(err)
	}
	m, err := NewMeter(MeterConfig{Keys: 2048, Seen: 8192, Pairs: 200_000, Recent: 4096, Seed: 7}, at)
	if err != nil {
		t.Fatal(err)
	}
	h := &simHouse{Service: &Service{cfg: Config{Meter: m, MaxAlarms: 50}}}
	h.b = board{watches: ws, live: map[rise]Alarm{}, quiet: map[rise]Alarm{}}
	return h
}

// tick is Tick, with the board in place of the database.
func (h *simHouse) tick(now time.Time) (raised []Alarm) {
	p := h.compare(&h.b, now)
	for _, a := range p.raise {
		if _, open := h.b.live[a.rise()]; !open {
			h.b.live[a.rise()] = a
			raised = append(raised, a)
		}
	}
	for _, a := range p.update {
		if a.State == Closed {
			delete(h.b.live, a.rise())
		} else {
			h.b.live[a.rise()] = a
		}
	}
	h.raised = append(h.raised, raised...)
	return raised
}

// run lets a town live for a while. every is called after each tick; extra payments
// may be put in by it. Without looks only the meter's minutes move.
func (h *simHouse) run(w *town, d time.Duration, looks bool, every func(now time.Time)) {
	m := h.cfg.Meter
	for end := w.t.Add(d); w.t.Before(end); {
		from := w.t
		es := w.minute()
		for tick := range 6 {
			now := from.Add(time.Duration(tick+1) * 10 * time.Second)
			for len(es) > 0 && es[0].At.Before(now) {
				m.observe(&es[0], w.r.IntN(200) == 0)
				es = es[1:]
			}
			if looks {
				h.tick(now)
			}
			if every != nil {
				every(now)
			}
		}
		if !looks {
			m.tick.mu.Lock()
			m.advance(w.t.Unix() / 60)
			m.tick.mu.Unlock()
		}
	}
}

// Ordinary days raise no more alarms than the pack states.
func TestOrdinaryDays(t *testing.T) {
	days, perMinute := 28, 12.0
	if testing.Short() {
		days, perMinute = 2, 8
	}
	start := noon.Add(-12 * time.Hour)
	h, w := newSim(t, start), newTown(11, start, perMinute)
	h.run(w, 28*24*time.Hour, false, nil)
	h.run(w, time.Duration(days)*24*time.Hour, true, nil)
	stated := int64(0)
	for _, x := range h.b.watches {
		stated += x.FalseAlarms
	}
	heads := 0
	by := map[string]int{}
	for _, a := range h.raised {
		by[a.Watch]++
		if a.Cause == "" {
			heads++
		}
		t.Logf("%s %s  since %s, %s", a.Raised.Format("01-02 15:04:05"), a.EN, a.Since.Format("15:04"), a.Watch)
	}
	t.Logf("%d days, %d payments, %d watches: %d alarms (%d causes); stated are at most %.1f; %v", days, w.n, len(h.b.watches), len(h.raised), heads,
		float64(stated)/1000*float64(days), by)
	if float64(len(h.raised)) > float64(stated)/1000*float64(days) {
		t.Error("more false alarms than stated")
	}
}

// attack is one way of going bad: what it makes of an ordinary payment, how many a
// minute, and what it should be found by.
type attack struct {
	name      string
	dim       Dimension
	perMinute int
	stopped   bool
	change    func(w *town, key int, e *risk.Event)
}

var attacks = []attack{
	{"a terminal that has been tampered with", Terminal, 20, false, func(w *town, key int, e *risk.Event) {
		e.Terminal, e.Merchant, e.Payee, e.Type, e.Channel = fmt.Sprint("T", key), fmt.Sprint("M", key/3), fmt.Sprint("M", key/3), risk.Purchase, "qr"
	}},
	{"a payee whom strangers pay", Payee, 10, false, func(w *town, key int, e *risk.Event) {
		e.Payer, e.Payee, e.Device, e.Type = fmt.Sprint("victim-", w.n), fmt.Sprint("mule-", key), fmt.Sprint("dev-victim-", w.n), risk.Transfer
	}},
	{"a device that empties accounts", Device, 12, false, func(w *town, key int, e *risk.Event) {
		e.Payer, e.Payee, e.Device, e.Type = fmt.Sprint("victim-", w.n), fmt.Sprint("W", w.n%900), fmt.Sprint("farm-", key), risk.Transfer
	}},
	{"a region where much is stopped", Region, 30, true, func(w *town, key int, e *risk.Event) {
		e.City, e.Device = fmt.Sprint("city-", key%12), fmt.Sprint("dev-x-", w.n)
	}},
}

// A key that goes bad at a random moment is found within a minute of the moment when
// enough payments have happened: when the same watch, asked after every single
// payment, would first have said so.
func TestFoundWithinAMinute(t *testing.T) {
	rounds, start := 8, noon.Add(-12*time.Hour)
	if testing.Short() {
		rounds = 2
	}
	h, w := newSim(t, start), newTown(5, start, 10)
	h.run(w, 28*24*time.Hour, false, nil)
	for _, a := range attacks {
		var lags, waits, counts []float64
		for i := range rounds {
			h.run(w, time.Duration(3+w.r.IntN(20))*time.Hour+time.Duration(w.r.IntN(60))*time.Minute, false, nil)
			h.b.live = map[rise]Alarm{}
			h.run(w, 3*time.Minute, true, nil) // the watches are at work
			lag, wait, n := h.strike(t, w, a, i*37+w.r.IntN(20))
			lags, waits, counts = append(lags, lag), append(waits, wait), append(counts, float64(n))
		}
		t.Logf("%s, %d a minute: found after %.0f to %.0f payments, %.0f to %.0f s from the first; %.0f s at most after there were enough",
			a.name, a.perMinute, slices.Min(counts), slices.Max(counts), slices.Min(waits), slices.Max(waits), slices.Max(lags))
		if slices.Max(lags) > 60 {
			t.Errorf("%s: found %v s after there were enough", a.name, lags)
		}
	}
}

// strike lets one key go bad and returns how long after the moment of enough payments
// it was found, how long after the first, and after how many.
func (h *simHouse) strike(t *testing.T, w *town, a attack, key int) (lag, wait float64, n int) {
	t.Helper()
	m := h.cfg.Meter
	first := w.t.Add(time.Duration(w.r.IntN(60)) * time.Second)
	var enough time.Time
	at, found, bad := first, time.Time{}, ""
	inject := func(now time.Time) {
		for ; !at.After(now) && found.IsZero(); at = at.Add(time.Duration((0.2 + 1.6*w.r.Float64()) * 60e9 / float64(a.perMinute))) {
			e := w.payment()
			a.change(w, key, &e)
			e.At, bad = at, named(a.dim, &e)
			n++
			m.observe(&e, a.stopped)
			if enough.IsZero() && h.wouldSay(a.dim, &e, at) {
				enough = at
			}
		}
	}
	for range 30 {
		from := w.t
		es := w.minute()
		for tick := range 6 {
			now := from.Add(time.Duration(tick+1) * 10 * time.Second)
			for len(es) > 0 && es[0].At.Before(now) {
				inject(es[0].At)
				m.observe(&es[0], w.r.IntN(200) == 0)
				if enough.IsZero() && bad != "" && named(a.dim, &es[0]) == bad && h.wouldSay(a.dim, &es[0], es[0].At) {
					enough = es[0].At
				}
				es = es[1:]
			}
			inject(now.Add(-time.Millisecond))
			for _, x := range h.tick(now) {
				if x.Dimension == a.dim && x.Key == bad && found.IsZero() {
					found = now
				}
			}
		}
		if !found.IsZero() {
			if enough.IsZero() { // not a payment but the time made it so, after the look before
				enough = found.Add(-10 * time.Second)
			}
			return found.Sub(enough).Seconds(), found.Sub(first).Seconds(), n
		}
	}
	t.Fatalf("%s: not found in half an hour, after %d payments", a.name, n)
	return 0, 0, 0
}

func named(d Dimension, e *risk.Event) string {
	return map[Dimension]string{Terminal: e.Terminal, Payee: e.Payee, Device: e.Device, Region: e.City}[d]
}

// wouldSay asks the watches about the key of one payment, right after it.
func (h *simHouse) wouldSay(dim Dimension, e *risk.Event, at time.Time) bool {
	m, d := h.cfg.Meter, dim.number()
	m.tick.mu.Lock()
	defer m.tick.mu.Unlock()
	m.advance(at.Unix() / 60)
	k, tr := m.lookup(d, named(dim, e))
	if k == nil {
		return false
	}
	for i := range h.b.watches {
		x := &h.b.watches[i]
		if x.Dimension == dim && x.Measure != Labels {
			if f, unusual := m.judge(x, k, tr, at.Unix()); unusual && f.chance <= x.limit(m.population(d)) {
				return true
			}
		}
	}
	return false
}
