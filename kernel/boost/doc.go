// Package boost is gradient-boosted trees: it reads and writes XGBoost's JSON
// models, scores them to the same bit, says exactly why a score is what it is,
// trains new ones, and measures them.
//
// What it does, each in the file of its name: read, write, score (single rows
// and batches), explain (exact Shapley values of the trees), fit (histograms,
// early stopping on the latest rows, missing values that learn their way),
// calibrate (margin to probability), measure (AUC, average precision, card
// precision) and drift (PSI over bins that were fixed in training).
//
// Invariants:
//   - A Model never changes and is safe for many goroutines.
//   - Margin is bit-equal to XGBoost 1.7: x < threshold goes left, a missing
//     value (NaN) goes the way the node learned, and leaves are added as float32
//     in the order of the trees, from the base margin on. Explain's values add
//     up to the margin.
//   - A model file is refused with tree and node named if a count, an index or a
//     number in it is out of bounds: what was read can be scored without a check.
//   - Write gives back what ReadXGBoost read, byte for byte if XGBoost 1.7 wrote
//     it; what Surety adds lives in the file's attributes, so XGBoost reads it.
//   - Fit depends on the data, the settings and the seed, and on nothing else:
//     sums are integers, so that the number of threads cannot be seen in the model.
//   - It is pure: no clock, no files, no globals.
//
// It is not the place where features are made (domain/risk) or where a model is
// published (domain/rulebook). Only binary:logistic is known: no ranking, no
// classes, no categories, no linear boosters.
package boost
