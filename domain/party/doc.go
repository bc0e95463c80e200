// Package party knows the people: who they are, which accounts of the host
// wallet are theirs, and how well each was verified.
//
// Invariants:
//   - A person is one Party however many accounts they have: the blind index of
//     the identity number is unique.
//   - Names, identity numbers and telephone numbers are sealed at rest
//     (platform/vault) and can be found by blind index only.
//   - An account belongs to one party for ever.
//   - Importing the same file twice changes nothing the second time.
//   - What Facts tells from memory is what the database holds, as far as this
//     process has written it: what an act may change is forgotten at its end, also
//     when nobody knows how it ended, and nothing is remembered that was read
//     beside it.
//
// It is not the host's customer master: it keeps what protection needs and
// follows the host's records by import.
//
// Requirements: A1 (matching victims), D1 (verification levels).
package party
