// Package console is the pages that staff work in: payments, decisions, lists,
// watches, incidents, claims, funds, approvals, the audit log, the queue, people
// and keys.
//
// How a request travels: edge/web guards it (headers, cross-site posts, body
// size); route finds who is signed in; the handler asks a service, which checks
// and logs; what comes back is put together from edge/web's components.
//
// Invariants:
//   - Every page but sign-in needs a session, and every page is one row of the
//     route table with the act that its reader needs. What the actor may not do
//     is not shown, and is refused by the services all the same.
//   - Nothing changes by GET. A post answers with a redirect, or with the same
//     page, the words beside the fields and what was entered still there.
//   - Names are masked where a payment or a claim is only looked at; whoever
//     reveals one is recorded (party.read). In an incident, where people are
//     called, they are shown, and the look is recorded (incident.read).
//   - A secret (a key, a password) is shown once, on the answer to the post that
//     made it, and never in an address. Nor is a telephone number or a name.
//   - What stops or labels many payments says first, in words and numbers, what it
//     will do; the act is a second post.
//   - A stream is recorded as one look. It is asked anew after half an hour, and
//     then whoever reads it is checked again.
//
// It decides nothing about money or people and has no SQL. All that it keeps are
// counts of the last hour's decisions (Feed) and a few compiled packs.
package console
