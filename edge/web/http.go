package web

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/a-h/templ"

	"surety/kernel/ident"
)

// policy is the content security policy of every page: nothing from elsewhere,
// nothing inline, nobody may frame us.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; " +
	"media-src 'self'; font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; " +
	"frame-ancestors 'none'"

// maxBody bounds a form; uploads ask for more by Config.BodyLimit.
const maxBody = 1 << 20

// Config is what New needs.
type Config struct {
	Clock     ident.Clock                 // tells what "in 2 h" is counted from
	Key       []byte                      // 32 bytes or more: signs the flash cookie
	Zone      *time.Location              // of the times shown; nil is China
	HTTPS     bool                        // people reach us over https, perhaps through a proxy
	Log       *slog.Logger                // receives panics and the causes of errors
	BodyLimit func(r *http.Request) int64 // most bytes of a body; nil or 0 is 1 MiB
}

// Web answers browsers safely. Safe for many goroutines.
type Web struct {
	cfg   Config
	cross *http.CrossOriginProtection
}

// New checks the configuration.
func New(cfg Config) (*Web, error) {
	switch {
	case cfg.Clock == nil:
		return nil, ident.E(ident.KindInternal, "config_clock", "web: a clock is needed")
	case len(cfg.Key) < 32:
		return nil, ident.E(ident.KindInternal, "config_key", "web: a key of 32 bytes or more is needed")
	case cfg.Log == nil:
		return nil, ident.E(ident.KindInternal, "config_log", "web: a logger is needed")
	}
	if cfg.Zone == nil {
		cfg.Zone = China()
	}
	w := &Web{cfg: cfg, cross: http.NewCrossOriginProtection()}
	w.cross.SetDenyHandler(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.Fail(rw, r, ident.E(ident.KindDenied, "cross_origin",
			"this request came from another site, so nothing was done; open the page here and try again"))
	}))
	return w, nil
}

// Handler wraps the routes of an application: static files, security headers,
// refusal of cross-site posts, a bounded body, the View, and a page instead of a
// broken connection after a panic.
func (w *Web) Handler(next http.Handler) http.Handler {
	guarded := w.cross.Handler(w.recovering(next))
	static := Static()
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		setHeaders(rw.Header())
		if strings.HasPrefix(r.URL.Path, staticPath) {
			static.ServeHTTP(rw, r)
			return
		}
		limit := int64(maxBody)
		if w.cfg.BodyLimit != nil {
			if n := w.cfg.BodyLimit(r); n > 0 {
				limit = n
			}
		}
		if r.Body != nil {
			r.Body = http.MaxBytesReader(rw, r.Body, limit)
		}
		ctx := WithView(r.Context(), w.view(rw, r))
		guarded.ServeHTTP(rw, r.WithContext(ctx))
	})
}

// view reads the View from the request, and remembers a language just chosen.
func (w *Web) view(rw http.ResponseWriter, r *http.Request) View {
	v := View{Lang: PickLang(r), Zone: w.cfg.Zone, Clock: w.cfg.Clock, HTTPS: w.cfg.HTTPS || r.TLS != nil}
	u := &url.URL{Path: r.URL.Path, RawQuery: r.URL.RawQuery}
	if _, ok := ParseLang(u.Query().Get("lang")); ok {
		http.SetCookie(rw, &http.Cookie{Name: langCookie, Value: string(v.Lang), Path: "/", MaxAge: 365 * 24 * 3600,
			HttpOnly: true, Secure: v.HTTPS, SameSite: http.SameSiteLaxMode})
		q := u.Query()
		q.Del("lang")
		u.RawQuery = q.Encode()
	}
	v.URL = u
	v.Flash = w.readFlash(r)
	return v
}

func (w *Web) recovering(next http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		defer func() {
			p := recover()
			if p == nil {
				return
			}
			if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
				panic(p) // the server's own way to drop a connection
			}
			w.cfg.Log.ErrorContext(r.Context(), "page panicked", "path", r.URL.Path, "panic", p)
			w.Fail(rw, r, ident.E(ident.KindInternal, "panic", "page panicked"))
		}()
		next.ServeHTTP(rw, r)
	})
}

// setHeaders sets what every answer to a browser carries. Pages hold personal
// data, so nothing is stored unless a handler says otherwise.
func setHeaders(h http.Header) {
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
	h.Set("Cache-Control", "no-store")
}

// Render answers with the page c. The page is made in full before the first
// byte leaves, so a component that fails gives an error page and not half a
// page. A flash that the page could show is spent.
func Render(w http.ResponseWriter, r *http.Request, status int, c templ.Component) {
	var buf bytes.Buffer
	if err := c.Render(r.Context(), &buf); err != nil {
		buf.Reset()
		status = http.StatusInternalServerError
		if err := ErrorPage(ident.KindInternal, "", "").Render(r.Context(), &buf); err != nil {
			http.Error(w, T(LangOf(r.Context()), "error.internal.text"), status)
			return
		}
	}
	if v := ViewOf(r.Context()); v.Flash != nil {
		setCookie(w, v.HTTPS, flashCookie, "", -1)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(buf.Bytes()) // the browser has gone: there is nobody to tell
	}
}

// HTML renders c to a string, for Stream.
func HTML(ctx context.Context, c templ.Component) (string, error) {
	var buf bytes.Buffer
	err := c.Render(ctx, &buf)
	return buf.String(), err
}

// Status is the HTTP status of an error kind (RFC 9110).
func Status(k ident.Kind) int {
	switch k {
	case "":
		return http.StatusOK
	case ident.KindInvalid:
		return http.StatusUnprocessableEntity
	case ident.KindNotFound:
		return http.StatusNotFound
	case ident.KindConflict, ident.KindState, ident.KindLimit:
		return http.StatusConflict
	case ident.KindDenied:
		return http.StatusForbidden
	case ident.KindUnsignedIn:
		return http.StatusUnauthorized
	case ident.KindTooLarge:
		return http.StatusRequestEntityTooLarge
	case ident.KindUnavailable:
		return http.StatusServiceUnavailable
	case ident.KindUnknown:
		return http.StatusGatewayTimeout
	}
	return http.StatusInternalServerError
}

// Fail answers with the error page of err and keeps the cause for the operator.
func (w *Web) Fail(rw http.ResponseWriter, r *http.Request, err error) {
	kind := ident.KindOf(err)
	if kind == ident.KindInternal || kind == ident.KindUnknown || kind == ident.KindUnavailable {
		w.cfg.Log.ErrorContext(r.Context(), "page failed", "path", r.URL.Path, "error", err)
	}
	Render(rw, r, Status(kind), ErrorPage(kind, shared().Explain(LangOf(r.Context()), err), ident.CodeOf(err)))
}

// ReadForm parses the query and the body (also multipart, files over 1 MiB on
// disk) and turns what can go wrong into errors with a kind.
func ReadForm(r *http.Request) error {
	var err error
	if strings.HasPrefix(r.Header.Get("Content-Type"), "multipart/form-data") {
		err = r.ParseMultipartForm(maxBody)
	} else {
		err = r.ParseForm()
	}
	var tooLarge *http.MaxBytesError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &tooLarge):
		return ident.E(ident.KindTooLarge, "body_too_large", "the body is over %d bytes", tooLarge.Limit).Because(err)
	}
	return ident.E(ident.KindInvalid, "body_malformed", "the form could not be read").Because(err)
}

// Redirect sends the browser on with GET after a post; where is a path of ours.
// Anything that could leave the site goes to the start page instead.
func Redirect(w http.ResponseWriter, r *http.Request, where string) {
	if !strings.HasPrefix(where, "/") || strings.HasPrefix(where, "//") || strings.ContainsAny(where, "\\\r\n") {
		where = "/"
	}
	http.Redirect(w, r, where, http.StatusSeeOther)
}
