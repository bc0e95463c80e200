package queue

import (
	"context"
	"embed"
	"encoding/json"
	"io/fs"
	"log/slog"
	"slices"
	"sync"
	"time"
	"unicode/utf8"

	"surety/kernel/ident"
	"surety/platform/db"
)

//go:embed migrations
var files embed.FS

// Migrations is the schema of this package (numbers 200 to 299).
var Migrations fs.FS = migrations()

func migrations() fs.FS {
	sub, err := fs.Sub(files, "migrations")
	if err != nil {
		panic("queue: migrations: " + err.Error()) // the folder is compiled in
	}
	return sub
}

// Config is what New needs.
type Config struct {
	DB    *db.DB       // required
	Clock ident.Clock  // required; due times and leases are told by it alone
	IDs   *ident.Maker // required

	// Lease is how long an outside job belongs to the process that took it; its
	// handler must end within 3/4 of that. 2 minutes if zero.
	Lease time.Duration
	// MaxAttempts is how many tries may fail before a job is dead; 16 if zero.
	MaxAttempts int
	// MaxLapses is how many leases of a job may run out before it is dead: it
	// may be the job that kills the process. 100 if zero.
	MaxLapses int
	// Backoff is the wait after the first failure; it doubles with each. 1 second if zero.
	Backoff time.Duration
	// MaxBackoff bounds the wait; 1 hour if zero.
	MaxBackoff time.Duration
	// Poll is how often Run looks for jobs that another process put or that
	// became due; jobs put in this process wake it at once. 200 ms if zero.
	Poll time.Duration
	// Batch is how many Handle jobs may share a transaction; 32 if zero.
	Batch int
	// Outside is how many HandleOutside jobs Run does at the same time; 8 if zero.
	Outside int
	// Log is told of failed tries and dead jobs; nil for silence.
	Log *slog.Logger
}

// Queue puts jobs and works them. It is safe for many goroutines.
type Queue struct {
	cfg Config

	mu      sync.Mutex
	within  map[string]func(*db.Tx, Job) error          // guarded by mu
	outside map[string]func(context.Context, Job) error // guarded by mu
	wiring  error                                       // a kind handled twice; guarded by mu
	active  map[string]bool                             // leases held by this Queue; guarded by mu
	wakes   map[chan struct{}]bool                      // one for each loop of Run; guarded by mu
}

// New checks the configuration. It registers the sealer "queue" of the DB, by
// which Run wakes, so call it while wiring and once for each DB; a second Queue
// on the same DB works, but only the newest is woken, the others poll.
func New(cfg Config) (*Queue, error) {
	missing := ""
	switch {
	case cfg.DB == nil:
		missing = "DB"
	case cfg.Clock == nil:
		missing = "Clock"
	case cfg.IDs == nil:
		missing = "IDs"
	}
	if missing != "" {
		return nil, ident.E(ident.KindInternal, "config", "queue.Config needs %s", missing)
	}
	if cfg.Lease < 0 || cfg.Backoff < 0 || cfg.MaxBackoff < 0 || cfg.Poll < 0 ||
		cfg.MaxAttempts < 0 || cfg.MaxLapses < 0 || cfg.Batch < 0 || cfg.Outside < 0 {
		return nil, ident.E(ident.KindInternal, "config", "queue.Config holds a negative number")
	}
	setDefault(&cfg.Lease, 2*time.Minute)
	setDefault(&cfg.MaxAttempts, 16)
	setDefault(&cfg.MaxLapses, 100)
	setDefault(&cfg.Backoff, time.Second)
	setDefault(&cfg.MaxBackoff, time.Hour)
	setDefault(&cfg.Poll, 200*time.Millisecond)
	setDefault(&cfg.Batch, 32)
	setDefault(&cfg.Outside, 8)
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	q := &Queue{
		cfg:     cfg,
		within:  map[string]func(*db.Tx, Job) error{},
		outside: map[string]func(context.Context, Job) error{},
		active:  map[string]bool{},
		wakes:   map[chan struct{}]bool{},
	}
	cfg.DB.OnSeal(sealKey, func(*db.Tx, []any) error { q.wake(); return nil })
	return q, nil
}

func setDefault[T comparable](v *T, to T) {
	var zero T
	if *v == zero {
		*v = to
	}
}

// sealKey is the sealer by which Put wakes the workers. It runs just before the
// commit, so a woken loop looks a few times in short order.
const sealKey = "queue"

// Bounds of what may be put.
const (
	maxKey  = 200
	maxBody = 256 << 10
)

// Put keeps a job in the caller's transaction. Body is anything JSON can hold;
// it should be ids, never personal data. A zero due means now. If there is a job
// of this kind and key already, in any state, that one stays as it is and Put
// succeeds: the event is known.
func (q *Queue) Put(tx *db.Tx, kind, key string, body any, due time.Time) error {
	if err := ident.CheckID("kind", kind); err != nil {
		return err
	}
	if key == "" || len(key) > maxKey || !utf8.ValidString(key) || slices.Contains([]byte(key), 0) {
		return ident.Invalid("key", "job_key", "the key of a job is 1 to %d bytes of text", maxKey)
	}
	raw, err := json.Marshal(body)
	if err != nil {
		return ident.E(ident.KindInternal, "job_body", "the body of a %s job is not JSON", kind).Because(err)
	}
	if len(raw) > maxBody {
		return ident.E(ident.KindTooLarge, "job_body_large", "the body of a %s job has %d bytes, at most %d are kept; "+
			"put an id instead", kind, len(raw), maxBody)
	}
	now := q.cfg.Clock.Now()
	if due.IsZero() {
		due = now
	}
	fresh, err := insert(tx, q.cfg.IDs.New("job"), kind, key, string(raw), ident.Micros(due), ident.Micros(now))
	if err != nil {
		return err
	}
	if fresh && !due.After(now) {
		tx.Seal(sealKey, nil)
	}
	return nil
}

// Handle names what does the jobs of a kind within the database. fn's effects
// in tx and the job's completion are one transaction: the effect happens exactly
// once. fn may be run again for a transaction that was undone, so it must have no
// effect outside tx, and it must be quick. Its error undoes its effects and
// the job is tried again later. Call Handle while wiring, once for each kind.
func (q *Queue) Handle(kind string, fn func(tx *db.Tx, j Job) error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.checkKind(kind, fn == nil)
	q.within[kind] = fn
}

// HandleOutside names what does the jobs of a kind in the outer world: calls a
// bank, writes a file. fn runs at least once, so it must use the job's id or key
// as its idempotency key or look first; an error of any kind, "unknown" too, is
// tried again by the same job. fn must end soon after ctx does (3/4 of
// the lease, or the process stops). It may use db.Update and db.View.
func (q *Queue) HandleOutside(kind string, fn func(ctx context.Context, j Job) error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.checkKind(kind, fn == nil)
	q.outside[kind] = fn
}

// checkKind keeps the first wiring defect for Run and Drain; q.mu is held.
func (q *Queue) checkKind(kind string, absent bool) {
	if q.wiring == nil && (absent || q.within[kind] != nil || q.outside[kind] != nil) {
		q.wiring = ident.E(ident.KindInternal, "job_handler", "jobs of kind %q have no handler or two", kind)
	}
}

// kinds returns what this Queue handles, within the database and outside.
func (q *Queue) kinds() (within, outside []string, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for k := range q.within {
		within = append(within, k)
	}
	for k := range q.outside {
		outside = append(outside, k)
	}
	slices.Sort(within)
	slices.Sort(outside)
	return within, outside, q.wiring
}

func (q *Queue) handled(kind string) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.within[kind] != nil || q.outside[kind] != nil
}

// wake tells every loop of Run to look. It never blocks.
func (q *Queue) wake() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for c := range q.wakes {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}
