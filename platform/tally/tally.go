package tally

import (
	"crypto/sha256"
	"encoding/binary"

	"surety/kernel/ident"
)

// Limits. An entity's exact events are so few and so small that no sum of them
// passes 2^63: 2^46 minor units are 700 billion yuan, more than any wallet holds.
const (
	MaxAmount  = 1 << 46
	MaxCap     = 1 << 16
	MaxColumns = 3       // columns that an event can carry
	MaxFlags   = 1 << 12 // flags are below it: 12 bits
)

// maxAt is 2^53-1 microseconds, the year 2255: a time beyond it is a defect of
// the sender, and window arithmetic below it cannot overflow.
const maxAt = 1<<timeBits - 1

// Dim is a dimension: what kind of entity a key names. Its owner gives numbers.
type Dim uint8

// Key names one entity: the dimension and the hash of its name. Make the hash
// with Hash or Pair.
type Key struct {
	Dim  Dim
	Hash uint64
}

// Event is one thing that happened to an entity. (At, ID) is its identity; see
// the package comment for how much of ID is kept.
type Event struct {
	ID     uint64             // hash of the payment's id
	At     int64              // microseconds since 1970 UTC, as ident.Micros gives them; 1 to 2^53-1
	Amount int64              // minor units, 0 to MaxAmount
	Flags  uint16             // 12 bits whose meaning is the owner's; windows filter on them
	Col    [MaxColumns]uint64 // hashes to count distinct ones of; the low 48 bits are kept; 0 is "none" and counts as no value
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
func Pair(a, b uint64) uint64 { return mix(a^(b*0x9e3779b97f4a7c15+0x165667b19e3779f9)) + b }

// mix spreads every bit of x over all 64.
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// place is where a key lies: the high bits choose the shard, the next ones the
// slot.
func (k Key) place() uint64 {
	return mix(k.Hash + uint64(k.Dim)*0x9e3779b97f4a7c15 + 0x632be59bd9b4e019)
}

// Check refuses an event that could not be counted exactly: KindInvalid.
// Observe does the same; it is exported so that a caller who writes to several
// keys can check before the first. Read takes no notice of such a This.
func (e *Event) Check() error {
	if e.ok() {
		return nil
	}
	if e.Amount < 0 || e.Amount > MaxAmount {
		return ident.Invalid("amount", "amount_out_of_range",
			"the amount must be 0 to %d minor units, it is %d", int64(MaxAmount), e.Amount)
	}
	if e.At <= 0 || e.At > maxAt {
		return ident.Invalid("at", "time_out_of_range", "the time must lie between 1970 and 2255")
	}
	return ident.Invalid("flags", "flags_out_of_range", "an event has 12 flags, %#x has more", e.Flags)
}

func (e *Event) ok() bool {
	return uint64(e.Amount) <= MaxAmount && uint64(e.At-1) < maxAt && e.Flags < MaxFlags
}

// Stats is the size of the state.
type Stats struct {
	Entities int   // with what the sweep has not freed yet
	Events   int   // kept one by one
	Tiles    int   // days, hours and minutes of hot entities kept as sums
	Bytes    int64 // memory held for all of it, in use or kept for use
	Evicted  int64 // entities given up because of Config.Memory, since the start
}
