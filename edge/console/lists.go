package console

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"

	"surety/domain/list"
	"surety/edge/web"
	"surety/kernel/ident"
	"surety/kernel/name"
	"surety/platform/access"
	"surety/platform/db"
	"surety/platform/vault"
)

const listsPage = 50

// listWord is what people call a code of the lists; the code if it has no word.
func (a *ask) listWord(words []list.Word, code string) string {
	for _, w := range words {
		if w.Code == code {
			return a.either(w.ZH, w.EN)
		}
	}
	return orDash(code)
}

// listOptions are the words as choices, after one for all of them if any is set.
func (a *ask) listOptions(words []list.Word, all string) (out []web.Option) {
	if all != "" {
		out = append(out, web.Option{Value: "", Label: all})
	}
	for _, w := range words {
		out = append(out, web.Option{Value: w.Code, Label: a.either(w.ZH, w.EN)})
	}
	return out
}

// known is a value of the query that is one of the words, else "".
func (a *ask) known(field string, words []list.Word) string {
	v := a.query(field)
	if slices.ContainsFunc(words, func(w list.Word) bool { return w.Code == v }) {
		return v
	}
	return ""
}

// listFilter reads the list's address. A word that does not exist is left out.
func (a *ask) listFilter(v list.Vocabulary) list.Filter {
	f := list.Filter{Kind: list.Kind(a.known("kind", v.Kinds)), Subject: list.Subject(a.known("subject", v.Subjects)),
		Source: list.Source(a.known("source", v.Sources)), Signal: a.known("signal", v.Signals),
		State: list.State(a.known("state", v.States)), Value: a.query("value"), Limit: listsPage}
	if f.State == "" && a.query("state") != "all" && f.Value == "" {
		f.State = list.Live
	}
	if a.query("ending") != "" {
		f.Ending, f.State = a.c.cfg.Clock.Now().Add(list.Soon), ""
	}
	if us, err := strconv.ParseInt(a.query("at"), 10, 64); err == nil && a.query("before") != "" {
		f.Before, f.BeforeAt = a.query("before"), ident.FromMicros(us)
	}
	return f
}

// lists are the three lists, the newest entries first, phones and names masked.
func (a *ask) lists() error {
	words := a.c.cfg.List.Words()
	f := a.listFilter(words)
	entries, err := a.c.cfg.List.Find(a.ctx, a.actor, f)
	if err != nil {
		return err
	}
	var counts []list.Count
	err = a.c.cfg.DB.View(a.ctx, func(tx *db.Tx) (err error) { // counts only: nobody's data is in them
		counts, err = a.c.cfg.List.Counts(tx)
		return err
	})
	if err != nil {
		return err
	}
	body := []templ.Component{a.listTabs(f, counts)}
	if st := a.c.cfg.List.Stats(); st.Behind != nil {
		body = append(body, web.Note(web.Danger, a.t("list.behind"), a.t("list.behind_text", web.When(a.ctx, st.Fresh))))
	}
	next, newest := "", ""
	if len(entries) == listsPage {
		last := entries[len(entries)-1]
		next = web.Here(a.ctx, "before", last.ID, "at", strconv.FormatInt(ident.Micros(last.AddedAt), 10))
	}
	if f.Before != "" {
		newest = web.Here(a.ctx, "before", "", "at", "")
	}
	body = append(body, a.listTable(entries, words), older(newest, next, a.t("newest"), a.t("older")))
	return a.show(web.PageProps{Title: a.t("list.title"), Lead: a.t("list.lead"), Actions: a.listActions()}, body...)
}

func (a *ask) listActions() templ.Component {
	parts := []templ.Component{web.Button(web.ButtonProps{Label: a.t("list.files"), Href: "/lists/files", Icon: "file"})}
	if a.may(access.ActListEdit) {
		parts = append(parts, web.Button(web.ButtonProps{Label: a.t("list.add"), Href: "/lists/add", Primary: true, Key: "a"}))
	}
	return web.Group(parts...)
}

// listTabs are the lists with how many entries are in force, and what ends soon.
func (a *ask) listTabs(f list.Filter, counts []list.Count) templ.Component {
	live, ending := map[list.Kind]int{}, 0
	for _, c := range counts {
		live[c.Kind] += c.Live
		live[""] += c.Live
		ending += c.Ending
	}
	tabs := []web.Tab{{Label: a.t("list.tab_all"), Href: "/lists", Count: live[""]}}
	for _, w := range a.c.cfg.List.Words().Kinds {
		tabs = append(tabs, web.Tab{Label: a.either(w.ZH, w.EN), Href: "/lists?kind=" + w.Code, Count: live[list.Kind(w.Code)]})
	}
	tabs = append(tabs, web.Tab{Label: a.t("list.tab_ending"), Href: "/lists?ending=7", Count: ending})
	here := "/lists"
	switch {
	case !f.Ending.IsZero():
		here = "/lists?ending=7"
	case f.Kind != "":
		here = "/lists?kind=" + string(f.Kind)
	}
	return web.TabsAt(a.t("list.title"), here, tabs...)
}

func (a *ask) listTable(entries []list.Entry, v list.Vocabulary) templ.Component {
	rows := make([]web.Row, len(entries))
	for i, e := range entries {
		rows[i] = a.listRow(e, v)
	}
	state := a.known("state", v.States)
	if a.query("state") == "all" {
		state = "all"
	}
	states := append([]web.Option{{Value: "", Label: a.t("list.state_live")}, {Value: "all", Label: a.t("all")}},
		slices.DeleteFunc(a.listOptions(v.States, ""), func(o web.Option) bool { return o.Value == string(list.Live) })...)
	export := "/lists.csv"
	q := url.Values{}
	for _, name := range []string{"kind", "subject", "source"} {
		if a.query(name) != "" {
			q.Set(name, a.query(name))
		}
	}
	if len(q) > 0 {
		export += "?" + q.Encode()
	}
	return web.Table(web.TableProps{ID: "entries", Title: a.t("list.entries"), Rows: rows, Columns: a.listColumns(), Export: export,
		Count: a.t("list.count", web.Count(len(rows))),
		Filter: []web.FieldProps{
			{Name: "value", Label: a.t("list.value"), Type: "search", Value: a.query("value"), Max: 300},
			{Name: "subject", Label: a.t("list.subject"), Type: "select", Value: a.known("subject", v.Subjects),
				Options: a.listOptions(v.Subjects, a.t("all"))},
			{Name: "source", Label: a.t("list.source"), Type: "select", Value: a.known("source", v.Sources),
				Options: a.listOptions(v.Sources, a.t("all"))},
			{Name: "signal", Label: a.t("list.signal"), Type: "select", Value: a.known("signal", v.Signals),
				Options: a.listOptions(v.Signals, a.t("all"))},
			{Name: "state", Label: a.t("payments.state"), Type: "select", Value: state, Options: states},
		},
		Empty: web.EmptyProps{Title: a.t("list.empty"), Text: a.t("list.empty_text")}})
}

func (a *ask) listColumns() []web.Column {
	return []web.Column{{Label: a.t("list.value")}, {Label: a.t("list.kind")}, {Label: a.t("list.reason"), Wide: true},
		{Label: a.t("list.source")}, {Label: a.t("list.until")}, {Label: a.t("payments.state")}, {Label: a.t("list.added")}}
}

func (a *ask) listRow(e list.Entry, v list.Vocabulary) web.Row {
	row := web.Row{ID: e.ID, Name: e.Value, Href: "/lists/" + url.PathEscape(e.ID), Cells: []templ.Component{
		web.Two(e.Value, a.listWord(v.Subjects, string(e.Subject))),
		a.listKind(e.Kind, v),
		web.Two(a.either(e.Reason.ZH, e.Reason.EN), a.signalText(e, v)),
		web.Two(a.listWord(v.Sources, string(e.Source)), a.sureText(e.Confidence)),
		a.listUntil(e), a.listState(e, v), web.Date(e.AddedAt),
	}}
	if !e.Until.IsZero() && e.At(a.c.cfg.Clock.Now()) == list.Live && e.Until.Before(a.c.cfg.Clock.Now().Add(list.Soon)) {
		row.Meaning = web.Waiting
	}
	return row
}

// signalText names the shared signal that an entry came by, if it did.
func (a *ask) signalText(e list.Entry, v list.Vocabulary) string {
	switch {
	case e.Signal != "":
		return a.t("list.by_signal", a.listWord(v.Signals, e.Signal))
	case e.Reported:
		return a.t("list.reported")
	}
	return ""
}

// sureText is a confidence in permille as a share.
func (a *ask) sureText(permille int) string { return a.t("list.sure", percentText(int64(permille))) }

// percentText writes permille as percent: 900 is "90 %", 5 is "0.5 %".
func percentText(permille int64) string {
	if permille%10 == 0 {
		return strconv.FormatInt(permille/10, 10) + " %"
	}
	return strconv.FormatInt(permille/10, 10) + "." + strconv.FormatInt(permille%10, 10) + " %"
}

func (a *ask) listKind(k list.Kind, v list.Vocabulary) templ.Component {
	m := map[list.Kind]web.Meaning{list.Deny: web.Danger, list.Watch: web.Waiting, list.Allow: web.Good}[k]
	return web.Badge(m, a.listWord(v.Kinds, string(k)))
}

func (a *ask) listState(e list.Entry, v list.Vocabulary) templ.Component {
	s := e.At(a.c.cfg.Clock.Now())
	m := map[list.State]web.Meaning{list.Live: web.Good, list.Waiting: web.Waiting}[s]
	return web.Badge(m, a.listWord(v.States, string(s)))
}

func (a *ask) listUntil(e list.Entry) templ.Component {
	if e.Until.IsZero() {
		return web.Muted(a.t("list.endless"))
	}
	return web.Time(e.Until)
}

// maskedValue hides a telephone number or a name but for what a table may show.
func maskedValue(e list.Entry) string {
	switch e.Subject {
	case list.Phone:
		return vault.MaskPhone(e.Value)
	case list.Name:
		return name.Mask(e.Value)
	}
	return e.Value
}

// listEntry is one entry, a telephone number or a name masked.
func (a *ask) listEntry() error {
	var e list.Entry
	var history templ.Component
	id := a.path("id")
	err := a.view(access.ActListRead, "", func(tx *db.Tx) (err error) { // no object: the value is not shown
		var found bool
		if e, found, err = a.c.cfg.List.Get(tx, id); err != nil {
			return err
		}
		if !found {
			return ident.NotFound("entry", id)
		}
		history, err = a.history(tx, id)
		return err
	})
	if err != nil {
		return err
	}
	e.Masked = e.Subject == list.Phone || e.Subject == list.Name
	hasNote := e.Note != ""
	e.Value, e.Note = maskedValue(e), ""
	return a.entryPage(e, hasNote, nil, history)
}

// listReveal shows the whole value, the note, what was done and why, and what else
// is said of the same value. The look is recorded with the entry's name.
func (a *ask) listReveal() error {
	e, also, err := a.c.cfg.List.View(a.ctx, a.actor, a.path("id"))
	if err != nil {
		return err
	}
	events, err := a.c.cfg.List.History(a.ctx, a.actor, e.ID)
	if err != nil {
		return err
	}
	v := a.c.cfg.List.Words()
	rows := make([]web.Row, len(also))
	for i, o := range also {
		rows[i] = a.listRow(o, v)
	}
	extra := []templ.Component{a.listEvents(events, v), web.Table(web.TableProps{ID: "also", Title: a.t("list.also"), Rows: rows,
		Columns: a.listColumns(), Count: a.t("list.count", len(rows)),
		Empty: web.EmptyProps{Title: a.t("list.also_none"), Text: a.t("list.also_none_text")}})}
	return a.entryPage(e, false, extra, nil)
}

func (a *ask) entryPage(e list.Entry, hasNote bool, extra []templ.Component, history templ.Component) error {
	v := a.c.cfg.List.Words()
	terms := []web.Term{
		{Label: a.t("list.value"), Value: web.Two(e.Value, a.listWord(v.Subjects, string(e.Subject)))},
		{Label: a.t("list.reason"), Value: web.Two(a.either(e.Reason.ZH, e.Reason.EN), a.signalText(e, v))},
		{Label: a.t("list.source"), Value: web.Two(a.listWord(v.Sources, string(e.Source)), a.sureText(e.Confidence))},
		{Label: a.t("list.from"), Value: web.Time(e.From)},
		{Label: a.t("list.until"), Value: a.listUntil(e)},
		{Label: a.t("list.added"), Value: web.Time(e.AddedAt)},
	}
	if !e.RemovedAt.IsZero() {
		terms = append(terms, web.Term{Label: a.t("list.removed"), Value: lines(web.Time(e.RemovedAt), web.Text(e.RemovedWhy))})
	}
	if e.Note != "" {
		terms = append(terms, web.Term{Label: a.t("list.note"), Value: web.Text(e.Note)})
	}
	parts := []templ.Component{web.DefList(terms...)}
	if e.Masked || hasNote {
		parts = append(parts, post("/lists/"+url.PathEscape(e.ID)+"/reveal", web.ButtonProps{Label: a.t("list.reveal"), Icon: "person",
			Key: "n"}))
	} else if extra == nil {
		parts = append(parts, post("/lists/"+url.PathEscape(e.ID)+"/reveal", web.ButtonProps{Label: a.t("list.more"), Icon: "search", Key: "n"}))
	}
	body := append([]templ.Component{a.card("list.entry", parts...)}, extra...)
	if history != nil {
		body = append(body, history)
	}
	return a.show(web.PageProps{Title: e.Value, Mark: web.Group(a.listKind(e.Kind, v), a.listState(e, v)),
		Crumbs: []web.Link{{Label: a.t("list.title"), Href: "/lists"}}, Side: a.entrySide(e)}, body...)
}

// entrySide is what can be done with an entry that has not ended.
func (a *ask) entrySide(e list.Entry) templ.Component {
	state := e.At(a.c.cfg.Clock.Now())
	if !a.may(access.ActListEdit) || state == list.Removed || state == list.Expired {
		return nil
	}
	at := "/lists/" + url.PathEscape(e.ID)
	var parts []templ.Component
	if !e.Until.IsZero() {
		parts = append(parts, a.card("list.extend", a.form("extend", web.FormProps{Action: at + "/extend", Submit: a.t("list.extend_submit")},
			web.FieldProps{Name: "until", Label: a.t("list.until"), Type: "date", Hint: a.t("list.bounds_" + string(e.Kind))},
			web.FieldProps{Name: "why", Label: a.t("why"), Max: 400})))
	}
	parts = append(parts, a.card("list.remove", prose(a.t("list.remove_text")),
		a.form("remove", web.FormProps{Action: at + "/remove", Submit: a.t("list.remove_submit"), Danger: true},
			web.FieldProps{Name: "why", Label: a.t("why"), Max: 400})))
	return web.Stack(parts...)
}

func (a *ask) listEvents(events []list.Event, v list.Vocabulary) templ.Component {
	rows := make([]web.Row, len(events))
	for i, ev := range events {
		until := templ.Component(web.Muted("—"))
		if !ev.UntilBefore.Equal(ev.UntilAfter) {
			until = web.Text(a.t("list.until_moved", web.When(a.ctx, ev.UntilBefore), web.When(a.ctx, ev.UntilAfter)))
		}
		rows[len(events)-1-i] = web.Row{ID: "event-" + itoa(ev.Version), Cells: []templ.Component{web.TimeShort(ev.At),
			web.Text(a.listWord(v.Events, string(ev.What))), web.Text(orDash(ev.Why)), until, web.Text(a.colleague(ev.By))}}
	}
	return web.Table(web.TableProps{ID: "events", Title: a.t("list.events"), Rows: rows, Count: a.t("history.count", len(rows)),
		Columns: []web.Column{{Label: a.t("when")}, {Label: a.t("audit.act")}, {Label: a.t("why"), Wide: true}, {Label: a.t("list.until")},
			{Label: a.t("audit.who")}}})
}

// colleague is staffName outside a transaction.
func (a *ask) colleague(id ident.ID) (n string) {
	n = id
	_ = a.c.cfg.DB.View(a.ctx, func(tx *db.Tx) error { // without a database the id will do
		n = a.staffName(tx, id)
		return nil
	})
	return n
}

// dayEnd is the end of a posted day in the page's zone; zero if it cannot be read.
func (a *ask) dayEnd(name string) (time.Time, error) {
	text := a.posted(name)
	if text == "" {
		return time.Time{}, nil
	}
	t, err := time.ParseInLocation(time.DateOnly, text, web.ViewOf(a.ctx).Zone)
	if err != nil {
		return t, ident.Invalid(name, "day_malformed", "write the day like 2026-06-30")
	}
	return t.AddDate(0, 0, 1).UTC(), nil
}

// twoWords reads a reason in one field: "中文 | English" has both languages.
func twoWords(text string) list.Reason {
	if zh, en, both := strings.Cut(text, "|"); both {
		return list.Reason{ZH: strings.TrimSpace(zh), EN: strings.TrimSpace(en)}
	}
	return list.Reason{ZH: text, EN: text}
}
