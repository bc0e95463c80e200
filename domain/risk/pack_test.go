package risk_test

import (
	"regexp"
	"strconv"
	"strings"
	"testing"

	"surety/domain/risk"
	"surety/kernel/ident"
)

const features = `entities:
  payer: {key: [payer]}
  pair: {key: [payer, payee]}
  in: {key: [payer], as: payee}
  payee: {key: [payee]}
features:
  - {name: n, kind: count, entity: payer, windows: [1h, 7d], zh: 数, en: count}
  - {name: s, kind: sum, entity: in, window: 1d, zh: 数, en: sum}
  - {name: v, value: n_1h + 1, type: int, zh: 数, en: value}
  - {name: w, value: v * 2, type: int, zh: 数, en: value}
  - {name: l, kind: listed, list: deny, of: payee, zh: 数, en: listed}
`

// A mistake names the line and the column where it stands, and the words that
// tell what is wrong.
func TestMistakesNameTheirPlace(t *testing.T) {
	good := headOf(head) + "costs: {challenge: {disturb: 1, stops: 900}, hold: {disturb: 2, stops: 950}, block: {disturb: 3, stops: 1000}}\n" +
		features + noRule
	if _, err := risk.LoadPack(good); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, from, to, says string }{
		{"field of a key", "[payer, payee]", "[payer, colour]", "colour"},
		{"key of three", "[payer, payee]", "[payer, payee, device]", "two"},
		{"one field twice", "[payer, payee]", "[payer, payer]", "differ"},
		{"read as nobody", "as: payee", "as: nobody", "nobody"},
		{"read as a pair", "as: payee", "as: pair", "pair"},
		{"kind", "kind: count", "kind: cuont", "cuont"},
		{"entity", "entity: payer", "entity: prayer", "prayer"},
		{"window", "[1h, 7d]", "[1h, 7w]", "7w"},
		{"window of nothing", "[1h, 7d]", "[1h, 0d]", "0d"},
		{"window too long", "[1h, 7d]", "[1h, 9999d]", "9999d"},
		{"no window", ", windows: [1h, 7d]", "", "window"},
		{"both windows", "windows: [1h, 7d]", "windows: [1h, 7d], window: 1d", "window"},
		{"one name twice", "name: s,", "name: n_1h,", "n_1h"},
		{"name of a fact", "name: s,", "name: amount,", "amount"},
		{"a value of a list", "list: deny", "list: dany", "dany"},
		{"what is listed", "of: payee", "of: horse", "horse"},
		{"for another kind", "window: 1d", "window: 1d, against: 7d", "against"},
		{"of for a count", "window: 1d", "window: 1d, of: payee", "of"},
		{"label", "window: 1d", "window: 1d, label: love", "fraud"},
		{"condition on accounts", "window: 1d", "window: 1d, where: away", "away"},
		{"condition on features", "window: 1d", "window: 1d, where: v > 1", "v"},
		{"condition that is none", "window: 1d", "window: 1d, where: amount", "true or false"},
		{"a circle", "value: n_1h + 1", "value: n_1h + w", "v -> w -> v"},
		{"itself", "value: n_1h + 1", "value: v + 1", "v -> v"},
		{"unknown in a value", "n_1h + 1", "n_2h + 1", "n_2h"},
		{"type of a value", "value: v * 2, type: int", "value: v * 2, type: bool", "true or false"},
		{"type that is none", "value: v * 2, type: int", "value: v * 2, type: float", "float"},
		{"half a missing", "value: v * 2, type: int", "value: v * 2, type: int, missing: 0.5", "whole"},
		{"unknown key of a feature", "window: 1d", "window: 1d, colour: red", "colour"},
		{"no words", "en: sum", `en: ""`, "en"},
		{"unknown in a rule", "when: amount < 0", "when: amuont < 0", "amuont"},
		{"limit of the day of nothing", "priority: 1", "priority: 1, per_day: 0", "per_day"},
		{"limit of the day that is text", "priority: 1", `priority: 1, per_day: "5"`, "whole"},
		{"cost below nothing", "disturb: 1,", "disturb: -1,", "disturbance"},
		{"more than all", "stops: 900", "stops: 1001", "stops"},
		{"costs cut short", ", block: {disturb: 3, stops: 1000}", "", "block"},
		{"slack", "currency: CNY", "currency: CNY\nslack: 99d", "slack"},
		{"utc offset", "utc_offset_minutes: 480", "utc_offset_minutes: 4800", "utc_offset"},
		{"not a number", "challenge_from: 100000", "challenge_from: .nan", "number"},
	} {
		text := strings.Replace(good, c.from, c.to, 1)
		if text == good {
			t.Fatalf("%s changes nothing", c.name)
		}
		_, err := risk.LoadPack(text)
		if !ident.Is(err, ident.KindInvalid) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if !regexp.MustCompile(`line \d+, column \d+`).MatchString(err.Error()) {
			t.Errorf("%s: no place in %v", c.name, err)
		}
	}
}

// The place is the right one.
func TestPlaceOfAMistake(t *testing.T) {
	text := headOf(head) + strings.Replace(features, "n_1h + 1", "n_1h + nothing", 1) + noRule
	_, err := risk.LoadPack(text)
	lines := strings.Split(text, "\n")
	for i, l := range lines {
		if k := strings.Index(l, "nothing"); k >= 0 {
			if want := "line " + strconv.Itoa(i+1) + ", column " + strconv.Itoa(k+1); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%v, want %s", err, want)
			}
		}
	}
}

// A pack without features has those of the default pack, and its memory.
func TestBorrowedFeatures(t *testing.T) {
	p, err := risk.LoadPack(head + ruleText("a", "live", "hold", 5, 500, "payer.count_10m > 3 && device.new"))
	must(t, err)
	own, err := risk.DefaultPack()
	must(t, err)
	d, err := risk.LoadPack(own)
	must(t, err)
	if p.Layout() != d.Layout() || len(p.Info().Features) != len(d.Info().Features) {
		t.Error("the features are not those of the default pack")
	}
}

// What decides the shape of the memory, and what does not.
func TestLayout(t *testing.T) {
	base := headOf(head) + features + noRule
	layout := func(text string) string {
		p, err := risk.LoadPack(text)
		must(t, err)
		return p.Layout()
	}
	was := layout(base)
	for _, c := range []struct {
		from, to string
		same     bool
	}{
		{"windows: [1h, 7d]", "windows: [1h, 2h, 30d]", true},
		{"kind: sum", "kind: max", true},
		{"value: v * 2", "value: v * 3", true},
		{"priority: 1", "priority: 2", true},
		{"window: 1d", "window: 1d, label: fraud", true},
		{"window: 1d", "window: 1d, attempts: true", true},
		{"window: 1d", "window: 1d, where: amount > 5", false},
		{"kind: sum, entity: in, window: 1d", "kind: distinct, of: device, entity: in, window: 1d", false},
		{"currency: CNY", "currency: EUR", false},
		{"pair: {key: [payer, payee]}", "pair: {key: [payer, device]}", false},
		{"window: 1d", "window: 120d", false}, // the memory reaches further
	} {
		text := strings.Replace(base, c.from, c.to, 1)
		if got := layout(text); (got == was) != c.same {
			t.Errorf("%s -> %s: same layout: %t, want %t", c.from, c.to, got == was, c.same)
		}
	}
	if a, b := layout(strings.Replace(base, "kind: sum", "where: amount > limit.zero, kind: sum", 1)),
		layout(strings.Replace(strings.Replace(base, "kind: sum", "where: amount > limit.zero, kind: sum", 1), "zero: 0", "zero: 1", 1)); a == b {
		t.Error("a limit that a condition reads changes what is kept")
	}
}

func FuzzLoadPack(f *testing.F) {
	text, err := risk.DefaultPack()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add(risk.HandbookPack())
	f.Add(headOf(head) + features + noRule)
	f.Add(shape())
	f.Add(head + ruleText("a", "live", "hold", 5, 500, "amount > 1"))
	f.Fuzz(func(t *testing.T, text string) {
		p, err := risk.LoadPack(text)
		if err != nil {
			if k := ident.KindOf(err); k != ident.KindInvalid && k != ident.KindTooLarge {
				t.Fatalf("%s: %v", k, err)
			}
			return
		}
		// What loads can judge, and the judgement can be read back and made again.
		en, _ := engine(t, text)
		e := pay("x", noon, "A", "Z", 900, "d")
		d, err := en.Assess(e, known("a"))
		if err != nil {
			t.Fatal(err)
		}
		again, err := p.Recompute(d, e, nil, nil)
		if err != nil || string(again.AppendJSON(nil)) != string(d.AppendJSON(nil)) {
			t.Fatal(err, string(again.AppendJSON(nil)), string(d.AppendJSON(nil)))
		}
	})
}
