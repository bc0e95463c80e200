package api

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"surety/domain/payment"
	"surety/domain/risk"
	"surety/kernel/ident"
	"surety/kernel/money"
	"surety/platform/db"
	"surety/platform/db/dbtest"
	"surety/platform/journal"
)

// The frames that the client's own test (package client) writes and reads too: so
// both sides keep to one form.
const (
	goldenPayment = "6c000000010304434e5905c40e7bfe520600eaedc201ccaad0f980890f03702d3107573130303030310c42414e4b3a494342433a36320361" +
		"7070056465762d310831302e302e302e3106e4b990e5b1b1025437024d3106636172645f390b313730303030313539343706e59b9be5b79d"
	goldenAnswer  = "2500000001ac02000102800403702d31020a6e65775f64657669636506616d6f756e74010466616365"
	goldenProblem = "2900000001ad020107696e76616c6964116163636f756e745f6e6f745f666f756e64046e6f6e65057061796572"
)

func streamed() payment.Request {
	return payment.Request{ID: "p-1", At: time.Date(2026, 5, 30, 1, 0, 0, 5000, time.UTC), Payer: "W100001", Payee: "BANK:ICBC:62",
		Amount: money.Of(123456, money.CNY), Type: "withdrawal", Channel: "app", Device: "dev-1", IP: "10.0.0.1", City: "乐山", Settled: true,
		Terminal: "T7", Merchant: "M1", Card: "card_9", Phone: "17000015947", Region: "四川",
		Lat: payment.Degree{Micro: 29_552_106, Given: true}, Lon: payment.Degree{Micro: -103_765_300, Given: true}}
}

func TestFrameForm(t *testing.T) {
	raw, err := hex.DecodeString(goldenPayment)
	must(t, err)
	r, err := readFrame(string(raw[4:]))
	if err != nil || r != streamed() || int(binary.LittleEndian.Uint32(raw)) != len(raw)-4 {
		t.Errorf("%v %+v", err, r)
	}
	for n := range raw[4:] {
		if _, err := readFrame(string(raw[4 : 4+n])); !ident.Is(err, ident.KindInvalid) {
			t.Fatalf("cut at %d: %v", n, err)
		}
	}
	res := payment.Result{Again: true, Payment: payment.Payment{Request: streamed(), Decision: risk.Decision{Outcome: risk.Challenge, Score: 512,
		Reasons: []risk.Reason{{Code: "new_device"}, {Code: "amount"}}, Proofs: []string{"face"}}}}
	if got := hex.EncodeToString(appendFrame(nil, 300, &res, nil)); got != goldenAnswer {
		t.Error(got)
	}
	p := Problem{Kind: "invalid", Code: "account_not_found", Detail: "none", Errors: []ProblemField{{Field: "payer", Row: 301}}}
	if got := hex.EncodeToString(appendFrame(nil, 301, nil, &p)); got != goldenProblem {
		t.Error(got)
	}
}

// What is read by hand is what the general decoder reads; what that refuses is
// refused, by it.
func FuzzDecodePayment(f *testing.F) {
	for _, s := range []string{okPayment, `{}`, `{"id":"a","id":"b"}`, `{"at":"2024-02-30T00:00:00Z"}`, `{"at":"2024-02-29T23:59:59.123456789+23:59"}`,
		`{"at":"2024-02-29T24:00:00Z"}`, `{"at":"2024-02-29T00:00:60Z"}`, `{"at":"2024-02-29T00:00:00.Z"}`, `{"at":"2024-02-29t00:00:00z"}`,
		`{"at":"2024-02-29T00:00:00,5Z"}`, `{"at":"2024-02-29T0:00:00Z"}`, `{"at":"2024-02-29T00:00:00+24:00"}`, `{"at":"0000-01-01T00:00:00Z"}`,
		` { "lat" : -29.5521065 , "lon":0.0 } `, `{"lat":01}`, `{"lat":1.}`, `{"lat":-0}`, `{"lat":1e1}`, `{"lat":180.0000004}`, `{"lat":"1"}`, `{"lat":.5}`,
		`{"lat":180.1}`, `{"lat":null}`, `{"settled":true,"settled":true}`, `{"settled":tru}`, `{"settled":truex}`, `{"id":"\u0061"}`, `{"city":"乐山"}`,
		"{\"city\":\"\xff\"}", "{\"city\":\"a\tb\"}", `{"amount":{"value":01,"currency":"CNY"}}`, `{"amount":{"currency":"CNY","value":0}}`,
		`{"amount":{"value":1,"value":1}}`, `{"amount":{"value":1}}`, `{"amount":{"value":-1,"currency":"CNY"}}`, `{"amount":{}}`, `{"id":"a",}`,
		`{"id":"a"}x`, `{,}`, `{"x":1}`, `{"ID":"a"}`, `null`, `[]`, ``, `{"amount":{"value":1,"currency":"CNY",}}`, `{"id":"a"` + "\x00}",
		`{"amount":{"value":1,"currency":""}}`, `{"id":1}`, `{"terminal":"t","merchant":"m","card":"c","phone":"1","region":"r"}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var want PaymentIn
		wrong := decodeStrict(b, &want)
		got, err := decodePayment(b)
		if fmt.Sprint(err) != fmt.Sprint(wrong) {
			t.Fatalf("%q: %v, want %v", b, err, wrong)
		}
		if err != nil {
			return
		}
		if !got.At.Equal(want.At) {
			t.Fatalf("%q: %s, want %s", b, got.At, want.At)
		}
		got.At = want.At
		if got != want {
			t.Fatalf("%q: %+v, want %+v", b, got, want)
		}
	})
}

// The form that programs send is read by hand: if it were not, all would be right
// and slow.
func TestReadByHand(t *testing.T) {
	r := wireRequest(streamed())
	r.Phone = "17000015947"
	raw, err := json.Marshal(r)
	must(t, err)
	for _, body := range []string{string(raw), okPayment, " " + strings.ReplaceAll(okPayment, ":", " : ") + "\n"} {
		p := paymentParser{s: body}
		var in PaymentIn
		if strings.Contains(body, " : 0") { // of the time
			body = strings.ReplaceAll(strings.ReplaceAll(body, " : 0", ":0"), "09 :", "09:")
			p.s = strings.ReplaceAll(body, "08 :", "08:")
		}
		if !p.payment(&in) {
			t.Errorf("by the general decoder: %s at %d", p.s, p.i)
		}
	}
	again, err := decodePayment(raw)
	if err != nil || again != r {
		t.Errorf("%v %+v", err, again)
	}
}

// The answers that are written by hand are those of the types in the document.
func TestWrittenByHand(t *testing.T) {
	h := onSQLite(t, dbtestOptions)
	host := ident.Actor{Kind: ident.Key, ID: "key_1", Roles: []ident.Role{ident.RoleHost}}
	theft := streamed()
	theft.ID, theft.Payee, theft.Device, theft.Settled, theft.Amount = "p-2", "BANK:NEW:1", `dev "<thief>"`+"\u2028", false, money.Yuan(900_000)
	theft.Type = "transfer"
	theft.Lat, theft.Lon = payment.Degree{}, payment.Degree{}
	res, err := h.cfg.Payment.AssessBatch(context.Background(), host, []payment.Request{streamed(), theft})
	must(t, err)
	for _, r := range res {
		must(t, r.Err)
		r.Payment.ClaimID = r.Payment.ID[:1]
		same := func(got []byte, want any) {
			t.Helper()
			text, err := json.Marshal(want)
			must(t, err)
			var a, b any
			must(t, json.Unmarshal(got, &a))
			must(t, json.Unmarshal(text, &b))
			if !reflect.DeepEqual(a, b) {
				t.Errorf("by hand %s\nby the type %s", got, text)
			}
		}
		same(appendPayment(nil, &r.Payment), wirePayment(r.Payment, host))
		d := r.Payment.Decision
		line := IngestLine{Line: 7, ID: r.Payment.ID, Outcome: string(d.Outcome), Score: d.Score, Proofs: d.Proofs, Again: true}
		for _, why := range d.Reasons {
			line.Reasons = append(line.Reasons, why.Code)
		}
		r.Again = true
		same(appendLine(nil, 7, &r, nil), line)
		same(appendLine(nil, 8, nil, &Problem{Kind: "invalid", Detail: "<"}), IngestLine{Line: 8, Problem: &Problem{Kind: "invalid", Detail: "<"}})
	}
	if res[1].Payment.Decision.Outcome == risk.Allow {
		t.Error("the second has no reasons: nothing was compared")
	}
}

// withJournal gives a house a journal of payments.
func withJournal(t *testing.T) *house { return withJournalAnd(t, nil) }

func withJournalAnd(t *testing.T, faults *db.Faults) *house {
	h := onSQLite(t, dbtest.Options{Faults: faults})
	j, err := journal.Open(journal.Config{Dir: t.TempDir(), Segment: 4 << 20})
	must(t, err)
	t.Cleanup(func() { j.Close() })
	engine, err := risk.New(risk.Config{Clock: h.clock})
	must(t, err)
	h.cfg.Payment, err = payment.New(payment.Config{DB: h.db, Access: h.cfg.Access, Queue: h.cfg.Queue, Party: h.cfg.Party, Engine: engine,
		Clock: h.clock, Journal: j})
	must(t, err)
	_, err = h.cfg.Payment.Rebuild(context.Background())
	must(t, err)
	h.api.cfg.Payment = h.cfg.Payment
	return h
}

// Who reads after a payment was acknowledged finds it, though it is in the journal
// only; the routes that judge do not wait for that.
func TestReadersWait(t *testing.T) {
	h := withJournal(t)
	rows := h.rows()["payment"]
	h.want(200, "POST", "/v1/payments/assess", "key-host", paymentIn("new-1"))
	a := h.want(200, "POST", "/v1/payments/assess", "key-host", paymentIn("new-1"))
	if a.header.Get("Idempotency-Hit") != "true" || h.rows()["payment"] != rows {
		t.Errorf("the second answer is not the recorded one, or it waited: %v", a.header)
	}
	var page PaymentPage
	h.into(&page, 200, "GET", "/v1/payments?account=W100001", "key-host", nil)
	found := false
	for _, p := range page.Items {
		found = found || p.ID == "new-1"
	}
	if !found {
		t.Error("the list misses what was acknowledged")
	}
	h.want(200, "POST", "/v1/payments/assess", "key-host", paymentIn("new-2"))
	h.want(200, "GET", "/v1/payments/new-2", "key-host", nil)
	h.want(200, "POST", "/v1/payments/assess", "key-host", paymentIn("new-3"))
	h.want(200, "POST", "/v1/payments/new-3/events", "key-host", PaymentEvent{Event: "take_back"})
}

// While the database does not take what was acknowledged, readers hear that it is
// still being written, and judging goes on.
func TestReadersHearWhy(t *testing.T) {
	faults := &db.Faults{}
	h := withJournalAnd(t, faults)
	h.want(200, "POST", "/v1/payments/assess", "key-host", paymentIn("new-1"))
	faults.LoseCommit(1)
	a := h.want(503, "GET", "/v1/payments", "key-host", nil)
	if p := a.problem(t); p.Code != "records_pending" || p.Kind != "unavailable" || a.header.Get("Retry-After") == "" {
		t.Errorf("%+v %v", p, a.header)
	}
	h.want(200, "POST", "/v1/payments/assess", "key-host", paymentIn("new-2"))
	h.want(200, "GET", "/v1/payments", "key-host", nil)
}

const ingestBody = `{"id":"i1","at":"2026-05-30T09:00:00+08:00","payer":"W100001","payee":"W100009","amount":{"value":100,"currency":"CNY"},"type":"transfer"}

{"id":"i2","at":"2026-05-30T09:00:00+08:00","payer":"W100001","payee":"W1","amount":{"value":100,"currency":"CNY"},"type":"transfer"}
{"id":"i3","x":1}
{"id":"i1","at":"2026-05-30T09:00:00+08:00","payer":"W100001","payee":"W100009","amount":{"value":100,"currency":"CNY"},"type":"transfer"}
{"id":"i1","at":"2026-05-30T09:00:00+08:00","payer":"W100001","payee":"W100009","amount":{"value":101,"currency":"CNY"},"type":"transfer"}
{"id":"i4","at":"2026-05-30T09:00:00+08:00","payer":"W100002","payee":"W100009","amount":{"value":100,"currency":"CNY"},"type":"transfer","phone":"17000024755"}`

func TestIngestLines(t *testing.T) {
	for _, h := range []*house{withJournal(t), onSQLite(t, dbtestOptions)} {
		a := h.want(200, "POST", "/v1/payments/ingest", "key-host", text{typeNDJSON, ingestBody})
		want := []struct {
			line     int
			id, code string
			again    bool
		}{{1, "i1", "", false}, {3, "", "account_not_found", false}, {4, "", "field_unknown", false}, {5, "i1", "", true},
			{6, "", "payment_id_taken", false}, {7, "i4", "", false}}
		lines := strings.Split(strings.TrimSpace(string(a.body)), "\n")
		if len(lines) != len(want) {
			t.Fatalf("%d lines: %s", len(lines), a.body)
		}
		for i, w := range want {
			var l IngestLine
			must(t, json.Unmarshal([]byte(lines[i]), &l))
			if l.Line != w.line || l.ID != w.id || l.Again != w.again || (l.Problem != nil) != (w.code != "") ||
				l.Problem != nil && (l.Problem.Code != w.code || l.Problem.Errors[0].Row != w.line) {
				t.Errorf("line %d: %s", i, lines[i])
			}
		}
		if strings.Contains(string(h.want(200, "GET", "/v1/payments/i4", "key-host", nil).body), "17000024755") {
			t.Error("the telephone number is told back")
		}
		h.want(200, "POST", "/v1/payments/ingest", "key-host", text{typeNDJSON, ""})
		h.want(200, "POST", "/v1/payments/ingest", "key-host", text{typeNDJSON, "\n\n"})
		h.want(403, "POST", "/v1/payments/ingest", "fund", text{typeNDJSON, ingestBody})
		h.want(413, "POST", "/v1/payments/ingest", "key-host", text{typeNDJSON, strings.Repeat("x", maxLine+1)})
		h.want(422, "POST", "/v1/payments/ingest", "key-host", text{typeJSON, ingestBody})
	}
}

// send streams a body and gives the reader of the answer.
func (h *house) send(kind string, body io.Reader) (*http.Response, *bufio.Reader) {
	h.t.Helper()
	q, err := http.NewRequest("POST", h.url+"/v1/payments/ingest", body)
	must(h.t, err)
	q.Header.Set("Authorization", "Bearer "+h.tokens["key-host"])
	q.Header.Set("Content-Type", kind)
	resp, err := http.DefaultClient.Do(q)
	must(h.t, err)
	h.t.Cleanup(func() { resp.Body.Close() })
	return resp, bufio.NewReader(resp.Body)
}

// Answers come while more is being sent; a body that ends in the middle of a
// payment has an answer that says so, and all before it were judged.
func TestIngestStreams(t *testing.T) {
	h := withJournal(t)
	line := strings.SplitAfter(ingestBody, "\n")[0]
	r, w := newPipe()
	go w.Write([]byte(line))
	resp, in := h.send(typeNDJSON, r)
	if l, err := in.ReadString('\n'); err != nil || resp.StatusCode != 200 || !strings.Contains(l, `"i1"`) {
		t.Fatalf("%d %q %v", resp.StatusCode, l, err)
	}
	go func() {
		w.Write([]byte(strings.Replace(line, "i1", "s2", 1) + "\n" + strings.Repeat("y", maxLine+2)))
		w.Close()
	}()
	if l, err := in.ReadString('\n'); err != nil || !strings.Contains(l, `"s2"`) {
		t.Fatalf("%q %v", l, err)
	}
	if l, err := in.ReadString('\n'); err != nil || !strings.Contains(l, `"line_too_long"`) {
		t.Fatalf("%q %v", l, err)
	}
}

// Very many, in one body and over several connections, each judged once.
func TestIngestMany(t *testing.T) {
	h := withJournal(t)
	line := strings.SplitAfter(ingestBody, "\n")[0]
	var b strings.Builder
	for i := range 1300 {
		b.WriteString(strings.Replace(line, "i1", fmt.Sprint("m", i%1200), 1))
	}
	for range 2 {
		a := h.want(200, "POST", "/v1/payments/ingest", "key-host", text{typeNDJSON, b.String()})
		if n := bytes.Count(a.body, []byte(`"outcome"`)); n != 1300 {
			t.Fatalf("%d answers", n)
		}
	}
	must(t, h.cfg.Payment.Await(context.Background()))
	if n := h.rows()["payment"]; n != 1202 { // two are the house's own
		t.Errorf("%d rows", n)
	}
}

func TestIngestFrames(t *testing.T) {
	h := withJournal(t)
	frame, err := hex.DecodeString(goldenPayment)
	must(t, err)
	bad := bytes.Clone(frame)
	bad[4] = 9 // the version
	resp, in := h.send(typeFrames, bytes.NewReader(bytes.Join([][]byte{frame, bad, frame}, nil)))
	raw, err := io.ReadAll(in)
	must(t, err)
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != typeFrames {
		t.Fatalf("%d %v", resp.StatusCode, resp.Header)
	}
	for line, kind := range []byte{0, 1, 0} {
		n := int(binary.LittleEndian.Uint32(raw))
		if raw[4] != frameVersion || int(raw[5]) != line+1 || raw[6] != kind || kind == 0 && raw[7] != byte(line/2) {
			t.Errorf("answer %d: %x", line+1, raw[4:4+n])
		}
		raw = raw[4+n:]
	}
	if len(raw) != 0 {
		t.Errorf("more: %x", raw)
	}
	p := h.want(200, "GET", "/v1/payments/p-1", "key-host", nil)
	if !strings.Contains(string(p.body), `"lat":29.552106,"lon":-103.7653`) {
		t.Errorf("%s", p.body)
	}
	for _, wrong := range [][]byte{frame[:20], {255, 255, 255, 255}, {1, 0}} {
		resp, in := h.send(typeFrames, bytes.NewReader(wrong))
		body, _ := io.ReadAll(in)
		if resp.StatusCode < 400 || !bytes.Contains(body, []byte(`"code"`)) {
			t.Errorf("%x: %d %s", wrong, resp.StatusCode, body)
		}
	}
}

// Any frame is a payment, or refused as one that is wrong.
func FuzzReadFrame(f *testing.F) {
	raw, err := hex.DecodeString(goldenPayment)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(raw[4:]))
	f.Add("")
	f.Fuzz(func(t *testing.T, s string) {
		if _, err := readFrame(s); err != nil && !ident.Is(err, ident.KindInvalid) {
			t.Fatal(err)
		}
	})
}
