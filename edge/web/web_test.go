package web

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/a-h/templ"

	"surety/kernel/ident"
	"surety/kernel/money"
)

var noon = time.Date(2026, 3, 14, 4, 0, 0, 0, time.UTC) // 12:00 in China

func newWeb(t *testing.T, cfg Config) *Web {
	t.Helper()
	cfg.Clock, cfg.Key = ident.NewManualClock(noon), bytes.Repeat([]byte{1}, 32)
	cfg.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
	w, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func get(h http.Handler, method, target string, change func(r *http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, nil)
	if change != nil {
		change(r)
	}
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	return rec
}

// TestNewRefuses: without a clock, a key or a logger there is no Web.
func TestNewRefuses(t *testing.T) {
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	key := bytes.Repeat([]byte{1}, 32)
	for name, cfg := range map[string]Config{
		"clock": {Key: key, Log: log}, "key": {Clock: ident.WallClock{}, Key: key[:31], Log: log}, "log": {Clock: ident.WallClock{}, Key: key},
	} {
		if _, err := New(cfg); err == nil {
			t.Errorf("New goes on without a %s", name)
		}
	}
}

// TestTimeInWords holds every way to say a time, in both languages.
func TestTimeInWords(t *testing.T) {
	for _, c := range []struct {
		at           time.Duration
		absEN, relEN string
		absZH, relZH string
	}{
		{0, "today 12:00", "just now", "今天 12:00", "刚刚"},
		{11*time.Hour + 59*time.Minute, "today 23:59", "in 11 h 59 min", "今天 23:59", "还有 11 小时 59 分"},
		{12 * time.Hour, "tomorrow 00:00", "in 12 h", "明天 00:00", "还有 12 小时"},
		{-13 * time.Hour, "yesterday 23:00", "13 h ago", "昨天 23:00", "13 小时前"},
		{-25 * time.Minute, "today 11:35", "25 min ago", "今天 11:35", "25 分钟前"},
		{28 * time.Hour, "tomorrow 16:00", "in 1 day 4 h", "明天 16:00", "还有 1 天 4 小时"},
		{-72 * time.Hour, "11 Mar 12:00", "3 days ago", "3月11日 12:00", "3 天前"},
		{-365 * 24 * time.Hour, "14 Mar 2025 12:00", "365 days ago", "2025年3月14日 12:00", "365 天前"},
	} {
		at := noon.Add(c.at)
		for _, got := range [][2]string{
			{Absolute(EN, China(), at, noon), c.absEN}, {Relative(EN, at, noon), c.relEN},
			{Absolute(ZH, China(), at, noon), c.absZH}, {Relative(ZH, at, noon), c.relZH},
		} {
			if got[0] != got[1] {
				t.Errorf("%s from noon: %q, want %q", c.at, got[0], got[1])
			}
		}
	}
	if got := Absolute(EN, China(), time.Time{}, noon); got != "—" {
		t.Errorf("no time is %q", got)
	}
}

// TestWords: places, plurals, unknown keys, and what Problems finds.
func TestWords(t *testing.T) {
	for _, c := range [][2]string{
		{fill("{0} {0#row|rows} of {1}", []any{1, "x"}), "1 row of x"},
		{fill("{0} {0#row|rows}", []any{"1,000"}), "1,000 rows"},
		{fill("{} {a} {7}", []any{1}), "{} {a} {7}"},
		{T(EN, "no.such"), "[no.such]"},
	} {
		if c[0] != c[1] {
			t.Errorf("%q, want %q", c[0], c[1])
		}
	}
	bad := &Catalogue{words: map[Lang]map[string]string{ZH: {"a": "{0}", "b": "x"}, EN: {"a": "{1}", "c": " "}}}
	if got := len(bad.Problems()); got < 4 {
		t.Errorf("only %d problems found: %v", got, bad.Problems())
	}
	if got := Shared().Problems(); len(got) > 0 {
		t.Errorf("shared words: %v", got)
	}
	err := ident.Invalid("amount", "amount_odd", "the amount is odd")
	if got := Shared().Explain(ZH, err); got != "the amount is odd" {
		t.Errorf("Explain says %q", got)
	}
	if got := Shared().Explain(EN, io.ErrUnexpectedEOF); strings.Contains(got, "EOF") {
		t.Errorf("a cause is told to a customer: %q", got)
	}
}

// TestLanguage: address before cookie before header before zh.
func TestLanguage(t *testing.T) {
	for _, c := range []struct{ query, cookie, header, want string }{
		{"", "", "", "zh"}, {"", "", "en-GB,en;q=0.8", "en"}, {"", "", "fr, zh-TW;q=0.5", "zh"},
		{"", "zh", "en", "zh"}, {"?lang=en", "zh", "zh", "en"}, {"?lang=xx", "", "en", "en"},
	} {
		r := httptest.NewRequest("GET", "/"+c.query, nil)
		if c.cookie != "" {
			r.AddCookie(&http.Cookie{Name: langCookie, Value: c.cookie})
		}
		r.Header.Set("Accept-Language", c.header)
		if got := PickLang(r); string(got) != c.want {
			t.Errorf("%+v gives %s", c, got)
		}
	}
}

// TestHandlerGuards: headers, posts from elsewhere, large bodies, panics.
func TestHandlerGuards(t *testing.T) {
	w := newWeb(t, Config{})
	h := w.Handler(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/panic" {
			panic("on purpose")
		}
		if err := ReadForm(r); err != nil {
			w.Fail(rw, r, err)
			return
		}
		Render(rw, r, http.StatusOK, Text("ok"))
	}))
	rec := get(h, "GET", "/", nil)
	for k, want := range map[string]string{"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store",
		"Referrer-Policy": "same-origin"} {
		if got := rec.Header().Get(k); got != want {
			t.Errorf("%s is %q", k, got)
		}
	}
	csp := rec.Header().Get("Content-Security-Policy")
	if strings.Contains(csp, "unsafe") || !strings.Contains(csp, "frame-ancestors 'none'") {
		t.Errorf("policy: %s", csp)
	}
	cross := func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }
	if rec := get(h, "POST", "/", cross); rec.Code != http.StatusForbidden {
		t.Errorf("a post from another site: %d", rec.Code)
	}
	if rec := get(h, "GET", "/", cross); rec.Code != http.StatusOK {
		t.Errorf("a link from another site: %d", rec.Code)
	}
	big := func(r *http.Request) {
		r.Body = io.NopCloser(strings.NewReader("a=" + strings.Repeat("x", maxBody)))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if rec := get(h, "POST", "/", big); rec.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("a body over the limit: %d", rec.Code)
	}
	if rec := get(h, "GET", "/panic", nil); rec.Code != http.StatusInternalServerError || strings.Contains(rec.Body.String(), "purpose") {
		t.Errorf("a panic: %d %s", rec.Code, rec.Body)
	}
}

// TestFlash: shown once, and not if somebody else wrote it.
func TestFlash(t *testing.T) {
	w := newWeb(t, Config{})
	h := w.Handler(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.Method == "POST" {
			w.Flash(rw, r, Good, "paid <b>")
			Redirect(rw, r, "//evil.example/")
			return
		}
		Render(rw, r, http.StatusOK, PlainPage(PlainProps{Title: "x"}))
	}))
	rec := get(h, "POST", "/", nil)
	if rec.Header().Get("Location") != "/" {
		t.Errorf("redirected to %q", rec.Header().Get("Location"))
	}
	cookie := rec.Result().Cookies()[0]
	rec = get(h, "GET", "/", func(r *http.Request) { r.AddCookie(cookie) })
	if !strings.Contains(rec.Body.String(), "paid &lt;b&gt;") || rec.Result().Cookies()[0].MaxAge >= 0 {
		t.Error("the flash is not shown once, escaped")
	}
	cookie.Value = cookie.Value[:5] + "A" + cookie.Value[6:]
	rec = get(h, "GET", "/", func(r *http.Request) { r.AddCookie(cookie) })
	if strings.Contains(rec.Body.String(), "flash") {
		t.Error("a forged flash is shown")
	}
}

// TestSessionCookie: HttpOnly, Lax, and bound to the host over https.
func TestSessionCookie(t *testing.T) {
	for _, https := range []bool{false, true} {
		var seen string
		h := newWeb(t, Config{HTTPS: https}).Handler(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			seen = SessionToken(r, "surety_staff")
			SetSession(rw, r, "surety_staff", "secret", time.Hour)
		}))
		c := get(h, "GET", "/", nil).Result().Cookies()[0]
		if !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Secure != https || strings.HasPrefix(c.Name, "__Host-") != https {
			t.Errorf("https %v: %v", https, c)
		}
		get(h, "GET", "/", func(r *http.Request) { r.AddCookie(c) })
		if seen != "secret" {
			t.Errorf("https %v: the token does not come back", https)
		}
	}
}

// TestStatic: kept for a year under a name with a hash, and not again by ETag.
func TestStatic(t *testing.T) {
	for _, name := range []string{"surety.css", "surety.js", "surety.svg"} {
		rec := get(Static(), "GET", Asset(name), nil)
		if rec.Code != 200 || !strings.Contains(rec.Header().Get("Cache-Control"), "immutable") || rec.Body.Len() == 0 {
			t.Errorf("%s: %d %v", name, rec.Code, rec.Header())
		}
		again := get(Static(), "GET", Asset(name), func(r *http.Request) { r.Header.Set("If-None-Match", rec.Header().Get("ETag")) })
		if again.Code != http.StatusNotModified {
			t.Errorf("%s again: %d", name, again.Code)
		}
	}
	for _, path := range []string{"/static/", "/static/surety.css", "/static/../http.go"} {
		if rec := get(Static(), "GET", path, nil); rec.Code != http.StatusNotFound {
			t.Errorf("%s: %d", path, rec.Code)
		}
	}
}

// TestStream sends what changes, once, and ends when the browser goes.
func TestStream(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	n := 0
	r := httptest.NewRequest("GET", "/live", nil).WithContext(ctx)
	rec := httptest.NewRecorder()
	err := StreamEvery(rec, r, time.Millisecond, func(context.Context) (templ.Component, error) {
		if n++; n == 5 {
			cancel()
		}
		return Text([]string{"", "a\nb", "a\nb", "c", "c", "c"}[n]), nil
	})
	if err == nil {
		t.Error("it ends without saying why")
	}
	body := rec.Body.String()
	if strings.Count(body, "data:") != 2 || !strings.Contains(body, `{"target":"","html":"a\nb"}`) {
		t.Errorf("sent: %q", body)
	}
}

// TestMoneyAndLinks: parentheses for the eye, a word for the ear; links keep the list.
func TestMoneyAndLinks(t *testing.T) {
	ctx := WithView(context.Background(), View{Lang: EN, URL: &url.URL{Path: "/p", RawQuery: "q=a&page=3&sort=name"}})
	html, err := HTML(ctx, Money(money.Of(-123456, money.CNY)))
	if err != nil || !strings.Contains(html, "(1,234.56)") || !strings.Contains(html, "minus ") {
		t.Errorf("%s %v", html, err)
	}
	p := TableProps{Filter: []FieldProps{{Name: "q"}}}
	if got := sortHref(ctx, p, Column{Sort: "name"}); got != "/p?q=a&sort=-name" {
		t.Errorf("sorting again leads to %s", got)
	}
	if got := sortHref(ctx, p, Column{Sort: "amount", Num: true}); got != "/p?q=a&sort=-amount" {
		t.Errorf("sorting numbers leads to %s", got)
	}
	if got := clearHref(ctx, p); got != "/p?sort=name" {
		t.Errorf("clearing leads to %s", got)
	}
	r := httptest.NewRequest("GET", "/p?sort=password&page=-4", nil)
	if key, desc := SortOf(r, "-filed", "name"); key != "filed" || !desc || PageOf(r) != 1 {
		t.Errorf("an odd address sorts by %s %v", key, desc)
	}
}

// TestScale: a chart's arithmetic is exact and never leaves its canvas.
func TestScale(t *testing.T) {
	for _, c := range [][4]int64{{0, 10, 100, 0}, {-5, 10, 100, 0}, {10, 10, 100, 100}, {11, 10, 100, 100},
		{1 << 62, 1<<63 - 1, 1000, 500}, {1, 3, 100, 33}, {1, 0, 100, 0}} {
		if got := scale(c[0], c[1], c[2]); got != c[3] {
			t.Errorf("scale(%d, %d, %d) = %d, want %d", c[0], c[1], c[2], got, c[3])
		}
	}
}

// TestGenerated makes the Go of every template again and compares it with what
// is kept in the tree.
func TestGenerated(t *testing.T) {
	for _, dir := range []string{".", "gallery"} {
		found, err := filepath.Glob(filepath.Join(dir, "*.templ"))
		if err != nil || len(found) == 0 {
			t.Fatalf("no templates in %s: %v", dir, err)
		}
		for _, f := range found {
			fresh, err := exec.Command("go", "tool", "templ", "generate", "-stdout", "-f", f).Output()
			if err != nil {
				t.Fatalf("%s: %v", f, err)
			}
			kept, err := os.ReadFile(strings.TrimSuffix(f, ".templ") + "_templ.go")
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(bytes.TrimSpace(fresh), bytes.TrimSpace(kept)) {
				t.Errorf("%s has changed since it was generated: run go tool templ generate", f)
			}
		}
	}
}
