package list

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"io"
	"strconv"
	"time"

	"surety/kernel/ident"
	"surety/platform/access"
	"surety/platform/db"
)

// Export says what a file shall hold: the entries that are not removed and not
// over, in the order of their ids.
type Export struct {
	Format  Format
	Kind    Kind    // "": all
	Subject Subject // "": all
	Source  Source  // "": all
	// Personal: phones, names and notes too, in full. It needs the right to edit the
	// lists, and is logged as an act. Otherwise entries of phones and names are
	// left out, and counted.
	Personal bool
}

// Exported is what went into a file.
type Exported struct {
	Rows    int `json:"rows"`
	LeftOut int `json:"left_out"` // phones and names, for Personal was not asked
}

// exportPage is how many entries are read at once, so that a slow reader holds no
// transaction open.
const exportPage = 1000

// Export writes a file that Import reads again. A CSV begins with the mark of
// UTF-8, so that spreadsheets read Chinese, and cells that a spreadsheet would run
// are made text; Import takes both away again. It holds no ids, signals and notes;
// NDJSON holds all.
func (s *Service) Export(ctx context.Context, actor ident.Actor, x Export, w io.Writer) (done Exported, err error) {
	if x.Format != CSV && x.Format != NDJSON {
		return done, ident.Invalid("format", "unknown", `there is no format %q; it is "csv" or "ndjson"`, clip(string(x.Format)))
	}
	if err := (Filter{Kind: x.Kind, Subject: x.Subject, Source: x.Source}).check(); err != nil {
		return done, err
	}
	nothing := func(*db.Tx) error { return nil }
	if x.Personal {
		err = s.cfg.Access.Update(ctx, actor, access.ActListEdit, access.Object{}, map[string]any{"export": x}, nothing)
	} else {
		err = s.cfg.Access.View(ctx, actor, access.ActListRead, access.Object{}, nothing)
	}
	if err != nil {
		return done, err
	}
	out, err := newWriter(x.Format, w)
	if err != nil {
		return done, err
	}
	now, last := s.cfg.Clock.Now(), ""
	for {
		var page []Entry
		err := s.cfg.DB.View(ctx, func(tx *db.Tx) error {
			page, err = s.exportPage(tx, last)
			return err
		})
		if err != nil {
			return done, err
		}
		for _, e := range page {
			switch {
			case !x.wants(e, now):
				continue
			case e.Subject.personal() && !x.Personal:
				done.LeftOut++
				continue
			}
			if !x.Personal {
				e.Note = ""
			}
			if err := out.write(e); err != nil {
				return done, err
			}
			done.Rows++
		}
		if len(page) < exportPage {
			return done, out.end()
		}
		last = page[len(page)-1].ID
	}
}

// exportPage reads on in the order of ids, which needs no plan but the key's; what
// shall not go out is left out after.
func (s *Service) exportPage(tx *db.Tx, after string) ([]Entry, error) {
	return s.read(tx, `select `+columns+` from risk_list_entry where id > $1 order by id limit $2`, after, exportPage)
}

// wants says whether an entry goes into the file at all.
func (x Export) wants(e Entry, now time.Time) bool {
	state := e.At(now)
	return (state == Live || state == Waiting) && (x.Kind == "" || x.Kind == e.Kind) && (x.Subject == "" || x.Subject == e.Subject) &&
		(x.Source == "" || x.Source == e.Source)
}

// writer writes entries in a format: the one of the two that is not nil.
type writer struct {
	csv  *csv.Writer
	json *json.Encoder
}

func newWriter(format Format, w io.Writer) (*writer, error) {
	if format == NDJSON {
		out := &writer{json: json.NewEncoder(w)}
		out.json.SetEscapeHTML(false)
		return out, nil
	}
	if _, err := w.Write([]byte("\xef\xbb\xbf")); err != nil {
		return nil, err
	}
	out := &writer{csv: csv.NewWriter(w)}
	return out, out.csv.Write(csvColumns)
}

func (w *writer) write(e Entry) error {
	if w.csv != nil {
		return w.csv.Write([]string{string(e.Kind), string(e.Subject), harmless(e.Value), harmless(e.Reason.column()), string(e.Source),
			strconv.Itoa(e.Confidence), timeText(e.Until), timeText(e.From)})
	}
	l := fileLine{ID: e.ID, Kind: e.Kind, Subject: e.Subject, Value: e.Value, Reason: e.Reason, Source: e.Source, Confidence: e.Confidence,
		Signal: e.Signal, Note: e.Note, From: timeText(e.From), Until: timeText(e.Until)}
	return w.json.Encode(l)
}

func (w *writer) end() error {
	if w.csv == nil {
		return nil
	}
	w.csv.Flush()
	return w.csv.Error()
}

func timeText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.RFC3339Nano)
}
