package risk

import (
	"math"

	"surety/kernel/policy"
	"surety/platform/tally"
)

// scratch is room for one judgement. It is used again and again: nothing of it
// may stay in a Decision.
type scratch struct {
	event  Event // of a single judgement
	facts  Facts
	row    policy.Row    // all slots; the limits stand in theirs
	fixed  int           // slots before the limits
	events []tally.Event // the payment as it stands in each entity's history
	keys   []tally.Key   // of the entities that it belongs to
	at     []int         // where an entity's key stands in keys, -1 if the payment belongs to none
	cells  []tally.Cell
	listed []string
	broken []int    // slots of values that could not be computed
	failed []string // entities of which a condition could not be judged
	input  []float32
	reason []float64
	v      verdict
}

// hashes are those of the names of one payment, each made once.
type hashes struct {
	id uint64
	of [nFields]uint64 // 0 if the field is missing
}

func (p *Pack) newScratch() *scratch {
	s := &scratch{fixed: len(p.slots), row: policy.Row{N: make([]int64, len(p.slots)+len(p.limits)), S: make([]string, p.texts)},
		events: make([]tally.Event, len(p.entities)), at: make([]int, len(p.entities)), cells: make([]tally.Cell, p.cells)}
	for i, l := range p.limits {
		s.row.N[len(p.slots)+i] = l.value
	}
	return s
}

func (p *Pack) hash(e *Event, h *hashes) {
	h.id = tally.Hash(e.ID)
	for _, f := range p.hashed {
		h.of[f] = 0
		if text := e.field(f); text != "" {
			h.of[f] = tally.Hash(text)
		}
	}
}

// key names the history of an entity that the payment belongs to; 0 is none.
func (n *entity) hash(h *hashes) uint64 {
	first := h.of[n.key[0]]
	if len(n.key) == 1 || first == 0 {
		return first
	}
	second := h.of[n.key[1]]
	if second == 0 {
		return 0
	}
	return tally.Pair(first, second)
}

// prepare finds the histories that a payment belongs to, and how it stands in
// each, and fills what comes from the payment alone. It needs no lock.
func (p *Pack) prepare(s *scratch, e *Event, h *hashes, at int64) {
	minor := p.minor(e)
	p.eventFacts(e, minor, &s.row)
	s.keys, s.broken, s.failed, s.listed = s.keys[:0], s.broken[:0], nil, s.listed[:0]
	for i, n := range p.entities {
		s.at[i] = -1
		hash := n.hash(h)
		if hash == 0 {
			continue
		}
		s.at[i] = len(s.keys)
		s.keys = append(s.keys, tally.Key{Dim: n.root.dim, Hash: hash})
		ev := &s.events[i]
		ev.ID, ev.At, ev.Amount, ev.Flags = h.id, at, minor, 0
		for j, c := range n.root.columns {
			if c == fieldPlace {
				ev.Col[j] = e.Place.column()
			} else {
				ev.Col[j] = h.of[c]
			}
		}
		for j, f := range n.root.filters {
			switch yes, err := f.when.Test(&s.row); {
			case err != nil:
				s.failed = append(s.failed, "where:"+n.name)
			case yes:
				ev.Flags |= 1 << (firstFilter + j)
			}
		}
	}
}

// read fills the features from the histories, which are locked.
func (p *Pack) read(s *scratch, tx *tally.Tx) {
	for i, n := range p.entities {
		if n.plan == nil {
			continue
		}
		if s.at[i] < 0 {
			for _, x := range n.reads {
				s.row.N[x.slot] = x.missing
			}
			continue
		}
		cells := s.cells[:len(n.windows)]
		ev := &s.events[i]
		tx.Read(s.at[i], tally.Query{At: ev.At, This: ev}, n.plan, cells)
		for _, x := range n.reads {
			s.row.N[x.slot] = x.read(cells, ev)
		}
	}
}

// read is the value of a feature, as it stands in a row.
func (x *feature) read(cells []tally.Cell, ev *tally.Event) int64 {
	c := &cells[x.cell]
	switch x.kind {
	case kindCount:
		return c.Count
	case kindSum:
		return c.Sum
	case kindDistinct:
		return c.Distinct[x.column]
	}
	if c.Count == 0 {
		return x.missing
	}
	switch x.kind {
	case kindMean:
		return bits(c.Mean())
	case kindStd:
		return bits(c.Std())
	case kindMin:
		return c.Min
	case kindMax:
		return c.Max
	case kindFirst:
		return (ev.At - c.First) / 1_000_000
	case kindLast:
		return (ev.At - c.Last) / 1_000_000
	case kindShare:
		return bits(float64(cells[x.other].Count) / float64(c.Count))
	case kindBurst:
		if long := cells[x.other].Count; long > 0 {
			short := float64(c.Count) / float64(x.span)
			return bits(short / (float64(long) / float64(x.against)))
		}
	case kindSpeed:
		if here := ev.Col[x.column]; here != 0 {
			return speed(c.Col[x.column], here, ev.At-c.Last)
		}
	}
	return x.missing
}

func bits(v float64) int64 { return int64(math.Float64bits(v)) }

// compute fills the derived values, each after those it uses. One that cannot be
// computed has its value for missing; if the pack gives none, it is broken, and
// so is every rule and every model that reads it.
func (p *Pack) compute(s *scratch) {
	for _, x := range p.values {
		p.computeOne(s, x)
	}
}

func (p *Pack) computeOne(s *scratch, x *feature) {
	var err error
	good := true
	switch x.info.Type {
	case policy.Int:
		s.row.N[x.slot], err = x.formula.Int(&s.row)
	case policy.Double:
		var v float64
		v, err = x.formula.Double(&s.row)
		good = v-v == 0 // neither NaN nor infinite
		s.row.SetDouble(x.slot, v)
	case policy.Bool:
		var v bool
		v, err = x.formula.Bool(&s.row)
		s.row.SetBool(x.slot, v)
	case policy.String:
		s.row.S[x.slot], err = x.formula.String(&s.row)
	}
	if len(s.broken) > 0 && s.reads(x.after) {
		good = false
	}
	if err == nil && good {
		return
	}
	if x.declared {
		s.row.N[x.slot] = x.missing
		return
	}
	s.broken = append(s.broken, x.slot)
	if x.info.Type == policy.String {
		s.row.S[x.slot] = ""
	} else {
		s.row.N[x.slot] = 0
	}
}

// reads reports whether any of the slots is broken.
func (s *scratch) reads(slots []int) bool {
	for _, b := range s.broken {
		for _, u := range slots {
			if b == u {
				return true
			}
		}
	}
	return false
}

// A place is kept in 48 bits of a column: 24 for each angle, to about a metre
// north and two east. 0 is no place.
const (
	placeBits = 24
	placeMask = 1<<placeBits - 1
)

func (p Place) column() uint64 {
	if !p.Given {
		return 0
	}
	lat := uint64(int64(p.Lat)+maxLat) * (placeMask - 1) / (2 * maxLat)
	lon := uint64(int64(p.Lon)+maxLon) * placeMask / (2 * maxLon)
	return (lat+1)<<placeBits | lon
}

func angles(column uint64) (lat, lon float64) {
	lat = float64(column>>placeBits-1)*(math.Pi/(placeMask-1)) - math.Pi/2
	lon = float64(column&placeMask)*(2*math.Pi/placeMask) - math.Pi
	return lat, lon
}

// speed is the speed in whole km/h between two places in a time of us
// microseconds, along the surface of the earth. Less than a second counts as one:
// two payments at once are no division by zero.
func speed(from, to uint64, us int64) int64 {
	if from == to {
		return 0
	}
	lat1, lon1 := angles(from)
	lat2, lon2 := angles(to)
	a, b := math.Sin((lat2-lat1)/2), math.Sin((lon2-lon1)/2)
	// float64() keeps processors that could from joining * and +, so that all agree.
	h := float64(a*a) + float64(float64(math.Cos(lat1)*math.Cos(lat2))*float64(b*b))
	km := 2 * 6371.0088 * math.Asin(math.Min(1, math.Sqrt(h)))
	return int64(km / (float64(max(us, 1_000_000)) / 3.6e9))
}
