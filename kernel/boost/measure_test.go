package boost

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestMeasuresOfKnownCases(t *testing.T) {
	for _, c := range []struct {
		scores  []float64
		y       []uint8
		auc, ap float64
	}{
		{[]float64{0.1, 0.4, 0.35, 0.8}, []uint8{0, 0, 1, 1}, 0.75, 5.0 / 6}, // scikit-learn's example
		{[]float64{1, 2, 3}, []uint8{0, 0, 1}, 1, 1},
		{[]float64{3, 2, 1}, []uint8{0, 0, 1}, 0, 1.0 / 3},
		{[]float64{5, 5, 5, 5}, []uint8{0, 1, 0, 0}, 0.5, 0.25}, // one threshold
		{[]float64{2, 1, 1, 0}, []uint8{1, 1, 0, 0}, 3.5 / 4, 0.5 + 0.5*2/3},
		{[]float64{math.NaN(), 1}, []uint8{1, 0}, 0, 0.5}, // NaN is the lowest
	} {
		if got := AUC(c.scores, c.y); math.Abs(got-c.auc) > 1e-15 {
			t.Errorf("%v %v: AUC %v, want %v", c.scores, c.y, got, c.auc)
		}
		if got := AveragePrecision(c.scores, c.y); math.Abs(got-c.ap) > 1e-15 {
			t.Errorf("%v %v: AP %v, want %v", c.scores, c.y, got, c.ap)
		}
	}
	if !math.IsNaN(AUC([]float64{1, 2}, []uint8{0, 0})) || !math.IsNaN(AUC(nil, nil)) || AveragePrecision([]float64{1}, []uint8{0}) != 0 {
		t.Error("rows of one kind")
	}
}

func TestMeasuresByDefinition(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 9))
	for range 50 {
		n := 2 + r.IntN(60)
		scores, y := make([]float64, n), make([]uint8, n)
		for i := range n {
			scores[i], y[i] = float64(r.IntN(12)), uint8(r.IntN(2))
		}
		y[0], y[1] = 0, 1
		pairs, above, frauds := 0.0, 0.0, 0.0
		ap := 0.0
		for i := range n {
			if y[i] == 1 {
				frauds++
			}
			for k := range n {
				if y[i] == 1 && y[k] == 0 {
					pairs++
					switch {
					case scores[i] > scores[k]:
						above++
					case scores[i] == scores[k]:
						above += 0.5
					}
				}
			}
		}
		before := 0.0
		for at := 11.0; at >= 0; at-- { // every threshold from above
			hits, alerts := 0.0, 0.0
			for i := range n {
				if scores[i] >= at {
					alerts++
					hits += float64(y[i])
				}
			}
			if alerts > 0 {
				ap += (hits/frauds - before) * hits / alerts
			}
			before = hits / frauds
		}
		if got := AUC(scores, y); math.Abs(got-above/pairs) > 1e-12 {
			t.Fatalf("AUC %v, want %v", got, above/pairs)
		}
		if got := AveragePrecision(scores, y); math.Abs(got-ap) > 1e-12 {
			t.Fatalf("AP %v, want %v", got, ap)
		}
	}
}

func TestCardPrecision(t *testing.T) {
	scores := []float64{9, 1, 8, 7, 3 /* day 2 */, 9, 8, 2, 1}
	y := []uint8{1, 0, 0, 1, 1 /* */, 1, 0, 1, 0}
	card := []uint64{1, 1, 2, 3, 4 /* */, 1, 2, 4, 5}
	day := []int64{1, 1, 1, 1, 1 /* */, 2, 2, 2, 2}
	// Day 1, two cards: 1 (fraud) and 2 (none). Day 2 without card 1: 2 (none), 4 (fraud).
	if got := CardPrecision(scores, y, card, day, 2); got != 0.5 {
		t.Errorf("at 2: %v, want 0.5", got)
	}
	// At 1: card 1; then card 2 without fraud.
	if got := CardPrecision(scores, y, card, day, 1); got != 0.5 {
		t.Errorf("at 1: %v, want 0.5", got)
	}
	// At 100 all are looked at: 3 of day 1; on day 2 none that is not known has a fraud.
	if got := CardPrecision(scores, y, card, day, 100); got != (0.03+0)/2 {
		t.Errorf("at 100: %v, want 0.015", got)
	}
	// A card's fraud counts though another of its payments has the highest score.
	if got := CardPrecision([]float64{9, 1, 5}, []uint8{0, 1, 0}, []uint64{1, 1, 2}, []int64{0, 0, 0}, 1); got != 1 {
		t.Errorf("a card's lower payment is the fraud: %v, want 1", got)
	}
	if CardPrecision(nil, nil, nil, nil, 5) != 0 || CardPrecision(scores, y, card, day, 0) != 0 {
		t.Error("nothing to look at")
	}
	// The rows' order says nothing.
	r := rand.New(rand.NewPCG(4, 4))
	p := r.Perm(len(scores))
	s2, y2, c2, d2 := make([]float64, 9), make([]uint8, 9), make([]uint64, 9), make([]int64, 9)
	for i, k := range p {
		s2[i], y2[i], c2[i], d2[i] = scores[k], y[k], card[k], day[k]
	}
	if CardPrecision(s2, y2, c2, d2, 2) != 0.5 {
		t.Error("the order of the rows counts")
	}
}

func TestLosses(t *testing.T) {
	if got := LogLoss([]float64{0.5, 0.25}, []uint8{1, 0}); math.Abs(got-(math.Log(2)-math.Log(0.75))/2) > 1e-15 {
		t.Errorf("log loss %v", got)
	}
	if got := LogLoss([]float64{0}, []uint8{1}); got < 30 || math.IsInf(got, 0) {
		t.Errorf("log loss of a certain mistake %v", got)
	}
	if got := Brier([]float64{0.5, 0.25}, []uint8{1, 0}); got != (0.25+0.0625)/2 {
		t.Errorf("Brier %v", got)
	}
	if LogLoss(nil, nil) != 0 || Brier(nil, nil) != 0 {
		t.Error("of nothing")
	}
}

// rising checks that a calibration never falls and stays in [0, 1].
func rising(t *testing.T, c Calibration) {
	t.Helper()
	if err := c.check(); err != nil {
		t.Fatal(err)
	}
	before := -1.0
	for x := float32(-40); x < 40; x += 0.003 {
		p := c.Of(x)
		if !(p >= 0 && p <= 1) || p < before {
			t.Fatalf("%s: at %v it is %v, before it was %v", c.Kind, x, p, before)
		}
		before = p
	}
}

// The true curve is known: calibration must find it from margins that are off.
func TestCalibrationFindsTheTruth(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	for _, c := range []struct {
		rows  int
		kind  string
		allow float64
	}{{200_000, Isotonic, 0.02}, {2000, Platt, 0.04}} {
		margins, y := make([]float32, c.rows), make([]uint8, c.rows)
		truth := func(m float32) float64 { return sigmoid(0.5*float64(m) - 3.5) }
		for i := range margins {
			margins[i] = float32(r.NormFloat64() * 2)
			y[i] = uint8(b2i(r.Float64() < truth(margins[i])))
		}
		got, ok := Calibrate(margins, y)
		if !ok || got.Kind != c.kind || got.Rows != c.rows {
			t.Fatalf("%d rows: %v %+v", c.rows, ok, got.Kind)
		}
		rising(t, got)
		for x := float32(-4); x <= 4; x += 0.1 {
			if d := got.Of(x) - truth(x); math.Abs(d) > c.allow {
				t.Errorf("%s: at %v it is %v, the truth is %v", c.kind, x, got.Of(x), truth(x))
			}
		}
	}
}

// Pool adjacent violators is the least-squares rising fit: no rising step
// function over the same rows is closer.
func TestIsotonicIsTheClosest(t *testing.T) {
	r := rand.New(rand.NewPCG(6, 6))
	margins, y := make([]float32, 400), make([]uint8, 400)
	for i := range margins {
		margins[i], y[i] = float32(r.IntN(40)), uint8(r.IntN(2))
	}
	c := isotonic(margins, y)
	rising(t, c)
	// Min-max formula: fit at x is max over a <= x of min over b >= x of mean(a..b).
	var rows, frauds [40]float64
	for i, m := range margins {
		rows[int(m)]++
		frauds[int(m)] += float64(y[i])
	}
	for x := range 40 {
		want := 0.0
		for a := 0; a <= x; a++ {
			least := 1.0
			for b := x; b < 40; b++ {
				n, f := 0.0, 0.0
				for k := a; k <= b; k++ {
					n, f = n+rows[k], f+frauds[k]
				}
				least = min(least, f/n)
			}
			want = max(want, least)
		}
		// A step's middle has the step's value; find the step that x is in.
		k, _ := slices.BinarySearchFunc(c.Prob, want-1e-9, func(p, w float64) int {
			if p < w {
				return -1
			}
			return 1
		})
		if k == len(c.Prob) || math.Abs(c.Prob[k]-want) > 1e-9 {
			t.Errorf("no step has the value %v at %d: %v", want, x, c.Prob)
		}
	}
}

func TestCalibrationOfHardCases(t *testing.T) {
	if _, ok := Calibrate([]float32{1, 2}, []uint8{0, 0}); ok {
		t.Error("rows of one kind were calibrated")
	}
	for name, c := range map[string]struct {
		margins []float32
		y       []uint8
	}{
		"apart":    {[]float32{-5, -4, 4, 5}, []uint8{0, 0, 1, 1}},
		"opposite": {[]float32{-5, -4, 4, 5}, []uint8{1, 1, 0, 0}},
		"alike":    {[]float32{2, 2, 2, 2}, []uint8{1, 0, 0, 0}},
		"huge":     {[]float32{-1e6, 1e6, 3}, []uint8{0, 1, 0}},
	} {
		got, ok := Calibrate(c.margins, c.y)
		if !ok {
			t.Fatalf("%s: not calibrated", name)
		}
		rising(t, got)
	}
	// Apart for good and with many rows: no probability is 0 or 1.
	var margins []float32
	var y []uint8
	for i := range 1000 {
		margins, y = append(margins, float32(i)), append(y, uint8(b2i(i >= 500)))
	}
	got, _ := Calibrate(margins, y)
	rising(t, got)
	if p := got.Of(-100); got.Kind != Isotonic || p <= 0 || p > 0.01 {
		t.Errorf("%s: far below it is %v", got.Kind, p)
	}
	if p := got.Of(5000); p >= 1 || p < 0.99 {
		t.Errorf("far above it is %v", p)
	}
}

func TestUncalibratedIsTheSigmoid(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	m := randomModel(r, 3, 2, 2, true)
	if got := m.Calibrated(-2); math.Abs(got-0.11920292202211755) > 1e-15 {
		t.Errorf("%v", got)
	}
}

func TestPSI(t *testing.T) {
	if got, want := PSI([]float64{0.5, 0.5}, []float64{0.4, 0.6}), 0.1*math.Log(0.5/0.4)+0.1*math.Log(0.6/0.5); math.Abs(got-want) > 1e-15 {
		t.Errorf("PSI %v, want %v", got, want)
	}
	if got := PSI([]float64{1, 0, 0}, []float64{1, 0, 0}); got != 0 {
		t.Errorf("no change has %v", got)
	}
	if got := PSI([]float64{1, 0}, []float64{0, 1}); got < 5 || math.IsInf(got, 0) {
		t.Errorf("all of it changed has %v", got)
	}
	if !math.IsNaN(PSI([]float64{1}, []float64{0.5, 0.5})) {
		t.Error("other bins are no number")
	}
}

func TestBins(t *testing.T) {
	nan := float32(math.NaN())
	values := []float32{}
	for i := range 1000 {
		values = append(values, float32(i%100))
	}
	values = append(values, make([]float32, 1000)...) // half of what is known is 0
	for range 500 {
		values = append(values, nan)
	}
	b := NewBins("x", values, 10)
	if err := b.check(); err != nil {
		t.Fatal(err)
	}
	if b.Rows != 2500 || b.Shares[len(b.Shares)-1] != 0.2 {
		t.Errorf("%d rows, %v missing", b.Rows, b.Shares)
	}
	if b.Shares[0] < 0.4 || b.Of(-1) != 0 || b.Of(nan) != len(b.Cuts)+1 || b.Of(1e9) != len(b.Cuts) {
		t.Errorf("bins %+v", b)
	}
	for i, c := range b.Cuts {
		if b.Of(c) != i+1 || b.Of(math.Nextafter32(c, -1e9)) != i {
			t.Errorf("cut %d: %v falls into %d", i, c, b.Of(c))
		}
	}
	for _, vs := range [][]float32{nil, {nan}, {3}, {3, 3, 3}} {
		b := NewBins("y", vs, 10)
		if err := b.check(); err != nil || len(b.Cuts) != 0 {
			t.Errorf("%v: %+v %v", vs, b, err)
		}
	}
}

func TestDrift(t *testing.T) {
	d, _ := payments(81, 20_000, 0)
	m, _ := mustFit(t, Train{Trees: 20, Stop: 10}, d)
	if n := len(m.Bins()); n != 7 || m.Bins()[6].Name != "score" {
		t.Fatalf("%d bins", n)
	}
	for _, b := range m.Bins() {
		if b.Rows == 0 || len(b.Shares) > driftBins+1 {
			t.Errorf("bins %+v", b)
		}
		for i, s := range b.Shares[:len(b.Shares)-1] {
			if s == 0 {
				t.Errorf("%s: bin %d is empty", b.Name, i)
			}
		}
	}
	count := func(d Dataset) []Shift {
		a, b := m.NewDrift(), m.NewDrift()
		for i := range d.Rows {
			to := a
			if i%2 == 0 {
				to = b
			}
			to.Add(d.row(int32(i)), m.Margin(d.row(int32(i))))
		}
		a.Merge(b)
		if a.Rows() != int64(d.Rows) {
			t.Errorf("%d rows counted", a.Rows())
		}
		return a.Shifts()
	}
	same, _ := payments(82, 20_000, 0)
	for _, s := range count(same) {
		if s.PSI > 5*s.Noise+1e-4 || s.PSI > 0.01 {
			t.Errorf("nothing changed, %s has the PSI %v with noise %v", s.Name, s.PSI, s.Noise)
		}
	}
	for i := range same.Rows {
		same.X[i*6] *= 2
		if i%2 == 0 {
			same.X[i*6+5] = float32(math.NaN())
		}
	}
	for i, s := range count(same) {
		moved := i == 0 || i == 5
		if moved != (s.PSI > 0.25) && s.Name != "score" {
			t.Errorf("%s has the PSI %v", s.Name, s.PSI)
		}
		if i == 5 && math.Abs(s.Missing-0.5) > 1e-9 {
			t.Errorf("%v of %s are missing", s.Missing, s.Name)
		}
	}
	for _, s := range m.NewDrift().Shifts() {
		if s.PSI != 0 || s.Noise != 0 {
			t.Errorf("nothing was counted, %s has the PSI %v", s.Name, s.PSI)
		}
	}
	r := rand.New(rand.NewPCG(8, 8))
	if randomModel(r, 1, 1, 1, true).NewDrift() != nil {
		t.Error("a model without bins counts")
	}
}
