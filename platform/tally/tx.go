package tally

import (
	"slices"
	"sync/atomic"
	"unsafe"

	"surety/kernel/ident"
)

// Tx holds the locks of some entities: what it reads and writes is one step for
// everybody else. It is good for one goroutine, until End.
type Tx struct {
	store   *Store
	cutoff  int64
	entries []entry
	locked  []uint32
	reading reading // of the read at hand
	sets    [MaxColumns]set
	sink    uint64 // keeps the loads of touch from being left out
}

// touchLines is how many lines of a block are fetched at once with its header.
const touchLines = 6

// Begin locks the shards of all keys, in ascending order, so that no two wait
// for each other; it then finds all slots and fetches all blocks together, for a
// processor waits for ten lines of memory hardly longer than for one. A key may
// come more than once. The methods of Tx name keys by their place in the slice,
// which is not kept. End must follow (with defer, if anything between can
// panic); a second Begin by the same goroutine before it can wait for ever.
func (s *Store) Begin(keys []Key) *Tx {
	tx := s.txs.Get().(*Tx)
	tx.cutoff = s.edge()
	tx.entries = slices.Grow(tx.entries[:0], len(keys))[:len(keys)]
	tx.locked = slices.Grow(tx.locked[:0], len(keys))[:len(keys)]
	for i, k := range keys {
		place := k.place()
		n := uint32(place >> s.shift)
		sh := &s.shards[n]
		tx.locked[i] = n
		tx.entries[i] = entry{key: k, place: place, sh: sh}
	}
	tx.lock()
	tx.fetch()
	return tx
}

// lock takes the lock of each shard once.
func (tx *Tx) lock() {
	l := tx.locked
	if len(l) <= 8 { // without branches: nobody can guess the order of hashes
		var sorted [8]uint32
		for i, x := range l {
			rank := uint64(0)
			for j, y := range l {
				rank += (uint64(y)<<3 + uint64(j) - uint64(x)<<3 - uint64(i)) >> 63
			}
			sorted[rank&7] = x
		}
		copy(l, sorted[:])
	} else {
		slices.Sort(l)
	}
	n := 0
	for i, x := range l {
		if i > 0 && x == l[n-1] {
			continue
		}
		l[n] = x
		n++
		tx.store.shards[x].mu.Lock()
	}
	tx.locked = l[:n]
}

// fetch finds all keys in steps of which none waits for the one before.
func (tx *Tx) fetch() {
	sum := uint64(0)
	for i := range tx.entries {
		e := &tx.entries[i]
		if sh := e.sh; sh.size > 0 {
			e.pos = home(tagOf(e.place), sh.size)
			sum += sh.slot(e.pos)
		}
	}
	for i := range tx.entries {
		sum += tx.entries[i].touch()
	}
	for i := range tx.entries {
		e := &tx.entries[i]
		if e.find(); e.block != nil {
			sum += e.touchNewest(tx.store)
		}
	}
	tx.sink += sum
}

// touch loads the first lines of the block that is probably the key's.
func (e *entry) touch() (sum uint64) {
	sh := e.sh
	if sh.size == 0 {
		return 0
	}
	tag := tagOf(e.place)
	for i := e.pos; ; {
		v := sh.slot(i)
		if v == 0 {
			return sum
		}
		if v>>tagShift == tag {
			p := sh.addr(uint32(v & slotLine))
			for l := range min(classLines(int(v>>slotClass&31)), touchLines) {
				sum += word(p, int(l)*lineBytes)
			}
			return sum
		}
		if i++; i == sh.size {
			i = 0
		}
	}
}

// touchNewest loads the lines of the newest events of a large block, and of a
// full one the lines it will move to.
func (e *entry) touchNewest(s *Store) (sum uint64) {
	columns, c, n := int(s.columns[e.key.Dim]), classOf(e.block), countOf(e.block)
	stride := 16 + 8*columns
	end := headerBytes + n*stride - 8
	for l := end; l >= touchLines*lineBytes && l > end-4*lineBytes; l -= lineBytes {
		sum += word(e.block, l)
	}
	if !full(c, n, stride) || c == int(s.top[e.key.Dim]) {
		return sum
	}
	cl := &e.sh.rest.classes[c+1]
	next := cl.next()
	if next == 0 {
		return sum
	}
	p := e.sh.addr(next)
	for l := range min(classLines(c), touchLines) + 1 {
		sum += word(p, int(l)*lineBytes)
	}
	return sum
}

// End lets all locks go. The Tx must not be used after it.
func (tx *Tx) End() {
	for _, i := range tx.locked {
		tx.store.shards[i].mu.Unlock()
	}
	tx.locked = tx.locked[:0]
	tx.store.txs.Put(tx)
}

// Touch asks for the memory of the keys without a lock, so that it is near when
// Begin wants it: a caller with many decisions at hand touches the keys of all
// and then begins them one by one. It changes nothing and promises nothing.
func (s *Store) Touch(keys []Key) {
	table := s.arena.public.Load()
	if !hidden || table == nil {
		return
	}
	var at [32]struct {
		v   *view
		tag uint64
		pos uint32
	}
	sum := uint64(0)
	for len(keys) > 0 {
		n := min(len(keys), len(at))
		for i, k := range keys[:n] {
			place := k.place()
			a := &at[i]
			a.v, a.tag = s.views[place>>s.shift].Load(), tagOf(place)
			if a.v != nil {
				a.pos = home(a.tag, a.v.size)
				sum += atomic.LoadUint64((*uint64)(unsafe.Add(a.v.slots, int(a.pos)*8)))
			}
		}
		for i := range keys[:n] {
			if a := &at[i]; a.v != nil {
				sum += a.v.touch(*table, a.tag, a.pos)
			}
		}
		keys = keys[n:]
	}
	// The shards' memory lives as long as the store, and the store until here.
	tx := s.txs.Get().(*Tx)
	tx.sink += sum
	s.txs.Put(tx)
}

// touch is as entry.touch, but any slot may change meanwhile or be no slot any
// more: every number is checked before it is used, and what is read is not.
func (v *view) touch(table []unsafe.Pointer, tag uint64, i uint32) (sum uint64) {
	for range 16 {
		w := atomic.LoadUint64((*uint64)(unsafe.Add(v.slots, int(i)*8)))
		if w == 0 {
			return sum
		}
		if w>>tagShift == tag {
			line := uint32(w & slotLine)
			if int(line>>lineBits) >= len(table) {
				return sum
			}
			p := table[line>>lineBits]
			for l := range uint32(touchLines) { // to the end of the chunk at most
				off := int(line&(chunkLines-1)+l) * lineBytes
				if l>>(w>>slotClass&31) > 0 || off >= chunkBytes {
					break
				}
				sum += atomic.LoadUint64((*uint64)(unsafe.Add(p, off)))
			}
			return sum
		}
		if i++; i == v.size {
			i = 0
		}
	}
	return sum
}

// at is where key i is, found again if anything moved since.
func (tx *Tx) at(i int) *entry {
	e := &tx.entries[i]
	if e.ver != e.sh.ver {
		e.find()
	}
	return e
}

// Observe counts the event under key i. It returns false if nothing changed: the
// event is there already, or is older than what is kept. The same identity with
// another amount or other columns is KindConflict, an event out of range
// KindInvalid, no memory left KindUnavailable; nothing has changed then.
func (tx *Tx) Observe(i int, e Event) (fresh bool, err error) {
	if !e.ok() {
		return false, e.Check()
	}
	if e.At <= tx.cutoff {
		return false, nil
	}
	s, en := tx.store, tx.at(i)
	columns := int(s.columns[en.key.Dim])
	var ev packed
	ev.set(&e, columns)
	if en.block == nil {
		if err := s.create(en, 0); err != nil {
			return false, err
		}
	} else if en.appends(&ev, columns, int(s.caps[en.key.Dim])) {
		s.care(en, tx.cutoff)
		return true, nil
	}
	b := s.block(en)
	k, found := b.lookup(&ev)
	if found {
		if old := load(b.event(k), columns); !old.same(&ev, columns) {
			return false, ident.E(ident.KindConflict, "event_differs", "this event was counted before with another amount or party")
		}
		return false, nil
	}
	if fresh, err = s.put(en, &b, k, &ev, tx.cutoff); err != nil || !fresh {
		return fresh, err
	}
	s.care(en, tx.cutoff)
	return true, nil
}

// appends puts the event behind all others, if that is its place and there is
// room: what nearly all events come to.
func (e *entry) appends(ev *packed, columns, most int) bool {
	p, stride := e.block, 16+8*columns
	w := word(p, 8)
	n := int(w & countMask)
	at := unsafe.Add(p, headerBytes+n*stride)
	if w&hotBit != 0 || n == 0 || n >= most || full(int(w>>classShift&31), n, stride) || word(at, -stride) >= ev[0] {
		return false
	}
	ev.store(at, columns)
	setWord(p, 8, w+1)
	e.sh.events++
	return true
}

// Forget takes the event of key i back, as if it had never been observed: the
// commit it belonged to failed. It returns false, and has changed nothing, if
// the event is not there or has become part of a tile.
func (tx *Tx) Forget(i int, e Event) bool {
	en := tx.at(i)
	if en.block == nil || !e.ok() {
		return false
	}
	b := tx.store.block(en)
	var ev packed
	ev.set(&e, b.columns)
	k, found := b.lookup(&ev)
	if !found || int64(load(b.event(k), b.columns)[0]>>idShift) <= tx.cutoff {
		return false
	}
	b.drop(k, k+1)
	en.sh.events--
	if b.n == 0 && b.hot == nil && word(en.block, 8)>>fromShift == 0 {
		tx.store.remove(en.sh, en.pos)
	}
	return true
}

// Flag sets and then clears flags of the event (at, id) of key i. It returns
// false, and has changed nothing, if the event is not there or has become part
// of a tile.
func (tx *Tx) Flag(i int, id uint64, at int64, set, clear uint16) bool {
	en := tx.at(i)
	if en.block == nil || at <= tx.cutoff || at > maxAt {
		return false
	}
	b := tx.store.block(en)
	var ev packed
	ev.set(&Event{ID: id, At: at}, b.columns)
	k, _ := b.lookup(&ev)
	if k == b.n {
		return false
	}
	// Without columns the amount is part of the order; 0 comes before any other.
	p := b.event(k)
	old := load(p, b.columns)
	amount := old[1] >> amtShift
	if ev[1] |= amount << amtShift; old.compare(&ev, b.columns) != 0 {
		return false
	}
	flags := (uint64(old.flags()) | uint64(set)) &^ uint64(clear) & (MaxFlags - 1)
	setWord(p, 8, old[1]&^((MaxFlags-1)<<flagShift)|flags<<flagShift)
	return true
}
