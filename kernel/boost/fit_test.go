package boost

import (
	"bytes"
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"surety/kernel/ident"
)

// payments is a made-up world with the shape of card fraud: amounts, counts,
// shares with many zeros, a feature that is missing more often where there is
// fraud, and noise. truth is the log-odds that the labels were drawn with.
func payments(seed uint64, rows, noise int) (d Dataset, truth []float64) {
	r := rand.New(rand.NewPCG(seed, 77))
	names := []string{"amount", "night", "count_1d", "risk_7d", "age", "ratio"}
	for len(names) < 6+noise {
		names = append(names, "noise"+string(rune('a'+len(names)-6)))
	}
	d = Dataset{Names: names, Rows: rows}
	for i := range rows {
		amount := float32(math.Round(math.Exp(r.NormFloat64()+3.5)*100) / 100)
		night := float32(r.IntN(6) / 5)
		count := float32(math.Floor(r.ExpFloat64() * 3))
		risk := float32(0)
		if r.IntN(20) == 0 {
			risk = float32(r.IntN(10)+1) / 10
		}
		age := float32(r.ExpFloat64() * 100)
		ratio := float32(r.NormFloat64())
		x := -6.2 + 5*float64(risk) + 0.5*float64(night)
		if amount > 150 && count > 5 {
			x += 3.5
		}
		x += 0.5 * math.Max(0, float64(ratio))
		if r.IntN(12) == 0 {
			age = float32(math.NaN())
			x += 2
		}
		y := uint8(0)
		if r.Float64() < 1/(1+math.Exp(-x)) {
			y = 1
		}
		d.X = append(d.X, amount, night, count, risk, age, ratio)
		for range noise {
			d.X = append(d.X, float32(r.NormFloat64()))
		}
		d.Y = append(d.Y, y)
		d.At = append(d.At, int64(i)*60_000_000)
		d.Group = append(d.Group, uint64(r.IntN(2000)))
		truth = append(truth, x)
	}
	return d, truth
}

func scoresOf(m *Model, d Dataset) []float64 {
	out := make([]float64, d.Rows)
	for i := range out {
		out[i] = float64(m.Margin(d.row(int32(i))))
	}
	return out
}

func mustFit(t testing.TB, cfg Train, d Dataset) (*Model, Report) {
	t.Helper()
	m, rep, err := Fit(context.Background(), cfg, d, nil)
	if err != nil {
		t.Fatal(err)
	}
	return m, rep
}

func written(t testing.TB, m *Model) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := m.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestFitLearnsWhatThereIsToLearn(t *testing.T) {
	d, _ := payments(1, 40_000, 4)
	test, truth := payments(2, 40_000, 4)
	m, rep := mustFit(t, Train{Stop: 30, Calibrate: true, Threads: 2, Refit: true}, d)
	scores := scoresOf(m, test)
	auc, ap := AUC(scores, test.Y), AveragePrecision(scores, test.Y)
	bestAUC, bestAP := AUC(truth, test.Y), AveragePrecision(truth, test.Y)
	t.Logf("AUC %.4f of %.4f, AP %.4f of %.4f, %d of %d trees, held out %+v", auc, bestAUC, ap, bestAP, rep.Trees, rep.Grown, rep.Valid)
	if auc < bestAUC-0.02 || ap < bestAP-0.04 {
		t.Errorf("AUC %.4f and AP %.4f, knowing the truth gives %.4f and %.4f", auc, ap, bestAUC, bestAP)
	}
	if rep.Trees >= rep.Grown || rep.Grown >= 300 {
		t.Errorf("it kept %d of %d trees: it did not stop early", rep.Trees, rep.Grown)
	}
	predicted, happened := 0.0, 0.0
	for i, s := range scores {
		predicted += m.Calibrated(float32(s))
		happened += float64(test.Y[i])
	}
	if ratio := predicted / happened; ratio < 0.85 || ratio > 1.15 {
		t.Errorf("%.0f frauds are predicted, %.0f happened", predicted, happened)
	}
}

func BenchmarkFit(b *testing.B) {
	const rows, features = 862_577, 15
	r := rand.New(rand.NewPCG(3, 3))
	d := Dataset{Rows: rows}
	for j := range features {
		d.Names = append(d.Names, string(rune('a'+j)))
	}
	for range rows {
		x := -5.5
		for j := range features {
			v := float32(r.NormFloat64())
			switch j {
			case 1, 2:
				v = float32(r.IntN(2))
			case 10, 12, 14:
				if v = max(v-2, 0); v > 0 {
					x += 2
				}
			case 3, 5, 7, 9, 11, 13:
				v = float32(math.Floor(r.ExpFloat64() * 20))
			}
			d.X = append(d.X, v)
		}
		if d.X[len(d.X)-15] > 2 {
			x += 3
		}
		y := uint8(0)
		if r.Float64() < 1/(1+math.Exp(-x)) {
			y = 1
		}
		d.Y = append(d.Y, y)
	}
	for _, c := range []struct {
		name string
		cfg  Train
	}{
		{"100x3/1", Train{Trees: 100, Depth: 3, Rate: 0.1}}, {"100x3/2", Train{Trees: 100, Depth: 3, Rate: 0.1, Threads: 2}},
		{"200x6/1", Train{Trees: 200, Depth: 6, Rate: 0.1}}, {"200x6/2", Train{Trees: 200, Depth: 6, Rate: 0.1, Threads: 2}},
	} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				mustFit(b, c.cfg, d)
			}
		})
	}
}

// The model must not tell how many threads made it, nor does chance beside the seed.
func TestFitIsDeterministic(t *testing.T) {
	d, _ := payments(11, 60_000, 3)
	weighted := d
	for range d.Rows {
		weighted.Weight = append(weighted.Weight, 1+float32(len(weighted.Weight)%7))
	}
	for _, cfg := range []Train{
		{Trees: 12, Depth: 5}, {Trees: 12, Depth: 4, RowShare: 0.6, ColShare: 0.5, Stop: 5, Calibrate: true, Seed: 9},
		{Trees: 8, Stop: 3, Refit: true, Bins: 17},
	} {
		for _, data := range []Dataset{d, weighted} {
			cfg.Threads = 1
			m, _ := mustFit(t, cfg, data)
			want := written(t, m)
			for _, threads := range []int{2, 3, 7} {
				cfg.Threads = threads
				m, _ := mustFit(t, cfg, data)
				if !bytes.Equal(written(t, m), want) {
					t.Errorf("%+v: the model of %d threads differs from that of one", cfg, threads)
				}
			}
		}
	}
	a, _ := mustFit(t, Train{Trees: 3, RowShare: 0.5, Seed: 1}, d)
	b, _ := mustFit(t, Train{Trees: 3, RowShare: 0.5, Seed: 2}, d)
	if bytes.Equal(trees(a), trees(b)) {
		t.Error("another seed draws the same rows")
	}
}

func trees(m *Model) []byte {
	var b []byte
	for i := range m.trees {
		for n := range m.trees[i].cond {
			b = appendFloat(b, m.trees[i].cond[n])
		}
	}
	return b
}

// The margins that training went on with are those that the model gives.
func TestFitAndScoreAgree(t *testing.T) {
	d, _ := payments(12, 30_000, 2)
	for _, cfg := range []Train{{Trees: 20, Depth: 4, Stop: 100}, {Trees: 20, Depth: 6, RowShare: 0.5, ColShare: 0.5, Calibrate: true}, {Trees: 5, Depth: 1}} {
		cfg, err := cfg.fill()
		if err != nil {
			t.Fatal(err)
		}
		order, valid, err := d.split(cfg)
		if err != nil {
			t.Fatal(err)
		}
		g := newGrower(cfg, d, order, valid)
		ts, _, err := g.boost(context.Background(), cfg.Trees, func(int, int) {})
		if err != nil {
			t.Fatal(err)
		}
		m, err := g.model(d.Names, ts)
		if err != nil {
			t.Fatal(err)
		}
		for i, r := range order {
			if got := m.Margin(d.row(r)); !same(got, g.margin[i]) {
				t.Fatalf("%+v: row %d has the margin %v, in training it had %v", cfg, r, got, g.margin[i])
			}
		}
	}
}

// slowSplit finds the best first split with nothing but the definition: every
// threshold between two values, both ways for what is missing.
func slowSplit(d Dataset, w func(int) float64, lambda float64) (gain float64, feature int) {
	n, base := 0.0, 0.0
	for i := range d.Rows {
		n += w(i)
		base += w(i) * float64(d.Y[i])
	}
	base /= n
	score := func(in func(i int) bool) (s float64, h float64) {
		g := 0.0
		for i := range d.Rows {
			if in(i) {
				g += w(i) * (base - float64(d.Y[i]))
				h += w(i) * base * (1 - base)
			}
		}
		return g * g / (h + lambda), h
	}
	all, _ := score(func(int) bool { return true })
	f := len(d.Names)
	for j := range f {
		for k := -1; k < d.Rows; k++ {
			at := float32(math.Inf(-1))
			if k >= 0 {
				at = d.X[k*f+j]
			}
			for _, missing := range []bool{false, true} {
				left := func(i int) bool {
					x := d.X[i*f+j]
					return x < at || x != x && missing
				}
				l, hl := score(left)
				r, hr := score(func(i int) bool { return !left(i) })
				if hl >= 0.5 && hr >= 0.5 && l+r-all > gain {
					gain, feature = l+r-all, j
				}
			}
		}
	}
	return gain, feature
}

func TestFirstSplitIsTheBest(t *testing.T) {
	r := rand.New(rand.NewPCG(21, 22))
	for range 60 {
		d := Dataset{Names: []string{"a", "b", "c"}, Rows: 120}
		shift := r.Float64() * 2
		for range d.Rows {
			y := uint8(r.IntN(2))
			d.Y = append(d.Y, y)
			for j := range 3 {
				x := float32(math.Round(r.NormFloat64()*4+shift*float64(y)*float64(j-1)*3) / 2)
				if r.IntN(4) == 0 || y == 1 && r.IntN(3) == 0 {
					x = float32(math.NaN())
				}
				d.X = append(d.X, x)
			}
			d.Weight = append(d.Weight, float32(r.IntN(4)+1))
		}
		want, feature := slowSplit(d, func(i int) float64 { return float64(d.Weight[i]) }, 1)
		m, _ := mustFit(t, Train{Trees: 1, Depth: 1, MinChildWeight: 0.5}, d)
		tr := m.trees[0]
		if tr.left[0] < 0 {
			t.Fatalf("no split, the best gains %v", want)
		}
		if math.Abs(float64(tr.gain[0])-want) > 1e-4*want || int(tr.feature[0]) != feature {
			t.Fatalf("the split by %d gains %v, the best is by %d and gains %v", tr.feature[0], tr.gain[0], feature, want)
		}
		// Covers and leaf values by counting the rows again.
		base := float64(sigmoid32(m.base))
		for side, at := range map[bool]int32{true: tr.left[0], false: tr.right[0]} {
			var g, h float64
			for i := range d.Rows {
				x := d.X[i*3+int(tr.feature[0])]
				if (x < tr.cond[0] || x != x && tr.defaultLeft[0]) == side {
					g += float64(d.Weight[i]) * (base - float64(d.Y[i]))
					h += float64(d.Weight[i]) * base * (1 - base)
				}
			}
			if math.Abs(h-float64(tr.cover[at])) > 1e-4*h || math.Abs(-g/(h+1)*0.05-float64(tr.cond[at])) > 1e-5 {
				t.Fatalf("leaf %d: cover %v and value %v, want %v and %v", at, tr.cover[at], tr.cond[at], h, -g/(h+1)*0.05)
			}
		}
	}
}

func TestMissingValuesLearnTheirWay(t *testing.T) {
	for _, fraudMissing := range []bool{true, false} {
		r := rand.New(rand.NewPCG(31, 32))
		d := Dataset{Names: []string{"x"}, Rows: 4000}
		for range d.Rows {
			y := uint8(r.IntN(2))
			x := float32(r.NormFloat64()) + 2*float32(y)
			if (y == 1) == fraudMissing && r.IntN(2) == 0 {
				x = float32(math.NaN())
			}
			d.X, d.Y = append(d.X, x), append(d.Y, y)
		}
		m, _ := mustFit(t, Train{Trees: 30, Depth: 2, Rate: 0.3}, d)
		if p := m.Prob([]float32{float32(math.NaN())}); (p > 0.9) != fraudMissing || (p < 0.1) == fraudMissing {
			t.Errorf("frauds are missing: %v, but a missing value has the probability %v", fraudMissing, p)
		}
	}
	// If being missing is all there is to know, that is the question.
	d := Dataset{Names: []string{"x"}, Rows: 1000}
	for i := range d.Rows {
		x := float32(i % 10)
		if i%3 == 0 {
			x = float32(math.NaN())
		}
		d.X, d.Y = append(d.X, x), append(d.Y, uint8(b2i(i%3 == 0)))
	}
	m, _ := mustFit(t, Train{Trees: 20, Depth: 1, Rate: 0.5}, d)
	for _, x := range []float32{-1e30, -5, 0, 4, 9, 1e30} {
		if p := m.Prob([]float32{x}); p > 0.1 {
			t.Errorf("the value %v has the probability %v", x, p)
		}
	}
	if p := m.Prob(nil); p < 0.9 {
		t.Errorf("a missing value has the probability %v", p)
	}
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

func TestStopKeepsTheBest(t *testing.T) {
	d, _ := payments(41, 8000, 8)
	m, rep := mustFit(t, Train{Trees: 400, Depth: 6, Rate: 0.3, Stop: 25}, d)
	if rep.Grown-rep.Trees != 25 || m.Trees() != rep.Trees || len(rep.Curve) != rep.Grown {
		t.Fatalf("%d of %d trees kept, %d rounds in the curve", rep.Trees, rep.Grown, len(rep.Curve))
	}
	for i, r := range rep.Curve {
		if r.Valid < rep.Curve[rep.Trees-1].Valid {
			t.Errorf("tree %d has the loss %v, kept were %d with %v", i+1, r.Valid, rep.Trees, rep.Curve[rep.Trees-1].Valid)
		}
	}
	if rep.ValidRows != 1600 || rep.ValidFrom != d.At[6400] || rep.From != 0 || rep.To != d.At[7999] {
		t.Errorf("%d rows held out from %d on", rep.ValidRows, rep.ValidFrom)
	}
	// The curve's last kept round is the model's own loss on those rows.
	var p []float64
	for i := 6400; i < 8000; i++ {
		p = append(p, sigmoid(float64(m.Margin(d.row(int32(i))))))
	}
	if got := LogLoss(p, d.Y[6400:]); math.Abs(got-rep.Curve[rep.Trees-1].Valid) > 1e-6 {
		t.Errorf("the model's loss is %v, the curve has %v", got, rep.Curve[rep.Trees-1].Valid)
	}
}

// Rows may come in any order; time decides what is held out.
func TestTimeDecidesWhatIsHeldOut(t *testing.T) {
	d, _ := payments(42, 3000, 0)
	r := rand.New(rand.NewPCG(43, 43))
	mixed := Dataset{Names: d.Names, Rows: d.Rows}
	for _, i := range r.Perm(d.Rows) {
		mixed.X = append(mixed.X, d.row(int32(i))...)
		mixed.Y, mixed.At, mixed.Group = append(mixed.Y, d.Y[i]), append(mixed.At, d.At[i]), append(mixed.Group, d.Group[i])
	}
	cfg := Train{Trees: 20, Stop: 10, Calibrate: true}
	a, _ := mustFit(t, cfg, d)
	b, _ := mustFit(t, cfg, mixed)
	if !bytes.Equal(written(t, a), written(t, b)) {
		t.Error("the order of the rows changes the model")
	}
	// Rows of one moment stay on one side.
	for i := range d.At {
		d.At[i] = int64(i / 1000)
	}
	_, rep := mustFit(t, cfg, d)
	if rep.ValidRows != 1000 {
		t.Errorf("%d rows held out, the last moment has 1000", rep.ValidRows)
	}
	clear(d.At)
	if _, _, err := Fit(context.Background(), cfg, d, nil); ident.CodeOf(err) != "train_one_moment" {
		t.Errorf("rows of one moment: %v", err)
	}
}

func TestWeightsCount(t *testing.T) {
	d, _ := payments(51, 4000, 0)
	twice := Dataset{Names: d.Names}
	for i := range d.Rows {
		w := 1 + i%3
		d.Weight = append(d.Weight, float32(w))
		for range w {
			twice.X = append(twice.X, d.row(int32(i))...)
			twice.Y = append(twice.Y, d.Y[i])
			twice.Rows++
		}
	}
	cfg := Train{Trees: 10, Depth: 3, Bins: 256}
	a, _ := mustFit(t, cfg, d)
	b, _ := mustFit(t, cfg, twice)
	for i := range int32(1000) {
		if x, y := a.Margin(d.row(i)), b.Margin(d.row(i)); !near(x, y, 2e-3) {
			t.Fatalf("row %d: margin %v with weights, %v with copies", i, x, y)
		}
	}
}

func TestFitRefuses(t *testing.T) {
	good, _ := payments(61, 400, 0)
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for name, c := range map[string]struct {
		field  string
		change func(*Dataset, *Train)
	}{
		"no names":         {"names", func(d *Dataset, _ *Train) { d.Names = nil }},
		"a name twice":     {"names", func(d *Dataset, _ *Train) { d.Names[1] = d.Names[0] }},
		"a bad name":       {"names", func(d *Dataset, _ *Train) { d.Names[1] = "a[0]" }},
		"one row":          {"rows", func(d *Dataset, _ *Train) { d.Rows = 1 }},
		"rows missing":     {"x", func(d *Dataset, _ *Train) { d.X = d.X[:len(d.X)-6] }},
		"part of a row":    {"x", func(d *Dataset, _ *Train) { d.X = append(d.X, 1) }},
		"infinite":         {"x", func(d *Dataset, _ *Train) { d.X[17] = inf }},
		"labels missing":   {"y", func(d *Dataset, _ *Train) { d.Y = d.Y[1:] }},
		"label 2":          {"y", func(d *Dataset, _ *Train) { d.Y[3] = 2 }},
		"one kind":         {"y", func(d *Dataset, _ *Train) { clear(d.Y) }},
		"one kind latest":  {"y", func(d *Dataset, c *Train) { clear(d.Y[300:]); d.Y[0] = 1; c.Stop = 5 }},
		"weight 0":         {"weight", func(d *Dataset, _ *Train) { d.Weight = make([]float32, 400) }},
		"weight NaN":       {"weight", func(d *Dataset, _ *Train) { d.Weight = slices400(nan) }},
		"weights missing":  {"weight", func(d *Dataset, _ *Train) { d.Weight = []float32{1} }},
		"times missing":    {"at", func(d *Dataset, _ *Train) { d.At = d.At[1:] }},
		"groups missing":   {"group", func(d *Dataset, _ *Train) { d.Group = d.Group[1:] }},
		"trees":            {"trees", func(_ *Dataset, c *Train) { c.Trees = -1 }},
		"depth":            {"depth", func(_ *Dataset, c *Train) { c.Depth = 13 }},
		"rate":             {"rate", func(_ *Dataset, c *Train) { c.Rate = math.NaN() }},
		"lambda":           {"lambda", func(_ *Dataset, c *Train) { c.Lambda = -1 }},
		"bins":             {"bins", func(_ *Dataset, c *Train) { c.Bins = 257 }},
		"row share":        {"row_share", func(_ *Dataset, c *Train) { c.RowShare = 1.5 }},
		"share held out":   {"valid_share", func(_ *Dataset, c *Train) { c.ValidShare = 1 }},
		"stop":             {"stop", func(_ *Dataset, c *Train) { c.Stop = -1 }},
		"min child weight": {"min_child_weight", func(_ *Dataset, c *Train) { c.MinChildWeight = math.Inf(1) }},
	} {
		d := good
		d.Names = append([]string{}, d.Names...)
		d.X, d.Y = append([]float32{}, d.X...), append([]uint8{}, d.Y...)
		cfg := Train{Trees: 2}
		c.change(&d, &cfg)
		_, _, err := Fit(context.Background(), cfg, d, nil)
		var e *ident.Error
		if !errors.As(err, &e) || e.Kind != ident.KindInvalid || e.Field != c.field {
			t.Errorf("%s: %v, want an error at %s", name, err, c.field)
		}
	}
}

func slices400(x float32) []float32 {
	out := make([]float32, 400)
	for i := range out {
		out[i] = x
	}
	return out
}

func TestFitStopsWhenTold(t *testing.T) {
	d, _ := payments(62, 2000, 0)
	ctx, cancel := context.WithCancel(context.Background())
	heard := 0
	_, _, err := Fit(ctx, Train{Trees: 50}, d, func(tree, of int) {
		if heard++; tree != heard || of != 50 {
			t.Errorf("tree %d of %d, %d heard", tree, of, heard)
		}
		if tree == 3 {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) || heard != 3 {
		t.Errorf("after %d trees: %v", heard, err)
	}
}

// A feature of one value and one of nothing must do no harm.
func TestFitOfNothing(t *testing.T) {
	d := Dataset{Names: []string{"same", "none"}, Rows: 100}
	for i := range d.Rows {
		d.X, d.Y = append(d.X, 7, float32(math.NaN())), append(d.Y, uint8(i%2))
	}
	m, _ := mustFit(t, Train{Trees: 5}, d)
	if m.Depth() != 0 || math.Abs(float64(m.Prob([]float32{7}))-0.5) > 1e-6 {
		t.Errorf("depth %d, probability %v", m.Depth(), m.Prob([]float32{7}))
	}
	if _, err := ReadXGBoost(bytes.NewReader(written(t, m))); err != nil {
		t.Error(err)
	}
}

func TestCuts(t *testing.T) {
	r := rand.New(rand.NewPCG(71, 72))
	for range 200 {
		n, most := 1+r.IntN(3000), 2+r.IntN(254)
		var a []keyed
		weights := make([]float64, n)
		values := make([]float32, n)
		for i := range n {
			x := float32(r.NormFloat64() * 100)
			if r.IntN(3) == 0 {
				x = float32(r.IntN(5) - 2) // heavy values
			}
			values[i] = x
			weights[i] = 1 + float64(r.IntN(5))
			a = append(a, keyed{uint32(keyOf(x)) ^ 1<<31, int32(i)})
		}
		sorted := radix(a, make([]keyed, n))
		for i := 1; i < n; i++ {
			if values[sorted[i-1].row] > values[sorted[i].row] {
				t.Fatal("radix does not sort")
			}
		}
		cuts := quantiles(sorted, func(r int32) float64 { return weights[r] }, true, most)
		if len(cuts) > most-1 {
			t.Fatalf("%d cuts for %d bins", len(cuts), most)
		}
		in := make([]float64, len(cuts)+1)
		seen := make([]map[float32]bool, len(cuts)+1)
		total := 0.0
		for i, x := range values {
			b := binOf(cuts, x)
			in[b] += weights[i]
			total += weights[i]
			if seen[b] == nil {
				seen[b] = map[float32]bool{}
			}
			seen[b][x] = true
			if int(b) < len(cuts) && !(x < cuts[b]) || b > 0 && x < cuts[b-1] {
				t.Fatalf("%v is in bin %d of %v", x, b, cuts)
			}
		}
		for b := range in {
			if len(seen[b]) == 0 {
				t.Fatalf("bin %d is empty", b)
			}
			if len(seen[b]) > 1 && in[b] > 3*total/float64(most)+10 {
				t.Fatalf("bin %d of %d has %v of %v with %d values", b, most, in[b], total, len(seen[b]))
			}
		}
	}
}

// Values so close that a threshold between them is one of them.
func TestNeighbouringFloats(t *testing.T) {
	d := Dataset{Names: []string{"x"}, Rows: 3000}
	low := float32(1)
	high := math.Nextafter32(low, 2)
	for i := range d.Rows {
		d.X, d.Y = append(d.X, []float32{low, high}[i%2]), append(d.Y, uint8(i%2))
	}
	d.Y[0], d.Y[2999] = 1, 0
	m, rep := mustFit(t, Train{Trees: 30, Depth: 1, Rate: 0.5, Stop: 30}, d)
	if m.trees[0].cond[0] != high {
		t.Errorf("the threshold is %v, only %v parts the two", m.trees[0].cond[0], high)
	}
	if a, b := m.Prob([]float32{low}), m.Prob([]float32{high}); a > 0.01 || b < 0.99 {
		t.Errorf("probabilities %v and %v", a, b)
	}
	if got := rep.Curve[rep.Trees-1].Valid; got > 0.05 {
		t.Errorf("the loss on the rows held out is %v", got)
	}
}

// Where nobody was missing in training, what is missing goes with the many.
func TestUnseenMissingGoesWithTheMany(t *testing.T) {
	for _, fewAreHigh := range []bool{true, false} {
		d := Dataset{Names: []string{"x"}, Rows: 1000}
		for i := range d.Rows {
			few := i%10 == 0
			d.X, d.Y = append(d.X, float32(b2i(few == fewAreHigh))), append(d.Y, uint8(b2i(few)))
		}
		m, _ := mustFit(t, Train{Trees: 20, Depth: 1, Rate: 0.5}, d)
		if p := m.Prob(nil); p > 0.1 {
			t.Errorf("few are high: %v, a missing value has the probability %v", fewAreHigh, p)
		}
	}
}

func TestOfNoName(t *testing.T) {
	m := randomModel(rand.New(rand.NewPCG(1, 1)), 1, 1, 2, true)
	if got := m.Features(); len(got) != 2 || got[1] != "f1" {
		t.Errorf("features %v", got)
	}
	if _, ok := m.Report(); ok {
		t.Error("a foreign model has a report")
	}
	if _, ok := m.Calibration(); ok {
		t.Error("a foreign model has a calibration")
	}
}
