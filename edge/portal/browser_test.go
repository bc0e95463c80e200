package portal_test

import (
	"net/url"
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

// gaze holds pages against the rules for pages, in both languages, and takes
// their pictures.
type gaze struct {
	*world
	p   *webtest.Page
	dir string
}

func (g *gaze) look(name, path string) {
	g.Helper()
	for _, lang := range []string{"zh", "en"} {
		join := "?"
		if strings.Contains(path, "?") {
			join = "&"
		}
		g.p.SetDesktop()
		g.p.Goto(g.address + path + join + "lang=" + lang)
		webtest.CheckPage(g.TB, g.p)
		g.p.SetPhone()
		g.p.Goto(g.address + path) // a look from the top, no colour on its way
		g.p.Screenshot(filepath.Join(g.dir, name+"-phone-"+lang+".png"))
	}
	g.p.SetDesktop()
	g.p.Screenshot(filepath.Join(g.dir, name+"-desk-en.png"))
}

// hour lets an hour pass in three looks, so that nobody's session runs out.
func (g *gaze) hour(v *visitor) {
	for range 3 {
		g.clock.Advance(20 * time.Minute)
		v.fetch("/")
		g.p.Goto(g.address + "/")
	}
}

// TestEveryPage looks at the pages for strangers, the list and the taps.
func TestEveryPage(t *testing.T) {
	w := open(t)
	g := &gaze{w, webtest.Open(t).NewUser(), shots(t)}
	g.look("stranger", "/")
	g.look("link-used", "/in/nonsense")
	g.look("help", "/help")
	g.look("verify", "/verify")
	g.look("verify-wrong", "/verify?code=1")
	g.look("verify-unknown", "/verify/0000-0000-0000-0000")
	g.p.Goto(w.address + w.link(w.wang))
	g.look("claims-none", "/claims")
	g.look("messages-none", "/messages")
	g.look("payments", "/payments")
	g.look("payment", "/payments/T1")
	g.look("report-1", "/report/T1?how=not_me")
	g.look("report-wrong", "/report/T1?how=wrong")
	g.look("report-2", "/report/T1/money?claim=clm_shown&how=not_me&kind=theft&also=T2")
	g.look("report-other", "/report")
	g.look("not-found", "/no/such/page")
	w.ok(w.fund.Create(w.ctx, job, emergency))
	_, err := w.incident.Declare(w.ctx, handler, declaration)
	w.ok(err)
	for _, l := range []notice.Lang{notice.ZH, notice.EN} {
		_, err := w.incident.WriteStatement(w.ctx, handler, declaration.ID, l)
		w.ok(err)
	}
	g.look("statement", "/statement/"+declaration.ID)
}

// TestEveryStage looks at a claim from its filing to its certificate.
func TestEveryStage(t *testing.T) {
	w := open(t)
	g := &gaze{w, webtest.Open(t).NewUser(), shots(t)}
	g.p.Goto(w.address + w.link(w.wang))
	v := w.enter(w.wang)
	_, sent := v.file("T1", url.Values{"later": {"1"}, "words": {"我在睡觉，手机在身边。\n第二天早上才发现。"}})
	id := sent.Get("claim")
	at := "/claims/" + id
	g.look("home", "/")
	g.look("claim-received", at)
	g.look("account", at+"/account")
	g.look("evidence-none", at+"/evidence")
	v.post(at+"/account", bankAccount)
	v.upload(at+"/evidence", file{"截图 2026-05-18 微信支付.png", picture(t)}, file{strings.Repeat("very-long-name-", 9) + ".txt", []byte("hello")})
	g.look("evidence", at+"/evidence")
	g.hour(v)
	w.triage(id)
	w.ask(id, "您 5 月 18 日凌晨三点在哪里？请附上派出所的报案回执。")
	g.look("home-asked", "/")
	g.look("claim-asked", at)
	g.look("answer", at+"/answer")
	g.hour(v)
	v.post(at+"/answer", url.Values{"words": {"在家睡觉。"}})
	g.hour(v)
	w.refuse(id)
	g.look("claim-refused", at)
	g.look("appeal", at+"/appeal")
	v.post(at+"/appeal", url.Values{"words": {"不是我付的。"}})
	g.look("claim-appealed", at)
	g.hour(v)
	w.pay(id)
	g.look("claim-paid", at)
	g.look("claims", "/claims")
	g.look("messages", "/messages")
	var cert []notice.Issued
	var messages []notice.Message
	w.ok(w.db.View(w.ctx, func(tx *db.Tx) (err error) {
		if cert, err = w.notice.ByClaim(tx, id); err != nil {
			return err
		}
		messages, err = w.notice.InboxOf(tx, w.wang, "", 1)
		return err
	}))
	g.look("message", "/messages/"+messages[0].ID)
	g.look("verify-genuine", "/verify/"+cert[0].Code)
}

// TestOtherEnds looks at a claim in an heir's hands, taken back, bounced.
func TestOtherEnds(t *testing.T) {
	w := open(t)
	g := &gaze{w, webtest.Open(t).NewUser(), shots(t)}
	v := w.enter(w.wang)
	_, sent := v.file("S05", bankAccount)
	of := "/claims/" + sent.Get("claim")
	w.in(func(tx *db.Tx) error {
		in := claim.TakeOverIn{Heir: w.li, Relation: "配偶", Documents: []string{"结婚证"}}
		return w.claim.TakeOverTx(tx, handler, sent.Get("claim"), in)
	})
	g.p.Goto(w.address + w.link(w.li))
	g.look("claim-heir", of)
	w.enter(w.li).post(of+"/withdraw", nil)
	g.look("claim-withdrawn", of)
	_, sent = v.file("T1", bankAccount)
	w.triage(sent.Get("claim"))
	w.order(sent.Get("claim"), map[string]string{"po_1": "AC01"})
	g.p.Goto(w.address + w.link(w.wang))
	g.look("claim-bounced", "/claims/"+sent.Get("claim"))
}
