package console_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"surety/domain/rulebook"
	"surety/edge/web/webtest"
	"surety/kernel/ident"
)

// ruleStory is a house with models that score, a draft that was tried and asked to be
// published, one with a mistake, and a question that waits.
func ruleStory(t *testing.T) (w *world, champion string) {
	w, champion, challenger := scored(t)
	ctx, by := context.Background(), w.staff[ident.RoleAnalyst]
	text := harder(t, 2)
	_, err := w.rulebook.SaveDraft(ctx, by, rulebook.Draft{ID: "drf-1", Title: "Small amounts are drained too", Text: text})
	must(t, err)
	_, err = w.rulebook.SaveDraft(ctx, by, rulebook.Draft{ID: "drf-2", Title: "Half done",
		Text: strings.NewReplacer("payer.count_10m >= 8", "payer.count_10n >= 8").Replace(text)})
	must(t, err)
	_, err = w.rulebook.AskHistory(ctx, by, "rpl-1", rulebook.Question{From: start, To: w.clock.Now(), Text: text})
	must(t, err)
	if worked, err := w.rulebook.AnswerOne(ctx); !worked || err != nil {
		t.Fatal(worked, err)
	}
	_, err = w.rulebook.AskHistory(ctx, by, "rpl-2", rulebook.Question{From: start, To: w.clock.Now(), Text: text, Model: rulebook.NoModel})
	must(t, err)
	p, err := w.rulebook.SavePack(ctx, by, text, "")
	must(t, err)
	_, r, err := w.rulebook.ReplayJob(ctx, by, "rpl-1")
	must(t, err)
	_, err = w.rulebook.Ask(ctx, by, rulebook.PublishIn{ID: "pub-2", Pack: p.Version.SHA256, Champion: champion, Challengers: []string{challenger},
		Note: "Thieves have begun with small amounts.", Figures: r.Sum().ZH + " / " + r.Sum().EN})
	must(t, err)
	w.pay("today-theft", "W2", "BANK:6999", "dev-thief", 300_000)
	return w, champion
}

// TestRulesInABrowser holds the pages of rules and models against the rules for
// pages, in both languages, and takes their pictures into $SURETY_SHOTS.
func TestRulesInABrowser(t *testing.T) {
	w, champion := ruleStory(t)
	b := webtest.Open(t)
	ana, second := b.NewUser(), b.NewUser()
	signIn(ana, w, ident.RoleAnalyst)
	signIn(second, w, ident.RoleCompliance)
	dir := os.Getenv("SURETY_SHOTS")
	for _, page := range []struct {
		name, path, says string // says: a selector that is waited for
		by               *webtest.Page
	}{
		{"rules", "/rules", "", ana}, {"draft", "/rules/drafts/drf-1", "", ana}, {"mistake", "/rules/drafts/drf-2", "", ana},
		{"difference", "/rules/drafts/drf-1?tab=difference", "", ana}, {"whatif", "/rules/drafts/drf-1?tab=whatif", "", ana},
		{"publish", "/rules/drafts/drf-1?tab=publish", "", ana}, {"replay", "/rules/replays/rpl-1", "", ana}, {"waiting", "/rules/replays/rpl-2", "", ana},
		{"replays", "/rules/replays", "", ana}, {"sign", "/rules/publications/pub-2", "", second}, {"pack", "/rules/pack", "", second},
		{"packs", "/rules/packs", "", second}, {"models", "/models", "#figures-live h2", ana}, {"model", "/models/" + champion, "#figures-live h2", ana},
	} {
		for _, lang := range []string{"zh", "en"} {
			address := w.url + with(page.path, "lang="+lang)
			page.by.SetDesktop()
			page.by.Goto(address)
			if page.says != "" {
				page.by.Text(page.says)
			}
			webtest.CheckPage(t, page.by)
			if dir == "" {
				continue
			}
			for _, phone := range []bool{false, true} {
				kind := map[bool]string{false: "-desk-", true: "-phone-"}[phone]
				page.by.SetDark(phone == (lang == "zh"))
				page.by.SetDesktop()
				if phone {
					page.by.SetPhone()
				}
				page.by.Goto(address)
				if page.says != "" {
					page.by.Text(page.says)
				}
				page.by.Screenshot(filepath.Join(dir, page.name+kind+lang+".png"))
			}
			page.by.SetDark(false)
		}
	}
}

// TestRuleEditorInABrowser writes a mistake and reads it without a reload, tries a
// draft and sees the answer come, publishes with two people.
func TestRuleEditorInABrowser(t *testing.T) {
	w := rulesSQLite(t)
	w.live("h", 12, 0)
	b := webtest.Open(t)
	ana, second := b.NewUser(), b.NewUser()
	signIn(ana, w, ident.RoleAnalyst)
	signIn(second, w, ident.RoleCompliance)
	ana.Goto(w.url + "/rules?lang=en")
	ana.Press("n")
	ana.See("No mistakes: it can be tried")
	draft := ana.URL()
	write := func(from, to string) {
		ana.Eval(`(() => { const t = document.querySelector("textarea[name=text]"); t.focus();
		  t.value = t.value.replace("`+from+`", "`+to+`"); t.dispatchEvent(new Event("input", {bubbles: true})); })()`, nil)
	}
	write("payer.count_10m >= 8", "payer.count_10n >= 8")
	ana.See("1 mistake") // by the check while typing
	ana.See("undeclared reference to 'payer.count_10n'")
	ana.Click(".mistakes [data-line]")
	var at string
	ana.Eval(`(() => { const t = document.activeElement; return t.value.slice(t.selectionStart, t.selectionEnd); })()`, &at)
	if !strings.Contains(at, "count_10n") {
		t.Errorf("the mistake leads to %q", at)
	}
	var marked int
	ana.Eval(`document.querySelectorAll(".editor-lines .is-wrong").length`, &marked)
	if marked != 1 {
		t.Errorf("%d lines are marked", marked)
	}
	write("payer.count_10n >= 8", "payer.count_10m >= 8")
	ana.See("No mistakes: it can be tried")
	write("small: 100000 ", "small: 30000 ")
	ana.Eval(`document.querySelector("textarea[name=text]").dispatchEvent(new KeyboardEvent("keydown", {key: "s", ctrlKey: true, bubbles: true, cancelable: true}))`, nil)
	ana.See("Saved.")
	ana.Click("Difference")
	ana.See("limit small changed from 100000 to 30000")
	ana.Goto(draft + "?tab=whatif")
	ana.Fill("from", "2026-06-01")
	ana.Fill("to", "2026-06-30")
	ana.Click("Ask")
	ana.See("Hours of payments")
	if worked, err := w.rulebook.AnswerOne(context.Background()); !worked || err != nil {
		t.Fatal(worked, err)
	}
	ana.See("It would have saved money") // by the page's own stream, without a reload
	ana.Press("t")
	ana.See("Noted only")
	ana.Goto(draft + "?tab=publish")
	ana.Fill("What it is for", "small amounts are drained too")
	ana.Click("Sign, and ask for a second person")
	ana.See("You have signed")
	ana.NotSee("Sign as second person")
	second.Goto(ana.URL())
	second.See("limit small changed from 100000 to 30000")
	second.Click("Sign as second person")
	second.Click("Sign and bring it into force")
	second.See("In force: it judges every payment from now on.")
	second.Goto(w.url + "/rules")
	second.Click("Take this publication back")
	second.Fill("Why", "too many challenged")
	second.Click("Take it back")
	second.See("Taken back; what ran before is in force again.")
	ana.SetScripts(false)
	ana.Goto(draft)
	ana.See("Save and check")
	ana.SetScripts(true)
	ana.CheckConsole()
	second.CheckConsole()
}
