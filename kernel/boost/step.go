package boost

// The inner loops of scoring. Written out by hand: eight independent walks in
// registers, no bounds check and no branch that depends on the data.

// down goes one level: right doubles the place, left adds one.
func down(at, node uint64, keys *[2 * stepFeatures]int32) uint64 {
	d := int64(keys[uint8(node)]) - int64(node)>>32
	return at<<1 | uint64(d)>>63
}

// one scores the keys of one row, eight trees in step.
func (s *scorer) one(keys *[2 * stepFeatures]int32) float32 {
	sum := s.base
	for i := range s.blocks {
		b := &s.blocks[i]
		switch {
		case b.trees == together && b.depth <= shallowDepth && b.depth > 0:
			sum = shallow((*[128]uint64)(s.nodes[b.places:]), (*[128]float32)(s.leaves[b.places:]), int(b.depth), keys, sum)
		case b.depth >= 0:
			sum = s.general(b, keys, sum)
		default:
			sum += s.deep[b.deep].score(keys[:])
		}
	}
	return sum
}

// shallow scores eight trees of up to four levels, each in 16 places.
func shallow(n *[128]uint64, v *[128]float32, depth int, keys *[2 * stepFeatures]int32, sum float32) float32 {
	a0 := down(1, n[1], keys)
	a1 := down(1, n[17], keys)
	a2 := down(1, n[33], keys)
	a3 := down(1, n[49], keys)
	a4 := down(1, n[65], keys)
	a5 := down(1, n[81], keys)
	a6 := down(1, n[97], keys)
	a7 := down(1, n[113], keys)
	for range depth - 1 {
		a0 = down(a0, n[a0&15], keys)
		a1 = down(a1, n[16+a1&15], keys)
		a2 = down(a2, n[32+a2&15], keys)
		a3 = down(a3, n[48+a3&15], keys)
		a4 = down(a4, n[64+a4&15], keys)
		a5 = down(a5, n[80+a5&15], keys)
		a6 = down(a6, n[96+a6&15], keys)
		a7 = down(a7, n[112+a7&15], keys)
	}
	last := uint64(1)<<(depth&63) - 1
	sum += v[a0&last&15]
	sum += v[16+a1&last&15]
	sum += v[32+a2&last&15]
	sum += v[48+a3&last&15]
	sum += v[64+a4&last&15]
	sum += v[80+a5&last&15]
	sum += v[96+a6&last&15]
	sum += v[112+a7&last&15]
	return sum
}

// general scores a block of any depth, four trees in step.
func (s *scorer) general(b *block, keys *[2 * stepFeatures]int32, sum float32) float32 {
	size, at := b.size(), int(b.places)
	last := uint64(1)<<(b.depth&63) - 1
	trees := int(b.trees)
	for ; trees >= 4; trees -= 4 {
		n0 := (*[256]uint64)(s.nodes[at:])
		n1 := (*[256]uint64)(s.nodes[at+size:])
		n2 := (*[256]uint64)(s.nodes[at+2*size:])
		n3 := (*[256]uint64)(s.nodes[at+3*size:])
		a0, a1, a2, a3 := uint64(1), uint64(1), uint64(1), uint64(1)
		for range b.depth {
			a0 = down(a0, n0[uint8(a0)], keys)
			a1 = down(a1, n1[uint8(a1)], keys)
			a2 = down(a2, n2[uint8(a2)], keys)
			a3 = down(a3, n3[uint8(a3)], keys)
		}
		v := s.leaves[at : at+4*size]
		sum += v[a0&last]
		sum += v[size+int(a1&last)]
		sum += v[2*size+int(a2&last)]
		sum += v[3*size+int(a3&last)]
		at += 4 * size
	}
	for ; trees > 0; trees-- {
		n := (*[256]uint64)(s.nodes[at:])
		a := uint64(1)
		for range b.depth {
			a = down(a, n[uint8(a)], keys)
		}
		sum += s.leaves[at+int(a&last)]
		at += size
	}
	return sum
}

// eight scores eight rows in step, tree by tree.
func (s *scorer) eight(keys *batchKeys, out []float32) {
	var sum [together]float32
	for i := range sum {
		sum[i] = s.base
	}
	for i := range s.blocks {
		b := &s.blocks[i]
		if b.depth < 0 {
			for r := range sum {
				sum[r] += s.deep[b.deep].score(keys[r][:])
			}
			continue
		}
		for t := range int(b.trees) {
			at := int(b.places) + t*b.size()
			eightRows((*[256]uint64)(s.nodes[at:]), (*[256]float32)(s.leaves[at:]), int(b.depth), keys, &sum)
		}
	}
	copy(out, sum[:])
}

// eightRows sends eight rows down one tree.
func eightRows(n *[256]uint64, v *[256]float32, depth int, keys *batchKeys, sum *[together]float32) {
	a0, a1, a2, a3, a4, a5, a6, a7 := uint64(1), uint64(1), uint64(1), uint64(1), uint64(1), uint64(1), uint64(1), uint64(1)
	for range depth {
		a0 = down(a0, n[uint8(a0)], &keys[0])
		a1 = down(a1, n[uint8(a1)], &keys[1])
		a2 = down(a2, n[uint8(a2)], &keys[2])
		a3 = down(a3, n[uint8(a3)], &keys[3])
		a4 = down(a4, n[uint8(a4)], &keys[4])
		a5 = down(a5, n[uint8(a5)], &keys[5])
		a6 = down(a6, n[uint8(a6)], &keys[6])
		a7 = down(a7, n[uint8(a7)], &keys[7])
	}
	last := uint64(1)<<(depth&63) - 1
	sum[0] += v[uint8(a0&last)]
	sum[1] += v[uint8(a1&last)]
	sum[2] += v[uint8(a2&last)]
	sum[3] += v[uint8(a3&last)]
	sum[4] += v[uint8(a4&last)]
	sum[5] += v[uint8(a5&last)]
	sum[6] += v[uint8(a6&last)]
	sum[7] += v[uint8(a7&last)]
}
