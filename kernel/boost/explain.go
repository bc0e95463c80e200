package boost

import (
	"math"
	"sync"
)

// How a score is explained. For one leaf the game of its path's features has a
// closed form: with z[k] the share of the training rows that feature k's
// questions let through, and one[k] whether the row passes them,
//
//	phi[j] = value * (one[j]-z[j]) * integral over t in 0..1 of the product
//	         over k != j of (one[k]*t + z[k]*(1-t))
//
// which is the Shapley value, because the weight of a coalition of s out of m-1
// is the integral of t^s (1-t)^(m-1-s). The integrand is a polynomial of degree
// m-1, so a Gauss-Legendre rule of (m+1)/2 points is exact; all its terms are
// positive and nothing cancels. phi depends on the row only through which of
// the path's features it passes: for up to tableFeatures of them the 2^m answers
// are computed once, and a row adds up one line for each leaf.
const (
	tableFeatures = 8
	tableBudget   = 16 << 20 // float32 values in all tables of a model (64 MiB)
)

// explainer is what Explain reads; it never changes.
type explainer struct {
	features int
	bias     float64
	used     []int32
	trees    []shapTree
	table    []float32
	inner    int // most inner nodes of one tree
	rules    [][]gauss
	pool     sync.Pool // of *shapScratch
}

// gauss is a point of a rule on 0..1 and its weight.
type gauss struct{ t, w float64 }

// shapTree is a tree, parents first. Bit s of a mask says that the row passes
// every question about the s-th feature of the path so far.
type shapTree struct {
	nodes  []shapNode
	leaves []shapLeaf
}

// shapNode is an inner node; a child below 0 is the leaf ^child.
type shapNode struct {
	slot        int32 // of the key, as in the scorer
	key         int32
	left, right int32
	bit         uint8 // the feature's bit in the masks of the path
}

// shapLeaf is a leaf with the features of its path, in the order of their bits.
type shapLeaf struct {
	features []int32
	zero     []float64 // share let through, by feature; nil if there is a table
	value    float64
	table    int // first value of the lines, one of len(features) a mask; -1: none
}

// shapScratch is what one call needs.
type shapScratch struct {
	keys   []int32
	masks  []uint64 // by inner node
	leaves []uint64 // by leaf
}

// Explain writes into out what each feature adds to the margin of this row, in
// log-odds, and in out[features] the bias: the margin of a row of which nothing
// is known. The values are the exact Shapley values of the trees (what XGBoost
// calls pred_contribs) and add up to the margin. out must have features+1
// places; a shorter one is a programming error and panics like any index. No
// allocation when it is called again.
func (m *Model) Explain(row []float32, out []float64) {
	x := m.explainer
	out = out[:x.features+1]
	clear(out)
	s, _ := x.pool.Get().(*shapScratch)
	if s == nil {
		s = &shapScratch{keys: make([]int32, 2*x.features), masks: make([]uint64, x.inner+1), leaves: make([]uint64, x.inner+1)}
	}
	setKeys(s.keys, x.used, row)
	for i := range x.trees {
		t := &x.trees[i]
		t.pass(s)
		for l := range t.leaves {
			leaf := &t.leaves[l]
			mask := s.leaves[l]
			if leaf.table < 0 {
				leaf.add(mask, x.rules, out)
				continue
			}
			n := len(leaf.features)
			line := x.table[leaf.table+int(mask)*n:]
			line = line[:n]
			for k, f := range leaf.features {
				out[f] += float64(line[k])
			}
		}
	}
	out[x.features] = x.bias
	x.pool.Put(s)
}

// pass finds the mask of every leaf.
func (t *shapTree) pass(s *shapScratch) {
	if len(t.nodes) == 0 {
		s.leaves[0] = 0
		return
	}
	s.masks[0] = ^uint64(0)
	for i := range t.nodes {
		n := &t.nodes[i]
		d := int64(s.keys[n.slot]) - int64(n.key)
		goesLeft := uint64(d) >> 63
		mask := s.masks[i]
		left, right := mask&^((1-goesLeft)<<(n.bit&63)), mask&^(goesLeft<<(n.bit&63))
		if n.left < 0 {
			s.leaves[^n.left] = left
		} else {
			s.masks[n.left] = left
		}
		if n.right < 0 {
			s.leaves[^n.right] = right
		} else {
			s.masks[n.right] = right
		}
	}
	for i := range t.leaves {
		s.leaves[i] &= 1<<len(t.leaves[i].features) - 1
	}
}

// add works out a leaf without a table.
func (l *shapLeaf) add(mask uint64, rules [][]gauss, out []float64) {
	l.shares(mask, rules, func(k int, phi float64) { out[l.features[k]] += phi })
}

// shares calls give with the value of each feature of the path.
func (l *shapLeaf) shares(mask uint64, rules [][]gauss, give func(k int, phi float64)) {
	rule := rules[(len(l.zero)+1)/2]
	for _, g := range rule {
		product := l.value * g.w
		for k, z := range l.zero {
			product *= factor(mask>>k&1, z, g.t)
		}
		for k, z := range l.zero {
			one := float64(mask >> k & 1)
			give(k, product/factor(mask>>k&1, z, g.t)*(one-z))
		}
	}
}

func factor(one uint64, z, t float64) float64 { return float64(one)*t + z*(1-t) }

// newExplainer builds the tables of the trees, the shallow paths first come.
func newExplainer(m *Model) *explainer {
	x := &explainer{features: m.features, bias: float64(m.base), used: m.scorer.used}
	longest := 0
	x.trees = make([]shapTree, len(m.trees))
	for i := range m.trees {
		b := shapBuilder{t: &m.trees[i], out: &x.trees[i]}
		b.grow(0, shapPath{share: 1})
		x.bias += b.mean
		x.inner = max(x.inner, len(x.trees[i].nodes))
		longest = max(longest, b.longest)
	}
	for n := range (longest+1)/2 + 1 {
		x.rules = append(x.rules, gaussLegendre(n))
	}
	for i := range x.trees {
		for l := range x.trees[i].leaves {
			x.tabulate(&x.trees[i].leaves[l])
		}
	}
	return x
}

// tabulate computes the leaf's lines if they fit.
func (x *explainer) tabulate(l *shapLeaf) {
	n := len(l.features)
	l.table = -1
	size := n << n
	if n > tableFeatures || len(x.table)+size > tableBudget {
		return
	}
	l.table = len(x.table)
	line := make([]float64, n)
	for mask := range uint64(1) << n {
		clear(line)
		l.shares(mask, x.rules, func(k int, phi float64) { line[k] += phi })
		for _, v := range line {
			x.table = append(x.table, float32(v))
		}
	}
	l.zero = nil
}

// shapBuilder turns a tree into a shapTree.
type shapBuilder struct {
	t       *tree
	out     *shapTree
	mean    float64 // of the leaves over the training rows
	longest int     // most features on one path
}

// shapPath is the way to a node.
type shapPath struct {
	features []int32
	zero     []float64
	share    float64 // of the training rows that come here
}

// step is the path one question further.
func (p shapPath) step(feature int32, share float64) (shapPath, uint8) {
	q := shapPath{features: append([]int32(nil), p.features...), zero: append([]float64(nil), p.zero...), share: p.share * share}
	for k, f := range q.features {
		if f == feature {
			q.zero[k] = atLeast(q.zero[k] * share)
			return q, uint8(k)
		}
	}
	q.features = append(q.features, feature)
	q.zero = append(q.zero, atLeast(share))
	return q, uint8(len(q.features) - 1)
}

// atLeast keeps a share that nobody took from dividing by zero.
func atLeast(share float64) float64 { return max(share, 1e-12) }

// grow adds node at and all below it, and returns its number as a child.
func (b *shapBuilder) grow(at int32, p shapPath) int32 {
	t := b.t
	if t.leaf(at) {
		b.mean += float64(t.cond[at]) * p.share
		b.longest = max(b.longest, len(p.features))
		b.out.leaves = append(b.out.leaves, shapLeaf{features: p.features, zero: p.zero, value: float64(t.cond[at])})
		return ^int32(len(b.out.leaves) - 1)
	}
	number := int32(len(b.out.nodes))
	b.out.nodes = append(b.out.nodes, shapNode{slot: slotOf(t, at), key: keyOf(t.cond[at])})
	left, right := t.shares(at)
	q, bit := p.step(t.feature[at], left)
	l := b.grow(t.left[at], q)
	q, _ = p.step(t.feature[at], right)
	r := b.grow(t.right[at], q)
	n := &b.out.nodes[number]
	n.left, n.right, n.bit = l, r, bit
	return number
}

// shares tells how the training rows of an inner node went on. A child with
// more rows than its parent is a damaged count and taken for all of them.
func (t *tree) shares(at int32) (left, right float64) {
	all := float64(t.cover[at])
	if all <= 0 {
		return 0.5, 0.5
	}
	return min(float64(t.cover[t.left[at]])/all, 1), min(float64(t.cover[t.right[at]])/all, 1)
}

// gaussLegendre is the rule of n points on 0..1, exact up to degree 2n-1. The
// points are the roots of the Legendre polynomial, found by Newton's method.
func gaussLegendre(n int) []gauss {
	out := make([]gauss, n)
	for i := range out {
		x := math.Cos(math.Pi * (float64(i) + 0.75) / (float64(n) + 0.5))
		slope := 0.0
		for range 100 {
			p, before := 1.0, 0.0
			for k := range n {
				p, before = (float64(2*k+1)*x*p-float64(k)*before)/float64(k+1), p
			}
			slope = float64(n) * (x*p - before) / (x*x - 1)
			move := p / slope
			x -= move
			if math.Abs(move) < 1e-15 {
				break
			}
		}
		out[i] = gauss{t: (1 + x) / 2, w: 1 / ((1 - x*x) * slope * slope)}
	}
	return out
}
