package risk

import (
	"sync"

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
	// Cap is how many payments one account or device keeps one by one, the
	// newest; 0 is the default of package tally.
	Cap int
	// Memory bounds the histories, in bytes; 0 is no bound. Beyond it those that
	// were not seen for longest are given up.
	Memory int64
	// Lists answers features of kind "listed"; nil: nothing is on a list.
	Lists Lists
	// Tap is told of each payment that Assess has judged, after all locks are let
	// go. It must be quick, and may be called by several goroutines at once.
	Tap func(*Event, *Decision)
}

// Engine judges payments. It is safe for many goroutines: payments that share an
// account, a device or another entity are judged one after the other, all others
// beside each other.
type Engine struct {
	clock    ident.Clock
	lists    Lists
	tap      func(*Event, *Decision)
	capacity int
	memory   int64
	use      usage

	// mu is held for reading by whoever judges or counts, and for writing by
	// whoever changes what follows. It is taken before the locks of the memory.
	mu    sync.RWMutex
	run   *running // immutable but for its memory
	next  *filling // a memory that is being filled, nil if none
	stops *stops   // nil if none
}

// running is a pack with its memory and the models that go with it.
type running struct {
	pack        *Pack
	store       *tally.Store
	pool        *sync.Pool // of *scratch
	champion    *model     // nil: rules only
	challengers []*model
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
	p, err := LoadPack(cfg.Pack)
	if err != nil {
		return nil, err
	}
	en := &Engine{clock: cfg.Clock, lists: cfg.Lists, tap: cfg.Tap, capacity: cfg.Cap, memory: cfg.Memory}
	en.run, err = en.start(p)
	return en, err
}

// start makes an empty memory for a pack.
func (en *Engine) start(p *Pack) (*running, error) {
	store, err := p.store(en.capacity, en.memory)
	if err != nil {
		return nil, err
	}
	for _, n := range p.entities {
		if n.plan == nil {
			continue
		}
		if err := store.Check(n.plan); err != nil {
			return nil, err
		}
	}
	return (&running{store: store}).with(p), nil
}

// with is the same memory under a pack of the same layout.
func (r *running) with(p *Pack) *running {
	return &running{pack: p, store: r.store, pool: &sync.Pool{New: func() any { return p.newScratch() }}}
}

func (r *running) scratch() *scratch {
	s, _ := r.pool.Get().(*scratch)
	return s
}

func (r *running) release(s *scratch) { r.pool.Put(s) }

// Pack describes the pack in force.
func (en *Engine) Pack() PackInfo {
	en.mu.RLock()
	defer en.mu.RUnlock()
	return en.run.pack.Info()
}

// Running is the pack in force.
func (en *Engine) Running() *Pack {
	en.mu.RLock()
	defer en.mu.RUnlock()
	return en.run.pack
}

// Decide judges a payment and changes nothing. A payment that was observed
// already is judged as if it had not been, so asking twice gives one answer as
// long as nothing else has happened. The error is only for an event that is
// itself wrong.
func (en *Engine) Decide(e Event, f Facts) (Decision, error) { return en.judge(e, f, false) }

// Assess judges a payment and counts it, with nothing in between; a blocked one
// counts as refused. Call Forget if the payment's own commit fails, and Refuse if
// it does not go in the end.
func (en *Engine) Assess(e Event, f Facts) (Decision, error) {
	d, err := en.judge(e, f, true)
	if err == nil && en.tap != nil {
		en.tell(e, d)
	}
	return d, err
}

// tell lets the tap have copies, made only if there is one.
//
//go:noinline
func (en *Engine) tell(e Event, d Decision) { en.tap(&e, &d) }

func (en *Engine) judge(event Event, facts Facts, keep bool) (d Decision, err error) {
	en.mu.RLock()
	defer en.mu.RUnlock()
	r := en.run
	s := r.scratch()
	defer r.release(s)
	s.event, s.facts = event, facts // so that neither needs memory of its own
	e, f := &s.event, &s.facts
	at, err := en.check(e)
	if err != nil {
		return d, err
	}
	var h hashes
	r.pack.hash(e, &h)
	r.pack.prepare(s, e, &h, at)
	if err := en.decide(r, s, e, f, h.id, keep); err != nil {
		return d, err
	}
	if keep && en.next != nil {
		en.next.live(en, e, h.id, change{refused: s.v.outcome == Block, counts: true})
	}
	s.v.decision(s, r.champion, &d)
	return d, nil
}

// decide judges a prepared payment and, if keep, counts it. en.mu is held.
func (en *Engine) decide(r *running, s *scratch, e *Event, f *Facts, id uint64, keep bool) error {
	p, v := r.pack, &s.v
	p.accountFacts(e, f, &s.row)
	p.readLists(en.lists, s, e, f)
	v.reset(p, e)
	v.failed = s.failed
	at := ident.Micros(e.At)
	number, gone := p.localDay(at)
	price := int64(plainPrice)
	if r.champion != nil && p.costs.perDay > 0 {
		price = p.costs.price(en.use.challenges(number, id), gone)
	}
	v.late = r.advance(en.now(), at)
	tx := r.store.Begin(s.keys)
	defer tx.End()
	p.readAsNew(s, tx)
	p.compute(s)
	p.ask(s, e.Type)
	v.consult(s, r.champion, r.challengers, p.minor(e), price)
	if v.stops = en.stops; v.stops != nil {
		if stop := v.stops.find(e, func() string { return en.use.stopOf(number, id) }); stop != nil {
			v.setStop(stop)
		}
	}
	v.combine()
	counts := v.outcome != Allow
	if counts {
		en.use.apply(v, number, id, keep)
	}
	if !keep {
		return nil
	}
	err := p.observe(s, tx, v.outcome == Block)
	if err != nil && counts {
		en.use.takeBack(v.stops, number, id)
	}
	return err
}

// advance moves the edge of memory and says whether a payment comes late.
func (r *running) advance(now, at int64) string {
	r.store.Advance(now)
	switch late := now - at; {
	case late >= r.pack.horizon.Microseconds():
		return LateUncounted
	case late > r.pack.tolerated.Microseconds():
		return LateWindows
	}
	return ""
}

// observe writes to all of the histories, or to none. They are locked.
func (p *Pack) observe(s *scratch, tx *tally.Tx, refused bool) error {
	var known uint16 // entities, by place, that had the payment already
	for i, n := range p.entities {
		if !n.own() || s.at[i] < 0 {
			continue
		}
		ev := s.events[i]
		if refused {
			ev.Flags |= flagRefused
		}
		fresh, err := tx.Observe(s.at[i], ev)
		if err != nil {
			for j, m := range p.entities[:i] {
				if m.own() && s.at[j] >= 0 && known>>j&1 == 0 {
					tx.Forget(s.at[j], s.events[j])
				}
			}
			return err
		}
		if !fresh {
			known |= 1 << i
		}
	}
	if known == 0 {
		return nil
	}
	set, clear := uint16(0), uint16(flagRefused)
	if refused {
		set, clear = clear, set
	}
	for i := range p.entities {
		if known>>i&1 != 0 {
			tx.Flag(s.at[i], s.events[i].ID, s.events[i].At, set, clear)
		}
	}
	return nil
}

// change is what becomes of a payment in a memory.
type change struct {
	counts  bool // it stands, or is refused
	refused bool
	forget  bool // it is taken out
	label   bool // it is known to be a theft, or not
	fraud   bool
}

// change makes the change in one memory. en.mu is held for reading.
func (r *running) change(e *Event, at, now int64, c change) error {
	s := r.scratch()
	defer r.release(s)
	p := r.pack
	var h hashes
	p.hash(e, &h)
	p.prepare(s, e, &h, at)
	r.store.Advance(now)
	tx := r.store.Begin(s.keys)
	defer tx.End()
	if c.counts {
		return p.observe(s, tx, c.refused)
	}
	for i, n := range p.entities {
		switch {
		case !n.own() || s.at[i] < 0:
		case c.forget:
			tx.Forget(s.at[i], s.events[i])
		case c.fraud:
			tx.Flag(s.at[i], h.id, at, flagFraud, 0)
		default:
			tx.Flag(s.at[i], h.id, at, 0, flagFraud)
		}
	}
	return nil
}

// apply makes a change in the memory in force and in one that is being filled.
func (en *Engine) apply(e *Event, c change) error {
	en.mu.RLock()
	defer en.mu.RUnlock()
	at, err := en.check(e)
	if err != nil {
		return err
	}
	if err := en.run.change(e, at, en.now(), c); err != nil {
		return err
	}
	id := tally.Hash(e.ID)
	if en.next != nil {
		en.next.live(en, e, id, c)
	}
	if c.forget {
		number, _ := en.run.pack.localDay(at)
		en.use.takeBack(en.stops, number, id)
	}
	return nil
}

// Observe counts a payment that stands: for the replay of a journal. Any order
// will do, and the same payment twice counts once.
func (en *Engine) Observe(e Event) error { return en.apply(&e, change{counts: true}) }

// Refuse counts a payment as an attempt that came to nothing: it makes no device
// and no payee known and is in no sum, but features of attempts see it. It takes
// back what Assess or Observe counted beyond that. A replay calls it for each
// payment of the journal that did not go.
func (en *Engine) Refuse(e Event) error { return en.apply(&e, change{counts: true, refused: true}) }

// Label tells that a payment is known to be a theft, or known not to be, from now
// on. A payment that the memory does not hold is no error: tell a replay its
// labels after the payments.
func (en *Engine) Label(e Event, fraud bool) error {
	return en.apply(&e, change{label: true, fraud: fraud})
}

// Forget takes a payment back as if it had never been heard of: the commit that
// it belonged to failed. Forgetting one that is not there does nothing.
func (en *Engine) Forget(e Event) {
	_ = en.apply(&e, change{forget: true}) // one that is wrong in itself was never counted
}

// Hash is a fingerprint of the memory as of the clock: equal after a restart and
// a replay. It reads everything; it is for checks, not for each payment.
func (en *Engine) Hash() [32]byte {
	en.mu.RLock()
	defer en.mu.RUnlock()
	en.run.store.Advance(en.now())
	return en.run.store.Hash()
}

// Stats is the size of the memory.
func (en *Engine) Stats() tally.Stats {
	en.mu.RLock()
	defer en.mu.RUnlock()
	return en.run.store.Stats()
}

// now is the engine's time in microseconds.
func (en *Engine) now() int64 { return ident.Micros(en.clock.Now()) }
