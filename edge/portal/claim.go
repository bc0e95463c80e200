package portal

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"surety/domain/claim"
	"surety/domain/fund"
	"surety/domain/notice"
	"surety/domain/payment"
	"surety/edge/web"
	"surety/kernel/ident"
	"surety/kernel/money"
	"surety/platform/access"
	"surety/platform/db"
	"surety/platform/vault"
)

// mostClaims is how many claims a list shows; nobody has had more.
const mostClaims = 100

// appealTime is how long the letter of a decision gives to disagree (domain/claim
// says the same in it).
const appealTime = 30 * 24 * time.Hour

// life is a claim with all that its claimant may see.
type life struct {
	claim.Claim
	Now       time.Time
	Story     []claim.Story
	Paid      []paid
	Evidence  []claim.Evidence
	Decisions []claim.Decision
	Payouts   []fund.Payout
	Certs     []notice.Issued
	Holder    string // the account holder's name, if that is somebody else
	Published bool   // there is a public statement about its incident
}

// life reads a claim; the service checks that it is the customer's and records
// the look.
func (p *Portal) life(ctx context.Context, me person, id ident.ID) (l life, err error) {
	l.Now = p.cfg.Clock.Now()
	if l.Claim, l.Story, err = p.cfg.Claim.View(ctx, me.Actor, id); err != nil {
		return l, gone(err)
	}
	err = p.cfg.DB.View(ctx, func(tx *db.Tx) error {
		if l.Evidence, err = p.cfg.Claim.Evidence(tx, id); err != nil {
			return err
		}
		if l.Decisions, err = p.cfg.Claim.Decisions(tx, id); err != nil {
			return err
		}
		if l.Payouts, err = p.cfg.Fund.ByClaim(tx, id); err != nil {
			return err
		}
		if l.Certs, err = p.cfg.Notice.ByClaim(tx, id); err != nil {
			return err
		}
		if l.Claim.Holder != me.ID {
			who, _, err := p.cfg.Party.Get(tx, l.Claim.Holder)
			if err != nil {
				return err
			}
			l.Holder = who.Name
		}
		if l.Claim.Incident != "" {
			all, err := p.cfg.Incident.Published(tx, l.Claim.Incident)
			if err != nil {
				return err
			}
			l.Published = len(all) > 0
		}
		l.Paid, err = p.paymentsOf(ctx, tx, l.Claim)
		return err
	})
	// A certificate of another's (before an heir took over) is not shown here.
	l.Certs = slices.DeleteFunc(l.Certs, func(i notice.Issued) bool { return i.Owner != me.ID })
	return l, err
}

// paymentsOf reads the payments of a claim, whose own check covers them: an heir
// sees those of the one who died.
func (p *Portal) paymentsOf(ctx context.Context, tx *db.Tx, c claim.Claim) (out []paid, err error) {
	of, err := p.ledgerOf(ctx, tx, person{Actor: ident.Actor{ID: c.Holder}})
	if err != nil {
		return nil, err
	}
	for _, id := range c.Payments {
		q, found, err := p.cfg.Payment.Get(tx, id)
		if err != nil {
			return nil, err
		}
		if !found {
			continue
		}
		d, err := of.dress(q)
		if err != nil {
			return nil, err
		}
		out = append(out, d)
	}
	slices.SortFunc(out, func(a, b paid) int { return a.At.Compare(b.At) })
	return out, nil
}

// gone makes "there is none" and "it is another's" the same page.
func gone(err error) error {
	if ident.Is(err, ident.KindNotFound) || ident.Is(err, ident.KindDenied) {
		return absent()
	}
	return err
}

// claimsOf lists the customer's claims, newest first.
func (p *Portal) claimsOf(ctx context.Context, me person) (out []claim.Claim, err error) {
	obj := access.Object{ID: me.ID, Owner: me.ID}
	err = p.cfg.Access.View(ctx, me.Actor, access.ActClaimList, obj, func(tx *db.Tx) error {
		all, err := p.cfg.Claim.List(tx, claim.Filter{Party: me.ID, Limit: mostClaims})
		out = slices.DeleteFunc(all, func(c claim.Claim) bool { return c.Claimant != me.ID })
		return err
	})
	return out, err
}

func (p *Portal) claims(w http.ResponseWriter, r *http.Request, me person) error {
	list, err := p.claimsOf(r.Context(), me)
	if err != nil {
		return err
	}
	return show(w, r, p.claimsPage(me, list))
}

func (p *Portal) claim(w http.ResponseWriter, r *http.Request, me person) error {
	l, err := p.life(r.Context(), me, r.PathValue("claim"))
	if err != nil {
		return err
	}
	return show(w, r, p.claimPage(me, l))
}

// can says whether the claimant could do this now, by the claim's own table.
func (l life) can(e claim.Event) bool {
	_, err := claim.Next(l.Claim, e, l.Now)
	return err == nil
}

// mayAdd says whether files are taken, payable whether an account can be named.
func (l life) mayAdd() bool {
	return l.Status != claim.Closed && l.Status != claim.Withdrawn && l.Status != claim.Decided
}

func (l life) payable() bool {
	switch l.Status {
	case claim.Paying, claim.Settled, claim.Closed, claim.Withdrawn:
		return false
	case claim.Decided:
		// What two people approved with an incident's batch only they change.
		return l.Claim.Decision != claim.Refuse && l.Incident == ""
	}
	return true
}

// over says that nothing is expected to happen any more.
func (l life) over() bool {
	return l.Status == claim.Settled || l.Status == claim.Closed || l.Status == claim.Withdrawn || l.refused()
}

func (l life) refused() bool { return l.Status == claim.Decided && l.Claim.Decision == claim.Refuse }

// last is the decision that counts, nil if there is none.
func (l life) last() *claim.Decision {
	if len(l.Decisions) == 0 {
		return nil
	}
	return &l.Decisions[len(l.Decisions)-1]
}

// question is what we asked the claimant, "" if nothing is open.
func (l life) question() string {
	if l.Status != claim.Awaiting {
		return ""
	}
	for _, s := range slices.Backward(l.Story) {
		if s.Event == claim.Ask {
			return s.Words
		}
	}
	return ""
}

// bounced says that the bank gave the money back and nothing was ordered since.
func (l life) bounced() bool {
	if l.Status != claim.Decided || l.refused() {
		return false
	}
	for _, s := range slices.Backward(l.Story) {
		switch s.Event {
		case claim.PayoutRejected, claim.PayoutReturned:
			return true
		case claim.Pay:
			return false
		}
	}
	return false
}

// received are the payouts that have arrived.
func (l life) received() (out []fund.Payout) {
	for _, q := range l.Payouts {
		if q.State == fund.Settled {
			out = append(out, q)
		}
	}
	return out
}

// stage is the key of the words for where a claim stands.
func stage(c claim.Claim) string {
	switch {
	case c.Status == claim.Decided && c.Decision == claim.Refuse:
		return "refused"
	case c.Status == claim.Decided && c.Decision == claim.ApprovePartial:
		return "partial"
	case c.Status == claim.Decided:
		return "approved"
	case c.Status == claim.Settled && c.Decision == claim.ApprovePartial:
		return "settled_part"
	case c.Status == claim.Closed && c.Decision == claim.Refuse:
		return "closed_refused"
	case c.Status == claim.Draft || c.Status == claim.Triaged:
		return "received"
	}
	return string(c.Status)
}

// mood is the shape that goes with it.
func mood(c claim.Claim) web.Meaning {
	switch stage(c) {
	case "refused", "closed_refused":
		return web.Held
	case "awaiting_claimant":
		return web.Danger
	case "approved", "partial", "settled", "settled_part", "closed", "paying":
		return web.Good
	case "withdrawn":
		return web.Plain
	}
	return web.Waiting
}

// what is the amount that a title speaks of.
func (p *Portal) what(ctx context.Context, c claim.Claim) string {
	if c.Decision == claim.ApproveFull || c.Decision == claim.ApprovePartial {
		return p.amount(ctx, c.Confirmed)
	}
	return p.amount(ctx, c.Claimed)
}

// amount is money within a sentence.
func (p *Portal) amount(ctx context.Context, a money.Amount) string {
	if a.Currency == money.CNY {
		return p.say(ctx, "p.amount_cny", a.Digits())
	}
	return a.String()
}

// steps make the line of a claim's life: what was kept and when, what runs and
// until when and with whom, what is still to come.
func (p *Portal) steps(ctx context.Context, l life) []web.Step {
	out := []web.Step{{Label: p.say(ctx, "p.step.filed"), State: web.StepDone, Kept: l.Filed, Note: p.say(ctx, "p.step.number", l.Number)}}
	if l.Status == claim.Withdrawn {
		return append(out, web.Step{Label: p.say(ctx, "p.step.withdrawn"), State: web.StepStopped, Kept: lastTime(l, claim.Withdraw)})
	}
	clocks := slices.Clone(l.Clocks)
	slices.SortStableFunc(clocks, func(a, b claim.Clock) int { return order(a).Compare(order(b)) })
	running, paying := false, false
	seen := map[string]int{}
	for _, k := range clocks {
		seen[k.Name]++
		s := p.step(ctx, l, k, seen[k.Name] > 1)
		if s.State == web.StepNow && running {
			s.State = web.StepNext
		}
		running = running || s.State == web.StepNow || s.State == web.StepLate
		paying = paying || k.Name == claim.PaymentBy
		out = append(out, s)
	}
	if l.refused() || l.Status == claim.Closed && l.Claim.Decision != claim.ApproveFull && l.Claim.Decision != claim.ApprovePartial {
		return append(out, web.Step{Label: p.say(ctx, "p.step.refused"), State: web.StepStopped, Kept: lastTime(l, claim.Decide)})
	}
	if !paying {
		out = append(out, web.Step{Label: p.say(ctx, "p.step.payment"), State: web.StepNext, Note: p.say(ctx, "p.step.payment_rule")})
	}
	cert := web.Step{Label: p.say(ctx, "p.step.certificate"), State: web.StepNext, Note: p.say(ctx, "p.step.certificate_rule")}
	if len(l.Certs) > 0 {
		cert = web.Step{Label: p.say(ctx, "p.step.certificate"), State: web.StepDone, Kept: l.Certs[len(l.Certs)-1].Created}
	}
	return append(out, cert)
}

// order is where a clock stands in the line: what is done by when, then what
// runs by its promise, then what stands still.
func order(k claim.Clock) time.Time {
	switch {
	case !k.Done.IsZero():
		return k.Done
	case k.Paused.IsZero():
		return k.Due.AddDate(100, 0, 0)
	}
	return k.Due.AddDate(200, 0, 0)
}

func (p *Portal) step(ctx context.Context, l life, k claim.Clock, again bool) web.Step {
	key := k.Name
	if again && key == claim.DecisionBy {
		key = "decision_again"
	}
	s := web.Step{Label: p.say(ctx, "p.step."+key), Kept: k.Done, Promised: k.Due, State: web.StepNow}
	if k.Owner == claim.Claimant && k.Done.IsZero() {
		s.Note = p.say(ctx, "p.step.your_turn")
	} else {
		s.Owner = p.owner(ctx, k.Owner)
	}
	switch {
	case !k.Done.IsZero():
		s.State = web.StepDone
	case !k.Paused.IsZero():
		s.State, s.Promised, s.Owner, s.Note = web.StepNext, time.Time{}, "", p.say(ctx, "p.step.paused")
	case k.Due.Before(l.Now):
		s.State = web.StepLate
		if k.Owner == claim.Us {
			s.Note = p.say(ctx, "p.step.sorry")
		}
	}
	return s
}

func lastTime(l life, e claim.Event) time.Time {
	for _, s := range slices.Backward(l.Story) {
		if s.Event == e {
			return s.At
		}
	}
	return time.Time{}
}

// clockLabel is what the running promise is about.
func (p *Portal) clockLabel(ctx context.Context, k *claim.Clock) string {
	return p.say(ctx, "p.clock."+k.Name)
}

// ground is a refusal's ground or a triage's reasons in words.
func ground(ctx context.Context, codes ...string) string {
	l := notice.EN
	if web.LangOf(ctx) == web.ZH {
		l = notice.ZH
	}
	return claim.Words(strings.Join(codes, " "), l)
}

// storyWords are the words of a line of the story; triage speaks in codes.
func storyWords(ctx context.Context, s claim.Story) string {
	if s.Event == claim.Triage {
		return ground(ctx, s.Words)
	}
	return s.Words
}

// owner is who holds the ball, in words: we go by the wallet's name.
func (p *Portal) owner(ctx context.Context, o claim.Owner) string {
	if name := p.operator(ctx); o == claim.Us && name != "" {
		return name
	}
	return p.say(ctx, "p.owner."+string(o))
}

// storyWho says who did it.
func (p *Portal) storyWho(ctx context.Context, s claim.Story) string {
	switch s.By {
	case "claimant":
		return p.owner(ctx, claim.Claimant)
	case "us", "system":
		return p.owner(ctx, claim.Us)
	}
	return p.owner(ctx, claim.Police)
}

// toAccount is where the money goes, masked.
func toAccount(to fund.PayTo) string {
	return strings.TrimSpace(to.Name + " · " + to.Bank + " " + vault.MaskAccount(to.Account))
}

// line is one payment in words for a list.
func (p *Portal) line(ctx context.Context, q paid) string {
	return p.dayName(ctx, q.At) + " " + p.where(ctx, q)
}

// usual says that a payment went as payments go.
func usual(q paid) bool { return q.State == payment.Settled || q.State == payment.Allowed }
