// Package money is exact amounts: integer minor units with an ISO 4217
// currency, and the only rounding and splitting in the product.
//
// Invariants:
//   - An Amount is never a float, not in JSON, not in a test, not in a chart.
//   - Every operation that could overflow 64 bits returns an error.
//   - The parts of a Split sum to the whole, always.
//
// It is not an exchange-rate library: it knows no rates.
package money
