package console

import (
	"net/url"
	"strconv"
	"time"

	"github.com/a-h/templ"

	"surety/domain/payment"
	"surety/domain/risk"
	"surety/edge/web"
	"surety/kernel/ident"
	"surety/platform/access"
	"surety/platform/db"
)

const (
	paymentsPage   = 50
	paymentsExport = 20_000 // rows of a CSV; more is for the API
)

// paymentFilter reads the list's address. A day that cannot be read is left out.
func (a *ask) paymentFilter() payment.Filter {
	f := payment.Filter{Account: a.query("account"), Device: a.query("device"), Outcome: a.query("outcome"),
		State: payment.State(a.query("state")), From: a.day("from"), To: a.day("to"), Limit: paymentsPage}
	if !f.To.IsZero() {
		f.To = f.To.AddDate(0, 0, 1) // the day is meant whole
	}
	if us, err := strconv.ParseInt(a.query("at"), 10, 64); err == nil && a.query("before") != "" {
		f.Before, f.BeforeAt = a.query("before"), ident.FromMicros(us)
	}
	return f
}

// day reads a date of the query in the page's zone.
func (a *ask) day(name string) time.Time {
	t, err := time.ParseInLocation(time.DateOnly, a.query(name), web.ViewOf(a.ctx).Zone)
	if err != nil {
		return time.Time{}
	}
	return t
}

func (a *ask) payments() error {
	f := a.paymentFilter()
	var list []payment.Payment
	err := a.view(access.ActPaymentList, "", func(tx *db.Tx) (err error) {
		list, err = a.c.cfg.Payment.List(tx, f)
		return err
	})
	if err != nil {
		return err
	}
	next, newest := "", ""
	if len(list) == paymentsPage {
		last := list[len(list)-1]
		next = web.Here(a.ctx, "before", last.ID, "at", strconv.FormatInt(ident.Micros(last.At), 10))
	}
	if f.Before != "" {
		newest = web.Here(a.ctx, "before", "", "at", "")
	}
	export := "/payments.csv"
	if q := a.r.URL.RawQuery; q != "" {
		export += "?" + q
	}
	table := web.Table(web.TableProps{ID: "payments", Title: a.t("payments.title"), Columns: a.paymentColumns(), Rows: a.paymentRows(list),
		Count: a.t("payments.count", web.Count(len(list))), Filter: a.paymentFields(), Export: export,
		Empty: web.EmptyProps{Title: a.t("payments.empty"), Text: a.t("payments.empty_text")}})
	return a.show(web.PageProps{Title: a.t("payments.title"), Lead: a.t("payments.lead")}, table,
		older(newest, next, a.t("newest"), a.t("older")))
}

func (a *ask) paymentFields() []web.FieldProps {
	outcomes := []web.Option{{Value: "", Label: a.t("all")}, {Value: "stopped", Label: a.t("outcome.stopped")}}
	for _, o := range []risk.Outcome{risk.Allow, risk.Challenge, risk.Hold, risk.Block} {
		outcomes = append(outcomes, web.Option{Value: string(o), Label: a.word("decision.", string(o))})
	}
	states := []web.Option{{Value: "", Label: a.t("all")}}
	for _, s := range payment.States() {
		states = append(states, web.Option{Value: string(s), Label: a.word("pstate.", string(s))})
	}
	return []web.FieldProps{
		{Name: "account", Label: a.t("payments.account"), Type: "search", Value: a.query("account")},
		{Name: "device", Label: a.t("payments.device"), Type: "search", Value: a.query("device")},
		{Name: "outcome", Label: a.t("payments.outcome"), Type: "select", Value: a.query("outcome"), Options: outcomes},
		{Name: "state", Label: a.t("payments.state"), Type: "select", Value: a.query("state"), Options: states},
		{Name: "from", Label: a.t("from_day"), Type: "date", Value: a.query("from")},
		{Name: "to", Label: a.t("to_day"), Type: "date", Value: a.query("to")},
	}
}

func (a *ask) paymentColumns() []web.Column {
	return []web.Column{{Label: a.t("payments.id")}, {Label: a.t("when")}, {Label: a.t("payments.payer")}, {Label: a.t("payments.payee")},
		{Label: a.t("amount"), Num: true}, {Label: a.t("payments.device")}, {Label: a.t("payments.outcome")},
		{Label: a.t("payments.score"), Num: true}, {Label: a.t("payments.state")}}
}

func (a *ask) paymentRows(list []payment.Payment) []web.Row {
	rows := make([]web.Row, len(list))
	for i, p := range list {
		rows[i] = web.Row{ID: p.ID, Href: "/payments/" + url.PathEscape(p.ID), Cells: []templ.Component{
			web.ID(p.ID), web.TimeShort(p.At), web.Code(p.Payer), web.Code(p.Payee), web.Money(p.Amount), web.Code(p.Device),
			a.decided(p.Decision.Outcome), web.Text(web.Count(p.Decision.Score)), a.payState(p),
		}}
		if p.ClaimID != "" {
			rows[i].Meaning = web.Danger
		}
	}
	return rows
}

// decided is a decision as a badge.
func (a *ask) decided(o risk.Outcome) templ.Component {
	m := map[risk.Outcome]web.Meaning{risk.Allow: web.Good, risk.Challenge: web.Waiting, risk.Hold: web.Held, risk.Block: web.Danger}[o]
	return web.Badge(m, a.word("decision.", string(o)))
}

func (a *ask) payState(p payment.Payment) templ.Component {
	m := map[payment.State]web.Meaning{payment.Challenged: web.Waiting, payment.Held: web.Held, payment.Blocked: web.Danger,
		payment.Refused: web.Danger, payment.Settled: web.Good, payment.Allowed: web.Good}[p.State]
	badge := web.Badge(m, a.word("pstate.", string(p.State)))
	if p.ClaimID == "" {
		return badge
	}
	return web.Group(badge, web.Badge(web.Danger, a.t("payments.reported")))
}

// paymentsCSV is the same list for a spreadsheet.
func (a *ask) paymentsCSV() error {
	f := a.paymentFilter()
	f.Before, f.BeforeAt, f.Limit = "", time.Time{}, 500
	var list []payment.Payment
	err := a.view(access.ActPaymentList, "", func(tx *db.Tx) error {
		list = nil
		for len(list) < paymentsExport {
			page, err := a.c.cfg.Payment.List(tx, f)
			if err != nil {
				return err
			}
			list = append(list, page...)
			if len(page) < f.Limit {
				return nil
			}
			f.Before, f.BeforeAt = page[len(page)-1].ID, page[len(page)-1].At
		}
		return nil
	})
	if err != nil {
		return err
	}
	return csvOut(a.w, "payments", func(row func(...string) error) error {
		err := row("payment_id", "time", "payer", "payee", "amount", "currency", "type", "channel", "device", "ip", "city", "outcome",
			"score", "state", "claim_id")
		for _, p := range list {
			if err != nil {
				return err
			}
			err = row(p.ID, p.At.In(web.ViewOf(a.ctx).Zone).Format(time.RFC3339), p.Payer, p.Payee, p.Amount.Plain(), string(p.Amount.Currency),
				p.Type, p.Channel, p.Device, p.IP, p.City, string(p.Decision.Outcome), strconv.Itoa(p.Decision.Score), string(p.State), p.ClaimID)
		}
		return err
	})
}
