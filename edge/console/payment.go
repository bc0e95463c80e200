package console

import (
	"net/url"
	"time"

	"github.com/a-h/templ"

	"surety/domain/claim"
	"surety/domain/fund"
	"surety/domain/party"
	"surety/domain/payment"
	"surety/edge/web"
	"surety/kernel/ident"
	"surety/kernel/money"
	"surety/platform/access"
	"surety/platform/db"
	"surety/platform/ledger"
)

// around is how far from a payment its neighbours are looked for.
const around = 7 * 24 * time.Hour

// paymentView is all about one payment.
type paymentView struct {
	payment.Payment
	payer, payee side
	claim        *claim.Claim
	payouts      []fund.Payout
	books        []ledger.Transfer
	device, to   []payment.Payment // neighbours: the same device, the same payee
	history      templ.Component
}

// side is one end of a payment.
type side struct {
	account string
	known   bool
	acc     party.Account
	person  party.Party
}

func (a *ask) payment() error { return a.paymentPage(false) }

// paymentReveal shows the names; each look is recorded by party.read.
func (a *ask) paymentReveal() error { return a.paymentPage(true) }

func (a *ask) paymentPage(reveal bool) error {
	v, err := a.loadPayment(a.path("id"))
	if err != nil {
		return err
	}
	if reveal {
		for _, s := range []*side{&v.payer, &v.payee} {
			if s.known {
				if s.person, _, err = a.c.cfg.Party.View(a.ctx, a.actor, s.person.ID); err != nil {
					return err
				}
			}
		}
	}
	p := web.PageProps{Title: a.t("payment.title", v.Amount.String()), Mark: a.decided(v.Decision.Outcome),
		Lead:   a.t("payment.lead", v.Payer, v.Payee, web.When(a.ctx, v.At)),
		Crumbs: []web.Link{{Label: a.t("payments.title"), Href: "/payments"}}, Actions: a.paymentActions(v.Payment)}
	x := a.explain(v.Payment)
	body := append([]templ.Component{a.card("", web.Steps(web.StepsProps{Label: a.t("payment.life"), Line: true, Items: a.life(v)}))},
		a.plainNotes(x)...)
	return a.show(p, append(body,
		a.pictures(x),
		web.Stack(web.Buttons(web.ButtonProps{Label: a.t("explain.open"), Href: decisionHref(v.ID), Icon: "decisions", Key: "e"})),
		columns(a.partiesCard(v, reveal), a.factsCard(v.Payment), a.milderCard(x), a.proofsPart(v.Decision)),
		a.explainedFeatures(x),
		a.neighbours("device", a.t("payment.same_device", v.Device), v.device),
		a.neighbours("payee", a.t("payment.same_payee", v.Payee), v.to),
		a.afterCard(v), a.booksTable("books", v.books), v.history)...)
}

// loadPayment reads a payment and what stands around it in one look.
func (a *ask) loadPayment(id string) (v paymentView, err error) {
	v.Payment, err = a.c.cfg.Payment.View(a.ctx, a.actor, id)
	if err != nil {
		return v, err
	}
	from, to := v.At.Add(-around), v.At.Add(around)
	err = a.c.cfg.DB.View(a.ctx, func(tx *db.Tx) (err error) {
		if v.payer, err = a.side(tx, v.Payer); err != nil {
			return err
		}
		if v.payee, err = a.side(tx, v.Payee); err != nil {
			return err
		}
		if v.Device != "" {
			if v.device, err = a.c.cfg.Payment.ByDevice(tx, v.Device, from, to); err != nil {
				return err
			}
		}
		if v.to, err = a.c.cfg.Payment.In(tx, v.Payee, from, to); err != nil {
			return err
		}
		if v.history, err = a.history(tx, id); err != nil {
			return err
		}
		return a.afterwards(tx, &v)
	})
	return v, err
}

// afterwards reads the claim, its payouts and their entries in the books.
func (a *ask) afterwards(tx *db.Tx, v *paymentView) error {
	if v.ClaimID == "" {
		return nil
	}
	c, found, err := a.c.cfg.Claim.Get(tx, v.ClaimID)
	if err != nil || !found {
		return err
	}
	v.claim = &c
	if v.payouts, err = a.c.cfg.Fund.ByClaim(tx, c.ID); err != nil {
		return err
	}
	v.books, err = a.payoutEntries(tx, v.payouts)
	return err
}

func (a *ask) side(tx *db.Tx, account string) (s side, err error) {
	s.account = account
	if s.acc, s.known, err = a.c.cfg.Party.Account(tx, account); err != nil || !s.known {
		return s, err
	}
	s.person, _, err = a.c.cfg.Party.Get(tx, s.acc.PartyID)
	return s, err
}

// life is one line: what happened to the payment, and what is still promised.
func (a *ask) life(v paymentView) []web.Step {
	assessed := web.Step{Label: a.t("life.assessed"), State: web.StepDone, Kept: v.Created, Note: a.word("decision.",
		string(v.Decision.Outcome))}
	var steps []web.Step
	switch {
	case v.Request.Settled: // the judgement came after the fact
		assessed.Label = a.t("life.assessed_after")
		steps = append(steps, web.Step{Label: a.t("life.settled"), State: web.StepDone, Kept: v.At}, assessed)
	case v.State == payment.Settled:
		steps = append(steps, assessed, web.Step{Label: a.t("life.settled"), State: web.StepDone})
	case v.State == payment.Allowed:
		steps = append(steps, assessed, web.Step{Label: a.t("life.settled"), State: web.StepNow, Owner: a.t("owner.host")})
	case v.State == payment.Challenged || v.State == payment.Held:
		steps = append(steps, assessed,
			web.Step{Label: a.word("pstate.", string(v.State)), State: web.StepNow, Owner: a.t("owner.waits_" + string(v.State))})
	default:
		steps = append(steps, assessed, web.Step{Label: a.word("pstate.", string(v.State)), State: web.StepStopped})
	}
	if v.claim == nil {
		return steps
	}
	steps = append(steps, web.Step{Label: a.t("life.reported"), State: web.StepDone, Kept: v.claim.Filed})
	decided := web.Step{Label: a.t("life.decided"), State: web.StepNow, Owner: a.t("owner.us")}
	if k := v.claim.Due(); k != nil {
		decided.Promised = k.Due
	}
	if v.claim.Decision != claim.Undecided {
		decided = web.Step{Label: a.t("life.decided"), State: web.StepDone, Note: a.word("cdecision.", string(v.claim.Decision))}
	}
	steps = append(steps, decided)
	paid := web.Step{Label: a.t("life.paid_back"), State: web.StepNext}
	for _, p := range v.payouts {
		if p.State == fund.Settled {
			paid = web.Step{Label: a.t("life.paid_back"), State: web.StepDone, Kept: p.Settled}
		}
	}
	return append(steps, paid)
}

func (a *ask) either(zh, en string) string {
	if a.lang() == web.ZH {
		return zh
	}
	return en
}

func (a *ask) partiesCard(v paymentView, revealed bool) templ.Component {
	var terms []web.Term
	for _, s := range []struct {
		key string
		side
	}{{"payments.payer", v.payer}, {"payments.payee", v.payee}} {
		if !s.known {
			terms = append(terms, web.Term{Label: a.t(s.key), Value: web.Two(s.account, a.t("payment.outside"))})
			continue
		}
		name := s.person.Name
		if !revealed && s.person.Kind == party.Person {
			name = maskName(name)
		}
		terms = append(terms, web.Term{Label: a.t(s.key), Value: web.Two(name, s.account+" · "+s.acc.City)},
			web.Term{Label: a.t("payment.account_since"), Value: web.Group(web.Date(s.acc.Opened),
				web.Muted(a.word("verified.", string(s.acc.Verification))))},
			web.Term{Label: a.t("payment.own_device"), Value: web.Code(orDash(s.acc.Device))})
		if revealed && s.person.Phone != "" {
			terms = append(terms, web.Term{Label: a.t("phone"), Value: web.Text(s.person.Phone)})
		}
	}
	var button templ.Component
	if !revealed && a.may(access.ActPartyRead) {
		button = post("/payments/"+url.PathEscape(v.ID)+"/reveal", web.ButtonProps{Label: a.t("reveal"), Icon: "person", Key: "n"})
	}
	return a.card("payment.parties", web.DefList(terms...), button)
}

func orDash(s string) string {
	if s == "" {
		return "—"
	}
	return s
}

func (a *ask) factsCard(p payment.Payment) templ.Component {
	terms := []web.Term{
		{Label: a.t("payments.id"), Value: web.Code(p.ID)},
		{Label: a.t("when"), Value: web.Time(p.At)},
		{Label: a.t("payment.type"), Value: web.Text(a.word("ptype.", p.Type) + " · " + a.word("channel.", p.Channel))},
		{Label: a.t("payments.device"), Value: web.Code(orDash(p.Device))},
		{Label: "IP", Value: web.Code(orDash(p.IP))},
		{Label: a.t("payment.city"), Value: web.Text(orDash(p.City))},
	}
	for _, f := range []struct{ name, v string }{{"terminal", p.Terminal}, {"merchant", p.Merchant}, {"card", p.Card}, {"region", p.Region}} {
		if f.v != "" {
			terms = append(terms, web.Term{Label: a.t("match." + f.name), Value: web.Code(f.v)})
		}
	}
	terms = append(terms, web.Term{Label: a.t("payments.state"), Value: a.payState(p)})
	if p.Request.Settled {
		terms = append(terms, web.Term{Label: a.t("payment.history"), Value: web.Muted(a.t("payment.history_text"))})
	}
	return a.card("payment.facts", web.DefList(terms...))
}

// featureText writes a whole number with its unit; -1 says that it cannot be told.
func (a *ask) featureText(unit string, v int64, cur money.Currency) string {
	switch {
	case v < 0:
		return a.t("unknown")
	case unit == "minor":
		return money.Of(v, cur).String()
	case unit == "percent":
		return web.Count(v) + " %"
	case unit == "s":
		return web.Duration(a.lang(), time.Duration(v)*time.Second)
	case unit == "h":
		return web.Duration(a.lang(), time.Duration(v)*time.Hour)
	case unit == "d":
		return web.Duration(a.lang(), time.Duration(v)*24*time.Hour)
	}
	return web.Count(v)
}

// neighbours are payments near in time with something in common, at most 20.
func (a *ask) neighbours(id, title string, list []payment.Payment) templ.Component {
	if len(list) == 0 {
		return nil
	}
	shown := list
	if len(shown) > 20 {
		shown = shown[len(shown)-20:]
	}
	return web.Table(web.TableProps{ID: "near-" + id, Title: title, Columns: a.paymentColumns(), Rows: unanchored(a.paymentRows(shown)),
		Count: a.t("payment.near", web.Count(len(shown)), web.Count(len(list)))})
}

// unanchored takes the anchors off rows, for a page that shows the same object in
// several tables.
func unanchored(rows []web.Row) []web.Row {
	for i := range rows {
		rows[i].ID = ""
	}
	return rows
}

// afterCard is what came of it: the claim and the payouts.
func (a *ask) afterCard(v paymentView) templ.Component {
	if v.claim == nil {
		return a.card("payment.after", prose(a.t("payment.no_claim")))
	}
	number := web.Code(v.claim.Number)
	if a.may(access.ActClaimRead) {
		number = web.Anchor("/claims/"+url.PathEscape(v.claim.ID), v.claim.Number)
	}
	terms := []web.Term{{Label: a.t("claim.number"), Value: number}, {Label: a.t("claim.status"), Value: a.claimStatus(*v.claim)},
		{Label: a.t("claim.confirmed"), Value: web.Money(v.claim.Confirmed)}}
	for _, p := range v.payouts {
		terms = append(terms, web.Term{Label: a.t("payout"), Value: web.Group(web.ID(p.ID), web.Money(p.Amount), a.payoutState(p.State))})
	}
	return a.card("payment.after", web.DefList(terms...))
}

// paymentActions are what a person may do with a payment that waits.
func (a *ask) paymentActions(p payment.Payment) templ.Component {
	if p.State != payment.Held || !a.may(access.ActPaymentDecide) {
		return nil
	}
	action := "/payments/" + url.PathEscape(p.ID) + "/decide"
	return web.Group(
		web.Confirm(web.ConfirmProps{Button: a.t("payment.release"), Yes: a.t("payment.release_yes", p.Amount.String()), Action: action,
			Says: a.t("payment.release_says", p.Amount.String(), p.Payer, p.Payee), Hidden: []web.Hidden{{Name: "event",
				Value: string(payment.Release)}}}),
		web.Confirm(web.ConfirmProps{Button: a.t("payment.refuse"), Yes: a.t("payment.refuse_yes"), Action: action, Danger: true,
			Says: a.t("payment.refuse_says", p.Amount.String(), p.Payer, p.Payee), Hidden: []web.Hidden{{Name: "event",
				Value: string(payment.Refuse)}}}),
	)
}

func (a *ask) paymentDecide() error {
	id, e := a.path("id"), payment.Event(a.posted("event"))
	if e != payment.Release && e != payment.Refuse {
		return ident.Invalid("event", "unknown", "a held payment is released or refused")
	}
	if _, err := a.c.cfg.Payment.Advance(a.ctx, a.actor, id, e); err != nil {
		return a.again("", err, (*ask).payment)
	}
	return a.done("/payments/"+url.PathEscape(id), "payment.done_"+string(e))
}
