// Package list keeps who and what is known to be good, bad or worth a look:
// allow, deny and watch lists of accounts, devices, phone numbers, names and
// network addresses, each entry with its source, reason, confidence and expiry.
// It takes in intelligence that carriers, the police and other institutions share
// (sim_swap, mule_account …) and gives out what this house may share.
//
// A payment asks "does this stand on a list now?" several times, so the standing
// entries are also held in memory: Listed does no I/O and allocates nothing.
//
// Invariants:
//   - An entry is never deleted: it expires or is removed, with a reason, and
//     stays in the record with who did it. The same value may stand on several
//     lists, said by several sources; an allow entry hides no deny entry.
//   - Watch entries last at most 366 days, allow entries at most 90: neither a
//     suspicion nor a privilege outlives its review. Only deny may have no end.
//   - An entry holds at t if From <= t < Until. It expires by the clock of the
//     question, without a write.
//   - The id is the caller's: the same id with the same body is the same entry,
//     with another body a conflict.
//   - Phone numbers and names are sealed at rest and found by keyed index, which
//     is the one that package party keeps, so that a customer's index can be
//     asked for. They are shown masked but one by one, and each look is logged.
//   - Memory follows the tables: every change takes a number from one counter, and
//     a process that has seen n reads what is above n. It does so after each
//     commit of its own, after a commit whose outcome is unknown, and when polled.
//   - An import writes nothing if one row of the file is wrong, and brings back
//     nothing that a person took off within the last 366 days.
//
// It judges nothing: what an entry means for a payment, the rules say.
//
// Requirements: C2 (hijacked numbers), C6 (signals by a public interface).
package list
