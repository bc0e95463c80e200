package boost

import (
	"bytes"
	"compress/gzip"
	"encoding/csv"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

const goldenDir = "../../../shared/data/model"

func unzip(t testing.TB, path string) []byte {
	t.Helper()
	f, err := os.Open(path)
	if os.IsNotExist(err) {
		t.Skipf("%s is absent", path)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// golden is a row that XGBoost 1.7 scored and explained.
type golden struct {
	row          []float32
	margin, prob float32
	shap         []float64 // bias last
}

func readGolden(t testing.TB) (*Model, []byte, []golden) {
	t.Helper()
	text := unzip(t, filepath.Join(goldenDir, "xgb_200x6.json.gz"))
	m, err := ReadXGBoost(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	lines, err := csv.NewReader(bytes.NewReader(unzip(t, filepath.Join(goldenDir, "golden_2000.csv.gz")))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var out []golden
	for _, line := range lines[1:] {
		var v []float64
		for _, s := range line[1:] {
			x, err := strconv.ParseFloat(s, 64)
			if err != nil {
				t.Fatal(err)
			}
			v = append(v, x)
		}
		g := golden{shap: v[17:]}
		for _, x := range v[:15] {
			g.row = append(g.row, float32(x))
		}
		g.margin, g.prob = float32(v[15]), float32(v[16])
		out = append(out, g)
	}
	if len(out) != 2000 {
		t.Fatalf("%d golden rows", len(out))
	}
	return m, text, out
}

func same(a, b float32) bool { return math.Float32bits(a) == math.Float32bits(b) }

func TestGoldenScoresAreBitEqual(t *testing.T) {
	m, _, rows := readGolden(t)
	batch := make([][]float32, len(rows))
	for i, g := range rows {
		batch[i] = g.row
		if got := m.Margin(g.row); !same(got, g.margin) {
			t.Fatalf("row %d: margin %v, XGBoost has %v", i, got, g.margin)
		}
		if got := m.Prob(g.row); !same(got, g.prob) {
			t.Errorf("row %d: probability %v, XGBoost has %v", i, got, g.prob)
		}
	}
	for _, n := range []int{0, 1, 7, 8, 9, 2000} {
		out := make([]float32, n)
		m.MarginBatch(batch[:n], out)
		for i, got := range out {
			if !same(got, rows[i].margin) {
				t.Fatalf("batch of %d, row %d: margin %v, XGBoost has %v", n, i, got, rows[i].margin)
			}
		}
	}
}

func TestGoldenFileComesBack(t *testing.T) {
	m, text, _ := readGolden(t)
	var out bytes.Buffer
	if err := m.Write(&out); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(out.Bytes(), text) {
		i := 0
		for i < min(out.Len(), len(text)) && out.Bytes()[i] == text[i] {
			i++
		}
		t.Fatalf("the file differs from XGBoost's at byte %d: %q, want %q", i, out.Bytes()[i:min(i+60, out.Len())], text[i:min(i+60, len(text))])
	}
}

func BenchmarkScore(b *testing.B) {
	m, _, rows := readGolden(b)
	b.Run("single_200x6", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			m.Margin(rows[i%2000].row)
		}
	})
	b.Run("batch_200x6", func(b *testing.B) {
		batch := make([][]float32, 2000)
		out := make([]float32, 2000)
		for i := range batch {
			batch[i] = rows[i].row
		}
		for b.Loop() {
			m.MarginBatch(batch, out)
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/2000, "ns/row")
	})
	b.Run("read", func(b *testing.B) {
		_, text, _ := readGolden(b)
		for b.Loop() {
			if _, err := ReadXGBoost(bytes.NewReader(text)); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// testdata/small.json is a model that Fit made; what it answers on small.csv
// was worked out from the file by a separate program in another language: plain
// recursion, float32 sums, the C library's expf, Shapley values by definition
// over all coalitions.
func TestSmallModel(t *testing.T) {
	text, err := os.ReadFile("testdata/small.json")
	if err != nil {
		t.Fatal(err)
	}
	m, err := ReadXGBoost(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(written(t, m), text) {
		t.Error("the file does not come back")
	}
	f, err := os.Open("testdata/small.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	number := func(s string) float64 {
		if s == "" {
			return math.NaN()
		}
		x, err := strconv.ParseFloat(s, 64)
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
	out := make([]float64, 7)
	for i, line := range lines[1:] {
		var row []float32
		for _, s := range line[:6] {
			row = append(row, float32(number(s)))
		}
		margin := m.Margin(row)
		if !same(margin, float32(number(line[6]))) || !same(m.Prob(row), float32(number(line[7]))) {
			t.Errorf("row %d: margin %v and probability %v, want %s and %s", i, margin, m.Prob(row), line[6], line[7])
		}
		if got, want := m.Calibrated(margin), number(line[8]); math.Abs(got-want) > 1e-11 {
			t.Errorf("row %d: calibrated %v, want %v", i, got, want)
		}
		m.Explain(row, out)
		for k := range out {
			if want := number(line[9+k]); math.Abs(out[k]-want) > 1e-6 {
				t.Errorf("row %d: feature %d has %v, want %v", i, k, out[k], want)
			}
		}
	}
	if len(lines) != 65 {
		t.Errorf("%d lines", len(lines))
	}
}
