(what, kind) => {
  const seen = (el) => el.checkVisibility({visibilityProperty: true}) && el.getClientRects().length > 0;
  const norm = (s) => (s || "").replace(/\s+/g, " ").trim();
  if (/^[.#\[]/.test(what) || /^(main|form|button|input|select|textarea|summary|table|body|h1|h2|nav|details|dialog|progress)([.#\[:> ]|$)/.test(what)) {
    const hits = Array.from(document.querySelectorAll(what));
    return hits.find(seen) || hits[0] || null;
  }
  const text = norm(what);
  const press = "a[href], button, summary, label, input[type=submit], [role=button], [role=tab], option";
  const fillable = "input:not([type=hidden]), textarea, select";
  const name = (el) => {
    if (el.labels && el.labels.length) return norm(Array.from(el.labels).map((l) => l.innerText).join(" "));
    return norm(el.getAttribute("aria-label") || el.innerText || el.value || el.title);
  };
  const all = Array.from(document.querySelectorAll(kind === "fill" ? fillable : press)).filter(seen);
  return all.find((el) => name(el) === text) || all.find((el) => (el.name || "") === what) ||
    all.find((el) => name(el).startsWith(text)) || all.find((el) => name(el).includes(text)) || null;
}
