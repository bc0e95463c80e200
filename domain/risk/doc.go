// Package risk judges a payment before it goes: history and facts become
// features, a pack of rules turns features into a decision with its reasons.
//
// How a judgement goes: Assess takes the lock, reads six exact windows (package
// tally) of the payer, the payee, the device and their pairs, asks each rule,
// counts the payment and lets the lock go; a burst of forty payments at once is
// judged as if they had come one by one. It talks to nobody and takes a few
// microseconds; BenchmarkAssess says how many.
//
// Invariants:
//   - A decision names the pack that made it, to the byte, and carries the
//     features it was made from.
//   - The highest priority at which a live rule fires decides; of several rules
//     there the severest. A shadow rule is noted and changes nothing.
//   - A rule that cannot be judged never lets a payment through in silence: the
//     other rules decide, the decision says "degraded", and a payment from
//     degraded.challenge_from on is challenged if they would have allowed it.
//   - No rule names an account, a device or a number: see the default pack.
//   - The state is a function of the payments (and which of them were refused) and
//     of the clock: after a restart the owner replays its journal, in any order,
//     and Hash is what it was.
//   - Money is int64 minor units in every feature; shares are whole percents.
//
// What is counted: Assess counts every payment, a blocked one as refused. The
// owner calls Forget when its own commit failed, and Refuse when a challenged or
// held payment does not go in the end: an attempt that came to nothing must not
// make its device or its payee look known, yet the device has been seen trying
// that account. A replay calls Observe for each payment that stands and Refuse
// for each that does not.
//
// It keeps nothing on disk and imports no party: facts about accounts come from
// the caller. It sends no challenge: it says which proofs would do.
package risk
