package boost

import (
	"fmt"
	"math"
	"strconv"

	"surety/kernel/ident"
)

// Bounds of a model, checked when it is read or trained. They hold memory and
// time far above any model that is used, and far below what hurts.
const (
	maxFile       = 256 << 20 // bytes
	maxTrees      = 10_000
	maxTreeNodes  = 1 << 20
	maxNodes      = 1 << 23 // of all trees
	maxFeatures   = 10_000
	maxDepth      = 60   // features of one path must fit the bits of a word
	maxLeaf       = 1e6  // beyond a margin of 17 nothing changes, so such a leaf is damage
	maxName       = 500  // bytes of a feature's name
	maxAttributes = 1000 // pairs of name and text beside the trees
	maxKnots      = 4096 // of a calibration
	maxBins       = 256
)

// noParent is what XGBoost writes as the parent of a root.
const noParent = math.MaxInt32

// deletedIndex is the split index of a node that XGBoost pruned away.
const deletedIndex = math.MaxInt32

// tree is one tree as the file has it: parallel slices by node, root first.
type tree struct {
	id          int32
	left, right []int32 // -1 at a leaf
	parent      []int32
	feature     []int32   // split_indices; of leaves whatever the file says, kept for Write
	cond        []float32 // threshold of an inner node, value of a leaf
	defaultLeft []bool
	cover       []float32 // sum of hessians
	gain        []float32
	weight      []float32 // base_weights: unscaled, for the reader of a dump only
	asBool      bool      // default_left was written as true/false
	deleted     int
	depth       int
}

func (t *tree) leaf(i int32) bool { return t.left[i] < 0 }

// Model is trees that score, explain and say what they know of themselves. It
// never changes; all methods are safe for many goroutines.
type Model struct {
	names      []string // as the file has them; empty if it has none
	types      []string
	features   int
	baseScore  float32 // probability, as the file has it
	baseVector bool    // written as "[5E-1]", as XGBoost 3 does
	base       float32 // margin of baseScore
	trees      []tree
	depth      int
	foreign    [][2]string // attributes that are not ours, sorted by name
	head       header

	calibration *Calibration
	report      *Report
	bins        []Bins // by feature, the score's last; nil if the file has none
	scorer      scorer
	explainer   *explainer
}

// header is what the file says around the trees and we only hand on.
type header struct {
	version     [3]int
	parallel    string // num_parallel_tree
	fromAverage string // boost_from_average, "" if not said
	posWeight   string // scale_pos_weight
	target      string // num_target, "" if not said
}

// Features returns the names of the features by column: f0, f1 … if the file
// has none. The slice is the caller's.
func (m *Model) Features() []string {
	out := make([]string, m.features)
	copy(out, m.names)
	if len(m.names) == 0 {
		for i := range out {
			out[i] = "f" + strconv.Itoa(i)
		}
	}
	return out
}

// Trees returns the number of trees.
func (m *Model) Trees() int { return len(m.trees) }

// Depth returns the number of questions on the longest path of any tree.
func (m *Model) Depth() int { return m.depth }

// Report returns what Fit wrote down about the training; ok is false if the
// model was trained elsewhere.
func (m *Model) Report() (r Report, ok bool) {
	if m.report == nil {
		return Report{}, false
	}
	return m.report.clone(), true
}

// Importance returns the share of the trees' gain that each feature has, by
// column; it adds up to 1 (all 0 if the file has no gains).
func (m *Model) Importance() []float64 {
	out := make([]float64, m.features)
	total := 0.0
	for i := range m.trees {
		t := &m.trees[i]
		for n := range t.left {
			if !t.leaf(int32(n)) && t.gain[n] > 0 {
				out[t.feature[n]] += float64(t.gain[n])
				total += float64(t.gain[n])
			}
		}
	}
	if total > 0 {
		for i := range out {
			out[i] /= total
		}
	}
	return out
}

// seal checks the trees, works out what scoring and explaining need, and makes
// the model ready. After it nothing of m changes.
func (m *Model) seal() error {
	if m.features < 1 || m.features > maxFeatures {
		return ident.Invalid("num_feature", "model_features", "the model has %d features, 1 to %d are allowed", m.features, maxFeatures)
	}
	if len(m.names) != 0 && len(m.names) != m.features {
		return ident.Invalid("feature_names", "model_features", "the model has %d features but %d names", m.features, len(m.names))
	}
	if len(m.trees) == 0 || len(m.trees) > maxTrees {
		return ident.Invalid("trees", "model_trees", "the model has %d trees, 1 to %d are allowed", len(m.trees), maxTrees)
	}
	if !(m.baseScore > 0 && m.baseScore < 1) {
		return ident.Invalid("base_score", "model_base_score", "the base score is %v, it must be a probability between 0 and 1", m.baseScore)
	}
	m.base = marginOf(m.baseScore)
	total := 0
	for i := range m.trees {
		if err := m.trees[i].check(i, m.features); err != nil {
			return err
		}
		m.depth = max(m.depth, m.trees[i].depth)
		if total += len(m.trees[i].left); total > maxNodes {
			return ident.Invalid("trees", "model_nodes", "the trees up to number %d have more than %d nodes", i, maxNodes)
		}
	}
	m.scorer = newScorer(m)
	m.explainer = newExplainer(m)
	return nil
}

// check walks the tree from its root: every node is reached exactly once,
// every index points inside, every number is one.
func (t *tree) check(number, features int) error {
	bad := func(node int32, code, format string, args ...any) error {
		return ident.Invalid(fmt.Sprintf("trees[%d]", number), code, "tree %d node %d: %s", number, node, fmt.Sprintf(format, args...))
	}
	n := int32(len(t.left))
	seen := make([]bool, n)
	level := make([]uint8, n)
	stack := append(make([]int32, 0, 64), 0)
	seen[0] = true
	if t.parent[0] != noParent && t.parent[0] != -1 {
		return bad(0, "tree_parent", "the root has the parent %d, it must have none", t.parent[0])
	}
	for len(stack) > 0 {
		at := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if err := t.checkNode(at, features, bad); err != nil {
			return err
		}
		if t.leaf(at) {
			continue
		}
		if t.depth = max(t.depth, int(level[at])+1); t.depth > maxDepth {
			return bad(at, "tree_depth", "the path is longer than %d nodes", maxDepth)
		}
		for _, child := range [2]int32{t.right[at], t.left[at]} {
			switch {
			case child < 0 || child >= n:
				return bad(at, "tree_child", "the child %d is out of range, the tree has %d nodes", child, n)
			case seen[child]:
				return bad(at, "tree_cycle", "the child %d is reached twice: the tree has a cycle or a shared node", child)
			case t.parent[child] != at:
				return bad(child, "tree_parent", "it names %d as its parent but is a child of %d", t.parent[child], at)
			}
			seen[child], level[child] = true, level[at]+1
			stack = append(stack, child)
		}
	}
	deleted := 0
	for i, ok := range seen {
		switch {
		case ok:
		case t.feature[i] == deletedIndex && t.left[i] < 0:
			deleted++
		default:
			return bad(int32(i), "tree_orphan", "no path leads to it and it is not marked as deleted")
		}
	}
	if deleted != t.deleted {
		return bad(0, "tree_deleted", "%d nodes are deleted but num_deleted says %d", deleted, t.deleted)
	}
	return nil
}

// checkNode checks the numbers of one node.
func (t *tree) checkNode(at int32, features int, bad func(int32, string, string, ...any) error) error {
	if (t.left[at] < 0) != (t.right[at] < 0) || t.left[at] < -1 || t.right[at] < -1 {
		return bad(at, "tree_child", "the children are %d and %d, a node has two or none (-1)", t.left[at], t.right[at])
	}
	for _, v := range [...]struct {
		what string
		x    float32
	}{{"cover (sum_hessian)", t.cover[at]}, {"gain (loss_changes)", t.gain[at]}, {"weight (base_weights)", t.weight[at]}} {
		if !finite(v.x) {
			return bad(at, "tree_number", "the %s is %v, it must be a finite number", v.what, v.x)
		}
	}
	if t.cover[at] < 0 {
		return bad(at, "tree_number", "the cover (sum_hessian) is %v, it cannot be below 0", t.cover[at])
	}
	x := t.cond[at]
	if t.leaf(at) {
		if !(x >= -maxLeaf && x <= maxLeaf) {
			return bad(at, "tree_leaf", "the leaf's value is %v, it must be a number between -%g and %g", x, maxLeaf, maxLeaf)
		}
		return nil
	}
	if !finite(x) {
		return bad(at, "tree_threshold", "the threshold is %v, it must be a finite number", x)
	}
	if f := t.feature[at]; f < 0 || int(f) >= features {
		return bad(at, "tree_feature", "it asks for feature %d, the model has %d", f, features)
	}
	return nil
}

func finite(x float32) bool { return x-x == 0 }

// freshHeader is what XGBoost 1.7 writes around a model of one class.
func freshHeader() header {
	return header{version: [3]int{1, 7, 4}, parallel: "1", fromAverage: "1", posWeight: "1", target: "1"}
}

// marginOf is the margin of a base score, as XGBoost computes it.
func marginOf(score float32) float32 { return -float32(math.Log(float64(1/score - 1))) }
