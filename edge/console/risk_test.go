package console_test

import (
	"context"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"surety/domain/list"
	"surety/domain/payment"
	"surety/domain/risk"
	"surety/domain/watch"
	"surety/edge/console"
	"surety/edge/web/webtest"
	"surety/kernel/ident"
	"surety/kernel/money"
	"surety/platform/access"
	"surety/platform/db"
	"surety/platform/db/dbtest"
)

// looks counts the records of an act, those about an object alone if it is given.
func (w *world) looks(act access.Act, object ident.ID) (n int) {
	w.t.Helper()
	must(w.t, w.db.View(context.Background(), func(tx *db.Tx) error {
		recent, err := w.audit.Recent(tx, 500)
		n = 0
		for _, r := range recent {
			if r.Act == string(act) && (object == "" || r.Object == object) {
				n++
			}
		}
		return err
	}))
	return n
}

// TestDecisions filters, splits, exports, links and is empty.
func TestDecisions(t *testing.T) {
	r := riskSQLite(t)
	u := r.as(ident.RoleAnalyst)
	status, page := u.get("/decisions?lang=en")
	u.ok(status, page, "The last hour, by minute", "Blocked 24", "Held 1", "Latest decisions 37 payments", "on a list")
	for q, says := range map[string]string{
		"outcome=hold":                   "Latest decisions 3 payments",
		"device=dev-burst&outcome=allow": "No such decision",
		"account=nobody":                 "No such decision",
		"rule=device_farm":               "one strange device pays out of three or more accounts within a day",
		"mark=model":                     "Latest decisions 24 payments",
		"mark=listed":                    "Latest decisions 24 payments",
		"mark=stop":                      "No such decision",
		"mark=nonsense&outcome=nonsense": "Latest decisions 37 payments",
		"before=x&at=nonsense":           "Latest decisions 37 payments",
	} {
		status, page = u.get("/decisions?lang=en&" + q)
		u.ok(status, page, says)
	}
	status, page = u.get("/decisions?lang=en&mark=stop")
	u.ok(status, page, "Clear the filter")
	_, page = u.get("/decisions?lang=en&device=dev-burst")
	link := regexp.MustCompile(`href="(/decisions\?[^"]*upto=\d+)"`).FindStringSubmatch(page)
	if link == nil {
		t.Fatal("there is no link to these decisions")
	}
	r.clock.Advance(time.Minute)
	_, err := r.payment.Assess(context.Background(), host(), payment.Request{ID: "pay_later", At: r.clock.Now(), Payer: "W1", Payee: "M1",
		Amount: money.Of(100, money.CNY), Type: "purchase", Channel: "qr", Device: "dev-burst"})
	must(t, err)
	status, page = u.get(strings.ReplaceAll(link[1], "&amp;", "&"))
	u.ok(status, page, "24 payments", "This list is fixed at a moment")
	if strings.Contains(page, "pay_later") || strings.Contains(page, "data-live=") {
		t.Error("the linked list moves")
	}
	status, csv := u.get("/decisions.csv?device=dev-burst")
	if n := strings.Count(csv, "\n"); status != 200 || n != 26 || !strings.Contains(csv, r.model.Version) {
		t.Errorf("the export has %d lines, status %d", n, status)
	}
	if got := r.log.String(); got != "" {
		t.Errorf("the log has: %s", got)
	}
}

// TestDecisionsStream sends the part that moves, with links to the page, and is
// recorded as one look.
func TestDecisionsStream(t *testing.T) {
	r := riskSQLite(t)
	u := r.as(ident.RoleAnalyst)
	before := r.looks(access.ActPaymentList, "")
	ctx, end := context.WithCancel(context.Background())
	defer end()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url+"/decisions/live?device=dev-burst&lang=en", nil)
	must(t, err)
	res, err := u.http.Do(req)
	must(t, err)
	defer res.Body.Close()
	text := ""
	buf := make([]byte, 1<<16)
	for !strings.Contains(text, "\n\ndata") && len(text) < 1<<20 {
		n, err := res.Body.Read(buf)
		text += string(buf[:n])
		if err != nil || strings.HasSuffix(text, "}\n\n") {
			break
		}
	}
	if !strings.Contains(text, "pay_burst_23") || strings.Contains(text, "/decisions/live") || !strings.Contains(text, `/decisions?`) {
		t.Errorf("the stream sends %.300s", text)
	}
	if got := r.looks(access.ActPaymentList, "") - before; got != 1 {
		t.Errorf("a stream is recorded as %d looks", got)
	}
}

// TestFeed counts by minute, drops what is too old or too new, and uses its slots again.
func TestFeed(t *testing.T) {
	r := sqlite(t)
	note := func(ago time.Duration, o risk.Outcome) {
		r.feed.Note(&risk.Event{At: r.clock.Now().Add(-ago)}, &risk.Decision{Outcome: o})
	}
	note(0, risk.Block)
	note(time.Minute, risk.Challenge)
	note(61*time.Minute, risk.Block)
	note(-10*time.Minute, risk.Block)
	u := r.as(ident.RoleAnalyst)
	status, page := u.get("/decisions?lang=en")
	u.ok(status, page, "Blocked 1", "Held 1", "Challenged 1", "Allowed 0") // the held one is of the records
	r.clock.Advance(64 * time.Minute)
	note(0, risk.Hold)
	u = r.as(ident.RoleAnalyst)
	status, page = u.get("/decisions?lang=en")
	u.ok(status, page, "Blocked 0", "Held 1", "Challenged 0")
	if f := console.NewFeed(r.clock); f == nil {
		t.Error("no feed")
	}
}

// TestLabels says of chosen payments that they were thefts, and is told what is wrong.
func TestLabels(t *testing.T) {
	r := riskSQLite(t)
	u := r.as(ident.RoleAnalyst)
	status, page := u.post("/decisions/act", url.Values{"do": {"theft"}})
	if status != http.StatusUnprocessableEntity || !strings.Contains(words(page), "Choose at least one payment first.") {
		t.Errorf("nothing was chosen: %d", status)
	}
	status, page = u.post("/decisions/act", url.Values{"do": {"theft"}, "id": {"pay_burst_00", "pay_burst_01", "pay_burst_01"}})
	u.ok(status, page, "Label 2 payments as theft", "pay_burst_00", "pay_burst_01")
	status, page = u.post("/decisions/label", url.Values{"is": {"theft"}, "id": {"pay_burst_00", "pay_burst_01"}, "source": {"claim"}})
	if status != http.StatusUnprocessableEntity || !strings.Contains(page, `id="f-label-source-error"`) {
		t.Errorf("a source that is not ours: %d %s", status, words(page))
	}
	status, page = u.post("/decisions/label", url.Values{"is": {"theft"}, "id": {"pay_burst_00", "pay_burst_01"}, "source": {"police"}, "note": {"case 7"}})
	u.ok(status, page, "2 payments were labelled.")
	status, page = u.get("/payments/pay_burst_00/decision?lang=en")
	u.ok(status, page, "This counts", "theft", "case 7")
	for _, q := range []string{"is=theft&id=no_such", "is=theft"} {
		status, page = u.get("/decisions/label?lang=en&" + q)
		u.ok(status, page, "No such payment")
	}
	if status, _ = u.get("/decisions/label?is=perhaps&id=pay_burst_00"); status != http.StatusNotFound {
		t.Errorf("a label that does not exist: %d", status)
	}
	if status, _ = u.post("/decisions/act", url.Values{"do": {"burn"}, "id": {"pay_burst_00"}}); status != http.StatusNotFound {
		t.Errorf("an act that does not exist: %d", status)
	}
}

// TestDecisionExplained shows what pushed, what it costs, what would have changed
// it and which versions decided; a record that was tampered with is told.
func TestDecisionExplained(t *testing.T) {
	r := riskSQLite(t)
	u := r.as(ident.RoleAnalyst)
	at := "/payments/pay_burst_20/decision"
	status, page := u.get(at + "?lang=en")
	u.ok(status, page, "Why 4,000.00 CNY was decided so", "device_farm · owner risk", "odds ×", "a theft with probability", "cheapest", "was done",
		"Lists and orders that took part", "The versions that decided", r.model.Version, "young-owl", "amount of this payment")
	if !strings.Contains(page, `href="/lists/lst_dev"`) {
		t.Error("the entry that took part has no link")
	}
	status, page = u.get("/payments/pay_big/decision?lang=en")
	u.ok(status, page, "Any one of these alone would have made it milder", "no model, the rules alone")
	status, page = u.get("/payments/pay_new/decision?lang=en")
	u.ok(status, page, "It was allowed: nothing milder exists.")
	status, page = u.get("/payments/pay_burst_20?lang=en")
	u.ok(status, page, "The decision explained in full", "How the decision came about")
	status, page = u.post(at+"/recompute", nil)
	u.ok(status, page, "Recomputed: the same answer")
	must(t, r.engine.SetModels(nil, nil)) // others are in force: those of the record come from the rulebook
	status, page = u.post(at+"/recompute", nil)
	u.ok(status, page, "Recomputed: the same answer")
	must(t, r.db.Update(context.Background(), func(tx *db.Tx) error {
		p, _, err := r.payment.Get(tx, "pay_big")
		if err != nil {
			return err
		}
		d := p.Decision
		d.Outcome, d.Score = risk.Allow, 0
		_, err = tx.Exec(`update payment set decision = $1 where id = 'pay_big'`, string(d.AppendJSON(nil)))
		return err
	}))
	status, page = u.post("/payments/pay_big/decision/recompute", nil)
	u.ok(status, page, "Recomputed: another answer!", "Decision: Allowed then, Held now", "Tell the operator at once")
	if status, _ = u.get("/payments/none/decision"); status != http.StatusNotFound {
		t.Errorf("a payment that does not exist: %d", status)
	}
}

// TestListPages adds, searches, reveals with a record, extends and takes off.
func TestListPages(t *testing.T) {
	dbtest.Run(t, dbtest.Options{Migrations: migrations()}, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		u := w.as(ident.RoleAnalyst)
		status, page := u.get("/lists?lang=en")
		u.ok(status, page, "No such entry")
		form := url.Values{"id": {"lst_1"}, "kind": {"watch"}, "subject": {"phone"}, "value": {"170-0001-5947"}, "reason": {"冒用 | impersonated"},
			"source": {"police"}, "confidence": {"900"}, "note": {"case 9"}}
		for field, wrong := range map[string]string{"kind": "", "value": "no number", "reason": "", "source": "", "confidence": "x", "until": "30 June"} {
			bad := url.Values{}
			for k, v := range form {
				bad[k] = v
			}
			bad.Set("until", "2026-07-01")
			bad.Set(field, wrong)
			status, page := u.post("/lists/add", bad)
			if status != http.StatusUnprocessableEntity || !strings.Contains(page, `id="f-entry-`+field+`-error"`) {
				t.Errorf("wrong %s: status %d, or no words beside it", field, status)
			}
			if field != "value" && !strings.Contains(page, `value="170-0001-5947"`) {
				t.Errorf("wrong %s: what was entered is lost", field)
			}
		}
		status, page = u.post("/lists/add", form)
		if status != http.StatusUnprocessableEntity || !strings.Contains(page, "This list needs a day on which the entry ends.") {
			t.Errorf("a watch without an end: %d", status)
		}
		form.Set("until", "2026-06-05")
		status, page = u.post("/lists/add", form)
		u.ok(status, page, "is on the list.", "Show it in full")
		if strings.Contains(page, "17000015947") || strings.Contains(page, "case 9") {
			t.Error("the number or the note is shown before it is asked for")
		}
		if n := w.looks(access.ActListRead, "lst_1"); n != 0 {
			t.Errorf("a masked look is recorded as %d of the entry", n)
		}
		status, page = u.post("/lists/lst_1/reveal", nil)
		u.ok(status, page, "17000015947", "case 9", "Nothing else")
		if n := w.looks(access.ActListRead, "lst_1"); n == 0 {
			t.Error("the look is not recorded")
		}
		status, page = u.get("/lists?lang=en&value=" + url.QueryEscape("+86 170 0001 5947"))
		u.ok(status, page, "1 entry", "impersonated")
		status, page = u.get("/lists?lang=en&ending=7")
		u.ok(status, page, "1 entry")
		status, page = u.get("/lists?lang=zh&kind=watch&subject=phone&source=police&state=live")
		u.ok(status, page, "冒用")
		moves(t, u)
	})
}

// moves extends an entry and takes it off.
func moves(t *testing.T, u *user) {
	t.Helper()
	for path, form := range map[string]url.Values{"extend": {"until": {"2026-06-03"}, "why": {"x"}}, "remove": {"why": {""}}} {
		status, page := u.post("/lists/lst_1/"+path, form)
		if status != http.StatusUnprocessableEntity || !strings.Contains(page, `id="f-`+path+`-`) {
			t.Errorf("wrong %s: %d %s", path, status, words(page))
		}
	}
	status, page := u.post("/lists/lst_1/extend", url.Values{"until": {"2026-06-20"}, "why": {"the case goes on"}})
	u.ok(status, page, "Extended until")
	status, page = u.post("/lists/lst_1/remove", url.Values{"why": {"a mistake"}})
	u.ok(status, page, "was taken off.")
	status, page = u.get("/lists/lst_1?lang=en")
	u.ok(status, page, "Removed", "a mistake")
	status, page = u.post("/lists/lst_1/remove", url.Values{"why": {"again"}})
	if status != http.StatusConflict || !strings.Contains(words(page), "This entry was removed already.") {
		t.Errorf("taken off twice: %d %s", status, words(page))
	}
	if status, _ = u.get("/lists/none"); status != http.StatusNotFound {
		t.Errorf("an entry that does not exist: %d", status)
	}
}

// TestListFiles reads files, tells each row that is wrong, and gives files out.
func TestListFiles(t *testing.T) {
	w := sqlite(t)
	u := w.as(ident.RoleAnalyst)
	const head = "kind,subject,value,reason,source,confidence,until\n"
	status, page := u.upload("/lists/import", nil, "l.csv", []byte(head+"deny,device,dev-1,stolen,police,900,\nperhaps,device,dev-2,x,police,900,\n"+
		"deny,address,0.0.0.0/0,x,own,900,\n"))
	if status != http.StatusUnprocessableEntity || !strings.Contains(words(page), "2 of 3 rows are wrong") || !strings.Contains(page, "widest") {
		t.Errorf("a file with wrong rows: %d %s", status, words(page))
	}
	if _, page = u.get("/lists?lang=en"); !strings.Contains(page, "No such entry") {
		t.Error("something of a wrong file was written")
	}
	good := []byte(head + "deny,device,=dev-1,stolen,police,900,\nwatch,name,宋伟,often impersonated,own,500,2026-08-01\n")
	status, page = u.upload("/lists/import", nil, "l.csv", good)
	u.ok(status, page, "2 rows read: 2 added, 0 renewed, 0 as they were.")
	status, page = u.upload("/lists/import", nil, "l.csv", good)
	u.ok(status, page, "2 as they were.")
	var id ident.ID
	found, err := w.list.Find(context.Background(), w.staff[ident.RoleAnalyst], list.Filter{Subject: list.Device})
	must(t, err)
	id = found[0].ID
	_, err = w.list.Remove(context.Background(), w.staff[ident.RoleAnalyst], id, "sold on")
	must(t, err)
	status, page = u.upload("/lists/import", nil, "l.csv", good)
	u.ok(status, page, "Rows that were left out", "sold on")
	if status, page = u.post("/lists/import", nil); status != http.StatusUnprocessableEntity || !strings.Contains(page, `id="f-import-file-error"`) {
		t.Errorf("no file: %d", status)
	}
	if status, csv := u.get("/lists.csv"); status != 200 || strings.Contains(csv, "宋伟") {
		t.Errorf("the export shows names, or status %d", status)
	}
	if status, all := u.post("/lists/export", url.Values{"format": {"ndjson"}}); status != 200 || !strings.Contains(all, "宋伟") {
		t.Errorf("the whole export has no names, or status %d", status)
	}
	if n := w.looks(access.ActListEdit, ""); n == 0 {
		t.Error("the whole export is not recorded")
	}
}

var alarmLink = regexp.MustCompile(`/watches/alarms/alm_[0-9a-f]+"`)

// TestAlarms shows a rise against what is usual, with examples; it is acknowledged
// and closed.
func TestAlarms(t *testing.T) {
	r := riskSQLite(t)
	u := r.as(ident.RoleAnalyst)
	status, page := u.get("/watches?lang=en")
	u.ok(status, page, "Open alarms", "Stop all that match", "What is watched", "one device makes many more payments than usual")
	if !alarmLink.MatchString(page) {
		t.Error("no alarm has a link")
	}
	at := "/watches/alarms/" + r.alarm.ID
	status, page = u.get(at + "?lang=en")
	u.ok(status, page, "device dev-burst", "Over time", "Examples", "pay_burst_", "payers")
	status, page = u.get("/watches/alarms?lang=en&state=open&dimension=device&key=dev-burst")
	u.ok(status, page, "device dev-burst")
	status, page = u.get("/watches/alarms?lang=en&key=nothing")
	u.ok(status, page, "No such alarm")
	status, page = u.post(at+"/acknowledge", nil)
	u.ok(status, page, "It is yours.", "acknowledged", "分析员 Wu")
	status, page = u.post(at+"/close", url.Values{"verdict": {""}})
	if status != http.StatusUnprocessableEntity || !strings.Contains(page, `id="f-close-verdict-error"`) {
		t.Errorf("closed without a verdict: %d", status)
	}
	status, page = u.post(at+"/close", url.Values{"verdict": {"theft"}, "words": {"phones were stolen"}, "quiet": {"4"}})
	u.ok(status, page, "The alarm is closed.")
	status, page = u.get(at + "?lang=en")
	u.ok(status, page, "closed", "phones were stolen", "theft")
	if status, _ = u.post(at+"/burn", nil); status != http.StatusNotFound {
		t.Errorf("an act that does not exist: %d", status)
	}
	status, page = r.as(ident.RoleCompliance).get("/watches?lang=en")
	u.ok(status, page, "What is watched")
	if strings.Contains(page, "I am at it") || strings.Contains(page, "Order a stop") {
		t.Error("who may only read is offered an act")
	}
}

var hiddenValue = regexp.MustCompile(`<input type="hidden" name="([a-z]+)" value="([^"]*)">`)

// order is the form of a stop as the page after the preview would post it.
func order(page string) url.Values {
	form := url.Values{}
	at := strings.Index(page, `value="make"`)
	if at < 0 {
		return form
	}
	from := strings.LastIndex(page[:at], "<form")
	to := from + strings.Index(page[from:], "</form>")
	for _, m := range hiddenValue.FindAllStringSubmatch(page[from:to], -1) {
		form.Set(m[1], strings.NewReplacer("&#34;", `"`, "&#39;", "'", "&amp;", "&", "&lt;", "<", "&gt;", ">").Replace(m[2]))
	}
	return form
}

// TestStops previews, orders, is touched, lifts and lets go.
func TestStops(t *testing.T) {
	r := riskSQLite(t)
	u := r.as(ident.RoleAnalyst)
	status, page := u.get("/watches/stop?lang=en&alarm=" + r.alarm.ID)
	u.ok(status, page, "What it would do", "24 payments of 7 payers", "Of these 24 were stopped anyway")
	status, page = u.post("/decisions/act", url.Values{"do": {"stop"}, "id": {"pay_burst_00", "pay_burst_01"}})
	u.ok(status, page, "Order a stop")
	if !strings.Contains(page, `value="dev-burst"`) || !strings.Contains(page, `value="W9"`) || strings.Contains(page, `value="W1"`) {
		t.Error("the form is not filled with what the payments share")
	}
	base := url.Values{"id": {"stp_1"}, "payee": {"M1"}, "outcome": {"hold"}, "hours": {"4"}, "limit": {"100"}, "reason": {"the shop is a front"},
		"zh": {"需要确认"}, "en": {"needs a look"}, "do": {"preview"}}
	with := func(k, v string) url.Values {
		out := url.Values{}
		for a, b := range base {
			out[a] = b
		}
		out.Set(k, v)
		return out
	}
	for field, wrong := range map[string]string{"match": "", "limit": "many", "reason": "", "hours": "900", "zh": ""} {
		form := with(field, wrong)
		if field == "match" {
			form = with("payee", "")
		}
		status, page = u.post("/watches/stop", form)
		if status != http.StatusUnprocessableEntity || !strings.Contains(page, `id="f-stop-`+field+`-error"`) {
			t.Errorf("wrong %s: %d %s", field, status, words(page))
		}
	}
	status, page = u.post("/watches/stop", base)
	u.ok(status, page, "Hold every payment with payee M1 until today 14:00, at most 100.", "1 payment of 1 payer, 30.00 CNY.")
	form := order(page)
	status, page = u.post("/watches/stop", form)
	u.ok(status, page, "In force: payee M1.", "0 of 100")
	status, page = u.post("/watches/stop", form) // the same order again is the same stop
	u.ok(status, page, "In force")
	_, err := r.payment.Assess(context.Background(), host(), payment.Request{ID: "pay_front", At: r.clock.Now(), Payer: "W6", Payee: "M1",
		Amount: money.Of(2_500, money.CNY), Type: "purchase", Channel: "qr", Device: "dev-6", City: "成都"})
	must(t, err)
	must(t, r.watch.Tick(context.Background(), r.clock.Advance(10*time.Second)))
	status, page = u.get("/payments/pay_front/decision?lang=en")
	u.ok(status, page, "Held", "it wants: Held", "only lifting it")
	if !strings.Contains(page, `href="/watches/stops/stp_1"`) {
		t.Error("the order that took part has no link")
	}
	status, page = u.get("/decisions?lang=en&mark=stop")
	u.ok(status, page, "1 payment", "stopped by order")
	status, page = u.get("/watches/stops/stp_1?lang=en")
	u.ok(status, page, "1 of 100", "pay_front")
	status, page = u.post("/watches/stops/stp_1/lift", url.Values{"words": {""}})
	if status != http.StatusUnprocessableEntity {
		t.Errorf("lifted without a reason: %d", status)
	}
	status, page = u.post("/watches/stops/stp_1/extend", url.Values{"until": {"2026-06-01T11:00"}})
	if status != http.StatusUnprocessableEntity || !strings.Contains(page, `id="f-extend-until-error"`) {
		t.Errorf("extended backwards: %d", status)
	}
	status, page = u.post("/watches/stops/stp_1/extend", url.Values{"until": {"2026-06-02T10:00"}})
	u.ok(status, page, "Extended.", "tomorrow 10:00")
	status, page = u.post("/watches/stops/stp_1/lift", url.Values{"words": {"the shop is honest"}})
	u.ok(status, page, "Lifted.", "Let go the 1 it held")
	status, page = u.post("/watches/stops/stp_1/release", nil)
	u.ok(status, page, "1 let go")
	if status, _ = u.post("/watches/stops/stp_1/burn", nil); status != http.StatusNotFound {
		t.Errorf("an act that does not exist: %d", status)
	}
}

// TestStopByTwo waits for the second person, who is not the first.
func TestStopByTwo(t *testing.T) {
	r := riskSQLite(t)
	u, lead := r.as(ident.RoleAnalyst), r.as(ident.RoleLead)
	status, page := u.post("/watches/stop", url.Values{"id": {"stp_2"}, "region": {"四川"}, "outcome": {"block"}, "hours": {"1"}, "limit": {"50"},
		"reason": {"an outbreak"}, "zh": {"暂停"}, "en": {"suspended"}, "do": {"preview"}})
	u.ok(status, page, "This takes two people", "Sign first and ask a second person")
	status, page = u.post("/watches/stop", order(page))
	u.ok(status, page, "Signed; a second person must agree.", "waits for a second person")
	if strings.Contains(page, "Agree as second person") {
		t.Error("the first person is asked to be the second")
	}
	status, page = u.post("/watches/stops/stp_2/approve", nil)
	u.ok(status, page, "Signed; a second person must agree.", "waits for a second person")
	status, page = lead.get("/approvals?lang=en")
	lead.ok(status, page, "block up to 50 payments with region=四川", "Agree on the page of the stop")
	status, page = lead.get("/watches?lang=en")
	lead.ok(status, page, "region 四川")
	status, page = lead.post("/watches/stops/stp_2/approve", nil)
	lead.ok(status, page, "Agreed; the stop is in force.", "active")
	if used := r.engine.StopUses(); len(used) != 1 {
		t.Errorf("the engine has %d stops in force", len(used))
	}
}

// TestWatchEdit changes a watch; wrong numbers and an old version are refused.
func TestWatchEdit(t *testing.T) {
	r := riskSQLite(t)
	u := r.as(ident.RoleAnalyst)
	status, page := u.get("/watches/watch?lang=en&id=device-burst")
	u.ok(status, page, "one device makes many more payments than usual")
	version := regexp.MustCompile(`name="version" value="(\d+)"`).FindStringSubmatch(page)[1]
	form := url.Values{"id": {"device-burst"}, "version": {version}, "zh": {"一台设备"}, "en": {"one device"}, "owner": {"Wu"}, "dimension": {"device"},
		"measure": {"count"}, "window": {"10"}, "floor": {"20"}, "ratio": {"400"}, "false_alarms": {"20"}, "enabled": {"on"}}
	for field, wrong := range map[string]string{"floor": "few", "window": "7.5", "ratio": "90", "false_alarms": "0", "zh": "", "owner": "", "floor_amount": "x"} {
		bad := url.Values{}
		for k, v := range form {
			bad[k] = v
		}
		bad.Set(field, wrong)
		status, page := u.post("/watches/watch", bad)
		if status != http.StatusUnprocessableEntity || !strings.Contains(page, `id="f-watch-`+field+`-error"`) {
			t.Errorf("wrong %s: %d %s", field, status, words(page))
		}
	}
	status, page = u.post("/watches/watch", form)
	u.ok(status, page, "Saved: one device.", "400 %", "edited")
	form.Set("floor", "30")
	status, page = u.post("/watches/watch", form)
	if status != http.StatusConflict || !strings.Contains(words(page), "Somebody has just changed this watch. Look again.") {
		t.Errorf("an old version: %d %s", status, words(page))
	}
	fresh := url.Values{"id": {"my-watch"}, "version": {"0"}, "zh": {"新"}, "en": {"new"}, "owner": {"Wu"}, "dimension": {"payee"}, "measure": {"labels"},
		"window": {""}, "floor": {"2"}, "ratio": {""}, "false_alarms": {"20"}}
	status, page = u.post("/watches/watch", fresh)
	u.ok(status, page, "Saved: new.")
	if status, _ = u.get("/watches/watch?id=none"); status != http.StatusNotFound {
		t.Errorf("a watch that does not exist: %d", status)
	}
}

// TestRiskEmpty says what to do where there is nothing.
func TestRiskEmpty(t *testing.T) {
	w := sqlite(t)
	u := w.as(ident.RoleAnalyst)
	for path, says := range map[string]string{"/watches": "All is calm", "/watches/stops": "No stop", "/watches/alarms": "No such alarm",
		"/lists": "No such entry", "/decisions?account=zzz": "No such decision"} {
		status, page := u.get(with(path, "lang=en"))
		u.ok(status, page, says)
	}
}

// TestRiskInABrowser pauses the live part, sees it go on, and chooses by keyboard.
func TestRiskInABrowser(t *testing.T) {
	r := riskSQLite(t)
	p := webtest.Open(t).NewUser()
	signIn(p, r.world, ident.RoleAnalyst)
	p.Goto(r.url + "/decisions?device=dev-burst&lang=en")
	p.See("24 payments")
	pay := func(id string) {
		_, err := r.payment.Assess(context.Background(), host(), payment.Request{ID: id, At: r.clock.Now(), Payer: "W1", Payee: "M1",
			Amount: money.Of(100, money.CNY), Type: "purchase", Channel: "qr", Device: "dev-burst"})
		must(t, err)
	}
	pay("pay_live_1")
	p.See("pay_live_1") // by the stream, without a reload
	p.Press("p")
	p.See("Paused")
	pay("pay_live_2")
	p.See("There is news")
	p.NotSee("pay_live_2")
	p.Press("p")
	p.See("pay_live_2")
	p.Press("j")
	p.Press("x")
	p.See("1 selected")
	pay("pay_live_3")
	p.See("There is news") // who has chosen rows is left alone
	p.NotSee("pay_live_3")
	p.Click("Label as theft")
	p.See("Label 1 payment as theft")
	p.CheckConsole()
	for name, path := range riskPages(r) {
		for _, lang := range []string{"zh", "en"} {
			p.SetDesktop()
			p.Goto(r.url + with(path, "lang="+lang))
			if p.Status() != http.StatusOK {
				t.Errorf("%s: status %d", name, p.Status())
			}
			webtest.CheckPage(t, p)
			if dir := os.Getenv("SURETY_SHOTS"); dir != "" {
				p.Screenshot(filepath.Join(dir, name+"-desk-"+lang+".png"))
				p.SetPhone()
				p.Screenshot(filepath.Join(dir, name+"-phone-"+lang+".png"))
			}
		}
	}
	p.SetScripts(false)
	p.Goto(r.url + "/decisions?lang=en")
	p.See("Refresh")
	p.See("pay_live_3")
	p.SetScripts(true)
}

// riskPages are the pages of this part, by name.
func riskPages(r *riskWorld) map[string]string {
	out := map[string]string{"decisions": "/decisions", "decisions-none": "/decisions?account=zzz",
		"decision": "/payments/pay_burst_20/decision", "decision-held": "/payments/pay_big/decision", "label": "/decisions/label?is=theft&id=pay_burst_20",
		"lists": "/lists", "entry": "/lists/lst_name", "list-add": "/lists/add", "list-files": "/lists/files",
		"watches": "/watches", "alarms": "/watches/alarms", "alarm": "/watches/alarms/" + r.alarm.ID, "stop-form": "/watches/stop?alarm=" + r.alarm.ID,
		"stops": "/watches/stops", "watch": "/watches/watch?id=device-burst"}
	_, err := r.watch.MakeStop(context.Background(), r.staff[ident.RoleAnalyst], watch.StopIn{ID: "stp_shot", Alarm: r.alarm.ID,
		Match: risk.Match{Device: "dev-" + strconv.Itoa(7)}, Outcome: risk.Hold, Until: r.clock.Now().Add(3 * time.Hour), Limit: 40,
		ZH: "需要确认", EN: "needs a look", Reason: "a shop of stolen phones"})
	must(r.t, err)
	out["stop"] = "/watches/stops/stp_shot"
	return out
}
