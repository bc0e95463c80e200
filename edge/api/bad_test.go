package api

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"surety/kernel/ident"
	"surety/platform/db"
	"surety/platform/db/dbtest"
)

var dbtestOptions = dbtest.Options{}

func newPipe() (*io.PipeReader, *io.PipeWriter) { return io.Pipe() }

const okPayment = `{"id":"n-1","at":"2026-05-30T09:00:00+08:00","payer":"W100001","payee":"W100009",` +
	`"amount":{"value":100,"currency":"CNY"},"type":"transfer"}`

// badInput is one wrong request and what is said of it.
type badInput struct {
	name, path, seat string
	body             text
	status           int
	code, field      string // "*" is any
	row              int
}

// badInputs are the wrong bodies; each begins with what would be right.
func badInputs() []badInput {
	pay := func(from, to string) text { return text{typeJSON, strings.Replace(okPayment, from, to, 1)} }
	csv := func(from, to string) text { return text{typeCSV, strings.Replace(paymentsCSV, from, to, 1)} }
	claim := func(s string) text { return text{typeJSON, s} }
	return []badInput{
		{"negative", "/v1/payments/assess", "key-host", pay("100,", "-1,"), 422, "amount_not_positive", "amount", 0},
		{"zero", "/v1/payments/assess", "key-host", pay("100,", "0,"), 422, "amount_not_positive", "amount", 0},
		{"exponent", "/v1/payments/assess", "key-host", pay("100,", "1e9,"), 422, "amount_not_integer", "amount.value", 0},
		{"fraction", "/v1/payments/assess", "key-host", pay("100,", "1.5,"), 422, "amount_not_integer", "amount.value", 0},
		{"full width", "/v1/payments/assess", "key-host", pay("100,", `"１００",`), 422, "amount_malformed", "amount", 0},
		{"overflow", "/v1/payments/assess", "key-host", pay("100,", "9223372036854775808,"), 422, "amount_not_integer", "amount.value", 0},
		{"currency", "/v1/payments/assess", "key-host", pay(`"CNY"`, `"XXX"`), 422, "currency_unknown", "amount.currency", 0},
		{"unknown field", "/v1/payments/assess", "key-host", pay(`"type"`, `"Type":"x","type"`), 422, "field_unknown", "Type", 0},
		{"field twice", "/v1/payments/assess", "key-host", pay(`"type"`, `"id":"n-2","type"`), 422, "field_twice", "id", 0},
		{"truncated", "/v1/payments/assess", "key-host", text{typeJSON, okPayment[:50]}, 422, "json_truncated", "", 0},
		{"empty", "/v1/payments/assess", "key-host", text{typeJSON, ""}, 422, "body_empty", "", 0},
		{"gb18030", "/v1/payments/assess", "key-host", pay(`"type"`, "\"city\":\"\xc0\xd6\xc9\xbd\",\"type\""), 422, "not_utf8", "", 0},
		{"nul", "/v1/payments/assess", "key-host", pay(`"type"`, `"city":"\u0000","type"`), 422, "control_character", "city", 0},
		{"bad id", "/v1/payments/assess", "key-host", pay("n-1", "n 1"), 422, "bad_character", "id", 0},
		{"long id", "/v1/payments/assess", "key-host", pay("n-1", strings.Repeat("n", 65)), 422, "too_long", "id", 0},
		{"time", "/v1/payments/assess", "key-host", pay("2026-05-30T09:00:00+08:00", "30.5.2026"), 422, "time_malformed", "at", 0},
		{"type", "/v1/payments/assess", "key-host", pay(`"transfer"`, `"gift"`), 422, "unknown", "type", 0},
		{"to oneself", "/v1/payments/assess", "key-host", pay("W100009", "W100001"), 422, "payer_is_payee", "payee", 0},
		{"content type", "/v1/payments/assess", "key-host", text{"text/plain", okPayment}, 422, "content_type", "Content-Type", 0},
		{"charset", "/v1/payments/assess", "key-host",
			text{"application/json; charset=gb18030", okPayment}, 422, "charset", "Content-Type", 0},
		{"parameter", "/v1/payments/assess?dry=1", "key-host", text{typeJSON, okPayment}, 422, "parameter_unknown", "dry", 0},
		{"csv negative", "/v1/payments/import", "key-host", csv("2000000", "-1"), 422, "amount_not_positive", "amount", 3},
		{"csv exponent", "/v1/payments/import", "key-host", csv("11282800", "1e9"), 422, "amount_not_integer", "amount_fen", 2},
		{"csv full width", "/v1/payments/import", "key-host", csv("11282800", "１２,３４５.6７"), 422, "csv", "", 2},
		{"csv header", "/v1/payments/import", "key-host", csv("payment_id", "id"), 422, "header", "", 1},
		{"csv gb18030", "/v1/payments/import", "key-host", csv("成都\npay-2", "\xb3\xc9\xb6\xbc\npay-2"), 422, "not_utf8", "", 2},
		{"csv cut off", "/v1/payments/import", "key-host", text{typeCSV, paymentsCSV[:len(paymentsCSV)-20]}, 422, "csv", "", 3},
		{"accounts twice", "/v1/accounts/import", "key-host", text{typeCSV, accountsCSV + strings.Split(accountsCSV, "\n")[1] + "\n"},
			422, "twice", "account", 5},
		{"accounts date", "/v1/accounts/import", "key-host", text{typeCSV, strings.Replace(accountsCSV, "2023-06-16", "16.6.23", 1)},
			422, "date", "opened", 2},
		{"no such account", "/v1/claims", "key-host",
			claim(`{"id":"c","kind":"theft","account":"W999","claimed":{"value":1,"currency":"CNY"}}`), 422, "account_not_found", "account", 0},
		{"no such payment", "/v1/claims", "key-host", claim(`{"id":"c","kind":"theft","account":"W100001","payments":["pay-9"]}`),
			422, "payment_not_found", "payments", 0},
		{"another's payment", "/v1/claims", "owner", claim(`{"id":"c","kind":"theft","account":"W100001","payments":["pay-2"]}`),
			422, "payment_not_found", "payments", 0},
		{"claim of nothing", "/v1/claims", "owner",
			claim(`{"id":"c","kind":"theft","account":"W100001"}`), 422, "currency_unknown", "claimed", 0},
		{"no such fund", "/v1/funds/none/deposits", "fund",
			claim(`{"id":"d","amount":{"value":1,"currency":"CNY"}}`), 404, "fund_not_found", "", 0},
		{"deposit of less than nothing", "/v1/funds/emergency/deposits", "fund", claim(`{"id":"d","amount":{"value":-1,"currency":"CNY"}}`),
			422, "amount_not_positive", "amount", 0},
		{"link for nobody", "/v1/links", "key-host", claim(`{"account":"W999"}`), 422, "account_not_found", "account", 0},
		{"bank's answer", "/v1/payouts/status", "fund", text{typeXML, "<a>"}, 422, "*", "*", 0},
	}
}

// Whatever is wrong is named, and nothing is written.
func TestBadInput(t *testing.T) {
	both(t, func(h *house) {
		before := h.rows()
		for _, c := range badInputs() {
			p := h.call("POST", c.path, c.seat, c.body).problem(t)
			var at ProblemField
			if len(p.Errors) > 0 {
				at = p.Errors[0]
			}
			if p.Status != c.status || c.code != "*" && p.Code != c.code || c.field != "*" && at.Field != c.field || at.Row != c.row {
				t.Errorf("%s: %d %s field %q row %d, want %d %s %q %d: %s", c.name, p.Status, p.Code, at.Field, at.Row,
					c.status, c.code, c.field, c.row, p.Detail)
			}
			if p.Detail == "" || p.RequestID == "" || p.Title == "" {
				t.Errorf("%s: %+v says too little", c.name, p)
			}
		}
		if after := h.rows(); fmt.Sprint(after) != fmt.Sprint(before) {
			t.Errorf("something was written: %v, before %v", after, before)
		}
		h.want(200, "POST", "/v1/payments/assess", "key-host", text{typeJSON, okPayment}) // the control: it can be right
	})
}

// endless is a body that is never at its end.
type endless struct{ sent int64 }

func (e *endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	e.sent += int64(len(p))
	return len(p), nil
}

// 100 MB are refused by their announced length without a byte read, and at the
// limit if the length is not told.
func TestTooLarge(t *testing.T) {
	h := onSQLite(t, dbtestOptions)
	conn, err := net.Dial("tcp", strings.TrimPrefix(h.url, "http://"))
	must(t, err)
	defer conn.Close()
	must(t, conn.SetDeadline(ident.WallClock{}.Now().Add(5*time.Second)))
	fmt.Fprintf(conn, "POST /v1/payments/assess HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\n"+
		"Content-Length: 100000000\r\n\r\n", h.tokens["key-host"]) // and not one byte more
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	must(t, err)
	if resp.StatusCode != 413 || !resp.Close {
		t.Errorf("announced: %d, close %v", resp.StatusCode, resp.Close)
	}
	for path, kind := range map[string]string{"/v1/payments/assess": typeJSON, "/v1/accounts/import": typeCSV,
		"/v1/payments/import": typeCSV, "/v1/certificates/verify": typePDF} {
		body := &endless{}
		r := httptest.NewRequest("POST", path, body)
		r.ContentLength = -1
		r.Header.Set("Content-Type", kind)
		r.Header.Set("Authorization", "Bearer "+h.tokens["key-host"])
		w := httptest.NewRecorder()
		h.api.ServeHTTP(w, r)
		if w.Code != 413 || body.sent > importLimit+mib {
			t.Errorf("%s: %d after %d bytes: %s", path, w.Code, body.sent, w.Body)
		}
	}
}

// What was lost is told as what it is: nothing done, or nobody knows.
func TestLostCommits(t *testing.T) {
	for _, dialect := range []db.Dialect{db.SQLite, db.Postgres} {
		t.Run(string(dialect), func(t *testing.T) {
			faults := &db.Faults{}
			h := build(t, dbtest.Open(t, dialect, dbtest.Options{Migrations: migrations(t), Faults: faults}))
			faults.MuteCommit(1)
			a := h.call("POST", "/v1/payments/assess", "key-host", paymentIn("m-1"))
			p := a.problem(t)
			if p.Status != 503 || p.Code != "outcome_unknown" || p.Lookup != "/v1/payments/m-1" || a.header.Get("Retry-After") != "" {
				t.Errorf("a mute commit: %+v", p)
			}
			h.want(200, "GET", p.Lookup, "key-host", nil) // it had happened
			if a := h.want(200, "POST", "/v1/payments/assess", "key-host", paymentIn("m-1")); a.header.Get("Idempotency-Hit") != "true" {
				t.Error("the same again is not the recorded answer")
			}
			faults.LoseCommit(1)
			a = h.call("POST", "/v1/payments/assess", "key-host", paymentIn("m-2"))
			p = a.problem(t)
			if p.Status != 503 || p.Kind != "unavailable" && p.Kind != "unknown" {
				t.Errorf("a lost commit: %+v", p)
			}
			h.want(404, "GET", "/v1/payments/m-2", "key-host", nil)
			h.want(200, "POST", "/v1/payments/assess", "key-host", paymentIn("m-2"))
		})
	}
}

func TestProblems(t *testing.T) {
	deadline := fmt.Errorf("run: %w", context.DeadlineExceeded)
	secret := errors.New("password=hunter2")
	for _, c := range []struct {
		err    error
		writes bool
		status int
		code   string
	}{
		{ident.Invalid("a", "x", "m"), true, 422, "x"},
		{ident.NotFound("claim", "1"), true, 404, "claim_not_found"},
		{ident.E(ident.KindConflict, "x", "m"), true, 409, "x"},
		{ident.E(ident.KindState, "x", "m"), true, 409, "x"},
		{ident.E(ident.KindDenied, "x", "m"), true, 403, "x"},
		{ident.E(ident.KindUnsignedIn, "x", "m"), true, 401, "x"},
		{ident.E(ident.KindLimit, "x", "m"), true, 422, "x"},
		{ident.E(ident.KindTooLarge, "x", "m"), true, 413, "x"},
		{ident.E(ident.KindUnavailable, "x", "m").Because(secret), true, 503, "x"},
		{ident.E(ident.KindUnknown, "x", "m").Because(secret), true, 503, "outcome_unknown"},
		{ident.E(ident.KindInternal, "x", "m").Because(secret), true, 500, "internal"},
		{secret, true, 500, "internal"},
		{fmt.Errorf("victim: %w", ident.E(ident.KindState, "x", "m").Because(secret)), true, 409, "x"},
		{deadline, true, 503, "outcome_unknown"},
		{deadline, false, 503, "timeout"},
		{errors.Join(ident.Invalid("a", "x", "m"), ident.Invalid("b", "y", "n")), true, 422, "x"},
		{fmt.Errorf("read: %w", &http.MaxBytesError{Limit: 5}), true, 413, "body_too_large"},
	} {
		p := problemOf(c.err, "req_1", "/v1/x", c.writes)
		w := httptest.NewRecorder()
		p.write(w)
		if p.Status != c.status || p.Code != c.code || strings.Contains(w.Body.String(), "hunter2") {
			t.Errorf("%v: %s", c.err, w.Body)
		}
		if retry := w.Header().Get("Retry-After") != ""; retry != (p.Kind == "unavailable") {
			t.Errorf("%v: Retry-After %v", c.err, retry)
		}
	}
}

// The frame around every route: no route, a wrong method, a panic, probes, logs
// without anybody in them.
func TestFrame(t *testing.T) {
	h := onSQLite(t, dbtestOptions)
	if p := h.want(404, "GET", "/v2/payments", "", nil).problem(t); p.Code != "route_not_found" {
		t.Errorf("%+v", p)
	}
	a := h.want(405, "PUT", "/v1/claims", "", nil)
	if a.problem(t).Code != "method_not_allowed" || a.header.Get("Allow") != "GET, POST" {
		t.Errorf("%v %s", a.header, a.body)
	}
	h.want(200, "GET", "/healthz", "", nil)
	h.want(200, "GET", "/readyz", "", nil)
	if a := h.want(200, "GET", "/openapi.json", "", nil); !strings.Contains(string(a.body), `"openapi": "3.1.0"`) {
		t.Errorf("%.100s", a.body)
	}
	h.want(401, "GET", "/v1/claims/%E5%AE%8B", "", nil)
	p := h.want(401, "GET", "/v1/payments/pay-1", "wrong", nil)
	if p.header.Get("WWW-Authenticate") == "" || p.header.Get("Cache-Control") != "no-store" || p.header.Get("X-Request-Id") == "" {
		t.Errorf("headers: %v", p.header)
	}
	h.want(422, "GET", "/v1/claims/%E5%AE%8B", "handler", nil)
	h.want(422, "GET", "/v1/payments?cursor=xx", "analyst", nil)
	h.want(422, "GET", "/v1/payments?limit=0", "analyst", nil)
	h.want(422, "GET", "/v1/payments?from=x", "analyst", nil)
	h.want(422, "GET", "/v1/payments?state=gone", "analyst", nil)
	h.want(422, "GET", "/v1/reports/loss-rate?from=2026-01-01T00:00:00Z&to=2025-01-01T00:00:00Z", "analyst", nil)

	h.api.mux.HandleFunc("GET /panic", func(http.ResponseWriter, *http.Request) { panic("boom 17000015947") })
	h.want(500, "GET", "/panic", "", nil)
	for _, line := range strings.Split(h.log.String(), "\n") {
		if strings.Contains(line, `"msg":"request"`) && (strings.Contains(line, "W100001") || strings.Contains(line, "宋伟") ||
			strings.Contains(line, "pay-1") || strings.Contains(line, "sk_") || strings.Contains(line, "17000015947")) {
			t.Errorf("the log names somebody: %s", line)
		}
	}
	var after answered
	h.clock.Advance(13 * time.Hour)
	if after = h.call("GET", "/v1/claims", "handler", nil); after.status != 401 {
		t.Errorf("a session that is over: %d", after.status)
	}
	if _, err := New(Config{}); err == nil {
		t.Error("New without its parts")
	}
}
