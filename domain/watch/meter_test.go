package watch

import (
	"cmp"
	"math"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"pgregory.net/rapid"

	"surety/domain/risk"
	"surety/kernel/ident"
	"surety/kernel/money"
)

var noon = time.Date(2026, 5, 18, 4, 0, 0, 0, time.UTC) // a Monday

func newMeter(t testing.TB, cfg MeterConfig) *Meter {
	t.Helper()
	if cfg.Seed == 0 {
		cfg.Seed = 7
	}
	m, err := NewMeter(cfg, noon)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// small is a meter for tests: quick to make.
var small = MeterConfig{Keys: 256, Seen: 1024, Pairs: 10_000, Recent: 1024}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

var allowed, held = &risk.Decision{Outcome: risk.Allow}, &risk.Decision{Outcome: risk.Hold}

// composer makes payments of 100,000 devices, 20,000 merchants and payees and
// 5,000 terminals, a few of them busy, without fetching anything from far memory,
// as the payment that is being judged is near. It writes them all into one buffer.
type composer struct {
	e    risk.Event
	text [7][24]byte
	n    uint64
}

func (c *composer) name(at int, letter byte, v uint64) string {
	b := &c.text[at]
	b[0] = letter
	for i := 12; i > 0; i-- {
		b[i] = '0' + byte(v%10)
		v /= 10
	}
	return unsafe.String(&b[0], 13)
}

func (c *composer) next() *risk.Event {
	c.n++
	x := fold(c.n, mix0) & (1<<22 - 1)
	x = fold(x, mix2)
	few := func(n, k uint64) uint64 { // log-uniform
		return fold(x>>k, mix1) % (1 << (x >> (20 + k) % 18)) % n
	}
	c.e.ID, c.e.Payer, c.e.Payee = c.name(0, 'P', c.n), c.name(1, 'W', x%400_000), c.name(2, 'W', few(20_000, 3))
	c.e.Terminal, c.e.Merchant, c.e.Device = c.name(3, 'T', few(5_000, 9)), c.name(4, 'M', few(20_000, 5)), c.name(5, 'd', x>>9%100_000)
	c.e.City = c.name(6, 'c', x>>7%300)
	c.e.At = noon.Add(time.Duration(c.n % 60 * 1e9))
	return &c.e
}

func newComposer(from uint64) *composer {
	return &composer{n: from, e: risk.Event{Amount: money.Of(1000, money.CNY), Type: risk.Purchase, Channel: "app"}}
}

// BenchmarkObserve: "one" and "many" include what "compose" takes.
func BenchmarkObserve(b *testing.B) {
	m := newMeter(b, MeterConfig{})
	c := newComposer(0)
	for range 1 << 20 {
		m.Observe(c.next(), allowed)
	}
	b.Run("compose", func(b *testing.B) {
		for b.Loop() {
			c.next()
		}
	})
	b.Run("one", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			m.Observe(c.next(), allowed)
		}
	})
	b.Run("many", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			c := newComposer(uint64(b.N))
			for pb.Next() {
				m.Observe(c.next(), allowed)
			}
		})
	})
}

// TestObserveAllocatesNothing: once all keys are known, or there is no room.
func TestObserveAllocatesNothing(t *testing.T) {
	m, c := newMeter(t, small), newComposer(0)
	for range 200_000 {
		m.Observe(c.next(), allowed)
	}
	if n := testing.AllocsPerRun(20_000, func() { m.Observe(c.next(), allowed) }); n != 0 {
		t.Errorf("%v allocations a payment", n)
	}
}

// brute is what a meter says, counted from all payments kept in a list.
type brute struct {
	events []risk.Event
	stop   []bool
	fresh  []bool
	pairs  map[[2]string]bool
}

func (b *brute) add(e risk.Event, stopped bool) {
	pair := [2]string{e.Payer, e.Payee}
	b.events, b.stop, b.fresh = append(b.events, e), append(b.stop, stopped), append(b.fresh, !b.pairs[pair])
	b.pairs[pair] = true
}

func keyIn(d int, e *risk.Event) string {
	return [nDims]string{e.Terminal, e.Merchant, e.Payee, e.Device, e.Channel, cmp.Or(e.Region, e.City), string(e.Type)}[d]
}

// sum counts the payments of minutes [from, to].
func (b *brute) sum(d int, name string, from, to int64) (t total) {
	for i := range b.events {
		e := &b.events[i]
		if n := e.At.Unix() / 60; keyIn(d, e) == name && n >= from && n <= to {
			t.count++
			if e.Amount.Currency == money.CNY {
				t.amount += e.Amount.Minor
				t.squares += float64(e.Amount.Minor) * float64(e.Amount.Minor)
			}
			if b.stop[i] {
				t.stopped++
			}
			if b.fresh[i] {
				t.fresh++
			}
		}
	}
	return t
}

// The meter against a list of all payments: any window of a followed key is exact to
// the payment, and a key that is not followed has had four at most in any hour.
func TestMeterAgainstBruteForce(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m, b := newMeter(t, small), &brute{pairs: map[[2]string]bool{}}
		now := noon.Unix() / 60
		ordered := rapid.Bool().Draw(rt, "ordered") // else which of a pair in one batch is the first is left open
		names := func(label string, n int) string { return label + strconv.Itoa(rapid.IntRange(0, n).Draw(rt, label)) }
		for range rapid.IntRange(1, 150).Draw(rt, "payments") {
			if rapid.IntRange(0, 2).Draw(rt, "move") == 0 {
				now += int64(rapid.IntRange(0, 40).Draw(rt, "minutes"))
				m.tick.mu.Lock()
				m.advance(now)
				m.tick.mu.Unlock()
			}
			late := int64(rapid.IntRange(-ahead, window60-1).Draw(rt, "late"))
			e := risk.Event{ID: names("p", 1000), At: time.Unix((now-late)*60+int64(rapid.IntRange(0, 59).Draw(rt, "s")), 0), Payer: names("W", 3),
				Payee: names("S", 2), Terminal: names("T", 3), Merchant: names("M", 1), Device: names("d", 2), Channel: names("c", 1), City: names("x", 1),
				Type: risk.Purchase, Amount: money.Of(int64(rapid.IntRange(1, 5000).Draw(rt, "amount")), rapid.SampledFrom([]money.Currency{money.CNY, "USD"}).Draw(rt, "cur"))}
			stop := rapid.Bool().Draw(rt, "stop")
			m.observe(&e, stop)
			b.add(e, stop)
			if ordered {
				m.drain()
			}
		}
		m.drain()
		for d := range nDims {
			for i := range 4 {
				name := []string{"T", "M", "S", "d", "c", "x", "purchase"}[d] + strconv.Itoa(i)
				if d == dType {
					name = "purchase"
				}
				k, tr := m.lookup(d, name)
				if k == nil {
					for from := now - window60 + 1; from <= now; from++ {
						if n := b.sum(d, name, from, now+ahead).count; n >= follows {
							rt.Fatalf("%s has had %d payments and is not followed", name, n)
						}
					}
					continue
				}
				from := now - int64(rapid.IntRange(0, window60-1).Draw(rt, "window"))
				want, got := b.sum(d, name, from, now+ahead), m.window(k, tr, from)
				if want.squares = math.Round(want.squares / 1e4); math.Abs(want.squares-math.Round(got.squares/1e4)) > 1+want.squares/1e5 {
					rt.Fatalf("squares of %s: %v, want %v", name, got.squares, want.squares)
				}
				want.squares, got.squares = 0, 0
				if !ordered {
					want.fresh, got.fresh = 0, 0
				}
				if got != want {
					rt.Fatalf("dimension %d, %s from %d to %d: %+v, want %+v", d, name, from, now, got, want)
				}
			}
		}
	})
}

// A window of whole hours is exact too, of a key that was followed all the time.
func TestLongWindows(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m, b := newMeter(t, small), &brute{pairs: map[[2]string]bool{}}
		now := noon.Unix() / 60
		for range rapid.IntRange(50, 300).Draw(rt, "minutes") {
			for range rapid.IntRange(0, 3).Draw(rt, "n") {
				e := risk.Event{At: time.Unix((now-int64(rapid.IntRange(0, 10).Draw(rt, "late")))*60, 0), Payer: "W", Payee: "S", Channel: "qr", Type: risk.Purchase, Amount: money.Of(7, money.CNY)}
				m.observe(&e, false)
				b.add(e, false)
			}
			now += int64(rapid.IntRange(1, 9).Draw(rt, "step"))
			m.tick.mu.Lock()
			m.advance(now)
			m.tick.mu.Unlock()
		}
		k, tr := m.lookup(dMethod, "qr")
		if k == nil {
			return
		}
		w := Watch{Window: time.Duration(rapid.IntRange(2, 24).Draw(rt, "hours")) * time.Hour}
		from := w.since(now)
		want, got := b.sum(dMethod, "qr", from, now+ahead), m.window(k, tr, from)
		if got.count != want.count || got.amount != want.amount {
			rt.Fatalf("from %d to %d: %+v, want %+v", from, now, got, want)
		}
	})
}

// Payments from many goroutines at once are all counted, while Tick works.
func TestObserveFromMany(t *testing.T) {
	m := newMeter(t, small)
	const goroutines, each = 8, 5000
	var wg sync.WaitGroup
	for g := range goroutines {
		wg.Go(func() {
			c := newComposer(uint64(g) * 1e6)
			for i := range each {
				e := c.next()
				e.Terminal, e.At = "T"+strconv.Itoa(i%3), noon.Add(time.Duration(i%50)*time.Second)
				m.Observe(e, held)
			}
		})
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for n := range 200 {
			m.tick.mu.Lock()
			m.advance(noon.Unix()/60 + int64(n/100))
			m.room()
			m.busy(dTerminal, m.now.Load(), window60, func(*key, *track) {})
			m.tick.mu.Unlock()
			m.Label(labelled("P"+strconv.Itoa(n), "T1"), true, noon)
		}
	}()
	wg.Wait()
	<-done
	m.tick.mu.Lock()
	defer m.tick.mu.Unlock()
	m.advance(noon.Unix()/60 + 3)
	sum := total{}
	for i := range 3 {
		k, tr := m.lookup(dTerminal, "T"+strconv.Itoa(i))
		part := m.window(k, tr, noon.Unix()/60)
		sum.count, sum.stopped = sum.count+part.count, sum.stopped+part.stopped
	}
	if sum.count != goroutines*each || sum.stopped != sum.count {
		t.Errorf("%+v, want %d", sum, goroutines*each)
	}
}

// When the table is full the small leave and the large stay, and a key that rises
// finds its place.
func TestRoom(t *testing.T) {
	m := newMeter(t, MeterConfig{Keys: 64, Seen: 4096, Pairs: 1000, Recent: 64})
	pay := func(name string, n int) {
		for range n {
			m.observe(&risk.Event{ID: "p", At: noon, Payer: "W", Payee: "S", Terminal: name, Type: risk.Purchase}, false)
		}
		m.drain()
	}
	tidy := func() {
		m.tick.mu.Lock()
		m.room()
		m.tick.mu.Unlock()
	}
	for i := range 64 {
		pay("T"+strconv.Itoa(i), 5+i)
	}
	pay("late", 20)
	if k, _ := m.lookup(dTerminal, "late"); k != nil || m.tables[dTerminal].full == 0 {
		t.Fatal("there was room")
	}
	tidy()
	for i := range 64 {
		if k, _ := m.lookup(dTerminal, "T"+strconv.Itoa(i)); (k != nil) != (i >= 6) {
			t.Errorf("T%d is followed: %v", i, k != nil)
		}
	}
	pay("late", 1)
	k, tr := m.lookup(dTerminal, "late")
	if k == nil || m.window(k, tr, noon.Unix()/60).count != 5 {
		t.Fatal("the last four and this one")
	}
	k.hot = true // with an open alarm it stays
	for i := range 5 {
		pay("N"+strconv.Itoa(i), 200)
	}
	tidy()
	if k, _ := m.lookup(dTerminal, "late"); k == nil {
		t.Error("a key with an open alarm was forgotten")
	}
}

// Exactly one of many payments at once is the first of its pair.
func TestPairs(t *testing.T) {
	m := newMeter(t, MeterConfig{Keys: 64, Seen: 64, Pairs: 100_000, Recent: 64})
	mark := func(payer, payee uint64) bool {
		b := []entry{{payer: payer, keys: [nDims]uint64{dPayee: payee}}}
		m.pairs.mark(b)
		return b[0].flags&isFresh != 0
	}
	var n atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range uint64(20_000) {
				if mark(fold(i, mix0), 7) {
					n.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if got := n.Load(); got > 20_000 || got < 19_900 {
		t.Errorf("%d of 20,000 pairs were new once", got)
	}
	again := 0
	for i := range uint64(20_000) {
		if mark(fold(i, mix0), 7) {
			again++
		}
	}
	if again != 0 {
		t.Errorf("%d pairs were new twice", again)
	}
	// What goes on paying is remembered when the filter turns.
	for i := range uint64(400_000) {
		mark(fold(i+1e6, mix0), 9)
		if i%10_000 == 0 {
			m.pairs.turn()
			if mark(fold(1, mix0), 7) {
				t.Fatal("a pair that pays all the time was forgotten")
			}
		}
	}
}

// What is wrong in the times of payments is counted and harms nobody.
func TestTimes(t *testing.T) {
	m := newMeter(t, small)
	for _, at := range []time.Time{noon.Add(-window60 * time.Minute), {}, time.Unix(0, 0)} {
		m.observe(&risk.Event{At: at, Channel: "qr"}, false)
	}
	m.observe(&risk.Event{At: noon.AddDate(100, 0, 0), Channel: "qr"}, false)
	m.drain()
	if m.late.Load() != 3 || m.early.Load() != 1 {
		t.Errorf("late %d, early %d", m.late.Load(), m.early.Load())
	}
	k, tr := m.lookup(dMethod, "qr")
	if got := m.window(k, tr, noon.Unix()/60); got.count != 1 {
		t.Errorf("%+v", got)
	}
}

func TestMeterConfig(t *testing.T) {
	for _, cfg := range []MeterConfig{{Keys: 1}, {Seen: -1}, {Pairs: 1 << 30}, {Recent: 3}} {
		if _, err := NewMeter(cfg, noon); ident.CodeOf(err) != "meter_size" {
			t.Errorf("%+v: %v", cfg, err)
		}
	}
}

// BenchmarkTick: one look at full tables of which every key has just had payments.
func BenchmarkTick(b *testing.B) {
	m := newMeter(b, MeterConfig{})
	c := newComposer(0)
	ws, _, err := ReadPack(packText)
	must(b, err)
	for i := range 32_768 * 6 {
		e := c.next()
		v := strconv.Itoa(i % 8192)
		e.Terminal, e.Merchant, e.Payee, e.Device, e.At = "T"+v, "M"+v, "W"+v, "d"+v, noon
		m.Observe(e, allowed)
	}
	m.drain()
	keys := 0
	for d := range m.tick.dims {
		m.tick.dims[d].hours = 672
		keys += int(m.population(d))
	}
	b.ReportMetric(float64(keys), "keys")
	for b.Loop() {
		m.scan(ws, noon.Unix()/60, noon.Add(10*time.Second))
	}
}
