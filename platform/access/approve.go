package access

import (
	"encoding/hex"

	"surety/kernel/ident"
	"surety/platform/db"
)

// Ask asks for approval by two people and is the first signature. An open request
// for the same act and object with another content is superseded; one with the
// same content is KindConflict "already_asked": sign that one. Call it in Update
// or Run, which log a refusal.
func (a *Access) Ask(tx *db.Tx, actor ident.Actor, r Request) (Approval, error) {
	if err := peopleOnly(actor, ActApprovalAsk, r.Object); err != nil {
		return Approval{}, err
	}
	if err := r.check(); err != nil {
		return Approval{}, err
	}
	detail := map[string]any{"approval": r.ID, "act": r.Act, "hash": hex.EncodeToString(r.Hash[:]), "summary": r.Summary}
	if !r.Amount.IsZero() {
		detail["amount"] = r.Amount
	}
	if err := a.mayApprove(tx, actor, ActApprovalAsk, r.Act, r.Object, detail); err != nil {
		return Approval{}, err
	}
	old, found, err := approvalByID(tx, r.ID)
	if err != nil {
		return Approval{}, err
	}
	now := a.clock.Now()
	if found {
		if !old.same(r, actor.ID) {
			return Approval{}, ident.E(ident.KindConflict, "approval_exists", "the id %q is another request's", r.ID)
		}
		old.State = old.at(now)
		return old, nil
	}
	if err := closeOlder(tx, r, now); err != nil {
		return Approval{}, err
	}
	if err := insertApproval(tx, r, actor, now); err != nil {
		return Approval{}, err
	}
	return a.Approval(tx, r.ID)
}

// Sign is the second person's word on exactly the content of hash: pass the hash
// of what was shown to them. The same person again gets the same answer; the one
// who asked is refused. Call it in Update or Run.
func (a *Access) Sign(tx *db.Tx, actor ident.Actor, id ident.ID, hash [32]byte) (Approval, error) {
	if err := peopleOnly(actor, ActApprovalSign, id); err != nil {
		return Approval{}, err
	}
	ap, err := a.Approval(tx, id)
	if err != nil {
		return Approval{}, err
	}
	detail := map[string]any{"approval": id, "act": ap.Act, "hash": hex.EncodeToString(hash[:])}
	if err := a.mayApprove(tx, actor, ActApprovalSign, ap.Act, ap.Object, detail); err != nil {
		return Approval{}, err
	}
	if actor.ID == ap.AskedBy {
		return Approval{}, refuse(ident.E(ident.KindDenied, "second_person_needed",
			"you asked for this approval; a second person must sign it"), actor, ActApprovalSign, ap.Object, detail)
	}
	if hash != ap.Hash {
		return Approval{}, ident.E(ident.KindConflict, "content_changed",
			"this is not the content that approval was asked for; look at it again")
	}
	if ap.SignedBy(actor.ID) {
		return ap, nil
	}
	if _, err := next(ap.State, evSign); err != nil {
		return Approval{}, err
	}
	if err := insertSignature(tx, ap, actor, a.clock.Now()); err != nil {
		return Approval{}, err
	}
	return a.Approval(tx, id)
}

// Require uses the approval of the act on the object with this content, or says
// why there is none (KindState). Both people must still be allowed the act now.
// It counts once: call it in the transaction that does the act, whose own Check
// is its record.
func (a *Access) Require(tx *db.Tx, act Act, object ident.ID, hash [32]byte) error {
	ap, found, err := openApproval(tx, act, object)
	if err != nil {
		return err
	}
	now := a.clock.Now()
	switch {
	case !found:
		return ident.E(ident.KindState, "approval_missing", "two people must approve this first; ask for approval")
	case ap.Hash != hash:
		return ident.E(ident.KindState, "approval_other_content",
			"what was approved is not what is to be done now; ask for approval of the new content")
	}
	if _, err := next(ap.at(now), evUse); err != nil {
		return err
	}
	var good []ident.ID
	for _, s := range ap.Signatures {
		who, ok, err := staffByID(tx, s.Staff)
		if err != nil {
			return err
		}
		if ok && eligible(who, act, object) == nil {
			good = append(good, s.Staff)
		}
	}
	if len(good) < 2 {
		return ident.E(ident.KindState, "approval_incomplete",
			"%d of 2 people who may approve this have signed; a second person must sign", len(good))
	}
	return useApproval(tx, ap, good[0], good[1], now)
}

// Withdraw takes an open request back; anybody who may sign it may. The same
// person again gets the same answer. Call it in Update or Run.
func (a *Access) Withdraw(tx *db.Tx, actor ident.Actor, id ident.ID) (Approval, error) {
	if err := peopleOnly(actor, ActApprovalWithdraw, id); err != nil {
		return Approval{}, err
	}
	ap, err := a.Approval(tx, id)
	if err != nil {
		return Approval{}, err
	}
	detail := map[string]any{"approval": id, "act": ap.Act}
	if err := a.mayApprove(tx, actor, ActApprovalWithdraw, ap.Act, ap.Object, detail); err != nil {
		return Approval{}, err
	}
	if ap.State == Withdrawn && ap.ClosedBy == actor.ID {
		return ap, nil
	}
	to, err := next(ap.State, evWithdraw)
	if err != nil {
		return Approval{}, err
	}
	if err := closeApproval(tx, ap, to, actor.ID, a.clock.Now()); err != nil {
		return Approval{}, err
	}
	return a.Approval(tx, id)
}

// peopleOnly refuses whoever is not a member of staff before anything is looked
// up, so that the answer does not tell what there is.
func peopleOnly(actor ident.Actor, act Act, id ident.ID) error {
	if actor.Kind == ident.Staff {
		return nil
	}
	why := decide(actor, act, Object{ID: id})
	if why == nil {
		why = denied(act)
	}
	return refuse(why, actor, act, id, nil)
}

// mayApprove is check-and-log for the acts on approvals: the actor must be a
// person whose roles, as they stand in the database now, allow the act itself.
func (a *Access) mayApprove(tx *db.Tx, actor ident.Actor, act, approved Act, object ident.ID, detail any) error {
	who, _, err := staffByID(tx, actor.ID)
	if err != nil {
		return err
	}
	if why := eligible(who, approved, object); why != nil {
		return refuse(why, actor, act, object, detail)
	}
	actor.Roles = who.Roles
	return a.Check(tx, actor, act, Object{ID: object}, detail)
}

// eligible says whether this person's word counts for the act; nil means yes.
func eligible(who staffRow, act Act, object ident.ID) *ident.Error {
	if who.ID == "" || !who.Disabled.IsZero() {
		return denied(act)
	}
	return decide(who.actor(""), act, Object{ID: object})
}
