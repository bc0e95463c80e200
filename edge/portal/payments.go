package portal

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"surety/domain/claim"
	"surety/domain/party"
	"surety/domain/payment"
	"surety/edge/web"
	"surety/kernel/ident"
	"surety/kernel/money"
	"surety/platform/access"
	"surety/platform/db"
	"surety/platform/vault"
)

// pageSize is how many payments stand on a page: a few turns of the thumb.
const pageSize = 30

// bankPrefix marks a payee outside of the wallet.
const bankPrefix = "BANK:"

// paid is one payment out of the customer's accounts, as they may see it.
type paid struct {
	payment.Payment
	Payee string   // masked
	Own   bool     // made with the device enrolled for the account
	Known bool     // whether Own can be told at all
	Claim ident.ID // the customer's claim about it, "" if none
}

// reportable says whether a claim can be made: the money went or is going, and
// nobody has claimed it.
func (p paid) reportable() bool {
	return p.ClaimID == "" && (p.State == payment.Settled || p.State == payment.Allowed)
}

// ledgerOf reads payments for one customer inside one transaction.
type ledgerOf struct {
	p        *Portal
	tx       *db.Tx
	ctx      context.Context
	me       person
	accounts map[string]party.Account
	order    []string          // of the accounts, oldest first
	payees   map[string]string // looked up before
}

// withPayments runs fn with the customer's payments; the look is recorded.
func (p *Portal) withPayments(ctx context.Context, me person, fn func(l *ledgerOf) error) error {
	obj := access.Object{ID: me.ID, Owner: me.ID}
	return p.cfg.Access.View(ctx, me.Actor, access.ActPaymentList, obj, func(tx *db.Tx) error {
		l, err := p.ledgerOf(ctx, tx, me)
		if err != nil {
			return err
		}
		return fn(l)
	})
}

func (p *Portal) ledgerOf(ctx context.Context, tx *db.Tx, me person) (*ledgerOf, error) {
	as, err := p.cfg.Party.AccountsOf(tx, me.ID)
	if err != nil {
		return nil, err
	}
	l := &ledgerOf{p: p, tx: tx, ctx: ctx, me: me, accounts: map[string]party.Account{}, payees: map[string]string{}}
	for _, a := range as {
		l.accounts[a.ID] = a
		l.order = append(l.order, a.ID)
	}
	return l, nil
}

// one reads a payment that must be the customer's.
func (l *ledgerOf) one(id string) (paid, error) {
	q, found, err := l.p.cfg.Payment.Get(l.tx, id)
	if err != nil {
		return paid{}, err
	}
	if _, mine := l.accounts[q.Payer]; !found || !mine {
		return paid{}, absent()
	}
	return l.dress(q)
}

// dress adds what the customer may see of a payment.
func (l *ledgerOf) dress(q payment.Payment) (out paid, err error) {
	out = paid{Payment: q}
	if device := l.accounts[q.Payer].Device; device != "" && q.Device != "" {
		out.Known, out.Own = true, device == q.Device
	}
	if out.Payee, err = l.payee(q.Request.Payee); err != nil || q.ClaimID == "" {
		return out, err
	}
	c, found, err := l.p.cfg.Claim.Get(l.tx, q.ClaimID)
	if found && c.Claimant == l.me.ID {
		out.Claim = c.ID
	}
	return out, err
}

// payee is a receiver's name with the middle hidden; a shop's is public.
func (l *ledgerOf) payee(account string) (string, error) {
	if name, seen := l.payees[account]; seen {
		return name, nil
	}
	name := l.p.say(l.ctx, "p.payee.account", vault.MaskAccount(account))
	if number, bank := strings.CutPrefix(account, bankPrefix); bank {
		name = l.p.say(l.ctx, "p.payee.bank", vault.MaskAccount(number))
	} else if a, found, err := l.p.cfg.Party.Account(l.tx, account); err != nil {
		return "", err
	} else if found {
		who, known, err := l.p.cfg.Party.Get(l.tx, a.PartyID)
		if err != nil {
			return "", err
		}
		if known && who.Kind == party.Merchant {
			name = who.Name
		} else if known && who.Name != "" {
			name = maskName(who.Name)
		}
	}
	l.payees[account] = name
	return name, nil
}

// page lists the payments out of all accounts before one, newest first, and says
// whether there are more.
func (l *ledgerOf) page(before payment.Payment) (out []paid, more bool, err error) {
	var all []payment.Payment
	for _, account := range l.order {
		out, err := l.out(account, before)
		if err != nil {
			return nil, false, err
		}
		all = append(all, out...)
	}
	slices.SortFunc(all, func(a, b payment.Payment) int { return cmp.Or(b.At.Compare(a.At), cmp.Compare(b.ID, a.ID)) })
	more = len(all) > pageSize
	for _, q := range all[:min(pageSize, len(all))] {
		d, err := l.dress(q)
		if err != nil {
			return nil, false, err
		}
		out = append(out, d)
	}
	return out, more, nil
}

// out finds one more than a page of payments out of an account: the list also
// has what came in.
func (l *ledgerOf) out(account string, before payment.Payment) (got []payment.Payment, err error) {
	f := payment.Filter{Account: account, Before: before.ID, BeforeAt: before.At, Limit: 3 * pageSize}
	for {
		list, err := l.p.cfg.Payment.List(l.tx, f)
		if err != nil {
			return nil, err
		}
		for _, q := range list {
			if q.Payer == account {
				got = append(got, q)
			}
		}
		if len(list) < f.Limit || len(got) > pageSize {
			return got, nil
		}
		last := list[len(list)-1]
		f.Before, f.BeforeAt = last.ID, last.At
	}
}

func (p *Portal) payments(w http.ResponseWriter, r *http.Request, me person) error {
	var list []paid
	var more bool
	err := p.withPayments(r.Context(), me, func(l *ledgerOf) error {
		var before payment.Payment
		if id := r.URL.Query().Get("before"); id != "" {
			last, err := l.one(id)
			if err != nil {
				return err
			}
			before = last.Payment
		}
		var err error
		list, more, err = l.page(before)
		return err
	})
	if err != nil {
		return err
	}
	return show(w, r, p.paymentsPage(me, days(r.Context(), list), older(list, more), r.URL.Query().Get("before") != ""))
}

func (p *Portal) payment(w http.ResponseWriter, r *http.Request, me person) error {
	var q paid
	err := p.withPayments(r.Context(), me, func(l *ledgerOf) (err error) {
		q, err = l.one(r.PathValue("payment"))
		return err
	})
	if err != nil {
		return err
	}
	return show(w, r, p.paymentPage(me, q))
}

// day is the payments of one day.
type day struct {
	At    time.Time
	Items []paid
}

// days groups payments, which are in order, by the day of the reader's zone.
func days(ctx context.Context, list []paid) (out []day) {
	last := ""
	for _, q := range list {
		at := q.At.In(web.ViewOf(ctx).Zone)
		if d := at.Format(time.DateOnly); d != last {
			out = append(out, day{At: at})
			last = d
		}
		out[len(out)-1].Items = append(out[len(out)-1].Items, q)
	}
	return out
}

func older(list []paid, more bool) string {
	if !more {
		return ""
	}
	return "/payments?before=" + url.QueryEscape(list[len(list)-1].ID)
}

// dayName is today, yesterday or the date.
func (p *Portal) dayName(ctx context.Context, at time.Time) string {
	zone := web.ViewOf(ctx).Zone
	today := p.cfg.Clock.Now().In(zone)
	switch at.In(zone).Format(time.DateOnly) {
	case today.Format(time.DateOnly):
		return p.say(ctx, "p.today")
	case today.AddDate(0, 0, -1).Format(time.DateOnly):
		return p.say(ctx, "p.yesterday")
	}
	return web.OnDay(ctx, at)
}

// where says when, where and with what a payment was made, in one line.
func (p *Portal) where(ctx context.Context, q paid) string {
	parts := []string{q.At.In(web.ViewOf(ctx).Zone).Format("15:04")}
	if q.City != "" {
		parts = append(parts, q.City)
	}
	if d := p.device(ctx, q); d != "" {
		parts = append(parts, d)
	}
	return strings.Join(parts, " · ")
}

// device says whether the device is the one we know.
func (p *Portal) device(ctx context.Context, q paid) string {
	switch {
	case !q.Known:
		return ""
	case q.Own:
		return p.say(ctx, "p.device.own")
	}
	return p.say(ctx, "p.device.other")
}

// state says what became of a payment, where that is not "it went".
func (p *Portal) state(ctx context.Context, q paid) (web.Meaning, string) {
	switch {
	case q.ClaimID != "":
		return web.Waiting, p.say(ctx, "p.state.reported")
	case q.State == payment.Blocked || q.State == payment.Refused:
		return web.Held, p.say(ctx, "p.state.stopped")
	case q.State == payment.Returned:
		return web.Good, p.say(ctx, "p.state.returned")
	case q.State == payment.Held || q.State == payment.Challenged:
		return web.Waiting, p.say(ctx, "p.state.waiting")
	}
	return web.Plain, p.say(ctx, "p.state.went")
}

// meaning marks a payment's edge: only what needs a look.
func meaning(q paid) web.Meaning {
	switch {
	case q.Claim != "":
		return web.Waiting
	case q.State == payment.Blocked || q.State == payment.Refused || q.State == payment.Held:
		return web.Held
	}
	return web.Plain
}

// actions are the ways to say that something is wrong with a payment.
func (p *Portal) actions(ctx context.Context, q paid) []web.Link {
	switch {
	case q.Claim != "":
		return []web.Link{{Label: p.say(ctx, "p.see_claim"), Href: "/claims/" + q.Claim}}
	case !q.reportable():
		return nil
	}
	return []web.Link{
		{Label: p.say(ctx, "p.not_me"), Href: reportHref(q.ID, notMe)},
		{Label: p.say(ctx, "p.wrong_person"), Href: reportHref(q.ID, wrongPerson)},
	}
}

// sum adds payments; what is claimed.
func sum(list []paid) (money.Amount, error) {
	var total money.Amount
	var err error
	for _, q := range list {
		if total, err = total.Add(q.Amount); err != nil {
			return total, err
		}
	}
	return total, nil
}

// kinds are the answers to "what happened", by what was tapped; the first is the
// one that is chosen for people who only go on.
func kinds(how string) []claim.Kind {
	if how == wrongPerson {
		return []claim.Kind{claim.WrongAccount, claim.Impostor, claim.Deceived, claim.PaidThenBlocked}
	}
	return []claim.Kind{claim.Theft, claim.FacePayment}
}
