// Package payment holds a payment's state under protection: judged before it
// goes, challenged, held, released or stopped, taken back, and reported as lost.
//
//	            assess
//	  ┌───────────┼─────────────┬──────────────┐
//	allowed   challenged       held          blocked
//	  │        pass│ fail       │release refuse
//	  │           │   └──────┐  │      │
//	  └──settle───┴─> settled └─┴──────┴─> refused
//	  take_back (allowed, held): returned
//
// Invariants:
//   - The caller's payment id is the idempotency key: the same id and body get
//     the recorded answer again; another body is a conflict.
//   - The answer is given after the commit that holds it is durable.
//   - The engine's hot state is a function of the journal (table payment): a
//     restart replays it and reaches the same hash. A payment whose commit
//     failed is forgotten by the engine; one whose outcome is unknown is looked
//     up before the next decision.
//   - History (Settled in the request) never changes what happened: the decision
//     says what would have been done.
//
// It does not move money: the host does, and tells how it ended.
//
// Requirements: B6, C1 and D4 (first form), A2 (the records that claims are checked against).
package payment
