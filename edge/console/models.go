package console

import (
	"context"
	"io"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/a-h/templ"

	"surety/domain/rulebook"
	"surety/edge/web"
	"surety/kernel/ident"
	"surety/kernel/money"
	"surety/platform/access"
)

func modelHref(sha string) string { return "/models/" + url.PathEscape(sha) }

const (
	figureDays  = 30               // that figures are of until somebody says otherwise
	figuresLife = 30 * time.Minute // of a stream: then the browser asks again, and is checked again
	figuresBeat = 5 * time.Second
)

// models are all models, and the figures of those that score today, side by side.
func (a *ask) models() error {
	b, err := a.loadBook()
	if err != nil {
		return err
	}
	from, to, spanErr := a.figureSpan()
	body := a.bookNotes(b)
	switch shas := b.scoring(); {
	case spanErr != nil:
		a.errs, a.status = a.c.words.Errors(a.lang(), spanErr), web.Status(ident.KindOf(spanErr))
	case len(shas) == 0:
		body = append(body, web.Note(web.Plain, a.t("models.none_scores"), a.t("models.none_scores_text")))
	default:
		body = append(body, a.spanForm("/models", from, to))
		part, err := a.laterPart("/models/live", func() (templ.Component, error) { return a.modelsPart(b, shas, from, to) })
		if err != nil {
			return err
		}
		body = append(body, part)
	}
	body = append(body, a.modelsTable(b))
	if a.may(access.ActRiskEdit) {
		body = append(body, a.importCard())
	}
	return a.showRules(web.PageProps{Title: a.t("models.title"), Lead: a.t("models.lead")}, body...)
}

// scoring are the models that score payments now, the champion first.
func (b book) scoring() []string {
	var out []string
	if b.Champion != "" {
		out = append(out, b.Champion)
	}
	return append(out, b.Challengers...)
}

// figureSpan is the span of the address; without one the last days whose labels are
// in. A span that cannot be read is an error.
func (a *ask) figureSpan() (from, to time.Time, err error) {
	zone := web.ViewOf(a.ctx).Zone
	now := a.c.cfg.Clock.Now().In(zone)
	today := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, zone)
	to = today.Add(-rulebook.DefaultDelay)
	from = to.AddDate(0, 0, -figureDays)
	if a.query("from") != "" {
		if from, err = time.ParseInLocation(time.DateOnly, a.query("from"), zone); err != nil {
			return from, to, ident.Invalid("from", "day_malformed", "write the day like 2026-06-30")
		}
	}
	if a.query("to") != "" {
		if to, err = time.ParseInLocation(time.DateOnly, a.query("to"), zone); err != nil {
			return from, to, ident.Invalid("to", "day_malformed", "write the day like 2026-06-30")
		}
		to = to.AddDate(0, 0, 1)
	}
	if !from.Before(to) {
		return from, to, ident.Invalid("to", "span_reversed", "the last day is before the first")
	}
	return from, to, nil
}

// spanForm asks for another span; the address reproduces it.
func (a *ask) spanForm(action string, from, to time.Time) templ.Component {
	return spanFields(action, a.t("models.span"), a.t("models.show"),
		web.FieldProps{Name: "from", ID: "f-span-from", Label: a.t("rules.from"), Type: "date", Value: from.Format(time.DateOnly)},
		web.FieldProps{Name: "to", ID: "f-span-to", Label: a.t("rules.to"), Type: "date", Value: to.Add(-time.Microsecond).Format(time.DateOnly)})
}

// laterPart is a part that takes long to count. The page comes at once, and the part
// by its stream; ?now=1 counts it with the page, for browsers without JavaScript.
func (a *ask) laterPart(live string, count func() (templ.Component, error)) (templ.Component, error) {
	if a.query("now") != "" {
		return count()
	}
	if q := web.ViewOf(a.ctx).URL.RawQuery; q != "" {
		live += "?" + q
	}
	return liveRegion(web.LiveProps{URL: live, ID: "figures-live"}, counting(a.t("models.counting"), a.t("models.count_now"),
		web.Here(a.ctx, "now", "1"))), nil
}

// streamOnce counts a part once for each stream and keeps the stream open.
func (a *ask) streamOnce(count func() (templ.Component, error)) error {
	if err := a.view(access.ActRiskRead, a.path("id"), nothing); err != nil {
		return err
	}
	ctx, end := context.WithTimeout(a.ctx, figuresLife)
	defer end()
	a.ctx = ctx
	var part templ.Component
	// The browser has gone, or the stream has lived long enough: nobody is left to tell.
	_ = web.StreamEvery(a.w, a.r.WithContext(ctx), figuresBeat, func(context.Context) (templ.Component, error) {
		if part == nil {
			p, err := count()
			if err != nil {
				a.c.log.ErrorContext(ctx, "figures failed", "path", a.r.URL.Path, "error", err)
				p = web.Note(web.Danger, a.t("models.count_failed"), a.t("models.count_failed_text"))
			}
			part = p
		}
		return part, nil
	})
	return nil
}

func (a *ask) modelsLive() error {
	b, err := a.loadBook()
	if err != nil {
		return err
	}
	from, to, err := a.figureSpan()
	if err != nil {
		return err
	}
	return a.streamOnce(func() (templ.Component, error) { return a.modelsPart(b, b.scoring(), from, to) })
}

// modelsPart is champion and challengers side by side.
func (a *ask) modelsPart(b book, shas []string, from, to time.Time) (templ.Component, error) {
	fs, err := a.c.cfg.Rulebook.ModelFigures(a.ctx, a.actor, shas, from, to)
	if err != nil {
		return nil, err
	}
	parts := []templ.Component{a.sideBySide(b, shas, fs, from, to)}
	if g := a.gain(b, shas, fs); len(g.Lines) > 1 {
		parts = append(parts, a.card("models.gain_card", plotted(g)))
	}
	return web.Stack(parts...), nil
}

// sideBySide are the figures of several models over the same payments.
func (a *ask) sideBySide(b book, shas []string, fs map[string]rulebook.Figures, from, to time.Time) templ.Component {
	rows := make([]web.Row, len(shas))
	for i, sha := range shas {
		f := fs[sha]
		row := web.Row{ID: "side-" + sha, Name: a.modelText(b, sha), Href: modelHref(sha), Cells: []templ.Component{
			web.Two(a.modelText(b, sha), a.word("models.status_", string(b.models[sha].Status))),
			web.Text(web.Count(f.Payments)), web.Text(web.Count(f.Frauds))}}
		if !f.Enough {
			row.Cells = append(row.Cells, web.Badge(web.Waiting, a.t("models.too_few")))
		} else {
			row.Cells = append(row.Cells, web.Text(figureText(f.AP)), web.Text(figureText(f.AUC)), web.Text(figureText(f.CardPrecision)),
				web.Text(figureText(f.LogLoss)), web.Text(a.costText(f.Cost)), web.Text(a.costText(f.CostNothing)))
		}
		rows[i] = row
	}
	note := a.t("models.figures_count", a.spanText(from, to))
	if slices.ContainsFunc(shas, func(sha string) bool { return fs[sha].Sampled }) {
		note += a.t("list.comma") + a.t("models.sampled")
	}
	return web.Table(web.TableProps{ID: "side", Title: a.t("models.side"), Rows: rows, Count: note,
		Columns: []web.Column{{Label: a.t("models.model")}, {Label: a.t("models.payments"), Num: true}, {Label: a.t("models.thefts"), Num: true},
			{Label: "AP", Num: true}, {Label: "AUC", Num: true}, {Label: "CP@100", Num: true}, {Label: a.t("models.log_loss"), Num: true},
			{Label: a.t("models.cost"), Num: true}, {Label: a.t("models.cost_nothing"), Num: true}}})
}

// costText is an amount in the running pack's currency.
func (a *ask) costText(minor int64) string {
	return money.Of(minor, a.c.cfg.Engine.Pack().Currency).String()
}

// gain is how many of the thefts are among the most suspicious payments, by tenths.
// The even line is chance.
func (a *ask) gain(b book, shas []string, fs map[string]rulebook.Figures) plot {
	p := plot{Title: a.t("models.gain"), Note: a.t("models.gain_note"), XTicks: []string{"0 %", "50 %", "100 %"},
		YTicks: []string{"0 %", "50 %", "100 %"}, Head: []string{a.t("models.gain_of")}}
	for tenths := 1; tenths <= 10; tenths++ {
		p.Rows = append(p.Rows, []string{a.t("models.gain_first", tenths*10)})
	}
	for _, sha := range shas {
		f := fs[sha]
		if !f.Enough || len(f.Calibration) == 0 {
			continue
		}
		line := plotLine{Label: a.modelText(b, sha), At: [][2]int64{{0, 0}}}
		p.Head = append(p.Head, a.modelText(b, sha))
		seen, caught := 0, 0.0
		for i := len(f.Calibration) - 1; i >= 0; i-- {
			d := f.Calibration[i]
			seen += d.Payments
			caught += d.True * float64(d.Payments)
			line.At = append(line.At, [2]int64{partOf(int64(seen), int64(f.Payments)), placeOf(caught, float64(f.Frauds))})
			if row := len(f.Calibration) - 1 - i; row < len(p.Rows) {
				p.Rows[row] = append(p.Rows[row], shareText(min(1, caught/float64(f.Frauds))))
			}
		}
		p.Lines = append(p.Lines, line)
	}
	if len(p.Lines) > 0 {
		p.Lines = append(p.Lines, plotLine{Label: a.t("models.chance"), At: [][2]int64{{0, 0}, {full, full}}, Even: true})
	}
	return p
}

// modelsTable lists all models.
func (a *ask) modelsTable(b book) templ.Component {
	list := sortedModels(b)
	rows := make([]web.Row, len(list))
	for i, m := range list {
		trained := templ.Component(web.Muted(a.t("models.trained_elsewhere")))
		if !m.TrainFrom.IsZero() {
			trained = web.Text(a.spanText(m.TrainFrom, m.TrainTo))
		}
		rows[i] = web.Row{ID: m.SHA256, Name: m.Name, Href: modelHref(m.SHA256), Cells: []templ.Component{web.Two(m.Name, shortSHA(m.SHA256)),
			a.modelStatus(m.Status), web.Text(a.t("models.shape", m.Trees, m.Depth)), web.Text(web.Count(len(m.Features))), trained,
			web.Two(a.nameOf(m.Author), web.When(a.ctx, m.Created))}}
	}
	return web.Table(web.TableProps{ID: "models", Title: a.t("models.all"), Rows: rows, Count: a.t("models.count", len(rows)),
		Columns: []web.Column{{Label: a.t("models.model")}, {Label: a.t("payments.state")}, {Label: a.t("models.trees")},
			{Label: a.t("models.features"), Num: true}, {Label: a.t("models.trained")}, {Label: a.t("models.kept_by")}},
		Empty: web.EmptyProps{Title: a.t("models.none"), Text: a.t("models.none_text")}})
}

func (a *ask) modelStatus(s rulebook.ModelStatus) templ.Component {
	m := web.Plain
	if s == rulebook.Champion {
		m = web.Good
	}
	return web.Badge(m, a.word("models.status_", string(s)))
}

func (a *ask) importCard() templ.Component {
	return a.card("models.import", prose(a.t("models.import_text")),
		a.form("model", web.FormProps{Action: "/models/import", Upload: true, Submit: a.t("models.import_submit")},
			web.FieldProps{Name: "name", Label: a.t("models.name"), Hint: a.t("models.name_hint"), Max: 64, Autocomplete: "off"},
			web.FieldProps{Name: "file", Label: a.t("upload.file"), Type: "file", Accept: ".json,application/json",
				Hint: a.t("models.file_hint", strconv.Itoa(rulebook.MaxModel>>20))}))
}

// modelImport keeps a model from a file, or says what is wrong with the file.
func (a *ask) modelImport() error {
	f, _, err := a.r.FormFile("file")
	if err != nil {
		return a.again("model", ident.Invalid("file", "file_required", "%s", a.t("upload.required")), (*ask).models)
	}
	defer f.Close()
	file, err := io.ReadAll(io.LimitReader(f, rulebook.MaxModel+1))
	if err != nil {
		return a.again("model", ident.Invalid("file", "file_unreadable", "the file could not be read").Because(err), (*ask).models)
	}
	m, err := a.c.cfg.Rulebook.ImportModel(a.calm(), a.actor, a.posted("name"), file)
	if err != nil {
		return a.again("model", modelFileError(err), (*ask).models)
	}
	return a.done(modelHref(m.SHA256), "models.imported", m.Name)
}

// modelFileError puts what is wrong with a model beside the field that it came by.
func modelFileError(err error) error {
	var e *ident.Error
	if !asIdent(err, &e) || e.Field == "name" {
		return err
	}
	out := *e
	out.Field = "file"
	return &out
}

// modelFile is the model's file, byte for byte.
func (a *ask) modelFile() error {
	m, err := a.c.cfg.Rulebook.ModelOf(a.ctx, a.actor, a.path("id"))
	if err != nil {
		return err
	}
	b, err := a.c.cfg.Rulebook.ModelFile(a.ctx, a.actor, m.SHA256)
	if err != nil {
		return err
	}
	a.w.Header().Set("Content-Type", "application/json")
	a.w.Header().Set("Content-Disposition", `attachment; filename="`+plainName.ReplaceAllString(m.Name, "_")+`.json"`)
	_, err = a.w.Write(b)
	return err
}

// modelPromote asks for another place of a model; the second person signs it with
// the publication.
func (a *ask) modelPromote() error {
	as := rulebook.ModelStatus(a.posted("as"))
	p, err := a.c.cfg.Rulebook.Promote(a.calm(), a.actor, rulebook.PromoteIn{ID: a.posted("id"), Model: a.path("id"), As: as,
		Note: a.posted("note")})
	if err != nil {
		return a.again("promote_"+plainName.ReplaceAllString(string(as), ""), err, (*ask).model)
	}
	return a.done(publicationHref(p.ID), "rules.publish_asked")
}

func (a *ask) modelRetire() error {
	m, err := a.c.cfg.Rulebook.RetireModel(a.ctx, a.actor, a.path("id"))
	if err != nil {
		return a.again("", err, (*ask).model)
	}
	return a.done("/models", "models.retired_done", m.Name)
}
