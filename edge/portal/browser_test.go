package portal_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"surety/domain/claim"
	"surety/domain/notice"
	"surety/edge/web/webtest"
	"surety/platform/db"
	"surety/platform/db/dbtest"
)

// shots is where pictures for people go: $SURETY_SHOTS, else nowhere that lasts.
func shots(t *testing.T) string {
	if dir := os.Getenv("SURETY_SHOTS"); dir != "" {
		return dir
	}
	return t.TempDir()
}

func open(t *testing.T) *world {
	return newWorld(t, dbtest.Open(t, db.SQLite, dbtest.Options{Migrations: migrations}))
}

// TestThreeTaps is what a victim does on a phone, from the wallet's link to the
// certificate, with JavaScript and without.
func TestThreeTaps(t *testing.T) {
	b := webtest.Open(t)
	for _, scripts := range []bool{true, false} {
		w := open(t)
		p := b.NewUser()
		p.SetPhone()
		p.SetScripts(scripts)
		p.Goto(w.address + w.link(w.wang) + "?to=/payments?lang=en")
		p.See("My payments")
		p.Click(`[href="/report/T1?how=not_me"]`) // one
		p.See("Which payments were not you?")
		p.See("made with the same strange phone")
		p.Click("Go on") // two
		p.See("3 payments")
		p.See("24,400.50")
		p.Click("Send it")
		p.See("2 things need your attention")
		p.Fill("Bank", "工商银行")
		p.Fill("Account number", "6222 0202 0011 2233 445")
		p.Click("Send it") // three
		p.See("We have it and are checking 24,400.50 CNY")
		p.See("Next to act: Some Wallet")
		id := w.claimsOf(w.wang)[0].ID

		p.Click("Add a picture or a paper")
		file := filepath.Join(t.TempDir(), "receipt.png")
		w.ok(os.WriteFile(file, picture(t), 0o600))
		p.Upload("Choose files", file)
		p.Click("Send")
		p.See("1 file received.")
		p.See("receipt.png")

		w.triage(id)
		w.ask(id, "Where were you at three in the morning?")
		p.Goto(w.address + "/claims/" + id)
		p.Click("Answer now")
		p.Fill("Your answer", "At home, asleep.")
		p.Click("Send the answer")
		p.See("We have your answer and go on with it.")

		w.pay(id)
		p.Goto(w.address + "/claims/" + id)
		p.See("You have been paid 24,400.50 CNY")
		p.See("Download the certificate (PDF)")
		p.Click("Check it")
		p.See("The certificate is genuine")
		p.Goto(w.address + "/claims/" + id)
		p.Click(".sign-out button")
		p.See("You are signed out.")
		p.CheckConsole()
	}
}

// TestEveryPage holds every page, in every stage of a claim and both languages,
// against the rules for pages, and writes the pictures.
func TestEveryPage(t *testing.T) {
	dir := shots(t)
	w := open(t)
	p := webtest.Open(t).NewUser()
	look := func(name, path string) {
		t.Helper()
		for _, lang := range []string{"zh", "en"} {
			join := "?"
			if strings.Contains(path, "?") {
				join = "&"
			}
			p.SetDesktop()
			p.Goto(w.address + path + join + "lang=" + lang)
			webtest.CheckPage(t, p)
			p.SetPhone()
			p.Goto(w.address + path) // a look from the top, no colour on its way
			p.Screenshot(filepath.Join(dir, name+"-phone-"+lang+".png"))
		}
		p.SetDesktop()
		p.Screenshot(filepath.Join(dir, name+"-desk-en.png"))
	}
	look("stranger", "/")
	look("link-used", "/in/nonsense")
	look("help", "/help")
	look("verify", "/verify")
	look("verify-wrong", "/verify?code=1")
	look("verify-unknown", "/verify/0000-0000-0000-0000")

	p.Goto(w.address + w.link(w.wang))
	look("claims-none", "/claims")
	look("messages-none", "/messages")
	look("payments", "/payments")
	look("payment", "/payments/T1")
	look("report-1", "/report/T1?how=not_me")
	look("report-wrong", "/report/T1?how=wrong")
	look("report-2", "/report/T1/money?claim=clm_shown&how=not_me&kind=theft&also=T2")
	look("report-other", "/report")
	look("not-found", "/no/such/page")

	v := w.enter(w.wang)
	hour := func() { // three looks of twenty minutes: nobody's session runs out
		for range 3 {
			w.clock.Advance(20 * time.Minute)
			v.fetch("/")
			p.Goto(w.address + "/")
		}
	}
	_, sent := v.file("T1", map[string][]string{"later": {"1"}, "words": {"我在睡觉，手机在身边。\n第二天早上才发现。"}})
	id := sent.Get("claim")
	at := "/claims/" + id
	look("home", "/")
	look("claim-received", at)
	look("account", at+"/account")
	look("evidence-none", at+"/evidence")
	v.post(at+"/account", bankAccount)
	v.upload(at+"/evidence", file{"截图 2026-05-18 微信支付.png", picture(t)}, file{strings.Repeat("very-long-name-", 9) + ".txt", []byte("hello")})
	look("evidence", at+"/evidence")
	hour()
	w.triage(id)
	w.ask(id, "您 5 月 18 日凌晨三点在哪里？请附上派出所的报案回执。")
	look("home-asked", "/")
	look("claim-asked", at)
	look("answer", at+"/answer")
	hour()
	v.post(at+"/answer", map[string][]string{"words": {"在家睡觉。"}})
	hour()
	w.refuse(id)
	look("claim-refused", at)
	look("appeal", at+"/appeal")
	v.post(at+"/appeal", map[string][]string{"words": {"不是我付的。"}})
	look("claim-appealed", at)
	hour()
	w.pay(id)
	look("claim-paid", at)
	look("claims", "/claims")
	look("messages", "/messages")
	var cert notice.Issued
	var messages []notice.Message
	w.ok(w.db.View(w.ctx, func(tx *db.Tx) error {
		cs, err := w.notice.ByClaim(tx, id)
		w.ok(err)
		cert = cs[0]
		messages, err = w.notice.InboxOf(tx, w.wang, "", 1)
		return err
	}))
	look("message", "/messages/"+messages[0].ID)
	look("verify-genuine", "/verify/"+cert.Code)

	_, sent = v.file("S05", bankAccount)
	w.in(func(tx *db.Tx) error {
		return w.claim.TakeOverTx(tx, handler, sent.Get("claim"), claim.TakeOverIn{Heir: w.li, Relation: "配偶", Documents: []string{"结婚证"}})
	})
	p.Goto(w.address + w.link(w.li))
	look("claim-heir", "/claims/"+sent.Get("claim"))
	li := w.enter(w.li)
	li.post("/claims/"+sent.Get("claim")+"/withdraw", nil)
	look("claim-withdrawn", "/claims/"+sent.Get("claim"))
	d := declaration
	d.ID = "inc_2"
	_, err := w.incident.Declare(w.ctx, handler, d)
	w.ok(err)
	for _, l := range []notice.Lang{notice.ZH, notice.EN} {
		_, err := w.incident.WriteStatement(w.ctx, handler, d.ID, l)
		w.ok(err)
	}
	look("statement", "/statement/"+d.ID)
}
