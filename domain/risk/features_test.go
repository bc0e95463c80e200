package risk_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"surety/domain/risk"
	"surety/kernel/money"
)

// book is the model: every payment and whether it was refused.
type book struct {
	stand   map[string]risk.Event
	refused map[string]risk.Event
}

// window adds up the payments that match in (at-w, at], the judged one included.
func (b book) window(e risk.Event, w time.Duration, match func(risk.Event) bool,
	party func(risk.Event) string) (count, sum, distinct int64) {
	parties := map[string]bool{}
	one := func(x risk.Event) {
		if match(x) && !x.At.After(e.At) && x.At.After(e.At.Add(-w)) {
			count++
			sum += x.Amount.Minor
			parties[party(x)] = true
		}
	}
	for id, x := range b.stand {
		if id != e.ID {
			one(x)
		}
	}
	one(e)
	return count, sum, int64(len(parties))
}

// seen is when the first and the last payment that match were made before e.
func (b book) seen(e risk.Event, match func(risk.Event) bool) (first, last time.Time, largest, count, sum int64) {
	for id, x := range b.stand {
		if id == e.ID || !match(x) || x.At.After(e.At) {
			continue
		}
		if first.IsZero() || x.At.Before(first) {
			first = x.At
		}
		if x.At.After(last) {
			last = x.At
		}
		largest, count, sum = max(largest, x.Amount.Minor), count+1, sum+x.Amount.Minor
	}
	return first, last, largest, count, sum
}

// expect computes the features of e the slow way. All payments lie within 60
// days of each other, so nothing has been forgotten for its age.
func (b book) expect(e risk.Event, f risk.Facts) map[string]any {
	payer := func(x risk.Event) bool { return x.Payer == e.Payer }
	payee := func(x risk.Event) bool { return x.Payee == e.Payee }
	pair := func(x risk.Event) bool { return payer(x) && payee(x) }
	dev := func(x risk.Event) bool { return payer(x) && x.Device == e.Device && e.Device != "" }
	toMe := func(x risk.Event) bool { return x.Payee == e.Payer }
	whom, who := func(x risk.Event) string { return x.Payee }, func(x risk.Event) string { return x.Payer }
	want := map[string]any{}
	for name, w := range map[string]time.Duration{"10m": 10 * time.Minute, "1h": time.Hour, "1d": 24 * time.Hour, "30d": 720 * time.Hour} {
		n, sum, payees := b.window(e, w, payer, whom)
		want["payer.count_"+name], want["payer.sum_"+name], want["payer.payees_"+name] = n, sum, payees
	}
	delete(want, "payer.payees_10m")
	for name, w := range map[string]time.Duration{"1h": time.Hour, "1d": 24 * time.Hour, "7d": 168 * time.Hour} {
		_, sum, payers := b.window(e, w, payee, who)
		want["payee.payers_"+name], want["payee.in_"+name] = payers, sum
		all := book{stand: map[string]risk.Event{}}
		for id, x := range b.stand {
			all.stand[id] = x
		}
		for id, x := range b.refused {
			all.stand[id] = x
		}
		same := func(x risk.Event) bool { return x.Device == e.Device && e.Device != "" }
		_, _, accounts := all.window(e, w, same, who)
		want["device.accounts_"+name] = accounts
	}
	delete(want, "payee.payers_1h")
	delete(want, "payee.in_1h")
	_, in, _ := b.window(e, 24*time.Hour, toMe, who)
	if e.Payer == e.Payee {
		in -= e.Amount.Minor
	}
	want["payer.in_1d"] = in

	first, last, largest, count, sum := b.seen(e, payer)
	want["payer.history_90d"], want["payer.max_90d"], want["payer.mean_90d"] = count, largest, int64(0)
	want["payer.max_pct"], want["payer.idle_s"] = int64(-1), int64(-1)
	if count > 0 {
		want["payer.mean_90d"], want["payer.max_pct"] = sum/count, e.Amount.Minor*100/largest
		want["payer.idle_s"] = int64(e.At.Sub(last) / time.Second)
	}
	age := func(first time.Time) int64 {
		if first.IsZero() {
			return -1
		}
		return int64(e.At.Sub(first) / time.Hour)
	}
	pairFirst, _, _, _, _ := b.seen(e, pair)
	devFirst, _, _, _, _ := b.seen(e, dev)
	want["payee.pair_age_h"], want["device.pair_age_h"] = age(pairFirst), age(devFirst)
	want["payee.new"] = pairFirst.IsZero() || e.At.Sub(pairFirst) < 24*time.Hour
	usual := f.Payer.Device != "" || !first.IsZero() && e.At.Sub(first) > 72*time.Hour
	enrolled := e.Device != "" && e.Device == f.Payer.Device
	want["device.new"] = !enrolled && usual && (devFirst.IsZero() || e.At.Sub(devFirst) < 72*time.Hour)
	want["device.given"], want["device.enrolled"] = e.Device != "", enrolled
	return want
}

// Every feature against the slow way, over payments that come in any order, are
// refused, forgotten, repeated, and judged before or after they are counted.
func TestFeaturesAgainstBruteForce(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		en, clock := engine(t, "")
		clock.Set(noon.AddDate(0, 0, 61))
		b := book{stand: map[string]risk.Event{}, refused: map[string]risk.Event{}}
		name := rapid.SampledFrom([]string{"A", "B", "C", "D"})
		// Coarse steps, so that times fall on the edges of windows.
		offset := rapid.OneOf(rapid.Int64Range(0, 12), rapid.Int64Range(0, 8640))
		draw := func(rt *rapid.T) risk.Event {
			id := fmt.Sprint("p", rapid.IntRange(0, 200).Draw(rt, "id"))
			if e, ok := b.stand[id]; ok {
				return e
			}
			if e, ok := b.refused[id]; ok {
				return e
			}
			return risk.Event{ID: id, At: noon.Add(time.Duration(offset.Draw(rt, "ten minutes")) * 10 * time.Minute),
				Payer: name.Draw(rt, "payer"), Payee: name.Draw(rt, "payee"), Type: risk.Transfer,
				Amount: money.Of(rapid.Int64Range(1, 1e9).Draw(rt, "fen"), "CNY"),
				Device: rapid.SampledFrom([]string{"", "x", "y", "z"}).Draw(rt, "device")}
		}
		rt.Repeat(map[string]func(*rapid.T){
			"observe": func(rt *rapid.T) {
				e := draw(rt)
				if err := en.Observe(e); err != nil {
					rt.Fatal(err)
				}
				b.stand[e.ID] = e
				delete(b.refused, e.ID)
			},
			"refuse": func(rt *rapid.T) {
				e := draw(rt)
				if err := en.Refuse(e); err != nil {
					rt.Fatal(err)
				}
				b.refused[e.ID] = e
				delete(b.stand, e.ID)
			},
			"forget": func(rt *rapid.T) {
				e := draw(rt)
				en.Forget(e)
				delete(b.stand, e.ID)
				delete(b.refused, e.ID)
			},
			"": func(rt *rapid.T) {
				e := draw(rt)
				f := risk.Facts{Payer: risk.Account{Device: rapid.SampledFrom([]string{"", "x"}).Draw(rt, "enrolled")}}
				d, err := en.Decide(e, f)
				if err != nil {
					rt.Fatal(err)
				}
				want := b.expect(e, f)
				got := map[string]any{}
				for v := range d.Features.All() {
					if _, ok := want[v.Name]; ok {
						got[v.Name] = v.Value
					}
				}
				if diff := cmp.Diff(want, got); diff != "" {
					rt.Fatalf("%+v\n%s", e, diff)
				}
			},
		})
	})
}
