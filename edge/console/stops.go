package console

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"

	"surety/domain/payment"
	"surety/domain/risk"
	"surety/domain/watch"
	"surety/edge/web"
	"surety/kernel/ident"
	"surety/platform/access"
	"surety/platform/db"
)

const (
	stopsPage   = 50
	stopTouched = 2_000 // payments of a stop's time that are looked through for those that it touched
	stopHours   = 4     // how long a stop lasts unless one says otherwise
	stopLimit   = 100   // and how many payments it may touch
)

// matchNames are the fields of a stop: those that few payments share, then those
// that many do.
var matchNames = [...]string{"payee", "device", "terminal", "merchant", "card", "payer", "region", "channel", "type"}

const narrowNames = 6

// matchValues are the fields of a match by name.
func matchValues(m risk.Match) map[string]string {
	return map[string]string{"payee": m.Payee, "device": m.Device, "terminal": m.Terminal, "merchant": m.Merchant, "card": m.Card,
		"payer": m.Payer, "region": m.Region, "channel": m.Channel, "type": m.Type}
}

// matchText says which payments are meant: "device dev-x, payee W9".
func (a *ask) matchText(m risk.Match) string {
	values := matchValues(m)
	var out []string
	for _, n := range matchNames {
		if values[n] != "" {
			out = append(out, a.t("match."+n)+" "+values[n])
		}
	}
	return strings.Join(out, a.t("list.comma"))
}

// stopIn reads a stop from a form or an address; what is missing gets its usual
// value. A time that cannot be read stays zero, and the service refuses it.
func (a *ask) stopIn(get func(string) string) watch.StopIn {
	in := watch.StopIn{ID: get("id"), Alarm: get("alarm"), Outcome: risk.Outcome(get("outcome")), ZH: get("zh"), EN: get("en"),
		Reason: get("reason"), Match: risk.Match{Payer: get("payer"), Payee: get("payee"), Device: get("device"), Terminal: get("terminal"),
			Merchant: get("merchant"), Card: get("card"), Channel: get("channel"), Region: get("region"), Type: get("type")}}
	in.Limit, _ = strconv.ParseInt(get("limit"), 10, 64) // the service says what is right
	if us, err := strconv.ParseInt(get("until"), 10, 64); err == nil {
		in.Until = ident.FromMicros(us)
	} else if h, err := strconv.Atoi(get("hours")); err == nil && h > 0 && h <= int(watch.MaxStopTime/time.Hour) {
		in.Until = a.c.cfg.Clock.Now().Add(time.Duration(h) * time.Hour)
	}
	return in
}

// stopForm asks which payments shall be stopped. It may be filled by its address,
// or from an alarm; then what it would do is said at once.
func (a *ask) stopForm() error { return a.stopPage(nil) }

func (a *ask) stopPage(preview templ.Component) error {
	get := a.query
	if a.r.Method == http.MethodPost {
		get = a.posted
	}
	in := a.stopIn(get)
	if in.ID == "" {
		in.ID = a.c.cfg.IDs.New("stp")
	}
	if id := in.Alarm; id != "" && a.r.Method == http.MethodGet {
		al, found, err := a.alarmOf(id)
		if err != nil {
			return err
		}
		if found && in.Match == (risk.Match{}) {
			in.Match, in.Reason = al.Match(), a.either(al.ZH, al.EN)
		}
	}
	var body []templ.Component
	if preview == nil && in.Match != (risk.Match{}) && a.bad == "" {
		p, err := a.c.cfg.Watch.PreviewStop(a.ctx, a.actor, watch.StopIn{Match: in.Match})
		if err == nil {
			preview = a.card("stop.would", a.disturbed(p))
		} else if !ident.Is(err, ident.KindInvalid) {
			return err
		}
	}
	if preview != nil {
		body = append(body, preview)
	}
	return a.show(web.PageProps{Title: a.t("stop.make"), Lead: a.t("stop.make_lead"),
		Crumbs: []web.Link{{Label: a.t("watch.title"), Href: "/watches"}}}, append(body, a.card("", a.stopFields(in)))...)
}

func (a *ask) stopFields(in watch.StopIn) templ.Component {
	values := matchValues(in.Match)
	var narrow, wide []web.FieldProps
	for i, n := range matchNames {
		f := web.FieldProps{Name: n, Label: a.t("match." + n), Value: values[n], Optional: true, Max: 128, Autocomplete: "off"}
		if i < narrowNames {
			narrow = append(narrow, a.field("stop", f))
			continue
		}
		if n == "type" {
			f.Type, f.Options = "select", a.typeOptions()
		}
		wide = append(wide, a.field("stop", f))
	}
	outcomes := []web.Option{}
	for _, o := range []risk.Outcome{risk.Challenge, risk.Hold, risk.Block} {
		outcomes = append(outcomes, web.Option{Value: string(o), Label: a.t("stop.do_" + string(o))})
	}
	var hours []web.Option
	for _, h := range []int{1, 2, 4, 8, 12, 24, 48, 72} {
		hours = append(hours, web.Option{Value: itoa(h), Label: a.t("stop.hours", h)})
	}
	def := func(v, usual string) string {
		if v == "" {
			return usual
		}
		return v
	}
	limit := itoa(stopLimit)
	if in.Limit > 0 {
		limit = strconv.FormatInt(in.Limit, 10)
	}
	rest := []web.FieldProps{
		{Name: "outcome", Label: a.t("stop.outcome"), Type: "select", Value: def(string(in.Outcome), string(risk.Hold)), Options: outcomes},
		{Name: "hours", Label: a.t("stop.until"), Type: "select", Value: def(a.r.FormValue("hours"), itoa(stopHours)), Options: hours,
			Hint: a.t("stop.until_hint")},
		{Name: "limit", Label: a.t("stop.limit"), Type: "number", Value: limit, Hint: a.t("stop.limit_hint", web.Count(watch.MaxAlone),
			web.Count(watch.MaxStop))},
		{Name: "reason", Label: a.t("stop.reason"), Value: in.Reason, Type: "textarea", Max: 400, Hint: a.t("stop.reason_hint")},
		{Name: "zh", Label: a.t("stop.told_zh"), Value: def(in.ZH, a.c.words.T(web.ZH, "stop.told")), Max: 200, Hint: a.t("stop.told_hint")},
		{Name: "en", Label: a.t("stop.told_en"), Value: def(in.EN, a.c.words.T(web.EN, "stop.told")), Max: 200},
	}
	all := append(append([]web.FieldProps{{Name: "match"}}, narrow...), append(wide, rest...)...)
	for i := range rest {
		rest[i] = a.field("stop", rest[i])
	}
	p := web.FormProps{Action: "/watches/stop", Submit: a.t("stop.preview"), ID: "form-stop", Cancel: web.Link{Label: a.t("cancel"),
		Href: "/watches"}, Hidden: []web.Hidden{{Name: "id", Value: in.ID}, {Name: "alarm", Value: in.Alarm}, {Name: "do", Value: "preview"}}}
	if a.bad == "stop" {
		p.Errors = a.linked("stop", all)
	}
	return formWith(p, fieldGroup("f-stop-match", a.t("stop.which"), a.t("stop.which_hint"), a.errs.For("stop-match"), narrow),
		details(a.t("stop.wide"), fieldGroup("f-stop-wide", "", a.t("stop.wide_hint"), "", wide)), fieldsOf(rest))
}

func (a *ask) typeOptions() []web.Option {
	out := []web.Option{{Value: "", Label: "—"}}
	for _, t := range []risk.Type{risk.Transfer, risk.Purchase, risk.Deposit, risk.Withdrawal} {
		out = append(out, web.Option{Value: string(t), Label: a.word("ptype.", string(t))})
	}
	return out
}

// disturbed says in words what a stop would have touched.
func (a *ask) disturbed(p watch.Preview) templ.Component {
	line := func(key string, d watch.Disturbed) templ.Component {
		text := a.t(key, web.Count(d.Payments), web.Count(d.Payers), d.Amount.String())
		if d.Other > 0 {
			text += a.t("stop.other", web.Count(d.Other))
		}
		if d.Stopped > 0 {
			text += a.t("stop.anyway", web.Count(d.Stopped))
		}
		return web.Para(text)
	}
	if p.Week.Payments == 0 {
		return prose(a.t("stop.nobody"))
	}
	return web.Stack(figures(
		web.FigureProps{Label: a.t("stop.day"), Value: web.Count(p.Day.Payments), Unit: a.t("unit.payments"),
			Note: a.t("stop.payers", web.Count(p.Day.Payers), p.Day.Amount.String())},
		web.FigureProps{Label: a.t("stop.week"), Value: web.Count(p.Week.Payments), Unit: a.t("unit.payments"),
			Note: a.t("stop.payers", web.Count(p.Week.Payers), p.Week.Amount.String())}),
		line("stop.day_text", p.Day), line("stop.week_text", p.Week))
}

// stopMake says what an order would do, and does it once that has been seen.
func (a *ask) stopMake() error {
	in := a.stopIn(a.posted)
	if a.posted("do") != "make" {
		return a.stopPreview(in)
	}
	out, err := a.c.cfg.Watch.MakeStop(a.ctx, a.actor, in)
	if err != nil {
		return a.again("stop", plainField(err, "match."), (*ask).stopForm)
	}
	at := "/watches/stops/" + url.PathEscape(out.Stop.ID)
	if out.Waiting {
		a.c.web.Flash(a.w, a.r, web.Waiting, a.t("stop.waits"))
		web.Redirect(a.w, a.r, at)
		return nil
	}
	return a.done(at, "stop.made", a.matchText(out.Stop.Match))
}

// stopPreview shows the order in words, with the button that gives it.
func (a *ask) stopPreview(in watch.StopIn) error {
	p, err := a.c.cfg.Watch.PreviewStop(a.ctx, a.actor, in)
	if err == nil && (in.Limit < 1 || in.Limit > watch.MaxStop) { // a preview counts whatever the limit
		err = ident.Invalid("limit", "stop_limit", "say how many payments it may touch, 1 to %d", watch.MaxStop)
	}
	if err == nil && in.Reason == "" {
		err = ident.Invalid("reason", "stop_reason", "say why")
	}
	for _, f := range []struct{ name, text string }{{"zh", in.ZH}, {"en", in.EN}} {
		if err == nil && f.text == "" {
			err = ident.Invalid(f.name, "words", "say it in %s", f.name)
		}
	}
	if err == nil && in.Until.IsZero() {
		err = ident.Invalid("hours", "stop_hours", "choose until when")
	}
	if err != nil {
		return a.again("stop", plainField(err, "match."), (*ask).stopForm)
	}
	hidden := []web.Hidden{{Name: "do", Value: "make"}, {Name: "id", Value: in.ID}, {Name: "alarm", Value: in.Alarm},
		{Name: "until", Value: strconv.FormatInt(ident.Micros(in.Until), 10)}, {Name: "outcome", Value: string(in.Outcome)},
		{Name: "limit", Value: strconv.FormatInt(in.Limit, 10)}, {Name: "reason", Value: in.Reason}, {Name: "zh", Value: in.ZH},
		{Name: "en", Value: in.EN}, {Name: "hours", Value: a.posted("hours")}}
	for n, v := range matchValues(in.Match) {
		if v != "" {
			hidden = append(hidden, web.Hidden{Name: n, Value: v})
		}
	}
	yes := a.t("stop.order")
	parts := []templ.Component{web.Strong(a.t("stop.says_"+string(in.Outcome), a.matchText(in.Match), web.When(a.ctx, in.Until),
		web.Count(in.Limit))), a.disturbed(p)}
	if p.TwoPeople {
		yes = a.t("stop.order_first")
		parts = append(parts, web.Note(web.Waiting, "", a.t("stop.two_people")))
	}
	parts = append(parts, post("/watches/stop", web.ButtonProps{Label: yes, Danger: true}, hidden...))
	return a.stopPage(a.card("stop.confirm", parts...))
}

// stops are all stops, the newest first.
func (a *ask) stops() error {
	f := watch.StopFilter{Limit: stopsPage}
	for _, s := range watch.StopStates() {
		if string(s) == a.query("state") {
			f.State = s
		}
	}
	if us, err := strconv.ParseInt(a.query("at"), 10, 64); err == nil && a.query("before") != "" {
		f.Before, f.BeforeAt = a.query("before"), ident.FromMicros(us)
	}
	var list []watch.Stop
	err := a.view(access.ActWatchRead, "", func(tx *db.Tx) (err error) {
		list, err = a.c.cfg.Watch.Stops(tx, f)
		return err
	})
	if err != nil {
		return err
	}
	next, newest := "", ""
	if len(list) == stopsPage {
		last := list[len(list)-1]
		next = web.Here(a.ctx, "before", last.ID, "at", strconv.FormatInt(ident.Micros(last.Created), 10))
	}
	if f.Before != "" {
		newest = web.Here(a.ctx, "before", "", "at", "")
	}
	states := []web.Option{{Value: "", Label: a.t("all")}}
	for _, s := range watch.StopStates() {
		states = append(states, web.Option{Value: string(s), Label: s.Name(string(a.lang()))})
	}
	t := a.stopTable(list)
	t.Filter = []web.FieldProps{{Name: "state", Label: a.t("payments.state"), Type: "select", Value: string(f.State), Options: states}}
	return a.show(web.PageProps{Title: a.t("stop.all"), Crumbs: []web.Link{{Label: a.t("watch.title"), Href: "/watches"}},
		Actions: a.stopButton()}, web.Table(t), older(newest, next, a.t("newest"), a.t("older")))
}

func (a *ask) stopButton() templ.Component {
	if !a.may(access.ActWatchStop) {
		return nil
	}
	return web.Button(web.ButtonProps{Label: a.t("stop.make"), Href: "/watches/stop", Danger: true})
}

func (a *ask) stopTable(list []watch.Stop) web.TableProps {
	rows := make([]web.Row, len(list))
	for i, s := range list {
		rows[i] = web.Row{ID: s.ID, Name: a.matchText(s.Match), Href: "/watches/stops/" + url.PathEscape(s.ID), Cells: []templ.Component{
			web.Two(a.matchText(s.Match), a.t("stop.do_"+string(s.Outcome))),
			web.Progress(web.ProgressProps{Label: a.t("stop.used"), Done: s.Used, Total: s.Limit,
				Text: a.t("stop.of", web.Count(s.Used), web.Count(s.Limit))}),
			web.Time(s.Until), a.stopState(s), web.Text(s.Reason), web.Text(a.colleague(s.By))}}
		if s.State == watch.Proposed {
			rows[i].Meaning = web.Waiting
		}
	}
	return web.TableProps{ID: "stops", Title: a.t("stop.title"), Rows: rows, Count: a.t("stop.count", len(rows)),
		Columns: []web.Column{{Label: a.t("stop.which_short")}, {Label: a.t("stop.used")}, {Label: a.t("stop.until")},
			{Label: a.t("payments.state")}, {Label: a.t("stop.reason"), Wide: true}, {Label: a.t("audit.who")}},
		Empty: web.EmptyProps{Title: a.t("stop.none"), Text: a.t("stop.none_text")}}
}

func (a *ask) stopState(s watch.Stop) templ.Component {
	m := map[watch.StopState]web.Meaning{watch.Active: web.Held, watch.Proposed: web.Waiting, watch.Exhausted: web.Danger}[s.State]
	return web.Badge(m, s.State.Name(string(a.lang())))
}

// stopView is a stop with what it has touched.
type stopView struct {
	watch.Stop
	touched   []payment.Payment
	held      int  // of those, still held
	cut       bool // there may be more
	history   templ.Component
	approvals []access.Approval
}

func (a *ask) loadStop(id ident.ID) (v stopView, err error) {
	err = a.view(access.ActWatchRead, id, func(tx *db.Tx) error {
		var found bool
		if v.Stop, found, err = a.c.cfg.Watch.Stop(tx, id); err != nil {
			return err
		}
		if !found {
			return ident.NotFound("stop", id)
		}
		if v.history, err = a.history(tx, id); err != nil {
			return err
		}
		if a.may(access.ActPaymentList) && v.State != watch.Proposed {
			f := payment.Filter{Outcome: "stopped", From: v.From, To: v.Until}
			v.touched, v.cut, err = newest(tx, a.c.cfg.Payment, f, stopTouched, func(p payment.Payment) bool { return p.Decision.Stop == id })
			v.held = 0
			for _, p := range v.touched {
				if p.State == payment.Held {
					v.held++
				}
			}
		}
		return err
	})
	return v, err
}

// stop is one stop: what it may touch and has touched, until when, and its end.
func (a *ask) stop() error {
	v, err := a.loadStop(a.path("id"))
	if err != nil {
		return err
	}
	facts := []web.Term{
		{Label: a.t("stop.which_short"), Value: web.Text(a.matchText(v.Match))},
		{Label: a.t("stop.outcome"), Value: web.Text(a.t("stop.do_" + string(v.Outcome)))},
		{Label: a.t("stop.reason"), Value: web.Text(v.Reason)},
		{Label: a.t("stop.told_short"), Value: web.Two(v.ZH, v.EN)},
		{Label: a.t("stop.ordered"), Value: lines(web.Text(a.colleague(v.By)), web.Time(v.Created))},
	}
	if v.Second != "" {
		facts = append(facts, web.Term{Label: a.t("stop.second"), Value: web.Text(a.colleague(v.Second))})
	}
	if v.Alarm != "" {
		facts = append(facts, web.Term{Label: a.t("watch.alarm"), Value: linkID("/watches/alarms/"+url.PathEscape(v.Alarm), v.Alarm)})
	}
	if !v.Ended.IsZero() {
		facts = append(facts, web.Term{Label: a.t("stop.ended"), Value: lines(web.Time(v.Ended), web.Text(a.colleague(v.EndedBy)),
			web.Muted(v.Words))})
	}
	shown := v.touched[:min(len(v.touched), 50)]
	count := a.t("payment.near", web.Count(len(shown)), web.Count(len(v.touched)))
	if v.cut {
		count = a.t("decisions.count_cut", web.Count(len(shown)), web.Count(stopTouched))
	}
	return a.show(web.PageProps{Title: a.matchText(v.Match), Mark: a.stopState(v.Stop), Lead: a.t("stop.do_" + string(v.Outcome)),
		Crumbs: []web.Link{{Label: a.t("watch.title"), Href: "/watches"}, {Label: a.t("stop.all"), Href: "/watches/stops"}}, Side: a.stopSide(v)},
		a.card("", web.Progress(web.ProgressProps{Label: a.t("stop.used"), Done: v.Used, Total: v.Limit,
			Text: a.t("stop.of", web.Count(v.Used), web.Count(v.Limit))}),
			web.DefList(facts...)),
		web.Table(web.TableProps{ID: "touched", Tight: true, Title: a.t("stop.touched"), Columns: a.decisionColumns(),
			Rows: a.decisionRows(shown), Count: count,
			Empty: web.EmptyProps{Title: a.t("stop.touched_none"), Text: a.t("stop.touched_none_text")}}), v.history)
}

// stopSide is what can be done with a stop now.
func (a *ask) stopSide(v stopView) templ.Component {
	var parts []templ.Component
	if v.State == watch.Active || v.State == watch.Proposed {
		parts = append(parts, web.Clock(web.ClockProps{Label: a.t("stop.until"), Due: v.Until}))
	}
	if !a.may(access.ActWatchStop) {
		return web.Stack(parts...)
	}
	at := "/watches/stops/" + url.PathEscape(v.ID)
	if v.State == watch.Proposed {
		if v.By == a.actor.ID {
			parts = append(parts, web.Note(web.Waiting, "", a.t("stop.waits")))
		} else {
			parts = append(parts, web.Confirm(web.ConfirmProps{Button: a.t("stop.approve"), Action: at + "/approve", Danger: true,
				Yes: a.t("stop.approve_yes"), Says: a.t("stop.says_"+string(v.Outcome), a.matchText(v.Match), web.When(a.ctx, v.Until),
					web.Count(v.Limit))}))
		}
	}
	if v.State == watch.Active {
		parts = append(parts, a.card("stop.extend", a.form("extend", web.FormProps{Action: at + "/extend", Submit: a.t("stop.extend_submit")},
			web.FieldProps{Name: "until", Label: a.t("stop.until"), Type: "datetime-local", Hint: a.t("stop.until_hint")})))
	}
	if v.State == watch.Active || v.State == watch.Proposed {
		parts = append(parts, web.Confirm(web.ConfirmProps{Button: a.t("stop.lift"), Action: at + "/lift", Yes: a.t("stop.lift_yes"),
			Says: a.t("stop.lift_says", web.Count(v.Used), v.held),
			Body: fieldsOf([]web.FieldProps{a.field("lift", web.FieldProps{Name: "words", Label: a.t("why"), Max: 400})})}))
	} else if v.held > 0 {
		parts = append(parts, web.Confirm(web.ConfirmProps{Button: a.t("stop.release", v.held), Action: at + "/release", Primary: true,
			Yes: a.t("stop.release_yes"), Says: a.t("stop.release_says", v.held)}))
	}
	return web.Stack(parts...)
}

// stopMove approves, extends or lifts a stop, or lets go what it held.
func (a *ask) stopMove() error {
	id, what := a.path("id"), a.path("what")
	at := "/watches/stops/" + url.PathEscape(id)
	var err error
	var out watch.StopResult
	switch what {
	case "approve":
		out, err = a.c.cfg.Watch.ApproveStop(a.ctx, a.actor, id)
	case "extend":
		out, err = a.c.cfg.Watch.ExtendStop(a.ctx, a.actor, id, a.postedTime("until", "2006-01-02T15:04"))
	case "lift":
		words := a.posted("words")
		if words == "" {
			return a.again("", ident.Invalid("", "stop_words", "%s", a.t("stop.words")), (*ask).stop)
		}
		_, err = a.c.cfg.Watch.LiftStop(a.ctx, a.actor, id, words)
	case "release":
		rep, err := a.c.cfg.Watch.ReleaseStop(a.calm(), a.actor, id, nil)
		if err != nil {
			return a.again("", err, (*ask).stop)
		}
		return a.done(at, "stop.released", rep.Released, rep.Left, rep.Moved)
	default:
		return a.nowhere()
	}
	if err != nil {
		return a.retry(what, err, (*ask).stop)
	}
	if out.Waiting {
		a.c.web.Flash(a.w, a.r, web.Waiting, a.t("stop.waits"))
		web.Redirect(a.w, a.r, at)
		return nil
	}
	return a.done(at, "stop.done_"+what)
}
