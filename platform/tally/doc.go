// Package tally is exact sliding windows in memory: how many, how much, the
// largest, from how many different others, in any window (t-w, t].
//
// Why exact: a window that hops by the hour misses the burst that straddles two
// hours, and a thief who knows the hop pays on both sides of it. An entity with
// a few dozen events needs no cached sums: its bare events, newest first, are
// summed again in nanoseconds, and a new window needs no backfill.
//
// Invariants:
//   - The state is a function of the set of events and of the cutoff (now less
//     the horizon), whatever the order in which they came: late events are put
//     in their place, the same event twice counts once, Forget undoes Observe.
//     Hash is equal after a replay of the same events.
//   - A window counts an event at t and does not count one at t-w.
//   - Sums are int64. An amount is at most MaxAmount and an entity holds at most
//     MaxCap events, so that no sum can overflow. No float is anywhere near.
//   - Memory is bounded: events at or before the cutoff are gone (logically at
//     once, physically by a sweep that goes with Observe), and an entity keeps
//     only its newest Cap events. A window that reaches back past either limit
//     says Complete = false; what it counts is then a lower bound.
//   - The one exception to the first line: after a Forget on an entity that had
//     overflowed its Cap, the event pushed out does not come back.
//
// Cost: 32 bytes an event, about 100 an entity beside them.
//
// It is not safe for many goroutines at once, for a reader wants several
// entities of one moment: the owner holds one lock. It is not durable: the
// owner replays its journal. It knows no payments, no currencies and no names.
package tally
