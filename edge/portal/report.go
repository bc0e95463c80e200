package portal

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"surety/domain/claim"
	"surety/domain/fund"
	"surety/domain/payment"
	"surety/edge/web"
	"surety/kernel/ident"
	"surety/kernel/money"
)

// The two things one can say about a payment in the list.
const (
	notMe       = "not_me"
	wrongPerson = "wrong"
)

// Bounds of what is looked at, shown and taken.
const (
	aroundDevice = 90 * 24 * time.Hour // a strange phone may have had the account for months
	aroundTime   = 48 * time.Hour
	sameHour     = time.Hour
	mostOthers   = 60
	mostPayments = 200  // of one claim
	maxWords     = 2000 // characters
	maxBank      = 60
	claimPrefix  = "clm"
)

// source is how these claims say where they came from.
const source = "portal"

// candidate is a payment that may belong to the same loss.
type candidate struct {
	paid
	Picked bool   // suggested; the person decides
	Why    string // key of the reason, "" for none
}

// draft is a report on its way: all of it is in the address or the form, nothing
// is kept before it is handed in.
type draft struct {
	ID     ident.ID // of the claim to be
	How    string
	Kind   claim.Kind
	Seed   paid
	Others []paid // also chosen
	Bank   string
	Number string
	Words  string
	Case   string
}

// all are the chosen payments in order of time.
func (d draft) all() []paid {
	out := append([]paid{d.Seed}, d.Others...)
	slices.SortFunc(out, func(a, b paid) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.ID, b.ID)) })
	return out
}

func reportHref(id, how string) string {
	return "/report/" + url.PathEscape(id) + "?how=" + how
}

// how reads which of the two was tapped.
func how(form url.Values) string {
	if form.Get("how") == wrongPerson {
		return wrongPerson
	}
	return notMe
}

// report is the second tap: which others, and what happened.
func (p *Portal) report(w http.ResponseWriter, r *http.Request, me person) error {
	d := draft{How: how(r.URL.Query()), ID: p.cfg.IDs.New(claimPrefix)}
	d.Kind = kinds(d.How)[0]
	return p.askWhich(w, r, me, d, r.PathValue("payment"), nil, nil)
}

// askWhich shows the question; picked is what was chosen before, nil at first.
func (p *Portal) askWhich(w http.ResponseWriter, r *http.Request, me person, d draft, seed string, picked []string, errs web.Errors) error {
	var others []candidate
	err := p.withPayments(r.Context(), me, func(l *ledgerOf) (err error) {
		if d.Seed, err = l.one(seed); err != nil || !d.Seed.reportable() {
			return err
		}
		others, err = l.neighbours(d)
		return err
	})
	if err != nil {
		return err
	}
	if !d.Seed.reportable() {
		return p.notNow(w, r, d.Seed)
	}
	status := http.StatusOK
	if picked != nil || errs != nil {
		for i := range others {
			others[i].Picked = slices.Contains(picked, others[i].ID)
		}
		status = http.StatusUnprocessableEntity
	}
	web.Render(w, r, status, p.whichPage(me, d, others, errs))
	return nil
}

// notNow answers for a payment that cannot be reported: it is, or it never went.
func (p *Portal) notNow(w http.ResponseWriter, r *http.Request, q paid) error {
	if q.Claim != "" {
		p.web.Flash(w, r, web.Good, p.say(r.Context(), "p.already_reported"))
		web.Redirect(w, r, "/claims/"+q.Claim)
		return nil
	}
	p.web.Flash(w, r, web.Waiting, p.say(r.Context(), "p.cannot_report"))
	web.Redirect(w, r, "/payments/"+url.PathEscape(q.ID))
	return nil
}

// neighbours are payments that may be of the same loss, nearest in time first in
// the choice and in order of time in the list. What was made with the same
// strange phone or within the hour is suggested; only the person knows.
func (l *ledgerOf) neighbours(d draft) ([]candidate, error) {
	seed := d.Seed
	var found []candidate
	for _, account := range l.order {
		outs, err := l.p.cfg.Payment.Out(l.tx, account, seed.At.Add(-aroundDevice), seed.At.Add(aroundDevice))
		if err != nil {
			return nil, err
		}
		for _, q := range outs {
			if c, near := near(d.How, seed, q, l.accounts[account].Device); near {
				found = append(found, c)
			}
		}
	}
	apart := func(c candidate) time.Duration { return c.At.Sub(seed.At).Abs() }
	slices.SortStableFunc(found, func(a, b candidate) int {
		if a.Picked != b.Picked {
			return map[bool]int{true: -1, false: 1}[a.Picked]
		}
		return cmp.Compare(apart(a), apart(b))
	})
	found = found[:min(mostOthers, len(found))]
	slices.SortFunc(found, func(a, b candidate) int { return cmp.Or(b.At.Compare(a.At), cmp.Compare(b.ID, a.ID)) })
	for i := range found {
		var err error
		if found[i].paid, err = l.dress(found[i].Payment); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// near says whether a payment may belong to the seed, and why.
func near(how string, seed paid, q payment.Payment, enrolled string) (c candidate, ok bool) {
	c.paid = paid{Payment: q}
	if q.ID == seed.ID || !c.reportable() {
		return c, false
	}
	apart := q.At.Sub(seed.At).Abs()
	if how == wrongPerson {
		c.Why = "p.why.payee"
		return c, q.Payee == seed.Request.Payee
	}
	strange := q.Device != "" && q.Device == seed.Device && q.Device != enrolled
	switch {
	case strange:
		c.Why, c.Picked = "p.why.device", true
	case apart <= sameHour && (enrolled == "" || q.Device != enrolled || seed.Device == enrolled):
		c.Why, c.Picked = "p.why.hour", true
	case q.Payee == seed.Request.Payee:
		c.Why = "p.why.payee"
	}
	return c, strange || apart <= aroundTime
}

// readDraft reads what was chosen from the address or the form.
func (l *ledgerOf) readDraft(seed string, form url.Values) (d draft, err error) {
	d = draft{
		ID: form.Get("claim"), How: how(form), Kind: claim.Kind(form.Get("kind")), Bank: fold(form.Get("bank")),
		Number: digits(form.Get("account")), Words: fold(form.Get("words")), Case: fold(form.Get("police_case")),
	}
	if ident.Prefix(d.ID) != claimPrefix || ident.CheckID("claim", d.ID) != nil {
		return d, absent()
	}
	if d.Seed, err = l.one(seed); err != nil {
		return d, err
	}
	also := slices.Clone(form["also"])
	slices.Sort(also)
	also = slices.DeleteFunc(slices.Compact(also), func(id string) bool { return id == seed })
	if len(also) >= mostPayments {
		return d, ident.Invalid("also", "too_many", "at most %d payments in one claim", mostPayments)
	}
	for _, id := range also {
		q, err := l.one(id)
		if err != nil {
			return d, err
		}
		d.Others = append(d.Others, q)
	}
	if !slices.Contains(append(kinds(notMe), kinds(wrongPerson)...), d.Kind) {
		return d, ident.Invalid("kind", "kind_missing", "say what happened")
	}
	return d, nil
}

// reportMoney is the third tap: where the money shall go.
func (p *Portal) reportMoney(w http.ResponseWriter, r *http.Request, me person) error {
	var d draft
	seed := r.PathValue("payment")
	err := p.withPayments(r.Context(), me, func(l *ledgerOf) (err error) {
		d, err = l.readDraft(seed, r.URL.Query())
		return err
	})
	if ident.Is(err, ident.KindInvalid) {
		return p.askWhich(w, r, me, d, seed, append([]string{}, r.URL.Query()["also"]...), p.problems(r.Context(), err))
	}
	if err != nil {
		return err
	}
	if !d.Seed.reportable() {
		return p.notNow(w, r, d.Seed)
	}
	return p.askMoney(w, r, me, d, nil)
}

func (p *Portal) askMoney(w http.ResponseWriter, r *http.Request, me person, d draft, problem error) error {
	total, err := sum(d.all())
	if err != nil {
		return err
	}
	page := p.moneyPage(me, d, web.Money(total), len(d.all()), p.problems(r.Context(), problem))
	if problem != nil {
		return again(w, r, problem, page)
	}
	return show(w, r, page)
}

// file hands the report in.
func (p *Portal) file(w http.ResponseWriter, r *http.Request, me person) error {
	var d draft
	err := p.withPayments(r.Context(), me, func(l *ledgerOf) (err error) {
		d, err = l.readDraft(r.PathValue("payment"), r.PostForm)
		return err
	})
	if err != nil {
		return err // made up: our own form does not send such a thing
	}
	later := r.PostForm.Get("later") != ""
	to, problem := p.payTo(me, d.Bank, d.Number, later)
	if problem == nil {
		problem = short("words", d.Words, maxWords)
	}
	if problem == nil {
		problem = short("police_case", d.Case, maxBank)
	}
	if problem != nil {
		return p.askMoney(w, r, me, d, problem)
	}
	in := claim.FileIn{
		ID: d.ID, Kind: d.Kind, Holder: me.ID, Claimant: me.ID, Account: d.Seed.Payer, Basis: claim.LedgerRecord,
		PoliceCase: d.Case, LossDate: d.all()[0].At, Words: d.Words, PayTo: to, Source: source,
	}
	for _, q := range d.all() {
		in.Payments = append(in.Payments, q.ID)
	}
	if in.Claimed, err = sum(d.all()); err != nil {
		return err
	}
	return p.handIn(w, r, me, in, func(err error) error { return p.askMoney(w, r, me, d, err) })
}

// handIn files a claim and leads to it. The same form again is the same claim;
// what was handed in meanwhile, in another tab or with another account, leads to
// the claim that there is.
func (p *Portal) handIn(w http.ResponseWriter, r *http.Request, me person, in claim.FileIn, retry func(error) error) error {
	c, err := p.cfg.Claim.File(r.Context(), me.Actor, in)
	switch {
	case err == nil:
		p.web.Flash(w, r, web.Good, p.say(r.Context(), "p.filed", c.Number))
		web.Redirect(w, r, "/claims/"+c.ID)
		return nil
	case ident.Is(err, ident.KindConflict):
		id, found := p.mineAlready(r.Context(), me, in)
		if !found {
			return retry(err)
		}
		p.web.Flash(w, r, web.Waiting, p.say(r.Context(), "p.already_reported"))
		web.Redirect(w, r, "/claims/"+id)
		return nil
	case mended(err):
		return retry(err)
	}
	return err
}

// mineAlready finds the claim that a report collided with, if it is the customer's.
func (p *Portal) mineAlready(ctx context.Context, me person, in claim.FileIn) (id ident.ID, found bool) {
	if c, _, err := p.cfg.Claim.View(ctx, me.Actor, in.ID); err == nil {
		return c.ID, true
	}
	// A failed look finds nothing: the person is told of the conflict instead.
	_ = p.withPayments(ctx, me, func(l *ledgerOf) error {
		for _, payment := range in.Payments {
			if q, err := l.one(payment); err == nil && q.Claim != "" {
				id, found = q.Claim, true
				return nil
			}
		}
		return nil
	})
	return id, found
}

// payTo checks an account that money shall go to. It is always in the customer's
// own name: a thief who is in the wallet cannot send the compensation to himself
// under another name without the bank refusing it.
func (p *Portal) payTo(me person, bank, number string, later bool) (fund.PayTo, error) {
	if later {
		return fund.PayTo{}, nil
	}
	if err := errors.Join(checkBank(bank), checkNumber(number)); err != nil {
		return fund.PayTo{}, err
	}
	to := fund.PayTo{Name: me.Name, Bank: bank, Account: number, Rail: fund.RailBank}
	return to, to.Check()
}

func checkBank(bank string) error {
	switch {
	case bank == "":
		return ident.Invalid("bank", "bank_missing", "say at which bank the account is")
	case len([]rune(bank)) > maxBank || strings.Contains(bank, "\n"):
		return ident.Invalid("bank", "bank_long", "a bank's name has at most %d characters", maxBank)
	}
	return nil
}

func checkNumber(number string) error {
	switch {
	case number == "":
		return ident.Invalid("account", "account_missing", "say which account")
	case strings.Trim(number, "0123456789") != "":
		return ident.Invalid("account", "account_digits", "a bank account's number has digits only")
	case len(number) < 9 || len(number) > 30:
		return ident.Invalid("account", "account_length", "a bank account's number has 9 to 30 digits")
	}
	return nil
}

func short(field, text string, most int) error {
	if len([]rune(text)) > most {
		return ident.Invalid(field, "words_long", "at most %d characters", most)
	}
	return nil
}

// other is a report of a payment that is not in the list.
type other struct {
	ID     ident.ID
	Kind   claim.Kind
	Amount string
	Date   string
	Words  string
	Case   string
}

func (p *Portal) reportOther(w http.ResponseWriter, r *http.Request, me person) error {
	return show(w, r, p.otherPage(me, other{ID: p.cfg.IDs.New(claimPrefix)}, nil))
}

func (p *Portal) fileOther(w http.ResponseWriter, r *http.Request, me person) error {
	o := other{
		ID: r.PostForm.Get("claim"), Kind: claim.Kind(r.PostForm.Get("kind")), Amount: fold(r.PostForm.Get("amount")),
		Date: fold(r.PostForm.Get("date")), Words: fold(r.PostForm.Get("words")), Case: fold(r.PostForm.Get("police_case")),
	}
	if ident.Prefix(o.ID) != claimPrefix || ident.CheckID("claim", o.ID) != nil {
		return absent()
	}
	retry := func(errs web.Errors, err error) error { return again(w, r, err, p.otherPage(me, o, errs)) }
	in, problems := p.sworn(r.Context(), me, o)
	if len(problems) > 0 {
		var errs web.Errors
		for _, one := range problems {
			errs = append(errs, p.problems(r.Context(), one)...)
		}
		return retry(errs, problems[0])
	}
	err := p.withPayments(r.Context(), me, func(l *ledgerOf) error {
		if len(l.order) > 0 {
			in.Account = l.order[0]
		}
		return nil
	})
	if err != nil {
		return err
	}
	return p.handIn(w, r, me, in, func(err error) error { return retry(p.problems(r.Context(), err), err) })
}

// sworn turns the form into a claim that rests on the person's word.
func (p *Portal) sworn(ctx context.Context, me person, o other) (in claim.FileIn, problems []error) {
	bad := func(field, code, what string) { problems = append(problems, ident.Invalid(field, code, "%s", what)) }
	if !slices.Contains(append(kinds(notMe), kinds(wrongPerson)...), o.Kind) {
		bad("kind", "kind_missing", "say what happened")
	}
	amount, _, err := money.Parse(o.Amount, money.CNY)
	if err != nil || amount.Minor <= 0 {
		bad("amount", "amount_unread", "write the amount in yuan, for example 1200.00")
	}
	date, err := time.ParseInLocation(time.DateOnly, o.Date, web.ViewOf(ctx).Zone)
	now := p.cfg.Clock.Now()
	if err != nil || date.After(now) || date.Before(now.AddDate(-20, 0, 0)) {
		bad("date", "date_unread", "choose the day it happened; it cannot be in the future")
	}
	if o.Words == "" {
		bad("words", "words_missing", "say in your own words what happened")
	}
	for _, err := range []error{short("words", o.Words, maxWords), short("police_case", o.Case, maxBank)} {
		if err != nil {
			problems = append(problems, err)
		}
	}
	return claim.FileIn{
		ID: o.ID, Kind: o.Kind, Holder: me.ID, Claimant: me.ID, Claimed: amount, Basis: claim.SwornStatement,
		PoliceCase: o.Case, LossDate: date.UTC(), Words: o.Words, Source: source,
	}, problems
}
