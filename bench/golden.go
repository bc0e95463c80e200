package bench

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"

	"surety/kernel/boost"
	"surety/kernel/ident"
)

// GoldenFigures compare our scores and reasons with those of XGBoost itself.
type GoldenFigures struct {
	ScoresBitEqual bool    `json:"scores_bit_equal"` // margin and probability of every row
	SHAPMaxError   float64 `json:"shap_max_error"`   // in margin units
	Rows           int     `json:"rows"`
	RowsBitEqual   int     `json:"rows_bit_equal"`
	Trees          int     `json:"trees"`
	ScoreNanos     float64 `json:"score_ns"`   // one row, one core
	ExplainMicros  float64 `json:"explain_us"` // one row, one core
}

// Tell writes the figures for people.
func (f GoldenFigures) Tell(w io.Writer) {
	fmt.Fprintf(w, "golden: %d of %d rows bit-equal to XGBoost (margin and probability), exact SHAP differs by at most %.2g\n",
		f.RowsBitEqual, f.Rows, f.SHAPMaxError)
	fmt.Fprintf(w, "  %d trees: %.0f ns a score, %.1f us an explanation, one row at a time on one core\n",
		f.Trees, f.ScoreNanos, f.ExplainMicros)
}

// Golden scores and explains the rows of dir/golden_2000.csv.gz by the model of
// dir/xgb_200x6.json.gz.
func Golden(_ context.Context, dir string) (f GoldenFigures, err error) {
	m, err := readModel(filepath.Join(dir, "xgb_200x6.json.gz"))
	if err != nil {
		return f, err
	}
	t, err := openTable(filepath.Join(dir, "golden_2000.csv.gz"), "margin", "prob")
	if err != nil {
		return f, err
	}
	n := t.columns["margin"] - 1 // features stand between the id and the margin
	f.Trees = m.Trees()
	var rows [][]float32
	shap := make([]float64, n+1)
	err = t.each(func(rec []string) error {
		row, err := t.float32s(rec, 1, n+1)
		if err != nil {
			return err
		}
		want, err := t.float32s(rec, n+1, n+3)
		if err != nil {
			return err
		}
		rows = append(rows, row)
		if math.Float32bits(m.Margin(row)) == math.Float32bits(want[0]) && math.Float32bits(m.Prob(row)) == math.Float32bits(want[1]) {
			f.RowsBitEqual++
		}
		m.Explain(row, shap)
		for i, got := range shap {
			v, err := strconv.ParseFloat(rec[n+3+i], 64)
			if err != nil {
				return t.wrong("a SHAP value is not a number")
			}
			f.SHAPMaxError = max(f.SHAPMaxError, math.Abs(got-v))
		}
		return nil
	})
	f.Rows = len(rows)
	f.ScoresBitEqual = f.Rows > 0 && f.RowsBitEqual == f.Rows
	if err == nil && f.Rows > 0 {
		f.time(m, rows, shap)
	}
	return f, err
}

// time measures single rows; the best of several rounds, for the machine is shared.
func (f *GoldenFigures) time(m *boost.Model, rows [][]float32, shap []float64) {
	clock := ident.WallClock{}
	var sum float32
	for range 5 {
		start := clock.Now()
		for _, r := range rows {
			sum += m.Margin(r)
		}
		f.ScoreNanos = least(f.ScoreNanos, float64(clock.Now().Sub(start).Nanoseconds())/float64(len(rows)))
		start = clock.Now()
		for _, r := range rows[:min(200, len(rows))] {
			m.Explain(r, shap)
		}
		f.ExplainMicros = least(f.ExplainMicros, float64(clock.Now().Sub(start).Nanoseconds())/1000/float64(min(200, len(rows))))
	}
	_ = sum
}

func least(old, now float64) float64 {
	if old == 0 {
		return now
	}
	return min(old, now)
}

func readModel(path string) (*boost.Model, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, ident.Invalid("data", "file_missing", "%s cannot be read; --data names the folder of the data set", path).Because(err)
	}
	gz, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil, ident.Invalid("data", "file_malformed", "%s is not a gzip file", path).Because(err)
	}
	return boost.ReadXGBoost(gz)
}
