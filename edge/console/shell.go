package console

import (
	"io/fs"
	"strings"
	"unicode"

	"github.com/a-h/templ"

	"surety/edge/web"
	"surety/kernel/ident"
	"surety/platform/access"
	"surety/platform/audit"
	"surety/platform/db"
)

func catalogue() (*web.Catalogue, error) {
	sub, err := fs.Sub(files, "catalogue")
	if err != nil {
		return nil, err
	}
	return web.NewCatalogue(sub)
}

// nav is the rail: what the actor may not see is not in it.
func (a *ask) nav() ([]web.NavGroup, error) {
	waiting, err := a.waitingForMe()
	if err != nil {
		return nil, err
	}
	item := func(act access.Act, key, href, icon string, n int) []web.NavItem {
		if !a.may(act) {
			return nil
		}
		return []web.NavItem{{Label: a.t(key), Href: href, Icon: icon, Count: n}}
	}
	join := func(groups ...[]web.NavItem) (out []web.NavItem) {
		for _, g := range groups {
			out = append(out, g...)
		}
		return out
	}
	out := []web.NavGroup{{Items: join(
		item(access.ActOverviewRead, "nav.overview", "/", "overview", 0),
		item(access.ActPaymentList, "nav.payments", "/payments", "payments", 0),
		item(access.ActIncidentBoard, "nav.incidents", "/incidents", "incident", 0),
		item(access.ActClaimList, "nav.claims", "/claims", "cases", 0),
		item(access.ActFundBoard, "nav.funds", "/funds", "funds", 0),
		item(access.ActApprovalRead, "nav.approvals", "/approvals", "certificate", waiting),
	)}}
	open, err := a.openAlarms()
	if err != nil {
		return nil, err
	}
	risky := join(
		item(access.ActPaymentList, "nav.decisions", "/decisions", "decisions", 0),
		item(access.ActWatchRead, "nav.watches", "/watches", "watches", open),
		item(access.ActListRead, "nav.lists", "/lists", "lists", 0),
	)
	if len(ruleRoutes()) > 0 {
		risky = join(risky, item(access.ActRiskRead, "nav.rules", "/rules", "rules", 0),
			item(access.ActRiskRead, "nav.models", "/models", "models", 0))
	}
	if len(risky) > 0 {
		out = append(out, web.NavGroup{Label: a.t("nav.risk"), Items: risky})
	}
	house := join(
		item(access.ActAuditRead, "nav.audit", "/audit", "audit", 0),
		item(access.ActQueueRead, "nav.queue", "/queue", "report", 0),
		item(access.ActStaffRead, "nav.staff", "/staff", "staff", 0),
		[]web.NavItem{{Label: a.t("nav.me"), Href: "/me", Icon: "person"}},
	)
	return append(out, web.NavGroup{Label: a.t("nav.house"), Items: house}), nil
}

// waitingForMe counts the approvals that the actor could sign. Only a number is
// shown, so the look is not logged.
func (a *ask) waitingForMe() (n int, err error) {
	if !a.may(access.ActApprovalRead) {
		return 0, nil
	}
	err = a.c.cfg.DB.View(a.ctx, func(tx *db.Tx) error {
		open, err := a.c.cfg.Access.Pending(tx)
		n = 0
		for _, p := range open {
			if a.mine(p) {
				n++
			}
		}
		return err
	})
	return n, err
}

// mine reports an approval that waits for the actor's own signature.
func (a *ask) mine(p access.Approval) bool {
	return p.State == access.Open && len(p.Signatures) < 2 && !p.SignedBy(a.actor.ID) && a.may(p.Act)
}

// card is a sheet under a heading of the catalogue; "" has none.
func (a *ask) card(key string, parts ...templ.Component) templ.Component {
	title := ""
	if key != "" {
		title = a.t(key)
	}
	return cardOf(title, parts)
}

// history is what was done with an object: who, what, when. The details are for
// those who may read the log.
func (a *ask) history(tx *db.Tx, object ident.ID) (templ.Component, error) {
	records, err := a.c.cfg.Audit.History(tx, object)
	if err != nil {
		return nil, err
	}
	total := len(records)
	if len(records) > 200 {
		records = records[len(records)-200:]
	}
	rows := make([]web.Row, len(records))
	for i, r := range records {
		row := a.auditRow(tx, r)
		row.Cells = row.Cells[:len(row.Cells)-1] // the page is about the object
		rows[len(records)-1-i] = row
	}
	return web.Table(web.TableProps{ID: "history", Title: a.t("history.title"), Count: a.t("history.count", web.Count(total)),
		Columns: a.auditColumns()[:4], Rows: rows,
		Empty: web.EmptyProps{Title: a.t("history.empty"), Text: a.t("history.empty_text")}}), nil
}

func (a *ask) auditColumns() []web.Column {
	return []web.Column{{Label: a.t("audit.when")}, {Label: a.t("audit.act")}, {Label: a.t("audit.who")},
		{Label: a.t("audit.outcome")}, {Label: a.t("audit.object")}}
}

func (a *ask) auditRow(tx *db.Tx, r audit.Record) web.Row {
	row := web.Row{ID: r.ID, Cells: []templ.Component{
		web.TimeShort(r.At), web.Two(a.word("act.", r.Act), r.Act), web.Two(a.staffName(tx, r.Actor), a.word("actor.", string(r.ActorKind))),
		a.outcome(r.Outcome), objectLink(r.Object),
	}}
	if a.may(access.ActAuditRead) {
		row.Href = "/audit/" + r.ID
	}
	if r.Outcome == audit.Refused {
		row.Meaning = web.Danger
	}
	return row
}

func (a *ask) outcome(o audit.Outcome) templ.Component {
	m := web.Plain
	switch o {
	case audit.Done:
		m = web.Good
	case audit.Refused:
		m = web.Danger
	}
	return web.Badge(m, a.word("outcome.", string(o)))
}

// objectLink leads to the page of an object, where there is one.
func objectLink(id ident.ID) templ.Component {
	if id == "" {
		return web.Muted("—")
	}
	folder := map[string]string{"inc": "/incidents/", "pay": "/payments/", "clm": "/claims/",
		"lst": "/lists/", "alm": "/watches/alarms/", "stp": "/watches/stops/", "pub": "/rules/publications/",
		"drf": "/rules/drafts/", "rpl": "/rules/replays/"}[ident.Prefix(id)]
	if strings.HasPrefix(id, "inc_") && strings.Contains(id, ".") {
		folder = "/claims/" // a claim that an incident has filed is named after it
	}
	if folder == "" {
		return web.ID(id)
	}
	return linkID(folder+id, id)
}

// maskName keeps the first letter of each word: of a Han name the family name.
func maskName(name string) string {
	words := strings.Fields(name)
	for i, w := range words {
		rs := []rune(w)
		stars := min(max(len(rs)-1, 1), 3)
		words[i] = string(rs[:1]) + strings.Repeat("*", stars)
	}
	return strings.Join(words, " ")
}

// clip cuts a text for a cell.
func clip(s string, n int) string {
	rs := []rune(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, s))
	if len(rs) <= n {
		return string(rs)
	}
	return string(rs[:n]) + "…"
}
