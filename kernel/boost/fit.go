package boost

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"surety/kernel/ident"
)

// Dataset is rows to train on. Weight, At and Group may be nil.
type Dataset struct {
	Names  []string  // of the features, by column; unique
	Rows   int       // number of rows
	X      []float32 // row-major, Rows x len(Names); NaN is missing; infinite values are refused
	Y      []uint8   // 1 fraud, 0 good
	Weight []float32 // of each row in training, above 0; how much a fraud counts against a good row
	At     []int64   // microseconds; nil: the rows are in time order
	Group  []uint64  // card or payer, for the card precision of the report; rows are drawn one by one, not by group
}

// Train says how to train. A zero field takes the default in brackets.
type Train struct {
	Trees          int     `json:"trees"`            // at most [300]
	Depth          int     `json:"depth"`            // questions on a path, 1 to 12 [4]
	Rate           float64 `json:"rate"`             // share of each step that is taken, (0, 1] [0.05]
	Lambda         float64 `json:"lambda"`           // ridge on leaf values [1]
	Gamma          float64 `json:"gamma"`            // gain that a split must bring [0]
	MinChildWeight float64 `json:"min_child_weight"` // least sum of hessians on either side of a split [1]
	RowShare       float64 `json:"row_share"`        // of the rows, drawn anew for each tree, (0, 1] [1]
	ColShare       float64 `json:"col_share"`        // of the features, drawn anew for each tree, (0, 1] [1]
	Bins           int     `json:"bins"`             // of a feature, that for missing values included, 3 to 256 [256]
	Stop           int     `json:"stop"`             // trees without a better loss on the latest rows before it stops [0: never]
	ValidShare     float64 `json:"valid_share"`      // latest rows held out if Stop or Calibrate is set, (0, 0.9] [0.2]
	Calibrate      bool    `json:"calibrate"`        // fit a calibration on the rows held out
	Refit          bool    `json:"refit"`            // then train again on all rows with the number of trees that was best
	Seed           uint64  `json:"seed"`             // of the draws of rows and columns
	Threads        int     `json:"-"`                // at work; cannot be seen in the model [1]
}

// Round is the loss after a tree: the weighted mean log loss of a fixed sample
// of the training rows and of the rows held out (0 if there are none).
type Round struct {
	Train float64 `json:"train"`
	Valid float64 `json:"valid"`
}

// Quality is how a model does on the rows held out.
type Quality struct {
	AUC           float64 `json:"auc"`
	AP            float64 `json:"ap"`             // average precision
	CardPrecision float64 `json:"card_precision"` // at 100 a day; 0 without groups and times
	LogLoss       float64 `json:"log_loss"`       // of the calibrated probabilities, every row counting once
	Brier         float64 `json:"brier"`
	RawLogLoss    float64 `json:"raw_log_loss"` // of the sigmoid of the margin
}

// Report is what Fit wrote down; it is stored in the model's file.
type Report struct {
	Settings    Train   `json:"settings"` // with the defaults filled in
	Rows        int     `json:"rows"`
	Frauds      int     `json:"frauds"`
	ValidRows   int     `json:"valid_rows"`   // held out, the latest
	ValidFrauds int     `json:"valid_frauds"` // among them
	From        int64   `json:"from"`         // first and last time of the rows, microseconds; 0 without times
	To          int64   `json:"to"`
	ValidFrom   int64   `json:"valid_from"` // first time of the rows held out
	Trees       int     `json:"trees"`      // kept
	Grown       int     `json:"grown"`      // before it stopped
	Refitted    bool    `json:"refitted"`   // on all rows; Valid and Curve tell of the model before
	Valid       Quality `json:"valid"`
	Curve       []Round `json:"curve"`
}

func (r *Report) clone() Report {
	out := *r
	out.Curve = slices.Clone(r.Curve)
	return out
}

// maxRows holds row numbers in 31 bits.
const maxRows = 1 << 30

// Fit trains a model on the rows. With Stop or Calibrate the latest ValidShare
// of the rows (those of one moment stay together) is held out; it keeps the
// trees up to the best loss there. The result depends on cfg, the data and the
// seed alone. progress may be nil; it hears of each tree in turn. An error is of
// kind invalid and names the setting, row or column; if ctx ends, it is ctx's.
func Fit(ctx context.Context, cfg Train, d Dataset, progress func(tree, of int)) (*Model, Report, error) {
	cfg, err := cfg.fill()
	if err == nil {
		err = d.check()
	}
	if err != nil {
		return nil, Report{}, err
	}
	if progress == nil {
		progress = func(int, int) {}
	}
	order, valid, err := d.split(cfg)
	if err != nil {
		return nil, Report{}, err
	}
	rep := Report{Settings: cfg, Rows: d.Rows, ValidRows: valid}
	d.describe(&rep, order, valid)
	g := newGrower(cfg, d, order, valid)
	trees, curve, err := g.boost(ctx, cfg.Trees, progress)
	if err != nil {
		return nil, Report{}, err
	}
	rep.Grown, rep.Curve = len(trees), curve
	if valid > 0 && cfg.Stop > 0 {
		trees = trees[:best(curve)+1]
	}
	rep.Trees = len(trees)
	m, err := g.model(d.Names, trees)
	if err != nil {
		return nil, Report{}, err
	}
	held := m.measure(d, order, valid, cfg, &rep)
	scores := m.scoreBins(d, order, held)
	if cfg.Refit && valid > 0 {
		calibration := m.calibration
		g = newGrower(cfg, d, order, 0)
		if trees, _, err = g.boost(ctx, len(trees), progress); err != nil {
			return nil, Report{}, err
		}
		if m, err = g.model(d.Names, trees); err != nil {
			return nil, Report{}, err
		}
		m.calibration, rep.Refitted = calibration, true
	}
	m.bins = append(g.featureBins(d.Names), scores)
	stored := rep.clone()
	m.report = &stored
	return m, rep, nil
}

// best is the first round with the least loss on the rows held out.
func best(curve []Round) int {
	at := 0
	for i, r := range curve {
		if r.Valid < curve[at].Valid {
			at = i
		}
	}
	return at
}

// fill puts the defaults in and checks the bounds.
func (c Train) fill() (Train, error) {
	c.Trees, c.Depth = cmp.Or(c.Trees, 300), cmp.Or(c.Depth, 4)
	c.Rate, c.Lambda = cmp.Or(c.Rate, 0.05), cmp.Or(c.Lambda, 1)
	c.MinChildWeight = cmp.Or(c.MinChildWeight, 1)
	c.RowShare, c.ColShare = cmp.Or(c.RowShare, 1), cmp.Or(c.ColShare, 1)
	c.Bins, c.ValidShare, c.Threads = cmp.Or(c.Bins, maxBins), cmp.Or(c.ValidShare, 0.2), max(c.Threads, 1)
	for _, b := range []struct {
		name     string
		x        float64
		min, max float64
	}{
		{"trees", float64(c.Trees), 1, maxTrees}, {"depth", float64(c.Depth), 1, 12}, {"rate", c.Rate, 1e-6, 1},
		{"lambda", c.Lambda, 0, 1e9}, {"gamma", c.Gamma, 0, 1e9}, {"min_child_weight", c.MinChildWeight, 0, 1e9},
		{"row_share", c.RowShare, 1e-6, 1}, {"col_share", c.ColShare, 1e-6, 1}, {"bins", float64(c.Bins), 3, maxBins},
		{"stop", float64(c.Stop), 0, maxTrees}, {"valid_share", c.ValidShare, 1e-6, 0.9}, {"threads", float64(c.Threads), 1, 1024},
	} {
		if !(b.x >= b.min && b.x <= b.max) {
			return c, ident.Invalid(b.name, "train_setting", "%s is %v, it must be between %v and %v", b.name, b.x, b.min, b.max)
		}
	}
	return c, nil
}

// check refuses data that do not fit together.
func (d *Dataset) check() error {
	bad := func(field, format string, args ...any) error {
		return ident.Invalid(field, "train_data", format, args...)
	}
	f := len(d.Names)
	if f < 1 || f > maxFeatures {
		return bad("names", "there are %d features, 1 to %d are allowed", f, maxFeatures)
	}
	for i, n := range d.Names {
		if n == "" || len(n) > maxName || strings.ContainsAny(n, "[]<\x00") || strings.ToValidUTF8(n, "") != n {
			return bad("names", "feature %d has the name %q: 1 to %d bytes without [, ] and < are allowed", i, n, maxName)
		}
		if slices.Index(d.Names, n) != i {
			return bad("names", "two features have the name %q", n)
		}
	}
	if d.Rows < 2 || d.Rows > maxRows {
		return bad("rows", "there are %d rows, 2 to %d are allowed", d.Rows, maxRows)
	}
	for _, s := range []struct {
		name string
		n    int
		free bool
	}{
		{"x", len(d.X) / f, false}, {"y", len(d.Y), false}, {"weight", len(d.Weight), d.Weight == nil},
		{"at", len(d.At), d.At == nil}, {"group", len(d.Group), d.Group == nil},
	} {
		if s.n != d.Rows && !s.free {
			return bad(s.name, "%s has %d rows, there are %d", s.name, s.n, d.Rows)
		}
	}
	if len(d.X)%f != 0 {
		return bad("x", "x has %d values, which are no whole rows of %d", len(d.X), f)
	}
	for i, x := range d.X {
		if math.IsInf(float64(x), 0) {
			return bad("x", "row %d: %s is infinite; a value that is not known is NaN", i, d.Names[i%f])
		}
	}
	for i, y := range d.Y {
		if y > 1 {
			return bad("y", "row %d: the label is %d, it must be 0 or 1", i, y)
		}
	}
	for i, w := range d.Weight {
		if !(w > 0 && w <= 1e6) {
			return bad("weight", "row %d: the weight is %v, it must be above 0 and at most 1e6", i, w)
		}
	}
	return nil
}

// split returns the rows in time order and how many at the end are held out.
func (d *Dataset) split(cfg Train) (order []int32, valid int, err error) {
	order = make([]int32, d.Rows)
	for i := range order {
		order[i] = int32(i)
	}
	if d.At != nil {
		slices.SortStableFunc(order, func(a, b int32) int { return cmp.Compare(d.At[a], d.At[b]) })
	}
	train := d.Rows
	if cfg.Stop > 0 || cfg.Calibrate {
		train = d.Rows - int(math.Round(float64(d.Rows)*cfg.ValidShare))
		train = min(max(train, 1), d.Rows-1)
		if d.At != nil { // rows of one moment stay together
			cut := train
			for train < d.Rows && d.At[order[train]] == d.At[order[train-1]] {
				train++
			}
			for train == d.Rows && cut > 0 && d.At[order[cut-1]] == d.At[order[cut]] {
				cut--
			}
			if train == d.Rows {
				train = cut
			}
		}
		if train == 0 {
			return nil, 0, ident.Invalid("at", "train_one_moment", "all rows are of one moment: none can be held out as the latest")
		}
	}
	frauds := func(rows []int32) (n int) {
		for _, r := range rows {
			n += int(d.Y[r])
		}
		return n
	}
	if n := frauds(order[:train]); n == 0 || n == train {
		return nil, 0, ident.Invalid("y", "train_one_kind",
			"all %d rows to train on are of one kind (%d frauds): frauds and good rows are needed", train, n)
	}
	if n := frauds(order[train:]); train < d.Rows && (n == 0 || n == d.Rows-train) {
		return nil, 0, ident.Invalid("y", "train_one_kind",
			"all %d latest rows that are held out are of one kind (%d frauds): take a larger share or more rows", d.Rows-train, n)
	}
	return order, d.Rows - train, nil
}

// describe writes down what the rows are.
func (d *Dataset) describe(rep *Report, order []int32, valid int) {
	for i, r := range order {
		rep.Frauds += int(d.Y[r])
		if i >= len(order)-valid {
			rep.ValidFrauds += int(d.Y[r])
		}
	}
	if d.At == nil {
		return
	}
	rep.From, rep.To = d.At[order[0]], d.At[order[len(order)-1]]
	if valid > 0 {
		rep.ValidFrom = d.At[order[len(order)-valid]]
	}
}

func (d *Dataset) row(r int32) []float32 {
	f := len(d.Names)
	return d.X[int(r)*f : int(r)*f+f]
}

// measure scores the rows held out, fits the calibration and fills in the
// report. It returns their margins.
func (m *Model) measure(d Dataset, order []int32, valid int, cfg Train, rep *Report) []float32 {
	if valid == 0 {
		return nil
	}
	held := order[len(order)-valid:]
	margins := m.margins(d, held)
	y := make([]uint8, valid)
	for i, r := range held {
		y[i] = d.Y[r]
	}
	if cfg.Calibrate {
		if c, ok := Calibrate(margins, y); ok {
			m.calibration = &c
		}
	}
	scores, p, raw := make([]float64, valid), make([]float64, valid), make([]float64, valid)
	for i, x := range margins {
		scores[i], p[i], raw[i] = float64(x), m.Calibrated(x), sigmoid(float64(x))
	}
	rep.Valid = Quality{AUC: AUC(scores, y), AP: AveragePrecision(scores, y),
		LogLoss: LogLoss(p, y), Brier: Brier(p, y), RawLogLoss: LogLoss(raw, y)}
	if d.Group != nil && d.At != nil {
		group, day := make([]uint64, valid), make([]int64, valid)
		for i, r := range held {
			group[i], day[i] = d.Group[r], floorDay(d.At[r])
		}
		rep.Valid.CardPrecision = CardPrecision(scores, y, group, day, 100)
	}
	return margins
}

// floorDay is the day (UTC) of a time in microseconds.
func floorDay(at int64) int64 {
	const day = 24 * 3600 * 1_000_000
	q := at / day
	if at%day < 0 {
		q--
	}
	return q
}

// margins scores some rows of the data.
func (m *Model) margins(d Dataset, rows []int32) []float32 {
	out := make([]float32, len(rows))
	batch := make([][]float32, 0, 512)
	for i := 0; i < len(rows); i += cap(batch) {
		batch = batch[:0]
		for _, r := range rows[i:min(i+cap(batch), len(rows))] {
			batch = append(batch, d.row(r))
		}
		m.MarginBatch(batch, out[i:i+len(batch)])
	}
	return out
}

// driftBins is how many bins a feature has for drift, the missing one aside.
const driftBins = 10

// scoreBins cuts the margins into bins: of the rows held out if there are any,
// for on rows it learned from a model is surer than it will ever be again.
func (m *Model) scoreBins(d Dataset, order []int32, held []float32) Bins {
	if held == nil {
		held = m.margins(d, order)
	}
	return NewBins("score", held, driftBins)
}

// sample draws the rows or columns of one tree: each of n with the given share,
// at least one, ascending.
func sample(r *rand.Rand, n int, share float64, out []int32) []int32 {
	out = out[:0]
	for i := range n {
		if r.Float64() < share {
			out = append(out, int32(i))
		}
	}
	if len(out) == 0 {
		out = append(out, int32(r.IntN(n)))
	}
	return out
}

// model makes a Model of grown trees.
func (g *grower) model(names []string, trees []tree) (*Model, error) {
	m := &Model{names: slices.Clone(names), features: len(names), baseScore: g.baseScore, trees: trees, head: freshHeader()}
	if err := m.seal(); err != nil {
		return nil, fmt.Errorf("what was trained is not a model: %w", err)
	}
	return m, nil
}
