package risk_test

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"surety/domain/risk"
	"surety/kernel/money"
)

// full is an engine with everything on that a decision can speak of.
func full(t testing.TB) (*risk.Engine, *risk.Scorer, *risk.Scorer) {
	t.Helper()
	en, clock := engine(t, "")
	clock.Set(noon)
	champion := &risk.Scorer{Name: "champion", Version: strings.Repeat("a", 64), Model: stump(t, "payer.max_pct", 150, -9, -2)}
	second := &risk.Scorer{Name: "second", Version: strings.Repeat("b", 64), Model: stump(t, "amount", 90000, -9, 1)}
	must(t, en.SetModels(champion, []*risk.Scorer{second}))
	must(t, en.SetStops([]risk.Stop{{ID: "s", ZH: "停", EN: "stop \"them\" <b>", Match: risk.Match{Payee: "S"}, Outcome: risk.Challenge, Limit: 1000}}))
	for _, e := range habit() {
		must(t, en.Observe(e))
	}
	return en, champion, second
}

func drawPayment(rt *rapid.T) risk.Event {
	e := pay(fmt.Sprint("x", rapid.IntRange(0, 1e6).Draw(rt, "id")), minute(rapid.IntRange(0, 600).Draw(rt, "minute")),
		rapid.SampledFrom([]string{"A", "B", "C\u2028\x01"}).Draw(rt, "payer"), rapid.SampledFrom([]string{"B", "Z", "S"}).Draw(rt, "payee"),
		rapid.Int64Range(1, 40000).Draw(rt, "yuan"), rapid.SampledFrom([]string{"", "phone-a", "new"}).Draw(rt, "device"))
	e.Channel = rapid.SampledFrom([]string{"app", "q\"r", "<面>"}).Draw(rt, "channel")
	e.Type = rapid.SampledFrom([]risk.Type{risk.Transfer, risk.Purchase, risk.Withdrawal}).Draw(rt, "type")
	if rapid.IntRange(0, 9).Draw(rt, "yen") == 0 {
		e.Amount = money.Of(e.Amount.Minor, "JPY")
	}
	return e
}

// A decision is written, read and made again to the same, to the byte; and the
// form is the one that encoding/json makes of the tags.
func TestRecordComesBack(t *testing.T) {
	en, champion, second := full(t)
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		e := drawPayment(rt)
		n++
		e.ID = fmt.Sprint("r", n)
		d, err := en.Assess(e, known("phone-a"))
		must(t, err)
		text, err := json.Marshal(d)
		must(t, err)
		type plain risk.Decision // without its own MarshalJSON
		same, err := json.Marshal(plain(d))
		must(t, err)
		if diff := cmp.Diff(decode(t, same), decode(t, text)); diff != "" {
			rt.Fatal(diff)
		}
		var back risk.Decision
		must(t, json.Unmarshal(text, &back))
		if diff := cmp.Diff(d, back); diff != "" {
			rt.Fatal(diff)
		}
		for name, again := range map[string]func(risk.Decision, risk.Event) (risk.Decision, error){
			"engine": en.Recompute,
			"pack": func(d risk.Decision, e risk.Event) (risk.Decision, error) {
				return en.Running().Recompute(d, e, champion, []*risk.Scorer{second})
			},
			"without the challenger": func(d risk.Decision, e risk.Event) (risk.Decision, error) {
				return en.Running().Recompute(d, e, champion, nil)
			},
		} {
			r, err := again(back, e)
			must(t, err)
			if got := string(r.AppendJSON(nil)); got != string(d.AppendJSON(nil)) {
				rt.Fatalf("%s:\n%s\nwant\n%s", name, got, text)
			}
		}
	})
}

func decode(t *testing.T, b []byte) (v any) {
	t.Helper()
	must(t, json.Unmarshal(b, &v))
	return v
}

// What is not at hand is named.
func TestRecomputeRefuses(t *testing.T) {
	en, champion, _ := full(t)
	e := pay("x", noon, "A", "Z", 30000, "new")
	d := decide(t, en, e, known("phone-a"))
	bare, _ := engine(t, "")
	if _, err := bare.Recompute(d, e); err == nil || !strings.Contains(err.Error(), champion.Version) {
		t.Error("without the model:", err)
	}
	foreign, _ := engine(t, other())
	if _, err := foreign.Recompute(d, e); err == nil || !strings.Contains(err.Error(), "risk 1") {
		t.Error("by another pack:", err)
	}
	d.Features = risk.Values{}
	if _, err := en.Recompute(d, e); err == nil || !strings.Contains(err.Error(), "amount") {
		t.Error("without features:", err)
	}
}

// A decision of the first version of the product reads on.
func TestOldRecords(t *testing.T) {
	old := `{"outcome":"hold","score":750,"reasons":[{"code":"takeover_drain","zh":"新","en":"new","weight":750}],"proofs":["face"],` +
		`"features":{"amount":990000,"type":"transfer","channel":"app","hour":12,"away":true,"payer.max_pct":-1},` +
		`"pack":{"name":"risk","number":1,"sha256":"ab","effective_from":"2013-01-01T00:00:00Z"}}`
	var d risk.Decision
	must(t, json.Unmarshal([]byte(old), &d))
	if got := string(d.AppendJSON(nil)); got != old {
		t.Errorf("%s\nwant\n%s", got, old)
	}
	for name, want := range map[string]any{"amount": int64(990000), "away": true, "type": "transfer", "payer.max_pct": int64(-1)} {
		if got, ok := d.Features.Get(name); !ok || got != want {
			t.Errorf("%s is %v", name, got)
		}
	}
	if _, ok := d.Features.Get("nothing"); ok || d.Features.Len() != 6 {
		t.Error("more than there is")
	}
}

// What a model reads live is what training is given, to the bit, and what is read
// from the record.
func TestTrainingReadsWhatLiveReads(t *testing.T) {
	en, champion, second := full(t)
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		e := drawPayment(rt)
		n++
		e.ID, e.Amount.Currency = fmt.Sprint("t", n), "CNY"
		row, err := en.Features(e, known("phone-a"))
		must(t, err)
		d, err := en.Assess(e, known("phone-a"))
		must(t, err)
		for i, name := range en.FeatureNames() {
			got, ok := en.Running().NumberOf(d.Features, name)
			if !ok || math.Float64bits(got) != math.Float64bits(row[i]) && !(math.IsNaN(got) && math.IsNaN(row[i])) {
				rt.Fatalf("%s: the record says %v, training %v", name, got, row[i])
			}
			for _, m := range []struct {
				s    *risk.Scorer
				view risk.ModelView
			}{{champion, *d.Model}, {second, d.Challengers[0]}} {
				if m.s.Model.Features()[0] != name {
					continue
				}
				if want := m.s.Model.Margin([]float32{float32(row[i])}); want != m.view.Margin {
					rt.Fatalf("%s: live %v, trained %v", name, m.view.Margin, want)
				}
			}
		}
	})
}

// Each change that is named, made, has the outcome that is named.
func TestWhatWouldChange(t *testing.T) {
	en, _ := engine(t, "")
	for _, e := range habit() {
		must(t, en.Observe(e))
	}
	e := pay("x", noon, "A", "Z", 9900, "new")
	d := decide(t, en, e, known("phone-a"))
	changes := map[string]risk.Change{}
	for _, c := range en.WhatWouldChange(d, e) {
		changes[c.Feature] = c
	}
	for name, want := range map[string]risk.Change{
		"device.enrolled": {From: false, To: true, Outcome: risk.Allow},
		"payee.new":       {From: true, To: false, Outcome: risk.Allow},
		"payer.sum_1d":    {From: int64(990000), To: int64(99999), Outcome: risk.Allow},
		"payer.max_pct":   {From: int64(8319), To: int64(299), Outcome: risk.Challenge},
		"device.pair_s":   {From: int64(-1), To: int64(259200), Outcome: risk.Allow},
	} {
		got := changes[name]
		if got.From != want.From || got.To != want.To || got.Outcome != want.Outcome || got.ZH == "" || got.EN == "" {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
	}
	if _, ok := changes["hour"]; ok {
		t.Error("the hour has nothing to do with it")
	}
	// Said by a model: the champion is asked again.
	must(t, en.SetModels(&risk.Scorer{Name: "m", Version: "v", Model: stump(t, "payer.count_10m", 3, -12, 3)}, nil))
	for i := range 3 {
		must(t, en.Observe(pay(fmt.Sprint("b", i), minute(-i), "A", "B", 1, "phone-a")))
	}
	e = pay("y", noon, "A", "B", 100, "phone-a")
	d = decide(t, en, e, known("phone-a"))
	cs := en.WhatWouldChange(d, e)
	if d.Outcome == risk.Allow || len(cs) != 2 || cs[0].Feature != "payer.count_10m" && cs[1].Feature != "payer.count_10m" {
		t.Errorf("%s: %+v", d.Outcome, cs)
	}
	if got := en.Running().WhatWouldChange(d, e); len(got) != 1 {
		t.Errorf("without the model only the amount could change it: %+v", got)
	}
}

// The explanation speaks of all there is.
func TestExplainAll(t *testing.T) {
	en, _, _ := full(t)
	d := decide(t, en, pay("x", noon, "A", "S", 30000, "new"), known("phone-a"))
	for lang, words := range map[string][]string{
		"en": {"stop \"them\"", "order", "champion (aaaaaaaa)", "probability", "expected cost", "payer.max_pct", "more suspicious", "risk number 1"},
		"zh": {"停", "拦截令", "champion（aaaaaaaa）", "可能性", "预期代价", "更可疑", "risk 第 1 版"},
	} {
		got := risk.Explain(d, lang)
		for _, w := range words {
			if !strings.Contains(got, w) {
				t.Errorf("%s: %q is not said:\n%s", lang, w, got)
			}
		}
	}
}

func FuzzDecision(f *testing.F) {
	en, _ := engine(f, "")
	d := decide(f, en, pay("x", noon, "A", "Z", 90000, "d"), known("e"))
	f.Add(d.AppendJSON(nil))
	f.Add([]byte(`{"features":{"a":1.5,"b":null,"c":true,"d":"\u2028","e":1e400}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var d, back risk.Decision
		if json.Unmarshal(b, &d) != nil {
			return
		}
		text := d.AppendJSON(nil)
		if err := json.Unmarshal(text, &back); err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		if again := back.AppendJSON(nil); string(again) != string(text) {
			t.Fatalf("%s\n%s", again, text)
		}
		_ = risk.Explain(d, "zh")
	})
}
