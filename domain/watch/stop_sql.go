package watch

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"surety/domain/risk"
	"surety/kernel/ident"
	"surety/platform/db"
)

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

const stopColumns = `id, body, alarm, payer, payee, device, terminal, merchant, channel, region, type, card, outcome, since, until, most,
zh, en, reason, state, by_whom, second, created, ended, ended_by, words, version`

// readStops reads those that the tail chooses, with what they have touched.
func readStops(tx *db.Tx, tail string, args ...any) (out []Stop, err error) {
	query := "select " + stopColumns + `, (select cast(coalesce(sum(u.used), 0) as bigint) from risk_stop_use u where u.stop = risk_stop.id)
from risk_stop ` + tail
	err = tx.Rows(query, args, func(scan func(...any) error) error {
		var s Stop
		var since, until, created, ended int64
		m := &s.Match
		err := scan(&s.ID, &s.body, &s.Alarm, &m.Payer, &m.Payee, &m.Device, &m.Terminal, &m.Merchant, &m.Channel, &m.Region, &m.Type,
			&m.Card, &s.Outcome, &since, &until, &s.Limit, &s.ZH, &s.EN, &s.Reason, &s.State, &s.By, &s.Second, &created, &ended,
			&s.EndedBy, &s.Words, &s.Version, &s.Used)
		s.From, s.Until, s.Created, s.Ended = ident.FromMicros(since), ident.FromMicros(until), ident.FromMicros(created), ident.FromMicros(ended)
		s.Used = min(s.Used, s.Limit)
		out = append(out, s)
		return err
	})
	return out, err
}

func insertStop(tx *db.Tx, s *Stop) error {
	m := s.Match
	n, err := tx.Exec(`insert into risk_stop (`+stopColumns+`) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15,
$16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27) on conflict (id) do nothing`,
		s.ID, s.body, s.Alarm, m.Payer, m.Payee, m.Device, m.Terminal, m.Merchant, m.Channel, m.Region, m.Type, m.Card, string(s.Outcome),
		ident.Micros(s.From), ident.Micros(s.Until), s.Limit, s.ZH, s.EN, s.Reason, string(s.State), s.By, s.Second,
		ident.Micros(s.Created), ident.Micros(s.Ended), s.EndedBy, s.Words, s.Version)
	if err == nil && n == 0 { // somebody else has just used the id
		err = ident.E(ident.KindUnavailable, "stop_busy", "stop %s is being made by somebody else; send the same again", s.ID)
	}
	return err
}

// updateStop writes what can change and moves the version.
func updateStop(tx *db.Tx, s *Stop) error {
	err := tx.ExecOne(ident.E(ident.KindConflict, "stop_moved", "stop %s was changed by somebody else; look again", s.ID),
		`update risk_stop set since = $2, until = $3, state = $4, second = $5, ended = $6, ended_by = $7, words = $8, version = version + 1
where id = $1 and version = $9`,
		s.ID, ident.Micros(s.From), ident.Micros(s.Until), string(s.State), s.Second, ident.Micros(s.Ended), s.EndedBy, s.Words, s.Version)
	if err == nil {
		s.Version++
	}
	return err
}

// keepUses writes what this process's engine has counted; a row only grows, so
// writing it again does no harm.
func keepUses(tx *db.Tx, node string, own map[string]int64) error {
	for id, n := range own {
		_, err := tx.Exec(`insert into risk_stop_use (stop, node, used) values ($1, $2, $3)
on conflict (stop, node) do update set used = excluded.used where excluded.used > risk_stop_use.used`, id, node, n)
		if err != nil {
			return err
		}
	}
	return nil
}

// ownUses is what each stop in force has touched in all, and in this process.
func ownUses(tx *db.Tx, node string) (own map[string]int64, err error) {
	own = map[string]int64{}
	err = tx.Rows(`select u.stop, u.used from risk_stop_use u join risk_stop s on s.id = u.stop where s.state = 'active' and u.node = $1`,
		[]any{node}, func(scan func(...any) error) error {
			var id string
			var n int64
			err := scan(&id, &n)
			own[id] = n
			return err
		})
	return own, err
}

// StopFilter narrows Stops; zero fields do not.
type StopFilter struct {
	State    StopState
	Alarm    ident.ID
	Before   ident.ID // cursor: id and time of the last stop of the page before
	BeforeAt time.Time
	Limit    int // 50 if zero, at most 500
}

// Stops lists stops, the newest first.
func (s *Service) Stops(tx *db.Tx, f StopFilter) ([]Stop, error) {
	var where []string
	var args []any
	arg := func(v any) string {
		args = append(args, v)
		return fmt.Sprintf("$%d", len(args))
	}
	if f.State != "" {
		where = append(where, "state = "+arg(string(f.State)))
	}
	if f.Alarm != "" {
		where = append(where, "alarm = "+arg(f.Alarm))
	}
	if f.Before != "" {
		where = append(where, "(created, id) < ("+arg(ident.Micros(f.BeforeAt))+", "+arg(f.Before)+")")
	}
	tail := ""
	if len(where) > 0 {
		tail = "where " + strings.Join(where, " and ")
	}
	limit := f.Limit
	if limit <= 0 {
		limit = 50
	}
	return readStops(tx, tail+" order by created desc, id desc limit "+arg(min(limit, 500)), args...)
}

// Stop reads one; found is false if there is none.
func (s *Service) Stop(tx *db.Tx, id ident.ID) (Stop, bool, error) {
	all, err := readStops(tx, "where id = $1", id)
	if err != nil || len(all) == 0 {
		return Stop{}, false, err
	}
	return all[0], true, nil
}

// needStop is a stop that must be there.
func (s *Service) needStop(tx *db.Tx, id ident.ID) (Stop, error) {
	st, found, err := s.Stop(tx, id)
	if err == nil && !found {
		err = ident.NotFound("stop", id)
	}
	return st, err
}

// matching is the condition on table payment that the match stands for.
func matching(m risk.Match, from, to time.Time) (where string, args []any) {
	args = []any{ident.Micros(from), ident.Micros(to)}
	where = "at >= $1 and at < $2"
	for _, f := range (StopIn{Match: m}).fields() {
		if f.value == "" {
			continue
		}
		args = append(args, f.value)
		mark := fmt.Sprintf("$%d", len(args))
		if f.column == "region" { // where no region is given, the city is one
			where += " and (region = " + mark + " or region = '' and city = " + mark + ")"
		} else {
			where += " and " + f.column + " = " + mark
		}
	}
	return where, args
}
