// Package incident helps many victims at once: gather them from every source,
// check each against the records, approve once, pay all, show everybody how far
// it is, and write the statement from the books.
//
//	declared ──gather──> gathering ──reconcile──> reconciled ──propose──> proposed
//	   proposed ──approve (second person)──> approved ──pay──> paying ──all settled──> paid ──close──> closed
//	   proposed ──withdraw──> reconciled        reconciled ──gather──> gathering (a later list)
//
// Invariants:
//   - Every row of every source is kept with what was read, mended, refused and
//     why; every row leads to a victim, to a reason, or to both.
//   - A victim is one account (or one person, where the list names no account)
//     once in an incident, whatever number of sources name them.
//   - What is approved is a hash over every victim, amount and receiving account:
//     a change after the first signature needs two new ones.
//   - A payout's id is made from the victim's, so paying again pays nobody twice.
//   - Nobody is refused by a machine alone: a verdict "false" is shown with its
//     reason, and a person refuses.
//   - While the incident runs its fund is frozen for it (A11).
//   - Figures of the board and the statement are read from the ledger and the
//     claims when they are shown; none is stored.
//
// It composes claim and fund and decides nothing that is theirs.
//
// Requirements: A1, A2, A3, A5, A7, A8, A9, A11.
package incident
