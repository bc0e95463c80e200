package console

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/a-h/templ"

	"surety/edge/web"
	"surety/kernel/ident"
)

// cookieLife is as long as a session can live; the server ends it earlier when it
// is idle.
const cookieLife = 12 * time.Hour

// sendToSignIn shows the way in and remembers where the person wanted to go.
func (a *ask) sendToSignIn() {
	if a.r.Method != http.MethodGet || wantsStream(a.r) {
		a.w.Header().Set("Cache-Control", "no-store")
		a.status = http.StatusUnauthorized
		_ = a.signInPage() // it only renders
		return
	}
	where := "/sign-in"
	if a.r.URL.Path != "/" {
		where += "?next=" + url.QueryEscape(web.Here(a.ctx))
	}
	if web.SessionToken(a.r, sessionCookie) != "" { // there was one: say why it is over
		web.ClearSession(a.w, a.r, sessionCookie)
		a.c.web.Flash(a.w, a.r, web.Waiting, a.t("session.over"))
	}
	web.Redirect(a.w, a.r, where)
}

// next is where to go after signing in; web.Redirect lets nothing leave the site.
func (a *ask) next() string {
	n := a.r.FormValue("next")
	if n == "" || strings.HasPrefix(n, "/sign-") {
		return "/"
	}
	return n
}

func (a *ask) signInPage() error {
	p := web.PlainProps{Title: a.t("signin.title"), Lead: a.t("signin.lead"), Product: a.c.cfg.Operator}
	form := web.FormProps{Action: "/sign-in", Submit: web.Say(a.ctx, "sign_in"), Hidden: []web.Hidden{{Name: "next", Value: a.next()}}}
	web.Render(a.w, a.r, max(a.status, http.StatusOK), plain(p, a.form("signin", form,
		web.FieldProps{Name: "email", Label: a.t("signin.email"), Type: "email", Autocomplete: "username"},
		web.FieldProps{Name: "password", Label: a.t("signin.password"), Type: "password", Autocomplete: "current-password"})))
	return nil
}

func (a *ask) signIn() error {
	token, err := a.c.cfg.Access.SignIn(a.ctx, a.posted("email"), a.r.PostForm.Get("password"))
	if err != nil {
		kind := ident.KindOf(err)
		if kind != ident.KindUnsignedIn && kind != ident.KindLimit && kind != ident.KindInvalid {
			return err
		}
		a.bad, a.status = "signin", web.Status(kind)
		a.errs = web.Errors{{Message: a.c.words.Explain(a.lang(), err)}}
		return a.signInPage()
	}
	web.SetSession(a.w, a.r, sessionCookie, token, cookieLife)
	web.Redirect(a.w, a.r, a.next())
	return nil
}

func (a *ask) signOut() error {
	if err := a.c.cfg.Access.SignOut(a.ctx, web.SessionToken(a.r, sessionCookie)); err != nil {
		return err
	}
	web.ClearSession(a.w, a.r, sessionCookie)
	a.c.web.Flash(a.w, a.r, web.Good, a.t("session.out"))
	web.Redirect(a.w, a.r, "/sign-in")
	return nil
}

// me is what a member of staff sees of themselves.
func (a *ask) me() error {
	body := []templ.Component{a.card("me.who", web.DefList(
		web.Term{Label: a.t("staff.name"), Value: web.Text(a.actor.Name)},
		web.Term{Label: a.t("staff.roles"), Value: web.Text(a.rolesText(a.actor.Roles))},
		web.Term{Label: "ID", Value: web.ID(a.actor.ID)},
	)), a.card("me.password", a.form("password", web.FormProps{Action: "/me/password", Submit: a.t("me.change")},
		web.FieldProps{Name: "old", Label: a.t("me.old"), Type: "password", Autocomplete: "current-password"},
		web.FieldProps{Name: "fresh", Label: a.t("me.fresh"), Type: "password", Hint: a.t("me.fresh_hint"), Autocomplete: "new-password"},
	))}
	return a.show(web.PageProps{Title: a.t("me.title")}, body...)
}

func (a *ask) password() error {
	err := a.c.cfg.Access.ChangePassword(a.ctx, a.actor, a.r.PostForm.Get("old"), a.r.PostForm.Get("fresh"))
	if ident.Is(err, ident.KindUnsignedIn) { // the old password was wrong, the session is not
		err = ident.Invalid("old", "old_password_wrong", "%s", a.t("me.wrong"))
	}
	if err != nil {
		return a.again("password", err, (*ask).me)
	}
	web.ClearSession(a.w, a.r, sessionCookie)
	return a.done("/sign-in", "me.changed")
}
