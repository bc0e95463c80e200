package list

import (
	"context"
	"encoding/hex"
	"time"

	"surety/kernel/ident"
	"surety/platform/db"
)

// keep is how long an entry stays in memory after it ended, so that a payment
// that comes late is judged by what held when it was made.
const keep = 48 * time.Hour

// keyText is what the index asks for: see Key.
func keyText(s Subject, value string, blind []byte) string {
	if s.personal() {
		return hex.EncodeToString(blind)
	}
	return value
}

// Load fills the memory from the tables. Listed answers by what was there before
// until it is done; a Service that was never loaded lists nothing.
func (s *Service) Load(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.load(ctx)
}

// load is Load for whom holds mu.
func (s *Service) load(ctx context.Context) error {
	cutoff := ident.Micros(s.cfg.Clock.Now().Add(-keep))
	var seq int64
	var items []item
	err := s.cfg.DB.View(ctx, func(tx *db.Tx) (err error) { // both in one view of the database
		items = nil
		if seq, err = lastSeq(tx); err != nil {
			return err
		}
		return s.scanItems(tx, `where removed_at = 0 and (ends = 0 or ends > $1)`, []any{cutoff},
			func(it item, _ past) { items = append(items, it) })
	})
	if err != nil {
		s.behind = err
		return err
	}
	s.index.put(items, cutoff, true)
	s.loaded, s.seq, s.fresh, s.behind = true, seq, s.cfg.Clock.Now(), nil
	return nil
}

// changePage is how many changes are read by one statement. In pages, and in the
// order of its index, no database reads the whole table for them.
const changePage = 5000

// changes reads the entries that were changed after a number, and the number that
// they lead to, in one view of the database.
func (s *Service) changes(ctx context.Context, since int64) (seq int64, items []item, err error) {
	err = s.cfg.DB.View(ctx, func(tx *db.Tx) error {
		items = nil
		if seq, err = lastSeq(tx); err != nil {
			return err
		}
		at, id := since+1, ""
		for n := changePage; n == changePage; {
			n = 0
			err := s.scanItems(tx, `where (seq, id) > ($1, $2) order by seq, id limit $3`, []any{at, id, changePage}, func(it item, p past) {
				items = append(items, it)
				n, at, id = n+1, p.seq, it.id
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	return seq, items, err
}

// Refresh brings into memory what other processes changed since; changed is false
// if there was nothing. It costs one short query when there is nothing, so it may
// be called every second. After an error it is to be called again.
func (s *Service) Refresh(ctx context.Context) (changed bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var seq int64
	err = s.cfg.DB.View(ctx, func(tx *db.Tx) error {
		seq, err = lastSeq(tx)
		return err
	})
	switch {
	case err != nil:
		s.behind = err
		return false, err
	case !s.loaded || seq < s.seq: // fewer changes than were seen: the database was restored
		return true, s.load(ctx)
	case seq == s.seq:
		s.fresh, s.behind = s.cfg.Clock.Now(), nil
		return false, nil
	}
	seq, items, err := s.changes(ctx, s.seq)
	if err != nil {
		s.behind = err
		return false, err
	}
	now := s.cfg.Clock.Now()
	s.index.put(items, ident.Micros(now.Add(-keep)), false)
	s.seq, s.fresh, s.behind = seq, now, nil
	return true, nil
}

// after follows the tables after a write that happened or may have happened, and
// returns the write's own error: what is written is written, and if it cannot be
// read now, the next Refresh brings it.
func (s *Service) after(ctx context.Context, err error) error {
	if err == nil || ident.Is(err, ident.KindUnknown) {
		s.follow(ctx)
	}
	return err
}

// follow refreshes a memory that is in use, also if the caller has gone. What goes
// wrong is kept for Stats.
func (s *Service) follow(ctx context.Context) {
	s.mu.Lock()
	loaded := s.loaded
	s.mu.Unlock()
	if loaded {
		_, _ = s.Refresh(context.WithoutCancel(ctx))
	}
}

// Stats says how the memory stands.
type Stats struct {
	Loaded  bool
	Entries int       // also those that wait, and those that ended less than 48 hours ago
	Bytes   int64     // that they take
	Changes int64     // seen; the tables' own count when nothing is missing
	Fresh   time.Time // when the memory was last known to have all
	Behind  error     // why it could not follow since then; nil if it could
}

// Stats is for health checks and meters.
func (s *Service) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := Stats{Loaded: s.loaded, Changes: s.seq, Fresh: s.fresh, Behind: s.behind}
	out.Entries, out.Bytes = s.index.size()
	return out
}

// Past is an index of all that ever stood, for replays: an entry holds in it from
// when it was known and true until it ended or was removed. So a past payment meets
// what it would have met.
func (s *Service) Past(ctx context.Context) (*Index, error) {
	x := newIndex(s.pack.codes)
	var items []item
	err := s.cfg.DB.View(ctx, func(tx *db.Tx) error {
		items = nil
		return s.scanItems(tx, ``, nil, func(it item, p past) {
			it.from, it.gone = max(it.from, p.addedAt), false
			if p.removedAt > 0 && (it.until == 0 || p.removedAt < it.until) {
				it.until = p.removedAt
			}
			if it.until == 0 || it.from < it.until {
				items = append(items, it)
			}
		})
	})
	if err != nil {
		return nil, err
	}
	x.put(items, 0, true)
	return x, nil
}
