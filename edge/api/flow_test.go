package api

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"surety/kernel/money"
)

// The main job over HTTP: from the police list to money, papers and books.
func TestIncidentOverHTTP(t *testing.T) {
	both(t, func(h *house) {
		inc := "/v1/incidents/inc-1"
		h.want(201, "POST", "/v1/incidents", "lead", incidentIn("inc-1"))
		if a := h.want(201, "POST", "/v1/incidents", "lead", incidentIn("inc-1")); a.header.Get("Idempotency-Hit") != "true" {
			t.Error("the second declaration does not say that it is one")
		}
		h.want(200, "POST", inc+"/lists?filename=list.csv", "lead", text{"application/octet-stream", policeList})
		again := h.want(200, "POST", inc+"/lists?filename=list.csv", "lead", text{typeCSV, policeList})
		if again.header.Get("Idempotency-Hit") != "true" {
			t.Error("the same list again does not say so")
		}
		h.want(200, "POST", inc+"/gather", "lead", nil)
		h.want(200, "POST", inc+"/reconcile", "handler", nil)
		var vs Victims
		h.into(&vs, 200, "GET", inc+"/victims", "compliance", nil)
		h.want(204, "POST", "/v1/victims/"+vs.Items[0].ID+"/calls", "handler", CallIn{Outcome: "reached", Words: "at home"})
		h.want(204, "POST", "/v1/victims/"+vs.Items[0].ID+"/resolution", "handler", ResolutionIn{Amount: money.Yuan(112828),
			Why: "as the police say", PayTo: PayTo{Name: "宋伟", Account: "W100001", Rail: "wallet"}})
		var p Proposal
		h.into(&p, 201, "POST", inc+"/proposals", "lead", nil)
		if got := h.want(403, "POST", inc+"/approvals", "lead", ApprovalIn{Hash: p.Hash}).problem(t); got.Code != "second_person_needed" {
			t.Errorf("one person twice: %+v", got)
		}
		h.want(409, "POST", inc+"/approvals", "lead2", ApprovalIn{Hash: strings.Repeat("0", 64)})
		h.want(200, "POST", inc+"/approvals", "lead2", ApprovalIn{Hash: p.Hash})
		h.want(200, "POST", inc+"/payouts", "lead", nil)
		_, err := h.queue.Drain(context.Background())
		must(t, err)
		var page PayoutPage
		h.into(&page, 200, "GET", "/v1/payouts?purpose=inc-1", "fund", nil)
		if len(page.Items) != 1 || page.Items[0].State != "settled" || strings.Contains(page.Items[0].PayTo.Account, "100001") {
			t.Fatalf("payouts: %+v", page)
		}
		h.want(200, "GET", "/v1/payouts/"+page.Items[0].ID, "fund", nil)
		papers(h, page.Items[0].Claim)
		var f Fund
		h.into(&f, 200, "GET", "/v1/funds/emergency", "analyst", nil)
		if f.Figures.PaidOut != money.Yuan(112828) || f.Figures.Balance != money.Yuan(1_000_000-112_828) {
			t.Errorf("fund: %+v", f.Figures)
		}
		h.want(200, "GET", "/v1/funds/emergency/entries", "fund", nil)
		h.want(201, "POST", inc+"/statements", "lead", StatementIn{Lang: "zh"})
		h.want(200, "GET", inc+"/statements", "lead", nil)
		h.want(200, "GET", inc, "lead", nil)
		h.want(204, "POST", inc+"/close", "lead", nil)
		var books BooksCheck
		h.into(&books, 200, "GET", "/v1/books/check", "fund", nil)
		if !books.Balanced || books.Transfers == 0 {
			t.Errorf("books: %+v", books)
		}
		if a := h.want(200, "GET", "/v1/books.hledger", "compliance", nil); !strings.Contains(string(a.body), "112828.00") {
			t.Errorf("hledger export: %.300s", a.body)
		}
		h.want(200, "GET", "/v1/books.beancount", "compliance", nil)
		auditTrail(h)
	})
}

// papers opens and checks the certificate of a paid claim, as its owner and others.
func papers(h *house, claimID string) {
	t := h.t
	var code string
	must(t, h.api.view(&call{ctx: context.Background()}, func(tx txn) error {
		issued, err := h.cfg.Notice.ByClaim(tx, claimID)
		if err == nil && len(issued) == 1 {
			code = issued[0].Code
		}
		return err
	}))
	var c Certificate
	h.into(&c, 200, "GET", "/v1/certificates/"+code, "owner", nil)
	if c.Amount != money.Yuan(112828) || c.ClaimID != claimID {
		t.Errorf("certificate: %+v", c)
	}
	if p := h.want(404, "GET", "/v1/certificates/"+code, "other", nil).problem(t); strings.Contains(p.Detail, c.ID) {
		t.Errorf("another learns the id: %+v", p)
	}
	pdf := h.want(200, "GET", "/v1/certificates/"+code+"/pdf", "owner", nil).body
	var v Verification
	h.into(&v, 200, "POST", "/v1/certificates/verify", "key-host", text{typePDF, string(pdf)})
	if !v.Genuine || v.Certificate == nil || v.Certificate.Number != c.Number {
		t.Errorf("genuine: %+v", v)
	}
	forged := strings.Replace(string(pdf), "/Producer", "/Producex", 1)
	h.into(&v, 200, "POST", "/v1/certificates/verify", "key-host", text{typePDF, forged + " "})
	if v.Genuine || v.Problem == "" {
		t.Errorf("forged: %+v", v)
	}
}

// auditTrail pages through the log and proves an entry of it.
func auditTrail(h *house) {
	var first, second AuditRecords
	h.into(&first, 200, "GET", "/v1/audit?limit=2", "compliance", nil)
	h.into(&second, 200, "GET", "/v1/audit?limit=2&cursor="+first.Next, "compliance", nil)
	if len(first.Items) != 2 || len(second.Items) != 2 || second.Items[0].Index != first.Items[1].Index-1 {
		h.t.Errorf("pages of the log: %+v then %+v", first, second)
	}
	h.want(200, "GET", "/v1/audit/"+first.Items[0].ID+"/proof", "compliance", nil)
	h.want(200, "GET", "/v1/audit/head", "compliance", nil)
	h.want(200, "GET", "/v1/audit?object=inc-1&outcome=refused", "compliance", nil)
}

// A claim from the telephone to the file, as its owner.
func TestClaimOverHTTP(t *testing.T) {
	both(t, func(h *house) {
		in := ClaimIn{ID: "clm-1", Kind: "theft", Account: "W100001", Payments: []string{"pay-1"}, Words: "我没有付这笔钱"}
		var c Claim
		h.into(&c, 201, "POST", "/v1/claims", "owner", in)
		if c.Claimed != money.Of(11282800, money.CNY) || c.Basis != "ledger_record" || len(c.Clocks) != 2 {
			t.Errorf("claim: %+v", c)
		}
		if a := h.want(201, "POST", "/v1/claims", "owner", in); a.header.Get("Idempotency-Hit") != "true" {
			t.Error("the second filing does not say that it is one")
		}
		in.Words = "other words"
		if p := h.want(409, "POST", "/v1/claims", "owner", in).problem(t); p.Code != "claim_id_taken" {
			t.Errorf("another body: %+v", p)
		}
		var one, two Evidence
		h.into(&one, 201, "POST", "/v1/claims/clm-1/evidence?filename=a.txt", "owner", text{"text/plain", "I was asleep"})
		form := "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"b.txt\"\r\n\r\nI was asleep\r\n--b--\r\n"
		again := h.into(&two, 201, "POST", "/v1/claims/clm-1/evidence", "owner", text{"multipart/form-data; boundary=b", form})
		if one != two || again.header.Get("Idempotency-Hit") != "true" {
			t.Errorf("the same bytes are two files: %+v %+v", one, two)
		}
		got := h.want(200, "GET", "/v1/claims/clm-1/evidence/"+one.ID, "handler", nil)
		if string(got.body) != "I was asleep" || !strings.Contains(got.header.Get("Content-Disposition"), "attachment") {
			t.Errorf("evidence: %s %v", got.body, got.header)
		}
		h.want(204, "PUT", "/v1/claims/clm-1/pay-to", "owner",
			PayTo{Name: "宋伟", Bank: "农业银行", Account: "6270899306786900075", Rail: "bank"})
		h.want(200, "POST", "/v1/claims/clm-1/events", "handler", ClaimEvent{Event: "investigate"})
		h.want(201, "POST", "/v1/claims/clm-1/decisions", "handler", DecisionIn{Kind: "approve_full", Amount: c.Claimed})
		var full ClaimFull
		h.into(&full, 200, "GET", "/v1/claims/clm-1", "owner", nil)
		if full.Status != "decided" || len(full.Decisions) != 1 || len(full.Evidence) != 1 || full.PayTo.Account != "****0075" {
			t.Errorf("the whole claim: %+v", full)
		}
		var page ClaimPage
		h.into(&page, 200, "GET", "/v1/claims?limit=1", "handler", nil)
		if len(page.Items) != 1 || page.Next == "" {
			t.Errorf("page: %+v", page)
		}
		h.into(&page, 200, "GET", "/v1/claims?limit=1&cursor="+page.Next, "handler", nil)
		if len(page.Items) != 0 || page.Next != "" {
			t.Errorf("page after: %+v", page)
		}
		var moves Transitions
		h.into(&moves, 200, "GET", "/v1/claims/transitions", "owner", nil)
		if len(moves.Moves) < 30 || len(moves.Statuses) != 11 {
			t.Errorf("%d moves", len(moves.Moves))
		}
	})
}

// Money that came in is booked once, however often it is said, also later.
func TestDepositOnce(t *testing.T) {
	both(t, func(h *house) {
		in := DepositIn{ID: "bank-17", Amount: money.Yuan(5), Memo: "from the bank"}
		var f Fund
		h.into(&f, 201, "POST", "/v1/funds/emergency/deposits", "fund", in)
		h.clock.Advance(time.Minute)
		h.into(&f, 201, "POST", "/v1/funds/emergency/deposits", "fund", in)
		if f.Figures.Free != money.Yuan(1_000_005) {
			t.Errorf("free: %s", f.Figures.Free)
		}
		in.Amount = money.Yuan(6)
		h.want(409, "POST", "/v1/funds/emergency/deposits", "fund", in)
	})
}

func TestPaymentsOverHTTP(t *testing.T) {
	both(t, func(h *house) {
		var p Payment
		if a := h.into(&p, 200, "POST", "/v1/payments/assess", "key-host", paymentIn("new-1")); a.header.Get("Idempotency-Hit") != "" {
			t.Error("a first answer says that it was recorded")
		}
		if a := h.want(200, "POST", "/v1/payments/assess", "key-host", paymentIn("new-1")); a.header.Get("Idempotency-Hit") != "true" {
			t.Error("a recorded answer does not say so")
		}
		other := paymentIn("new-1")
		other.Amount.Minor++
		h.want(409, "POST", "/v1/payments/assess", "key-host", other)
		h.want(200, "POST", "/v1/payments/new-1/events", "key-host", PaymentEvent{Event: "take_back"})
		h.want(409, "POST", "/v1/payments/new-1/events", "key-host", PaymentEvent{Event: "settle"})
		var one, two PaymentPage
		h.into(&one, 200, "GET", "/v1/payments?limit=1&account=W100001", "owner", nil)
		h.into(&two, 200, "GET", "/v1/payments?limit=1&account=W100001&cursor="+one.Next, "owner", nil)
		if len(one.Items) != 1 || len(two.Items) != 1 || one.Items[0].ID != "new-1" || two.Items[0].ID != "pay-1" {
			t.Errorf("pages: %+v then %+v", one, two)
		}
		if d := one.Items[0].Decision; d.Features != nil || d.Score != 0 || len(d.Reasons) != 0 {
			t.Errorf("a customer sees what was measured: %+v", d)
		}
		metrics := string(h.want(200, "GET", "/metrics", "key-compliance", nil).body)
		if !strings.Contains(metrics, "# HELP surety_http_request_duration_seconds") ||
			!strings.Contains(metrics, "surety_payment_decisions_total{") {
			t.Errorf("metrics: %.500s", metrics)
		}
		if strings.Contains(metrics, "new-1") || strings.Contains(metrics, "W100001") {
			t.Error("an id is in the metrics")
		}
	})
}

// A batch is answered while it is being sent, in order, with a problem where a
// line is wrong.
func TestBatchStreams(t *testing.T) {
	h := onSQLite(t, dbtestOptions)
	line := func(id, rest string) string {
		return `{"id":"` + id + `","at":"2026-05-30T09:00:00+08:00","payer":"W100001","payee":"W100009",` +
			`"amount":{"value":100,"currency":"CNY"},"type":"transfer"` + rest + "}\n"
	}
	var a answered
	body := line("b1", "") + "\n" + line("b2", `,"x":1`) + line("b1", "") + line("b3", "")[:40] + "\n" + strings.TrimSpace(line("b4", ""))
	a = h.want(200, "POST", "/v1/payments/assess-batch", "key-host", text{typeNDJSON, body})
	want := []struct {
		line int
		id   string
		code string
	}{{1, "b1", ""}, {3, "", "field_unknown"}, {4, "b1", ""}, {5, "", "json_truncated"}, {6, "b4", ""}}
	got := strings.Split(strings.TrimSpace(string(a.body)), "\n")
	if len(got) != len(want) {
		t.Fatalf("%d lines, want %d: %s", len(got), len(want), a.body)
	}
	for i, w := range want {
		var l BatchLine
		must(t, json.Unmarshal([]byte(got[i]), &l))
		switch {
		case l.Line != w.line || (l.Problem != nil) != (w.code != ""):
			t.Errorf("line %d: %s", i, got[i])
		case w.code != "" && (l.Problem.Code != w.code || l.Problem.Errors[0].Row != w.line):
			t.Errorf("line %d: %s", i, got[i])
		case w.code == "" && l.Payment.ID != w.id:
			t.Errorf("line %d: %s", i, got[i])
		}
	}
	r, w := newPipe()
	q, err := http.NewRequest("POST", h.url+"/v1/payments/assess-batch", r)
	must(t, err)
	q.Header.Set("Authorization", "Bearer "+h.tokens["key-host"])
	q.Header.Set("Content-Type", typeNDJSON)
	go w.Write([]byte(line("s1", "")))
	resp, err := http.DefaultClient.Do(q)
	must(t, err)
	defer resp.Body.Close()
	in := bufio.NewReader(resp.Body)
	if l, err := in.ReadString('\n'); err != nil || !strings.Contains(l, `"s1"`) { // before the second is sent
		t.Fatalf("%q %v", l, err)
	}
	go func() { w.Write([]byte(line("s2", ""))); w.Close() }()
	if l, err := in.ReadString('\n'); err != nil || !strings.Contains(l, `"s2"`) {
		t.Fatalf("%q %v", l, err)
	}
}

// The board comes at once, and again when a figure has changed, not before.
func TestBoardStream(t *testing.T) {
	h := onSQLite(t, dbtestOptions)
	h.want(201, "POST", "/v1/incidents", "lead", incidentIn("inc-1"))
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	q, err := http.NewRequestWithContext(ctx, "GET", h.url+"/v1/incidents/inc-1/board/stream", nil)
	must(t, err)
	q.Header.Set("Authorization", "Bearer "+h.tokens["analyst"])
	resp, err := http.DefaultClient.Do(q)
	must(t, err)
	defer resp.Body.Close()
	in := bufio.NewReader(resp.Body)
	read := func() string {
		t.Helper()
		for {
			l, err := in.ReadString('\n')
			must(t, err)
			if data, ok := strings.CutPrefix(l, "data: "); ok {
				return data
			}
		}
	}
	if first := read(); !strings.Contains(first, `"status":"declared"`) {
		t.Fatal(first)
	}
	time.Sleep(30 * time.Millisecond) // several looks that find nothing new
	h.want(200, "POST", "/v1/incidents/inc-1/lists?filename=l.csv", "lead", text{typeCSV, policeList})
	if second := read(); !strings.Contains(second, `"status":"gathering"`) {
		t.Fatal(second)
	}
}
