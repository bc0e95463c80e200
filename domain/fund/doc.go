// Package fund keeps the money that makes victims whole, and pays it out.
//
// A fund holds free money and earmarks: money set aside for one purpose (an
// incident, a claim). Payouts come out of an earmark only. All money stands in
// the ledger; this package keeps names, states and orders.
//
//	bank:safeguarded        what the bank holds for us           (debit side)
//	fund:<id>:free          what is not set aside                (credit side, guarded)
//	fund:<id>:ear:<purpose> what is set aside for the purpose    (credit side, guarded, purpose)
//
//	deposit   debit bank  credit free       earmark  debit free  credit ear
//	release   debit ear   credit free       return   debit bank  credit ear
//	payout    PENDING debit ear credit bank when ordered; Post when settled, Void when rejected
//
// The states of a payout; the table is in payout.go:
//
//	event    approved  sending   sent      unknown   settled   rejected  returned
//	begin    sending   -         -         -         -         -         -
//	accept   -         sent      -         sent      -         -         -
//	lose     -         unknown   unknown   -         -         -         -
//	resend   -         -         -         sending   -         -         -
//	settle   -         settled   settled   settled   -         -         -
//	reject   -         rejected  rejected  rejected  -         -         -
//	return   -         -         -         -         returned  -         -
//
// The critical sequence, and what a crash (or a lost answer) leaves behind it:
//
//  1. ORDER, one act: check, record, freeze guard, approval, row, pending
//     transfer, job. Before its commit: nothing. After: approved, and the job is
//     there. The order again gets the same payout.
//  2. BEGIN, one act: approved -> sending (bank: with the batch, its composition
//     and its time). Crash after it: sending; the rail may or may not have it.
//  3. HAND OVER, outside. Bank: the file is a function of the batch, so it is
//     written again, byte for byte, under the same name and MsgId. Wallet: the
//     rail is asked first (Lookup); only what it has never seen, and never said
//     that it took, is sent again, under the same id and with the same body.
//  4. NOTE, one act: sent (bank: batch written), or the answer itself, or unknown
//     with the next look put into the queue. Crash before it: as after 2 or 3;
//     the job's lease runs out and the same code does it again.
//  5. END, one act: state, ledger Post or Void, record, event. The file or the
//     answer again finds it done. Nothing of it happens without the rest.
//
// Invariants, and what keeps each:
//   - Nobody is paid twice: one row for each payout id for ever (primary key, same
//     body or conflict), one live payout for each claim (partial unique index),
//     one hold for each payout (ledger id), each hold ends once (ledger), and the
//     rails know the id: an unknown outcome is never sent under another.
//   - The bank may get a file twice (step 3, or a person sends it again) and refuse
//     the second copy: a refusal for duplication (AM05, DUPL, DU01 to DU05, wherever
//     in the report) never rejects. It is a problem of the report, and the payout is
//     unknown until the bank speaks of the first copy.
//   - A bank that says "refused" and later "paid" has contradicted itself: the payout
//     stays rejected and is marked, and PayTx pays its claim no more while it is.
//   - The bank's word counts only for the message, the payment information and the
//     amount that we sent; keys of the API cannot bring it (access.ActFundSettle).
//   - What no rail answers for, two people end on the same proof, of a payout that
//     is unknown and has not moved since the first of them signed (Resolve).
//   - No fund pays more than it has, no earmark for another purpose: ledger guards.
//   - A frozen fund lets money out of free or any earmark for one purpose only
//     [A11]: every outgoing act first writes the fund's row under that condition.
//     What was ordered before the freeze ends as the rail says.
//   - Over Config.FourEyes two people have approved (R23): this payout, by content,
//     or its incident, and then all payouts together never exceed what they approved,
//     and ReleaseEarmark cannot take it back: only the incident's end does.
//   - Who is paid is sealed (platform/vault) with the payout's id; files are 0600.
//   - Each change of state has its audit record in the same transaction (R26).
//
// Functions that end in Tx join the caller's act. PayTx checks its actor. FreezeTx,
// UnfreezeTx, EarmarkTx and ReleaseEarmarkTx belong to an act that its noun has
// checked, and are recorded as the product's with the person's id beside it.
//
// It knows no claim beyond its id, decides about nobody's money, sends no
// messages, and is not a bank connection: it writes files into a folder and reads
// answers that somebody brings. Requirements: A7, A8, A11, B2.
package fund
