// overflowJS names what sticks out of the page to the right.
(() => {
  const wide = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= wide) return [];
  const inScroller = (el) => { for (let e = el.parentElement; e; e = e.parentElement) { if (/auto|scroll|hidden|clip/.test(getComputedStyle(e).overflowX) && e !== document.body) return true; } return false; };
  const out = Array.from(document.body.querySelectorAll("*")).filter((el) => el.getBoundingClientRect().right > wide + 1 && !inScroller(el));
  return out.slice(0, 5).map((el) => el.tagName.toLowerCase() + "." + (el.getAttribute("class") || "") + " ends at " + Math.round(el.getBoundingClientRect().right) + " of " + wide).concat(out.length ? [] : ["the page is " + document.documentElement.scrollWidth + " wide, the screen " + wide]);
})()
