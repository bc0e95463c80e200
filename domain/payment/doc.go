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
// A judgement is durable before it is answered. With a journal (one process, on
// SQLite) the critical sequence of AssessBatch, and what a crash leaves:
//  1. may the actor?                                 (a refusal is logged at once)
//  2. claim the ids that are neither in flight, nor unposted, nor, as the filter
//     says and the table confirms, posted            (nothing: memory goes with the process)
//  3. decide and count in the engine                 (nothing)
//  4. append one record to the journal: actor, requests, decisions as the text
//     that the table will hold; write, sync           (all of the call or nothing)
//  5. count it as unposted, answer                   (from here on all of it)
//
// The poster (Run, or whoever awaits) then moves records in order:
//  6. one transaction: rows, entries of the audit log with the actor of step 1, and
//     the position in the journal                    (all or nothing; if nobody knows, the
//     position in the table tells, now and at the next start)
//  7. forget the ids as unposted, delete whole files of the journal  (a file too many)
//
// A start is a recovery: Rebuild reads the table into engine and filter, and the
// records after the position into engine and memory. It posts nothing: until Run
// has moved them they are answered from the journal, so a start after a crash in
// the middle of a peak does not wait for the database.
//
// Without a journal (several processes, on PostgreSQL) steps 4 to 6 are one act of
// the database; a payment whose commit failed is forgotten by the engine, and one
// whose outcome is unknown is looked up before the next decision.
//
// Invariants:
//   - The caller's payment id is the idempotency key: the same id and body get
//     the recorded answer again; another body is a conflict. It holds wherever the
//     payment is: in flight, in the journal, in the table.
//   - Nobody misses what was acknowledged before they asked: what reads or moves
//     payments outside of the caller's transaction waits for the poster (Await); who
//     brings a transaction awaits before it.
//   - The engine's hot state is a function of what is recorded, in the table and
//     after it in the journal: a restart reaches the same hash.
//   - A record is posted exactly once, and a payment stands in exactly one entry of
//     the audit log. An entry names one payment if it was posted alone, else all that
//     one actor had judged in calls that were posted together.
//   - The backlog is bounded: past it Assess goes at the speed of the database, and
//     then says busy. So is memory: 100 bytes a payment that is not posted, and two
//     for one that is.
//   - History (Settled in the request) never changes what happened: the decision
//     says what would have been done.
//   - No telephone number and no card's number is kept, here or in the journal.
//
// It does not move money: the host does, and tells how it ended.
//
// Requirements: B6, C1 and D4 (first form), A2 (the records that claims are checked against).
package payment
