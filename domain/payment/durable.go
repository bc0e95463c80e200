package payment

import (
	"context"
	"crypto/sha256"
	"slices"
	"sync"

	"surety/kernel/ident"
	"surety/platform/access"
	"surety/platform/db"
	"surety/platform/journal"
)

// What is here is for a process that has a journal: an act is durable when the
// journal has it, and reaches the table later (post.go).

// key is an id as memory has it: half of its SHA-256, so that millions of them
// hold no pointer. That two ids have one key does not happen.
type key [16]byte

func keyOf(id string) key {
	sum := sha256.Sum256([]byte(id))
	return key(sum[:16])
}

// place says where in the journal an answer is: the record, and which of its
// payments. In flight, while it is being judged, at is 0.
type place struct {
	at    journal.Position
	index int
}

// unposted is an id that the table does not have yet.
type unposted struct {
	hash [sha256.Size]byte
	place
}

// ids are the ids this process knows of. Each is in flight, unposted, posted or
// new; it goes from one to the next under the lock, so nobody sees it in none.
type ids struct {
	mu     sync.Mutex
	landed *sync.Cond       // on mu: some ids have left flight
	open   map[key]unposted // in flight or unposted; guarded by mu
	most   int              // how many open has held; guarded by mu
	moved  journal.Position // records before it are in the table; guarded by mu
	posted filter           // guarded by mu
}

// candidate is one well-formed request of a batch.
type candidate struct {
	key  key
	hash [sha256.Size]byte
}

// claimed is what became of the requests of a batch.
type claimed struct {
	fresh []int       // nobody has them: they are in flight now
	ask   []int       // in flight now, but the table may have them
	again map[int]int // the same as an earlier one of this batch
	known map[int]place
}

// claim takes the ids that are new, after it has waited until none of them is
// being judged by another caller: an id is judged once at a time. Requests with
// an error in out are passed over; one whose id has another body gets its own.
func (d *ids) claim(reqs []Request, cs []candidate, out []Result) claimed {
	d.mu.Lock()
	defer d.mu.Unlock()
	busy := func() bool {
		for i := range cs {
			if e, ok := d.open[cs[i].key]; ok && out[i].Err == nil && e.at == 0 {
				return true
			}
		}
		return false
	}
	for busy() {
		d.landed.Wait()
	}
	var c claimed
	c.fresh = make([]int, 0, len(reqs))
	for i := range reqs {
		if out[i].Err != nil {
			continue
		}
		e, ok := d.open[cs[i].key]
		switch {
		case ok && e.hash != cs[i].hash:
			out[i].Err = conflict(reqs[i].ID)
			continue
		case ok && e.at == 0: // claimed by this very loop
			c.again = put(c.again, i, e.index)
			continue
		case ok:
			c.known = put(c.known, i, e.place)
			continue
		case d.posted.may(cs[i].key):
			c.ask = append(c.ask, i)
		default:
			c.fresh = append(c.fresh, i)
		}
		d.open[cs[i].key] = unposted{cs[i].hash, place{index: i}}
	}
	d.most = max(d.most, len(d.open))
	return c
}

func put[V any](m map[int]V, i int, v V) map[int]V {
	if m == nil {
		m = map[int]V{}
	}
	m[i] = v
	return m
}

// land ends the flight of ids: those that decided names are unposted now, in this
// record, or posted already, if the poster was faster; the others were not judged.
func (d *ids) land(cs []candidate, claimed []int, ds []decided, at journal.Position) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, i := range claimed {
		if e, ok := d.open[cs[i].key]; ok && e.at == 0 {
			delete(d.open, cs[i].key)
		}
	}
	if at >= d.moved {
		for n := range ds {
			c := cs[ds[n].place]
			d.open[c.key] = unposted{c.hash, place{at, n}}
		}
	}
	d.landed.Broadcast()
}

// done says that the table has these ids, and all records before a position. Those
// in flight are left to land.
func (d *ids) done(keys []key, moved journal.Position) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, k := range keys {
		d.posted.add(k)
		if d.open[k].at != 0 {
			delete(d.open, k)
		}
	}
	d.moved = moved
	const large = 100_000
	if len(d.open) == 0 && d.most > large { // a map gives nothing back by itself
		d.open, d.most = map[key]unposted{}, 0
	}
}

// find says whether an id is unposted, and where.
func (d *ids) find(k key) (place, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	e, ok := d.open[k]
	return e.place, ok && e.at != 0
}

// assessJournal is AssessBatch with a journal.
func (s *Service) assessJournal(ctx context.Context, actor ident.Actor, reqs []Request) ([]Result, error) {
	act, object := batchAct(reqs)
	if err := s.cfg.Access.May(ctx, actor, act, object, nil); err != nil {
		return nil, err
	}
	if err := s.room(ctx); err != nil {
		return nil, err
	}
	out := make([]Result, len(reqs))
	cs := make([]candidate, len(reqs))
	for i := range reqs {
		if out[i].Err = reqs[i].check(); out[i].Err == nil {
			cs[i] = candidate{keyOf(reqs[i].ID), reqs[i].hash()}
		}
	}
	c := s.ids.claim(reqs, cs, out)
	if err := s.assessClaimed(ctx, actor, act, reqs, cs, &c, out); err != nil {
		return nil, err
	}
	if err := s.answerKnown(ctx, reqs, cs, c.known, out); err != nil {
		return nil, err
	}
	for i, first := range c.again {
		out[i] = out[first]
		out[i].Again = out[i].Err == nil
	}
	return out, nil
}

// assessClaimed judges what was claimed, makes it durable and gives the claims
// back, whatever happens.
func (s *Service) assessClaimed(ctx context.Context, actor ident.Actor, act access.Act, reqs []Request, cs []candidate, c *claimed,
	out []Result) error {
	all := slices.Concat(c.fresh, c.ask)
	if len(all) == 0 {
		return nil
	}
	var ds []decided
	var at journal.Position
	defer func() { s.ids.land(cs, all, ds, at) }()
	fresh, err := s.askTable(ctx, reqs, cs, c, out)
	if err != nil {
		return err
	}
	judged, err := s.decide(ctx, reqs, func(i int) [sha256.Size]byte { return cs[i].hash }, fresh, out)
	if err != nil || len(judged) == 0 {
		return err
	}
	s.backlog.Add(int64(len(judged)))
	if at, err = s.append(ctx, actor, act, judged); err != nil {
		s.backlog.Add(-int64(len(judged)))
		// What was not written is forgotten. What may have been written stays
		// counted: the journal takes nothing more, and the next start reads it.
		if !ident.Is(err, ident.KindUnknown) {
			for i := range judged {
				s.cfg.Engine.Forget(judged[i].event())
			}
		}
		return err
	}
	ds = judged
	s.acknowledge(at, len(ds))
	for i := range ds {
		out[ds[i].place].Payment = ds[i].payment()
	}
	return nil
}

// askTable answers those that the table has, and returns the places of all that
// are new, in order.
func (s *Service) askTable(ctx context.Context, reqs []Request, cs []candidate, c *claimed, out []Result) (fresh []int, err error) {
	if len(c.ask) == 0 {
		return c.fresh, nil
	}
	names := make([]string, len(c.ask))
	for n, i := range c.ask {
		names[n] = reqs[i].ID
	}
	fresh = c.fresh
	err = s.cfg.DB.View(ctx, func(tx *db.Tx) error {
		fresh = slices.Clone(c.fresh)
		have, err := recorded(tx, names)
		if err != nil {
			return err
		}
		for _, i := range c.ask {
			if have[reqs[i].ID] == nil { // the filter was wrong
				fresh = append(fresh, i)
				continue
			}
			out[i].Again = true
			if err := s.answerRecorded(tx, reqs[i].ID, cs[i].hash, &out[i]); err != nil {
				return err
			}
		}
		return nil
	})
	slices.Sort(fresh)
	return fresh, err
}

// answerKnown answers from the journal, each record read once, or from the table
// where the poster has got there meanwhile.
func (s *Service) answerKnown(ctx context.Context, reqs []Request, cs []candidate, known map[int]place, out []Result) error {
	byRecord := map[journal.Position]map[int][]int{} // record, place in it, places in the batch
	for i, at := range known {
		byRecord[at.at] = put(byRecord[at.at], at.index, append(byRecord[at.at][at.index], i))
	}
	for at, wanted := range byRecord {
		record, err := s.cfg.Journal.ReadAt(at)
		if ident.CodeOf(err) == "journal_trimmed" {
			err = s.cfg.DB.View(ctx, func(tx *db.Tx) error {
				for _, places := range wanted {
					for _, i := range places {
						if err := s.answerRecorded(tx, reqs[i].ID, cs[i].hash, &out[i]); err != nil {
							return err
						}
					}
				}
				return nil
			})
		} else if err == nil {
			err = openRecord(record, func(_ header, n int, r *row) (err error) {
				for _, i := range wanted[n] {
					if out[i].Payment, err = r.payment(); err != nil {
						return err
					}
				}
				return nil
			})
		}
		if err != nil {
			return err
		}
	}
	for i := range known {
		out[i].Again = true
	}
	return nil
}

// recordBuffers are for a record that is being made, and for a decision's text.
type recordBuffers struct{ record, text []byte }

// append makes one record of the payments and waits until it is durable.
func (s *Service) append(ctx context.Context, actor ident.Actor, act access.Act, ds []decided) (journal.Position, error) {
	b, ok := s.buffers.Get().(*recordBuffers)
	if !ok {
		b = new(recordBuffers)
	}
	defer s.buffers.Put(b)
	h := header{actor: actor, act: act, created: ds[0].created, count: len(ds)}
	b.record = h.append(b.record[:0])
	for i := range ds {
		b.text = ds[i].decision.AppendJSON(b.text[:0])
		b.record = ds[i].row.append(b.record, b.text)
	}
	return s.cfg.Journal.Append(ctx, b.record)
}
