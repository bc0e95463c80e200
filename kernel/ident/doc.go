// Package ident holds the few words that every other package shares: ids,
// actors, error kinds and the clock.
//
// Invariants:
//   - An ID is a lower-case prefix, an underscore and 26 Crockford base-32
//     characters; ids of one prefix sort by the time they were made.
//   - Every error that leaves a package of the product has a Kind. Kinds are
//     mapped to HTTP only in edge/api.
//   - KindUnknown ("outcome unknown") is never retried under another id; it is
//     resolved by looking the id up again.
//   - Nothing in the product calls time.Now: time is a parameter or a Clock.
//
// It is not a place for helpers: a thing belongs here only if the ledger and
// the pages both speak of it.
package ident
