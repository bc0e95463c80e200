package boost

import (
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
)

func TestScoresAreThoseOfTheFile(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, c := range []struct{ trees, depth, features int }{
		{1, 0, 1}, {3, 1, 2}, {8, 3, 5}, {100, 3, 27}, {21, 4, 6}, {19, 5, 128}, {17, 6, 15}, {9, 8, 9}, {9, 9, 9}, {5, 14, 7}, {12, 3, 129}, {3, 4, 700},
	} {
		for _, full := range []bool{true, false} {
			m := randomModel(r, c.trees, c.depth, c.features, full && c.depth < 12)
			rows := make([][]float32, 203)
			for i := range rows {
				rows[i] = randomRow(r, m)
			}
			out := make([]float32, len(rows))
			m.MarginBatch(rows, out)
			for i, row := range rows {
				want := plain(m, row)
				if got := m.Margin(row); !same(got, want) {
					t.Fatalf("%+v full=%v row %d: margin %v, want %v", c, full, i, got, want)
				}
				if !same(out[i], want) {
					t.Fatalf("%+v full=%v row %d: batch margin %v, want %v", c, full, i, out[i], want)
				}
			}
		}
	}
}

func TestShortRowsAreMissing(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	m := randomModel(r, 30, 4, 6, false)
	row := randomRow(r, m)
	long := append(append([]float32{}, row...), 7, 8)
	if !same(m.Margin(long), m.Margin(row)) {
		t.Error("columns beyond the features are looked at")
	}
	short := append([]float32{}, row[:3]...)
	for i := 3; i < 6; i++ {
		row[i] = float32(math.NaN())
	}
	if !same(m.Margin(short), m.Margin(row)) {
		t.Error("a short row is not a row with missing values")
	}
}

func TestScoringAllocatesNothing(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	m := randomModel(r, 100, 3, 27, true)
	rows := [][]float32{}
	for range 20 {
		rows = append(rows, randomRow(r, m))
	}
	out := make([]float32, len(rows))
	if n := testing.AllocsPerRun(100, func() { m.Margin(rows[0]); m.Prob(rows[1]) }); n != 0 {
		t.Errorf("%v allocations for a score", n)
	}
	if n := testing.AllocsPerRun(100, func() { m.MarginBatch(rows, out) }); n != 0 {
		t.Errorf("%v allocations for a batch", n)
	}
}

func TestProbabilities(t *testing.T) {
	for _, c := range []struct{ margin, want float32 }{
		{0, 0.5}, {200, 1}, {-200, 3.006636e-39}, {1e6, 1}, {-1e6, 3.006636e-39},
	} {
		if got := sigmoid32(c.margin); math.Abs(float64(got-c.want)) > 1e-42 {
			t.Errorf("sigmoid(%v) = %v, want %v", c.margin, got, c.want)
		}
	}
	for x := float32(-103); x < 88; x += 0.0137 {
		want := math.Exp(float64(x))
		if got := float64(exp32(x)); math.Abs(got-want) > 0.51*float64(math.Nextafter32(float32(want), math.MaxFloat32)-float32(want)) {
			t.Errorf("exp(%v) = %v, want %v", x, got, want)
		}
	}
}

func BenchmarkSynthetic(b *testing.B) {
	r := rand.New(rand.NewPCG(7, 8))
	for _, c := range []struct {
		name                   string
		trees, depth, features int
	}{{"100x3", 100, 3, 27}, {"300x4", 300, 4, 27}, {"200x6", 200, 6, 15}} {
		m := randomModel(r, c.trees, c.depth, c.features, true)
		rows := make([][]float32, 1024)
		for i := range rows {
			rows[i] = make([]float32, c.features)
			for k := range rows[i] {
				rows[i][k] = float32(r.NormFloat64())
			}
		}
		out := make([]float32, len(rows))
		b.Run("single_"+c.name, func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				m.Margin(rows[i%1024])
			}
		})
		b.Run("batch_"+c.name, func(b *testing.B) {
			for b.Loop() {
				m.MarginBatch(rows, out)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1024, "ns/row")
		})
	}
}

// One model serves many goroutines, each with the same answers.
func TestManyGoroutines(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	for _, features := range []int{9, 200} {
		m := randomModel(r, 40, 5, features, false)
		rows := make([][]float32, 64)
		want, reasons := make([]float32, len(rows)), make([][]float64, len(rows))
		for i := range rows {
			rows[i] = randomRow(r, m)
			want[i] = m.Margin(rows[i])
			reasons[i] = make([]float64, features+1)
			m.Explain(rows[i], reasons[i])
		}
		var all sync.WaitGroup
		for g := range 8 {
			all.Go(func() {
				out, why := make([]float32, len(rows)), make([]float64, features+1)
				for k := range 200 {
					i := (k*7 + g) % len(rows)
					m.Explain(rows[i], why)
					if !same(m.Margin(rows[i]), want[i]) || !slices.Equal(why, reasons[i]) {
						t.Errorf("row %d differs", i)
						return
					}
				}
				m.MarginBatch(rows, out)
				if !slices.Equal(out, want) {
					t.Error("the batch differs")
				}
			})
		}
		all.Wait()
	}
}
