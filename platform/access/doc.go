// Package access says who may do what to which object, sees that two people
// approve what one alone may not do, and leaves nothing read, done or refused
// unlogged.
//
// How an act passes: an operation calls Update (or Run and Check, where the
// object's owner is only known inside the transaction). Check looks the act up
// in the one table in acts.go and appends to the audit log in the same
// transaction; if the log cannot be written, the act fails. A refusal undoes the
// transaction, so it is logged in one of its own, even if the caller hangs up.
//
// Invariants:
//   - An act that is not in the table is denied; so is an actor of no kind.
//   - A customer cannot tell another customer's object from an absent one: kind,
//     code and message are the same (Absent).
//   - An approval holds for one act on one object with one content (SHA-256),
//     until it expires, once. It needs two different people whose roles allow the
//     act both when they signed and when it is used. An API key, a customer or
//     the product itself never signs; nobody signs twice.
//   - Passwords are kept as argon2id (OWASP: 19 MiB, 2 passes), tokens and API
//     keys as SHA-256 of 256 random bits. No secret is kept or logged in clear.
//   - At most 10 failed sign-ins in any 30 minutes for one e-mail address
//     (PCI DSS 8.3.4), counted before the password is looked at, so that
//     guessing in parallel gains nothing. An unknown address behaves the same.
//   - Roles, revocation and disabling of a session are read from the database
//     each time it is shown. A key that worked is believed for one second, and
//     revoked at once in its own process. Sessions are bound to the epoch of
//     their member of staff, which moves when roles, password or standing change.
//   - Each accepted call of a changing operation leaves exactly one audit record.
//
// It is not a policy language (the table is code, reviewed like code), does not
// know HTTP (cookies and cross-origin checks are the edge's), and does not see
// whether two accounts belong to one person: that is for those who make accounts.
package access
