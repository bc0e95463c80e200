package app

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
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
	"surety/edge/console"
	"surety/kernel/ident"
	"surety/platform/access"
	"surety/platform/audit"
	"surety/platform/db"
	"surety/platform/disk"
	"surety/platform/journal"
	"surety/platform/ledger"
	"surety/platform/queue"
	"surety/platform/vault"
)

// Config is what an operator sets. Its zero values are right for a trial.
type Config struct {
	// Dir is the data directory: keys, evidence, files for the bank, and the
	// SQLite database if DB is empty. It is made if it is not there.
	Dir string
	// DB is "sqlite:/path" or "postgres://…"; empty is a SQLite file in Dir.
	DB string
	// Operator is the company's name as customers know it, by language.
	Operator map[string]string
	// PublicURL is where customers reach the portal: links, certificates and
	// statements name it. "http://127.0.0.1:8081" if empty.
	PublicURL string
	// Debtor is the safeguarded account that payouts come from, as it stands in the
	// files for the bank.
	Debtor fund.Debtor
	// WalletURL and WalletSecret are the host wallet's credit service; payouts to
	// wallet accounts are refused while they are empty.
	WalletURL    string
	WalletSecret string
	// Secure says that the pages are served over https, so cookies demand it.
	Secure bool
	// Clock is the time; the machine's if nil. The demo and tests set another.
	Clock ident.Clock
	// Log gets what operators need to know; nothing if nil.
	Log *slog.Logger
	// Pack is the text of the rule pack that decides until another is published; the
	// product's own if empty.
	Pack string
	// NoJournal writes each decision into the database before it is answered, instead
	// of into a journal in Dir first. It is always so on PostgreSQL, which several
	// processes may share.
	NoJournal bool
	// Faults fails writes on purpose, in tests.
	Faults *db.Faults
}

// App is an open house.
type App struct {
	Config   Config
	IDs      *ident.Maker
	DB       *db.DB
	Vault    *vault.Vault
	Audit    *audit.Log
	Verifier note.Verifier // of the audit log's heads
	Access   *access.Access
	Queue    *queue.Queue
	Ledger   *ledger.Ledger
	Party    *party.Service
	List     *list.Service
	Engine   *risk.Engine
	Journal  *journal.Journal // nil: decisions go into the database at once
	Payment  *payment.Service
	Rulebook *rulebook.Service
	Watch    *watch.Service
	Notice   *notice.Service
	Fund     *fund.Service
	Claim    *claim.Service
	Incident *incident.Service
	Report   *report.Service
	Replayed int // payments replayed into the engine at the start

	meter *watch.Meter
	feed  *console.Feed
	stop  <-chan struct{} // ends streams when the server shuts down; set by Serve
}

// Migrations are the tables of all packages.
func Migrations() []fs.FS {
	return []fs.FS{
		audit.Migrations, queue.Migrations, access.Migrations, ledger.Migrations, party.Migrations, notice.Migrations,
		list.Migrations, payment.Migrations, rulebook.Migrations, watch.Migrations, fund.Migrations, claim.Migrations, incident.Migrations,
	}
}

// Open opens the house. Close must be called.
func Open(ctx context.Context, cfg Config) (*App, error) {
	cfg = cfg.filled()
	if err := disk.MakeDir(cfg.Dir); err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	d, err := db.Open(ctx, db.Config{URL: cfg.DB, Migrations: Migrations(), Faults: cfg.Faults})
	if err != nil {
		return nil, err
	}
	a := &App{Config: cfg, DB: d, IDs: ident.NewMaker(cfg.Clock)}
	for _, step := range []func(context.Context) error{a.platform, a.domain, a.remember} {
		if err := step(ctx); err != nil {
			return nil, errors.Join(err, a.Close())
		}
	}
	return a, nil
}

// remember brings memory to where it was: the lists, the engine's history from
// the payments, the publication in force with its labels, the watches.
func (a *App) remember(ctx context.Context) (err error) {
	if err = a.List.Load(ctx); err != nil {
		return err
	}
	if err = a.Watch.Load(ctx); err != nil { // its stops count what the replay tells them
		return err
	}
	if a.Replayed, err = a.Payment.Rebuild(ctx); err != nil {
		return err
	}
	return a.Rulebook.Load(ctx)
}

func (c Config) filled() Config {
	if c.Dir == "" {
		c.Dir = "surety-data"
	}
	if c.DB == "" {
		c.DB = "sqlite:" + filepath.Join(c.Dir, "surety.db")
	}
	if c.Operator == nil {
		c.Operator = map[string]string{"zh": "微付支付", "en": "Weifu Pay"}
	}
	if c.Debtor.Account == "" {
		c.Debtor = fund.Debtor{Name: c.Operator["zh"], Account: "6200000000000000000", Bank: "备付金存管银行"}
	}
	if c.PublicURL == "" {
		c.PublicURL = "http://127.0.0.1:8081"
	}
	if c.Clock == nil {
		c.Clock = ident.WallClock{}
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

func (a *App) platform(context.Context) (err error) {
	c := a.Config
	if a.Vault, err = vault.LoadOrCreate(c.Dir); err != nil {
		return err
	}
	signer, verifier, err := audit.LoadOrCreateKey(c.Dir)
	if err != nil {
		return err
	}
	a.Verifier = verifier
	a.Audit, err = audit.New(audit.Config{DB: a.DB, Clock: c.Clock, IDs: a.IDs, Signer: signer, Verifier: verifier})
	if err != nil {
		return err
	}
	if a.Access, err = access.New(access.Config{DB: a.DB, Audit: a.Audit, Clock: c.Clock, IDs: a.IDs}); err != nil {
		return err
	}
	if a.Queue, err = queue.New(queue.Config{DB: a.DB, Clock: c.Clock, IDs: a.IDs, Log: c.Log}); err != nil {
		return err
	}
	a.Ledger, err = ledger.New(ledger.Config{Clock: c.Clock})
	return err
}

func (a *App) domain(ctx context.Context) (err error) {
	c := a.Config
	a.Party, err = party.New(party.Config{Access: a.Access, Vault: a.Vault, Clock: c.Clock, IDs: a.IDs})
	if err != nil {
		return err
	}
	if err := a.decisions(ctx); err != nil {
		return err
	}
	var key ed25519.PrivateKey
	if key, err = notice.LoadOrCreateKey(c.Dir); err != nil {
		return err
	}
	a.Notice, err = notice.New(notice.Config{
		DB: a.DB, Access: a.Access, Queue: a.Queue, Vault: a.Vault, Party: a.Party, Clock: c.Clock, IDs: a.IDs,
		Signer: key, Operator: c.Operator["zh"], VerifyURL: c.PublicURL + "/verify",
	})
	if err != nil {
		return err
	}
	if err := a.funds(); err != nil {
		return err
	}
	return a.cases()
}

// decisions wires what judges a payment: lists, engine, journal, rules, watches.
func (a *App) decisions(ctx context.Context) (err error) {
	c := a.Config
	if a.List, err = list.New(list.Config{DB: a.DB, Access: a.Access, Vault: a.Vault, Clock: c.Clock, IDs: a.IDs}); err != nil {
		return err
	}
	if a.meter, err = watch.NewMeter(watch.MeterConfig{}, c.Clock.Now()); err != nil {
		return err
	}
	a.feed = console.NewFeed(c.Clock)
	// The pack in force is asked for first, so that memory is filled for it and once.
	pack := cmp.Or(rulebook.InForceText(ctx, a.DB), c.Pack)
	a.Engine, err = risk.New(risk.Config{Clock: c.Clock, Pack: pack, Lists: a.List, Tap: func(e *risk.Event, d *risk.Decision) {
		a.meter.Observe(e, d)
		a.feed.Note(e, d)
	}})
	if err != nil {
		return err
	}
	if !c.NoJournal && a.DB.Dialect() == db.SQLite {
		if a.Journal, err = journal.Open(journal.Config{Dir: filepath.Join(c.Dir, "journal")}); err != nil {
			return err
		}
	}
	a.Payment, err = payment.New(payment.Config{DB: a.DB, Access: a.Access, Queue: a.Queue, Party: a.Party, Engine: a.Engine,
		Clock: c.Clock, Journal: a.Journal})
	if err != nil {
		return err
	}
	a.Rulebook, err = rulebook.New(rulebook.Config{DB: a.DB, Access: a.Access, Queue: a.Queue, Party: a.Party, Payment: a.Payment,
		Engine: a.Engine, Clock: c.Clock, IDs: a.IDs, Lists: a.List, Default: c.Pack, Log: c.Log,
		Told: func(e *risk.Event, fraud bool) { a.Watch.Label(e, fraud) }})
	if err != nil {
		return err
	}
	a.Watch, err = watch.New(watch.Config{DB: a.DB, Access: a.Access, Payment: a.Payment, Meter: a.meter, Clock: c.Clock, IDs: a.IDs,
		Push: a.Engine.SetStops, Uses: a.Engine.StopUses, History: watch.FromPayments(a.Payment)})
	return err
}

// BankOut is where the files for the bank are put.
func (a *App) BankOut() string { return filepath.Join(a.Config.Dir, "bank", "out") }

func (a *App) funds() (err error) {
	c := a.Config
	fc := fund.Config{
		DB: a.DB, Access: a.Access, Queue: a.Queue, Ledger: a.Ledger, Vault: a.Vault, Clock: c.Clock, IDs: a.IDs,
		OutDir: a.BankOut(), Debtor: c.Debtor,
	}
	if c.WalletURL != "" {
		fc.Wallet, err = fund.NewWallet(fund.WalletConfig{BaseURL: c.WalletURL, Secret: []byte(c.WalletSecret), Clock: c.Clock})
		if err != nil {
			return err
		}
	}
	a.Fund, err = fund.New(fc)
	return err
}

func (a *App) cases() error {
	c := a.Config
	files, err := claim.OpenFiles(filepath.Join(c.Dir, "evidence"))
	if err != nil {
		return err
	}
	a.Claim, err = claim.New(claim.Config{
		DB: a.DB, Access: a.Access, Queue: a.Queue, Vault: a.Vault, Party: a.Party, Payment: a.Payment, Fund: a.Fund,
		Notice: a.Notice, Clock: c.Clock, IDs: a.IDs, Files: files,
	})
	if err != nil {
		return err
	}
	a.Incident, err = incident.New(incident.Config{
		DB: a.DB, Access: a.Access, Queue: a.Queue, Vault: a.Vault, Party: a.Party, Payment: a.Payment, Claim: a.Claim,
		Fund: a.Fund, Notice: a.Notice, Clock: c.Clock, IDs: a.IDs, Operator: c.Operator, ClaimURL: c.PublicURL,
	})
	if err != nil {
		return err
	}
	a.Report, err = report.New(report.Config{Access: a.Access})
	return err
}

// closeWait is how long Close lets the journal's records go into the database, so
// that its file is whole for whoever copies it.
const closeWait = 3 * time.Second

// Close waits for the acts under way and closes the database. What is still in
// the journal is there at the next Open.
func (a *App) Close() error {
	var err error
	if a.Journal != nil {
		if a.Payment != nil {
			ctx, cancel := context.WithTimeout(context.Background(), closeWait)
			_ = a.Payment.Await(ctx) // what does not go stays in the journal
			cancel()
		}
		err = a.Journal.Close()
	}
	return errors.Join(err, a.DB.Close())
}

// How often the house looks after itself.
const (
	headEvery  = time.Minute      // the audit log's head is signed: what is not yet under it is under hashes only
	watchEvery = 10 * time.Second // unusual rises are looked for, lists and rules of other processes taken over
)

// Work runs the queue, the poster of decisions and the clocks until ctx ends or
// the database fails.
func (a *App) Work(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	runs := []func(context.Context) error{a.Queue.Run, a.Rulebook.Work, a.Payment.Run}
	done := make(chan error, len(runs))
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stop()
	for _, run := range runs {
		wg.Go(func() { done <- run(ctx) })
	}
	head, look := time.NewTicker(headEvery), time.NewTicker(watchEvery)
	defer head.Stop()
	defer look.Stop()
	for {
		select {
		case err := <-done:
			return err
		case <-a.DB.Failed():
			return fmt.Errorf("stopped: %w", a.DB.Failure())
		case <-head.C:
			a.say("housekeeping", a.tend(ctx))
		case <-look.C:
			a.say("watches", a.Look(ctx))
		}
	}
}

func (a *App) say(what string, err error) {
	if err != nil {
		a.Config.Log.Error(what, "err", err)
	}
}

// Look takes over what other processes changed and looks for unusual rises.
func (a *App) Look(ctx context.Context) error {
	_, err := a.List.Refresh(ctx)
	return errors.Join(err, a.Watch.Refresh(ctx), a.Watch.Tick(ctx, a.Config.Clock.Now()))
}

// tend signs the log's head and lets pending transfers expire.
func (a *App) tend(ctx context.Context) error {
	_, err := a.Audit.SignHead(ctx)
	return errors.Join(err, a.DB.Update(ctx, func(tx *db.Tx) error {
		_, err := a.Ledger.Expire(tx, a.Config.Clock.Now())
		return err
	}))
}
