// Package webtest drives a real Chromium for the tests of pages: it opens
// addresses, presses what a person would press, reads what a person would read,
// and checks what every page must hold.
//
// Invariants:
//   - A test that needs a browser fails where there is none; it never skips.
//   - Each Browser has a profile of its own under the test's folder and ends
//     with the test; each Page of NewUser has cookies of its own, so two members
//     of staff can be signed in side by side.
//   - Every action waits for what it needs, at most Patience, and fails the test
//     with what the page showed instead.
//
// It is not a screenshot comparer, and nothing but tests imports it.
package webtest
