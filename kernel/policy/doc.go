// Package policy is rules as data: versioned packs read strictly from YAML,
// rules and formulas over declared variables, the order in which derived values
// are found, and the difference between two packs.
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
//   - Any value of a pack can tell its line and column (At, Text, Expr), so that
//     the package that loads it names the place of every mistake.
//   - A Rule and a Formula are safe for many goroutines.
//
// A rule is run in one of two ways that give the same answers and the same
// errors. Eval asks cel-go, with values by name. Test, for the hot path, reads a
// Row by slot and runs Go closures made from the checked expression; what they do
// not know (lists, loops, time, conversions to text) it leaves to cel-go. Tests
// hold the two against each other over random expressions and values. A rule of
// five comparisons costs about 15 ns by Test and 400 ns by Eval; closures allocate
// only for an error and for strings that a rule joins.
//
// It is not a language of our own: expressions are CEL (cel.dev). It keeps no
// history and knows no risk, no delay and no compensation: the packs do.
package policy
