package ident

import (
	"crypto/rand"
	"encoding/binary"
	"io"
	"strings"
	"sync"
	"time"
)

// alphabet is Crockford's base 32 in lower case: it has no i, l, o or u, so an
// id can be read aloud on the telephone, and its order is the byte order.
const alphabet = "0123456789abcdefghjkmnpqrstvwxyz"

// ID names one object for ever: "pay_01k8z3…". The prefix says its kind.
type ID = string

// Maker makes ids. The time part comes from its Clock, so ids made later sort
// later; the random part comes from Rand (79 bits, raised by one within a
// millisecond so that order also holds there). A Maker is safe for many
// goroutines. A simulation gives it a seeded Rand and gets the same ids again.
type Maker struct {
	Clock Clock
	Rand  io.Reader

	mu   sync.Mutex
	used bool     // an id has been made; guarded by mu
	last uint64   // milliseconds of the id made last; guarded by mu
	tail [10]byte // its random part; guarded by mu
}

// NewMaker returns a Maker on the given clock and the system's randomness.
func NewMaker(c Clock) *Maker { return &Maker{Clock: c, Rand: rand.Reader} }

// New returns a new id with the prefix, for example New("clm").
// It panics if the system's randomness fails: nothing may go on without it.
func (m *Maker) New(prefix string) ID {
	m.mu.Lock()
	defer m.mu.Unlock()
	ms := uint64(max(0, m.Clock.Now().UnixMilli())) // a clock before 1970 must not wrap around
	if m.used && ms <= m.last {
		ms = m.last
		increment(&m.tail)
	} else {
		m.used, m.last = true, ms
		if _, err := io.ReadFull(m.Rand, m.tail[:]); err != nil {
			panic("ident: no randomness: " + err.Error())
		}
		m.tail[0] &= 0x7f // room to count up without overflow
	}
	var raw [16]byte
	var b8 [8]byte
	binary.BigEndian.PutUint64(b8[:], ms<<16)
	copy(raw[:6], b8[:6])
	copy(raw[6:], m.tail[:])
	return prefix + "_" + encode32(raw)
}

func increment(b *[10]byte) {
	for i := len(b) - 1; i >= 0; i-- {
		b[i]++
		if b[i] != 0 {
			return
		}
	}
}

// encode32 writes 128 bits as 26 characters, high bits first.
func encode32(raw [16]byte) string {
	hi := binary.BigEndian.Uint64(raw[:8])
	lo := binary.BigEndian.Uint64(raw[8:])
	var out [26]byte
	for i := 25; i >= 0; i-- {
		out[i] = alphabet[lo&31]
		lo = lo>>5 | hi<<59
		hi >>= 5
	}
	return string(out[:])
}

// Prefix returns the part before the underscore, or "" if there is none.
func Prefix(id ID) string {
	p, _, ok := strings.Cut(id, "_")
	if !ok {
		return ""
	}
	return p
}

// maxID bounds ids that callers make themselves, so that an index stays small.
const maxID = 64

// CheckID accepts ids that callers make: 1 to 64 of A-Z a-z 0-9 - _ . :
// It returns an Invalid error that names the field otherwise.
func CheckID(field, id string) error {
	if id == "" {
		return Invalid(field, "required", "%s is missing", field)
	}
	if len(id) > maxID {
		return Invalid(field, "too_long", "%s has %d characters, at most %d are allowed", field, len(id), maxID)
	}
	for i := 0; i < len(id); i++ {
		c := id[i]
		ok := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-_.:", c) >= 0
		if !ok {
			return Invalid(field, "bad_character",
				"%s may hold only letters, digits and - _ . : (character %d is not)", field, i+1)
		}
	}
	return nil
}

// Micros is a time as the databases store it: microseconds since 1970 UTC. The
// zero time, which says "none", is 0.
func Micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// FromMicros turns a stored time back; 0 becomes the zero time.
func FromMicros(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}
