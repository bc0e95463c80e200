package console

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	"github.com/a-h/templ"

	"surety/domain/rulebook"
	"surety/edge/web"
)

// The conventions of the population stability index.
const (
	psiLook  = 0.10
	psiLarge = 0.25
)

func psiText(x float64) string { return strconv.FormatFloat(x, 'f', 3, 64) }

// aboveChance is how many times what chance alone gives a shift must be to mean
// something: a day of few payments differs from any other.
const aboveChance = 2

// psiMeaning is what the convention says of a shift that chance does not explain.
func psiMeaning(s rulebook.Shift) web.Meaning {
	switch {
	case s.PSI < aboveChance*s.Noise:
		return web.Plain
	case s.PSI >= psiLarge:
		return web.Danger
	case s.PSI >= psiLook:
		return web.Waiting
	}
	return web.Plain
}

// psiWord is the same in a word.
func (a *ask) psiWord(s rulebook.Shift) string {
	switch m := psiMeaning(s); {
	case m == web.Danger:
		return a.t("models.psi_large")
	case m == web.Waiting:
		return a.t("models.psi_look")
	case s.PSI >= psiLook:
		return a.t("models.psi_chance")
	}
	return a.t("models.psi_small")
}

// psiMarks are the two lines of the convention on a scale up to top.
func (a *ask) psiMarks(top float64) []plotMark {
	return []plotMark{{placeOf(psiLook, top), a.t("models.psi_mark_look")}, {placeOf(psiLarge, top), a.t("models.psi_mark_large")}}
}

// driftCard is how far payments have moved from what the model learned: the score
// and the features on the last day, and the days before.
func (a *ask) driftCard(days []rulebook.Drift) templ.Component {
	if len(days) == 0 {
		return a.card("models.drift", web.Muted(a.t("models.drift_none")))
	}
	if today := a.c.cfg.Clock.Now().In(web.ViewOf(a.ctx).Zone).Format(time.DateOnly); len(days) > 1 && days[len(days)-1].Day == today {
		days = days[:len(days)-1] // it is not over yet
	}
	last := days[len(days)-1]
	parts := []templ.Component{prose(a.t("models.drift_text", last.Day, web.Count(last.Payments)))}
	if m := psiMeaning(last.Score); m != web.Plain {
		parts = append(parts, web.Note(m, a.t("models.score_moved", psiText(last.Score.PSI)), a.t("models.score_moved_text")))
	}
	parts = append(parts, plotted(a.scoreTrend(days)), barred(a.featureDrift(days)))
	if len(days) > 1 && len(last.Features) > 0 {
		parts = append(parts, plotted(a.featureTrend(days)))
	}
	return a.card("models.drift", parts...)
}

// psiTop is the top of a scale that has both conventions on it.
func psiTop(shifts ...[]rulebook.Shift) float64 {
	top := psiLarge * 1.2
	for _, list := range shifts {
		for _, s := range list {
			top = max(top, s.PSI*1.05, s.Noise*1.05)
		}
	}
	return top
}

// scoreTrend is the shift of the score, day by day.
func (a *ask) scoreTrend(days []rulebook.Drift) plot {
	var scores []rulebook.Shift
	for _, d := range days {
		scores = append(scores, d.Score)
	}
	top := psiTop(scores)
	p := plot{Title: a.t("models.score_drift"), BarsAre: a.t("models.psi_of_score"), StepsAre: a.t("models.psi_noise"),
		Marks: a.psiMarks(top), YTicks: []string{"0", psiText(top)},
		XTicks: []string{days[0].Day, days[len(days)-1].Day}, Head: []string{a.t("rules.day"), a.t("models.payments"), "PSI",
			a.t("models.psi_noise")}}
	for _, d := range days {
		p.Bars = append(p.Bars, plotBar{Of: placeOf(d.Score.PSI, top), Over: psiMeaning(d.Score) == web.Danger})
		p.Steps = append(p.Steps, placeOf(d.Score.Noise, top))
		p.Rows = append(p.Rows, []string{d.Day, web.Count(d.Payments), psiText(d.Score.PSI), psiText(d.Score.Noise)})
	}
	return p
}

// moved are the features of the last day, those that moved most first.
func moved(days []rulebook.Drift) []rulebook.Shift {
	list := slices.Clone(days[len(days)-1].Features)
	slices.SortStableFunc(list, func(x, y rulebook.Shift) int { return cmp.Compare(y.PSI, x.PSI) })
	return list
}

// featureDrift are the shifts of the features on the last day, beside their mean on
// the days before.
func (a *ask) featureDrift(days []rulebook.Drift) hbars {
	list := moved(days)
	top := psiTop(list)
	words := a.featureWords()
	p := hbars{Title: a.t("models.feature_drift"), Note: a.t("models.feature_drift_note"), Marks: a.psiMarks(top),
		Head: []string{a.t("models.feature"), "PSI", a.t("models.psi_noise"), a.t("models.psi_before"), a.t("models.missing"),
			a.t("models.missing_trained")}}
	for i, s := range list {
		before, n := 0.0, 0
		for _, d := range days[:len(days)-1] {
			for _, f := range d.Features {
				if f.Name == s.Name {
					before, n = before+f.PSI, n+1
				}
			}
		}
		earlier := "—"
		if n > 0 {
			earlier = psiText(before / float64(n))
		}
		p.Rows = append(p.Rows, []string{s.Name, psiText(s.PSI), psiText(s.Noise), earlier, shareText(s.Missing), shareText(s.Trained)})
		if i >= 15 {
			continue
		}
		item := hbarItem{Label: s.Name, Bars: []hbarOne{{placeOf(s.PSI, top), a.t("models.psi_bar", psiText(s.PSI), a.psiWord(s)),
			psiMeaning(s)}}}
		if w := words[s.Name]; w != "" {
			item.Label, item.Note = w, s.Name
		}
		p.Items = append(p.Items, item)
	}
	return p
}

// trended is how many features have a line of their own.
const trended = 4

// featureTrend are the days of the features that moved most.
func (a *ask) featureTrend(days []rulebook.Drift) plot {
	names := moved(days)
	names = names[:min(len(names), trended)]
	var seen [][]rulebook.Shift
	for _, d := range days {
		seen = append(seen, d.Features)
	}
	top := psiTop(seen...)
	p := plot{Title: a.t("models.feature_trend"), Marks: a.psiMarks(top), YTicks: []string{"0", psiText(top)},
		XTicks: []string{days[0].Day, days[len(days)-1].Day}, Head: []string{a.t("rules.day")}}
	for _, d := range days {
		p.Rows = append(p.Rows, []string{d.Day})
	}
	for _, s := range names {
		line := plotLine{Label: s.Name}
		p.Head = append(p.Head, s.Name)
		for i, d := range days {
			text := "—"
			for _, f := range d.Features {
				if f.Name == s.Name {
					line.At = append(line.At, [2]int64{partOf(int64(i), int64(len(days)-1)), placeOf(f.PSI, top)})
					text = psiText(f.PSI)
				}
			}
			p.Rows[i] = append(p.Rows[i], text)
		}
		p.Lines = append(p.Lines, line)
	}
	return p
}
