// Package bench measures what Surety claims, so that anybody can measure it
// again: each function makes one table of figures, beside a yardstick taken in
// the same run where there is one.
//
// Invariants:
//   - No figure is a test and none is asserted: the machine decides them. What
//     can be right or wrong (rows equal to the bit, payments passed) is counted.
//   - The engine that is measured is the engine that runs; data goes in raw.
//   - The data of others is read from the folder that the caller names and is
//     never part of the product.
//
// It is no load generator for a production system and no tuning aid.
package bench
