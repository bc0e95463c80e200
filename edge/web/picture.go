package web

// StackPart is one of the things that the bars of a Stacked are made of.
type StackPart struct {
	Label   string
	Meaning Meaning
}

// StackBar is one bar: how many there were of each part at one time.
type StackBar struct {
	Label  string  // "14:05"
	Values []int64 // by part
	Blank  bool    // nothing is known of that time
}

// StackedProps make bars side by side in the order of time, each made of parts, the
// first part at the bottom. Parts that are there are never too thin to be seen.
type StackedProps struct {
	Title string
	Note  string // beneath: what is counted, and since when
	Parts []StackPart
	Bars  []StackBar
}

// The canvas of one bar, in tenths of the SVG's units.
const (
	stackPitch  = 100
	stackWide   = 76
	stackHeight = 640
	stackLeast  = 24 // a part that is there is at least so high
)

// stackRect is one part of one bar as it is drawn.
type stackRect struct{ class, x, y, width, height string }

// stackRects are the drawn parts of all bars.
func stackRects(p StackedProps) (out []stackRect) {
	top := int64(1)
	for _, b := range p.Bars {
		top = max(top, sumOf(b.Values))
	}
	room := int64(stackHeight - stackLeast*len(p.Parts)) // so that the least heights fit above a full bar
	for i, b := range p.Bars {
		x := tenths(int64(i*stackPitch + (stackPitch-stackWide)/2))
		if b.Blank {
			out = append(out, stackRect{"stack-blank", x, tenths(stackHeight - 10), tenths(stackWide), tenths(10)})
			continue
		}
		y := int64(stackHeight)
		for j, v := range b.Values {
			if v <= 0 || j >= len(p.Parts) {
				continue
			}
			h := max(stackLeast, scale(v, top, room))
			y -= h
			out = append(out, stackRect{"stack-part " + meaningClass(p.Parts[j].Meaning), x, tenths(y), tenths(stackWide), tenths(h)})
		}
	}
	return out
}

func stackBox(bars int) string { return "0 0 " + itoa(bars*stackPitch/10) + " " + itoa(stackHeight/10) }

// stackTotal is how many there were of a part in all bars.
func stackTotal(p StackedProps, part int) (n int64) {
	for _, b := range p.Bars {
		if part < len(b.Values) {
			n += b.Values[part]
		}
	}
	return n
}

func valueAt(b StackBar, part int) int64 {
	if part >= len(b.Values) {
		return 0
	}
	return b.Values[part]
}

func sumOf(list []int64) (n int64) {
	for _, v := range list {
		n += max(0, v)
	}
	return n
}

// Compared is what was seen at one time, beside what was to be expected.
type Compared struct {
	Label    string
	Seen     int64
	Expected int64
	SeenText string // in words; "" is the number
	WantText string
}

// AgainstProps make the picture of a rise: bars of what was seen, a line of what
// was to be expected, a mark where it began to be unusual.
type AgainstProps struct {
	Title    string
	Seen     string // what the bars are: "payments in ten minutes"
	Expected string // what the line is
	Points   []Compared
	From     int    // the first unusual one, -1 if none is
	Mark     string // what stands beside the mark: "unusual since 14:02"
}

// against is the picture's geometry: bars and the line, in the SVG's units.
type against struct {
	box, line string
	bars      []stackRect
	mark      string // x of the mark, "" for none
}

const (
	againstWidth  = 4000 // tenths
	againstHeight = 1000
	againstTop    = 60 // air above the highest
)

func againstShape(p AgainstProps) (a against) {
	a.box = "0 0 " + itoa(againstWidth/10) + " " + itoa(againstHeight/10)
	n := int64(len(p.Points))
	if n == 0 {
		return a
	}
	top := int64(1)
	for _, c := range p.Points {
		top = max(top, c.Seen, c.Expected)
	}
	pitch := againstWidth / n
	for i, c := range p.Points {
		x := int64(i) * againstWidth / n
		y := againstHeight - scale(c.Expected, top, againstHeight-againstTop)
		if i > 0 {
			a.line += " "
		}
		a.line += tenths(x) + "," + tenths(y) + " " + tenths(int64(i+1)*againstWidth/n) + "," + tenths(y)
		if c.Seen > 0 {
			h := max(10, scale(c.Seen, top, againstHeight-againstTop))
			class := "against-bar"
			if p.From >= 0 && i >= p.From {
				class = "against-bar is-over"
			}
			a.bars = append(a.bars, stackRect{class, tenths(x + pitch/10), tenths(againstHeight - h), tenths(pitch * 8 / 10), tenths(h)})
		}
	}
	if p.From >= 0 && int64(p.From) < n {
		a.mark = tenths(int64(p.From) * againstWidth / n)
	}
	return a
}

// comparedText is a value in words.
func comparedText(n int64, text string) string {
	if text != "" {
		return text
	}
	return Count(n)
}

// LevelProps set one number against what was to be expected, as two bars on one
// scale.
type LevelProps struct {
	Seen     string // what the first bar is, with its number: "41 payments in 10 minutes"
	Expected string // what the second is: "4.2 expected"
	SeenN    int64  // thousandths
	WantN    int64  // thousandths
	Meaning  Meaning
}

// levelWidths are the two bars in tenths of 200 units; what is there can be seen.
func levelWidths(p LevelProps) (seen, want string) {
	top := max(1, p.SeenN, p.WantN)
	wide := func(n int64) string {
		if n <= 0 {
			return "0.0"
		}
		return tenths(max(20, scale(n, top, 2000)))
	}
	return wide(p.SeenN), wide(p.WantN)
}
