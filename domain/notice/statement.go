package notice

import (
	"fmt"
	"html"
	"strings"
	"time"

	"surety/kernel/ident"
	"surety/kernel/money"
)

// Figures are the facts of a public statement. They come from the books and the
// incident's records; nothing here is worked out by the statement.
type Figures struct {
	Operator string
	Incident string // its title
	Version  int    // of the draft; 0 for the text to be published
	AsOf     time.Time
	From, To time.Time // the window of the thefts
	Deadline time.Time // by when all is to be paid

	Victims       int // all, the late ones too
	VictimsAmount money.Amount
	Paid          int // of them, paid and settled
	PaidAmount    money.Amount
	Heirs         int // of the paid, to heirs
	HeirsAmount   money.Amount
	Left          int // not yet paid
	LeftAmount    money.Amount

	Confirmed       int // by our records
	PoliceConfirmed int // no record here, confirmed by the police
	Differing       int

	Reports  int // users' own
	Inflated int
	False    int

	Fund     string // id or name
	FundLeft money.Amount

	ClaimURL   string // "" leaves the chapter out
	PoliceCase string // "" leaves the chapter out
}

// check refuses figures that contradict each other: a statement that does not add
// up must not be written.
func (f Figures) check() error {
	bad := func(field, why string) error {
		return ident.Invalid(field, "figures_inconsistent", "the figures do not add up: %s", why)
	}
	sum, err := f.PaidAmount.Add(f.LeftAmount)
	switch {
	case err != nil:
		return err
	case f.Paid+f.Left != f.Victims:
		return bad("victims", fmt.Sprintf("%d paid and %d left are not %d victims", f.Paid, f.Left, f.Victims))
	case sum.Minor != f.VictimsAmount.Minor:
		return bad("victims_amount", fmt.Sprintf("%s paid and %s left are not %s", f.PaidAmount, f.LeftAmount, f.VictimsAmount))
	case f.Heirs > f.Paid || f.HeirsAmount.Minor > f.PaidAmount.Minor:
		return bad("heirs", "more went to heirs than was paid")
	case f.Confirmed+f.PoliceConfirmed+f.Differing > f.Victims:
		return bad("confirmed", "more victims were checked than there are")
	case f.Inflated+f.False > f.Reports:
		return bad("reports", "more reports were judged than there are")
	}
	return nil
}

// block is one piece of a statement.
type block struct {
	heading int // 1 or 2; 0 for a paragraph
	text    string
}

// statement puts the public statement together: compensation
// first, then what happened, how to claim and who was told, the apology last.
func (c *Catalogue) statement(f Figures, l Lang) ([]block, error) {
	if l != ZH && l != EN {
		return nil, ident.Invalid("lang", "lang_unknown", `the language is "zh" or "en", not %q`, l)
	}
	if err := f.check(); err != nil {
		return nil, err
	}
	fund := f.Fund
	if w, ok := c.Funds[fund]; ok {
		fund = w.In(l)
		if l == EN {
			fund = strings.ToLower(fund[:1]) + fund[1:]
		}
	}
	d := Data{
		"operator": f.Operator, "incident": f.Incident, "version": f.Version, "as_of": f.AsOf, "deadline": f.Deadline,
		"from": day(f.From, l), "to": lastDay(f.To, l), "victims": f.Victims, "victims_amount": f.VictimsAmount,
		"paid": f.Paid, "paid_amount": f.PaidAmount, "heirs": f.Heirs, "heirs_amount": f.HeirsAmount,
		"left": f.Left, "left_amount": f.LeftAmount,
		"confirmed": f.Confirmed, "police": f.PoliceConfirmed, "differing": f.Differing,
		"reports": f.Reports, "inflated": f.Inflated, "false": f.False, "fund": fund, "fund_left": f.FundLeft,
		"url": f.ClaimURL, "case": f.PoliceCase,
	}
	var out []block
	for _, p := range []struct {
		key     string
		heading int
		when    bool
	}{
		{"title", 1, true}, {"draft", 0, f.Version > 0},
		{"h_decided", 2, true}, {"decided", 0, true}, {"paid", 0, true}, {"heirs", 0, f.Heirs > 0},
		{"left", 0, f.Left > 0}, {"none_left", 0, f.Left == 0 && f.Victims > 0}, {"fund", 0, f.Fund != ""},
		{"h_happened", 2, true}, {"happened", 0, true}, {"records", 0, true}, {"differing", 0, f.Differing > 0},
		{"reports", 0, f.Reports > 0},
		{"h_claim", 2, f.ClaimURL != ""}, {"claim", 0, f.ClaimURL != ""},
		{"h_reported", 2, f.PoliceCase != ""}, {"reported", 0, f.PoliceCase != ""},
		{"h_sorry", 2, true}, {"sorry", 0, true},
	} {
		if !p.when {
			continue
		}
		text, err := fill(c.Statement[p.key].In(l), l, d)
		if err != nil {
			return nil, err
		}
		out = append(out, block{p.heading, strings.TrimSpace(text)})
	}
	return out, nil
}

// lastDay is the last day of a window that ends before t.
func lastDay(t time.Time, l Lang) string {
	if t.IsZero() {
		return ""
	}
	return day(t.Add(-1), l)
}

func day(t time.Time, l Lang) string {
	if t.IsZero() {
		return ""
	}
	if l == ZH {
		return t.In(china).Format("2006年1月2日")
	}
	return t.In(china).Format("2 January 2006")
}

// StatementMarkdown writes the public statement as Markdown.
func StatementMarkdown(f Figures, l Lang) (string, error) {
	blocks, err := statementBlocks(f, l)
	var b strings.Builder
	for i, p := range blocks {
		if i > 0 {
			b.WriteString("\n")
		}
		if p.heading > 0 {
			b.WriteString(strings.Repeat("#", p.heading) + " ")
		}
		b.WriteString(markdown.Replace(p.text) + "\n")
	}
	return b.String(), err
}

// StatementHTML writes the public statement as an HTML article for a page.
func StatementHTML(f Figures, l Lang) (string, error) {
	blocks, err := statementBlocks(f, l)
	if err != nil {
		return "", err
	}
	lang := "en"
	if l == ZH {
		lang = "zh-CN"
	}
	var b strings.Builder
	b.WriteString(`<article lang="` + lang + "\">\n")
	for _, p := range blocks {
		tag := "p"
		if p.heading > 0 {
			tag = fmt.Sprintf("h%d", p.heading)
		}
		b.WriteString("<" + tag + ">" + html.EscapeString(p.text) + "</" + tag + ">\n")
	}
	b.WriteString("</article>\n")
	return b.String(), nil
}

func statementBlocks(f Figures, l Lang) ([]block, error) {
	c, err := loadCatalogue()
	if err != nil {
		return nil, err
	}
	return c.statement(f, l)
}

// markdown keeps titles and names from being read as marks.
var markdown = strings.NewReplacer(`\`, `\\`, "*", `\*`, "_", `\_`, "`", "\\`", "[", `\[`, "]", `\]`, "<", "&lt;", ">", "&gt;",
	"#", `\#`, "|", `\|`, "\n", " ")
