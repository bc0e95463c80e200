package api

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"surety/platform/db/dbtest"
)

const listsCSV = "kind,subject,value,reason,source,confidence,until\n" +
	"deny,account,W9,涉案 | in a case,police,900,\nwatch,phone,170-0001-5947,x,carrier,500,2026-06-30\n"

func listEntryIn(id string) ListEntryIn {
	return ListEntryIn{ID: id, Kind: "watch", Subject: "phone", Value: "+86 170 0001 5947", Reason: ListReason{ZH: "可疑"}, Source: "own",
		Confidence: 700, Until: start.AddDate(0, 1, 0)}
}

func signalIn(id string) SignalIn {
	return SignalIn{ID: id, Signal: "sim_swap", Subject: "phone", Value: "17000024755", Source: "carrier", Confidence: 950, Since: start}
}

// The life of an entry over the interface, and what each look shows.
func TestListsOverTheInterface(t *testing.T) {
	both(t, func(h *house) {
		var e ListEntry
		h.into(&e, 201, "POST", "/v1/lists", "analyst", listEntryIn("e-1"))
		if e.State != "live" || e.Value != "170****5947" || !e.Masked || e.Reason.EN != "可疑" {
			t.Errorf("%+v", e)
		}
		if a := h.want(201, "POST", "/v1/lists", "analyst", listEntryIn("e-1")); a.header.Get("Idempotency-Hit") != "true" {
			t.Error("the same again is not said to be known")
		}
		other := listEntryIn("e-1")
		other.Confidence = 1
		if p := h.want(409, "POST", "/v1/lists", "analyst", other).problem(t); p.Code != "entry_id_taken" {
			t.Errorf("%+v", p)
		}
		allow := listEntryIn("e-2")
		allow.Kind = "allow"
		h.want(201, "POST", "/v1/lists", "lead", allow)
		var full ListEntryFull
		h.into(&full, 200, "GET", "/v1/lists/e-1", "handler", nil)
		if full.Value != "17000015947" || full.Masked || len(full.Also) != 1 || full.Also[0].Kind != "allow" || !full.Also[0].Masked {
			t.Errorf("%+v", full)
		}
		var page ListPage
		h.into(&page, 200, "GET", "/v1/lists?value=170-0001-5947&limit=1", "handler", nil)
		if len(page.Items) != 1 || page.Items[0].ID != "e-2" || page.Items[0].Value != "170****5947" || page.Next == "" {
			t.Errorf("%+v", page)
		}
		h.into(&page, 200, "GET", "/v1/lists?value=170-0001-5947&limit=1&cursor="+page.Next, "handler", nil)
		if len(page.Items) != 1 || page.Items[0].ID != "e-1" {
			t.Errorf("%+v", page)
		}
		h.into(&e, 200, "POST", "/v1/lists/e-1/extension", "analyst", ListExtension{Until: start.AddDate(0, 2, 0), Why: "not over"})
		h.into(&e, 200, "POST", "/v1/lists/e-1/removal", "analyst", ListRemoval{Why: "cleared"})
		if e.State != "removed" || e.RemovedWhy != "cleared" || e.Version != 3 {
			t.Errorf("%+v", e)
		}
		var story ListHistory
		h.into(&story, 200, "GET", "/v1/lists/e-1/history", "compliance", nil)
		if len(story.Items) != 3 || story.Items[1].What != "extended" || story.Items[2].By != e.RemovedBy {
			t.Errorf("%+v", story)
		}
		var counts ListCounts
		h.into(&counts, 200, "GET", "/v1/lists/counts", "key-host", nil)
		if len(counts.Items) != 1 || counts.Items[0].Live != 1 || counts.Memory != 1 || !counts.Current {
			t.Errorf("%+v", counts)
		}
		if a := h.want(200, "GET", "/v1/lists/words", "handler", nil); !strings.Contains(string(a.body), "黑名单") {
			t.Errorf("%s", a.body)
		}
	})
}

// Files in and out: a wrong row stops all, what goes out comes in again, and
// phones go out only for who may edit.
func TestListFiles(t *testing.T) {
	both(t, func(h *house) {
		bad := strings.Replace(listsCSV, "deny,account,W9", "black,account,W 9", 1)
		p := h.want(422, "POST", "/v1/lists/import", "analyst", text{typeCSV, bad}).problem(t)
		if len(p.Errors) != 1 || p.Errors[0].Row != 2 || p.Errors[0].Field != "kind" || h.rows()["risk_list_entry"] != 0 {
			t.Errorf("%+v", p)
		}
		var rep ListImportReport
		h.into(&rep, 200, "POST", "/v1/lists/import", "analyst", text{typeCSV, listsCSV})
		if rep.Rows != 2 || rep.Added != 2 {
			t.Errorf("%+v", rep)
		}
		public := h.want(200, "GET", "/v1/lists/export.csv", "handler", nil)
		if s := string(public.body); strings.Contains(s, "17000015947") || !strings.Contains(s, "deny,account,W9,涉案 | in a case,police,900,,") {
			t.Errorf("%s", s)
		}
		if kind := public.header.Get("Content-Type"); kind != typeCSV || !strings.Contains(public.header.Get("Content-Disposition"), "lists.csv") {
			t.Errorf("%s", kind)
		}
		refused := h.want(403, "GET", "/v1/lists/export.csv?personal=true", "handler", nil)
		if refused.problem(t).Code != "not_allowed" || refused.header.Get("Content-Disposition") != "" {
			t.Errorf("%v", refused.header)
		}
		for _, format := range []string{"csv", "ndjson"} {
			file := h.want(200, "GET", "/v1/lists/export."+format+"?personal=true", "analyst", nil)
			if !strings.Contains(string(file.body), "17000015947") {
				t.Errorf("%s", file.body)
			}
			h.into(&rep, 200, "POST", "/v1/lists/import", "analyst", text{file.header.Get("Content-Type"), string(file.body)})
			if rep.Unchanged != 2 {
				t.Errorf("%s: %+v", format, rep)
			}
		}
		if a := h.want(200, "GET", "/v1/lists/export.ndjson?kind=allow", "handler", nil); len(a.body) != 0 || a.header.Get("Content-Type") != typeNDJSON {
			t.Errorf("an empty list: %q %v", a.body, a.header)
		}
		if p := h.want(422, "POST", "/v1/lists/import", "analyst", text{typeNDJSON, "{\"kind\":\"deny\",\"Kind\":1}"}).problem(t); p.Errors[0].Code != "field_unknown" {
			t.Errorf("%+v", p)
		}
	})
}

// With NDJSON wanted, an import tells how far it is.
func TestListImportProgress(t *testing.T) {
	h := onSQLite(t, dbtest.Options{})
	var b strings.Builder
	b.WriteString("kind,subject,value,reason,source,confidence,until\n")
	for i := range 700 {
		fmt.Fprintf(&b, "deny,account,X%d,r,police,900,\n", i)
	}
	q, err := http.NewRequest("POST", h.url+"/v1/lists/import", strings.NewReader(b.String()))
	must(t, err)
	q.Header.Set("Content-Type", typeCSV)
	q.Header.Set("Accept", typeNDJSON)
	q.Header.Set("Authorization", "Bearer "+h.tokens["analyst"])
	resp, err := http.DefaultClient.Do(q)
	must(t, err)
	defer resp.Body.Close()
	var out strings.Builder
	_, err = fmt.Fscan(resp.Body, new(string))
	must(t, err)
	buf := make([]byte, 4096)
	for {
		n, err := resp.Body.Read(buf)
		out.Write(buf[:n])
		if err != nil {
			break
		}
	}
	if s := out.String(); !strings.Contains(s, `{"done":700,"total":700}`) || !strings.Contains(s, `"added":700`) {
		t.Errorf("%s", s)
	}
}

// Intelligence in and out.
func TestIntelligence(t *testing.T) {
	both(t, func(h *house) {
		var e ListEntry
		h.into(&e, 201, "POST", "/v1/intelligence", "key-host", signalIn("s-1"))
		if e.Kind != "watch" || e.Signal != "sim_swap" || !e.Reported || !e.Until.Equal(start.Add(7*24*time.Hour)) || e.Value != "170****4755" {
			t.Errorf("%+v", e)
		}
		if a := h.want(201, "POST", "/v1/intelligence", "key-host", signalIn("s-1")); a.header.Get("Idempotency-Hit") != "true" {
			t.Error("the same again is not said to be known")
		}
		unknown := signalIn("s-2")
		unknown.Signal = "sim_swop"
		if p := h.want(422, "POST", "/v1/intelligence", "key-host", unknown).problem(t); p.Code != "signal_unknown" || !strings.Contains(p.Detail, "sim_swap") {
			t.Errorf("%+v", p)
		}
		h.want(403, "POST", "/v1/intelligence", "handler", signalIn("s-3"))
		h.want(404, "POST", "/v1/intelligence/s-1/withdrawal", "analyst", ListRemoval{Why: "not mine"})
		h.into(&e, 200, "POST", "/v1/intelligence/s-1/withdrawal", "key-host", ListRemoval{Why: "mistaken"})
		if e.State != "removed" {
			t.Errorf("%+v", e)
		}
		h.want(201, "POST", "/v1/lists", "analyst", listEntryIn("own-1"))
		var feed SharedFeed
		h.into(&feed, 200, "GET", "/v1/intelligence", "key-host", nil)
		if len(feed.Items) != 1 || feed.Items[0].ID != "own-1" || len(feed.Items[0].Hash) != 64 || feed.Items[0].Value != "" || feed.More {
			t.Errorf("%+v", feed)
		}
		h.want(200, "POST", "/v1/lists/own-1/removal", "analyst", ListRemoval{Why: "x"})
		h.into(&feed, 200, "GET", "/v1/intelligence?since="+feed.Next, "key-host", nil)
		if len(feed.Items) != 1 || !feed.Items[0].Withdrawn {
			t.Errorf("%+v", feed)
		}
		h.want(422, "GET", "/v1/intelligence?since=yesterday", "key-host", nil)
		var signals SignalList
		h.into(&signals, 200, "GET", "/v1/intelligence/signals", "key-host", nil)
		if len(signals.Items) < 8 || !strings.HasPrefix(signals.Pack, "intelligence 1 (") {
			t.Errorf("%+v", signals)
		}
	})
}
