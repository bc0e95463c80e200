package boost

import (
	"context"
	"math"
	"math/rand/v2"
)

// grower grows trees on binned rows. Rows are numbered by their place in time
// order; the first train of them are trained on, the rest is held out.
type grower struct {
	cfg       Train
	data      *binned
	train     int
	y         []uint8   // by place
	w         []float32 // nil: all 1
	margin    []float32 // so far
	grad      []gradient
	baseScore float32
	scale     float64 // whole numbers for one unit of gradient
	unit      float64 // 1/scale
	leastH    int64   // MinChildWeight in whole numbers, at least 1

	all     []int32 // every training row
	buffers [2][]int32
	scratch []int32
	free    []histogram
	spare   []histogram // of the workers
	columns []int32
	pieces  []piece // by worker
}

// piece is what one worker parted: where its rows began and how many went where.
type piece struct{ from, left, right int }

// newGrower bins the rows and starts every margin at the prior.
func newGrower(cfg Train, d Dataset, order []int32, valid int) *grower {
	n, train := len(order), len(order)-valid
	g := &grower{cfg: cfg, train: train, data: newBinned(&d, order, train, cfg.Bins, cfg.Threads),
		y: make([]uint8, n), margin: make([]float32, n), grad: make([]gradient, train),
		all: make([]int32, train), scratch: make([]int32, train)}
	g.buffers = [2][]int32{make([]int32, train), make([]int32, train)}
	if d.Weight != nil {
		g.w = make([]float32, n)
	}
	frauds, total, heaviest := 0.0, 0.0, 1.0
	for i, r := range order {
		g.y[i] = d.Y[r]
		weight := 1.0
		if g.w != nil {
			g.w[i] = d.Weight[r]
			weight = float64(d.Weight[r])
		}
		if i >= train {
			continue
		}
		g.all[i] = int32(i)
		heaviest = max(heaviest, weight)
		total += weight
		frauds += weight * float64(d.Y[r])
	}
	g.baseScore = float32(min(max(frauds/total, 1e-6), 1-1e-6))
	base := marginOf(g.baseScore)
	for i := range g.margin {
		g.margin[i] = base
	}
	g.scale = math.Ldexp(1, gradientBits) / heaviest
	g.unit = 1 / g.scale
	g.pieces = make([]piece, cfg.Threads)
	g.leastH = max(1, int64(cfg.MinChildWeight*g.scale))
	for w := 1; w < cfg.Threads; w++ {
		g.spare = append(g.spare, make(histogram, len(d.Names)))
	}
	return g
}

// boost grows trees one after another. It stops when cfg.Stop trees in a row
// brought no better loss on the rows held out.
func (g *grower) boost(ctx context.Context, most int, progress func(tree, of int)) ([]tree, []Round, error) {
	var trees []tree
	var curve []Round
	least := 0
	held := g.train < len(g.margin)
	for i := range most {
		if err := ctx.Err(); err != nil {
			return nil, nil, err
		}
		r := rand.New(rand.NewPCG(g.cfg.Seed, uint64(i)))
		g.gradients()
		var cols []int32
		if g.cfg.ColShare < 1 {
			g.columns = sample(r, g.data.features, g.cfg.ColShare, g.columns)
			cols = g.columns
		}
		rows, drawn := g.all, g.cfg.RowShare < 1
		if drawn {
			rows = sample(r, g.train, g.cfg.RowShare, g.buffers[1])
		}
		t := g.grow(int32(i), rows, cols, !drawn)
		from := g.train
		if drawn {
			from = 0
		}
		g.walkOn(t, from)
		trees = append(trees, t.tree)
		curve = append(curve, g.losses())
		progress(i+1, most)
		if curve[i].Valid < curve[least].Valid {
			least = i
		}
		if held && g.cfg.Stop > 0 && i-least >= g.cfg.Stop {
			break
		}
	}
	return trees, curve, nil
}

// losses is the loss on some 20,000 training rows, the same every time, and on
// the rows held out.
func (g *grower) losses() Round {
	every := max(1, g.train/20_000)
	r := Round{Train: g.loss(0, g.train, every)}
	if g.train < len(g.margin) {
		r.Valid = g.loss(g.train, len(g.margin), 1)
	}
	return r
}

// loss sums in blocks of a fixed size, so that it does not depend on threads.
func (g *grower) loss(from, to, every int) float64 {
	const size = 4096
	n := (to - from + every - 1) / every
	blocks := make([][2]float64, (n+size-1)/size)
	inParallel(g.cfg.Threads, len(blocks), 2, func(_, a, b int) {
		for k := a; k < b; k++ {
			for i := from + k*size*every; i < min(from+(k+1)*size*every, to); i += every {
				x := float64(g.margin[i])
				if g.y[i] != 0 {
					x = -x
				}
				w := 1.0
				if g.w != nil {
					w = float64(g.w[i])
				}
				blocks[k][0] += w * (math.Log1p(math.Exp(-math.Abs(x))) + max(x, 0))
				blocks[k][1] += w
			}
		}
	})
	loss, weight := 0.0, 0.0
	for _, b := range blocks {
		loss, weight = loss+b[0], weight+b[1]
	}
	return loss / weight
}

// grown is a tree and, for walking it with bins, its questions by node.
type grown struct {
	tree
	splits []split // ok is false at a leaf
}

// part is a node whose rows are not yet parted.
type part struct {
	node  int32
	depth int // of its children
	rows  []int32
	from  int // place of rows in the buffer
	all   sums
	hist  histogram
	best  split
}

// grow grows one tree, left before right, so that no more histograms are alive
// than it is deep. If all rows are in it, their margins go on as leaves are made.
func (g *grower) grow(id int32, rows, cols []int32, update bool) *grown {
	t := &grown{tree: tree{id: id}}
	root := part{rows: rows, depth: 1, hist: g.take()}
	g.build(root.hist, rows, cols)
	first := 0
	if cols != nil {
		first = int(cols[0])
	}
	for _, s := range root.hist[first] {
		root.all.add(s)
	}
	root.best = g.best(root.hist, root.all, cols)
	root.node = g.node(t, noParent, root.all)
	stack := []part{root}
	for len(stack) > 0 {
		p := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		switch {
		case !p.best.ok:
			if update {
				g.settle(p.rows, t.cond[p.node])
			}
			g.give(p.hist)
		case p.depth == g.cfg.Depth:
			g.last(t, p, update)
			g.give(p.hist)
		default:
			// A level reads one buffer and writes its part of the other.
			left, right := g.part(t, p, g.buffers[(p.depth+1)%2], cols)
			stack = append(stack, right, left)
		}
	}
	return t
}

// node adds a leaf, which may be split later.
func (g *grower) node(t *grown, parent int32, all sums) int32 {
	at := int32(len(t.left))
	w := g.value(all)
	t.left, t.right, t.parent = append(t.left, -1), append(t.right, -1), append(t.parent, parent)
	t.feature, t.defaultLeft = append(t.feature, 0), append(t.defaultLeft, false)
	// The bound only bites where lambda and the curvature are both next to nothing.
	t.cond = append(t.cond, float32(min(max(w*g.cfg.Rate, -maxLeaf/2), maxLeaf/2)))
	t.cover = append(t.cover, float32(float64(all.h)*g.unit))
	t.gain, t.weight = append(t.gain, 0), append(t.weight, float32(min(max(w, -maxLeaf), maxLeaf)))
	t.splits = append(t.splits, split{})
	return at
}

// divide makes the node of p an inner one with two leaves.
func (g *grower) divide(t *grown, p part) (left, right int32) {
	s := p.best
	left = g.node(t, p.node, s.left)
	right = g.node(t, p.node, p.all.less(s.left))
	t.left[p.node], t.right[p.node] = left, right
	t.feature[p.node], t.defaultLeft[p.node] = s.feature, s.missingLeft
	t.cond[p.node], t.gain[p.node] = g.threshold(s), float32(s.gain)
	t.splits[p.node] = s
	return left, right
}

// last splits a node of the last level: its rows need not be parted.
func (g *grower) last(t *grown, p part, update bool) {
	left, right := g.divide(t, p)
	if !update {
		return
	}
	var value [256]float32
	for bin, goes := range p.best.ways() {
		value[bin] = t.cond[right]
		if goes == 1 {
			value[bin] = t.cond[left]
		}
	}
	bins, f := g.data.bins[p.best.feature:], g.data.features
	inParallel(g.cfg.Threads, len(p.rows), parallelRows, func(_, from, to int) {
		for _, r := range p.rows[from:to] {
			g.margin[r] += value[bins[int(r)*f]]
		}
	})
}

// settle adds a leaf's value to its rows.
func (g *grower) settle(rows []int32, value float32) {
	for _, r := range rows {
		g.margin[r] += value
	}
}

// ways tells for every bin whether it goes left.
func (s *split) ways() *[256]uint8 {
	var out [256]uint8
	for b := 0; b <= int(s.bin); b++ {
		out[b] = 1
	}
	out[missingBin] = 0
	if s.missingLeft {
		out[missingBin] = 1
	}
	return &out
}

// part splits a node and parts its rows into the buffer, where they keep their
// order. Only the smaller side is summed; the other is what is left.
func (g *grower) part(t *grown, p part, buffer, cols []int32) (a, b part) {
	left, right := g.divide(t, p)
	out := buffer[p.from : p.from+len(p.rows)]
	n := g.partRows(out, p.rows, &p.best, g.scratch[p.from:p.from+len(p.rows)])
	a = part{node: left, depth: p.depth + 1, rows: out[:n], from: p.from, all: p.best.left}
	b = part{node: right, depth: p.depth + 1, rows: out[n:], from: p.from + n, all: p.all.less(p.best.left)}
	small, large := &a, &b
	if len(a.rows) > len(b.rows) {
		small, large = &b, &a
	}
	small.hist, large.hist = g.take(), p.hist
	g.build(small.hist, small.rows, cols)
	large.hist.subtract(small.hist)
	a.best, b.best = g.best(a.hist, a.all, cols), g.best(b.hist, b.all, cols)
	return a, b
}

// partRows writes the rows that go left, then those that go right, and returns
// how many went left. Each worker parts a piece; then the pieces move together.
func (g *grower) partRows(out, rows []int32, s *split, scratch []int32) int {
	ways := s.ways()
	bins, f := g.data.bins[s.feature:], g.data.features
	inParallel(g.cfg.Threads, len(rows), parallelRows, func(worker, from, to int) {
		l, r := 0, 0
		lefts, rights := out[from:to], scratch[from:to]
		for _, row := range rows[from:to] {
			way := int(ways[bins[int(row)*f]])
			lefts[l], rights[r] = row, row // one of the two stays
			l += way
			r += 1 - way
		}
		g.pieces[worker] = piece{from, l, r}
	})
	parts := max(1, min(g.cfg.Threads, len(rows)/parallelRows))
	n := 0
	for _, p := range g.pieces[:parts] {
		n += copy(out[n:], out[p.from:p.from+p.left])
	}
	to := n
	for _, p := range g.pieces[:parts] {
		to += copy(out[to:], scratch[p.from:p.from+p.right])
	}
	return n
}

// take returns a histogram to fill; give takes it back.
func (g *grower) take() histogram {
	if n := len(g.free); n > 0 {
		h := g.free[n-1]
		g.free = g.free[:n-1]
		return h
	}
	return make(histogram, g.data.features)
}

func (g *grower) give(h histogram) { g.free = append(g.free, h) }

// walkOn adds the tree's leaves to the margins of the rows from a place on, by
// walking the tree with their bins.
func (g *grower) walkOn(t *grown, start int) {
	inParallel(g.cfg.Threads, len(g.margin)-start, parallelRows, func(_, from, to int) {
		for i := start + from; i < start+to; i++ {
			line := g.data.bins[i*g.data.features:]
			at := int32(0)
			for t.left[at] >= 0 {
				s := &t.splits[at]
				bin := line[s.feature]
				left := int32(bin) <= s.bin
				if bin == missingBin {
					left = s.missingLeft
				}
				if left {
					at = t.left[at]
				} else {
					at = t.right[at]
				}
			}
			g.margin[i] += t.cond[at]
		}
	})
}
