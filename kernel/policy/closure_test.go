package policy

import (
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"surety/kernel/ident"
)

func closureEnv(t testing.TB) *Env {
	t.Helper()
	env, err := NewEnvOf(closureVars)
	if err != nil {
		t.Fatal(err)
	}
	return env
}

// named gives a row by name, as Eval wants it.
func named(row *Row) func(string) (any, bool) {
	return func(name string) (any, bool) {
		for i, v := range closureVars {
			if v.Name != name {
				continue
			}
			switch v.Type {
			case Int:
				return row.N[i], true
			case Double:
				return math.Float64frombits(uint64(row.N[i])), true
			case Bool:
				return row.N[i] != 0, true
			case String:
				return row.S[i], true
			}
		}
		return nil, false
	}
}

func rowText(row *Row) string {
	var out []string
	for _, v := range closureVars {
		x, _ := named(row)(v.Name)
		out = append(out, fmt.Sprintf("%s=%.60q", v.Name, fmt.Sprint(x)))
	}
	return strings.Join(out, " ")
}

// A compiled rule answers as cel-go does: the same answer, the same error word
// for word, over all forms that closures know.
func TestTestIsEval(t *testing.T) {
	env := closureEnv(t)
	rapid.Check(t, func(rt *rapid.T) {
		g := exprs{rt}
		text := g.of(Bool, rapid.IntRange(1, 4).Draw(rt, "depth"))
		r, err := env.Compile(text)
		if err != nil {
			allowed(rt, text, err)
			return
		}
		if !r.Compiled() {
			rt.Fatalf("%s is left to cel-go", text)
		}
		slow, err := env.Compile(text)
		if err != nil {
			rt.Fatal(err)
		}
		slow.fast = nil
		for range 8 {
			row := g.row()
			want, e1 := r.Eval(named(row))
			got, e2 := r.Test(row)
			if got != want || !sameError(e1, e2) {
				rt.Fatalf("%s with %s:\n%v, %v, want\n%v, %v", text, rowText(row), got, e2, want, e1)
			}
			if again, e3 := slow.Test(row); again != want || !sameError(e1, e3) {
				rt.Fatalf("%s with %s by cel-go over the row:\n%v, %v, want\n%v, %v", text, rowText(row), again, e3, want, e1)
			}
		}
	})
}

// allowed are the reasons for which a generated expression may be refused.
func allowed(t interface{ Fatalf(string, ...any) }, text string, err error) {
	for _, why := range []string{"at most 4096 bytes", "it could cost", "type conversion error", "integer overflow", "recursion", "nodes", "node limit"} {
		if strings.Contains(err.Error(), why) {
			return
		}
	}
	t.Fatalf("%s: %v", text, err)
}

func sameError(a, b error) bool {
	if a == nil || b == nil {
		return a == b
	}
	return ident.KindOf(a) == ident.KindOf(b) && ident.CodeOf(a) == ident.CodeOf(b) && a.Error() == b.Error()
}

// A compiled formula gives the value that cel-go gives, bit for bit.
func TestFormulaIsCEL(t *testing.T) {
	env := closureEnv(t)
	rapid.Check(t, func(rt *rapid.T) {
		g := exprs{rt}
		want := rapid.SampledFrom([]Type{Int, Double, Bool, String}).Draw(rt, "want")
		of := want
		if want == Double && rapid.Bool().Draw(rt, "from an int") {
			of = Int
		}
		x := Expr{Text: g.of(of, rapid.IntRange(0, 4).Draw(rt, "depth"))}
		fast, err := env.Formula(x, want)
		if err != nil {
			allowed(rt, x.Text, err)
			return
		}
		if !fast.Compiled() {
			rt.Fatalf("%s is left to cel-go", x.Text)
		}
		slow, err := env.Formula(x, want)
		if err != nil {
			rt.Fatal(err)
		}
		slow.num, slow.dbl, slow.str, slow.yes = nil, nil, nil, nil
		for range 8 {
			row := g.row()
			a, e1 := formulaValue(fast, row)
			b, e2 := formulaValue(slow, row)
			if a != b || !sameError(e1, e2) {
				rt.Fatalf("%s with %s:\n%v, %v, want\n%v, %v", x.Text, rowText(row), a, e1, b, e2)
			}
		}
	})
}

// formulaValue is the value as text that tells -0.0 from 0.0.
func formulaValue(f *Formula, row *Row) (string, error) {
	switch f.Type() {
	case Int:
		v, err := f.Int(row)
		return fmt.Sprint(v), err
	case Double:
		v, err := f.Double(row)
		return fmt.Sprint(v, math.Signbit(v) && v == 0), err
	case Bool:
		v, err := f.Bool(row)
		return fmt.Sprint(v), err
	}
	return f.String(row)
}

// aRow is i=5000, d=2.5, s="杭州", b=true, p.j=-7, p.e=NaN, p.t too long, p.c=false.
func aRow() *Row {
	r := &Row{N: make([]int64, len(closureVars)), S: make([]string, len(closureVars))}
	r.N[0], r.S[2], r.N[4], r.S[6] = 5000, "杭州", -7, strings.Repeat("x", MaxString+1)
	r.SetDouble(1, 2.5)
	r.SetBool(3, true)
	r.SetDouble(5, math.NaN())
	return r
}

// What is said here is CEL's meaning, written by hand; "!" before a text means
// that the answer is an error with these words.
var meanings = []struct{ text, want string }{
	{"i > 4999 && d < 3.0 && b", "true"},
	{"i > 4999 && d < 3.0 && !b", "false"},
	{"i == 5000 || i / 0 > 1", "true"},
	{"i / 0 > 1 || i == 5000", "true"}, // || absorbs an error on either side
	{"i / 0 > 1 || i == 5001", "!division by zero"},
	{"i / 0 > 1 && i == 5001", "false"},
	{"i % 0 > 1 && i == 5000", "!modulus by zero"},
	{"i / 0 > 1 && i % 0 > 1", "!division by zero"}, // the first error is told
	{"!(i / 0 > 1) || b", "true"},
	{"false && i / 0 > 1", "false"},
	{"i / 0 > 1 && false", "false"},
	{"b && !(i > 1 && p.c)", "true"},
	{"p.c || !(i > 1 || p.c)", "false"},
	{"b && (i > 1 || p.c) && (d > 2.0 && i > 2)", "true"},
	{`i / 0 > 1 || p.t == ""`, "!division by zero"},
	{"b ? i > 1 : i / 0 > 1", "true"},
	{"p.c ? i > 1 : i / 0 > 1", "!division by zero"},
	{"(i / 0 > 1) ? true : true", "!division by zero"},
	{"i + 9223372036854775807 > 0", "!integer overflow"},
	{"-9223372036854775808 - i < 0", "!integer overflow"},
	{"i * 9223372036854775807 > 0", "!integer overflow"},
	{"-9223372036854775808 / (p.j + 6) > 0", "!integer overflow"},
	{"-9223372036854775808 % (p.j + 6) == 0", "!integer overflow"},
	{"-(p.j - 9223372036854775801) > 0", "!integer overflow"},
	{"-9223372036854775808 * (p.j + 6) > 0", "!integer overflow"},
	{"(p.j + 6) * -9223372036854775808 > 0", "!integer overflow"},
	{"3037000500 * (i - 5000 + 3037000499) > 0 && (p.j + 6) * 0 == 0", "true"}, // the last that fits
	{"3037000500 * (i - 5000 + 3037000500) > 0", "!integer overflow"},
	{"p.j / 2 == -3 && p.j % 2 == -1", "true"}, // cut towards zero
	{"d / 0.0 > 1e308 && -d / 0.0 < -1e308", "true"},
	{"0.0 == -0.0", "true"},
	{"p.e == p.e || p.e < 1.0 || p.e >= 1.0", "false"},
	{"p.e != p.e && !(p.e > 1.0)", "true"},
	{"p.e > 1 || i < p.e", "false"},
	{"i > 4999.5 && i < 5000.5 && i >= d && d <= i", "true"},
	{"9007199254740993 > 9007199254740992.0", "false"}, // cel-go compares them as doubles
	{"9223372036854775807 < 9223372036854775808.0", "false"},
	{"int(d) == 2 && int(-d) == -2 && double(i) == 5000.0", "true"},
	{"int(p.e) == 0", "!integer overflow"},
	{"int(d * 1e300) == 0", "!integer overflow"},
	{"int(-9223372036854775808.0 + d - d) == 0", "!integer overflow"}, // open on both sides
	{"int(9223372036854775808.0 + d - d) == 0", "!integer overflow"},
	{"int(9223372036854774784.0 * (d - 1.5)) == 9223372036854774784", "true"},
	{"int(s) == 0", "!type conversion error from 'string' to 'int'"},
	{"double(s) == 0.0", "!type conversion error from 'string' to 'double'"},
	{`int("-12") == -12 && double("1.5") == 1.5`, "true"},
	{`size(s) == 2 && s.size() == 2 && size("") == 0`, "true"},
	{`s == "杭州" && s != "杭" && s > "上海" && "上海" < s`, "true"},
	{`s.startsWith("杭") && s.endsWith("州") && s.contains("")`, "true"},
	{`s + "市" == "杭州市"`, "true"},
	{`s in ["北京", "杭州"] && !(s in ["北京"]) && i in [1, 5000] && !(i in [-5000])`, "true"},
	{`i in [1, 2, 3, 4, 5, 6, 7, 8, 9, 5000] && !(s in ["1", "2", "3", "4", "5", "6", "7", "8", "9"])`, "true"},
	{"i / 0 in []", "false"},
	{"i / 0 in [1]", "!division by zero"},
	{`s.matches("^.州$") && matches(s, "杭")`, "true"},
	{`p.t == ""`, "!the variable p.t has 1025 bytes, at most 1024 are allowed"},
	{`p.t in ["a"]`, "!the variable p.t has 1025 bytes"},
	{`p.t == "" || b`, "true"},
	{`p.t == "" && p.c`, "false"},
	{`size(p.t + "") > 1`, "!the variable p.t has 1025 bytes"},
	{`p.t.matches("x")`, "!the variable p.t has 1025 bytes"},
	{"false < true && b > p.c && b == true && p.c != true && p.c == false", "true"},
	{"b == (i > 1) && (b ? 1 : 2) == 1 && (b ? d : 2.0) == 2.5 && (p.c ? s : \"\") == \"\"", "true"},
	{"2 * 60 * 60 == 7200 && 1 + 1 == 2", "true"},
	{"1 / 0 == 1", "!division by zero"},
	{"bool(b) && string(s) == s", "true"},
	{"!(!(b))", "true"},
	{"true", "true"},
	{"!true", "false"},
}

func TestMeanings(t *testing.T) {
	env := closureEnv(t)
	for _, c := range meanings {
		r, err := env.Compile(c.text)
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		if !r.Compiled() {
			t.Errorf("%s is left to cel-go", c.text)
		}
		for way, ask := range map[string]func() (bool, error){
			"Test": func() (bool, error) { return r.Test(aRow()) },
			"Eval": func() (bool, error) { return r.Eval(named(aRow())) },
		} {
			got, err := ask()
			if words, bad := strings.CutPrefix(c.want, "!"); bad {
				if got || ident.CodeOf(err) != "rule_failed" || !ident.Is(err, ident.KindInvalid) || !strings.Contains(err.Error(), words) {
					t.Errorf("%s by %s: %v, %v, want %s", c.text, way, got, err, c.want)
				}
				continue
			}
			if err != nil || fmt.Sprint(got) != c.want {
				t.Errorf("%s by %s: %v, %v, want %s", c.text, way, got, err, c.want)
			}
		}
	}
}

// What closures do not know, cel-go runs over the same row.
func TestLeftToCEL(t *testing.T) {
	vars := append(append([]Var(nil), closureVars...), Var{"tags", List})
	env, err := NewEnvOf(vars)
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		`[1, 2].exists(x, x == i - 4999) && i > 1`: "true",
		`string(i) == "5000" && b`:                 "true",
		`i in [1, i]`:                              "true",
		`d in [2.5]`:                               "true",
		`dyn(i) == 5000.0`:                         "true",
		`s.matches(s)`:                             "true",
		`b || "a" in tags`:                         "true",
		`"a" in tags`:                              "the variable tags has no value",
		`string(i / 0) == ""`:                      "division by zero",
		`p.t == string(i)`:                         "at most 1024",
		`timestamp(i) > timestamp(0)`:              "true",
	} {
		r, err := env.Compile(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if r.Compiled() {
			t.Errorf("%s is compiled: move it to the tests of closures", text)
		}
		row := aRow()
		row.N, row.S = append(row.N, 0), append(row.S, "")
		got, err := r.Test(row)
		if err != nil && !strings.Contains(err.Error(), want) || err == nil && fmt.Sprint(got) != want {
			t.Errorf("%s: %v, %v, want %s", text, got, err, want)
		}
	}
}

// A row that is too short is an error, compiled or not, never a panic; slots
// that are not used need not be there.
func TestShortRow(t *testing.T) {
	env := closureEnv(t)
	for _, c := range []struct {
		text       string
		num, texts int // needed
	}{{"p.j > 1", 5, 0}, {`p.t == "x"`, 0, 7}, {"b || p.c", 8, 0}, {"string(p.j) == p.t", 5, 7}, {"i < p.j && p.j > 1 || p.t == s", 5, 7}} {
		r, err := env.Compile(c.text)
		if err != nil {
			t.Fatal(err)
		}
		f, err := env.Formula(Expr{Text: c.text}, Bool)
		if err != nil {
			t.Fatal(err)
		}
		enough := &Row{N: make([]int64, c.num), S: make([]string, c.texts)}
		if _, err := r.Test(enough); err != nil {
			t.Errorf("%s with just what is used: %v", c.text, err)
		}
		rows := []*Row{{}}
		if c.num > 0 {
			rows = append(rows, &Row{N: enough.N[1:], S: enough.S})
		}
		if c.texts > 0 {
			rows = append(rows, &Row{N: enough.N, S: enough.S[1:]})
		}
		for _, row := range rows {
			if got, err := r.Test(row); got || ident.CodeOf(err) != "rule_failed" || !strings.Contains(err.Error(), "are needed") {
				t.Errorf("%s with a row of %d and %d: %v, %v", c.text, len(row.N), len(row.S), got, err)
			}
			if _, err := f.Bool(row); ident.CodeOf(err) != "formula_failed" {
				t.Errorf("formula %s with a row of %d and %d: %v", c.text, len(row.N), len(row.S), err)
			}
		}
	}
}

func TestNewEnvOf(t *testing.T) {
	for code, vars := range map[string][]Var{
		"variable_twice":     {{"a", Int}, {"b", Int}, {"a", Double}},
		"type_unknown":       {{"a", "decimal"}},
		"variable_invalid":   {{"1a", Int}},
		"variables_too_many": make([]Var, MaxVars+1),
	} {
		if _, err := NewEnvOf(vars); ident.CodeOf(err) != code {
			t.Errorf("%s: %v", code, err)
		}
	}
	env, err := NewEnv(map[string]Type{"z": Int, "a.b": String, "m": Bool})
	if err != nil {
		t.Fatal(err)
	}
	for want, name := range []string{"a.b", "m", "z"} {
		if slot, ok := env.Slot(name); !ok || slot != want {
			t.Errorf("slot of %s = %d, %v; NewEnv sorts by name", name, slot, ok)
		}
	}
	if _, ok := env.Slot("nope"); ok || env.Type("nope") != "" || env.Type("a.b") != String {
		t.Errorf("an undeclared name has a slot, or types are mixed up")
	}
}

func TestFormula(t *testing.T) {
	env, row := closureEnv(t), aRow()
	for _, c := range []struct {
		text string
		want Type
		is   string
	}{
		{"i / 7 * 2", Int, "1428"},
		{"i", Double, "5000"},
		{"d * 2.0 + 1.0", Double, "6"},
		{"i > 1 ? 3 : i / 0", Double, "3"},
		{"double(i) / 0.0", Double, "+Inf"},
		{"i > 1 && b", Bool, "true"},
		{`s + "市"`, String, "杭州市"},
		{`b ? s : "x"`, String, "杭州"},
		{"int(string(i)) + 1", Int, "5001"}, // by cel-go
		{"int(string(i)) + 1", Double, "5001"},
		{`string(i)`, String, "5000"},
		{"[1].exists(x, x < i)", Bool, "true"},
		{"i / 0", Int, "!division by zero"},
		{"i + 9223372036854775807", Double, "!integer overflow"},
		{"int(string(i)) / 0", Int, "!division by zero"},
		{"p.t", String, "!at most 1024"},
		{`"` + strings.Repeat("x", 1000) + `" + "` + strings.Repeat("y", 25) + `"`, String, "!too long"},
	} {
		f, err := env.Formula(Expr{Text: c.text}, c.want)
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		got, err := formulaValue(f, row)
		words, bad := strings.CutPrefix(c.is, "!")
		switch {
		case bad && (ident.CodeOf(err) != "formula_failed" || !strings.Contains(err.Error(), words)):
			t.Errorf("%s: %v, %v, want %s", c.text, got, err, c.is)
		case !bad && (err != nil || strings.Fields(got)[0] != c.is):
			t.Errorf("%s: %v, %v, want %s", c.text, got, err, c.is)
		}
	}
	f, err := env.Formula(Expr{Text: "p.j + i + p.j"}, Int)
	if err != nil || strings.Join(f.Uses(), ",") != "i,p.j" {
		t.Errorf("uses = %v, %v", f.Uses(), err)
	}
	if _, err := f.Double(row); ident.CodeOf(err) != "formula_type" {
		t.Errorf("the value of an Int formula asked for as Double: %v", err)
	}
}

func TestFormulaErrors(t *testing.T) {
	env := closureEnv(t)
	for _, c := range []struct {
		text string
		want Type
		code string
		says string
	}{
		{"i > 1", Int, "formula_invalid", "line 7, column 12: the answer must be a whole number, this is bool"},
		{"d", Int, "formula_invalid", "this is double"},
		{"i", String, "formula_invalid", "must be text"},
		{"i + ii", Int, "formula_invalid", "line 7, column 16: undeclared reference to 'ii'"},
		{"i +", Int, "formula_invalid", "line 7"},
		{strings.Repeat("i+", MaxText), Int, "formula_too_long", "at most 4096"},
		{"i", List, "type_unknown", "list"},
		{"i", "", "type_unknown", ""},
		{`int("x")`, Int, "formula_invalid", "type conversion"},
	} {
		_, err := env.Formula(Expr{Text: c.text, Line: 7, Column: 12}, c.want)
		if ident.CodeOf(err) != c.code || !ident.Is(err, ident.KindInvalid) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%.20s as %s: %v, want %s", c.text, c.want, err, c.says)
		}
	}
}

// Rules and formulas are used by many goroutines at once.
func TestTogether(t *testing.T) {
	env := closureEnv(t)
	r, err := env.Compile(`i > 10 && s.matches("^a+$") && s in ["a", "aa"]`)
	if err != nil {
		t.Fatal(err)
	}
	slow, err := env.Compile(`string(i) == "11"`)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for n := range int64(8) {
		wg.Go(func() {
			row := &Row{N: []int64{8 + n, 0, 0}, S: []string{"", "", "aa"}}
			for range 200 {
				if got, err := r.Test(row); err != nil || got != (n > 2) {
					t.Errorf("i=%d: %v, %v", row.N[0], got, err)
					return
				}
				if got, err := slow.Test(row); err != nil || got != (n == 3) {
					t.Errorf("i=%d by cel-go: %v, %v", row.N[0], got, err)
					return
				}
			}
		})
	}
	wg.Wait()
}

func TestTestDoesNotAllocate(t *testing.T) {
	env, row := closureEnv(t), aRow()
	for _, text := range []string{
		"i > 4999 && b && d > 2.0", "i > 4999.5 || i / 3 * 2 > 5", `s == "x" || s in ["a", "杭州"]`, `s.startsWith("杭") && size(s) == 2`,
		`(b ? i : p.j) > 1 && double(i) * 1.5 < 1e9 && !(i in [1, 2, 3, 4, 5, 6, 7, 8, 9])`, `s.matches("^杭.$")`, "i / 0 > 1 || b",
	} {
		r, err := env.Compile(text)
		if err != nil {
			t.Fatal(err)
		}
		if yes, err := r.Test(row); !yes || err != nil {
			t.Errorf("%s: %v, %v", text, yes, err)
		}
		if n := testing.AllocsPerRun(100, func() { _, _ = r.Test(row) }); n != 0 {
			t.Errorf("%s: %v allocations", text, n)
		}
	}
	f, err := env.Formula(Expr{Text: "double(i) * d / 100.0"}, Double)
	if err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(100, func() { _, _ = f.Double(row) }); n != 0 {
		t.Errorf("a formula: %v allocations", n)
	}
}

// Any text that compiles gives with closures what cel-go gives.
func FuzzTest(f *testing.F) {
	for _, c := range meanings {
		f.Add(c.text, int64(5000), 2.5, "杭州")
	}
	for _, s := range []string{"i in [1, 2.0]", "has(p.j)", "b ? i == 1 : s", ".i > 1", "type(i) == int", "i in {1: 2}",
		"[i][0] > 1", "size([1, i]) > 1", "1u < 2u", "null == null", "int(b) == 1", "i == 1 ? true : d"} {
		f.Add(s, int64(-1), math.Inf(1), "")
	}
	env := closureEnv(f)
	f.Fuzz(func(t *testing.T, text string, i int64, d float64, s string) {
		r, err := env.Compile(text)
		if err != nil {
			return
		}
		row := aRow()
		row.N[0], row.S[2] = i, s
		row.SetDouble(1, d)
		want, e1 := r.Eval(named(row))
		got, e2 := r.Test(row)
		if got != want || !sameError(e1, e2) {
			t.Errorf("%s with %s: %v, %v, want %v, %v", text, rowText(row), got, e2, want, e1)
		}
	})
}
