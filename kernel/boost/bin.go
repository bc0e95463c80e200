package boost

import (
	"math"
	"slices"
)

// missingBin is the bin of a missing value, of whatever feature.
const missingBin = 255

// binned is the rows as bin numbers, row after row: what trees are grown on.
// Bin b of feature f holds cuts[f][b-1] <= x < cuts[f][b].
type binned struct {
	features int
	cuts     [][]float32
	counts   [][]int64 // training rows by bin, missing last
	bins     []uint8   // rows x features
}

// newBinned cuts every feature by the first train rows of the order and bins
// all rows, in the order given.
func newBinned(d *Dataset, order []int32, train, most, threads int) *binned {
	f := len(d.Names)
	b := &binned{features: f, cuts: make([][]float32, f), counts: make([][]int64, f), bins: make([]uint8, len(order)*f)}
	inParallel(threads, f, 1, func(_, from, to int) {
		var work []keyed
		for j := from; j < to; j++ {
			work = b.feature(d, order, train, j, most, work)
		}
	})
	return b
}

// keyed is a value in the order of its key, and its row.
type keyed struct {
	key uint32
	row int32
}

// feature cuts and bins one feature. work is space to use again.
func (b *binned) feature(d *Dataset, order []int32, train, j, most int, work []keyed) []keyed {
	if cap(work) < 2*train {
		work = make([]keyed, 2*train)
	}
	a := work[:0]
	for i := range train {
		if x := d.X[int(order[i])*b.features+j]; x == x {
			a = append(a, keyed{uint32(keyOf(x)) ^ 1<<31, int32(i)})
		} else {
			b.bins[i*b.features+j] = missingBin
		}
	}
	values := radix(a, work[train:train+len(a)])
	cuts := quantiles(values, func(row int32) float64 {
		if d.Weight == nil {
			return 1
		}
		return float64(d.Weight[order[row]])
	}, d.Weight != nil, most-1)
	b.cuts[j] = cuts
	counts := make([]int64, len(cuts)+2)
	at := 0
	for _, v := range values {
		for x := unkey(v.key); at < len(cuts) && x >= cuts[at]; {
			at++
		}
		b.bins[int(v.row)*b.features+j] = uint8(at)
		counts[at]++
	}
	counts[len(cuts)+1] = int64(train - len(values))
	b.counts[j] = counts
	for i := train; i < len(order); i++ {
		b.bins[i*b.features+j] = binOf(cuts, d.X[int(order[i])*b.features+j])
	}
	return work
}

func binOf(cuts []float32, x float32) uint8 {
	if x != x {
		return missingBin
	}
	n, _ := slices.BinarySearchFunc(cuts, x, func(cut, x float32) int {
		if cut <= x {
			return -1
		}
		return 1
	})
	return uint8(n)
}

// unkey is the value of a key that was made to sort without a sign.
func unkey(key uint32) float32 {
	k := int32(key ^ 1<<31)
	return math.Float32frombits(uint32(k ^ int32(uint32(k>>31)>>1)))
}

// radix sorts a by key, using b as space; equal keys keep their order. The
// result is one of the two.
func radix(a, b []keyed) []keyed {
	const width = 11
	for shift := 0; shift < 33; shift += width {
		var starts [1 << width]int32
		for _, v := range a {
			starts[v.key>>shift&(1<<width-1)]++
		}
		sum, full := int32(0), false
		for i, n := range starts {
			full = full || int(n) == len(a)
			starts[i] = sum
			sum += n
		}
		if full { // all alike here
			continue
		}
		for _, v := range a {
			p := &starts[v.key>>shift&(1<<width-1)]
			b[*p] = v
			*p++
		}
		a, b = b, a
	}
	return a
}

// distinct is one value and the weight of the rows that have it.
type distinct struct {
	key    uint32
	weight float64
}

// quantiles returns the cuts between at most n bins of sorted values: each bin
// gets an even part of the weight that is left, and a value is never parted, so
// that a value that very many rows have stands alone. A cut lies half-way
// between its neighbours.
func quantiles(values []keyed, weight func(row int32) float64, weighted bool, n int) []float32 {
	var ds []distinct
	for i := 0; i < len(values); {
		d := distinct{key: values[i].key}
		start := i
		for ; i < len(values) && values[i].key == d.key; i++ {
			if weighted {
				d.weight += weight(values[i].row)
			}
		}
		if !weighted {
			d.weight = float64(i - start)
		}
		ds = append(ds, d)
	}
	cuts := []float32{}
	if len(ds) <= n {
		for i := 1; i < len(ds); i++ {
			cuts = append(cuts, between(ds[i-1].key, ds[i].key))
		}
		return cuts
	}
	left := 0.0
	for _, d := range ds {
		left += d.weight
	}
	bins, share, in := n, left/float64(n), 0.0
	for i, d := range ds {
		// A heavy value closes the bin before it when that is half full.
		if i > 0 && in > 0 && bins > 1 && (in >= share || in+d.weight/2 > share) {
			cuts = append(cuts, between(ds[i-1].key, d.key))
			left -= in
			bins--
			share, in = left/float64(bins), 0
		}
		in += d.weight
	}
	return cuts
}

// between is a threshold that parts two values: a < it <= b.
func between(a, b uint32) float32 {
	low, high := unkey(a), unkey(b)
	mid := float32(float64(low) + (float64(high)-float64(low))/2)
	if !(mid > low) {
		mid = high
	}
	return mid
}

// featureBins makes coarse bins for drift out of the fine ones.
func (g *grower) featureBins(names []string) []Bins {
	out := make([]Bins, len(names))
	for j := range out {
		cuts, counts := g.data.cuts[j], g.data.counts[j]
		b := Bins{Name: names[j], Cuts: []float32{}}
		known := int64(0)
		for _, n := range counts[:len(cuts)+1] {
			known += n
		}
		b.Rows = known + counts[len(cuts)+1]
		coarse := []int64{}
		seen, in := int64(0), int64(0)
		for i, n := range counts[:len(cuts)+1] {
			in += n
			seen += n
			// Close the bin when the next even mark is reached.
			if i < len(cuts) && seen*driftBins >= int64(len(coarse)+1)*known && seen < known && len(coarse) < driftBins-1 {
				b.Cuts, coarse = append(b.Cuts, cuts[i]), append(coarse, in)
				in = 0
			}
		}
		coarse = append(coarse, in, counts[len(cuts)+1])
		b.Shares = shares(coarse)
		out[j] = b
	}
	return out
}
