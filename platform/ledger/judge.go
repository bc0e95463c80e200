package ledger

import (
	"bytes"
	"time"

	"surety/kernel/ident"
	"surety/kernel/money"
)

// The precedence of refusals. First every transfer of the batch is checked by
// itself (transfer.go, check: id, reserved id, kind, debit, credit, same
// accounts, amount, pending, code, ref, memo, times). Then, transfer by transfer
// in the order of the batch:
//
//  1. pending_transfer_not_found   post, void: there is no such transfer
//  2. not_pending                  post, void: it is not a pending one
//  3. transfer_exists              the id is taken by another body
//     (here the same body is accepted again, and nothing below is looked at)
//  4. expires_early                pending: it would end before it begins
//  5. pending_differs              post, void: other accounts, currency or, void, amount
//  6. post_too_large               post: more than the pending holds
//  7. already_posted, already_voided, already_expired
//  8. pending_expired              post, void: too late
//  9. account_not_found            the debit account before the credit account
//  10. currency_differs
//  11. purpose_differs
//
// Then, for the batch, account by account in the order of their ids:
//
//  12. sum_too_large
//  13. balance_too_low

// book is what a batch needs to know; judge adds to it as it goes.
type book struct {
	accounts map[string]Account
	byID     map[ident.ID]Transfer
	resolver map[ident.ID]Transfer // by the pending that it ended
}

// judge says which transfers of the batch are new, resolved to full rows.
func (b *book) judge(ts []Transfer, now time.Time) ([]Transfer, error) {
	fresh := make([]Transfer, 0, len(ts))
	for _, t := range ts {
		row, isNew, err := b.judgeOne(t, now)
		if err != nil {
			return nil, err
		}
		if !isNew {
			continue
		}
		fresh = append(fresh, row)
		b.byID[row.ID] = row
		if row.Pending != "" {
			b.resolver[row.Pending] = row
		}
	}
	return fresh, nil
}

func (b *book) judgeOne(t Transfer, now time.Time) (row Transfer, isNew bool, err error) {
	var held Transfer
	if t.Pending != "" {
		var found bool
		if held, found = b.byID[t.Pending]; !found {
			return t, false, ident.NotFound("pending_transfer", t.Pending)
		}
		if held.Kind != Pending {
			return t, false, ident.E(ident.KindState, "not_pending",
				"transfer %q is a %s one; only a pending transfer can be posted or voided", held.ID, held.Kind)
		}
		t = t.inherit(held)
	}
	if known, found := b.byID[t.ID]; found {
		if !bytes.Equal(known.body(), t.body()) || !known.sameExpiry(t) {
			return t, false, ident.E(ident.KindConflict, "transfer_exists",
				"transfer %q has been made with other contents; use a new id for another transfer", t.ID)
		}
		return known, false, nil
	}
	if !t.Expires.IsZero() && !t.Expires.After(t.At) { // only now: a repeat may well come after the expiry
		return t, false, ident.Invalid("expires", "expires_early", "a pending transfer must expire after it begins")
	}
	if t.Pending != "" {
		if done, found := b.resolver[held.ID]; found && t.Kind == Expire && done.Kind != Expire {
			return done, false, nil // somebody was faster: there is nothing to expire
		}
		if err := b.mayResolve(t, held, now); err != nil {
			return t, false, err
		}
	}
	return t, true, b.mayMove(t)
}

// inherit fills in what a post, void or expiry leaves to its pending.
func (t Transfer) inherit(held Transfer) Transfer {
	if t.Debit == "" {
		t.Debit = held.Debit
	}
	if t.Credit == "" {
		t.Credit = held.Credit
	}
	if t.Amount == (money.Amount{}) {
		t.Amount = held.Amount
	}
	if t.Code == "" {
		t.Code = held.Code
	}
	if t.Ref == "" {
		t.Ref = held.Ref
	}
	return t
}

// mayResolve refuses a post or void that does not fit its pending.
func (b *book) mayResolve(t, held Transfer, now time.Time) error {
	differs := t.Debit != held.Debit || t.Credit != held.Credit || t.Amount.Currency != held.Amount.Currency
	if differs || t.Kind == Void && t.Amount != held.Amount {
		return ident.Invalid("pending", "pending_differs",
			"%q does not fit the pending transfer %q: accounts and currency must be its own, and a void gives back all",
			t.ID, held.ID)
	}
	if t.Amount.Minor > held.Amount.Minor {
		return ident.E(ident.KindLimit, "post_too_large",
			"pending transfer %q holds %s; %s cannot be posted from it", held.ID, held.Amount, t.Amount)
	}
	if done, found := b.resolver[held.ID]; found {
		return alreadyDone(held.ID, done)
	}
	if t.Kind == Expire || held.Expires.IsZero() {
		return nil
	}
	// Both times count: a clock that was set back does not make a late post early,
	// nor does a caller's own At.
	if !t.At.Before(held.Expires) || !now.Before(held.Expires) {
		return ident.E(ident.KindState, "pending_expired",
			"pending transfer %q expired at %s; make a new one", held.ID, held.Expires.Format(time.RFC3339))
	}
	return nil
}

func alreadyDone(pending ident.ID, by Transfer) error {
	code, word := "already_posted", "posted"
	switch by.Kind {
	case Void:
		code, word = "already_voided", "voided"
	case Expire:
		code, word = "already_expired", "expired"
	}
	return ident.E(ident.KindState, code, "pending transfer %q was %s by %q", pending, word, by.ID)
}

// mayMove refuses accounts that do not exist, currencies that differ, and money
// kept for another purpose.
func (b *book) mayMove(t Transfer) error {
	debit, found := b.accounts[t.Debit]
	if !found {
		return ident.NotFound("account", t.Debit)
	}
	credit, found := b.accounts[t.Credit]
	if !found {
		return ident.NotFound("account", t.Credit)
	}
	for _, a := range []Account{debit, credit} {
		if a.Currency != t.Amount.Currency {
			return ident.Invalid("amount.currency", "currency_differs",
				"account %q holds %s, the transfer is of %s", a.ID, a.Currency, t.Amount.Currency)
		}
	}
	if t.Kind == Void || t.Kind == Expire {
		return nil // the money goes back to where it is kept
	}
	if debit.Side == Credit && debit.Purpose != "" && debit.Purpose != t.Ref {
		return keptFor(debit, t)
	}
	if credit.Side == Debit && credit.Purpose != "" && credit.Purpose != t.Ref {
		return keptFor(credit, t)
	}
	return nil
}

func keptFor(a Account, t Transfer) error {
	return ident.E(ident.KindState, "purpose_differs",
		"account %q is kept for %q; transfer %q belongs to %q and may take nothing out", a.ID, a.Purpose, t.ID, t.Ref)
}

// changes adds up what rows do to each account: what they add, and what they
// give back of holds made before the batch.
func (b *book) changes(rows []Transfer) (map[string]sums, error) {
	total := map[string]sums{}
	for _, t := range rows {
		debit, credit := total[t.Debit], total[t.Credit]
		if t.Kind == Single || t.Kind == Post {
			debit.debitsPosted += t.Amount.Minor
			credit.creditsPosted += t.Amount.Minor
		}
		switch {
		case t.Kind == Pending:
			debit.debitsPending += t.Amount.Minor
			credit.creditsPending += t.Amount.Minor
		case t.Pending != "":
			held := b.byID[t.Pending].Amount.Minor
			debit.debitsPending -= held
			credit.creditsPending -= held
		}
		for _, s := range []sums{debit, credit} { // each step adds at most maxMinor, so none can wrap unseen
			if max(s.debitsPosted, s.creditsPosted, s.debitsPending, s.creditsPending) > maxMinor {
				return nil, ident.E(ident.KindLimit, "sum_too_large", "the transfers together are more than the books can hold")
			}
		}
		total[t.Debit], total[t.Credit] = debit, credit
	}
	return total, nil
}
