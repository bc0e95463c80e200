package claim

import (
	"time"

	"surety/domain/fund"
	"surety/kernel/ident"
	"surety/kernel/money"
)

// Kind is what happened. Each kind has its own questions and evidence.
type Kind string

// The kinds of claims (D6).
const (
	Theft           Kind = "theft"             // money taken without the holder
	FacePayment     Kind = "face_payment"      // a face was charged that was not the payer's
	Impostor        Kind = "impostor"          // somebody posed as a friend
	Deceived        Kind = "deceived"          // paid for something that does not exist
	PaidThenBlocked Kind = "paid_then_blocked" // paid, then blocked by the payee
	WrongAccount    Kind = "wrong_account"     // the account was mistyped
)

// Basis is what the claim rests on.
type Basis string

// The bases, strongest first.
const (
	LedgerRecord       Basis = "ledger_record"       // our own records show it
	PoliceConfirmation Basis = "police_confirmation" // no record here; the police vouch
	ThirdPartyRecord   Basis = "third_party_record"  // another institution's record
	SwornStatement     Basis = "sworn_statement"     // the claimant's word
)

// Status is where the work stands: one of four dimensions that move apart.
type Status string

// The statuses of a claim.
const (
	Draft         Status = "draft"             // begun by the customer, not handed in
	Received      Status = "received"          // handed in
	Triaged       Status = "triaged"           // sorted by what the records say
	Awaiting      Status = "awaiting_claimant" // the claimant has the ball
	Investigating Status = "investigating"     // we have
	Decided       Status = "decided"           // accepted or refused
	Paying        Status = "paying"            // the payout is under way
	Settled       Status = "settled"           // the money has arrived
	Closed        Status = "closed"            // nothing is left to do
	Withdrawn     Status = "withdrawn"         // taken back by the claimant
	Appealed      Status = "appealed"          // the claimant disagrees; a person looks again
)

// Statuses lists all of them, for tables and tests.
func Statuses() []Status {
	return []Status{Draft, Received, Triaged, Awaiting, Investigating, Decided, Paying, Settled, Closed, Withdrawn, Appealed}
}

// DecisionKind is the second dimension: what was decided.
type DecisionKind string

// The decisions. Versions are immutable; an appeal adds one.
const (
	Undecided      DecisionKind = "none"
	ApproveFull    DecisionKind = "approve_full"
	ApprovePartial DecisionKind = "approve_partial"
	Refuse         DecisionKind = "refuse"
)

// Advance is the third dimension: money paid before all is known.
type Advance string

// The states of an advance.
const (
	NoAdvance  Advance = "none"
	Shadow     Advance = "shadow"      // seen by the customer, not spendable
	Advanced   Advance = "paid"        // spendable
	Confirmed  Advance = "confirmed"   // became the compensation
	Reversed   Advance = "reversed"    // taken back with notice
	WrittenOff Advance = "written_off" // not got back
)

// Recovery is the fourth dimension: getting the money back from where it went.
type Recovery string

// The states of a recovery.
const (
	NotStarted        Recovery = "not_started"
	Tracing           Recovery = "tracing"
	Frozen            Recovery = "frozen"
	Recalled          Recovery = "recalled"
	PartiallyReturned Recovery = "partially_returned"
	Returned          Recovery = "returned"
	Exhausted         Recovery = "exhausted"
)

// Owner is who holds the ball.
type Owner string

// The owners of a clock.
const (
	Us       Owner = "us"
	Claimant Owner = "claimant"
	Police   Owner = "police"
	PayeePSP Owner = "payee_psp"
	Insurer  Owner = "insurer"
)

// Clock is a promise with a date. It names who holds the ball.
type Clock struct {
	Name   string    `json:"name"` // first_answer, decision, payment, claimant_answer
	Owner  Owner     `json:"owner"`
	Due    time.Time `json:"due"`
	Paused time.Time `json:"paused"` // since when it stands still; zero if it runs
	Done   time.Time `json:"done"`   // when it was met or given up; zero while it runs
}

// Claim is one person's loss and what is done about it.
type Claim struct {
	ID         ident.ID
	Number     string // for people: "2026-000123-7", the last digit checks the others
	Kind       Kind
	Source     string   // portal, host, report, police_list, estate, staff
	Holder     ident.ID // party whose account it was
	Claimant   ident.ID // the holder, or the heir who took over
	Standing   string   // why the claimant may act: "" for the holder, else the relation
	Account    string   // the host's account; "" if there is none
	Payments   []string
	Claimed    money.Amount
	Confirmed  money.Amount // what records or police confirm; what the decision names
	Basis      Basis
	PoliceCase string
	LossDate   time.Time
	Words      string     // the claimant's own; sealed at rest
	PayTo      fund.PayTo // sealed at rest
	Incident   ident.ID
	// IncidentName is its title, for certificates and letters.
	IncidentName string
	Verdict      string   // of triage: confirmed, false, …
	Reasons      []string // of triage
	Status       Status
	Decision     DecisionKind
	Ground       string // of a refusal
	Advance      Advance
	Recovery     Recovery
	Payout       ident.ID
	Clocks       []Clock
	Filed        time.Time
	Version      int
}

// FileIn is a claim as it is handed in. The id is the caller's: the same id and
// body again is the same claim.
type FileIn struct {
	ID         ident.ID     `json:"id"`
	Kind       Kind         `json:"kind"`
	Holder     ident.ID     `json:"holder"`
	Claimant   ident.ID     `json:"claimant"`
	Account    string       `json:"account"`
	Payments   []string     `json:"payments"`
	Claimed    money.Amount `json:"claimed"`
	Basis      Basis        `json:"basis"`
	PoliceCase string       `json:"police_case"`
	LossDate   time.Time    `json:"loss_date"`
	Words      string       `json:"words"`
	PayTo      fund.PayTo   `json:"pay_to"`
	Incident   ident.ID     `json:"incident"`
	Source     string       `json:"source"`
}

// JoinIn is what an incident found out about a claim: its triage.
type JoinIn struct {
	Incident     ident.ID
	IncidentName string
	Payments     []string
	Basis        Basis
	PoliceCase   string
	PayTo        fund.PayTo
	Confirmed    money.Amount
	Verdict      string
	Reasons      []string
}

// TakeOverIn is an heir stepping in, with the proof of standing (A5).
type TakeOverIn struct {
	Heir      ident.ID
	Relation  string
	Documents []string // names of the documents shown
	PayTo     fund.PayTo
}

// DecisionIn is a decision by a person. A refusal needs a ground and proofs.
type DecisionIn struct {
	Kind   DecisionKind
	Amount money.Amount
	Ground string
	Proofs []string
	Words  string
}

// PayIn orders the payout of a decided claim. Where more than one person
// approved, To and Amount are what they saw: if the claim says something else by
// now, nothing is paid. Zero is not compared.
type PayIn struct {
	ID       ident.ID // of the payout
	FundID   string
	Purpose  ident.ID // of the earmark
	Approval ident.ID // that released it
	To       fund.PayTo
	Amount   money.Amount
}

// EventPaid is the queue event that a claim's money has arrived; whoever works
// above the claims handles it.
const EventPaid = "claim.paid"

// PaidEvent is its body.
type PaidEvent struct {
	Claim    ident.ID `json:"claim"`
	Incident ident.ID `json:"incident"`
	Payout   ident.ID `json:"payout"`
}
