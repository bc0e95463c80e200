package fund

import (
	"context"

	"surety/kernel/ident"
	"surety/kernel/money"
	"surety/platform/access"
	"surety/platform/db"
	"surety/platform/ledger"
)

// Ids of a payout's transfers: known before they are made, so that making them
// again is the same as making them once.
func holdID(payout ident.ID) ident.ID   { return "pay." + payout }
func postID(payout ident.ID) ident.ID   { return "post." + payout }
func voidID(payout ident.ID) ident.ID   { return "void." + payout }
func returnID(payout ident.ID) ident.ID { return "ret." + payout }

// PayTx orders a payout in the caller's transaction: it checks the actor, books
// the pending transfer out of the purpose's earmark and hands the order to the
// rail's queue. The same order again gets the payout as it stands now; the same
// id with another order, or another live payout of the same claim, is a conflict.
func (s *Service) PayTx(tx *db.Tx, actor ident.Actor, in PayIn) (Payout, error) {
	if err := in.Check(); err != nil {
		return Payout{}, err
	}
	detail := map[string]any{"fund": in.FundID, "purpose": in.Purpose, "claim": in.Claim,
		"amount": in.Amount, "approval": in.Approval}
	if err := s.cfg.Access.Check(tx, actor, access.ActFundPay, access.Object{ID: in.ID}, detail); err != nil {
		return Payout{}, err
	}
	if p, found, err := s.again(tx, in); err != nil || found {
		return p, err
	}
	f, err := s.mayPay(tx, in)
	if err != nil {
		return Payout{}, err
	}
	// Now this act holds the fund's row, and with it all orders from the fund: what
	// another process ordered meanwhile can be seen.
	if p, found, err := s.again(tx, in); err != nil || found {
		return p, err
	}
	if err := s.uncontradicted(tx, in.Claim); err != nil {
		return Payout{}, err
	}
	if err := s.approved(tx, in); err != nil {
		return Payout{}, err
	}
	now := s.cfg.Clock.Now()
	fresh, err := s.insert(tx, in, now)
	if err != nil {
		return Payout{}, err
	}
	if !fresh {
		return s.taken(tx, in)
	}
	err = s.cfg.Ledger.Transfer(tx, ledger.Transfer{
		ID: holdID(in.ID), Kind: ledger.Pending, Debit: EarmarkAccount(in.FundID, in.Purpose), Credit: BankAccount(f.Currency),
		Amount: in.Amount, Code: in.Code, Ref: in.Purpose, Memo: "payout " + in.ID, At: now,
	})
	if ident.CodeOf(err) == "account_not_found" {
		err = ident.E(ident.KindState, "earmark_missing",
			"nothing was set aside for %q in fund %q; earmark it first", in.Purpose, in.FundID)
	}
	if err != nil {
		return Payout{}, err
	}
	kind, due := jobBatch, now.Add(s.cfg.BatchWait)
	if in.To.Rail == RailWallet {
		kind, due = jobWallet, now
	}
	if err := s.cfg.Queue.Put(tx, kind, in.ID, railJob{Payout: in.ID}, due); err != nil {
		return Payout{}, err
	}
	return Payout{PayIn: in, State: Approved, Created: now, Version: 1}, nil
}

// mayPay is what must hold of the fund and the rail.
func (s *Service) mayPay(tx *db.Tx, in PayIn) (Fund, error) {
	if in.To.Rail == RailBank && s.cfg.OutDir == "" || in.To.Rail == RailWallet && s.cfg.Wallet == nil {
		return Fund{}, ident.E(ident.KindState, "rail_missing", "paying by %s is not set up", in.To.Rail)
	}
	f, err := s.need(tx, in.FundID)
	if err != nil {
		return f, err
	}
	if f.Currency != in.Amount.Currency {
		return f, ident.Invalid("amount.currency", "currency_differs",
			"fund %q holds %s, the payout is of %s", f.ID, f.Currency, in.Amount.Currency)
	}
	return f, s.goOut(tx, in.FundID, in.Purpose)
}

// approved demands two people for what is over the limit (ASVS 2.3.5): either
// those who approved the incident, never for more than they approved in all, or
// two who approved this very payout. An approval that is named is always counted.
func (s *Service) approved(tx *db.Tx, in PayIn) error {
	if in.Approval != "" {
		ap, err := s.cfg.Access.Approval(tx, in.Approval)
		if err != nil {
			return err
		}
		if ap.Act != access.ActIncidentApprove || ap.Object != in.Purpose || ap.State != access.Used {
			return ident.E(ident.KindState, "approval_other_content",
				"approval %s does not release money for %s", in.Approval, in.Purpose)
		}
		return useApproval(tx, ap, in.Amount)
	}
	if over, err := in.Amount.Cmp(s.cfg.FourEyes); err == nil && over <= 0 {
		return nil
	}
	hash, err := in.Hash()
	if err != nil {
		return err
	}
	return s.cfg.Access.Require(tx, access.ActFundPay, in.ID, hash)
}

// taken says why a new payout could not be written.
func (s *Service) taken(tx *db.Tx, in PayIn) (Payout, error) {
	ps, err := s.ByClaim(tx, in.Claim)
	if err != nil {
		return Payout{}, err
	}
	for _, p := range ps {
		if p.State != Rejected && p.State != Returned {
			return Payout{}, ident.E(ident.KindConflict, "claim_paid",
				"claim %s is paid by payout %s (%s); nobody is paid twice", in.Claim, p.ID, p.State)
		}
	}
	return Payout{}, ident.E(ident.KindUnavailable, "payout_busy",
		"payout %s or another of its claim is just being ordered; ask again", in.ID)
}

// move applies an event to a payout, checked, recorded and saved. fill sets what
// the event brings along.
func (s *Service) move(tx *db.Tx, actor ident.Actor, act access.Act, p *Payout, e Event, fill func(*Payout)) error {
	to, err := Next(p.State, e)
	if err != nil {
		return err
	}
	if fill != nil {
		fill(p)
	}
	detail := map[string]any{"from": p.State, "to": to, "event": e, "batch": p.Batch,
		"rail_ref": p.RailRef, "reason": p.Reason}
	if err := s.cfg.Access.Check(tx, actor, act, access.Object{ID: p.ID}, detail); err != nil {
		return err
	}
	p.State = to
	return save(tx, p)
}

// finish is the end of a payout: state, books, record and event are one act.
func (s *Service) finish(tx *db.Tx, actor ident.Actor, p *Payout, e Event, ref, reason string) error {
	now := s.cfg.Clock.Now()
	err := s.move(tx, actor, access.ActFundSettle, p, e, func(p *Payout) {
		p.Reason = reason
		if ref != "" {
			p.RailRef = ref
		}
		if e == Settle {
			p.Settled = now
		}
	})
	if err != nil {
		return err
	}
	t, event := ledger.Transfer{At: now, Code: p.Code, Ref: p.Purpose}, ""
	switch e {
	case Settle:
		t.ID, t.Kind, t.Pending, event = postID(p.ID), ledger.Post, holdID(p.ID), EventSettled
	case Reject:
		t.ID, t.Kind, t.Pending, event = voidID(p.ID), ledger.Void, holdID(p.ID), EventRejected
	case Return:
		t.ID, t.Kind, t.Amount, t.Code, event = returnID(p.ID), ledger.Single, p.Amount, CodeReturn, EventReturned
		t.Debit, t.Credit = BankAccount(p.Amount.Currency), EarmarkAccount(p.FundID, p.Purpose)
	default:
		return ident.E(ident.KindInternal, "event", "%q ends no payout", e)
	}
	if err := s.cfg.Ledger.Transfer(tx, t); err != nil {
		return err
	}
	if e != Settle && p.Approval != "" {
		if err := giveBackApproval(tx, p); err != nil {
			return err
		}
	}
	body := PayoutEvent{Payout: p.ID, Claim: p.Claim, Purpose: p.Purpose, Reason: reason}
	return s.cfg.Queue.Put(tx, event, p.ID, body, now)
}

// GiveBack books that a settled payout came back from the payee's bank: the money
// is in the earmark again, and the claim may be paid again under another id.
func (s *Service) GiveBack(ctx context.Context, actor ident.Actor, id ident.ID, amount money.Amount,
	reason string) (p Payout, err error) {
	if reason = clean(reason, maxText); reason == "" {
		return p, ident.Invalid("reason", "required", "say why the money came back")
	}
	err = s.cfg.Access.Run(ctx, func(tx *db.Tx) error {
		var found bool
		if p, found, err = s.Payout(tx, id); err != nil {
			return err
		}
		if !found {
			return ident.NotFound("payout", id)
		}
		if p.Amount != amount {
			return ident.Invalid("amount", "amount_differs", "payout %s was of %s, not of %s", id, p.Amount, amount)
		}
		if p.State == Returned { // the same word again
			return s.cfg.Access.Check(tx, actor, access.ActFundSettle, access.Object{ID: id}, map[string]any{"again": true})
		}
		return s.finish(tx, actor, &p, Return, "", reason)
	})
	return p, err
}
