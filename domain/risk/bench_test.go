package risk_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"surety/domain/risk"
	"surety/kernel/boost"
	"surety/kernel/ident"
	"surety/kernel/money"
)

// shape is the contract's: five entities x four windows of count and sum, fifty
// rules of three comparisons, none of which fires often.
func shape() string {
	var b strings.Builder
	b.WriteString("pack: {name: shape, number: 1, effective_from: 2018-01-01}\ncurrency: CNY\nutc_offset_minutes: 480\n" +
		"degraded: {challenge_from: 100000}\nentities:\n")
	names := []string{"payer", "payee", "device", "terminal", "pair"}
	windows := []string{"1h", "1d", "7d", "30d"}
	for _, n := range names {
		key := n
		if n == "pair" {
			key = "payer, payee"
		}
		fmt.Fprintf(&b, "  %s: {key: [%s]}\n", n, key)
	}
	b.WriteString("features:\n")
	for _, n := range names {
		for _, kind := range []string{"count", "sum"} {
			fmt.Fprintf(&b, "  - {name: %s.%s, kind: %s, entity: %s, windows: [%s], zh: x, en: x}\n", n, kind, kind, n, strings.Join(windows, ", "))
		}
	}
	// About one payment in a hundred is stopped, as in life.
	b.WriteString("costs: {challenge: {disturb: 50000, stops: 900}, hold: {disturb: 500000, stops: 980}, block: {disturb: 1000000, stops: 1000}}\n")
	b.WriteString("rules:\n")
	for i := range 50 {
		n, w := names[i%5], windows[i%4]
		fmt.Fprintf(&b, "  - {id: r%d, owner: o, priority: %d, mode: live, outcome: challenge, score: 300, reason: {zh: x, en: x}, proofs: [face], "+
			"when: %s.count_%s > %d && %s.sum_%s > 20000000 && amount > 900000}\n", i, 10+i%50, n, w, 2+i%7, n, w)
	}
	return b.String()
}

// crowd is payments of so many payers, each with a device of its own.
type crowd struct {
	r      *rand.Rand
	payers uint64
	n      int
}

func (c *crowd) pay(at time.Time) risk.Event {
	c.n++
	p := c.r.Uint64N(c.payers)
	payee := (p*2654435761 + c.r.Uint64N(2)*40503) % (c.payers*4/5 + 1)
	return risk.Event{ID: fmt.Sprint("d", c.n), At: at, Payer: fmt.Sprint("W", p), Payee: fmt.Sprint("P", payee),
		Device: fmt.Sprint("dev-", p), Terminal: fmt.Sprint("T", payee%(c.payers/5+1)), Amount: money.Of(100+c.r.Int64N(1_000_000), "CNY"),
		Type: risk.Purchase, Channel: "qr"}
}

// filled is an engine of about so many entities with a model of 100 trees of
// depth 3 on its own features.
func filled(b testing.TB, entities int) (*risk.Engine, *crowd, time.Time) {
	b.Helper()
	clock := ident.NewManualClock(noon)
	en, err := risk.New(risk.Config{Clock: clock, Pack: shape()})
	must(b, err)
	c := &crowd{r: rand.New(rand.NewPCG(1, 2)), payers: uint64(entities / 5)}
	for range entities / 5 * 6 {
		must(b, en.Observe(c.pay(noon.Add(-time.Duration(c.r.Int64N(int64(60*24*time.Hour)))))))
	}
	must(b, en.SetModels(&risk.Scorer{Name: "bench", Version: strings.Repeat("0", 64), Model: trees(b, en, c, 100)}, nil))
	return en, c, noon
}

// trees are trained on what the engine says of payments, with a made-up truth.
func trees(t testing.TB, en *risk.Engine, c *crowd, n int) *boost.Model {
	t.Helper()
	d := boost.Dataset{Names: en.FeatureNames()}
	for i := range 2000 {
		e := c.pay(noon)
		v, err := en.Features(e, risk.Facts{})
		must(t, err)
		for _, x := range v {
			d.X = append(d.X, float32(x))
		}
		y := uint8(0)
		if e.Amount.Minor > 990_000 && c.r.IntN(3) > 0 {
			y = 1
		}
		d.Y, d.At, d.Group, d.Rows = append(d.Y, y), append(d.At, int64(i)), append(d.Group, uint64(i)), d.Rows+1
	}
	m, _, err := boost.Fit(context.Background(), boost.Train{Trees: n, Depth: 3, Seed: 1}, d, nil)
	must(t, err)
	return m
}

// BenchmarkDecide is one decision with everything on: 5 entities x 4 windows, 50
// rules, 100 trees of depth 3, and the counting, at a million entities.
func BenchmarkDecide(b *testing.B) {
	en, c, now := filled(b, 1_000_000)
	events := make([]risk.Event, 100_000)
	for i := range events {
		events[i] = c.pay(now)
	}
	b.Run("one", func(b *testing.B) {
		b.ReportAllocs()
		i, stopped := 0, 0
		var nanos []int64
		for b.Loop() {
			watch := ident.StartStopwatch()
			d, err := en.Assess(events[i%len(events)], risk.Facts{})
			nanos = append(nanos, watch.Elapsed().Nanoseconds())
			if err != nil {
				b.Fatal(err)
			}
			if d.Outcome != risk.Allow {
				stopped++
			}
			i++
		}
		slices.Sort(nanos)
		b.ReportMetric(float64(nanos[len(nanos)/2]), "p50-ns")
		b.ReportMetric(float64(nanos[len(nanos)*999/1000]), "p99.9-ns")
		b.ReportMetric(float64(stopped)/float64(i), "stopped")
	})
	b.Run("batch", func(b *testing.B) {
		const size = 1000
		es, fs := make([]risk.Event, size), make([]risk.Facts, size)
		out, errs := make([]risk.Decision, size), make([]error, size)
		b.ReportAllocs()
		var spent time.Duration
		for range b.N {
			b.StopTimer()
			for i := range es {
				es[i] = c.pay(now)
			}
			b.StartTimer()
			watch := ident.StartStopwatch()
			en.AssessBatch(es, fs, out, errs)
			spent += watch.Elapsed()
		}
		b.ReportMetric(float64(spent.Nanoseconds())/float64(b.N)/size, "ns/decision")
	})
}
