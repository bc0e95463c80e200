package portal

import (
	"context"
	"embed"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/a-h/templ"

	"surety/domain/claim"
	"surety/domain/fund"
	"surety/domain/incident"
	"surety/domain/notice"
	"surety/domain/party"
	"surety/domain/payment"
	"surety/edge/web"
	"surety/kernel/ident"
	"surety/platform/access"
	"surety/platform/db"
)

//go:embed catalogue
var files embed.FS

// Config is what New needs; all but Operator, Contact, Zone and Secure is required.
type Config struct {
	DB       *db.DB
	Access   *access.Access
	Party    *party.Service
	Payment  *payment.Service
	Claim    *claim.Service
	Notice   *notice.Service
	Incident *incident.Service
	Fund     *fund.Service
	Clock    ident.Clock
	IDs      *ident.Maker
	Log      *slog.Logger
	Key      []byte            // 32 bytes or more: signs the line an act leaves for the next page
	Operator map[string]string // the wallet's name, by "zh" and "en"
	Contact  Contact           // how people reach people
	Zone     *time.Location    // of the times shown; nil is China
	Secure   bool              // people reach us over https: cookies are Secure
}

// Contact is how a customer reaches a person; empty lines are not shown.
type Contact struct {
	Phone string
	Email string
	Hours map[string]string // by "zh" and "en"
}

// Portal answers customers. Safe for many goroutines.
type Portal struct {
	cfg   Config
	web   *web.Web
	words *web.Catalogue
	tries *limiter
}

// Sizes of what is taken. A body may be larger than a file may be, so that a file
// that is a little too large is answered in words beside its field and not by a
// broken connection.
const (
	evidenceBody = 96 << 20
	verifyBody   = 16 << 20
	mostFiles    = 10
)

// guesses bound how often one address may try codes or links a minute: a code has
// 80 bits, so this is for the log's sake more than for the code's.
const guesses = 20

// New checks the configuration and returns the whole address' handler.
func New(cfg Config) (http.Handler, error) {
	if cfg.DB == nil || cfg.Access == nil || cfg.Party == nil || cfg.Payment == nil || cfg.Claim == nil || cfg.Notice == nil ||
		cfg.Incident == nil || cfg.Fund == nil || cfg.Clock == nil || cfg.IDs == nil {
		return nil, ident.E(ident.KindInternal, "config", "portal misses a part of its Config")
	}
	w, err := web.New(web.Config{Clock: cfg.Clock, Key: cfg.Key, Zone: cfg.Zone, HTTPS: cfg.Secure, Log: cfg.Log, BodyLimit: bodyLimit})
	if err != nil {
		return nil, err
	}
	p := &Portal{cfg: cfg, web: w, words: web.MustCatalogue(files, "catalogue"), tries: newLimiter(cfg.Clock, guesses)}
	return w.Handler(p.routes()), nil
}

func bodyLimit(r *http.Request) int64 {
	switch {
	case strings.HasPrefix(r.URL.Path, "/claims/") && strings.HasSuffix(r.URL.Path, "/evidence"):
		return evidenceBody
	case r.URL.Path == "/verify":
		return verifyBody
	}
	return 0
}

// public answers anybody; signed answers a customer.
type public func(w http.ResponseWriter, r *http.Request) error
type signed func(w http.ResponseWriter, r *http.Request, me person) error

// route is one row of the table of all pages.
type route struct {
	pattern string
	anybody public
	mine    signed
}

func (p *Portal) table() []route {
	return []route{
		{"GET /{$}", p.home, nil},
		{"GET /in/{token}", p.enter, nil},
		{"POST /sign-out", p.leave, nil},
		{"GET /help", p.help, nil},
		{"GET /verify", p.verify, nil},
		{"POST /verify", p.verifyFile, nil},
		{"GET /verify/{code}", p.verifyCode, nil},
		{"GET /statement/{incident}", p.statement, nil},

		{"GET /payments", nil, p.payments},
		{"GET /payments/{payment}", nil, p.payment},
		{"GET /report", nil, p.reportOther},
		{"POST /report", nil, p.fileOther},
		{"GET /report/{payment}", nil, p.report},
		{"GET /report/{payment}/money", nil, p.reportMoney},
		{"POST /report/{payment}", nil, p.file},

		{"GET /claims", nil, p.claims},
		{"GET /claims/{claim}", nil, p.claim},
		{"GET /claims/{claim}/answer", nil, p.answer},
		{"POST /claims/{claim}/answer", nil, p.sendAnswer},
		{"GET /claims/{claim}/appeal", nil, p.appeal},
		{"POST /claims/{claim}/appeal", nil, p.sendAppeal},
		{"GET /claims/{claim}/account", nil, p.account},
		{"POST /claims/{claim}/account", nil, p.setAccount},
		{"POST /claims/{claim}/withdraw", nil, p.withdraw},
		{"GET /claims/{claim}/evidence", nil, p.evidence},
		{"POST /claims/{claim}/evidence", nil, p.addEvidence},
		{"GET /claims/{claim}/evidence/{file}", nil, p.openEvidence},
		{"GET /certificates/{certificate}", nil, p.certificate},
		{"GET /messages", nil, p.messages},
		{"GET /messages/{message}", nil, p.message},
	}
}

func (p *Portal) routes() http.Handler {
	mux := http.NewServeMux()
	for _, rt := range p.table() {
		mux.HandleFunc(rt.pattern, func(w http.ResponseWriter, r *http.Request) {
			p.recent(r)
			if err := p.serve(rt, w, r); err != nil {
				p.fail(w, r, err)
			}
		})
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { p.fail(w, r, absent()) })
	return mux
}

// recent waits a moment for payments that were judged and are not in the tables
// yet: the customer looks for the one of a second ago.
func (p *Portal) recent(r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), time.Second)
	defer cancel()
	_ = p.cfg.Payment.Await(ctx) // in a flood the page shows what is there; a claim waits itself
}

func (p *Portal) serve(rt route, w http.ResponseWriter, r *http.Request) error {
	if r.Method == http.MethodPost {
		// Bodies of forms are read here once; an upload's own handler says what
		// was wrong with it beside its field.
		if err := web.ReadForm(r); err != nil && bodyLimit(r) == 0 {
			return err
		} else if err != nil {
			r = r.WithContext(context.WithValue(r.Context(), uploadKey{}, err))
		}
		if r.MultipartForm != nil {
			// The files are temporary; what is kept was copied. If they stay, the
			// system's own cleaning of its folder takes them.
			defer func() { _ = r.MultipartForm.RemoveAll() }()
		}
	}
	if rt.mine == nil {
		return rt.anybody(w, r)
	}
	me, err := p.person(r)
	if err != nil {
		return err
	}
	return rt.mine(w, r, me)
}

type uploadKey struct{}

// uploadError is why the body of this request could not be read, nil if it could.
func uploadError(r *http.Request) error {
	err, ok := r.Context().Value(uploadKey{}).(error)
	if !ok {
		return nil
	}
	return err
}

// absent is the error of everything that is not there or not yours, all alike.
func absent() error { return ident.E(ident.KindNotFound, "not_found", "there is no such page") }

// fail shows an error as a page in plain words.
func (p *Portal) fail(w http.ResponseWriter, r *http.Request, err error) {
	kind, code := ident.KindOf(err), ident.CodeOf(err)
	status := web.Status(kind)
	switch {
	case code == "too_many_guesses":
		w.Header().Set("Retry-After", "60")
		status = http.StatusTooManyRequests
	case kind == ident.KindNotFound:
		code = "" // a code would tell what is absent
	case kind == ident.KindInternal || kind == ident.KindUnknown || kind == ident.KindUnavailable:
		p.cfg.Log.ErrorContext(r.Context(), "page failed", "path", hidden(r.URL.Path), "error", err)
	}
	web.Render(w, r, status, p.errorPage(kind, code))
}

// hidden keeps a link's token out of the operator's log.
func hidden(path string) string {
	if strings.HasPrefix(path, "/in/") {
		return "/in/…"
	}
	return path
}

// show answers 200 with a page.
func show(w http.ResponseWriter, r *http.Request, c templ.Component) error {
	web.Render(w, r, http.StatusOK, c)
	return nil
}

// again shows a form with what is wrong with it: 422, or the kind's own status.
func again(w http.ResponseWriter, r *http.Request, err error, c templ.Component) error {
	status := http.StatusUnprocessableEntity
	if k := ident.KindOf(err); k == ident.KindTooLarge || k == ident.KindUnknown || k == ident.KindUnavailable || k == ident.KindState {
		status = web.Status(k)
	}
	web.Render(w, r, status, c)
	return nil
}

// mended reports whether a person can do something about err in the form: else
// it is a page of its own.
func mended(err error) bool {
	switch ident.KindOf(err) {
	case ident.KindInvalid, ident.KindTooLarge, ident.KindUnknown, ident.KindUnavailable, ident.KindState, ident.KindConflict:
		return true
	}
	return false
}

// say is a word of the portal in the language of the page.
func (p *Portal) say(ctx context.Context, key string, args ...any) string {
	return p.words.T(web.LangOf(ctx), key, args...)
}

// operator is the wallet's name in the language of the page, "" if nobody said.
func (p *Portal) operator(ctx context.Context) string {
	return p.cfg.Operator[string(web.LangOf(ctx))]
}
