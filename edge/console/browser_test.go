package console_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"surety/domain/incident"
	"surety/edge/web/webtest"
	"surety/kernel/ident"
	"surety/platform/db"
)

// signIn does what a person does at the door.
func signIn(p *webtest.Page, w *world, r ident.Role) {
	p.Goto(w.url + "/sign-in?lang=en")
	p.Fill("E-mail address", string(r)+"@example.com")
	p.Fill("Password", passphrase)
	p.Click("Sign in")
	p.See("Sign out")
}

// TestBrowser walks the main job in a real Chromium: two people, two browsers.
func TestBrowser(t *testing.T) {
	w := sqlite(t)
	b := webtest.Open(t)
	lead, second := b.NewUser(), b.NewUser()
	signIn(lead, w, ident.RoleLead)
	lead.Goto(w.url + "/incidents/declare")
	lead.Fill("Title", "Thefts of 19 March")
	lead.Fill("Fund that pays", "Emergency fund")
	lead.Fill("from", "2026-05-20")
	lead.Fill("to", "2026-05-31")
	lead.Click("Declare and freeze the fund")
	lead.See("Declared; the fund is frozen")
	room := lead.URL()
	list := filepath.Join(t.TempDir(), "list.csv")
	must(t, os.WriteFile(list, []byte(policeList), 0o600))
	lead.Click("Sources")
	lead.Fill("What it is", "Police list")
	lead.Upload("File", list)
	lead.Click("Read it")
	lead.See("4 people read, 1 row refused")
	lead.Goto(room)
	lead.Click("Look for more victims")
	lead.See("marks and 2 further victims found")
	lead.Click("Check against the records")
	lead.See("Checked: 3 people can be paid, 26,000.00 CNY in all")
	lead.Press("j")
	lead.Press("Enter")
	if !strings.Contains(lead.URL(), "/victims/vic_") {
		t.Errorf("J and Enter lead to %s", lead.URL())
	}
	lead.Goto(room)
	lead.Click("Propose to pay")
	lead.See("You sign first; another person must approve")
	lead.Click("Sign and propose 26,000.00 CNY")
	lead.See("Waiting for a second person")
	lead.NotSee("Approve as second person")

	signIn(second, w, ident.RoleCompliance)
	second.Click("Approvals")
	second.See("pay 3 people 26,000.00 CNY")
	second.Click("Sign it in the incident room")
	second.Click("Approve as second person")
	second.See("负责人 Liu signed first; you are the second")
	second.Click("Approve 26,000.00 CNY")
	second.See("Approved; the money is set aside")

	lead.Goto(room)
	lead.Click("Pay now")
	lead.Click("Pay 3 people")
	lead.See("3 payouts ordered")
	lead.See("3 people, ")
	w.settle(w.as(ident.RoleFund))
	lead.See("Everybody is paid") // by the board's own stream, without a reload
	lead.Click("中文")
	lead.See("全部付清")
	lead.SetPhone()
	lead.Goto(room + "?lang=zh")
	lead.CheckFits()
	lead.CheckConsole()
	second.CheckConsole()
}

// pagesOf lists an address of each page that is worth a look, with who looks.
func pagesOf(w *world, inc string) map[string]struct {
	role ident.Role
	path string
} {
	p := params(w, inc)
	var victim incident.Victim
	must(w.t, w.db.View(context.Background(), func(tx *db.Tx) error {
		vs, err := w.incident.Victims(tx, inc)
		for _, v := range vs {
			if v.Verdict == incident.False {
				victim = v
			}
		}
		return err
	}))
	type at = struct {
		role ident.Role
		path string
	}
	return map[string]at{
		"overview": {ident.RoleLead, "/"}, "me": {ident.RoleLead, "/me"}, "payments": {ident.RoleAnalyst, "/payments"},
		"payments-none": {ident.RoleAnalyst, "/payments?account=zzz"}, "payment": {ident.RoleLead, "/payments/pay_theft_0"},
		"payment-held": {ident.RoleLead, "/payments/pay_big"}, "incidents": {ident.RoleLead, "/incidents"},
		"declare": {ident.RoleLead, "/incidents/declare"},
		"room":    {ident.RoleLead, "/incidents/" + inc}, "room-sources": {ident.RoleLead, "/incidents/" + inc + "?tab=sources"},
		"room-marks": {ident.RoleLead, "/incidents/" + inc + "?tab=marks"}, "room-statement": {ident.RoleLead,
			"/incidents/" + inc + "?tab=statement"},
		"source": {ident.RoleLead, "/incidents/" + inc + "/sources/" + p["{source}"]},
		"victim": {ident.RoleLead, "/incidents/" + inc + "/victims/" + victim.ID}, "claims": {ident.RoleHandler, "/claims?show=all"},
		"claim": {ident.RoleHandler, "/claims/" + p["claims"]}, "claim-paid": {ident.RoleLead, "/claims/" + paidClaim(w, inc)},
		"funds": {ident.RoleFund, "/funds"}, "fund": {ident.RoleFund, "/funds/emergency"}, "approvals": {ident.RoleCompliance, "/approvals"},
		"audit": {ident.RoleCompliance, "/audit"}, "audit-entry": {ident.RoleCompliance, "/audit/" + p["audit"]},
		"queue": {ident.RoleAdmin, "/queue"}, "staff": {ident.RoleAdmin, "/staff"}, "denied": {ident.RoleAdmin, "/payments"},
		"nowhere": {ident.RoleAdmin, "/no/such/page"},
	}
}

func paidClaim(w *world, inc string) (id string) {
	must(w.t, w.db.View(context.Background(), func(tx *db.Tx) error {
		vs, err := w.incident.Victims(tx, inc)
		for _, v := range vs {
			if v.Payout != "" {
				id = v.Claim
			}
		}
		return err
	}))
	return id
}

// TestEveryPageInABrowser holds every page in both languages against the rules for
// pages, and takes its picture into $SURETY_SHOTS.
func TestEveryPageInABrowser(t *testing.T) {
	w := sqlite(t)
	inc := story(w)
	lead := w.as(ident.RoleLead)
	for _, lang := range []string{"zh", "en"} {
		status, page := lead.post("/incidents/"+inc+"/statement", map[string][]string{"lang": {lang}})
		lead.ok(status, page)
	}
	pages := pagesOf(w, inc)
	b := webtest.Open(t)
	users := map[ident.Role]*webtest.Page{}
	for _, r := range staffRoles() {
		users[r] = b.NewUser()
		signIn(users[r], w, r)
	}
	door := b.NewUser()
	dir := os.Getenv("SURETY_SHOTS")
	shots := func(p *webtest.Page, name, path string) {
		for _, lang := range []string{"zh", "en"} {
			address := w.url + with(path, "lang="+lang)
			p.SetDesktop()
			p.Goto(address)
			webtest.CheckPage(t, p)
			if dir == "" {
				continue
			}
			p.SetDesktop()
			p.Goto(address)
			p.Screenshot(filepath.Join(dir, name+"-desk-"+lang+".png"))
			p.SetPhone()
			p.Goto(address)
			p.Screenshot(filepath.Join(dir, name+"-phone-"+lang+".png"))
		}
	}
	shots(door, "sign-in", "/sign-in")
	for name, at := range pages {
		shots(users[at.role], name, at.path)
	}
}
