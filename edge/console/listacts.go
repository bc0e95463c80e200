package console

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/a-h/templ"

	"surety/domain/list"
	"surety/edge/web"
	"surety/kernel/ident"
	"surety/platform/access"
)

// surest are the degrees of confidence that a person can say, in permille.
var surest = [...]int{1000, 900, 700, 500}

// listAddForm puts one value on a list. Its address may name list, subject and
// value; a telephone number or a name is never in an address.
func (a *ask) listAddForm() error {
	v := a.c.cfg.List.Words()
	id := a.c.cfg.IDs.New("lst")
	if a.bad == "entry" && a.posted("id") != "" {
		id = a.posted("id")
	}
	sure := make([]web.Option, len(surest))
	for i, n := range surest {
		sure[i] = web.Option{Value: itoa(n), Label: a.t("list.sure_" + itoa(n))}
	}
	kind, subject, source := a.known("kind", v.Kinds), a.known("subject", v.Subjects), string(list.Own)
	form := a.form("entry", web.FormProps{Action: "/lists/add", Submit: a.t("list.add_submit"),
		Cancel: web.Link{Label: a.t("cancel"), Href: "/lists"}, Hidden: []web.Hidden{{Name: "id", Value: id}}},
		web.FieldProps{Name: "kind", Label: a.t("list.kind"), Type: "select", Value: kind, Options: a.listOptions(v.Kinds, "")},
		web.FieldProps{Name: "subject", Label: a.t("list.subject"), Type: "select", Value: subject, Options: a.listOptions(v.Subjects, "")},
		web.FieldProps{Name: "value", Label: a.t("list.value"), Value: a.query("value"), Hint: a.t("list.value_hint"), Max: 300,
			Autocomplete: "off"},
		web.FieldProps{Name: "reason", Label: a.t("list.reason"), Hint: a.t("list.reason_hint"), Max: 400},
		web.FieldProps{Name: "source", Label: a.t("list.source"), Type: "select", Value: source, Options: a.listOptions(v.Sources, "")},
		web.FieldProps{Name: "confidence", Label: a.t("list.confidence"), Type: "select", Value: "1000", Options: sure},
		web.FieldProps{Name: "until", Label: a.t("list.until"), Type: "date", Hint: a.t("list.until_hint"), Optional: true},
		web.FieldProps{Name: "note", Label: a.t("list.note"), Type: "textarea", Hint: a.t("list.note_hint"), Optional: true, Max: 400})
	return a.show(web.PageProps{Title: a.t("list.add"), Lead: a.t("list.add_lead"),
		Crumbs: []web.Link{{Label: a.t("list.title"), Href: "/lists"}}}, a.card("", form))
}

func (a *ask) listAdd() error {
	until, err := a.dayEnd("until")
	sure, bad := strconv.Atoi(a.posted("confidence"))
	if bad != nil {
		sure = 0 // the service says what is right
	}
	var e list.Entry
	if err == nil {
		e, _, err = a.c.cfg.List.Add(a.ctx, a.actor, list.Statement{ID: a.posted("id"), Kind: list.Kind(a.posted("kind")),
			Subject: list.Subject(a.posted("subject")), Value: a.posted("value"), Reason: twoWords(a.posted("reason")),
			Source: list.Source(a.posted("source")), Confidence: sure, Note: a.posted("note"), Until: until})
	}
	if err != nil {
		return a.again("entry", err, (*ask).listAddForm)
	}
	return a.done("/lists/"+url.PathEscape(e.ID), "list.added_done", e.Value)
}

func (a *ask) listExtend() error {
	id := a.path("id")
	until, err := a.dayEnd("until")
	if err == nil {
		_, err = a.c.cfg.List.Extend(a.ctx, a.actor, id, until, a.posted("why"))
	}
	if err != nil {
		return a.retry("extend", err, (*ask).listEntry)
	}
	return a.done("/lists/"+url.PathEscape(id), "list.extended_done", web.When(a.ctx, until))
}

func (a *ask) listRemove() error {
	id := a.path("id")
	e, err := a.c.cfg.List.Remove(a.ctx, a.actor, id, a.posted("why"))
	if err != nil {
		return a.retry("remove", err, (*ask).listEntry)
	}
	return a.done("/lists", "list.removed_done", e.Value)
}

// listFiles is the way in and out for whole files.
func (a *ask) listFiles() error { return a.listFilesPage(nil) }

func (a *ask) listFilesPage(report templ.Component) error {
	v := a.c.cfg.List.Words()
	var body []templ.Component
	if report != nil {
		body = append(body, report)
	}
	if a.may(access.ActListEdit) {
		body = append(body, a.card("list.import", prose(a.t("list.import_text")), details(a.t("list.import_columns"),
			web.Code("kind,subject,value,reason,source,confidence,until"), prose(a.t("list.import_words",
				codes(v.Kinds), codes(v.Subjects), codes(v.Sources)))),
			a.form("import", web.FormProps{Action: "/lists/import", Upload: true, Submit: a.t("list.import_submit")},
				web.FieldProps{Name: "file", Label: a.t("upload.file"), Type: "file", Accept: ".csv,.ndjson,.jsonl,text/csv",
					Hint: a.t("list.import_hint")})))
	}
	body = append(body, a.card("list.export", prose(a.t("list.export_text")), web.Buttons(
		web.ButtonProps{Label: a.t("list.export_csv"), Href: "/lists.csv", Icon: "download"},
		web.ButtonProps{Label: a.t("list.export_ndjson"), Href: "/lists.csv?format=ndjson", Icon: "download"}), a.exportWhole()))
	return a.show(web.PageProps{Title: a.t("list.files"), Crumbs: []web.Link{{Label: a.t("list.title"), Href: "/lists"}}}, body...)
}

// exportWhole gives phones, names and notes too: an act that is recorded.
func (a *ask) exportWhole() templ.Component {
	if !a.may(access.ActListEdit) {
		return nil
	}
	return web.Confirm(web.ConfirmProps{Button: a.t("list.export_whole"), Yes: a.t("list.export_whole_yes"), Action: "/lists/export",
		Says: a.t("list.export_whole_says"), Hidden: []web.Hidden{{Name: "format", Value: string(list.NDJSON)}}})
}

func codes(words []list.Word) string {
	out := make([]string, len(words))
	for i, w := range words {
		out[i] = w.Code
	}
	return strings.Join(out, ", ")
}

// maxRefused is how many refused rows a page shows; a report may have a thousand.
const maxRefused = 200

// listImport reads a file and says of each row that was refused why.
func (a *ask) listImport() error {
	f, head, err := a.r.FormFile("file")
	if err != nil {
		return a.again("import", ident.Invalid("file", "file_required", "%s", a.t("upload.required")), (*ask).listFiles)
	}
	defer f.Close()
	format := list.CSV
	if n := strings.ToLower(head.Filename); strings.HasSuffix(n, ".ndjson") || strings.HasSuffix(n, ".jsonl") {
		format = list.NDJSON
	}
	rep, err := a.c.cfg.List.Import(a.calm(), a.actor, format, f, nil)
	if len(rep.Refused) > 0 {
		a.status = http.StatusUnprocessableEntity
		return a.listFilesPage(a.refusedRows(rep))
	}
	if err != nil {
		return a.again("import", fileError(err), (*ask).listFiles)
	}
	return a.listFilesPage(a.importReport(rep))
}

// refusedRows is the report of a file of which nothing was written.
func (a *ask) refusedRows(rep list.ImportReport) templ.Component {
	shown := rep.Refused[:min(len(rep.Refused), maxRefused)]
	rows := make([]web.Row, len(shown))
	for i, p := range shown {
		rows[i] = web.Row{ID: "refused-" + itoa(i), Meaning: web.Danger, Cells: []templ.Component{web.Text(itoa(p.Row)),
			web.Code(orDash(p.Field)), web.Text(a.c.words.Explain(a.lang(), p))}}
	}
	return web.Stack(web.Note(web.Danger, a.t("list.refused"), a.t("list.refused_text", web.Count(len(rep.Refused)), web.Count(rep.Rows))),
		web.Table(web.TableProps{ID: "refused", Title: a.t("list.refused_rows"), Rows: rows,
			Count:   a.t("list.rows", web.Count(len(rep.Refused))),
			Columns: []web.Column{{Label: a.t("source.line"), Num: true}, {Label: a.t("list.column")}, {Label: a.t("why"), Wide: true}}}))
}

// importReport is what a file did.
func (a *ask) importReport(rep list.ImportReport) templ.Component {
	parts := []templ.Component{web.Note(web.Good, a.t("list.imported"), a.t("list.imported_text", web.Count(rep.Rows),
		web.Count(rep.Added), web.Count(rep.Renewed), web.Count(rep.Unchanged)))}
	if rep.KeptOff > 0 {
		shown := rep.Kept[:min(len(rep.Kept), maxRefused)]
		rows := make([]web.Row, len(shown))
		for i, k := range shown {
			rows[i] = web.Row{ID: "kept-" + itoa(i), Href: "/lists/" + url.PathEscape(k.Entry), Meaning: web.Waiting,
				Cells: []templ.Component{web.Text(itoa(k.Row)), web.ID(k.Entry), web.Text(k.Why)}}
		}
		parts = append(parts, web.Table(web.TableProps{ID: "kept", Title: a.t("list.kept_off"), Rows: rows,
			Count:   a.t("list.rows", web.Count(rep.KeptOff)),
			Columns: []web.Column{{Label: a.t("source.line"), Num: true}, {Label: a.t("list.entry")}, {Label: a.t("list.kept_why"), Wide: true}}}))
	}
	return web.Stack(parts...)
}

// listCSV is the lists as a file, without phones and names.
func (a *ask) listCSV() error {
	v := a.c.cfg.List.Words()
	return a.exportLists(list.Export{Format: list.Format(a.r.FormValue("format")), Kind: list.Kind(a.known("kind", v.Kinds)),
		Subject: list.Subject(a.known("subject", v.Subjects)), Source: list.Source(a.known("source", v.Sources))})
}

// listExport is the whole of the lists.
func (a *ask) listExport() error {
	return a.exportLists(list.Export{Format: list.Format(a.posted("format")), Personal: true})
}

func (a *ask) exportLists(x list.Export) error {
	mime := "application/x-ndjson"
	if x.Format != list.NDJSON {
		x.Format, mime = list.CSV, "text/csv; charset=utf-8"
	}
	a.w.Header().Set("Content-Type", mime)
	a.w.Header().Set("Content-Disposition", `attachment; filename="lists.`+string(x.Format)+`"`)
	_, err := a.c.cfg.List.Export(a.calm(), a.actor, x, a.w)
	return err
}
