package rulebook

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"hash/fnv"
	"math"
	"slices"
	"time"

	"surety/domain/risk"
	"surety/kernel/boost"
	"surety/kernel/ident"
	"surety/platform/access"
	"surety/platform/db"
)

// SetIn says which payments become rows of a training set.
type SetIn struct {
	From time.Time // payments made from here
	To   time.Time // and before this
	Pack string    // sha256 of the pack that defines the features; "" for the running one
	Text string    // or a text that is kept nowhere
	// Delay is how old a payment must be until silence says that it was in order;
	// Config.Delay if zero.
	Delay time.Duration
	// Known: a label counts only if it was reported before this; zero for all that
	// is known today.
	Known time.Time
	// Ordinary is the share of ordinary payments that are kept, each with a greater
	// weight; all if zero. Thefts are always kept.
	Ordinary float64
}

// Row is one payment of a training set.
type Row struct {
	Payment  string
	Payer    uint64 // a number for the payer, the same in every row
	At       time.Time
	Minor    int64
	Features []float64 // in the order of the names; NaN is missing. Valid until the next row
	Fraud    bool
	Weight   float64
}

func (in *SetIn) check(delay time.Duration) error {
	if err := (Question{From: in.From, To: in.To, Pack: in.Pack, Text: in.Text}).Check(); err != nil {
		return err
	}
	if in.Ordinary == 0 {
		in.Ordinary = 1
	}
	if in.Ordinary < 0 || in.Ordinary > 1 || math.IsNaN(in.Ordinary) {
		return ident.Invalid("ordinary", "out_of_range", "the share of ordinary payments must be above 0 and at most 1")
	}
	if in.Delay < 0 {
		return ident.Invalid("delay", "out_of_range", "the delay of labels cannot be negative")
	}
	if in.Delay == 0 {
		in.Delay = delay
	}
	return nil
}

// TrainingSet streams the payments of which the end is known, with the features
// that the engine would have seen, in the order of time. start is told the names
// of the features before the first row. progress, which may be nil, is told hours
// of history.
func (s *Service) TrainingSet(ctx context.Context, actor ident.Actor, in SetIn, start func(names []string) error,
	row func(*Row) error, progress func(done, total int)) error {
	if err := in.check(s.cfg.Delay); err != nil {
		return err
	}
	err := s.cfg.Access.Update(ctx, actor, access.ActRiskEdit, access.Object{ID: in.Pack},
		map[string]any{"training_set": []time.Time{in.From, in.To}}, nothing)
	if err != nil {
		return err
	}
	return s.rows(ctx, in, start, in.use(s.cfg.Clock.Now()), row, progress)
}

// use says whether a payment becomes a row, and as what.
type use func(st *step) (fraud bool, weight float64, ok bool)

// use is the rule of a training set: labels as they were known at Known, and silence
// for Delay before that.
func (in SetIn) use(now time.Time) use {
	known := now
	if !in.Known.IsZero() && in.Known.Before(now) {
		known = in.Known
	}
	mature := known.Add(-in.Delay)
	return func(st *step) (bool, float64, bool) {
		if st.labelled && st.label.ReportedAt.Before(known) {
			return st.label.Fraud, 1, true // what people have said is kept, whatever it is
		}
		if !stands(st.state) || !st.event.At.Before(mature) {
			return false, 0, false // it was stopped, or is too young to tell
		}
		return false, 1 / in.Ordinary, in.draws(st.req.ID)
	}
}

// draws picks the ordinary payments by their ids: the same ones each time.
func (in SetIn) draws(id string) bool {
	if in.Ordinary == 1 {
		return true
	}
	h := fnv.New64a()
	h.Write([]byte(id)) // a hash never fails
	return float64(h.Sum64()>>11)/(1<<53) < in.Ordinary
}

// rows walks through the span and makes the rows.
func (s *Service) rows(ctx context.Context, in SetIn, start func(names []string) error, u use,
	row func(*Row) error, progress func(done, total int)) error {
	text, err := s.textOf(ctx, in.Pack, in.Text)
	if err != nil {
		return err
	}
	pack, err := risk.LoadPack(text)
	if err != nil {
		return err
	}
	p, err := s.newPast(pack, in.From.Add(-reachOf(pack)))
	if err != nil {
		return err
	}
	if err := start(p.FeatureNames()); err != nil {
		return err
	}
	currency := pack.Info().Currency
	var r Row
	w := walk{s: s, from: in.From, to: in.To, pasts: []*past{p}, progress: progress, visit: func(st *step) error {
		if fraud, weight, ok := u(st); ok {
			var err error
			if r.Features, err = p.Features(st.event, st.facts); err != nil {
				return err
			}
			r.Payment, r.Payer, r.At, r.Minor = st.req.ID, groupOf(st.req.Payer), st.event.At, 0
			if st.req.Amount.Currency == currency {
				r.Minor = st.req.Amount.Minor
			}
			r.Fraud, r.Weight = fraud, weight
			if err := row(&r); err != nil {
				return err
			}
		}
		return count(p, st.event, st.state)
	}}
	return w.run(ctx)
}

// TrainIn says what to learn from.
type TrainIn struct {
	SetIn
	Name  string      // of the model
	Trees boost.Train // the zero value has good defaults
	// Test is the latest share of the span, by time, that the model never sees and
	// is judged by; 0.2 if zero. What lies less than Delay before it is left out: its
	// labels would not have been known.
	Test float64
	Keep bool // keep the model as a candidate
}

// TrainReport is what came of a training.
type TrainReport struct {
	Model     Model        `json:"-"`
	SHA256    string       `json:"sha256"`
	Name      string       `json:"name"`
	Kept      bool         `json:"kept"`
	From      time.Time    `json:"from"`
	TrainTo   time.Time    `json:"train_to"` // the model learned from payments before this
	TestFrom  time.Time    `json:"test_from"`
	To        time.Time    `json:"to"`
	Pack      string       `json:"pack"` // sha256 of the pack that defines the features
	Features  int          `json:"features"`
	Rows      int          `json:"rows"`
	Frauds    int          `json:"frauds"`
	Trees     int          `json:"trees"`
	Depth     int          `json:"depth"`
	Training  boost.Report `json:"training"`
	Test      Figures      `json:"test"`
	Important []Importance `json:"important"` // at most 10, the largest first
	File      []byte       `json:"-"`
}

// Importance is the share of the trees' gain that a feature has.
type Importance struct {
	Feature string  `json:"feature"`
	Share   float64 `json:"share"`
}

// Phase says what a training is at.
type Phase string

// The phases of a training.
const (
	PhaseHistory Phase = "hours of payments" // the features are made from the journal
	PhaseTrees   Phase = "trees"
)

// maxCells bounds rows times features: 1 GiB of numbers.
const maxCells = 1 << 28

// Train learns a model from the house's own records: features as the engine would
// have seen them, labels as they were known when the test began. It judges the
// model by the latest part of the span. The same history, settings and seed give
// the same file.
func (s *Service) Train(ctx context.Context, actor ident.Actor, in TrainIn, progress func(p Phase, done, total int)) (TrainReport, error) {
	if err := in.ready(s.cfg.Delay); err != nil {
		return TrainReport{}, err
	}
	if progress == nil {
		progress = func(Phase, int, int) {}
	}
	rep := TrainReport{Name: in.Name, From: in.From.UTC(), To: in.To.UTC()}
	rep.TestFrom = in.To.Add(-time.Duration(float64(in.To.Sub(in.From)) * in.Test)).UTC().Truncate(time.Microsecond)
	rep.TrainTo = rep.TestFrom.Add(-in.Delay)
	if !in.From.Before(rep.TrainTo) {
		return TrainReport{}, ident.Invalid("from", "window_too_short",
			"nothing is left to learn from: the test begins %s, and the labels of the %d days before it would not have been known",
			rep.TestFrom.Format(time.DateOnly), in.Delay/(24*time.Hour))
	}
	err := s.cfg.Access.Update(ctx, actor, access.ActRiskEdit, access.Object{ID: in.Name},
		map[string]any{"train": []time.Time{rep.From, rep.To}}, nothing)
	if err != nil {
		return TrainReport{}, err
	}
	if rep.Pack, err = s.shaOf(ctx, in.SetIn); err != nil {
		return TrainReport{}, err
	}
	data, test, err := s.split(ctx, in, &rep, func(done, total int) { progress(PhaseHistory, done, total) })
	if err != nil {
		return TrainReport{}, err
	}
	m, learned, err := boost.Fit(ctx, in.Trees, *data, func(tree, of int) { progress(PhaseTrees, tree, of) })
	if err != nil {
		return TrainReport{}, err
	}
	rep.Training, rep.Trees, rep.Depth, rep.Features = learned, m.Trees(), m.Depth(), len(data.Names)
	rep.Important = important(m)
	rep.Test = test.judge(m, rep.TestFrom, rep.To, s.cfg.Engine.Pack().Costs)
	return s.finish(ctx, actor, in, rep, m)
}

func (in *TrainIn) ready(delay time.Duration) error {
	if err := ident.CheckID("name", in.Name); err != nil {
		return err
	}
	if err := in.SetIn.check(delay); err != nil {
		return err
	}
	if in.Test == 0 {
		in.Test = 0.2
	}
	if in.Test < 0 || in.Test >= 1 || math.IsNaN(in.Test) {
		return ident.Invalid("test", "out_of_range", "the share that tests the model must be above 0 and below 1")
	}
	return nil
}

// shaOf names the pack that defines the features.
func (s *Service) shaOf(ctx context.Context, in SetIn) (string, error) {
	text, err := s.textOf(ctx, in.Pack, in.Text)
	if err != nil {
		return "", err
	}
	p, err := risk.LoadPack(text)
	if err != nil {
		return "", err
	}
	return p.Info().Version.SHA256, nil
}

// held is the part of the span that a model is judged by.
type held struct {
	rows  [][]float32
	fraud []bool
	payer []uint64
	at    []time.Time
	minor []int64
}

// split reads the span once: what the model may see, with labels as they were known
// when the test began, and what it is judged by, with labels as they are known today.
func (s *Service) split(ctx context.Context, in TrainIn, rep *TrainReport, progress func(done, total int)) (*boost.Dataset, *held, error) {
	d, h := &boost.Dataset{}, &held{}
	before, after := in.SetIn, in.SetIn
	before.Known = rep.TestFrom
	after.Ordinary = 1 // what judges is not drawn
	now := s.cfg.Clock.Now()
	learn, judge := before.use(now), after.use(now)
	u := func(st *step) (bool, float64, bool) {
		switch {
		case st.event.At.Before(rep.TrainTo):
			return learn(st)
		case st.event.At.Before(rep.TestFrom): // of these only thefts could have been known
			return false, 0, false
		}
		return judge(st)
	}
	start := func(names []string) error { d.Names = names; return nil }
	row := func(r *Row) error {
		if (d.Rows+len(h.rows)+1)*len(r.Features) > maxCells {
			return ident.E(ident.KindLimit, "training_set_large",
				"the span has more payments than fit into memory; shorten it, or keep a share of the ordinary ones")
		}
		if r.At.Before(rep.TestFrom) {
			rep.Rows++
			rep.Frauds += int(one(r.Fraud))
			learnFrom(d, r)
		} else {
			h.add(r)
		}
		return nil
	}
	err := s.rows(ctx, in.SetIn, start, u, row, progress)
	return d, h, err
}

func learnFrom(d *boost.Dataset, r *Row) {
	d.Rows++
	d.X = narrow(d.X, r.Features)
	d.Y = append(d.Y, uint8(one(r.Fraud)))
	d.Weight = append(d.Weight, float32(r.Weight))
	d.At = append(d.At, ident.Micros(r.At))
	d.Group = append(d.Group, r.Payer)
}

// narrow appends features as a model reads them.
func narrow(to []float32, from []float64) []float32 {
	for _, v := range from {
		to = append(to, float32(v))
	}
	return to
}

func (h *held) add(r *Row) {
	h.rows = append(h.rows, narrow(make([]float32, 0, len(r.Features)), r.Features))
	h.fraud, h.payer = append(h.fraud, r.Fraud), append(h.payer, r.Payer)
	h.at, h.minor = append(h.at, r.At), append(h.minor, r.Minor)
}

// judge scores what the model has never seen.
func (h *held) judge(m *boost.Model, from, to time.Time, c risk.CostsInfo) Figures {
	margins := make([]float32, len(h.rows))
	m.MarginBatch(h.rows, margins)
	var sc scored
	for i, margin := range margins {
		p := m.Calibrated(margin)
		sc.p, sc.y = append(sc.p, p), append(sc.y, uint8(one(h.fraud[i])))
		sc.group, sc.day, sc.minor = append(sc.group, h.payer[i]), append(sc.day, dayOf(h.at[i])), append(sc.minor, h.minor[i])
		sc.cost += realised(c, p, h.minor[i], h.fraud[i])
	}
	return sc.figures(from, to)
}

// important are the features that the trees gain most by.
func important(m *boost.Model) []Importance {
	names, shares := m.Features(), m.Importance()
	out := make([]Importance, 0, len(names))
	for i, name := range names {
		if shares[i] > 0 {
			out = append(out, Importance{name, shares[i]})
		}
	}
	slices.SortStableFunc(out, func(a, b Importance) int { return cmp.Compare(b.Share, a.Share) })
	return out[:min(len(out), 10)]
}

// finish writes the file, and keeps it if that was asked for.
func (s *Service) finish(ctx context.Context, actor ident.Actor, in TrainIn, rep TrainReport, m *boost.Model) (TrainReport, error) {
	var b bytes.Buffer
	if err := m.Write(&b); err != nil {
		return TrainReport{}, err
	}
	rep.File = b.Bytes()
	kept, _, err := readModel(in.Name, rep.File)
	if err != nil {
		return TrainReport{}, err
	}
	rep.SHA256 = kept.SHA256
	if !in.Keep {
		rep.Model = kept
		return rep, nil
	}
	rep.Kept = true
	if kept.Report, err = json.Marshal(rep); err != nil {
		return TrainReport{}, ident.E(ident.KindInternal, "encode", "the training's report cannot be kept").Because(err)
	}
	kept.TrainFrom, kept.TrainTo = rep.From, rep.TrainTo
	rep.Model, err = s.keepModel(ctx, actor, kept, rep.File)
	return rep, err
}

func nothing(*db.Tx) error { return nil }
