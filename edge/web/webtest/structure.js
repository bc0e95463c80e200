// structureJS checks what a screen reader relies on (WCAG 2.2 A and AA, the part
// that can be computed).
(() => {
  const out = [], seen = (el) => el.checkVisibility({visibilityProperty: true});
  const name = (el) => el.tagName.toLowerCase() + (el.id ? "#" + el.id : "") + " " + (el.outerHTML || "").slice(0, 90);
  if (!document.documentElement.lang) out.push("html has no lang");
  if (!document.title.trim()) out.push("no title");
  if (document.querySelectorAll("main").length !== 1) out.push("not exactly one main");
  const heads = Array.from(document.querySelectorAll("h1,h2,h3,h4,h5,h6")).filter(seen);
  if (heads.filter((h) => h.tagName === "H1").length !== 1) out.push("not exactly one h1");
  let level = 0;
  for (const h of heads) { const l = +h.tagName[1]; if (l > level + 1) out.push("heading jumps from h" + level + " to " + name(h)); if (!h.innerText.trim()) out.push("empty heading " + name(h)); level = l; }
  for (const img of document.querySelectorAll("img")) if (!img.hasAttribute("alt")) out.push("no alt: " + name(img));
  for (const svg of document.querySelectorAll("svg")) if (svg.getAttribute("aria-hidden") !== "true" && svg.getAttribute("role") !== "img") out.push("picture neither hidden nor named: " + name(svg));
  const ids = new Map(); for (const el of document.querySelectorAll("[id]")) { if (ids.has(el.id)) out.push("id twice: " + el.id); ids.set(el.id, el); }
  for (const el of document.querySelectorAll("[aria-labelledby],[aria-describedby],[aria-controls]")) for (const a of ["aria-labelledby", "aria-describedby", "aria-controls"]) for (const id of (el.getAttribute(a) || "").split(/\s+/)) if (id && !ids.has(id)) out.push(a + " names nothing: " + id);
  for (const el of document.querySelectorAll("input:not([type=hidden]),select,textarea")) if (seen(el) && !(el.labels && el.labels.length) && !el.getAttribute("aria-label") && !el.getAttribute("aria-labelledby")) out.push("field without label: " + name(el));
  for (const th of document.querySelectorAll("th")) if (!th.getAttribute("scope")) out.push("th without scope: " + name(th));
  for (const t of document.querySelectorAll("table")) if (!t.caption && !t.getAttribute("aria-label") && !t.getAttribute("aria-labelledby")) out.push("table without caption: " + name(t));
  for (const el of document.querySelectorAll("[style]")) out.push("style attribute: " + name(el));
  for (const el of document.querySelectorAll("[tabindex]")) if (+el.getAttribute("tabindex") > 0) out.push("tabindex above zero: " + name(el));
  for (const el of document.querySelectorAll("[data-label]")) if (/^\[.*\]$/.test(el.dataset.label)) out.push("word missing: " + el.dataset.label);
  const missing = document.body.innerText.match(/\[[a-z_]+(\.[a-z_0-9]+)+\]/g); if (missing) out.push("words missing: " + missing.join(" "));
  return out;
})()
