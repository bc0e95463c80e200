package console

import (
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/a-h/templ"

	"surety/domain/authority"
	"surety/domain/fund"
	"surety/domain/incident"
	"surety/edge/web"
	"surety/kernel/ident"
	"surety/kernel/money"
	"surety/platform/access"
	"surety/platform/db"
)

const sourcePage = 100

// sourceRow is one row of a file as it came and as it was read.
type sourceRow struct {
	line          int
	kind          authority.Kind
	what, account string
	amount        money.Amount
	mended        []authority.Mend
	notes         []authority.Problem
	refused       []authority.Problem
	same          int
}

// loadSource opens a source; that look is recorded.
func (a *ask) loadSource() (i incident.Incident, src incident.Source, rows []incident.KeptRow, err error) {
	id := a.path("id")
	err = a.view(access.ActIncidentRead, id, func(tx *db.Tx) error {
		var found bool
		if i, found, err = a.c.cfg.Incident.Get(tx, id); err != nil {
			return err
		}
		all, err := a.c.cfg.Incident.Sources(tx, id)
		if err != nil {
			return err
		}
		n := slices.IndexFunc(all, func(s incident.Source) bool { return s.ID == a.path("source") })
		if !found || n < 0 {
			return ident.NotFound("source", a.path("source"))
		}
		src = all[n]
		rows, err = a.c.cfg.Incident.Rows(tx, src.ID)
		return err
	})
	return i, src, rows, err
}

// source is the table of what was read, mended, noted and refused, and why.
func (a *ask) source() error {
	i, src, kept, err := a.loadSource()
	if err != nil {
		return err
	}
	p := web.PageProps{Title: clip(src.Filename, 80), Lead: a.figuresText(src), Mark: web.Badge(web.Plain, a.word("source.", src.Kind)),
		Crumbs: []web.Link{{Label: a.t("incidents.title"), Href: "/incidents"}, {Label: i.Title, Href: "/incidents/" + i.ID + "?tab=sources"}}}
	facts := a.card("", web.DefList(web.Term{Label: a.t("source.read"), Value: web.Time(src.ReadAt)},
		web.Term{Label: "SHA-256", Value: web.Code(src.SHA256)}))
	if src.Kind == "estate" && len(kept) > 0 {
		body, err := a.estateCards(kept[0].JSON)
		if err != nil {
			return err
		}
		return a.show(p, facts, body)
	}
	rows, err := sourceRows(src.Kind, kept)
	if err != nil {
		return err
	}
	export := ""
	if src.Kind == "police_list" {
		export = "/incidents/" + i.ID + "/sources/" + src.ID + "/table.csv"
	}
	return a.show(p, facts, a.sourceTable(rows, export))
}

func sourceRows(kind string, kept []incident.KeptRow) (out []sourceRow, err error) {
	for _, k := range kept {
		if kind == "user_reports" {
			var r authority.ReportRow
			if err := json.Unmarshal(k.JSON, &r); err != nil {
				return nil, err
			}
			out = append(out, sourceRow{r.Line, r.Kind, orRaw(r.Read.ID, r.Raw), r.Read.Account, r.Read.Claimed, r.Mended, r.Notes,
				r.Refused, r.SameAs})
			continue
		}
		var r authority.Row
		if err := json.Unmarshal(k.JSON, &r); err != nil {
			return nil, err
		}
		out = append(out, sourceRow{r.Line, r.Kind, orRaw(r.Read.Name, r.Raw), r.Read.Account, r.Read.Amount, r.Mended, r.Notes,
			r.Refused, r.SameAs})
	}
	return out, nil
}

// orRaw is the row as it came, where it could not be read.
func orRaw(read string, raw []string) string {
	if read != "" {
		return read
	}
	return clip(strings.TrimSpace(strings.Join(raw, " ")), 60)
}

func (a *ask) sourceTable(rows []sourceRow, export string) templ.Component {
	kinds := []web.Option{{Value: "", Label: a.t("all")}, {Value: "touched", Label: a.t("row.touched")}}
	for _, k := range []authority.Kind{authority.RowVictim, authority.RowRefused, authority.RowDuplicate, authority.RowTotal,
		authority.RowTitle,
		authority.RowHeader, authority.RowFooter, authority.RowBlank} {
		kinds = append(kinds, web.Option{Value: string(k), Label: a.word("row.", string(k))})
	}
	want := a.query("kind")
	rows = slices.DeleteFunc(rows, func(r sourceRow) bool {
		if want == "touched" {
			return len(r.mended)+len(r.notes)+len(r.refused) == 0
		}
		return want != "" && string(r.kind) != want
	})
	page := min(web.PageOf(a.r), web.Pages(len(rows), sourcePage))
	shown := rows[(page-1)*sourcePage : min(page*sourcePage, len(rows))]
	cells := make([]web.Row, len(shown))
	for i, r := range shown {
		cells[i] = a.sourceCells(r)
	}
	return web.Table(web.TableProps{ID: "rows", Title: a.t("source.rows_title"), Rows: cells, Count: a.t("source.rows",
		web.Count(len(rows))), Export: export,
		Columns: []web.Column{{Label: a.t("source.line"), Num: true}, {Label: a.t("source.kind")}, {Label: a.t("source.what")},
			{Label: a.t("victim.account")}, {Label: a.t("amount"), Num: true}, {Label: a.t("source.done"), Wide: true}},
		Filter: []web.FieldProps{{Name: "kind", Label: a.t("source.kind"), Type: "select", Value: want, Options: kinds}},
		Pager:  web.PagerProps{Page: page, Pages: web.Pages(len(rows), sourcePage)}})
}

// sourceCells says of one row what was read, mended, noted, refused, and why.
func (a *ask) sourceCells(r sourceRow) web.Row {
	lang := string(a.lang())
	var done []templ.Component
	for _, m := range r.mended {
		done = append(done, web.Text(a.t("source.mended", a.word("field.", string(m.Field)), clip(m.From, 40), clip(m.To, 40),
			m.Why.Text(lang))))
	}
	for _, n := range r.notes {
		done = append(done, web.Group(web.Badge(web.Waiting, a.t("source.note")), web.Text(n.Why.Text(lang)+value(n.Value))))
	}
	for _, n := range r.refused {
		done = append(done, web.Group(web.Badge(web.Danger, a.t("row.refused")), web.Text(a.word("field.",
			string(n.Field))+": "+n.Why.Text(lang)+value(n.Value))))
	}
	if r.same > 0 {
		done = append(done, web.Text(a.t("source.same_as", r.same)))
	}
	row := web.Row{ID: "line-" + strconv.Itoa(r.line), Cells: []templ.Component{web.Text(strconv.Itoa(r.line)),
		web.Text(a.word("row.", string(r.kind))),
		web.Text(r.what), web.Code(orDash(r.account)), someMoney(r.amount), lines(done...)}}
	switch {
	case len(r.refused) > 0:
		row.Meaning = web.Danger
	case len(r.notes) > 0:
		row.Meaning = web.Waiting
	}
	return row
}

func value(v string) string {
	if v == "" {
		return ""
	}
	return " (" + clip(v, 40) + ")"
}

// estateCards show the claim of a late victim, with the heir's proofs.
func (a *ask) estateCards(raw json.RawMessage) (templ.Component, error) {
	var e authority.Estate
	if err := json.Unmarshal(raw, &e); err != nil {
		return nil, err
	}
	var documents []templ.Component
	for _, d := range e.Heir.Documents {
		documents = append(documents, web.Text(d))
	}
	return columns(
		a.card("estate.holder", web.DefList(web.Term{Label: a.t("victim.name"), Value: web.Text(e.Holder)},
			web.Term{Label: a.t("victim.account"), Value: web.Code(e.Account)}, web.Term{Label: a.t("estate.died"), Value: web.Date(e.Died)},
			web.Term{Label: a.t("amount"), Value: web.Money(e.Loss)}, web.Term{Label: a.t("victim.case"), Value: web.Text(e.PoliceReport)})),
		a.card("estate.heir", web.DefList(web.Term{Label: a.t("victim.name"), Value: web.Text(e.Heir.Name)},
			web.Term{Label: a.t("estate.relation"), Value: web.Text(e.Heir.Relation)},
			web.Term{Label: a.t("estate.documents"), Value: lines(documents...)},
			web.Term{Label: a.t("pay_to"), Value: a.payTo(fund.PayTo{Name: e.Heir.Name, Bank: e.Heir.Bank, Account: e.Heir.BankAccount})})),
	), nil
}

// sourceCSV is the same table as a file, for the police to correct their list by.
func (a *ask) sourceCSV() error {
	_, src, kept, err := a.loadSource()
	if err != nil {
		return err
	}
	var list authority.List
	if src.Kind != "police_list" {
		return ident.NotFound("table", src.ID)
	}
	for _, k := range kept {
		var r authority.Row
		if err := json.Unmarshal(k.JSON, &r); err != nil {
			return err
		}
		list.Rows = append(list.Rows, r)
	}
	a.w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	a.w.Header().Set("Content-Disposition", `attachment; filename="list.csv"`)
	return list.WriteTable(a.w, string(a.lang()))
}

func asIdent(err error, e **ident.Error) bool { return errors.As(err, e) }

func itoa(n int) string { return strconv.Itoa(n) }

// plainField takes a prefix off the field of an error: the form has one name for it.
func plainField(err error, prefix string) error {
	var e *ident.Error
	if !asIdent(err, &e) {
		return err
	}
	out := *e
	out.Field = strings.TrimPrefix(e.Field, prefix)
	return &out
}
