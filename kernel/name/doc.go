// Package name compares, masks and folds the names of people, as a payer types
// them and as a register holds them: Han, Latin and other scripts.
//
// What the answers mean:
//   - Match: the same name, written the same way or differing only in case,
//     width, white space, Latin marks, or surname first or last.
//   - Close: perhaps the same: traditional for simplified, pinyin for Han, a
//     homophone, one other character in a given name, an initial, a look-alike.
//     Show what differs and let the person decide.
//   - NoMatch: anything else.
//
// Invariants:
//   - The cost that counts is a false Match. A name with an invisible character,
//     a character dressed up as another, two scripts in one word, or more than
//     MaxLen characters is never a Match, not even with itself.
//   - Another surname is NoMatch, whatever the rest.
//   - Compare is symmetric in its answer, and its time is bounded for any input.
//   - Every table is constant and part of this package but pinyin, which comes
//     from go-pinyin with the readings of surnames put right.
//
// It is not an identity check: two people share a name every day. Evidence holds
// both names and is for staff and the record; a payer is shown a Mask.
package name
