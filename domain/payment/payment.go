package payment

import (
	"crypto/sha256"
	"encoding/json"
	"strings"
	"time"
	"unicode/utf8"

	"surety/domain/risk"
	"surety/kernel/ident"
	"surety/kernel/money"
)

// State is where a payment is in its life.
type State string

// The states of a payment.
const (
	Allowed    State = "allowed"    // may go now
	Challenged State = "challenged" // waits for a proof from the payer
	Held       State = "held"       // waits for a person or for time
	Blocked    State = "blocked"    // stopped by the decision; final
	Settled    State = "settled"    // the host has carried it out; final
	Returned   State = "returned"   // taken back by the payer before it arrived; final
	Refused    State = "refused"    // stopped after a failed proof or by a person; final
)

// States lists all of them, for tables and tests.
func States() []State {
	return []State{Allowed, Challenged, Held, Blocked, Settled, Returned, Refused}
}

// Event is what can happen to a payment after its decision.
type Event string

// The events of a payment.
const (
	Settle        Event = "settle"         // the host carried it out
	PassChallenge Event = "pass_challenge" // the payer gave the proof
	FailChallenge Event = "fail_challenge" // the payer could not
	Release       Event = "release"        // a person or the clock lets it go
	Refuse        Event = "refuse"         // a person stops it
	TakeBack      Event = "take_back"      // the payer wants it back in time
)

// Events lists all of them.
func Events() []Event {
	return []Event{Settle, PassChallenge, FailChallenge, Release, Refuse, TakeBack}
}

// moves is the one table of what may happen in which state.
var moves = map[State]map[Event]State{
	Allowed:    {Settle: Settled, TakeBack: Returned, Refuse: Refused},
	Challenged: {PassChallenge: Allowed, FailChallenge: Refused, Refuse: Refused, TakeBack: Returned},
	Held:       {Release: Allowed, Refuse: Refused, TakeBack: Returned},
}

// Next is the state after an event, or a KindState error.
func Next(s State, e Event) (State, error) {
	if to, ok := moves[s][e]; ok {
		return to, nil
	}
	return s, ident.E(ident.KindState, "not_in_this_state", "a payment that is %s cannot %s", s, strings.ReplaceAll(string(e), "_", " "))
}

// Request is a payment to be judged, as the host sends it.
type Request struct {
	ID      string       `json:"id"`
	At      time.Time    `json:"at"`
	Payer   string       `json:"payer"` // account, or "BANK:…" for money from outside
	Payee   string       `json:"payee"` // account, or "BANK:…" for money that leaves
	Amount  money.Amount `json:"amount"`
	Type    string       `json:"type"`    // transfer, purchase, deposit, withdrawal
	Channel string       `json:"channel"` // app, qr, face
	Device  string       `json:"device"`
	IP      string       `json:"ip"`
	City    string       `json:"city"`
	Settled bool         `json:"settled,omitempty"` // history: it has gone already
}

// Check refuses a request that cannot be judged, fields in a fixed order.
func (r Request) Check() error {
	if err := ident.CheckID("id", r.ID); err != nil {
		return err
	}
	if r.At.IsZero() {
		return ident.Invalid("at", "required", "at is missing: when was the payment made?")
	}
	for _, f := range []struct{ field, v string }{{"payer", r.Payer}, {"payee", r.Payee}} {
		if err := ident.CheckID(f.field, f.v); err != nil {
			return err
		}
	}
	if r.Payer == r.Payee {
		return ident.Invalid("payee", "payer_is_payee", "payer and payee are the same account")
	}
	if err := r.Amount.CheckPositive("amount"); err != nil {
		return err
	}
	switch r.Type {
	case "transfer", "purchase", "deposit", "withdrawal":
	default:
		return ident.Invalid("type", "unknown", `type is %q; it must be transfer, purchase, deposit or withdrawal`, r.Type)
	}
	for _, f := range []struct{ field, v string }{{"channel", r.Channel}, {"device", r.Device}, {"ip", r.IP}, {"city", r.City}} {
		if len(f.v) > 128 {
			return ident.Invalid(f.field, "too_long", "%s has more than 128 bytes", f.field)
		}
		if !utf8.ValidString(f.v) || strings.ContainsRune(f.v, 0) {
			return ident.Invalid(f.field, "bad_character", "%s is not plain UTF-8 text", f.field)
		}
	}
	return nil
}

// hash is what "the same body" means.
func (r Request) hash() []byte {
	r.At = r.At.UTC().Truncate(time.Microsecond)
	b, err := json.Marshal(r)
	if err != nil { // strings, numbers and a time always encode
		return nil
	}
	h := sha256.Sum256(b)
	return h[:]
}

// Payment is a request with what became of it.
type Payment struct {
	Request
	State    State         `json:"state"`
	Decision risk.Decision `json:"decision"`
	ClaimID  ident.ID      `json:"claim_id,omitempty"` // the claim that says it was not the payer's
	Created  time.Time     `json:"created"`
	Version  int           `json:"version"`
}
