package bench

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// bar is one line of a picture.
type bar struct {
	Name  string
	Value float64
	Text  string // what is written behind it
}

// drawBars draws horizontal bars to one scale: where people would rather look.
func drawBars(w io.Writer, title string, bars []bar) {
	top, wide := 0.0, 0
	for _, b := range bars {
		top, wide = max(top, b.Value), max(wide, utf8.RuneCountInString(b.Name))
	}
	if top == 0 {
		return
	}
	fmt.Fprintf(w, "\n  %s\n", title)
	const eighths = " ▏▎▍▌▋▊▉"
	for _, b := range bars {
		n := int(b.Value / top * 40 * 8)
		tail := ""
		if n%8 > 0 {
			tail = string([]rune(eighths)[n%8])
		}
		pad := strings.Repeat(" ", wide-utf8.RuneCountInString(b.Name))
		fmt.Fprintf(w, "  %s%s  %s%s %s\n", b.Name, pad, strings.Repeat("█", n/8), tail, b.Text)
	}
}
