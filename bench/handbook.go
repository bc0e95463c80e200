package bench

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"surety/domain/risk"
	"surety/kernel/boost"
	"surety/kernel/ident"
	"surety/kernel/money"
)

// handbookStart is second 0 of the Fraud Detection Handbook's data.
var handbookStart = time.Date(2018, 4, 1, 0, 0, 0, 0, time.UTC)

// labelDelay is how long the book waits until a theft is known.
const labelDelay = 7 * 24 * time.Hour

// HandbookConfig says what is measured on the Handbook's data.
type HandbookConfig struct {
	Data         string   // the folder
	Transactions []string // files, joined and sorted; none: transactions.csv.gz of the folder
	// Days as 2018-08-08 or as a number from 2018-04-01; all included.
	TrainFrom, TrainTo, TestFrom, TestTo string
	Trees, Depth                         int
	Rate                                 float64
	Seed                                 uint64
	Progress                             func(what string, done, total int) // may be nil
}

// HandbookFigures are what the engine's features and trees reach.
type HandbookFigures struct {
	AP              float64 `json:"ap"`
	AUC             float64 `json:"auc"`
	CP100           float64 `json:"cp100"`
	GoldenRows      int     `json:"golden_rows"`
	GoldenRowsEqual int     `json:"golden_rows_equal"`
	Transactions    int     `json:"transactions"`
	TrainRows       int     `json:"train_rows"`
	TrainFrauds     int     `json:"train_frauds"`
	TestRows        int     `json:"test_rows"`
	TestFrauds      int     `json:"test_frauds"`
	BookTestRows    int     `json:"book_test_rows"` // of these, in the book's list of test ids; 0 if it is not asked
	Features        int     `json:"features"`
	Trees           int     `json:"trees"`
	TrainFrom       string  `json:"train_from"`
	TrainTo         string  `json:"train_to"`
	TestFrom        string  `json:"test_from"`
	TestTo          string  `json:"test_to"`
	ReplayPerSecond int64   `json:"replay_per_second"` // transactions through the engine, features and all, one core
	FitSeconds      float64 `json:"fit_seconds"`
}

// Tell writes the figures for people.
func (f HandbookFigures) Tell(w io.Writer) {
	fmt.Fprintf(w, "handbook: trained on %s..%s (%d rows, %d frauds), tested on %s..%s (%d rows, %d frauds)\n",
		f.TrainFrom, f.TrainTo, f.TrainRows, f.TrainFrauds, f.TestFrom, f.TestTo, f.TestRows, f.TestFrauds)
	fmt.Fprintf(w, "  average precision %.4f, AUC %.4f, card precision@100 %.4f (%d features, %d trees)\n",
		f.AP, f.AUC, f.CP100, f.Features, f.Trees)
	if f.GoldenRows > 0 {
		fmt.Fprintf(w, "  features equal to the book's: %d of %d rows\n", f.GoldenRowsEqual, f.GoldenRows)
	}
	fmt.Fprintf(w, "  %d transactions replayed at %d/s, trained in %.1f s\n", f.Transactions, f.ReplayPerSecond, f.FitSeconds)
	drawBars(w, "average precision on the book's test set (the others: published there)", []bar{
		{"logistic regression", .606, "0.606"}, {"random forest", .658, "0.658"}, {"XGBoost defaults", .639, "0.639"},
		{"this run", f.AP, strconv.FormatFloat(f.AP, 'f', 4, 64)}})
}

// swipe is one transaction of the data.
type swipe struct {
	id, second, customer, terminal, minor int64
	fraud                                 bool
}

func (s swipe) at() time.Time { return handbookStart.Add(time.Duration(s.second) * time.Second) }
func (s swipe) day() int      { return int(s.second / 86400) }

func (s swipe) event() risk.Event {
	terminal := "T" + strconv.FormatInt(s.terminal, 10)
	return risk.Event{ID: strconv.FormatInt(s.id, 10), At: s.at(), Payer: "C" + strconv.FormatInt(s.customer, 10), Payee: terminal,
		Terminal: terminal, Amount: money.Of(s.minor, "EUR"), Type: risk.Purchase, Channel: "card"}
}

// Handbook replays raw transactions through the engine, with every theft's label
// told seven days after it, trains on the rows whose label was known when the
// test began, and scores the test days without the cards already known.
func Handbook(ctx context.Context, c HandbookConfig) (f HandbookFigures, err error) {
	split, err := c.split()
	if err != nil {
		return f, err
	}
	f.TrainFrom, f.TrainTo, f.TestFrom, f.TestTo = split.names()
	swipes, err := c.read()
	if err != nil {
		return f, err
	}
	f.Transactions = len(swipes)
	golden, err := readGolden(c.Data, len(c.Transactions) == 0)
	if err != nil {
		return f, err
	}
	r := &rehearsal{cfg: c, split: split, golden: golden, figures: &f}
	if err := r.replay(ctx, swipes); err != nil {
		return f, err
	}
	return f, r.judge(ctx)
}

// days are a split, in days from the start of the data, all included.
type days struct{ trainFrom, trainTo, testFrom, testTo int }

func (d days) names() (a, b, c, e string) {
	name := func(n int) string { return handbookStart.AddDate(0, 0, n).Format(time.DateOnly) }
	return name(d.trainFrom), name(d.trainTo), name(d.testFrom), name(d.testTo)
}

// split reads the days; by default the book's test week, and as training the 90
// days whose labels were known on its first morning.
func (c HandbookConfig) split() (d days, err error) {
	if d.testFrom, err = dayOf("test-from", c.TestFrom, 129); err != nil {
		return d, err
	}
	if d.testTo, err = dayOf("test-to", c.TestTo, d.testFrom+6); err != nil {
		return d, err
	}
	if d.trainTo, err = dayOf("train-to", c.TrainTo, d.testFrom-8); err != nil {
		return d, err
	}
	if d.trainFrom, err = dayOf("train-from", c.TrainFrom, max(0, d.trainTo-89)); err != nil {
		return d, err
	}
	if d.trainFrom < 0 || d.trainFrom > d.trainTo || d.testFrom > d.testTo || d.trainTo >= d.testFrom {
		return d, ident.Invalid("train-to", "split_invalid", "training must end before the test begins, and each from its own start: %v", d)
	}
	return d, nil
}

func dayOf(flag, s string, usual int) (int, error) {
	if s == "" {
		return usual, nil
	}
	if n, err := strconv.Atoi(s); err == nil {
		return n, nil
	}
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		return 0, ident.Invalid(flag, "day", "--%s is %q; write a day like 2018-08-08, or its number from 2018-04-01", flag, s)
	}
	return int(t.Sub(handbookStart) / (24 * time.Hour)), nil
}

func (c HandbookConfig) read() (out []swipe, err error) {
	files := c.Transactions
	if len(files) == 0 {
		files = []string{filepath.Join(c.Data, "transactions.csv.gz")}
	}
	for _, path := range files {
		t, err := openTable(path, "TRANSACTION_ID", "TX_TIME_SECONDS", "CUSTOMER_ID", "TERMINAL_ID", "TX_AMOUNT", "TX_FRAUD")
		if err != nil {
			return nil, err
		}
		err = t.each(func(rec []string) error {
			var s swipe
			for _, f := range []struct {
				to     *int64
				column string
			}{{&s.id, "TRANSACTION_ID"}, {&s.second, "TX_TIME_SECONDS"}, {&s.customer, "CUSTOMER_ID"}, {&s.terminal, "TERMINAL_ID"}} {
				if *f.to, err = t.integer(rec, f.column); err != nil {
					return err
				}
			}
			if s.minor, err = t.minor(rec, "TX_AMOUNT"); err != nil {
				return err
			}
			n, err := t.integer(rec, "TX_FRAUD")
			s.fraud = n != 0
			out = append(out, s)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(out, func(a, b swipe) int { return cmp.Or(cmp.Compare(a.second, b.second), cmp.Compare(a.id, b.id)) })
	return out, nil
}

// goldenRows are the book's own values of its engineered features.
type goldenRows struct {
	names []string
	rows  map[int64][]float32
}

func readGolden(dir string, want bool) (goldenRows, error) {
	g := goldenRows{rows: map[int64][]float32{}}
	t, err := openTable(filepath.Join(dir, "features_0725_0814.csv.gz"), "TRANSACTION_ID")
	if err != nil {
		if !want || ident.CodeOf(err) == "file_missing" {
			return g, nil // other data: nothing to compare with
		}
		return g, err
	}
	g.names = t.header[1:]
	return g, t.each(func(rec []string) error {
		id, err := t.integer(rec, "TRANSACTION_ID")
		if err != nil {
			return err
		}
		g.rows[id], err = t.float32s(rec, 1, len(rec))
		return err
	})
}

// rehearsal is one replay and what is kept of it.
type rehearsal struct {
	cfg     HandbookConfig
	split   days
	golden  goldenRows
	figures *HandbookFigures

	columns []int // places of the model's inputs among the engine's features
	against []int // places of the golden columns
	train   boost.Dataset
	test    boost.Dataset
	day     []int64           // of each test row
	frauds  map[int64][]int64 // days of a customer's frauds, for the cards already known
	swiped  []swipe           // test rows
}

// replay lets the engine live the whole time, payment by payment.
func (r *rehearsal) replay(ctx context.Context, swipes []swipe) error {
	clock := ident.NewManualClock(handbookStart)
	en, err := risk.New(risk.Config{Clock: clock, Pack: risk.HandbookPack()})
	if err != nil {
		return err
	}
	if err := r.choose(en); err != nil {
		return err
	}
	r.frauds = map[int64][]int64{}
	start := ident.WallClock{}.Now()
	labelled := 0
	for i, s := range swipes {
		if i%4096 == 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
			r.tell("transactions replayed", i, len(swipes))
		}
		clock.Set(s.at())
		for ; labelled < i && !swipes[labelled].at().Add(labelDelay).After(s.at()); labelled++ {
			if l := swipes[labelled]; l.fraud {
				if err := en.Label(l.event(), true); err != nil {
					return err
				}
			}
		}
		e := s.event()
		values, err := en.Features(e, risk.Facts{})
		if err != nil {
			return err
		}
		if err := en.Observe(e); err != nil {
			return err
		}
		r.keep(s, values)
	}
	spent := ident.WallClock{}.Now().Sub(start)
	r.figures.ReplayPerSecond = int64(float64(len(swipes)) / max(spent.Seconds(), 1e-9))
	r.tell("transactions replayed", len(swipes), len(swipes))
	return nil
}

func (r *rehearsal) tell(what string, done, total int) {
	if r.cfg.Progress != nil {
		r.cfg.Progress(what, done, total)
	}
}

// choose finds the model's inputs and the golden columns by name.
func (r *rehearsal) choose(en *risk.Engine) error {
	place := map[string]int{}
	for i, name := range en.FeatureNames() {
		place[name] = i
	}
	for _, f := range en.Pack().Features {
		if f.Alias == "" {
			continue
		}
		place[f.Alias] = place[f.Name]
		r.columns = append(r.columns, place[f.Name])
		r.train.Names = append(r.train.Names, f.Name)
	}
	r.test.Names = r.train.Names
	r.figures.Features = len(r.columns)
	for _, name := range r.golden.names {
		i, ok := place[name]
		if !ok {
			return ident.E(ident.KindInternal, "pack", "the handbook's pack has no feature %s", name)
		}
		r.against = append(r.against, i)
	}
	return nil
}

// keep compares a row with the golden one and puts it where it belongs.
func (r *rehearsal) keep(s swipe, values []float64) {
	if want, ok := r.golden.rows[s.id]; ok {
		r.figures.GoldenRows++
		same := true
		for i, at := range r.against {
			same = same && alike(values[at], float64(want[i]))
		}
		if same {
			r.figures.GoldenRowsEqual++
		}
	}
	if s.fraud {
		r.frauds[s.customer] = append(r.frauds[s.customer], int64(s.day()))
	}
	switch d := s.day(); {
	case d >= r.split.trainFrom && d <= r.split.trainTo && d+int(labelDelay/(24*time.Hour)) < r.split.testFrom+1:
		r.add(&r.train, s, values)
	case d >= r.split.testFrom && d <= r.split.testTo && !r.known(s):
		r.add(&r.test, s, values)
		r.day = append(r.day, int64(d))
		r.swiped = append(r.swiped, s)
	}
}

// alike: six significant digits are what the golden file has.
func alike(got, want float64) bool {
	return math.Abs(got-want) <= 1e-5*max(1e-9, math.Abs(want)) || math.Abs(got-want) < 1e-9
}

// known says that the book would not test this card any more: a theft on it was
// known by then, in its own training week or, a week late, in the days after.
func (r *rehearsal) known(s swipe) bool {
	from, to := int64(r.split.testFrom-14), int64(s.day()-8)
	return slices.ContainsFunc(r.frauds[s.customer], func(d int64) bool { return d >= from && d <= to })
}

func (r *rehearsal) add(d *boost.Dataset, s swipe, values []float64) {
	for _, at := range r.columns {
		d.X = append(d.X, float32(values[at]))
	}
	y := uint8(0)
	if s.fraud {
		y = 1
	}
	d.Y, d.At, d.Group = append(d.Y, y), append(d.At, ident.Micros(s.at())), append(d.Group, uint64(s.customer))
	d.Rows++
}

// judge trains and measures.
func (r *rehearsal) judge(ctx context.Context) error {
	f := r.figures
	f.TrainRows, f.TestRows, f.TrainFrauds, f.TestFrauds = r.train.Rows, r.test.Rows, positives(r.train.Y), positives(r.test.Y)
	if f.TrainFrauds == 0 || f.TestFrauds == 0 {
		return ident.Invalid("data", "no_frauds", "there is no fraud in the days of training (%d) or of the test (%d)",
			f.TrainFrauds, f.TestFrauds)
	}
	if err := r.compareTestSet(); err != nil {
		return err
	}
	cfg := boost.Train{Trees: cmp.Or(r.cfg.Trees, 300), Depth: cmp.Or(r.cfg.Depth, 4), Rate: cmp.Or(r.cfg.Rate, .05),
		Seed: cmp.Or(r.cfg.Seed, 1)}
	start := ident.WallClock{}.Now()
	m, _, err := boost.Fit(ctx, cfg, r.train, func(tree, of int) { r.tell("trees grown", tree, of) })
	if err != nil {
		return err
	}
	f.FitSeconds = ident.WallClock{}.Now().Sub(start).Seconds()
	f.Trees = m.Trees()
	scores := make([]float64, r.test.Rows)
	n := len(r.columns)
	for i := range scores {
		scores[i] = float64(m.Margin(r.test.X[i*n : (i+1)*n]))
	}
	f.AP, f.AUC = boost.AveragePrecision(scores, r.test.Y), boost.AUC(scores, r.test.Y)
	f.CP100 = boost.CardPrecision(scores, r.test.Y, r.test.Group, r.day, 100)
	return nil
}

func positives(y []uint8) (n int) {
	for _, v := range y {
		n += int(v)
	}
	return n
}

// compareTestSet counts the test rows that stand in the book's own list.
func (r *rehearsal) compareTestSet() error {
	if r.split.testFrom != 129 || r.split.testTo != 135 {
		return nil
	}
	t, err := openTable(filepath.Join(r.cfg.Data, "book_test_ids.csv.gz"), "TRANSACTION_ID")
	if err != nil {
		if ident.CodeOf(err) == "file_missing" {
			return nil
		}
		return err
	}
	ids := map[int64]bool{}
	if err := t.each(func(rec []string) error {
		id, err := t.integer(rec, "TRANSACTION_ID")
		ids[id] = true
		return err
	}); err != nil {
		return err
	}
	for _, s := range r.swiped {
		if ids[s.id] {
			r.figures.BookTestRows++
		}
	}
	if r.figures.BookTestRows != len(ids) || len(ids) != len(r.swiped) {
		return ident.E(ident.KindInternal, "test_set", "our test set has %d rows, %d of them among the book's %d",
			len(r.swiped), r.figures.BookTestRows, len(ids))
	}
	return nil
}
