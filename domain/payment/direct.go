package payment

import (
	"bytes"
	"context"
	"crypto/sha256"
	"maps"
	"slices"

	"surety/kernel/ident"
	"surety/platform/db"
)

// What is here is for a database that several processes share: each act writes
// into the table before it is answered.

// assessDirect is AssessBatch without a journal.
func (s *Service) assessDirect(ctx context.Context, actor ident.Actor, reqs []Request) ([]Result, error) {
	defer s.take(reqs)()
	if err := s.settleDoubt(ctx); err != nil {
		return nil, err
	}
	out := make([]Result, len(reqs))
	hashes := make([][sha256.Size]byte, len(reqs))
	fresh, err := s.sort(ctx, reqs, hashes, out)
	if err != nil {
		return nil, err
	}
	ds, err := s.decide(ctx, reqs, func(i int) [sha256.Size]byte { return hashes[i] }, fresh, out)
	if err != nil {
		return nil, err
	}
	written, err := s.write(ctx, actor, reqs, ds)
	if err != nil {
		s.undo(ds, err)
		return nil, err
	}
	for i := range ds {
		d := &ds[i]
		if written[d.ID] {
			out[d.place].Payment = d.payment()
			continue
		}
		s.cfg.Engine.Forget(d.event()) // another process was first with this id
		out[d.place].Again = true
	}
	return out, s.answerAgain(ctx, reqs, hashes, out)
}

// take waits until none of the ids is being assessed by another caller, takes
// them all, and returns what gives them back. So an id is judged once at a time
// in this process, and the engine never forgets what another caller has counted.
func (s *Service) take(reqs []Request) (give func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	busy := func(r Request) bool { return s.flight[r.ID] }
	for slices.ContainsFunc(reqs, busy) {
		s.landed.Wait()
	}
	for _, r := range reqs {
		s.flight[r.ID] = true
	}
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, r := range reqs {
			delete(s.flight, r.ID)
		}
		s.landed.Broadcast()
	}
}

// sort finds malformed requests, recorded ones and doubles within the batch, and
// returns the positions of the rest.
func (s *Service) sort(ctx context.Context, reqs []Request, hashes [][sha256.Size]byte, out []Result) (fresh []int, err error) {
	var ids []string
	for i := range reqs {
		if out[i].Err = reqs[i].check(); out[i].Err == nil {
			ids = append(ids, reqs[i].ID)
			hashes[i] = reqs[i].hash()
		}
	}
	if len(ids) == 0 {
		return nil, nil
	}
	var have map[string][]byte
	err = s.cfg.DB.View(ctx, func(tx *db.Tx) error {
		have, err = recorded(tx, ids)
		return err
	})
	if err != nil {
		return nil, err
	}
	first := map[string]int{}
	for i := range reqs {
		if out[i].Err != nil {
			continue
		}
		known, exists := have[reqs[i].ID]
		if j, twice := first[reqs[i].ID]; twice {
			known, exists = hashes[j][:], true
		}
		if !exists {
			first[reqs[i].ID] = i
			fresh = append(fresh, i)
			continue
		}
		if out[i].Again = true; !bytes.Equal(known, hashes[i][:]) {
			out[i].Err = conflict(reqs[i].ID)
		}
	}
	return fresh, nil
}

// write puts the payments and one audit entry into one durable act. The check is
// made also if there is nothing to write: an answer that was recorded before is
// not for everybody.
func (s *Service) write(ctx context.Context, actor ident.Actor, reqs []Request, ds []decided) (written map[string]bool, err error) {
	act, object := batchAct(reqs)
	rows := make([]row, len(ds))
	detail := make([][2]string, len(ds))
	for i := range ds {
		rows[i] = ds[i].row
		rows[i].decision = string(ds[i].decision.AppendJSON(nil))
		detail[i] = [2]string{ds[i].ID, ds[i].outcome}
	}
	err = s.cfg.Access.Update(ctx, actor, act, object, detail, func(tx *db.Tx) error {
		written, err = insert(tx, rows)
		return err
	})
	return written, err
}

// undo lets the engine forget what was not written; what may have been written
// is looked up before the next decision.
func (s *Service) undo(ds []decided, cause error) {
	unknown := ident.Is(cause, ident.KindUnknown)
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range ds {
		if unknown {
			s.doubt[ds[i].ID] = ds[i].Request
		} else {
			s.cfg.Engine.Forget(ds[i].event())
		}
	}
}

// settleDoubt looks up the payments whose commit's answer was lost.
func (s *Service) settleDoubt(ctx context.Context) error {
	s.mu.Lock()
	ids := slices.Collect(maps.Keys(s.doubt))
	s.mu.Unlock()
	if len(ids) == 0 {
		return nil
	}
	var have map[string][]byte
	err := s.cfg.DB.View(ctx, func(tx *db.Tx) (err error) {
		have, err = recorded(tx, ids)
		return err
	})
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range ids {
		if r, doubted := s.doubt[id]; doubted && have[id] == nil {
			s.cfg.Engine.Forget(r.event())
		}
		delete(s.doubt, id)
	}
	return nil
}

// answerAgain fills in the recorded answers.
func (s *Service) answerAgain(ctx context.Context, reqs []Request, hashes [][sha256.Size]byte, out []Result) error {
	again := func(r Result) bool { return r.Again && r.Err == nil }
	if !slices.ContainsFunc(out, again) {
		return nil
	}
	return s.cfg.DB.View(ctx, func(tx *db.Tx) error {
		for i := range out {
			if !again(out[i]) {
				continue
			}
			if err := s.answerRecorded(tx, reqs[i].ID, hashes[i], &out[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

// answerRecorded answers from the table. Whoever wrote it, this engine counts it.
func (s *Service) answerRecorded(tx *db.Tx, id string, hash [sha256.Size]byte, out *Result) error {
	have, err := recorded(tx, []string{id})
	if err != nil {
		return err
	}
	if !bytes.Equal(have[id], hash[:]) {
		out.Err = conflict(id)
		return nil
	}
	p, _, err := s.Get(tx, id)
	if err != nil {
		return err
	}
	out.Payment = p
	return s.count(&p.Request, p.State)
}
