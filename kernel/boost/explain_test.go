package boost

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestGoldenExplanations(t *testing.T) {
	m, _, rows := readGolden(t)
	out := make([]float64, 16)
	worst := 0.0
	for _, g := range rows {
		m.Explain(g.row, out)
		for k, want := range g.shap {
			worst = max(worst, math.Abs(out[k]-want))
		}
	}
	t.Logf("largest error %.2g over %d rows", worst, len(rows))
	if worst > 1e-5 {
		t.Errorf("largest error %v, at most 1e-5 is allowed", worst)
	}
}

// meanOf is the margin when only the features of the set are known: at a
// question about another feature both ways are taken, by the rows' shares.
func meanOf(t *tree, at int32, row []float32, known uint64) float64 {
	if t.leaf(at) {
		return float64(t.cond[at])
	}
	f := t.feature[at]
	if known>>f&1 == 0 {
		left, right := t.shares(at)
		return left*meanOf(t, t.left[at], row, known) + right*meanOf(t, t.right[at], row, known)
	}
	x := row[f]
	if x < t.cond[at] || x != x && t.defaultLeft[at] {
		return meanOf(t, t.left[at], row, known)
	}
	return meanOf(t, t.right[at], row, known)
}

// shapleyByDefinition goes through every coalition.
func shapleyByDefinition(m *Model, row []float32) []float64 {
	n := m.features
	value := make([]float64, 1<<n)
	for set := range value {
		value[set] = float64(m.base)
		for i := range m.trees {
			value[set] += meanOf(&m.trees[i], 0, row, uint64(set))
		}
	}
	factorial := []float64{1}
	for i := 1; i <= n; i++ {
		factorial = append(factorial, factorial[i-1]*float64(i))
	}
	out := make([]float64, n+1)
	out[n] = value[0]
	for set := range value {
		size := 0
		for f := range n {
			size += set >> f & 1
		}
		for f := range n {
			if set>>f&1 == 0 {
				out[f] += factorial[size] * factorial[n-size-1] / factorial[n] * (value[set|1<<f] - value[set])
			}
		}
	}
	return out
}

func TestExplanationsAreShapleyValues(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	for _, c := range []struct{ trees, depth, features int }{{1, 0, 2}, {1, 1, 1}, {4, 2, 3}, {10, 3, 5}, {6, 6, 4}, {3, 9, 11}, {2, 11, 12}} {
		m := randomModel(r, c.trees, c.depth, c.features, c.depth < 7)
		out := make([]float64, c.features+1)
		for range 5 {
			row := randomRow(r, m)
			want := shapleyByDefinition(m, row)
			m.Explain(row, out)
			for k := range want {
				if math.Abs(out[k]-want[k]) > 1e-6 {
					t.Fatalf("%+v: feature %d has %v, by definition %v", c, k, out[k], want[k])
				}
			}
		}
	}
}

func TestExplanationsAddUp(t *testing.T) {
	r := rand.New(rand.NewPCG(13, 14))
	for _, c := range []struct{ trees, depth, features int }{{100, 3, 27}, {50, 6, 9}, {3, 14, 20}, {1, 20, 200}} {
		m := randomModel(r, c.trees, c.depth, c.features, c.depth < 7)
		out := make([]float64, c.features+1)
		for range 20 {
			row := randomRow(r, m)
			m.Explain(row, out)
			sum := 0.0
			for _, v := range out {
				sum += v
			}
			if want := float64(m.Margin(row)); math.Abs(sum-want) > 2e-5 {
				t.Fatalf("%+v: the parts add up to %v, the margin is %v", c, sum, want)
			}
		}
	}
}

// A tree whose questions let nobody through must not make NaN.
func TestExplainWithoutCover(t *testing.T) {
	r := rand.New(rand.NewPCG(15, 16))
	m := randomModel(r, 5, 3, 4, true)
	for i := range m.trees {
		clear(m.trees[i].cover)
	}
	m.trees[1].cover[0] = 10
	m.trees[1].cover[m.trees[1].left[0]] = 10
	m.explainer = newExplainer(m)
	out := make([]float64, 5)
	row := randomRow(r, m)
	m.Explain(row, out)
	sum := 0.0
	for _, v := range out {
		sum += v
	}
	if want := float64(m.Margin(row)); !(math.Abs(sum-want) < 1e-5) {
		t.Errorf("the parts add up to %v, the margin is %v", sum, want)
	}
}

func TestExplainAllocatesNothing(t *testing.T) {
	r := rand.New(rand.NewPCG(17, 18))
	for _, depth := range []int{3, 12} {
		m := randomModel(r, 20, depth, 27, depth == 3)
		row, out := randomRow(r, m), make([]float64, 28)
		m.Explain(row, out)
		if n := testing.AllocsPerRun(100, func() { m.Explain(row, out) }); n >= 1 { // a collection may empty the pool
			t.Errorf("depth %d: %v allocations for an explanation", depth, n)
		}
	}
}

func TestGaussLegendreIsExact(t *testing.T) {
	for n := 1; n <= 30; n++ {
		for degree := range 2 * n {
			got := 0.0
			for _, g := range gaussLegendre(n) {
				got += g.w * math.Pow(g.t, float64(degree))
			}
			if want := 1 / float64(degree+1); math.Abs(got-want) > 1e-14 {
				t.Errorf("%d points, degree %d: %v, want %v", n, degree, got, want)
			}
		}
	}
}

func BenchmarkExplain(b *testing.B) {
	b.Run("200x6", func(b *testing.B) {
		m, _, rows := readGolden(b)
		out := make([]float64, 16)
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			m.Explain(rows[i%2000].row, out)
		}
	})
	b.Run("100x3", func(b *testing.B) {
		r := rand.New(rand.NewPCG(19, 20))
		m := randomModel(r, 100, 3, 27, true)
		row, out := randomRow(r, m), make([]float64, 28)
		for b.Loop() {
			m.Explain(row, out)
		}
	})
	b.Run("build_200x6", func(b *testing.B) {
		m, _, _ := readGolden(b)
		for b.Loop() {
			newExplainer(m)
		}
	})
}
