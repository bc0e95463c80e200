package tally_test

import (
	"cmp"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"surety/kernel/ident"
	"surety/platform/tally"
)

// model answers by looking at every event ever observed.
type model struct {
	cutoff int64
	events map[tally.Key]map[uint64]tally.Event
}

func (m *model) visible(k tally.Key, at int64, except uint64) []tally.Event {
	var out []tally.Event
	for id, e := range m.events[k] {
		if e.At > m.cutoff && e.At <= at && id != except {
			out = append(out, e)
		}
	}
	slices.SortFunc(out, func(a, b tally.Event) int { return cmp.Or(cmp.Compare(a.At, b.At), cmp.Compare(a.ID, b.ID)) })
	return out
}

func (m *model) window(k tally.Key, at, span int64, except, with uint64) tally.Window {
	w := tally.Window{Complete: at-span >= m.cutoff}
	parties := map[uint64]bool{}
	for _, e := range m.visible(k, at, except) {
		if e.At > at-span {
			w.Count++
			w.Sum += e.Amount
			w.Max = max(w.Max, e.Amount)
			parties[e.Party] = true
		}
	}
	if with != 0 {
		parties[with] = true
	}
	w.Distinct = int64(len(parties))
	return w
}

var lengths = []time.Duration{10 * time.Microsecond, 37 * time.Microsecond, 100 * time.Microsecond}

func newStore(t interface{ Fatal(...any) }, cfg tally.Config) (*tally.Store, tally.Spans) {
	s, err := tally.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	spans, err := tally.NewSpans(lengths...)
	if err != nil {
		t.Fatal(err)
	}
	return s, spans
}

// The store against brute force: any order, repeats, late events, forgetting,
// reads in the past, a moving horizon.
func TestAgainstBruteForce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, spans := newStore(t, tally.Config{Horizon: 2 * time.Second})
		m := &model{events: map[tally.Key]map[uint64]tally.Event{}}
		key := rapid.Custom(func(t *rapid.T) tally.Key {
			return tally.Key{Dim: tally.Dim(rapid.IntRange(1, 2).Draw(t, "dim")), Hash: rapid.Uint64Range(1, 3).Draw(t, "hash")}
		})
		// Times are a few hundred microseconds, and so is the cutoff: now moves from 2 s on.
		at := rapid.Int64Range(1, 600)
		t.Repeat(map[string]func(*rapid.T){
			"observe": func(t *rapid.T) {
				k := key.Draw(t, "key")
				e := tally.Event{ID: rapid.Uint64Range(1, 400).Draw(t, "id"), At: at.Draw(t, "at"),
					Amount: rapid.Int64Range(0, tally.MaxAmount).Draw(t, "amount"), Party: rapid.Uint64Range(0, 9).Draw(t, "party")}
				if old, ok := m.events[k][e.ID]; ok {
					e = old // a payment's id belongs to one payment
				}
				if _, err := s.Observe(k, e); err != nil {
					t.Fatal(err)
				}
				if m.events[k] == nil {
					m.events[k] = map[uint64]tally.Event{}
				}
				if e.At > m.cutoff {
					m.events[k][e.ID] = e
				}
			},
			"forget": func(t *rapid.T) {
				k := key.Draw(t, "key")
				ids := m.visible(k, 1<<40, 0)
				if len(ids) == 0 {
					return
				}
				e := ids[rapid.IntRange(0, len(ids)-1).Draw(t, "which")]
				if !s.Forget(k, e) {
					t.Fatalf("%v was not there to forget", e)
				}
				delete(m.events[k], e.ID)
				if s.Forget(k, e) {
					t.Fatal("forgotten twice")
				}
			},
			"advance": func(t *rapid.T) {
				now := 2_000_000 + rapid.Int64Range(0, 300).Draw(t, "now")
				s.Advance(now)
				m.cutoff = max(m.cutoff, now-2_000_000)
			},
			"": func(t *rapid.T) {
				k, now := key.Draw(t, "key"), at.Draw(t, "read at")
				except := rapid.Uint64Range(0, 400).Draw(t, "except")
				with := rapid.Uint64Range(0, 12).Draw(t, "with")
				out := make([]tally.Window, spans.Len())
				h := s.Read(tally.Query{Key: k, At: now, Except: except, With: with}, spans, out)
				for i, d := range lengths {
					if want := m.window(k, now, d.Microseconds(), except, with); out[i] != want {
						t.Fatalf("window %s at %d of %v: got %+v, want %+v", d, now, k, out[i], want)
					}
				}
				checkHistory(t, h, m.visible(k, now, except))
			},
		})
	})
}

func checkHistory(t *rapid.T, h tally.History, events []tally.Event) {
	n := int64(len(events))
	if h.Count != n {
		t.Fatalf("history counts %d, want %d", h.Count, n)
	}
	if n == 0 {
		if h != (tally.History{}) || h.Mean() != 0 || h.Std() != 0 {
			t.Fatalf("history of nothing is %+v", h)
		}
		return
	}
	sum, squares, top := new(big.Int), new(big.Int), int64(0)
	for _, e := range events {
		x := big.NewInt(e.Amount)
		sum.Add(sum, x)
		squares.Add(squares, new(big.Int).Mul(x, x))
		top = max(top, e.Amount)
	}
	v := new(big.Int).Mul(squares, big.NewInt(n))
	v.Sub(v, new(big.Int).Mul(sum, sum)).Sqrt(v)
	std := v.Int64() / n
	if h.Sum != sum.Int64() || h.Max != top || h.Mean() != sum.Int64()/n || h.Std() != std {
		t.Fatalf("history %+v mean %d std %d; want sum %s max %d std %d", h, h.Mean(), h.Std(), sum, top, std)
	}
	if h.First != events[0].At || h.Last != events[n-1].At {
		t.Fatalf("first %d last %d; want %d %d", h.First, h.Last, events[0].At, events[n-1].At)
	}
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
	for i := range 3000 {
		events = append(events, pair{tally.Key{Dim: 1, Hash: r.Uint64N(40)},
			tally.Event{ID: uint64(i + 1), At: 1 + r.Int64N(5e6), Amount: r.Int64N(1e6), Party: r.Uint64N(9)}})
	}
	build := func(ps []pair, extra bool, moves ...int64) [32]byte {
		s, _ := newStore(t, tally.Config{Horizon: 2 * time.Second, Cap: 32})
		for i, p := range ps {
			if extra && i%5 == 0 {
				fresh := tally.Key{Dim: 9, Hash: uint64(i)}
				_, _ = s.Observe(fresh, p.e)
				s.Forget(fresh, p.e)
				_, _ = s.Observe(p.k, ps[i/2].e)
				if ps[i/2].k != p.k {
					s.Forget(p.k, ps[i/2].e)
				}
			}
			if _, err := s.Observe(p.k, p.e); err != nil {
				t.Fatal(err)
			}
			if len(moves) > 0 && i == len(ps)/2 {
				s.Advance(moves[0])
			}
		}
		s.Advance(4_000_000)
		return s.Hash()
	}
	want := build(events, false)
	shuffled := slices.Clone(events)
	r.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
	if build(shuffled, false) != want {
		t.Error("another order gives another state")
	}
	if build(append(slices.Clone(events), shuffled[:500]...), false, 3_000_000) != want {
		t.Error("repeats or an early cutoff give another state")
	}
	newest := slices.MaxFunc(events, func(a, b pair) int { return cmp.Compare(a.e.At, b.e.At) })
	shuffled[slices.Index(shuffled, newest)].e.Amount++
	if build(shuffled, false) == want {
		t.Error("one fen more gives the same state")
	}
	few := events[:200] // below Cap, so that forgetting is exact
	if build(few, true) != build(few, false) {
		t.Error("observing and forgetting leaves a trace")
	}
}

func TestCapKeepsTheNewest(t *testing.T) {
	s, spans := newStore(t, tally.Config{Cap: 3})
	k := tally.Key{Dim: 1, Hash: 1}
	for _, at := range []int64{1050, 1010, 1040, 1020, 1030, 1005} {
		if _, err := s.Observe(k, tally.Event{ID: uint64(at), At: at, Amount: at, Party: uint64(at)}); err != nil {
			t.Fatal(err)
		}
	}
	out := make([]tally.Window, spans.Len())
	h := s.Read(tally.Query{Key: k, At: 1050}, spans, out)
	if h.Count != 3 || h.Sum != 1050+1040+1030 || h.First != 1030 {
		t.Errorf("kept %+v, want the newest three", h)
	}
	// Pushed out last was 1020: (1040, 1050] is whole, (1013, 1050] is not.
	if !out[0].Complete || out[0].Count != 1 || out[1].Complete || out[2].Complete {
		t.Errorf("windows %+v", out)
	}
}

func TestMemoryFollowsTheHorizon(t *testing.T) {
	s, _ := newStore(t, tally.Config{Horizon: time.Second})
	for i := range int64(200_000) {
		at := 1 + i*1000 // one event a millisecond: 1,000 in a horizon
		s.Advance(at)
		e := tally.Event{ID: uint64(i), At: at, Amount: 1}
		for _, k := range []tally.Key{{1, uint64(i)}, {2, uint64(i % 10)}} {
			if _, err := s.Observe(k, e); err != nil {
				t.Fatal(err)
			}
		}
	}
	if st := s.Stats(); st.Entities > 4000 || st.Events > 8000 || st.Bytes > 8000*64 {
		t.Errorf("after 200 horizons it still holds %+v", st)
	}
}

func TestRefusals(t *testing.T) {
	s, _ := newStore(t, tally.Config{})
	k := tally.Key{Dim: 1, Hash: 1}
	good := tally.Event{ID: 1, At: 1, Amount: tally.MaxAmount}
	if ok, err := s.Observe(k, good); !ok || err != nil {
		t.Fatal(ok, err)
	}
	if ok, err := s.Observe(k, good); ok || err != nil {
		t.Error("the same event counted twice", ok, err)
	}
	for code, e := range map[string]tally.Event{
		"amount_out_of_range": {ID: 2, At: 1, Amount: -1},
		"time_out_of_range":   {ID: 2, At: 0},
		"event_differs":       {ID: 1, At: 1, Amount: 5},
	} {
		if _, err := s.Observe(k, e); ident.CodeOf(err) != code {
			t.Errorf("%s: got %v", code, err)
		}
	}
	for _, e := range []tally.Event{{ID: 2, At: 1, Amount: tally.MaxAmount + 1}, {ID: 2, At: 1 << 62}} {
		if _, err := s.Observe(k, e); err == nil {
			t.Errorf("%+v was taken", e)
		}
	}
	if _, err := tally.New(tally.Config{Cap: tally.MaxCap + 1}); ident.CodeOf(err) != "cap_invalid" {
		t.Error(err)
	}
	if _, err := tally.New(tally.Config{Horizon: -1}); ident.CodeOf(err) != "horizon_invalid" {
		t.Error(err)
	}
	if _, err := tally.NewSpans(time.Hour, time.Minute); ident.CodeOf(err) != "spans_invalid" {
		t.Error(err)
	}
}

// The largest sums there can be still fit.
func TestNoOverflowAtTheLimits(t *testing.T) {
	s, spans := newStore(t, tally.Config{Cap: tally.MaxCap})
	k := tally.Key{Dim: 1, Hash: 1}
	for i := range tally.MaxCap {
		if _, err := s.Observe(k, tally.Event{ID: uint64(i), At: int64(i + 1), Amount: tally.MaxAmount * int64(i%2)}); err != nil {
			t.Fatal(err)
		}
	}
	h := s.Read(tally.Query{Key: k, At: tally.MaxCap}, spans, make([]tally.Window, spans.Len()))
	if h.Sum != tally.MaxAmount*(tally.MaxCap/2) || h.Mean() != tally.MaxAmount/2 || h.Std() != tally.MaxAmount/2 {
		t.Errorf("sum %d mean %d std %d", h.Sum, h.Mean(), h.Std())
	}
}

func TestPairHasOrder(t *testing.T) {
	a, b := tally.Hash("W100000"), tally.Hash("W100007")
	if a == b || tally.Pair(a, b) == tally.Pair(b, a) || tally.Pair(a, b) == tally.Pair(a, a) {
		t.Error("keys collide")
	}
}

func benchStore(b *testing.B, entities, each int) (*tally.Store, tally.Spans) {
	s, err := tally.New(tally.Config{})
	if err != nil {
		b.Fatal(err)
	}
	spans, err := tally.NewSpans(time.Hour, 24*time.Hour, 7*24*time.Hour, 30*24*time.Hour)
	if err != nil {
		b.Fatal(err)
	}
	step := (60 * 24 * time.Hour).Microseconds() / int64(each)
	for j := range each {
		for i := range entities {
			e := tally.Event{ID: uint64(j*entities + i), At: 1 + int64(j)*step, Amount: 100, Party: tally.Pair(uint64(i), uint64(j%8))}
			if _, err := s.Observe(tally.Key{Dim: 1, Hash: tally.Pair(uint64(i), 1)}, e); err != nil {
				b.Fatal(err)
			}
		}
	}
	return s, spans
}

// One read of four exact windows and the history, on 100,000 random entities of
// 24 events each.
func BenchmarkRead(b *testing.B) {
	s, spans := benchStore(b, 100_000, 24)
	out := make([]tally.Window, spans.Len())
	now := (60 * 24 * time.Hour).Microseconds()
	r := rand.New(rand.NewPCG(1, 1))
	b.ReportAllocs()
	for b.Loop() {
		s.Read(tally.Query{Key: tally.Key{Dim: 1, Hash: tally.Pair(r.Uint64N(100_000), 1)}, At: now}, spans, out)
	}
}

// The worst read there is: an entity at its Cap.
func BenchmarkReadHot(b *testing.B) {
	s, spans := benchStore(b, 1, 4096)
	out := make([]tally.Window, spans.Len())
	now := (60 * 24 * time.Hour).Microseconds()
	b.ReportAllocs()
	for b.Loop() {
		s.Read(tally.Query{Key: tally.Key{Dim: 1, Hash: tally.Pair(0, 1)}, At: now}, spans, out)
	}
}

func BenchmarkObserve(b *testing.B) {
	s, _ := benchStore(b, 100_000, 24)
	at := (60 * 24 * time.Hour).Microseconds()
	r := rand.New(rand.NewPCG(1, 1))
	b.ReportAllocs()
	for b.Loop() {
		at++
		if _, err := s.Observe(tally.Key{Dim: 1, Hash: tally.Pair(r.Uint64N(100_000), 1)}, tally.Event{ID: uint64(at), At: at, Amount: 100}); err != nil {
			b.Fatal(err)
		}
	}
}
