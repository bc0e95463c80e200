package risk

import (
	"context"
	"sync"

	"surety/kernel/ident"
	"surety/platform/tally"
)

// Sink takes the history that a new pack's memory is filled with. Its methods
// are for one goroutine.
type Sink interface {
	Observe(Event) error     // a payment that stands
	Refuse(Event) error      // an attempt that came to nothing
	Label(Event, bool) error // known to be a theft, or not; after its payment
}

// filling is a memory that a replay fills while live payments go to it too. What
// live payments say of a payment is newer than what a replay says, whichever
// comes first.
type filling struct {
	run *running

	mu      sync.Mutex
	touched map[uint64]bool // payments that live has told of; guarded by mu
	labels  map[uint64]bool // labels that live has told of; guarded by mu
	failed  error           // of a live payment; guarded by mu
}

// live makes a live change in the memory that is being filled. en.mu is held for
// reading. An error ends the publication, not the payment.
func (f *filling) live(en *Engine, e *Event, id uint64, c change) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if c.label {
		f.labels[id] = c.fraud
	} else {
		f.touched[id] = true
	}
	f.note(f.tell(en, e, id, c))
}

func (f *filling) note(err error) {
	if f.failed == nil {
		f.failed = err
	}
}

// tell makes a change and lets the payment have the label that live gave it,
// perhaps before it was there. f.mu is held.
func (f *filling) tell(en *Engine, e *Event, id uint64, c change) error {
	at, now := ident.Micros(e.At), en.now()
	if err := f.run.change(e, at, now, c); err != nil {
		return err
	}
	if fraud, ok := f.labels[id]; ok && c.counts {
		return f.run.change(e, at, now, change{label: true, fraud: fraud})
	}
	return nil
}

// replaySink is the Sink of a replay.
type replaySink struct {
	en  *Engine
	ctx context.Context
	f   *filling
}

func (r replaySink) tell(e Event, c change) error {
	if err := r.ctx.Err(); err != nil {
		return err
	}
	if _, err := r.en.check(&e); err != nil {
		return err
	}
	id := tally.Hash(e.ID)
	r.f.mu.Lock()
	defer r.f.mu.Unlock()
	if r.f.failed != nil {
		return r.f.failed
	}
	if c.label {
		if _, newer := r.f.labels[id]; newer {
			return nil
		}
	} else if r.f.touched[id] {
		return nil
	}
	return r.f.tell(r.en, &e, id, c)
}

func (r replaySink) Observe(e Event) error { return r.tell(e, change{counts: true}) }

func (r replaySink) Refuse(e Event) error { return r.tell(e, change{counts: true, refused: true}) }

func (r replaySink) Label(e Event, fraud bool) error {
	return r.tell(e, change{label: true, fraud: fraud})
}

// Publish puts a pack in force with the models that are. If its Layout is that of
// the running one, it takes over the memory at once, and replay is not called.
// Else an empty memory is filled by replay while live payments are judged by the
// running pack and go to both, and then the two are swapped between two payments.
// replay must tell all that the memory can hold (Horizon), also what was judged
// before Publish was called but was not yet durable then: wait for it before
// reading the end of the journal. On any error the running pack goes on.
func (en *Engine) Publish(ctx context.Context, p *Pack, replay func(ctx context.Context, into Sink) error) error {
	en.mu.RLock()
	champion, challengers := en.run.scorers()
	en.mu.RUnlock()
	return en.PublishWith(ctx, p, champion, challengers, replay)
}

// PublishWith is Publish that puts other models in force in the same instant. A
// model that reads a feature the pack lacks is refused by name.
func (en *Engine) PublishWith(ctx context.Context, p *Pack, champion *Scorer, challengers []*Scorer,
	replay func(ctx context.Context, into Sink) error) (err error) {
	if p == nil {
		return ident.Invalid("pack", "required", "there is no pack to publish")
	}
	first, others, err := p.fitAll(champion, challengers)
	if err != nil {
		return err
	}
	f, err := en.begin(p, first, others)
	if err != nil || f == nil {
		return err
	}
	full := false
	defer func() { // also if replay panics
		en.mu.Lock()
		defer en.mu.Unlock()
		en.next = nil
		if !full {
			return
		}
		if err = f.failed; err == nil { // nobody else holds en.mu, so nobody holds f.mu
			en.run = f.run
		}
	}()
	if err = replay(ctx, replaySink{en, ctx, f}); err == nil {
		err = ctx.Err()
	}
	full = err == nil
	return err
}

// begin swaps at once if the memory suits the pack; else it lets live payments go
// to a second one as well.
func (en *Engine) begin(p *Pack, champion *model, challengers []*model) (*filling, error) {
	en.mu.Lock()
	defer en.mu.Unlock()
	if en.next != nil {
		return nil, ident.E(ident.KindConflict, "publishing", "another pack is being published; wait until it is in force")
	}
	if p.shape == en.run.pack.shape {
		next := en.run.with(p)
		next.champion, next.challengers = champion, challengers
		en.run = next
		return nil, nil
	}
	next, err := en.start(p)
	if err != nil {
		return nil, err
	}
	next.champion, next.challengers = champion, challengers
	en.next = &filling{run: next, touched: map[uint64]bool{}, labels: map[uint64]bool{}}
	return en.next, nil
}

// scorers are the models in force.
func (r *running) scorers() (champion *Scorer, challengers []*Scorer) {
	if r.champion != nil {
		champion = r.champion.Scorer
	}
	for _, m := range r.challengers {
		challengers = append(challengers, m.Scorer)
	}
	return champion, challengers
}
