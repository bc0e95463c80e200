// Package report turns the records into the figures that the house is judged by:
// what was lost out of what was paid, by number and by value, what was stopped,
// and what was paid back.
//
// Invariants:
//   - Every figure is computed from payments, claims and the ledger when it is
//     asked for; none is stored, and none comes from the code that made them.
//   - Rates are integers in parts per billion with their numerator and
//     denominator beside them, so that anybody can recompute them; a published
//     rate without its unit says nothing.
//   - Lost is what was confirmed, not what was claimed; it stays lost in the loss
//     rate after it was paid back: the victim was made whole, the money is gone.
//
// It judges nobody and changes nothing.
//
// Requirements: C4 (first form).
package report
