// Package authority reads what authorities and hosts send, as it comes: police
// lists saved from a spreadsheet, the host's file of user reports, the papers of
// an estate.
//
// A police list comes in GB18030 or UTF-8 or UTF-16, with a title row, a header
// in somebody's own words, thousands separators, full-width digits, 元, three
// forms of a date, white space inside names, dashes in phone numbers, rows said
// twice and a total row. Reading it by hand is where mistakes are made; reading
// it silently is where they are hidden.
//
// Invariants:
//   - Every physical row of a file appears in the answer once, with what it is:
//     title, header, blank, victim, duplicate, total, footer or refused.
//   - What was changed to be read is in Mended with the text before and after;
//     what could not be read is in Refused with the field and the reason.
//   - Doubts that a person must see but that do not stop a victim from being paid
//     (check digits, another payee than the victim) are in Notes.
//   - A row is read whole or refused: a victim always has a name, a positive
//     amount, and something to find the account by.
//   - The total row is compared with what was read, never believed.
//   - The package is pure: bytes in, values out; no clock, no database.
//
// It is not a matcher: who a victim is in our records, and whether the records
// agree, is decided in domain/incident.
//
// Requirements: A1, A2, A5.
package authority
