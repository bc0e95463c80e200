package console

import (
	"cmp"
	"context"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/a-h/templ"

	"surety/domain/rulebook"
	"surety/edge/web"
	"surety/kernel/ident"
	"surety/kernel/money"
	"surety/platform/access"
	"surety/platform/db"
)

func replayHref(id ident.ID) string { return "/rules/replays/" + url.PathEscape(id) }

const (
	tryDays     = 30 // that a question to history has until somebody says otherwise
	replayEvery = time.Second
	replayLife  = 30 * time.Minute // of a stream: then the browser asks again, and is checked again
)

// draftWhatIf asks history what the draft would have done.
func (a *ask) draftWhatIf(d rulebook.Draft, problems []rulebook.Problem) ([]templ.Component, error) {
	jobs, err := a.c.cfg.Rulebook.Replays(a.ctx, a.actor)
	if err != nil {
		return nil, err
	}
	same := slices.DeleteFunc(jobs, func(j rulebook.Job) bool { return j.Question.Text != d.Text })
	var body []templ.Component
	switch {
	case len(problems) > 0:
		body = a.mendFirst(d, problems)
	case a.may(access.ActRiskEdit):
		form, err := a.tryForm(d)
		if err != nil {
			return nil, err
		}
		body = append(body, form)
	}
	table, err := a.replayTable(same, a.t("rules.tried"), web.EmptyProps{Title: a.t("rules.tried_none"), Text: a.t("rules.tried_none_text")})
	return append(body, table), err
}

func (a *ask) tryForm(d rulebook.Draft) (templ.Component, error) {
	b, err := a.loadBook()
	if err != nil {
		return nil, err
	}
	today := a.c.cfg.Clock.Now().In(web.ViewOf(a.ctx).Zone)
	against := []web.Option{{Value: rulebook.AsDecided, Label: a.t("rules.against_decided")},
		{Value: b.Running.Version.SHA256, Label: a.t("rules.against_running", b.Running.Version.String())}}
	return a.card("rules.try", prose(a.t("rules.try_text")),
		a.form("replay", web.FormProps{Action: draftHref(d.ID) + "/replay", Submit: a.t("rules.try_submit"),
			Hidden: []web.Hidden{{Name: "id", Value: a.c.cfg.IDs.New("rpl")}, {Name: "version", Value: itoa(d.Version)}}},
			web.FieldProps{Name: "from", Label: a.t("rules.from"), Type: "date", Value: today.AddDate(0, 0, -tryDays).Format(time.DateOnly)},
			web.FieldProps{Name: "to", Label: a.t("rules.to"), Type: "date", Value: today.Format(time.DateOnly), Hint: a.t("rules.to_hint")},
			web.FieldProps{Name: "model", Label: a.t("rules.with_model"), Type: "select", Value: "champion", Options: a.tryModels(b)},
			web.FieldProps{Name: "against", Label: a.t("rules.against"), Type: "select", Value: rulebook.AsDecided, Options: against})), nil
}

// tryModels are the models that history may be asked with.
func (a *ask) tryModels(b book) []web.Option {
	out := []web.Option{{Value: "champion", Label: a.t("rules.model_now", a.modelText(b, b.Champion))}}
	if b.Champion != "" {
		out = append(out, web.Option{Value: rulebook.NoModel, Label: a.t("rules.no_model")})
	}
	for _, m := range sortedModels(b) {
		if m.SHA256 != b.Champion && m.Status != rulebook.Retired {
			out = append(out, web.Option{Value: m.SHA256, Label: a.modelText(b, m.SHA256)})
		}
	}
	return out
}

// sortedModels are all models, newest first.
func sortedModels(b book) (out []rulebook.Model) {
	for _, m := range b.models {
		out = append(out, m)
	}
	slices.SortFunc(out, func(x, y rulebook.Model) int {
		return cmp.Or(y.Created.Compare(x.Created), strings.Compare(x.SHA256, y.SHA256))
	})
	return out
}

// postedDay is a day of the form, its beginning in the house's zone.
func (a *ask) postedDay(name string) (time.Time, error) {
	t, err := time.ParseInLocation(time.DateOnly, a.posted(name), web.ViewOf(a.ctx).Zone)
	if err != nil {
		return t, ident.Invalid(name, "day_malformed", "write the day like 2026-06-30")
	}
	return t, nil
}

// postedSpan is a span of whole days, the last one included.
func (a *ask) postedSpan() (from, to time.Time, err error) {
	if from, err = a.postedDay("from"); err != nil {
		return from, to, err
	}
	if to, err = a.postedDay("to"); err != nil {
		return from, to, err
	}
	if to.Before(from) {
		return from, to, ident.Invalid("to", "span_reversed", "the last day is before the first")
	}
	return from, to.AddDate(0, 0, 1), nil
}

// draftReplay puts the question.
func (a *ask) draftReplay() error {
	d, err := a.c.cfg.Rulebook.Draft(a.ctx, a.actor, a.path("id"))
	if err != nil {
		return err
	}
	q := rulebook.Question{Text: d.Text, Model: a.posted("model"), Against: a.posted("against")}
	if q.Model == "champion" {
		q.Model = ""
	}
	if q.From, q.To, err = a.postedSpan(); err == nil {
		if version, broken := a.draftVersion(); broken != nil {
			err = broken
		} else if version != d.Version {
			err = ident.E(ident.KindConflict, "draft_moved", "the draft %s was changed by somebody else; look again", d.ID)
		} else if len(rulebook.Check(d.Text)) > 0 {
			err = ident.E(ident.KindState, "draft_mistaken", "the draft has mistakes; mend them first")
		}
	}
	if err == nil {
		_, err = a.c.cfg.Rulebook.AskHistory(a.ctx, a.actor, a.posted("id"), q)
	}
	if err != nil {
		return a.again("replay", err, (*ask).draft)
	}
	return a.done(replayHref(a.posted("id")), "rules.try_asked")
}

// replays are all questions to history.
func (a *ask) replays() error {
	jobs, err := a.c.cfg.Rulebook.Replays(a.ctx, a.actor)
	if err != nil {
		return err
	}
	table, err := a.replayTable(jobs, a.t("rules.replays"), web.EmptyProps{Title: a.t("rules.replays_none"),
		Text:   a.t("rules.replays_none_text"),
		Action: web.Link{Label: a.t("rules.title"), Href: "/rules"}})
	if err != nil {
		return err
	}
	return a.showRules(web.PageProps{Title: a.t("rules.replays"), Lead: a.t("rules.replays_lead"), Crumbs: a.ruleCrumbs()}, table)
}

func (a *ask) replayTable(jobs []rulebook.Job, title string, empty web.EmptyProps) (templ.Component, error) {
	people := make([]ident.ID, len(jobs))
	for i, j := range jobs {
		people[i] = j.Actor
	}
	if err := a.know(people...); err != nil {
		return nil, err
	}
	rows := make([]web.Row, len(jobs))
	for i, j := range jobs {
		rows[i] = web.Row{ID: j.ID, Name: a.spanText(j.Question.From, j.Question.To), Href: replayHref(j.ID), Cells: []templ.Component{
			web.Text(a.spanText(j.Question.From, j.Question.To)), a.replayState(j), web.Text(a.replayTextName(j.Question)),
			web.Text(a.nameOf(j.Actor)), web.Time(j.Created)}}
	}
	return web.Table(web.TableProps{ID: "replays", Title: title, Rows: rows, Count: a.t("rules.replays_count", len(rows)),
		Columns: []web.Column{{Label: a.t("rules.span")}, {Label: a.t("payments.state")}, {Label: a.t("rules.pack"), Wide: true},
			{Label: a.t("rules.who")}, {Label: a.t("when")}}, Empty: empty}), nil
}

// spanText is a span of whole days in words; to is the first moment after it.
func (a *ask) spanText(from, to time.Time) string {
	last := to.Add(-time.Microsecond)
	return a.t("rules.span_text", web.OnDay(a.ctx, from), web.OnDay(a.ctx, last))
}

// replayTextName says which rules a question is about.
func (a *ask) replayTextName(q rulebook.Question) string {
	switch {
	case q.Text != "":
		if at := packNumber.FindStringSubmatch(q.Text); at != nil {
			return a.t("rules.draft_number", at[1])
		}
		return a.t("rules.draft")
	case q.Pack != "":
		return shortSHA(q.Pack)
	}
	return a.t("rules.running_pack")
}

func (a *ask) replayState(j rulebook.Job) templ.Component {
	m := map[rulebook.ReplayState]web.Meaning{rulebook.Waiting: web.Waiting, rulebook.Running: web.Waiting, rulebook.Done: web.Good,
		rulebook.Broken: web.Danger}[j.State]
	return web.Badge(m, a.word("rules.replay_", string(j.State)))
}

// final reports a question of which nothing more is to come.
func final(s rulebook.ReplayState) bool {
	return s == rulebook.Done || s == rulebook.Broken || s == rulebook.Cancelled
}

// replay is one question: how far it is, then the answer.
func (a *ask) replay() error {
	j, report, err := a.c.cfg.Rulebook.ReplayJob(a.ctx, a.actor, a.path("id"))
	if err != nil {
		return err
	}
	if err := a.know(j.Actor); err != nil {
		return err
	}
	part := a.replayPart(j, report)
	if !final(j.State) {
		part = liveRegion(web.LiveProps{URL: replayHref(j.ID) + "/live", ID: "replay-live"}, part)
	}
	against := a.t("rules.against_decided")
	if j.Question.Against != "" && j.Question.Against != rulebook.AsDecided {
		against = a.t("rules.against_pack", shortSHA(j.Question.Against))
	}
	body := []templ.Component{part}
	if !final(j.State) && a.may(access.ActRiskEdit) {
		body = append(body, post(replayHref(j.ID)+"/cancel", web.ButtonProps{Label: a.t("rules.replay_cancel"), Danger: true}))
	}
	return a.showRules(web.PageProps{Title: a.t("rules.replay_title", a.spanText(j.Question.From, j.Question.To)), Mark: a.replayState(j),
		Lead:   a.t("rules.replay_lead", a.replayTextName(j.Question), against, a.nameOf(j.Actor)),
		Crumbs: append(a.ruleCrumbs(), web.Link{Label: a.t("rules.replays"), Href: "/rules/replays"})}, body...)
}

// replayLive keeps the page up to date until the answer is there.
func (a *ask) replayLive() error {
	id := a.path("id")
	if err := a.view(access.ActRiskRead, id, func(*db.Tx) error { return nil }); err != nil {
		return err
	}
	ctx, end := context.WithTimeout(a.ctx, replayLife)
	defer end()
	a.ctx = ctx
	var last templ.Component // of a question that is answered: it stays as it is
	// The browser has gone, or the stream has lived long enough: nobody is left to tell.
	_ = web.StreamEvery(a.w, a.r.WithContext(ctx), replayEvery, func(ctx context.Context) (templ.Component, error) {
		if last != nil {
			return last, nil
		}
		j, report, err := a.c.cfg.Rulebook.ReplayJob(ctx, a.actor, id)
		if err != nil {
			return nil, err
		}
		part := a.replayPart(j, report)
		if final(j.State) {
			last = part
		}
		return part, nil
	})
	return nil
}

func (a *ask) replayCancel() error {
	if _, err := a.c.cfg.Rulebook.CancelReplay(a.ctx, a.actor, a.path("id")); err != nil {
		return a.again("", err, (*ask).replay)
	}
	return a.done(replayHref(a.path("id")), "rules.replay_cancelled_done")
}

// replayPart is how far a question is, or its answer.
func (a *ask) replayPart(j rulebook.Job, r *rulebook.ReplayReport) templ.Component {
	switch {
	case r != nil && j.State == rulebook.Done:
		return a.replayReport(*r)
	case j.State == rulebook.Broken:
		return web.Note(web.Danger, a.t("rules.replay_broken"), j.Error)
	case j.State == rulebook.Cancelled:
		return web.Note(web.Plain, "", a.t("rules.replay_is_cancelled"))
	}
	return a.card("rules.replay_runs", web.Progress(web.ProgressProps{Label: a.t("rules.replay_hours"), Done: int64(j.Done),
		Total: int64(j.Total),
		Text:  a.progressText(j)}), web.Muted(a.t("rules.replay_stay")), plainRefresh())
}

func (a *ask) progressText(j rulebook.Job) string {
	if j.Total == 0 {
		return a.word("rules.replay_", string(j.State))
	}
	return a.t("rules.replay_of", web.Count(j.Done), web.Count(j.Total))
}

// replayReport is history's answer: figures, by rule, by day, and the payments.
func (a *ask) replayReport(r rulebook.ReplayReport) templ.Component {
	cur := money.Currency(r.Currency)
	parts := []templ.Component{a.replaySum(r), a.replayFigures(r, cur)}
	if bars := a.replayRules(r); len(bars.Items) > 0 {
		parts = append(parts, a.card("rules.by_rule", barred(bars)))
	}
	if len(r.Days) > 1 {
		parts = append(parts, a.card("rules.by_day", a.replayDays(r)))
	}
	parts = append(parts, a.replayMoves(r, cur), a.sampleTable("more", r.More, cur), a.sampleTable("less", r.Less, cur), a.replayNotes(r))
	return web.Stack(parts...)
}

// replaySum is the answer in one sentence.
func (a *ask) replaySum(r rulebook.ReplayReport) templ.Component {
	m, title := web.Plain, a.t("rules.sum_same")
	switch {
	case r.Payments == 0:
		return web.Note(web.Waiting, a.t("rules.sum_nothing"), a.t("rules.sum_nothing_text"))
	case r.Same == r.Payments:
		return web.Note(web.Good, title, a.t("rules.sum_same_text", web.Count(r.Payments)))
	case r.Saved > r.LetGo && r.More.Ordinary > r.More.Frauds:
		m, title = web.Waiting, a.t("rules.sum_costs")
	case r.Saved > r.LetGo:
		m, title = web.Good, a.t("rules.sum_saves")
	case r.LetGo > r.Saved:
		m, title = web.Danger, a.t("rules.sum_loses")
	default:
		title = a.t("rules.sum_differs")
	}
	return web.Note(m, title, r.Sum().In(string(a.lang())))
}

func (a *ask) replayFigures(r rulebook.ReplayReport, cur money.Currency) templ.Component {
	of := func(minor int64) money.Amount { return money.Of(minor, cur) }
	saved := web.FigureProps{Label: a.t("rules.saved"), Value: of(r.Saved).Digits(), Unit: r.Currency,
		Note: a.t("rules.thefts_note", web.Count(r.More.Frauds))}
	if r.Saved > 0 {
		saved.Meaning = web.Good
	}
	gone := web.FigureProps{Label: a.t("rules.let_go"), Value: of(r.LetGo).Digits(), Unit: r.Currency,
		Note: a.t("rules.thefts_note", web.Count(r.Less.Frauds))}
	if r.LetGo > 0 {
		gone.Meaning = web.Danger
	}
	return web.Stack(figures(
		web.FigureProps{Label: a.t("rules.more"), Value: web.Count(r.More.Payments), Unit: a.t("rules.unit_payments"),
			Note: of(r.More.Minor).String()},
		web.FigureProps{Label: a.t("rules.less"), Value: web.Count(r.Less.Payments), Unit: a.t("rules.unit_payments"),
			Note: of(r.Less.Minor).String()},
		saved, gone), figures(
		web.FigureProps{Label: a.t("rules.disturbed"), Value: web.Count(r.More.Payers), Unit: a.t("rules.unit_people"),
			Note: a.t("rules.disturbed_note", web.Count(r.More.Ordinary))},
		web.FigureProps{Label: a.t("rules.relieved"), Value: web.Count(r.Less.Payers), Unit: a.t("rules.unit_people"),
			Note: a.t("rules.relieved_note", web.Count(r.Less.Ordinary))}))
}

// replayRules are the rules that would speak otherwise, with what they would add and
// what they would no longer say.
func (a *ask) replayRules(r rulebook.ReplayReport) hbars {
	p := hbars{Name: a.t("rules.by_rule"), Note: a.t("rules.by_rule_note"), Head: []string{a.t("rules.rule"), a.t("rules.head_before"),
		a.t("rules.head_after"), a.t("rules.head_new"), a.t("rules.head_gone"), a.t("rules.head_shadow"), a.t("rules.head_thefts"),
		a.t("rules.head_ordinary"), a.t("rules.head_unknown"), a.t("rules.precision")}}
	top := int64(1)
	list := slices.Clone(r.Rules)
	for _, c := range list {
		top = max(top, c.New, c.Gone)
	}
	slices.SortStableFunc(list, func(x, y rulebook.RuleCount) int { return cmp.Compare(y.New+y.Gone, x.New+x.Gone) })
	for _, c := range list {
		precision := "—"
		if share, ok := c.Precision(); ok {
			precision = shareText(share)
		}
		if c.Before+c.After+c.Shadow > 0 {
			p.Rows = append(p.Rows, []string{c.ID, web.Count(c.Before), web.Count(c.After), web.Count(c.New), web.Count(c.Gone), web.Count(c.Shadow),
				web.Count(c.Frauds), web.Count(c.Ordinary), web.Count(c.Unknown), precision})
		}
		if c.New+c.Gone == 0 {
			continue
		}
		item := hbarItem{Label: orDash(a.either(c.ZH, c.EN)), Note: c.ID}
		if c.New > 0 {
			item.Bars = append(item.Bars, hbarOne{partOf(c.New, top), a.t("rules.bar_new", web.Count(c.New)), web.Held})
		}
		if c.Gone > 0 {
			item.Bars = append(item.Bars, hbarOne{partOf(c.Gone, top), a.t("rules.bar_gone", web.Count(c.Gone)), web.Plain})
		}
		p.Items = append(p.Items, item)
	}
	return p
}

// replayDays is what was stopped each day, and what would have been.
func (a *ask) replayDays(r rulebook.ReplayReport) templ.Component {
	top := int64(1)
	for _, d := range r.Days {
		top = max(top, d.StoppedBefore, d.StoppedAfter)
	}
	p := plot{Title: a.t("rules.days_title"), BarsAre: a.t("rules.days_after"), StepsAre: a.t("rules.days_before"),
		XTicks: []string{r.Days[0].Day, r.Days[len(r.Days)-1].Day}, YTicks: []string{"0", web.Count(top)},
		Head: []string{a.t("rules.day"), a.t("rules.unit_payments"), a.t("rules.days_before"), a.t("rules.days_after"),
			a.t("rules.challenged_before"), a.t("rules.challenged_after")}}
	for _, d := range r.Days {
		p.Bars = append(p.Bars, plotBar{Of: partOf(d.StoppedAfter, top)})
		p.Steps = append(p.Steps, partOf(d.StoppedBefore, top))
		p.Rows = append(p.Rows, []string{d.Day, web.Count(d.Payments), web.Count(d.StoppedBefore), web.Count(d.StoppedAfter),
			web.Count(d.ChallengedBefore), web.Count(d.ChallengedAfter)})
	}
	return plotted(p)
}

// replayMoves is every change of outcome.
func (a *ask) replayMoves(r rulebook.ReplayReport, cur money.Currency) templ.Component {
	rows := make([]web.Row, len(r.Moves))
	for i, m := range r.Moves {
		rows[i] = web.Row{ID: "move-" + itoa(i), Cells: []templ.Component{
			web.Group(a.decided(m.Before), web.Text("→"), a.decided(m.After)), web.Text(web.Count(m.Payments)), web.Money(money.Of(m.Minor, cur)),
			web.Text(web.Count(m.Frauds)), web.Money(money.Of(m.FraudMinor, cur)), web.Text(web.Count(m.Ordinary)), web.Text(web.Count(m.Payers))}}
	}
	return web.Table(web.TableProps{ID: "moves", Title: a.t("rules.moves"), Rows: rows, Count: a.t("rules.moves_count", len(rows)),
		Columns: []web.Column{{Label: a.t("rules.move")}, {Label: a.t("rules.unit_payments"), Num: true}, {Label: a.t("amount"), Num: true},
			{Label: a.t("rules.head_thefts"), Num: true}, {Label: a.t("rules.stolen"), Num: true}, {Label: a.t("rules.head_ordinary"), Num: true},
			{Label: a.t("rules.unit_people"), Num: true}},
		Empty: web.EmptyProps{Title: a.t("rules.moves_none"), Text: a.t("rules.moves_none_text")}})
}

// sampleTable are the largest payments that would go another way.
func (a *ask) sampleTable(which string, c rulebook.Cell, cur money.Currency) templ.Component {
	if len(c.Samples) == 0 {
		return nil
	}
	rows := make([]web.Row, len(c.Samples))
	for i, s := range c.Samples {
		truth := templ.Component(web.Muted(a.t("rules.not_known_theft")))
		if s.Fraud {
			truth = web.Badge(web.Danger, a.t("rules.theft"))
		}
		rows[i] = web.Row{ID: which + "-" + s.Payment, Name: s.Payment, Cells: []templ.Component{web.Text(shortText(s.Payment)),
			web.TimeShort(s.At),
			web.Money(money.Of(s.Minor, cur)), web.Group(a.decided(s.Before), web.Text("→"), a.decided(s.After)), truth,
			web.Text(orDash(strings.Join(s.Rules, a.t("list.comma"))))}}
		if a.may(access.ActPaymentRead) {
			rows[i].Href = decisionHref(s.Payment)
		}
		if s.Fraud {
			rows[i].Meaning = web.Danger
		}
	}
	return web.Table(web.TableProps{ID: "sample-" + which, Title: a.t("rules.sample_" + which), Rows: rows,
		Count: a.t("rules.sample_count", len(rows), web.Count(c.Payments)),
		Columns: []web.Column{{Label: a.t("payments.id")}, {Label: a.t("when")}, {Label: a.t("amount"), Num: true}, {Label: a.t("rules.move")},
			{Label: a.t("rules.truth")}, {Label: a.t("rules.rules"), Wide: true}}})
}

// replayNotes say what was counted and what is taken for granted.
func (a *ask) replayNotes(r rulebook.ReplayReport) templ.Component {
	model := a.t("rules.no_model")
	if r.Model != "" {
		model = shortSHA(r.Model)
	}
	return details(a.t("rules.counted"), web.DefList(
		web.Term{Label: a.t("rules.pack"), Value: web.Text(r.Pack.String())},
		web.Term{Label: a.t("rules.champion"), Value: web.Code(model)},
		web.Term{Label: a.t("rules.counted_judged"), Value: web.Text(web.Count(r.Payments))},
		web.Term{Label: a.t("rules.counted_same"), Value: web.Text(web.Count(r.Same))},
		web.Term{Label: a.t("rules.counted_warmed"), Value: web.Text(web.Count(r.Warmed))},
		web.Term{Label: a.t("rules.counted_aside"), Value: web.Text(web.Count(r.SetAside))},
		web.Term{Label: a.t("rules.counted_failed"), Value: web.Text(web.Count(r.Failed))},
		web.Term{Label: a.t("rules.counted_thefts"), Value: web.Text(web.Count(r.Thefts.Frauds))}), prose(a.t("rules.granted")))
}
