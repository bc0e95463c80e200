// contrastJS computes the contrast of every visible text with what lies behind
// it (WCAG 2.2, 1.4.3: 4.5, large text 3).
(() => {
  document.getAnimations().forEach((a) => { try { a.finish(); } catch { a.cancel(); } }); // a colour on its way is not the colour
  const parse = (c) => { let m = c.match(/^rgba?\(([^)]+)\)/); if (m) { const v = m[1].split(/[,\s\/]+/).map(parseFloat); return [v[0], v[1], v[2], v[3] === undefined ? 1 : v[3]]; }
    m = c.match(/^color\(srgb ([^)]+)\)/); if (m) { const v = m[1].split(/[\s\/]+/).map(parseFloat); return [v[0] * 255, v[1] * 255, v[2] * 255, v[3] === undefined ? 1 : v[3]]; } return null; };
  const over = (a, b) => [0, 1, 2].map((i) => a[i] * a[3] + b[i] * (1 - a[3])).concat(1);
  const lum = (c) => { const f = c.slice(0, 3).map((v) => { v /= 255; return v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4; }); return .2126 * f[0] + .7152 * f[1] + .0722 * f[2]; };
  const ground = (el) => { const layers = []; for (let e = el; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor); if (c && c[3] > 0) { layers.push(c); if (c[3] === 1) break; } }
    return layers.reverse().reduce((below, c) => over(c, below), matchMedia("(prefers-color-scheme: dark)").matches ? [18, 18, 18, 1] : [255, 255, 255, 1]); };
  const out = new Map(), walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let n; (n = walk.nextNode());) {
    const text = n.nodeValue.trim(), el = n.parentElement;
    if (!text || !el.checkVisibility({visibilityProperty: true, opacityProperty: true}) || el.closest(":disabled, .sr, script, style, option")) continue;
    const range = document.createRange(); range.selectNodeContents(n); const box = range.getBoundingClientRect(); if (box.width < 2 || box.height < 2) continue;
    const s = getComputedStyle(el), fg = parse(el.closest("svg") ? s.fill : s.color); if (!fg) continue;
    const bg = ground(el), c = over(fg, bg), a = lum(c), b = lum(bg), ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
    const size = parseFloat(s.fontSize), large = size >= 24 || (size >= 18.66 && +s.fontWeight >= 700);
    if (ratio < (large ? 3 : 4.5)) { const k = (el.getAttribute("class") || el.tagName) + ratio.toFixed(1); if (!out.has(k)) out.set(k, ratio.toFixed(2) + " for \"" + text.slice(0, 40) + "\" in " + el.tagName.toLowerCase() + "." + (el.getAttribute("class") || "")); }
  }
  return Array.from(out.values());
})()
