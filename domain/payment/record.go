package payment

import (
	"crypto/sha256"
	"encoding/binary"
	"strings"

	"surety/domain/risk"
	"surety/kernel/ident"
	"surety/kernel/money"
	"surety/platform/access"
)

// recordVersion is the first byte of a record. A change of form gets another, and
// records of the old one are read on.
const recordVersion = 1

// header is what the payments of one record have in common. One record is one
// accepted call: it is durable as a whole or not at all.
type header struct {
	actor   ident.Actor // kind and id; the rest is not kept
	act     access.Act
	created int64 // microseconds
	count   int
}

func (h header) append(b []byte) []byte {
	b = append(b, recordVersion)
	b = appendString(b, string(h.actor.Kind))
	b = appendString(b, h.actor.ID)
	b = appendString(b, string(h.act))
	b = binary.AppendVarint(b, h.created)
	return binary.AppendUvarint(b, uint64(h.count))
}

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// The flags of a payment in a record.
const (
	flagSettled = 1 << iota
	flagPlace
)

// append writes a payment with its decision's text, which is not taken from the row.
func (r *row) append(b, decision []byte) []byte {
	flags := byte(0)
	if r.Settled {
		flags |= flagSettled
	}
	if r.Lat.Given {
		flags |= flagPlace
	}
	b = append(append(b, flags), r.hash[:]...)
	b = binary.AppendVarint(b, ident.Micros(r.At))
	b = binary.AppendVarint(b, r.Amount.Minor)
	b = binary.AppendVarint(b, int64(r.score))
	if r.Lat.Given {
		b = binary.AppendVarint(b, int64(r.Lat.Micro))
		b = binary.AppendVarint(b, int64(r.Lon.Micro))
	}
	for _, s := range r.texts() {
		b = appendString(b, *s)
	}
	b = appendString(b, string(r.Amount.Currency))
	b = appendString(b, string(r.state))
	return append(binary.AppendUvarint(b, uint64(len(decision))), decision...)
}

// texts are the fields that stand in a record as they are.
func (r *row) texts() [14]*string {
	return [14]*string{&r.ID, &r.Payer, &r.Payee, &r.Type, &r.Channel, &r.Device, &r.IP, &r.City, &r.Terminal, &r.Merchant, &r.Card,
		&r.Phone, &r.Region, &r.outcome}
}

// recordReader takes a record apart. After a mistake everything it gives is empty
// and bad is set; a record whose checksum was right has none.
type recordReader struct {
	s   string
	bad bool
}

func (d *recordReader) fail() { d.s, d.bad = "", true }

func (d *recordReader) byte() byte {
	if d.s == "" {
		d.fail()
		return 0
	}
	c := d.s[0]
	d.s = d.s[1:]
	return c
}

func (d *recordReader) uvarint() uint64 {
	var v uint64
	for shift := 0; shift < 64; shift += 7 {
		c := d.byte()
		if shift == 63 && c > 1 {
			break
		}
		v |= uint64(c&0x7f) << shift
		if c < 0x80 {
			return v
		}
	}
	d.fail()
	return 0
}

func (d *recordReader) varint() int64 {
	u := d.uvarint()
	return int64(u>>1) ^ -int64(u&1)
}

func (d *recordReader) take(n uint64) string {
	if n > uint64(len(d.s)) {
		d.fail()
		return ""
	}
	s := d.s[:n]
	d.s = d.s[n:]
	return s
}

func (d *recordReader) string() string { return d.take(d.uvarint()) }

// openRecord takes a record apart and calls fn for each payment in it. The texts
// share one copy of the record.
func openRecord(record []byte, fn func(h header, i int, r *row) error) error {
	d := recordReader{s: string(record)}
	if v := d.byte(); v != recordVersion {
		return ident.E(ident.KindInternal, "record_version", "a record of the payments' journal has the form %d, this release knows %d",
			v, recordVersion)
	}
	h := header{actor: ident.Actor{Kind: ident.ActorKind(d.string()), ID: d.string()}, act: access.Act(d.string())}
	h.created, h.count = d.varint(), int(min(d.uvarint(), maxBatch+1))
	for i := 0; i < h.count; i++ {
		var r row
		d.row(&r)
		if d.bad {
			break
		}
		r.created = h.created
		if err := fn(h, i, &r); err != nil {
			return err
		}
	}
	if d.bad || d.s != "" || h.count > maxBatch {
		return ident.E(ident.KindInternal, "record_malformed", "a record of the payments' journal cannot be read")
	}
	return nil
}

func (d *recordReader) row(r *row) {
	flags := d.byte()
	copy(r.hash[:], d.take(sha256.Size))
	r.At = ident.FromMicros(d.varint())
	r.Amount.Minor = d.varint()
	r.score = int(d.varint())
	r.Settled = flags&flagSettled != 0
	if flags&flagPlace != 0 {
		r.Lat = Degree{Micro: int32(d.varint()), Given: true}
		r.Lon = Degree{Micro: int32(d.varint()), Given: true}
	}
	for _, s := range r.texts() {
		*s = d.string()
	}
	r.Amount.Currency = money.Currency(d.string())
	r.state = State(d.string())
	r.decision = d.string()
}

// payment is the row with its decision read back.
func (r *row) payment() (Payment, error) {
	p := Payment{Request: r.Request, State: r.state, Created: ident.FromMicros(r.created), Version: 1}
	return p, decodeDecision(strings.Clone(r.decision), &p.Decision)
}

// firstState is where the decision puts the payment; history has gone already.
func firstState(r *Request, d *risk.Decision) State {
	if r.Settled {
		return Settled
	}
	switch d.Outcome {
	case risk.Allow:
		return Allowed
	case risk.Challenge:
		return Challenged
	case risk.Hold:
		return Held
	}
	return Blocked
}
