// Package claim is the case: what a person says they lost, what is known about
// it, what was decided, and whether the money has arrived.
//
// A claim moves in four dimensions that are independent of each other:
//
//	status    draft → received → triaged → (awaiting_claimant ⇄ investigating) → decided → paying → settled → closed
//	          + withdrawn, + appealed (after a refusal or a part) → decided again
//	decision  none → approve_full | approve_partial | refuse   (immutable versions)
//	advance   none → shadow | paid → confirmed | reversed → written_off
//	recovery  not_started → tracing → frozen → recalled → partially_returned → returned | exhausted
//
// Invariants:
//   - Allowed moves are one table a dimension; every state x event is enumerated
//     in a test.
//   - The same id and body is the same claim; a payment belongs to one claim.
//   - A claim without any payment in our records is a claim all the same: its
//     basis says what it rests on (A3).
//   - A refusal names its ground and its proofs, and a person made it.
//   - Decisions are never changed; a new one is a new version.
//   - Every promise is a Clock that names who holds the ball; stopped clocks
//     resume with the time they had left.
//   - One payout a claim at a time: the fund refuses a second.
//   - Words, receiving accounts and evidence's names are sealed at rest; evidence
//     is content-addressed, so that nobody can change it unseen.
//
// It pays nobody itself (domain/fund does) and writes no letters (domain/notice).
//
// Requirements: A2, A3, A5, A9, B2 and B4 (first form), D6 (kinds).
package claim
