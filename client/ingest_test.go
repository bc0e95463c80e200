package client_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"io"
	"math"
	"net/http"
	"slices"
	"testing"
	"time"

	"surety/client"
	"surety/kernel/ident"
	"surety/kernel/money"
)

// The frames that the server's own test (edge/api) reads and writes too: so both
// sides keep to one form.
const (
	goldenPayment = "6c000000010304434e5905c40e7bfe520600eaedc201ccaad0f980890f03702d3107573130303030310c42414e4b3a494342433a36320361" +
		"7070056465762d310831302e302e302e3106e4b990e5b1b1025437024d3106636172645f390b313730303030313539343706e59b9be5b79d"
	goldenAnswer  = "2500000001ac02000102800403702d31020a6e65775f64657669636506616d6f756e74010466616365"
	goldenProblem = "2900000001ad020107696e76616c6964116163636f756e745f6e6f745f666f756e64046e6f6e65057061796572"
)

func streamed() client.IngestPayment {
	lat, lon := 29.552106, -103.7653
	return client.IngestPayment{
		Payment: client.Payment{ID: "p-1", At: time.Date(2026, 5, 30, 1, 0, 0, 5000, time.UTC), Payer: "W100001", Payee: "BANK:ICBC:62",
			Amount: money.Of(123456, money.CNY), Type: "withdrawal", Channel: "app", Device: "dev-1", IP: "10.0.0.1", City: "乐山", Settled: true},
		Terminal: "T7", Merchant: "M1", Card: "card_9", Phone: "17000015947", Region: "四川", Lat: &lat, Lon: &lon,
	}
}

func TestFrameForm(t *testing.T) {
	p := streamed()
	b, err := client.AppendPaymentFrame(nil, &p)
	if err != nil || hex.EncodeToString(b) != goldenPayment {
		t.Errorf("%v %x", err, b)
	}
	raw, err := hex.DecodeString(goldenAnswer + goldenProblem)
	if err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(bytes.NewReader(raw))
	a, err := client.ReadAnswerFrame(in)
	if err != nil || a.Line != 300 || a.ID != "p-1" || a.Outcome != "challenge" || a.Score != 512 || !a.Again ||
		!slices.Equal(a.Reasons, []string{"new_device", "amount"}) || !slices.Equal(a.Proofs, []string{"face"}) || a.Problem != nil {
		t.Errorf("%v %+v", err, a)
	}
	a, err = client.ReadAnswerFrame(in)
	if err != nil || a.Line != 301 || a.Problem.Kind != ident.KindInvalid || a.Problem.Code != "account_not_found" ||
		a.Problem.Field() != "payer" || a.Problem.Row() != 301 {
		t.Errorf("%v %+v", err, a)
	}
	if _, err = client.ReadAnswerFrame(in); !errors.Is(err, io.EOF) {
		t.Error(err)
	}
	for n := 1; n < len(raw); n++ { // cut off anywhere: never an answer that was not sent
		in := bufio.NewReader(bytes.NewReader(raw[:n]))
		for {
			a, err := client.ReadAnswerFrame(in)
			if err != nil {
				break
			}
			if a.Line != 300 && a.Line != 301 {
				t.Fatalf("cut at %d: %+v", n, a)
			}
		}
	}
}

func TestFrameRefuses(t *testing.T) {
	for code, spoil := range map[string]func(*client.IngestPayment){
		"unknown":            func(p *client.IngestPayment) { p.Type = "gift" },
		"currency_unknown":   func(p *client.IngestPayment) { p.Amount.Currency = "YUAN" },
		"place_incomplete":   func(p *client.IngestPayment) { p.Lon = nil },
		"place_out_of_range": func(p *client.IngestPayment) { nan := math.NaN(); p.Lat = &nan },
		"line_too_long":      func(p *client.IngestPayment) { p.City = string(make([]byte, 20_000)) },
	} {
		p := streamed()
		spoil(&p)
		b, err := client.AppendPaymentFrame([]byte("before"), &p)
		if ident.CodeOf(err) != code || string(b) != "before" {
			t.Errorf("%s: %v %q", code, err, b)
		}
	}
}

// Answers come in order; a payment that cannot be sent is named when those before
// it were answered.
func TestIngest(t *testing.T) {
	answer, _ := hex.DecodeString(goldenAnswer)
	c := serve(t, client.Config{}, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Content-Type") != "application/x-surety-frames" || r.URL.Path != "/v1/payments/ingest" {
			w.WriteHeader(500)
			return
		}
		body, _ := io.ReadAll(r.Body)
		for range bytes.Count(body, []byte("W100001")) {
			w.Write(answer)
		}
	})
	bad := streamed()
	bad.Type = "gift"
	for _, tc := range []struct {
		name string
		ps   []client.IngestPayment
		n    int
		code string
	}{
		{"none", nil, 0, ""}, {"two", []client.IngestPayment{streamed(), streamed()}, 2, ""},
		{"third bad", []client.IngestPayment{streamed(), streamed(), bad, streamed()}, 2, "unknown"},
	} {
		n := 0
		err := c.Ingest(context.Background(), slices.Values(tc.ps), func(a client.IngestAnswer) error {
			if a.ID != "p-1" {
				t.Errorf("%+v", a)
			}
			n++
			return nil
		})
		if n != tc.n || ident.CodeOf(err) != tc.code {
			t.Errorf("%s: %d answers, %v", tc.name, n, err)
		}
	}
	short := serve(t, client.Config{}, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.Write(answer)
	})
	err := short.Ingest(context.Background(), slices.Values([]client.IngestPayment{streamed(), streamed()}), func(client.IngestAnswer) error { return nil })
	if ident.CodeOf(err) != "batch_stopped" {
		t.Error(err)
	}
	enough := errors.New("enough")
	err = short.Ingest(context.Background(), slices.Values([]client.IngestPayment{streamed(), streamed()}), func(client.IngestAnswer) error { return enough })
	if !errors.Is(err, enough) {
		t.Error(err)
	}
}
