package console

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/a-h/templ"

	"surety/domain/risk"
	"surety/domain/rulebook"
	"surety/edge/web"
	"surety/kernel/ident"
	"surety/kernel/policy"
	"surety/platform/access"
)

func draftHref(id ident.ID) string { return "/rules/drafts/" + url.PathEscape(id) }

// kept is a pack with its text: the one that is named, or the one that runs.
func (a *ask) keptPack(sha string) (rulebook.Pack, error) {
	running := a.c.cfg.Engine.Running()
	v := running.Info().Version
	if sha == "" || sha == v.SHA256 {
		if err := a.view(access.ActRiskRead, v.SHA256, nothing); err != nil {
			return rulebook.Pack{}, err
		}
		return rulebook.Pack{Version: v, Text: running.Text(), InForce: true}, nil
	}
	return a.c.cfg.Rulebook.ViewPack(a.ctx, a.actor, sha)
}

// pack is one version, to be read and copied.
func (a *ask) pack() error {
	p, err := a.keptPack(a.query("sha"))
	if err != nil {
		return err
	}
	sha := p.Version.SHA256
	body := []templ.Component{}
	if running := a.c.cfg.Engine.Running(); running.Info().Version.SHA256 != sha {
		changes, err := rulebook.Compare(running.Text(), p.Text)
		if err != nil {
			return err
		}
		body = append(body, a.differenceCard(a.t("rules.difference_running"), changes))
	}
	body = append(body, cardOf(a.t("rules.text"), []templ.Component{editor(editorProps{ID: "f-pack-text", Label: a.t("rules.text"),
		Text:     p.Text,
		ReadOnly: true})}))
	acts := []templ.Component{web.Button(web.ButtonProps{Label: a.t("rules.export"), Href: "/rules/pack.yaml?sha=" + sha, Icon: "download"})}
	if a.may(access.ActRiskEdit) {
		acts = append(acts, post("/rules/drafts", web.ButtonProps{Label: a.t("rules.copy"), Primary: true, Key: "n"},
			web.Hidden{Name: "id", Value: a.c.cfg.IDs.New("drf")}, web.Hidden{Name: "from", Value: sha}))
	}
	mark := web.Badge(web.Plain, a.t("rules.read_only"))
	if p.InForce {
		mark = web.Badge(web.Good, a.t("rules.runs"))
	}
	return a.showRules(web.PageProps{Title: p.Version.String(), Mark: mark, Lead: p.Note, Crumbs: a.ruleCrumbs(),
		Actions: web.Group(acts...)}, body...)
}

// packFile is the text of a version as a file.
func (a *ask) packFile() error {
	p, err := a.keptPack(a.query("sha"))
	if err != nil {
		return err
	}
	return a.yamlOut(fmt.Sprintf("%s-%d", p.Version.Name, p.Version.Number), p.Text)
}

var plainName = regexp.MustCompile(`[^A-Za-z0-9._-]+`)

// yamlOut answers with a text, byte for byte.
func (a *ask) yamlOut(name, text string) error {
	a.w.Header().Set("Content-Type", "application/yaml; charset=utf-8")
	a.w.Header().Set("Content-Disposition", `attachment; filename="`+plainName.ReplaceAllString(name, "_")+`.yaml"`)
	_, err := io.WriteString(a.w, text)
	return err
}

// ruleCheck answers an editor that checks while somebody writes: the mistakes as
// they are shown, and the lines that they are in.
func (a *ask) ruleCheck() error {
	list, wrong := a.mistakesOf(a.postedText(), rulebook.Check(a.postedText()))
	html, err := web.HTML(a.ctx, mistakesInside(a.t("rules.mistakes", len(list)), a.t("rules.no_mistakes"), list))
	if err != nil {
		return err
	}
	rows := make([]int, 0, len(wrong))
	for n := range wrong {
		rows = append(rows, n)
	}
	a.w.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(a.w).Encode(map[string]any{"html": html, "lines": rows})
}

// postedText is a text as it was written: browsers send its lines with CR LF.
func (a *ask) postedText() string { return strings.ReplaceAll(a.r.PostForm.Get("text"), "\r\n", "\n") }

// draftMake begins a draft: a copy of a version under the next number, or a file.
func (a *ask) draftMake() error {
	text, title, err := a.draftBegin()
	if err != nil {
		return a.again("import", err, (*ask).rules)
	}
	d, err := a.c.cfg.Rulebook.SaveDraft(a.ctx, a.actor, rulebook.Draft{ID: a.posted("id"), Title: title, Text: text})
	if err != nil {
		return a.again("import", err, (*ask).rules)
	}
	return a.done(draftHref(d.ID), "rules.draft_made", d.Title)
}

// draftBegin is the text and the title of a new draft.
func (a *ask) draftBegin() (text, title string, err error) {
	if a.posted("from") == "file" {
		if text, err = a.uploadedText(); err != nil {
			return "", "", err
		}
		title = a.t("rules.draft_from_file")
		if p, err := risk.LoadPack(text); err == nil {
			title = p.Info().Version.Name + " " + itoa(p.Info().Version.Number)
		}
		return text, title, nil
	}
	p, err := a.keptPack(a.posted("from"))
	if err != nil {
		return "", "", err
	}
	next, err := a.nextNumber(p.Version)
	if err != nil {
		return "", "", err
	}
	return renumbered(p, next), p.Version.Name + " " + itoa(next), nil
}

// nextNumber is the first number of a pack's name that no kept pack has.
func (a *ask) nextNumber(v policy.Version) (int, error) {
	packs, err := a.c.cfg.Rulebook.Packs(a.ctx, a.actor)
	next := v.Number + 1
	for _, p := range packs {
		if p.Version.Name == v.Name {
			next = max(next, p.Version.Number+1)
		}
	}
	return next, err
}

var packNumber = regexp.MustCompile(`(?ms)^pack:.{0,200}?number:\s*(\d+)`)

// renumbered is a pack's text under another number; unchanged where the number
// cannot be found, which the check then says.
func renumbered(p rulebook.Pack, next int) string {
	at := packNumber.FindStringSubmatchIndex(p.Text)
	if at == nil || p.Text[at[2]:at[3]] != strconv.Itoa(p.Version.Number) {
		return p.Text
	}
	out := p.Text[:at[2]] + strconv.Itoa(next) + p.Text[at[3]:]
	if again, err := risk.LoadPack(out); err != nil || again.Info().Version.Number != next {
		return p.Text
	}
	return out
}

// uploadedText is a file of rules that was handed in.
func (a *ask) uploadedText() (string, error) {
	f, _, err := a.r.FormFile("file")
	if err != nil {
		return "", ident.Invalid("file", "file_required", "%s", a.t("upload.required"))
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, policy.MaxPack+1))
	switch {
	case err != nil:
		return "", ident.Invalid("file", "file_unreadable", "the file could not be read").Because(err)
	case len(b) > policy.MaxPack:
		return "", ident.Invalid("file", "pack_too_large", "a pack has at most %d KiB", policy.MaxPack>>10)
	case !utf8.Valid(b):
		return "", ident.Invalid("file", "pack_not_text", "the file is not text in UTF-8")
	}
	return strings.ReplaceAll(strings.TrimPrefix(string(b), "\ufeff"), "\r\n", "\n"), nil
}

// draft is one draft: its text, its difference to what runs, what it would have
// done, and the way into force.
func (a *ask) draft() error {
	d, err := a.c.cfg.Rulebook.Draft(a.ctx, a.actor, a.path("id"))
	if err != nil {
		return err
	}
	if err := a.know(d.Author); err != nil {
		return err
	}
	if a.bad == "draft" { // what was entered is still there
		d.Title, d.Text = a.posted("title"), a.postedText()
	}
	problems := rulebook.Check(d.Text)
	tab := a.query("tab")
	if a.bad != "" && a.bad != "draft" && a.bad != "file" {
		tab = map[string]string{"replay": "whatif", "publish": "publish"}[a.bad]
	}
	var body []templ.Component
	switch tab {
	case "difference":
		body = a.draftDifference(d)
	case "whatif":
		body, err = a.draftWhatIf(d, problems)
	case "publish":
		body, err = a.draftToPublish(d, problems)
	default:
		tab, body = "", a.draftText(d, problems)
	}
	if err != nil {
		return err
	}
	if len(problems) > 0 && (a.bad == "replay" || a.bad == "publish") { // their forms are not there
		body = append([]templ.Component{web.ErrorSummary(a.linked(a.bad, nil))}, body...)
	}
	mark := web.Badge(web.Good, a.t("rules.fine"))
	if len(problems) > 0 {
		mark = web.Badge(web.Danger, a.t("rules.mistakes", len(problems)))
	}
	acts := []templ.Component{web.Button(web.ButtonProps{Label: a.t("rules.export"), Href: draftHref(d.ID) + "/pack.yaml", Icon: "download"})}
	return a.showRules(web.PageProps{Title: d.Title, Mark: mark, Lead: a.t("rules.draft_lead", a.nameOf(d.Author), web.When(a.ctx, d.Updated)),
		Crumbs: a.ruleCrumbs(), Actions: web.Group(acts...), Help: []web.Key{{Key: "Ctrl S", Does: a.t("rules.key_save")}}},
		append([]templ.Component{a.draftTabs(d.ID, tab)}, body...)...)
}

func (a *ask) draftTabs(id ident.ID, here string) templ.Component {
	at := func(tab string) string {
		if tab == "" {
			return draftHref(id)
		}
		return draftHref(id) + "?tab=" + tab
	}
	var tabs []web.Tab
	for _, t := range []string{"", "difference", "whatif", "publish"} {
		name := t
		if t == "" {
			name = "text"
		}
		tabs = append(tabs, web.Tab{Label: a.t("rules.tab_" + name), Href: at(t), Count: -1})
	}
	return web.TabsAt(a.t("rules.draft"), at(here), tabs...)
}

// draftText is the editor with what is wrong beside it.
func (a *ask) draftText(d rulebook.Draft, problems []rulebook.Problem) []templ.Component {
	list, wrong := a.mistakesOf(d.Text, problems)
	found := mistakes(a.t("rules.mistakes", len(list)), a.t("rules.no_mistakes"), list)
	if !a.may(access.ActRiskEdit) {
		return []templ.Component{found, editor(editorProps{ID: "f-draft-text", Label: a.t("rules.text"), Text: d.Text, Wrong: wrong,
			Describe: "mistakes", ReadOnly: true})}
	}
	version := itoa(d.Version)
	var clash templ.Component
	if a.bad == "draft" && a.status == http.StatusConflict {
		clash = noteWith(web.Waiting, a.t("rules.draft_moved"), a.t("rules.draft_moved_text"),
			anchor(draftHref(d.ID)+"/pack.yaml", a.t("rules.draft_theirs")))
	}
	var errs templ.Component
	if a.bad == "draft" {
		errs = web.ErrorSummary(a.linked("draft", []web.FieldProps{{Name: "title"}, {Name: "text"}}))
	}
	edit := wideForm(draftHref(d.ID), []web.Hidden{{Name: "version", Value: version}}, errs, clash,
		web.Field(a.field("draft", web.FieldProps{Name: "title", Label: a.t("rules.draft_title"), Value: d.Title, Max: 120})),
		found, editor(editorProps{ID: "f-draft-text", Label: a.t("rules.text"), Text: d.Text, Wrong: wrong, Check: "/rules/check",
			Describe: "mistakes"}),
		web.Buttons(web.ButtonProps{Label: a.t("rules.draft_save"), Primary: true}))
	return []templ.Component{edit, a.folded("file", a.t("rules.draft_replace"), a.form("file",
		web.FormProps{Action: draftHref(d.ID) + "/file", Upload: true,
			Submit: a.t("rules.draft_replace_submit"), Hidden: []web.Hidden{{Name: "version", Value: version}}},
		web.FieldProps{Name: "file", Label: a.t("upload.file"), Type: "file", Accept: ".yaml,.yml,text/yaml,text/plain"})),
		web.Confirm(web.ConfirmProps{Button: a.t("rules.draft_drop"), Danger: true, Action: draftHref(d.ID) + "/drop",
			Says: a.t("rules.draft_drop_says", d.Title), Yes: a.t("rules.draft_drop_yes")})}
}

// folded is a form behind a line; one that was refused stands open.
func (a *ask) folded(form, summary string, c templ.Component) templ.Component {
	if a.bad == form {
		return web.Stack(web.Strong(summary), c)
	}
	return details(summary, c)
}

// draftDifference tells the difference to what runs, in words.
func (a *ask) draftDifference(d rulebook.Draft) []templ.Component {
	changes, err := rulebook.Compare(a.c.cfg.Engine.Running().Text(), d.Text)
	if err != nil { // not even a list of names and values
		list, _ := a.mistakesOf(d.Text, rulebook.Check(d.Text))
		return []templ.Component{web.Note(web.Waiting, a.t("rules.mend_first"), a.t("rules.mend_difference")),
			mistakes(a.t("rules.mistakes", len(list)), a.t("rules.no_mistakes"), list)}
	}
	return []templ.Component{a.differenceCard(a.t("rules.difference_running"), changes)}
}

// differenceCard is a list of differences, or the word that there is none.
func (a *ask) differenceCard(title string, changes []rulebook.Difference) templ.Component {
	if len(changes) == 0 {
		return cardOf(title, []templ.Component{prose(a.t("rules.difference_none"))})
	}
	return cardOf(title, []templ.Component{web.Muted(a.t("rules.differences", len(changes))), changeList(a.changesOf(changes))})
}

// mendFirst is what stands in the place of an act that needs a text without mistakes.
func (a *ask) mendFirst(d rulebook.Draft, problems []rulebook.Problem) []templ.Component {
	list, _ := a.mistakesOf(d.Text, problems)
	return []templ.Component{web.Note(web.Waiting, a.t("rules.mend_first"), a.t("rules.mend_text")),
		mistakes(a.t("rules.mistakes", len(list)), a.t("rules.no_mistakes"), list)}
}

// draftVersion is the version that was looked at.
func (a *ask) draftVersion() (int, error) {
	n, err := strconv.Atoi(a.posted("version"))
	if err != nil || n < 1 {
		return 0, ident.Invalid("version", "form_damaged", "the form was damaged; open the page again")
	}
	return n, nil
}

// draftSave keeps what was written, with mistakes or without; the page then says
// what is wrong.
func (a *ask) draftSave() error {
	version, err := a.draftVersion()
	if err == nil {
		_, err = a.c.cfg.Rulebook.SaveDraft(a.ctx, a.actor, rulebook.Draft{ID: a.path("id"), Title: a.posted("title"), Text: a.postedText(),
			Version: version})
	}
	if err != nil {
		return a.again("draft", err, (*ask).draft)
	}
	return a.savedDraft()
}

func (a *ask) savedDraft() error { return a.done(draftHref(a.path("id")), "rules.draft_saved") }

// draftUpload puts a file in the place of the text.
func (a *ask) draftUpload() error {
	version, err := a.draftVersion()
	text := ""
	if err == nil {
		text, err = a.uploadedText()
	}
	if err != nil {
		return a.again("file", err, (*ask).draft)
	}
	d, err := a.c.cfg.Rulebook.Draft(a.ctx, a.actor, a.path("id"))
	if err != nil {
		return err
	}
	d.Text, d.Version = text, version
	if _, err := a.c.cfg.Rulebook.SaveDraft(a.ctx, a.actor, d); err != nil {
		return a.again("file", err, (*ask).draft)
	}
	return a.savedDraft()
}

// draftFile is the draft's text as a file.
func (a *ask) draftFile() error {
	d, err := a.c.cfg.Rulebook.Draft(a.ctx, a.actor, a.path("id"))
	if err != nil {
		return err
	}
	return a.yamlOut(d.Title, d.Text)
}

func (a *ask) draftDrop() error {
	if err := a.c.cfg.Rulebook.DropDraft(a.ctx, a.actor, a.path("id")); err != nil {
		return err
	}
	return a.done("/rules", "rules.draft_dropped")
}
