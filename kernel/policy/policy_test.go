package policy

import (
	"math"
	"strings"
	"testing"
	"time"

	"surety/kernel/ident"
)

const head = "pack: {name: risk, number: 3, effective_from: 2026-11-01}\n"

type testPack struct {
	Limit  int64            `yaml:"limit"`
	Small  uint8            `yaml:"small"`
	Share  float64          `yaml:"share"`
	Text   string           `yaml:"text"`
	On     bool             `yaml:"on"`
	Hold   time.Duration    `yaml:"hold"`
	Levels map[string]int64 `yaml:"levels"`
	Rules  []testRule       `yaml:"rules"`
}

type testRule struct {
	ID     string `yaml:"id"`
	When   Expr   `yaml:"when"`
	Weight *int   `yaml:"weight"`
}

func TestLoad(t *testing.T) {
	text := head + `
limit: 5_000
small: 7
share: 2
text: "新设备"
hold: 24h
on: true
levels: {basic: 1, full: 2}
rules:
  - {id: a, when: x > 1, weight: 40}
  - id: b
    when: |
      x > 1
      && y > 2
`
	var p testPack
	v, err := Load(strings.NewReader(text), &p)
	if err != nil {
		t.Fatal(err)
	}
	if v.Name != "risk" || v.Number != 3 || len(v.SHA256) != 64 ||
		v.EffectiveFrom != time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC) {
		t.Errorf("version = %+v", v)
	}
	if p.Limit != 5000 || p.Share != 2 || p.Hold != 24*time.Hour || p.Levels["full"] != 2 || *p.Rules[0].Weight != 40 {
		t.Errorf("pack = %+v", p)
	}
	if p.Rules[1].When.Text != "x > 1\n&& y > 2\n" {
		t.Errorf("text of a block = %q", p.Rules[1].When.Text)
	}
	other, err := Load(strings.NewReader(text+"# a comment"), &p)
	if err != nil || other.SHA256 == v.SHA256 {
		t.Errorf("another text has the same hash: %v %v", other, err)
	}
}

var badPacks = []struct{ name, text, want string }{
	{"unknown field", head + "limti: 5", `line 2, column 1: unknown field "limti"`},
	{"unknown field deep", head + "rules:\n  - id: a\n    wehn: x", `line 4, column 5: unknown field "wehn"`},
	{"key twice", head + "limit: 5\nlimit: 6", "line 3, column 1"},
	{"key twice in a map", head + "levels: {a: 1, a: 2}", "line 2, column 16"},
	{"header twice", head + head, "line 2, column 1"},
	{"fraction in an integer", head + "limit: 1.5", "line 2, column 8: here must stand a whole number"},
	{"exponent in an integer", head + "limit: 1e3", "whole number"},
	{"text in an integer", head + `limit: "5"`, "whole number"},
	{"octal", head + "limit: 010", "leading zero"},
	{"hex", head + "limit: 0x1F", "leading zero"},
	{"overflow", head + "limit: 99999999999999999999", "whole number"},
	{"overflow of a byte", head + "small: 300", "line 2, column 8"},
	{"negative", head + "small: -1", "line 2, column 8"},
	{"infinity", head + "share: .inf", "can be compared"},
	{"number for text", head + "text: 5", "here must stand text"},
	{"yes for true", head + "on: yes", "true or false"},
	{"nothing", head + "limit:", "a value is missing"},
	{"null", head + "limit: ~", "a value is missing"},
	{"anchor", head + "levels: &a {b: 1}", "line 2, column 9"},
	{"alias", head + "levels: *a", "line 2"},
	{"merge", head + "<<: {limit: 1}", "line 2"},
	{"tag", head + "limit: !!int 5", "tags"},
	{"two documents", head + "---\nlimit: 5", "exactly one"},
	{"empty", "", "exactly one"},
	{"a list", "- pack", "begins with"},
	{"no header", "limit: 5", "the pack has no"},
	{"header unknown field", "pack: {name: a, number: 1, effective_from: 2026-11-01, author: x}", "unknown field"},
	{"header no name", "pack: {number: 1, effective_from: 2026-11-01}", "no name"},
	{"header number", "pack: {name: a, number: 0, effective_from: 2026-11-01}", "1 or more"},
	{"header day", "pack: {name: a, number: 1, effective_from: 2026-02-30}", "effective_from"},
	{"tab", head + "\tlimit: 5", "line 2, column 1"},
	{"empty expression", head + "rules:\n  - {id: a, when: ''}", "line 3, column 19: the expression is empty"},
	{"expression is a number", head + "rules:\n  - {id: a, when: 5}", "line 3"},
	{"nested brackets", head + "levels: " + strings.Repeat("[", 100), "line 2, column 1: it is nested too deeply"},
	{"nested dashes", head + "levels:\n" + strings.Repeat("- ", 100), "too deeply"},
}

func TestBadPacks(t *testing.T) {
	for _, c := range badPacks {
		var p testPack
		_, err := Load(strings.NewReader(c.text), &p)
		if !ident.Is(err, ident.KindInvalid) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
	if _, err := Load(strings.NewReader(strings.Repeat("#", MaxPack+1)), nil); !ident.Is(err, ident.KindTooLarge) {
		t.Errorf("a pack that is too large: %v", err)
	}
}

func TestInForce(t *testing.T) {
	day := func(d int) time.Time { return time.Date(2026, 11, d, 0, 0, 0, 0, time.UTC) }
	all := []Version{{Number: 3, EffectiveFrom: day(9)}, {Number: 1, EffectiveFrom: day(1)},
		{Number: 2, EffectiveFrom: day(5)},
		{Number: 4, EffectiveFrom: day(5)}}
	for d, want := range map[int]int{1: 1, 4: 1, 5: 4, 8: 4, 9: 3, 30: 3} {
		if v, ok := InForce(all, day(d)); !ok || v.Number != want {
			t.Errorf("on day %d: %d, want %d", d, v.Number, want)
		}
	}
	if _, ok := InForce(all, day(1).Add(-1)); ok {
		t.Error("a version decides before it is effective")
	}
}

func TestDiff(t *testing.T) {
	a := head + "limit: 5\nlevels: {basic: 1, old: 2}\nrules: [{id: a, weight: 1}, {id: b, weight: 2}]\nplain: [1, 2]"
	b := "# moved\nplain: [1, 3, 4]\nrules: [{id: c, weight: 9}, {id: b, weight: 3}]\n" +
		"levels: {basic: 1}\nlimit: 5\n" + head
	changes, err := Diff([]byte(a), []byte(b))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range changes {
		got = append(got, c.String())
	}
	want := []string{"levels.old: removed 2", "plain[2]: 2 -> 3", "plain[3]: added 4",
		"rules[a]: removed map[id:a weight:1]",
		"rules[b].weight: 2 -> 3", "rules[c]: added map[id:c weight:9]"}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if same, err := Diff([]byte(a), []byte(a)); err != nil || len(same) != 0 {
		t.Errorf("a pack differs from itself: %v %v", same, err)
	}
}

func testEnv(t testing.TB) *Env {
	t.Helper()
	vars := map[string]Type{"amount": Int, "ratio": Double, "new_device": Bool, "payer.city": String, "tags": List}
	env, err := NewEnv(vars)
	if err != nil {
		t.Fatal(err)
	}
	return env
}

func goodVars() map[string]any {
	return map[string]any{"amount": int64(5000), "ratio": 2.5, "new_device": true, "payer.city": "杭州",
		"tags": []string{"a", "b"}}
}

func TestEval(t *testing.T) {
	env := testEnv(t)
	for text, want := range map[string]bool{
		"amount > 4999":                               true,
		"amount > 4999 && ratio < 2":                  false,
		"ratio > 2":                                   true, // double beside int
		"amount > 4999.5":                             true,
		"new_device || amount / 0 > 1":                true, // short circuit
		`payer.city == "杭州"`:                          true,
		`"b" in tags`:                                 true,
		`tags.exists(t, t.startsWith("c"))`:           false,
		`payer.city in ["北京", "上海"]`:                  false,
		`payer.city.matches("^杭.$") && size(tags)==2`: true,
		"true": true,
	} {
		r, err := env.Compile(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got, err := r.EvalMap(goodVars()); err != nil || got != want {
			t.Errorf("%s = %v, %v", text, got, err)
		}
		if r.Text() != text || r.Cost() > MaxCost {
			t.Errorf("%s: text %q, cost %d", text, r.Text(), r.Cost())
		}
	}
	r, err := env.Compile(`payer.city == "x" && amount > 1 && amount < 9`)
	if err != nil || strings.Join(r.Uses(), ",") != "amount,payer.city" {
		t.Errorf("uses = %v, %v", r.Uses(), err)
	}
}

func TestCompileErrors(t *testing.T) {
	env := testEnv(t)
	for text, want := range map[string]string{
		"":                                 "line 1, column 1",
		"amuont > 1":                       "line 1, column 1: undeclared reference to 'amuont'",
		"amount > 1 &&\n  ratoi < 2":       "line 2, column 3: undeclared reference to 'ratoi'",
		`amount == "x"`:                    "line 1, column 8",
		"amount > ":                        "line 1, column 10",
		"amount":                           "must be true or false",
		`tags.all(a, tags.all(b, a == b))`: "nest",
		`payer.city.matches("(")`:          "line 1, column 20",
		`now() > 1`:                        "undeclared reference",
		strings.Repeat("(", 100) + "true" + strings.Repeat(")", 99): "line 1",
		strings.Repeat("true && ", 600) + "true":                    "at most 4096 bytes",
	} {
		_, err := env.Compile(text)
		if !ident.Is(err, ident.KindInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: got %v, want %q", text, err, want)
		}
	}
	if _, err := NewEnv(map[string]Type{"a": "decimal"}); ident.CodeOf(err) != "type_unknown" {
		t.Errorf("unknown type: %v", err)
	}
	for _, name := range []string{"", "1a", "a b", "a..b", "a-b", "值", strings.Repeat("a", 65)} {
		if _, err := NewEnv(map[string]Type{name: Int}); ident.CodeOf(err) != "variable_invalid" {
			t.Errorf("variable %q: %v", name, err)
		}
	}
}

// A costly rule is refused before it can run: every item beside a long string.
func TestCostBound(t *testing.T) {
	text := "tags.exists(t, " + strings.Repeat("t.contains(payer.city) || ", 60) + "false)"
	if _, err := testEnv(t).Compile(text); err == nil || !strings.Contains(err.Error(), "steps") {
		t.Errorf("a rule of unbounded cost compiled: %v", err)
	}
}

// A mistake in an expression is shown where it stands in the pack.
func TestErrorInPack(t *testing.T) {
	text := head + `
rules:
  - id: a
    when: amuont > 1
  - id: b
    when: |
      amount > 1 &&
      ratoi < 2
  - {id: c, when: "amount > 1 || nope"}
`
	var p testPack
	if _, err := Load(strings.NewReader(text), &p); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(text, "\n")
	for i, word := range []string{"amuont", "ratoi", "nope"} {
		_, err := testEnv(t).CompileExpr(p.Rules[i].When)
		e, ok := err.(*ident.Error)
		if !ok {
			t.Fatalf("%s: %v", word, err)
		}
		at := strings.Index(lines[e.Row-1], word)
		if at < 0 || !strings.Contains(e.Message, "column "+itoa(at+1)+":") {
			t.Errorf("%s stands at column %d of %q: %v", word, at+1, lines[e.Row-1], err)
		}
	}
}

func itoa(n int) string {
	if n < 10 {
		return string(rune('0' + n))
	}
	return itoa(n/10) + string(rune('0'+n%10))
}

func TestEvalErrors(t *testing.T) {
	env := testEnv(t)
	for _, c := range []struct {
		text, name string
		value      any
		want       string
	}{
		{"amount > 1", "amount", nil, "has no value"},
		{"amount > 1", "amount", 1.5, "declared int"},
		{"amount > 1", "amount", "5", "declared int"},
		{"ratio > 1.0", "ratio", "5", "declared double"},
		{"new_device", "new_device", 1, "declared bool"},
		{`payer.city == "x"`, "payer.city", strings.Repeat("x", MaxString+1), "at most 1024"},
		{`"x" in tags`, "tags", make([]string, MaxList+1), "at most 256"},
		{`"x" in tags`, "tags", []string{strings.Repeat("x", MaxString+1)}, "at most 1024"},
		{`"x" in tags`, "tags", []any{"x"}, "declared list"},
		{"amount + 1 > 1", "amount", int64(math.MaxInt64), "overflow"},
		{"1 / amount > 1", "amount", 0, "division by zero"},
	} {
		r, err := env.Compile(c.text)
		if err != nil {
			t.Fatal(err)
		}
		vars := goodVars()
		vars[c.name] = c.value
		if c.value == nil {
			delete(vars, c.name)
		}
		got, err := r.EvalMap(vars)
		if got || !ident.Is(err, ident.KindInvalid) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s with %s=%.20v: %v, %v", c.text, c.name, c.value, got, err)
		}
	}
}

// An integer given for a double is a number; NaN is never greater or less.
func TestDoubles(t *testing.T) {
	r, err := testEnv(t).Compile("ratio > 1.0")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		v    any
		want bool
	}{{int64(2), true}, {2, true}, {0.5, false}, {math.NaN(), false}, {math.Inf(1), true}} {
		if got, err := r.EvalMap(map[string]any{"ratio": c.v}); err != nil || got != c.want {
			t.Errorf("%v > 1: %v %v", c.v, got, err)
		}
	}
}

func TestEvalIsLight(t *testing.T) {
	r, err := testEnv(t).Compile("amount > 4999 && new_device && ratio > 2.0")
	if err != nil {
		t.Fatal(err)
	}
	amount, ratio := any(int64(5000)), any(2.5)
	value := func(name string) (any, bool) {
		switch name {
		case "amount":
			return amount, true
		case "ratio":
			return ratio, true
		}
		return true, true
	}
	if n := testing.AllocsPerRun(100, func() { _, _ = r.Eval(value) }); n > 6 {
		t.Errorf("%v allocations for three comparisons", n)
	}
}

func BenchmarkEval(b *testing.B) {
	r, err := testEnv(b).Compile("amount > 4999 && new_device && ratio > 2.0")
	if err != nil {
		b.Fatal(err)
	}
	vars := goodVars()
	value := func(name string) (any, bool) { v, ok := vars[name]; return v, ok }
	b.ReportAllocs()
	for b.Loop() {
		_, _ = r.Eval(value)
	}
}

func FuzzLoad(f *testing.F) {
	for _, c := range badPacks {
		f.Add(c.text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var p testPack
		v, err := Load(strings.NewReader(text), &p)
		if err == nil && (v.Number < 1 || v.Name == "" || v.SHA256 == "") {
			t.Errorf("accepted without a version: %+v", v)
		}
		if err != nil && ident.KindOf(err) == ident.KindInternal {
			t.Errorf("a text makes the decoder fail: %v", err)
		}
	})
}

func FuzzCompile(f *testing.F) {
	for _, s := range []string{"amount > 1", `"a" in tags`, "tags.all(t, t == payer.city)", "((((",
		"amount + ratio > 1", "'\\", "a?b:c"} {
		f.Add(s)
	}
	env := testEnv(f)
	f.Fuzz(func(t *testing.T, text string) {
		r, err := env.Compile(text)
		if err != nil {
			return
		}
		first, e1 := r.EvalMap(goodVars())
		again, e2 := r.EvalMap(goodVars())
		if first != again || (e1 == nil) != (e2 == nil) {
			t.Errorf("%q answers differently the second time", text)
		}
	})
}
