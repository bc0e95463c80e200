package console

import (
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/a-h/templ"

	"surety/domain/claim"
	"surety/domain/fund"
	"surety/domain/report"
	"surety/domain/watch"
	"surety/edge/web"
	"surety/kernel/ident"
	"surety/platform/access"
	"surety/platform/db"
)

// lineDays is how long the lines behind the figures are.
const lineDays = 30

// overview is the first page: today's figures, what is wrong, what runs out next.
func (a *ask) overview() error {
	var body []templ.Component
	if a.may(access.ActReportRead) {
		days, err := a.c.cfg.Report.Days(a.ctx, a.actor, a.c.cfg.Clock.Now(), lineDays)
		if err != nil {
			return err
		}
		body = append(body, a.todayFigures(days))
	}
	alarms, err := a.alarms()
	if err != nil {
		return err
	}
	body = append(body, a.alarmNotes(alarms)...)
	for _, part := range []func() (templ.Component, error){a.openIncidents, a.nextPromises, a.approvalsTable} {
		c, err := part()
		if err != nil {
			return err
		}
		body = append(body, c)
	}
	return a.show(web.PageProps{Title: a.t("overview.title"), Lead: a.t("overview.lead")}, body...)
}

// todayFigures are the four figures of the last day with their month behind them.
func (a *ask) todayFigures(days []report.Day) templ.Component {
	if len(days) == 0 {
		return nil
	}
	line := func(of func(report.Day) report.Count, cash bool) (out []web.Point) {
		for _, d := range days {
			n := of(d)
			p := web.Point{Label: web.OnDay(a.ctx, d.Day), Value: n.Number}
			if cash {
				p.Value, p.Text = n.Value.Minor, n.Value.String()
			}
			out = append(out, p)
		}
		return out
	}
	today := days[len(days)-1]
	decided := func(d report.Day) report.Count { return d.Decided }
	stopped := func(d report.Day) report.Count { return d.Stopped }
	lost := func(d report.Day) report.Count { return d.Lost }
	back := func(d report.Day) report.Count { return d.PaidBack }
	number := func(key, href string, n report.Count, pts []web.Point) web.FigureProps {
		f := web.FigureProps{Label: a.t(key), Value: web.Count(n.Number), Unit: a.t("unit.payments"),
			Note: a.t("overview.worth", n.Value.String()), Line: pts}
		if href != "" && a.may(access.ActPaymentList) {
			f.Href = href
		}
		return f
	}
	cash := func(key string, n report.Count, pts []web.Point) web.FigureProps {
		return web.FigureProps{Label: a.t(key), Value: n.Value.Digits(), Unit: string(n.Value.Currency),
			Note: a.t("overview.in", web.Count(n.Number)), Line: pts}
	}
	return figures(
		number("overview.decided", "/payments", today.Decided, line(decided, false)),
		number("overview.stopped", "/payments?outcome=stopped", today.Stopped, line(stopped, false)),
		cash("overview.lost", today.Lost, line(lost, true)),
		cash("overview.paid_back", today.PaidBack, line(back, true)),
	)
}

// alarm is one thing that a person must look at.
type alarm struct {
	meaning   web.Meaning
	key, href string
	n         int
}

// alarms are counts only, so looking at them is not logged.
func (a *ask) alarms() (out []alarm, err error) {
	err = a.c.cfg.DB.View(a.ctx, func(tx *db.Tx) error {
		out = nil
		if a.may(access.ActFundBoard) {
			for _, s := range []fund.PayoutState{fund.Unknown, fund.Rejected} {
				n, err := a.countPayouts(tx, s)
				if err != nil {
					return err
				}
				out = append(out, alarm{web.Danger, "alarm.payouts_" + string(s), "/funds", n})
			}
		}
		if a.may(access.ActQueueRead) {
			dead, err := a.c.cfg.Queue.Dead(tx, 1000)
			if err != nil {
				return err
			}
			out = append(out, alarm{web.Danger, "alarm.dead", "/queue", len(dead)})
		}
		if a.may(access.ActWatchRead) {
			rises, err := a.c.cfg.Watch.Alarms(tx, watch.AlarmFilter{State: watch.Open, Heads: true, Limit: alarmsMost})
			if err != nil {
				return err
			}
			out = append(out, alarm{web.Danger, "alarm.rises", "/watches", len(rises)})
		}
		if a.may(access.ActClaimList) {
			late, err := a.c.cfg.Claim.List(tx, claim.Filter{DueBy: a.c.cfg.Clock.Now(), Limit: 500})
			if err != nil {
				return err
			}
			out = append(out, alarm{web.Danger, "alarm.late", "/claims?show=late", len(late)})
		}
		return nil
	})
	return slices.DeleteFunc(out, func(x alarm) bool { return x.n == 0 }), err
}

func (a *ask) alarmNotes(alarms []alarm) (out []templ.Component) {
	for _, x := range alarms {
		out = append(out, noteWith(x.meaning, "", a.t(x.key, web.Count(x.n)), web.Anchor(x.href, a.t("alarm.open"))))
	}
	if len(out) == 0 {
		out = append(out, web.Note(web.Good, "", a.t("alarm.none")))
	}
	return out
}

// openIncidents are the incidents under way.
func (a *ask) openIncidents() (templ.Component, error) {
	if !a.may(access.ActIncidentBoard) {
		return nil, nil
	}
	rows, err := a.incidentRows(true)
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	return web.Table(web.TableProps{ID: "incidents", Title: a.t("overview.incidents"), Columns: a.incidentColumns(), Rows: rows,
		Count: a.t("incidents.count", len(rows))}), nil
}

// nextPromises are the claims whose clock runs out next. They hold no names, so
// the numbers can be shown on the board.
func (a *ask) nextPromises() (templ.Component, error) {
	if !a.may(access.ActClaimList) {
		return nil, nil
	}
	var list []claim.Claim
	err := a.c.cfg.DB.View(a.ctx, func(tx *db.Tx) (err error) {
		list, err = a.c.cfg.Claim.List(tx, claim.Filter{Open: true, DueBy: a.c.cfg.Clock.Now().AddDate(1, 0, 0), Limit: 10})
		return err
	})
	if err != nil {
		return nil, err
	}
	rows := make([]web.Row, 0, len(list))
	for _, c := range list {
		rows = append(rows, a.claimRow(c))
	}
	return web.Table(web.TableProps{ID: "promises", Title: a.t("overview.promises"), Columns: a.claimColumns(), Rows: rows,
		Count: a.t("claims.count", len(rows)),
		Empty: web.EmptyProps{Title: a.t("overview.no_promises"), Text: a.t("overview.no_promises_text")}}), nil
}

// until is a clock in a cell: when, and late in words.
func (a *ask) until(t time.Time) templ.Component {
	if t.IsZero() {
		return web.Muted("—")
	}
	if t.Before(a.c.cfg.Clock.Now()) {
		return lines(web.Badge(web.Danger, a.t("late")), web.Time(t))
	}
	return web.Time(t)
}

// approvals is what waits for a second person.
func (a *ask) approvals() error {
	c, err := a.approvalsTable()
	if err != nil {
		return err
	}
	return a.show(web.PageProps{Title: a.t("approvals.title"), Lead: a.t("approvals.lead")}, c)
}

func (a *ask) approvalsTable() (templ.Component, error) {
	if !a.may(access.ActApprovalRead) {
		return nil, nil
	}
	var rows []web.Row
	err := a.view(access.ActApprovalRead, "", func(tx *db.Tx) error {
		open, err := a.c.cfg.Access.Pending(tx)
		rows = nil
		for _, p := range open {
			rows = append(rows, a.approvalRow(tx, p))
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return web.Table(web.TableProps{ID: "approvals", Title: a.t("approvals.waiting"), Rows: rows,
		Count: a.t("approvals.count", len(rows)),
		Columns: []web.Column{{Label: a.t("approvals.what"), Wide: true}, {Label: a.t("amount"), Num: true}, {Label: a.t("approvals.asked")},
			{Label: a.t("approvals.expires")}, {Label: a.t("approvals.next")}},
		Empty: web.EmptyProps{Title: a.t("approvals.none"), Text: a.t("approvals.none_text")}}), nil
}

func (a *ask) approvalRow(tx *db.Tx, p access.Approval) web.Row {
	var signed []string
	for _, s := range p.Signatures {
		signed = append(signed, s.Name)
	}
	row := web.Row{ID: p.ID, Name: p.Summary, Cells: []templ.Component{
		web.Two(p.Summary, a.word("act.", string(p.Act))),
		moneyOr(web.Money(p.Amount), p.Amount.Currency != ""),
		lines(web.Text(strings.Join(signed, a.t("list.comma"))), web.TimeShort(p.Asked)),
		a.until(p.Expires), a.approvalNext(p),
	}}
	if ident.Prefix(p.Object) == "inc" || p.Act == access.ActIncidentApprove {
		row.Href = "/incidents/" + p.Object
	}
	if stop, ok := strings.CutPrefix(p.Object, "stop."); ok {
		row.Href = "/watches/stops/" + url.PathEscape(stop)
	} else if p.Act == access.ActRiskPublish {
		row.Href = publicationHref(p.Object)
	}
	if a.mine(p) {
		row.Meaning = web.Waiting
	}
	return row
}

// approvalNext is what the actor can do about a request.
func (a *ask) approvalNext(p access.Approval) templ.Component {
	stop, isStop := strings.CutPrefix(p.Object, "stop.")
	switch {
	case isStop && (a.mine(p) || p.SignedBy(a.actor.ID)):
		return anchor("/watches/stops/"+url.PathEscape(stop), a.t("approvals.on_stop"))
	case p.Act == access.ActRiskPublish && !isStop: // a signature alone puts nothing into force
		return anchor(publicationHref(p.Object), a.t("rules.waits_open"))
	case p.Act == access.ActIncidentApprove && a.mine(p):
		return anchor("/incidents/"+p.Object, a.t("approvals.in_room"))
	case a.mine(p):
		return web.Confirm(web.ConfirmProps{Button: a.t("approvals.sign"), Yes: a.t("approvals.sign_yes"),
			Action: "/approvals/" + p.ID + "/sign",
			Says:   a.t("approvals.sign_says", p.Summary, shortHash(p.Hash)), Hidden: []web.Hidden{{Name: "hash", Value: hexHash(p.Hash)}}})
	case p.SignedBy(a.actor.ID) && p.Act != access.ActIncidentApprove:
		return web.Confirm(web.ConfirmProps{Button: a.t("approvals.withdraw"), Yes: a.t("approvals.withdraw_yes"), Danger: true,
			Action: "/approvals/" + p.ID + "/withdraw", Says: a.t("approvals.withdraw_says", p.Summary)})
	case p.SignedBy(a.actor.ID):
		return web.Muted(a.t("approvals.yours"))
	}
	return web.Muted(a.t("approvals.another"))
}

func (a *ask) sign() error {
	hash, err := readHash(a.posted("hash"))
	if err != nil {
		return err
	}
	err = a.c.cfg.Access.Run(a.ctx, func(tx *db.Tx) error {
		_, err := a.c.cfg.Access.Sign(tx, a.actor, a.path("id"), hash)
		return err
	})
	if err != nil {
		return a.again("", err, (*ask).approvals)
	}
	return a.done("/approvals", "approvals.signed")
}

func (a *ask) withdraw() error {
	err := a.c.cfg.Access.Run(a.ctx, func(tx *db.Tx) error {
		_, err := a.c.cfg.Access.Withdraw(tx, a.actor, a.path("id"))
		return err
	})
	if err != nil {
		return a.again("", err, (*ask).approvals)
	}
	return a.done("/approvals", "approvals.withdrawn")
}
