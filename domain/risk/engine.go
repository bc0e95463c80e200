package risk

import (
	"slices"
	"sync"
	"time"

	"surety/kernel/ident"
	"surety/platform/tally"
)

// Config is what an Engine needs.
type Config struct {
	// Clock moves the edge of what is kept. Required. It is not asked for the
	// time of a payment: that is Event.At.
	Clock ident.Clock
	// Pack is the text of a rule pack; "" is DefaultPack.
	Pack string
	// Cap is how many payments one account or device keeps, the newest; 0 is
	// the default of package tally. Windows of a busier one are lower bounds.
	Cap int
}

// Engine judges payments. It is safe for many goroutines.
type Engine struct {
	clock ident.Clock
	pack  *pack
	spans tally.Spans // all windows
	short tally.Spans // up to seven days, for payees and devices

	mu      sync.Mutex
	store   *tally.Store // guarded by mu
	scratch scratch      // guarded by mu
}

// New makes an engine with an empty memory. It refuses a pack with a mistake in
// it and names the place.
func New(cfg Config) (*Engine, error) {
	if cfg.Clock == nil {
		return nil, ident.Invalid("clock", "required", "the risk engine needs a clock")
	}
	if cfg.Pack == "" {
		text, err := DefaultPack()
		if err != nil {
			return nil, err
		}
		cfg.Pack = text
	}
	p, err := loadPack(cfg.Pack)
	if err != nil {
		return nil, err
	}
	store, err := tally.New(tally.Config{Horizon: horizon, Cap: cfg.Cap})
	if err != nil {
		return nil, err
	}
	lengths := [nWindows]time.Duration{win10m: 10 * time.Minute, win1h: time.Hour,
		win1d: day, win7d: 7 * day, win30d: 30 * day, win90d: 90 * day}
	spans, err := tally.NewSpans(lengths[:]...)
	if err != nil {
		return nil, err
	}
	short, err := tally.NewSpans(lengths[:win7d+1]...)
	if err != nil {
		return nil, err
	}
	return &Engine{clock: cfg.Clock, pack: p, store: store, spans: spans, short: short}, nil
}

// Pack describes the pack in force.
func (en *Engine) Pack() PackInfo { return en.pack.info() }

// Decide judges a payment and changes nothing. A payment that was observed
// already is judged as if it had not been, so asking twice gives one answer as
// long as nothing else has happened. The error is only for an event that is
// itself wrong.
func (en *Engine) Decide(e Event, f Facts) (Decision, error) { return en.judge(e, f, false) }

// Assess judges a payment and counts it, with nothing in between; a blocked one
// counts as refused. Call Forget if the payment's own commit fails, and Refuse if
// it does not go in the end.
func (en *Engine) Assess(e Event, f Facts) (Decision, error) { return en.judge(e, f, true) }

func (en *Engine) judge(e Event, f Facts, keep bool) (Decision, error) {
	if err := e.Check(); err != nil {
		return Decision{}, err
	}
	now := ident.Micros(en.clock.Now())
	k := e.keys(en.minor(e))
	var v vector
	var m verdict
	err := func() error {
		en.mu.Lock()
		defer en.mu.Unlock()
		en.store.Advance(now)
		en.read(e, f, k, &v)
		m = en.pack.judge(e, &v)
		switch {
		case !keep:
			return nil
		case m.outcome == Block:
			return en.observe(k.attempts())
		}
		return en.observe(k.entries())
	}()
	if err != nil {
		return Decision{}, err
	}
	return en.pack.decision(m, &v), nil
}

// minor is what the payment counts in sums: an amount of another currency cannot
// be added to them, the payment itself is still counted.
func (en *Engine) minor(e Event) int64 {
	if e.Amount.Currency != en.pack.currency {
		return 0
	}
	return e.Amount.Minor
}

// Observe counts a payment that stands: for the replay of a journal. Any order
// will do, and the same payment twice counts once.
func (en *Engine) Observe(e Event) error {
	return en.change(e, func(k keys) error { return en.observe(k.entries()) })
}

// Refuse counts a payment as an attempt that came to nothing: it makes no device
// and no payee known and is in no sum, but its device has been seen with its
// payer. It takes back what Assess or Observe counted beyond that. A replay calls
// it for each payment of the journal that did not go.
func (en *Engine) Refuse(e Event) error {
	return en.change(e, func(k keys) error {
		for _, x := range k.standing() {
			en.store.Forget(x.key, x.ev)
		}
		return en.observe(k.attempts())
	})
}

// Forget takes a payment back as if it had never been heard of: the commit that
// it belonged to failed. Forgetting one that is not there does nothing.
func (en *Engine) Forget(e Event) {
	// An event that is wrong in itself can never have been counted.
	_ = en.change(e, func(k keys) error {
		for _, x := range k.entries() {
			en.store.Forget(x.key, x.ev)
		}
		return nil
	})
}

// change runs fn with the lock held, after the edge of the memory has moved.
func (en *Engine) change(e Event, fn func(keys) error) error {
	if err := e.Check(); err != nil {
		return err
	}
	now := ident.Micros(en.clock.Now())
	k := e.keys(en.minor(e))
	en.mu.Lock()
	defer en.mu.Unlock()
	en.store.Advance(now)
	return fn(k)
}

// observe writes to all of the histories, or to none. en.mu is held.
func (en *Engine) observe(entries []entry) error {
	for i, x := range entries {
		if _, err := en.store.Observe(x.key, x.ev); err != nil {
			for _, y := range entries[:i] {
				en.store.Forget(y.key, y.ev)
			}
			return err
		}
	}
	return nil
}

// Hash is a fingerprint of the memory as of the clock: equal after a restart and
// a replay. It reads everything; it is for checks, not for each payment.
func (en *Engine) Hash() [32]byte {
	now := ident.Micros(en.clock.Now())
	en.mu.Lock()
	defer en.mu.Unlock()
	en.store.Advance(now)
	return en.store.Hash()
}

// Stats is the size of the memory.
func (en *Engine) Stats() tally.Stats {
	en.mu.Lock()
	defer en.mu.Unlock()
	return en.store.Stats()
}

// verdict is which rules fired and what follows.
type verdict struct {
	outcome Outcome
	fired   []*rule // live, by priority
	shadow  []*rule
	failed  []string
	extra   []Reason // the engine's own
}

// judge asks every rule. It is a pure function of the pack and the features.
func (p *pack) judge(e Event, v *vector) verdict {
	m := verdict{outcome: Allow}
	value := func(name string) (any, bool) {
		if i, ok := p.index[name]; ok {
			return v[i], v[i] != nil
		}
		x, ok := p.limits[name]
		return x, ok
	}
	decided := -1 // the priority that decides
	for i := range p.rules {
		r := &p.rules[i]
		if r.mode == Off || !r.about(e.Type) {
			continue
		}
		yes, err := r.when.Eval(value)
		switch {
		case err != nil:
			if r.mode == Live { // a shadow rule that fails takes nothing away
				m.failed = append(m.failed, r.id)
			}
		case !yes:
		case r.mode == Shadow:
			m.shadow = append(m.shadow, r)
		default:
			m.fired = append(m.fired, r)
			if decided < 0 {
				decided = r.priority
			}
			if r.priority == decided && r.outcome.severity() > m.outcome.severity() {
				m.outcome = r.outcome
			}
		}
	}
	if len(m.failed) > 0 {
		m.guard(e.Amount.Minor >= p.challengeFrom || e.Amount.Currency != p.currency,
			Reason{ReasonDegraded, "部分规则未能运行，按其余规则判断", "some rules could not be judged; the others decided", 100})
	}
	if e.Amount.Currency != p.currency {
		m.guard(true, Reason{ReasonCurrency, "规则没有该币种的限额", "the rules have no limits in this currency", 100})
	}
	return m
}

// guard adds a reason of the engine's own and, where it counts, makes an allowed
// payment a challenged one.
func (m *verdict) guard(challenge bool, r Reason) {
	m.extra = append(m.extra, r)
	if challenge && m.outcome == Allow {
		m.outcome = Challenge
	}
}

// decision puts the verdict into words.
func (p *pack) decision(m verdict, v *vector) Decision {
	d := Decision{Outcome: m.outcome, Reasons: m.extra, Failed: m.failed, Features: v.values(), Pack: p.version}
	for _, r := range m.fired {
		d.Reasons = append(d.Reasons, r.reason)
		if m.outcome == Allow || m.outcome == Block {
			continue
		}
		for _, code := range r.proofs {
			if !slices.Contains(d.Proofs, code) {
				d.Proofs = append(d.Proofs, code)
			}
		}
	}
	if m.outcome == Challenge && len(d.Proofs) == 0 {
		d.Proofs = []string{"face", "callback"} // the engine's own challenge
	}
	for _, r := range m.shadow {
		d.Shadow = append(d.Shadow, r.reason)
	}
	// Each reason leaves a share of the doubt that the others left.
	left := 1_000_000_000
	for _, r := range d.Reasons {
		left = left / 1000 * (1000 - r.Weight)
	}
	d.Score = (1_000_000_000 - left) / 1_000_000
	slices.SortStableFunc(d.Reasons, func(a, b Reason) int { return b.Weight - a.Weight })
	return d
}
