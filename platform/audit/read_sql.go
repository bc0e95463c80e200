package audit

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"surety/kernel/ident"
	"surety/platform/db"
)

// leafColumns reads a leaf with its detail. The detail is fetched by key, row
// by row, so that a database without statistics does not join whole tables.
const leafColumns = `select l.idx, l.id, l.at, l.act, l.object, l.actor, l.outcome, l.body, l.hashes,
	(select d.salt from audit_detail d where d.id = l.id),
	(select d.detail from audit_detail d where d.id = l.id)
	from audit_leaf l `

// row is a leaf as it is stored.
type row struct {
	idx                    int64
	at                     int64
	id, act, object, actor string
	outcome                string
	body                   string
	hashes                 []byte
	salt                   []byte
	detail                 *string // nil: there is no row of it
}

func scanRow(scan func(...any) error) (r row, err error) {
	err = scan(&r.idx, &r.id, &r.at, &r.act, &r.object, &r.actor, &r.outcome, &r.body, &r.hashes, &r.salt, &r.detail)
	return r, err
}

// record turns a stored leaf into what callers see. The text that was hashed is
// the truth, not the columns beside it.
func (r row) record() (Record, error) {
	t, at, err := parseLeaf(r.body)
	if err != nil {
		return Record{}, ident.E(ident.KindInternal, "audit_damaged",
			"entry %d of the audit log cannot be read; run a full verification", r.idx).Because(err)
	}
	rec := Record{Index: r.idx, ID: t.ID, At: at, Act: t.Act, Object: t.Object,
		ActorKind: t.ActorKind, Actor: t.Actor, Outcome: t.Outcome}
	if t.Detail != "" {
		if r.detail != nil && *r.detail != "" {
			rec.Detail = json.RawMessage(*r.detail)
		} else {
			rec.Erased = true
		}
	}
	return rec, nil
}

func parseLeaf(body string) (t leafText, at time.Time, err error) {
	if err := json.Unmarshal([]byte(body), &t); err != nil {
		return t, at, err
	}
	at, err = time.Parse(timeForm, t.At)
	return t, at, err
}

func readRecords(tx *db.Tx, query string, args ...any) (out []Record, err error) {
	err = tx.Rows(query, args, func(scan func(...any) error) error {
		r, err := scanRow(scan)
		if err != nil {
			return err
		}
		rec, err := r.record()
		out = append(out, rec)
		return err
	})
	return out, err
}

// maxHistory bounds what History returns.
const maxHistory = 5000

// History returns what was done with an object, oldest first; of a very long
// history the last 5000 entries. Entries of the running act are not in it yet.
func (l *Log) History(tx *db.Tx, object ident.ID) ([]Record, error) {
	out, err := readRecords(tx, leafColumns+"where l.object = $1 order by l.idx desc limit $2", clean(object), maxHistory)
	slices.Reverse(out)
	return out, err
}

// Recent returns the last entries, newest first, at most 1000.
func (l *Log) Recent(tx *db.Tx, limit int) ([]Record, error) {
	return l.Find(tx, Filter{Limit: limit})
}

// Entry returns the entry of an id.
func (l *Log) Entry(tx *db.Tx, id ident.ID) (Record, error) {
	out, err := readRecords(tx, leafColumns+"where l.id = $1", id)
	if err != nil {
		return Record{}, err
	}
	if len(out) == 0 {
		return Record{}, ident.NotFound("audit_entry", id)
	}
	return out[0], nil
}

// Find returns the entries that the filter chooses, newest first.
func (l *Log) Find(tx *db.Tx, f Filter) ([]Record, error) {
	var where []string
	var args []any
	add := func(condition string, arg any) {
		args = append(args, arg)
		where = append(where, fmt.Sprintf(condition, len(args)))
	}
	if f.Actor != "" {
		add("l.actor = $%d", clean(f.Actor))
	}
	if f.Act != "" {
		add("l.act = $%d", clean(f.Act))
	}
	if f.Object != "" {
		add("l.object = $%d", clean(f.Object))
	}
	if f.Outcome != "" {
		add("l.outcome = $%d", string(f.Outcome))
	}
	if !f.From.IsZero() {
		add("l.at >= $%d", ident.Micros(f.From))
	}
	if !f.To.IsZero() {
		add("l.at < $%d", ident.Micros(f.To))
	}
	if f.Before > 0 {
		add("l.idx < $%d", f.Before)
	}
	query := leafColumns
	if len(where) > 0 {
		query += "where " + strings.Join(where, " and ")
	}
	limit := f.Limit
	if limit <= 0 {
		limit = 100
	}
	args = append(args, min(limit, 1000))
	return readRecords(tx, fmt.Sprintf("%s order by l.idx desc limit $%d", query, len(args)), args...)
}
