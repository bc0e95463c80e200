package incident

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"

	"surety/domain/claim"
	"surety/domain/fund"
	"surety/kernel/ident"
	"surety/kernel/money"
	"surety/platform/access"
	"surety/platform/db"
)

// ReconcileReport counts the verdicts.
type ReconcileReport struct {
	Verdicts map[Verdict]int `json:"verdicts"`
	Reasons  map[string]int  `json:"reasons"`
	Payable  money.Amount    `json:"payable"`
}

// Reconcile checks every victim that has no payout yet against the records,
// writes the verdict with its reasons, and joins what was found to the claim.
func (s *Service) Reconcile(ctx context.Context, actor ident.Actor, id ident.ID) (rep ReconcileReport, err error) {
	if err := s.cfg.Payment.Await(ctx); err != nil { // the records must be whole
		return rep, err
	}
	err = s.cfg.Access.Update(ctx, actor, access.ActIncidentReconcile, access.Object{ID: id}, nil, func(tx *db.Tx) error {
		rep = ReconcileReport{Verdicts: map[Verdict]int{}, Reasons: map[string]int{}}
		i, err := s.load(tx, id)
		if err != nil {
			return err
		}
		marks, err := s.Marks(tx, id)
		if err != nil {
			return err
		}
		vs, err := s.Victims(tx, id)
		if err != nil {
			return err
		}
		for _, v := range vs {
			if err := s.checkAgain(tx, i, marks, &v); err != nil {
				return err
			}
			rep.Verdicts[v.Verdict]++
			for _, r := range v.Reasons {
				rep.Reasons[r]++
			}
			if v.Verdict.Payable() {
				if rep.Payable, err = rep.Payable.Add(v.Amount); err != nil {
					return err
				}
			}
		}
		return s.advance(tx, &i, Reconcile)
	})
	return rep, err
}

// checkAgain checks a victim unless two people have released the money or a person
// has decided. More that the police name after that is noted, for a person to see.
func (s *Service) checkAgain(tx *db.Tx, i Incident, marks []Mark, v *Victim) error {
	switch {
	case v.Approval == "" && v.Payout == "" && v.Verdict != Resolved:
		return s.check(tx, i, marks, v)
	case v.Verdict != Resolved && v.Police.Minor > v.Amount.Minor && !slices.Contains(v.Reasons, "more_after_payment"):
		v.Reasons = append(v.Reasons, "more_after_payment")
		return s.saveVictim(tx, v)
	}
	return nil
}

func (s *Service) check(tx *db.Tx, i Incident, marks []Mark, v *Victim) error {
	h, err := s.holdings(tx, v.Party)
	if err != nil {
		return err
	}
	outs, err := s.outs(tx, i, h)
	if err != nil {
		return err
	}
	if v.Recorded, v.Payments, err = Stolen(outs, "", marks); err != nil {
		return err
	}
	v.Suspect = slices.ContainsFunc(h.accounts, func(a string) bool { return marked(marks, MarkPayee, a) })
	v.Verdict, v.Reasons, v.Amount = Judge(*v)
	if v.Claim == "" && v.Verdict.Payable() {
		if v.Claim, err = s.claimBefore(tx, i, *v, v.Payments); err != nil {
			return err
		}
	}
	why, err := s.obstacle(tx, i, *v)
	if err != nil {
		return err
	}
	switch {
	case why != "" && v.Verdict.Payable():
		v.Verdict, v.Reasons, v.Amount = Differs, append(v.Reasons, why), money.Amount{}
	case why != "":
		v.Reasons = append(v.Reasons, why)
	case v.Verdict.Payable() || v.Claim != "":
		if err := s.joinClaim(tx, i, v); err != nil {
			return err
		}
	}
	return s.saveVictim(tx, v)
}

// obstacle is why the victim's claim cannot take up what was found, "" if it can:
// one person's withdrawn or decided claim must not hold up all others.
func (s *Service) obstacle(tx *db.Tx, i Incident, v Victim) (string, error) {
	if v.Claim != "" {
		c, _, err := s.cfg.Claim.Get(tx, v.Claim)
		if err != nil {
			return "", err
		}
		switch c.Status {
		case claim.Withdrawn:
			return "claim_withdrawn", nil
		case claim.Paying, claim.Settled:
			return "paid_already", nil
		case claim.Decided, claim.Closed:
			if c.Owed() { // decided and to be paid, or paid again after it came back
				return s.owes(c, v)
			}
			if c.Decision != claim.Refuse {
				return "paid_already", nil
			}
			if !v.Verdict.Payable() {
				return "decided_by_person", nil // refused before, and nothing new is known
			}
		}
	}
	free, err := s.free(tx, v)
	if err == nil && len(free) < len(v.Payments) {
		return "claimed_elsewhere", nil
	}
	if err != nil {
		return "", err
	}
	return s.elsewhere(tx, i, v)
}

// owes compares what was decided and is still owed with what is found now.
func (s *Service) owes(c claim.Claim, v Victim) (string, error) {
	if v.Verdict.Payable() && c.Confirmed != v.Amount {
		return "decided_other_amount", nil
	}
	return "", nil
}

// elsewhere looks for another claim of the same person by which this loss may have
// been paid: with the same police case, of the same days, or of the same sum. A
// person must look; the same loss is not paid twice because two lists name it.
func (s *Service) elsewhere(tx *db.Tx, i Incident, v Victim) (string, error) {
	if v.Party == "" {
		return "", nil
	}
	cs, err := s.cfg.Claim.List(tx, claim.Filter{Party: v.Party, Limit: 500})
	if err != nil {
		return "", err
	}
	cases := strings.Split(v.PoliceCase, ", ")
	for _, c := range cs {
		approved := c.Decision == claim.ApproveFull || c.Decision == claim.ApprovePartial
		if c.ID == v.Claim || c.Holder != v.Party || !approved {
			continue
		}
		days := c.Kind == claim.Theft && !c.LossDate.Before(i.From) && c.LossDate.Before(i.To)
		if days || c.PoliceCase != "" && slices.Contains(cases, c.PoliceCase) || c.Confirmed == v.Amount {
			return "claimed_elsewhere", nil
		}
	}
	return "", nil
}

// free lists the victim's payments that no other claim has.
func (s *Service) free(tx *db.Tx, v Victim) (out []string, err error) {
	for _, id := range v.Payments {
		p, _, err := s.cfg.Payment.Get(tx, id)
		if err != nil {
			return nil, err
		}
		if p.ClaimID == "" || p.ClaimID == v.Claim {
			out = append(out, id)
		}
	}
	return out, nil
}

// clerk files and triages claims for an incident: the act that finds out was
// checked with its own noun's roles, and its record names who did it.
func clerk() ident.Actor { return ident.Job("incident") }

// joinClaim files the claim of a victim who has none and gives the claim what
// the sources and the records say.
func (s *Service) joinClaim(tx *db.Tx, i Incident, v *Victim) error {
	basis, caseNo := claim.SwornStatement, v.PoliceCase
	switch {
	case v.Recorded.Minor > 0:
		basis = claim.LedgerRecord
	case v.Police.Minor > 0:
		basis, caseNo = claim.PoliceConfirmation, cmp.Or(caseNo, i.Title) // their list vouches, if it gives no number
	}
	if before, found, err := s.cfg.Claim.Get(tx, v.Claim); err != nil {
		return err
	} else if found && before.Status == claim.Withdrawn { // a person has decided all the same: a claim of its own
		v.Claim = ""
	} else if found && before.Status == claim.Decided && before.Owed() {
		return nil // it says all there is to say
	}
	if v.Claim == "" {
		c, err := s.cfg.Claim.FileTx(tx, clerk(), claim.FileIn{
			ID: i.ID + "." + v.ID + "." + strconv.Itoa(v.Version), Kind: claim.Theft, Holder: v.Party, Claimant: v.Claimant, Account: v.Account,
			Claimed: v.Amount, Basis: basis, PoliceCase: caseNo, LossDate: i.From, Incident: i.ID, Source: "police_list",
		})
		if err != nil {
			return err
		}
		v.Claim = c.ID
	}
	if v.PayTo.Account == "" {
		c, _, err := s.cfg.Claim.Get(tx, v.Claim)
		if err != nil {
			return err
		}
		v.PayTo = c.PayTo
	}
	free, err := s.free(tx, *v)
	if err != nil {
		return err
	}
	return s.cfg.Claim.JoinTx(tx, clerk(), v.Claim, claim.JoinIn{
		Incident: i.ID, IncidentName: i.Title, Payments: free, Basis: basis, PoliceCase: caseNo, PayTo: v.PayTo,
		Confirmed: v.Amount, Verdict: string(v.Verdict), Reasons: v.Reasons,
	})
}

// Assign says whose account an unmatched victim's is; the next check judges it.
func (s *Service) Assign(ctx context.Context, actor ident.Actor, victim ident.ID, account string) error {
	if err := s.cfg.Payment.Await(ctx); err != nil {
		return err
	}
	return s.change(ctx, actor, access.ActIncidentReconcile, victim, map[string]string{"account": account},
		func(tx *db.Tx, _ Incident, v *Victim) error {
			if v.Party != "" {
				return ident.E(ident.KindState, "matched", "this victim has an account already")
			}
			a, exists, err := s.cfg.Party.Account(tx, account)
			if err != nil {
				return err
			}
			if !exists {
				return ident.NotFound("account", account)
			}
			other, known, err := s.victimByParty(tx, v.Incident, a.PartyID)
			if err == nil && known {
				err = ident.E(ident.KindConflict, "victim_known", "that account's holder is victim %s already", other.ID)
			}
			if err != nil {
				return err
			}
			v.Party, v.Claimant, v.Account, v.Verdict = a.PartyID, a.PartyID, a.ID, Unchecked
			return nil
		})
}

// Redirect gives a victim another account to be paid to, before the order or after
// it has failed. Two people must approve it again.
func (s *Service) Redirect(ctx context.Context, actor ident.Actor, victim ident.ID, to fund.PayTo, why string) error {
	if err := to.Check(); err != nil {
		return err
	}
	if strings.TrimSpace(why) == "" {
		return ident.Invalid("why", "required", "say why another account is right; it stays in the file")
	}
	return s.change(ctx, actor, access.ActIncidentReconcile, victim, map[string]string{"why": why},
		func(tx *db.Tx, _ Incident, v *Victim) error {
			if v.Payout != "" {
				p, _, err := s.cfg.Fund.Payout(tx, v.Payout)
				if err != nil {
					return err
				}
				if p.State != fund.Rejected && p.State != fund.Returned {
					return ident.E(ident.KindState, "payout_"+string(p.State), "the money is on its way or has arrived")
				}
			}
			v.PayTo, v.Payout, v.Approval = to, "", ""
			if v.Claim == "" {
				return nil
			}
			return s.cfg.Claim.RedirectTx(tx, v.Claim, to)
		})
}

// Resolve is a person's decision on a victim whom the check could not settle: the
// amount, and why. It needs a proposal and a second person like every other.
func (s *Service) Resolve(ctx context.Context, actor ident.Actor, victim ident.ID, amount money.Amount, to fund.PayTo, why string) error {
	if err := amount.CheckPositive("amount"); err != nil {
		return err
	}
	if to != (fund.PayTo{}) {
		if err := to.Check(); err != nil {
			return err
		}
	}
	if strings.TrimSpace(why) == "" {
		return ident.Invalid("why", "required", "say why this amount is right; it stays in the file")
	}
	return s.change(ctx, actor, access.ActIncidentReconcile, victim, map[string]any{"amount": amount, "why": why},
		func(tx *db.Tx, i Incident, v *Victim) error {
			if v.Party == "" {
				return ident.E(ident.KindState, "nobody_found", "find the person's account first")
			}
			f, _, err := s.cfg.Fund.Get(tx, i.FundID)
			if err != nil {
				return err
			}
			if amount.Currency != f.Currency {
				return ident.Invalid("amount.currency", "currency_differs", "the %s fund pays %s, not %s", f.ID, f.Currency, amount.Currency)
			}
			if v.Approval != "" || v.Payout != "" {
				return ident.E(ident.KindState, "approved", "two people have released this victim's money already")
			}
			if v.Claim == "" { // the one that the victim has handed in, if there is one
				if v.Claim, err = s.claimBefore(tx, i, *v, v.Payments); err != nil {
					return err
				}
			}
			v.Verdict, v.Amount = Resolved, amount
			if !slices.Contains(v.Reasons, "decided_by_person") {
				v.Reasons = append(v.Reasons, "decided_by_person")
			}
			if to.Account != "" {
				v.PayTo = to
			}
			return s.joinClaim(tx, i, v)
		})
}

// Refuse is a person's refusal of a report that the check calls false.
func (s *Service) Refuse(ctx context.Context, actor ident.Actor, victim ident.ID, words string) error {
	return s.change(ctx, actor, access.ActIncidentReconcile, victim, map[string]string{"refuse": words},
		func(tx *db.Tx, _ Incident, v *Victim) error {
			if v.Verdict != False || v.Claim == "" {
				return ident.E(ident.KindState, "not_false", "only a report without any trace can be refused here")
			}
			return s.cfg.Claim.DecideTx(tx, actor, v.Claim, claim.DecisionIn{
				Kind: claim.Refuse, Ground: "no_loss_found", Proofs: v.Reasons, Words: words,
			})
		})
}

// Call notes what came of calling a victim (A7).
func (s *Service) Call(ctx context.Context, actor ident.Actor, victim ident.ID, outcome CallOutcome, words string) error {
	switch outcome {
	case Reached, NoAnswer, CallBack:
	default:
		return ident.Invalid("outcome", "unknown", `the outcome is "reached", "no_answer" or "call_back"`)
	}
	if len(words) > 4000 {
		return ident.Invalid("words", "too_long", "the note has more than 4000 bytes")
	}
	return s.change(ctx, actor, access.ActIncidentCall, victim, map[string]string{"outcome": string(outcome)},
		func(_ *db.Tx, _ Incident, v *Victim) error {
			v.Called, v.CalledAt, v.CallWords = outcome, s.cfg.Clock.Now(), words
			return nil
		})
}

// change loads a victim, lets fn change it and saves it, in one act.
func (s *Service) change(ctx context.Context, actor ident.Actor, act access.Act, victim ident.ID, detail any,
	fn func(tx *db.Tx, i Incident, v *Victim) error) error {
	return s.cfg.Access.Update(ctx, actor, act, access.Object{ID: victim}, detail, func(tx *db.Tx) error {
		v, found, err := s.Victim(tx, victim)
		if err != nil {
			return err
		}
		if !found {
			return ident.NotFound("victim", victim)
		}
		i, err := s.load(tx, v.Incident)
		if err != nil {
			return err
		}
		if i.Status == Closed {
			return ident.E(ident.KindState, "closed", "the incident is closed")
		}
		if err := fn(tx, i, &v); err != nil {
			return err
		}
		return s.saveVictim(tx, &v)
	})
}

// RowsOf opens what was read of a source, for the table of what was read, mended,
// refused and why; the look is recorded.
func (s *Service) RowsOf(ctx context.Context, actor ident.Actor, id, source ident.ID) (rows []KeptRow, err error) {
	err = s.cfg.Access.View(ctx, actor, access.ActIncidentRead, access.Object{ID: id}, func(tx *db.Tx) error {
		rows, err = s.Rows(tx, source)
		return err
	})
	return rows, err
}
