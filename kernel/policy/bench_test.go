package policy

import (
	"math"
	"testing"
)

// The rules of the benchmark: what packs are made of. plain is the same in Go.
var benchRules = []struct {
	name, text string
	plain      func(row *Row) bool
}{
	{"three", "i > 4999 && b && d > 2.0", func(row *Row) bool {
		return row.N[0] > 4999 && row.N[3] != 0 && math.Float64frombits(uint64(row.N[1])) > 2
	}},
	{"five", `i > 4999 && b && d > 2 && p.j < i && s == "杭州"`, func(row *Row) bool {
		return row.N[0] > 4999 && row.N[3] != 0 && math.Float64frombits(uint64(row.N[1])) > 2 && row.N[4] < row.N[0] &&
			len(row.S[2]) <= MaxString && row.S[2] == "杭州"
	}},
	{"arithmetic", `(i * 3 > p.j + 100 || s in ["北京", "杭州"]) && double(i) / d > 1.5`, func(row *Row) bool {
		return (row.N[0]*3 > row.N[4]+100 || row.S[2] == "北京" || row.S[2] == "杭州") &&
			float64(row.N[0])/math.Float64frombits(uint64(row.N[1])) > 1.5
	}},
}

// BenchmarkTest is a rule as Test runs it, beside plain Go and cel-go.
func BenchmarkTest(b *testing.B) {
	env, row := closureEnv(b), aRow()
	for _, c := range benchRules {
		r, err := env.Compile(c.text)
		if err != nil || !r.Compiled() {
			b.Fatal(c.text, err)
		}
		value := named(row)
		for way, ask := range map[string]func() bool{
			"closures": func() bool { yes, err := r.Test(row); return yes && err == nil },
			"go":       func() bool { return c.plain(row) },
			"cel":      func() bool { yes, err := r.Eval(value); return yes && err == nil },
		} {
			b.Run(c.name+"/"+way, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if !ask() {
						b.Fatal("the rule is not true")
					}
				}
			})
		}
	}
}

// BenchmarkFormula is a derived value.
func BenchmarkFormula(b *testing.B) {
	env, row := closureEnv(b), aRow()
	f, err := env.Formula(Expr{Text: "double(i) * d / (100.0 + double(p.j))"}, Double)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := f.Double(row); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkTestFails is what an error costs.
func BenchmarkTestFails(b *testing.B) {
	env, row := closureEnv(b), aRow()
	r, err := env.Compile("i / (p.j + 7) > 1 && b")
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Test(row); err == nil {
			b.Fatal("no error")
		}
	}
}
