package console

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/a-h/templ"

	"surety/edge/web"
	"surety/kernel/ident"
	"surety/platform/access"
	"surety/platform/audit"
	"surety/platform/db"
	"surety/platform/ledger"
)

const auditPage = 100

// audit is the log: newest first, by object, actor, act and outcome.
func (a *ask) audit() error { return a.auditView(nil) }

func (a *ask) auditView(checked templ.Component) error {
	f := audit.Filter{Object: a.query("object"), Actor: a.query("actor"), Act: a.query("act"), Outcome: audit.Outcome(a.query("outcome")),
		From: a.day("from"), To: a.day("to"), Limit: auditPage}
	if !f.To.IsZero() {
		f.To = f.To.AddDate(0, 0, 1)
	}
	f.Before, _ = strconv.ParseInt(a.query("before"), 10, 64) // what is no number is the newest page
	var rows []web.Row
	var records []audit.Record
	err := a.view(access.ActAuditRead, f.Object, func(tx *db.Tx) (err error) {
		records, err = a.c.cfg.Audit.Find(tx, f)
		rows = nil
		for _, r := range records {
			rows = append(rows, a.auditRow(tx, r))
		}
		return err
	})
	if err != nil {
		return err
	}
	heads, err := a.c.cfg.Audit.Heads(a.ctx)
	if err != nil {
		return err
	}
	next, newest := "", ""
	if len(records) == auditPage && records[len(records)-1].Index > 0 {
		next = web.Here(a.ctx, "before", strconv.FormatInt(records[len(records)-1].Index, 10))
	}
	if f.Before > 0 {
		newest = web.Here(a.ctx, "before", "")
	}
	return a.show(web.PageProps{Title: a.t("audit.title"), Lead: a.t("audit.lead"), Side: a.headCard(heads)}, checked,
		web.Table(web.TableProps{ID: "log", Title: a.t("audit.title"), Columns: a.auditColumns(), Rows: rows, Filter: a.auditFields(),
			Count: a.t("history.count", web.Count(len(rows)))}), older(newest, next, a.t("newest"), a.t("older")))
}

func (a *ask) auditFields() []web.FieldProps {
	outcomes := []web.Option{{Value: "", Label: a.t("all")}}
	for _, o := range []audit.Outcome{audit.Done, audit.Refused, audit.Read} {
		outcomes = append(outcomes, web.Option{Value: string(o), Label: a.word("outcome.", string(o))})
	}
	acts := []web.Option{{Value: "", Label: a.t("all")}}
	for _, s := range access.Acts() {
		acts = append(acts, web.Option{Value: string(s.Act), Label: a.word("act.", string(s.Act))})
	}
	return []web.FieldProps{
		{Name: "object", Label: a.t("audit.object"), Type: "search", Value: a.query("object")},
		{Name: "actor", Label: a.t("audit.who"), Type: "search", Value: a.query("actor")},
		{Name: "act", Label: a.t("audit.act"), Type: "select", Value: a.query("act"), Options: acts},
		{Name: "outcome", Label: a.t("audit.outcome"), Type: "select", Value: a.query("outcome"), Options: outcomes},
		{Name: "from", Label: a.t("from_day"), Type: "date", Value: a.query("from")},
		{Name: "to", Label: a.t("to_day"), Type: "date", Value: a.query("to")},
	}
}

// headCard is the signed head, and the button that checks everything.
func (a *ask) headCard(heads []audit.Head) templ.Component {
	parts := []templ.Component{web.Muted(a.t("audit.no_head"))}
	if len(heads) > 0 {
		h := heads[0]
		parts = []templ.Component{web.DefList(
			web.Term{Label: a.t("audit.size"), Value: web.Text(web.Count(h.Size))},
			web.Term{Label: a.t("audit.root"), Value: web.Code(h.Root.String())},
			web.Term{Label: a.t("audit.signed"), Value: web.Time(h.At)},
			web.Term{Label: a.t("audit.note"), Value: web.Code(h.Note)},
		), web.Muted(a.t("audit.keep"))}
	}
	var button templ.Component
	if a.c.cfg.Verifier != nil && a.may(access.ActAuditVerify) {
		button = post("/audit/verify", web.ButtonProps{Label: a.t("audit.verify"), Icon: "audit", Primary: true})
	}
	return web.Stack(a.card("audit.head", parts...), button)
}

// auditVerify checks the whole log, and the books where the actor may.
func (a *ask) auditVerify() error {
	if a.c.cfg.Verifier == nil {
		return ident.E(ident.KindState, "no_verifier", "this console has no key to check the log with")
	}
	if err := a.view(access.ActAuditVerify, "", func(*db.Tx) error { return nil }); err != nil {
		return err
	}
	if _, err := a.c.cfg.Audit.SignHead(a.ctx); err != nil {
		return err
	}
	rep, err := audit.Verify(a.ctx, a.c.cfg.DB, a.c.cfg.Verifier)
	if err != nil {
		return err
	}
	result := []templ.Component{web.Note(a.goodIf(rep.OK), a.t("verify.log_"+strconv.FormatBool(rep.OK)),
		a.t("verify.log_text", web.Count(rep.Entries), rep.Heads, web.Count(rep.Signed)))}
	if len(rep.Problems) > 0 {
		result = append(result, bullets(rep.Problems...))
	}
	if a.may(access.ActBooksVerify) {
		if err := a.view(access.ActBooksVerify, "", func(*db.Tx) error { return nil }); err != nil {
			return err
		}
		books, err := ledger.Check(a.ctx, a.c.cfg.DB)
		if err != nil {
			return err
		}
		result = append(result, web.Note(a.goodIf(books.Balanced), a.t("verify.books_"+strconv.FormatBool(books.Balanced)),
			a.t("verify.books_text", books.Accounts, web.Count(books.Transfers))))
		if len(books.Problems) > 0 {
			result = append(result, bullets(books.Problems...))
		}
	}
	if !a.may(access.ActAuditRead) { // an administrator checks, and reads no log
		return a.show(web.PageProps{Title: a.t("audit.verify")}, web.Stack(result...))
	}
	return a.auditView(web.Stack(result...))
}

func (a *ask) goodIf(ok bool) web.Meaning {
	if ok {
		return web.Good
	}
	return web.Danger
}

// auditEntry is one entry with its detail and its proof.
func (a *ask) auditEntry() error {
	id := a.path("id")
	var rec audit.Record
	var who string
	err := a.view(access.ActAuditRead, id, func(tx *db.Tx) (err error) {
		if rec, err = a.c.cfg.Audit.Entry(tx, id); err == nil {
			who = a.staffName(tx, rec.Actor)
		}
		return err
	})
	if err != nil {
		return err
	}
	proof, err := a.c.cfg.Audit.Prove(a.ctx, id)
	if err != nil {
		return err
	}
	detail := templ.Component(web.Muted(a.t("audit.no_detail")))
	if rec.Erased {
		detail = web.Muted(a.t("audit.erased"))
	} else if len(rec.Detail) > 0 {
		detail = web.DefList(flatten(rec.Detail)...)
	}
	path := make([]string, len(proof.Path))
	for i, h := range proof.Path {
		path[i] = h.String()
	}
	return a.show(web.PageProps{Title: a.word("act.", rec.Act), Mark: a.outcome(rec.Outcome), Lead: web.When(a.ctx, rec.At) + " · " + who,
		Crumbs:  []web.Link{{Label: a.t("audit.title"), Href: "/audit"}},
		Actions: web.Button(web.ButtonProps{Label: a.t("audit.proof_file"), Href: "/audit/" + id + "/proof.json", Icon: "download"})},
		columns(
			a.card("audit.entry", web.DefList(
				web.Term{Label: a.t("audit.index"), Value: web.Text(web.Count(rec.Index))},
				web.Term{Label: a.t("audit.act"), Value: web.Code(rec.Act)},
				web.Term{Label: a.t("audit.object"), Value: objectLink(rec.Object)},
				web.Term{Label: a.t("audit.who"), Value: lines(web.Text(who+" · "+a.word("actor.", string(rec.ActorKind))), web.Code(rec.Actor))},
				web.Term{Label: a.t("when"), Value: web.Time(rec.At)},
				web.Term{Label: "ID", Value: web.Code(rec.ID)})),
			a.card("audit.detail", detail)),
		a.card("audit.proof", prose(a.t("audit.proof_text", web.Count(proof.Index), web.Count(proof.Head.Size))),
			details(a.t("audit.proof_show"), web.DefList(web.Term{Label: a.t("audit.leaf"), Value: web.Code(proof.Leaf)},
				web.Term{Label: a.t("audit.path"), Value: web.Code(strings.Join(path, " "))},
				web.Term{Label: a.t("audit.note"), Value: web.Code(proof.Head.Note)}))))
}

// auditProof is the proof as a file that anybody with the public key can check.
func (a *ask) auditProof() error {
	if err := a.view(access.ActAuditRead, a.path("id"), func(*db.Tx) error { return nil }); err != nil {
		return err
	}
	proof, err := a.c.cfg.Audit.Prove(a.ctx, a.path("id"))
	if err != nil {
		return err
	}
	a.w.Header().Set("Content-Type", "application/json")
	a.w.Header().Set("Content-Disposition", `attachment; filename="proof.json"`)
	return json.NewEncoder(a.w).Encode(proof)
}

// maxTerms bounds a detail on a page; a batch of payments has hundreds.
const maxTerms = 200

// flatten lists the values of a JSON detail by their paths.
func flatten(raw json.RawMessage) (out []web.Term) {
	dec := json.NewDecoder(strings.NewReader(string(raw)))
	dec.UseNumber()
	var v any
	if dec.Decode(&v) != nil {
		return []web.Term{{Label: "?", Value: web.Code(clip(string(raw), 2000))}}
	}
	var walk func(path string, v any)
	walk = func(path string, v any) {
		if len(out) >= maxTerms {
			return
		}
		switch v := v.(type) {
		case map[string]any:
			keys := make([]string, 0, len(v))
			for k := range v {
				keys = append(keys, k)
			}
			slices.Sort(keys)
			for _, k := range keys {
				walk(strings.TrimPrefix(path+"."+k, "."), v[k])
			}
		case []any:
			for i, x := range v {
				walk(path+"["+strconv.Itoa(i)+"]", x)
			}
		case json.Number:
			out = append(out, web.Term{Label: path, Value: web.Text(v.String())})
		case string:
			out = append(out, web.Term{Label: path, Value: web.Text(clip(v, 500))})
		case bool:
			out = append(out, web.Term{Label: path, Value: web.Text(strconv.FormatBool(v))})
		}
	}
	walk("", v)
	return out
}
