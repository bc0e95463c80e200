package sim

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"time"

	"surety/app"
	"surety/domain/fund"
	"surety/kernel/ident"
	"surety/kernel/money"
	"surety/platform/db"
)

// Config is what Run needs.
type Config struct {
	Seed  uint64
	Steps int    // acts of the life; 80 if zero
	Dir   string // of the house; a temporary folder if ""
	DBURL string // an empty database; SQLite in Dir if ""

	broken string // SQL that breaks the house before the auditor's day: for controls
}

// Report is what came of a life. Problems must be empty.
type Report struct {
	Seed     uint64         `json:"seed"`
	Steps    int            `json:"steps"`
	Calls    int            `json:"calls"`    // made, repeats included
	Refused  int            `json:"refused"`  // of them refused, each as the auditor said
	Faults   int            `json:"faults"`   // commits that were lost or muted
	Restarts int            `json:"restarts"` // of the house
	Acts     map[string]int `json:"acts"`
	Claims   int            `json:"claims"`
	Payouts  int            `json:"payouts"`
	Settled  int            `json:"settled"`
	Rejected int            `json:"rejected"`
	Paid     int64          `json:"paid_minor"`
	Audited  int            `json:"audit_entries"`
	Seconds  float64        `json:"seconds"`
	Problems []string       `json:"problems"`
}

// OK reports that the auditor agrees with the house.
func (r Report) OK() bool { return len(r.Problems) == 0 }

// life is one run under way.
type life struct {
	ctx    context.Context
	cfg    Config
	rnd    *rand.Rand
	clock  *ident.ManualClock
	faults *db.Faults
	a      *app.App
	p      people
	au     *auditor
	bank   fund.Bank
	desk   map[string]bool // files that the bank has answered
	no     map[string]string
	wallet *wallet
	rep    Report
	n      int // of ids
}

// Run lives one seeded life and compares the house with the auditor. An error is
// a failure of the harness; what is wrong with the house is in the report.
func Run(ctx context.Context, cfg Config) (rep Report, err error) {
	began := ident.WallClock{}.Now()
	if cfg.Steps == 0 {
		cfg.Steps = 80
	}
	if cfg.Dir == "" {
		if cfg.Dir, err = os.MkdirTemp("", "surety-sim-"); err != nil {
			return rep, err
		}
		defer os.RemoveAll(cfg.Dir)
	}
	l := &life{ctx: ctx, cfg: cfg, rnd: rand.New(rand.NewPCG(cfg.Seed, 7)), clock: ident.NewManualClock(start),
		faults: &db.Faults{}, au: newAuditor(), desk: map[string]bool{}, no: map[string]string{},
		rep: Report{Seed: cfg.Seed, Steps: cfg.Steps, Acts: map[string]int{}, Problems: []string{}}}
	l.wallet = newWallet(rand.New(rand.NewPCG(cfg.Seed, 8)))
	defer l.wallet.srv.Close()
	if err := l.open(); err != nil {
		return l.rep, fmt.Errorf("seed %d: %w", cfg.Seed, err)
	}
	err = l.live()
	err = errors.Join(err, l.a.Close())
	l.rep.Seconds = time.Since(began).Seconds()
	if err != nil {
		err = fmt.Errorf("seed %d: %w", cfg.Seed, err)
	}
	return l.rep, err
}

// open opens the house, as a start after a crash does.
func (l *life) open() (err error) {
	l.a, err = app.Open(l.ctx, app.Config{Dir: l.cfg.Dir, DB: l.cfg.DBURL, Clock: l.clock, Faults: l.faults,
		WalletURL: l.wallet.srv.URL, WalletSecret: walletSecret})
	if err != nil {
		return err
	}
	var key [32]byte
	for i := range key {
		key[i] = byte(l.rnd.Uint32())
	}
	l.a.IDs.Rand = rand.NewChaCha8(key)
	l.p, err = hire(l.ctx, l.a)
	return err
}

// restart is a crash and a new start on the same data. A lease of the dead
// process has run out by then.
func (l *life) restart() error {
	l.rep.Restarts++
	if err := l.a.Close(); err != nil {
		return err
	}
	l.clock.Advance(3 * time.Minute)
	return l.open()
}

// customers is how many people there are beside the incident's.
const customers = 16

func (l *life) live() error {
	if err := l.setUp(); err != nil {
		return err
	}
	acts := l.acts()
	total := 0
	for _, one := range acts {
		total += one.weight
	}
	for range l.cfg.Steps {
		if len(l.rep.Problems) > 0 {
			return nil
		}
		at := l.rnd.IntN(total)
		for _, one := range acts {
			if at -= one.weight; at < 0 {
				l.rep.Acts[one.name]++
				if err := one.do(); err != nil {
					return fmt.Errorf("%s: %w", one.name, err)
				}
				break
			}
		}
		if err := l.look(); err != nil {
			return err
		}
	}
	if err := l.end(); err != nil {
		return err
	}
	return l.compare()
}

func (l *life) setUp() error {
	for _, f := range []struct {
		id   string
		kind fund.Kind
		yuan int64
	}{{"yearly", fund.Yearly, 400_000}, {"emergency", fund.Emergency, 900_000}} {
		if err := openFund(l.ctx, l.a, l.p, f.id, f.kind, money.Yuan(f.yuan)); err != nil {
			return err
		}
		l.au.deposit(f.id, f.yuan*100)
	}
	return l.settleCustomers()
}

// settleCustomers writes the customers and four thefts from each, of which some
// are over the limit for one person.
func (l *life) settleCustomers() error {
	if err := settle(l.ctx, l.a, 1, customers); err != nil {
		return err
	}
	for n := 1; n <= customers; n++ {
		for nth := 2; nth <= 4; nth++ {
			amount := money.Of(int64(100_000+l.rnd.IntN(3_000_000)), money.CNY)
			if nth == 4 {
				amount = money.Of(int64(5_000_001+l.rnd.IntN(2_000_000)), money.CNY)
			}
			if _, err := l.a.Payment.Assess(l.ctx, host, theft(n, nth, amount)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (l *life) id(prefix string) string {
	l.n++
	return fmt.Sprintf("%s-%d-%d", prefix, l.cfg.Seed, l.n)
}

func (l *life) problem(format string, args ...any) {
	if len(l.rep.Problems) < maxProblems {
		l.rep.Problems = append(l.rep.Problems, fmt.Sprintf("seed %d: ", l.cfg.Seed)+fmt.Sprintf(format, args...))
	}
}

// arm lets one of the next commits be lost, or done and its answer lost.
func (l *life) arm() {
	switch l.rnd.IntN(5) {
	case 0:
		l.faults.LoseCommit(1 + l.rnd.IntN(4))
		l.rep.Faults++
	case 1:
		l.faults.MuteCommit(1 + l.rnd.IntN(4))
		l.rep.Faults++
	}
}

// disarm takes back what has not struck: a commit of the past fails no more.
func (l *life) disarm() {
	l.faults.LoseCommit(-1)
	l.faults.MuteCommit(-1)
}

// tries bounds how often a client asks again.
const tries = 12

// call is a client's call: what was not answered is asked again, the same with
// the same id, sometimes of a house that has started anew meanwhile; and what
// was answered is sometimes asked again, too, and must be answered alike.
func (l *life) call(what string, fn func() error) error {
	l.arm()
	defer l.disarm()
	for range tries {
		err := fn()
		l.rep.Calls++
		if doubtful(err) {
			l.disarm()
			if l.rnd.IntN(3) == 0 {
				if err := l.restart(); err != nil {
					return err
				}
			}
			continue
		}
		if l.rnd.IntN(4) == 0 {
			l.disarm()
			if again := fn(); ident.CodeOf(again) != ident.CodeOf(err) {
				l.problem("%s: the same call was answered %v and then %v", what, err, again)
			}
			l.rep.Calls++
		}
		if err != nil {
			l.rep.Refused++
		}
		return err
	}
	l.problem("%s: no answer after %d tries", what, tries)
	return nil
}

// doubtful reports that the client does not know what happened.
func doubtful(err error) bool {
	return ident.Is(err, ident.KindUnknown) || ident.Is(err, ident.KindUnavailable)
}

// want makes a call and compares the answer with the auditor's word.
func (l *life) want(what, code string, fn func() error) bool {
	err := l.call(what, fn)
	if ident.CodeOf(err) != code {
		l.problem("%s: the auditor says %q, the house says %v", what, code, err)
		return false
	}
	return err == nil
}

// once is call for what has no id of the caller's: after a lost answer the
// client looks whether it has happened, and asks again only if it has not.
func (l *life) once(what string, happened func() (bool, error), fn func() error) error {
	l.arm()
	defer l.disarm()
	for range tries {
		err := fn()
		l.rep.Calls++
		if !doubtful(err) {
			if err != nil {
				l.rep.Refused++
			}
			return err
		}
		l.disarm()
		if l.rnd.IntN(3) == 0 {
			if err := l.restart(); err != nil {
				return err
			}
		}
		if yes, err := happened(); err != nil || yes {
			return err
		}
	}
	l.problem("%s: no answer after %d tries", what, tries)
	return nil
}
