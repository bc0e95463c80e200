package bench

import (
	"context"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"surety/domain/risk"
	"surety/kernel/boost"
	"surety/kernel/ident"
	"surety/kernel/money"
)

// DecideConfig is the shape of the engine that is measured.
type DecideConfig struct {
	Entities int           // in all five dimensions together; 10,000,000 if zero
	Rules    int           // 50 if zero
	Trees    int           // 100 if zero, of depth 3
	For      time.Duration // of each measurement; 5 s if zero
	Progress func(what string, done, total int)
}

// DecideFigures are decisions in process: no disk, no network.
type DecideFigures struct {
	P50Nanos       int64   `json:"p50_ns"`
	P99Nanos       int64   `json:"p99_ns"`
	P999Nanos      int64   `json:"p999_ns"`
	PerSecond1Core int64   `json:"per_second_1core"`   // one caller, one decision a call
	PerSecondBatch int64   `json:"per_second_batched"` // batches of 1,000 on all cores
	BytesPerEntity float64 `json:"bytes_per_entity"`   // all memory of the process that the state brought
	Entities       int     `json:"entities"`
	Events         int     `json:"events"` // in all entities
	Features       int     `json:"features"`
	Rules          int     `json:"rules"`
	Trees          int     `json:"trees"`
	Cores          int     `json:"cores"`
	Allocs         float64 `json:"allocs_per_decision"`
	GCMillis       float64 `json:"full_gc_ms"` // one full collection with the state in memory
	FillPerSecond  int64   `json:"fill_per_second"`
	Bytes850M      float64 `json:"gib_at_850_million"` // the same entities for 850 million accounts
}

// Tell writes the figures for people.
func (f DecideFigures) Tell(w io.Writer) {
	fmt.Fprintf(w, "decide: %d entities, %d features, %d rules, %d trees, %d cores\n", f.Entities, f.Features, f.Rules, f.Trees, f.Cores)
	fmt.Fprintf(w, "  one at a time: p50 %d ns, p99 %d ns, p99.9 %d ns, %d/s on one core, %.1f allocations\n",
		f.P50Nanos, f.P99Nanos, f.P999Nanos, f.PerSecond1Core, f.Allocs)
	fmt.Fprintf(w, "  batches of 1,000 on all cores: %d/s\n", f.PerSecondBatch)
	fmt.Fprintf(w, "  memory: %.0f bytes an entity (%.1f events each); 850 million would take %.0f GiB; a full collection takes %.1f ms\n",
		f.BytesPerEntity, float64(f.Events)/float64(max(1, f.Entities)), f.Bytes850M, f.GCMillis)
	drawBars(w, "decisions a second", []bar{{"one core, single", float64(f.PerSecond1Core), fmt.Sprint(f.PerSecond1Core)},
		{"all cores, batched", float64(f.PerSecondBatch), fmt.Sprint(f.PerSecondBatch)}, {"record of a sale (2019)", 544000, "544000"}})
}

// decideWindows are read in each of the five dimensions.
var decideWindows = []string{"1h", "1d", "7d", "30d"}

// Decide fills an engine with random history and lets it judge random payments.
func Decide(ctx context.Context, c DecideConfig) (f DecideFigures, err error) {
	c = c.filled()
	b := &decideBench{cfg: c, rnd: rand.New(rand.NewPCG(1, 2)), payers: uint64(c.Entities / 5)}
	clock := ident.NewManualClock(handbookStart.AddDate(0, 0, 60))
	before := memory()
	if b.en, err = risk.New(risk.Config{Clock: clock, Pack: decidePack(c.Rules)}); err != nil {
		return f, err
	}
	watch := ident.StartStopwatch()
	n, err := b.fill(ctx, clock.Now())
	if err != nil {
		return f, err
	}
	f.FillPerSecond = int64(float64(n) / watch.Elapsed().Seconds())
	st := b.en.Stats()
	f.Entities, f.Events, f.Rules, f.Trees, f.Cores = st.Entities, st.Events, c.Rules, c.Trees, runtime.GOMAXPROCS(0)
	f.BytesPerEntity = float64(memory()-before) / float64(max(1, st.Entities))
	f.Bytes850M = f.BytesPerEntity * 850e6 / (1 << 30)
	watch = ident.StartStopwatch()
	runtime.GC()
	f.GCMillis = float64(watch.Elapsed().Microseconds()) / 1000
	if err := b.model(ctx, clock.Now()); err != nil {
		return f, err
	}
	f.Features = len(b.en.FeatureNames())
	if err := b.single(clock, &f); err != nil {
		return f, err
	}
	return f, b.batched(clock, &f)
}

func (c DecideConfig) filled() DecideConfig {
	for _, d := range []struct {
		to    *int
		usual int
	}{{&c.Entities, 10_000_000}, {&c.Rules, 50}, {&c.Trees, 100}} {
		if *d.to == 0 {
			*d.to = d.usual
		}
	}
	if c.For == 0 {
		c.For = 5 * time.Second
	}
	return c
}

// decidePack is five entities x four windows (count and sum) and rules of three
// comparisons each, none of which fires often.
func decidePack(rules int) string {
	var b strings.Builder
	b.WriteString("pack: {name: decide, number: 1, effective_from: 2018-01-01}\ncurrency: CNY\nutc_offset_minutes: 480\n" +
		"degraded: {challenge_from: 100000}\nentities:\n")
	names := []string{"payer", "payee", "device", "terminal", "pair"}
	for _, n := range names {
		key := "[" + n + "]"
		if n == "pair" {
			key = "[payer, payee]"
		}
		fmt.Fprintf(&b, "  %s: {key: %s}\n", n, key)
	}
	b.WriteString("features:\n")
	for _, n := range names {
		for _, kind := range []string{"count", "sum"} {
			fmt.Fprintf(&b, "  - {name: %s.%s, kind: %s, entity: %s, windows: [%s], zh: %s, en: %s}\n",
				n, kind, kind, n, strings.Join(decideWindows, ", "), n+kind, n+kind)
		}
	}
	// A challenge costs what makes about one payment in a hundred worth it: each that
	// is stopped is explained, and that must not be what is measured.
	b.WriteString("costs: {challenge: {disturb: 50000, stops: 900}, hold: {disturb: 500000, stops: 980}, " +
		"block: {disturb: 1000000, stops: 1000}}\n")
	b.WriteString("rules:\n")
	for i := range rules {
		n, w := names[i%5], decideWindows[i%4]
		fmt.Fprintf(&b, "  - id: r%d\n    owner: bench\n    priority: %d\n    mode: live\n"+
			"    when: %s.count_%s > %d && %s.sum_%s > %d && amount > %d\n    outcome: challenge\n    score: 300\n"+
			"    reason: {zh: 规则, en: rule}\n    proofs: [face]\n", i, 10+i%50, n, w, 2+i%7, n, w, 20_000_000, 900_000)
	}
	return b.String()
}

type decideBench struct {
	cfg    DecideConfig
	en     *risk.Engine
	rnd    *rand.Rand
	payers uint64
	next   int
}

// payment draws one: a payer has a device of its own, pays one of two payees at
// one of a few terminals. So a fifth of the entities are payers, a fifth devices,
// two fifths pairs, and payees and terminals share the last fifth.
func (b *decideBench) payment(r *rand.Rand, at time.Time, n int) risk.Event {
	p := r.Uint64N(b.payers)
	payee := (p*2654435761 + r.Uint64N(2)*40503) % (b.payers*4/5 + 1)
	return risk.Event{ID: fmt.Sprint("d", n), At: at, Payer: fmt.Sprint("W", p), Payee: fmt.Sprint("P", payee),
		Device: fmt.Sprint("dev-", p), Terminal: fmt.Sprint("T", payee%(b.payers/5+1)), Amount: money.Of(100+r.Int64N(1_000_000), money.CNY),
		Type: risk.Purchase, Channel: "qr"}
}

// fill observes about six payments a payer in the sixty days before, on all cores.
func (b *decideBench) fill(ctx context.Context, now time.Time) (int, error) {
	total := int(b.payers) * 6
	cores := runtime.GOMAXPROCS(0)
	errs := make([]error, cores)
	var wg sync.WaitGroup
	for w := range cores {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(w), 7))
			for i := w; i < total; i += cores {
				if i%65536 == w && w == 0 {
					if errs[w] = ctx.Err(); errs[w] != nil {
						return
					}
					if b.cfg.Progress != nil {
						b.cfg.Progress("payments of history", i, total)
					}
				}
				at := now.Add(-time.Duration(r.Int64N(int64(60 * 24 * time.Hour))))
				if errs[w] = b.en.Observe(b.payment(r, at, i)); errs[w] != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	b.next = total
	for _, err := range errs {
		if err != nil {
			return 0, err
		}
	}
	return total, nil
}

// model trains trees of depth 3 on the engine's own features and a made-up truth.
func (b *decideBench) model(ctx context.Context, now time.Time) error {
	d := boost.Dataset{Names: b.en.FeatureNames()}
	for i := range 4000 {
		e := b.payment(b.rnd, now, b.next+i)
		v, err := b.en.Features(e, risk.Facts{})
		if err != nil {
			return err
		}
		y := uint8(0)
		if e.Amount.Minor > 990_000 && b.rnd.IntN(3) > 0 {
			y = 1
		}
		for _, x := range v {
			d.X = append(d.X, float32(x))
		}
		d.Y, d.At, d.Group, d.Rows = append(d.Y, y), append(d.At, int64(i)), append(d.Group, uint64(i)), d.Rows+1
	}
	m, _, err := boost.Fit(ctx, boost.Train{Trees: b.cfg.Trees, Depth: 3, Seed: 1}, d, nil)
	if err != nil {
		return err
	}
	return b.en.SetModels(&risk.Scorer{Name: "bench", Version: strings.Repeat("0", 64), Model: m}, nil)
}

// single judges one payment a call, on one core.
func (b *decideBench) single(clock *ident.ManualClock, f *DecideFigures) error {
	now := clock.Now()
	es := make([]risk.Event, 20_000)
	var nanos []int64
	var spent time.Duration
	var made uint64
	for spent < b.cfg.For {
		for i := range es {
			es[i] = b.payment(b.rnd, now, b.next)
			b.next++
		}
		var m0, m1 runtime.MemStats
		runtime.ReadMemStats(&m0)
		for _, e := range es {
			watch := ident.StartStopwatch()
			_, err := b.en.Assess(e, risk.Facts{})
			took := watch.Elapsed()
			if err != nil {
				return err
			}
			spent += took
			nanos = append(nanos, int64(took))
		}
		runtime.ReadMemStats(&m1)
		made += m1.Mallocs - m0.Mallocs
	}
	slices.Sort(nanos)
	at := func(p float64) int64 { return nanos[min(len(nanos)-1, int(math.Round(p*float64(len(nanos)))))] }
	f.P50Nanos, f.P99Nanos, f.P999Nanos = at(.5), at(.99), at(.999)
	f.PerSecond1Core = int64(float64(len(nanos)) / spent.Seconds())
	f.Allocs = float64(made) / float64(len(nanos))
	return nil
}

// batched judges a thousand payments a call, on all cores.
func (b *decideBench) batched(clock *ident.ManualClock, f *DecideFigures) error {
	const size = 1000
	now := clock.Now()
	es, fs := make([]risk.Event, size), make([]risk.Facts, size)
	out, errs := make([]risk.Decision, size), make([]error, size)
	var spent time.Duration
	judged := 0
	for spent < b.cfg.For {
		for i := range es {
			es[i] = b.payment(b.rnd, now, b.next)
			b.next++
		}
		watch := ident.StartStopwatch()
		b.en.AssessBatch(es, fs, out, errs)
		spent += watch.Elapsed()
		for _, err := range errs {
			if err != nil {
				return err
			}
		}
		judged += size
	}
	f.PerSecondBatch = int64(float64(judged) / spent.Seconds())
	return nil
}
