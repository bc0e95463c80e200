// Package ledger is the books: double entry and nothing else.
//
// Two nouns. An Account has a currency, a normal side and four sums (debits and
// credits, posted and pending). A Transfer moves one amount from one account to
// another and is immutable; a mistake is corrected by another transfer. A
// Pending transfer reserves money and ends exactly once: posted (in whole or in
// part, the rest returns), voided, or expired.
//
// Invariants, and what keeps each (the databases themselves, on both dialects):
//   - Transfers are never changed or removed, accounts never removed nor their
//     terms changed: triggers.
//   - Debits equal credits per currency: a transfer has two legs of one amount.
//   - A guarded account never owes on its normal side, holds included: CHECK.
//   - A pending ends once: unique index. A post is never more than its pending
//     and never late: trigger, and the clock besides.
//   - An account with a Purpose (an earmark for one victim) lets money out only
//     by transfers whose Ref is that purpose: trigger. "Out" is a debit of a
//     credit-normal account and a credit of a debit-normal one. Money may come
//     in, and a void or expiry may return, under any Ref.
//   - One id is one transfer for ever: the same id with the same body is the
//     same answer again and moves nothing; with another body it is a conflict.
//
// The body is everything but the times, for a caller who asks again does so
// later. Expires is compared as given and as an interval after At; either being
// equal is the same body.
//
// A call of Transfer is one batch, all or nothing. Its transfers are judged in
// order, so a Post may follow its Pending; guards are judged once, on the sums
// at the end of the batch. The accounts of a call are locked in byte order of
// their ids, so two calls never deadlock on them; acts of one physical
// transaction that call several times may, and db runs those again.
//
// Errors have a fixed precedence, in the order of the list in judge.go.
//
// A Committer puts the independent transfers of many callers into one set-based
// batch; there the guard counts no incoming money of the neighbours, so every
// order of them would have been allowed and each answer is that of some order.
//
// It is not a chart of accounts, knows no fund, claim or fee, no exchange rates
// and no statements of accounts; it never decides who may move money
// (platform/access) and does not log (platform/audit): its callers do both in
// the same transaction. It does not remember the ids of transfers it refused.
package ledger
