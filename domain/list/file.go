package list

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"surety/kernel/ident"
)

// csvColumns is the header of a file. The last one may be left out.
var csvColumns = []string{"kind", "subject", "value", "reason", "source", "confidence", "until", "from"}

const (
	csvMust  = 7         // columns that must be there
	maxField = 2000      // bytes of a field
	maxLine  = 16 << 10  // bytes of a line of NDJSON
	maxFile  = 512 << 20 // bytes of a file
)

// china is the zone of dates without one.
var china = time.FixedZone("UTC+8", 8*3600)

// bounded ends a file that is too long with an error, so that no part of it is
// taken for the whole.
type bounded struct {
	r    io.Reader
	left int64
}

// Read implements io.Reader.
func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.r.Read(p[:min(int64(len(p)), b.left+1)])
	if b.left -= int64(n); b.left < 0 {
		return 0, ident.E(ident.KindTooLarge, "file_too_large", "a file has at most %d MiB", maxFile>>20)
	}
	return n, err
}

// open is a file without the mark that some programs put before UTF-8.
func open(r io.Reader) *bufio.Reader {
	in := bufio.NewReaderSize(&bounded{r, maxFile}, maxLine)
	if head, err := in.Peek(3); err == nil && string(head) == "\xef\xbb\xbf" {
		_, _ = in.Discard(3) // they were just seen
	}
	return in
}

// broken is why a file cannot be read on.
func broken(err error, code, format string, args ...any) *ident.Error {
	var own *ident.Error
	if errors.As(err, &own) {
		copied := *own
		return &copied
	}
	return ident.Invalid("", code, format, args...).Because(err)
}

// readCSV reads a file with a header.
func (f *file) readCSV(r io.Reader) {
	in := csv.NewReader(open(r))
	in.ReuseRecord = true
	header, err := in.Read()
	if err != nil || !slices.Equal(header, csvColumns) && !slices.Equal(header, csvColumns[:csvMust]) {
		f.refuse(1, broken(err, "header", "the first row must be %s and may go on with ,from", strings.Join(csvColumns[:csvMust], ",")))
		return
	}
	for line := 2; ; line++ {
		rec, err := in.Read()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			bad := broken(err, "csv", "this row is not well-formed CSV with %d columns", in.FieldsPerRecord)
			if f.refuse(line, bad) && errors.Is(err, csv.ErrFieldCount) {
				continue // the rows after it can be read
			}
			return
		}
		st, bad := readRecord(rec)
		if bad != nil {
			if !f.refuse(line, bad) {
				return
			}
		} else if !f.take(line, st) {
			return
		}
	}
}

// readRecord reads the fields of a row; what they may say, Statement.normal knows.
func readRecord(rec []string) (st Statement, bad *ident.Error) {
	for i, text := range rec {
		if !utf8.ValidString(text) {
			return st, ident.Invalid(csvColumns[i], "encoding", "this is not UTF-8; save the file as UTF-8 and import it again")
		}
		if len(text) > maxField {
			return st, ident.Invalid(csvColumns[i], "text", "a field has at most %d bytes", maxField)
		}
	}
	st = Statement{Kind: Kind(rec[0]), Subject: Subject(rec[1]), Value: strings.Clone(bare(rec[2])), Reason: readReason(bare(rec[3])),
		Source: Source(rec[4])}
	if st.Confidence, bad = readWhole("confidence", rec[5]); bad != nil {
		return st, bad
	}
	if st.Until, bad = readTime("until", rec[6]); bad != nil {
		return st, bad
	}
	if len(rec) > csvMust {
		st.From, bad = readTime("from", rec[7])
	}
	return st, bad
}

func readWhole(field, text string) (int, *ident.Error) {
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0, ident.Invalid(field, "not_whole", "%q is not a whole number", clip(text))
	}
	return n, nil
}

// readTime reads an RFC 3339 time, or a day, which begins at midnight in China;
// nothing is no time.
func readTime(field, text string) (time.Time, *ident.Error) {
	if text == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		t, err = time.ParseInLocation(time.DateOnly, text, china)
	}
	if err != nil || t.Year() < 1970 || t.Year() > 9999 {
		return time.Time{}, ident.Invalid(field, "time", "%q is not a day like 2026-05-30 or a time like 2026-05-30T09:00:00+08:00", clip(text))
	}
	return t.UTC(), nil
}

// formulaSigns begin what a spreadsheet runs, also full-width ones.
const formulaSigns = "=+-@\t\r\n＝＋－＠"

// runs says whether a spreadsheet would run a cell once the apostrophes and
// spaces before it are gone.
func runs(cell string) bool {
	lead := strings.TrimLeft(cell, "' \u00a0\u3000")
	r, _ := utf8.DecodeRuneInString(lead)
	return lead != "" && strings.ContainsRune(formulaSigns, r)
}

// harmless puts an apostrophe before a cell that a spreadsheet would run (CSV
// injection: the cells come from outside); bare takes it away again. Each cell
// comes back as it was.
func harmless(cell string) string {
	if runs(cell) {
		return "'" + cell
	}
	return cell
}

func bare(cell string) string {
	if rest, ok := strings.CutPrefix(cell, "'"); ok && runs(rest) {
		return rest
	}
	return cell
}

// fileLine is an entry as one line of NDJSON.
type fileLine struct {
	ID         string  `json:"id,omitempty"`
	Kind       Kind    `json:"kind"`
	Subject    Subject `json:"subject"`
	Value      string  `json:"value"`
	Reason     Reason  `json:"reason"`
	Source     Source  `json:"source"`
	Confidence int     `json:"confidence"`
	Signal     string  `json:"signal,omitempty"`
	Note       string  `json:"note,omitempty"`
	From       string  `json:"from,omitempty"`
	Until      string  `json:"until,omitempty"`
}

var lineFields = []string{"id", "kind", "subject", "value", "reason", "source", "confidence", "signal", "note", "from", "until"}

// readNDJSON reads one object a line; blank lines are passed over.
func (f *file) readNDJSON(r io.Reader) {
	in := open(r)
	for n := 1; ; n++ {
		text, err := in.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			f.refuse(n, ident.Invalid("", "line_too_long", "this line has more than %d bytes", maxLine))
			return
		}
		if err != nil && !errors.Is(err, io.EOF) {
			f.refuse(n, broken(err, "unreadable", "the file could not be read to its end"))
			return
		}
		if text := bytes.TrimSpace(text); len(text) > 0 {
			st, bad := readLine(text)
			if bad != nil {
				if !f.refuse(n, bad) {
					return
				}
			} else if !f.take(n, st) {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// readLine reads one object strictly: no unknown names, none twice or in another
// case, nothing after it.
func readLine(text []byte) (st Statement, bad *ident.Error) {
	if !utf8.Valid(text) {
		return st, ident.Invalid("", "encoding", "this line is not UTF-8")
	}
	if bad := checkNames(text); bad != nil {
		return st, bad
	}
	var l fileLine
	if err := json.Unmarshal(text, &l); err != nil {
		var wrong *json.UnmarshalTypeError
		if errors.As(err, &wrong) {
			return st, ident.Invalid(wrong.Field, "type_wrong", "%s is not of the right type", clip(wrong.Field))
		}
		return st, ident.Invalid("", "json_malformed", "this line is not a JSON object of an entry").Because(err)
	}
	st = Statement{ID: l.ID, Kind: l.Kind, Subject: l.Subject, Value: l.Value, Reason: l.Reason, Source: l.Source,
		Confidence: l.Confidence, Signal: l.Signal, Note: l.Note}
	if st.From, bad = readTime("from", l.From); bad == nil {
		st.Until, bad = readTime("until", l.Until)
	}
	return st, bad
}

// checkNames walks through a line's names. What is wrong in another way is left to
// the decoder.
func checkNames(text []byte) *ident.Error {
	dec := json.NewDecoder(bytes.NewReader(text))
	if tok, err := dec.Token(); err != nil || tok != json.Delim('{') {
		return ident.Invalid("", "json_malformed", "this line is not a JSON object of an entry").Because(err)
	}
	return objectNames(dec, lineFields)
}

// objectNames checks the names of an object that has begun.
func objectNames(dec *json.Decoder, allowed []string) *ident.Error {
	seen := map[string]bool{}
	for dec.More() {
		tok, err := dec.Token()
		if err != nil {
			return nil
		}
		name, _ := tok.(string)
		if !slices.Contains(allowed, name) {
			return ident.Invalid(clip(name), "field_unknown", "there is no field %s here; check its spelling", clip(name))
		}
		if seen[name] {
			return ident.Invalid(name, "field_twice", "%s stands twice; say which one is meant", name)
		}
		seen[name] = true
		if tok, err = dec.Token(); err != nil {
			return nil
		}
		if tok == json.Delim('[') || tok == json.Delim('{') && name != "reason" {
			return ident.Invalid(name, "type_wrong", "%s is not of the right type", name)
		}
		if tok == json.Delim('{') {
			if bad := objectNames(dec, []string{"zh", "en"}); bad != nil {
				return bad
			}
		}
	}
	_, _ = dec.Token() // the bracket; if it is missing, the decoder says so
	return nil
}
