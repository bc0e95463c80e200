package risk

import (
	"time"

	"surety/kernel/ident"
	"surety/kernel/money"
	"surety/platform/tally"
)

// Type is what kind of payment it is.
type Type string

// The types of payments.
const (
	Transfer   Type = "transfer"   // to another account of the wallet
	Purchase   Type = "purchase"   // to a merchant
	Deposit    Type = "deposit"    // from a bank into the wallet
	Withdrawal Type = "withdrawal" // to a bank
)

func knownType(t Type) bool {
	return t == Transfer || t == Purchase || t == Deposit || t == Withdrawal
}

// Event is a payment as it is about to happen. Accounts, devices and addresses
// are the host's own names for them.
type Event struct {
	ID      ident.ID
	At      time.Time
	Payer   string
	Payee   string
	Amount  money.Amount
	Type    Type
	Channel string // "app", "qr", "face" …
	Device  string // "" if the host does not know it
	IP      string // kept for the record; no feature of this form reads it
	City    string // where it is made, "" if unknown
}

// Check refuses an event that could not be judged.
func (e Event) Check() error {
	for _, f := range []struct{ name, value string }{{"id", e.ID}, {"payer", e.Payer}, {"payee", e.Payee}} {
		if f.value == "" {
			return ident.Invalid(f.name, "required", "%s is missing", f.name)
		}
	}
	if !knownType(e.Type) {
		return ident.Invalid("type", "type_unknown", "type must be transfer, purchase, deposit or withdrawal, it is %q", e.Type)
	}
	if len(e.Channel) > 64 {
		return ident.Invalid("channel", "too_long", "channel has %d bytes, at most 64 are allowed", len(e.Channel))
	}
	if err := e.Amount.CheckPositive("amount"); err != nil {
		return err
	}
	return tally.Event{At: ident.Micros(e.At), Amount: e.Amount.Minor}.Check()
}

// Account is what the house knows of one side of a payment. The zero Account is
// a stranger: a bank account, or an account that was never imported.
type Account struct {
	Opened       time.Time // zero if unknown
	Device       string    // the device it is enrolled with, "" if none is known
	City         string    // home, "" if unknown
	Verification string    // "full", "basic", "" if unknown
	Kind         string    // "person", "merchant", "" if unknown
}

// Facts are the two sides of a payment.
type Facts struct {
	Payer Account
	Payee Account
}
