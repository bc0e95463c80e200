// Package api is the HTTP interface under /v1 for the host wallet's systems and
// for an operator's own programs: decode, identity, one call of a service,
// encode. It decides nothing: who may do what, and what happens, is below.
//
// Everything comes from one table of routes (routes.go): the mux, the OpenAPI 3.1
// document at /openapi.json, the metrics' labels and the test of every route
// against every role.
//
// Invariants:
//   - Every route under /v1 names the access act that guards it. Whoever the
//     table gives nothing is turned away, and logged, before a byte of the body
//     is read; whose object it is, the service decides.
//   - JSON is read strictly: no unknown, repeated or differently written name, no
//     depth over 32, no bytes that are not UTF-8, nothing after the value. A wrong
//     body changes nothing.
//   - Callers make the ids. The same id and body gets the recorded answer, with
//     the header Idempotency-Hit: true; another body is 409.
//   - An error is an RFC 9457 problem with the kind, a stable code, and the field
//     and row that are wrong. The chain of causes goes to the log, never out.
//   - "Outcome unknown" is 503 with the code outcome_unknown, no Retry-After, and
//     a link under which the outcome can be looked up. It is not for retrying.
//   - No name, number, amount or token is in a log line or a metric.
//
// It sets no cookies, so it needs no protection against cross-site requests, and
// it serves no pages: edge/console and edge/portal do.
//
// Requirements: R21 and R23 (first form) of the reliability promises.
package api
