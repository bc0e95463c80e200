package list

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"time"

	"surety/kernel/ident"
	"surety/platform/access"
	"surety/platform/db"
)

// Format is how a file of entries is written.
type Format string

// The formats of files.
const (
	CSV    Format = "csv"    // kind,subject,value,reason,source,confidence,until and, if wanted, from
	NDJSON Format = "ndjson" // one object a line, with all that a Statement has
)

// MaxRows bounds one file; more come as several files.
const MaxRows = 1_000_000

// importBatch is how many rows share an act: enough to be fast, few enough that
// neighbours do not wait.
const importBatch = 500

// keptOff is how long an import does not bring back what a person took off.
const keptOff = 366 * day

// KeptOff is a row that an import left out, because a person took the same off
// lately. Add puts it on again if that is right.
type KeptOff struct {
	Row   int      `json:"row"`
	Entry ident.ID `json:"entry"` // that was removed
	Why   string   `json:"why"`   // it was removed
}

// ImportReport accounts for every row of a file.
type ImportReport struct {
	Rows      int            `json:"rows"`
	Added     int            `json:"added"`
	Renewed   int            `json:"renewed"`   // stood already, by the same source, with another reason, confidence or expiry
	Unchanged int            `json:"unchanged"` // stood already, just so
	KeptOff   int            `json:"kept_off"`  // taken off by a person within the last 366 days
	Kept      []KeptOff      `json:"kept"`      // the first 1000 of these
	Refused   []*ident.Error `json:"refused"`   // if any, nothing was written; the first 1000
}

// fileRow is a row of a file, checked.
type fileRow struct {
	Statement
	line int
	same [16]byte
}

// Import reads a file and writes its entries. Every row is read first: if any is
// wrong nothing is written, and each wrong row and column is named. A row whose
// source has said the same before (same list, subject, value) renews that entry.
// It is written in acts of 500; a crash leaves whole acts, and the same import
// again completes it. progress, if not nil, is told after each act.
func (s *Service) Import(ctx context.Context, actor ident.Actor, format Format, r io.Reader,
	progress func(done, total int)) (ImportReport, error) {
	rows, problems := s.readFile(format, r)
	rep := ImportReport{Rows: len(rows) + len(problems), Refused: problems}
	if len(problems) > 0 {
		return rep, ident.Join(problems)
	}
	var err error
	if rep.Refused, err = s.taken(ctx, rows); err != nil || len(rep.Refused) > 0 {
		return rep, errors.Join(ident.Join(rep.Refused), err)
	}
	for done := 0; done < len(rows); {
		part := rows[done:min(done+importBatch, len(rows))]
		var got ImportReport
		detail := map[string]any{"import": format, "row": part[0].line, "rows": len(part)}
		err := s.cfg.Access.Update(ctx, actor, access.ActListEdit, access.Object{}, detail, func(tx *db.Tx) (err error) {
			got, err = s.importPart(tx, actor, part)
			return err
		})
		if err != nil { // what earlier acts wrote stands, and perhaps this one's
			s.follow(ctx)
			return rep, err
		}
		rep.add(got)
		if done += len(part); progress != nil {
			progress(done, len(rows))
		}
	}
	return rep, s.after(ctx, nil)
}

func (rep *ImportReport) add(part ImportReport) {
	rep.Added += part.Added
	rep.Renewed += part.Renewed
	rep.Unchanged += part.Unchanged
	rep.KeptOff += part.KeptOff
	rep.Kept = append(rep.Kept, part.Kept...)
	rep.Kept = rep.Kept[:min(len(rep.Kept), maxProblems)]
}

// readFile reads all rows of a file, or all that is wrong with it.
func (s *Service) readFile(format Format, r io.Reader) ([]fileRow, []*ident.Error) {
	f := &file{s: s, now: s.cfg.Clock.Now(), seen: map[[16]byte]int32{}, ids: map[string]int{}, words: map[string]string{}}
	switch format {
	case CSV:
		f.readCSV(r)
	case NDJSON:
		f.readNDJSON(r)
	default:
		f.refuse(0, ident.Invalid("format", "unknown", `there is no format %q; it is "csv" or "ndjson"`, clip(string(format))))
	}
	return f.rows, f.problems
}

// file is a file while it is read.
type file struct {
	s        *Service
	now      time.Time
	rows     []fileRow
	problems []*ident.Error
	seen     map[[16]byte]int32 // the line of each statement
	ids      map[string]int
	words    map[string]string // reasons repeat: each is kept once
}

// maxProblems is how many wrong rows are named before the rest is not looked at.
const maxProblems = 1000

// refuse notes what is wrong with a line; false when it is enough.
func (f *file) refuse(line int, bad *ident.Error) bool {
	bad.Row = line
	f.problems = append(f.problems, bad)
	return len(f.problems) < maxProblems
}

// take checks a statement and keeps it; false when reading shall end.
func (f *file) take(line int, st Statement) bool {
	if len(f.rows) >= MaxRows {
		f.problems = append(f.problems, ident.E(ident.KindTooLarge, "too_many_rows", "at most %d rows in one file", MaxRows))
		return false
	}
	var bad *ident.Error
	if err := f.s.normal(&st); err != nil && !errors.As(err, &bad) {
		bad = ident.E(ident.KindInternal, "row", "the row could not be checked").Because(err)
	}
	asked := st.From
	if bad == nil {
		bad = st.term(f.now)
	}
	if bad == nil && st.ID != "" {
		errors.As(ident.CheckID("id", st.ID), &bad)
	}
	if bad != nil {
		return f.refuse(line, bad)
	}
	st.From = asked
	r := fileRow{Statement: st, line: line, same: [16]byte(f.s.same(st))}
	if first, twice := f.seen[r.same]; twice {
		return f.refuse(line, ident.Invalid("value", "twice", "row %d says the same of this value from the same source", first))
	}
	if first, twice := f.ids[st.ID]; twice && st.ID != "" {
		return f.refuse(line, ident.Invalid("id", "twice", "row %d has this id already", first))
	}
	f.seen[r.same] = int32(line)
	if st.ID != "" {
		f.ids[st.ID] = line
	}
	for _, text := range []*string{&r.Reason.ZH, &r.Reason.EN, (*string)(&r.Kind), (*string)(&r.Subject), (*string)(&r.Source), &r.Signal} {
		*text = f.once(*text)
	}
	f.rows = append(f.rows, r)
	return true
}

// once is the text, one copy for all rows that have it.
func (f *file) once(text string) string {
	kept, ok := f.words[text]
	if !ok && len(f.words) < 10_000 {
		kept = strings.Clone(text)
		f.words[kept] = kept
	} else if !ok {
		return text
	}
	return kept
}

// taken finds the rows whose id belongs to another statement, before anything is
// written.
func (s *Service) taken(ctx context.Context, rows []fileRow) (problems []*ident.Error, err error) {
	var named []*fileRow
	for i := range rows {
		if rows[i].ID != "" {
			named = append(named, &rows[i])
		}
	}
	for len(named) > 0 && len(problems) < maxProblems {
		part := named[:min(importBatch, len(named))]
		named = named[len(part):]
		have := map[ident.ID][]byte{}
		err := s.cfg.DB.View(ctx, func(tx *db.Tx) error {
			clear(have)
			var w wheres
			ids := make([]any, len(part))
			for i, r := range part {
				ids[i] = r.ID
			}
			query := `select id, same from risk_list_entry where id in (` + w.args2(ids) + `)`
			return tx.Rows(query, w.args, func(scan func(...any) error) error {
				var id string
				var same []byte
				err := scan(&id, &same)
				have[id] = same
				return err
			})
		})
		if err != nil {
			return nil, err
		}
		for _, r := range part {
			if same, exists := have[r.ID]; exists && !bytes.Equal(same, r.same[:]) {
				bad := ident.E(ident.KindConflict, "entry_id_taken", "the list entry %s exists and is about something else", r.ID)
				bad.Field, bad.Row = "id", r.line
				problems = append(problems, bad)
			}
		}
	}
	return problems, nil
}

// importPart writes some rows in one act. The number of the change is taken
// first: from then on nobody else changes the lists until the commit, so what is
// looked up here is still so when it is written.
func (s *Service) importPart(tx *db.Tx, actor ident.Actor, part []fileRow) (rep ImportReport, err error) {
	seq, err := nextSeq(tx)
	if err != nil {
		return rep, err
	}
	now := s.cfg.Clock.Now()
	have, err := s.saidBefore(tx, part)
	if err != nil {
		return rep, err
	}
	var fresh []draft
	for _, r := range part {
		old := have[r.same]
		if stood := best(old, r.Statement, now); stood != nil {
			changed, ev := renew(*stood, r.Statement, now)
			if ev == nil {
				rep.Unchanged++
				continue
			}
			rep.Renewed++
			ev.By = actor.ID
			if err := change(tx, changed, *ev, seq); err != nil {
				return rep, err
			}
			continue
		}
		if off := takenOff(old, now); off != nil {
			rep.KeptOff++
			rep.Kept = append(rep.Kept, KeptOff{Row: r.line, Entry: off.ID, Why: off.RemovedWhy})
			continue
		}
		rep.Added++
		fresh = append(fresh, s.draftOf(r, old, actor, now))
	}
	written, err := s.insert(tx, fresh, seq, now)
	if err != nil {
		return rep, err
	}
	if len(written) < len(fresh) {
		return rep, ident.E(ident.KindConflict, "entry_id_taken", "an id of the file was taken while it was imported; import it again")
	}
	return rep, nil
}

// draftOf is a new entry of a row. The row's id is used unless an old entry has it.
func (s *Service) draftOf(r fileRow, old []Entry, actor ident.Actor, now time.Time) draft {
	st := r.Statement
	body := s.body("entry", st)
	for _, e := range old {
		if e.ID == st.ID {
			st.ID = ""
		}
	}
	if st.ID == "" {
		st.ID = s.cfg.IDs.New("lst")
	}
	if st.From.IsZero() {
		st.From = now
	}
	return draft{Entry: Entry{Statement: st, AddedBy: actor.ID, AddedAt: now, Version: 1}, body: body}
}

// saidBefore finds the entries of the rows' statements, whatever became of them.
func (s *Service) saidBefore(tx *db.Tx, part []fileRow) (map[[16]byte][]Entry, error) {
	var w wheres
	sames := make([]any, len(part))
	for i := range part {
		sames[i] = part[i].same[:]
	}
	out := map[[16]byte][]Entry{}
	query := `select same, id, kind, begins, ends, reason_zh, reason_en, confidence, removed_by, removed_at, removed_why, version
from risk_list_entry where same in (` + w.args2(sames) + `) order by id`
	err := tx.Rows(query, w.args, func(scan func(...any) error) error {
		var e Entry
		var same []byte
		var begins, ends, removed int64
		if err := scan(&same, &e.ID, &e.Kind, &begins, &ends, &e.Reason.ZH, &e.Reason.EN, &e.Confidence, &e.RemovedBy, &removed,
			&e.RemovedWhy, &e.Version); err != nil {
			return err
		}
		e.From, e.Until, e.RemovedAt = ident.FromMicros(begins), ident.FromMicros(ends), ident.FromMicros(removed)
		out[[16]byte(same)] = append(out[[16]byte(same)], e)
		return nil
	})
	return out, err
}

// best is the entry that a row speaks of: one that is not over, if there are
// several one that is just so, else the one that lasts longest.
func best(old []Entry, st Statement, now time.Time) (found *Entry) {
	for i := range old {
		e := &old[i]
		if state := e.At(now); state == Removed || state == Expired {
			continue
		}
		if _, ev := renew(*e, st, now); ev == nil {
			return e
		}
		if found == nil || e.Until.IsZero() || !found.Until.IsZero() && e.Until.After(found.Until) {
			found = e
		}
	}
	return found
}

// takenOff is the entry that was removed last, within the time that counts.
func takenOff(old []Entry, now time.Time) (off *Entry) {
	for i := range old {
		e := &old[i]
		if !e.RemovedAt.IsZero() && e.RemovedAt.Add(keptOff).After(now) && (off == nil || e.RemovedAt.After(off.RemovedAt)) {
			off = e
		}
	}
	return off
}

// renew makes an entry say what its source says now; no event if it does. An
// entry that waits begins earlier if the row says so.
func renew(e Entry, st Statement, now time.Time) (Entry, *Event) {
	ev := &Event{Version: e.Version + 1, What: EventRenewed, At: now, Why: "import", UntilBefore: e.Until, UntilAfter: st.Until}
	from := st.From
	if from.IsZero() {
		from = now
	}
	earlier := e.From.After(now) && from.Before(e.From)
	if e.Reason == st.Reason && e.Confidence == st.Confidence && e.Until.Equal(st.Until) && !earlier {
		return e, nil
	}
	if e.Reason != st.Reason {
		ev.ReasonBefore = e.Reason.column()
	}
	if e.Confidence != st.Confidence {
		ev.ConfidenceBefore = e.Confidence
	}
	if earlier {
		e.From = from
	}
	e.Reason, e.Confidence, e.Until, e.Version = st.Reason, st.Confidence, st.Until, e.Version+1
	return e, ev
}
