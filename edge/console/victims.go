package console

import (
	"cmp"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/a-h/templ"

	"surety/domain/authority"
	"surety/domain/claim"
	"surety/domain/fund"
	"surety/domain/incident"
	"surety/domain/notice"
	"surety/domain/party"
	"surety/edge/web"
	"surety/kernel/ident"
	"surety/kernel/money"
	"surety/platform/access"
	"surety/platform/db"
)

// verdictOrder puts what needs a person first.
func verdictOrder(v incident.Verdict) int {
	return slices.Index([]incident.Verdict{incident.Unmatched, incident.Differs, incident.FoundByUs, incident.False, incident.Unchecked,
		incident.PoliceConfirmed, incident.Inherited, incident.Resolved, incident.Confirmed}, v)
}

func verdictMeaning(v incident.Verdict) web.Meaning {
	switch v {
	case incident.Confirmed, incident.Inherited, incident.Resolved, incident.PoliceConfirmed:
		return web.Good
	case incident.Unmatched, incident.Differs, incident.FoundByUs:
		return web.Waiting
	case incident.False:
		return web.Danger
	}
	return web.Plain
}

// victimsOf filters and sorts by the page's address.
func (a *ask) victimsOf(v roomView) []incident.Victim {
	q, verdict, called := strings.ToLower(a.query("q")), incident.Verdict(a.query("verdict")), a.query("called")
	out := slices.DeleteFunc(slices.Clone(v.victims), func(x incident.Victim) bool {
		text := strings.ToLower(x.Name + " " + x.Account + " " + x.PoliceCase)
		return q != "" && !strings.Contains(text, q) || verdict != "" && x.Verdict != verdict ||
			called == "not_called" && x.Called != incident.NotCalled || called != "" && called != "not_called" && string(x.Called) != called
	})
	key, desc := web.SortOf(a.r, "verdict", "verdict", "name", "police", "amount")
	slices.SortStableFunc(out, func(x, y incident.Victim) int {
		n := 0
		switch key {
		case "name":
			n = cmp.Compare(x.Name, y.Name)
		case "police":
			n = cmp.Compare(x.Police.Minor, y.Police.Minor)
		case "amount":
			n = cmp.Compare(x.Amount.Minor, y.Amount.Minor)
		default:
			n = cmp.Compare(verdictOrder(x.Verdict), verdictOrder(y.Verdict))
		}
		if desc {
			n = -n
		}
		return n
	})
	return out
}

func (a *ask) victimsTable(v roomView) templ.Component {
	list := a.victimsOf(v)
	rows := make([]web.Row, len(list))
	total := money.Of(0, money.CNY)
	for i, x := range list {
		rows[i] = a.victimRow(v, x)
		if sum, err := total.Add(x.Amount); err == nil {
			total = sum
		}
	}
	verdicts := []web.Option{{Value: "", Label: a.t("all")}}
	for _, vd := range []incident.Verdict{incident.Unmatched, incident.Differs, incident.FoundByUs, incident.False, incident.Unchecked,
		incident.PoliceConfirmed, incident.Inherited, incident.Resolved, incident.Confirmed} {
		verdicts = append(verdicts, web.Option{Value: string(vd), Label: a.word("verdict.", string(vd))})
	}
	calls := []web.Option{{Value: "", Label: a.t("all")}, {Value: "not_called", Label: a.t("call.not_called")}}
	for _, o := range incident.CallOutcomes() {
		calls = append(calls, web.Option{Value: string(o), Label: a.word("call.", string(o))})
	}
	empty := web.EmptyProps{}
	if len(v.victims) == 0 {
		empty = web.EmptyProps{Title: a.t("victims.empty"), Text: a.t("victims.empty_text"),
			Action: web.Link{Label: a.t("room.sources"), Href: "/incidents/" + v.ID + "?tab=sources"}}
	}
	var foot []templ.Component
	if len(rows) > 0 {
		foot = []templ.Component{web.Text(web.Say(a.ctx, "table.total")), nil, nil, nil, web.Money(total)}
	}
	return web.Table(web.TableProps{ID: "victims", Title: a.t("room.victims"), Rows: rows, Foot: foot, Sorted: "verdict",
		Count: a.t("victims.count", len(list)), Empty: empty, Export: "/incidents/" + v.ID + "/victims.csv",
		Columns: []web.Column{{Label: a.t("victim.name"), Sort: "name"}, {Label: a.t("victim.verdict"), Sort: "verdict"},
			{Label: a.t("victim.police"), Num: true, Sort: "police"}, {Label: a.t("victim.records"), Num: true},
			{Label: a.t("victim.amount"), Num: true, Sort: "amount"}},
		Filter: []web.FieldProps{
			{Name: "q", Label: a.t("victims.search"), Type: "search", Value: a.query("q")},
			{Name: "verdict", Label: a.t("victim.verdict"), Type: "select", Value: a.query("verdict"), Options: verdicts},
			{Name: "called", Label: a.t("room.calls"), Type: "select", Value: a.query("called"), Options: calls},
		}})
}

func (a *ask) victimRow(v roomView, x incident.Victim) web.Row {
	href := "/incidents/" + v.ID + "/victims/" + x.ID
	row := web.Row{ID: x.ID, Name: x.Name, Href: href, Cells: []templ.Component{
		web.Two(x.Name, orDash(x.Account)),
		lines(web.Badge(verdictMeaning(x.Verdict), a.word("verdict.", string(x.Verdict))), web.Muted(a.reasons(x))),
		someMoney(x.Police), a.saidBeside(x), lines(someMoney(x.Amount), a.payoutOf(x), a.callCell(href, x)),
	}}
	if m := verdictMeaning(x.Verdict); m != web.Good {
		row.Meaning = m
	}
	return row
}

// reasons are the check's grounds in words.
func (a *ask) reasons(x incident.Victim) string {
	var out []string
	for _, r := range x.Reasons {
		out = append(out, claim.Words(r, notice.Lang(a.lang())))
	}
	return strings.Join(out, a.t("list.semicolon"))
}

// differing is what our records show, with the difference to the police's word.
func (a *ask) differing(x incident.Victim) templ.Component {
	if x.Police.Minor == 0 || x.Recorded.Minor == 0 || x.Police.Minor == x.Recorded.Minor {
		return someMoney(x.Recorded)
	}
	diff := money.Of(x.Recorded.Minor-x.Police.Minor, x.Police.Currency)
	return lines(web.Money(x.Recorded), web.Badge(web.Waiting, a.t("victim.difference", diff.Digits())))
}

// saidBeside is what our records show, and beneath it what the person said where
// that is something else.
func (a *ask) saidBeside(x incident.Victim) templ.Component {
	if x.Reported.Minor == 0 || x.Reported.Minor == x.Recorded.Minor {
		return a.differing(x)
	}
	return lines(a.differing(x), web.Muted(a.t("victim.said_amount", x.Reported.Digits())))
}

func someMoney(m money.Amount) templ.Component {
	if m.Minor == 0 {
		return web.Muted("—")
	}
	return web.Money(m)
}

func (a *ask) payoutOf(x incident.Victim) templ.Component {
	if x.Payout == "" {
		return nil
	}
	return a.payoutState(x.State)
}

func (a *ask) payoutState(s fund.PayoutState) templ.Component {
	m := map[fund.PayoutState]web.Meaning{fund.Settled: web.Good, fund.Rejected: web.Danger, fund.Returned: web.Danger,
		fund.Unknown: web.Danger,
		fund.Sending: web.Waiting, fund.Sent: web.Waiting, fund.Approved: web.Waiting}[s]
	return web.Badge(m, a.word("payout.", string(s)))
}

func (a *ask) callCell(href string, x incident.Victim) templ.Component {
	if x.Called != incident.NotCalled {
		return web.Muted(a.word("call.", string(x.Called)))
	}
	if a.may(access.ActIncidentCall) {
		return anchor(href+"#form-call", a.t("call.now"))
	}
	return web.Muted(a.t("call.not_called"))
}

func (a *ask) victimsCSV() error {
	v, err := a.loadRoom(a.path("id"))
	if err != nil {
		return err
	}
	return csvOut(a.w, "victims", func(row func(...string) error) error {
		err := row("victim", "name", "account", "police_case", "police", "records", "reported", "reports", "verdict", "reasons", "amount",
			"payout", "payout_state", "called", "claim")
		for _, x := range a.victimsOf(v) {
			if err != nil {
				return err
			}
			err = row(x.ID, x.Name, x.Account, x.PoliceCase, x.Police.Plain(), x.Recorded.Plain(), x.Reported.Plain(), strconv.Itoa(x.Reports),
				string(x.Verdict), strings.Join(x.Reasons, " "), x.Amount.Plain(), x.Payout, string(x.State), string(x.Called), x.Claim)
		}
		return err
	})
}

// victim is one person's place in the incident.
func (a *ask) victim() error { return a.victimPage(nil) }

// victimReveal shows whom to call; the look is recorded.
func (a *ask) victimReveal() error {
	_, x, err := a.loadVictim()
	if err != nil {
		return err
	}
	who := x.Claimant
	if who == "" {
		who = x.Party
	}
	p, _, err := a.c.cfg.Party.View(a.ctx, a.actor, who)
	if err != nil {
		return err
	}
	return a.victimPage(&p)
}

func (a *ask) loadVictim() (v roomView, x incident.Victim, err error) {
	if v, err = a.loadRoom(a.path("id")); err != nil {
		return v, x, err
	}
	i := slices.IndexFunc(v.victims, func(x incident.Victim) bool { return x.ID == a.path("victim") })
	if i < 0 {
		return v, x, ident.NotFound("victim", a.path("victim"))
	}
	return v, v.victims[i], nil
}

func (a *ask) victimPage(revealed *party.Party) error {
	v, x, err := a.loadVictim()
	if err != nil {
		return err
	}
	var history templ.Component
	err = a.c.cfg.DB.View(a.ctx, func(tx *db.Tx) (err error) {
		history, err = a.history(tx, x.ID)
		return err
	})
	if err != nil {
		return err
	}
	body := []templ.Component{columns(a.victimSays(x), a.victimPays(x), a.victimPhone(v, x, revealed))}
	if v.Status != incident.Closed && a.may(access.ActIncidentReconcile) {
		body = append(body, columns(a.victimDecides(v, x)...))
	}
	body = append(body, history)
	return a.show(web.PageProps{Title: x.Name, Mark: web.Badge(verdictMeaning(x.Verdict), a.word("verdict.",
		string(x.Verdict))), Lead: a.reasons(x),
		Crumbs: []web.Link{{Label: a.t("incidents.title"), Href: "/incidents"}, {Label: v.Title, Href: "/incidents/" + v.ID}}}, body...)
}

// victimSays is what each side names: the police, the records, the person.
func (a *ask) victimSays(x incident.Victim) templ.Component {
	terms := []web.Term{
		{Label: a.t("victim.account"), Value: web.Code(orDash(x.Account))},
		{Label: a.t("victim.police"), Value: someMoney(x.Police)},
		{Label: a.t("victim.case"), Value: web.Text(orDash(x.PoliceCase))},
		{Label: a.t("victim.records"), Value: a.differing(x)},
		{Label: a.t("victim.said"), Value: someMoney(x.Reported)},
		{Label: a.t("victim.times"), Value: web.Text(web.Count(x.Reports))},
	}
	for i, id := range x.Payments {
		if i == 10 {
			terms = append(terms, web.Term{Label: "…", Value: web.Muted(a.t("victim.more", len(x.Payments)-10))})
			break
		}
		terms = append(terms, web.Term{Label: a.t("victim.payment"), Value: linkID("/payments/"+id, id)})
	}
	return a.card("victim.who_says", web.DefList(terms...))
}

func (a *ask) victimPays(x incident.Victim) templ.Component {
	terms := []web.Term{{Label: a.t("victim.amount"), Value: someMoney(x.Amount)}, {Label: a.t("pay_to"), Value: a.payTo(x.PayTo)}}
	if x.Estate {
		terms = append(terms, web.Term{Label: a.t("victim.estate"), Value: web.Badge(web.Held, a.t("victim.heir"))})
	}
	if x.Claim != "" {
		claimCell := web.ID(x.Claim)
		if a.may(access.ActClaimRead) {
			claimCell = linkID("/claims/"+x.Claim, x.Claim)
		}
		terms = append(terms, web.Term{Label: a.t("claim"), Value: claimCell})
	}
	if x.Payout != "" {
		terms = append(terms, web.Term{Label: a.t("payout"), Value: web.Group(a.payoutState(x.State), web.ID(x.Payout))})
	}
	return a.card("victim.pays", web.DefList(terms...))
}

func (a *ask) victimPhone(v roomView, x incident.Victim, revealed *party.Party) templ.Component {
	var parts []templ.Component
	switch {
	case revealed != nil:
		parts = append(parts, web.DefList(web.Term{Label: a.t("victim.name"), Value: web.Text(revealed.Name)},
			web.Term{Label: a.t("phone"), Value: web.Strong(orDash(revealed.Phone))}))
	case x.Party != "" && a.may(access.ActPartyRead):
		parts = append(parts, post("/incidents/"+v.ID+"/victims/"+x.ID+"/reveal", web.ButtonProps{Label: a.t("victim.reveal"),
			Icon: "person", Key: "n"}))
	}
	if x.Called != incident.NotCalled {
		parts = append(parts, web.DefList(web.Term{Label: a.t("call.last"), Value: web.Text(a.word("call.", string(x.Called)))},
			web.Term{Label: a.t("when"), Value: web.Time(x.CalledAt)}, web.Term{Label: a.t("call.words"), Value: web.Text(orDash(x.CallWords))}))
	}
	if a.may(access.ActIncidentCall) && v.Status != incident.Closed {
		var options []web.Option
		for _, o := range incident.CallOutcomes() {
			options = append(options, web.Option{Value: string(o), Label: a.word("call.", string(o))})
		}
		parts = append(parts, a.form("call", web.FormProps{Action: "/incidents/" + v.ID + "/victims/" + x.ID + "/call",
			Submit: a.t("call.save")},
			web.FieldProps{Name: "outcome", Label: a.t("call.outcome"), Type: "select", Options: options},
			web.FieldProps{Name: "words", Label: a.t("call.words"), Type: "textarea", Optional: true}))
	}
	return a.card("call.title", parts...)
}

// victimDecides is where a person settles what the check could not: who it is, how
// much, to which account, or that there was no loss.
func (a *ask) victimDecides(v roomView, x incident.Victim) (out []templ.Component) {
	here := "/incidents/" + v.ID + "/victims/" + x.ID
	failed := x.State == fund.Rejected || x.State == fund.Returned
	if x.Party == "" {
		return []templ.Component{a.card("assign.title", prose(a.t("assign.text")),
			a.form("assign", web.FormProps{Action: here + "/assign", Submit: a.t("assign.submit")},
				web.FieldProps{Name: "account", Label: a.t("victim.account")}))}
	}
	if x.Approval == "" && x.Payout == "" && x.Verdict != incident.Unchecked {
		out = append(out, a.resolveForm(here, x))
	}
	if x.Verdict.Payable() && (x.Payout == "" || failed) {
		out = append(out, a.card("redirect.title", prose(a.t("redirect.text")),
			a.form("redirect", web.FormProps{Action: here + "/redirect", Submit: a.t("redirect.submit")},
				append(a.payToFields(false), web.FieldProps{Name: "why", Label: a.t("resolve.why"), Type: "textarea"})...)))
	}
	if x.Verdict == incident.False {
		out = append(out, a.card("refusal.title", prose(a.t("refusal.text")),
			a.form("refuse", web.FormProps{Action: here + "/refuse", Submit: a.t("refusal.submit"), Danger: true},
				web.FieldProps{Name: "words", Label: a.t("refusal.words"), Type: "textarea"})))
	}
	return out
}

func (a *ask) resolveForm(here string, x incident.Victim) templ.Component {
	amount := x.Amount
	if amount.Minor == 0 {
		amount = x.Police
	}
	f := web.FieldProps{Name: "amount", Label: a.t("victim.amount"), Type: "money", Unit: string(money.CNY)}
	if amount.Minor > 0 {
		f.Value = amount.Digits()
	}
	fields := append([]web.FieldProps{f}, a.payToFields(true)...)
	return a.card("resolve.title", prose(a.t("resolve.text")),
		a.form("resolve", web.FormProps{Action: here + "/resolve", Submit: a.t("resolve.submit")},
			append(fields, web.FieldProps{Name: "why", Label: a.t("resolve.why"), Type: "textarea"})...))
}

func (a *ask) payToFields(optional bool) []web.FieldProps {
	fields := []web.FieldProps{{Name: "name", Label: a.t("payto.name"), Optional: optional}, {Name: "bank",
		Label: a.t("payto.bank"), Optional: optional},
		{Name: "account", Label: a.t("payto.account"), Optional: optional}}
	if optional {
		fields[0].Hint = a.t("resolve.payto_hint")
	}
	return fields
}

// postedPayTo is the account of a form; people write numbers in groups.
func (a *ask) postedPayTo() fund.PayTo {
	account := strings.Join(strings.Fields(a.posted("account")), "")
	return fund.PayTo{Name: a.posted("name"), Bank: a.posted("bank"), Account: account, Rail: fund.RailBank}
}

func (a *ask) onVictim(form, key string, do func(victim ident.ID) error) error {
	if err := do(a.path("victim")); err != nil {
		return a.again(form, plainField(err, "pay_to."), (*ask).victim)
	}
	return a.done("/incidents/"+a.path("id")+"/victims/"+a.path("victim"), key)
}

func (a *ask) call() error {
	return a.onVictim("call", "call.saved", func(id ident.ID) error {
		return a.c.cfg.Incident.Call(a.ctx, a.actor, id, incident.CallOutcome(a.posted("outcome")), a.posted("words"))
	})
}

func (a *ask) resolve() error {
	return a.onVictim("resolve", "resolve.saved", func(id ident.ID) error {
		amount, err := a.postedMoney("amount")
		if err != nil {
			return err
		}
		to := fund.PayTo{}
		if a.posted("account") != "" {
			to = a.postedPayTo()
		}
		return a.c.cfg.Incident.Resolve(a.ctx, a.actor, id, amount, to, a.posted("why"))
	})
}

// assign names the account of a victim whom the match has not found. What there is
// no account of is said beside the field.
func (a *ask) assign() error {
	return a.onVictim("assign", "assign.saved", func(id ident.ID) error {
		err := a.c.cfg.Incident.Assign(a.ctx, a.actor, id, a.posted("account"))
		if ident.Is(err, ident.KindNotFound) {
			err = ident.Invalid("account", "account_not_found", "%s", a.t("assign.not_found"))
		}
		return err
	})
}

// redirect gives a victim another account to be paid to.
func (a *ask) redirect() error {
	return a.onVictim("redirect", "redirect.saved", func(id ident.ID) error {
		return a.c.cfg.Incident.Redirect(a.ctx, a.actor, id, a.postedPayTo(), a.posted("why"))
	})
}

func (a *ask) refuseVictim() error {
	return a.onVictim("refuse", "refusal.saved", func(id ident.ID) error {
		if a.posted("words") == "" {
			return ident.Invalid("words", "words_required", "%s", a.t("refusal.words_required"))
		}
		return a.c.cfg.Incident.Refuse(a.ctx, a.actor, id, a.posted("words"))
	})
}

// postedMoney reads an amount as people write it.
func (a *ask) postedMoney(field string) (money.Amount, error) {
	m, _, err := money.Parse(a.posted(field), money.CNY)
	if err != nil {
		var e *ident.Error
		if asIdent(err, &e) {
			out := *e
			out.Field = field
			return m, &out
		}
	}
	return m, err
}

// sourcesPart is what was read into the incident, and the form for more.
func (a *ask) sourcesPart(v roomView) []templ.Component {
	rows := make([]web.Row, len(v.sources))
	for i, s := range v.sources {
		rows[i] = web.Row{ID: s.ID, Name: s.Filename, Href: "/incidents/" + v.ID + "/sources/" + s.ID, Cells: []templ.Component{
			web.Two(clip(s.Filename, 60), a.word("source.", s.Kind)), web.Text(a.figuresText(s)), web.Time(s.ReadAt),
			web.Code(clip(s.SHA256, 12))}}
	}
	out := []templ.Component{web.Table(web.TableProps{ID: "sources", Title: a.t("room.sources"), Rows: rows,
		Count: a.t("sources.count", len(rows)),
		Columns: []web.Column{{Label: a.t("source.file")}, {Label: a.t("source.figures"), Wide: true},
			{Label: a.t("source.read")}, {Label: "SHA-256"}},
		Empty: web.EmptyProps{Title: a.t("sources.empty"), Text: a.t("sources.empty_text")}})}
	_, err := incident.Next(v.Status, incident.Gather)
	if err != nil || !a.may(access.ActIncidentImport) {
		return out
	}
	return append(out, a.card("upload.title", prose(a.t("upload.text")),
		a.form("upload", web.FormProps{Action: "/incidents/" + v.ID + "/upload", Upload: true, Submit: a.t("upload.submit")},
			web.FieldProps{Name: "kind", Label: a.t("upload.kind"), Type: "select", Options: []web.Option{
				{Value: "police_list", Label: a.t("source.police_list")}, {Value: "user_reports", Label: a.t("source.user_reports")},
				{Value: "estate", Label: a.t("source.estate")}}},
			web.FieldProps{Name: "file", Label: a.t("upload.file"), Type: "file", Accept: ".csv,.json,text/csv,application/json",
				Hint: a.t("upload.hint")})))
}

// figuresText is what a source says of itself.
func (a *ask) figuresText(s incident.Source) string {
	var n struct {
		authority.Totals
		Rows int          `json:"rows"`
		Loss money.Amount `json:"loss"`
	}
	if json.Unmarshal([]byte(s.Figures), &n) != nil {
		return ""
	}
	switch s.Kind {
	case "police_list":
		return n.Totals.Text(string(a.lang()))
	case "user_reports":
		return a.t("source.rows", n.Rows)
	case "estate":
		return n.Loss.String()
	}
	return clip(s.Figures, 80)
}

func (a *ask) marksTable(v roomView) templ.Component {
	rows := make([]web.Row, len(v.marks))
	for i, m := range v.marks {
		href := "/payments?account=" + m.Value
		if m.Kind == incident.MarkDevice {
			href = "/payments?device=" + m.Value
		}
		rows[i] = web.Row{Href: href, Name: m.Value, Cells: []templ.Component{web.Code(m.Value), web.Text(a.word("mark.", string(m.Kind))),
			web.Text(web.Count(m.Victims)), web.Text(a.t("mark.why_"+string(m.Kind), m.Victims))}}
	}
	return web.Table(web.TableProps{ID: "marks", Title: a.t("room.marks"), Rows: rows, Count: a.t("marks.count", len(rows)),
		Columns: []web.Column{{Label: a.t("mark.value")}, {Label: a.t("mark.kind")}, {Label: a.t("mark.victims"), Num: true},
			{Label: a.t("mark.why"), Wide: true}},
		Empty: web.EmptyProps{Title: a.t("marks.empty"), Text: a.t("marks.empty_text")}})
}
