package console_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"surety/domain/rulebook"
	"surety/kernel/ident"
	"surety/platform/db"
	"surety/platform/db/dbtest"
)

// TestModelByTwo imports a model, is refused a broken one, promotes it with two
// people, and retires it.
func TestModelByTwo(t *testing.T) {
	dbtest.Run(t, dbtest.Options{Migrations: migrations()}, func(t *testing.T, d *db.DB) {
		w := rulesWorld(t, d)
		u, second := w.as(ident.RoleAnalyst), w.as(ident.RoleLead)
		status, page := u.get("/models?lang=en")
		u.ok(status, page, "No models yet", "Import a model")
		file := anyModel(t)
		for _, c := range []struct {
			name, file string
			body       []byte
			field      string
		}{{"cards", "m.json", file[:len(file)/2], "model-file"}, {"a b", "m.json", file, "model-name"}, {"cards", "m.json", []byte(`{"learner":[]}`), "model-file"}} {
			status, page = u.upload("/models/import", map[string]string{"name": c.name}, c.file, c.body)
			if status != http.StatusUnprocessableEntity || !strings.Contains(page, `id="f-`+c.field+`-error"`) {
				t.Errorf("%s: %d\n%s", c.field, status, words(page))
			}
		}
		if status, _ = u.post("/models/import", url.Values{"name": {"x"}}); status != http.StatusUnprocessableEntity {
			t.Errorf("no file: %d", status)
		}
		status, page = u.upload("/models/import", map[string]string{"name": "cards"}, "m.json", file)
		u.ok(status, page, "kept as a candidate", "What it looks at", "How it was trained", "Loss, tree by tree", "Make it champion", "Let it score beside")
		models, err := w.rulebook.Models(t.Context(), w.staff[ident.RoleAnalyst])
		must(t, err)
		sha := models[0].SHA256
		at := "/models/" + sha
		if status, got := u.get(at + "/model.json"); status != 200 || got != string(file) {
			t.Error("the file is another")
		}
		status, page = u.get(at + "?now=1&lang=en")
		u.ok(status, page, "It was not asked in this span", "No drift:")
		for q, want := range map[string]int{"from=x": 422, "from=2026-06-02&to=2026-06-01": 422, "from=2026-05-01&to=2026-05-31&now=1": 200} {
			if status, _ := u.get(at + "?" + q); status != want {
				t.Errorf("%s: status %d, want %d", q, status, want)
			}
		}
		if status, _ = u.post(at+"/promote", url.Values{"id": {"pub-1"}, "as": {"king"}}); status != http.StatusUnprocessableEntity {
			t.Errorf("promoted to nothing: %d", status)
		}
		status, page = u.post(at+"/promote", url.Values{"id": {"pub-1"}, "as": {"champion"}, "note": {"try"}})
		u.ok(status, page, "a second person must sign", "too few to judge it")
		_, page = second.get("/rules/publications/pub-1?lang=en")
		hash := hashField.FindStringSubmatch(page)
		if hash == nil {
			t.Fatalf("nothing to sign:\n%s", words(page))
		}
		if status, _ = u.post("/rules/publications/pub-1/sign", url.Values{"hash": {hash[1]}}); status != http.StatusForbidden {
			t.Errorf("one person signs twice: %d", status)
		}
		status, page = second.post("/rules/publications/pub-1/sign", url.Values{"hash": {hash[1]}})
		second.ok(status, page, "In force")
		status, page = u.get(at + "?lang=en")
		u.ok(status, page, "champion", "Let it score no more", "decides every payment")
		if status, page = u.post(at+"/retire", nil); status != http.StatusConflict || !strings.Contains(page, "It scores payments now") {
			t.Errorf("a champion is retired: %d", status)
		}
		u.ok(u.post("/rules/publications/pub-1/takeback", url.Values{"why": {"only a try"}}))
		status, page = u.post(at+"/retire", nil)
		u.ok(status, page, "is retired", "retired")
		if got := w.log.String(); got != "" {
			t.Errorf("the log has: %s", got)
		}
	})
}

// scored is a house in which a champion and a challenger have scored payments.
func scored(t *testing.T) (w *world, champion, challenger string) {
	w = rulesSQLite(t)
	w.live("a", 45, 0)
	a, b := w.trained("cards-2026-06", 60), w.trained("cards-small", 8)
	w.promoted("pub-a", a.SHA256, rulebook.Champion)
	w.promoted("pub-b", b.SHA256, rulebook.Challenger)
	w.live("b", 30, 1)
	return w, a.SHA256, b.SHA256
}

// TestModelFigures shows champion and challenger side by side, with curves, and how
// far payments have moved.
func TestModelFigures(t *testing.T) {
	w, champion, _ := scored(t)
	u := w.as(ident.RoleCompliance)
	status, page := u.get("/models?now=1&lang=en")
	u.ok(status, page, "Champion and challengers", "cards-2026-06", "cards-small", "Thefts found among the most suspicious payments", "chance", "first 10 %")
	if strings.Contains(page, "Import a model") {
		t.Error("compliance may import a model")
	}
	status, page = u.get("/models/" + champion + "?now=1&lang=en")
	u.ok(status, page, "Average precision", "What it said and what came true", "0.25: by convention, large", "Drift of the score, day by day",
		"Drift of the features, last day", "The features that moved most", "On payments it had never seen", "Loss, tree by tree")
	for _, class := range []string{`class="plot-bar`, `class="plot-line is-0"`, `class="hbar-fill"`} {
		if !strings.Contains(page, class) {
			t.Errorf("nothing is drawn with %s", class)
		}
	}
}
