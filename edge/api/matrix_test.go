package api

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"surety/kernel/ident"
	"surety/kernel/money"
	"surety/platform/access"
	"surety/platform/db/dbtest"
)

// seats are who tries every route: nobody, a wrong key, staff of each role, keys
// of each role, the customer whose thing it is, and another customer.
var seats = []string{"", "wrong", "admin", "analyst", "handler", "fund", "lead", "compliance",
	"key-host", "key-analyst", "key-compliance", "owner", "other"}

const policeList = "序号,报案编号,报案时间,姓名,身份证号,手机号,账户,被盗金额（元）,收款人,收款银行及账号,备注\n" +
	"1,川公刑〔2026〕1180号,2026/05/26,宋伟,519906195802016636,17000015947,W100001,\"112,828.00\",宋伟,农业银行 6270899306786900075,\n"

const reportsCSV = "report_id,account,claimed_fen,loss_date,words\nU1,W100002,2000000,2026-05-21,不是本人操作\n"

// stage makes an object for each kind of id in a path, all of the owner's.
func stage(h *house) map[string]string {
	h.want(201, "POST", "/v1/claims", "owner", ClaimIn{ID: "clm-1", Kind: "theft", Account: "W100001", Payments: []string{"pay-1"}})
	var e Evidence
	h.into(&e, 201, "POST", "/v1/claims/clm-1/evidence?filename=a.txt", "owner", text{"text/plain", "I was asleep"})
	h.want(201, "POST", "/v1/incidents", "lead", incidentIn("inc-1"))
	h.want(200, "POST", "/v1/incidents/inc-1/reports?filename=r.csv", "lead", text{typeCSV, reportsCSV})
	var vs Victims
	h.into(&vs, 200, "GET", "/v1/incidents/inc-1/victims", "lead", nil)
	h.want(201, "POST", "/v1/lists", "analyst", listEntryIn("lst-1"))
	out := map[string]string{"lists": "lst-1", "intelligence": "sig-none", "payments": "pay-1", "accounts": "W100001", "claims": "clm-1",
		"eid": e.ID, "incidents": "inc-1", "victims": vs.Items[0].ID, "funds": "emergency", "payouts": "po-none",
		"certificates": "0000-0000-0000-0000", "keys": "key-none", "audit": "aud-none", "queue": "job-none",
		"watches": "terminal-burst", "alarms": "alm-none", "stops": "stp-1", "drafts": "drf-1", "publications": "pub-1", "replays": "rep-1"}
	var p RiskPack
	h.into(&p, 201, "POST", "/v1/risk/packs", "analyst", RiskText{Text: packText(h.t, "41")})
	var m RiskModel
	h.into(&m, 201, "POST", "/v1/risk/models?name=small", "analyst", text{typeJSON, smallModel(h.t)})
	out["packs"], out["models"] = p.SHA256, m.SHA256
	h.want(200, "PUT", "/v1/risk/drafts/drf-1", "analyst", RiskDraftIn{Title: "t", Text: "half"})
	h.want(201, "POST", "/v1/risk/publications", "analyst", RiskPublicationIn{ID: "pub-1", Pack: p.SHA256})
	h.want(201, "POST", "/v1/risk/replays", "analyst", replayIn("rep-1"))
	h.want(201, "POST", "/v1/stops", "analyst", stopIn("stp-1"))
	return out
}

func incidentIn(id string) IncidentIn {
	return IncidentIn{ID: id, Title: "3·19", FundID: "emergency", From: start.AddDate(0, -2, 0), To: start.AddDate(0, 0, 1),
		Deadline: start.AddDate(0, 0, 1)}
}

// bodies are well-formed bodies for the routes that take one; n makes ids new.
func bodies(id string, n int) any {
	fresh := fmt.Sprintf("new-%d", n)
	cny := money.Yuan(10)
	switch id {
	case "payment-assess":
		return paymentIn(fresh)
	case "payment-assess-batch":
		return text{typeNDJSON, `{"id":"` + fresh + `","at":"2026-05-30T09:00:00+08:00","payer":"W100001","payee":"W100009",` +
			`"amount":{"value":100,"currency":"CNY"},"type":"transfer"}`}
	case "payment-import":
		return text{typeCSV, paymentsCSV}
	case "payment-event":
		return PaymentEvent{Event: "settle"}
	case "account-import":
		return text{typeCSV, accountsCSV}
	case "claim-file":
		return ClaimIn{ID: fresh, Kind: "deceived", Account: "W100001", Claimed: cny}
	case "claim-evidence-add":
		return text{"text/plain", "words " + fresh}
	case "claim-event":
		return ClaimEvent{Event: "answer", Words: "this is all that I know"}
	case "claim-pay":
		return ClaimPayIn{FundID: "emergency"}
	case "claim-decide":
		return DecisionIn{Kind: "approve_full", Amount: cny}
	case "claim-pay-to":
		return PayTo{Name: "宋伟", Bank: "农业银行", Account: "6270899306786900075", Rail: "bank"}
	case "incident-declare":
		return incidentIn("inc-1")
	case "incident-list-import":
		return text{typeCSV, policeList}
	case "incident-reports-import":
		return text{typeCSV, reportsCSV}
	case "incident-estate-add":
		return text{typeJSON, `{"account":"W0","holder":"x","died":"2026-05-02","loss_fen":1,"heir":{"name":"y","relation":"z",` +
			`"documents":["d"],"pay_to":"建设银行 6217000000000000017"},"police_report":"p"}`}
	case "incident-approve":
		return ApprovalIn{Hash: strings.Repeat("ab", 32)}
	case "incident-statement-publish":
		return PublicationIn{Lang: "zh", Number: 1}
	case "payout-give-back":
		return ReturnIn{Amount: cny, Reason: "AC04"}
	case "incident-statement-write":
		return StatementIn{Lang: "zh"}
	case "victim-call":
		return CallIn{Outcome: "reached"}
	case "victim-resolve":
		return ResolutionIn{Amount: cny, Why: "seen", PayTo: PayTo{Name: "汤", Bank: "农业银行", Account: "6270899306786900075", Rail: "bank"}}
	case "victim-refuse":
		return RefusalIn{Words: "no"}
	case "fund-create":
		return FundIn{ID: "yearly", NameZH: "年", NameEN: "Yearly", Kind: "yearly", Currency: "CNY"}
	case "fund-deposit":
		return DepositIn{ID: fresh, Amount: cny}
	case "payout-status-import":
		return text{typeXML, "<Document/>"}
	case "certificate-verify":
		return text{typePDF, "%PDF-1.4"}
	case "session-open":
		return SignIn{Email: "lead@pay.example", Password: password}
	case "key-make":
		return KeyIn{Name: "k", Roles: []string{"host"}}
	case "link-make":
		return LinkIn{Account: "W100001"}
	}
	return listBodies(id, fresh)
}

// listBodies are the bodies of the lists' routes.
func listBodies(id, fresh string) any {
	switch id {
	case "list-add":
		return listEntryIn(fresh)
	case "list-remove", "signal-withdraw":
		return ListRemoval{Why: "mistaken"}
	case "list-extend":
		return ListExtension{Until: start.AddDate(0, 2, 0), Why: "not over"}
	case "list-import":
		return text{typeCSV, listsCSV}
	case "signal-report":
		return signalIn(fresh)
	}
	return watchBodies(id, fresh)
}

// watchBodies are the bodies of the routes of early warning.
func watchBodies(id, fresh string) any {
	switch id {
	case "watch-edit":
		return WatchIn{Owner: "risk", Dimension: "terminal", Measure: "count", Minutes: 10, FalseAlarms: 50, Floor: 10, Ratio: 300,
			ZH: "甲", EN: "a"}
	case "alarm-event":
		return AlarmEvent{Event: "acknowledge"}
	case "stop-preview":
		return StopProbe{Match: StopMatch{Device: "d"}}
	case "stop-make":
		return stopIn(fresh)
	case "stop-extend":
		return StopUntil{Until: start.Add(2 * time.Hour)}
	case "stop-lift":
		return StopLift{}
	}
	return riskBodies(id, fresh)
}

// riskBodies are the bodies of the routes of packs, models, replays and labels.
func riskBodies(id, fresh string) any {
	switch id {
	case "pack-save", "pack-check", "pack-difference":
		return RiskText{Text: "pack: 1"}
	case "draft-save":
		return RiskDraftIn{Title: "t", Text: "half"}
	case "publication-ask":
		return RiskPublicationIn{ID: fresh, Pack: strings.Repeat("ab", 32)}
	case "publication-sign":
		return ApprovalIn{Hash: strings.Repeat("ab", 32)}
	case "publication-take-back":
		return TakeBackIn{Why: "to see"}
	case "model-import":
		return text{typeJSON, "{}"}
	case "model-promote":
		return PromotionIn{ID: fresh, As: "challenger"}
	case "replay-ask":
		return replayIn(fresh)
	case "label-add":
		return LabelIn{Payment: "pay-1", Fraud: true, Source: "police", ReportedAt: start}
	case "label-add-batch":
		return text{typeNDJSON, `{"payment":"pay-1","fraud":true,"source":"host","reported_at":"2026-05-30T09:00:00+08:00"}`}
	}
	return nil
}

func stopIn(id string) StopIn {
	return StopIn{ID: id, Match: StopMatch{Device: "d"}, Outcome: "hold", Until: start.Add(time.Hour), Limit: 10, ZH: "甲", EN: "a", Reason: "r"}
}

func replayIn(id string) ReplayIn {
	return ReplayIn{ID: id, From: start.AddDate(0, 0, -30), To: start}
}

func paymentIn(id string) PaymentIn {
	return PaymentIn{ID: id, At: start, Payer: "W100001", Payee: "W100009", Amount: money.Of(100, money.CNY), Type: "transfer"}
}

// pathOf fills a route's path with the objects of the stage.
func pathOf(r route, objects map[string]string) string {
	noun := nounOf(r)
	path := strings.NewReplacer("{id}", objects[noun], "{code}", objects[noun], "{eid}", objects["eid"]).Replace(r.Path)
	switch r.ID {
	case "payment-list":
		path += "?account=W100001"
	case "report-loss-rate":
		path += "?from=2026-01-01T00:00:00Z&to=2027-01-01T00:00:00Z"
	case "incident-list-import", "incident-reports-import", "incident-estate-add", "claim-evidence-add":
		path += "?filename=f.csv"
	case "model-import":
		path += "?name=m"
	}
	return path
}

// nounOf is what stands before the first id of a route's path, or its first part.
func nounOf(r route) string {
	parts := strings.Split(strings.TrimPrefix(r.Path, "/v1/"), "/")
	for i, part := range parts {
		if strings.HasPrefix(part, "{") {
			return parts[i-1]
		}
	}
	return parts[0]
}

// mayAtAll is what the access table says of a seat for a route, before the object
// is known.
func mayAtAll(r route, seat string) bool {
	if seat == "" || seat == "wrong" {
		return r.Anonymous
	}
	if r.Anonymous || r.Shown {
		return true
	}
	for _, act := range append([]access.Act{r.Act}, r.Also...) {
		spec, _ := access.Lookup(act)
		role, isKey := strings.CutPrefix(seat, "key-")
		switch {
		case seat == "owner" || seat == "other":
			if spec.Customer {
				return true
			}
		case isKey:
			if !spec.FourEyes && slices.Contains(spec.Roles, ident.Role(role)) && (role == "host" || spec.Log != access.Always) {
				return true
			}
		case slices.Contains(spec.Roles, ident.Role(seat)):
			return true
		}
	}
	return false
}

// Every route for every seat: the status stands in testdata/matrix.txt, and none
// of them may say other than the access table does.
func TestMatrix(t *testing.T) {
	h := onSQLite(t, dbtest.Options{})
	objects := stage(h)
	var out strings.Builder
	fmt.Fprintf(&out, "# Every route for every seat: the status of a well-formed request for the owner's things.\n")
	fmt.Fprintf(&out, "%-28s %-26s", "route", "act")
	for _, s := range seats {
		fmt.Fprintf(&out, " %s", name(s))
	}
	out.WriteByte('\n')
	n := 0
	for _, r := range h.api.routes {
		fmt.Fprintf(&out, "%-28s %-26s", r.ID, r.Act)
		for _, seat := range seats {
			n++
			got := http.StatusOK
			if r.ID == "incident-board-stream" && mayAtAll(r, seat) {
				got = streamStatus(h, pathOf(r, objects), seat)
			} else if r.ID == "session-close" && seat != "" && seat != "wrong" {
				got = closeStatus(h, seat)
			} else {
				got = h.call(r.Method, pathOf(r, objects), seat, bodies(r.ID, n)).status
			}
			fmt.Fprintf(&out, " %-*d", len(name(seat)), got)
			agrees(t, r, seat, got)
		}
		out.WriteByte('\n')
	}
	var trimmed strings.Builder
	for line := range strings.Lines(out.String()) {
		trimmed.WriteString(strings.TrimRight(line, " \n") + "\n")
	}
	golden(t, "testdata/matrix.txt", []byte(trimmed.String()))
}

func name(seat string) string {
	if seat == "" {
		return "nobody"
	}
	return seat
}

// agrees holds a status against the access table.
func agrees(t *testing.T, r route, seat string, got int) {
	t.Helper()
	switch may := mayAtAll(r, seat); {
	case (seat == "" || seat == "wrong") && !r.Anonymous && got != 401:
		t.Errorf("%s answers %s with %d", r.ID, name(seat), got)
	case got >= 500:
		t.Errorf("%s fails for %s: %d", r.ID, name(seat), got)
	case seat != "" && seat != "wrong" && !may && got != 403:
		t.Errorf("%s: %s may not, but gets %d", r.ID, seat, got)
	case may && seat != "other" && got == 401:
		t.Errorf("%s: %s may, but gets %d", r.ID, seat, got)
	case seat == "other" && may && strings.Contains(r.Path, "{id}") && got != 404:
		t.Errorf("%s: another customer gets %d for the owner's thing", r.ID, got)
	}
}

// closeStatus ends a session of a seat that was opened for it; to a key there is
// no session to end.
func closeStatus(h *house, seat string) int {
	kept := h.tokens[seat]
	defer func() { h.tokens[seat] = kept }()
	switch {
	case seat == "owner" || seat == "other":
		var link Token
		h.into(&link, 201, "POST", "/v1/links", "key-host", LinkIn{Account: map[string]string{"owner": "W100001", "other": "W100002"}[seat]})
		var err error
		h.tokens[seat], err = h.cfg.Access.ByLink(context.Background(), link.Token)
		must(h.t, err)
	case !strings.HasPrefix(seat, "key-"):
		var session Token
		h.into(&session, 201, "POST", "/v1/sessions", "", SignIn{Email: seat + "@pay.example", Password: password})
		h.tokens[seat] = session.Token
	}
	got := h.call("DELETE", "/v1/sessions", seat, nil).status
	if after := h.call("GET", "/v1/claims", seat, nil).status; !strings.HasPrefix(seat, "key-") && after != http.StatusUnauthorized {
		h.t.Errorf("%s: the session goes on after it was closed: %d", seat, after)
	}
	return got
}

// streamStatus opens a stream and hangs up.
func streamStatus(h *house, path, seat string) int {
	q, err := http.NewRequest("GET", h.url+path, nil)
	must(h.t, err)
	q.Header.Set("Authorization", "Bearer "+h.tokens[seat])
	resp, err := http.DefaultClient.Do(q)
	must(h.t, err)
	resp.Body.Close()
	return resp.StatusCode
}

// What is another's answers exactly like what is not there.
func TestAnothersThingsLookAbsent(t *testing.T) {
	both(t, func(h *house) {
		objects := stage(h)
		before := h.rows()
		for _, r := range h.api.routes {
			if !strings.Contains(r.Path, "{id}") || !mayAtAll(r, "other") {
				continue
			}
			objects["none"] = "none"
			theirs := h.call(r.Method, pathOf(r, objects), "other", bodies(r.ID, 1))
			noun := nounOf(r)
			none := h.call(r.Method, strings.ReplaceAll(pathOf(r, objects), objects[noun], "none"), "other", bodies(r.ID, 1))
			a, b := theirs.problem(t), none.problem(t)
			a.Detail = strings.ReplaceAll(a.Detail, objects[noun], "none")
			a.RequestID, b.RequestID = "", ""
			if fmt.Sprint(a) != fmt.Sprint(b) || a.Status != 404 {
				t.Errorf("%s: %+v, absent %+v", r.ID, a, b)
			}
		}
		theirs := h.call("POST", "/v1/claims", "other", ClaimIn{ID: "x-1", Kind: "theft", Account: "W100001", Claimed: money.Yuan(1)})
		none := h.call("POST", "/v1/claims", "other", ClaimIn{ID: "x-1", Kind: "theft", Account: "W999999", Claimed: money.Yuan(1)})
		if a, b := theirs.problem(t), none.problem(t); a.Code != "account_not_found" || b.Code != a.Code || a.Status != b.Status {
			t.Errorf("another's account %+v, absent %+v", a, b)
		}
		if after := h.rows(); fmt.Sprint(before) != fmt.Sprint(after) {
			t.Errorf("something was written: %v, before %v", after, before)
		}
		var page ClaimPage
		h.into(&page, 200, "GET", "/v1/claims?party="+h.parties["W100001"], "other", nil)
		for _, c := range page.Items {
			if c.Claimant != h.parties["W100002"] {
				t.Errorf("another's claim is listed: %+v", c)
			}
		}
		if a := h.call("GET", "/v1/payments?account=W100001", "other", nil); a.status != 404 {
			t.Errorf("another's payments: %d", a.status)
		}
	})
}
