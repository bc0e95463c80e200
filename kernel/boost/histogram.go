package boost

import "math"

// gradient is the slope and the curvature of a row's loss as whole numbers,
// scaled so that the largest takes 30 bits. Sums of whole numbers are exact in
// any order: the number of threads cannot be seen, and a histogram is exactly its
// parent's less its sibling's.
type gradient struct{ g, h int32 }

// sums of up to 2^30 gradients fit.
type sums struct{ g, h int64 }

func (s *sums) add(t sums) { s.g += t.g; s.h += t.h }

func (s sums) less(t sums) sums { return sums{s.g - t.g, s.h - t.h} }

// histogram is the sums of one node's rows by bin, for each feature.
type histogram [][256]sums

// gradientBits is how large the largest gradient becomes.
const gradientBits = 30

// gradients works out every training row's gradient from its margin.
func (g *grower) gradients() {
	y, margin, out, w := g.y, g.margin, g.grad, g.w
	inParallel(g.cfg.Threads, g.train, 1<<14, func(_, from, to int) {
		y, margin, out := y[from:to], margin[from:to], out[from:to]
		for i, m := range margin {
			p := quickSigmoid(float64(m))
			slope, curve := p-float64(y[i]), p*(1-p)
			weight := g.scale
			if w != nil {
				weight *= float64(w[from+i])
			}
			out[i] = gradient{whole(slope * weight), whole(curve * weight)}
		}
	})
}

// whole rounds to the nearest whole number of 32 bits.
func whole(x float64) int32 {
	const magic = 0x1.8p52 // its last bit stands for 1
	return int32(uint32(math.Float64bits(x + magic)))
}

// quickSigmoid is right to about 1e-9, far below what a gradient keeps.
func quickSigmoid(x float64) float64 {
	if x > 80 {
		return 1
	}
	if x < -80 {
		return 0
	}
	return 1 / (1 + exp2Table(-x))
}

// parallelRows is the number of rows that are worth another worker.
const parallelRows = 1 << 13

// build sums the rows' gradients into h, which is cleared first. cols names the
// features wanted, nil for all.
func (g *grower) build(h histogram, rows []int32, cols []int32) {
	clear(h)
	spare := g.spare
	inParallel(g.cfg.Threads, len(rows), parallelRows, func(worker, from, to int) {
		into := h
		if worker > 0 {
			into = spare[worker-1]
			clear(into)
		}
		if cols == nil {
			g.data.sum(into, rows[from:to], g.grad)
		} else {
			g.data.sumOf(into, rows[from:to], g.grad, cols)
		}
	})
	parts := min(g.cfg.Threads, len(rows)/parallelRows)
	for w := 1; w < parts; w++ {
		for j := range h {
			for b := range h[j] {
				h[j][b].add(spare[w-1][j][b])
			}
		}
	}
}

// sum adds rows into the histograms of all features.
func (b *binned) sum(h histogram, rows []int32, grad []gradient) {
	f := len(h)
	for _, r := range rows {
		gr, hr := int64(grad[r].g), int64(grad[r].h)
		line := b.bins[int(r)*f:]
		line = line[:len(h)]
		for j := range h {
			c := &h[j][line[j]]
			c.g += gr
			c.h += hr
		}
	}
}

// sumOf adds rows into the histograms of some features.
func (b *binned) sumOf(h histogram, rows []int32, grad []gradient, cols []int32) {
	f := len(h)
	for _, r := range rows {
		gr, hr := int64(grad[r].g), int64(grad[r].h)
		line := b.bins[int(r)*f:]
		line = line[:len(h)]
		for _, j := range cols {
			c := &h[j][line[j]]
			c.g += gr
			c.h += hr
		}
	}
}

// subtract makes h what is left of it without the part.
func (h histogram) subtract(part histogram) {
	for j := range h {
		a, b := &h[j], &part[j]
		for i := range a {
			a[i].g -= b[i].g
			a[i].h -= b[i].h
		}
	}
}

// split is the best question at a node. Rows in bins up to bin go left; -1 sends
// every known value right, so that the question is whether it is missing.
type split struct {
	ok          bool
	feature     int32
	bin         int32
	missingLeft bool
	gain        float64
	left        sums
}

// threshold is what a value must be below to go left.
func (g *grower) threshold(s split) float32 {
	if s.bin < 0 {
		return -math.MaxFloat32
	}
	return g.data.cuts[s.feature][s.bin]
}

// best finds the split with the largest gain; of equal ones the first.
func (g *grower) best(h histogram, all sums, cols []int32) split {
	found := make([]split, len(h))
	inParallel(g.cfg.Threads, len(h), 16, func(_, from, to int) {
		for j := from; j < to; j++ {
			found[j] = g.bestOf(&h[j], int32(j), all)
		}
	})
	var best split
	consider := func(s split) {
		if s.ok && (!best.ok || s.gain > best.gain) {
			best = s
		}
	}
	if cols == nil {
		for _, s := range found {
			consider(s)
		}
		return best
	}
	for _, j := range cols {
		consider(found[j])
	}
	return best
}

// bestOf finds the best split by one feature.
func (g *grower) bestOf(h *[256]sums, feature int32, all sums) split {
	missing := h[missingBin]
	base := g.score(all)
	best := split{feature: feature, gain: max(g.cfg.Gamma, 1e-6)}
	try := func(left sums, bin int, missingLeft bool) {
		right := all.less(left)
		if left.h < g.leastH || right.h < g.leastH {
			return
		}
		if gain := g.score(left) + g.score(right) - base; gain > best.gain {
			best.ok, best.gain, best.bin, best.missingLeft, best.left = true, gain, int32(bin), missingLeft, left
		}
	}
	some := missing != sums{}
	if some {
		try(missing, -1, true)
	}
	var left sums
	for bin := range g.data.cuts[feature] {
		if h[bin] == (sums{}) { // nothing new to part
			continue
		}
		left.add(h[bin])
		try(left, bin, false)
		if some {
			with := left
			with.add(missing)
			try(with, bin, true)
		}
	}
	if best.ok && !some {
		// Nobody has shown the way yet: what is missing goes with the many.
		best.missingLeft = best.left.h*2 >= all.h
	}
	return best
}

// score is what a leaf of these rows takes off the loss, doubled.
func (g *grower) score(s sums) float64 {
	x := float64(s.g) * g.unit
	return x * x / (float64(s.h)*g.unit + g.cfg.Lambda)
}

// value is the step of a leaf of these rows, before the rate.
func (g *grower) value(s sums) float64 {
	return -float64(s.g) * g.unit / (float64(s.h)*g.unit + g.cfg.Lambda)
}
