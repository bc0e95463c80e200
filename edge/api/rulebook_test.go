package api

import (
	"context"
	"encoding/json"
	"io/fs"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"surety/domain/risk"
	"surety/domain/rulebook"
	"surety/platform/db"
	"surety/platform/db/dbtest"
)

// withRules runs fn over a house that serves the rulebook, on each database.
func withRules(t *testing.T, fn func(h *house, book *rulebook.Service)) {
	ms := migrations(t)
	if !slices.ContainsFunc(ms, func(m fs.FS) bool { _, err := fs.Stat(m, "00710_rulebook.sql"); return err == nil }) {
		ms = append(ms, rulebook.Migrations)
	}
	dbtest.Run(t, dbtest.Options{Migrations: ms}, func(t *testing.T, d *db.DB) {
		h := build(t, d)
		en, err := risk.New(risk.Config{Clock: h.clock})
		must(t, err)
		q := h.cfg.Queue
		book, err := rulebook.New(rulebook.Config{DB: d, Access: h.cfg.Access, Queue: q, Party: h.cfg.Party, Payment: h.cfg.Payment,
			Engine: en, Clock: h.clock, IDs: h.cfg.IDs})
		must(t, err)
		must(t, book.Load(context.Background()))
		if !slices.ContainsFunc(h.api.routes, func(r route) bool { return r.ID == "pack-list" }) {
			for _, r := range h.api.rulebookRoutes(book) {
				h.api.routes = append(h.api.routes, r)
				h.api.mux.HandleFunc(r.pattern(), func(w http.ResponseWriter, q *http.Request) { h.api.serve(r, w, q) })
			}
		}
		fn(h, book)
	})
}

func packText(t *testing.T, number string) string {
	t.Helper()
	text, err := risk.DefaultPack()
	must(t, err)
	out := strings.Replace(text, "number: 1,", "number: "+number+",", 1)
	if out == text {
		t.Fatal("the number of the default pack is not 1")
	}
	return out
}

// smallModel is a model of two trees over features that the default pack has.
func smallModel(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("testdata/model.json")
	must(t, err)
	return string(b)
}

func TestPacksOverHTTP(t *testing.T) {
	withRules(t, func(h *house, _ *rulebook.Service) {
		text := packText(t, "41")
		var check RiskCheck
		h.into(&check, 200, "POST", "/v1/risk/check", "analyst", RiskText{Text: text})
		if !check.OK {
			h.t.Fatalf("%+v", check)
		}
		h.into(&check, 200, "POST", "/v1/risk/check", "analyst", RiskText{Text: text + "\nrules: 3\n"})
		if check.OK || check.Problems[0].Line == 0 {
			h.t.Fatalf("%+v", check)
		}
		h.want(403, "POST", "/v1/risk/check", "handler", RiskText{Text: text})
		h.want(422, "POST", "/v1/risk/packs", "analyst", RiskText{Text: "nonsense"})
		var p RiskPack
		h.into(&p, 201, "POST", "/v1/risk/packs", "analyst", RiskText{Text: text, Note: "to try"})
		h.into(&p, 200, "GET", "/v1/risk/packs/"+p.SHA256, "lead", nil)
		if p.Text != text || p.Number != 41 {
			h.t.Fatalf("%+v", p)
		}
		if a := h.want(200, "GET", "/v1/risk/packs/"+p.SHA256+"/text", "lead", nil); string(a.body) != text {
			h.t.Fatal("the text is another")
		}
		h.want(404, "GET", "/v1/risk/packs/none", "lead", nil)
		var ds RiskDifferences
		h.into(&ds, 200, "POST", "/v1/risk/difference", "lead", RiskText{Text: text})
		if len(ds.Items) != 1 || !strings.Contains(ds.Items[0].ZH, "改为 41") {
			h.t.Fatalf("%+v", ds)
		}

		var d RiskDraft
		h.into(&d, 200, "PUT", "/v1/risk/drafts/d-1", "analyst", RiskDraftIn{Title: "new", Text: "half"})
		h.into(&d, 200, "PUT", "/v1/risk/drafts/d-1", "analyst", RiskDraftIn{Title: "new", Text: "more", Version: d.Version})
		h.want(409, "PUT", "/v1/risk/drafts/d-1", "analyst", RiskDraftIn{Title: "new", Text: "other", Version: 1})
		h.want(200, "GET", "/v1/risk/drafts", "lead", nil)
		h.want(204, "DELETE", "/v1/risk/drafts/d-1", "analyst", nil)
		h.want(404, "GET", "/v1/risk/drafts/d-1", "analyst", nil)

		var pub RiskPublication
		in := RiskPublicationIn{ID: "pub-1", Pack: p.SHA256, Note: "because"}
		h.want(403, "POST", "/v1/risk/publications", "key-analyst", in)
		h.into(&pub, 201, "POST", "/v1/risk/publications", "analyst", in)
		h.want(403, "POST", "/v1/risk/publications/pub-1/approvals", "analyst", ApprovalIn{Hash: pub.Hash})
		h.want(422, "POST", "/v1/risk/publications/pub-1/approvals", "lead", ApprovalIn{Hash: "12"})
		h.into(&pub, 200, "POST", "/v1/risk/publications/pub-1/approvals", "lead", ApprovalIn{Hash: pub.Hash})
		var st RiskStatus
		h.into(&st, 200, "GET", "/v1/risk", "compliance", nil)
		if pub.State != "in_force" || st.InForce == nil || st.InForce.ID != "pub-1" || st.SHA256 != p.SHA256 {
			h.t.Fatalf("%+v %+v", pub, st)
		}
		h.into(&pub, 200, "POST", "/v1/risk/publications/pub-1/take-back", "compliance", TakeBackIn{Why: "to see"})
		st = RiskStatus{}
		h.into(&st, 200, "GET", "/v1/risk", "compliance", nil)
		if pub.State != "taken_back" || st.InForce != nil || st.SHA256 == p.SHA256 || len(st.History) != 2 {
			h.t.Fatalf("%+v %+v", pub, st)
		}
		in.ID = "pub-2"
		h.want(201, "POST", "/v1/risk/publications", "analyst", in)
		h.into(&pub, 200, "POST", "/v1/risk/publications/pub-2/withdraw", "lead", nil)
		h.want(200, "GET", "/v1/risk/publications", "lead", nil)
		h.want(200, "GET", "/v1/risk/publications/pub-2", "lead", nil)
	})
}

func TestLabelsAndReplaysOverHTTP(t *testing.T) {
	withRules(t, func(h *house, book *rulebook.Service) {
		var l PaymentLabel
		in := LabelIn{Payment: "pay-1", Fraud: true, Source: "host", ReportedAt: start.AddDate(0, 0, -1)}
		h.into(&l, 200, "POST", "/v1/labels", "key-host", in)
		if a := h.want(200, "POST", "/v1/labels", "key-host", in); a.header.Get("Idempotency-Hit") != "true" {
			h.t.Fatal("said twice, and not known as such")
		}
		in.Fraud = false
		h.want(409, "POST", "/v1/labels", "key-host", in)
		h.want(404, "POST", "/v1/labels", "key-host", LabelIn{Payment: "pay-9", Source: "host"})
		h.want(403, "POST", "/v1/labels", "compliance", in)
		lines := `{"payment":"pay-2","fraud":true,"source":"police"}` + "\n\n" + `{"payment":"pay-9","fraud":true,"source":"police"}` + "\n" +
			`{"payment":"pay-2","fraud":true,"source":"police","wrong":1}` + "\n" + `{"payment":"pay-2","fraud":true,"source":"police"}`
		a := h.want(200, "POST", "/v1/labels/batch", "key-host", text{typeNDJSON, lines})
		var got []LabelLine
		for _, line := range strings.Split(strings.TrimSpace(string(a.body)), "\n") {
			var x LabelLine
			must(h.t, json.Unmarshal([]byte(line), &x))
			got = append(got, x)
		}
		if len(got) != 4 || got[0].Label == nil || got[0].Line != 1 || got[1].Problem == nil || got[1].Line != 3 || got[2].Problem == nil || !got[3].Again {
			h.t.Fatalf("%s", a.body)
		}
		var ls PaymentLabels
		h.into(&ls, 200, "GET", "/v1/payments/pay-1/labels", "analyst", nil)
		if len(ls.Items) != 1 || !ls.Items[0].Fraud {
			h.t.Fatalf("%+v", ls)
		}

		var r Replay
		ask := ReplayIn{ID: "rep-1", From: start.AddDate(0, 0, -30), To: start}
		h.want(403, "POST", "/v1/risk/replays", "compliance", ask)
		h.into(&r, 201, "POST", "/v1/risk/replays", "analyst", ask)
		worked, err := book.AnswerOne(context.Background())
		must(h.t, err)
		h.into(&r, 200, "GET", "/v1/risk/replays/rep-1", "compliance", nil)
		if !worked || r.State != "done" || r.Report == nil || r.Report.Payments != 2 || r.Report.Thefts.Frauds != 2 || r.ZH == "" {
			h.t.Fatalf("%+v", r)
		}
		ask.ID = "rep-2"
		h.want(201, "POST", "/v1/risk/replays", "analyst", ask)
		h.into(&r, 200, "POST", "/v1/risk/replays/rep-2/cancel", "analyst", nil)
		h.want(200, "GET", "/v1/risk/replays", "compliance", nil)
		var again Recomputed
		h.into(&again, 200, "GET", "/v1/payments/pay-1/recomputed", "analyst", nil)
		if r.State != "cancelled" || !again.Same {
			h.t.Fatalf("%+v %+v", r, again)
		}
	})
}

func TestModelsOverHTTP(t *testing.T) {
	withRules(t, func(h *house, _ *rulebook.Service) {
		h.want(422, "POST", "/v1/risk/models?name=m", "analyst", text{typeJSON, `{"learner":1}`})
		h.want(422, "POST", "/v1/risk/models", "analyst", text{typeJSON, `{}`})
		h.want(403, "POST", "/v1/risk/models?name=m", "lead", text{typeJSON, `{}`})
		var ms RiskModels
		h.into(&ms, 200, "GET", "/v1/risk/models", "lead", nil)
		if len(ms.Items) != 0 {
			h.t.Fatalf("%+v", ms)
		}
		h.want(404, "GET", "/v1/risk/models/none", "lead", nil)
		h.want(404, "GET", "/v1/risk/models/none/file", "lead", nil)
		h.want(404, "POST", "/v1/risk/models/none/retire", "analyst", nil)
		h.want(404, "POST", "/v1/risk/models/none/promote", "analyst", PromotionIn{ID: "pub-1", As: "champion"})
	})
}

// A model comes in, two people let it decide, it is in the decision with its
// reasons, and one act takes it out again.
func TestModelDecidesOverHTTP(t *testing.T) {
	both(t, func(h *house) {
		file := smallModel(t)
		for damage, place := range map[string]string{
			file[:len(file)/2]: "tree 0",
			strings.Replace(file, `"left_children":[1,-1,-1]`, `"left_children":[7,-1,-1]`, 1): "tree 0 node 0",
			strings.Replace(file, `"split_indices":[1,0,0]`, `"split_indices":[9,0,0]`, 1):     "tree 1 node 0",
		} {
			p := h.want(422, "POST", "/v1/risk/models?name=bad", "analyst", text{typeJSON, damage}).problem(t)
			if !strings.Contains(p.Detail, place) {
				t.Errorf("%s: the place is not named: %+v", place, p)
			}
		}
		var m RiskModel
		h.into(&m, 201, "POST", "/v1/risk/models?name=first", "analyst", text{typeJSON, file})
		if m.Status != "candidate" || m.Trees != 2 || !slices.Equal(m.Features, []string{"amount", "payee.payers_7d"}) {
			t.Fatalf("%+v", m)
		}
		if a := h.want(200, "GET", "/v1/risk/models/"+m.SHA256+"/file", "compliance", nil); string(a.body) != file {
			t.Error("the file is another")
		}
		var pub RiskPublication
		h.into(&pub, 201, "POST", "/v1/risk/models/"+m.SHA256+"/promote", "analyst", PromotionIn{ID: "pub-m", As: "champion"})
		h.want(403, "POST", "/v1/risk/publications/pub-m/approvals", "analyst", ApprovalIn{Hash: pub.Hash})
		h.want(200, "POST", "/v1/risk/publications/pub-m/approvals", "lead", ApprovalIn{Hash: pub.Hash})
		in := paymentIn("by-model")
		in.Amount.Minor = 250_000
		var p Payment
		h.into(&p, 200, "POST", "/v1/payments/assess", "key-host", in)
		if p.Decision.Outcome == "allow" || len(p.Decision.Reasons) != 1 || p.Decision.Reasons[0].Code != risk.ReasonModel {
			t.Fatalf("%+v", p.Decision)
		}
		var again Recomputed
		h.into(&again, 200, "GET", "/v1/payments/by-model/recomputed", "analyst", nil)
		var full RiskModelFull
		h.into(&full, 200, "GET", "/v1/risk/models/"+m.SHA256, "lead", nil)
		if !again.Same || full.Status != "champion" {
			t.Errorf("%+v %+v", again, full)
		}
		h.want(409, "POST", "/v1/risk/models/"+m.SHA256+"/retire", "analyst", nil)
		h.want(200, "POST", "/v1/risk/publications/pub-m/take-back", "lead", TakeBackIn{Why: "to see"})
		in.ID = "by-rules"
		h.into(&p, 200, "POST", "/v1/payments/assess", "key-host", in)
		if p.Decision.Outcome != "allow" {
			t.Errorf("without the model: %+v", p.Decision)
		}
		h.want(200, "POST", "/v1/risk/models/"+m.SHA256+"/retire", "analyst", nil)
	})
}
