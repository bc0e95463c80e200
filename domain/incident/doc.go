// Package incident helps many victims at once: gather them from every source,
// check each against the records, approve once, pay all, show everybody how far
// it is, and write the statement from the books.
//
//	declared ──gather──> gathering ──reconcile──> reconciled ──propose──> proposed
//	   proposed ──approve (second person)──> approved ──pay──> paying ──all settled──> paid ──close──> closed
//	   proposed ──withdraw──> reconciled        reconciled, paying, paid ──gather──> gathering (a later list)
//	   paying, paid ──propose──> proposed       (who came later, or whose payout failed)
//
// Invariants:
//   - Every row of every source is kept with what was read, mended, refused and
//     why; every row leads to a victim, to a reason, or to both.
//   - A victim is one account (or one person, where the list names no account)
//     once in an incident, whatever number of sources name them.
//   - What is approved is a hash over every victim, amount and receiving account:
//     a change after the first signature needs two new ones.
//     So the claim is paid to the account that they saw, or not at all.
//   - A payout's id is made from the victim's, so paying again pays nobody twice.
//     There is a next one only after the rail has said that the first will never
//     arrive, and after two people have signed again.
//   - A case of the police's counts once however many lists name it; the holder of
//     an account gets nothing by a row that names somebody else.
//   - One loss has one claim: a claim that the customer handed in is taken up.
//   - What is wrong with one victim (a withdrawn claim, an unusable account) holds
//     up that victim and nobody else.
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
