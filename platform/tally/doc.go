// Package tally is exact sliding windows in memory: how many, how much, the
// smallest, the largest, the first, the last, from how many different others, in
// any window (t-delay-span, t-delay], over the events whose flags match.
//
// Why exact: a window that hops by the hour misses the burst that straddles two
// hours, and a thief who knows the hop pays on both sides of it. An entity with
// a few dozen events needs no cached sums: its bare events, newest first, are
// summed again in nanoseconds, and a new window needs no backfill.
//
// # What holds
//
//   - The state is a function of the set of events and of the edge of memory
//     (now less the horizon), whatever the order in which they came: late events
//     are put in their place, the same event twice counts once, Forget undoes
//     Observe. Hash is equal after a replay of the same events, and after a
//     Restore of a Snapshot.
//   - A window counts an event at t and does not count one at t-span.
//   - Between Begin and End nobody else sees or changes the entities of a Tx: 40
//     payments in parallel get the answers that they would get one by one.
//   - Sums of exact events cannot overflow (MaxAmount x MaxCap), nor can their
//     squares; those of tiles stop at the largest number. Amounts are whole
//     numbers everywhere; floats appear in Mean, in Std and in the estimate of
//     distinct values over tiles, and are the same on every machine.
//   - Events at or before the edge do not exist: logically at once, physically
//     by a sweep that goes with Observe.
//
// # Identity
//
// (At, ID) identifies an event within an entity. Of ID the low 16 bits are kept,
// and 16 more for each column of the dimension: 16, 32, 48 or all 64. Two
// payments of one entity are taken for one only if they fall into the same
// microsecond and agree in these bits: with one column that is one of 4 billion
// pairs of the same microsecond. Without columns it is one of 65,000, so there
// the amount must be equal too. Times in whole seconds make many pairs of the
// "same microsecond": 100 payments in a second are 4,950 pairs, one of 13 such
// seconds would lose a payment of equal amount. Give a dimension that is fed with
// such times, and is busy, a column. With a column, the same identity with
// another amount or column is refused (event_differs).
//
// A key is 64 bits of hash and compared whole. Columns keep 48 bits: among a
// thousand values of one entity two are taken for one with odds of 1 to 600
// million.
//
// # Hot entities
//
// An entity keeps its newest Cap events exactly. Older ones go into tiles: for
// each hour, and each combination of flags in it, count, sum, min, max, squares,
// first, last, and for each column 64 registers of a HyperLogLog; the newest hour
// that has tiles and the one before it are kept by the minute as well. A window
// that begins before the newest event in a tile says Complete = false, and takes
// every tile all of whose events lie in it. So it misses at most the events in
// the two minutes, or in older times the two hours, that its ends cut, and of
// those only what is older than the exact ones; Count and Sum are lower bounds.
// Distinct is then an estimate with a standard error of 13 %, at least what the
// exact events say. Col of Latest is 0 if the newest event is in a tile. A tile
// disappears when the edge reaches the beginning of its hour.
//
// In a tile an event has no identity. What follows from it:
//
//   - An event older than the newest one in a tile, that comes late, is counted;
//     if it comes twice, it is counted twice. A replay must not repeat what a
//     snapshot holds: write down with the snapshot where the journal stood.
//   - Forget and Flag change nothing there and return false.
//   - Query.This is taken to be in its tile already.
//   - After a Forget on a hot entity the event that Cap pushed out does not come
//     back: the one exception to the first line above.
//
// # Memory
//
// Events lie in memory from the system, outside Go's heap (elsewhere than on
// Linux in large pieces without pointers), so that the garbage collector has
// nothing to read however many there are. An event is 16 bytes and 8 for each
// column; an entity 16 bytes more, in blocks of 64, 128, 256... bytes, and some
// 12 in the index. Memory that becomes free is used again, by any shard, but not
// given back to the system before the Store is garbage.
//
// With Config.Memory set, Observe gives up entities when more is in use: of 16
// taken from all over the shard the one not seen for longest, again and again.
// What was given up is remembered in a table of one place for two entities or so,
// in which the latest wins: while it is there, a window that reaches back to what
// was given up says Complete = false, also when the entity has come back. When
// the place was needed for another, the entity looks like a new one.
//
// # Cost
//
// A decision of five entities with four windows each, read and updated in one Tx,
// visits memory that is far away (two steps of 0.2 us, which all entities make
// together); the arithmetic is near: 35 ns a read, 25 ns an event. An entity at
// its Cap costs 2 ns an event of the Cap for each group of windows, 25 ns if
// distinct values are counted, and its readers wait for each other: Caps keeps
// that short. Touch brings the entities of many decisions near at once.
//
// The package is not durable: the owner replays its journal over the last
// snapshot. It knows no payments, no currencies and no names.
package tally
