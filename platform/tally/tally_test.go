package tally_test

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"surety/kernel/ident"
	"surety/platform/tally"
)

const hour = int64(3600 * 1_000_000)

// model answers by looking at every event ever observed.
type model struct {
	cap     int
	columns []uint8
	cutoff  int64
	of      map[tally.Key]*history
}

// history is one entity: what is exact, and what has become part of a tile.
type history struct {
	exact []tally.Event
	tiled []tally.Event // those whose minute began after the cutoff of their time
	edge  int64
}

func newModel(cfg tally.Config) *model {
	return &model{cap: cmp.Or(cfg.Cap, 4096), columns: cfg.Columns, of: map[tally.Key]*history{}}
}

func (m *model) at(k tally.Key) *history {
	if m.of[k] == nil {
		m.of[k] = &history{}
	}
	return m.of[k]
}

func byTime(a, b tally.Event) int { return cmp.Or(cmp.Compare(a.At, b.At), cmp.Compare(a.ID, b.ID)) }

func (m *model) observe(k tally.Key, e tally.Event) {
	if e.At <= m.cutoff {
		return
	}
	h := m.at(k)
	h.exact = slices.DeleteFunc(h.exact, func(x tally.Event) bool { return x.At <= m.cutoff })
	i, found := slices.BinarySearchFunc(h.exact, e, byTime)
	if found {
		return
	}
	if i == 0 && len(h.exact) < m.cap && e.At <= h.edge {
		m.roll(h, e)
		return
	}
	h.exact = slices.Insert(h.exact, i, e)
	if len(h.exact) > m.cap {
		m.roll(h, h.exact[0])
		h.exact = h.exact[1:]
	}
}

func (m *model) roll(h *history, e tally.Event) {
	h.edge = max(h.edge, e.At)
	if e.At-e.At%(hour/60) > m.cutoff {
		h.tiled = append(h.tiled, e)
	}
}

// window is the answer, and how many events it missed because their tile was
// not whole in it.
func (m *model) window(k tally.Key, q tally.Query, w tally.Window) (c tally.Cell, all []tally.Event, missed int) {
	h := m.at(k)
	end := q.At - w.Delay.Microseconds()
	start := end - w.Span.Microseconds()
	c.Complete = start >= max(m.cutoff, h.edge)
	in := func(e tally.Event) bool {
		return e.At > max(start, m.cutoff) && e.At <= end && e.Flags&w.Mask == w.Want
	}
	var latest []tally.Event
	stored := false
	for _, e := range h.exact {
		this := q.This != nil && e.At == q.This.At && e.ID == q.This.ID
		stored = stored || this
		if !in(e) || this && w.Before {
			continue
		}
		all = append(all, e)
		if !this {
			latest = append(latest, e)
		}
	}
	if q.This != nil && !stored && !w.Before && in(*q.This) {
		old := len(h.exact) > 0 && byTime(*q.This, h.exact[0]) < 0 || len(h.exact) == 0
		if !(old && q.This.At <= h.edge) {
			all = append(all, *q.This)
		}
	}
	tiles := map[[2]int64][]tally.Event{}
	for _, e := range h.tiled {
		start := e.At - e.At%hour
		if start >= h.edge-h.edge%hour-hour { // the newest hours have minutes
			start = e.At - e.At%(hour/60)
		}
		tiles[[2]int64{start, int64(e.Flags)}] = append(tiles[[2]int64{start, int64(e.Flags)}], e)
	}
	for id, es := range tiles {
		whole := id[0] > m.cutoff
		for _, e := range es {
			whole = whole && e.At > start && e.At <= end
		}
		for _, e := range es {
			if whole && in(e) {
				all = append(all, e)
			} else if in(e) {
				missed++
			}
		}
	}
	m.fill(&c, k, w, all)
	if w.Latest && len(latest) > 0 {
		for j := range int(m.columns[k.Dim]) {
			c.Col[j] = slices.MaxFunc(latest, byTime).Col[j]
		}
	}
	return c, all, missed
}

func (m *model) fill(c *tally.Cell, k tally.Key, w tally.Window, all []tally.Event) {
	squares := new(big.Int)
	values := [tally.MaxColumns]map[uint64]bool{{}, {}, {}}
	for i, e := range all {
		if i == 0 {
			c.Min, c.First = e.Amount, e.At
		}
		c.Count++
		c.Sum += e.Amount
		c.Min, c.Max = min(c.Min, e.Amount), max(c.Max, e.Amount)
		c.First, c.Last = min(c.First, e.At), max(c.Last, e.At)
		squares.Add(squares, new(big.Int).Mul(big.NewInt(e.Amount), big.NewInt(e.Amount)))
		for j := range int(m.columns[k.Dim]) {
			if e.Col[j] != 0 {
				values[j][e.Col[j]] = true
			}
		}
	}
	for j := range values {
		if w.Distinct>>j&1 != 0 {
			c.Distinct[j] = int64(len(values[j]))
		}
	}
	if w.Squares {
		c.Lo = new(big.Int).And(squares, new(big.Int).SetUint64(math.MaxUint64)).Uint64()
		c.Hi = new(big.Int).Rsh(squares, 64).Uint64()
	}
}

func newStore(t interface{ Fatal(...any) }, cfg tally.Config) *tally.Store {
	s, err := tally.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// observe, forget and read do one thing to one key.
func observe(s *tally.Store, k tally.Key, e tally.Event) (bool, error) {
	tx := s.Begin([]tally.Key{k})
	defer tx.End()
	return tx.Observe(0, e)
}

func forget(s *tally.Store, k tally.Key, e tally.Event) bool {
	tx := s.Begin([]tally.Key{k})
	defer tx.End()
	return tx.Forget(0, e)
}

func read(t interface{ Fatal(...any) }, s *tally.Store, k tally.Key, q tally.Query, ws ...tally.Window) []tally.Cell {
	p, err := tally.NewPlan(k.Dim, ws)
	if err != nil {
		t.Fatal(err)
	}
	out := make([]tally.Cell, p.Len())
	tx := s.Begin([]tally.Key{k})
	defer tx.End()
	tx.Read(0, q, p, out)
	return out
}

// scale is how large the drawn times are: exact windows are tested in
// microseconds, tiles in hours.
type scale struct {
	unit    int64
	horizon time.Duration
	cap     int
}

func (sc scale) windows(columns uint8) *rapid.Generator[[]tally.Window] {
	one := rapid.Custom(func(t *rapid.T) tally.Window {
		length := rapid.Int64Range(0, 200)
		w := tally.Window{Span: time.Duration((1+length.Draw(t, "span"))*sc.unit) * time.Microsecond,
			Mask: uint16(rapid.IntRange(0, 3).Draw(t, "mask")), Before: rapid.Bool().Draw(t, "before"),
			Distinct: uint8(rapid.IntRange(0, 1<<columns-1).Draw(t, "distinct")),
			Squares:  rapid.Bool().Draw(t, "squares"), Latest: rapid.Bool().Draw(t, "latest")}
		w.Want = uint16(rapid.IntRange(0, 3).Draw(t, "want")) & w.Mask
		if rapid.Bool().Draw(t, "delayed") {
			w.Delay = time.Duration(length.Draw(t, "delay")*sc.unit) * time.Microsecond
		}
		return w
	})
	return rapid.SliceOfN(one, 1, 6)
}

// The store against brute force: any order, repeats, late events, forgetting,
// flags, reads in the past, delays, filters, a moving horizon, keys that repeat.
func TestAgainstBruteForce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) { againstModel(t, scale{unit: 1, horizon: 2 * time.Second, cap: 4096}) })
}

// The same with entities that overflow.
func TestTilesAgainstBruteForce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		unit := rapid.SampledFrom([]int64{hour / 4, hour / 25, hour / 300}).Draw(t, "unit")
		long := rapid.SampledFrom([]int64{120, 500}).Draw(t, "horizon")
		againstModel(t, scale{unit: unit, horizon: time.Duration(unit*long) * time.Microsecond, cap: rapid.IntRange(1, 9).Draw(t, "cap")})
	})
}

// machine is a store and a model that are told the same.
type machine struct {
	scale
	cfg   tally.Config
	s     *tally.Store
	m     *model
	known map[uint64]tally.Event        // a payment's id belongs to one payment
	seen  map[tally.Key]map[uint64]bool // with tiles, a repeat cannot be known: none is drawn
}

func againstModel(t *rapid.T, sc scale) {
	cfg := tally.Config{Horizon: sc.horizon, Cap: sc.cap, Columns: []uint8{0, 0, 1, 2, 3}, Shards: 1 << rapid.IntRange(0, 3).Draw(t, "shards")}
	x := &machine{scale: sc, cfg: cfg, s: newStore(t, cfg), m: newModel(cfg), known: map[uint64]tally.Event{}, seen: map[tally.Key]map[uint64]bool{}}
	t.Repeat(map[string]func(*rapid.T){
		"observe":  x.observe,
		"forget":   x.forget,
		"flag":     x.flag,
		"snapshot": func(t *rapid.T) { x.s = reopened(t, x.s, cfg) },
		"advance": func(t *rapid.T) {
			us := sc.horizon.Microseconds()
			now := us + rapid.Int64Range(0, 300*sc.unit).Draw(t, "now")
			x.s.Advance(now)
			x.m.cutoff = max(x.m.cutoff, now-us)
		},
		"": x.check,
	})
}

func (x *machine) key(t *rapid.T) tally.Key {
	return tally.Key{Dim: tally.Dim(rapid.IntRange(1, 4).Draw(t, "dim")), Hash: rapid.Uint64Range(1, 3).Draw(t, "hash")}
}

func (x *machine) at(t *rapid.T) int64 { return rapid.Int64Range(1, 600).Draw(t, "at") * x.unit }

func (x *machine) event(t *rapid.T) tally.Event {
	id := rapid.Uint64Range(1, 400).Draw(t, "id")
	if old, ok := x.known[id]; ok {
		return old
	}
	e := tally.Event{ID: id, At: x.at(t), Amount: rapid.Int64Range(0, tally.MaxAmount).Draw(t, "amount"),
		Flags: uint16(rapid.IntRange(0, 3).Draw(t, "flags"))}
	for j := range e.Col {
		e.Col[j] = rapid.Uint64Range(0, 9).Draw(t, "column")
	}
	x.known[id] = e
	return e
}

func (x *machine) observe(t *rapid.T) {
	k, e := x.key(t), x.event(t)
	if x.seen[k] == nil {
		x.seen[k] = map[uint64]bool{}
	}
	if x.unit > 1 && x.seen[k][e.ID] {
		return
	}
	x.seen[k][e.ID] = true
	tx := x.s.Begin([]tally.Key{k, k, {Dim: 1, Hash: 99}, k})
	defer tx.End()
	first, err := tx.Observe(0, e)
	again, err2 := tx.Observe(3, e)
	if err != nil || err2 != nil || again && x.unit == 1 {
		t.Fatal(first, again, err, err2)
	}
	if again { // it went into a tile at once, where it is not known again
		x.m.observe(k, e)
	}
	x.m.observe(k, e)
}

func (x *machine) forget(t *rapid.T) {
	k := x.key(t)
	h := x.m.at(k)
	h.exact = slices.DeleteFunc(h.exact, func(e tally.Event) bool { return e.At <= x.m.cutoff })
	if len(h.exact) == 0 {
		return
	}
	i := rapid.IntRange(0, len(h.exact)-1).Draw(t, "which")
	e := h.exact[i]
	if !forget(x.s, k, e) {
		t.Fatalf("%v was not there to forget", e)
	}
	h.exact = slices.Delete(h.exact, i, i+1)
	if forget(x.s, k, e) {
		t.Fatal("forgotten twice")
	}
}

func (x *machine) flag(t *rapid.T) {
	k, e := x.key(t), x.event(t)
	set, clear := uint16(rapid.IntRange(0, 7).Draw(t, "set")), uint16(rapid.IntRange(0, 7).Draw(t, "clear"))
	h, want := x.m.at(k), false
	for i := range h.exact {
		if y := &h.exact[i]; y.ID == e.ID && y.At == e.At && y.At > x.m.cutoff {
			y.Flags, want = (y.Flags|set)&^clear, true
		}
	}
	tx := x.s.Begin([]tally.Key{k})
	defer tx.End()
	if got := tx.Flag(0, e.ID, e.At, set, clear); got != want {
		t.Fatalf("flagged: %t, want %t", got, want)
	}
}

// check reads windows of one key, with and without a payment at hand.
func (x *machine) check(t *rapid.T) {
	k := x.key(t)
	q := tally.Query{At: x.at(t)}
	if rapid.Bool().Draw(t, "with this") {
		e := x.event(t)
		q.This = &e
		if rapid.Bool().Draw(t, "at this") {
			q.At = e.At
		}
	}
	ws := x.windows(x.cfg.Columns[k.Dim]).Draw(t, "windows")
	for i, got := range read(t, x.s, k, q, ws...) {
		want, all, missed := x.m.window(k, q, ws[i])
		checkCell(t, fmt.Sprintf("%+v of %v at %+v", ws[i], k, q), got, want, all, missed)
	}
}

func checkCell(t *rapid.T, name string, got, want tally.Cell, all []tally.Event, missed int) {
	t.Helper()
	if missed > 0 && got.Complete {
		t.Fatalf("%s: %d events are missing and it says it is complete", name, missed)
	}
	if !want.Complete { // distinct values over tiles are an estimate
		for j := range want.Distinct {
			if d := got.Distinct[j] - want.Distinct[j]; d < -2 || d > 2 {
				t.Fatalf("%s: %d different values, want about %d", name, got.Distinct[j], want.Distinct[j])
			}
			got.Distinct[j] = want.Distinct[j]
		}
	}
	if got != want {
		t.Fatalf("%s:\n got %+v\nwant %+v\n of %+v", name, got, want, all)
	}
	if got.Hi|got.Lo == 0 {
		return
	}
	n, sum, squares := big.NewInt(want.Count), new(big.Int), new(big.Int)
	for _, e := range all {
		sum.Add(sum, big.NewInt(e.Amount))
		squares.Add(squares, new(big.Int).Mul(big.NewInt(e.Amount), big.NewInt(e.Amount)))
	}
	mean, _ := new(big.Rat).SetFrac(sum, n).Float64()
	if d := math.Abs(got.Mean() - mean); d > mean*1e-15 {
		t.Fatalf("%s: mean %v, want %v", name, got.Mean(), mean)
	}
	v := new(big.Float).SetPrec(300).SetInt(squares.Sub(squares.Mul(squares, n), sum.Mul(sum, sum)))
	std, _ := v.Quo(v.Sqrt(v), new(big.Float).SetInt(n)).Float64()
	if d := math.Abs(got.Std() - std); d > std*1e-15 {
		t.Fatalf("%s: std %v, want %v", name, got.Std(), std)
	}
}

// reopened writes the store to a file and reads it into a new one.
func reopened(t interface{ Fatal(...any) }, s *tally.Store, cfg tally.Config) *tally.Store {
	var file bytes.Buffer
	if err := s.Snapshot(&file); err != nil {
		t.Fatal(err)
	}
	cfg.Shards = 4
	again := newStore(t, cfg)
	if err := again.Restore(&file); err != nil {
		t.Fatal(err)
	}
	if again.Hash() != s.Hash() {
		t.Fatal("the restored memory differs")
	}
	return again
}

// The same events in another order, some of them twice, some forgotten on the
// way, give the same Hash; one event changed gives another.
func TestHashIsOfTheSet(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	type pair struct {
		k tally.Key
		e tally.Event
	}
	var events []pair
	for i := range 6000 {
		events = append(events, pair{tally.Key{Dim: 1, Hash: r.Uint64N(40)},
			tally.Event{ID: uint64(i + 1), At: 1 + r.Int64N(90*hour), Amount: r.Int64N(1e6), Flags: uint16(r.IntN(3)), Col: [3]uint64{r.Uint64N(9)}}})
	}
	build := func(ps []pair, extra bool, moves ...int64) [32]byte {
		s := newStore(t, tally.Config{Horizon: 48 * time.Hour, Cap: 64, Columns: []uint8{0, 1}})
		for i, p := range ps {
			if extra && i%5 == 0 {
				fresh := tally.Key{Dim: 9, Hash: uint64(i)}
				_, _ = observe(s, fresh, p.e)
				forget(s, fresh, p.e)
				_, _ = observe(s, p.k, ps[i/2].e)
				if ps[i/2].k != p.k {
					forget(s, p.k, ps[i/2].e)
				}
			}
			if _, err := observe(s, p.k, p.e); err != nil {
				t.Fatal(err)
			}
			if len(moves) > 0 && i == len(ps)/2 {
				s.Advance(moves[0])
			}
		}
		s.Advance(91 * hour)
		return s.Hash()
	}
	want := build(events, false)
	if want == [32]byte{} {
		t.Fatal("nothing is visible")
	}
	shuffled := slices.Clone(events)
	r.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
	if build(shuffled, false) != want {
		t.Error("another order gives another state")
	}
	if build(shuffled, false, 75*hour) != want {
		t.Error("an early cutoff gives another state")
	}
	newest := slices.MaxFunc(events, func(a, b pair) int { return cmp.Compare(a.e.At, b.e.At) })
	shuffled[slices.Index(shuffled, newest)].e.Amount++
	if build(shuffled, false) == want {
		t.Error("one fen more gives the same state")
	}
	few := events[:1200] // below Cap, so that forgetting and repeats are exact
	if build(few, true) != build(few, false) || build(append(slices.Clone(few), few...), false) != build(few, false) {
		t.Error("observing and forgetting leaves a trace")
	}
}

func TestCapKeepsTheNewest(t *testing.T) {
	s := newStore(t, tally.Config{Cap: 3})
	k := tally.Key{Dim: 1, Hash: 1}
	base := 1000 * hour
	for _, at := range []int64{50, 10, 40, 20, 30, 5} {
		if fresh, err := observe(s, k, tally.Event{ID: uint64(at), At: base + at, Amount: at}); err != nil || !fresh {
			t.Fatal(fresh, err)
		}
	}
	us := time.Microsecond
	out := read(t, s, k, tally.Query{At: base + 50}, tally.Window{Span: 30 * us}, tally.Window{Span: 37 * us}, tally.Window{Span: time.Hour})
	// The newest in the tile is 20: (20, 50] is whole, (13, 50] lacks the tile, which lies in it only in part.
	if !out[0].Complete || out[0].Count != 3 || out[1].Complete || out[1].Count != 3 {
		t.Errorf("windows %+v", out)
	}
	if out[2].Complete || out[2].Count != 6 || out[2].Sum != 155 || out[2].First != base+5 {
		t.Errorf("the tile is not in the window: %+v", out[2])
	}
	if forget(s, k, tally.Event{ID: 10, At: base + 10, Amount: 10}) {
		t.Error("an event was taken out of a tile")
	}
}

// Tiles count what lies in whole hours; the sums miss at most what is in the
// hours at the two ends of the window, and the distinct values are within four
// standard errors of an estimate from 64 registers (13 %).
func TestTilesWithinTheirBound(t *testing.T) {
	cfg := tally.Config{Cap: 256, Columns: []uint8{0, 2}}
	s := newStore(t, cfg)
	k := tally.Key{Dim: 1, Hash: 1}
	r := rand.New(rand.NewPCG(3, 3))
	var all []tally.Event
	for i := range 60_000 {
		e := tally.Event{ID: r.Uint64(), At: 1 + hour + r.Int64N(60*24*hour), Amount: r.Int64N(1e6), Flags: uint16(r.IntN(2)),
			Col: [3]uint64{1 + r.Uint64N(2000), 1 + r.Uint64N(5)}}
		if i%7 == 0 {
			e.At = 1 + hour + int64(i)*20*60*1_000_000
		}
		all = append(all, e)
		if _, err := observe(s, k, e); err != nil {
			t.Fatal(err)
		}
	}
	now := 61 * 24 * hour
	for _, days := range []int64{1, 7, 30, 61} {
		for _, mask := range []uint16{0, 1} {
			w := tally.Window{Span: time.Duration(days*24) * time.Hour, Delay: 90 * time.Minute, Mask: mask, Want: mask, Distinct: 3, Squares: true}
			got := read(t, s, k, tally.Query{At: now}, w)[0]
			end := now - 3*hour/2
			start := end - days*24*hour
			var count, sum, least, leastSum int64
			values := map[uint64]bool{}
			for _, e := range all {
				if e.At <= start || e.At > end || e.Flags&mask != mask {
					continue
				}
				count, sum, values[e.Col[0]] = count+1, sum+e.Amount, true
				if h := e.At / hour; h != start/hour && h != end/hour {
					least, leastSum = least+1, leastSum+e.Amount
				}
			}
			if got.Complete || got.Count > count || got.Count < least || got.Sum > sum || got.Sum < leastSum {
				t.Errorf("%d days: count %d sum %d, want %d to %d and %d to %d", days, got.Count, got.Sum, least, count, leastSum, sum)
			}
			if d := math.Abs(float64(got.Distinct[0])/float64(len(values)) - 1); d > 0.52 || got.Distinct[1] < 4 || got.Distinct[1] > 6 {
				t.Errorf("%d days: %v different values, want %d and 5", days, got.Distinct, len(values))
			}
		}
	}
	if st := s.Stats(); st.Events != 256 || st.Tiles < 2*60*24 {
		t.Errorf("%+v", st)
	}
	reopened(t, s, cfg)
}

func TestMemoryFollowsTheHorizon(t *testing.T) {
	s := newStore(t, tally.Config{Horizon: time.Second, Shards: 16, Cap: 64})
	for i := range int64(200_000) {
		at := 1 + i*1000 // one event a millisecond: 1,000 in a horizon
		s.Advance(at)
		e := tally.Event{ID: uint64(i), At: at, Amount: 1}
		for _, k := range []tally.Key{{Dim: 1, Hash: uint64(i)}, {Dim: 2, Hash: uint64(i % 10)}} {
			if _, err := observe(s, k, e); err != nil {
				t.Fatal(err)
			}
		}
	}
	if st := s.Stats(); st.Entities > 4000 || st.Events > 8000 || st.Bytes > 1<<20 {
		t.Errorf("after 200 horizons it still holds %+v", st)
	}
}

func TestMemoryIsBounded(t *testing.T) {
	const bound = 8 << 20
	s := newStore(t, tally.Config{Memory: bound, Columns: []uint8{0, 1}})
	r := rand.New(rand.NewPCG(5, 5))
	favourites := 0
	for i := range int64(300_000) {
		at := 1 + i*1_000_000
		k := tally.Key{Dim: 1, Hash: uint64(i)}
		if i%3 == 0 { // a tenth of what fits comes again and again
			k = tally.Key{Dim: 1, Hash: 1<<40 + r.Uint64N(5000)}
		}
		if i%1000 == 999 { // and some need large blocks
			for j := range int64(200) {
				if _, err := observe(s, tally.Key{Dim: 1, Hash: uint64(i)}, tally.Event{ID: uint64(j), At: at + j}); err != nil {
					t.Fatal(err)
				}
			}
		}
		if _, err := observe(s, k, tally.Event{ID: uint64(i), At: at, Amount: 1}); err != nil {
			t.Fatal(err)
		}
		if st := s.Stats(); i%10_000 == 0 && st.Bytes > bound+bound/8 {
			t.Fatalf("after %d events it holds %+v", i, st)
		}
	}
	st := s.Stats()
	if st.Evicted < 100_000 || st.Entities < 30_000 {
		t.Errorf("%+v", st)
	}
	for h := range uint64(5000) {
		if read(t, s, tally.Key{Dim: 1, Hash: 1<<40 + h}, tally.Query{At: 300_001 * 1_000_000}, tally.Window{Span: 24 * time.Hour * 90})[0].Count > 5 {
			favourites++
		}
	}
	if favourites < 4000 { // giving up any at random would leave a third
		t.Errorf("of 5000 entities seen again and again %d are left", favourites)
	}
}

// An entity that was given up is known to lack what it had, whether it has come
// back or not, while the store remembers it.
func TestEvictedIsNotComplete(t *testing.T) {
	s := newStore(t, tally.Config{Memory: 1 << 20, Shards: 1})
	i := int64(0)
	for ; s.Stats().Evicted < 200; i++ {
		if _, err := observe(s, tally.Key{Dim: 1, Hash: uint64(i)}, tally.Event{ID: 1, At: 1 + i*1_000_000, Amount: 1}); err != nil {
			t.Fatal(err)
		}
	}
	gone, known, back := 0, 0, 0
	for j := range i {
		k := tally.Key{Dim: 1, Hash: uint64(j)}
		q, old, young := tally.Query{At: (i + 10) * 1_000_000}, tally.Window{Span: 1000 * time.Hour}, tally.Window{Span: 5 * time.Second}
		c := read(t, s, k, q, old, young)
		if c[0].Count > 0 {
			continue
		}
		gone++
		if c[0].Complete || !c[1].Complete {
			continue
		}
		known++
		if known > 20 {
			continue
		}
		if _, err := observe(s, k, tally.Event{ID: 2, At: q.At, Amount: 1}); err != nil {
			t.Fatal(err)
		}
		if c := read(t, s, k, q, old, young); c[0].Count == 1 && !c[0].Complete && c[1].Complete {
			back++
		}
	}
	if gone < 200 || known < 100 || back != 20 {
		t.Errorf("%d are gone, %d are known to be, %d of 20 when they came back", gone, known, back)
	}
}

func TestRefusals(t *testing.T) {
	s := newStore(t, tally.Config{Columns: []uint8{0, 1}})
	k := tally.Key{Dim: 1, Hash: 1}
	good := tally.Event{ID: 1, At: 1, Amount: tally.MaxAmount}
	if ok, err := observe(s, k, good); !ok || err != nil {
		t.Fatal(ok, err)
	}
	if ok, err := observe(s, k, good); ok || err != nil {
		t.Error("the same event counted twice", ok, err)
	}
	before := s.Hash()
	for code, es := range map[string][]tally.Event{
		"amount_out_of_range": {{ID: 2, At: 1, Amount: -1}, {ID: 2, At: 1, Amount: tally.MaxAmount + 1}},
		"time_out_of_range":   {{ID: 2, At: 0}, {ID: 2, At: -5}, {ID: 2, At: 1 << 62}, {ID: 2, At: 1<<53 - 1 + 1}, {ID: 2, At: math.MinInt64}},
		"flags_out_of_range":  {{ID: 2, At: 1, Flags: 1 << 12}},
		"event_differs":       {{ID: 1, At: 1, Amount: 5}, {ID: 1, At: 1, Amount: tally.MaxAmount, Col: [3]uint64{9}}},
	} {
		for _, e := range es {
			if _, err := observe(s, k, e); ident.CodeOf(err) != code {
				t.Errorf("%s: got %v", code, err)
			}
		}
	}
	if s.Hash() != before {
		t.Error("a refused event has left a trace")
	}
	for code, cfg := range map[string]tally.Config{
		"cap_invalid": {Cap: tally.MaxCap + 1}, "horizon_invalid": {Horizon: -1}, "shards_invalid": {Shards: 3},
		"memory_invalid": {Memory: 100}, "columns_invalid": {Columns: []uint8{4}},
	} {
		if _, err := tally.New(cfg); ident.CodeOf(err) != code {
			t.Errorf("%s: got %v", code, err)
		}
	}
	for code, w := range map[string]tally.Window{
		"span_invalid": {Span: 10}, "delay_invalid": {Span: time.Hour, Delay: -1},
		"filter_invalid": {Span: time.Hour, Mask: 1, Want: 2}, "column_unknown": {Span: time.Hour, Distinct: 8},
	} {
		if _, err := tally.NewPlan(1, []tally.Window{w}); ident.CodeOf(err) != code {
			t.Errorf("%s: got %v", code, err)
		}
	}
	p, err := tally.NewPlan(1, []tally.Window{{Span: time.Hour, Distinct: 2}})
	if err != nil || ident.CodeOf(s.Check(p)) != "column_unknown" {
		t.Error(err, s.Check(p))
	}
}

// How much of an id is kept follows from the columns.
func TestKeptBitsOfTheID(t *testing.T) {
	s := newStore(t, tally.Config{Columns: []uint8{0, 1, 2, 3}})
	for columns, kept := range []int{16, 32, 48, 64} {
		k := tally.Key{Dim: tally.Dim(columns), Hash: 1}
		for bit := range 64 {
			fresh, err := observe(s, k, tally.Event{ID: 1 << bit, At: 1000, Amount: 7})
			if err != nil || fresh != (bit < kept || bit == kept) { // the first that is not kept is id 0
				t.Fatalf("%d columns, bit %d: %t %v", columns, bit, fresh, err)
			}
		}
	}
	// Without columns two payments of one microsecond and 16 equal bits are told apart by their amounts.
	k := tally.Key{Dim: 0, Hash: 2}
	for amount := range int64(3) {
		if fresh, err := observe(s, k, tally.Event{ID: 5 + uint64(amount)<<16, At: 1, Amount: amount}); !fresh || err != nil {
			t.Error(amount, fresh, err)
		}
	}
}

// The largest sums there can be still fit.
func TestNoOverflowAtTheLimits(t *testing.T) {
	s := newStore(t, tally.Config{Cap: tally.MaxCap})
	k := tally.Key{Dim: 1, Hash: 1}
	tx := s.Begin([]tally.Key{k})
	for i := range tally.MaxCap {
		if _, err := tx.Observe(0, tally.Event{ID: uint64(i), At: int64(i + 1), Amount: tally.MaxAmount * int64(i%2)}); err != nil {
			t.Fatal(err)
		}
	}
	tx.End()
	this := tally.Event{ID: 1 << 20, At: tally.MaxCap + 1, Amount: tally.MaxAmount}
	c := read(t, s, k, tally.Query{At: this.At, This: &this}, tally.Window{Span: time.Hour, Squares: true, Before: true}, tally.Window{Span: time.Hour})
	if c[0].Sum != tally.MaxAmount*(tally.MaxCap/2) || c[0].Mean() != tally.MaxAmount/2 || c[0].Std() != tally.MaxAmount/2 {
		t.Errorf("sum %d mean %v std %v", c[0].Sum, c[0].Mean(), c[0].Std())
	}
	if c[1].Sum != tally.MaxAmount*(tally.MaxCap/2+1) || c[1].Count != tally.MaxCap+1 {
		t.Errorf("with this %+v", c[1])
	}
	// Tiles have no such limit: their sum stops at the largest number.
	hot := newStore(t, tally.Config{Cap: 1})
	for i := range 140_000 {
		if _, err := observe(hot, k, tally.Event{ID: uint64(i), At: hour + int64(i), Amount: tally.MaxAmount}); err != nil {
			t.Fatal(err)
		}
	}
	c = read(t, hot, k, tally.Query{At: 2 * hour}, tally.Window{Span: 90 * time.Minute, Squares: true})
	if c[0].Count != 140_000 || c[0].Sum != math.MaxInt64 || c[0].Std() != 0 {
		t.Errorf("tiles %+v, std %v", c[0], c[0].Std())
	}
}

func TestPairHasOrder(t *testing.T) {
	a, b := tally.Hash("W100000"), tally.Hash("W100007")
	if a == b || tally.Pair(a, b) == tally.Pair(b, a) || tally.Pair(a, b) == tally.Pair(a, a) {
		t.Error("keys collide")
	}
}

// filled is a store with all there can be in it.
func filled(t *testing.T, cfg tally.Config) *tally.Store {
	s := newStore(t, cfg)
	r := rand.New(rand.NewPCG(9, 9))
	for i := range 5000 {
		k := tally.Key{Dim: tally.Dim(r.IntN(4)), Hash: r.Uint64N(1 << r.IntN(10))}
		e := tally.Event{ID: uint64(i), At: 1 + r.Int64N(50*hour), Amount: r.Int64N(1e6), Flags: uint16(r.IntN(8)), Col: [3]uint64{r.Uint64(), 2, 3}}
		if _, err := observe(s, k, e); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// mend puts the right checksum on every frame that can be found.
func mend(file []byte) {
	table := crc32.MakeTable(crc32.Castagnoli)
	for len(file) >= 13 {
		n := int(binary.LittleEndian.Uint32(file[5:]))
		if n > len(file)-13 {
			return
		}
		binary.LittleEndian.PutUint32(file[9:], crc32.Update(crc32.Checksum(file[:9], table), table, file[13:13+n]))
		file = file[13+n:]
	}
}

func TestDamagedSnapshotsAreRefused(t *testing.T) {
	cfg := tally.Config{Cap: 50, Shards: 16, Columns: []uint8{0, 1, 2, 3}}
	s := filled(t, cfg)
	var file bytes.Buffer
	if err := s.Snapshot(&file); err != nil {
		t.Fatal(err)
	}
	if st := s.Stats(); st.Tiles == 0 || st.Entities < 500 {
		t.Fatalf("%+v is not all there can be", st)
	}
	good := file.Bytes()
	empty := newStore(t, cfg).Hash()
	into := newStore(t, cfg)
	refuse := func(name string, data []byte) {
		t.Helper()
		err := into.Restore(bytes.NewReader(data))
		if !ident.Is(err, ident.KindInvalid) {
			t.Fatalf("%s: %v", name, err)
		}
		if st := into.Stats(); into.Hash() != empty || st.Entities+st.Events+st.Tiles > 0 {
			t.Fatalf("%s left something: %+v", name, st)
		}
	}
	r := rand.New(rand.NewPCG(2, 2))
	for range 100 {
		refuse("cut", good[:r.IntN(len(good))])
		bad := slices.Clone(good)
		bad[r.IntN(len(bad))] ^= 1 << r.IntN(8)
		refuse("changed", bad)
	}
	refuse("nothing", nil)
	refuse("longer", append(slices.Clone(good), 0))
	refuse("twice", append(slices.Clone(good), good...))
	// A forger who mends the checksums gets an error or a memory that works.
	for range 100 {
		bad := slices.Clone(good)
		bad[r.IntN(len(bad))] ^= 1 << r.IntN(8)
		mend(bad)
		forged := newStore(t, cfg)
		if forged.Restore(bytes.NewReader(bad)) == nil {
			for i := range 200 {
				k := tally.Key{Dim: tally.Dim(r.IntN(4)), Hash: r.Uint64N(40)}
				_, _ = observe(forged, k, tally.Event{ID: uint64(i), At: 60 * hour, Amount: 1})
				read(t, forged, k, tally.Query{At: 70 * hour}, tally.Window{Span: 80 * time.Hour, Squares: true, Distinct: 7, Latest: true})
			}
		}
	}
	other := cfg
	other.Columns = []uint8{0, 1, 2, 2}
	if err := newStore(t, other).Restore(bytes.NewReader(good)); ident.CodeOf(err) != "snapshot_differs" {
		t.Error(err)
	}
	if err := into.Restore(bytes.NewReader(good)); err != nil || into.Hash() != s.Hash() {
		t.Errorf("after all refusals: %v", err)
	}
	if err := into.Restore(bytes.NewReader(good)); ident.CodeOf(err) != "memory_not_empty" || into.Hash() != s.Hash() {
		t.Errorf("into a full memory: %v", err)
	}
	if a, b := into.Stats(), s.Stats(); a.Entities != b.Entities || a.Events != b.Events || a.Tiles != b.Tiles {
		t.Errorf("%+v is not %+v", a, b)
	}
}

// Payments of many goroutines over shared entities: every one is counted once,
// and who reads and writes in one Tx is alone.
func TestParallel(t *testing.T) {
	s := newStore(t, tally.Config{Shards: 8, Columns: []uint8{0, 1, 2}, Cap: 1 << 14})
	p, err := tally.NewPlan(1, []tally.Window{{Span: time.Hour}})
	if err != nil {
		t.Fatal(err)
	}
	const workers, each = 4, 3000
	var wg sync.WaitGroup
	for g := range workers {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(1, uint64(g)))
			var out [1]tally.Cell
			for i := range each {
				keys := []tally.Key{{Dim: 1, Hash: 7}, {Dim: 1, Hash: r.Uint64N(50)}, {Dim: 2, Hash: r.Uint64N(500)}}
				s.Touch(keys)
				e := tally.Event{ID: uint64(g*each + i), At: hour + 1 + int64(g*each+i), Amount: 1, Col: [3]uint64{1, 2}}
				tx := s.Begin(keys)
				tx.Read(0, tally.Query{At: 2 * hour, This: &e}, p, out[:])
				was := out[0].Count
				for j := range keys {
					if _, err := tx.Observe(j, e); err != nil {
						t.Error(err)
					}
				}
				tx.Read(0, tally.Query{At: 2 * hour, This: &e}, p, out[:])
				if out[0].Count != was {
					t.Errorf("somebody wrote between: %d, then %d", was, out[0].Count)
				}
				tx.End()
				switch i % 500 {
				case 100:
					s.Stats()
				case 200:
					s.Hash()
				case 300:
					s.Advance(int64(i))
				}
			}
		})
	}
	wg.Wait()
	if c := read(t, s, tally.Key{Dim: 1, Hash: 7}, tally.Query{At: 2 * hour}, tally.Window{Span: time.Hour})[0]; c.Count != workers*each {
		t.Errorf("%d payments were counted, %d were made", c.Count, workers*each)
	}
}

// The burst: "no more than 5 in 24 hours" lets as many through in parallel as
// one by one.
func TestBurst(t *testing.T) {
	s := newStore(t, tally.Config{})
	p, err := tally.NewPlan(1, []tally.Window{{Span: 24 * time.Hour}})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	passed := make(chan bool, 40)
	for i := range 40 {
		wg.Go(func() {
			e := tally.Event{ID: uint64(i), At: 1000, Amount: 1}
			tx := s.Begin([]tally.Key{{Dim: 1, Hash: 5}})
			defer tx.End()
			var out [1]tally.Cell
			tx.Read(0, tally.Query{At: 1000, This: &e}, p, out[:])
			if out[0].Count <= 5 {
				_, _ = tx.Observe(0, e)
				passed <- true
			}
		})
	}
	wg.Wait()
	if len(passed) != 5 {
		t.Errorf("%d of 40 passed, want 5", len(passed))
	}
}
