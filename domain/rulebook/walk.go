package rulebook

import (
	"context"
	"regexp"
	"strconv"
	"time"

	"surety/domain/party"
	"surety/domain/payment"
	"surety/domain/risk"
	"surety/kernel/ident"
	"surety/kernel/policy"
	"surety/platform/db"
)

// ahead is how far a payment's own time may be ahead of ours.
const ahead = 48 * time.Hour

// reachOf is how far back the memory of a pack reaches.
func reachOf(p *risk.Pack) time.Duration { return p.Horizon() }

// featureNames are what a model may read from a pack: numbers, by their own names
// and by those they have elsewhere.
func featureNames(p *risk.Pack) (out []string) {
	for _, f := range p.Info().Features {
		if f.Type == policy.String {
			continue
		}
		out = append(out, f.Name)
		if f.Alias != "" {
			out = append(out, f.Alias)
		}
	}
	return out
}

// offset is how a pack says its local time.
var offset = regexp.MustCompile(`(?m)^utc_offset_minutes:[ \t]*(-?\d{1,4})`)

// zoneOf is the local time of a pack, UTC if it says none.
func zoneOf(p *risk.Pack) *time.Location {
	m := offset.FindStringSubmatch(p.Text())
	if m == nil {
		return time.UTC
	}
	minutes, err := strconv.Atoi(m[1])
	if err != nil {
		return time.UTC
	}
	return time.FixedZone("pack", minutes*60)
}

// eventOf is a payment of the journal as the engine hears of it.
func eventOf(r payment.Request) risk.Event {
	return risk.Event{
		ID: r.ID, At: r.At, Payer: r.Payer, Payee: r.Payee, Amount: r.Amount, Type: risk.Type(r.Type), Channel: r.Channel,
		Device: r.Device, IP: r.IP, City: r.City, Terminal: r.Terminal, Merchant: r.Merchant, Card: r.Card, Phone: r.Phone,
		Region: r.Region, Place: risk.Place{Lat: r.Lat.Micro, Lon: r.Lon.Micro, Given: r.Lat.Given},
	}
}

// accountOf is what is known of one side of a payment, as the engine reads it.
func accountOf(f party.Facts) risk.Account {
	return risk.Account{
		Opened: f.Opened, Device: f.Device, City: f.City, Verification: string(f.Verification), Kind: string(f.Kind),
		NameIndex: f.NameIndex, PhoneIndex: f.PhoneIndex,
	}
}

// memory is what a payment of the journal is counted in: an engine, or the sink of
// one that is being filled.
type memory interface {
	Observe(risk.Event) error
	Refuse(risk.Event) error
}

// count counts a payment of the journal as what it came to.
func count(into memory, e risk.Event, st payment.State) error {
	if stands(st) {
		return into.Observe(e)
	}
	return into.Refuse(e)
}

// stands reports a state in which the payment's money went or may still go.
func stands(st payment.State) bool {
	return st != payment.Blocked && st != payment.Refused && st != payment.Returned
}

// past is an engine that lives through history again. Its clock shows the time of
// the payment that it hears of, so nothing in it knows more than was known then.
type past struct {
	*risk.Engine
	pack  *risk.Pack
	clock *ident.ManualClock
}

// newPast makes an engine with an empty memory, by the same code and bounds as live.
func (s *Service) newPast(p *risk.Pack, at time.Time) (*past, error) {
	clock := ident.NewManualClock(at)
	en, err := risk.New(risk.Config{Clock: clock, Pack: p.Text(), Lists: s.cfg.Lists})
	if err != nil {
		return nil, err
	}
	return &past{Engine: en, pack: p, clock: clock}, nil
}

// step is one payment of the span that is asked about, as of its own time.
type step struct {
	req      payment.Request
	event    risk.Event
	facts    risk.Facts
	state    payment.State
	recorded risk.Decision
	label    Label // what is known today
	labelled bool
}

// judge asks what would have been decided, and counts the payment as what it came
// to: history goes on as it did.
func (p *past) judge(st *step) (risk.Decision, error) {
	if st.req.Settled { // taken over from the host: it had gone when it was judged
		d, err := p.Decide(st.event, st.facts)
		if err != nil {
			return d, err
		}
		return d, p.Observe(st.event)
	}
	d, err := p.Assess(st.event, st.facts)
	switch {
	case err != nil:
	case stands(st.state) && d.Outcome == risk.Block:
		err = p.Observe(st.event)
	case !stands(st.state) && d.Outcome != risk.Block:
		err = p.Refuse(st.event)
	}
	return d, err
}

// walk is one way through history.
type walk struct {
	s        *Service
	from, to time.Time // the payments that are visited; those before warm the memories
	pasts    []*past
	visit    func(*step) error // counts the payment itself
	progress func(done, total int)

	buf    []step
	labels []told   // reported and not yet told, in order
	after  labelKey // the last label that was read
	cut    int64    // labels of payments before this are of no use
	warmed int
}

// told is a label on its way to the memories.
type told struct {
	at    int64
	event risk.Event
	fraud bool
}

// run goes through the journal once, in its order. Each memory hears of a payment
// when it was made and of a label when it was reported.
func (w *walk) run(ctx context.Context) error {
	start := w.from
	for _, p := range w.pasts {
		if far := w.from.Add(-reachOf(p.pack)); far.Before(start) {
			start = far
		}
	}
	w.cut = ident.Micros(start)
	w.after = labelKey{at: w.cut}
	total := max(1, int(w.to.Sub(start)/time.Hour))
	err := w.s.cfg.Payment.Journal(ctx, start, w.to, func(r payment.Request, st payment.State, d risk.Decision) error {
		w.buf = append(w.buf, step{req: r, event: eventOf(r), state: st, recorded: d})
		if len(w.buf) < pageSize {
			return nil
		}
		if w.progress != nil {
			w.progress(min(total, max(0, int(r.At.Sub(start)/time.Hour))), total)
		}
		return w.flush(ctx)
	})
	if err != nil {
		return err
	}
	if err := w.flush(ctx); err != nil {
		return err
	}
	if w.progress != nil {
		w.progress(total, total)
	}
	return nil
}

// flush lives through the payments that were read.
func (w *walk) flush(ctx context.Context) error {
	if len(w.buf) == 0 {
		return nil
	}
	if err := w.facts(ctx); err != nil {
		return err
	}
	if err := w.s.cfg.DB.View(ctx, w.look); err != nil {
		return err
	}
	for i := range w.buf {
		st := &w.buf[i]
		if err := w.tell(ident.Micros(st.event.At)); err != nil {
			return err
		}
		for _, p := range w.pasts {
			if now := p.clock.Now(); st.event.At.After(now) {
				p.clock.Set(st.event.At)
			}
		}
		if err := w.pass(st); err != nil {
			return err
		}
	}
	w.buf = w.buf[:0]
	return ctx.Err()
}

// pass counts a payment before the span, and lets one within it be visited.
func (w *walk) pass(st *step) error {
	if !st.event.At.Before(w.from) {
		return w.visit(st)
	}
	w.warmed++
	for _, p := range w.pasts {
		if err := count(p, st.event, st.state); err != nil {
			return err
		}
	}
	return nil
}

// tell lets the memories hear of the labels reported before then: a label counts for
// payments made after it was reported.
func (w *walk) tell(before int64) error {
	n := 0
	for n < len(w.labels) && w.labels[n].at < before {
		for _, p := range w.pasts {
			if err := p.Label(w.labels[n].event, w.labels[n].fraud); err != nil {
				return err
			}
		}
		n++
	}
	w.labels = w.labels[n:]
	return nil
}

// facts reads what is known of the accounts of the payments in the buffer.
func (w *walk) facts(ctx context.Context) error {
	accounts := make([]string, 0, 2*len(w.buf))
	for i := range w.buf {
		accounts = append(accounts, w.buf[i].req.Payer, w.buf[i].req.Payee)
	}
	facts := make([]party.Facts, len(accounts))
	if err := w.s.cfg.Party.Facts(ctx, w.s.cfg.DB, accounts, facts); err != nil {
		return err
	}
	for i := range w.buf {
		w.buf[i].facts = risk.Facts{Payer: accountOf(facts[2*i]), Payee: accountOf(facts[2*i+1])}
	}
	return nil
}

// look reads what is known today of the payments in the buffer, and the labels
// reported until the last of them. It may run twice.
func (w *walk) look(tx *db.Tx) error {
	ids := make([]string, len(w.buf))
	for i := range w.buf {
		ids[i] = w.buf[i].req.ID
	}
	truth, err := counting(tx, ids)
	if err != nil {
		return err
	}
	for i := range w.buf {
		w.buf[i].label, w.buf[i].labelled = truth[ids[i]]
	}
	return w.reported(tx, ident.Micros(w.buf[len(w.buf)-1].event.At))
}

// reported reads on in the stream of labels, up to a time.
func (w *walk) reported(tx *db.Tx, until int64) error {
	for {
		page, err := labelsReported(tx, w.after, until, pageSize)
		if err != nil {
			return err
		}
		for _, l := range page {
			w.after = labelKey{at: ident.Micros(l.ReportedAt), payment: l.Payment, source: l.Source}
			if ident.Micros(l.PaidAt) < w.cut {
				continue // no memory holds it
			}
			p, found, err := w.s.cfg.Payment.Get(tx, l.Payment)
			if err != nil {
				return err
			}
			if found {
				w.labels = append(w.labels, told{at: w.after.at, event: eventOf(p.Request), fraud: l.Fraud})
			}
		}
		if len(page) < pageSize {
			return nil
		}
	}
}
