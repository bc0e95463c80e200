// Package portal is the pages of customers, victims and heirs, phone first: my
// payments, "this was not me" in three taps, my claims with every promised time,
// my messages; and for strangers the check of a certificate and the statement.
//
// How a customer comes in: the wallet's app asks for a link (access.NewLink) and
// opens /in/{token}; the link is spent once and leaves a session cookie. From
// then on the actor is the customer, and the services below decide what is theirs.
//
// Invariants:
//   - One question a page; each claim's page says what happens now, who does it
//     and until when.
//   - The id of a claim is made with the form: sent twice, it is one claim.
//   - Another customer's object looks exactly like none: the same page, the same 404.
//   - What goes wrong with a form is said beside its field, in the reader's
//     language, and nothing that was typed is lost.
//   - It works without any JavaScript, at 360 pixels.
//   - Nothing is decided here: the services check, write and log.
//
// It is not where anybody signs in with a password: the wallet knows its people.
//
// Requirements: A2, A4, A5, B4 (first form).
package portal
