package main

import (
	"fmt"
	"io"
	"strings"
)

// bar shows progress on one line of a terminal; on anything else it says a line
// at each tenth.
type bar struct {
	w     io.Writer
	what  string
	tenth int
	any   bool
}

func newBar(w io.Writer, what string) *bar { return &bar{w: w, what: what, tenth: -1} }

// set shows that done of total are done.
func (b *bar) set(done, total int) {
	if total == 0 {
		return
	}
	tenth := done * 20 / total
	if tenth == b.tenth {
		return
	}
	b.tenth, b.any = tenth, true
	fmt.Fprintf(b.w, "\r  [%s%s] %d of %d %s ", strings.Repeat("█", tenth), strings.Repeat("·", 20-tenth), done, total, b.what)
}

// done ends the line.
func (b *bar) done() {
	if b.any {
		fmt.Fprintln(b.w)
	}
}
