package fund

import "context"

// Status is what a rail says of a payout.
type Status string

// The answers of a rail.
const (
	StatusSettled  Status = "settled"  // the money has arrived
	StatusAccepted Status = "accepted" // it has it and will do it; ask again
	StatusRejected Status = "rejected" // it has not done it and never will
	StatusAbsent   Status = "absent"   // Lookup only: it has never seen this id
)

// Answer is a rail's word on one payout.
type Answer struct {
	Status Status
	Ref    string // the rail's own reference
	Reason string // of a rejection
}

// Rail pays one person at a time and can be asked about it: the host wallet, and
// what a simulation puts in its place. (The bank is not one: it takes files and
// answers with files.) The contract:
//
//   - The payout's id is the key. Sending the same id and body again, any number
//     of times and also at the same time, pays once and gives the same answer.
//   - An error of kind Unknown means that it may have happened: the caller asks
//     Lookup, and never sends under another id. Any other error means that this
//     call did not pay; an earlier one with the same id may have. KindConflict
//     says that the id was used with another body.
//   - Lookup sees every Send that was answered. Absent means that no earlier Send
//     has paid; one that is still under way may arrive later, under the same id.
//   - Settled and rejected are final.
type Rail interface {
	Send(ctx context.Context, p Payout) (Answer, error)
	Lookup(ctx context.Context, p Payout) (Answer, error)
}
