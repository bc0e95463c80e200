package watch

import (
	"bytes"
	"compress/flate"
	"context"
	"encoding/binary"
	"hash/crc32"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"surety/domain/payment"
	"surety/domain/risk"
	"surety/kernel/ident"
	"surety/platform/db"
)

// What the meter has learned is written down after each hour, in rows of table
// risk_meter: profile, suspects.D, keys.D.N and pairs.N. A row is "SWM1", the
// CRC-32 of what follows, and a deflated body of little-endian fields. Each stands
// by itself: one that is missing or damaged costs the pasts of its keys, which then
// count as new, and nothing else.

const (
	keptMagic = "SWM1"
	keptParts = 32      // rows of a large dimension
	pairWords = 1 << 16 // words of a row of pairs
	maxKept   = 64 << 20
	relearn   = 28 * 24 * time.Hour // what Load replays if nothing was kept
)

type keptCell struct {
	Amount                int64
	Count, Stopped, Fresh uint32
	Squares               float32
}

type keptSums struct{ Count, Amount, Squares, Stopped, Fresh, Span float64 }

type keptKey struct {
	Slots         [weekHours]float32
	Weeks         [weekHours]uint8
	Hours         [hoursKept]keptCell
	HourOf        [hoursKept]int64
	Sum           keptSums
	Hourly, Quick [2]float64
	Born          int64
}

type keptProfile struct {
	Slots [weekHours]float64
	Weeks [weekHours]uint8
	Sum   keptSums
	Hours int64
	Rate  float64
}

type keptMeter struct {
	Seed             uint64
	Payments, Frauds float64
	Dims             [nDims]keptProfile
	Came             [nDims][24]int64
}

type keptSuspect struct {
	Score        float64
	Labels, Last int64
	Paid         [8]paid
	Next         uint8
}

func (s *sums) keep() keptSums {
	return keptSums{s.count, s.amount, s.squares, s.stopped, s.fresh, s.span}
}

func (s keptSums) sums() sums { return sums{s.Count, s.Amount, s.Squares, s.Stopped, s.Fresh, s.Span} }

func (p *past) keep(hour int64) keptKey {
	k := keptKey{Slots: p.slots, Weeks: p.weeks, Sum: p.sum.keep(), Hourly: [2]float64{p.hourly.over, p.hourly.of},
		Quick: [2]float64{p.quick.over, p.quick.of}, Born: p.born}
	for i, h := range p.hourOf {
		if h > hour-hoursKept && h <= hour { // of later hours only a part has come here
			c := p.hours[i]
			k.HourOf[i], k.Hours[i] = h, keptCell{c.amount, c.count, c.stopped, c.fresh, c.squares}
		}
	}
	return k
}

func (k *keptKey) past() past {
	p := past{slots: k.Slots, weeks: k.Weeks, sum: k.Sum.sums(), hourly: spread{k.Hourly[0], k.Hourly[1]},
		quick: spread{k.Quick[0], k.Quick[1]}, born: k.Born, hourOf: k.HourOf}
	for i, c := range k.Hours {
		p.hours[i] = cell{c.Amount, c.Count, c.Stopped, c.Fresh, c.Squares}
	}
	return p
}

// pack makes a row's body.
func pack(parts ...any) ([]byte, error) {
	var raw []byte
	var err error
	for _, v := range parts {
		switch v := v.(type) {
		case string:
			raw = binary.LittleEndian.AppendUint16(raw, uint16(len(v)))
			raw = append(raw, v...)
		default:
			if raw, err = binary.Append(raw, binary.LittleEndian, v); err != nil {
				return nil, err
			}
		}
	}
	var b bytes.Buffer
	b.WriteString(keptMagic)
	b.Write([]byte{0, 0, 0, 0})
	w, err := flate.NewWriter(&b, flate.BestSpeed)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(raw); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	binary.LittleEndian.PutUint32(b.Bytes()[4:], crc32.ChecksumIEEE(b.Bytes()[8:]))
	return b.Bytes(), nil
}

// emptyPart is the body of a row without a key.
var emptyPart = func() []byte {
	b, err := pack()
	if err != nil {
		panic("watch: an empty row cannot be packed: " + err.Error()) // it holds nothing that could fail
	}
	return b
}()

// kept reads a row's body piece by piece.
type kept struct {
	raw []byte
	bad bool
}

func unpack(body []byte) *kept {
	if len(body) < 8 || string(body[:4]) != keptMagic || crc32.ChecksumIEEE(body[8:]) != binary.LittleEndian.Uint32(body[4:]) {
		return &kept{bad: true}
	}
	raw, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(body[8:])), maxKept))
	return &kept{raw: raw, bad: err != nil}
}

func (k *kept) read(v any) {
	n, err := binary.Decode(k.raw, binary.LittleEndian, v)
	if k.bad = k.bad || err != nil; !k.bad {
		k.raw = k.raw[n:]
	}
}

func (k *kept) text() string {
	var n uint16
	if k.read(&n); k.bad || int(n) > len(k.raw) {
		k.bad = true
		return ""
	}
	s := string(k.raw[:n])
	k.raw = k.raw[n:]
	return s
}

func (k *kept) more() bool { return !k.bad && len(k.raw) > 0 }

// part is one row.
type part struct {
	name string
	hour int64
	body []byte
}

// learned is the hour up to which the meter has learned; m.tick.mu is held.
func (m *Meter) learned() int64 { return (m.tick.folded+1)/60 - 1 }

// parts packs all that is worth keeping; m.tick.mu is held.
func (m *Meter) parts() (out []part, err error) {
	hour := m.learned()
	add := func(name string, v ...any) {
		body, failed := pack(v...)
		if out = append(out, part{name, hour, body}); failed != nil {
			err = failed
		}
	}
	head := keptMeter{Seed: m.seed, Payments: m.tick.payments, Frauds: m.tick.frauds, Came: m.tick.came}
	for d := range m.tick.dims {
		p := &m.tick.dims[d]
		head.Dims[d] = keptProfile{p.slots, p.weeks, p.sum.keep(), p.hours, p.rate}
	}
	for d, dim := range Dimensions() {
		by := map[int][]any{}
		for _, k := range m.tick.keys[d] {
			if k != nil {
				n := int(k.hash >> 59)
				by[n] = append(by[n], k.name, k.past.keep(hour))
			}
		}
		for n := range keptParts { // an empty one, too: it may have had keys
			add("keys."+string(dim)+"."+strconv.Itoa(n), by[n]...)
		}
		if d < nLarge {
			var all []any
			for _, s := range m.suspects(d) {
				all = append(all, s.name, keptSuspect{s.score, s.labels, s.last, s.paid, s.next})
			}
			add("suspects."+string(dim), all...)
		}
	}
	g := m.pairs.gen.Load()
	for i := 0; i < len(g.now); i += pairWords {
		words := make([]uint64, 0, 2*pairWords)
		for _, half := range [][]uint64{g.now, g.old} {
			for j := i; j < min(i+pairWords, len(half)); j++ {
				words = append(words, atomic.LoadUint64(&half[j]))
			}
		}
		add("pairs."+strconv.Itoa(i/pairWords), [3]int64{int64(len(g.now)), g.held.Load(), int64(len(words))}, words)
	}
	add("profile", head) // last: without it the others are not read
	return out, err
}

// keepMeter writes the meter down once an hour has been learned. Each row is an act
// of its own and only goes forward: after a failure all are written again.
func (s *Service) keepMeter(ctx context.Context) error {
	m := s.cfg.Meter
	m.tick.mu.Lock()
	hour := m.learned()
	if hour <= s.kept {
		m.tick.mu.Unlock()
		return nil
	}
	parts, err := m.parts()
	m.tick.mu.Unlock()
	if err != nil {
		return err
	}
	for len(parts) > 0 {
		n, size := 0, 0
		for ; n < len(parts) && size < rowBatch; n++ {
			size += len(parts[n].body)
		}
		if err := s.putParts(ctx, parts[:n]); err != nil {
			return err
		}
		parts = parts[n:]
	}
	s.kept = hour
	return nil
}

// rowBatch is how many bytes of rows are written in one act.
const rowBatch = 512 << 10

// putParts writes those rows that are not there as they are.
func (s *Service) putParts(ctx context.Context, parts []part) error {
	parts = slices.DeleteFunc(slices.Clone(parts), func(p part) bool { return s.rows[p.name] == p.sum() })
	if len(parts) == 0 {
		return nil
	}
	err := s.cfg.DB.Update(ctx, func(tx *db.Tx) error {
		for _, p := range parts {
			_, err := tx.Exec(`insert into risk_meter (node, part, hour, body) values ($1, $2, $3, $4)
on conflict (node, part) do update set hour = excluded.hour, body = excluded.body where excluded.hour >= risk_meter.hour`,
				s.cfg.Node, p.name, p.hour, p.body)
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, p := range parts {
		s.rows[p.name] = p.sum()
	}
	return nil
}

// sum tells bodies apart; that of an empty one is 0, as of one that was never written.
func (p part) sum() uint32 {
	if bytes.Equal(p.body, emptyPart) {
		return 0
	}
	return crc32.ChecksumIEEE(p.body)
}

// loadMeter reads what was kept and replays what came after it.
func (s *Service) loadMeter(ctx context.Context) error {
	var parts []part
	err := s.cfg.DB.View(ctx, func(tx *db.Tx) error {
		parts = nil
		return tx.Rows("select part, hour, body from risk_meter where node = $1 order by part", []any{s.cfg.Node},
			func(scan func(...any) error) error {
				var p part
				err := scan(&p.name, &p.hour, &p.body)
				parts = append(parts, p)
				return err
			})
	})
	if err != nil {
		return err
	}
	s.rows = map[string]uint32{}
	for _, p := range parts {
		s.rows[p.name] = p.sum()
	}
	now := s.cfg.Clock.Now()
	from := now.Add(-relearn).Truncate(time.Hour)
	m := s.cfg.Meter
	m.tick.mu.Lock()
	defer m.tick.mu.Unlock()
	hour, known := m.restore(parts)
	if known {
		from = time.Unix((hour+1)*3600, 0)
	}
	if s.cfg.History == nil || !from.Before(now) {
		m.jump(now.Unix() / 60)
	} else if err := m.replay(ctx, from, now, s.cfg.History, known); err != nil {
		return err
	}
	s.kept = m.learned()
	return nil
}

// restore takes over what was kept, if its head is there. hour is the one up to
// which it had learned.
func (m *Meter) restore(parts []part) (hour int64, ok bool) {
	at := slices.IndexFunc(parts, func(p part) bool { return p.name == "profile" })
	if at < 0 {
		return 0, false
	}
	var head keptMeter
	k := unpack(parts[at].body)
	if k.read(&head); k.bad {
		return 0, false
	}
	m.seed, m.tick.payments, m.tick.frauds, m.tick.came = head.Seed, head.Payments, head.Frauds, head.Came
	for d := range head.Dims {
		p := &head.Dims[d]
		m.tick.dims[d] = profile{p.Slots, p.Weeks, p.Sum.sums(), p.Hours, p.Rate}
		for j := range m.tick.shapes[d] {
			m.tick.shapes[d][j] = m.tick.dims[d].shape(int64(j))
		}
	}
	for _, p := range parts {
		name := strings.Split(p.name, ".")
		k := unpack(p.body)
		switch {
		case name[0] == "keys" && len(name) == 3:
			m.restoreKeys(Dimension(name[1]).number(), k)
		case name[0] == "suspects" && len(name) == 2:
			m.restoreSuspects(Dimension(name[1]).number(), k)
		case name[0] == "pairs" && len(name) == 2:
			if n, err := strconv.Atoi(name[1]); err == nil && n >= 0 {
				m.restorePairs(n*pairWords, k)
			}
		}
	}
	m.setDrift()
	return parts[at].hour, true
}

func (m *Meter) restoreKeys(d int, k *kept) {
	for d >= 0 && k.more() {
		name := k.text()
		var kk keptKey
		if k.read(&kk); k.bad || name == "" {
			return
		}
		t := &m.tables[d]
		h := m.hash(name)
		p := entry{}
		p.ends[d] = uint16(copy(p.text[:mostName], name))
		t.mu.Lock()
		at := t.find(h)
		if at < 0 {
			at = t.begin(h, &p, d)
		}
		t.mu.Unlock()
		if at < 0 {
			return // the table is smaller now
		}
		m.keyAt(d, at).past = kk.past()
	}
}

func (m *Meter) restoreSuspects(d int, k *kept) {
	for d >= 0 && d < nLarge && k.more() {
		name := k.text()
		var ks keptSuspect
		if k.read(&ks); k.bad {
			return
		}
		t := &m.tables[d]
		t.mu.Lock()
		if t.marked == nil {
			t.marked = map[uint64]*suspect{}
		}
		t.marked[m.hash(name)] = &suspect{name: name, score: ks.Score, labels: ks.Labels, last: ks.Last, paid: ks.Paid, next: ks.Next}
		t.mu.Unlock()
	}
}

func (m *Meter) restorePairs(from int, k *kept) {
	var head [3]int64
	g := m.pairs.gen.Load()
	if k.read(&head); k.bad || head[0] != int64(len(g.now)) || head[2] != int64(2*min(pairWords, len(g.now)-from)) {
		return // another size than now: they are learned anew
	}
	words := make([]uint64, head[2])
	if k.read(words); k.bad {
		return
	}
	copy(g.now[from:], words[:len(words)/2])
	copy(g.old[from:], words[len(words)/2:])
	g.held.Store(head[1])
}

// replay feeds past payments, from the beginning of an hour, as if they came now.
// A meter that knows nothing begins with the hour of the first of them: time in
// which there was nothing to see teaches nothing, and takes long to go through.
func (m *Meter) replay(ctx context.Context, from, to time.Time, history History, known bool) error {
	m.jump(from.Unix() / 60)
	m.tick.blind-- // the first hour is seen whole
	err := history(ctx, from, to, func(e *risk.Event, stopped bool) error {
		minute := e.At.Unix() / 60
		if !known {
			known = true
			m.jump(minute / 60 * 60)
			m.tick.blind--
		}
		if minute < m.now.Load()-window60 || !e.At.Before(to) {
			return ident.E(ident.KindInternal, "history_order", "history gives payment %s of %s out of its order", e.ID, e.At)
		}
		if minute > m.now.Load() {
			m.advance(minute)
		}
		m.observe(e, stopped)
		return nil
	})
	if err != nil {
		return err
	}
	if !known {
		m.jump(to.Unix() / 60)
		return nil
	}
	m.advance(to.Unix() / 60)
	return nil
}

// Rebuild learns anew from the payments of the past 28 days, as Load does when
// nothing was kept: for a meter whose memory is lost or no longer believed. Nothing
// may feed the meter meanwhile.
func (s *Service) Rebuild(ctx context.Context, history History) error {
	s.ticking.Lock()
	defer s.ticking.Unlock()
	m := s.cfg.Meter
	m.tick.mu.Lock()
	defer m.tick.mu.Unlock()
	m.clear()
	now := s.cfg.Clock.Now()
	return m.replay(ctx, now.Add(-relearn).Truncate(time.Hour), now, history, false)
}

// clear forgets all but the seed and the suspects.
func (m *Meter) clear() {
	m.drain()
	for d := range m.tables {
		t := &m.tables[d]
		t.mu.Lock()
		for at := range int32(t.used) {
			if t.hashes[at] != 0 {
				t.end(at)
			}
		}
		clear(t.seen.tags)
		clear(t.seen.keys)
		t.arrivals, t.full = 0, 0
		t.mu.Unlock()
		m.tick.keys[d], m.tick.dims[d], m.tick.came[d] = nil, profile{}, [24]int64{}
	}
	m.pairs.init(m.cfg.Pairs)
	m.tick.payments = 0
	m.tick.init()
}

// FromPayments is the History that table payment holds.
func FromPayments(p *payment.Service) History {
	return func(ctx context.Context, from, to time.Time, fn func(e *risk.Event, stopped bool) error) error {
		return p.Journal(ctx, from, to, func(r payment.Request, _ payment.State, d risk.Decision) error {
			e := risk.Event{ID: r.ID, At: r.At, Payer: r.Payer, Payee: r.Payee, Amount: r.Amount, Type: risk.Type(r.Type), Channel: r.Channel,
				Device: r.Device, City: r.City, Terminal: r.Terminal, Merchant: r.Merchant, Card: r.Card, Region: r.Region}
			return fn(&e, !r.Settled && stopped(&d))
		})
	}
}
