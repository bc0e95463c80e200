package policy

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"pgregory.net/rapid"
)

// The variables of the tests of closures, by slot.
var closureVars = []Var{
	{"i", Int}, {"d", Double}, {"s", String}, {"b", Bool}, {"p.j", Int}, {"p.e", Double}, {"p.t", String}, {"p.c", Bool},
}

var (
	someInts = []int64{0, 1, -1, 2, 3, 7, 100, 4999, 5000, 1 << 53, 1<<53 + 1, -1<<53 - 1,
		math.MaxInt32, math.MaxInt64, math.MaxInt64 - 1, math.MinInt64, math.MinInt64 + 1, 3037000500, -3037000500}
	someDoubles = []float64{0, 1, -1, 0.5, 2.5, -2.5, 100, 5000, 1 << 53, 1<<53 + 2, math.MaxInt64, math.MinInt64, -1e19, 1e19,
		math.MaxFloat64, -math.MaxFloat64, math.SmallestNonzeroFloat64, 9223372036854774784, -9223372036854774784}
	oddDoubles = []float64{math.NaN(), math.Inf(1), math.Inf(-1), math.Copysign(0, -1)}
	someTexts  = []string{"", "a", "ab", "b", "杭州", "杭", "1", "-9223372036854775808", "9223372036854775808", "1e3", "NaN", "0x1p-2", "1_0", "+5", " "}
	oddTexts   = []string{"\xff", "a\x00b", strings.Repeat("x", MaxString), strings.Repeat("x", MaxString+1), strings.Repeat("州", MaxString/3+1)}
)

// exprs writes random expressions that are type-correct and that closures must know.
type exprs struct{ t *rapid.T }

func (g exprs) pick(of ...string) string { return rapid.SampledFrom(of).Draw(g.t, "pick") }

func (g exprs) of(t Type, depth int) string {
	if depth > 0 && rapid.IntRange(0, 9).Draw(g.t, "if") == 0 {
		return fmt.Sprintf("(%s ? %s : %s)", g.of(Bool, depth-1), g.of(t, depth-1), g.of(t, depth-1))
	}
	switch t {
	case Int:
		return g.int(depth)
	case Double:
		return g.double(depth)
	case String:
		return g.text(depth)
	}
	return g.bool(depth)
}

func (g exprs) int(depth int) string {
	form := rapid.IntRange(0, 9).Draw(g.t, "int")
	switch {
	case depth == 0 && form < 4:
		return intText(rapid.SampledFrom(someInts).Draw(g.t, "n"))
	case depth == 0 || form < 3:
		return g.pick("i", "p.j")
	case form < 7:
		return fmt.Sprintf("(%s %s %s)", g.of(Int, depth-1), g.pick("+", "-", "*", "/", "%"), g.of(Int, depth-1))
	case form == 7:
		return "-(" + g.of(Int, depth-1) + ")"
	case form == 8:
		return "int(" + g.of(rapid.SampledFrom([]Type{Int, Double, String}).Draw(g.t, "of"), depth-1) + ")"
	}
	return fmt.Sprintf(g.pick("size(%s)", "(%s).size()"), g.of(String, depth-1))
}

func (g exprs) double(depth int) string {
	form := rapid.IntRange(0, 9).Draw(g.t, "double")
	switch {
	case depth == 0 && form < 4:
		return doubleText(rapid.SampledFrom(someDoubles).Draw(g.t, "x"))
	case depth == 0 || form < 3:
		return g.pick("d", "p.e")
	case form < 7:
		return fmt.Sprintf("(%s %s %s)", g.of(Double, depth-1), g.pick("+", "-", "*", "/"), g.of(Double, depth-1))
	case form == 7:
		return "-(" + g.of(Double, depth-1) + ")"
	}
	return "double(" + g.of(rapid.SampledFrom([]Type{Int, Double, String}).Draw(g.t, "of"), depth-1) + ")"
}

func (g exprs) text(depth int) string {
	form := rapid.IntRange(0, 9).Draw(g.t, "text")
	switch {
	case depth == 0 && form < 4:
		return strconv.Quote(rapid.SampledFrom(someTexts).Draw(g.t, "s"))
	case depth == 0 || form < 6:
		return g.pick("s", "p.t")
	}
	return fmt.Sprintf("(%s + %s)", g.of(String, depth-1), g.of(String, depth-1))
}

func (g exprs) bool(depth int) string {
	if depth == 0 {
		return g.pick("b", "p.c", "b", "p.c", "true", "false")
	}
	op := g.pick("<", "<=", ">", ">=", "==", "!=")
	switch rapid.IntRange(0, 11).Draw(g.t, "bool") {
	case 0, 1:
		parts := make([]string, rapid.IntRange(2, 4).Draw(g.t, "many"))
		for i := range parts {
			parts[i] = g.of(Bool, depth-1)
		}
		return "(" + strings.Join(parts, g.pick(" && ", " || ")) + ")"
	case 2:
		return "!(" + g.of(Bool, depth-1) + ")"
	case 3, 4:
		return fmt.Sprintf("(%s %s %s)", g.of(Int, depth-1), op, g.of(Int, depth-1))
	case 5:
		return fmt.Sprintf("(%s %s %s)", g.of(Double, depth-1), op, g.of(Double, depth-1))
	case 6:
		order := g.pick("<", "<=", ">", ">=") // CEL has no == of an int and a double
		if rapid.Bool().Draw(g.t, "side") {
			return fmt.Sprintf("(%s %s %s)", g.of(Int, depth-1), order, g.of(Double, depth-1))
		}
		return fmt.Sprintf("(%s %s %s)", g.of(Double, depth-1), order, g.of(Int, depth-1))
	case 7:
		return fmt.Sprintf("(%s %s %s)", g.of(String, depth-1), op, g.of(String, depth-1))
	case 8:
		return fmt.Sprintf("(%s %s %s)", g.of(Bool, depth-1), op, g.of(Bool, depth-1))
	case 9:
		return fmt.Sprintf("(%s).%s(%s)", g.of(String, depth-1), g.pick("startsWith", "endsWith", "contains"), g.of(String, depth-1))
	case 10:
		pattern := g.pick("^a", "b$", "^杭.$", "[0-9]+", ".*", "x{3,}")
		return fmt.Sprintf("(%s).matches(%q)", g.of(String, depth-1), pattern)
	}
	return g.in(depth)
}

func (g exprs) in(depth int) string {
	n := rapid.IntRange(0, 2*few).Draw(g.t, "items")
	list := make([]string, n)
	if rapid.Bool().Draw(g.t, "texts") {
		for i := range list {
			list[i] = strconv.Quote(rapid.SampledFrom(someTexts).Draw(g.t, "s"))
		}
		return fmt.Sprintf("(%s in [%s])", g.of(String, depth-1), strings.Join(list, ", "))
	}
	for i := range list {
		list[i] = intText(rapid.SampledFrom(someInts).Draw(g.t, "n"))
	}
	return fmt.Sprintf("(%s in [%s])", g.of(Int, depth-1), strings.Join(list, ", "))
}

func intText(n int64) string { return strconv.FormatInt(n, 10) }

func doubleText(x float64) string {
	s := strconv.FormatFloat(x, 'g', -1, 64)
	if !strings.ContainsAny(s, ".e") {
		s += ".0"
	}
	return s
}

// row draws values for all variables, often odd ones.
func (g exprs) row() *Row {
	r := &Row{N: make([]int64, len(closureVars)), S: make([]string, len(closureVars))}
	ints := rapid.OneOf(rapid.SampledFrom(someInts), rapid.Int64())
	doubles := rapid.OneOf(rapid.SampledFrom(someDoubles), rapid.SampledFrom(oddDoubles), rapid.Float64())
	texts := rapid.OneOf(rapid.SampledFrom(someTexts), rapid.SampledFrom(oddTexts), rapid.String())
	for i, v := range closureVars {
		switch v.Type {
		case Int:
			r.N[i] = ints.Draw(g.t, v.Name)
		case Double:
			r.SetDouble(i, doubles.Draw(g.t, v.Name))
		case Bool:
			r.SetBool(i, rapid.Bool().Draw(g.t, v.Name))
		case String:
			r.S[i] = texts.Draw(g.t, v.Name)
		}
	}
	return r
}
