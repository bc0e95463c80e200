package demo

import (
	"fmt"
	"io"
	"strings"
)

// teller tells the story in a terminal.
type teller struct {
	w     io.Writer
	n     int
	tenth int
}

// chapter begins the next part of the story.
func (t *teller) chapter(title string) {
	t.n++
	fmt.Fprintf(t.w, "\n%d. %s\n", t.n, title)
}

// line says one thing.
func (t *teller) line(format string, args ...any) { fmt.Fprintf(t.w, "   "+format+"\n", args...) }

// money says one row of an account that adds up.
func (t *teller) money(what string, people int, sum string) {
	fmt.Fprintf(t.w, "   %-52s %5d  %20s\n", what, people, sum)
}

// rule draws the line above a sum.
func (t *teller) rule() { fmt.Fprintf(t.w, "   %s\n", strings.Repeat("-", 80)) }

// progress shows a bar for work of more than a second.
func (t *teller) progress(what string, done, total int) {
	if total == 0 {
		return
	}
	tenth := done * 20 / total
	if done < total && tenth == t.tenth {
		return
	}
	t.tenth = tenth
	fmt.Fprintf(t.w, "\r   [%s%s] %d of %d %s", strings.Repeat("█", tenth), strings.Repeat("·", 20-tenth), done, total, what)
	if done == total {
		fmt.Fprintln(t.w)
		t.tenth = 0
	}
}
