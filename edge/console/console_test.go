package console_test

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"surety/domain/fund"
	"surety/domain/incident"
	"surety/edge/console"
	"surety/edge/web/webtest"
	"surety/kernel/ident"
	"surety/platform/access"
	"surety/platform/db"
	"surety/platform/db/dbtest"
)

func sqlite(t *testing.T) *world {
	return newWorld(t, dbtest.Open(t, db.SQLite, dbtest.Options{Migrations: migrations()}))
}

var hashField = regexp.MustCompile(`name="hash" value="([0-9a-f]{64})"`)

// story lives through an incident with the pages alone, and returns its id.
func story(w *world) string {
	lead, second, funds := w.as(ident.RoleLead), w.as(ident.RoleCompliance), w.as(ident.RoleFund)
	id := w.ids.New("inc")
	status, page := lead.post("/incidents/declare", url.Values{"id": {id}, "title": {"3·19 <script>alert(3)</script>"},
		"fund_id": {"emergency"},
		"from":    {"2026-05-20"}, "to": {"2026-05-31"}, "deadline": {"2026-06-01T23:59"}})
	lead.ok(status, page, "Declared; the fund is frozen")
	here := "/incidents/" + id
	for _, f := range []struct{ kind, name, body, says string }{
		{"police_list", "list.csv", policeList, "4 people read, 1 row refused"},
		{"police_list", "list.csv", policeList, "This file was read before"},
		{"user_reports", "reports.csv", reports, "2 claims filed"},
		{"estate", "estate.json", estate, "takes over the claim of"},
	} {
		status, page = lead.upload(here+"/upload", map[string]string{"kind": f.kind}, f.name, []byte(f.body))
		lead.ok(status, page, f.says)
	}
	status, page = lead.post(here+"/gather", nil)
	lead.ok(status, page, "2 marks and 1 further victim found")
	status, page = lead.post(here+"/reconcile", nil)
	lead.ok(status, page, "Checked: 4 people can be paid", "differs by -500.00", "more was claimed than was lost")
	resolveDiffering(w, lead, id)
	status, page = lead.post(here+"/propose", nil)
	lead.ok(status, page, "Proposed:", "Waiting for a second person")
	_, page = second.get(here + "?lang=en")
	m := hashField.FindStringSubmatch(page)
	if m == nil {
		w.t.Fatalf("no hash to approve:\n%s", words(page))
	}
	if status, _ = lead.post(here+"/approve", url.Values{"hash": {m[1]}}); status == 200 {
		w.t.Fatal("one person signed twice")
	}
	status, page = second.post(here+"/approve", url.Values{"hash": {m[1]}})
	second.ok(status, page, "Approved; the money is set aside")
	status, page = funds.post(here+"/pay", nil)
	funds.ok(status, page, "5 payouts ordered")
	w.settle(funds)
	status, page = lead.get(here + "?lang=en")
	lead.ok(status, page, "Everybody is paid")
	return id
}

// resolveDiffering decides the amount where police and records differ.
func resolveDiffering(w *world, lead *user, id string) {
	var victim, other incident.Victim
	must(w.t, w.db.View(context.Background(), func(tx *db.Tx) error {
		vs, err := w.incident.Victims(tx, id)
		for _, v := range vs {
			switch v.Verdict {
			case incident.Differs:
				victim = v
			case incident.Confirmed:
				other = v
			}
		}
		return err
	}))
	redirect(w, lead, "/incidents/"+id+"/victims/"+other.ID)
	at := "/incidents/" + id + "/victims/" + victim.ID
	status, page := lead.post(at+"/resolve", url.Values{"amount": {"4,500"}, "why": {""}})
	if status != http.StatusUnprocessableEntity || !strings.Contains(page, `value="4,500"`) {
		w.t.Fatalf("a decision without a reason: %d, or what was entered is lost:\n%s", status, words(page))
	}
	status, page = lead.post(at+"/resolve", url.Values{"amount": {"4,500.00"}, "why": {"the records hold"}})
	lead.ok(status, page, "Decided.")
	status, page = lead.post(at+"/call", url.Values{"outcome": {"reached"}, "words": {"called back <script>alert(4)</script>"}})
	lead.ok(status, page, "The call is noted.")
	status, page = lead.post(at+"/reveal", nil)
	lead.ok(status, page, "17000029901")
}

// redirect names another account for a victim, first a wrong one.
func redirect(w *world, lead *user, at string) {
	form := url.Values{"name": {"宋伟"}, "bank": {"工商银行"}, "account": {"6202 9965 ?"}, "why": {"the card is lost"}}
	status, page := lead.post(at+"/redirect", form)
	if status != http.StatusUnprocessableEntity || !strings.Contains(page, `id="f-redirect-account-error"`) ||
		!strings.Contains(page, "6202 9965 ?") {
		w.t.Fatalf("a wrong account: status %d\n%s", status, words(page))
	}
	form.Set("account", "6202 9965 1900 0655 153")
	status, page = lead.post(at+"/redirect", form)
	lead.ok(status, page, "The account is changed.", "****5153")
	if status, _ = lead.post(at+"/assign", url.Values{"account": {"W9"}}); status != http.StatusConflict {
		w.t.Errorf("a victim who has an account gets another: status %d", status)
	}
}

// settle lets the files go out and answers for the bank.
func (w *world) settle(funds *user) {
	ctx := context.Background()
	_, err := w.queue.Drain(ctx)
	must(w.t, err)
	batches := map[string]bool{}
	must(w.t, w.db.View(ctx, func(tx *db.Tx) error {
		ps, err := w.fund.List(tx, fund.Filter{State: fund.Sent})
		for _, p := range ps {
			batches[p.Batch] = true
		}
		return err
	}))
	if len(batches) == 0 {
		w.t.Fatal("nothing was sent to the bank")
	}
	for b := range batches {
		status, page := funds.upload("/funds/status", nil, "status.xml", []byte(bankSays(b)))
		funds.ok(status, page, "settled, 0 rejected")
	}
	_, err = w.queue.Drain(ctx)
	must(w.t, err)
}

func bankSays(batch string) string {
	return `<?xml version="1.0" encoding="UTF-8"?><Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.002.001.10"><CstmrPmtStsRpt>` +
		`<GrpHdr><MsgId>BANK-` + batch[len(batch)-8:] + `</MsgId><CreDtTm>2026-06-01T12:00:00+08:00</CreDtTm></GrpHdr>` +
		`<OrgnlGrpInfAndSts><OrgnlMsgId>` + batch +
		`</OrgnlMsgId><OrgnlMsgNmId>pain.001.001.09</OrgnlMsgNmId><GrpSts>ACSC</GrpSts></OrgnlGrpInfAndSts></CstmrPmtStsRpt></Document>`
}

// TestIncident lives through an incident on both databases.
func TestIncident(t *testing.T) {
	dbtest.Run(t, dbtest.Options{Migrations: migrations()}, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		id := story(w)
		lead, second := w.as(ident.RoleLead), w.as(ident.RoleCompliance)
		status, page := lead.post("/incidents/"+id+"/statement", url.Values{"lang": {"en"}})
		lead.ok(status, page, "The draft is written.", "Compensation first", "Left in the fund")
		status, page = second.post("/audit/verify", nil)
		second.ok(status, page, "The audit log is sound", "The books balance")
		status, page = lead.post("/incidents/"+id+"/close", nil)
		lead.ok(status, page, "the fund is free again")
		if got := w.log.String(); got != "" {
			t.Errorf("the log has: %s", got)
		}
	})
}

// params gives a real id for each place of a route.
func params(w *world, inc string) map[string]string {
	out := map[string]string{"{id}": inc}
	must(w.t, w.db.View(context.Background(), func(tx *db.Tx) error {
		vs, err := w.incident.Victims(tx, inc)
		if err != nil {
			return err
		}
		src, err := w.incident.Sources(tx, inc)
		if err != nil {
			return err
		}
		recent, err := w.audit.Recent(tx, 1)
		if err != nil {
			return err
		}
		certs, err := w.notice.ByIncident(tx, inc)
		if err != nil {
			return err
		}
		out["{victim}"], out["{source}"], out["audit"], out["claims"] = vs[0].ID, src[0].ID, recent[0].ID, vs[0].Claim
		out["certificates"], out["payments"], out["funds"], out["staff"] = certs[0].ID, "pay_theft_0", "emergency",
			w.staff[ident.RoleAnalyst].ID
		return nil
	}))
	e, err := w.claim.AddEvidence(context.Background(), w.staff[ident.RoleHandler], claimOfReport(w, inc), "a\"<b>.txt",
		strings.NewReader("plain words"))
	must(w.t, err)
	out["{file}"], out["claims"] = e.ID, e.Claim
	maps.Copy(out, ruleParams(w))
	return out
}

// claimOfReport is the claim of the report that showed no loss: still open.
func claimOfReport(w *world, inc string) (id string) {
	must(w.t, w.db.View(context.Background(), func(tx *db.Tx) error {
		vs, err := w.incident.Victims(tx, inc)
		for _, v := range vs {
			if v.Verdict == incident.False {
				id = v.Claim
			}
		}
		return err
	}))
	return id
}

// riskParams adds the ids of lists, alarms and stops.
func riskParams(w *world, p map[string]string) {
	r := riskStory(w)
	riskPages(r)
	p["lists"], p["alarms"], p["stops"] = "lst_name", r.alarm.ID, "stp_shot"
}

// address fills the places of a pattern.
func address(pattern string, p map[string]string) string {
	path := strings.TrimSuffix(pattern, "{$}")
	if path == "/decisions/label" {
		return path + "?is=theft&id=pay_theft_0"
	}
	parts := strings.Split(path, "/")
	noun := parts[1]
	if noun == "watches" && len(parts) > 2 {
		noun = parts[2]
	}
	if id, ok := p[noun]; ok {
		path = strings.ReplaceAll(path, "{id}", id)
	}
	for _, place := range []string{"{victim}", "{source}", "{file}", "{id}"} {
		path = strings.ReplaceAll(path, place, p[place])
	}
	return strings.ReplaceAll(path, "{what}", "disable")
}

var missing = regexp.MustCompile(`\[[a-z_]+(\.[a-z_0-9]+)+\]`)

// TestPagesByRole opens every page as every role: who may sees it, who may not is
// refused, nothing fails, nothing hostile runs, no word is missing.
func TestPagesByRole(t *testing.T) {
	w := sqlite(t)
	inc := story(w)
	p := params(w, inc)
	riskParams(w, p)
	var gets []console.Route
	for _, r := range console.Routes() {
		if strings.HasPrefix(r.Pattern, "GET ") && !strings.HasSuffix(r.Pattern, "/live") && r.Pattern != "GET /sign-in" {
			gets = append(gets, r)
		}
	}
	extra := []string{"?tab=sources", "?tab=marks", "?tab=statement", "?tab=history"}
	for _, role := range staffRoles() {
		u := w.as(role)
		if role == ident.RoleAdmin { // the others' streams do not end by themselves; TestBrowser sees one
			checkPage(t, u, role, "/incidents/"+inc+"/live", http.StatusForbidden)
		}
		for _, r := range gets {
			path := address(strings.TrimPrefix(r.Pattern, "GET "), p)
			paths := []string{path}
			if r.Pattern == "GET /incidents/{id}" {
				for _, q := range extra {
					paths = append(paths, path+q)
				}
			}
			want := http.StatusOK
			if spec, ok := access.Lookup(r.Act); ok && r.Act != "" && !slices.Contains(spec.Roles, role) {
				want = http.StatusForbidden
			}
			for _, path := range paths {
				for _, lang := range []string{"zh", "en"} {
					checkPage(t, u, role, with(path, "lang="+lang), want)
				}
			}
		}
	}
	if got := w.log.String(); got != "" {
		t.Errorf("the log has: %s", got)
	}
}

func checkPage(t *testing.T, u *user, role ident.Role, path string, want int) {
	t.Helper()
	status, page := u.get(path)
	if status != want {
		t.Errorf("%s as %s: status %d, want %d: %.300s", path, role, status, want, words(page))
	}
	if strings.Contains(page, "<script>alert") && strings.HasPrefix(page, "<!") {
		t.Errorf("%s as %s: a name runs as a script", path, role)
	}
	if m := missing.FindString(page); m != "" && strings.HasPrefix(page, "<!") {
		t.Errorf("%s as %s: no word for %s", path, role, m)
	}
}

// TestPostsByRole sends every post as everybody who may not, as nobody, and from
// another site: nothing happens.
func TestPostsByRole(t *testing.T) {
	w := sqlite(t)
	p := params(w, story(w))
	riskParams(w, p)
	users := map[ident.Role]*user{}
	for _, role := range staffRoles() {
		users[role] = w.as(role)
	}
	nobody := w.visitor()
	for _, r := range console.Routes() {
		path, isPost := strings.CutPrefix(r.Pattern, "POST ")
		if !isPost {
			continue
		}
		path = address(path, p)
		req, err := http.NewRequest(http.MethodPost, w.url+path, nil)
		must(t, err)
		req.Header.Set("Sec-Fetch-Site", "cross-site")
		answer, err := users[ident.RoleLead].http.Do(req)
		must(t, err)
		answer.Body.Close()
		if answer.StatusCode != http.StatusForbidden {
			t.Errorf("%s from another site: status %d", path, answer.StatusCode)
		}
		if strings.HasPrefix(path, "/sign-") {
			continue
		}
		if status, _ := nobody.post(path, nil); status != http.StatusUnauthorized {
			t.Errorf("%s as nobody: status %d", path, status)
		}
		spec, _ := access.Lookup(r.Act)
		for role, u := range users {
			if slices.Contains(spec.Roles, role) {
				continue
			}
			if status, _ := u.post(path, nil); status != http.StatusForbidden {
				t.Errorf("%s as %s: status %d", path, role, status)
			}
		}
	}
}

// TestSignIn signs in and out, is refused, and is over when idle.
func TestSignIn(t *testing.T) {
	w := sqlite(t)
	u := w.visitor()
	status, page := u.get("/payments?device=dev-x&lang=en")
	u.ok(status, page, "Staff sign-in")
	if !strings.Contains(page, `value="/payments?device=dev-x"`) {
		t.Error("the way back is lost")
	}
	for _, bad := range []url.Values{{"email": {"lead@example.com"}, "password": {"wrong password 123"}},
		{"email": {"nobody@example.com"}, "password": {"x"}}, {}} {
		if status, page := u.post("/sign-in", bad); status != http.StatusUnauthorized || !strings.Contains(page, "the password is wrong") {
			t.Errorf("wrong password: %d %s", status, words(page))
		}
	}
	for _, next := range []string{"//evil.example", "https://evil.example", `/\evil.example`} {
		v := w.visitor()
		v.http.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
			if r.URL.Host != strings.TrimPrefix(w.url, "http://") {
				return fmt.Errorf("left the site for %s", r.URL)
			}
			return nil
		}
		v.post("/sign-in", url.Values{"email": {"lead@example.com"}, "password": {passphrase}, "next": {next}})
	}
	status, page = u.post("/sign-in", url.Values{"email": {"lead@example.com"}, "password": {passphrase},
		"next": {"/payments?device=dev-x"}})
	u.ok(status, page, "5 payments shown")
	w.clock.Advance(16 * time.Minute)
	status, page = u.get("/payments?lang=en")
	u.ok(status, page, "Your session is over")
	u = w.as(ident.RoleLead)
	status, page = u.post("/sign-out", nil)
	u.ok(status, page, "You are signed out")
	if _, page = u.get("/"); !strings.Contains(page, "/sign-in") {
		t.Error("signed out, and still in")
	}
}

// TestForms finds the words beside the field, and what was entered still there.
func TestForms(t *testing.T) {
	w := sqlite(t)
	for _, c := range []struct {
		role        ident.Role
		path        string
		form        url.Values
		field, kept string
	}{
		{ident.RoleLead, "/incidents/declare", url.Values{"title": {""}, "fund_id": {"emergency"}, "from": {"2026-05-20"}, "to": {"2026-05-31"},
			"id": {"inc_x"}, "deadline": {"2026-06-01T23:59"}}, "declare-title", `value="2026-05-20"`},
		{ident.RoleLead, "/incidents/declare", url.Values{"title": {"T <b>"}, "id": {"inc_x"}}, "declare-fund_id", `value="T &lt;b&gt;"`},
		{ident.RoleFund, "/funds/emergency/deposit", url.Values{"id": {"BANK-1"}, "amount": {"1e9"}}, "deposit-amount", `value="BANK-1"`},
		{ident.RoleFund, "/funds/emergency/deposit", url.Values{"id": {"BANK 1"}, "amount": {"5"}}, "deposit-id", `value="BANK 1"`},
		{ident.RoleFund, "/funds/status", nil, "status-file", ""},
		{ident.RoleAdmin, "/staff/add", url.Values{"id": {w.ids.New("stf")}, "name": {"New"}, "email": {"n@example.com"}, "password": {"short"},
			"role_lead": {"on"}}, "staff-password", `value="n@example.com"`},
		{ident.RoleAnalyst, "/me/password", url.Values{"old": {"wrong one, sorry"}, "fresh": {"a new and long password"}}, "password-old", ""},
	} {
		u := w.as(c.role)
		status, page := u.post(c.path, c.form)
		if status != http.StatusUnprocessableEntity {
			t.Errorf("%s: status %d: %.400s", c.path, status, words(page))
		}
		if !strings.Contains(page, `id="f-`+c.field+`-error"`) || !strings.Contains(page, `href="#f-`+c.field+`"`) {
			t.Errorf("%s: no words beside %s", c.path, c.field)
		}
		if !strings.Contains(page, c.kept) {
			t.Errorf("%s: %s is lost", c.path, c.kept)
		}
	}
}

// TestStaffAndKeys adds, changes and disables a person; makes and revokes a key.
func TestStaffAndKeys(t *testing.T) {
	w := sqlite(t)
	boss := w.as(ident.RoleAdmin)
	id := w.ids.New("stf")
	status, page := boss.post("/staff/add", url.Values{"id": {id}, "name": {"Neu"}, "email": {"neu@example.com"},
		"password": {passphrase}, "role_lead": {"on"}})
	boss.ok(status, page, "Neu was added.")
	status, page = boss.post("/staff/"+id+"/roles", url.Values{"role_fund": {"on"}})
	boss.ok(status, page, "the person must sign in again")
	status, page = boss.post("/staff/"+id+"/disable", nil)
	boss.ok(status, page, "disabled")
	if status, _ := w.visitor().post("/sign-in", url.Values{"email": {"neu@example.com"},
		"password": {passphrase}}); status != http.StatusUnauthorized {
		t.Errorf("a disabled person signs in: %d", status)
	}
	status, page = boss.post("/keys/add", url.Values{"name": {"wallet"}, "role_host": {"on"}})
	boss.ok(status, page, "The key is shown this once")
	secret := regexp.MustCompile(`<code>(sk_[^<]+)</code>`).FindStringSubmatch(page)
	if secret == nil {
		t.Fatalf("no secret: %s", words(page))
	}
	if _, err := w.access.ByKey(context.Background(), secret[1]); err != nil {
		t.Errorf("the key does not work: %v", err)
	}
	if _, page = boss.get("/staff"); strings.Contains(page, secret[1]) {
		t.Error("the key is shown twice")
	}
	status, page = boss.post("/keys/"+access.KeyID(secret[1])+"/revoke", nil)
	boss.ok(status, page, "The key is revoked.")
}

// TestPayments pages, filters, exports, reveals names with a record, and decides.
func TestPayments(t *testing.T) {
	w := sqlite(t)
	u := w.as(ident.RoleAnalyst)
	status, page := u.get("/payments?device=dev-x&lang=en")
	u.ok(status, page, "5 payments shown", "Clear the filter")
	if !strings.Contains(page, `href="/payments.csv?device=dev-x&amp;lang=en"`) {
		t.Error("the export is of another list")
	}
	status, csv := u.get("/payments.csv?device=dev-x")
	if n := strings.Count(csv, "\n"); status != 200 || n != 6 {
		t.Errorf("the export has %d lines, status %d", n, status)
	}
	status, page = u.get("/payments/pay_theft_0?lang=en")
	u.ok(status, page, "宋*", "Same device dev-x", "5 of 5 payments")
	if strings.Contains(page, "宋伟") {
		t.Error("the name is shown before it is asked for")
	}
	status, page = u.post("/payments/pay_theft_0/reveal", nil)
	u.ok(status, page, "宋伟", "17000015947")
	must(t, w.db.View(context.Background(), func(tx *db.Tx) error {
		recent, err := w.audit.Recent(tx, 5)
		n := 0
		for _, r := range recent {
			if r.Act == string(access.ActPartyRead) {
				n++
			}
		}
		if n != 2 {
			t.Errorf("%d looks at a person are recorded, not 2", n)
		}
		return err
	}))
	status, page = u.get("/payments?account=nobody&lang=en")
	u.ok(status, page, "No such payment")
}

// TestCSV keeps a spreadsheet from running what a cell says.
func TestCSV(t *testing.T) {
	for in, want := range map[string]string{"=1+1": "'=1+1", "+86": "'+86", "-1": "'-1", "@x": "'@x", " =x": "' =x",
		"＝x": "'＝x", "\t=x": "'\t=x",
		"W1": "W1", "": "", "宋伟": "宋伟", "12,000.00": "12,000.00"} {
		if got := console.Harmless(in); got != want {
			t.Errorf("%q becomes %q, not %q", in, got, want)
		}
	}
	for in, want := range map[string]string{"宋伟": "宋*", "欧阳文静": "欧***", "Chen Jing": "C*** J***", "": ""} {
		if got := console.MaskName(in); got != want {
			t.Errorf("%q is masked as %q, not %q", in, got, want)
		}
	}
}

var (
	wholeKey = regexp.MustCompile(`\ba\.(?:t|card|done)\((?:[^()"]*(?:"[^"]*"\+?[^()",]*)?, )?"([a-z_.]+)"[,)]`)
	keyStart = regexp.MustCompile(`\ba\.(?:t|word)\("([a-z_.]+)"(?: ?\+|, )`)
)

// TestWords finds every key in both languages, and a word for every act.
func TestWords(t *testing.T) {
	c, err := console.Catalogue()
	must(t, err)
	webtest.CheckCatalogue(t, c, ".")
	files, err := filepath.Glob("*.go")
	must(t, err)
	for _, f := range files {
		if strings.HasSuffix(f, "_test.go") {
			continue
		}
		src, err := os.ReadFile(f)
		must(t, err)
		for _, m := range wholeKey.FindAllStringSubmatch(string(src), -1) {
			if !c.Has(m[1]) && !c.HasPrefix(m[1]) {
				t.Errorf("%s: no text for %q", f, m[1])
			}
		}
		for _, m := range keyStart.FindAllStringSubmatch(string(src), -1) {
			if !c.HasPrefix(m[1]) {
				t.Errorf("%s: no text begins with %q", f, m[1])
			}
		}
	}
	for _, s := range access.Acts() {
		if !c.Has("act." + string(s.Act)) {
			t.Errorf("no word for the act %s", s.Act)
		}
	}
}
