package risk_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"surety/domain/risk"
	"surety/kernel/ident"
	"surety/kernel/money"
)

var noon = time.Date(2026, 5, 1, 4, 0, 0, 0, time.UTC) // noon in China

func engine(t testing.TB, pack string) (*risk.Engine, *ident.ManualClock) {
	t.Helper()
	clock := ident.NewManualClock(noon.Add(30 * 24 * time.Hour))
	en, err := risk.New(risk.Config{Clock: clock, Pack: pack})
	if err != nil {
		t.Fatal(err)
	}
	return en, clock
}

// known is a payer of two years with an enrolled device, paying a stranger.
func known(device string) risk.Facts {
	return risk.Facts{
		Payer: risk.Account{Opened: noon.AddDate(-2, 0, 0), Device: device, City: "成都", Verification: "full", Kind: "person"},
		Payee: risk.Account{Opened: noon.AddDate(-1, 0, 0), City: "成都", Verification: "full", Kind: "person"},
	}
}

func pay(id string, at time.Time, payer, payee string, yuan int64, device string) risk.Event {
	return risk.Event{ID: id, At: at, Payer: payer, Payee: payee, Amount: money.Yuan(yuan), Type: risk.Transfer,
		Channel: "app", Device: device, City: "成都"}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func decide(t testing.TB, en *risk.Engine, e risk.Event, f risk.Facts) risk.Decision {
	t.Helper()
	d, err := en.Decide(e, f)
	must(t, err)
	return d
}

func codes(rs []risk.Reason) []string {
	out := []string{}
	for _, r := range rs {
		out = append(out, r.Code)
	}
	slices.Sort(out)
	return out
}

// story is one payment, what came before it, and what is to be said of it.
type story struct {
	name   string
	before []risk.Event
	e      risk.Event
	f      risk.Facts
	want   risk.Outcome
	why    string // codes of the reasons, sorted
}

func minute(n int) time.Time { return noon.Add(time.Duration(n) * time.Minute) }

// habit is twenty days of small payments from A to B.
func habit() []risk.Event {
	var out []risk.Event
	for i := range 20 {
		out = append(out, pay(fmt.Sprint("h", i), noon.AddDate(0, 0, i-21), "A", "B", 100+int64(i), "phone-a"))
	}
	return out
}

func storiesOfDevices() []story {
	away := pay("x", noon, "A", "Z", 1500, "new")
	away.City = "广州"
	cash := pay("x", noon, "A", "BANK:1", 20000, "new")
	cash.Type = risk.Withdrawal
	shop := pay("x", noon, "A", "M1", 8000, "new")
	shop.Type = risk.Purchase
	bigShop := shop
	bigShop.Amount = money.Yuan(25000)
	me, before := known("phone-a"), habit()
	to := func(payee string, yuan int64, device string) risk.Event {
		return pay("x", noon, "A", payee, yuan, device)
	}
	one := []risk.Event{pay("1", minute(-40), "B", "Z", 500, "new")}
	two := append(one, pay("2", minute(-30), "C", "Z", 500, "new"))
	pieces := []risk.Event{pay("1", minute(-9), "A", "Z", 990, "new"), pay("2", minute(-6), "A", "Z", 990, "new")}
	family := []risk.Event{pay("1", minute(-40), "B", "Z", 500, "phone-a"), pay("2", minute(-30), "C", "Z", 500, "phone-a")}
	const drain = "new_device_new_payee takeover_drain"
	return []story{
		{"first payment of an engine that knows nothing", nil, to("Z", 3000, "phone-a"), risk.Facts{}, risk.Allow, ""},
		{"first payment on the enrolled phone", nil, to("Z", 3000, "phone-a"), me, risk.Allow, ""},
		{"a habit goes on", before, to("B", 150, "phone-a"), me, risk.Allow, ""},
		{"a new phone pays an old friend", before, to("B", 3000, "new"), me, risk.Allow, ""},
		{"a new phone buys a noodle soup", before, to("Z", 20, "new"), me, risk.Allow, ""},
		{"a new phone pays a stranger", before, to("Z", 1200, "new"), me, risk.Challenge, "new_device_new_payee"},
		{"from another city", before, away, me, risk.Challenge, "new_device_away new_device_new_payee"},
		{"a new phone drains the account", before, to("Z", 9900, "new"), me, risk.Hold, drain},
		{"no enrolled phone, but a habit", before, to("Z", 9900, "new"), known(""), risk.Hold, drain},
		{"no device told, though one is enrolled", before, to("Z", 9900, ""), me, risk.Hold, drain},
		{"a new phone empties it to a bank", nil, cash, me, risk.Hold, drain},
		{"in small pieces", pieces, to("Z", 990, "new"), me, risk.Challenge, "new_device_new_payee"},
		{"one phone, two accounts", one, to("Z", 1500, "new"), me, risk.Hold, "device_shared new_device_new_payee"},
		{"one phone, three accounts", two, to("Z", 1500, "new"), me, risk.Block, "device_farm device_shared new_device_new_payee"},
		{"a family shares its enrolled phone", family, to("Z", 1500, "phone-a"), me, risk.Allow, ""},
		{"large shopping, new phone: only noted", nil, shop, me, risk.Allow, ""},
		{"very large shopping, new phone", nil, bigShop, me, risk.Challenge, "new_device_large_purchase"},
	}
}

func storiesOfPayees() []story {
	me := known("phone-a")
	young, mule := me, known("phone-m")
	young.Payee.Opened = noon.AddDate(0, 0, -20)
	mule.Payer.Opened = noon.AddDate(0, 0, -20)
	merchant := young
	merchant.Payee.Kind = "merchant"
	to := func(yuan int64) risk.Event { return pay("x", noon, "A", "Z", yuan, "phone-a") }
	night := to(6000)
	night.At = noon.Add(14 * time.Hour)
	gathered := []risk.Event{pay("1", minute(-400), "B", "Z", 25000, "b"), pay("2", minute(-300), "C", "Z", 24000, "c")}
	received := []risk.Event{pay("1", minute(-40), "B", "A", 30000, "b")}
	return []story{
		{"much to a young account", nil, to(20000), young, risk.Challenge, "young_payee_large"},
		{"much to a new shop", nil, to(20000), merchant, risk.Allow, ""},
		{"a young account gathers", gathered, to(1000), young, risk.Hold, "young_payee_many_payers"},
		{"a mule passes it on", received, pay("x", noon, "A", "Z", 16000, "phone-m"), mule, risk.Hold, "pass_through"},
		{"an old account passes it on", received, to(16000), me, risk.Allow, ""},
		{"deceived on the own phone", habit(), to(30000), me, risk.Challenge, "large_new_payee"},
		{"at night", habit(), night, me, risk.Challenge, "night_new_payee"},
	}
}

// What the default pack says of payments that people know from life.
func TestStories(t *testing.T) {
	for _, c := range append(storiesOfDevices(), storiesOfPayees()...) {
		t.Run(c.name, func(t *testing.T) {
			en, _ := engine(t, "")
			for _, e := range c.before {
				must(t, en.Observe(e))
			}
			d := decide(t, en, c.e, c.f)
			if why := strings.Join(codes(d.Reasons), " "); d.Outcome != c.want || why != c.why {
				t.Errorf("got %s because %q, want %s because %q\n%v", d.Outcome, why, c.want, c.why, show(d))
			}
			stopped := d.Outcome == risk.Challenge || d.Outcome == risk.Hold
			if stopped != (len(d.Proofs) > 0) || (len(d.Reasons) > 0) != (d.Score > 0) {
				t.Errorf("%s with proofs %v, reasons %v and score %d", d.Outcome, d.Proofs, codes(d.Reasons), d.Score)
			}
		})
	}
}

// A stranger's failed attempts make nothing known, but his device is remembered
// with the accounts it tried.
func TestRefusedAttempts(t *testing.T) {
	en, _ := engine(t, "")
	for i, who := range []string{"B", "C"} {
		e := pay("r"+who, minute(i-60), who, "Z", 5000, "dev")
		d, err := en.Assess(e, known("own-"+who))
		must(t, err)
		if d.Outcome == risk.Allow {
			t.Fatal("allowed")
		}
		must(t, en.Refuse(e))
		must(t, en.Refuse(e)) // again: no difference
	}
	d := decide(t, en, pay("x", noon, "A", "Z", 1000, "dev"), known("own-A"))
	expect := map[string]any{"device.accounts_1d": int64(3), "payee.payers_1d": int64(1), "payee.in_1d": int64(1000_00)}
	for name, want := range expect {
		if got, _ := d.Features.Get(name); got != want {
			t.Errorf("%s = %v, want %v", name, got, want)
		}
	}
	if d.Outcome != risk.Block {
		t.Errorf("the third account it tries: %s", d.Outcome)
	}
}

const head = `
pack: {name: test, number: 4, effective_from: 2026-01-01}
currency: CNY
utc_offset_minutes: 480
degraded: {challenge_from: 100000}
limits: {zero: 0}
rules:
`

func ruleText(id, mode, outcome string, priority, score int, when string) string {
	return fmt.Sprintf("  - {id: %s, owner: o, priority: %d, mode: %s, when: %q, outcome: %s, score: %d, "+
		"reason: {zh: 理由, en: why}, proofs: [face]}\n", id, priority, mode, when, outcome, score)
}

func TestPrioritiesModesAndScore(t *testing.T) {
	e, f := pay("x", noon, "A", "Z", 10, "d"), risk.Facts{}
	type rules = []string
	for _, c := range []struct {
		name      string
		rules     rules
		want      risk.Outcome
		fired     string
		shadow    string
		permilles int
	}{
		{"severest of one priority",
			rules{ruleText("a", "live", "challenge", 5, 500, "true"), ruleText("b", "live", "hold", 5, 500, "true")},
			risk.Hold, "a b", "", 750},
		{"higher priority decides",
			rules{ruleText("a", "live", "block", 5, 900, "true"), ruleText("b", "live", "allow", 6, 0, "true")},
			risk.Allow, "a b", "", 900},
		{"what does not fire does not decide",
			rules{ruleText("a", "live", "block", 5, 1000, "true"), ruleText("b", "live", "allow", 6, 0, "false")},
			risk.Block, "a", "", 1000},
		{"shadow and off change nothing",
			rules{ruleText("a", "shadow", "block", 9, 900, "true"), ruleText("b", "off", "block", 9, 900, "true")},
			risk.Allow, "", "a", 0},
	} {
		en, _ := engine(t, head+strings.Join(c.rules, ""))
		d := decide(t, en, e, f)
		fired, shadow := strings.Join(codes(d.Reasons), " "), strings.Join(codes(d.Shadow), " ")
		if d.Outcome != c.want || d.Score != c.permilles || fired != c.fired || shadow != c.shadow {
			t.Errorf("%s: %s, score %d, %q, shadow %q", c.name, d.Outcome, d.Score, fired, shadow)
		}
	}
}

// A rule that cannot be judged is never a silent yes.
func TestDegraded(t *testing.T) {
	broken := ruleText("broken", "live", "block", 9, 900, "amount / limit.zero > 1")
	en, _ := engine(t, head+broken+ruleText("rich", "live", "hold", 1, 500, "amount > 1000000"))
	for yuan, want := range map[int64]risk.Outcome{999: risk.Allow, 1000: risk.Challenge, 10001: risk.Hold} {
		d := decide(t, en, pay("x", noon, "A", "Z", yuan, "d"), risk.Facts{})
		said := slices.Contains(codes(d.Reasons), risk.ReasonDegraded) && slices.Equal(d.Failed, []string{"broken"})
		if d.Outcome != want || !d.Degraded() || !said {
			t.Errorf("%d yuan: %s, failed %v, reasons %v; want %s and degraded", yuan, d.Outcome, d.Failed, codes(d.Reasons), want)
		}
		if !strings.Contains(risk.Explain(d, "en"), "could not be judged: broken") {
			t.Error("the explanation does not say so:", risk.Explain(d, "en"))
		}
	}
	en, _ = engine(t, head+ruleText("broken", "shadow", "block", 9, 900, "amount / limit.zero > 1"))
	if d := decide(t, en, pay("x", noon, "A", "Z", 5000, "d"), risk.Facts{}); d.Outcome != risk.Allow || d.Degraded() {
		t.Errorf("a broken rule on trial disturbs: %s", d.Outcome)
	}
}

func TestOtherCurrencyIsChallenged(t *testing.T) {
	en, _ := engine(t, "")
	e := pay("x", noon, "A", "Z", 1, "d")
	e.Amount = money.Of(5, "JPY")
	d, err := en.Assess(e, known("d"))
	must(t, err)
	only := slices.Equal(codes(d.Reasons), []string{risk.ReasonCurrency})
	if d.Outcome != risk.Challenge || !only || len(d.Proofs) == 0 {
		t.Errorf("%+v", d)
	}
	after := decide(t, en, pay("y", noon, "A", "Z", 1, "d"), known("d"))
	if sum, _ := after.Features.Get("payer.sum_1d"); sum != int64(100) {
		t.Errorf("yen were added to yuan: %v", sum)
	}
	if n, _ := after.Features.Get("payer.count_1d"); n != int64(2) {
		t.Errorf("counted %v payments, want 2", n)
	}
}

// Forty payments at once are judged as if they had come one by one.
func TestBurst(t *testing.T) {
	pack := head + ruleText("burst", "live", "hold", 5, 500, "payer.payees_1d > 5 || payer.count_1d > 10")
	run := func(parallel bool) int {
		en, _ := engine(t, pack)
		var wg sync.WaitGroup
		var mu sync.Mutex
		passed := 0
		one := func(i int) {
			d, err := en.Assess(pay(fmt.Sprint(i), noon, "A", fmt.Sprint("P", i%4), 10, "d"), risk.Facts{})
			if err != nil {
				t.Error(err)
			}
			if d.Outcome == risk.Allow {
				mu.Lock()
				passed++
				mu.Unlock()
			}
		}
		for i := range 40 {
			if parallel {
				wg.Go(func() { one(i) })
			} else {
				one(i)
			}
		}
		wg.Wait()
		return passed
	}
	for range 20 {
		if one, all := run(false), run(true); one != 10 || all != 10 {
			t.Fatalf("one by one %d pass, at once %d; want 10 and 10", one, all)
		}
	}
}

// A replay in another order, with repeats, gives the same memory and the same
// decisions, byte for byte.
func TestReplay(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	live, _ := engine(t, "")
	type line struct {
		e       risk.Event
		refused bool
	}
	var journal []line
	for i := range 800 {
		at := noon.Add(time.Duration(r.Int64N(int64(20 * 24 * time.Hour))))
		payer, payee, device := fmt.Sprint("A", r.IntN(9)), fmt.Sprint("B", r.IntN(9)), fmt.Sprint("d", r.IntN(12))
		e := pay(fmt.Sprint("p", i), at, payer, payee, 1+r.Int64N(20000), device)
		d, err := live.Assess(e, known("d1"))
		must(t, err)
		switch {
		case i%7 == 0:
			live.Forget(e)
		case d.Outcome == risk.Block || i%5 == 0:
			must(t, live.Refuse(e))
			journal = append(journal, line{e, true})
		default:
			journal = append(journal, line{e, false})
		}
	}
	r.Shuffle(len(journal), func(i, j int) { journal[i], journal[j] = journal[j], journal[i] })
	again, _ := engine(t, "")
	for _, l := range append(journal, journal[:100]...) {
		if l.refused {
			must(t, again.Refuse(l.e))
		} else {
			must(t, again.Observe(l.e))
		}
	}
	if live.Hash() != again.Hash() {
		t.Error("the replay has another memory")
	}
	e := pay("x", noon.AddDate(0, 0, 20), "A1", "B2", 30000, "d4")
	if diff := cmp.Diff(decide(t, live, e, known("d1")), decide(t, again, e, known("d1"))); diff != "" {
		t.Error(diff)
	}
	again.Forget(journal[0].e)
	if live.Hash() == again.Hash() {
		t.Error("Hash does not see a missing payment")
	}
}

func TestDecisionAsJSON(t *testing.T) {
	en, _ := engine(t, "")
	d := decide(t, en, pay("x", noon, "A", "Z", 90000, "d"), known("e"))
	b, err := json.Marshal(d)
	must(t, err)
	if !strings.Contains(string(b), `"features":{"amount":9000000,"type":"transfer","channel":"app","hour":12,"away":false,`) {
		t.Errorf("features are not in order: %s", b)
	}
	var back risk.Decision
	must(t, json.Unmarshal(b, &back))
	if diff := cmp.Diff(d, back); diff != "" {
		t.Error(diff)
	}
}

func TestExplain(t *testing.T) {
	en, clock := engine(t, "")
	clock.Set(noon)
	d := decide(t, en, pay("x", noon, "A", "Z", 1200, "d"), known("e"))
	for lang, want := range map[string]string{
		"zh": "需要核验，风险分 500（满分 1000）\n- 新设备首次向该收款方付款 [new_device_new_payee, 500]\n" +
			"任选一种方式核验：人脸核验（活体）、在已绑定的设备上确认、客服回拨确认。\n规则包 risk 第 1 版",
		"en": "Challenged, score 500 of 1000\n- a new device pays a new payee [new_device_new_payee, 500]\n" +
			"Any one of these proofs will do: face check with liveness, confirmation on the enrolled device, " +
			"call back by the service.\nRules: risk number 1",
	} {
		if got := risk.Explain(d, lang); got != want {
			t.Errorf("%s:\n%s\nwant\n%s", lang, got, want)
		}
	}
}

func TestPackAndFeaturesAreDescribed(t *testing.T) {
	en, _ := engine(t, "")
	p := en.Pack()
	v := p.Version
	if v.Name != "risk" || v.Number != 1 || len(v.SHA256) != 64 || len(p.Rules) < 10 || p.Limits["small"] != 100000 {
		t.Errorf("%+v", p)
	}
	d := decide(t, en, pay("x", noon, "A", "Z", 1, "d"), known("e"))
	seen := map[string]bool{}
	for i, f := range risk.Features() {
		if seen[f.Name] || f.ZH == "" || f.EN == "" || d.Features.At(i).Name != f.Name {
			t.Errorf("feature %d: %+v", i, f)
		}
		seen[f.Name] = true
		kind := map[string]string{"int": "int64", "bool": "bool", "string": "string"}[string(f.Type)]
		if got := fmt.Sprintf("%T", d.Features.At(i).Value); got != kind {
			t.Errorf("%s is a %s, declared %s", f.Name, got, f.Type)
		}
	}
}

func TestPackMistakes(t *testing.T) {
	good := ruleText("a", "live", "hold", 5, 500, "amount > 1")
	text, err := risk.DefaultPack()
	must(t, err)
	for name, pack := range map[string]string{
		"two of one id":    head + good + good,
		"unknown feature":  head + strings.Replace(good, "amount", "amonut", 1),
		"not yes or no":    head + strings.Replace(good, "amount > 1", "amount", 1),
		"mode":             head + strings.Replace(good, "live", "loud", 1),
		"outcome":          head + strings.Replace(good, "hold", "hang", 1),
		"score":            head + strings.Replace(good, "500", "1001", 1),
		"priority":         head + strings.Replace(good, "priority: 5", "priority: 101", 1),
		"proof":            head + strings.Replace(good, "face", "sms", 1),
		"no words":         head + strings.Replace(good, "en: why", `en: ""`, 1),
		"no owner":         head + strings.Replace(good, "owner: o", `owner: ""`, 1),
		"unknown field":    head + strings.Replace(good, "owner: o", "owner: o, colour: red", 1),
		"unknown type":     strings.Replace(text, "types: [purchase]", "types: [purchase, gift]", 1),
		"challenge, proof": head + strings.Replace(strings.Replace(good, "hold", "challenge", 1), "[face]", "[]", 1),
		"currency":         strings.Replace(head+good, "CNY", "XYZ", 1),
		"offset":           strings.Replace(head+good, "480", "4800", 1),
		"degraded":         strings.Replace(head+good, "challenge_from: 100000", "challenge_from: 0", 1),
		"engine's word":    head + strings.Replace(good, "id: a", "id: degraded", 1),
		"no rules":         strings.Replace(head, "rules:\n", "rules: []\n", 1),
		"not a pack":       "hello",
	} {
		_, err := risk.New(risk.Config{Clock: ident.WallClock{}, Pack: pack})
		if !ident.Is(err, ident.KindInvalid) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if _, err := risk.New(risk.Config{}); ident.CodeOf(err) != "required" {
		t.Error("an engine without a clock:", err)
	}
}

func TestWrongEvents(t *testing.T) {
	en, _ := engine(t, "")
	good := pay("x", noon, "A", "Z", 1, "d")
	for field, wrong := range map[string]func(*risk.Event){
		"id":              func(e *risk.Event) { e.ID = "" },
		"payer":           func(e *risk.Event) { e.Payer = "" },
		"payee":           func(e *risk.Event) { e.Payee = "" },
		"type":            func(e *risk.Event) { e.Type = "gift" },
		"channel":         func(e *risk.Event) { e.Channel = strings.Repeat("x", 65) },
		"amount":          func(e *risk.Event) { e.Amount.Minor = -1 },
		"amount.currency": func(e *risk.Event) { e.Amount.Currency = "XYZ" },
		"too much":        func(e *risk.Event) { e.Amount.Minor = 1 << 62 },
		"no time":         func(e *risk.Event) { e.At = time.Time{} },
	} {
		e := good
		wrong(&e)
		if _, err := en.Assess(e, risk.Facts{}); !ident.Is(err, ident.KindInvalid) {
			t.Errorf("%s: %v", field, err)
		}
		if err := en.Observe(e); !ident.Is(err, ident.KindInvalid) {
			t.Errorf("%s: %v", field, err)
		}
		en.Forget(e)
	}
	// One id, two bodies: refused and nothing half counted.
	must(t, en.Observe(good))
	before := en.Hash()
	other := good
	other.Amount = money.Yuan(2)
	if err := en.Observe(other); !ident.Is(err, ident.KindConflict) || en.Hash() != before {
		t.Errorf("another amount under one id: %v", err)
	}
	// A payment dated 2099 is refused and does not empty the memory.
	future := pay("f", noon.AddDate(73, 0, 0), "A", "Z", 1, "d")
	if err := en.Observe(future); !ident.Is(err, ident.KindInvalid) || ident.CodeOf(err) != "time_in_future" {
		t.Error(err)
	}
	d := decide(t, en, pay("y", noon.Add(time.Hour), "A", "Z", 1, "d"), risk.Facts{})
	if n, _ := d.Features.Get("payer.count_1d"); n != int64(2) {
		t.Errorf("counted %v, want 2", n)
	}
}

// show is the features of a decision as text.
func show(d risk.Decision) string { return string(d.Features.AppendJSON(nil)) }
