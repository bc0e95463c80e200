package web

import (
	"context"
	"time"

	"github.com/a-h/templ"

	"surety/kernel/ident"
)

// ButtonProps make a button or a link that looks like one.
type ButtonProps struct {
	Label   string
	Name    string // form field it sends, "" for none
	Value   string
	Href    string // set: a link
	Primary bool   // the one thing to do here
	Danger  bool
	Icon    string
	Key     string // a single key that presses it, as "e"; shown on it
	Form    string // id of a form elsewhere
}

// Term is one line of a DefList.
type Term struct {
	Label string
	Value templ.Component // Text, Money, Time, Badge, Anchor …
}

// Tab is one of several views of the same thing.
type Tab struct {
	Label string
	Href  string
	Count int // -1 shows none
}

// EmptyProps say what to do where there is nothing.
type EmptyProps struct {
	Title  string
	Text   string
	Action Link
}

// PagerProps make the links between pages of a list.
type PagerProps struct {
	Page  int // counted from 1
	Pages int
}

// ProgressProps make a bar of work done.
type ProgressProps struct {
	Label string
	Done  int64
	Total int64
	Text  string // beside it; "" says "3 of 47"
}

// ClockProps make a clock: how long is left, and who holds the ball.
type ClockProps struct {
	Label string        // what is due: "Pay the victims"
	Owner string        // who has to act now
	Due   time.Time     // promised time
	Done  bool          // the promise is kept; the clock stands
	Soon  time.Duration // less left than this is a warning; 0 is two hours
}

// ConfirmProps make a confirmation in place. It is a details element, so it
// works without JavaScript; there is no modal dialog.
type ConfirmProps struct {
	Button  string          // opens it: "Approve"
	Says    string          // what will happen, in words, with the amount and to whom
	Yes     string          // does it: "Pay 244,338.26 CNY"
	Action  string          // address that is posted to
	Hidden  []Hidden        // values sent with it: ids, hashes, versions
	Body    templ.Component // more fields, nil for none
	Danger  bool
	Primary bool // the opening button is the main act of the page
}

// Hidden is a form value that is not shown.
type Hidden struct{ Name, Value string }

// LiveProps make a region that the server keeps up to date.
type LiveProps struct {
	URL      string // answered by Stream
	ID       string
	Announce bool // read changes aloud: only for a short text
	Pause    bool // with a button that holds it; for a table that people read
}

// ItemProps make one entry of a ListGroup in the portal.
type ItemProps struct {
	Title   string
	Sub     string
	Right   templ.Component // Money, Badge
	Href    string          // the whole entry leads there
	Actions []Link          // beneath it: "Not me", "Wrong person"
	Meaning Meaning
}

// meaningClass keeps foreign values out of the class list.
func meaningClass(m Meaning) string {
	switch m {
	case Good, Waiting, Danger, Held:
		return "is-" + string(m)
	}
	return "is-plain"
}

// initial is the first letter of a name; of a Han name the first character.
func initial(name string) string {
	for _, r := range name {
		return string(r)
	}
	return ""
}

func firstHref(groups []NavGroup) string {
	if h := navHrefs(groups); len(h) > 0 {
		return h[0]
	}
	return "/"
}

// clockState is how a clock stands: its meaning and its big words.
func clockState(ctx context.Context, p ClockProps) (Meaning, string) {
	n := now(ctx)
	if p.Done {
		return Good, Say(ctx, "clock.kept")
	}
	if n.IsZero() || p.Due.IsZero() {
		return Waiting, When(ctx, p.Due)
	}
	left := p.Due.Sub(n)
	soon := p.Soon
	if soon == 0 {
		soon = 2 * time.Hour
	}
	lang := LangOf(ctx)
	switch {
	case left < 0:
		return Danger, T(lang, "clock.late", Duration(lang, left))
	case left < soon:
		return Waiting, T(lang, "clock.left", Duration(lang, left))
	}
	return Plain, T(lang, "clock.left", Duration(lang, left))
}

// progressText is "3 of 47" unless the caller has better words.
func progressText(ctx context.Context, p ProgressProps) string {
	if p.Text != "" {
		return p.Text
	}
	return Say(ctx, "progress.of", Count(p.Done), Count(p.Total))
}

// shortID is the head and tail of an id: enough to recognise, not to type.
func shortID(id ident.ID) string {
	if len(id) <= 16 {
		return id
	}
	return id[:8] + "…" + id[len(id)-5:]
}

// rfc3339 is a time as the datetime attribute wants it.
func rfc3339(ctx context.Context, t time.Time) string {
	return t.In(ViewOf(ctx).Zone).Format(time.RFC3339)
}

// exact is the full time for the tooltip.
func exact(ctx context.Context, t time.Time) string {
	return t.In(ViewOf(ctx).Zone).Format("2006-01-02 15:04:05 -07:00")
}

func pageHref(ctx context.Context, page int) string {
	if page <= 1 {
		return Here(ctx, "page", "")
	}
	return Here(ctx, "page", itoa(page))
}

// iconPaths are line drawings on a 20 by 20 grid.
func iconPath(name string) string {
	switch name {
	case "overview":
		return "M3 10.5l7-7 7 7M5 9v8h10V9"
	case "payments":
		return "M3 6h12m-3-3l3 3-3 3M17 14H5m3-3l-3 3 3 3"
	case "decisions":
		return "M10 3v4m0 0l-5 5v5m5-10l5 5v5"
	case "cases":
		return "M4 4h9l3 3v9.5H4zM7 9.5h6M7 13h4"
	case "incident":
		return "M10 3l7.5 13.5h-15zM10 8v4M10 14.2v.3"
	case "funds":
		return "M3 16.5h14M4.5 14V8.5M8.2 14V8.5M11.8 14V8.5M15.5 14V8.5M3 6.5L10 3l7 3.5z"
	case "trace":
		return "M4 5.5h3c4 0 2 9 6 9h3M4 14.5h3c1.5 0 2.2-1.2 2.7-2.7M13 5.5h3"
	case "rules":
		return "M4 6h7m4 0h1M4 10h2m4 0h6M4 14h8m3 0h1M11.5 4.3v3.4M7.5 8.3v3.4M12.5 12.3v3.4"
	case "audit":
		return "M10 3l6 2.5V10c0 3.5-2.5 6-6 7-3.5-1-6-3.5-6-7V5.5zM7.5 10l2 2 3.5-4"
	case "staff", "person":
		return "M10 10a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM4 17c.5-3 3-4.5 6-4.5s5.5 1.5 6 4.5"
	case "report":
		return "M4 16.5h13M5.5 14v-4M9.5 14V5M13.5 14V8"
	case "file":
		return "M5 3h7l3 3v11H5zM12 3v3h3"
	case "download":
		return "M10 3v9m-3.5-3.5L10 12l3.5-3.5M4 16h12"
	case "search":
		return "M9 14A5 5 0 1 0 9 4a5 5 0 0 0 0 10zM13 13l4 4"
	case "out":
		return "M8 4H4v12h4M8 10h9m-3-3l3 3-3 3"
	case "back":
		return "M12 4l-6 6 6 6"
	case "next":
		return "M8 4l6 6-6 6"
	case "lists":
		return "M4 5h2M9 5h7M4 10h2M9 10h7M4 15h2M9 15h7"
	case "watches":
		return "M2.5 10C5 6 7.500 4.800 10 4.800S15 6 17.500 10C15 14 12.500 15.200 10 15.200S5 14 2.500 10zM10 12a2 2 0 1 0 0-4 2 2 0 0 0 0 4z"
	case "models":
		return "M3 16c4 0 4-10 7-10s3 10 7 10M3 16.500h14"
	case "certificate":
		return "M4 4h12v8H4zM7 7h6M7 9.5h3M12 12v5l2-1.3 2 1.3v-5"
	case "key":
		return "M7 13a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7zM10.5 9.5H17v3M14 9.5v2"
	}
	return "M10 6v8M6 10h8"
}

// currentTab is the tab whose whole address, query included, is the page; else
// the one whose path fits best.
func currentTab(ctx context.Context, tabs []Tab) int {
	u := ViewOf(ctx).URL
	hrefs := make([]string, len(tabs))
	for i, t := range tabs {
		if t.Href == u.RequestURI() {
			return i
		}
		hrefs[i] = t.Href
	}
	return current(ctx, hrefs)
}
