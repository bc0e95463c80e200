package sim

import (
	"encoding/json"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"

	"surety/domain/fund"
)

// walletSecret is shared with the house.
const walletSecret = "a secret of thirty-two bytes, yes"

// wallet plays the host wallet: honest about money, careless about everything
// else. It loses requests, loses answers, is busy, takes its time, and says no.
type wallet struct {
	srv *httptest.Server

	mu      sync.Mutex
	rnd     *rand.Rand         // guarded by mu, as all below
	honest  bool               // from now on it only answers
	credits map[string]*credit // by payout
	forged  int                // calls with a wrong signature
	differs int                // one id with two bodies
}

// credit is what it was asked to pay under one id.
type credit struct {
	body   string
	Amount int64 `json:"amount"`
	status string
	asked  int // how often it was asked to pay it
}

func newWallet(rnd *rand.Rand) *wallet {
	w := &wallet{rnd: rnd, credits: map[string]*credit{}}
	w.srv = httptest.NewServer(w)
	return w
}

// ServeHTTP implements http.Handler.
func (w *wallet) ServeHTTP(out http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	stamp := req.Header.Get("X-Surety-Timestamp")
	if req.Header.Get("X-Surety-Signature") != fund.Signature([]byte(walletSecret), stamp, req.Method, req.URL.EscapedPath(), body) {
		w.forged++
		out.WriteHeader(http.StatusUnauthorized)
		return
	}
	mood := w.rnd.IntN(8)
	if w.honest {
		mood = 7
	}
	switch mood {
	case 0: // the request is lost
		hangUp(out)
		return
	case 1:
		out.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	id, c := strings.TrimPrefix(req.URL.Path, "/credits/"), (*credit)(nil)
	if req.Method == http.MethodPost {
		id = req.Header.Get("Idempotency-Key")
		c = w.take(id, string(body))
	} else {
		c = w.credits[id]
	}
	if mood == 2 { // the answer is lost
		hangUp(out)
		return
	}
	w.answer(out, id, string(body), c)
}

// take pays once for each id, whatever it is sent.
func (w *wallet) take(id, body string) *credit {
	c := w.credits[id]
	if c == nil {
		c = &credit{body: body, status: []string{"settled", "settled", "accepted", "rejected"}[w.rnd.IntN(4)]}
		if json.Unmarshal([]byte(body), c) != nil {
			c.status = "rejected"
		}
		w.credits[id] = c
	}
	c.asked++
	return c
}

func (w *wallet) answer(out http.ResponseWriter, id, body string, c *credit) {
	switch {
	case c == nil:
		out.WriteHeader(http.StatusNotFound)
		return
	case body != "" && body != c.body:
		w.differs++
		out.WriteHeader(http.StatusConflict)
		return
	}
	if c.status == "accepted" && (w.honest || w.rnd.IntN(2) == 0) { // it has got round to it
		c.status = "settled"
	}
	text, err := json.Marshal(map[string]any{"id": id, "status": c.status, "amount": c.Amount, "currency": "CNY",
		"reference": "W-" + id[max(0, len(id)-8):], "reason": "no"})
	if err == nil {
		_, _ = out.Write(text)
	}
}

// paid lists what it has paid, by payout.
func (w *wallet) paid() map[string]int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := map[string]int64{}
	for id, c := range w.credits {
		if c.status == "settled" {
			out[id] = c.Amount
		}
	}
	return out
}

// status is what it says of a payout; "" if it has never seen it.
func (w *wallet) status(id string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if c := w.credits[id]; c != nil {
		return c.status
	}
	return ""
}

func (w *wallet) beHonest() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.honest = true
}

// hangUp closes the connection without a word.
func hangUp(out http.ResponseWriter) {
	if h, ok := out.(http.Hijacker); ok {
		if conn, _, err := h.Hijack(); err == nil {
			conn.Close()
		}
	}
}
