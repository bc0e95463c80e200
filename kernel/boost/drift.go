package boost

import (
	"math"
	"slices"

	"surety/kernel/ident"
)

// Bins are the fixed bins of one feature, or of the score, and the share of the
// training rows in each. Bin i holds Cuts[i-1] <= x < Cuts[i]; the bin after the
// last of them holds what was missing.
type Bins struct {
	Name   string    `json:"name"`
	Cuts   []float32 `json:"cuts"`   // ascending
	Shares []float64 `json:"shares"` // len(Cuts)+2 values that add up to 1, missing last
	Rows   int64     `json:"rows"`   // that the shares were counted over
}

// NewBins cuts values into at most n bins of equal share (equal values are never
// parted) and counts them. NaN is missing.
func NewBins(name string, values []float32, n int) Bins {
	sorted := make([]float32, 0, len(values))
	for _, x := range values {
		if x == x {
			sorted = append(sorted, x+0)
		}
	}
	slices.Sort(sorted)
	b := Bins{Name: name, Cuts: []float32{}, Rows: int64(len(values))}
	for i := 1; i < n && len(sorted) > 0; i++ {
		cut := sorted[len(sorted)*i/n]
		if cut > sorted[0] && (len(b.Cuts) == 0 || cut > b.Cuts[len(b.Cuts)-1]) {
			b.Cuts = append(b.Cuts, cut)
		}
	}
	counts := make([]int64, len(b.Cuts)+2)
	for _, x := range values {
		counts[b.Of(x)]++
	}
	b.Shares = shares(counts)
	return b
}

// Of returns the number of the bin that x falls into.
func (b *Bins) Of(x float32) int {
	if x != x {
		return len(b.Cuts) + 1
	}
	lo, hi := 0, len(b.Cuts)
	for lo < hi {
		if mid := (lo + hi) / 2; x < b.Cuts[mid] {
			hi = mid
		} else {
			lo = mid + 1
		}
	}
	return lo
}

func (b *Bins) check() error {
	bad := func(format string, args ...any) error {
		return ident.Invalid(attrBins, "model_attribute", "the bins of "+b.Name+": "+format, args...)
	}
	if len(b.Cuts) > maxBins || len(b.Shares) != len(b.Cuts)+2 {
		return bad("%d cuts and %d shares do not fit", len(b.Cuts), len(b.Shares))
	}
	sum := 0.0
	for i, c := range b.Cuts {
		if !finite(c) || i > 0 && c <= b.Cuts[i-1] {
			return bad("cut %d is %v, cuts must ascend", i, c)
		}
	}
	for i, s := range b.Shares {
		if !(s >= 0 && s <= 1) {
			return bad("share %d is %v, it must be between 0 and 1", i, s)
		}
		sum += s
	}
	if b.Rows > 0 && math.Abs(sum-1) > 1e-6 || b.Rows < 0 {
		return bad("the shares of %d rows add up to %v", b.Rows, sum)
	}
	return nil
}

func shares(counts []int64) []float64 {
	total := int64(0)
	for _, n := range counts {
		total += n
	}
	out := make([]float64, len(counts))
	for i, n := range counts {
		if total > 0 {
			out[i] = float64(n) / float64(total)
		}
	}
	return out
}

// psiFloor stands for the share of an empty bin, so that one new value of
// nothing is a large change and not an infinite one.
const psiFloor = 1e-4

// PSI returns the population stability index of two sets of shares over the
// same bins: the sum of (actual-expected)*ln(actual/expected). By convention 0.10
// is a change to look at and 0.25 a large one; both depend on rows and bins, see
// Shift.Noise. Slices of different lengths give NaN.
func PSI(expected, actual []float64) float64 {
	if len(expected) != len(actual) {
		return math.NaN()
	}
	sum := 0.0
	for i := range expected {
		if expected[i] == 0 && actual[i] == 0 {
			continue
		}
		e, a := max(expected[i], psiFloor), max(actual[i], psiFloor)
		sum += (a - e) * math.Log(a/e)
	}
	return sum
}

// Bins returns the bins of every feature by column, and last those of the score
// (the margin); nil if the model was trained elsewhere. The slice is the
// caller's, what its elements point to is not.
func (m *Model) Bins() []Bins { return slices.Clone(m.bins) }

// Drift counts live rows in a model's bins. It belongs to one goroutine.
type Drift struct {
	bins   []Bins
	counts [][]int64
	rows   int64
}

// NewDrift starts a count; nil if the model has no bins.
func (m *Model) NewDrift() *Drift {
	if m.bins == nil {
		return nil
	}
	d := &Drift{bins: m.bins, counts: make([][]int64, len(m.bins))}
	for i := range d.counts {
		d.counts[i] = make([]int64, len(m.bins[i].Shares))
	}
	return d
}

// Add counts one row and its margin. A row that is too short counts as missing
// what it lacks.
func (d *Drift) Add(row []float32, margin float32) {
	last := len(d.bins) - 1
	for i := range d.bins[:last] {
		x := float32(math.NaN())
		if i < len(row) {
			x = row[i]
		}
		d.counts[i][d.bins[i].Of(x)]++
	}
	d.counts[last][d.bins[last].Of(margin)]++
	d.rows++
}

// Merge adds the counts of another count over the same model.
func (d *Drift) Merge(other *Drift) {
	for i := range d.counts {
		for k, n := range other.counts[i] {
			d.counts[i][k] += n
		}
	}
	d.rows += other.rows
}

// Rows returns the number of rows counted.
func (d *Drift) Rows() int64 { return d.rows }

// Shift is how far one feature, or the score, has moved since training.
type Shift struct {
	Name           string
	PSI            float64
	Noise          float64   // the PSI to be expected of as many rows without any change
	Missing        float64   // share of rows without a value now
	MissingTrained float64   // and in training
	Expected       []float64 // shares by bin, missing last
	Actual         []float64
}

// Shifts returns the shift of every feature by column, the score's last.
func (d *Drift) Shifts() []Shift {
	out := make([]Shift, len(d.bins))
	for i := range d.bins {
		b := &d.bins[i]
		actual := shares(d.counts[i])
		n := len(actual)
		s := Shift{Name: b.Name, PSI: PSI(b.Shares, actual), Missing: actual[n-1], MissingTrained: b.Shares[n-1],
			Expected: slices.Clone(b.Shares), Actual: actual}
		if d.rows > 0 && b.Rows > 0 {
			// Twice the chi-square's mean over the rows; one bin less is free.
			used := -1.0
			for k := range actual {
				if b.Shares[k] > 0 || actual[k] > 0 {
					used++
				}
			}
			s.Noise = max(used, 0) * (1/float64(d.rows) + 1/float64(b.Rows))
		} else {
			s.PSI = 0
		}
		out[i] = s
	}
	return out
}
