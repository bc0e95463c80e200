package incident

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"surety/domain/claim"
	"surety/domain/fund"
	"surety/kernel/ident"
	"surety/platform/access"
	"surety/platform/db"
	"surety/platform/queue"
)

// payoutID is the one id that a victim's money can have: paying again is paying
// the same. Only after the rail has said that it will never arrive is there a next.
func (s *Service) payoutID(tx *db.Tx, v Victim) (ident.ID, error) {
	before, err := s.cfg.Fund.ByClaim(tx, v.Claim)
	id := "po_" + v.ID[len("vic_"):]
	if len(before) > 0 {
		id += "-" + strconv.Itoa(len(before)+1)
	}
	return id, err
}

// PayReport says what a call of PayAll did.
type PayReport struct {
	Ordered int `json:"ordered"` // payouts ordered by this call
	Already int `json:"already"` // ordered before
	Waiting int `json:"waiting"` // payable, but two people have not released the money
	Failed  int `json:"failed"`  // could not be ordered; the error says why
}

// PayAll orders the payout of every approved victim. Each is an act of its own:
//
//  1. the victim's row takes the payout's id      ┐
//  2. the claim moves to paying                   │ one act: all or nothing
//  3. the fund books the pending transfer         │
//  4. the order to the rail is put in the queue   ┘
//
// A crash between two victims leaves whole victims; calling again goes on where
// it stopped. What is wrong with one victim does not hold up the others. progress,
// if not nil, is told after each.
func (s *Service) PayAll(ctx context.Context, actor ident.Actor, id ident.ID, progress func(done, total int)) (PayReport, error) {
	var rep PayReport
	var victims []Victim
	var i Incident
	err := s.cfg.Access.Update(ctx, actor, access.ActIncidentPay, access.Object{ID: id}, nil, func(tx *db.Tx) (err error) {
		if i, err = s.load(tx, id); err != nil {
			return err
		}
		if victims, err = s.Victims(tx, id); err != nil {
			return err
		}
		return s.advance(tx, &i, Pay)
	})
	if err != nil {
		return rep, err
	}
	var problems []error
	for n, v := range victims {
		switch {
		case v.Payout != "":
			rep.Already++
		case v.Approval != "":
			err := s.payOne(ctx, actor, i, v.ID)
			if ident.Is(err, ident.KindUnknown) || ident.Is(err, ident.KindUnavailable) || ctx.Err() != nil {
				return rep, err // the database, not the victim
			}
			if err != nil {
				rep.Failed++
				problems = append(problems, fmt.Errorf("victim %s: %w", v.ID, err))
			} else {
				rep.Ordered++
			}
		case v.Verdict.Payable():
			rep.Waiting++
		}
		if progress != nil {
			progress(n+1, len(victims))
		}
	}
	if err := errors.Join(problems...); err != nil {
		return rep, err
	}
	return rep, s.cfg.Access.Run(ctx, func(tx *db.Tx) error { return s.settleIfPaid(tx, id) })
}

func (s *Service) payOne(ctx context.Context, actor ident.Actor, i Incident, victim ident.ID) error {
	return s.cfg.Access.Run(ctx, func(tx *db.Tx) error {
		v, found, err := s.Victim(tx, victim)
		if err != nil || !found {
			return err
		}
		err = s.cfg.Access.Check(tx, actor, access.ActIncidentPay, access.Object{ID: v.ID}, map[string]string{"claim": v.Claim})
		if err != nil || v.Payout != "" {
			return err // somebody else has just ordered it
		}
		if v.Approval == "" {
			return ident.E(ident.KindState, "not_approved", "two people must release this victim's money first")
		}
		if v.Payout, err = s.payoutID(tx, v); err != nil {
			return err
		}
		_, err = s.cfg.Claim.PayTx(tx, actor, v.Claim, claim.PayIn{
			ID: v.Payout, FundID: i.FundID, Purpose: i.ID, Approval: v.Approval, To: v.PayTo, Amount: v.Amount,
		})
		if err != nil {
			return err
		}
		return s.saveVictim(tx, &v)
	})
}

// claimPaid hears that a claim has been paid; when it was the last of its
// incident, the incident is paid.
func (s *Service) claimPaid(tx *db.Tx, j queue.Job) error {
	var e claim.PaidEvent
	if err := j.Decode(&e); err != nil {
		return err
	}
	if e.Incident == "" {
		return nil
	}
	return s.settleIfPaid(tx, e.Incident)
}

// settleIfPaid moves an incident that is paying and of which everybody is paid.
func (s *Service) settleIfPaid(tx *db.Tx, id ident.ID) error {
	i, found, err := s.Get(tx, id)
	if err != nil || !found || i.Status != Paying {
		return err
	}
	vs, err := s.Victims(tx, id)
	if err != nil {
		return err
	}
	for _, v := range vs {
		if v.Verdict.Payable() && v.State != fund.Settled {
			return nil
		}
	}
	if err := s.cfg.Access.Check(tx, ident.Job("incident.paid"), access.ActIncidentPay, access.Object{ID: i.ID}, nil); err != nil {
		return err
	}
	return s.advance(tx, &i, Settle)
}
