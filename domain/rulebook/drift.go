package rulebook

import (
	"bytes"
	"context"
	"time"

	"surety/domain/risk"
	"surety/kernel/boost"
	"surety/kernel/ident"
	"surety/platform/access"
	"surety/platform/db"
)

// Drift is how far one day's payments have moved from what a model learned from.
type Drift struct {
	Day      string  `json:"day"` // local to the pack
	Payments int     `json:"payments"`
	Sampled  bool    `json:"sampled"` // a part of each stretch of the day was read
	Score    Shift   `json:"score"`
	Features []Shift `json:"features"` // those that the decisions carry, in the model's order
}

// Shift is how far one feature, or the score, has moved.
type Shift struct {
	Name string `json:"name"`
	// PSI is the population stability index over the bins of training. By convention
	// 0.10 is a change to look at and 0.25 a large one; Noise is what as many payments
	// would give without any change.
	PSI     float64 `json:"psi"`
	Noise   float64 `json:"noise"`
	Missing float64 `json:"missing"` // share without a value, that day
	Trained float64 `json:"trained"` // and in training
}

// maxDriftDays bounds one question.
const maxDriftDays = 92

// ModelDrift is the drift of a model by day, from what was recorded when payments
// were judged. Days on which the model was not asked are left out; so is
// everything for a model that does not carry the bins of its training. The figures
// of a day that has been over for longer than payments may come late are kept.
func (s *Service) ModelDrift(ctx context.Context, actor ident.Actor, sha string, from, to time.Time) ([]Drift, error) {
	if !from.Before(to) {
		return nil, ident.Invalid("to", "window", "to must be after from")
	}
	if err := s.mayRead(ctx, actor, sha); err != nil {
		return nil, err
	}
	m, err := s.trees(ctx, sha)
	if err != nil || m.Bins() == nil {
		return nil, err
	}
	zone := zoneOf(s.cfg.Engine.Running())
	if far := to.AddDate(0, 0, -maxDriftDays); from.Before(far) {
		from = far
	}
	var days []string
	starts := map[string]time.Time{}
	for d := midnight(from.In(zone)); d.Before(to); d = d.AddDate(0, 0, 1) {
		days = append(days, d.Format(time.DateOnly))
		starts[days[len(days)-1]] = d
	}
	var kept map[string]string
	err = s.cfg.DB.View(ctx, func(tx *db.Tx) (err error) {
		kept, err = keptDrift(tx, sha, days)
		return err
	})
	if err != nil {
		return nil, err
	}
	out := make([]Drift, 0, len(days))
	for _, day := range days {
		d, err := s.driftOn(ctx, sha, m, day, starts[day], kept[day])
		if err != nil {
			return nil, err
		}
		if d.Payments > 0 {
			out = append(out, d)
		}
	}
	return out, nil
}

func midnight(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, t.Location())
}

// trees reads a model's file.
func (s *Service) trees(ctx context.Context, sha string) (*boost.Model, error) {
	var file []byte
	err := s.cfg.DB.View(ctx, func(tx *db.Tx) error {
		b, found, err := modelFile(tx, sha)
		if file = b; err == nil && !found {
			return ident.NotFound("model", sha)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	m, err := boost.ReadXGBoost(bytes.NewReader(file))
	if err != nil {
		return nil, damaged("model", sha, err)
	}
	return m, nil
}

// driftOn is the drift of one day: kept, or counted now and kept if the day is over.
func (s *Service) driftOn(ctx context.Context, sha string, m *boost.Model, day string, start time.Time, kept string) (d Drift, err error) {
	if kept != "" {
		return d, readJSON(kept, &d)
	}
	end := start.AddDate(0, 0, 1)
	if d, err = s.countDrift(ctx, sha, m, start, end); err != nil {
		return d, err
	}
	d.Day = day
	if s.cfg.Clock.Now().Before(end.Add(ahead)) {
		return d, nil // payments may still come late
	}
	text, err := asJSON(d)
	if err != nil {
		return d, err
	}
	return d, s.cfg.Access.Update(ctx, clerk(), access.ActRiskEdit, access.Object{ID: sha}, map[string]any{"drift": day},
		func(tx *db.Tx) error { return keepDrift(tx, sha, day, text) })
}

func (s *Service) countDrift(ctx context.Context, sha string, m *boost.Model, from, to time.Time) (Drift, error) {
	c := m.NewDrift()
	columns := m.Features()
	seen := make([]bool, len(columns))
	row := make([]float32, len(columns))
	pack := s.cfg.Engine.Running()
	cut, err := s.sample(ctx, from, to, mostDrifted, func(st *step) {
		v, ok := view(st.recorded, sha)
		if !ok {
			return
		}
		for i, name := range columns {
			x, recorded := pack.NumberOf(st.recorded.Features, name)
			seen[i] = seen[i] || recorded
			row[i] = float32(x)
		}
		c.Add(row, v.Margin)
	})
	if err != nil {
		return Drift{}, err
	}
	out := Drift{Payments: int(c.Rows()), Sampled: cut, Features: []Shift{}}
	for i, sh := range c.Shifts() {
		w := Shift{Name: sh.Name, PSI: sh.PSI, Noise: sh.Noise, Missing: sh.Missing, Trained: sh.MissingTrained}
		switch {
		case i == len(columns):
			out.Score = w
		case seen[i]: // what decisions do not carry cannot be told
			out.Features = append(out.Features, w)
		}
	}
	return out, nil
}

// Recompute makes a payment's decision again from what was recorded of it, with the
// pack and the models that it names. Both are told; a difference means that the
// record or the code has changed.
func (s *Service) Recompute(ctx context.Context, actor ident.Actor, id string) (was, is risk.Decision, err error) {
	if err := s.mayRead(ctx, actor, id); err != nil {
		return was, is, err
	}
	var e risk.Event
	err = s.cfg.DB.View(ctx, func(tx *db.Tx) error {
		p, found, err := s.cfg.Payment.Get(tx, id)
		if err == nil && !found {
			return ident.NotFound("payment", id)
		}
		was, e = p.Decision, eventOf(p.Request)
		return err
	})
	if err != nil {
		return was, is, err
	}
	text, err := s.textOf(ctx, was.Pack.SHA256, "")
	if err != nil {
		return was, is, err
	}
	pack, err := risk.LoadPack(text)
	if err != nil {
		return was, is, err
	}
	var champion *risk.Scorer
	if was.Model != nil {
		if champion, err = s.scorer(ctx, pack, was.Model.Version); err != nil {
			return was, is, err
		}
	}
	var challengers []*risk.Scorer
	for _, v := range was.Challengers {
		sc, err := s.scorer(ctx, pack, v.Version)
		if err != nil {
			return was, is, err
		}
		challengers = append(challengers, sc)
	}
	is, err = pack.Recompute(was, e, champion, challengers)
	return was, is, err
}
