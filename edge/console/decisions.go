package console

import (
	"context"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"

	"surety/domain/payment"
	"surety/domain/risk"
	"surety/edge/web"
	"surety/kernel/ident"
	"surety/platform/access"
	"surety/platform/db"
)

const (
	decisionsPage   = 50
	decisionsLooked = 5_000 // newest payments that are looked through for a rule or a mark
	decisionsLive   = 1_000 // and each time by the stream
	decisionsEvery  = 2 * time.Second
	decisionsLife   = 30 * time.Minute // of a stream: then the browser asks again, and is checked again
)

// The marks of a decision that can be asked for.
const (
	markModel    = "model"    // the model had its say
	markStop     = "stop"     // a person's order touched it
	markDegraded = "degraded" // not all could be judged
	markCapped   = "capped"   // a rule was over its limit of the day
	markListed   = "listed"   // an entry of a list matched
	markLate     = "late"     // it came too late for all windows
)

var decisionMarks = [...]string{markModel, markStop, markDegraded, markCapped, markListed, markLate}

// marked reports whether a decision has a mark.
func marked(d risk.Decision, mark string) bool {
	switch mark {
	case markModel:
		return slices.ContainsFunc(d.Reasons, func(r risk.Reason) bool { return r.Code == risk.ReasonModel })
	case markStop:
		return d.Stop != ""
	case markDegraded:
		return d.Degraded()
	case markCapped:
		return len(d.Capped) > 0
	case markListed:
		return len(d.Listed) > 0
	case markLate:
		return d.Late != ""
	}
	return true
}

// decisionFilter is what is asked for: what the records can be searched by, and
// what must be looked for in the decisions themselves.
type decisionFilter struct {
	payment.Filter
	rule, mark string
	fixed      bool // up to a moment: the list does not move
}

func (f decisionFilter) pass(p payment.Payment) bool {
	if f.mark != "" && !marked(p.Decision, f.mark) {
		return false
	}
	return f.rule == "" || slices.ContainsFunc(slices.Concat(p.Decision.Reasons, p.Decision.Shadow),
		func(r risk.Reason) bool { return r.Code == f.rule })
}

// sought reports that decisions themselves must be looked through.
func (f decisionFilter) sought() bool { return f.rule != "" || f.mark != "" }

// decisionFilter reads the page's address. What cannot be read is left out.
func (a *ask) decisionFilter() decisionFilter {
	f := decisionFilter{Filter: payment.Filter{Account: a.query("account"), Device: a.query("device"), Limit: decisionsPage},
		rule: a.query("rule")}
	if o := a.query("outcome"); slices.Contains([]string{"allow", "challenge", "hold", "block", "stopped"}, o) {
		f.Outcome = o
	}
	if m := a.query("mark"); slices.Contains(decisionMarks[:], m) {
		f.mark = m
	}
	if us, err := strconv.ParseInt(a.query("upto"), 10, 64); err == nil && us > 0 {
		f.To, f.fixed = ident.FromMicros(us).Add(time.Microsecond), true
	}
	if us, err := strconv.ParseInt(a.query("at"), 10, 64); err == nil && a.query("before") != "" {
		f.Before, f.BeforeAt, f.fixed = a.query("before"), ident.FromMicros(us), true
	}
	return f
}

// decisionsView is one state of the page.
type decisionsView struct {
	filter  decisionFilter
	list    []payment.Payment
	cut     bool // older payments were not looked through
	minutes []feedMinute
	from    time.Time // the minutes are complete from then on; zero: all are
}

// readDecisions reads one state in a transaction.
func (a *ask) readDecisions(tx *db.Tx, f decisionFilter, most int) (v decisionsView, err error) {
	v.filter = f
	if f.sought() {
		v.list, v.cut, err = newest(tx, a.c.cfg.Payment, f.Filter, most, f.pass)
		v.list = v.list[:min(len(v.list), decisionsPage)]
	} else {
		v.list, err = a.c.cfg.Payment.List(tx, f.Filter)
	}
	if err != nil {
		return v, err
	}
	v.minutes, v.from, err = a.c.feed.hour(tx, a.c.cfg.Payment)
	return v, err
}

// decisions are the latest decisions; the part that moves is kept up to date.
func (a *ask) decisions() error {
	f := a.decisionFilter()
	var v decisionsView
	err := a.view(access.ActPaymentList, "", func(tx *db.Tx) (err error) {
		v, err = a.readDecisions(tx, f, decisionsLooked)
		return err
	})
	if err != nil {
		return err
	}
	var body []templ.Component
	for _, t := range a.c.cfg.Rulebook.Problems() {
		body = append(body, web.Note(web.Danger, a.t("decisions.trouble"), t.Text.In(string(a.lang()))))
	}
	part := a.decisionsPart(v)
	if f.fixed {
		body = append(body, web.Note(web.Plain, "", a.t("decisions.fixed")), part)
	} else {
		live := "/decisions/live"
		if q := web.ViewOf(a.ctx).URL.RawQuery; q != "" {
			live += "?" + q
		}
		body = append(body, liveRegion(web.LiveProps{URL: live, ID: "decisions-live", Pause: true}, part))
	}
	next, first := a.decisionsOlder(v)
	return a.show(web.PageProps{Title: a.t("decisions.title"), Lead: a.t("decisions.lead"), Actions: a.decisionsLink(v),
		Help: []web.Key{{Key: "P", Does: a.t("decisions.pause_key")}}}, append(body, older(first, next, a.t("newest"), a.t("older")))...)
}

// decisionsLink is an address that shows just these decisions to somebody else.
func (a *ask) decisionsLink(v decisionsView) templ.Component {
	if v.filter.fixed || len(v.list) == 0 {
		return nil
	}
	at := strconv.FormatInt(ident.Micros(v.list[0].At), 10)
	return web.Button(web.ButtonProps{Label: a.t("decisions.link"), Href: web.Here(a.ctx, "upto", at), Icon: "next"})
}

func (a *ask) decisionsOlder(v decisionsView) (next, first string) {
	if len(v.list) == decisionsPage {
		last := v.list[len(v.list)-1]
		next = web.Here(a.ctx, "before", last.ID, "at", strconv.FormatInt(ident.Micros(last.At), 10))
	}
	if v.filter.fixed {
		first = web.Here(a.ctx, "before", "", "at", "", "upto", "")
	}
	return next, first
}

// decisionsLive is the stream behind the page. The look is recorded once for each
// stream, not each time something has changed.
func (a *ask) decisionsLive() error {
	if err := a.view(access.ActPaymentList, "", func(*db.Tx) error { return nil }); err != nil {
		return err
	}
	view := web.ViewOf(a.ctx)
	here := *view.URL
	here.Path = "/decisions" // links in it are of the page, not of the stream
	view.URL = &here
	ctx, end := context.WithTimeout(web.WithView(a.ctx, view), decisionsLife)
	defer end()
	a.ctx = ctx
	f := a.decisionFilter()
	f.fixed = false
	// The browser has gone, or the stream has lived long enough: nobody is left to tell.
	_ = web.StreamEvery(a.w, a.r.WithContext(ctx), decisionsEvery, func(ctx context.Context) (templ.Component, error) {
		var v decisionsView
		err := a.c.cfg.DB.View(ctx, func(tx *db.Tx) (err error) {
			v, err = a.readDecisions(tx, f, decisionsLive)
			return err
		})
		if err != nil {
			return nil, err
		}
		return a.decisionsPart(v), nil
	})
	return nil
}

// decisionsPart is what moves: the hour, the split and the table.
func (a *ask) decisionsPart(v decisionsView) templ.Component {
	return web.Stack(a.hourPicture(v), a.decisionTabs(v), a.decisionTable(v))
}

// outcomeMeaning is what an outcome's colour says. What is allowed is the ground.
func outcomeMeaning(o risk.Outcome) web.Meaning {
	return map[risk.Outcome]web.Meaning{risk.Allow: web.Good, risk.Challenge: web.Waiting, risk.Hold: web.Held, risk.Block: web.Danger}[o]
}

func (a *ask) hourPicture(v decisionsView) templ.Component {
	p := web.StackedProps{Title: a.t("decisions.hour"), Note: a.t("decisions.hour_note")}
	for _, o := range feedOutcomes {
		part := web.StackPart{Label: a.word("decision.", string(o)), Meaning: outcomeMeaning(o)}
		if o == risk.Allow {
			part.Meaning = web.Plain
		}
		p.Parts = append(p.Parts, part)
	}
	zone := web.ViewOf(a.ctx).Zone
	for _, m := range v.minutes {
		p.Bars = append(p.Bars, web.StackBar{Label: m.at.In(zone).Format("15:04"), Values: slices.Clone(m.n[:]),
			Blank: !v.from.IsZero() && m.at.Before(v.from.Add(-time.Minute))})
	}
	if !v.from.IsZero() {
		p.Note = a.t("decisions.hour_cut", v.from.In(zone).Format("15:04"))
	}
	return web.Stacked(p)
}

// decisionTabs split the list by outcome, with the counts of the last hour.
func (a *ask) decisionTabs(v decisionsView) templ.Component {
	n, all := map[string]int{}, 0
	for _, m := range v.minutes {
		for i, o := range feedOutcomes {
			n[string(o)] += int(m.n[i])
			all += int(m.n[i])
			if o != risk.Allow {
				n["stopped"] += int(m.n[i])
			}
		}
	}
	at := func(o string) string { return web.Here(a.ctx, "outcome", o, "before", "", "at", "") }
	tabs := []web.Tab{{Label: a.t("all"), Href: at(""), Count: all}, {Label: a.t("outcome.stopped"), Href: at("stopped"), Count: n["stopped"]}}
	for _, o := range []risk.Outcome{risk.Allow, risk.Challenge, risk.Hold, risk.Block} {
		tabs = append(tabs, web.Tab{Label: a.word("decision.", string(o)), Href: at(string(o)), Count: n[string(o)]})
	}
	return web.TabsAt(a.t("decisions.split"), at(v.filter.Outcome), tabs...)
}

func (a *ask) decisionTable(v decisionsView) templ.Component {
	count := a.t("decisions.count", web.Count(len(v.list)))
	if v.cut {
		count = a.t("decisions.count_cut", web.Count(len(v.list)), web.Count(decisionsLooked))
	}
	export := "/decisions.csv"
	if q := web.ViewOf(a.ctx).URL.RawQuery; q != "" {
		export += "?" + q
	}
	p := web.TableProps{ID: "decisions", Tight: true, Title: a.t("decisions.latest"), Columns: a.decisionColumns(), Count: count,
		Export: export,
		Filter: a.decisionFields(v.filter), Rows: a.decisionRows(v.list),
		Empty: web.EmptyProps{Title: a.t("decisions.empty"), Text: a.t("decisions.empty_text")}}
	if buttons := a.decisionActs(); len(buttons) > 0 {
		p.Select = &web.SelectProps{Action: "/decisions/act", Buttons: buttons}
	}
	return web.Table(p)
}

// decisionActs are what can be done with chosen decisions; each asks again before
// anything is done.
func (a *ask) decisionActs() (out []web.ButtonProps) {
	if a.may(access.ActWatchStop) {
		out = append(out, web.ButtonProps{Label: a.t("decisions.stop"), Name: "do", Value: "stop", Danger: true})
	}
	if a.may(access.ActLabelAdd) {
		out = append(out, web.ButtonProps{Label: a.t("decisions.label_theft"), Name: "do", Value: "theft"},
			web.ButtonProps{Label: a.t("decisions.label_fine"), Name: "do", Value: "fine"})
	}
	return out
}

func (a *ask) decisionFields(f decisionFilter) []web.FieldProps {
	rules := []web.Option{{Value: "", Label: a.t("all")}}
	for _, r := range a.c.cfg.Engine.Pack().Rules {
		rules = append(rules, web.Option{Value: r.ID, Label: clip(a.either(r.ZH, r.EN), 40)})
	}
	if f.rule != "" && !slices.ContainsFunc(rules, func(o web.Option) bool { return o.Value == f.rule }) {
		rules = append(rules, web.Option{Value: f.rule, Label: clip(f.rule, 64)}) // of an older pack
	}
	marks := []web.Option{{Value: "", Label: a.t("all")}}
	for _, m := range decisionMarks {
		marks = append(marks, web.Option{Value: m, Label: a.t("mark." + m)})
	}
	return []web.FieldProps{
		{Name: "account", Label: a.t("payments.account"), Type: "search", Value: f.Account, Max: 64},
		{Name: "device", Label: a.t("payments.device"), Type: "search", Value: f.Device, Max: 128},
		{Name: "rule", Label: a.t("decisions.rule"), Type: "select", Value: f.rule, Options: rules},
		{Name: "mark", Label: a.t("decisions.mark"), Type: "select", Value: f.mark, Options: marks},
	}
}

func (a *ask) decisionColumns() []web.Column {
	return []web.Column{{Label: a.t("payments.id")}, {Label: a.t("decisions.between")}, {Label: a.t("amount"), Num: true},
		{Label: a.t("payments.device")}, {Label: a.t("payments.outcome")}, {Label: a.t("decisions.why"), Wide: true}}
}

func (a *ask) decisionRows(list []payment.Payment) []web.Row {
	rows := make([]web.Row, len(list))
	for i, p := range list {
		rows[i] = web.Row{ID: p.ID, Href: decisionHref(p.ID), Cells: []templ.Component{
			web.Two(shortText(p.ID), a.clockText(p.At)), web.Two(p.Payer, "→ "+p.Payee), web.Money(p.Amount),
			web.Two(orDash(clip(p.Device, 24)), clip(p.City, 24)),
			lines(a.decided(p.Decision.Outcome), web.Muted(a.t("decisions.score", p.Decision.Score))), a.whyCell(p),
		}}
		if p.ClaimID != "" {
			rows[i].Meaning = web.Danger
		}
	}
	return rows
}

// clockText is a time to the second if it is today's.
func (a *ask) clockText(t time.Time) string {
	zone := web.ViewOf(a.ctx).Zone
	if t, now := t.In(zone), a.c.cfg.Clock.Now().In(zone); t.YearDay() == now.YearDay() && t.Year() == now.Year() {
		return t.Format("15:04:05")
	}
	return web.When(a.ctx, t)
}

// shortText is the head and tail of an id.
func shortText(id string) string {
	if len(id) <= 20 {
		return id
	}
	return id[:10] + "…" + id[len(id)-6:]
}

func decisionHref(id ident.ID) string { return "/payments/" + url.PathEscape(id) + "/decision" }

// whyCell is the weightiest reason, and the marks.
func (a *ask) whyCell(p payment.Payment) templ.Component {
	d := p.Decision
	var parts []templ.Component
	switch {
	case len(d.Reasons) > 1:
		parts = append(parts, web.Two(a.either(d.Reasons[0].ZH, d.Reasons[0].EN), a.t("decisions.more", len(d.Reasons)-1)))
	case len(d.Reasons) == 1:
		parts = append(parts, web.Text(a.either(d.Reasons[0].ZH, d.Reasons[0].EN)))
	default:
		parts = append(parts, web.Muted(a.t("decisions.nothing")))
	}
	if marks := a.markBadges(p); len(marks) > 0 {
		parts = append(parts, web.Group(marks...))
	}
	return lines(parts...)
}

// markBadges are what is special about a decision.
func (a *ask) markBadges(p payment.Payment) (out []templ.Component) {
	d := p.Decision
	for _, m := range []struct {
		mark    string
		meaning web.Meaning
	}{{markStop, web.Held}, {markDegraded, web.Danger}, {markCapped, web.Waiting}, {markListed, web.Plain}, {markLate, web.Waiting}} {
		if marked(d, m.mark) {
			out = append(out, web.Badge(m.meaning, a.t("mark."+m.mark)))
		}
	}
	if p.ClaimID != "" {
		out = append(out, web.Badge(web.Danger, a.t("payments.reported")))
	}
	return out
}

// decisionsCSV is the same list for a spreadsheet.
func (a *ask) decisionsCSV() error {
	f := a.decisionFilter()
	f.Before, f.BeforeAt = "", time.Time{}
	var list []payment.Payment
	err := a.view(access.ActPaymentList, "", func(tx *db.Tx) (err error) {
		list, _, err = newest(tx, a.c.cfg.Payment, f.Filter, paymentsExport, f.pass)
		return err
	})
	if err != nil {
		return err
	}
	return csvOut(a.w, "decisions", func(row func(...string) error) error {
		err := row("payment_id", "time", "payer", "payee", "amount", "currency", "device", "outcome", "score", "rules", "shadow", "model",
			"probability", "stop", "listed", "capped", "failed", "pack", "claim_id")
		for _, p := range list {
			if err != nil {
				return err
			}
			d := p.Decision
			model, probability := "", ""
			if d.Model != nil {
				model, probability = d.Model.Version, strconv.FormatFloat(d.Model.Probability, 'g', 6, 64)
			}
			err = row(p.ID, p.At.In(web.ViewOf(a.ctx).Zone).Format(time.RFC3339), p.Payer, p.Payee, p.Amount.Plain(), string(p.Amount.Currency),
				p.Device, string(d.Outcome), strconv.Itoa(d.Score), reasonCodes(d.Reasons), reasonCodes(d.Shadow), model, probability,
				d.Stop, strings.Join(d.Listed, " "), strings.Join(d.Capped, " "), strings.Join(d.Failed, " "), d.Pack.SHA256, p.ClaimID)
		}
		return err
	})
}

func reasonCodes(rs []risk.Reason) string {
	out := make([]string, len(rs))
	for i, r := range rs {
		out[i] = r.Code
	}
	return strings.Join(out, " ")
}
