package boost

import (
	"math"
)

// How rows are scored. A feature becomes a whole number of the same order, so
// that x < threshold is the sign of a difference and no branch is guessed. Each
// feature has two such keys, alike unless its value is missing: then one is
// below every threshold and one above, and a node looks at the one that leads
// where it has learned to send what is missing. Trees up to 8 deep are filled
// up to complete ones, so that the children of node i are 2i and 2i+1, and go
// in step eight at a time: the processor then waits for eight memory accesses
// at once. Deeper trees, and models of more than 128 features, walk node by node.
const (
	stepDepth    = 8
	shallowDepth = 4 // up to here a tree takes 1 << shallowDepth places, so that one loop serves all
	stepFeatures = 128
	together     = 8 // trees of a single row, or rows of a batch, in step
)

// scorer is the trees laid out for scoring.
type scorer struct {
	base     float32
	features int
	used     []int32 // features that any node asks for, ascending
	blocks   []block
	nodes    []uint64  // threshold key << 32 | slot of the feature's key
	leaves   []float32 // of complete trees, left to right
	deep     []deepTree
}

// block is up to eight neighbouring trees laid out alike, or one deep tree.
type block struct {
	depth  int32 // of the complete trees; 0 is a single leaf; -1: deep
	trees  int32
	places int32 // where the first tree begins, in nodes and in leaves
	deep   int32
}

// size is the places of each tree: nodes from 1 on, leaves from 0 on.
func (b *block) size() int { return 1 << max(b.depth, shallowDepth) }

// deepTree is a tree that is walked node by node.
type deepTree struct {
	left, right []int32
	slot        []int32 // 2*feature, +1 if a missing value goes left
	key         []int32
	value       []float32
}

// keyOf is x as a whole number of the same order. -0 and +0 are one.
func keyOf(x float32) int32 {
	b := int32(math.Float32bits(x + 0)) // -0 + 0 is +0
	return b ^ int32(uint32(b>>31)>>1)
}

const (
	belowAll = math.MinInt32 // a missing value where it goes left
	aboveAll = math.MaxInt32 // and where it goes right
)

// setKeys writes both keys of each feature of used into keys[2f] and keys[2f+1].
func setKeys(keys []int32, used []int32, row []float32) {
	for _, f := range used {
		right, left := int32(aboveAll), int32(belowAll)
		if int(f) < len(row) {
			if x := row[f]; x == x {
				right = keyOf(x)
				left = right
			}
		}
		keys[2*f], keys[2*f+1] = right, left
	}
}

func newScorer(m *Model) scorer {
	s := scorer{base: m.base, features: m.features}
	used := make([]bool, m.features)
	for i := range m.trees {
		for n, f := range m.trees[i].feature {
			if !m.trees[i].leaf(int32(n)) {
				used[f] = true
			}
		}
	}
	for f, ok := range used {
		if ok {
			s.used = append(s.used, int32(f))
		}
	}
	for i := 0; i < len(m.trees); {
		if m.trees[i].depth > stepDepth || m.features > stepFeatures {
			s.blocks = append(s.blocks, block{depth: -1, trees: 1, deep: int32(len(s.deep))})
			s.deep = append(s.deep, deepen(&m.trees[i]))
			i++
			continue
		}
		b := block{places: int32(len(s.nodes))}
		for i+int(b.trees) < len(m.trees) && b.trees < together && m.trees[i+int(b.trees)].depth <= stepDepth {
			b.depth = max(b.depth, int32(m.trees[i+int(b.trees)].depth))
			b.trees++
		}
		for range b.trees {
			s.complete(&m.trees[i], int(b.depth), b.size())
			i++
		}
		s.blocks = append(s.blocks, b)
	}
	// A tree is read through a pointer to 256 places, whatever its depth.
	s.nodes = append(s.nodes, make([]uint64, 1<<stepDepth)...)
	s.leaves = append(s.leaves, make([]float32, 1<<stepDepth)...)
	return s
}

// complete appends a tree filled up to depth: below an early leaf every node
// goes right and every leaf has the early leaf's value.
func (s *scorer) complete(t *tree, depth, places int) {
	start, size := len(s.nodes), 1<<depth
	s.nodes = append(s.nodes, make([]uint64, places)...)
	s.leaves = append(s.leaves, make([]float32, places)...)
	var fill func(at int32, heap int)
	fill = func(at int32, heap int) {
		if heap >= size {
			s.leaves[start+heap-size] = t.cond[at]
			return
		}
		left, right := at, at
		word := uint64(1) << 63 // threshold belowAll: nothing is less
		if !t.leaf(at) {
			left, right = t.left[at], t.right[at]
			word = uint64(uint32(keyOf(t.cond[at])))<<32 | uint64(slotOf(t, at))
		}
		s.nodes[start+heap] = word
		fill(right, 2*heap)
		fill(left, 2*heap+1)
	}
	fill(0, 1)
}

func slotOf(t *tree, at int32) int32 {
	slot := 2 * t.feature[at]
	if t.defaultLeft[at] {
		slot++
	}
	return slot
}

func deepen(t *tree) deepTree {
	d := deepTree{left: t.left, right: t.right, value: t.cond, slot: make([]int32, len(t.left)), key: make([]int32, len(t.left))}
	for i := range t.left {
		if !t.leaf(int32(i)) {
			d.slot[i], d.key[i] = slotOf(t, int32(i)), keyOf(t.cond[i])
		}
	}
	return d
}

func (d *deepTree) score(keys []int32) float32 {
	at := int32(0)
	for d.left[at] >= 0 {
		if keys[d.slot[at]] < d.key[at] {
			at = d.left[at]
		} else {
			at = d.right[at]
		}
	}
	return d.value[at]
}

// Margin returns the log-odds of the row, bit-equal to XGBoost 1.7. NaN and
// columns that the row is too short for are missing; columns beyond the
// features are not looked at. It allocates nothing (up to 128 features).
func (m *Model) Margin(row []float32) float32 {
	s := &m.scorer
	if s.features <= stepFeatures {
		var keys [2 * stepFeatures]int32
		setKeys(keys[:], s.used, row)
		return s.one(&keys)
	}
	keys := make([]int32, 2*s.features)
	setKeys(keys, s.used, row)
	return s.walk(keys)
}

// walk scores a model of deep trees only.
func (s *scorer) walk(keys []int32) float32 {
	sum := s.base
	for i := range s.deep {
		sum += s.deep[i].score(keys)
	}
	return sum
}

// Prob returns the probability as XGBoost gives it: the sigmoid of the margin
// in float32. It knows nothing of a calibration; Calibrated does.
func (m *Model) Prob(row []float32) float32 { return sigmoid32(m.Margin(row)) }

// sigmoid32 is XGBoost's, in float32 throughout.
func sigmoid32(margin float32) float32 {
	return 1 / (exp32(min(-margin, 88.7)) + 1) // beyond 88.7 exp leaves float32
}

// exp32 is expf as the C library under XGBoost computes it (the routine of
// glibc since 2.27): right but for one value in about a thousand, where it is the
// next float. Those too must be equal, so a better exp would be a worse one.
// x is at most 88.7.
func exp32(x float32) float32 {
	if x < -103.98 {
		return 0
	}
	return float32(exp2Table(float64(x)))
}

// exp2Table is exp by a table of 2^(i/32) and a polynomial, right to 1e-9; x
// must lie between -700 and 700.
func exp2Table(x float64) float64 {
	const (
		steps = 32 // of the table, for one doubling
		scale = 0x1.71547652b82fep+0 * steps
		round = 0x1.8p52
		c0    = 0x1.c6af84b912394p-5 / steps / steps / steps
		c1    = 0x1.ebfce50fac4f3p-3 / steps / steps
		c2    = 0x1.62e42ff0c52d6p-1 / steps
	)
	// x*steps/ln 2 = k + r with k whole and r at most a half. The conversions
	// keep a compiler from fusing a product and a sum.
	z := float64(scale * x)
	kd := float64(z + round)
	k := math.Float64bits(kd)
	r := z - float64(kd-round)
	s := math.Float64frombits(math.Float64bits(exp2Steps[k%steps]) + (k-k%steps)<<(52-5))
	y := float64(float64(float64(c0*r)+c1) * float64(r*r))
	return float64(y+float64(float64(c2*r)+1)) * s
}

// exp2Steps is 2^(i/32), each to the nearest float64; it never changes.
var exp2Steps = [32]float64{
	0x1.0000000000000p+0, 0x1.059b0d3158574p+0, 0x1.0b5586cf9890fp+0, 0x1.11301d0125b51p+0,
	0x1.172b83c7d517bp+0, 0x1.1d4873168b9aap+0, 0x1.2387a6e756238p+0, 0x1.29e9df51fdee1p+0,
	0x1.306fe0a31b715p+0, 0x1.371a7373aa9cbp+0, 0x1.3dea64c123422p+0, 0x1.44e086061892dp+0,
	0x1.4bfdad5362a27p+0, 0x1.5342b569d4f82p+0, 0x1.5ab07dd485429p+0, 0x1.6247eb03a5585p+0,
	0x1.6a09e667f3bcdp+0, 0x1.71f75e8ec5f74p+0, 0x1.7a11473eb0187p+0, 0x1.82589994cce13p+0,
	0x1.8ace5422aa0dbp+0, 0x1.93737b0cdc5e5p+0, 0x1.9c49182a3f090p+0, 0x1.a5503b23e255dp+0,
	0x1.ae89f995ad3adp+0, 0x1.b7f76f2fb5e47p+0, 0x1.c199bdd85529cp+0, 0x1.cb720dcef9069p+0,
	0x1.d5818dcfba487p+0, 0x1.dfc97337b9b5fp+0, 0x1.ea4afa2a490dap+0, 0x1.f50765b6e4540p+0,
}

// batchKeys are the keys of the rows that go in step.
type batchKeys [together][2 * stepFeatures]int32

// MarginBatch writes the margin of each row into out, the same bits as Margin.
// out must be as long as rows; a shorter one is a programming error and panics
// like any index.
func (m *Model) MarginBatch(rows [][]float32, out []float32) {
	s := &m.scorer
	out = out[:len(rows)]
	if s.features > stepFeatures {
		keys := make([]int32, 2*s.features)
		for i, row := range rows {
			setKeys(keys, s.used, row)
			out[i] = s.walk(keys)
		}
		return
	}
	var keys batchKeys
	for len(rows) >= together && m.depth > shallowDepth { // below, one row alone is as fast

		for i := range together {
			setKeys(keys[i][:], s.used, rows[i])
		}
		s.eight(&keys, out[:together])
		rows, out = rows[together:], out[together:]
	}
	for i, row := range rows {
		setKeys(keys[0][:], s.used, row)
		out[i] = s.one(&keys[0])
	}
}
