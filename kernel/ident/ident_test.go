package ident

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func TestIDShape(t *testing.T) {
	m := NewMaker(NewManualClock(noon))
	id := m.New("clm")
	if len(id) != 30 || Prefix(id) != "clm" || CheckID("id", id) != nil || strings.Trim(id[4:], alphabet) != "" {
		t.Errorf("id = %q", id)
	}
	for id, want := range map[string]string{"": "", "clm": "", "_a": "", "a_b_c": "a"} {
		if got := Prefix(id); got != want {
			t.Errorf("Prefix(%q) = %q", id, got)
		}
	}
	// 128 bits in 26 characters: the first holds three bits, the last five.
	var raw [16]byte
	if s := encode32(raw); s != strings.Repeat("0", 26) {
		t.Errorf("zero = %q", s)
	}
	for i := range raw {
		raw[i] = 0xff
	}
	if s := encode32(raw); s != "7"+strings.Repeat("z", 25) {
		t.Errorf("all ones = %q", s)
	}
}

// Whatever the clock does, ids of one Maker ascend and never repeat.
func TestIDsAscend(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		clock := NewManualClock(time.UnixMilli(rapid.Int64Range(-1e12, 4e12).Draw(t, "start")))
		m := &Maker{Clock: clock, Rand: rapidReader{t}}
		last := m.New("x")
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			clock.Advance(time.Duration(rapid.Int64Range(-5e6, 5e6).Draw(t, "step")))
			id := m.New("x")
			if id <= last {
				t.Fatalf("%q follows %q", id, last)
			}
			last = id
		}
	})
}

type rapidReader struct{ t *rapid.T }

func (r rapidReader) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = rapid.Byte().Draw(r.t, "byte")
	}
	return len(b), nil
}

// The encoding keeps the order of the bytes, so ids sort as their times do.
func TestEncodingKeepsOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := [16]byte(draw16(t)), [16]byte(draw16(t))
		if got, want := strings.Compare(encode32(a), encode32(b)), bytes.Compare(a[:], b[:]); got != want {
			t.Fatalf("%x and %x: %d, want %d", a, b, got, want)
		}
	})
}

func draw16(t *rapid.T) []byte { return rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "bytes") }

// A clock that stands at 1970 or before it must not make ids without randomness.
func TestIDsAtTheEpoch(t *testing.T) {
	for _, at := range []time.Time{time.UnixMilli(0), {}, time.UnixMilli(-5)} {
		a, b := NewMaker(NewManualClock(at)).New("x"), NewMaker(NewManualClock(at)).New("x")
		if a == b {
			t.Errorf("at %v two makers gave %q", at, a)
		}
		if !strings.HasPrefix(a, "x_0000000000") {
			t.Errorf("at %v the time part is not zero: %q", at, a)
		}
	}
}

func TestIDsAreReproducible(t *testing.T) {
	seeded := func() []ID {
		m := &Maker{Clock: NewManualClock(noon), Rand: bytes.NewReader(bytes.Repeat([]byte{7}, 100))}
		return []ID{m.New("a"), m.New("b")}
	}
	if a, b := seeded(), seeded(); !slices.Equal(a, b) {
		t.Errorf("%v and %v", a, b)
	}
}

func TestNoRandomnessStops(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("an id was made without randomness")
		}
	}()
	(&Maker{Clock: NewManualClock(noon), Rand: bytes.NewReader(nil)}).New("x")
}

func TestIDsFromManyGoroutines(t *testing.T) {
	m := NewMaker(WallClock{})
	var mu sync.Mutex
	seen := map[ID]bool{}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 500 {
				id := m.New("x")
				mu.Lock()
				seen[id] = true
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if len(seen) != 4000 {
		t.Errorf("%d different ids of 4000", len(seen))
	}
}

func TestCheckID(t *testing.T) {
	for _, c := range []struct{ id, code string }{
		{"", "required"}, {"a", ""}, {"W100043", ""}, {"po_vic:1.2-3", ""}, {strings.Repeat("x", 64), ""},
		{strings.Repeat("x", 65), "too_long"},
		{"a b", "bad_character"}, {"a/b", "bad_character"}, {"é", "bad_character"}, {"a\x00", "bad_character"}, {"支付",
			"bad_character"},
		{"a\n", "bad_character"}, {"'", "bad_character"}, {"%", "bad_character"}, {strings.Repeat("x", 1<<20), "too_long"},
	} {
		err := CheckID("payment.id", c.id)
		if CodeOf(err) != c.code {
			t.Errorf("%.20q: %v, want %q", c.id, err, c.code)
		}
		var e *Error
		if errors.As(err, &e) && (e.Field != "payment.id" || e.Kind != KindInvalid) {
			t.Errorf("%.20q: %+v", c.id, e)
		}
	}
}

func FuzzCheckID(f *testing.F) {
	f.Add("W100043")
	f.Add("a b")
	f.Fuzz(func(t *testing.T, id string) {
		plain := len(id) >= 1 && len(id) <= 64
		for _, r := range id {
			plain = plain && strings.ContainsRune("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.:", r)
		}
		if (CheckID("id", id) == nil) != plain {
			t.Errorf("%q: %v", id, CheckID("id", id))
		}
	})
}

func TestMicros(t *testing.T) {
	for _, c := range []struct {
		t  time.Time
		us int64
	}{{time.Time{}, 0}, {noon, 1795262400000000}, {time.UnixMicro(1), 1}, {time.UnixMicro(-1), -1}} {
		if got := Micros(c.t); got != c.us {
			t.Errorf("Micros(%v) = %d, want %d", c.t, got, c.us)
		}
		if got := FromMicros(c.us); !got.Equal(c.t) {
			t.Errorf("FromMicros(%d) = %v", c.us, got)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		us := rapid.Int64Range(-1e17, math.MaxInt64/1000).Draw(t, "us")
		if got := Micros(FromMicros(us)); got != us {
			t.Fatalf("%d comes back as %d", us, got)
		}
	})
}

func TestClocks(t *testing.T) {
	shanghai := time.FixedZone("UTC+8", 8*3600)
	c := NewManualClock(time.Date(2026, 11, 21, 20, 0, 0, 123456789, shanghai))
	if got := c.Now(); got.Location() != time.UTC || got.Hour() != 12 || got.Nanosecond() != 123456000 {
		t.Errorf("now = %v", got)
	}
	if got := c.Advance(time.Hour); got != c.Now() || got.Hour() != 13 {
		t.Errorf("an hour later = %v", got)
	}
	if got := c.Advance(1500 * time.Nanosecond); got.Nanosecond() != 123457000 {
		t.Errorf("finer than a database keeps: %v", got)
	}
	c.Set(noon.Add(-time.Hour))
	if got := c.Now(); !got.Equal(noon.Add(-time.Hour)) {
		t.Errorf("set back = %v", got)
	}
	wall := WallClock{}.Now()
	if wall.Location() != time.UTC || wall.Nanosecond()%1000 != 0 || wall.Year() < 2026 {
		t.Errorf("wall clock = %v", wall)
	}
}

func TestErrors(t *testing.T) {
	cause := io.ErrUnexpectedEOF
	err := fmt.Errorf("outer: %w", Invalid("amount", "amount_negative", "%s is negative", "-1").Because(cause))
	if KindOf(err) != KindInvalid || CodeOf(err) != "amount_negative" || !errors.Is(err, cause) || !Is(err, KindInvalid) {
		t.Errorf("%v: %q %q", err, KindOf(err), CodeOf(err))
	}
	for _, c := range []struct {
		err  error
		kind Kind
		code string
		text string
	}{
		{nil, "", "", ""},
		{io.EOF, KindInternal, "", "EOF"},
		{context.Canceled, KindInternal, "", "context canceled"},
		{NotFound("claim", "clm_1"), KindNotFound, "claim_not_found", `not_found: there is no claim "clm_1"`},
		{E(KindUnknown, "commit_lost", "look %d up", 5), KindUnknown, "commit_lost", "unknown: look 5 up"},
		{&Error{Kind: KindInvalid, Message: "m", Row: 3, Err: io.EOF}, KindInvalid, "", "row 3: invalid: m: EOF"},
		{errors.Join(io.EOF, E(KindState, "s", "m")), KindState, "s", "EOF\nstate: m"},
	} {
		if KindOf(c.err) != c.kind || CodeOf(c.err) != c.code || c.err != nil && c.err.Error() != c.text {
			t.Errorf("%v: %q %q", c.err, KindOf(c.err), CodeOf(c.err))
		}
		if Is(c.err, "") {
			t.Errorf("%v is of no kind", c.err)
		}
	}
}

func TestActor(t *testing.T) {
	a := Actor{Kind: Staff, Roles: []Role{RoleFund, RoleLead}}
	if !a.Has(RoleFund) || !a.Has(RoleLead) || a.Has(RoleAdmin) || a.Has("") || (Actor{}).Has("") {
		t.Errorf("roles of %+v", a)
	}
	if j := Job("payout.send"); j.Kind != System || j.ID != "payout.send" || len(j.Roles) != 0 {
		t.Errorf("job = %+v", j)
	}
}
