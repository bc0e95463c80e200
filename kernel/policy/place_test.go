package policy

import (
	"strings"
	"testing"
	"time"

	"surety/kernel/ident"
)

type placedPack struct {
	Name     Text                 `yaml:"name"`
	Note     Text                 `yaml:"note"`
	Limits   map[string]At[int64] `yaml:"limits"`
	Features []At[placedFeature]  `yaml:"features"`
	Hold     At[time.Duration]    `yaml:"hold"`
	Tags     At[[]string]         `yaml:"tags"`
	Missing  At[float64]          `yaml:"missing"`
	One      At[placedFeature]    `yaml:"one"`
}

type placedFeature struct {
	ID     Text      `yaml:"id"`
	Window At[int64] `yaml:"window"`
	When   Expr      `yaml:"when"`
}

const placedText = head + `name: "新"
note: |
  two
  lines
limits: {basic: 5, full: 6}
features:
  - id: a
    window: 7
    when: x > 1
  - {id: b, window: 8, when: "y"}
hold: 24h
tags: [p, q]
one:
  window: 9
`

func TestPlaces(t *testing.T) {
	var p placedPack
	if _, err := Load(strings.NewReader(placedText), &p); err != nil {
		t.Fatal(err)
	}
	if p.Name.Value != "新" || p.Note.String() != "two\nlines\n" || p.Features[1].Value.Window.Value != 8 || p.Hold.Value != 24*time.Hour ||
		len(p.Tags.Value) != 2 || p.One.Value.Window.Value != 9 {
		t.Errorf("pack = %+v", p)
	}
	if p.Missing.Given() || !p.Hold.Given() {
		t.Errorf("given: %v, %v", p.Missing.Given(), p.Hold.Given())
	}
	for _, c := range []struct {
		err  error
		want string
		row  int
	}{
		{p.Name.Wrong("x", "no %d", 1), "name: line 2, column 7: no 1", 2},
		{p.Note.Wrong("x", "no"), "note: line 3, column 7: no", 3},
		{p.Limits["full"].Wrong("x", "no"), "limits.full: line 6, column 26: no", 6},
		{p.Features[0].Wrong("x", "no"), "features[0]: line 8, column 5: no", 8},
		{p.Features[0].Value.Window.Wrong("x", "no"), "features[0].window: line 9, column 13: no", 9},
		{p.Features[0].Value.When.Wrong("x", "no"), "features[0].when: line 10, column 11: no", 10},
		{p.Features[1].Wrong("x", "no"), "features[1]: line 11, column 5: no", 11},
		{p.Features[1].Value.ID.Wrong("x", "no"), "features[1].id: line 11, column 10: no", 11},
		{p.Hold.Wrong("x", "no"), "hold: line 12, column 7: no", 12},
		{p.Tags.Wrong("x", "no"), "tags: line 13, column 7: no", 13},
		{p.One.Wrong("x", "no"), "one: line 15, column 3: no", 15},
		{p.Missing.Wrong("x", "no"), "no", 0},
		{Text{Value: "a"}.Wrong("x", "100%% of %s", "%d"), "100% of %d", 0},
		{Expr{Text: "a", Line: 3, Column: 4}.Wrong("x", "no"), "line 3, column 4: no", 3},
	} {
		e, ok := c.err.(*ident.Error)
		if !ok || e.Message != c.want || e.Row != c.row || e.Code != "x" || e.Kind != ident.KindInvalid {
			t.Errorf("got %+v, want %q", c.err, c.want)
		} else if path, _, found := strings.Cut(c.want, ": line"); found && e.Field != path {
			t.Errorf("field %q of %q", e.Field, c.want)
		}
	}
}

// Behind At and Text a pack is read as strictly as elsewhere.
func TestPlacesAreStrict(t *testing.T) {
	for text, want := range map[string]string{
		"name: 5":                              "line 2, column 7: here must stand text",
		"name: [a]":                            "line 2",
		"limits: {basic: 1.5}":                 "line 2, column 17: here must stand a whole number",
		"limits: {basic: \"5\"}":               "line 2, column 17: here must stand a whole number",
		"limits: {a: 1, a: 2}":                 "line 2, column 16",
		"features:\n  - id: a\n    wndow: 7":   "line 4, column 5: unknown field \"wndow\"",
		"features:\n  - id: a\n    window: x":  "line 4, column 13: here must stand a whole number",
		"features: [{window: 1, window: 2}]":   "line 2",
		"features: [{id: a, when: 5}]":         "line 2, column 26: an expression is written as text",
		"features: [5]":                        "line 2, column 12: here must stand fields with names",
		"one: {window: 99999999999999999999}":  "line 2, column 15: here must stand a whole number",
		"hold: 5":                              "line 2, column 7: here must stand a duration",
		"tags: [1]":                            "line 2, column 8: here must stand text",
		"missing: yes":                         "line 2, column 10: here must stand a number",
		"one:\n  window: 1\n  window: 2":       "line 4, column 3",
		"one:\n  nope: 1":                      "line 3, column 3: unknown field",
		"features:\n  - id: a\n  - id: b\n  -": "line 5, column 5: a value is missing here",
	} {
		var p placedPack
		_, err := Load(strings.NewReader(head+text), &p)
		if !ident.Is(err, ident.KindInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", text, err, want)
		}
	}
}
