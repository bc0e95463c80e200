package risk_test

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"surety/domain/risk"
	"surety/kernel/boost"
	"surety/kernel/ident"
	"surety/kernel/money"
)

func assess(t testing.TB, en *risk.Engine, e risk.Event, f risk.Facts) risk.Decision {
	t.Helper()
	d, err := en.Assess(e, f)
	must(t, err)
	return d
}

// perDay is a rule that holds everything over 100 yuan, three a day, beside one
// that challenges everything over 500.
func perDay() string {
	r := ruleText("many", "live", "hold", 5, 500, "amount > 10000")
	return head + strings.Replace(r, "id: many", "id: many, per_day: 3", 1) + ruleText("big", "live", "challenge", 4, 300, "amount > 50000")
}

func use(t *testing.T, en *risk.Engine, id string) risk.RuleUse {
	t.Helper()
	for _, u := range en.RuleUses() {
		if u.ID == id {
			return u
		}
	}
	t.Fatal("no such rule")
	return risk.RuleUse{}
}

// A rule stops as many payments a day as it may; beyond that it only notes, and
// the other rules decide.
func TestRuleOverItsLimit(t *testing.T) {
	en, clock := engine(t, perDay())
	clock.Set(noon)
	for i := range 6 {
		yuan := int64(200)
		if i == 5 {
			yuan = 900
		}
		d := assess(t, en, pay(fmt.Sprint(i), noon, fmt.Sprint("A", i), "Z", yuan, "d"), risk.Facts{})
		want := []risk.Outcome{risk.Hold, risk.Hold, risk.Hold, risk.Allow, risk.Allow, risk.Challenge}[i]
		if d.Outcome != want || slices.Equal(d.Capped, []string{"many"}) != (i > 2) {
			t.Errorf("payment %d: %s, capped %v; want %s", i, d.Outcome, d.Capped, want)
		}
		if i > 2 && (len(d.Shadow) != 1 || d.Shadow[0].Code != "many") {
			t.Errorf("payment %d: not noted: %v", i, d.Shadow)
		}
	}
	if u := use(t, en, "many"); u.Stopped != 3 || u.Fired != 6 || !u.Over || u.Limit != 3 || u.Day != "2026-05-01" {
		t.Errorf("%+v", u)
	}
	// Judging again counts nothing and finds the same.
	if d := assess(t, en, pay("1", noon, "A1", "Z", 200, "d"), risk.Facts{}); d.Outcome != risk.Hold {
		t.Errorf("told again: %s", d.Outcome)
	}
	if d := decide(t, en, pay("9", noon, "A9", "Z", 200, "d"), risk.Facts{}); d.Outcome != risk.Allow {
		t.Errorf("asked only: %s", d.Outcome)
	}
	// One that never was gives its place back.
	en.Forget(pay("0", noon, "A0", "Z", 200, "d"))
	if d := assess(t, en, pay("7", noon, "A7", "Z", 200, "d"), risk.Facts{}); d.Outcome != risk.Hold {
		t.Errorf("after a payment was forgotten: %s", d.Outcome)
	}
	// A new day, local to the pack: 16:00 UTC is midnight in China.
	clock.Set(noon.Add(12*time.Hour + time.Second))
	for at, want := range map[time.Duration]risk.Outcome{12*time.Hour - time.Second: risk.Allow, 12 * time.Hour: risk.Hold} {
		if d := assess(t, en, pay(fmt.Sprint("n", at), noon.Add(at), "A8", "Z", 200, "d"), risk.Facts{}); d.Outcome != want {
			t.Errorf("%s after noon: %s, want %s", at, d.Outcome, want)
		}
	}
	if u := use(t, en, "many"); u.Stopped != 1 || u.Over || u.Day != "2026-05-02" {
		t.Errorf("%+v", u)
	}
}

// The counts are there again after a restart, from a snapshot and from the
// journal, told once or twice.
func TestCountsSurvive(t *testing.T) {
	type kept struct {
		e risk.Event
		d risk.Decision
	}
	live, clock := engine(t, perDay())
	clock.Set(noon)
	stop := risk.Stop{ID: "s", ZH: "停", EN: "stop", Match: risk.Match{Device: "bad"}, Outcome: risk.Hold, Limit: 5}
	must(t, live.SetStops([]risk.Stop{stop}))
	var journal []kept
	for i, device := range []string{"d", "bad", "bad", "d", "bad"} {
		e := pay(fmt.Sprint(i), noon, fmt.Sprint("A", i), "Z", 200, device)
		journal = append(journal, kept{e, assess(t, live, e, risk.Facts{})})
	}
	var file bytes.Buffer
	must(t, live.Snapshot(&file))
	for _, way := range []string{"journal", "journal twice", "snapshot", "snapshot and journal"} {
		en, c := engine(t, perDay())
		c.Set(noon)
		must(t, en.SetStops([]risk.Stop{stop}))
		if strings.Contains(way, "snapshot") {
			must(t, en.Restore(bytes.NewReader(file.Bytes())))
		}
		for range strings.Count(way, "journal") + strings.Count(way, "twice") {
			for _, k := range journal {
				must(t, en.Observe(k.e))
				en.Count(k.e, k.d)
			}
		}
		if got, want := en.StopUses()["s"], live.StopUses()["s"]; got != want || want != 3 {
			t.Errorf("%s: the stop touched %d, want %d", way, got, want)
		}
		if got, want := use(t, en, "many"), use(t, live, "many"); got != want || !want.Over {
			t.Errorf("%s: %+v, want %+v", way, got, want)
		}
		if en.Hash() != live.Hash() {
			t.Errorf("%s: another memory", way)
		}
	}
}

// One act touches all that match, no more than it may, and only while it is in force.
func TestStops(t *testing.T) {
	en, clock := engine(t, head+ruleText("a", "live", "allow", 100, 0, "true"))
	clock.Set(noon.Add(time.Hour))
	must(t, en.SetStops([]risk.Stop{
		{ID: "gang", ZH: "停", EN: "stop them", Match: risk.Match{Payee: "Z", Channel: "app"}, Outcome: risk.Hold, Limit: 2, From: noon, Until: noon.Add(time.Hour)},
		{ID: "soft", ZH: "核", EN: "ask them", Match: risk.Match{Type: "purchase"}, Outcome: risk.Challenge, Limit: 100},
	}))
	at := func(id string, minutes int, payee string, kind risk.Type) risk.Decision {
		e := pay(id, minute(minutes), "A"+id, payee, 5, "d")
		e.Type = kind
		return assess(t, en, e, risk.Facts{})
	}
	for i, c := range []struct {
		d    risk.Decision
		want risk.Outcome
		stop string
	}{
		{at("0", -1, "Z", risk.Transfer), risk.Allow, ""}, // before it began
		{at("1", 0, "Y", risk.Transfer), risk.Allow, ""},  // another payee
		{at("2", 0, "Z", risk.Purchase), risk.Hold, "gang"},
		{at("3", 59, "Z", risk.Transfer), risk.Hold, "gang"},
		{at("4", 59, "Z", risk.Transfer), risk.Allow, ""}, // it has touched two
		{at("2", 0, "Z", risk.Purchase), risk.Hold, "gang"},
		{at("5", 60, "Z", risk.Purchase), risk.Challenge, "soft"},
	} {
		if c.d.Outcome != c.want || c.d.Stop != c.stop || (c.stop != "") != slices.Contains(codes(c.d.Reasons), risk.ReasonStop) {
			t.Errorf("%d: %s by %q, want %s by %q", i, c.d.Outcome, c.d.Stop, c.want, c.stop)
		}
		if c.want == risk.Challenge && len(c.d.Proofs) == 0 {
			t.Errorf("%d: a challenge without a proof", i)
		}
	}
	if got := en.StopUses(); got["gang"] != 2 || got["soft"] != 1 {
		t.Error(got)
	}
	must(t, en.SetStops([]risk.Stop{{ID: "gang", ZH: "停", EN: "stop", Match: risk.Match{Payee: "Z"}, Outcome: risk.Block, Limit: 3, Used: 1}}))
	if d := at("6", 0, "Z", risk.Transfer); d.Outcome != risk.Block || en.StopUses()["gang"] != 3 {
		t.Errorf("one more was allowed: %s, %v", d.Outcome, en.StopUses())
	}
	for field, wrong := range map[string]risk.Stop{
		"match":   {ID: "x", ZH: "a", EN: "a", Outcome: risk.Hold, Limit: 1},
		"outcome": {ID: "x", ZH: "a", EN: "a", Outcome: risk.Allow, Limit: 1, Match: risk.Match{Payer: "A"}},
		"limit":   {ID: "x", ZH: "a", EN: "a", Outcome: risk.Hold, Match: risk.Match{Payer: "A"}},
		"reason":  {ID: "x", Outcome: risk.Hold, Limit: 1, Match: risk.Match{Payer: "A"}},
		"id":      {ZH: "a", EN: "a", Outcome: risk.Hold, Limit: 1, Match: risk.Match{Payer: "A"}},
	} {
		if err := en.SetStops([]risk.Stop{wrong}); !ident.Is(err, ident.KindInvalid) {
			t.Errorf("%s: %v", field, err)
		}
	}
	if en.StopUses()["gang"] != 3 {
		t.Error("a stop that is wrong has put the others out of force")
	}
}

// However many payments come at once, a stop and a rule touch as many as they may.
func TestLimitsInABurst(t *testing.T) {
	en, clock := engine(t, perDay())
	clock.Set(noon)
	must(t, en.SetStops([]risk.Stop{{ID: "s", ZH: "停", EN: "stop", Match: risk.Match{Payee: "S"}, Outcome: risk.Hold, Limit: 7}}))
	var wg sync.WaitGroup
	var mu sync.Mutex
	touched, held := 0, 0
	for i := range 60 {
		wg.Go(func() {
			payee, yuan := "S", int64(5)
			if i%2 == 0 {
				payee, yuan = "Z", 200
			}
			d, err := en.Assess(pay(fmt.Sprint(i), noon, fmt.Sprint("A", i), payee, yuan, ""), risk.Facts{})
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			if d.Stop != "" {
				touched++
			} else if d.Outcome == risk.Hold {
				held++
			}
		})
	}
	wg.Wait()
	if touched != 7 || held != 3 || en.StopUses()["s"] != 7 || use(t, en, "many").Stopped != 3 {
		t.Errorf("touched %d, held %d; %v, %+v", touched, held, en.StopUses(), use(t, en, "many"))
	}
}

// stump is a model of one tree: amount below limit has one margin, the rest another.
func stump(t testing.TB, feature string, limit, low, high float32) *boost.Model {
	t.Helper()
	text := fmt.Sprintf(`{"learner":{"attributes":{},"feature_names":[%q],"feature_types":["float"],"gradient_booster":{"model":{`+
		`"gbtree_model_param":{"num_parallel_tree":"1","num_trees":"1","size_leaf_vector":"0"},"tree_info":[0],"trees":[{"base_weights":[0,%[3]g,%[4]g],`+
		`"categories":[],"categories_nodes":[],"categories_segments":[],"categories_sizes":[],"default_left":[1,0,0],"id":0,"left_children":[1,-1,-1],`+
		`"loss_changes":[1,0,0],"parents":[2147483647,0,0],"right_children":[2,-1,-1],"split_conditions":[%[2]g,%[3]g,%[4]g],"split_indices":[0,0,0],`+
		`"split_type":[0,0,0],"sum_hessian":[10,5,5],"tree_param":{"num_deleted":"0","num_feature":"1","num_nodes":"3","size_leaf_vector":"0"}}]},`+
		`"name":"gbtree"},"learner_model_param":{"base_score":"5E-1","num_class":"0","num_feature":"1","num_target":"1"},`+
		`"objective":{"name":"binary:logistic","reg_loss_param":{"scale_pos_weight":"1"}}},"version":[1,7,4]}`, feature, limit, low, high)
	m, err := boost.ReadXGBoost(strings.NewReader(text))
	must(t, err)
	return m
}

const costly = "costs: {priority: 50, challenge: {disturb: 200, stops: 900}, hold: {disturb: 3000, stops: 980}, " +
	"block: {disturb: 20000, stops: 1000}, lost: 1000}\n"

func costPack(extra string) string {
	return headOf(head) + strings.Replace(costly, "}\n", extra+"}\n", 1) + "rules:\n" + ruleText("never", "live", "hold", 5, 500, "amount > 100000000") +
		ruleText("friend", "live", "allow", 60, 0, "channel == \"friend\"") + ruleText("weak", "live", "allow", 40, 0, "channel == \"weak\"")
}

// The outcome is the one that costs least on average, and the record says what
// each would have cost.
func TestCheapestOutcome(t *testing.T) {
	en, _ := engine(t, costPack(""))
	// Above 100 yuan: a theft with probability 1/(1+e^-m).
	for _, c := range []struct {
		margin float32
		yuan   int64
		want   risk.Outcome
	}{
		{-9, 200, risk.Allow},     // p = 0.0001, A = 200.00: 2.47 fen at stake
		{-3, 200, risk.Challenge}, // p = 0.047: 949 fen lost, or 95 and 190 of disturbance
		{2, 4000, risk.Hold},      // p = 0.88: 35,232 by a challenge, 7,046 + 358 by a hold, 2,384 by blocking
		{6, 4000, risk.Block},
	} {
		must(t, en.SetModels(&risk.Scorer{Name: "m", Version: "v", Model: stump(t, "amount", 10001, -12, c.margin)}, nil))
		d := decide(t, en, pay("x", noon, "A", "Z", c.yuan, "d"), risk.Facts{})
		p := 1 / (1 + math.Exp(-float64(c.margin)))
		least, best := math.Inf(1), risk.Allow
		for _, o := range []struct {
			o             risk.Outcome
			disturb, stop float64
		}{{risk.Allow, 0, 0}, {risk.Challenge, 200, .9}, {risk.Hold, 3000, .98}, {risk.Block, 20000, 1}} {
			cost := p*float64(c.yuan*100)*(1-o.stop) + (1-p)*o.disturb
			if cost < least {
				least, best = cost, o.o
			}
			if d.Model.Costs != nil && math.Abs(float64(d.Model.Costs[o.o])-cost) > 1 {
				t.Errorf("%v: %s costs %d, want %f", c, o.o, d.Model.Costs[o.o], cost)
			}
		}
		if d.Outcome != best || math.Abs(d.Model.Probability-p) > 1e-6 || (d.Outcome != risk.Allow) != (d.Model.Costs != nil) {
			t.Errorf("%v: %s, want %s; %+v", c, d.Outcome, best, d.Model)
		}
		if (d.Outcome != risk.Allow) != (len(d.Model.Contributions) == 1) || (d.Outcome != risk.Allow) != slices.Contains(codes(d.Reasons), risk.ReasonModel) {
			t.Errorf("%v: reasons %v, %v", c, d.Reasons, d.Model.Contributions)
		}
		small := decide(t, en, pay("y", noon, "A", "Z", 50, "d"), risk.Facts{})
		if small.Outcome != risk.Allow || small.Model == nil {
			t.Errorf("%v: the model is not asked: %s", c, small.Outcome)
		}
	}
}

// An allow rule above the model's priority wins over it; one below does not.
func TestAllowRuleAndModel(t *testing.T) {
	en, _ := engine(t, costPack(""))
	must(t, en.SetModels(&risk.Scorer{Name: "m", Version: "v", Model: stump(t, "amount", 10001, -12, 3)}, nil))
	for channel, want := range map[string]risk.Outcome{"friend": risk.Allow, "weak": risk.Block, "app": risk.Block} {
		e := pay("x", noon, "A", "Z", 1000, "d")
		e.Channel = channel
		if d := decide(t, en, e, risk.Facts{}); d.Outcome != want {
			t.Errorf("%s: %s, want %s", channel, d.Outcome, want)
		}
	}
}

// Ahead of the day's budget a challenge becomes dearer, so that only what is
// worth it is challenged; the price is in the record.
func TestBudgetOfChallenges(t *testing.T) {
	en, clock := engine(t, costPack(", challenges_per_day: 48"))
	must(t, en.SetModels(&risk.Scorer{Name: "m", Version: "v", Model: stump(t, "amount", 10001, -12, -3)}, nil))
	clock.Set(noon)
	made, first := 0, 0
	for i := range 60 { // at noon, half the budget may be used
		d := assess(t, en, pay(fmt.Sprint(i), noon, fmt.Sprint("A", i), "Z", 200, "d"), risk.Facts{})
		if price := max(1000, d.Model.Price); price != 1000+max(0, int64(made)-24)*20*1000/48 && made < 48 {
			t.Errorf("after %d challenges the price is %d", made, price)
		}
		if d.Outcome == risk.Challenge {
			made++
			if i == first {
				first++
			}
		}
	}
	if made != first || made <= 24 || made >= 48 {
		t.Errorf("%d challenges, the first %d in a row; want more than half the budget, and then none", made, first)
	}
	// What is worth more is challenged still.
	if d := assess(t, en, pay("rich", noon, "B", "Z", 2000, "d"), risk.Facts{}); d.Outcome != risk.Challenge || d.Model.Price <= 1000 {
		t.Errorf("2,000 yuan: %s at %d", d.Outcome, d.Model.Price)
	}
}

// A model that fails takes its word away, never the rules', and it is said.
func TestModelFails(t *testing.T) {
	pack := headOf(head) + costly + "features:\n  - {name: odd, value: amount / (amount - 100000), type: int, zh: x, en: x}\n" +
		"rules:\n" + ruleText("rich", "live", "hold", 1, 500, "amount > 1000000")
	en, _ := engine(t, pack)
	must(t, en.SetModels(&risk.Scorer{Name: "m", Version: "v", Model: stump(t, "odd", 5, -12, -12)}, nil))
	d := decide(t, en, pay("x", noon, "A", "Z", 1000, "d"), risk.Facts{})
	if d.Model != nil || !d.Degraded() || !slices.Contains(d.Failed, "model:m") || d.Outcome != risk.Challenge {
		t.Errorf("%s, %v, %v", d.Outcome, d.Failed, d.Model)
	}
	if v, ok := d.Features.Get("odd"); !ok || v != nil {
		t.Errorf("a value that could not be computed is %v", v)
	}
	if d := decide(t, en, pay("x", noon, "A", "Z", 999, "d"), risk.Facts{}); d.Model == nil || d.Degraded() {
		t.Errorf("%v, %v", d.Failed, d.Model)
	}
	for name, s := range map[string]*risk.Scorer{
		"nothing": {}, "no trees": {Name: "m", Version: "v"}, "nan": {Name: "m", Version: "v", Model: stump(t, "payer.nothing", 1, 0, 0)},
	} {
		if err := en.SetModels(s, nil); !ident.Is(err, ident.KindInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := en.SetModels(nil, []*risk.Scorer{{Name: "m2", Version: "v", Model: stump(t, "payer.nothing", 1, 0, 0)}}); err == nil ||
		!strings.Contains(err.Error(), "m2") || !strings.Contains(err.Error(), "payer.nothing") {
		t.Error(err)
	}
	if d := decide(t, en, pay("x", noon, "A", "Z", 999, "d"), risk.Facts{}); d.Model == nil {
		t.Error("the model that was refused has put the other out of force")
	}
}

// list is a map of what stands on lists.
type list map[string]string

func (l list) Listed(kind, subject, value string, _ time.Time) (string, bool) {
	id, ok := l[kind+" "+subject+" "+value]
	return id, ok
}

func TestLists(t *testing.T) {
	l := list{"deny account bad": "e1", "watch device odd": "e2", "allow account shop": "e3", "deny name n1": "e4", "deny address 10.0.0.9": "e5"}
	en, err := risk.New(risk.Config{Clock: ident.NewManualClock(noon), Lists: l})
	must(t, err)
	mule := known("own")
	mule.Payee.NameIndex = "n1"
	large := pay("x", noon, "A", "shop", 30000, "new")
	address := pay("x", noon, "A", "Z", 1, "own")
	address.IP = "10.0.0.9"
	for _, c := range []struct {
		name   string
		e      risk.Event
		f      risk.Facts
		want   risk.Outcome
		listed string
	}{
		{"nobody", pay("x", noon, "A", "Z", 1, "own"), known("own"), risk.Allow, ""},
		{"denied payee", pay("x", noon, "A", "bad", 1, "own"), known("own"), risk.Block, "deny:e1"},
		{"denied payer", pay("x", noon, "bad", "Z", 1, "own"), known("own"), risk.Block, "deny:e1"},
		{"denied name", pay("x", noon, "A", "Z", 1, "own"), mule, risk.Block, "deny:e4"},
		{"denied address", address, known("own"), risk.Block, "deny:e5"},
		{"watched device", pay("x", noon, "A", "Z", 1, "odd"), known("own"), risk.Challenge, "watch:e2"},
		{"allowed payee, the worst of rules below", large, known("own"), risk.Hold, "allow:e3"},
		{"denied payer, allowed payee", pay("x", noon, "bad", "shop", 1, "own"), known("own"), risk.Block, "deny:e1 allow:e3"},
	} {
		d := decide(t, en, c.e, c.f)
		if d.Outcome != c.want || strings.Join(d.Listed, " ") != c.listed {
			t.Errorf("%s: %s, listed %v; want %s, %s", c.name, d.Outcome, d.Listed, c.want, c.listed)
		}
		if c.want == risk.Challenge && slices.Contains(d.Proofs, "sms") {
			t.Errorf("%s: a text message for a proof", c.name)
		}
	}
	// What a new, watched device may not do to an allowed payee in small amounts it may.
	if d := decide(t, en, pay("x", noon, "A", "shop", 1, "odd"), known("own")); d.Outcome != risk.Allow {
		t.Errorf("an allowed payee: %s", d.Outcome)
	}
	for _, p := range risk.Proofs() {
		if strings.Contains(p.Code, "sms") {
			t.Error("a text message is among the proofs")
		}
	}
}

// Late payments are put in their place; older than the memory they are judged and
// not counted, and the decision says so.
func TestLate(t *testing.T) {
	en, clock := engine(t, "")
	clock.Set(noon)
	for days, want := range map[int]string{0: "", 1: "", 2: "", 3: risk.LateWindows, 91: risk.LateWindows, 92: risk.LateUncounted, 200: risk.LateUncounted} {
		e := pay(fmt.Sprint("l", days), noon.AddDate(0, 0, -days), fmt.Sprint("A", days), "Z", 1, "d")
		d := assess(t, en, e, risk.Facts{})
		if d.Late != want {
			t.Errorf("%d days late: %q, want %q", days, d.Late, want)
		}
		next := pay(fmt.Sprint("m", days), e.At.Add(time.Hour), e.Payer, "Z", 1, "d")
		if next.At.After(noon.Add(time.Hour)) {
			continue
		}
		n, _ := decide(t, en, next, risk.Facts{}).Features.Get("payer.count_1d")
		if counted := n == int64(2); counted != (want != risk.LateUncounted) {
			t.Errorf("%d days late: counted: %t", days, counted)
		}
		if want != "" && !strings.Contains(risk.Explain(d, "en"), map[string]string{risk.LateWindows: "came late", risk.LateUncounted: "not counted"}[want]) {
			t.Errorf("%d days late: not explained: %s", days, risk.Explain(d, "en"))
		}
	}
	if err := en.Observe(pay("f", noon.Add(25*time.Hour), "A", "Z", 1, "d")); ident.CodeOf(err) != "time_in_future" {
		t.Error(err)
	}
	must(t, en.Observe(pay("f", noon.Add(23*time.Hour), "A", "Z", 1, "d")))
}

// Places and texts out of range are refused with the field named.
func TestFieldsOutOfRange(t *testing.T) {
	en, _ := engine(t, "")
	for field, wrong := range map[string]func(*risk.Event){
		"lat":      func(e *risk.Event) { e.Place = risk.Place{Lat: 90_000_001, Given: true} },
		"lon":      func(e *risk.Event) { e.Place = risk.Place{Lon: -180_000_001, Given: true} },
		"terminal": func(e *risk.Event) { e.Terminal = strings.Repeat("x", 257) },
		"phone":    func(e *risk.Event) { e.Phone = strings.Repeat("x", 257) },
		"payee":    func(e *risk.Event) { e.Payee = "" },
		"amount":   func(e *risk.Event) { e.Amount = money.Of(1<<50, "CNY") },
	} {
		e := pay("x", noon, "A", "Z", 1, "d")
		wrong(&e)
		_, err := en.Assess(e, risk.Facts{})
		if !ident.Is(err, ident.KindInvalid) || !strings.Contains(err.Error(), field) {
			t.Errorf("%s: %v", field, err)
		}
	}
	for _, p := range [][2]float64{{math.NaN(), 0}, {0, math.NaN()}, {91, 0}, {0, -181}, {math.Inf(1), 0}} {
		if _, err := risk.PlaceOf(p[0], p[1]); !ident.Is(err, ident.KindInvalid) {
			t.Errorf("%v: %v", p, err)
		}
	}
	if p, err := risk.PlaceOf(39.9042, -116.4074); err != nil || p != (risk.Place{Lat: 39904200, Lon: -116407400, Given: true}) {
		t.Error(p, err)
	}
}
