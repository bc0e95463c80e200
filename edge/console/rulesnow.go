package console

import (
	"net/url"
	"time"

	"github.com/a-h/templ"

	"surety/domain/payment"
	"surety/domain/risk"
	"surety/domain/rulebook"
	"surety/edge/web"
	"surety/kernel/ident"
	"surety/platform/access"
	"surety/platform/db"
)

// book is what the pages of rules and models know together.
type book struct {
	rulebook.Status
	packs  map[string]rulebook.Pack // by sha256, without texts
	models map[string]rulebook.Model
	pubs   []rulebook.Publication // newest first
}

// loadBook reads it for whoever may read rules.
func (a *ask) loadBook() (b book, err error) {
	rb := a.c.cfg.Rulebook
	if b.Status, err = rb.Status(a.ctx, a.actor); err != nil {
		return b, err
	}
	packs, err := rb.Packs(a.ctx, a.actor)
	if err != nil {
		return b, err
	}
	models, err := rb.Models(a.ctx, a.actor)
	if err != nil {
		return b, err
	}
	if b.pubs, err = rb.Publications(a.ctx, a.actor); err != nil {
		return b, err
	}
	b.packs, b.models = map[string]rulebook.Pack{}, map[string]rulebook.Model{}
	var people []ident.ID
	for _, p := range packs {
		b.packs[p.Version.SHA256] = p
		people = append(people, p.Author)
	}
	for _, m := range models {
		b.models[m.SHA256] = m
		people = append(people, m.Author)
	}
	for _, p := range b.pubs {
		people = append(people, p.AskedBy, p.SignedBy)
	}
	for _, f := range b.History {
		people = append(people, f.Actor)
	}
	return b, a.know(people...)
}

// know looks up names of people, so that nameOf has them.
func (a *ask) know(ids ...ident.ID) error {
	return a.c.cfg.DB.View(a.ctx, func(tx *db.Tx) error {
		for _, id := range ids {
			a.staffName(tx, id)
		}
		return nil
	})
}

// nameOf is a name that was looked up; what is no person has a word.
func (a *ask) nameOf(id ident.ID) string {
	if n := a.names[id]; n != "" && n != id {
		return n
	}
	return a.word("rules.actor_", id)
}

// pub is a publication by its id; found is false for the pack of the program.
func (b book) pub(id ident.ID) (rulebook.Publication, bool) {
	for _, p := range b.pubs {
		if p.ID == id {
			return p, true
		}
	}
	return rulebook.Publication{}, false
}

// packText names a pack: "risk 3 (9f86d081)".
func (a *ask) packText(b book, sha string) string {
	if sha == "" {
		return a.t("rules.house_pack")
	}
	if p, ok := b.packs[sha]; ok {
		return p.Version.String()
	}
	if v := b.Running.Version; v.SHA256 == sha {
		return v.String()
	}
	return shortSHA(sha)
}

// modelText names a model, or says that rules decide alone.
func (a *ask) modelText(b book, sha string) string {
	if sha == "" {
		return a.t("rules.no_model")
	}
	if m, ok := b.models[sha]; ok {
		return m.Name + " (" + shortSHA(sha) + ")"
	}
	return shortSHA(sha)
}

// setupText is what a publication brings, in a few words.
func (a *ask) setupText(b book, p rulebook.Publication) string {
	return a.t("rules.setup", a.packText(b, p.Pack), a.modelText(b, p.Champion))
}

func shortSHA(sha string) string { return sha[:min(8, len(sha))] }

func packHref(sha string) string { return "/rules/pack?sha=" + url.QueryEscape(sha) }

func publicationHref(id ident.ID) string { return "/rules/publications/" + url.PathEscape(id) }

// showRules is a page of the rules or the models.
func (a *ask) showRules(p web.PageProps, body ...templ.Component) error {
	return a.show(p, append([]templ.Component{ruleAssets()}, body...)...)
}

// rules is what runs now, and how it came to run.
func (a *ask) rules() error {
	b, err := a.loadBook()
	if err != nil {
		return err
	}
	drafts, err := a.c.cfg.Rulebook.Drafts(a.ctx, a.actor)
	if err != nil {
		return err
	}
	var worth map[string]ruleWorth
	err = a.view(access.ActRiskRead, "", func(tx *db.Tx) (err error) {
		for _, d := range drafts {
			a.staffName(tx, d.Author)
		}
		worth, err = a.rulesWorth(tx)
		return err
	})
	if err != nil {
		return err
	}
	body := append(a.bookNotes(b), columns(a.runningCard(b), a.draftsCard(b, drafts)))
	body = append(body, a.rulesTable(b, worth), a.forceTable(b), a.publicationsTable(b))
	return a.showRules(web.PageProps{Title: a.t("rules.title"), Lead: a.t("rules.lead"), Actions: web.Group(
		web.Button(web.ButtonProps{Label: a.t("rules.replays"), Href: "/rules/replays", Icon: "report", Key: "w"}),
		web.Button(web.ButtonProps{Label: a.t("rules.versions"), Href: "/rules/packs", Icon: "file", Key: "v"}))}, body...)
}

// bookNotes are what is wrong, and what waits for a second person.
func (a *ask) bookNotes(b book) (out []templ.Component) {
	for _, t := range b.Troubles {
		out = append(out, noteWith(web.Danger, a.t("rules.trouble"), t.Text.In(string(a.lang())), web.Muted(web.When(a.ctx, t.At))))
	}
	if b.InForce.Pack != "" && b.InForce.Pack != b.Running.Version.SHA256 {
		out = append(out, web.Note(web.Danger, a.t("rules.other_runs"),
			a.t("rules.other_runs_text", a.packText(b, b.InForce.Pack), b.Running.Version.String())))
	}
	for _, p := range b.pubs {
		if p.State == rulebook.Asked {
			out = append(out, noteWith(web.Waiting, a.t("rules.waits"), a.t("rules.waits_text", a.setupText(b, p), a.nameOf(p.AskedBy),
				web.When(a.ctx, p.Asked)), anchor(publicationHref(p.ID), a.t("rules.waits_open"))))
		}
	}
	return out
}

// since is when what is in force came into force; zero if it came with the program.
func (b book) since() time.Time {
	if len(b.History) == 0 {
		return time.Time{}
	}
	return b.History[0].At
}

// runningCard is what decides now, since when, and who put it there.
func (a *ask) runningCard(b book) templ.Component {
	p := b.InForce
	people, since := templ.Component(web.Text(a.t("rules.by_program"))), templ.Component(web.Text(a.t("rules.since_start")))
	if p.ID != "" {
		people = web.Two(a.t("rules.asked_by", a.nameOf(p.AskedBy)), a.t("rules.signed_by", a.nameOf(p.SignedBy)))
	}
	if !b.since().IsZero() {
		since = web.Time(b.since())
	}
	terms := []web.Term{
		{Label: a.t("rules.pack"), Value: lines(anchor("/rules/pack", b.Running.Version.String()),
			web.Muted(a.t("rules.pack_size", len(b.Running.Rules), len(b.Running.Features))))},
		{Label: a.t("rules.since"), Value: since},
		{Label: a.t("rules.by"), Value: people},
		{Label: a.t("rules.champion"), Value: a.modelLink(b, b.Champion)},
	}
	if len(b.Challengers) > 0 {
		var parts []templ.Component
		for _, sha := range b.Challengers {
			parts = append(parts, a.modelLink(b, sha))
		}
		terms = append(terms, web.Term{Label: a.t("rules.challengers"), Value: lines(parts...)})
	}
	if p.Note != "" {
		terms = append(terms, web.Term{Label: a.t("rules.note"), Value: preWrapped(p.Note)})
	}
	return a.card("rules.running", web.DefList(terms...), a.takeBack(b))
}

func (a *ask) modelLink(b book, sha string) templ.Component {
	if sha == "" {
		return web.Text(a.modelText(b, sha))
	}
	return anchor(modelHref(sha), a.modelText(b, sha))
}

// takeBack brings back what ran before, in one act of one person.
func (a *ask) takeBack(b book) templ.Component {
	p := b.InForce
	if p.ID == "" || !a.may(access.ActRiskPublish) {
		return nil
	}
	then := a.t("rules.setup", a.t("rules.house_pack"), a.modelText(b, ""))
	if before, ok := b.pub(p.Replaces); ok {
		then = a.setupText(b, before)
	}
	return web.Confirm(web.ConfirmProps{Button: a.t("rules.takeback"), Danger: true, Action: publicationHref(p.ID) + "/takeback",
		Says: a.t("rules.takeback_says", a.setupText(b, p), then), Yes: a.t("rules.takeback_yes"),
		Body: fieldsOf([]web.FieldProps{a.field("takeback", web.FieldProps{Name: "why", Label: a.t("why"), Max: 300,
			Hint: a.t("rules.takeback_hint")})})})
}

// ruleWorth is what is known of the payments that a rule spoke against.
type ruleWorth struct{ known, thefts int64 }

// worthLooked is how many stopped payments are looked at for the worth of rules, and
// how far back.
const (
	worthLooked = 500
	worthSpan   = 90 * 24 * time.Hour
)

// rulesWorth counts, rule by rule, what became of the newest stopped payments that
// somebody has labelled. Silence says nothing of a payment that did not go.
func (a *ask) rulesWorth(tx *db.Tx) (map[string]ruleWorth, error) {
	out := map[string]ruleWorth{}
	every := func(payment.Payment) bool { return true }
	list, _, err := newest(tx, a.c.cfg.Payment, payment.Filter{Outcome: "stopped", From: a.c.cfg.Clock.Now().Add(-worthSpan)},
		worthLooked, every)
	if err != nil {
		return nil, err
	}
	for _, p := range list {
		l, found, err := a.c.cfg.Rulebook.LabelOf(tx, p.ID)
		if err != nil {
			return nil, err
		}
		if !found {
			continue
		}
		for _, rs := range [][]risk.Reason{p.Decision.Reasons, p.Decision.Shadow} {
			for _, r := range rs {
				w := out[r.Code]
				w.known++
				if l.Fraud {
					w.thefts++
				}
				out[r.Code] = w
			}
		}
	}
	return out, nil
}

// rulesTable is every rule of the running pack with what it did today.
func (a *ask) rulesTable(b book, worth map[string]ruleWorth) templ.Component {
	uses := map[string]risk.RuleUse{}
	for _, u := range a.c.cfg.Engine.RuleUses() {
		uses[u.ID] = u
	}
	rows := make([]web.Row, len(b.Running.Rules))
	for i, r := range b.Running.Rules {
		u, asked := uses[r.ID]
		rows[i] = web.Row{ID: r.ID, Name: r.ID, Cells: []templ.Component{web.Two(a.either(r.ZH, r.EN), r.ID), a.ruleMode(r.Mode),
			a.decided(r.Outcome), web.Two(r.Owner, a.t("rules.priority", r.Priority)), a.ruleToday(r, u, asked), a.ruleWorthCell(worth[r.ID])}}
		if a.may(access.ActPaymentList) {
			rows[i].Href = "/decisions?rule=" + url.QueryEscape(r.ID)
		}
		if u.Over {
			rows[i].Meaning = web.Danger
		}
	}
	return web.Table(web.TableProps{ID: "rules", Title: a.t("rules.rules"), Rows: rows, Count: a.t("rules.rules_count", len(rows)),
		Columns: []web.Column{{Label: a.t("rules.rule"), Wide: true}, {Label: a.t("rules.mode")}, {Label: a.t("rules.outcome")},
			{Label: a.t("rules.owner")}, {Label: a.t("rules.today")}, {Label: a.t("rules.precision")}},
		Empty: web.EmptyProps{Title: a.t("rules.rules_none"), Text: a.t("rules.rules_none_text")}})
}

func (a *ask) ruleMode(m risk.Mode) templ.Component {
	meaning := web.Plain
	if m == risk.Live {
		meaning = web.Good
	}
	return web.Badge(meaning, a.word("rules.mode_", string(m)))
}

// ruleToday is what a rule has done since midnight, and its limit.
func (a *ask) ruleToday(r risk.RuleInfo, u risk.RuleUse, asked bool) templ.Component {
	if !asked {
		return web.Muted("—")
	}
	did := a.t("rules.stopped_today", web.Count(u.Stopped))
	if r.Mode == risk.Shadow {
		did = a.t("rules.fired_today", web.Count(u.Fired))
	}
	limit := a.t("rules.limitless")
	if u.Limit > 0 {
		limit = a.t("rules.limit", web.Count(u.Limit))
	}
	parts := []templ.Component{web.Two(did, limit)}
	if u.Over {
		parts = append(parts, web.Badge(web.Danger, a.t("rules.over")))
	}
	return lines(parts...)
}

func (a *ask) ruleWorthCell(w ruleWorth) templ.Component {
	if w.known == 0 {
		return web.Muted(a.t("rules.precision_none"))
	}
	return web.Two(shareText(float64(w.thefts)/float64(w.known)), a.t("rules.precision_of", web.Count(w.thefts), web.Count(w.known)))
}

// draftsCard is what people are writing, and the ways to begin.
func (a *ask) draftsCard(b book, drafts []rulebook.Draft) templ.Component {
	var parts []templ.Component
	if len(drafts) == 0 {
		parts = append(parts, web.Muted(a.t("rules.drafts_none")))
	}
	var terms []web.Term
	for _, d := range drafts {
		terms = append(terms, web.Term{Label: web.When(a.ctx, d.Updated), Value: lines(anchor(draftHref(d.ID), d.Title),
			web.Muted(a.nameOf(d.Author)))})
	}
	if len(terms) > 0 {
		parts = append(parts, web.DefList(terms...))
	}
	if a.may(access.ActRiskEdit) {
		parts = append(parts, post("/rules/drafts", web.ButtonProps{Label: a.t("rules.draft_new"), Primary: true, Key: "n"},
			web.Hidden{Name: "id", Value: a.c.cfg.IDs.New("drf")}, web.Hidden{Name: "from", Value: b.Running.Version.SHA256}),
			a.folded("import", a.t("rules.draft_import"), a.form("import", web.FormProps{Action: "/rules/drafts", Upload: true,
				Submit: a.t("rules.draft_import_submit"), Hidden: []web.Hidden{{Name: "id", Value: a.c.cfg.IDs.New("drf")}, {Name: "from",
					Value: "file"}}},
				web.FieldProps{Name: "file", Label: a.t("upload.file"), Type: "file", Accept: ".yaml,.yml,text/yaml,text/plain",
					Hint: a.t("rules.draft_import_hint")})))
	}
	return a.card("rules.drafts", parts...)
}

// forceTable is the history of what was in force.
func (a *ask) forceTable(b book) templ.Component {
	rows := make([]web.Row, len(b.History))
	for i, f := range b.History {
		what, href := a.t("rules.setup", a.t("rules.house_pack"), a.modelText(b, "")), ""
		if p, ok := b.pub(f.Publication); ok {
			what, href = a.setupText(b, p), publicationHref(p.ID)
		}
		meaning := map[rulebook.Act]web.Meaning{rulebook.ActPublish: web.Good, rulebook.ActTakeBack: web.Held,
			rulebook.ActFail: web.Danger}[f.Act]
		rows[i] = web.Row{ID: "force-" + itoa(int(f.Seq)), Href: href, Name: what, Cells: []templ.Component{web.Text(what),
			web.Badge(meaning, a.word("rules.force_", string(f.Act))), web.Time(f.At), web.Text(a.nameOf(f.Actor)),
			web.Text(orDash(clip(f.Why, 200)))}}
	}
	return web.Table(web.TableProps{ID: "force", Title: a.t("rules.history"), Rows: rows, Count: a.t("rules.history_count", len(rows)),
		Columns: []web.Column{{Label: a.t("rules.then_ran"), Wide: true}, {Label: a.t("rules.by_act")}, {Label: a.t("when")},
			{Label: a.t("rules.who")}, {Label: a.t("why"), Wide: true}},
		Empty: web.EmptyProps{Title: a.t("rules.history_none"), Text: a.t("rules.history_none_text")}})
}

// publicationState says where a publication stands.
func (a *ask) publicationState(s rulebook.PublicationState) templ.Component {
	m := map[rulebook.PublicationState]web.Meaning{rulebook.Asked: web.Waiting, rulebook.InForce: web.Good, rulebook.TakenBack: web.Held,
		rulebook.Failed: web.Danger}[s]
	return web.Badge(m, a.word("rules.state_", string(s)))
}

// publicationsTable is what was asked for, and what became of it.
func (a *ask) publicationsTable(b book) templ.Component {
	shown := b.pubs[:min(len(b.pubs), 50)]
	rows := make([]web.Row, len(shown))
	for i, p := range shown {
		rows[i] = web.Row{ID: p.ID, Name: a.setupText(b, p), Href: publicationHref(p.ID), Cells: []templ.Component{
			web.Two(a.packText(b, p.Pack), a.modelText(b, p.Champion)), a.publicationState(p.State),
			web.Two(a.nameOf(p.AskedBy), web.When(a.ctx, p.Asked)), a.signedCell(p), web.Text(orDash(clip(p.Note, 120)))}}
		if p.State == rulebook.Asked {
			rows[i].Meaning = web.Waiting
		}
	}
	return web.Table(web.TableProps{ID: "publications", Title: a.t("rules.publications"), Rows: rows,
		Count: a.t("rules.publications_count", len(b.pubs)),
		Columns: []web.Column{{Label: a.t("rules.what")}, {Label: a.t("payments.state")}, {Label: a.t("rules.first")},
			{Label: a.t("rules.second")}, {Label: a.t("rules.note"), Wide: true}},
		Empty: web.EmptyProps{Title: a.t("rules.publications_none"), Text: a.t("rules.publications_none_text")}})
}

func (a *ask) signedCell(p rulebook.Publication) templ.Component {
	if p.SignedBy == "" {
		return web.Muted("—")
	}
	return web.Two(a.nameOf(p.SignedBy), web.When(a.ctx, p.Signed))
}

// packs are all versions that were kept.
func (a *ask) packs() error {
	b, err := a.loadBook()
	if err != nil {
		return err
	}
	list, err := a.c.cfg.Rulebook.Packs(a.ctx, a.actor)
	if err != nil {
		return err
	}
	rows := make([]web.Row, len(list))
	for i, p := range list {
		state := templ.Component(web.Muted("—"))
		if p.Version.SHA256 == b.Running.Version.SHA256 {
			state = web.Badge(web.Good, a.t("rules.runs"))
		}
		rows[i] = web.Row{ID: p.Version.SHA256, Name: p.Version.String(), Href: packHref(p.Version.SHA256), Cells: []templ.Component{
			web.Text(p.Version.String()), state, web.Text(a.nameOf(p.Author)), web.Time(p.Created), web.Text(orDash(clip(p.Note, 160)))}}
	}
	return a.showRules(web.PageProps{Title: a.t("rules.versions"), Lead: a.t("rules.versions_lead"), Crumbs: a.ruleCrumbs()},
		web.Table(web.TableProps{ID: "packs", Title: a.t("rules.versions"), Rows: rows, Count: a.t("rules.versions_count", len(rows)),
			Columns: []web.Column{{Label: a.t("rules.pack")}, {Label: a.t("payments.state")}, {Label: a.t("rules.author")},
				{Label: a.t("when")}, {Label: a.t("rules.note"), Wide: true}},
			Empty: web.EmptyProps{Title: a.t("rules.versions_none"), Text: a.t("rules.versions_none_text")}}))
}

func (a *ask) ruleCrumbs() []web.Link { return []web.Link{{Label: a.t("rules.title"), Href: "/rules"}} }
