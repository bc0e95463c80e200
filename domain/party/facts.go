package party

import (
	"context"
	"encoding/hex"
	"fmt"
	"math/bits"
	"strings"
	"sync"
	"time"

	"surety/kernel/ident"
	"surety/platform/db"
)

// Facts are what judging a payment needs to know of an account. The zero Facts
// are of an account that nobody has imported: a bank's, or a mistyped one.
type Facts struct {
	Account
	NameIndex  string // hex of the blind index of the holder's name, "" if there is none
	PhoneIndex string // hex of the blind index of the holder's telephone, "" if there is none
}

// Known reports whether the account was imported.
func (f Facts) Known() bool { return f.ID != "" }

// rememberFor is how long facts are believed where other processes may change
// them. On SQLite this process is the only writer, and hears of every change.
const rememberFor = 2 * time.Second

// remembered is how many accounts one of the two generations of the memory holds,
// if the Config does not say; an entry takes some 400 bytes.
const remembered = 1 << 18

// memory keeps the facts of the accounts that were asked for lately, in two
// generations: when the young one is full it becomes the old one, and what is
// asked for again moves back. So it is bounded, and costs nothing to tend.
type memory struct {
	mu         sync.RWMutex
	young, old map[string]memo // guarded by mu
	limit      int             // of a generation
	writing    int             // acts under way that may change facts; guarded by mu
	turn       int64           // moves when such an act begins or ends; guarded by mu
}

type memo struct {
	facts Facts
	at    time.Time
}

// fill puts what is known of the accounts into out and returns the places of the
// others. turn is for keep.
func (m *memory) fill(ids []string, out []Facts, now time.Time, life time.Duration) (missing []int, turn int64) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	for i, id := range ids {
		e, ok := m.young[id]
		if !ok {
			if e, ok = m.old[id]; ok && m.writing == 0 && life == 0 {
				out[i] = e.facts
				missing = append(missing, i) // to be moved back
				continue
			}
		}
		if age := now.Sub(e.at); !ok || life > 0 && (age < 0 || age >= life) {
			out[i] = Facts{}
			missing = append(missing, i)
			continue
		}
		out[i] = e.facts
	}
	return missing, m.turn
}

// keep remembers what the database said, unless an act that may have changed it
// began or ended since turn was told: it may be from before that.
func (m *memory) keep(ids []string, missing []int, out []Facts, now time.Time, turn int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.turn != turn || m.writing > 0 {
		return
	}
	for _, i := range missing {
		if m.young == nil || len(m.young) >= m.limit {
			m.young, m.old = map[string]memo{}, m.young
		}
		m.young[ids[i]] = memo{out[i], now}
	}
}

// begin says that an act may change facts; end that it is over, however it ended,
// and of which accounts. In between nothing new is remembered, and what is
// remembered may still be told, for nobody has heard that the act was done.
func (m *memory) begin() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.writing++
	m.turn++
}

func (m *memory) end(accounts []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.writing--
	m.turn++
	for _, id := range accounts {
		delete(m.young, id)
		delete(m.old, id)
	}
}

// Facts fills out with the facts of the accounts, in their order, from memory as
// far as it goes and with one look at the database for the rest. They are exact as
// far as this process has changed them; what another process has changed, which
// only PostgreSQL allows, may be two seconds old. It must not be called inside a
// transaction.
func (s *Service) Facts(ctx context.Context, d *db.DB, ids []string, out []Facts) error {
	life := time.Duration(0)
	if d.Dialect() == db.Postgres {
		life = rememberFor
	}
	now := s.cfg.Clock.Now()
	missing, turn := s.memory.fill(ids, out, now, life)
	if len(missing) == 0 {
		return nil
	}
	var ask []string
	for _, i := range missing {
		if !out[i].Known() {
			ask = append(ask, ids[i])
		}
	}
	if len(ask) > 0 {
		var found map[string]Facts
		err := d.View(ctx, func(tx *db.Tx) (err error) {
			found, err = facts(tx, ask)
			return err
		})
		if err != nil {
			return err
		}
		for _, i := range missing {
			if !out[i].Known() {
				out[i] = found[ids[i]]
			}
		}
	}
	s.memory.keep(ids, missing, out, now, turn)
	return nil
}

// facts reads the facts of accounts; those that are not there are not in the map.
func facts(tx *db.Tx, ids []string) (map[string]Facts, error) {
	out := make(map[string]Facts, len(ids))
	for len(ids) > 0 {
		n := min(128, 1<<(bits.Len(uint(len(ids)))-1)) // few texts to prepare
		args := make([]any, n)
		marks := make([]string, n)
		for i, id := range ids[:n] {
			args[i], marks[i] = id, fmt.Sprintf("$%d", i+1)
		}
		ids = ids[n:]
		err := tx.Rows(`select a.id, a.party_id, a.kind, a.verification, a.opened, a.device, a.city, p.name_index, p.phone_index
from account a join party p on p.id = a.party_id where a.id in (`+strings.Join(marks, ",")+`)`, args,
			func(scan func(...any) error) error {
				var f Facts
				var opened int64
				var name, phone []byte
				err := scan(&f.ID, &f.PartyID, &f.Kind, &f.Verification, &opened, &f.Device, &f.City, &name, &phone)
				f.Opened = ident.FromMicros(opened)
				f.NameIndex, f.PhoneIndex = hex.EncodeToString(name), hex.EncodeToString(phone)
				out[f.ID] = f
				return err
			})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}
