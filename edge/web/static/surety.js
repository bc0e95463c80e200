// The little that a page cannot do without JavaScript: live regions, the
// keyboard, choosing many rows. Every page works without it.
"use strict";
(() => {
  const root = document.documentElement;
  root.classList.add("js");
  const all = (selector, from = document) => Array.from(from.querySelectorAll(selector));
  const typing = (el) => el && (el.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(el.tagName) &&
    !/^(checkbox|radio|button|submit)$/.test(el.type));

  // ---- live regions: what the server sends replaces what is there -----------
  // A part in which somebody is confirming or typing is left alone until they
  // are done: nothing may move under a finger that is about to pay.
  // A region that can be paused also waits for a reader who is in the middle of it.
  const bar = (el) => el.previousElementSibling && el.previousElementSibling.matches("[data-live-bar]") ? el.previousElementSibling : null;
  const reading = (el) => bar(el) && (bar(el).dataset.paused || el.querySelector("[data-pick]:checked") ||
    (document.activeElement && el.contains(document.activeElement.closest("tr[data-row]"))) || el.getBoundingClientRect().top < -80);
  const busy = (el) => reading(el) || el.querySelector("[data-confirm][open]") || (el.contains(document.activeElement) && typing(document.activeElement));
  const waiting = new Map();

  function say(el) {
    const b = bar(el);
    if (!b) return;
    const words = b.querySelector("[data-live-says]"), now = waiting.has(el) ? words.dataset.held : b.dataset.paused ? words.dataset.paused : words.dataset.flows;
    if (words.textContent !== now) words.textContent = now;
    b.classList.toggle("is-held", waiting.has(el) || Boolean(b.dataset.paused));
  }

  function put(el, html) {
    if (busy(el)) { waiting.set(el, html); say(el); return; }
    waiting.delete(el);
    say(el);
    const open = all("details[open]", el).map((d) => all("details", el).indexOf(d));
    const picked = new Set(all("[data-pick]:checked", el).map((box) => box.value));
    const active = el.contains(document.activeElement) ? document.activeElement : null;
    const at = active && (active.id ? "#" + CSS.escape(active.id) : active.getAttribute("href") && `a[href="${CSS.escape(active.getAttribute("href"))}"]`);
    el.innerHTML = html;
    open.forEach((i) => { const d = all("details", el)[i]; if (d) d.open = true; });
    all("[data-pick]", el).forEach((box) => { box.checked = picked.has(box.value); });
    if (at) { const again = el.querySelector(at); if (again) again.focus({ preventScroll: true }); }
    count();
    if (bar(el)) return; // it changes all the time: no flash
    el.classList.remove("is-fresh");
    void el.offsetWidth;
    el.classList.add("is-fresh");
  }
  const settle = () => waiting.forEach((html, el) => put(el, html));
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-live-pause]");
    if (!button) return;
    const b = button.closest("[data-live-bar]"), on = !b.dataset.paused;
    if (on) b.dataset.paused = "1"; else delete b.dataset.paused;
    button.setAttribute("aria-pressed", String(on));
    button.querySelector("[data-live-on]").hidden = on;
    button.querySelector("[data-live-off]").hidden = !on;
    settle();
    say(b.nextElementSibling);
  });
  let scrolled = 0;
  document.addEventListener("scroll", () => { clearTimeout(scrolled); scrolled = setTimeout(settle, 200); }, { passive: true });
  document.addEventListener("focusout", () => setTimeout(settle, 0));
  document.addEventListener("toggle", () => setTimeout(settle, 0), true);

  const streams = [];
  // same compares what is shown with what was sent, both as the browser writes them.
  function same(region, html) {
    const sheet = document.createElement("template");
    sheet.innerHTML = html;
    return region.innerHTML.trim() === sheet.innerHTML.trim();
  }

  function connect(region) {
    const lost = region.nextElementSibling && region.nextElementSibling.classList.contains("live-lost") ? region.nextElementSibling : null;
    let last = null;
    say(region);
    const start = () => {
      const source = new EventSource(region.dataset.live);
      streams.push(source);
      source.onopen = () => { if (lost) lost.hidden = true; };
      source.onmessage = (event) => {
        const part = JSON.parse(event.data);
        const el = part.target ? document.getElementById(part.target) : region;
        if (!el || !(el === region || region.contains(el))) return;
        if (last === null && !part.target && same(region, part.html)) { last = part.html; return; }
        last = part.html;
        put(el, part.html);
      };
      source.onerror = () => {
        if (lost) lost.hidden = false;
        if (source.readyState === EventSource.CLOSED) setTimeout(start, 5000); // the server refused: it may be starting
      };
    };
    start();
  }
  window.addEventListener("pagehide", () => streams.forEach((s) => s.close()));
  window.addEventListener("pageshow", (event) => { if (event.persisted) all("[data-live]").forEach(connect); });

  // ---- choosing rows -----------------------------------------------------------
  function count() {
    all(".tbl").forEach((table) => {
      const n = all("[data-pick]:checked", table).length;
      const boxes = all("[data-pick]", table).length;
      const act = table.querySelector(".tbl-act");
      const words = table.querySelector("[data-picked]");
      const every = table.querySelector("[data-pick-all]");
      if (act) act.classList.toggle("has-picked", n > 0);
      if (words) words.textContent = words.dataset.picked.replace("{0}", String(n));
      if (every) { every.checked = n > 0 && n === boxes; every.indeterminate = n > 0 && n < boxes; }
    });
  }
  let lastPick = null;
  document.addEventListener("click", (event) => {
    const box = event.target.closest("[data-pick]");
    if (!box) return;
    const table = box.closest(".tbl");
    if (event.shiftKey && lastPick && table.contains(lastPick)) {
      const boxes = all("[data-pick]", table);
      const [a, b] = [boxes.indexOf(lastPick), boxes.indexOf(box)].sort((x, y) => x - y);
      boxes.slice(a, b + 1).forEach((one) => { one.checked = box.checked; });
    }
    lastPick = box;
  });
  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-pick-all]")) {
      all("[data-pick]", event.target.closest(".tbl")).forEach((box) => { box.checked = event.target.checked; });
    }
    if (event.target.matches("[data-pick], [data-pick-all]")) { count(); settle(); }
  });

  // ---- confirmation in place ------------------------------------------------------
  const shut = (details) => { details.open = false; details.querySelector("summary").focus(); };
  document.addEventListener("click", (event) => {
    const close = event.target.closest("[data-confirm-close]");
    if (close) shut(close.closest("[data-confirm]"));
    const help = event.target.closest("[data-keys-toggle]");
    if (help) toggleHelp();
  });
  document.addEventListener("submit", (event) => {
    // One click, one act: a second press of an impatient finger is swallowed.
    const form = event.target;
    if (form.method !== "post" || event.defaultPrevented) return;
    if (form.dataset.sent) { event.preventDefault(); return; }
    form.dataset.sent = "1";
    setTimeout(() => { delete form.dataset.sent; }, 4000);
  });

  // ---- keyboard ----------------------------------------------------------------------
  function toggleHelp(show) {
    const panel = document.getElementById("keys");
    if (!panel) return;
    panel.hidden = show === undefined ? !panel.hidden : !show;
    all("[data-keys-toggle][aria-expanded]").forEach((b) => b.setAttribute("aria-expanded", String(!panel.hidden)));
    if (!panel.hidden) panel.focus();
  }
  function move(step) {
    const rows = all("tr[data-row]").filter((row) => row.checkVisibility());
    if (!rows.length) return;
    const here = document.activeElement && document.activeElement.closest("tr[data-row]");
    const next = here ? rows.indexOf(here) + step : step > 0 ? 0 : rows.length - 1;
    const row = rows[Math.max(0, Math.min(rows.length - 1, next))];
    row.focus();
    row.scrollIntoView({ block: "nearest" });
  }
  function onRow(what) {
    const row = document.activeElement && document.activeElement.closest("tr[data-row]");
    const el = row && row.querySelector(what);
    if (el) el.click();
    return Boolean(el);
  }
  function act(key) {
    const el = all("[data-key]").find((one) => one.dataset.key.toLowerCase() === key && one.checkVisibility());
    if (!el) return false;
    if (typing(el)) el.focus(); else el.click();
    return true;
  }
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      const panel = document.getElementById("keys");
      const confirm = document.activeElement && document.activeElement.closest("[data-confirm][open]") || document.querySelector("[data-confirm][open]");
      if (panel && !panel.hidden) toggleHelp(false);
      else if (confirm) shut(confirm);
      else if (typing(document.activeElement)) document.activeElement.blur();
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || typing(event.target)) return;
    const key = event.key.toLowerCase();
    const done = () => event.preventDefault();
    if (act(key)) return done();
    switch (key) {
      case "j": move(1); return done();
      case "k": move(-1); return done();
      case "x": if (onRow("[data-pick]")) done(); return;
      case "enter": if (event.target.matches("tr[data-row]") && onRow("a.row-link")) done(); return;
      case "/": { const filter = document.querySelector("[data-filter]"); if (filter) { filter.focus(); if (filter.select) filter.select(); done(); } return; }
      case "t": {
        const parts = all("details[data-figures]");
        const show = parts.some((d) => !d.open);
        parts.forEach((d) => { d.open = show; });
        if (parts.length) done();
        return;
      }
      case "?": toggleHelp(); return done();
    }
  });

  // ---- start -----------------------------------------------------------------------------
  all("[data-live]").forEach(connect);
  count();
  const here = document.querySelector(".rail-nav [aria-current]"), strip = here && here.closest(".rail-nav");
  if (strip && strip.scrollWidth > strip.clientWidth) strip.scrollLeft = here.offsetLeft - strip.offsetLeft - 16;
  const wrong = document.querySelector("[data-focus]");
  if (wrong) wrong.focus();
})();
