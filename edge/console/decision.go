package console

import (
	"bytes"
	"cmp"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/a-h/templ"

	"surety/domain/payment"
	"surety/domain/risk"
	"surety/domain/rulebook"
	"surety/edge/web"
	"surety/kernel/boost"
	"surety/kernel/ident"
	"surety/kernel/money"
	"surety/kernel/policy"
	"surety/platform/access"
	"surety/platform/db"
)

// packs keeps the packs of decisions that were looked at, a few: each is immutable
// and takes a while to compile.
const maxPacks = 8

// packOf is the pack that made a decision; nil if it is not to be had any more, and
// then features have no words and nothing can be tried.
func (a *ask) packOf(v policy.Version) *risk.Pack {
	if p := a.c.cfg.Engine.Running(); p.Info().Version.SHA256 == v.SHA256 {
		return p
	}
	a.c.packsMu.Lock()
	p, known := a.c.packs[v.SHA256]
	a.c.packsMu.Unlock()
	if known {
		return p
	}
	kept, err := a.c.cfg.Rulebook.Pack(a.ctx, v.SHA256)
	if err != nil {
		return nil // the page says that the pack is missing
	}
	if p, err = risk.LoadPack(kept.Text); err != nil {
		return nil
	}
	a.c.packsMu.Lock()
	defer a.c.packsMu.Unlock()
	if len(a.c.packs) >= maxPacks {
		clear(a.c.packs)
	}
	a.c.packs[v.SHA256] = p
	return p
}

// explained is a decision with all that explains it.
type explained struct {
	payment.Payment
	pack     *risk.Pack // that made it; nil if it is gone
	info     risk.PackInfo
	words    map[string]risk.FeatureInfo
	labels   []rulebook.Label
	changes  []risk.Change
	currency money.Currency // of costs and of features in minor units
}

// explain gathers what explains a payment's decision. The look at the payment has
// been recorded by then.
func (a *ask) explain(p payment.Payment) explained {
	x := explained{Payment: p, pack: a.packOf(p.Decision.Pack), words: map[string]risk.FeatureInfo{}, currency: p.Amount.Currency}
	features := risk.Features()
	if x.pack != nil {
		x.info = x.pack.Info()
		features, x.currency = x.info.Features, x.info.Currency
		if x.pack == a.c.cfg.Engine.Running() { // it asks the model again too
			x.changes = a.c.cfg.Engine.WhatWouldChange(p.Decision, eventOf(p.Request))
		} else {
			x.changes = x.pack.WhatWouldChange(p.Decision, eventOf(p.Request))
		}
	}
	for _, f := range features {
		x.words[f.Name] = f
	}
	return x
}

// eventOf is a recorded payment as the engine judges it.
func eventOf(r payment.Request) risk.Event {
	return risk.Event{ID: r.ID, At: r.At, Payer: r.Payer, Payee: r.Payee, Amount: r.Amount, Type: risk.Type(r.Type), Channel: r.Channel,
		Device: r.Device, IP: r.IP, City: r.City, Terminal: r.Terminal, Merchant: r.Merchant, Card: r.Card, Phone: r.Phone,
		Region: r.Region, Place: risk.Place{Lat: r.Lat.Micro, Lon: r.Lon.Micro, Given: r.Lat.Given}}
}

// feature is what people call a feature.
func (a *ask) feature(x explained, name string) string {
	if f, ok := x.words[name]; ok {
		return a.either(f.ZH, f.EN)
	}
	return strings.ReplaceAll(name, "_", " ")
}

// featureValue is a value in words: with its unit, or "unknown".
func (a *ask) featureValue(x explained, name string, v any) string {
	f := x.words[name]
	switch v := v.(type) {
	case nil:
		return a.t("unknown")
	case bool:
		return a.t("yesno." + strconv.FormatBool(v))
	case string:
		return orDash(v)
	case int64:
		return a.featureText(f.Unit, v, x.currency)
	case int:
		return a.featureText(f.Unit, int64(v), x.currency)
	case float64:
		switch {
		case math.IsNaN(v):
			return a.t("unknown")
		case f.Type == policy.Bool:
			return a.t("yesno." + strconv.FormatBool(v != 0))
		case v == math.Trunc(v) && math.Abs(v) < 1<<53 && f.Type != policy.Double:
			return a.featureText(f.Unit, int64(v), x.currency)
		case f.Unit == "minor" && math.Abs(v) < 1<<53:
			return money.Of(int64(math.Round(v)), x.currency).String()
		}
		return strconv.FormatFloat(v, 'g', 4, 64)
	}
	return "—"
}

// decision is one decision explained, a page of its own.
func (a *ask) decision() error { return a.decisionPage(nil) }

func (a *ask) decisionPage(said templ.Component) error {
	p, err := a.c.cfg.Payment.View(a.ctx, a.actor, a.path("id"))
	if err != nil {
		return err
	}
	x := a.explain(p)
	if a.may(access.ActRiskRead) {
		if x.labels, err = a.c.cfg.Rulebook.Labels(a.ctx, a.actor, p.ID); err != nil {
			return err
		}
	}
	d := p.Decision
	page := web.PageProps{Title: a.t("explain.title", p.Amount.String()), Mark: a.decided(d.Outcome),
		Lead: a.t("payment.lead", p.Payer, p.Payee, web.When(a.ctx, p.At)),
		Crumbs: []web.Link{{Label: a.t("decisions.title"), Href: "/decisions"}, {Label: a.t("explain.payment"),
			Href: "/payments/" + url.PathEscape(p.ID)}}, Actions: a.decisionButtons(p)}
	body := append([]templ.Component{said}, a.plainNotes(x)...)
	body = append(body, a.pictures(x), a.costsTable(x), columns(a.milderCard(x), a.proofsPart(d)), a.tookPart(x), a.labelsPart(x),
		a.explainedFeatures(x), a.versionsPart(x))
	return a.show(page, body...)
}

func (a *ask) decisionButtons(p payment.Payment) templ.Component {
	return web.Group(post(decisionHref(p.ID)+"/recompute", web.ButtonProps{Label: a.t("explain.recompute"), Icon: "rules", Key: "r"}),
		web.Button(web.ButtonProps{Label: a.t("explain.payment"), Href: "/payments/" + url.PathEscape(p.ID)}))
}

// plainNotes say what is not as it should be, before anything else.
func (a *ask) plainNotes(x explained) (out []templ.Component) {
	d := x.Decision
	if d.Degraded() {
		out = append(out, web.Note(web.Danger, a.t("explain.degraded"), a.t("explain.degraded_text", a.failedText(x))))
	}
	if len(d.Capped) > 0 {
		out = append(out, web.Note(web.Waiting, a.t("explain.capped"), a.t("explain.capped_text", a.rulesText(x, d.Capped))))
	}
	if d.Late != "" {
		out = append(out, web.Note(web.Waiting, a.t("mark.late"), a.t("explain.late_"+d.Late)))
	}
	if x.Settled {
		out = append(out, web.Note(web.Plain, "", a.t("payment.history_text")))
	}
	if x.pack == nil {
		out = append(out, web.Note(web.Danger, a.t("explain.no_pack"), a.t("explain.no_pack_text", d.Pack.Name, d.Pack.Number)))
	}
	return out
}

// failedText names what could not be judged in words.
func (a *ask) failedText(x explained) string {
	var out []string
	for _, f := range x.Decision.Failed {
		what, name, ok := strings.Cut(f, ":")
		switch {
		case ok && what == "model":
			out = append(out, a.t("explain.failed_model", name))
		case ok && what == "where":
			out = append(out, a.t("explain.failed_where", name))
		default:
			out = append(out, a.rulesText(x, []string{f}))
		}
	}
	return strings.Join(out, a.t("list.semicolon"))
}

// rulesText are rules by their reasons, with their ids.
func (a *ask) rulesText(x explained, ids []string) string {
	out := make([]string, len(ids))
	for i, id := range ids {
		out[i] = id
		for _, r := range x.info.Rules {
			if r.ID == id {
				out[i] = a.either(r.ZH, r.EN) + " (" + id + ")"
			}
		}
	}
	return strings.Join(out, a.t("list.semicolon"))
}

// pictures are the rules' weights and the model's contributions: what pushed the
// decision up and what down.
func (a *ask) pictures(x explained) templ.Component {
	parts := []templ.Component{web.Bars(a.reasonBars(x))}
	if x.Decision.Model != nil {
		parts = append(parts, web.Bars(a.modelBars(x)))
	}
	return web.Stack(parts...)
}

// reasonBars show how the decision came about: rules and orders, with what each
// alone gives to the score.
func (a *ask) reasonBars(x explained) web.BarsProps {
	d := x.Decision
	b := web.BarsProps{Title: a.t("payment.why"), Result: web.Text(a.t("payment.sum", d.Score, a.word("decision.", string(d.Outcome)),
		d.Pack.Name, d.Pack.Number))}
	for _, r := range d.Reasons {
		b.Reasons = append(b.Reasons, web.Reason{Label: a.either(r.ZH, r.EN), Note: a.reasonNote(x, r.Code), Weight: int64(r.Weight)})
	}
	for _, r := range d.Shadow {
		note := a.t("payment.on_trial", r.Code)
		if slices.Contains(d.Capped, r.Code) {
			note = a.t("explain.over_limit", r.Code)
		}
		b.Reasons = append(b.Reasons, web.Reason{Label: a.either(r.ZH, r.EN), Note: note, Text: a.t("payment.not_counted")})
	}
	return b
}

// reasonNote says whose reason it is.
func (a *ask) reasonNote(x explained, code string) string {
	switch code {
	case risk.ReasonModel, risk.ReasonStop, risk.ReasonDegraded, risk.ReasonCurrency:
		return a.t("explain.reason_" + code)
	}
	for _, r := range x.info.Rules {
		if r.ID == code {
			return a.t("explain.rule_of", code, r.Owner)
		}
	}
	return code
}

// modelBars are the model's exact contributions (TreeSHAP, in the margin's units),
// said as what each does to the odds: a margin of 0.69 doubles them.
func (a *ask) modelBars(x explained) web.BarsProps {
	m := x.Decision.Model
	b := web.BarsProps{Title: a.t("explain.model", m.Name), Result: web.Text(a.t("explain.model_sum", share(m.Probability)))}
	for _, c := range m.Contributions {
		b.Reasons = append(b.Reasons, web.Reason{Label: a.feature(x, c.Feature), Weight: int64(math.Round(c.Margin * 1000)),
			Note: a.featureValue(x, c.Feature, c.Value), Text: a.oddsText(c.Margin)})
	}
	if len(m.Contributions) == 0 {
		b.Result = lines(web.Text(a.t("explain.model_sum", share(m.Probability))), web.Muted(a.t("explain.model_unsaid")))
	}
	return b
}

// oddsText is what a margin does to the odds of a theft: "odds × 2.1".
func (a *ask) oddsText(margin float64) string {
	f := math.Exp(math.Abs(margin))
	key := "explain.odds_up"
	if margin < 0 {
		key = "explain.odds_down"
	}
	return a.t(key, strconv.FormatFloat(f, 'f', 2, 64))
}

// share is a probability as percent, exact enough to compare small ones.
func share(p float64) string {
	switch {
	case p >= 0.1:
		return strconv.FormatFloat(p*100, 'f', 1, 64) + " %"
	case p >= 0.001:
		return strconv.FormatFloat(p*100, 'f', 2, 64) + " %"
	}
	return strconv.FormatFloat(p*100, 'g', 2, 64) + " %"
}

// costsTable is what each outcome would cost on average by the model, the cheapest
// and the one that was taken marked.
func (a *ask) costsTable(x explained) templ.Component {
	m := x.Decision.Model
	if m == nil {
		return nil
	}
	costs := m.Costs
	if len(costs) == 0 && x.pack != nil {
		costs = x.pack.Expected(m.Probability, x.Amount.Minor, m.Price)
	}
	if len(costs) == 0 {
		return nil
	}
	best := cheapest(costs)
	var rows []web.Row
	for _, o := range []risk.Outcome{risk.Allow, risk.Challenge, risk.Hold, risk.Block} {
		var marks []templ.Component
		row := web.Row{ID: "cost-" + string(o)}
		if o == best {
			row.Meaning = web.Good
			marks = append(marks, web.Badge(web.Good, a.t("explain.cheapest")))
		}
		if o == x.Decision.Outcome {
			marks = append(marks, web.Badge(web.Plain, a.t("explain.taken")))
		}
		stops, disturb := "—", templ.Component(web.Muted("—"))
		if o != risk.Allow && x.pack != nil {
			stops, disturb = percentText(x.info.Costs.Stops[o]), web.Money(money.Of(x.info.Costs.Disturb[o], x.currency))
		}
		row.Cells = []templ.Component{web.Text(a.word("decision.", string(o))), web.Money(money.Of(costs[o], x.currency)), disturb,
			web.Text(stops), nil}
		if len(marks) > 0 {
			row.Cells[4] = web.Group(marks...)
		}
		rows = append(rows, row)
	}
	table := web.Table(web.TableProps{ID: "costs", Title: a.t("explain.costs"), Rows: rows, Count: a.t("explain.costs_note",
		share(m.Probability)),
		Columns: []web.Column{{Label: a.t("payments.outcome")}, {Label: a.t("explain.expected"), Num: true},
			{Label: a.t("explain.disturb"), Num: true}, {Label: a.t("explain.stops"), Num: true}, {Label: a.t("explain.mark")}}})
	if m.Price > 1000 {
		times := strconv.FormatFloat(float64(m.Price)/1000, 'f', 1, 64)
		return web.Stack(table, web.Note(web.Waiting, "", a.t("explain.price", times)))
	}
	return table
}

// cheapest is the outcome that costs least; of equal ones the mildest.
func cheapest(costs map[risk.Outcome]int64) risk.Outcome {
	best := risk.Allow
	for _, o := range []risk.Outcome{risk.Challenge, risk.Hold, risk.Block} {
		if c, ok := costs[o]; ok && c < costs[best] {
			best = o
		}
	}
	return best
}

// milderCard is which single thing would have made the outcome milder.
func (a *ask) milderCard(x explained) templ.Component {
	if x.Decision.Outcome == risk.Allow {
		return a.card("payment.would_change", prose(a.t("explain.nothing_milder")))
	}
	var list []string
	for _, c := range x.changes {
		list = append(list, a.t("explain.change", a.feature(x, c.Feature), a.featureValue(x, c.Feature, c.From),
			a.featureValue(x, c.Feature, c.To), a.word("decision.", string(c.Outcome))))
	}
	switch {
	case x.Decision.Stop != "":
		return a.card("payment.would_change", prose(a.t("explain.change_stop")))
	case len(list) == 0:
		return a.card("payment.would_change", prose(a.t("explain.change_none")))
	}
	return a.card("payment.would_change", prose(a.t("explain.change_lead")), bullets(list...))
}

// proofsPart is what the payer could do.
func (a *ask) proofsPart(d risk.Decision) templ.Component {
	known := map[string]string{}
	for _, p := range risk.Proofs() {
		known[p.Code] = a.either(p.ZH, p.EN)
	}
	parts := []templ.Component{prose(a.t("payment.change_" + string(d.Outcome)))}
	var list []string
	for _, code := range d.Proofs {
		list = append(list, cmp.Or(known[code], code))
	}
	if len(list) > 0 {
		parts = append(parts, prose(a.t("payment.proofs")), bullets(list...))
	}
	return a.card("explain.payer", parts...)
}

// tookPart are the orders and the entries of lists that took part.
func (a *ask) tookPart(x explained) templ.Component {
	d := x.Decision
	if d.Stop == "" && len(d.Listed) == 0 {
		return nil
	}
	var terms []web.Term
	if d.Stop != "" {
		terms = append(terms, web.Term{Label: a.t("explain.order"), Value: lines(a.stopLink(d.Stop),
			web.Muted(a.t("explain.order_wants", a.word("decision.", string(d.StopOutcome)))))})
	}
	for _, entry := range d.Listed {
		kind, id, _ := strings.Cut(entry, ":")
		terms = append(terms, web.Term{Label: a.listWord(a.c.cfg.List.Words().Kinds, kind), Value: a.entryLink(id)})
	}
	return a.card("explain.took_part", web.DefList(terms...))
}

func (a *ask) stopLink(id ident.ID) templ.Component {
	if !a.may(access.ActWatchRead) {
		return web.ID(id)
	}
	return linkID("/watches/stops/"+url.PathEscape(id), id)
}

func (a *ask) entryLink(id ident.ID) templ.Component {
	if !a.may(access.ActListRead) {
		return web.ID(id)
	}
	return linkID("/lists/"+url.PathEscape(id), id)
}

// explainedFeatures is what the decision was made from, with plain words.
func (a *ask) explainedFeatures(x explained) templ.Component {
	var rows []web.Row
	for v := range x.Decision.Features.All() {
		rows = append(rows, web.Row{Cells: []templ.Component{web.Two(a.feature(x, v.Name), v.Name),
			web.Text(a.featureValue(x, v.Name, v.Value))}})
	}
	if len(rows) == 0 {
		return nil
	}
	return details(a.t("payment.features_show", len(rows)), web.Table(web.TableProps{ID: "features", Title: a.t("payment.features"),
		Columns: []web.Column{{Label: a.t("payment.feature"), Wide: true}, {Label: a.t("value"), Num: true}}, Rows: rows}))
}

// versionsPart names what made the decision, to the byte, and what the challengers
// would have said.
func (a *ask) versionsPart(x explained) templ.Component {
	d := x.Decision
	terms := []web.Term{{Label: a.t("explain.pack"), Value: lines(web.Text(a.t("explain.pack_name", d.Pack.Name, d.Pack.Number)),
		web.Code(d.Pack.SHA256))}}
	if d.Model != nil {
		terms = append(terms, web.Term{Label: a.t("explain.champion"), Value: lines(web.Text(d.Model.Name), web.Code(d.Model.Version))})
	} else {
		terms = append(terms, web.Term{Label: a.t("explain.champion"), Value: web.Muted(a.t("explain.no_model"))})
	}
	card := a.card("explain.versions", web.DefList(terms...))
	if len(d.Challengers) == 0 {
		return card
	}
	rows := make([]web.Row, len(d.Challengers))
	for i, m := range d.Challengers {
		says := "—"
		if x.pack != nil {
			says = a.word("decision.", string(cheapest(x.pack.Expected(m.Probability, x.Amount.Minor, m.Price))))
		}
		rows[i] = web.Row{ID: "challenger-" + itoa(i), Cells: []templ.Component{web.Text(m.Name), web.Text(share(m.Probability)),
			web.Text(says), web.ID(m.Version)}}
	}
	return web.Stack(card, web.Table(web.TableProps{ID: "challengers", Title: a.t("explain.challengers"), Rows: rows,
		Count: a.t("explain.challengers_note"), Columns: []web.Column{{Label: a.t("explain.model_name")},
			{Label: a.t("explain.probability"), Num: true}, {Label: a.t("explain.would")}, {Label: a.t("explain.version")}}}))
}

// recompute makes the decision again from what it recorded, by the versions that
// it names, and says whether it is the same.
func (a *ask) recompute() error {
	p, err := a.c.cfg.Payment.View(a.ctx, a.actor, a.path("id"))
	if err != nil {
		return err
	}
	d, err := a.recomputed(p)
	switch ident.KindOf(err) {
	case "":
		return a.decisionPage(a.compared(p.Decision, d))
	case ident.KindState, ident.KindInvalid, ident.KindNotFound, ident.KindDenied:
		return a.decisionPage(web.Note(web.Danger, a.t("explain.cannot"), a.c.words.Explain(a.lang(), err)))
	}
	return err
}

// recomputed asks the engine, and where other versions are in force by now, the
// pack and the models that the decision names.
func (a *ask) recomputed(p payment.Payment) (risk.Decision, error) {
	d, err := a.c.cfg.Engine.Recompute(p.Decision, eventOf(p.Request))
	if !ident.Is(err, ident.KindState) {
		return d, err
	}
	pack := a.packOf(p.Decision.Pack)
	if pack == nil {
		return d, err
	}
	var champion *risk.Scorer
	if m := p.Decision.Model; m != nil {
		if champion, err = a.scorer(*m); err != nil {
			return d, err
		}
	}
	var challengers []*risk.Scorer
	for _, m := range p.Decision.Challengers {
		s, err := a.scorer(m)
		if err != nil {
			return d, err
		}
		challengers = append(challengers, s)
	}
	return pack.Recompute(p.Decision, eventOf(p.Request), champion, challengers)
}

// scorer is a model that a decision names, from the rulebook.
func (a *ask) scorer(m risk.ModelView) (*risk.Scorer, error) {
	file, err := a.c.cfg.Rulebook.ModelFile(a.ctx, a.actor, m.Version)
	if err != nil {
		return nil, err
	}
	model, err := boost.ReadXGBoost(bytes.NewReader(file))
	if err != nil {
		return nil, err
	}
	return &risk.Scorer{Name: m.Name, Version: m.Version, Model: model}, nil
}

// compared says in words whether two decisions are the same.
func (a *ask) compared(was, is risk.Decision) templ.Component {
	var list []string
	diff := func(key string, was, is string) {
		if was != is {
			list = append(list, a.t("explain.differs_line", a.t(key), orDash(was), orDash(is)))
		}
	}
	diff("payments.outcome", a.word("decision.", string(was.Outcome)), a.word("decision.", string(is.Outcome)))
	diff("payments.score", itoa(was.Score), itoa(is.Score))
	diff("explain.rules", reasonCodes(was.Reasons), reasonCodes(is.Reasons))
	if was.Model != nil && is.Model != nil {
		diff("explain.probability", share(was.Model.Probability), share(is.Model.Probability))
	} else if (was.Model == nil) != (is.Model == nil) {
		list = append(list, a.t("explain.differs_model"))
	}
	if len(list) == 0 {
		return web.Note(web.Good, a.t("explain.same"), a.t("explain.same_text"))
	}
	return noteWith(web.Danger, a.t("explain.differs"), a.t("explain.differs_text"), bullets(list...))
}

// labelsPart is what was said of the payment since, and the way to say something.
func (a *ask) labelsPart(x explained) templ.Component {
	var parts []templ.Component
	if !a.may(access.ActRiskRead) {
		if !a.may(access.ActLabelAdd) {
			return nil
		}
	} else if len(x.labels) == 0 {
		parts = append(parts, prose(a.t("label.none")))
	} else {
		var terms []web.Term
		for i, l := range x.labels {
			said := lines(web.Group(a.labelBadge(l.Fraud), web.Text(a.word("label.source_", l.Source))), web.Time(l.ReportedAt))
			if l.Note != "" {
				said = lines(said, web.Text(l.Note))
			}
			name := a.t("label.before")
			if i == len(x.labels)-1 {
				name = a.t("label.counts")
			}
			terms = append(terms, web.Term{Label: name, Value: said})
		}
		parts = append(parts, web.DefList(terms...))
	}
	if a.may(access.ActLabelAdd) {
		at := "/decisions/label?id=" + url.QueryEscape(x.ID) + "&is="
		parts = append(parts, web.Buttons(web.ButtonProps{Label: a.t("decisions.label_theft"), Href: at + "theft"},
			web.ButtonProps{Label: a.t("decisions.label_fine"), Href: at + "fine"}))
	}
	return a.card("label.title", parts...)
}

func (a *ask) labelBadge(fraud bool) templ.Component {
	if fraud {
		return web.Badge(web.Danger, a.t("label.theft"))
	}
	return web.Badge(web.Good, a.t("label.fine"))
}

// paymentsOf reads the payments of ids, in their order; those that do not exist are
// left out.
func (a *ask) paymentsOf(tx *db.Tx, ids []string) (out []payment.Payment, err error) {
	for _, id := range ids {
		p, found, err := a.c.cfg.Payment.Get(tx, id)
		if err != nil {
			return nil, err
		}
		if found {
			out = append(out, p)
		}
	}
	return out, nil
}
