package fund

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"surety/kernel/ident"
	"surety/platform/db"
)

var secret = []byte(strings.Repeat("s", 32))

// mode is how the wallet treats the next POST.
type mode string

const (
	fine       mode = "fine"
	loseAsk    mode = "lose the request"
	loseAnswer mode = "lose the answer"
	slow       mode = "slow"
	broken     mode = "500 before"
	brokenDone mode = "500 after"
	garbage    mode = "garbage"
	redirect   mode = "redirect"
	huge       mode = "huge"
	late       mode = "carried out later"
)

// fakeWallet is a host wallet that asserts the contract of its rail.
type fakeWallet struct {
	t   testing.TB
	srv *httptest.Server

	mu      sync.Mutex
	modes   []mode            // of the next POSTs; fine after them
	status  map[string]Status // what becomes of an id; settled if absent
	bodies  map[string]string // by id: carried out once each
	paid    map[string]int64
	posts   int
	gets    int
	held    []string // bodies of late
	release chan struct{}
}

func newFakeWallet(t testing.TB) *fakeWallet {
	w := &fakeWallet{t: t, status: map[string]Status{}, bodies: map[string]string{}, paid: map[string]int64{}, release: make(chan struct{})}
	w.srv = httptest.NewServer(w)
	t.Cleanup(func() { close(w.release); w.srv.Close() })
	return w
}

func (w *fakeWallet) rail(t testing.TB, clock ident.Clock) *Wallet {
	r, err := NewWallet(WalletConfig{BaseURL: w.srv.URL + "/api", Secret: secret, Clock: clock, Timeout: 200 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (w *fakeWallet) ServeHTTP(res http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	want := Signature(secret, req.Header.Get("X-Surety-Timestamp"), req.Method, req.URL.EscapedPath(), body)
	if req.Header.Get("X-Surety-Signature") != want || req.Header.Get("X-Surety-Timestamp") == "" {
		w.t.Errorf("%s %s is not signed", req.Method, req.URL)
	}
	if req.Method == http.MethodGet {
		w.gets++
		w.lookup(res, strings.TrimPrefix(req.URL.Path, "/api/credits/"))
		return
	}
	w.posts++
	var c credit
	dec := json.NewDecoder(strings.NewReader(string(body)))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&c); err != nil || req.URL.Path != "/api/credits" || req.Header.Get("Idempotency-Key") != c.ID || c.Amount <= 0 || c.Reference == "" {
		w.t.Errorf("%s %s: %s: %v", req.Method, req.URL, body, err)
	}
	m := fine
	if len(w.modes) > 0 {
		m, w.modes = w.modes[0], w.modes[1:]
	}
	w.post(res, req, m, c, string(body))
}

func (w *fakeWallet) post(res http.ResponseWriter, req *http.Request, m mode, c credit, body string) {
	switch m {
	case loseAsk, late:
		if m == late {
			w.held = append(w.held, body)
		}
		panic(http.ErrAbortHandler)
	case broken:
		res.WriteHeader(http.StatusInternalServerError)
		return
	case redirect:
		http.Redirect(res, req, "http://127.0.0.1:1/elsewhere", http.StatusTemporaryRedirect)
		return
	}
	if !w.carryOut(c.ID, c.Amount, body) {
		res.WriteHeader(http.StatusConflict)
		return
	}
	switch m {
	case loseAnswer:
		panic(http.ErrAbortHandler)
	case slow:
		w.mu.Unlock()
		select {
		case <-req.Context().Done():
		case <-w.release:
		}
		w.mu.Lock()
	case brokenDone:
		res.WriteHeader(http.StatusBadGateway)
	case garbage:
		io.WriteString(res, "<html>")
	case huge:
		io.WriteString(res, strings.Repeat(" ", maxReply+10))
	default:
		w.lookup(res, c.ID)
	}
}

// carryOut does a credit once; the same id with another body fails the test.
func (w *fakeWallet) carryOut(id string, amount int64, body string) bool {
	if have, again := w.bodies[id]; again {
		if have != body {
			w.t.Errorf("id %s came again with another body: %s, before %s", id, body, have)
			return false
		}
		return true
	}
	w.bodies[id] = body
	if w.statusOf(id) != StatusRejected {
		w.paid[id] += amount
	}
	return true
}

func (w *fakeWallet) statusOf(id string) Status {
	if s := w.status[id]; s != "" {
		return s
	}
	return StatusSettled
}

func (w *fakeWallet) lookup(res http.ResponseWriter, id string) {
	body, found := w.bodies[id]
	if !found {
		res.WriteHeader(http.StatusNotFound)
		return
	}
	var c credit
	if err := json.Unmarshal([]byte(body), &c); err != nil {
		w.t.Error(err)
	}
	json.NewEncoder(res).Encode(reply{ID: id, Status: w.statusOf(id), Amount: c.Amount, Currency: c.Currency, Reference: "w-" + id[len(id)-3:], Reason: "closed"})
}

// bothWallet runs fn with a wallet on both databases.
func bothWallet(t *testing.T, fn func(h *house, w *fakeWallet, f *db.Faults)) {
	var w *fakeWallet
	both(t, func(c *Config) {
		w = newFakeWallet(t)
		c.Wallet = w.rail(t, c.Clock)
	}, func(h *house, f *db.Faults) {
		h.rich(0, 100_000)
		fn(h, w, f)
	})
}

func TestWalletModes(t *testing.T) {
	bothWallet(t, func(h *house, w *fakeWallet, _ *db.Faults) {
		n := 0
		for _, c := range []struct {
			modes []mode
			after PayoutState // when the first job is done
		}{
			{nil, Settled}, {[]mode{loseAsk}, Unknown}, {[]mode{loseAnswer}, Unknown}, {[]mode{slow}, Unknown}, {[]mode{broken}, Unknown},
			{[]mode{brokenDone}, Unknown}, {[]mode{garbage}, Unknown}, {[]mode{redirect}, Unknown}, {[]mode{huge}, Unknown},
			{[]mode{loseAsk, broken, loseAsk, loseAnswer}, Unknown}, {[]mode{late}, Unknown},
		} {
			n++
			in := order(n, 10, RailWallet)
			w.mu.Lock()
			w.modes = c.modes
			w.mu.Unlock()
			_, err := h.pay(in)
			h.ok(err)
			h.drain()
			h.is(in.ID, c.after)
			for i := 0; i < 12 && h.get(in.ID).State != Settled; i++ {
				h.clock.Advance(10 * time.Second)
				h.drain()
			}
			p := h.is(in.ID, Settled)
			if p.RailRef == "" || p.Sent.IsZero() && p.Settled.IsZero() {
				h.Fatalf("%+v", p)
			}
			w.mu.Lock()
			for _, body := range w.held { // the request that was lost arrives after all
				w.carryOut(in.ID, 1000, body)
			}
			w.held = nil
			if w.paid[in.ID] != 1000 {
				h.Fatalf("%v: the wallet paid %d", c.modes, w.paid[in.ID])
			}
			w.mu.Unlock()
		}
		h.wantFigures(0, 100_000-10*int64(n), 0, 10*int64(n))
		if len(h.events[EventSettled]) != n {
			h.Fatalf("%d events", len(h.events[EventSettled]))
		}
		h.cleanBooks()
	})
}

func TestWalletAcceptsThenEnds(t *testing.T) {
	bothWallet(t, func(h *house, w *fakeWallet, _ *db.Faults) {
		for n, end := range []Status{StatusSettled, StatusRejected} {
			in := order(n, 10, RailWallet)
			set := func(s Status) { w.mu.Lock(); w.status[in.ID] = s; w.mu.Unlock() }
			set(StatusAccepted)
			_, err := h.pay(in)
			h.ok(err)
			h.drain()
			if p := h.is(in.ID, Sent); p.Sent.IsZero() {
				h.Fatalf("%+v", p)
			}
			h.clock.Advance(5 * time.Second)
			h.drain()
			h.is(in.ID, Sent) // asked, and still under way
			set(end)
			h.ok(h.Reconcile(h.ctx, tester, in.ID)) // a person asks now
			h.drain()
			p := h.is(in.ID, PayoutState(end))
			if end == StatusRejected && p.Reason != "closed" {
				h.Fatal(p.Reason)
			}
			h.clock.Advance(time.Hour)
			h.drain()
		}
		h.wantFigures(0, 100_000-10, 0, 10)
		if w.posts != 2 || len(h.events[EventRejected]) != 1 {
			h.Fatalf("%d posts, %v", w.posts, h.events)
		}
		h.cleanBooks()
	})
}

// What the wallet took and forgot is not sent blindly: it is unknown first.
func TestWalletForgets(t *testing.T) {
	bothWallet(t, func(h *house, w *fakeWallet, _ *db.Faults) {
		in := order(1, 10, RailWallet)
		w.status[in.ID] = StatusAccepted
		_, err := h.pay(in)
		h.ok(err)
		h.drain()
		w.mu.Lock()
		body := w.bodies[in.ID]
		delete(w.bodies, in.ID)
		w.mu.Unlock()
		h.clock.Advance(3 * time.Second)
		h.drain()
		if p := h.is(in.ID, Unknown); p.Reason != railForgot {
			h.Fatal(p.Reason)
		}
		posts := w.posts
		for range 4 { // however often it is asked: what it took once is never sent again
			h.clock.Advance(2 * time.Minute)
			h.ok(h.Reconcile(h.ctx, tester, in.ID))
			h.drain()
			h.is(in.ID, Unknown)
		}
		w.mu.Lock()
		if w.posts != posts || w.paid[in.ID] != 1000 {
			h.Fatalf("%d more sendings, %d paid", w.posts-posts, w.paid[in.ID])
		}
		w.bodies[in.ID] = strings.Replace(body, "1000", "1001", 1) // and now it has another one
		w.mu.Unlock()
		h.clock.Advance(time.Minute)
		h.drain()
		h.is(in.ID, Unknown)
		w.mu.Lock()
		w.bodies[in.ID], w.status[in.ID] = body, StatusSettled
		w.mu.Unlock()
		h.clock.Advance(time.Minute)
		h.drain()
		h.is(in.ID, Settled)
	})
}

// A crash after each step of driving leaves what the next try finishes.
func TestWalletCrashes(t *testing.T) {
	bothWallet(t, func(h *house, w *fakeWallet, f *db.Faults) {
		n := 0
		for _, set := range []func(int){f.LoseCommit, f.MuteCommit} {
			for at := 1; at <= 8; at++ {
				n++
				in := order(n, 10, RailWallet)
				if n%2 == 0 {
					w.mu.Lock()
					w.modes = []mode{loseAnswer}
					w.mu.Unlock()
				}
				set(at)
				for try := 0; ; try++ {
					if _, err := h.pay(in); err == nil {
						break
					} else if try > 3 {
						h.Fatal(err)
					}
				}
				for range 6 {
					h.cfg.Queue.Drain(h.ctx)
					h.clock.Advance(time.Minute)
				}
				h.is(in.ID, Settled)
			}
		}
		if len(w.paid) != n {
			h.Fatalf("the wallet paid %d of %d", len(w.paid), n)
		}
		sum, times := h.ledgerPaid("inc_1")
		if sum != 1000*int64(n) || len(times) != n {
			h.Fatal(sum, times)
		}
		h.cleanBooks()
	})
}

func TestWalletRefusals(t *testing.T) {
	clock := newClock(t)
	for _, c := range []WalletConfig{
		{BaseURL: "https://w.example", Secret: secret}, {BaseURL: "https://w.example", Secret: []byte("short"), Clock: clock},
		{BaseURL: "http://w.example", Secret: secret, Clock: clock}, {BaseURL: "https://a:b@w.example", Secret: secret, Clock: clock},
		{BaseURL: "https://w.example?x", Secret: secret, Clock: clock}, {BaseURL: "ftp://w.example", Secret: secret, Clock: clock},
		{BaseURL: "", Secret: secret, Clock: clock}, {BaseURL: "https://w.example#x", Secret: secret, Clock: clock},
	} {
		if _, err := NewWallet(c); ident.CodeOf(err) != "wallet_config" {
			t.Errorf("%s: %v", c.BaseURL, err)
		}
	}
	w, err := NewWallet(WalletConfig{BaseURL: "http://127.0.0.1:1", Secret: secret, Clock: clock})
	if err != nil {
		t.Fatal(err)
	}
	p := Payout{PayIn: order(1, 10, RailWallet)}
	if _, err := w.Send(t.Context(), p); !ident.Is(err, ident.KindUnavailable) {
		t.Error("nobody listens:", err)
	}
	for code, want := range map[int]string{400: "rail_refused", 401: "rail_refused", 404: "rail_refused", 408: "rail_answer_lost", 409: "rail_conflict",
		429: "rail_busy", 500: "rail_answer_lost", 302: "rail_answer_lost", 200: "rail_answer_lost"} {
		if _, err := w.understand(p, code, nil); ident.CodeOf(err) != want {
			t.Errorf("%d: %v", code, err)
		}
	}
	good := `{"id":"` + p.ID + `","status":"settled","reference":"r"}`
	if a, err := w.understand(p, 201, []byte(good)); err != nil || a.Ref != "r" {
		t.Error(a, err)
	}
	for _, bad := range []string{strings.Replace(good, p.ID, "po_2", 1), strings.Replace(good, "}", `,"amount":1,"currency":"CNY"}`, 1)} {
		if _, err := w.understand(p, 200, []byte(bad)); ident.CodeOf(err) != "rail_conflict" {
			t.Error(bad, err)
		}
	}
	if _, err := w.understand(p, 200, []byte(strings.Replace(good, "settled", "maybe", 1))); !ident.Is(err, ident.KindUnknown) {
		t.Error(err)
	}
	if wait(0) != firstLook || wait(3) != 8*firstLook || wait(100) != lastLook {
		t.Error(wait(0), wait(3), wait(100))
	}
}
