// Package rulebook keeps rule packs and models as versioned things that two
// people publish, says what of a payment was a theft (labels), and asks history
// what another pack or model would have done.
//
//	publication: asked ──sign──> in_force ──replace──> replaced
//	               │              │    │ <──restore───────┘
//	            withdraw     take_back fail
//	               v              v    v
//	           withdrawn   taken_back  failed
//
//	replay: waiting ──take──> running ──finish──> done
//	           │ <───lapse──────┤  └────fail────> failed
//	           └──cancel──> cancelled <──cancel──┘
//
// Invariants:
//   - A pack's text and a model's file are named by the SHA-256 of their bytes and
//     never changed, so a decision that names them can be made again years later.
//   - Nothing comes into force that two people have not signed: they sign the pack,
//     the champion, the challengers and what these replace. Taking back is one
//     person's act, for it can only bring back what two people signed before, and
//     when rules stop the whole town nobody should have to look for a second
//     person; it is logged with its reason like every act.
//   - What is in force is the newest row of risk_force. Rows are only added, each
//     with the next number, so two who publish at once do not both win.
//   - The row is durable before the engine is told. An engine that cannot take a
//     publication goes on with what it had, and the row says so (failed). A text or
//     a file that is damaged never stops the house: the newest good publication
//     before it runs, in the end the pack that came with the program, and Problems
//     says what is wrong.
//   - A label counts from when it was reported, never earlier: replay, training and
//     live see it at the same place in time. Of several the latest reported counts.
//   - Replay and training run the engine's own code over the journal in the order
//     (at, id): the same question gets the same answer, to the byte.
//
// What replay takes for granted: history goes on as it did, whatever the other
// pack would have stopped; a payment that did not go in the end counts as an
// attempt from its own time on; facts of accounts and entries of lists are those
// that are known today, the latter as of the payment's time.
//
// It judges no payment: package risk does. It moves no money.
//
// Requirements: B6, C1, C2 (the risk part), C6.
package rulebook
