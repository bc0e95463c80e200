// Package gallery shows every component of edge/web in both languages, on pages
// as an operator and a customer would meet them. The tests of the design look at
// it in a real browser, and it is the example of how a page is written.
//
// Invariants:
//   - Every exported component of edge/web stands on some page here.
//
// It is not part of the product: only tests import it, and its people and
// amounts are made up.
package gallery
