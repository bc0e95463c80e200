// targetsJS checks that what one presses is large enough (WCAG 2.2, 2.5.8: 24 by
// 24; the portal promises 44 in height for buttons and list entries).
(() => {
  const out = [], portal = document.body.classList.contains("portal");
  for (const el of document.querySelectorAll("a[href], button, summary, select, input:not([type=hidden])")) {
    if (!el.checkVisibility({visibilityProperty: true}) || el.closest(".sr, .skip, .keys")) continue;
    const box = el.closest("label") || el, r = box.getBoundingClientRect(); if (!r.width) continue;
    const inline = getComputedStyle(el).display === "inline";
    const least = portal && el.matches(".btn, .nav-link, .back, .choice-card input, select, input") ? 44 : 24;
    if (!inline && (r.height < least - .5 || r.width < 23.5)) out.push(Math.round(r.width) + " by " + Math.round(r.height) + " is too small to press: " + (el.innerText || el.getAttribute("aria-label") || el.outerHTML.slice(0, 80)).trim().slice(0, 60));
  }
  return out;
})()
