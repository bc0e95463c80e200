package rulebook

import (
	"context"
	"time"

	"surety/domain/payment"
	"surety/kernel/ident"
	"surety/platform/access"
	"surety/platform/db"
	"surety/platform/queue"
)

// LabelIn is one word on a payment: was it a theft or not?
type LabelIn struct {
	Payment    string
	Fraud      bool
	Source     string    // "host", "police", "analyst" …; "claim" is the claims' own
	ReportedAt time.Time // when it was reported; now if zero
	Note       string
}

// Label is what was said of a payment.
type Label struct {
	LabelIn
	PaidAt  time.Time
	Actor   ident.ID
	Created time.Time // when this house was told
}

// LabelResult is what became of one word of many.
type LabelResult struct {
	Label Label
	Again bool // this was known
	Err   error
}

// Bounds of labels.
const (
	MaxLabels = 500  // in one call
	maxNote   = 1000 // bytes
)

// sourceClaim is the source of labels that decided claims give.
const sourceClaim = "claim"

// slack is how far a caller's clock may be ahead of ours.
const slack = 5 * time.Minute

// check refuses a label that cannot be right, fields in a fixed order.
func (in *LabelIn) check(now time.Time) error {
	if err := ident.CheckID("payment", in.Payment); err != nil {
		return err
	}
	if err := ident.CheckID("source", in.Source); err != nil {
		return err
	}
	if in.Source == sourceClaim {
		return ident.Invalid("source", "source_reserved", "claims give their own labels; name another source")
	}
	if len(in.Note) > maxNote {
		return ident.Invalid("note", "too_long", "the note has %d bytes, at most %d are kept", len(in.Note), maxNote)
	}
	if in.ReportedAt.IsZero() {
		in.ReportedAt = now
	}
	in.ReportedAt = in.ReportedAt.UTC().Truncate(time.Microsecond)
	if in.ReportedAt.After(now.Add(slack)) {
		return ident.Invalid("reported_at", "in_the_future", "reported_at is %s, which is still to come",
			in.ReportedAt.Format(time.RFC3339))
	}
	return nil
}

// AddLabels keeps labels, at most MaxLabels, in one act, and tells the engine.
// What is wrong with one does not hold up the others. The same again changes
// nothing; another word of the same source at the same time is a conflict.
func (s *Service) AddLabels(ctx context.Context, actor ident.Actor, in []LabelIn) ([]LabelResult, error) {
	if len(in) > MaxLabels {
		return nil, ident.E(ident.KindTooLarge, "too_many_labels", "at most %d labels in one call, got %d", MaxLabels, len(in))
	}
	now := s.cfg.Clock.Now()
	bad := make([]error, len(in)) // wrong in itself
	detail := make([][3]any, len(in))
	object := access.Object{}
	for i := range in {
		bad[i] = in[i].check(now)
		detail[i] = [3]any{in[i].Payment, in[i].Source, in[i].Fraud}
	}
	if len(in) == 1 {
		object.ID = in[0].Payment
	}
	if err := s.arrived(ctx, in, bad); err != nil {
		return nil, err
	}
	var out []LabelResult
	err := s.cfg.Access.Update(ctx, actor, access.ActLabelAdd, object, detail, func(tx *db.Tx) error {
		out = make([]LabelResult, len(in))
		for i := range in {
			if out[i].Err = bad[i]; bad[i] != nil {
				continue
			}
			var err error
			if out[i], err = s.addLabel(tx, actor, in[i], now); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	s.feedOwn(ctx, out)
	return out, nil
}

// arrived waits for payments that were acknowledged and are not in the database yet.
func (s *Service) arrived(ctx context.Context, in []LabelIn, bad []error) error {
	missing := false
	err := s.cfg.DB.View(ctx, func(tx *db.Tx) error {
		missing = false
		for i := range in {
			if bad[i] != nil {
				continue
			}
			_, found, err := s.cfg.Payment.Get(tx, in[i].Payment)
			if missing = missing || !found; err != nil || missing {
				return err
			}
		}
		return nil
	})
	if err != nil || !missing {
		return err
	}
	return s.cfg.Payment.Await(ctx)
}

// addLabel writes one label. The error it returns is the database's; what is wrong
// with the label stands in the result.
func (s *Service) addLabel(tx *db.Tx, actor ident.Actor, in LabelIn, now time.Time) (LabelResult, error) {
	p, found, err := s.cfg.Payment.Get(tx, in.Payment)
	switch {
	case err != nil:
		return LabelResult{}, err
	case !found:
		return LabelResult{Err: ident.NotFound("payment", in.Payment)}, nil
	case in.ReportedAt.Before(p.At):
		return LabelResult{Err: ident.Invalid("reported_at", "before_payment", "payment %s was made at %s, after reported_at",
			in.Payment, p.At.Format(time.RFC3339))}, nil
	}
	said, err := labelsOf(tx, in.Payment)
	if err != nil {
		return LabelResult{}, err
	}
	old, known := lastWord(said, in)
	if known && old.Fraud == in.Fraud {
		return LabelResult{Label: old, Again: true}, nil
	}
	l := Label{LabelIn: in, PaidAt: p.At, Actor: actor.ID, Created: now}
	fresh, err := insertLabel(tx, l)
	if err != nil || fresh {
		return LabelResult{Label: l}, err
	}
	if said, err = labelsOf(tx, in.Payment); err != nil {
		return LabelResult{}, err
	}
	for _, old := range said {
		if old.Source == in.Source && old.ReportedAt.Equal(in.ReportedAt) && old.Fraud == in.Fraud {
			return LabelResult{Label: old, Again: true}, nil
		}
	}
	return LabelResult{Err: ident.E(ident.KindConflict, "label_differs",
		"%s has said the opposite of payment %s at the same time; name a later reported_at", in.Source, in.Payment)}, nil
}

// lastWord finds whether a source repeats itself: its own last word until then, if
// nobody has contradicted that since. said is in the order in which it counts.
func lastWord(said []Label, in LabelIn) (last Label, known bool) {
	for _, l := range said {
		switch {
		case l.ReportedAt.After(in.ReportedAt):
		case l.Source == in.Source:
			last, known = l, true
		case known && l.Fraud != last.Fraud:
			known = false
		}
	}
	return last, known
}

// Labels are all words on a payment, oldest first; the last one counts.
func (s *Service) Labels(ctx context.Context, actor ident.Actor, id string) (out []Label, err error) {
	err = s.cfg.Access.View(ctx, actor, access.ActRiskRead, access.Object{ID: id}, func(tx *db.Tx) error {
		out, err = labelsOf(tx, id)
		return err
	})
	return out, err
}

// LabelOf is the word on a payment that counts; found is false if there is none.
// The caller's own check covers it.
func (s *Service) LabelOf(tx *db.Tx, id string) (l Label, found bool, err error) {
	m, err := counting(tx, []string{id})
	l, found = m[id]
	return l, found, err
}

// EventClaimDecided is the queue event that a person has decided a claim, or that
// an appeal has decided it anew. The claims put it; this package knows it by name.
const EventClaimDecided = "claim.decided"

// ClaimDecided is its body.
type ClaimDecided struct {
	Claim    ident.ID  `json:"claim"`
	Kind     string    `json:"kind"`     // of the claim: "theft", "wrong_account" …
	Decision string    `json:"decision"` // "approve_full", "approve_partial", "refuse"
	Ground   string    `json:"ground"`   // of a refusal
	Payments []string  `json:"payments"` // that the claim says were not the payer's
	At       time.Time `json:"at"`       // when it was decided
}

// verdict is what a decided claim says of its payments; ok is false if it says
// nothing: a mistyped account is nobody's theft, a part of the sum may be any of
// the payments, and a refusal for want of standing leaves open what happened.
func (e ClaimDecided) verdict() (fraud, ok bool) {
	switch e.Decision {
	case "approve_full":
		return true, e.Kind != "wrong_account"
	case "approve_partial":
		return true, e.Kind != "wrong_account" && len(e.Payments) == 1
	case "refuse":
		return false, e.Ground == "no_loss_found" || e.Ground == "paid_by_holder"
	}
	return false, false
}

// claimDecided makes labels of a decided claim. The engine hears of them with the
// next Refresh: a handler has no effect outside its transaction.
func (s *Service) claimDecided(tx *db.Tx, j queue.Job) error {
	var e ClaimDecided
	if err := j.Decode(&e); err != nil {
		return err
	}
	fraud, ok := e.verdict()
	if !ok {
		return nil
	}
	now := s.cfg.Clock.Now()
	if e.At.IsZero() || e.At.After(now) {
		e.At = now
	}
	e.At = e.At.UTC().Truncate(time.Microsecond)
	for _, id := range e.Payments {
		err := s.cfg.Access.Check(tx, clerk(), access.ActLabelAdd, access.Object{ID: id},
			map[string]any{"claim": e.Claim, "fraud": fraud})
		if err != nil {
			return err
		}
		in := LabelIn{Payment: id, Fraud: fraud, Source: sourceClaim, ReportedAt: e.At, Note: e.Claim}
		r, err := s.addLabel(tx, clerk(), in, now)
		if err != nil {
			return err
		}
		if r.Err != nil { // nobody would ever mend it: the payment is not in our records
			s.cfg.Log.Warn("a decided claim gives no label", "claim", e.Claim, "payment", id, "error", r.Err)
		}
	}
	return nil
}

// feedOwn tells the engine what this call has added. An error is no error of the
// call, whose labels are kept: the next Refresh tells it.
func (s *Service) feedOwn(ctx context.Context, rs []LabelResult) {
	fresh := make([]Label, 0, len(rs))
	for _, r := range rs {
		if r.Err == nil && !r.Again {
			fresh = append(fresh, r.Label)
		}
	}
	if err := s.tellLabels(context.WithoutCancel(ctx), fresh); err != nil {
		s.cfg.Log.Warn("labels are not told to the engine yet", "error", err)
	}
}

// overlap is how far back Refresh looks again for labels of other processes: their
// clocks differ, and a commit takes its time.
const overlap = time.Minute

// heard is a label that the engine of this process knows.
type heard struct {
	payment, source string
	reported        int64
}

func (l Label) heard() heard { return heard{l.Payment, l.Source, ident.Micros(l.ReportedAt)} }

// feed tells the engine the labels that were added since the last time, whoever
// added them.
func (s *Service) feed(ctx context.Context) error {
	s.mu.Lock()
	since := s.fed
	s.mu.Unlock()
	now := s.cfg.Clock.Now()
	after := labelKey{at: ident.Micros(since.Add(-overlap))}
	for {
		var page []Label
		err := s.cfg.DB.View(ctx, func(tx *db.Tx) (err error) {
			page, err = labelsAdded(tx, after, pageSize)
			return err
		})
		if err == nil {
			err = s.tellLabels(ctx, page)
		}
		if err != nil {
			return err
		}
		if len(page) < pageSize {
			break
		}
		last := page[len(page)-1]
		after = labelKey{at: ident.Micros(last.Created), payment: last.Payment, source: last.Source}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.After(s.fed) {
		s.fed = now
	}
	for l, at := range s.heard {
		if at.Before(s.fed.Add(-2 * overlap)) {
			delete(s.heard, l)
		}
	}
	return nil
}

// tellLabels tells the engine the labels that count of the payments of a page, but
// for those it has heard of. One at a time: what counts is read and told in one,
// so that an older truth never overtakes a newer one.
func (s *Service) tellLabels(ctx context.Context, page []Label) error {
	s.telling.Lock()
	defer s.telling.Unlock()
	fresh := page[:0:0]
	s.mu.Lock()
	for _, l := range page {
		if _, known := s.heard[l.heard()]; !known {
			fresh = append(fresh, l)
		}
	}
	s.mu.Unlock()
	if len(fresh) == 0 {
		return nil
	}
	var truth map[string]Label
	var ps map[string]payment.Payment
	err := s.cfg.DB.View(ctx, func(tx *db.Tx) (err error) {
		truth, ps, err = s.truths(tx, fresh)
		return err
	})
	if err != nil {
		return err
	}
	for id, p := range ps {
		e := eventOf(p.Request)
		if err := s.cfg.Engine.Label(e, truth[id].Fraud); err != nil {
			return err
		}
		if s.cfg.Told != nil {
			s.cfg.Told(&e, truth[id].Fraud)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	late := s.cfg.Clock.Now().Add(-2 * overlap)
	for _, l := range fresh {
		if l.Created.After(late) { // older ones come in no later page
			s.heard[l.heard()] = l.Created
		}
	}
	return nil
}

// truths are the labels that count of the payments of a page, and the payments.
func (s *Service) truths(tx *db.Tx, page []Label) (map[string]Label, map[string]payment.Payment, error) {
	ids := make([]string, 0, len(page))
	ps := make(map[string]payment.Payment, len(page))
	for _, l := range page {
		if _, twice := ps[l.Payment]; twice {
			continue
		}
		p, found, err := s.cfg.Payment.Get(tx, l.Payment)
		if err != nil {
			return nil, nil, err
		}
		if found {
			ps[l.Payment] = p
			ids = append(ids, l.Payment)
		}
	}
	truth, err := counting(tx, ids)
	return truth, ps, err
}
