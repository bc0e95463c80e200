package watch

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"surety/kernel/ident"
	"surety/kernel/money"
	"surety/platform/db"
)

const alarmColumns = `id, watch, dimension, name, measure, span, state, cause, since, raised, last, closed, quiet, observed, expected,
surprise, payments, stopped, amount, payers, also, examples, zh, en, by_whom, words, verdict, changed, version`

func readAlarms(tx *db.Tx, cur money.Currency, tail string, args ...any) (out []Alarm, err error) {
	err = tx.Rows("select "+alarmColumns+" from risk_alarm "+tail, args, func(scan func(...any) error) error {
		a := Alarm{Amount: money.Of(0, cur)}
		var span, since, raised, last, closed, quiet, changed int64
		var examples string
		err := scan(&a.ID, &a.Watch, &a.Dimension, &a.Key, &a.Measure, &span, &a.State, &a.Cause, &since, &raised, &last, &closed,
			&quiet, &a.Observed, &a.Expected, &a.Surprise, &a.Payments, &a.Stopped, &a.Amount.Minor, &a.Payers, &a.Also, &examples,
			&a.ZH, &a.EN, &a.By, &a.Words, &a.Verdict, &changed, &a.Version)
		if err != nil {
			return err
		}
		a.Window = time.Duration(span) * time.Second
		a.Since, a.Raised, a.Last, a.Closed = ident.FromMicros(since), ident.FromMicros(raised), ident.FromMicros(last), ident.FromMicros(closed)
		a.Quiet, a.Changed = ident.FromMicros(quiet), ident.FromMicros(changed)
		if err := json.Unmarshal([]byte(examples), &a.Examples); err != nil {
			return ident.E(ident.KindInternal, "alarm_unreadable", "the examples of alarm %s cannot be read", a.ID).Because(err)
		}
		out = append(out, a)
		return nil
	})
	return out, err
}

// insertAlarm writes a new alarm; fresh is false if this rise has been told.
func insertAlarm(tx *db.Tx, a *Alarm) (fresh bool, err error) {
	examples, err := json.Marshal(append([]string{}, a.Examples...))
	if err != nil {
		return false, err
	}
	n, err := tx.Exec(`insert into risk_alarm (`+alarmColumns+`) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14,
$15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29) on conflict do nothing`,
		a.ID, a.Watch, string(a.Dimension), a.Key, string(a.Measure), int64(a.Window/time.Second), string(a.State), a.Cause,
		ident.Micros(a.Since), ident.Micros(a.Raised), ident.Micros(a.Last), ident.Micros(a.Closed), ident.Micros(a.Quiet), a.Observed,
		a.Expected, a.Surprise, a.Payments, a.Stopped, a.Amount.Minor, a.Payers, a.Also, string(examples), a.ZH, a.EN, a.By, a.Words,
		string(a.Verdict), ident.Micros(a.Changed), a.Version)
	return n == 1, err
}

// updateAlarm writes what can change and moves the version; moved is false if
// somebody else was first.
func updateAlarm(tx *db.Tx, a *Alarm) (moved bool, err error) {
	examples, err := json.Marshal(append([]string{}, a.Examples...))
	if err != nil {
		return false, err
	}
	n, err := tx.Exec(`update risk_alarm set state = $2, last = $3, closed = $4, quiet = $5, observed = $6, expected = $7, surprise = $8,
payments = $9, stopped = $10, amount = $11, payers = $12, also = $13, examples = $14, zh = $15, en = $16, by_whom = $17, words = $18,
verdict = $19, changed = $20, cause = $21, version = version + 1 where id = $1 and version = $22`,
		a.ID, string(a.State), ident.Micros(a.Last), ident.Micros(a.Closed), ident.Micros(a.Quiet), a.Observed, a.Expected, a.Surprise,
		a.Payments, a.Stopped, a.Amount.Minor, a.Payers, a.Also, string(examples), a.ZH, a.EN, a.By, a.Words, string(a.Verdict),
		ident.Micros(a.Changed), a.Cause, a.Version)
	if n == 1 {
		a.Version++
	}
	return n == 1, err
}

// AlarmFilter narrows Alarms; zero fields do not.
type AlarmFilter struct {
	State     AlarmState
	Live      bool // all but closed
	Heads     bool // without those that share another's cause
	Cause     ident.ID
	Watch     ident.ID
	Dimension Dimension
	Key       string
	After     time.Time // changed later than that: to ask for news
	Before    ident.ID  // cursor: id and time of the last alarm of the page before
	BeforeAt  time.Time
	Limit     int // 50 if zero, at most 500
}

// Alarms lists alarms, the newest first.
func (s *Service) Alarms(tx *db.Tx, f AlarmFilter) ([]Alarm, error) {
	var where []string
	var args []any
	arg := func(v any) string {
		args = append(args, v)
		return fmt.Sprintf("$%d", len(args))
	}
	for _, c := range []struct{ column, v string }{{"state", string(f.State)}, {"cause", f.Cause}, {"watch", f.Watch},
		{"dimension", string(f.Dimension)}, {"name", f.Key}} {
		if c.v != "" {
			where = append(where, c.column+" = "+arg(c.v))
		}
	}
	if f.Live {
		where = append(where, "state <> 'closed'")
	}
	if f.Heads {
		where = append(where, "cause = ''")
	}
	if !f.After.IsZero() {
		where = append(where, "changed > "+arg(ident.Micros(f.After)))
	}
	if f.Before != "" {
		where = append(where, "(raised, id) < ("+arg(ident.Micros(f.BeforeAt))+", "+arg(f.Before)+")")
	}
	tail := ""
	if len(where) > 0 {
		tail = "where " + strings.Join(where, " and ")
	}
	limit := f.Limit
	if limit <= 0 {
		limit = 50
	}
	return readAlarms(tx, s.currency(), tail+" order by raised desc, id desc limit "+arg(min(limit, 500)), args...)
}

// Alarm reads one; found is false if there is none.
func (s *Service) Alarm(tx *db.Tx, id ident.ID) (Alarm, bool, error) {
	all, err := readAlarms(tx, s.currency(), "where id = $1", id)
	if err != nil || len(all) == 0 {
		return Alarm{}, false, err
	}
	return all[0], true, nil
}
