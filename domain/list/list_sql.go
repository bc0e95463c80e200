package list

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"surety/kernel/ident"
	"surety/platform/db"
)

const columns = `id, kind, subject, value, value_sealed, reason_zh, reason_en, source, confidence, signal, reported, note_sealed,
begins, ends, added_by, added_at, removed_by, removed_at, removed_why, version`

// Get reads an entry in full; found is false if there is none. The caller's own
// check covers it.
func (s *Service) Get(tx *db.Tx, id ident.ID) (Entry, bool, error) {
	es, err := s.read(tx, `select `+columns+` from risk_list_entry where id = $1`, id)
	if err != nil || len(es) == 0 {
		return Entry{}, false, err
	}
	return es[0], true, nil
}

func bodyOf(tx *db.Tx, id ident.ID) (body []byte, err error) {
	_, err = tx.Row([]any{&body}, `select body from risk_list_entry where id = $1`, id)
	return body, err
}

// The fields that are sealed. The names stand in stored envelopes.
const (
	valueField = "list.value"
	noteField  = "list.note"
)

func (s *Service) read(tx *db.Tx, query string, args ...any) (out []Entry, err error) {
	err = tx.Rows(query, args, func(scan func(...any) error) error {
		e, err := s.scan(scan)
		out = append(out, e)
		return err
	})
	return out, err
}

// scan reads the columns of an entry, opens what is sealed, and reads the columns
// after them into more.
func (s *Service) scan(scan func(...any) error, more ...any) (e Entry, err error) {
	var value, note []byte
	var begins, ends, added, removed int64
	err = scan(append([]any{&e.ID, &e.Kind, &e.Subject, &e.Value, &value, &e.Reason.ZH, &e.Reason.EN, &e.Source, &e.Confidence, &e.Signal,
		&e.Reported, &note, &begins, &ends, &e.AddedBy, &added, &e.RemovedBy, &removed, &e.RemovedWhy, &e.Version}, more...)...)
	if err != nil {
		return e, err
	}
	e.From, e.Until, e.AddedAt, e.RemovedAt = ident.FromMicros(begins), ident.FromMicros(ends), ident.FromMicros(added),
		ident.FromMicros(removed)
	if len(value) > 0 {
		if e.Value, err = s.cfg.Vault.Open(e.ID, valueField, value); err != nil {
			return e, err
		}
	}
	if len(note) > 0 {
		e.Note, err = s.cfg.Vault.Open(e.ID, noteField, note)
	}
	return e, err
}

// wheres collects conditions and their arguments.
type wheres struct {
	all  []string
	args []any
}

func (w *wheres) arg(v any) string {
	w.args = append(w.args, v)
	return fmt.Sprintf("$%d", len(w.args))
}

func (w *wheres) args2(vs []any) string {
	marks := make([]string, len(vs))
	for i, v := range vs {
		marks[i] = w.arg(v)
	}
	return strings.Join(marks, ", ")
}

func (w *wheres) add(format string, marks ...any) {
	w.all = append(w.all, fmt.Sprintf(format, marks...))
}

func (w *wheres) equal(column, v string) {
	if v != "" {
		w.add("%s = %s", column, w.arg(v))
	}
}

func (w *wheres) text() string {
	if len(w.all) == 0 {
		return ""
	}
	return " where " + strings.Join(w.all, " and ")
}

// list is Find without its check, unmasked.
func (s *Service) list(tx *db.Tx, f Filter, now time.Time) ([]Entry, error) {
	var w wheres
	w.equal("kind", string(f.Kind))
	w.equal("subject", string(f.Subject))
	w.equal("source", string(f.Source))
	w.equal("signal", f.Signal)
	us := ident.Micros(now)
	if f.standing || !f.Ending.IsZero() || f.State == Live || f.State == Waiting {
		w.add("removed_at = 0 and (ends = 0 or ends > %s)", w.arg(us))
	}
	switch f.State {
	case Live:
		w.add("begins <= %s", w.arg(us))
	case Waiting:
		w.add("begins > %s", w.arg(us))
	case Expired:
		w.add("removed_at = 0 and ends > 0 and ends <= %s", w.arg(us))
	case Removed:
		w.add("removed_at > 0")
	}
	if !f.Ending.IsZero() {
		w.add("ends > 0 and ends < %s", w.arg(ident.Micros(f.Ending)))
	}
	if f.Value != "" && !s.searched(&w, f.Subject, f.Value) {
		return nil, nil
	}
	if f.Before != "" {
		w.add("(added_at, id) < (%s, %s)", w.arg(ident.Micros(f.BeforeAt)), w.arg(f.Before))
	}
	limit := f.Limit
	if limit <= 0 {
		limit = 50
	}
	query := `select ` + columns + ` from risk_list_entry` + w.text() + ` order by added_at desc, id desc limit ` + w.arg(min(limit, 500))
	return s.read(tx, query, w.args...)
}

// searched narrows to a value in any spelling, of the subject or of each that it
// can be; false if it can be none.
func (s *Service) searched(w *wheres, subject Subject, value string) bool {
	var texts, blinds []any
	for _, sub := range []Subject{Account, Device, Phone, Name, Address} {
		if subject != "" && subject != sub {
			continue
		}
		text, bad := canonical(sub, value)
		switch {
		case bad != nil:
		case sub.personal():
			blinds = append(blinds, s.blind(sub, text))
		case sub == Address:
			texts = append(texts, holders(text)...)
		default:
			texts = append(texts, text)
		}
	}
	var either []string
	if len(texts) > 0 {
		either = append(either, "value <> '' and value in ("+w.args2(texts)+")")
	}
	if len(blinds) > 0 {
		either = append(either, "length(value_index) > 0 and value_index in ("+w.args2(blinds)+")")
	}
	if len(either) == 0 {
		return false
	}
	w.add("(%s)", strings.Join(either, " or "))
	return true
}

// holders is a network and all wider ones that may be listed, as they are kept.
func holders(network string) (out []any) {
	p, err := netip.ParsePrefix(network)
	if err != nil {
		return nil
	}
	least := widest6
	if p.Addr().Is4() {
		least = widest4
	}
	for bits := p.Bits(); bits >= least; bits-- {
		out = append(out, netip.PrefixFrom(p.Addr(), bits).Masked().String())
	}
	return out
}

// nextSeq takes the next number of a change, and with it the right to change the
// lists until the commit.
func nextSeq(tx *db.Tx) (seq int64, err error) {
	found, err := tx.Row([]any{&seq}, `update risk_list_state set seq = seq + 1 where one = 1 returning seq`)
	if err == nil && !found {
		err = ident.E(ident.KindInternal, "list_state", "the table risk_list_state has lost its row")
	}
	return seq, err
}

func lastSeq(tx *db.Tx) (seq int64, err error) {
	_, err = tx.Row([]any{&seq}, `select seq from risk_list_state where one = 1`)
	return seq, err
}

// draft is an entry to be written, with the mark of what its caller said.
type draft struct {
	Entry
	body []byte
}

const (
	insertColumns = 25
	insertRows    = 10 // of one statement: SQLite looks each parameter up among all of them
)

// insert writes new entries and returns the ids that were new; the others exist
// already.
func (s *Service) insert(tx *db.Tx, ds []draft, seq int64, now time.Time) (map[ident.ID]bool, error) {
	fresh := make(map[ident.ID]bool, len(ds))
	for len(ds) > 0 {
		n := min(insertRows, len(ds))
		args := make([]any, 0, n*insertColumns)
		var b strings.Builder
		b.WriteString(`insert into risk_list_entry (id, kind, subject, value, value_sealed, value_index, same, body, reason_zh, reason_en,
source, confidence, signal, reported, note_sealed, begins, ends, added_by, added_at, removed_by, removed_at, removed_why,
version, seq, changed_at) values `)
		for i, d := range ds[:n] {
			row, err := s.row(d, seq, now)
			if err != nil {
				return nil, err
			}
			args = append(args, row...)
			for c := range insertColumns {
				fmt.Fprintf(&b, "%s$%d", [...]string{",", "(", "),("}[mark(i, c)], i*insertColumns+c+1)
			}
		}
		b.WriteString(`) on conflict (id) do nothing returning id`)
		err := tx.Rows(b.String(), args, func(scan func(...any) error) error {
			var id string
			if err := scan(&id); err != nil {
				return err
			}
			fresh[id] = true
			return nil
		})
		if err != nil {
			return nil, err
		}
		ds = ds[n:]
	}
	return fresh, nil
}

// mark is what stands before the place of a row and a column: a comma, the first
// bracket, or those between two rows.
func mark(row, column int) int {
	switch {
	case column > 0:
		return 0
	case row == 0:
		return 1
	}
	return 2
}

// row is an entry as insert writes it, sealed where it must be.
func (s *Service) row(d draft, seq int64, now time.Time) ([]any, error) {
	value, sealed, note := d.Value, []byte{}, []byte{}
	var err error
	if d.Subject.personal() {
		value = ""
		if sealed, err = s.cfg.Vault.Seal(d.ID, valueField, d.Value); err != nil {
			return nil, err
		}
	}
	if d.Note != "" {
		if note, err = s.cfg.Vault.Seal(d.ID, noteField, d.Note); err != nil {
			return nil, err
		}
	}
	return []any{d.ID, string(d.Kind), string(d.Subject), value, sealed, s.blind(d.Subject, d.Value), s.same(d.Statement), d.body,
		d.Reason.ZH, d.Reason.EN, string(d.Source), d.Confidence, d.Signal, d.Reported, note, ident.Micros(d.From), ident.Micros(d.Until),
		d.AddedBy, ident.Micros(d.AddedAt), "", int64(0), "", d.Version, seq, ident.Micros(now)}, nil
}

// change writes an entry as it is after an event, and the event. The version
// guards it.
func change(tx *db.Tx, e Entry, ev Event, seq int64) error {
	err := tx.ExecOne(moved(e.ID), `update risk_list_entry set begins = $3, ends = $4, reason_zh = $5, reason_en = $6, confidence = $7,
removed_by = $8, removed_at = $9, removed_why = $10, version = version + 1, seq = $11, changed_at = $12
where id = $1 and version = $2 and removed_at = 0`,
		e.ID, e.Version-1, ident.Micros(e.From), ident.Micros(e.Until), e.Reason.ZH, e.Reason.EN, e.Confidence,
		e.RemovedBy, ident.Micros(e.RemovedAt), e.RemovedWhy, seq, ident.Micros(ev.At))
	if err != nil {
		return err
	}
	_, err = tx.Exec(`insert into risk_list_event (entry_id, version, what, by_whom, at, why, ends_before, ends_after, reason_before,
confidence_before) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
		e.ID, ev.Version, string(ev.What), ev.By, ident.Micros(ev.At), ev.Why, ident.Micros(ev.UntilBefore), ident.Micros(ev.UntilAfter),
		ev.ReasonBefore, ev.ConfidenceBefore)
	return err
}

func events(tx *db.Tx, id ident.ID) (out []Event, err error) {
	err = tx.Rows(`select version, what, by_whom, at, why, ends_before, ends_after, reason_before, confidence_before
from risk_list_event where entry_id = $1 order by version`, []any{id}, func(scan func(...any) error) error {
		var ev Event
		var at, before, after int64
		if err := scan(&ev.Version, &ev.What, &ev.By, &at, &ev.Why, &before, &after, &ev.ReasonBefore, &ev.ConfidenceBefore); err != nil {
			return err
		}
		ev.At, ev.UntilBefore, ev.UntilAfter = ident.FromMicros(at), ident.FromMicros(before), ident.FromMicros(after)
		out = append(out, ev)
		return nil
	})
	return out, err
}

// past is what a replay and a refresh must know of an entry besides.
type past struct{ addedAt, removedAt, seq int64 }

// scanItems reads entries for the index; nothing is opened for it.
func (s *Service) scanItems(tx *db.Tx, where string, args []any, fn func(item, past)) error {
	return tx.Rows(`select id, kind, subject, value, value_index, signal, confidence, begins, ends, added_at, removed_at, seq
from risk_list_entry `+where, args, func(scan func(...any) error) error {
		var it item
		var p past
		var blind []byte
		var signal string
		if err := scan(&it.id, &it.kind, &it.subject, &it.value, &blind, &signal, &it.confidence, &it.from, &it.until,
			&p.addedAt, &p.removedAt, &p.seq); err != nil {
			return err
		}
		if it.subject.personal() {
			it.value = hex.EncodeToString(blind)
		}
		it.signal, it.gone = s.pack.codes[signal], p.removedAt > 0
		fn(it, p)
		return nil
	})
}

// Soon is how near an expiry is that Counts calls soon.
const Soon = 7 * day

// Count is how many entries of one list and subject there are now.
type Count struct {
	Kind    Kind    `json:"kind"`
	Subject Subject `json:"subject"`
	Live    int     `json:"live"`
	Waiting int     `json:"waiting"` // not begun
	Ending  int     `json:"ending"`  // live or waiting, and over within 7 days
}

// Counts is what stands now, by list and subject; a pair without entries is left
// out. The caller's own check covers it; nobody's data is in it.
func (s *Service) Counts(tx *db.Tx) (out []Count, err error) {
	now := s.cfg.Clock.Now()
	err = tx.Rows(`select kind, subject, count(*) filter (where begins <= $1), count(*) filter (where begins > $1),
count(*) filter (where ends > 0 and ends <= $2) from risk_list_entry
where removed_at = 0 and (ends = 0 or ends > $1) group by kind, subject order by kind, subject`,
		[]any{ident.Micros(now), ident.Micros(now.Add(Soon))}, func(scan func(...any) error) error {
			var c Count
			if err := scan(&c.Kind, &c.Subject, &c.Live, &c.Waiting, &c.Ending); err != nil {
				return err
			}
			out = append(out, c)
			return nil
		})
	return out, err
}
