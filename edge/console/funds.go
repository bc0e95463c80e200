package console

import (
	"strings"

	"github.com/a-h/templ"

	"surety/domain/fund"
	"surety/edge/web"
	"surety/kernel/ident"
	"surety/kernel/money"
	"surety/platform/access"
	"surety/platform/db"
	"surety/platform/ledger"
)

// Pages of a fund. The ledger gives the newest; what is older than maxEntries is
// for the books' export.
const (
	entriesPage = 50
	maxEntries  = 2000
	payoutsPage = 100
)

// funds are the balances.
func (a *ask) funds() error {
	var cards []templ.Component
	err := a.view(access.ActFundBoard, "", func(tx *db.Tx) error {
		list, err := a.c.cfg.Fund.Funds(tx)
		cards = nil
		for _, f := range list {
			fig, err := a.c.cfg.Fund.FiguresTx(tx, f.ID, "")
			if err != nil {
				return err
			}
			cards = append(cards, a.fundCard(f, fig))
		}
		return err
	})
	if err != nil {
		return err
	}
	body := cards
	if len(cards) == 0 {
		body = []templ.Component{web.Empty(web.EmptyProps{Title: a.t("funds.empty"), Text: a.t("funds.empty_text")})}
	}
	if a.may(access.ActFundSettle) {
		body = append(body, a.card("status.title", prose(a.t("status.text")),
			a.form("status", web.FormProps{Action: "/funds/status", Upload: true, Submit: a.t("status.submit")},
				web.FieldProps{Name: "file", Label: a.t("upload.file"), Type: "file", Accept: ".xml,application/xml,text/xml",
					Hint: a.t("status.hint")})))
	}
	return a.show(web.PageProps{Title: a.t("funds.title"), Lead: a.t("funds.lead")}, body...)
}

func (a *ask) fundCard(f fund.Fund, fig fund.Figures) templ.Component {
	parts := []templ.Component{a.fundFigures(f, fig)}
	if f.FrozenFor != "" {
		parts = append(parts, a.frozen(f))
	}
	if a.may(access.ActFundRead) {
		parts = append(parts, web.Buttons(web.ButtonProps{Label: a.t("fund.open"), Href: "/funds/" + f.ID, Icon: "funds"}))
	}
	return cardOf(a.either(f.NameZH, f.NameEN), parts)
}

func (a *ask) fundFigures(f fund.Fund, fig fund.Figures) templ.Component {
	one := func(key string, m money.Amount, note string) web.FigureProps {
		return web.FigureProps{Label: a.t(key), Value: m.Digits(), Unit: string(f.Currency), Note: note}
	}
	return figures(one("fund.balance", fig.Balance, a.word("fund.kind_", string(f.Kind))), one("fund.set_aside", fig.Earmarked,
		a.t("fund.underway", fig.Underway.String())), one("fund.free", fig.Free, a.t("fund.free_note")), one("fund.paid_out",
		fig.PaidOut, a.t("fund.paid_note")))
}

// frozen says for what alone money may leave the fund.
func (a *ask) frozen(f fund.Fund) templ.Component {
	return noteWith(web.Held, a.t("fund.frozen"), a.t("fund.frozen_text"), linkTo("/incidents/"+f.FrozenFor, f.FrozenFor))
}

// fund is one fund with its payouts and its entries.
func (a *ask) fund() error {
	id := a.path("id")
	var f fund.Fund
	var fig fund.Figures
	var payouts []fund.Payout
	var entries []ledger.Transfer
	var history templ.Component
	filter := fund.Filter{FundID: id, State: fund.PayoutState(a.query("state")), After: a.query("after"), Limit: payoutsPage}
	err := a.view(access.ActFundRead, id, func(tx *db.Tx) (err error) {
		var found bool
		if f, found, err = a.c.cfg.Fund.Get(tx, id); err != nil {
			return err
		}
		if !found {
			return ident.NotFound("fund", id)
		}
		if fig, err = a.c.cfg.Fund.FiguresTx(tx, id, ""); err != nil {
			return err
		}
		if payouts, err = a.c.cfg.Fund.List(tx, filter); err != nil {
			return err
		}
		if entries, err = a.c.cfg.Fund.Entries(tx, id, maxEntries); err != nil {
			return err
		}
		history, err = a.history(tx, id)
		return err
	})
	if err != nil {
		return err
	}
	var body []templ.Component
	if f.FrozenFor != "" {
		body = append(body, a.frozen(f))
	}
	page := min(web.PageOf(a.r), web.Pages(len(entries), entriesPage))
	shown := entries[(page-1)*entriesPage : min(page*entriesPage, len(entries))]
	body = append(body, a.fundFigures(f, fig), a.payoutsTable(payouts), a.payoutsPager(payouts),
		web.Table(web.TableProps{ID: "entries", Title: a.t("fund.entries"), Columns: a.entryColumns(), Rows: a.entryRows(shown),
			Count: a.t("entries.count", web.Count(len(entries))), Pager: web.PagerProps{Page: page, Pages: web.Pages(len(entries), entriesPage)},
			Empty: web.EmptyProps{Title: a.t("entries.empty"), Text: a.t("entries.empty_text")}}))
	if a.may(access.ActFundDeposit) {
		body = append(body, a.depositForm(f))
	}
	return a.show(web.PageProps{Title: a.either(f.NameZH, f.NameEN), Mark: web.Badge(web.Plain, a.word("fund.kind_", string(f.Kind))),
		Crumbs: []web.Link{{Label: a.t("funds.title"), Href: "/funds"}}}, append(body, history)...)
}

func (a *ask) payoutsTable(list []fund.Payout) templ.Component {
	rows := make([]web.Row, len(list))
	for i, p := range list {
		last := p.Created
		if !p.Settled.IsZero() {
			last = p.Settled
		} else if !p.Sent.IsZero() {
			last = p.Sent
		}
		rows[i] = web.Row{ID: p.ID, Cells: []templ.Component{web.ID(p.ID), a.payTo(p.To), web.Money(p.Amount),
			lines(a.payoutState(p.State), web.Muted(clip(p.Reason, 60))), web.Text(a.word("rail.", p.To.Rail)), web.Time(last),
			a.claimCell(p.Claim)}}
		if p.State == fund.Unknown || p.State == fund.Rejected || p.State == fund.Returned {
			rows[i].Meaning = web.Danger
		}
	}
	states := []web.Option{{Value: "", Label: a.t("all")}}
	for _, s := range fund.States() {
		states = append(states, web.Option{Value: string(s), Label: a.word("payout.", string(s))})
	}
	return web.Table(web.TableProps{ID: "payouts", Title: a.t("fund.payouts"), Rows: rows, Count: a.t("payouts.count", len(rows)),
		Columns: []web.Column{{Label: a.t("payout")}, {Label: a.t("pay_to")}, {Label: a.t("amount"), Num: true}, {Label: a.t("payments.state")},
			{Label: a.t("fund.rail")}, {Label: a.t("when")}, {Label: a.t("claim")}},
		Filter: []web.FieldProps{{Name: "state", Label: a.t("payments.state"), Type: "select", Value: a.query("state"), Options: states}},
		Empty:  web.EmptyProps{Title: a.t("payouts.empty"), Text: a.t("payouts.empty_text")}})
}

func (a *ask) payoutsPager(list []fund.Payout) templ.Component {
	next, first := "", ""
	if len(list) == payoutsPage {
		next = web.Here(a.ctx, "after", list[len(list)-1].ID)
	}
	if a.query("after") != "" {
		first = web.Here(a.ctx, "after", "")
	}
	return older(first, next, a.t("first_page"), a.t("next_page"))
}

func (a *ask) claimCell(id ident.ID) templ.Component {
	switch {
	case id == "":
		return web.Muted("—")
	case a.may(access.ActClaimRead):
		return linkID("/claims/"+id, id)
	}
	return web.ID(id)
}

func (a *ask) entryColumns() []web.Column {
	return []web.Column{{Label: a.t("when")}, {Label: a.t("entry.code")}, {Label: a.t("entry.debit")}, {Label: a.t("entry.credit")},
		{Label: a.t("amount"), Num: true}, {Label: a.t("entry.kind")}, {Label: a.t("entry.memo"), Wide: true}}
}

func (a *ask) entryRows(list []ledger.Transfer) []web.Row {
	rows := make([]web.Row, len(list))
	for i, t := range list {
		rows[i] = web.Row{ID: t.ID, Cells: []templ.Component{web.TimeShort(t.At), web.Text(a.word("code.", t.Code)),
			web.Code(shortAccount(t.Debit)),
			web.Code(shortAccount(t.Credit)), someMoney(t.Amount), web.Text(a.word("entry.kind_", string(t.Kind))),
			web.Two(orDash(clip(t.Memo, 80)), clip(t.ID, 48))}}
	}
	return rows
}

// shortAccount leaves out the middle of an account that is named after a purpose.
func shortAccount(id string) string {
	head, purpose, ok := strings.Cut(id, ":ear:")
	if !ok || len(purpose) <= 10 {
		return id
	}
	return head + ":ear:…" + purpose[len(purpose)-5:]
}

// booksTable shows entries of the books about one object; nothing if there are none.
func (a *ask) booksTable(id string, list []ledger.Transfer) templ.Component {
	if len(list) == 0 {
		return nil
	}
	return web.Table(web.TableProps{ID: id, Title: a.t("books.title"), Columns: a.entryColumns(), Rows: a.entryRows(list),
		Count: a.t("entries.count", len(list))})
}

// payoutEntries are the entries of the books that payouts made.
func (a *ask) payoutEntries(tx *db.Tx, payouts []fund.Payout) (out []ledger.Transfer, err error) {
	for _, p := range payouts {
		all, err := a.c.cfg.Ledger.Transfers(tx, ledger.Filter{Ref: p.Purpose, Limit: 10_000})
		if err != nil {
			return nil, err
		}
		for _, t := range all {
			if strings.HasSuffix(t.ID, "."+p.ID) {
				out = append(out, t)
			}
		}
	}
	return out, nil
}

// countPayouts counts the payouts in a state, up to a thousand.
func (a *ask) countPayouts(tx *db.Tx, s fund.PayoutState) (int, error) {
	list, err := a.c.cfg.Fund.List(tx, fund.Filter{State: s, Limit: 1000})
	return len(list), err
}

func (a *ask) depositForm(f fund.Fund) templ.Component {
	return a.card("deposit.title", prose(a.t("deposit.text")),
		a.form("deposit", web.FormProps{Action: "/funds/" + f.ID + "/deposit", Submit: a.t("deposit.submit")},
			web.FieldProps{Name: "id", Label: a.t("deposit.id"), Hint: a.t("deposit.id_hint")},
			web.FieldProps{Name: "amount", Label: a.t("amount"), Type: "money", Unit: string(f.Currency)},
			web.FieldProps{Name: "memo", Label: a.t("entry.memo"), Optional: true, Max: 200}))
}

func (a *ask) deposit() error {
	id, ref := a.path("id"), a.posted("id")
	amount, err := a.postedMoney("amount")
	if err == nil {
		err = amount.CheckPositive("amount")
	}
	if err == nil {
		err = ident.CheckID("id", ref)
	}
	if err == nil {
		err = a.c.cfg.Fund.Deposit(a.ctx, a.actor, ref, id, amount, a.posted("memo"))
	}
	if err != nil {
		return a.again("deposit", err, (*ask).fund)
	}
	return a.done("/funds/"+id, "deposit.done", amount.String())
}

// bankStatus takes the bank's answer (pain.002) to the files that it was sent.
func (a *ask) bankStatus() error {
	f, _, err := a.r.FormFile("file")
	if err != nil {
		return a.again("status", ident.Invalid("file", "file_required", "%s", a.t("upload.required")), (*ask).funds)
	}
	defer f.Close()
	rep, err := a.c.cfg.Fund.ImportStatus(a.calm(), a.actor, f)
	if err != nil {
		return a.again("status", fileError(err), (*ask).funds)
	}
	if len(rep.Problems) > 0 {
		a.bad = "status"
		for _, p := range rep.Problems[:min(20, len(rep.Problems))] {
			a.errs = append(a.errs, web.FieldError{Field: "status-file",
				Message: itoa(p.Row) + " " + p.Field + ": " + a.c.words.Explain(a.lang(), p)})
		}
		a.c.web.Flash(a.w, a.r, web.Waiting, a.t("status.partly", rep.Settled, rep.Rejected, len(rep.Problems)))
		return a.funds()
	}
	return a.done("/funds", "status.done", rep.Settled, rep.Rejected, rep.Pending, rep.Unchanged)
}
