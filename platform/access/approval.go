package access

import (
	"crypto/sha256"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"surety/kernel/ident"
	"surety/kernel/money"
)

// How long an approval may wait for its second person and its use.
const (
	approvalTTL    = 24 * time.Hour
	maxApprovalTTL = 7 * 24 * time.Hour
	maxSummary     = 2000 // bytes
)

// Request asks for approval by two people of one act on one object with one
// content.
type Request struct {
	ID      ident.ID // made by the caller: the same id and body is the same request
	Act     Act      // an act with FourEyes
	Object  ident.ID
	Hash    [32]byte      // of all that is approved: see ContentHash
	Summary string        // what the second person reads, in words, with figures
	Amount  money.Amount  // zero if it is not about money
	TTL     time.Duration // 24 hours if zero, at most 7 days
}

// Signature is one person's word.
type Signature struct {
	Staff ident.ID
	Name  string
	At    time.Time
}

// Approval is a request and what became of it.
type Approval struct {
	ID         ident.ID
	Act        Act
	Object     ident.ID
	Hash       [32]byte
	Summary    string
	Amount     money.Amount
	AskedBy    ident.ID
	Asked      time.Time
	Expires    time.Time
	State      ApprovalState
	Closed     time.Time   // zero while it is open
	ClosedBy   ident.ID    // who withdrew it, or the request that superseded it
	Signatures []Signature // the one who asked first
	Version    int64       // moves with each change
}

// SignedBy reports whether the person has signed.
func (a Approval) SignedBy(staff ident.ID) bool {
	return slices.ContainsFunc(a.Signatures, func(s Signature) bool { return s.Staff == staff })
}

// ApprovalState says where an approval stands.
type ApprovalState string

// The states. All but Open are final.
const (
	Open       ApprovalState = "open"
	Used       ApprovalState = "used"       // it let its act through, once
	Withdrawn  ApprovalState = "withdrawn"  // a person took it back
	Superseded ApprovalState = "superseded" // the content changed and was asked for anew
	Expired    ApprovalState = "expired"    // nobody came in time
)

type approvalEvent string

const (
	evSign      approvalEvent = "sign"
	evUse       approvalEvent = "use"
	evWithdraw  approvalEvent = "withdraw"
	evSupersede approvalEvent = "supersede"
	evExpire    approvalEvent = "expire"
)

// approvalMoves are all allowed moves; what is not here is not allowed.
var approvalMoves = map[ApprovalState]map[approvalEvent]ApprovalState{
	Open: {evSign: Open, evUse: Used, evWithdraw: Withdrawn, evSupersede: Superseded, evExpire: Expired},
}

// next returns where an event leads, or a KindState error that says why not.
func next(s ApprovalState, e approvalEvent) (ApprovalState, error) {
	if to, ok := approvalMoves[s][e]; ok {
		return to, nil
	}
	why := map[ApprovalState]string{
		Used:       "this approval has been used already; it counts once",
		Withdrawn:  "this request was withdrawn; ask again",
		Superseded: "the content has changed and approval was asked for anew; look at the newer request",
		Expired:    "this request is too old; ask again",
	}[s]
	return s, ident.E(ident.KindState, "approval_"+string(s), "%s", why)
}

// at is the state at a moment: an open request is over when its time is.
func (a Approval) at(now time.Time) ApprovalState {
	if a.State == Open && !now.Before(a.Expires) {
		return Expired
	}
	return a.State
}

// check refuses a request that cannot be asked and fills in the TTL.
func (r *Request) check() error {
	if err := ident.CheckID("id", r.ID); err != nil {
		return err
	}
	if r.Object == "" {
		return ident.Invalid("object", "required", "object is missing: say what is to be approved")
	}
	if r.Summary == "" || len(r.Summary) > maxSummary {
		return ident.Invalid("summary", "summary_length", "say in 1 to %d bytes what is to be approved", maxSummary)
	}
	if r.Hash == [32]byte{} {
		return ident.Invalid("hash", "required", "hash is missing: an approval is bound to a content")
	}
	if r.TTL == 0 {
		r.TTL = approvalTTL
	}
	if r.TTL < 0 || r.TTL > maxApprovalTTL {
		return ident.Invalid("ttl", "ttl_out_of_range", "an approval may wait up to %s, not %s", maxApprovalTTL, r.TTL)
	}
	r.TTL = r.TTL.Truncate(time.Microsecond) // as the database keeps it
	if !table[r.Act].FourEyes || strings.HasPrefix(string(r.Act), "approval.") {
		return ident.Invalid("act", "act_needs_no_approval", "%q is not an act that two people approve", r.Act)
	}
	if r.Amount == (money.Amount{}) {
		return nil
	}
	return r.Amount.Check("amount")
}

// same reports whether r is the request that became a.
func (a Approval) same(r Request, by ident.ID) bool {
	return a.Act == r.Act && a.Object == r.Object && a.Hash == r.Hash && a.Summary == r.Summary &&
		a.Amount == r.Amount && a.AskedBy == by && a.Expires.Sub(a.Asked) == r.TTL
}

// ContentHash binds an approval to a content: SHA-256 of its JSON. Give it a
// struct with all that matters (who gets how much from where), in a fixed order.
func ContentHash(v any) ([32]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return [32]byte{}, ident.E(ident.KindInternal, "content_hash", "this content cannot be hashed").Because(err)
	}
	return sha256.Sum256(b), nil
}
