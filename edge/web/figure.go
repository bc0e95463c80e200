package web

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/a-h/templ"

	"surety/kernel/money"
)

// Point is one value of a line, in the order of time.
type Point struct {
	Label string // the day, in words
	Value int64  // integer: a count, or minor units
	Text  string // the value in words; "" is the number
}

// FigureProps make one big number.
type FigureProps struct {
	Label   string
	Value   string // "29,018" or Amount.Digits()
	Unit    string // "CNY", "people"
	Note    string // beneath: what it is compared with
	Meaning Meaning
	Mark    string // the word that goes with the meaning; "" shows the shape only beside the note
	Line    []Point
	Href    string
	Big     bool // the one number of the page
}

// FunnelStep is one step of a funnel: how many people and how much money got
// that far.
type FunnelStep struct {
	Label  string
	People int64
	Money  money.Amount
	Note   string
	Href   string
}

// FunnelProps make a funnel. The first step is the whole.
type FunnelProps struct {
	Title string
	Steps []FunnelStep
}

// Reason is one cause of a decision.
type Reason struct {
	Label  string
	Note   string
	Weight int64  // above zero it pushed up, below it pulled down
	Text   string // the weight in words; "" is the signed number
}

// BarsProps make the picture of how a decision came about.
type BarsProps struct {
	Title   string
	Reasons []Reason
	Result  templ.Component // beneath: the sum, the outcome
}

// The sparkline's canvas.
const (
	sparkWidth  = 240
	sparkHeight = 40
)

// spark are the line and the area beneath it. Values below zero sit on the
// ground: counts and sums paid are never negative.
func spark(points []Point) (line, area string) {
	if len(points) < 2 {
		return "", ""
	}
	top := int64(1)
	for _, p := range points {
		top = max(top, p.Value)
	}
	var b strings.Builder
	for i, p := range points {
		x := int64(i) * sparkWidth * 10 / int64(len(points)-1)
		y := sparkHeight*10 - 20 - scale(p.Value, top, sparkHeight*10-40)
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(tenths(x) + "," + tenths(y))
	}
	line = b.String()
	return line, "0," + itoa(sparkHeight) + " " + line + " " + itoa(sparkWidth) + "," + itoa(sparkHeight)
}

func pointText(p Point) string {
	if p.Text != "" {
		return p.Text
	}
	return Count(p.Value)
}

// funnelShape is the outline of step i: as wide as its people (left) and money
// (right) at the top, narrowing to the next step's at the bottom.
func funnelShape(steps []FunnelStep, i int) (people, cash string) {
	next := min(i+1, len(steps)-1)
	wide := func(j int) (int64, int64) {
		return scale(steps[j].People, steps[0].People, 980), scale(steps[j].Money.Minor, steps[0].Money.Minor, 980)
	}
	p0, m0 := wide(i)
	p1, m1 := wide(next)
	left := func(w int64) string { return tenths(990 - w) }
	right := func(w int64) string { return tenths(1010 + w) }
	people = left(p0) + ",0 99,0 99,48 " + left(p1) + ",48 " + left(p0) + ",30"
	cash = right(m0) + ",0 101,0 101,48 " + right(m1) + ",48 " + right(m0) + ",30"
	return people, cash
}

// barWidth is the length of a reason's bar against the heaviest one.
func barWidth(all []Reason, r Reason) int64 {
	top := int64(1)
	for _, one := range all {
		top = max(top, abs(one.Weight))
	}
	return scale(abs(r.Weight), top, 100)
}

// ordered puts the heaviest push first and the heaviest pull last.
func ordered(rs []Reason) []Reason {
	out := slices.Clone(rs)
	slices.SortStableFunc(out, func(a, b Reason) int {
		switch {
		case a.Weight > b.Weight:
			return -1
		case a.Weight < b.Weight:
			return 1
		}
		return 0
	})
	return out
}

func weightText(r Reason) string {
	switch {
	case r.Text != "":
		return r.Text
	case r.Weight > 0:
		return "+" + Count(r.Weight)
	case r.Weight < 0:
		return "−" + Count(-r.Weight)
	}
	return "0"
}

func weightWord(ctx context.Context, r Reason) string {
	if r.Weight < 0 {
		return Say(ctx, "chart.down")
	}
	return Say(ctx, "chart.up")
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func isNum(p TableProps, i int) bool { return i < len(p.Columns) && p.Columns[i].Num }

// filterField gives a filter's field its own id and small clothes.
func filterField(p TableProps, f FieldProps) FieldProps {
	f.ID = tableID(p) + "-f-" + f.Name
	f.compact = true
	return f
}
