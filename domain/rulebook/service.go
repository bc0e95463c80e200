package rulebook

import (
	"context"
	"embed"
	"io/fs"
	"log/slog"
	"sync"
	"time"

	"surety/domain/party"
	"surety/domain/payment"
	"surety/domain/risk"
	"surety/kernel/ident"
	"surety/platform/access"
	"surety/platform/db"
	"surety/platform/queue"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Migrations are the tables of this package.
var Migrations fs.FS = db.Folder(migrations)

// Config is what the package needs; all is required but what says otherwise.
type Config struct {
	DB      *db.DB
	Access  *access.Access
	Queue   *queue.Queue
	Party   *party.Service
	Payment *payment.Service
	Engine  *risk.Engine // the one that judges live payments
	Clock   ident.Clock
	IDs     *ident.Maker
	Lists   risk.Lists   // for replays; nil if the house keeps none
	Default string       // the pack while nothing is published; risk.DefaultPack if ""
	Log     *slog.Logger // nil for silence
	// Told hears of each label that the engine was told while the house runs; quick.
	// nil: nobody else wants to know.
	Told func(e *risk.Event, fraud bool)
	// Delay is how old a payment must be until a missing label says that it was
	// in order; 7 days if zero.
	Delay time.Duration
}

// DefaultDelay is Config.Delay if none is given: most thefts are reported within it.
const DefaultDelay = 7 * 24 * time.Hour

// Service keeps packs, models, publications, labels and replays. It is safe for
// many goroutines.
type Service struct {
	cfg Config

	setting  sync.Mutex // held while the engine is told; one publication at a time
	telling  sync.Mutex // held while the engine is told what labels count
	mu       sync.Mutex
	applied  applied             // guarded by mu
	troubles map[string]Trouble  // by code and what; guarded by mu
	fed      time.Time           // labels created before this are known to the engine; guarded by mu
	heard    map[heard]time.Time // labels of the last minutes that it knows, by when they were created; guarded by mu
	wake     chan struct{}       // a replay was asked for
}

// applied is what the engine of this process runs.
type applied struct {
	seq         int64 // of risk_force
	publication ident.ID
	champion    string
	challengers []string
}

// New refuses a missing part and takes on the claims' event. Call Load once the
// payments are replayed into the engine, and Work for as long as the house is open.
func New(cfg Config) (*Service, error) {
	if cfg.DB == nil || cfg.Access == nil || cfg.Queue == nil || cfg.Party == nil || cfg.Payment == nil ||
		cfg.Engine == nil || cfg.Clock == nil || cfg.IDs == nil {
		return nil, ident.E(ident.KindInternal, "config", "rulebook needs DB, Access, Queue, Party, Payment, Engine, Clock and IDs")
	}
	if cfg.Default == "" {
		text, err := risk.DefaultPack()
		if err != nil {
			return nil, err
		}
		cfg.Default = text
	}
	if cfg.Delay == 0 {
		cfg.Delay = DefaultDelay
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	s := &Service{cfg: cfg, troubles: map[string]Trouble{}, heard: map[heard]time.Time{}, wake: make(chan struct{}, 1)}
	cfg.Queue.Handle(EventClaimDecided, s.claimDecided)
	return s, nil
}

// clerk acts where no person does: what a person has set going goes on.
func clerk() ident.Actor { return ident.Job("rulebook") }

// transient reports an error that says nothing about what was asked for.
func transient(ctx context.Context, err error) bool {
	return ctx.Err() != nil || ident.Is(err, ident.KindUnavailable) || ident.Is(err, ident.KindUnknown)
}
