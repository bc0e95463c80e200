package console

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"

	"surety/domain/claim"
	"surety/domain/fund"
	"surety/domain/notice"
	"surety/domain/party"
	"surety/domain/payment"
	"surety/edge/web"
	"surety/kernel/ident"
	"surety/kernel/money"
	"surety/platform/access"
	"surety/platform/db"
	"surety/platform/ledger"
	"surety/platform/vault"
)

const claimsPage = 50

// claims is the queue.
func (a *ask) claims() error {
	f, show := a.claimFilter()
	var list []claim.Claim
	var counts map[claim.Status]int
	err := a.view(access.ActClaimList, "", func(tx *db.Tx) (err error) {
		if list, err = a.c.cfg.Claim.List(tx, f); err != nil {
			return err
		}
		counts, err = a.c.cfg.Claim.Counts(tx)
		return err
	})
	if err != nil {
		return err
	}
	rows := make([]web.Row, len(list))
	for i, c := range list {
		rows[i] = a.claimRow(c)
	}
	next, newest := "", ""
	if len(list) == claimsPage && f.DueBy.IsZero() {
		next = web.Here(a.ctx, "before", list[len(list)-1].ID)
	}
	if f.Before != "" {
		newest = web.Here(a.ctx, "before", "")
	}
	statuses := []web.Option{{Value: "", Label: a.t("all")}}
	for _, s := range claim.Statuses() {
		if counts[s] > 0 || string(s) == a.query("status") {
			statuses = append(statuses, web.Option{Value: string(s), Label: a.word("cstatus.", string(s)) + " (" + web.Count(counts[s]) + ")"})
		}
	}
	empty := web.EmptyProps{Title: a.t("claims.empty_" + show), Text: a.t("claims.empty_text")}
	return a.show(web.PageProps{Title: a.t("claims.title"), Lead: a.t("claims.lead")},
		web.Tabs(a.t("claims.title"),
			web.Tab{Label: a.t("claims.open"), Href: "/claims", Count: -1},
			web.Tab{Label: a.t("claims.new"), Href: "/claims?show=new", Count: counts[claim.Received]},
			web.Tab{Label: a.t("claims.due"), Href: "/claims?show=due", Count: -1},
			web.Tab{Label: a.t("claims.late"), Href: "/claims?show=late", Count: -1},
			web.Tab{Label: a.t("claims.all"), Href: "/claims?show=all", Count: -1}),
		web.Table(web.TableProps{ID: "claims", Title: a.t("claims." + show), Columns: a.claimColumns(), Rows: rows,
			Count: a.t("claims.count", len(rows)), Empty: empty,
			Filter: []web.FieldProps{{Name: "status", Label: a.t("claim.status"), Type: "select", Value: a.query("status"), Options: statuses},
				{Name: "incident", Label: a.t("claim.incident"), Type: "search", Value: a.query("incident")}}}),
		older(newest, next, a.t("newest"), a.t("older")))
}

// claimFilter reads the queue's address; show is which of its views it is.
func (a *ask) claimFilter() (f claim.Filter, show string) {
	f = claim.Filter{Status: claim.Status(a.query("status")), Incident: a.query("incident"), Before: a.query("before"), Limit: claimsPage}
	now := a.c.cfg.Clock.Now()
	switch show = a.query("show"); show {
	case "new":
		f.Status = claim.Received
	case "due":
		f.Open, f.DueBy = true, now.Add(24*time.Hour)
	case "late":
		f.Open, f.DueBy = true, now
	case "all":
	default:
		show, f.Open = "open", f.Status == ""
	}
	return f, show
}

func (a *ask) claimColumns() []web.Column {
	return []web.Column{{Label: a.t("claim.number")}, {Label: a.t("claim.kind")}, {Label: a.t("claim.status")},
		{Label: a.t("claim.claimed"), Num: true},
		{Label: a.t("claim.confirmed"), Num: true}, {Label: a.t("claim.filed")}, {Label: a.t("claim.next")}}
}

func (a *ask) claimRow(c claim.Claim) web.Row {
	row := web.Row{ID: c.ID, Name: c.Number, Href: "/claims/" + url.PathEscape(c.ID), Cells: []templ.Component{
		web.Code(c.Number), web.Two(a.word("kind.", string(c.Kind)), a.word("csource.", c.Source)), a.claimStatus(c), someMoney(c.Claimed),
		someMoney(c.Confirmed), web.TimeShort(c.Filed), a.claimNext(c)}}
	if k := c.Due(); k != nil && k.Due.Before(a.c.cfg.Clock.Now()) {
		row.Meaning = web.Danger
	}
	return row
}

// claimNext is the promise that runs out next and who holds the ball.
func (a *ask) claimNext(c claim.Claim) templ.Component {
	k := c.Due()
	if k == nil {
		return web.Muted("—")
	}
	return lines(web.Text(a.word("clock.", k.Name)+" · "+a.word("owner.", string(k.Owner))), a.until(k.Due))
}

func (a *ask) claimStatus(c claim.Claim) templ.Component {
	m := map[claim.Status]web.Meaning{claim.Settled: web.Good, claim.Awaiting: web.Held, claim.Appealed: web.Danger,
		claim.Received: web.Waiting,
		claim.Triaged:  web.Waiting, claim.Investigating: web.Waiting, claim.Paying: web.Waiting}[c.Status]
	if c.Decision == claim.Refuse && c.Status == claim.Decided {
		m = web.Danger
	}
	return web.Badge(m, a.word("cstatus.", string(c.Status)))
}

// claimView is all about one claim.
type claimView struct {
	funds []fund.Fund // that could pay it
	claim.Claim
	story            []claim.Story
	holder, claimant party.Party
	revealed         bool
	payments         []payment.Payment
	evidence         []claim.Evidence
	decisions        []claim.Decision
	payouts          []fund.Payout
	books            []ledger.Transfer
	certificates     []notice.Issued
	history          templ.Component
}

func (a *ask) claim() error { return a.claimPage(false) }

// claimReveal shows the names; each look is recorded by party.read.
func (a *ask) claimReveal() error { return a.claimPage(true) }

func (a *ask) claimPage(reveal bool) error {
	v, err := a.loadClaim()
	if err != nil {
		return err
	}
	if reveal {
		v.revealed = true
		for _, p := range []*party.Party{&v.holder, &v.claimant} {
			if *p, _, err = a.c.cfg.Party.View(a.ctx, a.actor, p.ID); err != nil {
				return err
			}
		}
	}
	body := []templ.Component{
		a.card("", web.Steps(web.StepsProps{Label: a.t("claim.life"), Line: true, Items: a.claimLife(v)})),
		columns(a.claimWho(v), a.claimFacts(v)),
	}
	if v.Words != "" {
		body = append(body, a.card("claim.words", prose(v.Words)))
	}
	body = append(body, a.decideForm(v), a.payForm(v), a.claimPayments(v), a.evidenceCard(v), a.decisionsCard(v), a.booksTable("books",
		v.books), v.history)
	return a.show(web.PageProps{Title: a.t("claim.title", v.Number), Mark: a.claimStatus(v.Claim), Side: a.claimSide(v),
		Actions: a.claimKeys(v),
		Lead:    a.t("claim.lead", a.word("kind.", string(v.Kind)), v.Claimed.String(), web.When(a.ctx, v.Filed)),
		Crumbs:  []web.Link{{Label: a.t("claims.title"), Href: "/claims"}},
		Help:    []web.Key{{Key: "E", Does: a.t("claim.key_e")}, {Key: "D", Does: a.t("claim.key_d")}}}, body...)
}

// claimKeys lead to the evidence and to the decision by one key.
func (a *ask) claimKeys(v claimView) templ.Component {
	buttons := []templ.Component{web.Button(web.ButtonProps{Label: a.t("evidence.title"), Href: "#evidence", Key: "e", Icon: "file"})}
	if a.decideForm(v) != nil {
		buttons = append(buttons, web.Button(web.ButtonProps{Label: a.t("decision.title"), Href: "#form-decide", Key: "d",
			Icon: "cases", Primary: true}))
	}
	return web.Group(buttons...)
}

func (a *ask) loadClaim() (v claimView, err error) {
	id := a.path("id")
	if v.Claim, v.story, err = a.c.cfg.Claim.View(a.ctx, a.actor, id); err != nil {
		return v, err
	}
	err = a.c.cfg.DB.View(a.ctx, func(tx *db.Tx) (err error) {
		v.payments = nil
		if v.holder, _, err = a.c.cfg.Party.Get(tx, v.Holder); err != nil {
			return err
		}
		if v.claimant, _, err = a.c.cfg.Party.Get(tx, v.Claimant); err != nil {
			return err
		}
		for _, p := range v.Payments {
			one, _, err := a.c.cfg.Payment.Get(tx, p)
			if err != nil {
				return err
			}
			v.payments = append(v.payments, one)
		}
		if v.evidence, err = a.c.cfg.Claim.Evidence(tx, id); err != nil {
			return err
		}
		if v.decisions, err = a.c.cfg.Claim.Decisions(tx, id); err != nil {
			return err
		}
		if v.payouts, err = a.c.cfg.Fund.ByClaim(tx, id); err != nil {
			return err
		}
		if v.funds, err = a.c.cfg.Fund.Funds(tx); err != nil {
			return err
		}
		if v.certificates, err = a.c.cfg.Notice.ByClaim(tx, id); err != nil {
			return err
		}
		if v.books, err = a.payoutEntries(tx, v.payouts); err != nil {
			return err
		}
		for _, d := range v.decisions {
			a.staffName(tx, d.Actor)
		}
		v.history, err = a.history(tx, id)
		return err
	})
	return v, err
}

// claimLife is what happened, in the words that the claimant reads too, and what
// is promised next.
func (a *ask) claimLife(v claimView) []web.Step {
	var steps []web.Step
	for _, s := range v.story {
		st := web.Step{Label: a.word("cevent.", string(s.Event)), State: web.StepDone, Kept: s.At, Note: clip(a.storyWords(s.Words), 120)}
		if n := len(steps); n > 0 && steps[n-1].Label == st.Label && s.Event == claim.Triage {
			steps[n-1] = st // looked at again: the last look counts
			continue
		}
		steps = append(steps, st)
	}
	now := a.c.cfg.Clock.Now()
	for _, k := range v.Clocks {
		if !k.Done.IsZero() || !k.Paused.IsZero() {
			continue
		}
		state := web.StepNow
		if k.Due.Before(now) {
			state = web.StepLate
		}
		steps = append(steps, web.Step{Label: a.word("clock.", k.Name), State: state, Promised: k.Due, Owner: a.word("owner.",
			string(k.Owner))})
	}
	return steps
}

// storyWords turns codes into words where they are codes.
func (a *ask) storyWords(s string) string { return claim.Words(s, notice.Lang(a.lang())) }

func (a *ask) claimWho(v claimView) templ.Component {
	name := func(p party.Party) templ.Component {
		if v.revealed {
			return web.Two(p.Name, p.Phone)
		}
		return web.Two(maskName(p.Name), vault.MaskPhone(p.Phone))
	}
	terms := []web.Term{{Label: a.t("claim.holder"), Value: name(v.holder)}}
	if v.Claimant != v.Holder {
		terms = append(terms, web.Term{Label: a.t("claim.claimant"), Value: name(v.claimant)},
			web.Term{Label: a.t("estate.relation"), Value: web.Text(v.Standing)})
	}
	terms = append(terms, web.Term{Label: a.t("victim.account"), Value: web.Code(orDash(v.Account))},
		web.Term{Label: a.t("pay_to"), Value: a.payTo(v.PayTo)})
	var button templ.Component
	if !v.revealed && a.may(access.ActPartyRead) {
		button = post("/claims/"+url.PathEscape(v.ID)+"/reveal", web.ButtonProps{Label: a.t("reveal"), Icon: "person", Key: "n"})
	}
	return a.card("claim.who", web.DefList(terms...), button)
}

// payTo is where the money goes, masked.
func (a *ask) payTo(p fund.PayTo) templ.Component {
	if p.Account == "" {
		return web.Muted(a.t("payto.none"))
	}
	return web.Two(maskName(p.Name), strings.TrimSpace(p.Bank+" "+vault.MaskAccount(p.Account)))
}

func (a *ask) claimFacts(v claimView) templ.Component {
	terms := []web.Term{
		{Label: a.t("claim.claimed"), Value: web.Money(v.Claimed)}, {Label: a.t("claim.confirmed"), Value: someMoney(v.Confirmed)},
		{Label: a.t("claim.basis"), Value: web.Text(a.word("basis.", string(v.Basis)))},
		{Label: a.t("victim.case"), Value: web.Text(orDash(v.PoliceCase))}, {Label: a.t("claim.loss_date"), Value: web.Date(v.LossDate)},
	}
	if v.Verdict != "" {
		terms = append(terms, web.Term{Label: a.t("victim.verdict"), Value: web.Text(a.word("verdict.", v.Verdict))})
	}
	if len(v.Reasons) > 0 {
		terms = append(terms, web.Term{Label: a.t("claim.reasons"), Value: web.Text(a.storyWords(strings.Join(v.Reasons, " ")))})
	}
	if v.Incident != "" {
		terms = append(terms, web.Term{Label: a.t("claim.incident"), Value: linkTo("/incidents/"+v.Incident,
			orRaw(v.IncidentName, []string{v.Incident}))})
	}
	terms = append(terms, web.Term{Label: a.t("claim.recovery"), Value: web.Text(a.word("recovery.", string(v.Recovery)))})
	return a.card("claim.known", web.DefList(terms...))
}

func (a *ask) claimPayments(v claimView) templ.Component {
	return web.Table(web.TableProps{ID: "payments", Title: a.t("claim.payments"), Columns: a.paymentColumns(),
		Rows:  a.paymentRows(v.payments),
		Count: a.t("payments.count", len(v.payments)), Empty: web.EmptyProps{Title: a.t("claim.no_payments"),
			Text: a.t("claim.no_payments_text")}})
}

func (a *ask) evidenceCard(v claimView) templ.Component {
	rows := make([]web.Row, len(v.evidence))
	for i, e := range v.evidence {
		rows[i] = web.Row{ID: e.ID, Name: e.Name, Cells: []templ.Component{web.Text(clip(e.Name, 60)), web.Text(e.Type),
			web.Text(web.Count(e.Size)),
			web.Text(a.word("by.", e.Source)), web.Time(e.At), web.Code(clip(e.SHA256, 12))}}
		if a.may(access.ActClaimEvidenceRead) {
			rows[i].Href = "/claims/" + url.PathEscape(v.ID) + "/evidence/" + e.ID
		}
	}
	table := web.Table(web.TableProps{ID: "evidence", Title: a.t("evidence.title"), Rows: rows, Count: a.t("evidence.count", len(rows)),
		Columns: []web.Column{{Label: a.t("evidence.name")}, {Label: a.t("evidence.type")}, {Label: a.t("evidence.size"),
			Num: true}, {Label: a.t("evidence.from")},
			{Label: a.t("when")}, {Label: "SHA-256"}},
		Empty: web.EmptyProps{Title: a.t("evidence.empty"), Text: a.t("evidence.empty_text")}})
	if !a.may(access.ActClaimEvidenceAdd) || v.Status == claim.Closed || v.Status == claim.Withdrawn || v.Status == claim.Decided {
		return table
	}
	return web.Stack(table, details(a.t("evidence.add"), a.form("evidence",
		web.FormProps{Action: "/claims/" + url.PathEscape(v.ID) + "/evidence", Upload: true, Submit: a.t("evidence.add_submit")},
		web.FieldProps{Name: "file", Label: a.t("upload.file"), Type: "file", Accept: "image/*,application/pdf,text/plain",
			Hint: a.t("evidence.hint")})))
}

func (a *ask) decisionsCard(v claimView) templ.Component {
	if len(v.decisions) == 0 {
		return nil
	}
	var parts []templ.Component
	for _, d := range v.decisions {
		terms := []web.Term{{Label: a.t("decision.kind"), Value: web.Text(a.word("cdecision.", string(d.Kind)))},
			{Label: a.t("amount"), Value: someMoney(d.Amount)}, {Label: a.t("decision.by"), Value: web.Text(orRaw(a.names[d.Actor],
				[]string{d.Actor}))},
			{Label: a.t("when"), Value: web.Time(d.At)}}
		if d.Ground != "" {
			terms = append(terms, web.Term{Label: a.t("decision.ground"), Value: web.Text(a.storyWords(d.Ground))},
				web.Term{Label: a.t("decision.proofs"), Value: web.Text(a.storyWords(strings.Join(d.Proofs, " ")))})
		}
		if d.Words != "" {
			terms = append(terms, web.Term{Label: a.t("decision.words"), Value: web.Text(d.Words)})
		}
		parts = append(parts, web.DefList(terms...))
	}
	return a.card("decision.all", parts...)
}

// claimSide is money and clocks, and what can be done.
func (a *ask) claimSide(v claimView) templ.Component {
	var parts []templ.Component
	for _, k := range v.Clocks {
		if k.Paused.IsZero() {
			parts = append(parts, web.Clock(web.ClockProps{Label: a.word("clock.", k.Name), Owner: a.word("owner.", string(k.Owner)), Due: k.Due,
				Done: !k.Done.IsZero(), Soon: 12 * time.Hour}))
		}
	}
	for _, p := range v.payouts {
		parts = append(parts, a.card("payout", web.DefList(web.Term{Label: a.t("amount"), Value: web.Money(p.Amount)},
			web.Term{Label: a.t("payments.state"), Value: a.payoutState(p.State)}, web.Term{Label: a.t("fund"),
				Value: linkTo(a.fundHref(p.FundID), p.FundID)},
			web.Term{Label: "ID", Value: web.ID(p.ID)})))
	}
	for _, c := range v.certificates {
		if a.may(access.ActCertificateRead) {
			parts = append(parts, web.Button(web.ButtonProps{Label: a.t("certificate.open", c.Number),
				Href: "/certificates/" + c.ID, Icon: "certificate"}))
		}
	}
	parts = append(parts, a.claimMoves(v)...)
	return web.Stack(parts...)
}

// claimActs are the moves of the page and the act that each needs.
var claimActs = []struct {
	event claim.Event
	act   access.Act
	words bool
}{
	{claim.Investigate, access.ActClaimAssign, false}, {claim.Ask, access.ActClaimAsk, true}, {claim.Close, access.ActClaimAssign, false},
}

// claimMoves are what a person can do with the claim besides deciding.
func (a *ask) claimMoves(v claimView) (out []templ.Component) {
	for _, m := range claimActs {
		if _, err := claim.Next(v.Claim, m.event, a.c.cfg.Clock.Now()); err != nil || !a.may(m.act) {
			continue
		}
		name := "move-" + string(m.event)
		p := web.ConfirmProps{Button: a.t("move." + string(m.event)), Action: "/claims/" + url.PathEscape(v.ID) + "/move",
			Yes:  a.t("move." + string(m.event) + "_yes"),
			Says: a.t("move." + string(m.event) + "_says"), Hidden: []web.Hidden{{Name: "event", Value: string(m.event)}}}
		if m.words {
			p.Body = fieldsOf([]web.FieldProps{a.field(name, web.FieldProps{Name: "words", Label: a.t("move.words"), Type: "textarea"})})
		}
		out = append(out, web.Confirm(p))
	}
	return out
}

// decideForm is the decision by a person: ground and proofs for a refusal, the
// amount for the rest.
func (a *ask) decideForm(v claimView) templ.Component {
	now := v.Claim
	now.Decision = claim.Refuse // whether the status lets anything be decided
	if _, err := claim.Next(now, claim.Decide, a.c.cfg.Clock.Now()); err != nil || !a.may(access.ActClaimDecide) {
		return nil
	}
	grounds := []web.Option{{Value: "", Label: a.t("decision.no_ground")}}
	for _, g := range claim.Grounds() {
		grounds = append(grounds, web.Option{Value: g, Label: a.storyWords(g)})
	}
	amount := v.Confirmed
	if amount.Minor == 0 {
		amount = v.Claimed
	}
	var kinds []web.Option
	for _, k := range []claim.DecisionKind{claim.ApproveFull, claim.ApprovePartial, claim.Refuse} {
		kinds = append(kinds, web.Option{Value: string(k), Label: a.word("cdecision.", string(k))})
	}
	return a.card("decision.title", a.form("decide", web.FormProps{Action: "/claims/" + url.PathEscape(v.ID) + "/decide",
		Submit: a.t("decision.submit")},
		web.FieldProps{Name: "kind", Label: a.t("decision.kind"), Type: "select", Options: kinds},
		web.FieldProps{Name: "amount", Label: a.t("amount"), Type: "money", Unit: string(money.CNY), Value: amount.Digits()},
		web.FieldProps{Name: "ground", Label: a.t("decision.ground"), Type: "select", Options: grounds, Optional: true,
			Hint: a.t("decision.ground_hint")},
		web.FieldProps{Name: "proofs", Label: a.t("decision.proofs"), Type: "textarea", Optional: true, Hint: a.t("decision.proofs_hint")},
		web.FieldProps{Name: "words", Label: a.t("decision.words"), Type: "textarea", Optional: true, Hint: a.t("decision.words_hint")}))
}

// payForm orders the payout of a decided claim that belongs to no incident.
func (a *ask) payForm(v claimView) templ.Component {
	if _, err := claim.Next(v.Claim, claim.Pay, a.c.cfg.Clock.Now()); err != nil || v.Incident != "" || !a.may(access.ActFundPay) {
		return nil
	}
	var funds []web.Option
	for _, f := range v.funds {
		name := f.NameEN
		if web.LangOf(a.ctx) == web.ZH {
			name = f.NameZH
		}
		funds = append(funds, web.Option{Value: f.ID, Label: name})
	}
	return a.card("claimpay.title", prose(a.t("claimpay.says", v.Confirmed.String(), v.PayTo.Name, v.PayTo.Bank,
		vault.MaskAccount(v.PayTo.Account), a.c.cfg.Fund.FourEyes().String())),
		a.form("pay", web.FormProps{Action: "/claims/" + url.PathEscape(v.ID) + "/pay", Submit: a.t("claimpay.submit")},
			web.FieldProps{Name: "fund", Label: a.t("claimpay.fund"), Type: "select", Options: funds}))
}

func (a *ask) claimPay() error {
	rep, err := a.c.cfg.Claim.Pay(a.ctx, a.actor, a.path("id"), a.posted("fund"))
	if err != nil {
		return a.again("pay", err, (*ask).claim)
	}
	if rep.Waiting {
		return a.done(a.claimHref(), "claimpay.waiting")
	}
	return a.done(a.claimHref(), "claimpay.done")
}

func (a *ask) claimHref() string { return "/claims/" + url.PathEscape(a.path("id")) }

func (a *ask) claimDecide() error {
	in := claim.DecisionIn{Kind: claim.DecisionKind(a.posted("kind")), Words: a.posted("words")}
	var err error
	if in.Kind == claim.Refuse {
		in.Ground = a.posted("ground")
		for _, line := range strings.Split(a.posted("proofs"), "\n") {
			if line = strings.TrimSpace(line); line != "" {
				in.Proofs = append(in.Proofs, line)
			}
		}
	} else {
		in.Amount, err = a.postedMoney("amount")
	}
	if err == nil {
		err = a.c.cfg.Claim.Decide(a.ctx, a.actor, a.path("id"), in)
	}
	if err != nil {
		return a.again("decide", err, (*ask).claim)
	}
	return a.done(a.claimHref(), "decision.saved")
}

func (a *ask) claimMove() error {
	e := claim.Event(a.posted("event"))
	if !slices.ContainsFunc(claimActs, func(m struct {
		event claim.Event
		act   access.Act
		words bool
	}) bool {
		return m.event == e
	}) {
		return ident.Invalid("event", "unknown", "this page cannot do %q", e)
	}
	if _, err := a.c.cfg.Claim.Move(a.ctx, a.actor, a.path("id"), e, a.posted("words")); err != nil {
		return a.again("", err, (*ask).claim)
	}
	return a.done(a.claimHref(), "move."+string(e)+"_done")
}

func (a *ask) evidenceAdd() error {
	f, head, err := a.r.FormFile("file")
	if err != nil {
		return a.again("evidence", ident.Invalid("file", "file_required", "%s", a.t("upload.required")), (*ask).claim)
	}
	defer f.Close()
	if _, err := a.c.cfg.Claim.AddEvidence(a.ctx, a.actor, a.path("id"), head.Filename, f); err != nil {
		return a.again("evidence", fileError(err), (*ask).claim)
	}
	return a.done(a.claimHref(), "evidence.added")
}

// evidence answers with a file's bytes. Pictures and papers are shown, with a
// policy under which nothing in them can run; the rest is saved.
func (a *ask) evidence() error {
	e, body, err := a.c.cfg.Claim.OpenEvidence(a.ctx, a.actor, a.path("id"), a.path("file"))
	if err != nil {
		return err
	}
	how := "attachment"
	if strings.HasPrefix(e.Type, "image/") || e.Type == "application/pdf" {
		how = "inline"
	}
	h := a.w.Header()
	h.Set("Content-Type", e.Type)
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox; frame-ancestors 'none'")
	h.Set("Content-Disposition", how+"; filename*=UTF-8''"+url.PathEscape(e.Name))
	h.Set("Content-Length", strconv.Itoa(len(body)))
	_, err = a.w.Write(body)
	return err
}

func (a *ask) certificate() error {
	c, err := a.c.cfg.Notice.Open(a.ctx, a.actor, a.path("id"))
	if err != nil {
		return err
	}
	pdf, err := c.PDF()
	if err != nil {
		return err
	}
	a.w.Header().Set("Content-Type", "application/pdf")
	a.w.Header().Set("Content-Disposition", `inline; filename="certificate-`+c.Number+`.pdf"`)
	_, err = a.w.Write(pdf)
	return err
}
