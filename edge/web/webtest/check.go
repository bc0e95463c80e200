package webtest

import (
	_ "embed" // the checks are scripts
	"fmt"
	"strings"
	"testing"
)

// Errors are what the console, the network and the security policy complained
// about since the last call.
func (p *Page) Errors() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := p.errors
	p.errors = nil
	return out
}

// CheckConsole fails if anything was complained about.
func (p *Page) CheckConsole() {
	p.t.Helper()
	for _, e := range p.Errors() {
		p.t.Errorf("%s: the browser complains: %s", p.URL(), e)
	}
}

// overflowJS names what sticks out of the page to the right.
//
//go:embed overflow.js
var overflowJS string

// CheckFits fails if the page is wider than the screen at 360 pixels (a small
// phone); the size is set back to the phone's or desk's by the caller.
func (p *Page) CheckFits() {
	p.t.Helper()
	p.SetSize(360, 740, true)
	var out []string
	p.Eval(overflowJS, &out)
	for _, o := range out {
		p.t.Errorf("%s: does not fit 360 pixels: %s", p.URL(), o)
	}
}

// structureJS checks what a screen reader relies on (WCAG 2.2 A and AA, the part
// that can be computed).
//
//go:embed structure.js
var structureJS string

// contrastJS computes the contrast of every visible text with what lies behind
// it (WCAG 2.2, 1.4.3: 4.5, large text 3).
//
//go:embed contrast.js
var contrastJS string

// targetsJS checks that what one presses is large enough (WCAG 2.2, 2.5.8: 24 by
// 24; the portal promises 44 in height for buttons and list entries).
//
//go:embed targets.js
var targetsJS string

// CheckAccess fails on what keeps people out: controls without a name in the
// browser's own accessibility tree, headings out of order, missing labels and
// alternatives, too little contrast, targets too small.
func (p *Page) CheckAccess() {
	p.t.Helper()
	for what, js := range map[string]string{"structure": structureJS, "contrast": contrastJS, "target": targetsJS} {
		var out []string
		p.Eval(js, &out)
		for _, o := range out {
			p.t.Errorf("%s: %s: %s", p.URL(), what, o)
		}
	}
	for _, o := range p.nameless() {
		p.t.Errorf("%s: a %s has no name for a screen reader", p.URL(), o)
	}
}

// nameless asks the accessibility tree for controls and pictures without a name.
func (p *Page) nameless() []string {
	p.t.Helper()
	roles := map[string]bool{"button": true, "link": true, "textbox": true, "searchbox": true, "combobox": true,
		"listbox": true, "checkbox": true, "radio": true, "slider": true, "switch": true, "tab": true, "menuitem": true,
		"image": true, "img": true, "progressbar": true, "DisclosureTriangle": true, "table": true, "spinbutton": true}
	type value struct {
		Value any `json:"value"`
	}
	var tree struct {
		Nodes []struct {
			Ignored bool  `json:"ignored"`
			Role    value `json:"role"`
			Name    value `json:"name"`
			Node    int64 `json:"backendDOMNodeId"`
		} `json:"nodes"`
	}
	p.call("Accessibility.getFullAXTree", nil, &tree)
	var out []string
	for _, n := range tree.Nodes {
		role, _ := n.Role.Value.(string)
		name, _ := n.Name.Value.(string)
		if !n.Ignored && roles[role] && strings.TrimSpace(name) == "" {
			out = append(out, fmt.Sprintf("%s (node %d)", role, n.Node))
		}
	}
	return out
}

// CheckPage checks all that every page must hold: at the desk and on a phone, in
// light and dark, nothing complained about, nothing sticking out at 360 pixels,
// nobody kept out. It leaves the page at the desk, in light.
func CheckPage(t testing.TB, p *Page) {
	t.Helper()
	owner := p.t
	p.t = t // the complaints belong to the test that asks
	defer func() { p.t = owner }()
	for _, dark := range []bool{false, true} {
		p.SetDark(dark)
		p.SetDesktop()
		p.CheckAccess()
		p.SetPhone()
		p.CheckAccess()
	}
	p.CheckFits()
	p.SetDark(false)
	p.SetDesktop()
	p.CheckConsole()
}
