package payment

import (
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

	Terminal string `json:"terminal,omitempty"` // the till or the reader
	Merchant string `json:"merchant,omitempty"` // the shop, where it is not the payee itself
	Card     string `json:"card,omitempty"`     // the host's own name for the card; a card's number is refused
	// Phone is the telephone number that is used. What is kept, and read back, is its
	// keyed index in hex: the number itself is nowhere.
	Phone  string `json:"phone,omitempty"`
	Region string `json:"region,omitempty"` // as fine as watches need it; the city if empty
	Lat    Degree `json:"lat,omitzero"`     // where it is made; both or none
	Lon    Degree `json:"lon,omitzero"`
}

// lastYear is the last that JSON can hold. The first moment is the one after 1970
// began, for the databases write 0 for none.
const lastYear = 9999

// Check refuses a request that cannot be judged, fields in a fixed order.
func (r *Request) Check() error {
	if err := ident.CheckID("id", r.ID); err != nil {
		return err
	}
	if r.At.IsZero() {
		return ident.Invalid("at", "required", "at is missing: when was the payment made?")
	}
	if r.At.UTC().Year() > lastYear || ident.Micros(r.At) <= 0 {
		return ident.Invalid("at", "time_out_of_range", "at must be a time after the beginning of 1970 and before %d", lastYear+1)
	}
	if err := ident.CheckID("payer", r.Payer); err != nil {
		return err
	}
	if err := ident.CheckID("payee", r.Payee); err != nil {
		return err
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
	return r.checkTexts()
}

// check is Check for a request whose telephone was hidden.
func (r *Request) check() error {
	if err := r.Check(); err != nil {
		return err
	}
	if r.Phone != "" && (len(r.Phone) != phoneIndexSize || strings.Trim(r.Phone, "0123456789abcdef") != "") {
		return ident.Invalid("phone", "phone_malformed", "phone holds no digits")
	}
	return nil
}

// phoneIndexSize is the length of a telephone's index in hex.
const phoneIndexSize = 32

// maxText bounds the texts of a request that are no ids, in bytes.
const maxText = 128

func (r *Request) checkTexts() error {
	for _, f := range [...]struct {
		field string
		v     *string
	}{
		{"channel", &r.Channel}, {"device", &r.Device}, {"ip", &r.IP}, {"city", &r.City}, {"terminal", &r.Terminal},
		{"merchant", &r.Merchant}, {"card", &r.Card}, {"phone", &r.Phone}, {"region", &r.Region},
	} {
		if *f.v == "" {
			continue
		}
		if len(*f.v) > maxText {
			return ident.Invalid(f.field, "too_long", "%s has more than %d bytes", f.field, maxText)
		}
		if !utf8.ValidString(*f.v) || strings.IndexByte(*f.v, 0) >= 0 {
			return ident.Invalid(f.field, "bad_character", "%s is not plain UTF-8 text", f.field)
		}
	}
	if isCardNumber(r.Card) {
		return ident.Invalid("card", "card_number", "card is a card's number; send the host's own name for the card instead")
	}
	return checkPlace(r.Lat, r.Lon)
}

// isCardNumber knows the number of a payment card by its length and its check
// digit (ISO/IEC 7812). Such numbers are kept nowhere.
func isCardNumber(s string) bool {
	digits, sum := 0, 0
	for i := len(s) - 1; i >= 0; i-- {
		c := s[i]
		if c == ' ' || c == '-' {
			continue
		}
		if c < '0' || c > '9' {
			return false
		}
		d := int(c - '0')
		if digits%2 == 1 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
		digits++
	}
	return digits >= 13 && digits <= 19 && sum%10 == 0
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
