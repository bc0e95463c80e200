package web

import (
	"context"

	"github.com/a-h/templ"

	"surety/kernel/ident"
)

// Link is a text that leads somewhere.
type Link struct {
	Label string
	Href  string
}

// NavItem is one entry of a navigation. The entry whose Href is the page's path,
// or the longest folder above it, is marked as where the reader is.
type NavItem struct {
	Label string
	Href  string
	Icon  string // a name that Icon knows, "" for none
	Count int    // things waiting there; 0 shows nothing
}

// NavGroup is a part of the rail with a small heading, which may be "".
type NavGroup struct {
	Label string
	Items []NavItem
}

// Who says who is signed in and how to leave.
type Who struct {
	Name    string // "" : nobody is signed in
	Role    string // in words, in the page's language
	SignOut string // address that a post to signs out
}

// PageProps make a console page: rail, main, side.
type PageProps struct {
	Title   string // the h1 and the window's title
	Lead    string // one sentence under the title, "" for none
	Crumbs  []Link // the way here, without the page itself
	Nav     []NavGroup
	Who     Who
	Product string          // beside the mark: "Surety"; "" is that
	Mark    templ.Component // beside the title: a Badge
	Actions templ.Component // right of the title: Button, ButtonLink, Confirm
	Side    templ.Component // the right-hand region: Clock, Confirm, DefList; nil for none
	Help    []Key           // keys of this page, added to the help panel
}

// Key is a key on the keyboard and what it does, for the help panel.
type Key struct {
	Key  string
	Does string
}

// PortalProps make a portal page: one question, big targets.
type PortalProps struct {
	Title   string // the question or the answer: the h1
	Lead    string // what it means, in plain words
	Back    Link   // Href "" shows no way back; Label "" is "Back"
	Step    int    // of Steps, 0 for a page that is not part of a sequence
	Steps   int
	Nav     []NavItem // two to four, at the thumb on a phone
	Who     Who
	Product string
}

// PlainProps make a page without navigation: sign-in, public checks.
type PlainProps struct {
	Title   string
	Lead    string
	Product string
	Wide    bool // a page of text or a public figure rather than a small form
}

func product(ctx context.Context, name string) string {
	if name != "" {
		return name
	}
	return Say(ctx, "brand")
}

func navHrefs(groups []NavGroup) (hrefs []string) {
	for _, g := range groups {
		for _, i := range g.Items {
			hrefs = append(hrefs, i.Href)
		}
	}
	return hrefs
}

// currentHref is the href of the entry that the reader is at, "" if none.
func currentHref(ctx context.Context, hrefs []string) string {
	if i := current(ctx, hrefs); i >= 0 {
		return hrefs[i]
	}
	return ""
}

func itemHrefs(items []NavItem) []string { return navHrefs([]NavGroup{{Items: items}}) }

// standardKeys are the keys that work on every console page.
func standardKeys(ctx context.Context) []Key {
	return []Key{
		{"J K", Say(ctx, "keys.jk")},
		{"Enter", Say(ctx, "keys.enter")},
		{"X", Say(ctx, "keys.x")},
		{"/", Say(ctx, "keys.slash")},
		{"T", Say(ctx, "keys.t")},
		{"?", Say(ctx, "keys.help")},
		{"Esc", Say(ctx, "keys.esc")},
	}
}

// errorText is the text of an error page: the error's own, else the kind's.
func errorText(ctx context.Context, kind ident.Kind, text string) string {
	if text != "" {
		return text
	}
	return Say(ctx, "error."+string(known(kind))+".text")
}

// known is kind if there are words for it, else KindInternal.
func known(kind ident.Kind) ident.Kind {
	if !shared().Has("error." + string(kind) + ".title") {
		return ident.KindInternal
	}
	return kind
}
