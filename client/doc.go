// Package client speaks to Surety's HTTP interface: what a host wallet needs
// every day (import, assess, file, links), and what runs an incident.
//
// Invariants:
//   - The caller makes the ids, so a call whose answer was lost is repeated by
//     calling again with the same values; the answer is the recorded one.
//   - Only what surely was not done is repeated by the client itself: a problem of
//     kind unavailable, with the same body, at most Config.Retries times, and not
//     for calls whose body is read as it is sent.
//   - A problem of kind unknown is returned, never repeated: look at its Lookup. So
//     is a connection that broke in a call that changes something.
//   - Money is never a float, and the types of this package are its own: it can be
//     used without the rest of the product.
//
// It is not a copy of the whole interface: the document at /openapi.json is, and
// Do reaches the rest.
package client
