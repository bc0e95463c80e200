package claim

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"strconv"
	"strings"
	"time"

	"surety/domain/fund"
	"surety/kernel/ident"
	"surety/kernel/money"
	"surety/platform/access"
	"surety/platform/db"
)

// approvalTime is how long an order over the limit waits for the second person.
const approvalTime = 24 * time.Hour

// PayReport is what became of an order to pay one claim.
type PayReport struct {
	Payout fund.Payout
	// Waiting: the amount is over the limit of one person; the order waits for
	// another one, who gives the same order.
	Waiting  bool
	Approval ident.ID // that waits, or that was used
}

// payoutOf is the id of a claim's n-th payout, made from the claim's own id: the
// same order again is the same payout. It is short enough for a bank's file.
func payoutOf(claim ident.ID, n int) ident.ID {
	sum := sha256.Sum256([]byte("payout of claim " + claim))
	id := "po_" + strings.ToLower(base32.HexEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:15]))
	if n > 1 {
		id += "-" + strconv.Itoa(n)
	}
	return id
}

// Pay pays a decided claim that belongs to no incident out of a fund: the money
// is set aside for it and ordered, in one act. Over the limit of one person the
// first call asks and signs first; the call of a second person signs and pays.
// Calling again after that changes nothing.
func (s *Service) Pay(ctx context.Context, actor ident.Actor, id ident.ID, fundID string) (rep PayReport, err error) {
	err = s.cfg.Access.Run(ctx, func(tx *db.Tx) error {
		rep = PayReport{}
		c, err := s.load(tx, id)
		if err != nil {
			return err
		}
		if err := s.cfg.Access.Check(tx, actor, access.ActFundPay, access.Object{ID: id}, map[string]string{"fund": fundID}); err != nil {
			return err
		}
		if c.Status == Paying || c.Status == Settled {
			rep.Payout, _, err = s.cfg.Fund.Payout(tx, c.Payout)
			return err
		}
		return s.pay(tx, actor, c, fundID, &rep)
	})
	return rep, err
}

func (s *Service) pay(tx *db.Tx, actor ident.Actor, c Claim, fundID string, rep *PayReport) error {
	if _, err := Next(c, Pay, s.cfg.Clock.Now()); err != nil {
		return err // nothing is asked of anybody for what cannot be paid
	}
	before, err := s.cfg.Fund.ByClaim(tx, c.ID)
	if err != nil {
		return err
	}
	if c.Incident != "" && len(before) == 0 { // what came back may be paid singly: the incident may be closed by then
		return ident.E(ident.KindState, "belongs_to_incident", "this claim is paid with its incident, by the approval of all")
	}
	if err := s.otherPerson(tx, actor, c); err != nil {
		return err
	}
	in := fund.PayIn{
		ID: payoutOf(c.ID, len(before)+1), FundID: fundID, Purpose: payoutOf(c.ID, 1), Claim: c.ID, Ref: c.Number,
		Amount: c.Confirmed, To: c.PayTo, Code: fund.CodeCompensation, Basis: string(c.Basis),
	}
	if rep.Waiting, rep.Approval, err = s.released(tx, actor, c, in); err != nil || rep.Waiting {
		return err
	}
	figures, err := s.cfg.Fund.FiguresTx(tx, fundID, in.Purpose)
	if err != nil {
		return err
	}
	if missing := in.Amount.Minor - figures.EarmarkedFor.Minor; missing > 0 { // after a rejection it is set aside still
		err := s.cfg.Fund.EarmarkTx(tx, actor, "ear-"+in.ID, fundID, in.Purpose, money.Of(missing, in.Amount.Currency))
		if err != nil {
			return err
		}
	}
	rep.Payout, err = s.PayTx(tx, actor, c.ID, PayIn{ID: in.ID, FundID: fundID, Purpose: in.Purpose, Amount: in.Amount, To: in.To})
	return err
}

// otherPerson keeps who decided a claim from paying it too: one person must not
// be able to take money out alone.
func (s *Service) otherPerson(tx *db.Tx, actor ident.Actor, c Claim) error {
	ds, err := s.Decisions(tx, c.ID)
	if err != nil {
		return err
	}
	if len(ds) > 0 && ds[len(ds)-1].Actor == actor.ID {
		return ident.E(ident.KindDenied, "decided_by_you", "you have decided this claim; another person must pay it")
	}
	return nil
}

// beingApproved refuses a change of the account while somebody has signed an order
// to the present one: the second person must sign what the first one saw.
func (s *Service) beingApproved(tx *db.Tx, c Claim) error {
	before, err := s.cfg.Fund.ByClaim(tx, c.ID)
	if err != nil {
		return err
	}
	orders, err := s.cfg.Access.For(tx, payoutOf(c.ID, len(before)+1))
	if err != nil {
		return err
	}
	for _, a := range orders {
		if a.State == access.Open && a.Expires.After(s.cfg.Clock.Now()) {
			return ident.E(ident.KindState, "being_approved",
				"the payment to the present account is just being approved; try again tomorrow, or tell us")
		}
	}
	return nil
}

// released asks two people for what is over the limit of one. The one who has
// asked cannot release it alone.
func (s *Service) released(tx *db.Tx, actor ident.Actor, c Claim, in fund.PayIn) (waiting bool, approval ident.ID, err error) {
	if over, err := in.Amount.Cmp(s.cfg.Fund.FourEyes()); err == nil && over <= 0 {
		return false, "", nil
	}
	hash, err := in.Hash()
	if err != nil {
		return false, "", err
	}
	open, err := s.cfg.Access.For(tx, in.ID)
	if err != nil {
		return false, "", err
	}
	for _, a := range open {
		if a.State != access.Open || a.Hash != hash {
			continue
		}
		if !a.SignedBy(actor.ID) {
			_, err := s.cfg.Access.Sign(tx, actor, a.ID, hash)
			return false, a.ID, err
		}
		return true, a.ID, nil
	}
	a, err := s.cfg.Access.Ask(tx, actor, access.Request{
		ID: s.cfg.IDs.New("apr"), Act: access.ActFundPay, Object: in.ID, Hash: hash, Amount: in.Amount, TTL: approvalTime,
		Summary: fmt.Sprintf("claim %s: pay %s from the %s fund", c.Number, in.Amount, in.FundID),
	})
	return true, a.ID, err
}
