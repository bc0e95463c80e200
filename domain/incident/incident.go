package incident

import (
	"strings"
	"time"

	"surety/domain/fund"
	"surety/kernel/ident"
	"surety/kernel/money"
)

// Status is how far an incident is.
type Status string

// The states of an incident.
const (
	Declared   Status = "declared"   // one person has asked for it, or two have; nothing gathered
	Gathering  Status = "gathering"  // sources are being read
	Reconciled Status = "reconciled" // each victim has a verdict
	Proposed   Status = "proposed"   // one person has signed the batch
	Approved   Status = "approved"   // two have; the money is set aside
	Paying     Status = "paying"     // payouts are under way
	Paid       Status = "paid"       // every payout has settled
	Closed     Status = "closed"     // the fund is free again; final
)

// Statuses lists all of them, for tables and tests.
func Statuses() []Status {
	return []Status{Declared, Gathering, Reconciled, Proposed, Approved, Paying, Paid, Closed}
}

// Event is what happens to an incident.
type Event string

// The events of an incident.
const (
	Gather    Event = "gather"    // a source was read
	Reconcile Event = "reconcile" // every victim was checked
	Propose   Event = "propose"   // the first signature
	Withdraw  Event = "withdraw"  // the proposal is taken back
	Approve   Event = "approve"   // the second signature
	Pay       Event = "pay"       // payouts were ordered
	Settle    Event = "settle"    // the last payout settled
	Close     Event = "close"
)

// Events lists all of them.
func Events() []Event {
	return []Event{Gather, Reconcile, Propose, Withdraw, Approve, Pay, Settle, Close}
}

// moves is the one table of what may happen in which state.
var moves = map[Status]map[Event]Status{
	Declared:   {Gather: Gathering, Close: Closed},
	Gathering:  {Gather: Gathering, Reconcile: Reconciled, Pay: Gathering, Close: Closed},
	Reconciled: {Gather: Gathering, Reconcile: Reconciled, Propose: Proposed, Pay: Reconciled, Close: Closed},
	Proposed:   {Withdraw: Reconciled, Approve: Approved},
	Approved:   {Pay: Paying},
	Paying:     {Gather: Gathering, Propose: Proposed, Pay: Paying, Settle: Paid},
	Paid:       {Gather: Gathering, Propose: Proposed, Close: Closed},
}

// Next is the status after an event, or a KindState error.
func Next(s Status, e Event) (Status, error) {
	if to, ok := moves[s][e]; ok {
		return to, nil
	}
	return s, ident.E(ident.KindState, "not_in_this_state", "an incident that is %s cannot %s now", s, e)
}

// Incident is one event with many victims.
type Incident struct {
	ID       ident.ID
	Title    string
	Status   Status
	FundID   string    // the fund that pays and is frozen for it
	From, To time.Time // when the losses happened: from ≤ t < to
	Deadline time.Time // "today": when everybody is to be paid
	Approval ident.ID  // the approval of the batch, "" before it
	Created  time.Time
	Version  int
}

// MarkKind is what a mark names.
type MarkKind string

// The kinds of marks.
const (
	MarkDevice MarkKind = "device"
	MarkPayee  MarkKind = "payee"
)

// Mark is a thief's device or receiving account, by which further victims are found.
type Mark struct {
	Kind    MarkKind
	Value   string
	Victims int    // known victims it touched when it was found
	Why     string // in words, for the file
}

// Verdict is what the check against the records says of a victim.
type Verdict string

// The verdicts. The order is that of attention: what needs a person stands first.
const (
	Unchecked       Verdict = "unchecked"
	Unmatched       Verdict = "unmatched"        // no account or person found: a person must look
	Differs         Verdict = "differs"          // police and records name different amounts: a person decides
	FoundByUs       Verdict = "found_by_us"      // the records show a theft that nobody has reported: call them
	False           Verdict = "false"            // a report without any trace in records or police list
	Confirmed       Verdict = "confirmed"        // records and police name the same amount
	PoliceConfirmed Verdict = "police_confirmed" // no record here, the police vouch: paid all the same
	Inherited       Verdict = "inherited"        // the holder has died; records and estate agree
	Resolved        Verdict = "resolved"         // a person decided the amount, with a reason
)

// Payable reports whether the verdict lets a victim be paid.
func (v Verdict) Payable() bool {
	return v == Confirmed || v == PoliceConfirmed || v == Inherited || v == Resolved
}

// Victim is one account's (or person's) place in an incident.
type Victim struct {
	ID         ident.ID
	Incident   ident.ID
	Party      ident.ID // holder, "" while unmatched
	Account    string   // "" if the list names none and none was found
	Name       string   // as the source has it; sealed at rest
	PoliceCase string
	Police     money.Amount // what the police say was lost; zero if they say nothing
	Reported   money.Amount // what the user said; zero if nothing
	Reports    int          // how often the user said it
	Recorded   money.Amount // what the records show by the marks
	Payments   []string     // the payments it consists of
	Estate     bool         // the holder has died
	Verdict    Verdict
	Reasons    []string     // codes, in order: "records_equal_police", "claimed_more", …
	Amount     money.Amount // what will be paid
	Claim      ident.ID
	Claimant   ident.ID   // the holder, or the heir
	PayTo      fund.PayTo // sealed at rest
	Doubt      string     // code of why a person must look at how they were matched
	Suspect    bool       // not stored: their account received money by a marked device
	Approval   ident.ID   // by which two people released the money, "" before
	Payout     ident.ID   // "" until ordered
	State      fund.PayoutState
	Called     CallOutcome
	CalledAt   time.Time
	CallWords  string // sealed at rest
	Version    int
}

// CallOutcome is what came of calling a victim.
type CallOutcome string

// The outcomes of a call.
const (
	NotCalled CallOutcome = ""
	Reached   CallOutcome = "reached"
	NoAnswer  CallOutcome = "no_answer"
	CallBack  CallOutcome = "call_back" // asked to be called again
)

// CallOutcomes lists those that can be noted.
func CallOutcomes() []CallOutcome { return []CallOutcome{Reached, NoAnswer, CallBack} }

// DeclareIn is what it takes to declare an incident.
type DeclareIn struct {
	ID       ident.ID // the caller's
	Title    string
	FundID   string
	From, To time.Time
	Deadline time.Time
}

// Check refuses an incomplete declaration, fields in a fixed order.
func (in DeclareIn) Check() error {
	if err := ident.CheckID("id", in.ID); err != nil {
		return err
	}
	if n := len(strings.TrimSpace(in.Title)); n == 0 || n > 150 {
		return ident.Invalid("title", "required", "the title must say what happened, in at most 150 bytes")
	}
	if len(in.ID) > 30 { // the ids of its claims begin with it
		return ident.Invalid("id", "too_long", "the id has %d characters, at most 30 are allowed", len(in.ID))
	}
	if err := ident.CheckID("fund_id", in.FundID); err != nil {
		return err
	}
	if in.From.IsZero() || !in.From.Before(in.To) {
		return ident.Invalid("from", "window", "the losses need a window: from must be before to")
	}
	if in.Deadline.IsZero() {
		return ident.Invalid("deadline", "required", "the deadline is missing: when is everybody to be paid?")
	}
	return nil
}
