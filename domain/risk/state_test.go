package risk_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"surety/domain/risk"
	"surety/kernel/ident"
)

// other is a pack whose memory has another shape than that of the default pack.
func other() string {
	return headOf(head) + "entities:\n  payer: {key: [payer]}\n  address: {key: [address]}\nfeatures:\n" +
		"  - {name: payer.count, kind: count, entity: payer, windows: [1d, 30d], zh: x, en: x}\n" +
		"  - {name: payer.tries, kind: count, entity: payer, windows: [30d], attempts: true, zh: x, en: x}\n" +
		"  - {name: payer.thefts, kind: count, entity: payer, windows: [30d], label: fraud, zh: x, en: x}\n" +
		"  - {name: address.payers, kind: distinct, of: payer, entity: address, windows: [30d], zh: x, en: x}\n" +
		"rules:\n" + ruleText("a", "live", "hold", 5, 500, "payer.count_1d > 100")
}

// entry is one payment of a journal.
type entry struct {
	e       risk.Event
	refused bool
	fraud   bool
}

func journalOf(r *rand.Rand, n int) (out []entry) {
	for i := range n {
		at := noon.Add(time.Duration(r.Int64N(int64(20 * 24 * time.Hour))))
		e := pay(fmt.Sprint("p", i), at, fmt.Sprint("A", r.IntN(9)), fmt.Sprint("B", r.IntN(9)), 1+r.Int64N(2000), fmt.Sprint("d", r.IntN(12)))
		e.IP = fmt.Sprint("10.0.0.", r.IntN(5))
		out = append(out, entry{e, i%5 == 0, i%11 == 0})
	}
	return out
}

func tell(t testing.TB, into risk.Sink, js []entry) {
	t.Helper()
	for _, j := range js {
		if j.refused {
			must(t, into.Refuse(j.e))
		} else {
			must(t, into.Observe(j.e))
		}
		if j.fraud {
			must(t, into.Label(j.e, true))
		}
	}
}

// A pack of another shape is filled by a replay while payments go on; what they
// say is newer than what the replay says, and nothing is lost or counted twice.
func TestPublishAnotherShape(t *testing.T) {
	next, err := risk.LoadPack(other())
	must(t, err)
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 1))
		en, _ := engine(t, "")
		js := journalOf(r, 300)
		tell(t, en, js)
		final := map[string]entry{}
		for _, j := range js {
			final[j.e.ID] = j
		}
		var live []entry // what happens while the replay runs
		for i := range 60 {
			j := js[r.IntN(len(js))]
			switch i % 4 {
			case 0: // a new payment
				j = entry{e: pay(fmt.Sprint("n", i), noon.AddDate(0, 0, 20), "A1", "B1", 5, "d")}
			case 1:
				j.refused = !j.refused
			case 2:
				j.fraud = !j.fraud
			}
			live = append(live, j)
		}
		var wg sync.WaitGroup
		err := en.Publish(context.Background(), next, func(_ context.Context, into risk.Sink) error {
			wg.Go(func() {
				for _, j := range live {
					if j.refused {
						must(t, en.Refuse(j.e))
					} else {
						must(t, en.Observe(j.e))
					}
					must(t, en.Label(j.e, j.fraud))
				}
			})
			tell(t, into, js) // as it was when the replay began
			wg.Wait()
			return nil
		})
		must(t, err)
		for _, j := range live {
			final[j.e.ID] = j
		}
		want, _ := engine(t, other())
		for _, j := range final {
			tell(t, want, []entry{j})
		}
		if en.Hash() != want.Hash() || en.Pack().Version != next.Info().Version {
			t.Fatalf("seed %d: the memory is not that of the journal", seed)
		}
	}
}

// A pack of the same shape takes the memory over, with the models, at once.
func TestPublishSameShape(t *testing.T) {
	en, _ := engine(t, "")
	tell(t, en, journalOf(rand.New(rand.NewPCG(1, 1)), 100))
	must(t, en.SetModels(&risk.Scorer{Name: "m", Version: "v", Model: stump(t, "payer.count_1d", 5, -5, -5)}, nil))
	before := en.Hash()
	p, err := risk.LoadPack(head + ruleText("a", "live", "hold", 5, 500, "true"))
	must(t, err)
	must(t, en.Publish(context.Background(), p, func(context.Context, risk.Sink) error {
		t.Error("a replay for nothing")
		return nil
	}))
	d := decide(t, en, pay("x", noon.AddDate(0, 0, 20), "A1", "B1", 5, "d1"), risk.Facts{})
	if en.Hash() != before || d.Outcome != risk.Hold || d.Model == nil || d.Pack.Name != "test" {
		t.Errorf("%s, %v, %+v", d.Outcome, d.Model, d.Pack)
	}
}

// On any error the running pack goes on, and another can be published.
func TestPublishFails(t *testing.T) {
	en, _ := engine(t, "")
	js := journalOf(rand.New(rand.NewPCG(1, 1)), 50)
	tell(t, en, js)
	before, was := en.Hash(), en.Pack().Version
	p, err := risk.LoadPack(other())
	must(t, err)
	broken := errors.New("the journal cannot be read")
	ctx, cancel := context.WithCancel(context.Background())
	for name, c := range map[string]struct {
		replay func(context.Context, risk.Sink) error
		want   string
	}{
		"replay":   {func(context.Context, risk.Sink) error { return broken }, "cannot be read"},
		"event":    {func(_ context.Context, s risk.Sink) error { return s.Observe(risk.Event{}) }, "missing"},
		"canceled": {func(_ context.Context, s risk.Sink) error { cancel(); return s.Observe(js[0].e) }, "canceled"},
		"second": {func(context.Context, risk.Sink) error {
			err := en.Publish(ctx, p, func(context.Context, risk.Sink) error { return nil })
			if ident.CodeOf(err) != "publishing" {
				t.Error("two at once:", err)
			}
			return broken
		}, "cannot be read"},
	} {
		use := context.Background()
		if name == "canceled" {
			use = ctx
		}
		if err := en.Publish(use, p, c.replay); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	func() {
		defer func() { _ = recover() }()
		_ = en.Publish(context.Background(), p, func(context.Context, risk.Sink) error { panic("a defect of the replay") })
	}()
	must(t, en.SetModels(&risk.Scorer{Name: "m", Version: "v", Model: stump(t, "device.accounts_1d", 5, 0, 0)}, nil))
	if err := en.Publish(context.Background(), p, nil); err == nil || !strings.Contains(err.Error(), "device.accounts_1d") {
		t.Error("a pack that takes the model's features away:", err)
	}
	if en.Hash() != before || en.Pack().Version != was {
		t.Error("the running pack did not go on")
	}
	must(t, en.PublishWith(context.Background(), p, nil, nil, func(_ context.Context, s risk.Sink) error { tell(t, s, js); return nil }))
	if en.Pack().Version.Name != "test" {
		t.Error("it cannot be published after all")
	}
}

// Live payments, publications and settings at the same time.
func TestPublishWhilePaying(t *testing.T) {
	en, clock := engine(t, "")
	clock.Set(noon)
	texts := []string{other(), head + ruleText("a", "live", "hold", 5, 500, "amount > 90000"), other()}
	var journal []entry // what is durable
	var mu sync.Mutex
	var wg sync.WaitGroup
	for w := range 3 {
		wg.Go(func() {
			for i := range 1500 {
				e := pay(fmt.Sprint("w", w, "-", i), noon, fmt.Sprint("A", i%71), fmt.Sprint("B", i%53), 5, fmt.Sprint("d", i%37))
				mu.Lock() // as durable as judged, so that no replay misses it
				d, err := en.Assess(e, risk.Facts{})
				must(t, err)
				journal = append(journal, entry{e: e, refused: d.Outcome == risk.Block})
				mu.Unlock()
			}
		})
	}
	for _, text := range texts {
		p, err := risk.LoadPack(text)
		must(t, err)
		must(t, en.Publish(context.Background(), p, func(_ context.Context, s risk.Sink) error {
			for i := 0; ; i++ {
				mu.Lock()
				if i == len(journal) {
					mu.Unlock()
					return nil
				}
				j := journal[i]
				mu.Unlock()
				tell(t, s, []entry{j})
			}
		}))
	}
	wg.Wait()
	want, c := engine(t, other())
	c.Set(noon)
	tell(t, want, journal)
	if en.Hash() != want.Hash() {
		t.Errorf("after %d payments the memory is not that of the journal", len(journal))
	}
}

// A snapshot comes back to the same hash and the same decisions; a damaged one, or
// one of another shape, changes nothing.
func TestSnapshot(t *testing.T) {
	en, _ := engine(t, "")
	js := journalOf(rand.New(rand.NewPCG(5, 5)), 400)
	tell(t, en, js)
	var file bytes.Buffer
	must(t, en.Snapshot(&file))
	again, _ := engine(t, "")
	must(t, again.Observe(js[0].e)) // what is there is replaced
	must(t, again.Restore(bytes.NewReader(file.Bytes())))
	if en.Hash() != again.Hash() {
		t.Error("another memory")
	}
	e := pay("x", noon.AddDate(0, 0, 20), "A1", "B2", 30000, "d4")
	if diff := cmp.Diff(decide(t, en, e, known("d1")), decide(t, again, e, known("d1"))); diff != "" {
		t.Error(diff)
	}
	before := again.Hash()
	for i := 0; i < file.Len(); i += 1 + file.Len()/97 {
		cut := slices.Clone(file.Bytes()[:i])
		if err := again.Restore(bytes.NewReader(cut)); !ident.Is(err, ident.KindInvalid) {
			t.Errorf("cut after %d bytes: %v", i, err)
		}
		changed := slices.Clone(file.Bytes())
		changed[i] ^= 4
		if err := again.Restore(bytes.NewReader(changed)); err == nil {
			t.Errorf("byte %d changed: no error", i)
		}
	}
	shaped, _ := engine(t, other())
	if err := shaped.Restore(bytes.NewReader(file.Bytes())); ident.CodeOf(err) != "layout_differs" {
		t.Error(err)
	}
	if again.Hash() != before {
		t.Error("a damaged snapshot has changed the memory")
	}
}

// A batch is judged as if its payments had come one by one, whatever they have in
// common, with limits that do and do not bind.
func TestBatchIsOneByOne(t *testing.T) {
	rule := ruleText("many", "live", "hold", 5, 500, "payer.count_1d > 3 || payee.payers_7d > 6")
	for name, pack := range map[string]string{"default": "", "limited": head + strings.Replace(rule, "id: many", "id: many, per_day: 40", 1),
		"free": head + rule + ruleText("b", "live", "block", 9, 900, "device.accounts_1h > 4")} {
		rapid.Check(t, func(rt *rapid.T) {
			one, _ := engine(t, pack)
			all, _ := engine(t, pack)
			n := rapid.IntRange(1, 300).Draw(rt, "payments")
			people := rapid.SampledFrom([]int{3, 60, 4000}).Draw(rt, "people")
			r := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 1))
			for range 2 { // the second batch meets what the first has left
				es, fs := make([]risk.Event, n), make([]risk.Facts, n)
				for i := range es {
					es[i] = pay(fmt.Sprint("p", r.IntN(100000)), noon.Add(time.Duration(r.IntN(3600))*time.Second), fmt.Sprint("A", r.IntN(people)),
						fmt.Sprint("B", r.IntN(people)), 1+r.Int64N(9000), fmt.Sprint("d", r.IntN(people)))
					fs[i] = known("own")
					if r.IntN(50) == 0 {
						es[i].Payer = ""
					}
				}
				out, errs := make([]risk.Decision, n), make([]error, n)
				all.AssessBatch(es, fs, out, errs)
				for i := range es {
					d, err := one.Assess(es[i], fs[i])
					if ident.CodeOf(err) != ident.CodeOf(errs[i]) {
						rt.Fatalf("%s: payment %d: %v, want %v", name, i, errs[i], err)
					}
					if diff := cmp.Diff(d, out[i]); diff != "" {
						rt.Fatalf("%s: payment %d\n%s", name, i, diff)
					}
				}
			}
			if one.Hash() != all.Hash() {
				rt.Fatal("another memory")
			}
		})
	}
}

// The tap hears of each payment once, in a batch too.
func TestTap(t *testing.T) {
	var mu sync.Mutex
	heard := map[string]risk.Outcome{}
	en, err := risk.New(risk.Config{Clock: ident.NewManualClock(noon), Tap: func(e *risk.Event, d *risk.Decision) {
		mu.Lock()
		defer mu.Unlock()
		if _, twice := heard[e.ID]; twice {
			t.Error("twice", e.ID)
		}
		heard[e.ID] = d.Outcome
	}})
	must(t, err)
	assess(t, en, pay("1", noon, "A", "Z", 1, "d"), risk.Facts{})
	decide(t, en, pay("2", noon, "A", "Z", 1, "d"), risk.Facts{})
	es := []risk.Event{pay("3", noon, "A", "Z", 1, "d"), {}}
	out, errs := make([]risk.Decision, 2), make([]error, 2)
	en.AssessBatch(es, make([]risk.Facts, 2), out, errs)
	if diff := cmp.Diff(map[string]risk.Outcome{"1": risk.Allow, "3": risk.Allow}, heard); diff != "" || errs[1] == nil {
		t.Error(diff, errs)
	}
}
