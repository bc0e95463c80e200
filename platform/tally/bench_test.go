package tally_test

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"surety/kernel/ident"
	"surety/platform/tally"
)

const benchDay = 24 * time.Hour

// world is a store of many entities: half of them with one or two events, some
// with dozens, 6 on average, over 60 days; one column.
type world struct {
	s    *tally.Store
	n    int
	plan *tally.Plan
	now  int64
	r    *rand.Rand
}

func newWorld(b *testing.B, n int) *world {
	if n > 1_000_000 && testing.Short() {
		b.Skip("large")
	}
	s, err := tally.New(tally.Config{Columns: []uint8{0, 1}})
	if err != nil {
		b.Fatal(err)
	}
	w := &world{s: s, n: n, r: rand.New(rand.NewPCG(1, 1)), now: (61 * benchDay).Microseconds()}
	if w.plan, err = tally.NewPlan(1, []tally.Window{{Span: time.Hour}, {Span: benchDay}, {Span: 7 * benchDay}, {Span: 30 * benchDay}}); err != nil {
		b.Fatal(err)
	}
	step := (60 * benchDay).Microseconds() / 64
	watch := ident.StartStopwatch()
	events := 0
	keys, es := make([]tally.Key, 0, 16), make([]tally.Event, 0, 16)
	for j := range 64 {
		for i := range n {
			if j < howMany(i) {
				events++
				keys = append(keys, w.key(i))
				es = append(es, tally.Event{ID: uint64(events), At: 1 + int64(j)*step + int64(i), Amount: int64(i%1000) * 100, Col: [3]uint64{uint64(j%7 + 1)}})
			}
			if len(keys) == 16 || i == n-1 {
				tx := s.Begin(keys)
				for k := range keys {
					if _, err := tx.Observe(k, es[k]); err != nil {
						b.Fatal(err)
					}
				}
				tx.End()
				keys, es = keys[:0], es[:0]
			}
		}
	}
	st := s.Stats()
	b.Logf("%d entities, %d events (%.2f each), filled at %.0f events/s, %.1f bytes an entity",
		st.Entities, st.Events, float64(st.Events)/float64(n), float64(events)/watch.Elapsed().Seconds(), float64(st.Bytes)/float64(n))
	return w
}

// howMany events entity i has: 1, 1, 2, 2, 3, 4, 5, 8, 14, 20 and a few 60.
func howMany(i int) int {
	if i%200 == 199 {
		return 62
	}
	return [...]int{1, 1, 2, 2, 3, 4, 5, 8, 14, 17}[i/7%10]
}

func (w *world) key(i int) tally.Key { return tally.Key{Dim: 1, Hash: tally.Pair(uint64(i), 1)} }

func (w *world) random(keys []tally.Key) {
	for i := range keys {
		keys[i] = w.key(w.r.IntN(w.n))
	}
}

func (w *world) event() tally.Event {
	w.now += 7
	return tally.Event{ID: uint64(w.now), At: w.now, Amount: 1234, Col: [3]uint64{uint64(w.now % 5)}}
}

func (w *world) bytes(b *testing.B) {
	b.ReportMetric(float64(w.s.Stats().Bytes)/float64(w.n), "B/entity")
}

// decide reads and then counts a payment under each key.
func decide(s *tally.Store, p *tally.Plan, keys []tally.Key, e *tally.Event, out []tally.Cell) error {
	tx := s.Begin(keys)
	defer tx.End()
	for i := range keys {
		tx.Read(i, tally.Query{At: e.At, This: e}, p, out)
	}
	for i := range keys {
		if _, err := tx.Observe(i, *e); err != nil {
			return err
		}
	}
	return nil
}

func BenchmarkWorld(b *testing.B) {
	for _, size := range []struct {
		name string
		n    int
	}{{"1M", 1_000_000}, {"10M", 10_000_000}} {
		b.Run(size.name, func(b *testing.B) {
			w := newWorld(b, size.n)
			b.Run("UpdateRead", w.updateRead)
			b.Run("Decision5x4", w.decision)
			b.Run("Decision5x4Batch16", w.batch)
			b.Run("Decision5x4Parallel", w.parallel)
			b.Run("GC", w.gc)
			b.Run("Snapshot", w.snapshot)
			if size.n == 1_000_000 {
				b.Run("Restore", w.restore)
			}
			b.Run("Hash", w.hash)
		})
	}
}

// One entity: read 4 windows, count one event.
func (w *world) updateRead(b *testing.B) {
	out := make([]tally.Cell, w.plan.Len())
	var key [1]tally.Key
	b.ReportAllocs()
	for b.Loop() {
		w.random(key[:])
		e := w.event()
		if err := decide(w.s, w.plan, key[:], &e, out); err != nil {
			b.Fatal(err)
		}
	}
	w.bytes(b)
}

// Five entities in one Tx, with the percentiles of single decisions.
func (w *world) decision(b *testing.B) {
	out := make([]tally.Cell, w.plan.Len())
	var keys [5]tally.Key
	var took []time.Duration
	b.ReportAllocs()
	for b.Loop() {
		w.random(keys[:])
		e := w.event()
		watch := ident.StartStopwatch()
		if err := decide(w.s, w.plan, keys[:], &e, out); err != nil {
			b.Fatal(err)
		}
		took = append(took, watch.Elapsed())
	}
	percentiles(b, took, 1)
}

// Sixteen decisions touched together and then made one by one; all figures are
// for one.
func (w *world) batch(b *testing.B) {
	out := make([]tally.Cell, w.plan.Len())
	var keys [80]tally.Key
	var took []time.Duration
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if i%16 > 0 { // a round of 16 is an op in 16
			continue
		}
		w.random(keys[:])
		watch := ident.StartStopwatch()
		w.s.Touch(keys[:])
		for k := range 16 {
			e := w.event()
			if err := decide(w.s, w.plan, keys[k*5:][:5], &e, out); err != nil {
				b.Fatal(err)
			}
		}
		took = append(took, watch.Elapsed())
	}
	percentiles(b, took, 16)
}

func percentiles(b *testing.B, took []time.Duration, each float64) {
	slices.Sort(took)
	for _, p := range []struct {
		at   int
		name string
	}{{500, "p50-ns"}, {990, "p99-ns"}, {999, "p99.9-ns"}} {
		b.ReportMetric(float64(took[len(took)*p.at/1000])/each, p.name)
	}
}

// The same on all processors.
func (w *world) parallel(b *testing.B) {
	var mu sync.Mutex
	seed := uint64(0)
	b.RunParallel(func(pb *testing.PB) {
		mu.Lock()
		seed++
		own := *w
		own.r, own.now = rand.New(rand.NewPCG(seed, 2)), w.now+int64(seed)
		mu.Unlock()
		out := make([]tally.Cell, w.plan.Len())
		var keys [80]tally.Key
		for i := 0; pb.Next(); i++ {
			if i%16 == 0 {
				own.random(keys[:])
				own.s.Touch(keys[:])
			}
			e := own.event()
			if err := decide(own.s, own.plan, keys[i%16*5:][:5], &e, out); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

func (w *world) gc(b *testing.B) {
	for b.Loop() {
		runtime.GC()
	}
}

// How long Snapshot stops the world, if the writer costs nothing.
func (w *world) snapshot(b *testing.B) {
	for b.Loop() {
		if err := w.s.Snapshot(io.Discard); err != nil {
			b.Fatal(err)
		}
	}
}

func (w *world) restore(b *testing.B) {
	var file bytes.Buffer
	if err := w.s.Snapshot(&file); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(file.Len()))
	for b.Loop() {
		again, err := tally.New(tally.Config{Columns: []uint8{0, 1}})
		if err != nil {
			b.Fatal(err)
		}
		if err := again.Restore(bytes.NewReader(file.Bytes())); err != nil {
			b.Fatal(err)
		}
	}
}

func (w *world) hash(b *testing.B) {
	for b.Loop() {
		w.s.Hash()
	}
}

// The worst there is: an entity at its Cap, with 60 days of tiles, read over 30.
func BenchmarkHot(b *testing.B) {
	for _, most := range []int{4096, 256} {
		for name, distinct := range map[string]uint8{"Sums": 0, "Distinct": 1} {
			b.Run(fmt.Sprintf("Cap%d%s", most, name), func(b *testing.B) {
				s, err := tally.New(tally.Config{Columns: []uint8{0, 1}, Cap: most})
				if err != nil {
					b.Fatal(err)
				}
				key := []tally.Key{{Dim: 1, Hash: 1}}
				event := func(i int64) *tally.Event {
					return &tally.Event{ID: uint64(i), At: 1 + i*26_000_000, Amount: i % 1000, Flags: uint16(i % 3), Col: [3]uint64{uint64(i%999) + 1}}
				}
				i := int64(0)
				for ; i < 200_000; i++ {
					if _, err := observe(s, key[0], *event(i)); err != nil {
						b.Fatal(err)
					}
				}
				p, err := tally.NewPlan(1, []tally.Window{{Span: time.Hour, Distinct: distinct}, {Span: benchDay, Distinct: distinct},
					{Span: 7 * benchDay, Distinct: distinct}, {Span: 30 * benchDay, Distinct: distinct}})
				if err != nil {
					b.Fatal(err)
				}
				out := make([]tally.Cell, p.Len())
				b.ReportAllocs()
				for b.Loop() {
					i++
					if err := decide(s, p, key, event(i), out); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
