package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"surety/domain/claim"
	"surety/domain/fund"
	"surety/domain/incident"
	lists "surety/domain/list"
	"surety/domain/notice"
	"surety/domain/party"
	"surety/domain/payment"
	"surety/domain/report"
	"surety/domain/risk"
	"surety/domain/rulebook"
	"surety/domain/watch"
	"surety/kernel/ident"
	"surety/platform/access"
	"surety/platform/audit"
	"surety/platform/db"
	"surety/platform/ledger"
	"surety/platform/queue"
)

// Config is what the interface needs; all is required but what says otherwise.
type Config struct {
	DB       *db.DB
	Access   *access.Access
	Audit    *audit.Log
	Queue    *queue.Queue
	Ledger   *ledger.Ledger
	Party    *party.Service
	Payment  *payment.Service
	Claim    *claim.Service
	Incident *incident.Service
	Fund     *fund.Service
	Notice   *notice.Service
	List     *lists.Service
	Rulebook *rulebook.Service
	Watch    *watch.Service
	Engine   *risk.Engine
	Report   *report.Service // nil: there is no /v1/reports
	Clock    ident.Clock
	IDs      *ident.Maker // for request ids
	Log      *slog.Logger // requests and the causes of errors; no personal data goes there
	// Version is the release, shown in the document; "v1" if "".
	Version string
	// Stop, when it is closed, ends the streams so that the server can shut down;
	// nil if the process ends them itself.
	Stop <-chan struct{}
}

// server answers requests. It is safe for many goroutines.
type server struct {
	cfg     Config
	mux     *http.ServeMux
	meters  *meters
	spec    []byte
	routes  []route
	plain   map[string]map[string]http.HandlerFunc // by path and method: the routes without an id in them
	buffers sync.Pool                              // of *[]byte
	streams time.Duration                          // how often a stream looks for news
}

// maxBuffer is how large a buffer may be to be used again.
const maxBuffer = 1 << 20

// buffer is bytes to work with; release ends their use.
func (s *server) buffer() *[]byte {
	b, ok := s.buffers.Get().(*[]byte)
	if !ok {
		b = new([]byte)
		*b = make([]byte, 0, 4<<10)
	}
	return b
}

func (s *server) release(b *[]byte) {
	if b != nil && cap(*b) <= maxBuffer {
		s.buffers.Put(b)
	}
}

// New returns the handler for /v1, /openapi.json, /healthz, /readyz and /metrics.
func New(cfg Config) (http.Handler, error) {
	s, err := newServer(cfg)
	if err != nil {
		return nil, err
	}
	return s, nil
}

func newServer(cfg Config) (*server, error) {
	if cfg.DB == nil || cfg.Access == nil || cfg.Audit == nil || cfg.Clock == nil || cfg.IDs == nil || cfg.Log == nil {
		return nil, ident.E(ident.KindInternal, "config", "api needs DB, Access, Audit, Clock, IDs and Log")
	}
	if cfg.Queue == nil || cfg.Ledger == nil || cfg.Party == nil || cfg.Payment == nil || cfg.Claim == nil ||
		cfg.Incident == nil || cfg.Fund == nil || cfg.Notice == nil || cfg.List == nil ||
		cfg.Rulebook == nil || cfg.Watch == nil || cfg.Engine == nil {
		return nil, ident.E(ident.KindInternal, "config", "api misses a service")
	}
	if cfg.Version == "" {
		cfg.Version = "v1"
	}
	s := &server{cfg: cfg, mux: http.NewServeMux(), meters: newMeters(), streams: time.Second,
		plain: map[string]map[string]http.HandlerFunc{}}
	s.routes = s.table()
	var err error
	if s.spec, err = json.MarshalIndent(document(s.routes, cfg.Version), "", "  "); err != nil {
		return nil, ident.E(ident.KindInternal, "openapi", "the OpenAPI document cannot be written").Because(err)
	}
	for _, r := range s.routes {
		if _, known := access.Lookup(r.Act); !known {
			return nil, ident.E(ident.KindInternal, "route_without_act", "the route %s names no act", r.pattern())
		}
		do := func(w http.ResponseWriter, q *http.Request) { s.serve(r, w, q) }
		s.mux.HandleFunc(r.pattern(), do)
		if len(r.pathNames()) == 0 {
			if s.plain[r.Path] == nil {
				s.plain[r.Path] = map[string]http.HandlerFunc{}
			}
			s.plain[r.Path][r.Method] = do
		}
	}
	s.mux.HandleFunc("GET /openapi.json", s.openapi)
	s.mux.HandleFunc("GET /healthz", s.healthz)
	s.mux.HandleFunc("GET /readyz", s.readyz)
	return s, nil
}

// table is all routes, by noun.
func (s *server) table() []route {
	return slices.Concat(s.paymentRoutes(), s.accountRoutes(), s.claimRoutes(), s.incidentRoutes(), s.victimRoutes(),
		s.fundRoutes(), s.payoutRoutes(), s.certificateRoutes(), s.listRoutes(s.cfg.List),
		s.rulebookRoutes(s.cfg.Rulebook), s.watchRoutes(s.cfg.Watch), s.recordRoutes(), s.staffRoutes(), s.queueRoutes())
}

// seen is a response writer that remembers what was sent.
type seen struct {
	http.ResponseWriter
	status int
	bytes  int64
	route  string // pattern; "" if no route was found
	id     string // of the request
	actor  ident.Actor
	err    error // that became a problem
}

// WriteHeader notes the status.
func (w *seen) WriteHeader(code int) {
	if w.status == 0 {
		w.status = code
	}
	w.ResponseWriter.WriteHeader(code)
}

// Write counts the bytes.
func (w *seen) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(b)
	w.bytes += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController reach the connection.
func (w *seen) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// ServeHTTP finds the route, and sees to what every answer has: headers, a
// request id, a log line, a figure in the metrics, a problem after a panic.
func (s *server) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	wall := ident.WallClock{}
	start := wall.Now()
	w := &seen{ResponseWriter: rw, id: s.cfg.IDs.New("req")}
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Request-Id", w.id)
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	defer func() {
		p := recover()
		if p != nil && p != http.ErrAbortHandler {
			s.cfg.Log.Error("request panicked", "request", w.id, "route", w.route, "panic", p, "stack", string(debug.Stack()))
			s.fail(w, r, route{Method: r.Method}, "", ident.E(ident.KindInternal, "panic", "panic"))
		}
		s.done(w, r, wall.Now().Sub(start))
		if p == http.ErrAbortHandler {
			panic(p) // the server's own way to drop a connection
		}
	}()
	if do := s.plain[r.URL.Path][r.Method]; do != nil { // as the mux would, without its search
		do(w, r)
		return
	}
	if _, pattern := s.mux.Handler(r); pattern == "" {
		s.noRoute(w, r)
		return
	}
	s.mux.ServeHTTP(w, r)
}

// noRoute answers what the mux has no pattern for, as a problem.
func (s *server) noRoute(w *seen, r *http.Request) {
	var allow []string
	for _, m := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete} {
		probe := &http.Request{Method: m, URL: r.URL, Host: r.Host}
		if _, pattern := s.mux.Handler(probe); pattern != "" {
			allow = append(allow, m)
		}
	}
	p := problemOf(ident.E(ident.KindNotFound, "route_not_found", "there is no such path; see /openapi.json"), w.id, "", false)
	if len(allow) > 0 {
		w.Header().Set("Allow", strings.Join(allow, ", "))
		p.Status, p.Code, p.Title = http.StatusMethodNotAllowed, "method_not_allowed", "Method not allowed"
		p.Detail = "this path answers " + strings.Join(allow, ", ")
	}
	p.write(w)
}

// done writes the log line and the figures. No path is logged, for ids are in
// it: the route's pattern says enough.
func (s *server) done(w *seen, r *http.Request, took time.Duration) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	s.meters.request(w.route, r.Method, w.status, took)
	args := []any{"request", w.id, "method", r.Method, "route", w.route, "status", w.status,
		"actor_kind", string(w.actor.Kind), "micros", took.Microseconds(), "bytes", w.bytes}
	if w.actor.Kind == ident.Staff || w.actor.Kind == ident.Key {
		args = append(args, "actor", w.actor.ID)
	}
	if w.err != nil {
		args = append(args, "kind", string(ident.KindOf(w.err)), "code", ident.CodeOf(w.err))
	}
	level := slog.LevelInfo
	if w.status >= http.StatusInternalServerError {
		level = slog.LevelError
	}
	s.cfg.Log.Log(r.Context(), level, "request", args...)
}

// serve is what every route has in common.
func (s *server) serve(rt route, rw http.ResponseWriter, r *http.Request) {
	w, ok := rw.(*seen)
	if !ok {
		w = &seen{ResponseWriter: rw, id: s.cfg.IDs.New("req")}
	}
	w.route = rt.pattern()
	s.setDeadlines(rt, w)
	ctx := r.Context()
	if !rt.Long {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, ordinaryTime)
		defer cancel()
	}
	c := &call{s: s, route: rt, w: w, r: r, ctx: ctx}
	if err := s.answer(c); err != nil {
		s.fail(w, r, rt, c.lookup(), err)
	}
	s.release(c.buf)
}

// setDeadlines bounds how slowly a body may come and an answer may be taken. The
// wall clock is meant: the peer's patience is real even if the product's time is not.
func (s *server) setDeadlines(rt route, w http.ResponseWriter) {
	d := ordinaryTime
	if rt.Long {
		d = longTime
	}
	now := ident.WallClock{}.Now()
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(now.Add(d)) // a recorder of a test has no connection
	_ = control.SetWriteDeadline(now.Add(2 * d))
}

func (s *server) answer(c *call) error {
	if !c.route.Anonymous {
		actor, err := s.identity(c.ctx, c.r)
		if err != nil {
			return err
		}
		c.actor, c.w.actor = actor, actor
		if !c.route.Shown {
			if err := s.door(c.ctx, actor, c.route); err != nil {
				return err
			}
		}
	}
	if err := c.prepare(); err != nil {
		return err
	}
	if err := s.await(c); err != nil {
		return err
	}
	return c.route.Do(c)
}

// awaitTime is how long a request waits for what was acknowledged before it.
const awaitTime = 5 * time.Second

// await lets nobody miss a payment that was acknowledged and is not in the database
// yet. The routes that judge payments need not wait, nor do those that are about one
// payment, for the service waits for that one itself.
func (s *server) await(c *call) error {
	if c.route.Anonymous || slices.Contains(notAwaiting, c.route.ID) {
		return nil
	}
	ctx, cancel := context.WithTimeout(c.ctx, awaitTime)
	defer cancel()
	return s.cfg.Payment.Await(ctx)
}

var notAwaiting = []string{"payment-assess", "payment-assess-batch", "payment-ingest", "payment-import", "payment-get", "payment-event"}

// identity is who the bearer token stands for.
func (s *server) identity(ctx context.Context, r *http.Request) (ident.Actor, error) {
	token, err := bearer(r)
	if err != nil {
		return ident.Actor{}, err
	}
	if strings.HasPrefix(token, "sk_") {
		return s.cfg.Access.ByKey(ctx, token)
	}
	return s.cfg.Access.Session(ctx, token)
}

func bearer(r *http.Request) (string, error) {
	header := r.Header.Values("Authorization")
	if len(header) == 0 {
		return "", ident.E(ident.KindUnsignedIn, "token_missing", "send Authorization: Bearer with an API key or a session's token")
	}
	scheme, token, _ := strings.Cut(header[0], " ")
	if len(header) > 1 || !strings.EqualFold(scheme, "Bearer") || token == "" || len(token) > 512 {
		return "", ident.E(ident.KindUnsignedIn, "token_malformed", "the header must be: Authorization: Bearer <key or token>")
	}
	return token, nil
}

// door turns away whom the table gives nothing for the act, whatever the object,
// before the body is read or anything is looked up: so nobody learns by a 404 or
// a 422 what their roles do not let them know. The refusal is access's own, and
// logged there. Everybody else is judged by the service, with the object.
func (s *server) door(ctx context.Context, actor ident.Actor, rt route) error {
	for _, act := range append([]access.Act{rt.Act}, rt.Also...) {
		if spec, _ := access.Lookup(act); hasPart(actor, spec) {
			return nil
		}
	}
	return s.cfg.Access.Update(ctx, actor, rt.Act, access.Object{}, nil, func(*db.Tx) error { return nil })
}

// hasPart says whether the table gives the actor anything in the act: a program
// only reads, unless it is the host's, and never stands for one of two people.
func hasPart(actor ident.Actor, spec access.Spec) bool {
	switch actor.Kind {
	case ident.Customer:
		return spec.Customer
	case ident.Key:
		return !spec.FourEyes && slices.ContainsFunc(spec.Roles, func(r ident.Role) bool {
			return actor.Has(r) && (r == ident.RoleHost || spec.Log != access.Always)
		})
	}
	return slices.ContainsFunc(spec.Roles, actor.Has)
}

// fail answers with the problem of err and keeps the cause for the operator. When
// the answer has begun already, the connection is dropped: a cut answer must not
// look whole.
func (s *server) fail(w *seen, r *http.Request, rt route, lookup string, err error) {
	w.err = err
	kind := ident.KindOf(err)
	if kind == ident.KindInternal || kind == ident.KindUnknown || kind == ident.KindUnavailable {
		s.cfg.Log.ErrorContext(r.Context(), "request failed", "request", w.id, "route", w.route, "error", cause(err))
	}
	if w.status != 0 {
		panic(http.ErrAbortHandler) // the server's own way to drop a connection
	}
	problemOf(err, w.id, lookup, rt.writes()).write(w)
}

// cause is an error's chain for the log. Messages of kind invalid quote what was
// sent, which may be a name or a number, so these give their code alone.
func cause(err error) string {
	var known *ident.Error
	if errors.As(err, &known) && known.Kind == ident.KindInvalid {
		return fmt.Sprintf("%s: %s", known.Kind, known.Code)
	}
	return err.Error()
}
