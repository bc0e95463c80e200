package boost

import (
	"math"
	"math/rand/v2"
)

// randomModel is trees with random questions of a random shape; full ones reach
// their depth everywhere.
func randomModel(r *rand.Rand, trees, depth, features int, full bool) *Model {
	m := &Model{features: features, baseScore: 0.25, head: freshHeader()}
	for i := range trees {
		t := tree{id: int32(i)}
		var grow func(parent int32, level int, cover float32) int32
		grow = func(parent int32, level int, cover float32) int32 {
			at := int32(len(t.left))
			t.left, t.right = append(t.left, -1), append(t.right, -1)
			t.parent = append(t.parent, parent)
			t.feature = append(t.feature, int32(r.IntN(features)))
			t.cond = append(t.cond, float32(r.NormFloat64()))
			t.defaultLeft = append(t.defaultLeft, r.IntN(2) == 1)
			t.cover, t.gain, t.weight = append(t.cover, cover), append(t.gain, 0), append(t.weight, 0)
			if level == depth || !full && r.IntN(4) == 0 {
				t.cond[at] *= 0.1
				t.feature[at] = 0
				return at
			}
			t.gain[at] = r.Float32()
			share := 0.02 + 0.96*r.Float32()
			t.left[at] = grow(at, level+1, cover*share)
			t.right[at] = grow(at, level+1, cover*(1-share))
			return at
		}
		grow(noParent, 0, 1000)
		m.trees = append(m.trees, t)
	}
	if err := m.seal(); err != nil {
		panic(err) // the trees above are sound, or this file is wrong
	}
	return m
}

// randomRow has some missing values, some zeros of either sign and some values
// that are thresholds of the model.
func randomRow(r *rand.Rand, m *Model) []float32 {
	row := make([]float32, m.features)
	for i := range row {
		switch r.IntN(10) {
		case 0, 1:
			row[i] = float32(math.NaN())
		case 2:
			row[i] = float32(math.Copysign(0, float64(r.IntN(2))-0.5))
		case 3:
			t := m.trees[r.IntN(len(m.trees))]
			row[i] = t.cond[r.IntN(len(t.cond))]
		case 4:
			row[i] = float32(math.Inf(r.IntN(2)*2 - 1))
		default:
			row[i] = float32(r.NormFloat64())
		}
	}
	return row
}

// plain is the margin read off the file's own arrays.
func plain(m *Model, row []float32) float32 {
	sum := m.base
	for i := range m.trees {
		t := &m.trees[i]
		at := int32(0)
		for !t.leaf(at) {
			x := row[t.feature[at]]
			if left := x < t.cond[at] || x != x && t.defaultLeft[at]; left {
				at = t.left[at]
			} else {
				at = t.right[at]
			}
		}
		sum += t.cond[at]
	}
	return sum
}
