package web

import (
	"strings"
	"testing"
)

// TestStacked keeps thin parts visible, full bars inside the canvas, and blanks apart.
func TestStacked(t *testing.T) {
	p := StackedProps{Parts: []StackPart{{"a", Danger}, {"b", Held}, {"c", Plain}}, Bars: []StackBar{
		{Label: "1", Values: []int64{1, 0, 1_000_000}}, {Label: "2", Blank: true}, {Label: "3", Values: []int64{-5, 7}}, {Label: "4"}}}
	rects := stackRects(p)
	if len(rects) != 4 { // two parts, a blank, one part
		t.Fatalf("%d rectangles: %+v", len(rects), rects)
	}
	if rects[0].height != tenths(stackLeast) || rects[0].y != tenths(stackHeight-stackLeast) {
		t.Errorf("one of a million is %+v", rects[0])
	}
	if strings.HasPrefix(rects[1].y, "-") {
		t.Errorf("the largest bar sticks out: %+v", rects[1])
	}
	if rects[2].class != "stack-blank" || rects[3].class != "stack-part is-held" {
		t.Errorf("blank and part are %+v, %+v", rects[2], rects[3])
	}
	if got := stackTotal(p, 2); got != 1_000_000 {
		t.Errorf("the sum of c is %d", got)
	}
	if got := valueAt(p.Bars[3], 1); got != 0 {
		t.Errorf("a value that is not there is %d", got)
	}
}

// TestAgainst draws what was seen in scale with what was expected, and the mark.
func TestAgainst(t *testing.T) {
	if a := againstShape(AgainstProps{From: -1}); a.line != "" || a.mark != "" || len(a.bars) != 0 {
		t.Errorf("nothing is drawn as %+v", a)
	}
	a := againstShape(AgainstProps{From: 1, Points: []Compared{{Seen: 1, Expected: 5}, {Seen: 50, Expected: 5}, {Expected: 5}}})
	if len(a.bars) != 2 || a.bars[0].class != "against-bar" || a.bars[1].class != "against-bar is-over" {
		t.Errorf("bars are %+v", a.bars)
	}
	if a.bars[1].height != tenths(againstHeight-againstTop) || a.mark != tenths(againstWidth/3) {
		t.Errorf("the highest bar is %s high, the mark at %s", a.bars[1].height, a.mark)
	}
	if n := len(strings.Fields(a.line)); n != 6 {
		t.Errorf("the line has %d points", n)
	}
	if a := againstShape(AgainstProps{From: 9, Points: []Compared{{Seen: 1}}}); a.mark != "" {
		t.Errorf("a mark that is nowhere is at %s", a.mark)
	}
}

// TestLevel sets two numbers on one scale; what is there can be seen.
func TestLevel(t *testing.T) {
	for _, c := range []struct {
		seen, want int64
		a, b       string
	}{{24_000, 6_000, "200.0", "50.0"}, {1_000_000, 1, "200.0", "2.0"}, {0, 0, "0.0", "0.0"}, {5, 500, "2.0", "200.0"}} {
		if a, b := levelWidths(LevelProps{SeenN: c.seen, WantN: c.want}); a != c.a || b != c.b {
			t.Errorf("%d against %d: %s and %s, not %s and %s", c.seen, c.want, a, b, c.a, c.b)
		}
	}
}
