package console

import (
	"time"

	"github.com/a-h/templ"

	"surety/domain/incident"
	"surety/edge/web"
	"surety/kernel/ident"
	"surety/platform/access"
	"surety/platform/db"
)

// incidents is the list. It shows titles and counts, nobody's name.
func (a *ask) incidents() error {
	rows, err := a.incidentRows(false)
	if err != nil {
		return err
	}
	empty := web.EmptyProps{Title: a.t("incidents.empty"), Text: a.t("incidents.empty_text")}
	var actions templ.Component
	if a.may(access.ActIncidentDeclare) {
		actions = web.Button(web.ButtonProps{Label: a.t("declare.button"), Href: "/incidents/declare", Primary: len(rows) == 0,
			Icon: "incident"})
		empty.Action = web.Link{Label: a.t("declare.button"), Href: "/incidents/declare"}
	}
	return a.show(web.PageProps{Title: a.t("incidents.title"), Lead: a.t("incidents.lead"), Actions: actions},
		web.Table(web.TableProps{ID: "incidents", Title: a.t("incidents.title"), Columns: a.incidentColumns(), Rows: rows,
			Count: a.t("incidents.count", len(rows)), Empty: empty}))
}

func (a *ask) incidentColumns() []web.Column {
	return []web.Column{{Label: a.t("incident.name"), Wide: true}, {Label: a.t("incident.status")}, {Label: a.t("incident.left"), Num: true},
		{Label: a.t("incident.people_left"), Num: true}, {Label: a.t("incident.deadline")}, {Label: a.t("incident.fund")}}
}

func (a *ask) incidentRows(openOnly bool) ([]web.Row, error) {
	var list []incident.Incident
	err := a.c.cfg.DB.View(a.ctx, func(tx *db.Tx) (err error) {
		list, err = a.c.cfg.Incident.List(tx)
		return err
	})
	if err != nil {
		return nil, err
	}
	var rows []web.Row
	for _, i := range list {
		if openOnly && i.Status == incident.Closed {
			continue
		}
		b, err := a.c.cfg.Incident.Board(a.ctx, a.actor, i.ID)
		if err != nil {
			return nil, err
		}
		row := web.Row{ID: i.ID, Name: i.Title, Cells: []templ.Component{web.Text(i.Title), a.incidentStatus(i.Status), web.Money(b.Left.Money),
			web.Text(web.Count(b.Left.People)), web.Time(i.Deadline), linkTo(a.fundHref(i.FundID), i.FundID)}}
		if a.may(access.ActIncidentRead) {
			row.Href = "/incidents/" + i.ID
		}
		if b.Late > 0 {
			row.Meaning = web.Danger
		}
		rows = append(rows, row)
	}
	return rows, nil
}

func (a *ask) incidentStatus(s incident.Status) templ.Component {
	m := map[incident.Status]web.Meaning{incident.Proposed: web.Waiting, incident.Approved: web.Waiting, incident.Paying: web.Waiting,
		incident.Paid: web.Good, incident.Closed: web.Plain, incident.Reconciled: web.Waiting}[s]
	return web.Badge(m, a.word("istatus.", string(s)))
}

func (a *ask) declareForm() error {
	var options []web.Option
	err := a.c.cfg.DB.View(a.ctx, func(tx *db.Tx) error {
		funds, err := a.c.cfg.Fund.Funds(tx)
		options = nil
		for _, f := range funds {
			options = append(options, web.Option{Value: f.ID, Label: a.either(f.NameZH, f.NameEN)})
		}
		return err
	})
	if err != nil {
		return err
	}
	id := a.posted("id")
	if id == "" {
		id = a.c.cfg.IDs.New("inc") // made here, so that a form sent twice declares once
	}
	now := a.c.cfg.Clock.Now().In(web.ViewOf(a.ctx).Zone)
	form := a.form("declare", web.FormProps{Action: "/incidents/declare", Submit: a.t("declare.submit"), Danger: true,
		Hidden: []web.Hidden{{Name: "id", Value: id}}, Cancel: web.Link{Label: a.t("cancel"), Href: "/incidents"}},
		web.FieldProps{Name: "title", Label: a.t("declare.name"), Hint: a.t("declare.name_hint"), Max: 60},
		web.FieldProps{Name: "fund_id", Label: a.t("declare.fund"), Type: "select", Options: options, Hint: a.t("declare.fund_hint")},
		web.FieldProps{Name: "from", Label: a.t("declare.from"), Type: "date", Hint: a.t("declare.from_hint")},
		web.FieldProps{Name: "to", Label: a.t("declare.to"), Type: "date"},
		web.FieldProps{Name: "deadline", Label: a.t("declare.deadline"), Type: "datetime-local", Value: now.Format("2006-01-02") + "T23:59",
			Hint: a.t("declare.deadline_hint")},
	)
	return a.show(web.PageProps{Title: a.t("declare.title"), Lead: a.t("declare.lead"),
		Crumbs: []web.Link{{Label: a.t("incidents.title"), Href: "/incidents"}}}, web.Note(web.Held, a.t("declare.what"),
		a.t("declare.what_text")), form)
}

func (a *ask) declare() error {
	in := incident.DeclareIn{ID: a.posted("id"), Title: a.posted("title"), FundID: a.posted("fund_id"),
		From: a.postedTime("from", time.DateOnly),
		To:   a.postedTime("to", time.DateOnly), Deadline: a.postedTime("deadline", "2006-01-02T15:04")}
	if !in.To.IsZero() {
		in.To = in.To.AddDate(0, 0, 1) // the last day is meant whole
	}
	if in.FundID == "" {
		return a.again("declare", ident.Invalid("fund_id", "fund_required", "%s", a.t("declare.fund_required")), (*ask).declareForm)
	}
	if _, err := a.c.cfg.Incident.Declare(a.ctx, a.actor, in); err != nil {
		return a.again("declare", err, (*ask).declareForm)
	}
	return a.done("/incidents/"+in.ID, "declare.done")
}

// postedTime reads a date or time of a form in the page's zone; zero if there is none.
func (a *ask) postedTime(name, layout string) time.Time {
	t, err := time.ParseInLocation(layout, a.posted(name), web.ViewOf(a.ctx).Zone)
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}

func (a *ask) fundHref(id ident.ID) string {
	if !a.may(access.ActFundRead) {
		return ""
	}
	return "/funds/" + id
}
