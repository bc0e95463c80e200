package webtest

import (
	"context"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// Patience is the longest that any action waits for the page.
const Patience = 15 * time.Second

// Browser is a running Chromium.
type Browser struct {
	t   testing.TB
	ctx context.Context
}

// Page is one tab. It is used from one goroutine.
type Page struct {
	t   testing.TB
	ctx context.Context

	mu      sync.Mutex
	errors  []string      // what the console said that it should not; guarded by mu
	status  int64         // of the document loaded last; guarded by mu
	address string        // of the document asked for last; guarded by mu
	loading int           // navigations begun and not ended; guarded by mu
	moved   chan struct{} // told when a navigation begins
}

// Executable finds Chromium: $SURETY_CHROMIUM, else the usual names.
func Executable() (string, error) {
	if p := os.Getenv("SURETY_CHROMIUM"); p != "" {
		return exec.LookPath(p)
	}
	var err error
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"} {
		var p string
		if p, err = exec.LookPath(name); err == nil {
			return p, nil
		}
	}
	return "", err
}

// Open starts Chromium with a fresh profile; it ends with the test. Without a
// Chromium the test fails.
func Open(t testing.TB) *Browser {
	t.Helper()
	path, err := Executable()
	if err != nil {
		t.Fatalf("this test needs Chromium (apt-get install chromium), or its path in SURETY_CHROMIUM: %v", err)
	}
	opts := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(path), chromedp.UserDataDir(t.TempDir()), chromedp.NoFirstRun, chromedp.NoSandbox,
		chromedp.NoDefaultBrowserCheck, chromedp.DisableGPU, chromedp.WindowSize(1440, 900),
		chromedp.WSURLReadTimeout(60 * time.Second), // a busy machine starts slowly
		chromedp.Flag("headless", "new"), chromedp.Flag("disable-quic", true), chromedp.Flag("hide-scrollbars", true),
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true), chromedp.Flag("disable-dev-shm-usage", true),
		chromedp.Flag("disable-extensions", true), chromedp.Flag("force-color-profile", "srgb"),
	}
	alloc, endAlloc := chromedp.NewExecAllocator(context.Background(), opts...)
	ctx, end := chromedp.NewContext(alloc)
	if err := chromedp.Do(ctx); err != nil {
		endAlloc()
		t.Fatalf("Chromium at %s does not start: %v", path, err)
	}
	t.Cleanup(func() {
		if err := chromedp.Cancel(ctx); err != nil {
			t.Logf("Chromium did not end in order: %v", err)
		}
		end()
		endAlloc()
	})
	return &Browser{t: t, ctx: ctx}
}

// NewUser opens a tab with cookies of its own, at the size of a desk's screen.
func (b *Browser) NewUser() *Page {
	b.t.Helper()
	ctx, end := chromedp.NewContext(b.ctx, chromedp.WithNewBrowserContext())
	b.t.Cleanup(end)
	p := &Page{t: b.t, ctx: ctx, moved: make(chan struct{}, 1)}
	if err := chromedp.Listen(ctx, p.listen); err != nil { // opens the tab
		b.t.Fatalf("open a tab: %v", err)
	}
	for _, domain := range []string{"Log", "Runtime", "Network", "Page"} {
		p.call(domain+".enable", nil, nil)
	}
	p.SetDesktop()
	return p
}

// listen keeps what the browser tells: errors of the console, the status of the
// document, the beginning and end of navigations.
func (p *Page) listen(event any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		p.errors = append(p.errors, "exception: "+exceptionText(e.ExceptionDetails))
	case *runtime.EventConsoleAPICalled:
		if string(e.Type) == "error" {
			text := "console.error"
			for _, a := range e.Args {
				text += " " + string(a.Value)
			}
			p.errors = append(p.errors, text)
		}
	case *log.EventEntryAdded:
		// A page of status 404 is itself reported as an error; that is no error of the page.
		if e.Entry.Level == log.EntryLevelError && !(e.Entry.Source == log.EntrySourceNetwork && e.Entry.URL == p.address) {
			p.errors = append(p.errors, string(e.Entry.Source)+": "+e.Entry.Text+" "+e.Entry.URL)
		}
	case *network.EventRequestWillBeSent:
		if e.Type == network.ResourceTypeDocument {
			p.address = e.Request.URL
		}
	case *network.EventResponseReceived:
		if e.Type == network.ResourceTypeDocument {
			p.status = e.Response.Status
		}
	case *page.EventFrameStartedLoading:
		p.loading++
		select {
		case p.moved <- struct{}{}:
		default:
		}
	case *page.EventFrameStoppedLoading:
		p.loading = 0
	}
}

// exceptionText is what a script died of, with its stack if it has one.
func exceptionText(d *runtime.ExceptionDetails) string {
	if d.Exception != nil && d.Exception.Description != "" {
		return d.Text + " " + d.Exception.Description
	}
	return d.Text
}

// run does an action within Patience and fails the test with what it was for.
func (p *Page) run(what string, action chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, Patience)
	defer cancel()
	if err := chromedp.Do(ctx, action); err != nil {
		p.t.Fatalf("%s: %v", what, err)
	}
}

// params are those of a command of the DevTools protocol.
type params map[string]any

// call sends one command of the DevTools protocol; res is a pointer or nil. The
// names are the protocol's own, which change less than any library's.
func (p *Page) call(command string, in params, res any) {
	p.t.Helper()
	if in == nil {
		in = params{}
	}
	if res == nil {
		res = &struct{}{}
	}
	p.run(command, chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		return t.Call(ctx, command, in, res)
	}))
}

// SetDesktop makes the page as large as a desk's screen.
func (p *Page) SetDesktop() { p.t.Helper(); p.SetSize(1440, 900, false) }

// SetPhone makes the page a phone: 390 by 844, touch, as a phone's browser lays out.
func (p *Page) SetPhone() { p.t.Helper(); p.SetSize(390, 844, true) }

// SetSize sets the page's size in CSS pixels.
func (p *Page) SetSize(width, height int, phone bool) {
	p.t.Helper()
	p.call("Emulation.setDeviceMetricsOverride",
		params{"width": width, "height": height, "deviceScaleFactor": 1, "mobile": phone}, nil)
	p.call("Emulation.setTouchEmulationEnabled", params{"enabled": phone}, nil)
}

// SetDark asks for the dark or the light scheme.
func (p *Page) SetDark(dark bool) {
	p.t.Helper()
	value := "light"
	if dark {
		value = "dark"
	}
	p.call("Emulation.setEmulatedMedia",
		params{"features": []params{{"name": "prefers-color-scheme", "value": value}}}, nil)
}

// SetScripts turns JavaScript on or off, from the next Goto on.
func (p *Page) SetScripts(on bool) {
	p.t.Helper()
	p.call("Emulation.setScriptExecutionDisabled", params{"value": !on}, nil)
}
