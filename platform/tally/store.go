package tally

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"time"

	"surety/kernel/ident"
)

// Limits that keep every sum of one entity below 2^63: 2^46 minor units are 700
// billion yuan, more than any wallet holds.
const (
	MaxAmount = 1 << 46
	MaxCap    = 1 << 16
)

// maxAt is the year 10000 in microseconds: a time beyond it is a defect of the
// sender, and window arithmetic below it cannot overflow.
const maxAt = 253402300800 * 1_000_000

// Config is what a Store needs. The zero value of each field means its default.
type Config struct {
	// Horizon is how far back events are kept; default 90 days.
	Horizon time.Duration
	// Cap is how many events one entity keeps, the newest; default 4096. It
	// bounds the time of a read as well as memory: a merchant with a queue at
	// the till has more in a week than a decision has time to read.
	Cap int
}

// Dim is a dimension: what kind of entity a key names. Its owner gives numbers.
type Dim uint8

// Key names one entity: the dimension and the hash of its name. Make the hash
// with Hash or Pair.
type Key struct {
	Dim  Dim
	Hash uint64
}

// Event is one thing that happened to an entity. (At, ID) is its identity.
type Event struct {
	ID     uint64 // hash of the payment's id
	At     int64  // microseconds since 1970 UTC, as ident.Micros gives them
	Amount int64  // minor units, 0 to MaxAmount
	Party  uint64 // hash of the other side, for distinct counts
}

// Hash turns a name into 64 bits. It is SHA-256 cut short and not a quicker
// hash, because account names are chosen by strangers: two names that collide
// would share one history.
func Hash(name string) uint64 {
	var buf [128]byte
	sum := sha256.Sum256(append(buf[:0], name...))
	return binary.LittleEndian.Uint64(sum[:8])
}

// Pair is the hash of two things together; Pair(a, b) is not Pair(b, a).
func Pair(a, b uint64) uint64 {
	x := a ^ (b*0x9e3779b97f4a7c15 + 0x165667b19e3779f9)
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return (x ^ x>>31) + b
}

// entity is the events of one key, ordered by (At, ID).
type entity struct {
	key     Key
	pos     int   // its place in Store.all
	dropped int64 // At of the newest event that Cap pushed out, 0 if none
	freed   int   // events cut off in front whose room is still held
	events  []Event
}

// Store holds all entities.
type Store struct {
	horizon  int64
	cap      int
	cutoff   int64 // events at or before it do not exist
	entities map[Key]*entity
	all      []*entity // the same entities, for the sweep
	hand     int       // where the sweep stands in all
	seen     set       // scratch for distinct counts
}

// New makes an empty store.
func New(cfg Config) (*Store, error) {
	if cfg.Horizon == 0 {
		cfg.Horizon = 90 * 24 * time.Hour
	}
	if cfg.Cap == 0 {
		cfg.Cap = 4096
	}
	if cfg.Horizon < time.Second {
		return nil, ident.Invalid("horizon", "horizon_invalid", "the horizon must be a second or more, it is %s", cfg.Horizon)
	}
	if cfg.Cap < 1 || cfg.Cap > MaxCap {
		return nil, ident.Invalid("cap", "cap_invalid", "an entity keeps 1 to %d events, not %d", MaxCap, cfg.Cap)
	}
	return &Store{horizon: cfg.Horizon.Microseconds(), cap: cfg.Cap, entities: map[Key]*entity{}}, nil
}

// Advance moves the cutoff to now less the horizon; it never moves back. The
// time must come from a trusted clock and not from an event: one payment dated
// 2099 would empty the memory.
func (s *Store) Advance(now int64) { s.cutoff = max(s.cutoff, now-s.horizon) }

// Check refuses an event that could not be counted exactly. Observe does the
// same; it is exported so that a caller who writes to several keys can check
// before the first.
func (e Event) Check() error {
	if e.Amount < 0 || e.Amount > MaxAmount {
		return ident.Invalid("amount", "amount_out_of_range",
			"the amount must be 0 to %d minor units, it is %d", int64(MaxAmount), e.Amount)
	}
	if e.At <= 0 || e.At > maxAt {
		return ident.Invalid("at", "time_out_of_range", "the time must lie between 1970 and 9999")
	}
	return nil
}

// Observe counts the event under the key. It returns false if nothing changed:
// the event is there already, or is older than what is kept. The same identity
// with another amount or party is KindConflict.
func (s *Store) Observe(k Key, e Event) (bool, error) {
	if err := e.Check(); err != nil {
		return false, err
	}
	s.sweep()
	if e.At <= s.cutoff {
		return false, nil
	}
	n := s.entities[k]
	if n == nil {
		n = &entity{key: k, pos: len(s.all)}
		s.entities[k] = n
		s.all = append(s.all, n)
	}
	i, found := n.find(e)
	if found {
		if n.events[i] != e {
			return false, ident.E(ident.KindConflict, "event_differs", "this event was counted before with another amount or party")
		}
		return false, nil
	}
	if len(n.events) == s.cap {
		if i == 0 { // older than all that is kept
			n.dropped = max(n.dropped, e.At)
			return false, nil
		}
		n.dropped = max(n.dropped, n.events[0].At)
		n.events = n.events[1:] // append copies the rest when the room is used up
		i--
	}
	n.events = slices.Insert(n.events, i, e)
	return true, nil
}

// Forget takes the event back, as if it had never been observed: the commit it
// belonged to failed. It returns false if it is not there.
func (s *Store) Forget(k Key, e Event) bool {
	n := s.entities[k]
	if n == nil {
		return false
	}
	i, found := n.find(e)
	if !found {
		return false
	}
	n.events = slices.Delete(n.events, i, i+1)
	s.tidy(n)
	return true
}

// find returns the place of (At, ID), and whether it is taken. Events come
// nearly in order, so it looks at the end first.
func (n *entity) find(e Event) (int, bool) {
	if l := len(n.events); l == 0 || n.events[l-1].At < e.At {
		return l, false
	}
	return slices.BinarySearchFunc(n.events, e, func(a, b Event) int {
		return cmp.Or(cmp.Compare(a.At, b.At), cmp.Compare(a.ID, b.ID))
	})
}

// sweep tidies two entities, so that a full round is made in half as many
// Observes as there are entities and memory follows the horizon.
func (s *Store) sweep() {
	for range 2 {
		if len(s.all) == 0 {
			return
		}
		if s.hand >= len(s.all) {
			s.hand = 0
		}
		if s.tidy(s.all[s.hand]) {
			s.hand++
		}
	}
}

// tidy frees what lies before the cutoff and reports whether the entity stays.
func (s *Store) tidy(n *entity) bool {
	lo := n.firstAfter(s.cutoff)
	if lo == len(n.events) && n.dropped <= s.cutoff {
		last := len(s.all) - 1
		s.all[n.pos] = s.all[last]
		s.all[n.pos].pos = n.pos
		s.all[last] = nil
		s.all = s.all[:last]
		delete(s.entities, n.key)
		return false
	}
	n.events = n.events[lo:]
	if n.freed += lo; n.freed > len(n.events) { // copy only when it pays
		n.events, n.freed = slices.Clone(n.events), 0
	}
	return true
}

// firstAfter is the place of the first event later than at.
func (n *entity) firstAfter(at int64) int {
	if len(n.events) == 0 || n.events[0].At > at {
		return 0
	}
	i, _ := slices.BinarySearchFunc(n.events, at, func(e Event, at int64) int {
		if e.At > at {
			return 1
		}
		return -1
	})
	return i
}

// Stats is the size of the state.
type Stats struct {
	Entities int
	Events   int
	Bytes    int64 // of events, with the room kept for more; entities add about 100 each
}

// Stats counts what is held, including what the sweep has not freed yet.
func (s *Store) Stats() Stats {
	st := Stats{Entities: len(s.all)}
	for _, n := range s.all {
		st.Events += len(n.events)
		st.Bytes += int64(cap(n.events)) * 32
	}
	return st
}

// Hash is a fingerprint of all that can be read, independent of the order of
// arrival and of what the sweep has freed: two stores of equal Hash answer every
// Read alike. It reads everything; it is for tests and for checks after a
// restart.
func (s *Store) Hash() [32]byte {
	var total [32]byte
	var buf []byte
	for _, n := range s.all {
		events := n.events[n.firstAfter(s.cutoff):]
		dropped := n.dropped
		if dropped <= s.cutoff {
			dropped = 0
		}
		if len(events) == 0 && dropped == 0 {
			continue
		}
		buf = append(buf[:0], byte(n.key.Dim))
		buf = binary.LittleEndian.AppendUint64(buf, n.key.Hash)
		buf = binary.LittleEndian.AppendUint64(buf, uint64(dropped))
		for _, e := range events {
			buf = binary.LittleEndian.AppendUint64(buf, e.ID)
			buf = binary.LittleEndian.AppendUint64(buf, uint64(e.At))
			buf = binary.LittleEndian.AppendUint64(buf, uint64(e.Amount))
			buf = binary.LittleEndian.AppendUint64(buf, e.Party)
		}
		// Keys are unique, so the digests differ and XOR loses none of them.
		for i, b := range sha256.Sum256(buf) {
			total[i] ^= b
		}
	}
	return total
}
