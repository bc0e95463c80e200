package web

import (
	"context"
	"net/http"
	"strconv"
	"strings"

	"github.com/a-h/templ"
)

// Column is one column of a table.
type Column struct {
	Label string
	Num   bool   // numbers and money: right-aligned, tabular
	Sort  string // value of ?sort= that sorts by it, "" if it cannot be sorted
	Wide  bool   // running text that may wrap
}

// Row is one row. Its first cell names it and leads to Href.
type Row struct {
	ID      string // value sent when the row is selected; also the row's anchor
	Name    string // read aloud for its select box; "" takes ID
	Href    string
	Meaning Meaning // marks the row's edge: a difference, a late case
	Cells   []templ.Component
}

// SelectProps let people choose many rows and act on them. The chosen row ids
// are posted to Action as "id", with the button's name and value.
type SelectProps struct {
	Action  string
	Buttons []ButtonProps
	Hidden  []Hidden
}

// TableProps make a list: filter, sort, select many, export, count, pages and an
// empty state. Its address reproduces it: ?sort=key or -key, ?page=, and the
// filter's own fields.
type TableProps struct {
	ID      string // unique on the page; needed with several tables
	Title   string // heading and caption
	Columns []Column
	Rows    []Row
	Count   string            // "47 victims"; "" says "47 rows"
	Foot    []templ.Component // totals, one for each column; nil for none
	Filter  []FieldProps      // small fields of the filter form
	Export  string            // address of the same list as CSV
	Select  *SelectProps
	Empty   EmptyProps // Title "" says that nothing matches
	Pager   PagerProps
	Sorted  string // how it is sorted without ?sort=: "-filed"
	Tight   bool   // many rows that are looked through: on a narrow page their cells stand beside each other
}

// SortOf reads ?sort=: the key and whether it descends. A key that is not
// allowed gives the fallback ("-filed").
func SortOf(r *http.Request, fallback string, allowed ...string) (key string, desc bool) {
	s := r.URL.Query().Get("sort")
	key, desc = strings.CutPrefix(s, "-")
	for _, a := range allowed {
		if a == key {
			return key, desc
		}
	}
	return strings.CutPrefix(fallback, "-")
}

// PageOf reads ?page=, from 1 to a million.
func PageOf(r *http.Request) int {
	n, err := strconv.Atoi(r.URL.Query().Get("page"))
	if err != nil || n < 1 || n > 1_000_000 {
		return 1
	}
	return n
}

// Pages is how many pages of size hold total rows, at least one.
func Pages(total, size int) int {
	if size < 1 || total < 1 {
		return 1
	}
	return (total + size - 1) / size
}

func tableID(p TableProps) string {
	if p.ID == "" {
		return "list"
	}
	return p.ID
}

func sortedBy(ctx context.Context, p TableProps) string {
	if s := ViewOf(ctx).URL.Query().Get("sort"); s != "" {
		return s
	}
	return p.Sorted
}

// ariaSort is the state of a column for a screen reader.
func ariaSort(ctx context.Context, p TableProps, c Column) string {
	switch sortedBy(ctx, p) {
	case c.Sort:
		return "ascending"
	case "-" + c.Sort:
		return "descending"
	}
	return "none"
}

// sortHref turns the order round, or sorts numbers from the largest.
func sortHref(ctx context.Context, p TableProps, c Column) string {
	by := sortedBy(ctx, p)
	next := c.Sort
	if by == c.Sort || (c.Num && by != "-"+c.Sort) {
		next = "-" + c.Sort
	}
	return Here(ctx, "sort", next, "page", "")
}

func tableCount(ctx context.Context, p TableProps) string {
	if p.Count != "" {
		return p.Count
	}
	return Say(ctx, "table.count", Count(len(p.Rows)))
}

func rowName(r Row) string {
	if r.Name != "" {
		return r.Name
	}
	return r.ID
}

// filtered tells whether any field of the filter is filled.
func filtered(p TableProps) bool {
	for _, f := range p.Filter {
		if f.Value != "" {
			return true
		}
	}
	return false
}

// clearHref is the page without the filter's fields.
func clearHref(ctx context.Context, p TableProps) string {
	pairs := []string{"page", ""}
	for _, f := range p.Filter {
		pairs = append(pairs, f.Name, "")
	}
	return Here(ctx, pairs...)
}

// kept are the query values that a filter form must carry along: all but its own
// fields and the page.
func kept(ctx context.Context, p TableProps) (out []Hidden) {
	q := ViewOf(ctx).URL.Query()
	q.Del("page")
	for _, f := range p.Filter {
		q.Del(f.Name)
	}
	for _, name := range sortedKeys(q) {
		for _, v := range q[name] {
			out = append(out, Hidden{name, v})
		}
	}
	return out
}

func emptyOf(ctx context.Context, p TableProps) EmptyProps {
	e := p.Empty
	if e.Title == "" {
		e.Title, e.Text = Say(ctx, "table.empty.title"), Say(ctx, "table.empty.text")
	}
	if e.Action.Href == "" && filtered(p) {
		e.Action = Link{Label: Say(ctx, "table.clear"), Href: clearHref(ctx, p)}
	}
	return e
}
