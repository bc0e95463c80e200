package webtest

import (
	_ "embed" // the finder is a script
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// Goto opens the address and waits until it is loaded.
func (p *Page) Goto(url string) {
	p.t.Helper()
	p.run("open "+url, chromedp.Navigate(url))
	p.settle()
}

// Status is the HTTP status of the document shown.
func (p *Page) Status() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return int(p.status)
}

// URL is the address of the page.
func (p *Page) URL() string {
	p.t.Helper()
	var u string
	p.Eval("location.href", &u)
	return u
}

// Eval runs JavaScript and puts its value into out (a pointer), or throws it
// away if out is nil. The policy for scripts of the page does not bind it.
func (p *Page) Eval(js string, out any) {
	p.t.Helper()
	var res struct {
		Result struct {
			Value json.RawMessage `json:"value"`
		} `json:"result"`
		Problem *runtime.ExceptionDetails `json:"exceptionDetails"`
	}
	p.call("Runtime.evaluate", params{"expression": js, "returnByValue": true, "awaitPromise": true}, &res)
	if res.Problem != nil {
		p.t.Fatalf("the script %.80s fails: %s", js, exceptionText(res.Problem))
	}
	if out == nil {
		return
	}
	if err := json.Unmarshal(res.Result.Value, out); err != nil {
		p.t.Fatalf("the script %.80s gives %s: %v", js, res.Result.Value, err)
	}
}

// findJS finds an element as a person names it: by CSS selector if the name
// begins with one of . # [ or is "tag" or "tag.class…"; else by the text, label
// or accessible name of something one can press or fill. Exact names come before
// those that only begin so, visible ones only.
//
//go:embed find.js
var findJS string

func quote(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		return `""` // a string always marshals
	}
	return string(b)
}

// await polls the script until it gives true; what says what was waited for.
func (p *Page) await(what, js string) {
	p.t.Helper()
	deadline := time.NewTimer(Patience)
	defer deadline.Stop()
	for {
		var ok bool
		p.Eval("Boolean("+js+")", &ok)
		if ok {
			return
		}
		select {
		case <-deadline.C:
			p.t.Fatalf("%s: not within %s. At %s the page says:\n%s", what, Patience, p.URL(), p.Text("body"))
		case <-time.After(25 * time.Millisecond):
		}
	}
}

// settle waits until no navigation is under way.
func (p *Page) settle() {
	p.t.Helper()
	end := time.NewTimer(Patience)
	defer end.Stop()
	for {
		p.mu.Lock()
		loading := p.loading
		p.mu.Unlock()
		if loading == 0 {
			break
		}
		select {
		case <-end.C:
			p.t.Fatalf("the page does not finish loading")
		case <-time.After(10 * time.Millisecond):
		}
	}
	p.await("loading", `document.readyState === "complete"`)
}

// Click presses what a person would press: a text or label ("Approve") or a CSS
// selector. It uses the mouse, so something that lies over it fails the test; it
// then waits for the page that follows, if one does.
func (p *Page) Click(what string) {
	p.t.Helper()
	p.await("find "+what+" to press", "("+findJS+")("+quote(what)+")")
	var at struct {
		X, Y  float64
		Cover string
	}
	p.Eval(`(() => { const el = (`+findJS+`)(`+quote(what)+`); el.scrollIntoView({block: "center", behavior: "instant"});
	  const r = el.getClientRects()[0] || el.getBoundingClientRect(); const x = r.x + r.width / 2, y = r.y + r.height / 2;
	  const top = document.elementFromPoint(x, y);
	  const free = top && (el.contains(top) || top.contains(el) || (top.closest("label") && top.closest("label").control === el));
	  return {X: x, Y: y, Cover: free ? "" : (top ? top.outerHTML.slice(0, 120) : "nothing: it is outside the page")}; })()`, &at)
	if at.Cover != "" {
		p.t.Fatalf("%q cannot be pressed, over it lies %s", what, at.Cover)
	}
	p.moving(func() { p.run("press "+what, chromedp.MouseClickXY(at.X, at.Y)) })
}

// moving does act and, if it begins a navigation, waits for its end.
func (p *Page) moving(act func()) {
	p.t.Helper()
	select {
	case <-p.moved:
	default:
	}
	act()
	select {
	case <-p.moved:
	case <-time.After(150 * time.Millisecond): // nothing follows, or it is a script's doing
	}
	p.settle()
}

// Press types one key ("j", "?", "Enter", "Escape", "Tab") at what has the focus.
func (p *Page) Press(key string) {
	p.t.Helper()
	named := map[string]string{"Enter": kb.Enter, "Escape": kb.Escape, "Tab": kb.Tab, "Space": " "}
	if k, ok := named[key]; ok {
		key = k
	}
	p.moving(func() { p.run("press the key "+key, chromedp.KeyEvent(key)) })
}

// Fill puts a value into a field named by label, name or CSS selector: it types
// into text fields, chooses in selects by value or text, ticks boxes ("on", "").
func (p *Page) Fill(field, value string) {
	p.t.Helper()
	p.await("find the field "+field, "("+findJS+")("+quote(field)+`, "fill")`)
	var problem string
	p.Eval(`(() => { const el = (`+findJS+`)(`+quote(field)+`, "fill"), v = `+quote(value)+`;
	  el.focus();
	  if (el.tagName === "SELECT") {
	    const o = Array.from(el.options).find((o) => o.value === v || o.text.trim() === v);
	    if (!o) return "no choice " + v; el.value = o.value;
	  } else if (el.type === "checkbox" || el.type === "radio") { if (el.checked !== (v !== "")) el.click(); return "";
	  } else if (el.type === "file") { return "a file field: use Upload";
	  } else { el.value = ""; el.value = v; }
	  el.dispatchEvent(new Event("input", {bubbles: true})); el.dispatchEvent(new Event("change", {bubbles: true}));
	  return ""; })()`, &problem)
	if problem != "" {
		p.t.Fatalf("fill %s: %s", field, problem)
	}
}

// Upload puts files into a file field.
func (p *Page) Upload(field string, files ...string) {
	p.t.Helper()
	p.await("find the field "+field, "("+findJS+")("+quote(field)+`, "fill")`)
	var node struct {
		Result struct {
			ObjectID string `json:"objectId"`
		} `json:"result"`
	}
	p.call("Runtime.evaluate", params{"expression": "(" + findJS + ")(" + quote(field) + `, "fill")`}, &node)
	p.call("DOM.setFileInputFiles", params{"files": files, "objectId": node.Result.ObjectID}, nil)
}

// Text is what a person reads in the first element of the selector, waiting for it.
func (p *Page) Text(selector string) string {
	p.t.Helper()
	var s string
	if selector != "body" {
		p.await("find "+selector, "document.querySelector("+quote(selector)+")")
	}
	p.Eval("(document.querySelector("+quote(selector)+").innerText || '').replace(/[ \\t]+/g, ' ').trim()", &s)
	return s
}

// Texts is what a person reads in every element of the selector, without waiting.
func (p *Page) Texts(selector string) []string {
	p.t.Helper()
	out := []string{}
	p.Eval("Array.from(document.querySelectorAll("+quote(selector)+")).map((e) => e.innerText.trim())", &out)
	return out
}

// See waits until the text can be read on the page.
func (p *Page) See(text string) {
	p.t.Helper()
	p.await("see "+fmt.Sprintf("%q", text), readsJS(text))
}

// NotSee fails if the text can be read on the page now.
func (p *Page) NotSee(text string) {
	p.t.Helper()
	var there bool
	p.Eval(readsJS(text), &there)
	if there {
		p.t.Errorf("the page shows %q, which it should not", text)
	}
}

func readsJS(text string) string {
	return "!!document.body && document.body.innerText.replace(/\\s+/g, ' ').includes(" + quote(strings.Join(strings.Fields(text), " ")) + ")"
}

// Screenshot writes the whole page as PNG; the folder is made.
func (p *Page) Screenshot(file string) {
	p.t.Helper()
	var metrics struct {
		Size struct {
			Width  int `json:"width"`
			Height int `json:"height"`
		} `json:"cssContentSize"`
	}
	p.call("Page.getLayoutMetrics", nil, &metrics)
	var shot struct {
		Data []byte `json:"data"` // base64 in JSON
	}
	p.call("Page.captureScreenshot", params{"format": "png", "captureBeyondViewport": true,
		"clip": params{"x": 0, "y": 0, "width": metrics.Size.Width, "height": metrics.Size.Height, "scale": 1}}, &shot)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(file, shot.Data, 0o644); err != nil {
		p.t.Fatal(err)
	}
}
