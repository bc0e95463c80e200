// Package risk judges a payment before it goes: history and facts become
// features, a pack of rules and a model turn features into a decision with its
// reasons. What is counted, what is asked and what a mistake costs is data: a Pack.
//
// How a judgement goes: names are hashed once; the lists are asked; Assess locks
// the histories of all entities that the payment belongs to, reads every window
// in one pass each (package tally), computes derived values in order, asks rules
// (package policy) and models (package boost), counts the payment and lets go.
// Payments that share an entity are judged one after the other, so a burst of
// forty at once is judged as if they had come one by one; all others go on beside
// each other. It talks to nobody and takes a few microseconds; BenchmarkDecide
// says how many.
//
// Where things stand: event, fact, entity, feature and feature_read (what is
// known), pack, rule, cost, list, stop (what is wanted), judge, model, use (what
// follows), engine, batch, publish, snapshot (what runs), decision, values, json,
// explain, change (what is told).
//
// Invariants:
//   - A decision names the pack and the models that made it, to the byte, and
//     carries the features it was made from: Recompute comes to the same.
//   - A feature has one definition and one implementation: live, in replay and in
//     the rows for training it has the same value, to the bit.
//   - Windows are exact: (t-delay-w, t-delay], the payment itself included unless
//     the pack leaves it out; its own label and its own refusal never count.
//   - The highest priority at which a live rule fires decides; of several rules
//     there the severest. A model makes the outcome severer where that is cheaper,
//     unless a rule of higher priority allows; a person's order (Stop) makes it
//     severer in any case. A shadow rule, and one over its limit of the day, is
//     noted and changes nothing.
//   - What cannot be judged never lets a payment through in silence: the rest
//     decides, the decision says "degraded", and a payment from
//     degraded.challenge_from on is challenged if it would have been allowed.
//   - No rule names an account, a device or a number: lists do. No proof is a text
//     message.
//   - The state is a function of the payments (which of them were refused, which
//     are labelled) and of the clock: after a restart the owner restores a snapshot
//     or replays its journal, in any order, and Hash is what it was. Counts of the
//     day are told again by Count.
//   - Money is int64 minor units in every feature that is counted; only means,
//     shares and what a pack derives from them are doubles.
//
// What is counted: Assess counts every payment, a blocked one as refused. The
// owner calls Forget when its own commit failed, Refuse when a challenged or held
// payment does not go in the end, and Label when it becomes known whether one was
// a theft. A replay calls Observe for each payment that stands and Refuse for each
// that does not. A payment may come late: within the pack's slack it is judged
// with all of its windows; later it is put in its place and says "windows"; older
// than the memory it is judged by what there is, not counted, and says
// "uncounted". One dated more than a day ahead is refused.
//
// It keeps nothing on disk and imports no party: facts about accounts come from
// the caller, lists from Config.Lists. It sends no challenge: it says which proofs
// would do.
package risk
