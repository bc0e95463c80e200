package console

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"

	"surety/domain/fund"
	"surety/domain/incident"
	"surety/domain/notice"
	"surety/edge/web"
	"surety/kernel/ident"
	"surety/kernel/money"
	"surety/platform/access"
	"surety/platform/db"
)

// The board looks at the stores so often, and a stream lives so long. It lives
// longer than an idle session does: when it comes back, a session that nobody
// used is over, so an open board keeps nobody signed in.
const (
	boardEvery = 2 * time.Second
	boardLife  = 16 * time.Minute
)

// roomView is all that the incident room shows.
type roomView struct {
	incident.Incident
	board      incident.Board
	victims    []incident.Victim
	batch      incident.Batch
	batchErr   error // why nothing can be proposed
	fund       fund.Fund
	approval   *access.Approval
	marks      []incident.Mark
	sources    []incident.Source
	statements []incident.Statement
	history    templ.Component
}

func (a *ask) room() error {
	v, err := a.loadRoom(a.path("id"))
	if err != nil {
		return err
	}
	tab := a.query("tab")
	if a.bad == "upload" {
		tab = "sources" // the form that was refused is there
	}
	here := "/incidents/" + v.ID
	body := []templ.Component{
		liveRegion(web.LiveProps{URL: here + "/live", ID: "board"}, a.boardPart(v.board)),
		web.Tabs(a.t("room.parts"),
			web.Tab{Label: a.t("room.victims"), Href: here, Count: len(v.victims)},
			web.Tab{Label: a.t("room.sources"), Href: here + "?tab=sources", Count: len(v.sources)},
			web.Tab{Label: a.t("room.marks"), Href: here + "?tab=marks", Count: len(v.marks)},
			web.Tab{Label: a.t("room.statement"), Href: here + "?tab=statement", Count: len(v.statements)},
			web.Tab{Label: a.t("history.title"), Href: here + "?tab=history", Count: -1}),
	}
	switch tab {
	case "sources":
		body = append(body, a.sourcesPart(v)...)
	case "marks":
		body = append(body, a.marksTable(v))
	case "statement":
		body = append(body, a.statementPart(v)...)
	case "history":
		body = append(body, v.history)
	default:
		body = append(body, a.victimsTable(v))
	}
	return a.show(web.PageProps{Title: v.Title, Mark: a.incidentStatus(v.Status), Side: a.roomSide(v),
		Lead:   a.t("room.lead", web.OnDay(a.ctx, v.From), web.OnDay(a.ctx, v.To.Add(-time.Second)), web.When(a.ctx, v.Deadline)),
		Crumbs: []web.Link{{Label: a.t("incidents.title"), Href: "/incidents"}}}, body...)
}

// loadRoom reads the incident with its victims; that look is recorded.
func (a *ask) loadRoom(id ident.ID) (v roomView, err error) {
	if v.Incident, v.victims, err = a.c.cfg.Incident.View(a.ctx, a.actor, id); err != nil {
		return v, err
	}
	if v.board, err = a.c.cfg.Incident.Board(a.ctx, a.actor, id); err != nil {
		return v, err
	}
	v.batch, v.batchErr = incident.BatchOf(v.victims)
	err = a.c.cfg.DB.View(a.ctx, func(tx *db.Tx) (err error) {
		if v.fund, _, err = a.c.cfg.Fund.Get(tx, v.FundID); err != nil {
			return err
		}
		if v.Approval != "" {
			ap, err := a.c.cfg.Access.Approval(tx, v.Approval)
			if err != nil {
				return err
			}
			v.approval = &ap
		}
		if v.marks, err = a.c.cfg.Incident.Marks(tx, id); err != nil {
			return err
		}
		if v.sources, err = a.c.cfg.Incident.Sources(tx, id); err != nil {
			return err
		}
		if v.statements, err = a.c.cfg.Incident.Statements(tx, id); err != nil {
			return err
		}
		v.history, err = a.history(tx, id)
		return err
	})
	return v, err
}

// roomLive keeps the board up to date in every browser that shows it.
func (a *ask) roomLive() error {
	ctx, end := context.WithTimeout(a.ctx, boardLife)
	defer end()
	id := a.path("id")
	if _, err := a.c.cfg.Incident.Board(ctx, a.actor, id); err != nil {
		return err
	}
	// The browser has gone, or the stream has lived long enough: nobody is left to tell.
	_ = web.StreamEvery(a.w, a.r.WithContext(ctx), boardEvery, func(ctx context.Context) (templ.Component, error) {
		b, err := a.c.cfg.Incident.Board(ctx, a.actor, id)
		if err != nil {
			return nil, err
		}
		return a.boardPart(b), nil
	})
	return nil
}

// boardPart is the one big number, the funnel and the progress: no names.
func (a *ask) boardPart(b incident.Board) templ.Component {
	left := web.FigureProps{Big: true, Label: a.t("board.left"), Value: b.Left.Money.Digits(), Unit: string(money.CNY),
		Note: a.t("board.left_note", web.Count(b.Left.People), a.minutes(b.Minutes)), Meaning: web.Waiting}
	switch {
	case b.Left.People == 0 && step(b, "paid").People > 0:
		left.Meaning, left.Mark, left.Note = web.Good, a.t("board.all_paid"), ""
	case b.Late > 0:
		left.Meaning, left.Mark = web.Danger, a.t("late")
	case b.Left.People == 0:
		left.Meaning, left.Note = web.Plain, a.t("board.nobody_yet")
	}
	f := web.FunnelProps{Title: a.t("board.funnel")}
	for _, s := range b.Steps {
		f.Steps = append(f.Steps, web.FunnelStep{Label: a.word("step.", s.Name), People: int64(s.People), Money: s.Money})
	}
	parts := []templ.Component{web.Figure(left), web.Funnel(f)}
	if ordered := step(b, "approved"); ordered.People > 0 {
		parts = append(parts, web.Progress(web.ProgressProps{Label: a.t("board.paying"), Done: int64(step(b, "paid").People),
			Total: int64(ordered.People)}))
	}
	if b.Unknown > 0 {
		parts = append(parts, web.Note(web.Danger, "", a.t("alarm.payouts_unknown", web.Count(b.Unknown))))
	}
	if b.Rejected > 0 {
		parts = append(parts, web.Note(web.Danger, "", a.t("alarm.payouts_rejected", web.Count(b.Rejected))))
	}
	return web.Stack(parts...)
}

func step(b incident.Board, name string) incident.Step {
	i := slices.IndexFunc(b.Steps, func(s incident.Step) bool { return s.Name == name })
	if i < 0 {
		return incident.Step{}
	}
	return b.Steps[i]
}

// minutes is what is left until the deadline, in words.
func (a *ask) minutes(n int64) string {
	d := web.Duration(a.lang(), time.Duration(n)*time.Minute)
	if n < 0 {
		return a.t("board.late_by", d)
	}
	return a.t("board.time_left", d)
}

// roomSide is what can be done, and by when.
func (a *ask) roomSide(v roomView) templ.Component {
	parts := []templ.Component{web.Clock(web.ClockProps{Label: a.t("room.pay_all"), Due: v.Deadline,
		Owner: a.t("room.owner_" + string(v.Status)),
		Done:  v.Status == incident.Paid || v.Status == incident.Closed})}
	parts = append(parts, a.roomActs(v)...)
	calls := v.board.Called
	parts = append(parts,
		a.card("room.fund", web.DefList(
			web.Term{Label: a.t("room.pays"), Value: linkTo(a.fundHref(v.FundID), a.either(v.fund.NameZH, v.fund.NameEN))},
			web.Term{Label: a.t("fund.free"), Value: web.Money(v.board.FundFree)},
			web.Term{Label: a.t("fund.set_aside"), Value: web.Money(v.board.Earmarked)},
			web.Term{Label: a.t("fund.paid_out"), Value: web.Money(v.board.Compensate)},
		)),
		a.card("room.calls", web.DefList(
			web.Term{Label: a.t("call.reached"), Value: web.Text(web.Count(calls["reached"]))},
			web.Term{Label: a.t("call.call_back"), Value: web.Text(web.Count(calls["call_back"]))},
			web.Term{Label: a.t("call.no_answer"), Value: web.Text(web.Count(calls["no_answer"]))},
			web.Term{Label: a.t("call.not_called"), Value: web.Text(web.Count(calls["not_called"]))},
		)))
	return web.Stack(parts...)
}

// roomActs are the next acts of the incident that this actor may do.
func (a *ask) roomActs(v roomView) (out []templ.Component) {
	here := "/incidents/" + v.ID
	can := func(e incident.Event, act access.Act) bool {
		_, err := incident.Next(v.Status, e)
		return err == nil && a.may(act)
	}
	if can(incident.Gather, access.ActIncidentGather) {
		out = append(out, post(here+"/gather", web.ButtonProps{Label: a.t("room.gather"), Icon: "search"}))
	}
	if can(incident.Reconcile, access.ActIncidentReconcile) {
		out = append(out, post(here+"/reconcile", web.ButtonProps{Label: a.t("room.reconcile"), Icon: "cases",
			Primary: v.Status == incident.Gathering}))
	}
	if can(incident.Propose, access.ActIncidentPropose) {
		out = append(out, a.proposeAct(v))
	}
	if v.Status == incident.Proposed {
		out = append(out, a.approveActs(v)...)
	}
	if can(incident.Pay, access.ActIncidentPay) {
		unordered := 0
		for _, x := range v.victims {
			if x.Approval != "" && x.Payout == "" {
				unordered++
			}
		}
		if unordered > 0 {
			out = append(out, web.Confirm(web.ConfirmProps{Button: a.t("room.pay"), Primary: true, Action: here + "/pay",
				Says: a.t("room.pay_says", web.Count(unordered), a.either(v.fund.NameZH, v.fund.NameEN)), Yes: a.t("room.pay_yes",
					web.Count(unordered))}))
		}
	}
	if can(incident.Close, access.ActIncidentClose) {
		c := web.ConfirmProps{Button: a.t("room.close"), Action: here + "/close", Yes: a.t("room.close_yes"), Says: a.t("room.close_says")}
		if v.Status != incident.Paid {
			c.Danger, c.Says = true, a.t("room.close_early")
		}
		out = append(out, web.Confirm(c))
	}
	return out
}

func (a *ask) proposeAct(v roomView) templ.Component {
	if v.batchErr != nil {
		return web.Note(web.Danger, a.t("room.cannot_propose"), a.c.words.Explain(a.lang(), v.batchErr))
	}
	if len(v.batch.Victims) == 0 && v.Status != incident.Reconciled {
		return nil // further people may come later
	}
	if len(v.batch.Victims) == 0 {
		return web.Note(web.Waiting, "", a.t("room.nobody_to_pay"))
	}
	return web.Confirm(web.ConfirmProps{Button: a.t("room.propose"), Primary: true, Action: "/incidents/" + v.ID + "/propose",
		Says: a.t("room.propose_says", web.Count(len(v.batch.Victims)), v.batch.Total.String(), a.either(v.fund.NameZH, v.fund.NameEN)),
		Yes:  a.t("room.propose_yes", v.batch.Total.String())})
}

// approveActs are the second person's confirmation, with all that they sign in
// words, and the way back.
func (a *ask) approveActs(v roomView) (out []templ.Component) {
	first := ""
	if v.approval != nil && len(v.approval.Signatures) > 0 {
		first = v.approval.Signatures[0].Name
	}
	switch {
	case v.approval == nil || v.batchErr != nil:
	case v.batch.Hash != v.approval.Hash:
		out = append(out, web.Note(web.Danger, a.t("room.batch_changed"), a.t("room.batch_changed_text")))
	case a.mine(*v.approval):
		out = append(out, web.Confirm(web.ConfirmProps{Button: a.t("room.approve"), Primary: true, Action: "/incidents/" + v.ID + "/approve",
			Says: a.t("room.approve_says", v.batch.Total.String(), web.Count(len(v.batch.Victims)), a.either(v.fund.NameZH, v.fund.NameEN),
				first, shortHash(v.batch.Hash)),
			Yes: a.t("room.approve_yes", v.batch.Total.String()), Hidden: []web.Hidden{{Name: "hash", Value: hexHash(v.batch.Hash)}}}))
	default:
		out = append(out, web.Note(web.Waiting, a.t("room.waits"), a.t("room.waits_text", first, v.batch.Total.String(),
			web.Count(len(v.batch.Victims)), shortHash(v.batch.Hash))))
	}
	if a.may(access.ActIncidentPropose) {
		out = append(out, web.Confirm(web.ConfirmProps{Button: a.t("room.withdraw"), Danger: true, Action: "/incidents/" + v.ID + "/withdraw",
			Says: a.t("room.withdraw_says"), Yes: a.t("room.withdraw_yes")}))
	}
	return out
}

// act runs one act of the room and says what it did.
func (a *ask) act(key string, do func(id ident.ID) ([]any, error)) error {
	id := a.path("id")
	args, err := do(id)
	if err != nil {
		return a.again("", err, (*ask).room)
	}
	return a.done("/incidents/"+id, key, args...)
}

func (a *ask) gather() error {
	return a.act("room.gathered", func(id ident.ID) ([]any, error) {
		rep, err := a.c.cfg.Incident.Gather(a.ctx, a.actor, id)
		return []any{len(rep.Marks), len(rep.Found)}, err
	})
}

func (a *ask) reconcile() error {
	return a.act("room.reconciled", func(id ident.ID) ([]any, error) {
		rep, err := a.c.cfg.Incident.Reconcile(a.ctx, a.actor, id)
		n := 0
		for verdict, count := range rep.Verdicts {
			if verdict.Payable() {
				n += count
			}
		}
		return []any{n, rep.Payable.String()}, err
	})
}

func (a *ask) propose() error {
	return a.act("room.proposed", func(id ident.ID) ([]any, error) {
		b, _, err := a.c.cfg.Incident.Propose(a.ctx, a.actor, id)
		return []any{b.Total.String(), len(b.Victims)}, err
	})
}

func (a *ask) withdrawProposal() error {
	return a.act("room.withdrawn", func(id ident.ID) ([]any, error) {
		return nil, a.c.cfg.Incident.WithdrawProposal(a.ctx, a.actor, id)
	})
}

func (a *ask) approve() error {
	return a.act("room.approved", func(id ident.ID) ([]any, error) {
		hash, err := readHash(a.posted("hash"))
		if err != nil {
			return nil, err
		}
		_, err = a.c.cfg.Incident.Approve(a.ctx, a.actor, id, hash)
		return nil, err
	})
}

// pay orders all payouts; it goes on if the browser leaves, and the board of
// everybody who looks moves with it.
func (a *ask) pay() error {
	return a.act("room.ordered", func(id ident.ID) ([]any, error) {
		rep, err := a.c.cfg.Incident.PayAll(a.calm(), a.actor, id, nil)
		return []any{rep.Ordered, rep.Already}, err
	})
}

func (a *ask) closeIncident() error {
	return a.act("room.closed", func(id ident.ID) ([]any, error) {
		return nil, a.c.cfg.Incident.Close(a.ctx, a.actor, id)
	})
}

// upload takes a police list, a file of reports, or an estate.
func (a *ask) upload() error {
	id := a.path("id")
	f, head, err := a.r.FormFile("file")
	if err != nil {
		return a.again("upload", ident.Invalid("file", "file_required", "%s", a.t("upload.required")), (*ask).room)
	}
	defer f.Close()
	var args []any
	key := "upload.again"
	switch kind := a.posted("kind"); kind {
	case "police_list":
		rep, e := a.c.cfg.Incident.ImportList(a.calm(), a.actor, id, head.Filename, f)
		if err = e; !rep.Again {
			key, args = "upload.list_done", []any{rep.List.Totals.Victims, rep.List.Totals.Refused, rep.List.Totals.Sum.String()}
		}
	case "user_reports":
		rep, e := a.c.cfg.Incident.ImportReports(a.calm(), a.actor, id, head.Filename, f)
		if err = e; !rep.Again {
			key, args = "upload.reports_done", []any{rep.Filed, rep.Joined, len(rep.Unknown)}
		}
	case "estate":
		e, failed := a.c.cfg.Incident.AddEstate(a.calm(), a.actor, id, head.Filename, f)
		err, key, args = failed, "upload.estate_done", []any{e.Holder, e.Heir.Name, e.Heir.Relation}
	default:
		err = ident.Invalid("kind", "kind_required", "%s", a.t("upload.kind_required"))
	}
	if err != nil {
		return a.again("upload", fileError(err), (*ask).room)
	}
	return a.done("/incidents/"+id+"?tab=sources", key, args...)
}

// fileError puts what is wrong in a file beside the field of the file, with the
// row that it names.
func fileError(err error) error {
	var e *ident.Error
	if !asIdent(err, &e) || e.Field == "kind" {
		return err
	}
	out := *e
	out.Field = "file"
	var where []string
	if e.Row > 0 {
		where = append(where, "row "+itoa(e.Row))
	}
	if e.Field != "" {
		where = append(where, e.Field)
	}
	if len(where) > 0 {
		out.Message = strings.Join(where, ", ") + ": " + e.Message
	}
	return &out
}

// statementPart is the draft beside its figures.
func (a *ask) statementPart(v roomView) []templ.Component {
	var parts []templ.Component
	if a.may(access.ActIncidentStatement) {
		parts = append(parts, columns(
			post("/incidents/"+v.ID+"/statement", web.ButtonProps{Label: a.t("statement.write_zh"), Icon: "file", Name: "lang", Value: "zh"}),
			post("/incidents/"+v.ID+"/statement", web.ButtonProps{Label: a.t("statement.write_en"), Icon: "file", Name: "lang", Value: "en"})))
	}
	if len(v.statements) == 0 {
		return append(parts, web.Empty(web.EmptyProps{Title: a.t("statement.empty"), Text: a.t("statement.empty_text")}))
	}
	st := v.statements[0]
	for _, s := range v.statements { // the newest in the language of the page, else the newest
		if string(s.Lang) == string(a.lang()) {
			st = s
			break
		}
	}
	f := st.Figures
	lead := a.t("statement.draft", st.Number, web.When(a.ctx, st.At))
	if !st.Published.IsZero() {
		lead = a.t("statement.published", st.Number, web.When(a.ctx, st.Published))
	} else if a.may(access.ActIncidentStatement) && st.Author != a.actor.ID {
		parts = append(parts, web.Confirm(web.ConfirmProps{Button: a.t("statement.publish"), Yes: a.t("statement.publish"),
			Says: a.t("statement.publish_says"), Action: "/incidents/" + v.ID + "/publish",
			Hidden: []web.Hidden{{Name: "lang", Value: string(st.Lang)}, {Name: "number", Value: strconv.Itoa(st.Number)}}}))
	}
	parts = append(parts, columns(
		a.card("", article(lead, markdownBlocks(st.Body))),
		a.card("statement.figures", web.DefList(
			web.Term{Label: a.t("statement.victims"), Value: web.Text(web.Count(f.Victims) + " · " + f.VictimsAmount.String())},
			web.Term{Label: a.t("statement.paid"), Value: web.Text(web.Count(f.Paid) + " · " + f.PaidAmount.String())},
			web.Term{Label: a.t("statement.heirs"), Value: web.Text(web.Count(f.Heirs) + " · " + f.HeirsAmount.String())},
			web.Term{Label: a.t("statement.left"), Value: web.Text(web.Count(f.Left) + " · " + f.LeftAmount.String())},
			web.Term{Label: a.t("statement.confirmed"), Value: web.Text(web.Count(f.Confirmed))},
			web.Term{Label: a.t("statement.police"), Value: web.Text(web.Count(f.PoliceConfirmed))},
			web.Term{Label: a.t("statement.differing"), Value: web.Text(web.Count(f.Differing))},
			web.Term{Label: a.t("statement.reports"), Value: web.Text(a.t("statement.reports_of", f.Reports, f.Inflated, f.False))},
			web.Term{Label: a.t("statement.fund_left"), Value: web.Money(f.FundLeft)},
			web.Term{Label: a.t("statement.as_of"), Value: web.Time(f.AsOf)},
		), web.Muted(a.t("statement.books")))))
	if now, err := incident.Tell(v.Incident, v.victims); err == nil && (now.Paid != f.Paid || now.Victims != f.Victims ||
		now.PaidAmount != f.PaidAmount) {
		parts = append(parts, web.Note(web.Waiting, a.t("statement.old"), a.t("statement.old_text", now.Paid, now.PaidAmount.String())))
	}
	return parts
}

func (a *ask) statement() error {
	id := a.path("id")
	if _, err := a.c.cfg.Incident.WriteStatement(a.ctx, a.actor, id, notice.Lang(a.posted("lang"))); err != nil {
		return a.again("", err, (*ask).room)
	}
	return a.done("/incidents/"+id+"?tab=statement", "statement.written")
}

// publish lets the public see a version that another person wrote.
func (a *ask) publish() error {
	id := a.path("id")
	number, err := strconv.Atoi(a.posted("number"))
	if err != nil {
		return ident.Invalid("number", "number", "the version has a number")
	}
	if err := a.c.cfg.Incident.Publish(a.ctx, a.actor, id, notice.Lang(a.posted("lang")), number); err != nil {
		return a.again("", err, (*ask).room)
	}
	return a.done("/incidents/"+id+"?tab=statement", "statement.is_published")
}

// paragraph is one piece of a statement.
type paragraph struct {
	heading bool
	text    string
}

// markdownBlocks reads what notice writes: headings and paragraphs, escaped.
func markdownBlocks(text string) (out []paragraph) {
	unescape := strings.NewReplacer(`\\`, `\`, `\*`, "*", `\_`, "_", "\\`", "`", `\[`, "[", `\]`, "]", "&lt;", "<", "&gt;",
		">", `\#`, "#", `\|`, "|")
	for _, line := range strings.Split(text, "\n") {
		rest := strings.TrimLeft(line, "#")
		if p := strings.TrimSpace(rest); p != "" {
			out = append(out, paragraph{heading: len(rest) != len(line), text: unescape.Replace(p)})
		}
	}
	return out
}

// wantsStream reports a request by the browser's event source.
func wantsStream(r *http.Request) bool {
	return strings.Contains(r.Header.Get("Accept"), "text/event-stream")
}
