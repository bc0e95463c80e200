package fund

import (
	"cmp"
	"context"
	"slices"

	"surety/kernel/ident"
	"surety/kernel/money"
	"surety/platform/access"
	"surety/platform/db"
	"surety/platform/ledger"
)

// FiguresTx says what a fund holds and what of it is for a purpose ("" for none).
// All of it is the ledger's word, also what was paid.
func (s *Service) FiguresTx(tx *db.Tx, fundID, purpose ident.ID) (Figures, error) {
	f, err := s.need(tx, fundID)
	if err != nil {
		return Figures{}, err
	}
	zero := money.Of(0, f.Currency)
	out := Figures{Balance: zero, Free: zero, Earmarked: zero, Underway: zero, PaidOut: zero,
		EarmarkedFor: zero, PaidFor: zero}
	all, err := s.cfg.Ledger.Balances(tx, "fund:"+fundID+":")
	if err != nil {
		return out, err
	}
	add := func(to *money.Amount, a money.Amount) {
		if err == nil {
			*to, err = to.Add(a)
		}
	}
	for _, b := range all {
		add(&out.Balance, b.Posted)
		if b.Account.ID == FreeAccount(fundID) {
			out.Free = b.Posted
			continue
		}
		add(&out.Earmarked, b.Posted)
		add(&out.Underway, b.Pending)
		if b.Account.Purpose == purpose {
			out.EarmarkedFor = b.Posted
		}
	}
	if err != nil {
		return out, err
	}
	if out.PaidOut.Minor, err = paidSum(tx, fundID, ""); err != nil || purpose == "" {
		return out, err
	}
	out.PaidFor.Minor, err = paidSum(tx, fundID, purpose)
	return out, err
}

// Funds lists all funds, by id.
func (s *Service) Funds(tx *db.Tx) ([]Fund, error) { return readFunds(tx, "order by id") }

// Get reads a fund; found is false if there is none.
func (s *Service) Get(tx *db.Tx, id ident.ID) (Fund, bool, error) {
	fs, err := readFunds(tx, "where id = $1", id)
	if err != nil || len(fs) == 0 {
		return Fund{}, false, err
	}
	return fs[0], true, nil
}

// Entries are the latest movements of a fund, newest first; 100 if limit is zero.
func (s *Service) Entries(tx *db.Tx, fundID ident.ID, limit int) ([]ledger.Transfer, error) {
	if limit <= 0 {
		limit = 100
	}
	all, err := s.cfg.Ledger.Balances(tx, "fund:"+fundID+":")
	if err != nil {
		return nil, err
	}
	seen := map[ident.ID]bool{}
	var out []ledger.Transfer
	for _, b := range all {
		ts, err := s.cfg.Ledger.Transfers(tx, ledger.Filter{Account: b.Account.ID, Limit: limit})
		if err != nil {
			return nil, err
		}
		for _, t := range ts {
			if !seen[t.ID] { // an earmark stands on two of the accounts
				seen[t.ID] = true
				out = append(out, t)
			}
		}
	}
	slices.SortFunc(out, func(a, b ledger.Transfer) int {
		return cmp.Or(b.At.Compare(a.At), cmp.Compare(b.ID, a.ID))
	})
	return out[:min(limit, len(out))], nil
}

// Filter selects payouts for List; what is empty selects all.
type Filter struct {
	FundID  ident.ID
	Purpose ident.ID
	Claim   ident.ID
	Batch   ident.ID
	Rail    string
	State   PayoutState
	After   ident.ID // the last id of the page before
	Limit   int      // 100 if zero, at most 10,000
}

// List returns payouts by id.
func (s *Service) List(tx *db.Tx, f Filter) ([]Payout, error) { return s.list(tx, f) }

// Payout reads one payout; found is false if there is none.
func (s *Service) Payout(tx *db.Tx, id ident.ID) (Payout, bool, error) {
	ps, err := s.payouts(tx, "where p.id = $1", id)
	if err != nil || len(ps) == 0 {
		return Payout{}, false, err
	}
	return ps[0], true, nil
}

// ByPurpose lists all payouts of a purpose, by id.
func (s *Service) ByPurpose(tx *db.Tx, purpose ident.ID) ([]Payout, error) {
	return s.payouts(tx, "where p.purpose = $1 order by p.id", purpose)
}

// ByClaim lists all payouts of a claim, by id: at most one of them is not
// rejected or returned.
func (s *Service) ByClaim(tx *db.Tx, claim ident.ID) ([]Payout, error) {
	return s.payouts(tx, "where p.claim = $1 order by p.id", claim)
}

// View shows a payout with its payee to a person; the look is recorded.
func (s *Service) View(ctx context.Context, actor ident.Actor, id ident.ID) (p Payout, err error) {
	err = s.cfg.Access.View(ctx, actor, access.ActFundRead, access.Object{ID: id}, func(tx *db.Tx) error {
		var found bool
		p, found, err = s.Payout(tx, id)
		if err == nil && !found {
			err = ident.NotFound("payout", id)
		}
		return err
	})
	return p, err
}
