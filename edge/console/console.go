package console

import (
	"context"
	"crypto/rand"
	"embed"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/note"

	"surety/domain/claim"
	"surety/domain/fund"
	"surety/domain/incident"
	"surety/domain/list"
	"surety/domain/notice"
	"surety/domain/party"
	"surety/domain/payment"
	"surety/domain/report"
	"surety/domain/risk"
	"surety/domain/rulebook"
	"surety/domain/watch"
	"surety/edge/web"
	"surety/kernel/ident"
	"surety/platform/access"
	"surety/platform/audit"
	"surety/platform/db"
	"surety/platform/ledger"
	"surety/platform/queue"
)

// Config is what New needs; all but Feed, Operator, Key, Secure, Verifier and Log is required.
type Config struct {
	DB       *db.DB
	Access   *access.Access
	Audit    *audit.Log
	Queue    *queue.Queue
	Ledger   *ledger.Ledger
	Party    *party.Service
	Payment  *payment.Service
	Claim    *claim.Service
	Fund     *fund.Service
	Incident *incident.Service
	Notice   *notice.Service
	Report   *report.Service
	Engine   *risk.Engine
	List     *list.Service
	Watch    *watch.Service
	Rulebook *rulebook.Service
	Clock    ident.Clock
	IDs      *ident.Maker
	// Feed has been given the engine's decisions (risk.Config.Tap) since the start;
	// nil reads the last hour from the records each time.
	Feed *Feed
	// Verifier is the audit log's public key, for the button that checks the
	// whole log; nil leaves the button out.
	Verifier note.Verifier
	// Operator is the wallet's name, beside the mark; "" is "Surety".
	Operator string
	// Key signs the flash cookie, 32 bytes or more; random if nil, which is
	// right for one process.
	Key []byte
	// Secure says that people reach us over https: cookies are bound to it.
	Secure bool
	// Log receives panics and the causes of errors; silence if nil.
	Log *slog.Logger
}

//go:embed catalogue
var files embed.FS

// Console answers the pages.
type console struct {
	cfg   Config
	web   *web.Web
	words *web.Catalogue
	log   *slog.Logger
	feed  *Feed

	packsMu sync.Mutex
	packs   map[string]*risk.Pack // by sha256, of decisions that were looked at; guarded by packsMu
}

// New returns the handler of the staff address, to be mounted at /.
func New(cfg Config) (http.Handler, error) {
	if cfg.DB == nil || cfg.Access == nil || cfg.Audit == nil || cfg.Queue == nil || cfg.Ledger == nil || cfg.Party == nil ||
		cfg.Payment == nil || cfg.Claim == nil || cfg.Fund == nil || cfg.Incident == nil || cfg.Notice == nil ||
		cfg.Report == nil || cfg.Engine == nil || cfg.List == nil || cfg.Watch == nil ||
		cfg.Rulebook == nil || cfg.Clock == nil || cfg.IDs == nil {
		return nil, ident.E(ident.KindInternal, "config", "console misses a part of its Config")
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Key == nil {
		cfg.Key = make([]byte, 32)
		if _, err := rand.Read(cfg.Key); err != nil {
			return nil, err
		}
	}
	w, err := web.New(web.Config{Clock: cfg.Clock, Key: cfg.Key, HTTPS: cfg.Secure, Log: cfg.Log, BodyLimit: bodyLimit})
	if err != nil {
		return nil, err
	}
	words, err := catalogue()
	if err != nil {
		return nil, err
	}
	c := &console{cfg: cfg, web: w, words: words, log: cfg.Log, feed: cfg.Feed, packs: map[string]*risk.Pack{}}
	if c.feed == nil {
		c.feed = &Feed{clock: cfg.Clock, since: farAhead} // it is never told anything
	}
	mux := http.NewServeMux()
	for _, r := range routes() {
		mux.HandleFunc(r.pattern, c.serve(r))
	}
	mux.HandleFunc("/", c.serve(route{"/", "", (*ask).nowhere}))
	return w.Handler(mux), nil
}

// farAhead is later than any decision.
var farAhead = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

// bodyLimit lets the files through that people hand in; the services have limits
// of their own.
func bodyLimit(r *http.Request) int64 {
	switch {
	case strings.HasPrefix(r.URL.Path, "/incidents/"), strings.HasPrefix(r.URL.Path, "/claims/"), strings.HasPrefix(r.URL.Path, "/funds/"):
		return 24 << 20
	case r.URL.Path == "/models/import":
		return 17 << 20
	case r.URL.Path == "/lists/import":
		return 64 << 20
	}
	return 0
}

// view is a read by whoever asks: check, log, then fn.
func (a *ask) view(act access.Act, id ident.ID, fn func(tx *db.Tx) error) error {
	return a.c.cfg.Access.View(a.ctx, a.actor, act, access.Object{ID: id}, fn)
}

// calm is a context that outlives the browser: what was begun is finished even if
// the person closes the window.
func (a *ask) calm() context.Context { return context.WithoutCancel(a.ctx) }
