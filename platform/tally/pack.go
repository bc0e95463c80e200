package tally

import "unsafe"

// An event is 16 bytes and 8 more for each column of its dimension:
//
//	word 0      at, 53 bits | id, the 11 highest of the bits kept
//	word 1      amount, 47 bits | flags, 12 bits | id, the next 5
//	word 2...   column, 48 bits | id, the next 16
//
// so that one comparison of word 0 is the comparison of times, and events sort
// by (at, id).
const (
	timeBits  = 53
	idShift   = 64 - timeBits // of at in word 0
	idMask    = 1<<idShift - 1
	flagShift = 5
	amtShift  = 17
	colShift  = 16
	idPart    = 1<<16 - 1 // of a column's word
)

// packed is an event as it lies in memory; the first 2 + columns words count.
type packed [2 + MaxColumns]uint64

// set packs an event. It is done for every key of every payment.
func (p *packed) set(e *Event, columns int) {
	id := e.ID
	w0, w1 := uint64(e.At)<<idShift, uint64(e.Amount)<<amtShift|uint64(e.Flags)<<flagShift
	switch columns {
	case 0:
		id &= 1<<16 - 1
	case 1:
		id &= 1<<32 - 1
		p[2] = e.Col[0]<<colShift | id&idPart
	case 2:
		id &= 1<<48 - 1
		p[2], p[3] = e.Col[0]<<colShift|id>>16&idPart, e.Col[1]<<colShift|id&idPart
	default:
		p[2], p[3], p[4] = e.Col[0]<<colShift|id>>32&idPart, e.Col[1]<<colShift|id>>16&idPart, e.Col[2]<<colShift|id&idPart
	}
	rest := uint(16 * columns)
	p[0] = w0 | id>>(rest+5)
	p[1] = w1 | id>>rest&31
}

func word(p unsafe.Pointer, off int) uint64 { return *(*uint64)(unsafe.Add(p, off)) }

func setWord(p unsafe.Pointer, off int, v uint64) { *(*uint64)(unsafe.Add(p, off)) = v }

// load reads the event at p.
func load(p unsafe.Pointer, columns int) packed {
	var q packed
	q[0], q[1] = word(p, 0), word(p, 8)
	for j := range columns {
		q[2+j] = word(p, 16+8*j)
	}
	return q
}

func (p *packed) store(at unsafe.Pointer, columns int) {
	setWord(at, 0, p[0])
	setWord(at, 8, p[1])
	for j := range columns {
		setWord(at, 16+8*j, p[2+j])
	}
}

func (p *packed) at() int64        { return int64(p[0] >> idShift) }
func (p *packed) amount() uint64   { return p[1] >> amtShift }
func (p *packed) flags() uint16    { return uint16(p[1]>>flagShift) & (MaxFlags - 1) }
func (p *packed) col(j int) uint64 { return p[2+j] >> colShift }

// compare orders events by (at, id). Without columns only 16 bits of the id are
// kept, and two payments of one microsecond may share them: the amount tells
// them apart.
func (p *packed) compare(q *packed, columns int) int {
	if p[0] != q[0] {
		return less(p[0], q[0])
	}
	if a, b := p[1]&31, q[1]&31; a != b {
		return less(a, b)
	}
	for j := range columns {
		if a, b := p[2+j]&idPart, q[2+j]&idPart; a != b {
			return less(a, b)
		}
	}
	if columns == 0 {
		if a, b := p[1]>>amtShift, q[1]>>amtShift; a != b {
			return less(a, b)
		}
	}
	return 0
}

func less(a, b uint64) int {
	if a < b {
		return -1
	}
	return 1
}

// same reports whether two events of one identity say the same: flags may have
// changed since.
func (p *packed) same(q *packed, columns int) bool {
	if p.amount() != q.amount() {
		return false
	}
	for j := range columns {
		if p.col(j) != q.col(j) {
			return false
		}
	}
	return true
}
