// The rule editor: checks the text while it is written and marks the lines of
// mistakes. Without it the page checks when the text is saved.
"use strict";
(() => {
  const box = document.querySelector("[data-editor]");
  const area = box && box.querySelector("textarea");
  if (!area) return;
  const gutter = box.querySelector("[data-editor-lines]");
  const list = document.querySelector("[data-mistakes]");
  const form = area.form;
  const saved = area.value;
  let sent = false, timer = 0, last = area.value, running = null;

  // number makes a span for each line there is; the rest are for lines to come.
  function number() {
    const lines = area.value.split("\n").length, spare = gutter.querySelector(".editor-more");
    const spans = gutter.querySelectorAll("[id]");
    for (let i = spans.length; i > lines; i--) spans[i - 1].remove();
    for (let i = spans.length + 1; i <= lines; i++) {
      const s = document.createElement("span");
      s.id = "L" + i;
      s.textContent = String(i);
      gutter.insertBefore(s, spare);
    }
    spare.textContent = Array.from({ length: 200 }, (_, i) => lines + 1 + i).join("\n");
    area.rows = lines + 1;
  }

  function mark(lines) {
    gutter.querySelectorAll(".is-wrong").forEach((s) => s.classList.remove("is-wrong"));
    lines.forEach((n) => { const s = document.getElementById("L" + n); if (s) s.classList.add("is-wrong"); });
    area.setAttribute("aria-invalid", String(lines.length > 0));
  }

  async function check() {
    if (area.value === last) return;
    last = area.value;
    if (running) running.abort();
    running = new AbortController();
    try {
      const body = new URLSearchParams({ text: area.value });
      const answer = await fetch(box.dataset.check, { method: "POST", body, signal: running.signal });
      if (!answer.ok) return; // the server checks again when the text is saved
      const found = await answer.json();
      if (list.innerHTML.trim() !== found.html.trim()) list.innerHTML = found.html;
      mark(found.lines);
    } catch (e) {
      if (e.name !== "AbortError") last = null; // no line to the server: ask again with the next change
    } finally {
      list.classList.toggle("is-old", area.value !== last);
    }
  }

  if (!area.readOnly && box.dataset.check && list) {
    area.addEventListener("input", () => {
      number();
      list.classList.add("is-old");
      clearTimeout(timer);
      timer = setTimeout(check, 400);
    });
    area.addEventListener("keydown", (event) => {
      if ((event.ctrlKey || event.metaKey) && !event.altKey && event.key.toLowerCase() === "s") {
        event.preventDefault();
        form.requestSubmit();
      }
    });
    form.addEventListener("submit", () => { sent = true; });
    window.addEventListener("beforeunload", (event) => { if (!sent && area.value !== saved) event.preventDefault(); });
  }

  // A mistake's place leads to the line in the text itself.
  document.addEventListener("click", (event) => {
    const link = event.target.closest("[data-line]");
    if (!link) return;
    event.preventDefault();
    const lines = area.value.split("\n"), n = Number(link.dataset.line);
    let from = 0;
    for (let i = 0; i < n - 1 && i < lines.length; i++) from += lines[i].length + 1;
    const to = from + (lines[n - 1] || "").length, at = Math.max(from, Math.min(to, from + Number(link.dataset.column || 1) - 1));
    area.focus({ preventScroll: true });
    area.setSelectionRange(at, to);
    const row = document.getElementById("L" + n);
    if (row) row.scrollIntoView({ block: "center" });
  });
})();
