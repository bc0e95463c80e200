package watch

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"surety/domain/risk"
	"surety/kernel/ident"
	"surety/kernel/money"
)

// MeterConfig bounds a Meter. The zero value follows 8,192 keys of each of the
// four large dimensions, in at most about 110 MB.
type MeterConfig struct {
	// Keys is how many terminals, merchants, payees and devices (each) are
	// followed at once; 8,192 if 0. One takes up to 3.1 KB.
	Keys int
	// Seen is of how many more keys (each) the last four payments are remembered;
	// 32,768 if 0. One takes 72 bytes.
	Seen int
	// Pairs is how many payer-payee pairs are remembered at the least, to tell a
	// first payment; 1 million if 0. One takes 4 bytes.
	Pairs int
	// Recent is how many payments are kept with their ids, as examples and to see
	// which rises have one cause; 65,536 if 0. One takes 152 bytes.
	Recent int
	// Currency is the one whose amounts are summed, CNY if "". Payments in others
	// are counted.
	Currency money.Currency
	// Seed keys the hashes, so that nobody can choose names that collide; random
	// if 0. A simulation sets it.
	Seed uint64
}

// Meter counts judged payments by key and minute. Observe may be called from
// many goroutines; all else is for one at a time, and Service sees to that.
type Meter struct {
	cfg  MeterConfig
	seed uint64
	now  atomic.Int64 // the minute that has been come to

	stripes [nStripes]stripe
	tables  [nDims]table
	pairs   pairs

	late, early atomic.Int64 // payments of more than an hour ago, and of the future
	tick        ticked       // guarded by its own lock, never taken by Observe
}

// The dimensions by number. The large ones have more keys than can be followed;
// of the small ones all are, up to mostSmall.
const (
	dTerminal = iota
	dMerchant
	dPayee
	dDevice
	dMethod
	dRegion
	dType
	nDims
	nLarge = dMethod
)

const (
	nStripes  = 4
	batchSize = 16
	mostSmall = 1024
	mostName  = 128 // bytes of a name that are kept
)

// stripe takes in payments, sixteen at a time: memory is fetched for all of them
// at once and locks are taken once for all. Whoever brings the sixteenth puts them
// into the tables; Tick does it with those that wait.
type stripe struct {
	mu     sync.Mutex // all below
	batch  [batchSize]entry
	n      int
	recent []record // a ring of the last payments that came this way
	next   int
	_      [64]byte // two stripes share no cache line
}

// entry is a payment that waits in a batch. Names are copied: whose memory they are in
// the caller alone knows.
type entry struct {
	minute int64
	now    int64 // the meter's minute when it came
	amount int64
	payer  uint64
	keys   [nDims]uint64 // 0: none was given
	square float32
	flags  uint8
	idLen  uint8
	id     [64]byte
	ends   [nDims]uint16 // of the names, one after another in text
	text   [nDims * mostName]byte
}

func (p *entry) name(d int) string {
	from := uint16(0)
	if d > 0 {
		from = p.ends[d-1]
	}
	return string(p.text[from:p.ends[d]])
}

// record is a payment that has been counted, for examples. It holds no pointer.
type record struct {
	id      [64]byte
	keys    [nDims]uint64
	payer   uint64
	amount  int64
	minute  int64
	idLen   uint8
	stopped bool
}

// NewMeter makes an empty meter that stands at a time.
func NewMeter(cfg MeterConfig, now time.Time) (*Meter, error) {
	for _, f := range []struct {
		name string
		v    *int
		zero int
	}{{"keys", &cfg.Keys, 8192}, {"seen", &cfg.Seen, 32768}, {"pairs", &cfg.Pairs, 1_000_000}, {"recent", &cfg.Recent, 65536}} {
		if *f.v == 0 {
			*f.v = f.zero
		}
		if *f.v < 64 || *f.v > 1<<28 {
			return nil, ident.Invalid(f.name, "meter_size", "%s must be between 64 and %d, it is %d", f.name, 1<<28, *f.v)
		}
	}
	if cfg.Currency == "" {
		cfg.Currency = money.CNY
	}
	if cfg.Seed == 0 {
		cfg.Seed = rand.Uint64()
	}
	m := &Meter{cfg: cfg, seed: cfg.Seed}
	for d := range m.tables {
		if d < nLarge {
			m.tables[d].init(cfg.Keys, cfg.Seen)
		} else {
			m.tables[d].init(mostSmall, 0)
		}
	}
	for i := range m.stripes {
		m.stripes[i].recent = make([]record, (cfg.Recent+nStripes-1)/nStripes)
	}
	m.pairs.init(cfg.Pairs)
	m.tick.init()
	m.jump(now.Unix() / 60)
	return m, nil
}

// flags of a payment.
const (
	isStopped = 1 << iota
	isFresh
)

// Observe counts a judged payment, by the minute in which it was made. It does no
// I/O, waits for nobody longer than a few instructions take, and allocates only
// when a key begins to be followed. It keeps nothing of e and d.
func (m *Meter) Observe(e *risk.Event, d *risk.Decision) {
	m.observe(e, d != nil && stopped(d))
}

// stopped says that something spoke against the payment. What our own stops hold up
// says nothing new.
func stopped(d *risk.Decision) bool { return d.Outcome != risk.Allow && d.Stop == "" }

func (m *Meter) observe(e *risk.Event, stopped bool) {
	now, minute := m.now.Load(), e.At.Unix()/60
	switch {
	case minute <= now-window60:
		m.late.Add(1)
		return
	case minute > now+ahead:
		m.early.Add(1)
		minute = now
	}
	region := e.Region
	if region == "" {
		region = e.City
	}
	names := [nDims]string{dTerminal: e.Terminal, dMerchant: e.Merchant, dPayee: e.Payee, dDevice: e.Device,
		dMethod: e.Channel, dRegion: region, dType: string(e.Type)}
	var keys [nDims]uint64
	for d, name := range names {
		keys[d] = m.hash(name)
	}
	payer := m.hash(e.Payer)

	s := m.stripe()
	p := &s.batch[s.n]
	p.minute, p.now, p.keys, p.payer, p.amount, p.square, p.flags = minute, now, keys, payer, 0, 0, 0
	if e.Amount.Currency == m.cfg.Currency {
		p.amount = e.Amount.Minor
		p.square = float32(p.amount) * float32(p.amount)
	}
	if stopped {
		p.flags = isStopped
	}
	at := 0
	for d, name := range names {
		at += copy(p.text[at:at+mostName], name)
		p.ends[d] = uint16(at)
	}
	p.idLen = uint8(copy(p.id[:], e.ID))
	if s.n++; s.n == batchSize {
		m.absorb(s)
	}
	s.mu.Unlock()
}

// stripe locks one that nobody else is at.
func (m *Meter) stripe() *stripe {
	at := rand.Uint32()
	for range nStripes {
		if s := &m.stripes[at%nStripes]; s.mu.TryLock() {
			return s
		}
		at++
	}
	s := &m.stripes[at%nStripes]
	s.mu.Lock()
	return s
}

// absorb puts a stripe's batch into the tables. s.mu is held.
func (m *Meter) absorb(s *stripe) {
	batch := s.batch[:s.n]
	m.pairs.mark(batch)
	for d := range m.tables {
		m.tables[d].take(d, batch)
	}
	for i := range batch {
		p := &batch[i]
		s.recent[s.next] = record{id: p.id, idLen: p.idLen, keys: p.keys, payer: p.payer, amount: p.amount, minute: p.minute,
			stopped: p.flags&isStopped != 0}
		if s.next++; s.next == len(s.recent) {
			s.next = 0
		}
	}
	s.n = 0
}

// drain puts what waits in the stripes into the tables.
func (m *Meter) drain() {
	for i := range m.stripes {
		s := &m.stripes[i]
		s.mu.Lock()
		m.absorb(s)
		s.mu.Unlock()
	}
}

// hash names a key in the tables; 0 is "none was given".
func (m *Meter) hash(s string) uint64 {
	if s == "" {
		return 0
	}
	return hash(m.seed, s) | 1
}

// cell is what happened in a minute or an hour.
type cell struct {
	amount  int64
	count   uint32
	stopped uint32
	fresh   uint32 // first payments of a payer to the payee
	squares float32
}

func (c *cell) add(p *entry) {
	c.count++
	c.amount += p.amount
	c.squares += p.square
	if p.flags != 0 {
		c.stopped += uint32(p.flags & isStopped)
		c.fresh += uint32(p.flags & isFresh >> 1)
	}
}

func (c *cell) plus(o *cell) {
	c.amount += o.amount
	c.count += o.count
	c.stopped += o.stopped
	c.fresh += o.fresh
	c.squares += o.squares
}

// A ring of 64 minutes: sixty that can be asked for, two that the host's clock
// may be ahead, and two between them that nobody writes to.
const (
	ringSize = 64
	window60 = 60
	ahead    = 2
)

// track is the last hour of one key, copied out of its table.
type track [ringSize]cell

func (t *track) cell(minute int64) *cell { return &t[minute&(ringSize-1)] }

// slot of an index: a hash and where its track is; hash 0 is free.
type slot struct {
	hash  uint64
	place int32
}

// table holds what is known of one dimension.
type table struct {
	mu     sync.Mutex       // all below
	index  []slot           // open addressing, at most a third full
	cells  [ringSize][]cell // the minutes, of all keys side by side: what is written to now lies together
	hashes []uint64         // of the keys, by place; 0 is free
	names  []string
	used   int // places that were ever used; the memory of the others is never touched
	free   []int32
	active [ringSize][]uint64 // which tracks have anything in that minute, one bit each
	seen   seen
	marked map[uint64]*suspect // keys with labelled frauds; nil if there are none
	drift  float64             // what an ordinary payment takes off a suspect's score

	arrivals int64  // keys that came, since Tick last looked
	full     int64  // payments that should have begun a track when there was no room
	fetched  uint64 // makes the fetching of memory count for something
	_        [64]byte
}

func (t *table) init(most, seen int) {
	size := 1
	for size < 3*most {
		size *= 2
	}
	t.index, t.hashes, t.names = make([]slot, size), make([]uint64, most), make([]string, most)
	for i := range ringSize {
		t.cells[i], t.active[i] = make([]cell, most), make([]uint64, (most+63)/64)
	}
	t.seen.init(seen)
}

// find returns the place of a key's track, -1 if it has none.
func (t *table) find(h uint64) int32 {
	mask := uint64(len(t.index) - 1)
	for i := h >> 1 & mask; ; i = (i + 1) & mask {
		if s := &t.index[i]; s.hash == h || s.hash == 0 {
			if s.hash == 0 {
				return -1
			}
			return s.place
		}
	}
}

// take counts a batch. First it finds and reads all that it will write to, which
// the processor does side by side; then it writes.
func (t *table) take(d int, batch []entry) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var places [batchSize]int32
	var ways [batchSize]int
	for i := range batch {
		places[i] = t.find(batch[i].keys[d])
	}
	if len(t.seen.tags) > 0 { // a small dimension is near at hand
		for i := range batch {
			if p := &batch[i]; places[i] >= 0 {
				t.fetched += uint64(t.cell(places[i], p.minute).count)
			} else {
				ways[i], _ = t.seen.way(p.keys[d], p.now)
			}
		}
		for i := range batch {
			if places[i] < 0 {
				t.fetched += uint64(t.seen.keys[ways[i]].n)
			}
		}
	}
	for i := range batch {
		p := &batch[i]
		h := p.keys[d]
		if h == 0 {
			continue
		}
		if t.marked != nil {
			if s := t.marked[h]; s != nil {
				s.score = max(0, s.score-t.drift)
			}
		}
		if places[i] < 0 {
			places[i] = t.find(h) // a payment just before may have begun it
		}
		if places[i] >= 0 {
			t.add(places[i], p)
		} else {
			t.stranger(d, h, p)
		}
	}
}

func (t *table) cell(place int32, minute int64) *cell { return &t.cells[minute&(ringSize-1)][place] }

// copy is the track of a place from a minute on; t.mu is held.
func (t *table) copy(place int32, from, to int64, into *track) {
	*into = track{}
	for n := from; n <= to; n++ {
		*into.cell(n) = *t.cell(place, n)
	}
}

func (t *table) add(at int32, p *entry) {
	t.cell(at, p.minute).add(p)
	t.active[p.minute&(ringSize-1)][at>>6] |= 1 << (at & 63)
}

// stranger counts a payment of a key that is not followed. In a small dimension
// it is from now on; in a large one its fifth payment within an hour begins that.
func (t *table) stranger(d int, h uint64, p *entry) {
	if len(t.seen.tags) == 0 {
		t.arrivals++
		if at := t.begin(h, p, d); at >= 0 {
			t.add(at, p)
		}
		return
	}
	i, known := t.seen.way(h, p.now)
	if !known {
		t.arrivals++
	}
	if !t.seen.add(i, known, h, p) {
		return
	}
	at := t.begin(h, p, d)
	if at < 0 {
		t.seen.push(i, p)
		return
	}
	t.add(at, p)
	for _, old := range t.seen.take(i) {
		t.cell(at, old.minute).plus(&old.cell)
		t.active[old.minute&(ringSize-1)][at>>6] |= 1 << (at & 63)
	}
}

// begin makes a track for a key; -1 if there is no room.
func (t *table) begin(h uint64, p *entry, d int) (at int32) {
	switch {
	case len(t.free) > 0:
		at = t.free[len(t.free)-1]
		t.free = t.free[:len(t.free)-1]
	case t.used < len(t.hashes):
		at = int32(t.used)
		t.used++
	default:
		t.full++
		return -1
	}
	t.hashes[at], t.names[at] = h, p.name(d)
	mask := uint64(len(t.index) - 1)
	i := h >> 1 & mask
	for t.index[i].hash != 0 {
		i = (i + 1) & mask
	}
	t.index[i] = slot{h, at}
	return at
}

// end forgets a track and makes room.
func (t *table) end(at int32) {
	mask := uint64(len(t.index) - 1)
	i := t.hashes[at] >> 1 & mask
	for t.index[i].hash != t.hashes[at] {
		i = (i + 1) & mask
	}
	t.index[i] = slot{}
	for j := (i + 1) & mask; t.index[j].hash != 0; j = (j + 1) & mask { // close the gap
		home := t.index[j].hash >> 1 & mask
		if (j-home)&mask >= (j-i)&mask {
			t.index[i], t.index[j] = t.index[j], slot{}
			i = j
		}
	}
	for m := range ringSize {
		t.active[m][at>>6] &^= 1 << (at & 63)
		t.cells[m][at] = cell{}
	}
	t.hashes[at], t.names[at] = 0, ""
	t.free = append(t.free, at)
}
