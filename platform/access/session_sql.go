package access

import (
	"time"

	"surety/kernel/ident"
	"surety/platform/db"
)

// takeTry takes a free slot of the address. If all are taken it returns when the
// first comes free. The primary key is the guard: two tries never share a slot.
func takeTry(tx *db.Tx, email []byte, now time.Time) (slot int64, free time.Time, err error) {
	if _, err := tx.Exec("delete from staff_tries where at <= $1", ident.Micros(now.Add(-tryWindow))); err != nil {
		return 0, free, err
	}
	var taken [maxTries]bool
	oldest := int64(0)
	query := "select slot, at from staff_tries where email_hash = $1"
	err = tx.Rows(query, []any{email}, func(scan func(...any) error) error {
		var at int64
		if err := scan(&slot, &at); err != nil {
			return err
		}
		taken[slot] = true
		if oldest == 0 || at < oldest {
			oldest = at
		}
		return nil
	})
	if err != nil {
		return 0, free, err
	}
	for i := range taken {
		if taken[i] {
			continue
		}
		n, err := tx.Exec(`insert into staff_tries (email_hash, slot, at) values ($1, $2, $3)
			on conflict (email_hash, slot) do nothing`, email, int64(i), ident.Micros(now))
		if err != nil || n == 1 {
			return int64(i), time.Time{}, err
		}
	}
	if oldest == 0 { // all ten were taken at this very moment
		oldest = ident.Micros(now)
	}
	return 0, ident.FromMicros(oldest).Add(tryWindow), nil
}

func insertSession(tx *db.Tx, s sessionRow) error {
	_, err := tx.Exec(`insert into sessions (token_hash, id, kind, subject, epoch, opened_at, seen_at, expires_at)
		values ($1, $2, $3, $4, $5, $6, $7, $8)`, s.hash, s.id, string(s.kind), s.subject, s.epoch,
		ident.Micros(s.opened), ident.Micros(s.seen), ident.Micros(s.expires))
	return err
}

// sessionByHash returns the zero row if there is none.
func sessionByHash(tx *db.Tx, hash []byte) (sessionRow, error) {
	s := sessionRow{hash: hash}
	var kind string
	var opened, seen, expires, ended int64
	found, err := tx.Row([]any{&s.id, &kind, &s.subject, &s.epoch, &opened, &seen, &expires, &ended},
		`select id, kind, subject, epoch, opened_at, seen_at, expires_at, ended_at
		from sessions where token_hash = $1`, hash)
	if err != nil || !found {
		return sessionRow{}, err
	}
	s.kind, s.ended = ident.ActorKind(kind), ended != 0
	s.opened, s.seen, s.expires = ident.FromMicros(opened), ident.FromMicros(seen), ident.FromMicros(expires)
	return s, nil
}

// touchSession moves the last use forward; of many requests at once one writes.
func touchSession(tx *db.Tx, hash []byte, now time.Time) error {
	_, err := tx.Exec("update sessions set seen_at = $1 where token_hash = $2 and ended_at = 0 and seen_at <= $3",
		ident.Micros(now), hash, ident.Micros(now.Add(-touchEvery)))
	return err
}

func endSession(tx *db.Tx, hash []byte, now time.Time) (int64, error) {
	return tx.Exec("update sessions set ended_at = $1 where token_hash = $2 and ended_at = 0", ident.Micros(now), hash)
}
