package console

import (
	"bytes"
	"cmp"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"

	"surety/domain/rulebook"
	"surety/edge/web"
	"surety/kernel/boost"
	"surety/kernel/ident"
	"surety/platform/access"
)

// model is one model: what it is, how well it does, how far the world has moved from
// what it learned, what it looks at, and how it was trained.
func (a *ask) model() error {
	m, err := a.c.cfg.Rulebook.ModelOf(a.ctx, a.actor, a.path("id"))
	if err != nil {
		return err
	}
	b, err := a.loadBook()
	if err != nil {
		return err
	}
	var body []templ.Component
	if strings.HasPrefix(a.bad, "promote_") {
		body = append(body, web.ErrorSummary(a.linked(a.bad, nil)))
	}
	from, to, spanErr := a.figureSpan()
	if spanErr != nil {
		a.errs, a.status = a.c.words.Errors(a.lang(), spanErr), web.Status(ident.KindInvalid)
	}
	report := readReport(m)
	body = append(body, columns(a.modelCard(m), a.importanceCard(m, report)))
	if spanErr == nil {
		body = append(body, a.spanForm(modelHref(m.SHA256), from, to))
		part, err := a.laterPart(modelHref(m.SHA256)+"/live", func() (templ.Component, error) { return a.modelPart(b, m, from, to) })
		if err != nil {
			return err
		}
		body = append(body, part)
	}
	body = append(body, a.trainingCard(m, report))
	return a.showRules(web.PageProps{Title: m.Name, Mark: a.modelStatus(m.Status), Lead: a.word("models.lead_", string(m.Status)),
		Crumbs: []web.Link{{Label: a.t("models.title"), Href: "/models"}}, Side: a.modelSide(b, m)}, body...)
}

func (a *ask) modelLive() error {
	m, err := a.c.cfg.Rulebook.ModelOf(a.ctx, a.actor, a.path("id"))
	if err != nil {
		return err
	}
	b, err := a.loadBook()
	if err != nil {
		return err
	}
	from, to, err := a.figureSpan()
	if err != nil {
		return err
	}
	return a.streamOnce(func() (templ.Component, error) { return a.modelPart(b, m, from, to) })
}

func (a *ask) modelCard(m rulebook.Model) templ.Component {
	trained := templ.Component(web.Text(a.t("models.trained_elsewhere")))
	if !m.TrainFrom.IsZero() {
		trained = web.Text(a.spanText(m.TrainFrom, m.TrainTo))
	}
	return a.card("models.what", web.DefList(
		web.Term{Label: a.t("models.version"), Value: web.Code(m.SHA256)},
		web.Term{Label: a.t("models.trees"), Value: web.Text(a.t("models.shape", m.Trees, m.Depth))},
		web.Term{Label: a.t("models.features"), Value: web.Text(web.Count(len(m.Features)))},
		web.Term{Label: a.t("models.size"), Value: web.Text(a.t("models.kib", web.Count(max(1, m.Size>>10))))},
		web.Term{Label: a.t("models.trained"), Value: trained},
		web.Term{Label: a.t("models.kept_by"), Value: lines(web.Text(a.nameOf(m.Author)), web.Time(m.Created))}))
}

// modelSide is what can be done with a model. Each needs a second person, but for
// taking it off the list.
func (a *ask) modelSide(b book, m rulebook.Model) templ.Component {
	parts := []templ.Component{web.Buttons(web.ButtonProps{Label: a.t("models.export"), Href: modelHref(m.SHA256) + "/model.json",
		Icon: "download"})}
	next := map[rulebook.ModelStatus][]rulebook.ModelStatus{
		rulebook.Candidate:  {rulebook.Challenger, rulebook.Champion},
		rulebook.Challenger: {rulebook.Champion, rulebook.Candidate},
		rulebook.Champion:   {rulebook.Challenger, rulebook.Candidate}}[m.Status]
	if a.may(access.ActRiskPublish) {
		for _, as := range next {
			parts = append(parts, a.promoteAct(b, m, as))
		}
	}
	if a.may(access.ActRiskEdit) && m.Status == rulebook.Candidate {
		parts = append(parts, web.Confirm(web.ConfirmProps{Button: a.t("models.retire"), Danger: true, Action: modelHref(m.SHA256) + "/retire",
			Says: a.t("models.retire_says", m.Name), Yes: a.t("models.retire_yes")}))
	}
	return web.Stack(parts...)
}

func (a *ask) promoteAct(b book, m rulebook.Model, as rulebook.ModelStatus) templ.Component {
	name := string(as)
	now := a.modelText(b, b.Champion)
	says := a.t("models.promote_says_"+name, m.Name, now)
	if m.Status == rulebook.Champion {
		says = a.t("models.demote_says_"+name, m.Name)
	}
	return web.Confirm(web.ConfirmProps{Button: a.t("models.promote_" + name), Primary: as == rulebook.Champion,
		Danger: m.Status == rulebook.Champion,
		Action: modelHref(m.SHA256) + "/promote", Says: says, Yes: a.t("models.promote_yes"),
		Hidden: []web.Hidden{{Name: "as", Value: name}, {Name: "id", Value: a.c.cfg.IDs.New("pub")}},
		Body: fieldsOf([]web.FieldProps{a.field("promote_"+name, web.FieldProps{Name: "note", Label: a.t("rules.publish_note"),
			Optional: true, Max: 300})})})
}

// modelPart is what takes a while to count: figures and drift.
func (a *ask) modelPart(b book, m rulebook.Model, from, to time.Time) (templ.Component, error) {
	fs, err := a.c.cfg.Rulebook.ModelFigures(a.ctx, a.actor, []string{m.SHA256}, from, to)
	if err != nil {
		return nil, err
	}
	f := fs[m.SHA256]
	parts := []templ.Component{}
	switch {
	case f.Payments == 0:
		parts = append(parts, web.Note(web.Plain, a.t("models.not_asked"), a.t("models.not_asked_text")))
	case !f.Enough:
		parts = append(parts, web.Note(web.Waiting, a.t("models.too_few"), a.t("models.too_few_text", web.Count(f.Payments),
			web.Count(f.Frauds))))
	default:
		parts = append(parts, a.modelFigures(f), columns(a.card("models.calibration_card", plotted(a.calibration(f))),
			a.card("models.gain_card", plotted(a.gain(b, []string{m.SHA256}, fs)))))
	}
	now := a.c.cfg.Clock.Now()
	drift, err := a.c.cfg.Rulebook.ModelDrift(a.ctx, a.actor, m.SHA256, now.AddDate(0, 0, -figureDays), now)
	if err != nil {
		return nil, err
	}
	return web.Stack(append(parts, a.driftCard(drift))...), nil
}

func (a *ask) modelFigures(f rulebook.Figures) templ.Component {
	of := a.t("models.of_payments", web.Count(f.Payments), web.Count(f.Frauds))
	saved := web.FigureProps{Label: a.t("models.cost"), Value: a.costText(f.Cost), Note: a.t("models.cost_note", a.costText(f.CostNothing))}
	if f.Cost > f.CostNothing {
		saved.Meaning, saved.Mark = web.Danger, a.t("models.cost_worse")
	}
	return figures(
		web.FigureProps{Label: a.t("models.ap"), Value: figureText(f.AP), Note: of},
		web.FigureProps{Label: a.t("models.auc"), Value: figureText(f.AUC), Note: a.t("models.auc_note")},
		web.FigureProps{Label: a.t("models.cp"), Value: figureText(f.CardPrecision), Note: a.t("models.cp_note")}, saved)
}

// calibration sets what the model said against what came true, tenth by tenth.
func (a *ask) calibration(f rulebook.Figures) plot {
	top := 0.0
	for _, d := range f.Calibration {
		top = max(top, d.Said, d.True)
	}
	p := plot{Title: a.t("models.calibration"), Note: a.t("models.calibration_note"), BarsAre: a.t("models.came_true"),
		StepsAre: a.t("models.said"),
		YTicks:   []string{"0 %", shareText(top)}, XTicks: []string{a.t("models.least"), a.t("models.most")},
		Head: []string{a.t("models.tenth"), a.t("models.payments"), a.t("models.from_to"), a.t("models.said"), a.t("models.came_true")}}
	for i, d := range f.Calibration {
		p.Bars = append(p.Bars, plotBar{Of: placeOf(d.True, top)})
		p.Steps = append(p.Steps, placeOf(d.Said, top))
		p.Rows = append(p.Rows, []string{itoa(i + 1), web.Count(d.Payments), shareText(d.Low) + " – " + shareText(d.High),
			shareText(d.Said), shareText(d.True)})
	}
	return p
}

// importanceCard is what the trees look at.
func (a *ask) importanceCard(m rulebook.Model, r *trainReport) templ.Component {
	list := a.importance(m, r)
	if len(list) == 0 {
		return a.card("models.importance", web.Muted(a.t("models.importance_none")))
	}
	p := hbars{Name: a.t("models.importance"), Note: a.t("models.importance_note"), Head: []string{a.t("models.feature"), a.t("models.share")}}
	words := a.featureWords()
	for i, f := range list {
		label := orDash(words[f.Feature])
		if words[f.Feature] == "" {
			label = f.Feature
		}
		p.Rows = append(p.Rows, []string{f.Feature, shareText(f.Share)})
		if i < 12 {
			item := hbarItem{Label: label, Bars: []hbarOne{{placeOf(f.Share, list[0].Share), shareText(f.Share), web.Plain}}}
			if label != f.Feature {
				item.Note = f.Feature
			}
			p.Items = append(p.Items, item)
		}
	}
	return a.card("models.importance", barred(p))
}

// featureWords are what people call the features of the running pack, by name and
// by alias.
func (a *ask) featureWords() map[string]string {
	out := map[string]string{}
	for _, f := range a.c.cfg.Engine.Pack().Features {
		out[f.Name] = a.either(f.ZH, f.EN)
		if f.Alias != "" {
			out[f.Alias] = out[f.Name]
		}
	}
	return out
}

// readsModel is the largest file that a page reads for its importances.
const readsModel = 4 << 20

// importance is the share of the trees' gain by feature, largest first: of the file
// itself, or what its training wrote down.
func (a *ask) importance(m rulebook.Model, r *trainReport) (out []rulebook.Importance) {
	if r != nil {
		out = r.Important
	}
	if m.Size > readsModel {
		return out
	}
	file, err := a.c.cfg.Rulebook.ModelFile(a.ctx, a.actor, m.SHA256)
	if err != nil {
		return out // the page is whole without it
	}
	trees, err := boost.ReadXGBoost(bytes.NewReader(file))
	if err != nil {
		return out // the rulebook says among its problems that the file is damaged
	}
	out = nil
	names, shares := trees.Features(), trees.Importance()
	for i, s := range shares {
		if s > 0 && i < len(names) {
			out = append(out, rulebook.Importance{Feature: names[i], Share: s})
		}
	}
	slices.SortStableFunc(out, func(x, y rulebook.Importance) int { return cmp.Compare(y.Share, x.Share) })
	return out
}

// trainReport is what a training wrote down; Test is missing for a model that came
// back as a file.
type trainReport struct {
	rulebook.TrainReport
	tested bool
}

func readReport(m rulebook.Model) *trainReport {
	var r trainReport
	if len(m.Report) == 0 || string(m.Report) == "null" {
		return nil
	}
	if err := json.Unmarshal(m.Report, &r.TrainReport); err == nil && r.Name != "" {
		r.tested = true
		return &r
	}
	r.TrainReport = rulebook.TrainReport{}
	if err := json.Unmarshal(m.Report, &r.Training); err != nil || r.Training.Rows == 0 {
		return nil
	}
	return &r
}

// trainingCard is the training report.
func (a *ask) trainingCard(m rulebook.Model, r *trainReport) templ.Component {
	if r == nil {
		return a.card("models.training", web.Muted(a.t("models.training_none")))
	}
	t := r.Training
	terms := []web.Term{
		{Label: a.t("models.rows"), Value: web.Text(a.t("models.rows_text", web.Count(t.Rows), web.Count(t.Frauds)))},
		{Label: a.t("models.held_out"), Value: web.Text(a.t("models.rows_text", web.Count(t.ValidRows), web.Count(t.ValidFrauds)))},
		{Label: a.t("models.trees_kept"), Value: web.Text(a.t("models.trees_of", t.Trees, t.Grown))},
		{Label: a.t("models.held_figures"), Value: web.Text(a.t("models.quality", figureText(t.Valid.AP), figureText(t.Valid.AUC),
			figureText(t.Valid.LogLoss)))},
		{Label: a.t("models.settings"), Value: web.Text(a.t("models.settings_text", t.Settings.Depth, number(t.Settings.Rate),
			number(t.Settings.Lambda),
			number(t.Settings.MinChildWeight), number(t.Settings.RowShare), number(t.Settings.ColShare), t.Settings.Bins,
			strconv.FormatUint(t.Settings.Seed, 10)))},
	}
	if r.tested {
		terms = append([]web.Term{{Label: a.t("models.learned"), Value: web.Text(a.spanText(r.From, r.TrainTo))},
			{Label: a.t("models.tested"), Value: web.Text(a.spanText(r.TestFrom, r.To))},
			{Label: a.t("models.test"), Value: a.testText(r.Test)}}, terms...)
	}
	parts := []templ.Component{web.DefList(terms...)}
	if len(t.Curve) > 1 {
		parts = append(parts, plotted(a.learning(t.Curve)))
	}
	return a.card("models.training", parts...)
}

func number(x float64) string { return strconv.FormatFloat(x, 'g', 6, 64) }

func (a *ask) testText(f rulebook.Figures) templ.Component {
	of := web.Muted(a.t("models.of_payments", web.Count(f.Payments), web.Count(f.Frauds)))
	if !f.Enough {
		return lines(web.Text(a.t("models.too_few")), of)
	}
	return lines(web.Text(a.t("models.test_quality", figureText(f.AP), figureText(f.AUC), figureText(f.CardPrecision),
		figureText(f.LogLoss))), of)
}

// learning is the loss tree by tree, on what the model learned from and on what was
// held out.
func (a *ask) learning(curve []boost.Round) plot {
	low, high := curve[0].Train, curve[0].Train
	held := false
	for _, r := range curve {
		low, high = min(low, r.Train), max(high, r.Train)
		if r.Valid > 0 {
			held = true
			low, high = min(low, r.Valid), max(high, r.Valid)
		}
	}
	p := plot{Title: a.t("models.learning"), Note: a.t("models.learning_note"), XTicks: []string{"1", itoa(len(curve))},
		YTicks: []string{figureText(low), figureText(high)}, Head: []string{a.t("models.tree"), a.t("models.loss_train")}}
	train, valid := plotLine{Label: a.t("models.loss_train")}, plotLine{Label: a.t("models.loss_valid")}
	for i, r := range curve {
		x := partOf(int64(i), int64(len(curve)-1))
		train.At = append(train.At, [2]int64{x, placeOf(r.Train-low, high-low)})
		valid.At = append(valid.At, [2]int64{x, placeOf(r.Valid-low, high-low)})
		row := []string{itoa(i + 1), strconv.FormatFloat(r.Train, 'f', 5, 64)}
		if held {
			row = append(row, strconv.FormatFloat(r.Valid, 'f', 5, 64))
		}
		p.Rows = append(p.Rows, row)
	}
	p.Lines = []plotLine{train}
	if held {
		p.Lines, p.Head = append(p.Lines, valid), append(p.Head, a.t("models.loss_valid"))
	}
	return p
}
