package portal

import (
	"context"
	"net/http"
	"strings"
	"time"

	"surety/edge/web"
	"surety/kernel/ident"
	"surety/platform/db"
)

// cookieName is the customer's session; its life is bounded by platform/access,
// the cookie's only says when the browser may forget it.
const (
	cookieName = "surety_me"
	cookieLife = 12 * time.Hour
)

// person is the customer who asks.
type person struct {
	ident.Actor
	Name   string
	Unread int // messages not opened
}

// person finds who is signed in.
func (p *Portal) person(r *http.Request) (person, error) {
	token := web.SessionToken(r, cookieName)
	if token == "" {
		return person{}, ident.E(ident.KindUnsignedIn, "not_signed_in", "open this page from your wallet")
	}
	actor, err := p.cfg.Access.Session(r.Context(), token)
	if err != nil {
		return person{}, err
	}
	if actor.Kind != ident.Customer {
		return person{}, ident.E(ident.KindUnsignedIn, "not_signed_in", "open this page from your wallet")
	}
	me := person{Actor: actor}
	err = p.cfg.DB.View(r.Context(), func(tx *db.Tx) error {
		who, _, err := p.cfg.Party.Get(tx, actor.ID)
		if err != nil {
			return err
		}
		me.Name = who.Name
		me.Unread, err = p.cfg.Notice.Unread(tx, actor.ID)
		return err
	})
	return me, err
}

// enter spends a link and opens the session. A look without a person (a preview,
// a fetch ahead) must not spend it.
func (p *Portal) enter(w http.ResponseWriter, r *http.Request) error {
	to := r.URL.Query().Get("to")
	if ahead(r) {
		return ident.E(ident.KindUnsignedIn, "link_unopened", "open the link yourself")
	}
	if err := p.tries.take(r); err != nil {
		return err
	}
	token, err := p.cfg.Access.ByLink(r.Context(), r.PathValue("token"))
	if ident.Is(err, ident.KindUnsignedIn) {
		if _, signedIn := p.person(r); signedIn == nil { // the link tapped twice: they are in already
			web.Redirect(w, r, to)
			return nil
		}
	}
	if err != nil {
		return err
	}
	if old := web.SessionToken(r, cookieName); old != "" {
		if err := p.cfg.Access.SignOut(r.Context(), old); err != nil {
			return err
		}
	}
	web.SetSession(w, r, cookieName, token, cookieLife)
	web.Redirect(w, r, to)
	return nil
}

// ahead tells a fetch that no person waits for (W3C Sec-Purpose, and the older
// names of it), or a HEAD.
func ahead(r *http.Request) bool {
	for _, h := range []string{"Sec-Purpose", "Purpose", "X-Purpose", "X-Moz"} {
		v := strings.ToLower(r.Header.Get(h))
		if strings.Contains(v, "prefetch") || strings.Contains(v, "preview") {
			return true
		}
	}
	return r.Method == http.MethodHead
}

func (p *Portal) leave(w http.ResponseWriter, r *http.Request) error {
	if token := web.SessionToken(r, cookieName); token != "" {
		if err := p.cfg.Access.SignOut(r.Context(), token); err != nil {
			return err
		}
	}
	web.ClearSession(w, r, cookieName)
	p.web.Flash(w, r, web.Good, p.say(r.Context(), "p.signed_out"))
	web.Redirect(w, r, "/")
	return nil
}

// nav is what stands at the thumb.
func (p *Portal) nav(ctx context.Context, me person) []web.NavItem {
	return []web.NavItem{
		{Label: p.say(ctx, "p.nav.home"), Href: "/", Icon: "overview"},
		{Label: p.say(ctx, "p.nav.payments"), Href: "/payments", Icon: "payments"},
		{Label: p.say(ctx, "p.nav.claims"), Href: "/claims", Icon: "cases"},
		{Label: p.say(ctx, "p.nav.messages"), Href: "/messages", Icon: "file", Count: me.Unread},
	}
}
