package console

import (
	"strconv"
	"strings"

	"surety/domain/rulebook"
	"surety/edge/web"
)

// editorProps make an editor.
type editorProps struct {
	ID, Label string
	Text      string
	Wrong     map[int]bool // lines with a mistake, counted from 1
	Check     string       // address that checks while typing, "" for none
	Describe  string       // id of what describes it
	ReadOnly  bool
}

// spareLines are the numbers that wait for lines still to be written.
const spareLines = 200

func (p editorProps) lines() int { return strings.Count(p.Text, "\n") + 1 }

// columns is the longest line, for browsers that do not size a text by themselves.
func (p editorProps) columns() int {
	most := 80
	for line := range strings.Lines(p.Text) {
		most = max(most, len([]rune(line))+2)
	}
	return min(most, 400)
}

func (p editorProps) more() string {
	if p.ReadOnly {
		return ""
	}
	var b strings.Builder
	for i := range spareLines {
		b.WriteString(itoa(p.lines() + 1 + i))
		b.WriteByte('\n')
	}
	return b.String()
}

// mistake is one thing wrong with a text, as it is shown.
type mistake struct {
	Line, Column      int
	Where             string // "line 12, column 3"
	What, Detail      string // in the page's language; and as the reader of the text says it
	Before, At, After string // the line: what is wrong begins with At
}

// mistakesOf puts the problems of a text beside its lines.
func (a *ask) mistakesOf(text string, found []rulebook.Problem) (out []mistake, wrong map[int]bool) {
	lines := strings.Split(text, "\n")
	wrong = map[int]bool{}
	for _, p := range found {
		m := mistake{Line: p.Line, Column: p.Column, What: p.Message, Where: a.t("rules.whole_text")}
		if word := "mistake." + p.Code; a.c.words.Has(word) && a.lang() != web.EN {
			m.What, m.Detail = a.t(word), p.Message
		}
		if p.Line > 0 && p.Line <= len(lines) {
			wrong[p.Line] = true
			m.Where = a.t("rules.line", p.Line)
			if p.Column > 0 {
				m.Where = a.t("rules.line_column", p.Line, p.Column)
			}
			m.Before, m.At, m.After = cutAt(strings.TrimRight(lines[p.Line-1], "\r"), p.Column)
		} else {
			m.Line = 0
		}
		out = append(out, m)
	}
	return out, wrong
}

// cutAt parts a line before and after the word that the column is in.
func cutAt(line string, column int) (before, at, after string) {
	rs := []rune(line)
	const ends = " ,()[]{}!&|=<>\"'"
	from := min(max(column-1, 0), len(rs))
	if column < 1 {
		from = len(rs) - len([]rune(strings.TrimLeft(line, " ")))
	}
	for from > 0 && from < len(rs) && !strings.ContainsRune(ends, rs[from]) && !strings.ContainsRune(ends, rs[from-1]) {
		from--
	}
	to := from
	for to < len(rs) && !strings.ContainsRune(ends, rs[to]) {
		to++
	}
	if to == from {
		to = len(rs)
	}
	return string(rs[:from]), string(rs[from:to]), string(rs[to:])
}

// change is one difference, as it is shown.
type change struct {
	Kind, KindText, Sign string
	Text, Path           string
}

func (a *ask) changesOf(list []rulebook.Difference) []change {
	out := make([]change, len(list))
	for i, d := range list {
		c := change{Kind: "changed", Sign: "±", Text: d.In(string(a.lang())), Path: d.Path}
		switch {
		case d.Before == "":
			c.Kind, c.Sign = "added", "+"
		case d.After == "":
			c.Kind, c.Sign = "removed", "−"
		}
		c.KindText = a.t("rules.change_" + c.Kind)
		out[i] = c
	}
	return out
}

// full is the whole length of an axis in the pictures of rules and models.
const full = 10_000

// plot is a picture of bars and lines over one axis. All places are of 10,000.
type plot struct {
	Title, Note    string
	XTicks, YTicks []string // from low to high, evenly spaced
	Bars           []plotBar
	BarsAre        string
	Steps          []int64 // a line of steps over the bars
	StepsAre       string
	Lines          []plotLine
	Marks          []plotMark
	Head           []string // of the table; its first column names the rows
	Rows           [][]string
}

type plotBar struct {
	Of   int64
	Over bool
}

type plotLine struct {
	Label string
	At    [][2]int64
	Even  bool // what chance would give: thin, whatever its place
}

type plotMark struct {
	At    int64
	Label string
}

type plotRect struct{ class, x, y, width, height string }

// tenth writes a place of 10,000 in the SVG's units of 1,000.
func tenth(n int64) string {
	n = min(max(n, 0), full)
	return strconv.FormatInt(n/10, 10) + "." + strconv.FormatInt(n%10, 10)
}

// upTo is the height of a place, counted from the top.
func upTo(n int64) string { return tenth(full - min(max(n, 0), full)) }

// grid are the lines of the ticks between the ends.
func (p plot) grid() (out []string) {
	for i := 1; i < len(p.YTicks); i++ {
		out = append(out, upTo(int64(i)*full/int64(len(p.YTicks)-1)))
	}
	return out
}

func (p plot) rects() (out []plotRect) {
	for i, b := range p.Bars {
		pitch := full / int64(len(p.Bars))
		h := min(max(b.Of, 0), full)
		if h > 0 {
			h = max(h, 60) // what is there can be seen
		}
		class := "plot-bar"
		if b.Over {
			class = "plot-bar is-over"
		}
		out = append(out, plotRect{class, tenth(int64(i)*pitch + pitch/8), upTo(h), tenth(pitch * 3 / 4), tenth(h)})
	}
	return out
}

func (p plot) stepped() string {
	var b strings.Builder
	for i, s := range p.Steps {
		n := int64(len(p.Steps))
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(tenth(int64(i)*full/n) + "," + upTo(s) + " " + tenth(int64(i+1)*full/n) + "," + upTo(s))
	}
	return b.String()
}

func (l plotLine) points() string {
	var b strings.Builder
	for i, p := range l.At {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(tenth(p[0]) + "," + upTo(p[1]))
	}
	return b.String()
}

// class tells lines apart by dashes and colour; after five they begin anew.
func (l plotLine) class(i int) string {
	if l.Even {
		return "plot-line is-even"
	}
	return "plot-line is-" + itoa(i%5)
}

// hbars are things with bars beside them.
type hbars struct {
	Title, Note string
	Name        string // of the table, where there is no title
	Items       []hbarItem
	Marks       []plotMark
	Head        []string
	Rows        [][]string
}

type hbarItem struct {
	Label, Note string
	Bars        []hbarOne
}

type hbarOne struct {
	Of      int64 // of 10,000
	Text    string
	Meaning web.Meaning
}

func (p hbars) table() string {
	if p.Title != "" {
		return p.Title
	}
	return p.Name
}

func (b hbarOne) width() string {
	if b.Of <= 0 {
		return "0"
	}
	return tenth(max(b.Of, 60)) // what is there can be seen
}

// tick is one thing that may be chosen.
type tick struct {
	Value, Label string
	On           bool
}

// meanClass keeps foreign values out of the class list.
func meanClass(m web.Meaning) string {
	switch m {
	case web.Good, web.Waiting, web.Danger, web.Held:
		return "is-" + string(m)
	}
	return "is-plain"
}

// partOf is a share of a whole, of 10,000.
func partOf(n, whole int64) int64 {
	if whole <= 0 || n <= 0 {
		return 0
	}
	return int64(float64(min(n, whole)) / float64(whole) * full)
}

// placeOf is a share between 0 and top, of 10,000.
func placeOf(x, top float64) int64 {
	if !(x > 0) || !(top > 0) {
		return 0
	}
	return int64(min(x/top, 1) * full)
}

// shareText is a share as percent: "12.3 %", and small ones to two places.
func shareText(x float64) string {
	places := 1
	if x > 0 && x < 0.01 {
		places = 2
	}
	return strconv.FormatFloat(x*100, 'f', places, 64) + " %"
}

// figureText is a figure between 0 and 1 to three places.
func figureText(x float64) string { return strconv.FormatFloat(x, 'f', 3, 64) }
