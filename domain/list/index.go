package list

import (
	"cmp"
	"encoding/binary"
	"hash/maphash"
	"math"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"
)

// Index is the standing entries in memory: which lists a value is on at a time.
// Reading takes no lock, does no I/O and allocates nothing; it is safe for many
// goroutines while the index is written.
//
// It is cut into shards that never change: a write makes the shards anew that it
// touches and puts them in force with one pointer, so a reader sees all of a
// write or nothing. No shard holds a pointer but to its few slabs, so a million
// entries cost the garbage collector nothing.
type Index struct {
	seeds   [subjects]maphash.Seed
	signals map[string]byte // code of each signal; never changes
	now     atomic.Pointer[snapshot]
	mu      sync.Mutex // held by writers
}

const (
	subjects  = 6 // codes 1 to 5
	shardBits = 10
	shards    = 1 << shardBits
	netShards = 512 // IPv4 by its first byte; IPv6 by its first two bytes, folded
)

// snapshot is all that is in force at a time. It never changes.
type snapshot struct {
	hashed [shards]*shard
	nets   [netShards]*netShard
}

// A slab is the entries of a shard, value after value, in one text, so that an
// answer reads one place in memory. A value is
//
//	subject (1 byte) | length of the value (1) | value | its entries, by kind, the surest first
//
// and an entry, in little-endian order,
//
//	from (8, microseconds) | until (8; it holds before this) | confidence (2) | kind (1) | signal (1; 0: none) |
//	more (1; 1: the next entry is of this value too) | length of the id (1) | id
type slab struct {
	text    string
	entries int
}

// Where the parts of an entry lie.
const (
	valueHead  = 2
	atUntil    = 8
	atSure     = 16
	atKind     = 18
	atSignal   = 19
	atMore     = 20
	atIDLength = 21
	entryHead  = 22
)

// shard holds values that are asked for as they are, in an open hash table of a
// power of two of places, at most 3/4 full. Most values that are asked for stand
// on no list, and to know that only the marks are read: 2 bytes a place, so that
// those of a million values stay in the processor's cache.
type shard struct {
	slab
	marks []uint16 // a part of the hash; 0: the place is empty
	at    []uint32 // where the value lies in the slab
}

// markOf is the part of a hash that the place does not depend on, never 0.
func markOf(h uint64) uint16 { return uint16(h>>48) | 1 }

// u128 is an address; one of IPv4 as within IPv6.
type u128 struct{ hi, lo uint64 }

// node is a network. All networks that hold it are its parent, the parent's
// parent and so on.
type node struct {
	parent int32  // -1: none
	at     uint32 // place of the network in the slab
	bits   uint8  // of 128
}

// netShard holds networks, by address and the wider first.
type netShard struct {
	slab
	keys  []u128
	nodes []node
}

// item is an entry on its way into the index.
type item struct {
	id          string
	kind        Kind
	subject     Subject
	signal      byte
	confidence  uint16
	from, until int64  // until 0: no end
	value       string // as it is asked for; a network as CIDR
	gone        bool   // it does not stand any more
	prefix      netip.Prefix
}

// newIndex is an empty index. Signals without a code are not told apart.
func newIndex(signals map[string]byte) *Index {
	x := &Index{signals: signals}
	for i := range x.seeds {
		x.seeds[i] = maphash.MakeSeed()
	}
	x.now.Store(&snapshot{})
	return x
}

// Listed says whether a value stands on a list at a time, and names the entry:
// the surest, of networks the narrowest first. The value of a phone or a name is
// its keyed index in hexadecimal, that of an address an IP. What cannot be read
// stands on no list.
func (x *Index) Listed(kind, subject, value string, at time.Time) (entry string, ok bool) {
	k := Kind(kind).code()
	if k == 0 {
		return "", false
	}
	for c := x.find(Subject(subject), value); c.first >= 0; c.up() {
		if entry, ok = c.hit(k, 0, at.UnixMicro()); ok {
			return entry, true
		}
	}
	return "", false
}

// Signalled says whether a signal about the value is in force at a time, and names
// the entry. Values are as in Listed.
func (x *Index) Signalled(signal, subject, value string, at time.Time) (entry string, ok bool) {
	code := x.signals[signal]
	if code == 0 {
		return "", false
	}
	for c := x.find(Subject(subject), value); c.first >= 0; c.up() {
		if entry, ok = c.hit(0, code, at.UnixMicro()); ok {
			return entry, true
		}
	}
	return "", false
}

// Said is what the three lists say of one value: the ids of entries, "" where a
// list says nothing. More than one may speak.
type Said struct {
	Allow, Deny, Watch string
}

// Said asks all three lists at once. Values are as in Listed.
func (x *Index) Said(subject, value string, at time.Time) (said Said) {
	us := at.UnixMicro()
	for c := x.find(Subject(subject), value); c.first >= 0; c.up() {
		for i, into := range [...]*string{&said.Allow, &said.Deny, &said.Watch} {
			if *into == "" {
				*into, _ = c.hit(byte(i+1), 0, us)
			}
		}
	}
	return said
}

// chain is the entries of a value, and for an address then those of each wider
// network that holds it.
type chain struct {
	in    *slab
	first int // place of the first entry; -1: there are none, or no more
	net   *netShard
	node  int32
	addr  u128
}

// find looks a value up.
func (x *Index) find(s Subject, value string) chain {
	snap, code := x.now.Load(), s.code()
	switch {
	case code == 0 || value == "":
		return chain{first: -1}
	case s == Address:
		return snap.address(value)
	}
	h := maphash.String(x.seeds[code], value)
	sh := snap.hashed[h&(shards-1)]
	if sh == nil {
		return chain{first: -1}
	}
	return chain{in: &sh.slab, first: sh.find(h, code, value)}
}

func (sh *shard) find(h uint64, subject byte, value string) int {
	mask, mark := uint32(len(sh.marks)-1), markOf(h)
	for i := uint32(h>>shardBits) & mask; ; i = (i + 1) & mask {
		switch sh.marks[i] {
		case 0:
			return -1
		case mark:
			if at := int(sh.at[i]); sh.text[at] == subject && sh.valueAt(at) == value {
				return at + valueHead + len(value)
			}
		}
	}
}

// valueAt is the value that begins at a place.
func (t *slab) valueAt(at int) string {
	at, n := at+valueHead, int(t.text[at+1])
	return t.text[at : at+n]
}

// hit is the first entry of a kind (0: any) and a signal (0: any) that holds.
func (c *chain) hit(kind, signal byte, now int64) (string, bool) {
	for at := c.first; ; {
		e := c.in.text[at : at+entryHead]
		end := at + entryHead + int(e[atIDLength])
		if (kind == 0 || e[atKind] == kind) && (signal == 0 || e[atSignal] == signal) && number(e) <= now && now < number(e[atUntil:]) {
			return c.in.text[at+entryHead : end], true
		}
		if e[atMore] == 0 {
			return "", false
		}
		at = end
	}
}

// number reads 8 bytes; the compiler makes it one load.
func number(s string) int64 {
	_ = s[7]
	return int64(uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56)
}

// put brings entries into the index, in place of what it has under their ids, and
// takes those out that are gone. What ended before the cutoff (microseconds) is
// left out of every shard that is made anew. With afresh, the index holds these
// alone.
func (x *Index) put(items []item, cutoff int64, afresh bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	hashed, nets := map[uint64][]item{}, map[int][]item{}
	for _, it := range items {
		if it.subject != Address {
			n := maphash.String(x.seeds[it.subject.code()], it.value) & (shards - 1)
			hashed[n] = append(hashed[n], it)
		} else if p, err := netip.ParsePrefix(it.value); err == nil { // canonical since it was added
			it.prefix = p
			nets[netShardOf(p.Addr())] = append(nets[netShardOf(p.Addr())], it)
		}
	}
	next := &snapshot{}
	if !afresh {
		*next = *x.now.Load()
	}
	for n, changed := range hashed {
		next.hashed[n] = x.buildShard(renewed(next.hashed[n].items(), changed, cutoff))
	}
	for n, changed := range nets {
		next.nets[n] = buildNets(renewed(next.nets[n].items(), changed, cutoff))
	}
	x.now.Store(next)
}

// renewed is a shard's items after a change, sorted: those of one value together,
// by kind, the surest first.
func renewed(old, changed []item, cutoff int64) []item {
	last := make(map[string]int, len(changed))
	for i, it := range changed {
		last[it.id] = i
	}
	out := old[:0]
	for _, it := range old {
		if _, replaced := last[it.id]; !replaced {
			out = append(out, it)
		}
	}
	for i, it := range changed {
		if last[it.id] == i && !it.gone {
			out = append(out, it)
		}
	}
	out = slices.DeleteFunc(out, func(it item) bool { return it.until != 0 && it.until <= cutoff })
	slices.SortFunc(out, func(a, b item) int {
		return cmp.Or(cmp.Compare(a.subject.code(), b.subject.code()), a.prefix.Addr().Compare(b.prefix.Addr()),
			cmp.Compare(a.prefix.Bits(), b.prefix.Bits()), strings.Compare(a.value, b.value),
			cmp.Compare(a.kind.code(), b.kind.code()), cmp.Compare(b.confidence, a.confidence), strings.Compare(a.id, b.id))
	})
	return out
}

// pack writes sorted items into a slab and calls begin with the place of each new
// value.
func pack(items []item, begin func(at int, it item)) slab {
	size := 0
	for i, it := range items {
		size += entryHead + len(it.id)
		if i == 0 || !it.beside(items[i-1]) {
			size += valueHead + len(it.value)
		}
	}
	b := make([]byte, 0, size)
	for i, it := range items {
		if i == 0 || !it.beside(items[i-1]) {
			begin(len(b), it)
			b = append(b, it.subject.code(), byte(len(it.value)))
			b = append(b, it.value...)
		}
		more := byte(0)
		if i+1 < len(items) && it.beside(items[i+1]) {
			more = 1
		}
		until := it.until
		if until == 0 {
			until = math.MaxInt64
		}
		b = binary.LittleEndian.AppendUint64(b, uint64(it.from))
		b = binary.LittleEndian.AppendUint64(b, uint64(until))
		b = binary.LittleEndian.AppendUint16(b, it.confidence)
		b = append(b, it.kind.code(), it.signal, more, byte(len(it.id)))
		b = append(b, it.id...)
	}
	return slab{text: string(b), entries: len(items)}
}

// beside says whether two items are about one value.
func (it item) beside(other item) bool { return it.subject == other.subject && it.value == other.value }

// items is what a slab was made of.
func (t *slab) items() []item {
	out := make([]item, 0, t.entries)
	kinds := [...]Kind{"", Allow, Deny, Watch}
	names := [...]Subject{"", Account, Device, Phone, Name, Address}
	for at := 0; at < len(t.text); {
		value, subject := t.valueAt(at), names[t.text[at]]
		at += valueHead + len(value)
		for more := true; more; {
			e := t.text[at : at+entryHead]
			end := at + entryHead + int(e[atIDLength])
			it := item{id: t.text[at+entryHead : end], kind: kinds[e[atKind]], subject: subject, signal: e[atSignal], value: value,
				confidence: uint16(e[atSure]) | uint16(e[atSure+1])<<8, from: number(e), until: number(e[atUntil:])}
			if it.until == math.MaxInt64 {
				it.until = 0
			}
			out = append(out, it)
			at, more = end, e[atMore] == 1
		}
	}
	return out
}

func (sh *shard) items() []item {
	if sh == nil {
		return nil
	}
	return sh.slab.items()
}

func (x *Index) buildShard(items []item) *shard {
	if len(items) == 0 {
		return nil
	}
	sh := &shard{}
	var places []int
	sh.slab = pack(items, func(at int, _ item) { places = append(places, at) })
	size := 2
	for size*3 < len(places)*4 {
		size *= 2
	}
	sh.marks, sh.at = make([]uint16, size), make([]uint32, size)
	for _, at := range places {
		h := maphash.String(x.seeds[sh.text[at]], sh.valueAt(at))
		i := uint32(h>>shardBits) & uint32(size-1)
		for sh.marks[i] != 0 {
			i = (i + 1) & uint32(size-1)
		}
		sh.marks[i], sh.at[i] = markOf(h), uint32(at)
	}
	return sh
}

// size is how many entries the index holds, and in how many bytes.
func (x *Index) size() (entries int, bytes int64) {
	snap := x.now.Load()
	bytes = int64(unsafe.Sizeof(*snap))
	for _, sh := range snap.hashed {
		if sh != nil {
			entries += sh.entries
			bytes += int64(unsafe.Sizeof(*sh)) + int64(len(sh.text)) + int64(2*cap(sh.marks)+4*cap(sh.at))
		}
	}
	for _, n := range snap.nets {
		if n != nil {
			entries += n.entries
			bytes += int64(unsafe.Sizeof(*n)) + int64(len(n.text)) + int64(cap(n.keys))*int64(unsafe.Sizeof(u128{})) +
				int64(cap(n.nodes))*int64(unsafe.Sizeof(node{}))
		}
	}
	return entries, bytes
}
