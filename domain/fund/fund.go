package fund

import (
	"time"

	"surety/kernel/ident"
	"surety/kernel/money"
)

// Kind is what a fund is for.
type Kind string

// The kinds of funds.
const (
	Yearly    Kind = "yearly"    // the ordinary losses of a year
	Emergency Kind = "emergency" // many victims at once
	Reward    Kind = "reward"    // for those who help to catch thieves
)

// Fund is money set apart for one kind of need.
type Fund struct {
	ID        ident.ID       `json:"id"` // "emergency"
	NameZH    string         `json:"name_zh"`
	NameEN    string         `json:"name_en"`
	Kind      Kind           `json:"kind"`
	Currency  money.Currency `json:"currency"`
	FrozenFor ident.ID       `json:"frozen_for"` // the only purpose that money may go out for; "" is any
	Created   time.Time      `json:"created"`
	Version   int            `json:"version"`
}

// maxFundID keeps room for a purpose in the id of an earmark's account.
const maxFundID = 20

// check refuses a fund that cannot be.
func (f Fund) check() error {
	if err := checkFundID(f.ID); err != nil {
		return err
	}
	if f.NameZH == "" || f.NameEN == "" || len(f.NameZH) > 200 || len(f.NameEN) > 200 {
		return ident.Invalid("name", "required", "a fund has a name in Chinese and one in English, each at most 200 bytes")
	}
	switch f.Kind {
	case Yearly, Emergency, Reward:
	default:
		return ident.Invalid("kind", "unknown", "a fund is yearly, emergency or reward, not %q", f.Kind)
	}
	return money.Of(0, f.Currency).Check("currency")
}

// checkFundID allows what cannot be mistaken for a part of an account's id.
func checkFundID(id ident.ID) error {
	if id == "" || len(id) > maxFundID {
		return ident.Invalid("fund", "fund_id", "the id of a fund is 1 to %d of a-z 0-9 -", maxFundID)
	}
	for _, c := range []byte(id) {
		if !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-') {
			return ident.Invalid("fund", "fund_id", "the id of a fund is 1 to %d of a-z 0-9 -", maxFundID)
		}
	}
	return nil
}

// Codes of transfers: what the money moves for.
const (
	CodeDeposit      = "deposit"      // into a fund
	CodeEarmark      = "earmark"      // set aside for a purpose
	CodeRelease      = "release"      // back from an earmark
	CodeCompensation = "compensation" // to a victim
	CodeAdvance      = "advance"      // to a claimant before all is known
	CodeRecovery     = "recovery"     // got back from where it went
	CodeReward       = "reward"       // to somebody who helped
	CodeReturn       = "return"       // a settled payout that came back
)

// The accounts in the ledger. Σ of all funds' accounts = the money in the bank.

// BankAccount is the account of the money in the bank, in one currency.
func BankAccount(c money.Currency) string {
	if c == money.CNY {
		return "bank:safeguarded"
	}
	return "bank:safeguarded:" + string(c)
}

// FreeAccount holds what is in a fund and not set aside.
func FreeAccount(fundID ident.ID) string { return "fund:" + fundID + ":free" }

// EarmarkAccount holds what is set aside for a purpose; the ledger lets it out
// for that purpose only.
func EarmarkAccount(fundID, purpose ident.ID) string { return "fund:" + fundID + ":ear:" + purpose }

// Figures say what there is. Balance = Free + Earmarked; money that is on its way
// still counts as earmarked until the rail says that it has arrived.
type Figures struct {
	Balance      money.Amount `json:"balance"`
	Free         money.Amount `json:"free"`
	Earmarked    money.Amount `json:"earmarked"`
	Underway     money.Amount `json:"underway"` // part of Earmarked: ordered and not yet settled
	PaidOut      money.Amount `json:"paid_out"` // settled, over all time
	EarmarkedFor money.Amount `json:"earmarked_for"`
	PaidFor      money.Amount `json:"paid_for"`
}
