package ledger

import (
	"surety/kernel/ident"
	"surety/kernel/money"
)

// Side is the side on which an account's balance normally stands.
type Side string

// The two sides. What Surety has is Debit-normal; what it owes, and the funds
// set aside, are Credit-normal.
const (
	Debit  Side = "debit"
	Credit Side = "credit"
)

// Account is a place where money stands. Its terms never change.
type Account struct {
	ID       string         // "fund:emergency:free"; ident.CheckID says which characters
	Currency money.Currency // the only currency it holds
	Side     Side
	Guarded  bool     // its balance, less what is held, may not go below zero
	Purpose  ident.ID // if set, only transfers with this Ref may take money out
}

// check refuses terms that make no sense.
func (a Account) check() error {
	if err := ident.CheckID("account.id", a.ID); err != nil {
		return err
	}
	if err := money.Of(0, a.Currency).Check("account.currency"); err != nil {
		return err
	}
	if a.Side != Debit && a.Side != Credit {
		return ident.Invalid("account.side", "side_unknown", "the side of %q must be debit or credit", a.ID)
	}
	if a.Purpose == "" {
		return nil
	}
	return ident.CheckID("account.purpose", a.Purpose)
}

// Balance is what stands on an account, seen from its normal side.
type Balance struct {
	Account   Account
	Posted    money.Amount // what has moved for good
	Pending   money.Amount // held by pendings that would take it out
	Incoming  money.Amount // held by pendings that would bring it in; not available
	Available money.Amount // Posted less Pending
}

// sums are the four cached sums of an account, or changes to them.
type sums struct {
	debitsPosted, creditsPosted, debitsPending, creditsPending int64
}

// isZero reports that nothing would change.
func (s sums) isZero() bool { return s == sums{} }

// balance turns the sums of an account into what a reader wants to know.
func (s sums) balance(a Account) Balance {
	posted, out, in := s.creditsPosted-s.debitsPosted, s.debitsPending, s.creditsPending
	if a.Side == Debit {
		posted, out, in = s.debitsPosted-s.creditsPosted, s.creditsPending, s.debitsPending
	}
	amount := func(minor int64) money.Amount { return money.Of(minor, a.Currency) }
	return Balance{
		Account: a, Posted: amount(posted), Pending: amount(out), Incoming: amount(in), Available: amount(posted - out),
	}
}
