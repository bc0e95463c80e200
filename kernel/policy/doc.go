// Package policy is rules as data: versioned packs read strictly from YAML,
// expressions over declared variables, and the difference between two packs.
//
// A pack is one YAML document. Its first key tells which pack it is:
//
//	pack: {name: risk, number: 3, effective_from: 2026-11-01}
//
// Everything else belongs to the package that loads it.
//
// Invariants:
//   - A field that nobody knows, a key said twice, an anchor or a second
//     document is refused, with line and column: a typo in a limit must not
//     become the default limit.
//   - A Version holds the SHA-256 of the bytes that were read, so a decision
//     that names its version names exactly one text.
//   - An expression is type-checked and its worst cost is known before it may
//     run; it has no loop without a bound, no clock, no I/O and no randomness, so
//     that the same values give the same answer when a day is replayed.
//   - A Rule is safe for many goroutines.
//
// It is not a language of our own: expressions are CEL (cel.dev). It keeps no
// history and knows no risk, no delay and no compensation: the packs do.
package policy
