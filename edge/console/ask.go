package console

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/a-h/templ"

	"surety/edge/web"
	"surety/kernel/ident"
	"surety/platform/access"
	"surety/platform/db"
)

// sessionCookie names the cookie of a member of staff; the portal has its own.
const sessionCookie = "surety_staff"

// ask is one request of one person, from the first look at the cookie to the
// answer. It is used by one goroutine.
type ask struct {
	c     *console
	w     http.ResponseWriter
	r     *http.Request
	ctx   context.Context
	actor ident.Actor

	bad    string     // the form that was refused, "" if none was
	errs   web.Errors // what is wrong with it; fields are "form-field"
	status int        // of the answer, 200 if zero
	names  map[ident.ID]string
}

// serve finds who asks, answers, and turns errors into pages.
func (c *console) serve(rt route) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		a := &ask{c: c, w: w, r: r, ctx: r.Context()}
		if err := a.enter(rt); err != nil {
			a.fail(err)
			return
		}
		a.recent()
		if err := rt.answer(a); err != nil {
			a.fail(err)
		}
	}
}

// recent waits a moment for payments that were judged and are not in the tables
// yet. In a flood the page shows what is there: whoever works must see something.
func (a *ask) recent() {
	ctx, cancel := context.WithTimeout(a.ctx, 300*time.Millisecond)
	defer cancel()
	_ = a.c.cfg.Payment.Await(ctx) // the page says of which time it is
}

// enter reads the session and the form. Who may not do the act of the route is
// refused here, which is logged, before a byte is made; the services check again.
func (a *ask) enter(rt route) error {
	if a.r.Method == http.MethodPost {
		if err := web.ReadForm(a.r); err != nil {
			return err
		}
	}
	if rt.act == public {
		return nil
	}
	var err error
	a.actor, err = a.c.cfg.Access.Session(a.ctx, web.SessionToken(a.r, sessionCookie))
	if err != nil {
		return err
	}
	if a.actor.Kind != ident.Staff {
		return ident.E(ident.KindUnsignedIn, "not_staff", "sign in as a member of staff")
	}
	if rt.act != "" && !a.may(rt.act) { // the check refuses and logs
		return a.view(rt.act, a.path("id"), func(*db.Tx) error { return nil })
	}
	return nil
}

// may tells what to show; the services decide.
func (a *ask) may(act access.Act) bool {
	spec, ok := access.Lookup(act)
	return ok && slices.ContainsFunc(spec.Roles, a.actor.Has)
}

// t is a text of the console in the page's language.
func (a *ask) t(key string, args ...any) string { return a.c.words.Say(a.ctx, key, args...) }

// word is the text for a word of a service ("status." + s); the word itself if
// there is none, so that a new state is readable before it is translated.
func (a *ask) word(prefix, s string) string {
	if s == "" {
		return "—"
	}
	if !a.c.words.Has(prefix + s) {
		return strings.ReplaceAll(s, "_", " ")
	}
	return a.c.words.Say(a.ctx, prefix+s)
}

func (a *ask) lang() web.Lang { return web.LangOf(a.ctx) }

// path is a value of the address: "id".
func (a *ask) path(name string) string { return a.r.PathValue(name) }

// query is a value of the query, trimmed.
func (a *ask) query(name string) string { return strings.TrimSpace(a.r.URL.Query().Get(name)) }

// posted is a value of the posted form, trimmed.
func (a *ask) posted(name string) string { return strings.TrimSpace(a.r.PostForm.Get(name)) }

// show answers with a page of the shell.
func (a *ask) show(p web.PageProps, body ...templ.Component) error {
	nav, err := a.nav()
	if err != nil {
		return err
	}
	p.Nav, p.Product = nav, a.c.cfg.Operator
	p.Who = web.Who{Name: a.actor.Name, Role: a.rolesText(a.actor.Roles), SignOut: "/sign-out"}
	if a.bad == "" && len(a.errs) > 0 {
		body = append([]templ.Component{web.ErrorSummary(a.errs)}, body...)
	}
	web.Render(a.w, a.r, max(a.status, http.StatusOK), shell(p, body))
	return nil
}

// done says what was done on the next page.
func (a *ask) done(where, key string, args ...any) error {
	a.c.web.Flash(a.w, a.r, web.Good, a.t(key, args...))
	web.Redirect(a.w, a.r, where)
	return nil
}

// again answers a refused post with the page it came from: the words beside the
// fields of the form, and what was entered still there. What is not about the
// form becomes a page of its own.
func (a *ask) again(form string, err error, page func(*ask) error) error {
	switch ident.KindOf(err) {
	case ident.KindInvalid, ident.KindState, ident.KindConflict, ident.KindLimit, ident.KindTooLarge:
	default:
		return err
	}
	a.bad, a.status = form, web.Status(ident.KindOf(err))
	a.errs = a.c.words.Errors(a.lang(), err)
	for i := range a.errs {
		if a.errs[i].Field != "" && form != "" {
			a.errs[i].Field = form + "-" + a.errs[i].Field
		}
	}
	return page(a)
}

// retry is again for a form that the page may not show any more: only what is wrong
// with its fields stands beside them.
func (a *ask) retry(form string, err error, page func(*ask) error) error {
	if !ident.Is(err, ident.KindInvalid) {
		form = ""
	}
	return a.again(form, err, page)
}

// field gives a field its own id, its error and what was entered.
func (a *ask) field(form string, f web.FieldProps) web.FieldProps {
	f.ID = "f-" + form + "-" + f.Name
	if a.bad != form || form == "" {
		return f
	}
	f.Error = a.errs.For(form + "-" + f.Name)
	if f.Type != "password" && f.Type != "file" {
		f.Value = a.posted(f.Name)
	}
	return f
}

// form is a form with its fields, its errors on top.
func (a *ask) form(name string, p web.FormProps, fields ...web.FieldProps) templ.Component {
	p.ID = "form-" + name
	if a.bad == name && name != "" {
		p.Errors = a.linked(name, fields)
	}
	for i := range fields {
		fields[i] = a.field(name, fields[i])
	}
	return formOf(p, fields)
}

// linked are the errors of a form; one about a field that the form does not have
// stands without a link.
func (a *ask) linked(form string, fields []web.FieldProps) web.Errors {
	out := slices.Clone(a.errs)
	for i, e := range out {
		if !slices.ContainsFunc(fields, func(f web.FieldProps) bool { return form+"-"+f.Name == e.Field }) {
			out[i].Field = ""
		}
	}
	return out
}

// fail answers with an error: the sign-in page if nobody is signed in, else a
// page that says what to do. Causes stay in the log.
func (a *ask) fail(err error) {
	if errors.Is(err, context.Canceled) && a.ctx.Err() != nil {
		return // the browser has gone
	}
	kind := ident.KindOf(err)
	if kind == ident.KindUnsignedIn {
		a.sendToSignIn()
		return
	}
	if a.actor.ID == "" {
		a.c.web.Fail(a.w, a.r, err)
		return
	}
	if kind == ident.KindInternal || kind == ident.KindUnknown || kind == ident.KindUnavailable {
		a.c.log.ErrorContext(a.ctx, "page failed", "path", a.r.URL.Path, "error", err)
	}
	a.status, a.bad, a.errs = web.Status(kind), "-", nil
	title := web.Say(a.ctx, "error."+string(kind)+".title")
	text := a.c.words.Explain(a.lang(), err)
	if a.lang() != web.EN && !a.c.words.Has("error."+ident.CodeOf(err)) {
		text = "" // the services speak English; the kind has words in every language
	}
	if err := a.show(web.PageProps{Title: title}, web.ErrorBody(kind, text, ident.CodeOf(err))); err != nil {
		a.c.web.Fail(a.w, a.r, err)
	}
}

func (a *ask) nowhere() error {
	return ident.E(ident.KindNotFound, "page_not_found", "%s", web.Say(a.ctx, "error.not_found.text"))
}

// staffName is a colleague's name for an id; other actors are shown as they are.
func (a *ask) staffName(tx *db.Tx, id ident.ID) string {
	if a.names == nil {
		a.names = map[ident.ID]string{}
	}
	if n, ok := a.names[id]; ok {
		return n
	}
	n := id
	if ident.Prefix(id) == "stf" {
		if s, err := a.c.cfg.Access.StaffByID(tx, id); err == nil {
			n = s.Name
		}
	}
	a.names[id] = n
	return n
}

func (a *ask) rolesText(roles []ident.Role) string {
	out := make([]string, len(roles))
	for i, r := range roles {
		out[i] = a.word("role.", string(r))
	}
	return strings.Join(out, a.t("list.comma"))
}
