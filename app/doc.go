// Package app is the assembly: it opens what the house stands on, gives each
// package its parts, starts and stops it. Tests, the demo and the simulation
// embed it; cmd/surety only reads flags and calls it.
//
// Invariants:
//   - This is the only place where packages are wired; none of them finds
//     another by itself.
//   - The database, the books' accounts and the engine's memory are ready before
//     the first request is answered.
//   - The first I/O error of a commit ends Run: nothing is acknowledged after it.
//   - A start is a recovery: there is no other code path.
//
// It holds no rule of the business.
package app
