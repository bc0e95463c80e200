package gallery

import (
	"bytes"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"surety/edge/web"
	"surety/edge/web/webtest"
	"surety/kernel/ident"
)

// start serves a gallery whose clock stands in the afternoon of a spring day.
func start(t *testing.T) (address string, left *atomic.Int64) {
	t.Helper()
	now := time.Date(2026, 3, 14, 10, 36, 0, 0, time.UTC)
	var log bytes.Buffer
	w, err := web.New(web.Config{Clock: ident.NewManualClock(now), Key: bytes.Repeat([]byte{7}, 32),
		Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	left = new(atomic.Int64)
	left.Store(16)
	g, err := New(w, now, func() int { return int(left.Load()) })
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(g.Handler())
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	return s.URL, left
}

var pages = []string{"/incident", "/payment", "/forms", "/me/payments", "/me/claim", "/me/report", "/sign-in", "/errors/denied"}

// TestEveryPage holds every page in both languages against the rules for pages.
func TestEveryPage(t *testing.T) {
	address, _ := start(t)
	p := webtest.Open(t).NewUser()
	for _, path := range pages {
		for _, lang := range []string{"zh", "en"} {
			t.Run(strings.Trim(path, "/")+" "+lang, func(t *testing.T) {
				p.Goto(address + path + "?lang=" + lang)
				webtest.CheckPage(t, p)
			})
		}
	}
}

// TestScreenshots writes pictures of all pages into $SURETY_SHOTS, for people.
func TestScreenshots(t *testing.T) {
	dir := os.Getenv("SURETY_SHOTS")
	if dir == "" {
		dir = t.TempDir()
	}
	address, _ := start(t)
	p := webtest.Open(t).NewUser()
	for _, path := range pages {
		name := strings.ReplaceAll(strings.Trim(path, "/"), "/", "-")
		for _, shot := range []struct {
			kind, lang  string
			phone, dark bool
		}{
			{"desk-zh", "zh", false, false}, {"desk-en-dark", "en", false, true},
			{"phone-en", "en", true, false}, {"phone-zh-dark", "zh", true, true},
		} {
			p.SetDark(shot.dark)
			if shot.phone {
				p.SetPhone()
			} else {
				p.SetDesktop()
			}
			p.Goto(address + path + "?lang=" + shot.lang)
			file := filepath.Join(dir, name+"-"+shot.kind+".png")
			if path == "/incident" && shot.lang == "en" {
				p.Click("Approve the payment")
			}
			p.Screenshot(file)
			if info, err := os.Stat(file); err != nil || info.Size() < 5000 {
				t.Errorf("%s is no picture: %v", file, err)
			}
		}
	}
}

// TestLive sees a region change without a reload, and an open confirmation left alone.
func TestLive(t *testing.T) {
	address, left := start(t)
	p := webtest.Open(t).NewUser()
	p.Goto(address + "/incident?lang=en")
	p.See("16 people")
	left.Store(1)
	p.See("1 person, 84 minutes")
	p.CheckConsole()
}

// TestKeyboard walks a table with J and K, selects, filters, asks for help.
func TestKeyboard(t *testing.T) {
	address, _ := start(t)
	p := webtest.Open(t).NewUser()
	p.Goto(address + "/incident?lang=en")
	focused := func() string {
		var id string
		p.Eval("document.activeElement.id || document.activeElement.name || document.activeElement.tagName", &id)
		return id
	}
	p.Press("j")
	p.Press("j")
	if got := focused(); got != "row-clm_02" {
		t.Errorf("after J J the focus is on %s", got)
	}
	p.Press("k")
	p.Press("x")
	p.See("1 selected")
	p.Press("/")
	if got := focused(); got != "victims-f-q" {
		t.Errorf("after / the focus is on %s", got)
	}
	p.Press("j") // typed into the filter, not a move
	if got := focused(); got != "victims-f-q" {
		t.Errorf("J in a field moves to %s", got)
	}
	p.Press("Escape")
	p.NotSee("next or previous row")
	p.Press("?")
	p.See("next or previous row")
	p.Press("Escape")
	p.NotSee("next or previous row")
	p.Press("t")
	p.See("14 Mar")
	p.Press("j")
	p.Press("Enter")
	if !strings.Contains(p.URL(), "/cases/clm_") {
		t.Errorf("Enter leads to %s", p.URL())
	}
}

// TestConfirmAndFlash confirms in place and reads what was done, once.
func TestConfirmAndFlash(t *testing.T) {
	address, _ := start(t)
	for _, scripts := range []bool{true, false} {
		p := webtest.Open(t).NewUser()
		p.SetScripts(scripts)
		p.Goto(address + "/incident?lang=en")
		p.NotSee("as second approver")
		p.Click("Approve the payment")
		p.See("from the emergency fund, as second approver")
		p.Click("Pay 13,300,000.00 CNY")
		p.See("Approved. The first payments leave now.")
		p.Goto(address + "/incident")
		p.NotSee("Approved. The first payments leave now.")
		p.CheckConsole()
	}
}

// TestFormErrors sends a wrong amount and finds the words beside the field and on top.
func TestFormErrors(t *testing.T) {
	address, _ := start(t)
	p := webtest.Open(t).NewUser()
	p.Goto(address + "/forms?lang=en")
	p.Fill("Amount", "1e9")
	p.Click("Save the claim")
	if p.Status() != 422 {
		t.Errorf("status %d", p.Status())
	}
	p.See("1 thing needs your attention")
	if p.Text("#f-amount-error") == "" {
		t.Error("no words beside the field")
	}
	webtest.CheckPage(t, p)
	p.Fill("Amount", "244,338.26")
	p.Click("Save the claim")
	p.See("Saved: 244,338.26 CNY.")
}

// TestLanguage switches by the link and is remembered.
func TestLanguage(t *testing.T) {
	address, _ := start(t)
	p := webtest.Open(t).NewUser()
	p.Goto(address + "/incident?lang=en&sort=name")
	p.Click("中文")
	p.See("3 月 14 日盗刷事件")
	if !strings.Contains(p.URL(), "sort=name") {
		t.Errorf("the switch forgets the list: %s", p.URL())
	}
	p.Goto(address + "/payment")
	p.See("支付 244,338.26 元")
}

// TestErrors shows the page of each kind with its status.
func TestErrors(t *testing.T) {
	address, _ := start(t)
	p := webtest.Open(t).NewUser()
	for kind, want := range map[string]int{"not_found": 404, "denied": 403, "unknown": 504, "internal": 500} {
		p.Goto(address + "/errors/" + kind + "?lang=en")
		if p.Status() != want {
			t.Errorf("%s has status %d", kind, p.Status())
		}
	}
	p.Goto(address + "/panic?lang=en")
	p.See("Something went wrong on our side")
}

// TestWords checks the gallery's own catalogue and the shared one.
func TestWords(t *testing.T) {
	webtest.CheckCatalogue(t, web.MustCatalogue(files, "catalogue"), ".")
	webtest.CheckCatalogue(t, web.Shared(), "..")
}
