// Package web is the design that console and portal share: the tokens and
// components, the two languages, the safe way to answer a browser.
//
// How a page travels: Web.Handler sets the security headers, refuses posts from
// other sites, bounds the body, and puts a View (language, zone, clock, address,
// flash) into the context; a handler renders a templ component with Render; the
// components take their words, their time and their links from that View. Live
// parts come by server-sent events (Stream, StreamEvery) into a Live region.
//
// Invariants:
//   - No inline script, no inline style, no style attribute: the content
//     security policy refuses them, and so does a test in a real browser.
//   - A meaning (good, waiting, danger, held) is never colour alone: a shape and
//     a word stand beside it. Text has a contrast of 4.5 or more (WCAG 2.2 AA).
//   - Amounts are integers up to the last pixel: charts scale by integer division.
//   - Every key is in both languages with the same places for values.
//   - Pages work without JavaScript; it adds live regions and the keyboard.
//
// It is not a framework: it knows no route, no session store and no noun of the
// business.
package web
