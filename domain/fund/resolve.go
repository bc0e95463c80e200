package fund

import (
	"context"
	"fmt"
	"time"
	"unicode/utf8"

	"surety/kernel/ident"
	"surety/kernel/money"
	"surety/platform/access"
	"surety/platform/db"
)

// Resolution is what became of a call of Resolve.
type Resolution struct {
	Waiting  bool     `json:"waiting"`  // a second person must make the same call
	Approval ident.ID `json:"approval"` // the request that both sign
	Payout   Payout   `json:"payout"`   // as it stands now
}

// finding is what two people sign. The version binds it to what they looked at: a
// payout that has moved meanwhile must be looked at anew.
type finding struct {
	Payout  ident.ID     `json:"payout"`
	Amount  money.Amount `json:"amount"`
	Settled bool         `json:"settled"`
	Proof   string       `json:"proof"`
	Version int          `json:"version"`
}

const (
	resolveTTL = 3 * 24 * time.Hour // a weekend may lie between the two
	maxProof   = 400                // characters; the summary has room for it
)

// Why a payout that no rail answered for has ended. The proof itself stands in
// the log and in the approval: it may hold names, and a payout's reason may not.
const (
	foundArrived = "two people found that it has arrived"
	foundLost    = "two people found that it has not arrived"
)

// Resolve ends a payout of unknown outcome that no rail answers for, on proof that
// people have (a statement, a letter of the bank): it arrived, or it never will.
// Two people must say the same: the first call asks and waits, the same call by
// another one books it. The same call after that gets the same answer.
func (s *Service) Resolve(ctx context.Context, actor ident.Actor, id ident.ID, settled bool, proof string) (Resolution, error) {
	var out Resolution
	if proof = clean(proof, len(proof)); proof == "" || utf8.RuneCountInString(proof) > maxProof {
		return out, ident.Invalid("proof", "proof_length", "say in 1 to %d characters how you know", maxProof)
	}
	detail := map[string]any{"settled": settled, "proof": proof}
	err := s.cfg.Access.Update(ctx, actor, access.ActFundReconcile, access.Object{ID: id}, detail, func(tx *db.Tx) error {
		out = Resolution{}
		p, found, err := s.Payout(tx, id)
		if err != nil {
			return err
		}
		if !found {
			return ident.NotFound("payout", id)
		}
		out.Payout = p
		f := finding{Payout: p.ID, Amount: p.Amount, Settled: settled, Proof: proof, Version: p.Version}
		if p.State != Unknown {
			out.Approval, err = s.resolved(tx, p, f)
			return err
		}
		if out.Waiting, out.Approval, err = s.sign(tx, actor, f); err != nil || out.Waiting {
			return err
		}
		event, why := Reject, foundLost
		if settled {
			event, why = Settle, foundArrived
		}
		err = s.finish(tx, actor, &p, event, "", why)
		out.Payout = p
		return err
	})
	return out, err
}

// sign puts the actor's signature under a finding; waiting is true until it has
// two, and then they are used.
func (s *Service) sign(tx *db.Tx, actor ident.Actor, f finding) (waiting bool, approval ident.ID, err error) {
	hash, err := access.ContentHash(f)
	if err != nil {
		return false, "", err
	}
	all, err := s.cfg.Access.For(tx, f.Payout)
	if err != nil {
		return false, "", err
	}
	for _, a := range all {
		if a.Act != access.ActFundReconcile || a.State != access.Open || a.Hash != hash {
			continue
		}
		if !a.SignedBy(actor.ID) {
			if _, err := s.cfg.Access.Sign(tx, actor, a.ID, hash); err != nil {
				return false, a.ID, err
			}
		} else if len(a.Signatures) < 2 {
			return true, a.ID, nil
		}
		return false, a.ID, s.cfg.Access.Require(tx, access.ActFundReconcile, f.Payout, hash)
	}
	end := "has NOT arrived; the claim may be paid again"
	if f.Settled {
		end = "has arrived"
	}
	a, err := s.cfg.Access.Ask(tx, actor, access.Request{
		ID: s.cfg.IDs.New("apr"), Act: access.ActFundReconcile, Object: f.Payout, Hash: hash, Amount: f.Amount, TTL: resolveTTL,
		Summary: fmt.Sprintf("payout %s of %s %s; proof: %s", f.Payout, f.Amount, end, f.Proof),
	})
	return true, a.ID, err
}

// resolved answers a call that comes again after it was booked; anything else that
// is not unknown is left to its rail.
func (s *Service) resolved(tx *db.Tx, p Payout, f finding) (ident.ID, error) {
	f.Version-- // as it stood when it was signed
	hash, err := access.ContentHash(f)
	if err != nil {
		return "", err
	}
	all, err := s.cfg.Access.For(tx, p.ID)
	if err != nil {
		return "", err
	}
	for _, a := range all {
		if a.Act == access.ActFundReconcile && a.State == access.Used && a.Hash == hash {
			return a.ID, nil
		}
	}
	return "", ident.E(ident.KindState, "payout_"+string(p.State),
		"payout %s is %s; people resolve only one of unknown outcome", p.ID, p.State)
}
