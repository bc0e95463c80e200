package console_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"surety/domain/payment"
	"surety/domain/risk"
	"surety/domain/rulebook"
	"surety/kernel/boost"
	"surety/kernel/ident"
	"surety/kernel/money"
	"surety/platform/db"
	"surety/platform/db/dbtest"
)

// pay is one payment that is made three quarters of an hour later, and what comes of
// it. It moves the clock.
func (w *world) pay(id, payer, payee, device string, fen int64) {
	w.t.Helper()
	ctx := context.Background()
	w.clock.Advance(47 * time.Minute)
	p, err := w.payment.Assess(ctx, host(), payment.Request{ID: id, At: w.clock.Now(), Payer: payer, Payee: payee, Amount: money.Of(fen, money.CNY),
		Type: "transfer", Channel: "app", Device: device, IP: "10.0.0.1", City: "乐山"})
	must(w.t, err)
	e := payment.Settle
	switch p.State {
	case payment.Challenged:
		e = payment.FailChallenge
	case payment.Held, payment.Blocked:
		return
	}
	_, err = w.payment.Advance(ctx, host(), p.ID, e)
	must(w.t, err)
}

// live is days of payments as they came, from the clock on: ordinary ones, and each
// day a thief, who is told of at once. It moves the clock.
func (w *world) live(name string, days, from int) {
	w.t.Helper()
	ctx := context.Background()
	for day := range days {
		thief := fmt.Sprintf("%s-theft-%d", name, day)
		for slot, i := 0, 0; slot < 7; slot++ {
			if slot == day*3%7 { // at any hour
				device := fmt.Sprintf("dev-%s-thief-%d", name, day)
				if day%3 == 0 {
					device = fmt.Sprintf("dev-%d", day%6+1) // with the victim's own device
				}
				w.pay(thief, fmt.Sprintf("W%d", day%6+1), fmt.Sprintf("BANK:62280%d", day), device, int64(20_000+37_000*(day%13)))
				continue
			}
			device := fmt.Sprintf("dev-%d", i+1)
			if (day+i)%11 == 0 {
				device = fmt.Sprintf("dev-%s-new-%d-%d", name, day, i) // people buy telephones
			}
			payee, fen := "M1", 2_000+900*((day*7+i*5)%23)+from*400
			if (day*5+i)%13 == 0 {
				payee, fen = fmt.Sprintf("BANK:77%d%d", day, i), fen*9 // and pay the rent
			}
			w.pay(fmt.Sprintf("%s-%d-%d", name, day, i), fmt.Sprintf("W%d", i+1), payee, device, int64(fen))
			i++
		}
		_, err := w.rulebook.AddLabels(ctx, w.staff[ident.RoleAnalyst], []rulebook.LabelIn{{Payment: thief, Fraud: true, Source: "police"}})
		must(w.t, err)
		w.clock.Advance(24*time.Hour - 7*47*time.Minute)
	}
}

// trained is a model that learned from all payments since the start.
func (w *world) trained(name string, trees int) rulebook.TrainReport {
	w.t.Helper()
	r, err := w.rulebook.Train(context.Background(), w.staff[ident.RoleAnalyst], rulebook.TrainIn{
		SetIn: rulebook.SetIn{From: start, To: w.clock.Now(), Delay: 24 * time.Hour}, Name: name, Test: 0.3, Keep: true,
		Trees: boost.Train{Trees: trees, Depth: 3, Rate: 0.2, Seed: 7, Stop: 50, Calibrate: true}}, nil)
	must(w.t, err)
	return r
}

// promoted puts a model in its place with two people.
func (w *world) promoted(id, sha string, as rulebook.ModelStatus) {
	w.t.Helper()
	ctx := context.Background()
	p, err := w.rulebook.Promote(ctx, w.staff[ident.RoleAnalyst], rulebook.PromoteIn{ID: id, Model: sha, As: as, Note: "better over matured labels"})
	must(w.t, err)
	_, err = w.rulebook.Sign(ctx, w.staff[ident.RoleCompliance], id, p.Hash)
	must(w.t, err)
}

// harder is the default pack under another number, with a few things changed.
func harder(t *testing.T, number int) string {
	t.Helper()
	text, err := risk.DefaultPack()
	must(t, err)
	out := strings.NewReplacer("number: 1,", fmt.Sprintf("number: %d,", number), "small: 100000 ", "small: 30000 ",
		"priority: 60\n    mode: live\n    types: [transfer]\n    when: >-\n      payee.new && payee.kind",
		"priority: 60\n    mode: shadow\n    types: [transfer]\n    when: >-\n      payee.new && payee.kind").Replace(text)
	if out == text {
		t.Fatal("the text did not change")
	}
	return out
}

// rulesWorld is a house whose rulebook is loaded, and nothing more.
func rulesWorld(t *testing.T, d *db.DB) *world {
	w := newWorld(t, d)
	must(t, w.rulebook.Load(context.Background()))
	return w
}

func rulesSQLite(t *testing.T) *world {
	return rulesWorld(t, dbtest.Open(t, db.SQLite, dbtest.Options{Migrations: migrations()}))
}

// anyModel is the file of a small model whose features the default pack has.
func anyModel(t testing.TB) []byte {
	t.Helper()
	d := boost.Dataset{Names: []string{"amount", "payer.count_1d"}, Rows: 200}
	for i := range d.Rows {
		k := i * 37 % 200
		d.X = append(d.X, float32(k*1000), float32(i%7))
		d.Y = append(d.Y, uint8(k/120))
		d.At = append(d.At, int64(i))
	}
	m, _, err := boost.Fit(context.Background(), boost.Train{Trees: 5, Depth: 2, Seed: 1, Stop: 5}, d, nil)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := m.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// ruleParams makes a draft, a question, a publication and a model, for the pages of
// rules and models; the first three have the same id.
func ruleParams(w *world) map[string]string {
	w.t.Helper()
	ctx, by, id := context.Background(), w.staff[ident.RoleAnalyst], "same"
	must(w.t, w.rulebook.Load(ctx))
	text := harder(w.t, 2)
	_, err := w.rulebook.SaveDraft(ctx, by, rulebook.Draft{ID: id, Title: "risk 2 <script>alert(7)</script>", Text: text})
	must(w.t, err)
	_, err = w.rulebook.AskHistory(ctx, by, id, rulebook.Question{From: start.AddDate(0, 0, -30), To: start, Text: text})
	must(w.t, err)
	p, err := w.rulebook.SavePack(ctx, by, text, "<script>alert(8)</script>")
	must(w.t, err)
	m, err := w.rulebook.ImportModel(ctx, by, "cards", anyModel(w.t))
	must(w.t, err)
	_, err = w.rulebook.Ask(ctx, by, rulebook.PublishIn{ID: id, Pack: p.Version.SHA256, Challengers: []string{m.SHA256}, Note: "<script>alert(9)</script>"})
	must(w.t, err)
	return map[string]string{"rules": id, "models": m.SHA256}
}

// TestRulesNow shows what runs, a rule over its limit, what labels say of a rule,
// and the empty states.
func TestRulesNow(t *testing.T) {
	w := rulesSQLite(t)
	u := w.as(ident.RoleAnalyst)
	status, page := u.get("/rules?lang=en")
	u.ok(status, page, "came with the program", "No drafts.", "Nothing has been published yet", "Nobody has asked to publish yet",
		"no labels yet", "live", "no daily limit", "rules alone, no model")
	if strings.Contains(page, "Take this publication back") {
		t.Error("the pack of the program can be taken back")
	}
	for _, p := range []struct{ path, says string }{{"/rules/replays", "No questions yet"}, {"/rules/packs", "1 version"}, {"/rules/pack", "Copy into a draft"},
		{"/models", "No model scores payments now"}} {
		status, page = u.get(p.path + "?lang=en")
		u.ok(status, page, p.says)
	}
	for path, want := range map[string]int{"/rules/drafts/none": 404, "/rules/replays/none": 404, "/rules/publications/none": 404, "/models/none": 404,
		"/rules/pack?sha=none": 404} {
		if status, _ := u.get(path); status != want {
			t.Errorf("%s: status %d, want %d", path, status, want)
		}
	}
	text, err := risk.DefaultPack()
	must(t, err)
	if status, got := u.get("/rules/pack.yaml"); status != 200 || got != text {
		t.Errorf("the exported pack is not the pack: status %d, %d bytes of %d", status, len(got), len(text))
	}
	limited := strings.Replace(strings.Replace(text, "number: 1,", "number: 2,", 1), "    when: device.new && payee.new && payer.sum_1d >= limit.small\n",
		"    when: device.new && payee.new && payer.sum_1d >= limit.small\n    per_day: 1\n", 1)
	p, err := w.rulebook.SavePack(context.Background(), w.staff[ident.RoleAnalyst], limited, "")
	must(t, err)
	ask, err := w.rulebook.Ask(context.Background(), w.staff[ident.RoleAnalyst], rulebook.PublishIn{ID: "pub-1", Pack: p.Version.SHA256, Note: "limits"})
	must(t, err)
	_, err = w.rulebook.Sign(context.Background(), w.staff[ident.RoleCompliance], "pub-1", ask.Hash)
	must(t, err)
	w.live("now", 6, 0)
	w.pay("now-theft", "W2", "BANK:6999", "dev-thief", 300_000)
	u = w.as(ident.RoleAnalyst)
	status, page = u.get("/rules?lang=en")
	u.ok(status, page, "risk 2", "asked by 分析员 Wu", "signed by 合规 Sun", "at most 1 a day", "labelled were thefts", "Take this publication back",
		"From then on payments are judged by: the pack that came with the program")
	if !strings.Contains(page, "stopped 1") {
		t.Errorf("no rule has stopped anything today:\n%s", words(page))
	}
}

// TestDraftMistakes shows every mistake that the check finds with its line, keeps
// what was written, and lets nobody try or publish it.
func TestDraftMistakes(t *testing.T) {
	w := rulesSQLite(t)
	u := w.as(ident.RoleAnalyst)
	status, page := u.post("/rules/drafts", url.Values{"id": {"drf-1"}, "from": {""}})
	u.ok(status, page, "The draft “risk 2” is made.", "no mistakes", "Save and check")
	if !strings.Contains(page, "number: 2,") {
		t.Error("the copy has not the next number")
	}
	at := "/rules/drafts/drf-1"
	wrong := strings.Replace(harder(t, 2), "payer.count_10m >= 8", "payer.count_10n >= 8", 1)
	line := 1 + strings.Count(wrong[:strings.Index(wrong, "payer.count_10n")], "\n")
	crlf := strings.ReplaceAll(wrong, "\n", "\r\n") // as browsers send it
	status, page = u.post(at, url.Values{"title": {"mine <b>"}, "version": {"1"}, "text": {crlf}})
	u.ok(status, page, "Saved.", "1 mistake", fmt.Sprintf("line %d", line), "payer.count_10n", "mine &lt;b&gt;")
	if !strings.Contains(page, fmt.Sprintf(`id="L%d" class="is-wrong"`, line)) || !strings.Contains(page, "<mark>payer.count_10n") {
		t.Errorf("the line %d is not marked", line)
	}
	if status, got := u.get(at + "/pack.yaml"); status != 200 || got != wrong {
		t.Error("the text is not what was written")
	}
	for _, tab := range []string{"whatif", "publish"} {
		status, page = u.get(at + "?lang=en&tab=" + tab)
		u.ok(status, page, "Mend the mistakes first")
	}
	if status, page = u.post(at+"/replay", url.Values{"id": {"rpl-1"}, "version": {"2"}, "from": {"2026-05-01"}, "to": {"2026-05-31"}}); status != 409 ||
		!strings.Contains(page, "mend them first") {
		t.Errorf("a draft with a mistake is tried: %d %s", status, words(page))
	}
	if status, _ = u.post(at+"/publish", url.Values{"id": {"pub-1"}, "version": {"2"}, "note": {"x"}}); status == 200 {
		t.Error("a draft with a mistake is published")
	}
	// Somebody else has saved meanwhile: nothing is lost.
	status, page = u.post(at, url.Values{"title": {"second"}, "version": {"1"}, "text": {"pack: {name: lost}"}})
	if status != http.StatusConflict || !strings.Contains(page, "Somebody else has just changed this draft") || !strings.Contains(page, "pack: {name: lost}") {
		t.Errorf("a clash: %d\n%s", status, words(page))
	}
	for field, form := range map[string]url.Values{"draft-title": {"title": {""}, "version": {"2"}, "text": {"x"}}} {
		status, page = u.post(at, form)
		if status != http.StatusUnprocessableEntity || !strings.Contains(page, `id="f-`+field+`-error"`) {
			t.Errorf("%s: %d\n%s", field, status, words(page))
		}
	}
	status, page = u.post("/rules/check", url.Values{"text": {crlf}})
	u.ok(status, page)
	if !strings.Contains(page, fmt.Sprintf(`"lines":[%d]`, line)) || !strings.Contains(page, "payer.count_10n") {
		t.Errorf("the check says %s", page)
	}
	status, page = u.upload("/rules/drafts", map[string]string{"id": "drf-2", "from": "file"}, "x.yaml", []byte("\xff\xfe"))
	if status != http.StatusUnprocessableEntity || !strings.Contains(page, "not text in UTF-8") {
		t.Errorf("bytes as rules: %d", status)
	}
	status, page = u.upload("/rules/drafts", map[string]string{"id": "drf-3", "from": "file"}, "x.yaml", []byte("\ufeff"+harder(t, 5)))
	u.ok(status, page, "risk 5", "no mistakes")
	status, page = u.upload(at+"/file", map[string]string{"version": "2"}, "x.yaml", []byte(harder(t, 2)))
	u.ok(status, page, "Saved.", "no mistakes")
	status, page = u.get(at + "?lang=en&tab=difference")
	u.ok(status, page, "limit small changed from 100000 to 30000", "mode of rule young_payee_large")
	status, page = u.post(at+"/drop", nil)
	u.ok(status, page, "thrown away")
	lead := w.as(ident.RoleLead)
	status, page = lead.get("/rules/drafts/drf-3?lang=en")
	lead.ok(status, page, "no mistakes")
	if !strings.Contains(page, "readonly") || strings.Contains(page, "Throw the draft away") {
		t.Error("a lead may write rules")
	}
}

// TestPublishByTwo tries a draft on history, publishes it with two people, takes it
// back, on both databases.
func TestPublishByTwo(t *testing.T) {
	dbtest.Run(t, dbtest.Options{Migrations: migrations()}, func(t *testing.T, d *db.DB) {
		w := rulesWorld(t, d)
		w.live("h", 12, 0)
		u, second := w.as(ident.RoleAnalyst), w.as(ident.RoleCompliance)
		u.ok(u.post("/rules/drafts", url.Values{"id": {"drf-1"}, "from": {""}}))
		at := "/rules/drafts/drf-1"
		u.ok(u.post(at, url.Values{"title": {"harder"}, "version": {"1"}, "text": {harder(t, 2)}}))
		tryIt(t, w, u, at)
		for field, form := range map[string]url.Values{
			"publish-note":    {"id": {"pub-1"}, "version": {"2"}, "figures": {"rpl-1"}, "champion": {"none"}},
			"publish-figures": {"id": {"pub-1"}, "version": {"2"}, "figures": {"rpl-2"}, "champion": {"none"}, "note": {"keep me"}},
		} {
			status, page := u.post(at+"/publish", form)
			if status != http.StatusUnprocessableEntity || !strings.Contains(page, `id="f-`+field+`-error"`) {
				t.Errorf("%s: %d\n%s", field, status, words(page))
			}
		}
		status, page := u.post(at+"/publish", url.Values{"id": {"pub-1"}, "version": {"2"}, "figures": {"rpl-1"}, "champion": {"none"},
			"note": {"small amounts are drained too"}})
		u.ok(status, page, "a second person must sign", "small amounts are drained too", "limit small changed from 100000 to 30000", "You have signed",
			"Tried on history")
		_, page = second.get("/rules/publications/pub-1?lang=en")
		second.ok(200, page, "Sign as second person", "分析员 Wu signed first; you are the second", "small amounts are drained too", "limit small changed")
		hash := hashField.FindStringSubmatch(page)
		if hash == nil {
			t.Fatal("nothing to sign")
		}
		if status, _ = u.post("/rules/publications/pub-1/sign", url.Values{"hash": {hash[1]}}); status != http.StatusForbidden {
			t.Errorf("one person signs twice: %d", status)
		}
		if status, page = second.post("/rules/publications/pub-1/sign", url.Values{"hash": {strings.Repeat("0", 64)}}); status != http.StatusConflict {
			t.Errorf("another content is signed: %d %s", status, words(page))
		}
		status, page = second.post("/rules/publications/pub-1/sign", url.Values{"hash": {hash[1]}})
		second.ok(status, page, "In force: it judges every payment from now on.", "It runs now")
		if n := w.engine.Pack().Version.Number; n != 2 {
			t.Fatalf("number %d runs", n)
		}
		status, page = u.post("/rules/publications/pub-1/takeback", url.Values{"why": {" "}})
		if status != http.StatusUnprocessableEntity || !strings.Contains(page, `id="f-takeback-why-error"`) {
			t.Errorf("taken back without a reason: %d\n%s", status, words(page))
		}
		status, page = u.post("/rules/publications/pub-1/takeback", url.Values{"why": {"too many challenged"}})
		u.ok(status, page, "Taken back", "too many challenged", "came with the program")
		if n := w.engine.Pack().Version.Number; n != 1 {
			t.Fatalf("number %d runs", n)
		}
		withdrawIt(w, u, second, at)
		if got := w.log.String(); got != "" {
			t.Errorf("the log has: %s", got)
		}
	})
}

// tryIt asks history by the pages alone.
func tryIt(t *testing.T, w *world, u *user, at string) {
	t.Helper()
	for field, form := range map[string]url.Values{
		"replay-from": {"id": {"rpl-1"}, "version": {"2"}, "from": {"yesterday"}, "to": {"2026-06-30"}},
		"replay-to":   {"id": {"rpl-1"}, "version": {"2"}, "from": {"2026-06-30"}, "to": {"2026-06-01"}},
	} {
		status, page := u.post(at+"/replay", form)
		if status != http.StatusUnprocessableEntity || !strings.Contains(page, `id="f-`+field+`-error"`) {
			t.Errorf("%s: %d\n%s", field, status, words(page))
		}
	}
	ask := url.Values{"id": {"rpl-1"}, "version": {"2"}, "from": {"2026-06-01"}, "to": {"2026-06-30"}, "model": {"champion"}, "against": {"as_decided"}}
	status, page := u.post(at+"/replay", ask)
	u.ok(status, page, "It has begun", "waiting", "Cancel the question")
	worked, err := w.rulebook.AnswerOne(context.Background())
	if !worked || err != nil {
		t.Fatal(worked, err)
	}
	status, page = u.get("/rules/replays/rpl-1?lang=en")
	u.ok(status, page, "It would have saved money", "More stopped", "By rule", "Payments that would be stopped", "new_device_new_payee", "theft",
		"Ordinary people disturbed", "How it was counted")
	if !regexp.MustCompile(`href="/payments/h-theft-\d+/decision"`).MatchString(page) {
		t.Error("the samples lead nowhere")
	}
	ask.Set("id", "rpl-2")
	u.ok(u.post(at+"/replay", ask))
	status, page = u.post("/rules/replays/rpl-2/cancel", nil)
	u.ok(status, page, "This question was cancelled.")
	if status, _ = u.post("/rules/replays/rpl-1/cancel", nil); status != http.StatusConflict {
		t.Errorf("an answer is cancelled: %d", status)
	}
	status, page = u.get(at + "?tab=whatif&lang=en")
	u.ok(status, page, "This text, tried on history 2 questions")
}

// withdrawIt asks again and thinks better of it.
func withdrawIt(w *world, u, second *user, at string) {
	w.t.Helper()
	status, page := u.post(at+"/publish", url.Values{"id": {"pub-2"}, "version": {"2"}, "figures": {"none"}, "champion": {"none"}, "note": {"again"}})
	u.ok(status, page, "a second person must sign")
	status, page = second.get("/rules?lang=en")
	second.ok(status, page, "A publication waits for a second person")
	status, page = u.post("/rules/publications/pub-2/withdraw", nil)
	u.ok(status, page, "Withdrawn.", "There is nothing to do here.")
	if status, _ = second.post("/rules/publications/pub-2/sign", url.Values{"hash": {strings.Repeat("0", 64)}}); status == 200 {
		w.t.Error("what was withdrawn is signed")
	}
}

// TestRulesRoles opens every page of rules and models as every role and posts as
// everybody who may not.
func TestRulesRoles(t *testing.T) {
	w := rulesSQLite(t)
	p := ruleParams(w)
	for _, role := range staffRoles() {
		u := w.as(role)
		for _, path := range []string{"/rules", "/rules/packs", "/rules/pack", "/rules/drafts/same", "/rules/drafts/same?tab=difference",
			"/rules/drafts/same?tab=whatif", "/rules/drafts/same?tab=publish", "/rules/replays", "/rules/replays/same", "/rules/publications/same",
			"/models", "/models?now=1", "/models/" + p["models"], "/models/" + p["models"] + "?now=1", "/rules/pages.css", "/rules/editor.js"} {
			want := http.StatusForbidden
			if role == ident.RoleAnalyst || role == ident.RoleLead || role == ident.RoleCompliance {
				want = http.StatusOK
			}
			for _, lang := range []string{"zh", "en"} {
				checkPage(t, u, role, with(path, "lang="+lang), want)
			}
		}
		for _, path := range []string{"/rules/drafts", "/rules/drafts/same", "/rules/drafts/same/drop", "/rules/drafts/same/replay",
			"/rules/drafts/same/publish", "/models/import", "/models/" + p["models"] + "/retire"} {
			if role == ident.RoleAnalyst {
				continue
			}
			if status, _ := u.post(path, nil); status != http.StatusForbidden {
				t.Errorf("%s as %s: status %d", path, role, status)
			}
		}
	}
}
