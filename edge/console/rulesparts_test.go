package console

import (
	"strings"
	"testing"

	"surety/domain/risk"
	"surety/domain/rulebook"
	"surety/edge/web"
)

// A mistake marks the word that its column is in, wherever in the word that is.
func TestCutAt(t *testing.T) {
	for _, c := range []struct {
		line               string
		column             int
		before, at, behind string
	}{
		{"    when: payer.count_10n >= 8", 11, "    when: ", "payer.count_10n", " >= 8"},
		{"    when: payer.count_10n >= 8", 16, "    when: ", "payer.count_10n", " >= 8"},
		{"  mode: lively", 0, "  ", "mode:", " lively"},
		{"规则: {a: 1}", 5, "规则: ", "{a: 1}", ""},
		{"x", 99, "x", "", ""}, {"", 1, "", "", ""}, {"", 0, "", "", ""},
	} {
		before, at, behind := cutAt(c.line, c.column)
		if before != c.before || at != c.at || behind != c.behind {
			t.Errorf("%q at %d: %q %q %q", c.line, c.column, before, at, behind)
		}
		if before+at+behind != c.line {
			t.Errorf("%q is not whole", c.line)
		}
	}
}

// Whatever is drawn stays inside the picture, and what is there can be seen.
func TestPlotStaysInside(t *testing.T) {
	p := plot{YTicks: []string{"0", "1"}, Steps: []int64{-5, 20_000}, Bars: []plotBar{{Of: -1}, {Of: 1}, {Of: 99_999, Over: true}},
		Lines: []plotLine{{At: [][2]int64{{-9, -9}, {99_999, 99_999}}}}}
	r := p.rects()
	if r[0].height != "0.0" || r[1].height != "6.0" || r[2].height != "1000.0" || r[2].y != "0.0" || r[2].class != "plot-bar is-over" {
		t.Errorf("%+v", r)
	}
	if got := p.stepped(); got != "0.0,1000.0 500.0,1000.0 500.0,0.0 1000.0,0.0" {
		t.Error(got)
	}
	if got := p.Lines[0].points(); got != "0.0,1000.0 1000.0,0.0" {
		t.Error(got)
	}
	if g := p.grid(); len(g) != 1 || g[0] != "0.0" {
		t.Error(g)
	}
	if partOf(5, 0) != 0 || partOf(7, 5) != full || placeOf(1, 0) != 0 || placeOf(2, 1) != full {
		t.Error("a share is outside")
	}
}

// A copy gets the next number where the number stands, and nowhere else.
func TestRenumbered(t *testing.T) {
	text, err := risk.DefaultPack()
	if err != nil {
		t.Fatal(err)
	}
	p, err := risk.LoadPack(text)
	if err != nil {
		t.Fatal(err)
	}
	kept := rulebook.Pack{Version: p.Info().Version, Text: text}
	out := renumbered(kept, 12)
	if !strings.Contains(out, "number: 12,") || strings.Replace(out, "number: 12,", "number: 1,", 1) != text {
		t.Errorf("%.80s", out)
	}
	kept.Text = "# number: 1 of many\n" + text
	if got := renumbered(kept, 12); got != "# number: 1 of many\n"+out {
		t.Errorf("%.80s", got)
	}
	kept.Text = "no pack at all"
	if got := renumbered(kept, 12); got != kept.Text {
		t.Errorf("%.80s", got)
	}
}

// A shift that few payments give by chance is no alarm.
func TestPSIMeaning(t *testing.T) {
	for _, c := range []struct {
		psi, noise float64
		want       web.Meaning
	}{{0.05, 0.01, web.Plain}, {0.10, 0.01, web.Waiting}, {0.25, 0.01, web.Danger}, {9, 8, web.Plain}, {9, 4.5, web.Danger}, {0.3, 0.2, web.Plain}} {
		if got := psiMeaning(rulebook.Shift{PSI: c.psi, Noise: c.noise}); got != c.want {
			t.Errorf("%v of %v: %q, want %q", c.psi, c.noise, got, c.want)
		}
	}
}
