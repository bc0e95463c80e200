package console

import (
	"slices"

	"github.com/a-h/templ"

	"surety/domain/risk"
	"surety/domain/rulebook"
	"surety/edge/web"
	"surety/kernel/ident"
	"surety/platform/access"
	"surety/platform/db"
)

// nothing is the body of a look that is only checked and logged.
func nothing(*db.Tx) error { return nil }

// draftToPublish is the first of two signatures: what will be in force, and what the
// second person will read.
func (a *ask) draftToPublish(d rulebook.Draft, problems []rulebook.Problem) ([]templ.Component, error) {
	if len(problems) > 0 {
		return a.mendFirst(d, problems), nil
	}
	if !a.may(access.ActRiskEdit) || !a.may(access.ActRiskPublish) {
		return []templ.Component{web.Note(web.Plain, "", a.t("rules.publish_not_you"))}, nil
	}
	b, err := a.loadBook()
	if err != nil {
		return nil, err
	}
	jobs, err := a.doneReplays(func(q rulebook.Question) bool { return q.Text == d.Text })
	if err != nil {
		return nil, err
	}
	changes, err := rulebook.Compare(a.c.cfg.Engine.Running().Text(), d.Text)
	if err != nil {
		return nil, err
	}
	tried := []web.Option{}
	for _, j := range jobs {
		tried = append(tried, web.Option{Value: j.job.ID, Label: a.t("rules.figures_with", a.spanText(j.job.Question.From, j.job.Question.To),
			a.modelText(b, j.report.Model))})
	}
	tried = append(tried, web.Option{Value: "none", Label: a.t("rules.figures_none")})
	var warn templ.Component
	if len(jobs) == 0 {
		warn = noteWith(web.Waiting, a.t("rules.untried"), a.t("rules.untried_text"), anchor(draftHref(d.ID)+"?tab=whatif",
			a.t("rules.tab_whatif")))
	}
	champions := []web.Option{{Value: "none", Label: a.t("rules.no_model")}}
	for _, m := range sortedModels(b) {
		if m.Status != rulebook.Retired {
			champions = append(champions, web.Option{Value: m.SHA256, Label: a.modelText(b, m.SHA256)})
		}
	}
	champion := "none"
	if b.Champion != "" {
		champion = b.Champion
	}
	fields := []web.FieldProps{{Name: "note", Label: a.t("rules.publish_note"), Type: "textarea",
		Hint: a.t("rules.publish_note_hint"), Max: 300},
		{Name: "figures", Label: a.t("rules.figures"), Type: "select", Value: tried[0].Value, Options: tried, Hint: a.t("rules.figures_hint")},
		{Name: "champion", Label: a.t("rules.champion"), Type: "select", Value: champion, Options: champions}}
	return []templ.Component{warn, a.card("rules.publish", prose(a.t("rules.publish_text", b.Running.Version.String(), len(changes))),
		a.publishForm(d, b, fields)), a.differenceCard(a.t("rules.difference_running"), changes)}, nil
}

// publishForm asks; the challengers of today stay unless they are taken off.
func (a *ask) publishForm(d rulebook.Draft, b book, fields []web.FieldProps) templ.Component {
	var parts []templ.Component
	for _, f := range fields {
		parts = append(parts, web.Field(a.field("publish", f)))
	}
	var others []tick
	chosen := b.Challengers
	if a.bad == "publish" {
		chosen = a.r.PostForm["challengers"]
	}
	for _, m := range sortedModels(b) {
		if m.Status != rulebook.Retired {
			others = append(others, tick{m.SHA256, a.modelText(b, m.SHA256), slices.Contains(chosen, m.SHA256)})
		}
	}
	if len(others) > 0 {
		parts = append(parts, ticks(a.t("rules.challengers"), a.t("rules.challengers_hint"), "challengers", others))
	}
	p := web.FormProps{Action: draftHref(d.ID) + "/publish", Submit: a.t("rules.publish_submit"), ID: "form-publish",
		Hidden: []web.Hidden{{Name: "id", Value: a.c.cfg.IDs.New("pub")}, {Name: "version", Value: itoa(d.Version)}}}
	if a.bad == "publish" {
		p.Errors = a.linked("publish", fields)
	}
	return formWith(p, parts...)
}

// tried is a question that history has answered.
type tried struct {
	job    rulebook.Job
	report rulebook.ReplayReport
}

// doneReplays are the newest answered questions of a kind.
func (a *ask) doneReplays(about func(rulebook.Question) bool) (out []tried, err error) {
	jobs, err := a.c.cfg.Rulebook.Replays(a.ctx, a.actor)
	if err != nil {
		return nil, err
	}
	for _, j := range jobs {
		if j.State != rulebook.Done || !about(j.Question) || len(out) == 5 {
			continue
		}
		_, report, err := a.c.cfg.Rulebook.ReplayJob(a.ctx, a.actor, j.ID)
		if err != nil {
			return nil, err
		}
		if report != nil {
			out = append(out, tried{j, *report})
		}
	}
	return out, nil
}

// draftPublish keeps the draft as a version and asks for the second signature.
func (a *ask) draftPublish() error {
	p, err := a.askToPublish()
	if err != nil {
		return a.again("publish", err, (*ask).draft)
	}
	return a.done(publicationHref(p.ID), "rules.publish_asked")
}

func (a *ask) askToPublish() (p rulebook.Proposal, err error) {
	d, err := a.c.cfg.Rulebook.Draft(a.ctx, a.actor, a.path("id"))
	if err != nil {
		return p, err
	}
	version, err := a.draftVersion()
	if err != nil {
		return p, err
	}
	if version != d.Version {
		return p, ident.E(ident.KindConflict, "draft_moved", "the draft %s was changed by somebody else; look again", d.ID)
	}
	if a.posted("note") == "" {
		return p, ident.Invalid("note", "required", "say what the change is for")
	}
	in := rulebook.PublishIn{ID: a.posted("id"), Champion: a.posted("champion"), Challengers: a.r.PostForm["challengers"],
		Note: a.posted("note")}
	if in.Champion == "none" {
		in.Champion = ""
	}
	in.Challengers = slices.DeleteFunc(slices.Clone(in.Challengers), func(sha string) bool { return sha == in.Champion })
	if in.Figures, err = a.historySaid(a.posted("figures"), d.Text, in.Champion); err != nil {
		return p, err
	}
	kept, err := a.c.cfg.Rulebook.SavePack(a.ctx, a.actor, d.Text, in.Note)
	if err != nil {
		return p, err
	}
	in.Pack = kept.Version.SHA256
	return a.c.cfg.Rulebook.Ask(a.ctx, a.actor, in)
}

// historySaid is what history said, for the second person; only of this very text
// with this very model.
func (a *ask) historySaid(id, text, champion string) (string, error) {
	if id == "" || id == "none" {
		return "", nil
	}
	j, r, err := a.c.cfg.Rulebook.ReplayJob(a.ctx, a.actor, id)
	if err != nil {
		return "", err
	}
	if r == nil || j.Question.Text != text {
		return "", ident.Invalid("figures", "figures_other", "these figures are of another text; ask history again")
	}
	if r.Model != champion {
		return "", ident.Invalid("figures", "figures_other_model", "these figures were made with another model than the one to be published")
	}
	sum := r.Sum()
	return sum.ZH + " / " + sum.EN, nil
}

// publicationView is a publication with all that the second person should see.
type publicationView struct {
	rulebook.Proposal
	book
	text    string // of its pack
	before  string // text of what it replaces
	changes []rulebook.Difference
	tried   []tried
	history templ.Component
}

func (a *ask) loadPublication(id ident.ID) (v publicationView, err error) {
	rb := a.c.cfg.Rulebook
	if v.Proposal, err = rb.Publication(a.ctx, a.actor, id); err != nil {
		return v, err
	}
	if v.book, err = a.loadBook(); err != nil {
		return v, err
	}
	next, err := a.keptPack(v.Pack)
	if err != nil {
		return v, err
	}
	v.text = next.Text
	if v.before, err = a.textBefore(v); err != nil {
		return v, err
	}
	if v.changes, err = rulebook.Compare(v.before, v.text); err != nil {
		return v, err
	}
	if v.tried, err = a.doneReplays(func(q rulebook.Question) bool { return q.Pack == v.Pack || q.Text == v.text }); err != nil {
		return v, err
	}
	err = a.view(access.ActRiskRead, id, func(tx *db.Tx) (err error) {
		v.history, err = a.history(tx, id)
		return err
	})
	return v, err
}

// textBefore is the text that the publication replaces.
func (a *ask) textBefore(v publicationView) (string, error) {
	before, found := v.pub(v.Replaces)
	switch {
	case v.State == rulebook.Asked:
		return a.c.cfg.Engine.Running().Text(), nil
	case !found:
		return risk.DefaultPack()
	}
	p, err := a.keptPack(before.Pack)
	return p.Text, err
}

// publication is what was asked for, what would be different, and what can be done.
func (a *ask) publication() error {
	v, err := a.loadPublication(a.path("id"))
	if err != nil {
		return err
	}
	terms := []web.Term{
		{Label: a.t("rules.pack"), Value: anchor(packHref(v.Pack), a.packText(v.book, v.Pack))},
		{Label: a.t("rules.champion"), Value: a.modelLink(v.book, v.Proposal.Champion)},
	}
	var others []templ.Component
	for _, sha := range v.Proposal.Challengers {
		others = append(others, a.modelLink(v.book, sha))
	}
	if len(others) > 0 {
		terms = append(terms, web.Term{Label: a.t("rules.challengers"), Value: lines(others...)})
	}
	terms = append(terms,
		web.Term{Label: a.t("rules.note"), Value: preWrapped(orDash(v.Note))},
		web.Term{Label: a.t("rules.first"), Value: lines(web.Text(a.nameOf(v.AskedBy)), web.Time(v.Asked))},
		web.Term{Label: a.t("rules.second"), Value: a.secondCell(v)},
		web.Term{Label: a.t("rules.check_words"), Value: web.Code(shortHash(v.Hash))})
	if v.Error != "" {
		terms = append(terms, web.Term{Label: a.t("rules.engine_said"), Value: preWrapped(v.Error)})
	}
	var body []templ.Component
	if a.bad == "takeback" {
		body = append(body, web.ErrorSummary(a.linked("takeback", []web.FieldProps{{Name: "why"}})))
	}
	body = append(body, a.card("rules.what", web.DefList(terms...)))
	body = append(body, a.triedCards(v)...)
	body = append(body, a.differenceCard(a.t("rules.difference_before"), v.changes),
		details(a.t("rules.recorded"), preWrapped(v.Summary)), v.history)
	return a.showRules(web.PageProps{Title: a.t("rules.publication", a.packText(v.book, v.Pack)), Mark: a.publicationState(v.State),
		Lead: a.t("rules.publication_lead_" + string(v.State)), Crumbs: a.ruleCrumbs(), Side: a.publicationSide(v)}, body...)
}

func (a *ask) secondCell(v publicationView) templ.Component {
	if v.SignedBy == "" {
		return web.Muted(a.t("rules.second_open"))
	}
	return lines(web.Text(a.nameOf(v.SignedBy)), web.Time(v.Signed))
}

// triedCards are the figures that history gave for the same text.
func (a *ask) triedCards(v publicationView) (out []templ.Component) {
	if len(v.tried) == 0 {
		if v.State == rulebook.Asked {
			out = append(out, web.Note(web.Waiting, a.t("rules.untried"), a.t("rules.untried_sign")))
		}
		return out
	}
	for _, t := range v.tried[:min(len(v.tried), 2)] {
		parts := []templ.Component{preWrapped(t.report.Sum().In(string(a.lang()))), anchor(replayHref(t.job.ID), a.t("rules.figures_open"))}
		if t.report.Model != v.Proposal.Champion {
			parts = append(parts, web.Note(web.Waiting, "", a.t("rules.figures_another", a.modelText(v.book, t.report.Model),
				a.modelText(v.book, v.Proposal.Champion))))
		}
		out = append(out, cardOf(a.t("rules.figures_of", a.spanText(t.job.Question.From, t.job.Question.To)), parts))
	}
	return out
}

// publicationSide is what can be done, and by whom.
func (a *ask) publicationSide(v publicationView) templ.Component {
	var parts []templ.Component
	here := publicationHref(v.ID)
	setup := a.setupText(v.book, v.Publication)
	switch {
	case v.State == rulebook.Asked:
		parts = append(parts, a.signPart(v, here, setup))
		if a.may(access.ActRiskPublish) {
			parts = append(parts, web.Confirm(web.ConfirmProps{Button: a.t("rules.withdraw"), Danger: true, Action: here + "/withdraw",
				Says: a.t("rules.withdraw_says", setup), Yes: a.t("rules.withdraw_yes")}))
		}
	case v.State == rulebook.InForce && v.InForce.ID == v.ID:
		parts = append(parts, web.Note(web.Good, a.t("rules.in_force_now"), a.t("rules.in_force_text", web.When(a.ctx, v.since()))))
		if c := a.takeBack(v.book); c != nil {
			parts = append(parts, c)
		}
	default:
		parts = append(parts, web.Note(web.Plain, "", a.t("rules.publication_over")))
	}
	return web.Stack(parts...)
}

// signPart is the second signature, or who is waited for.
func (a *ask) signPart(v publicationView, here, setup string) templ.Component {
	now := a.t("rules.setup", v.Running.Version.String(), a.modelText(v.book, v.book.Champion))
	switch {
	case v.Replaces != v.InForce.ID:
		return web.Note(web.Danger, a.t("rules.outdated"), a.t("rules.outdated_text"))
	case v.AskedBy == a.actor.ID:
		return web.Note(web.Waiting, a.t("rules.second_open"), a.t("rules.second_other", shortHash(v.Hash)))
	case !a.may(access.ActRiskPublish):
		return web.Note(web.Waiting, a.t("rules.second_open"), a.t("rules.second_not_you"))
	}
	return web.Confirm(web.ConfirmProps{Button: a.t("rules.sign"), Primary: true, Action: here + "/sign",
		Says: a.t("rules.sign_says", setup, now, a.nameOf(v.AskedBy), shortHash(v.Hash)), Yes: a.t("rules.sign_yes"),
		Hidden: []web.Hidden{{Name: "hash", Value: hexHash(v.Hash)}}})
}

func (a *ask) publicationSign() error {
	hash, err := readHash(a.posted("hash"))
	if err != nil {
		return a.again("", err, (*ask).publication)
	}
	p, err := a.c.cfg.Rulebook.Sign(a.calm(), a.actor, a.path("id"), hash)
	if err != nil {
		return a.again("", err, (*ask).publication)
	}
	return a.done(publicationHref(p.ID), "rules.signed_done")
}

func (a *ask) publicationWithdraw() error {
	if _, err := a.c.cfg.Rulebook.WithdrawPublication(a.ctx, a.actor, a.path("id")); err != nil {
		return a.again("", err, (*ask).publication)
	}
	return a.done(publicationHref(a.path("id")), "rules.withdrawn_done")
}

// publicationTakeBack brings back what ran before.
func (a *ask) publicationTakeBack() error {
	if _, err := a.c.cfg.Rulebook.TakeBack(a.calm(), a.actor, a.path("id"), a.posted("why")); err != nil {
		return a.again("takeback", err, (*ask).publication)
	}
	return a.done("/rules", "rules.takeback_done")
}
