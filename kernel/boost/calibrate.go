package boost

import (
	"cmp"
	"math"
	"slices"

	"surety/kernel/ident"
)

// The kinds of a Calibration.
const (
	Isotonic = "isotonic"
	Platt    = "platt"
)

// isotonicFrom is how many rows of either kind isotonic regression needs here;
// with fewer its steps follow single frauds and Platt's two numbers are better.
const isotonicFrom = 100

// Calibration maps a margin to a probability; it never falls as the margin
// rises. Isotonic is a line through knots, flat beyond the first and the last.
// Platt is the sigmoid of Slope*margin + Offset.
type Calibration struct {
	Kind   string    `json:"kind"`
	Rows   int       `json:"rows"`   // it was fitted on
	Frauds int       `json:"frauds"` // among them
	Margin []float32 `json:"margin,omitempty"`
	Prob   []float64 `json:"prob,omitempty"`
	Slope  float64   `json:"slope,omitempty"`
	Offset float64   `json:"offset,omitempty"`
}

// Calibrated returns the probability of fraud for a margin, in [0, 1]; it never
// falls as the margin rises. Without a calibration it is the sigmoid.
func (m *Model) Calibrated(margin float32) float64 {
	if m.calibration == nil {
		return sigmoid(float64(margin))
	}
	return m.calibration.Of(margin)
}

// Calibration returns the model's calibration; ok is false if it has none. What
// it points to must not be changed.
func (m *Model) Calibration() (c Calibration, ok bool) {
	if m.calibration == nil {
		return Calibration{}, false
	}
	return *m.calibration, true
}

func sigmoid(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

// Of returns the probability for a margin.
func (c *Calibration) Of(margin float32) float64 {
	if c.Kind == Platt {
		return sigmoid(c.Slope*float64(margin) + c.Offset)
	}
	n := len(c.Margin)
	i, _ := slices.BinarySearch(c.Margin, margin)
	switch {
	case i == 0:
		return c.Prob[0]
	case i == n:
		return c.Prob[n-1]
	}
	low, high := float64(c.Margin[i-1]), float64(c.Margin[i])
	share := (float64(margin) - low) / (high - low)
	// Rounding must not lead past the knot, or the map would fall there.
	return min(c.Prob[i-1]+share*(c.Prob[i]-c.Prob[i-1]), c.Prob[i])
}

func (c *Calibration) check() error {
	bad := func(format string, args ...any) error {
		return ident.Invalid(attrCalibration, "model_attribute", "the calibration: "+format, args...)
	}
	switch c.Kind {
	case Platt:
		if !(c.Slope > 0 && c.Slope < 1e6 && math.Abs(c.Offset) < 1e6) {
			return bad("slope %v and offset %v do not make a rising curve", c.Slope, c.Offset)
		}
		return nil
	case Isotonic:
	default:
		return bad("the kind %q is not known", c.Kind)
	}
	if len(c.Margin) == 0 || len(c.Margin) > maxKnots || len(c.Margin) != len(c.Prob) {
		return bad("%d margins and %d probabilities do not fit", len(c.Margin), len(c.Prob))
	}
	for i := range c.Margin {
		if !finite(c.Margin[i]) || !(c.Prob[i] >= 0 && c.Prob[i] <= 1) {
			return bad("knot %d (%v, %v) is out of range", i, c.Margin[i], c.Prob[i])
		}
		if i > 0 && (c.Margin[i] <= c.Margin[i-1] || c.Prob[i] < c.Prob[i-1]) {
			return bad("knot %d falls below the one before", i)
		}
	}
	return nil
}

// Calibrate fits a map from margins to the share of frauds among rows that the
// model was not trained on. Every row counts once: weights that were given to
// make frauds heavier in training would make these probabilities wrong. Isotonic
// from 100 frauds and 100 good rows on, else Platt; ok is false if one kind is
// missing, for then there is nothing to learn.
func Calibrate(margins []float32, y []uint8) (c Calibration, ok bool) {
	frauds := 0
	for _, v := range y {
		if v != 0 {
			frauds++
		}
	}
	good := len(y) - frauds
	if frauds == 0 || good == 0 {
		return Calibration{}, false
	}
	if min(frauds, good) < isotonicFrom {
		c = platt(margins, y, float64(frauds), float64(good))
	} else {
		c = isotonic(margins, y)
	}
	c.Rows, c.Frauds = len(y), frauds
	return c, true
}

// pool is a run of neighbouring rows with one probability.
type pool struct{ margin, frauds, rows float64 }

func (p pool) rate() float64 { return p.frauds / p.rows }

// isotonic is the rising curve with the least squared error (pool adjacent
// violators), as a line through the middles of its steps.
func isotonic(margins []float32, y []uint8) Calibration {
	order := make([]int, len(margins))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Or(cmp.Compare(margins[a], margins[b]), cmp.Compare(a, b)) })
	var pools []pool
	for i := 0; i < len(order); {
		p := pool{}
		for at := margins[order[i]]; i < len(order) && margins[order[i]] == at; i++ {
			p.margin += float64(at)
			p.rows++
			if y[order[i]] != 0 {
				p.frauds++
			}
		}
		pools = append(pools, p)
		for n := len(pools); n > 1 && pools[n-2].rate() >= pools[n-1].rate(); n-- {
			a, b := pools[n-2], pools[n-1]
			pools = append(pools[:n-2], pool{a.margin + b.margin, a.frauds + b.frauds, a.rows + b.rows})
		}
	}
	// No probability is certain: the ends stay as far from 0 and 1 as half a row
	// more of the other kind would put them.
	first, last := pools[0], pools[len(pools)-1]
	low, high := 0.5/(first.rows+1), 1-0.5/(last.rows+1)
	c := Calibration{Kind: Isotonic}
	for _, p := range pools {
		at, rate := float32(p.margin/p.rows), min(max(p.rate(), low), high)
		n := len(c.Margin)
		if n > 0 && at <= c.Margin[n-1] { // two steps within one float32
			c.Prob[n-1] = max(c.Prob[n-1], rate)
			continue
		}
		c.Margin, c.Prob = append(c.Margin, at), append(c.Prob, rate)
	}
	return c.thin()
}

// thin keeps maxKnots knots at most, evenly chosen, both ends among them.
func (c Calibration) thin() Calibration {
	n := len(c.Margin)
	if n <= maxKnots {
		return c
	}
	out := c
	out.Margin, out.Prob = nil, nil
	for i := range maxKnots {
		k := i * (n - 1) / (maxKnots - 1)
		out.Margin, out.Prob = append(out.Margin, c.Margin[k]), append(out.Prob, c.Prob[k])
	}
	return out
}

// platt fits the sigmoid of slope*margin + offset by Newton's method, with the
// targets drawn in a little (Platt 1999) so that few rows are not taken for
// certainty. A slope that does not rise is not believed: then only the offset is
// fitted, with the model's own slope.
func platt(margins []float32, y []uint8, frauds, good float64) Calibration {
	high, low := (frauds+1)/(frauds+2), 1/(good+2)
	fit := func(slope, offset float64, both bool) (float64, float64) {
		for range 100 {
			var ga, gb, haa, hab, hbb float64
			for i, m := range margins {
				x, t := float64(m), low
				if y[i] != 0 {
					t = high
				}
				p := sigmoid(slope*x + offset)
				d, h := p-t, max(p*(1-p), 1e-12)
				ga, gb = ga+d*x, gb+d
				haa, hab, hbb = haa+h*x*x, hab+h*x, hbb+h
			}
			if !both {
				ga, haa, hab = 0, 1, 0
			}
			haa, hbb = haa+1e-9, hbb+1e-9
			det := haa*hbb - hab*hab
			da, db := (hbb*ga-hab*gb)/det, (haa*gb-hab*ga)/det
			step := 1 / max(1, math.Abs(da), math.Abs(db)/4) // far from the goal Newton jumps too far
			slope, offset = slope-step*da, offset-step*db
			if math.Abs(da)+math.Abs(db) < 1e-10 {
				break
			}
		}
		return slope, offset
	}
	slope, offset := fit(1, 0, true)
	if !(slope > 1e-3 && slope < 1e3 && math.Abs(offset) < 1e5) {
		slope = 1
		if _, offset = fit(1, 0, false); !(math.Abs(offset) < 1e5) {
			offset = 0
		}
	}
	return Calibration{Kind: Platt, Slope: slope, Offset: offset}
}
