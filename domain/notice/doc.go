// Package notice is everything that is said to anybody: messages to people, the
// certificates of what was paid to them, the public statement. All words, in
// Chinese and English, come from one catalogue.
//
// A message's states:
//
//	queued ──delivered──> sent ──read──> read   (the inbox; other channels end at sent)
//	   └────refused─────> failed
//
// Invariants:
//   - A message is written in the transaction of what it tells of: no commit, no
//     message; and one key is one message, whatever is retried.
//   - A template has both languages with the same placeholders; a placeholder
//     without a value is an error, never an empty place in a letter.
//   - Bodies and the facts of certificates are sealed at rest (platform/vault).
//   - One payout has one certificate. Its truth is the signed JSON (DSSE, Ed25519);
//     the PDF is a print of it, made again from it whenever it is wanted, always
//     the same bytes. So a changed page is found as surely as a changed fact.
//   - What goes out by a Channel goes out at least once, under the message's id.
//   - The statement's figures are handed in by the caller, from the books.
//
// It does not decide who is told what and when: that is the noun whose news it is.
//
// Requirements: A4, A5, A8, B4.
package notice
