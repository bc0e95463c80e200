package claim

import (
	"strings"
	"time"

	"surety/kernel/ident"
	"surety/kernel/money"
)

// Event is what happens to a claim.
type Event string

// The events of a claim's status.
const (
	Submit         Event = "submit"          // handed in
	Triage         Event = "triage"          // checked against the records
	Ask            Event = "ask"             // we need something from the claimant
	Answer         Event = "answer"          // the claimant has answered
	Investigate    Event = "investigate"     // a person works on it
	Decide         Event = "decide"          // a person has decided
	Pay            Event = "pay"             // the payout is ordered
	PayoutSettled  Event = "payout_settled"  // the money has arrived
	PayoutRejected Event = "payout_rejected" // it will not arrive
	PayoutReturned Event = "payout_returned" // it had arrived and came back
	Close          Event = "close"
	Withdraw       Event = "withdraw"  // the claimant takes it back
	Appeal         Event = "appeal"    // the claimant disagrees
	TakeOver       Event = "take_over" // an heir steps in
)

// Events lists all of them, for tables and tests.
func Events() []Event {
	return []Event{Submit, Triage, Ask, Answer, Investigate, Decide, Pay, PayoutSettled, PayoutRejected, PayoutReturned,
		Close, Withdraw, Appeal, TakeOver}
}

// moves is the one table of what may happen to a status. What also depends on
// the decision is in allowed and in afterWithdrawal.
var moves = map[Status]map[Event]Status{
	Draft:         {Submit: Received, Withdraw: Withdrawn},
	Received:      {Triage: Triaged, Ask: Awaiting, Investigate: Investigating, Withdraw: Withdrawn, TakeOver: Received},
	Triaged:       {Triage: Triaged, Ask: Awaiting, Investigate: Investigating, Decide: Decided, Withdraw: Withdrawn, TakeOver: Triaged},
	Awaiting:      {Triage: Triaged, Answer: Investigating, Investigate: Investigating, Withdraw: Withdrawn, TakeOver: Awaiting},
	Investigating: {Triage: Investigating, Ask: Awaiting, Decide: Decided, Withdraw: Withdrawn, TakeOver: Investigating},
	Decided:       {Triage: Triaged, Pay: Paying, Appeal: Appealed, Close: Closed},
	Paying:        {PayoutSettled: Settled, PayoutRejected: Decided},
	Settled:       {PayoutReturned: Decided, Close: Closed, Appeal: Appealed},
	Closed:        {Triage: Triaged, PayoutReturned: Decided, Appeal: Appealed},
	Appealed: {Triage: Appealed, Ask: Awaiting, Investigate: Investigating, Decide: Decided, PayoutReturned: Appealed, Withdraw: Withdrawn,
		TakeOver: Appealed},
}

// The promises made at filing and after.
const (
	FirstAnswer    = "first_answer"
	DecisionBy     = "decision"
	PaymentBy      = "payment"
	ClaimantAnswer = "claimant_answer"
)

// promised is how long each promise takes. They are the micropayment company's
// own words made exact: an answer at once, a decision in days, money in a day.
var promised = map[string]time.Duration{
	FirstAnswer:    24 * time.Hour,
	DecisionBy:     3 * 24 * time.Hour,
	PaymentBy:      24 * time.Hour,
	ClaimantAnswer: 14 * 24 * time.Hour,
}

// Next applies an event: the new status and what it does to the clocks. It does
// not change c's slices. Pure.
func Next(c Claim, e Event, now time.Time) (Claim, error) {
	to, ok := moves[c.Status][e]
	if !ok {
		return c, ident.E(ident.KindState, "not_in_this_state", "a claim that is %s cannot %s now",
			words(string(c.Status)), words(string(e)))
	}
	if err := allowed(c, e); err != nil {
		return c, err
	}
	if e == Withdraw {
		to = c.afterWithdrawal()
	}
	c.Status = to
	c.Clocks = append([]Clock(nil), c.Clocks...)
	c.tick(e, now)
	return c, nil
}

// afterWithdrawal is where a claim goes that is taken back. Once something was
// decided, only the disagreement is taken back: what was approved stays to be paid.
func (c *Claim) afterWithdrawal() Status {
	switch {
	case c.clock(PaymentBy) != nil:
		return Decided
	case c.Decision == Undecided:
		return Withdrawn
	}
	return Closed
}

// tick is what an event does to the promises.
func (c *Claim) tick(e Event, now time.Time) {
	switch e {
	case Submit:
		c.start(FirstAnswer, Us, now)
		c.start(DecisionBy, Us, now)
	case Triage, Investigate:
		c.stop(FirstAnswer, now)
		c.stop(ClaimantAnswer, now)
		c.resume(DecisionBy, now)
		c.start(DecisionBy, Us, now) // runs already, unless a refused claim is looked at again
	case Ask:
		c.stop(FirstAnswer, now)
		c.pause(DecisionBy, now)
		c.start(ClaimantAnswer, Claimant, now)
	case Answer:
		c.stop(ClaimantAnswer, now)
		c.resume(DecisionBy, now)
	case Decide:
		c.stop(FirstAnswer, now)
		c.stop(DecisionBy, now)
		if c.Decision == Refuse {
			c.stop(PaymentBy, now)
		} else if c.Payout == "" {
			c.start(PaymentBy, Us, now)
		}
	case PayoutSettled:
		c.stop(PaymentBy, now)
	case PayoutReturned:
		c.start(PaymentBy, Us, now)
	case Appeal:
		c.start(DecisionBy, Us, now)
	case Close, Withdraw:
		for i := range c.Clocks {
			if c.Status != Decided || c.Clocks[i].Name != PaymentBy {
				c.stop(c.Clocks[i].Name, now)
			}
		}
	}
}

func words(s string) string { return strings.ReplaceAll(s, "_", " ") }

// allowed is what depends on the decision beside the status.
func allowed(c Claim, e Event) error {
	approved := c.Decision == ApproveFull || c.Decision == ApprovePartial
	switch {
	case e == Decide && c.Decision == Undecided:
		return ident.E(ident.KindInvalid, "no_decision", "a decision must approve or refuse")
	case e == Triage && (c.Status == Decided || c.Status == Closed) && c.Decision != Refuse:
		return ident.E(ident.KindState, "decided", "the claim is decided; only a refused one is looked at again when more is known")
	case e == Pay && !approved:
		return ident.E(ident.KindState, "not_approved", "only an approved claim can be paid")
	case e == Pay && c.clock(PaymentBy) == nil:
		return ident.E(ident.KindState, "paid_already", "the claim has been paid")
	case e == Close && c.Status == Decided && approved && c.clock(PaymentBy) != nil:
		return ident.E(ident.KindState, "not_paid", "an approved claim is closed after it was paid")
	case e == Appeal && c.Decision == ApproveFull:
		return ident.E(ident.KindState, "approved_in_full", "the claim was approved in full; there is nothing to appeal")
	}
	return nil
}

// Owed reports an approved claim whose money has not arrived: the promise to pay
// runs.
func (c Claim) Owed() bool {
	return (c.Decision == ApproveFull || c.Decision == ApprovePartial) && c.clock(PaymentBy) != nil
}

// Releasable is why an incident's batch could not release the claim for this
// amount, nil if it can: it waits for its decision, or the same was decided and is
// still owed.
func Releasable(c Claim, amount money.Amount, now time.Time) error {
	if c.Claimed.Currency != amount.Currency {
		return ident.E(ident.KindState, "currency_differs", "the claim is in %s, not in %s", c.Claimed.Currency, amount.Currency)
	}
	if c.Status == Decided && c.Owed() && c.Confirmed == amount {
		return nil
	}
	if c.Status == Received {
		return ident.E(ident.KindState, "not_triaged", "check the claim against the records first")
	}
	c.Decision = ApproveFull
	_, err := Next(c, Decide, now)
	return err
}

func (c *Claim) clock(name string) *Clock {
	for i := len(c.Clocks) - 1; i >= 0; i-- {
		if c.Clocks[i].Name == name && c.Clocks[i].Done.IsZero() {
			return &c.Clocks[i]
		}
	}
	return nil
}

func (c *Claim) start(name string, owner Owner, now time.Time) {
	if c.clock(name) == nil {
		c.Clocks = append(c.Clocks, Clock{Name: name, Owner: owner, Due: now.Add(promised[name])})
	}
}

func (c *Claim) stop(name string, now time.Time) {
	if k := c.clock(name); k != nil {
		k.Done = now
	}
}

func (c *Claim) pause(name string, now time.Time) {
	if k := c.clock(name); k != nil && k.Paused.IsZero() {
		k.Paused = now
	}
}

// resume lets a clock go on with the time it had left.
func (c *Claim) resume(name string, now time.Time) {
	if k := c.clock(name); k != nil && !k.Paused.IsZero() {
		k.Due = k.Due.Add(now.Sub(k.Paused))
		k.Paused = time.Time{}
	}
}

// Due is the next promise that runs, nil if none does.
func (c Claim) Due() *Clock {
	var next *Clock
	for i, k := range c.Clocks {
		if k.Done.IsZero() && k.Paused.IsZero() && (next == nil || k.Due.Before(next.Due)) {
			next = &c.Clocks[i]
		}
	}
	return next
}

// advanceMoves and recoveryMoves are the tables of the other two dimensions.
var advanceMoves = map[Advance][]Advance{
	NoAdvance: {Shadow, Advanced},
	Shadow:    {Advanced, Confirmed, Reversed},
	Advanced:  {Confirmed, Reversed},
	Reversed:  {WrittenOff},
}

var recoveryMoves = map[Recovery][]Recovery{
	NotStarted:        {Tracing},
	Tracing:           {Frozen, Recalled, PartiallyReturned, Returned, Exhausted},
	Frozen:            {Recalled, PartiallyReturned, Returned, Exhausted},
	Recalled:          {PartiallyReturned, Returned, Exhausted},
	PartiallyReturned: {PartiallyReturned, Returned, Exhausted},
}

// MoveAdvance checks a move of the advance.
func MoveAdvance(from, to Advance) error {
	for _, ok := range advanceMoves[from] {
		if ok == to {
			return nil
		}
	}
	return ident.E(ident.KindState, "not_in_this_state", "an advance that is %s cannot become %s", words(string(from)), words(string(to)))
}

// MoveRecovery checks a move of the recovery.
func MoveRecovery(from, to Recovery) error {
	for _, ok := range recoveryMoves[from] {
		if ok == to {
			return nil
		}
	}
	return ident.E(ident.KindState, "not_in_this_state", "a recovery that is %s cannot become %s", words(string(from)), words(string(to)))
}
