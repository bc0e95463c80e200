package fund

import (
	"time"

	"surety/kernel/ident"
	"surety/kernel/money"
	"surety/platform/access"
)

// The rails.
const (
	RailBank   = "bank"   // a pain.001 file
	RailWallet = "wallet" // the host wallet, over HTTP
)

// PayTo is who is paid, and where. It is sealed at rest.
type PayTo struct {
	Name    string `json:"name"`
	Bank    string `json:"bank"`    // the bank's name; "" for the wallet
	Account string `json:"account"` // the bank account's number, or the wallet account's id
	Rail    string `json:"rail"`    // RailBank or RailWallet
}

// maxAccount is Max34Text of ISO 20022's GenericAccountIdentification1.
const maxAccount = 34

// Check refuses a destination that no rail could use, fields in a fixed order.
func (p PayTo) Check() error {
	if clean(p.Name, maxText) == "" {
		return ident.Invalid("pay_to.name", "required", "say who is to be paid")
	}
	if len(p.Name) > 1000 || len(p.Bank) > 1000 {
		return ident.Invalid("pay_to.name", "too_long", "the name or the bank of the payee is far too long")
	}
	if p.Account == "" {
		return ident.Invalid("pay_to.account", "required", "say which account is to be paid")
	}
	if len(p.Account) > maxAccount {
		return ident.Invalid("pay_to.account", "too_long", "an account has at most %d characters", maxAccount)
	}
	for _, c := range []byte(p.Account) {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-') {
			return ident.Invalid("pay_to.account", "bad_character",
				"an account is written in letters, digits and - only, without spaces")
		}
	}
	switch p.Rail {
	case RailWallet:
		return nil
	case RailBank:
		if clean(p.Bank, maxText) == "" {
			return ident.Invalid("pay_to.bank", "required", "say at which bank the account is")
		}
		return nil
	}
	return ident.Invalid("pay_to.rail", "unknown", "money goes by %q or %q, not by %q", RailBank, RailWallet, p.Rail)
}

// PayIn is an order to pay.
type PayIn struct {
	ID       ident.ID     `json:"id"` // the caller's: one payout for ever; the bank's and the wallet's reference too
	FundID   ident.ID     `json:"fund"`
	Purpose  ident.ID     `json:"purpose"` // whose earmark it comes out of: an incident, a claim
	Claim    ident.ID     `json:"claim"`   // at most one live payout for each; "" if it is not for a claim
	Ref      string       `json:"ref"`     // what the payee reads on the statement; the claim and the purpose if ""
	Amount   money.Amount `json:"amount"`
	To       PayTo        `json:"to"`
	Code     string       `json:"code"` // CodeCompensation, CodeAdvance, CodeReward
	Basis    string       `json:"basis"`
	Approval ident.ID     `json:"approval"` // a used approval of the incident that it is part of
}

// maxID is Max35Text: InstrId and EndToEndId are the payout's id.
const maxID = 35

// maxMinor bounds a payout: ten trillion yuan.
const maxMinor = 1_000_000_000_000_000

// Check refuses an incomplete order, fields in a fixed order.
func (in PayIn) Check() error {
	if err := ident.CheckID("id", in.ID); err != nil {
		return err
	}
	if len(in.ID) > maxID || in.ID[0] == '.' {
		return ident.Invalid("id", "payout_id",
			"a payout's id has at most %d characters and does not begin with a dot", maxID)
	}
	if err := checkFundID(in.FundID); err != nil {
		return err
	}
	if err := checkPurpose(in.FundID, in.Purpose); err != nil {
		return err
	}
	if in.Claim != "" {
		if err := ident.CheckID("claim", in.Claim); err != nil {
			return err
		}
	}
	if err := in.Amount.CheckPositive("amount"); err != nil {
		return err
	}
	if in.Amount.Minor > maxMinor {
		return ident.Invalid("amount", "amount_too_large", "%s is more than one payout may be", in.Amount)
	}
	switch in.Code {
	case CodeCompensation, CodeAdvance, CodeReward:
	default:
		return ident.Invalid("code", "unknown", "a payout is a compensation, an advance or a reward, not %q", in.Code)
	}
	if len(in.Ref) > 500 || len(in.Basis) > 200 {
		return ident.Invalid("ref", "too_long", "the reference or the basis is too long")
	}
	return in.To.Check()
}

// checkPurpose refuses a purpose that no earmark's account can be named after.
func checkPurpose(fundID, purpose ident.ID) error {
	if err := ident.CheckID("purpose", purpose); err != nil {
		return err
	}
	return ident.CheckID("purpose", EarmarkAccount(fundID, purpose))
}

// Hash is what two people sign of a single payout over the limit, as the content
// of an access.Request for ActFundPay on the payout's id.
func (in PayIn) Hash() ([32]byte, error) {
	in.Approval = ""
	return access.ContentHash(in)
}

// remittance is the text that the payee reads; never empty.
func (in PayIn) remittance() string {
	if ref := clean(in.Ref, maxText); ref != "" {
		return ref
	}
	return clean(in.Claim+" "+in.Purpose, maxText)
}

// PayoutState is where a payout stands.
type PayoutState string

// The states of a payout.
const (
	Approved PayoutState = "approved" // booked as pending; nothing has left the house
	Sending  PayoutState = "sending"  // on its way to the rail: it may have got there
	Sent     PayoutState = "sent"     // the rail has it
	Unknown  PayoutState = "unknown"  // the rail may or may not have it; being looked up
	Settled  PayoutState = "settled"  // the money has arrived
	Rejected PayoutState = "rejected" // it will not arrive; the money is back in the earmark
	Returned PayoutState = "returned" // it had arrived and came back
)

// States lists all of them, for tables and tests.
func States() []PayoutState {
	return []PayoutState{Approved, Sending, Sent, Unknown, Settled, Rejected, Returned}
}

// Final reports that no rail will be asked any more.
func (s PayoutState) Final() bool { return s == Settled || s == Rejected || s == Returned }

// Event is what moves a payout.
type Event string

// The events.
const (
	Begin  Event = "begin"  // before the first byte leaves the house
	Accept Event = "accept" // the rail has taken it
	Lose   Event = "lose"   // nobody knows whether the rail has it
	Resend Event = "resend" // the rail has never seen it: again, under the same id
	Settle Event = "settle" // the rail says that it arrived
	Reject Event = "reject" // the rail says that it never will
	Return Event = "return" // it came back later
)

// Events lists all of them, for tables and tests.
func Events() []Event { return []Event{Begin, Accept, Lose, Resend, Settle, Reject, Return} }

// moves is the one table of what may happen; what is not here is refused.
var moves = map[PayoutState]map[Event]PayoutState{
	Approved: {Begin: Sending},
	Sending:  {Accept: Sent, Lose: Unknown, Settle: Settled, Reject: Rejected},
	Sent:     {Lose: Unknown, Settle: Settled, Reject: Rejected},
	Unknown:  {Accept: Sent, Resend: Sending, Settle: Settled, Reject: Rejected},
	Settled:  {Return: Returned},
}

// Next is where an event leads, or why it cannot happen.
func Next(s PayoutState, e Event) (PayoutState, error) {
	if to, ok := moves[s][e]; ok {
		return to, nil
	}
	return s, ident.E(ident.KindState, "payout_"+string(s), "a payout that is %s cannot %s", s, e)
}

// Payout is an order and what became of it.
type Payout struct {
	PayIn
	State   PayoutState `json:"state"`
	Batch   ident.ID    `json:"batch"`    // the file that it is in; "" for the wallet
	RailRef string      `json:"rail_ref"` // the rail's own reference
	Reason  string      `json:"reason"`   // why it was rejected, returned or is unknown
	Created time.Time   `json:"created"`
	Sent    time.Time   `json:"sent"`
	Settled time.Time   `json:"settled"`
	Version int         `json:"version"`

	// Contradicted marks a rejected payout that the bank has later said to have
	// arrived. The claim is not paid again while it stands.
	Contradicted bool `json:"contradicted"`
}

// Queue events. Each is put once for each payout, with a PayoutEvent.
const (
	EventSettled  = "payout.settled"
	EventRejected = "payout.rejected"
	EventReturned = "payout.returned"
)

// PayoutEvent is the body of the events. It holds no personal data.
type PayoutEvent struct {
	Payout  ident.ID `json:"payout"`
	Claim   ident.ID `json:"claim"`
	Purpose ident.ID `json:"purpose"`
	Reason  string   `json:"reason"`
}
