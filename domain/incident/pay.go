package incident

import (
	"context"

	"surety/domain/claim"
	"surety/domain/fund"
	"surety/kernel/ident"
	"surety/platform/access"
	"surety/platform/db"
	"surety/platform/queue"
)

// payoutID is the one id that a victim's money can have: paying again is paying
// the same.
func payoutID(victim ident.ID) ident.ID { return "po_" + victim[len("vic_"):] }

// PayReport says what a call of PayAll did.
type PayReport struct {
	Ordered int `json:"ordered"` // payouts ordered by this call
	Already int `json:"already"` // ordered before
}

// PayAll orders the payout of every approved victim. Each is an act of its own:
//
//  1. the victim's row takes the payout's id      ┐
//  2. the claim moves to paying                   │ one act: all or nothing
//  3. the fund books the pending transfer         │
//  4. the order to the rail is put in the queue   ┘
//
// A crash between two victims leaves whole victims; calling again goes on where
// it stopped. progress, if not nil, is told after each.
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
	for n, v := range victims {
		if v.Verdict.Payable() && v.Payout == "" {
			if err := s.payOne(ctx, actor, i, v); err != nil {
				return rep, err
			}
			rep.Ordered++
		} else if v.Payout != "" {
			rep.Already++
		}
		if progress != nil {
			progress(n+1, len(victims))
		}
	}
	return rep, nil
}

func (s *Service) payOne(ctx context.Context, actor ident.Actor, i Incident, v Victim) error {
	return s.cfg.Access.Update(ctx, actor, access.ActIncidentPay, access.Object{ID: v.ID}, map[string]string{"claim": v.Claim},
		func(tx *db.Tx) error {
			now, found, err := s.Victim(tx, v.ID)
			if err != nil || !found || now.Payout != "" {
				return err // somebody else has just ordered it
			}
			now.Payout = payoutID(v.ID)
			_, err = s.cfg.Claim.PayTx(tx, actor, now.Claim, claim.PayIn{
				ID: now.Payout, FundID: i.FundID, Purpose: i.ID, Approval: i.Approval,
			})
			if err != nil {
				return err
			}
			return s.saveVictim(tx, &now)
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
	i, found, err := s.Get(tx, e.Incident)
	if err != nil || !found || i.Status != Paying {
		return err
	}
	vs, err := s.Victims(tx, e.Incident)
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
