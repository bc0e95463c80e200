package client_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"surety/client"
	"surety/kernel/ident"
	"surety/kernel/money"
)

// serve is a Surety that answers with fn.
func serve(t *testing.T, cfg client.Config, fn http.HandlerFunc) *client.Client {
	t.Helper()
	srv := httptest.NewServer(fn)
	t.Cleanup(srv.Close)
	cfg.Wait = time.Millisecond
	c, err := client.NewWith(srv.URL+"/", "sk_x", cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func problem(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	io.WriteString(w, body)
}

const (
	unavailable = `{"kind":"unavailable","code":"db_busy","status":503,"detail":"later"}`
	unknown     = `{"kind":"unknown","code":"outcome_unknown","status":503,"lookup":"/v1/payments/p"}`
	invalid     = `{"kind":"invalid","code":"amount_not_positive","status":422,"detail":"more",
"errors":[{"field":"amount","row":3,"code":"x"}]}`
)

// Only what was not done is repeated, with the same body, and not for ever.
func TestRetries(t *testing.T) {
	for _, c := range []struct {
		name    string
		answers []string // "" is success; the last goes on
		retries int
		calls   int32
		kind    ident.Kind
	}{
		{"twice busy", []string{unavailable, unavailable, ""}, 0, 3, ""},
		{"always busy", []string{unavailable}, 3, 4, ident.KindUnavailable},
		{"never again", []string{unavailable}, -1, 1, ident.KindUnavailable},
		{"unknown", []string{unknown}, 0, 1, ident.KindUnknown},
		{"invalid", []string{invalid}, 0, 1, ident.KindInvalid},
	} {
		t.Run(c.name, func(t *testing.T) {
			var calls atomic.Int32
			var bodies []string
			cl := serve(t, client.Config{Retries: c.retries}, func(w http.ResponseWriter, r *http.Request) {
				n := int(calls.Add(1))
				b, _ := io.ReadAll(r.Body)
				bodies = append(bodies, string(b))
				if a := c.answers[min(n, len(c.answers))-1]; a != "" {
					var p struct{ Status int }
					json.Unmarshal([]byte(a), &p)
					problem(w, p.Status, a)
					return
				}
				io.WriteString(w, `{"id":"p"}`)
			})
			_, _, err := cl.Assess(context.Background(), client.Payment{ID: "p"})
			if calls.Load() != c.calls {
				t.Errorf("%d calls, want %d", calls.Load(), c.calls)
			}
			if p, ok := client.AsProblem(err); (err != nil) != (c.kind != "") || ok && p.Kind != c.kind {
				t.Errorf("%v, want kind %q", err, c.kind)
			}
			for _, b := range bodies {
				if b != bodies[0] || !strings.Contains(b, `"id":"p"`) {
					t.Errorf("body %q, the first was %q", b, bodies[0])
				}
			}
		})
	}
}

func TestProblemSaysWhere(t *testing.T) {
	c := serve(t, client.Config{}, func(w http.ResponseWriter, r *http.Request) { problem(w, 422, invalid) })
	_, err := c.ImportPayments(context.Background(), strings.NewReader("x"), nil)
	p, ok := client.AsProblem(err)
	if !ok || p.Kind != ident.KindInvalid || p.Code != "amount_not_positive" || p.Field() != "amount" || p.Row() != 3 {
		t.Fatalf("%v", err)
	}
	if s := err.Error(); !strings.Contains(s, "field amount") || !strings.Contains(s, "row 3") {
		t.Error(s)
	}
}

// An answer that breaks off is unknown for a change and unavailable for a look.
func TestBrokenAnswers(t *testing.T) {
	c := serve(t, client.Config{Retries: -1}, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "proxy") {
			http.Error(w, "bad gateway", 502)
			return
		}
		w.Header().Set("Content-Length", "100")
		io.WriteString(w, `{"id":`)
	})
	ctx := context.Background()
	if _, _, err := c.Assess(ctx, client.Payment{ID: "p"}); !ident.Is(err, ident.KindUnknown) {
		t.Errorf("a change: %v", err)
	}
	if _, err := c.Payment(ctx, "p"); !ident.Is(err, ident.KindUnavailable) {
		t.Errorf("a look: %v", err)
	}
	if _, err := c.Do(ctx, "POST", "/proxy", nil, nil); !ident.Is(err, ident.KindUnknown) {
		t.Errorf("a proxy: %v", err)
	}
	for _, bad := range []string{"", "surety", "ftp://x", "http://"} {
		if _, err := client.New(bad, ""); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

func TestImportTellsProgress(t *testing.T) {
	for last, want := range map[string]bool{
		`{"report":{"rows":1000,"assessed":1000}}`: true, `{"problem":` + unknown + `}`: false, "": false,
	} {
		c := serve(t, client.Config{}, func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Accept") != "application/x-ndjson" || r.Header.Get("Content-Type") != "text/csv" {
				t.Errorf("headers %v", r.Header)
			}
			io.Copy(io.Discard, r.Body)
			fmt.Fprintf(w, "{\"done\":500,\"total\":1000}\n{\"done\":1000,\"total\":1000}\n%s\n", last)
		})
		var seen []int
		rep, err := c.ImportPayments(context.Background(), strings.NewReader("x"), func(done, total int) { seen = append(seen, done) })
		if !slices.Equal(seen, []int{500, 1000}) || (err == nil) != want || want && rep.Assessed != 1000 {
			t.Errorf("%q: %v %+v %v", last, seen, rep, err)
		}
	}
}

// A batch is handed over as it goes; what has no answer is told.
func TestAssessAll(t *testing.T) {
	answer := func(limit int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			http.NewResponseController(w).EnableFullDuplex()
			in := bufio.NewScanner(r.Body)
			for n := 1; n <= limit && in.Scan(); n++ {
				var p client.Payment
				json.Unmarshal(in.Bytes(), &p)
				fmt.Fprintf(w, "{\"line\":%d,\"payment\":{\"id\":%q}}\n", n, p.ID)
				http.NewResponseController(w).Flush()
			}
		}
	}
	payments := func(yield func(client.Payment) bool) {
		for i := range 1000 {
			if !yield(client.Payment{ID: fmt.Sprint("p", i), Amount: money.Of(1, money.CNY)}) {
				return
			}
		}
	}
	n := 0
	count := func(l client.BatchLine) error {
		if n++; l.Line != n || l.Payment.ID != fmt.Sprint("p", n-1) {
			return fmt.Errorf("line %d: %+v", n, l)
		}
		return nil
	}
	if err := serve(t, client.Config{}, answer(5000)).AssessAll(context.Background(), payments, count); err != nil || n != 1000 {
		t.Errorf("%d answers, %v", n, err)
	}
	n = 0
	err := serve(t, client.Config{}, answer(10)).AssessAll(context.Background(), payments, count)
	if n != 10 || err == nil {
		t.Errorf("a stream that stopped: %d answers, %v", n, err)
	}
	enough := errors.New("enough")
	err = serve(t, client.Config{}, answer(5000)).AssessAll(context.Background(), payments, func(client.BatchLine) error { return enough })
	if !errors.Is(err, enough) {
		t.Errorf("%v", err)
	}
}
