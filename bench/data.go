package bench

import (
	"bufio"
	"compress/gzip"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"surety/kernel/ident"
)

// table reads a CSV file, gzipped if its name says so, row by row.
type table struct {
	path    string
	columns map[string]int
	header  []string
	in      *csv.Reader
	line    int
	close   []io.Closer
}

// openTable reads the header and demands the named columns.
func openTable(path string, want ...string) (*table, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, ident.Invalid("data", "file_missing", "%s cannot be read; --data names the folder of the data set", path).Because(err)
	}
	t := &table{path: path, columns: map[string]int{}, line: 1, close: []io.Closer{f}}
	var r io.Reader = bufio.NewReaderSize(f, 1<<20)
	if strings.HasSuffix(path, ".gz") {
		gz, err := gzip.NewReader(r)
		if err != nil {
			return nil, errors.Join(t.wrong("it is not a gzip file"), t.Close())
		}
		t.close = append(t.close, gz)
		r = gz
	}
	t.in = csv.NewReader(r)
	t.in.ReuseRecord = true
	header, err := t.in.Read()
	if err != nil {
		return nil, errors.Join(t.wrong("it has no header row"), t.Close())
	}
	t.header = slices.Clone(header)
	for i, name := range t.header {
		t.columns[name] = i
	}
	for _, name := range want {
		if _, ok := t.columns[name]; !ok {
			return nil, errors.Join(t.wrong("it has no column "+name), t.Close())
		}
	}
	return t, nil
}

// Close closes what was opened.
func (t *table) Close() error {
	var err error
	for _, c := range slices.Backward(t.close) {
		err = errors.Join(err, c.Close())
	}
	return err
}

func (t *table) wrong(why string) error {
	e := ident.Invalid(filepath.Base(t.path), "file_malformed", "%s, line %d: %s", t.path, t.line, why)
	e.Row = t.line
	return e
}

// next reads a row; ok is false at the end.
func (t *table) next() (rec []string, ok bool, err error) {
	rec, err = t.in.Read()
	t.line++
	if errors.Is(err, io.EOF) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, t.wrong("this row is not well-formed CSV")
	}
	return rec, true, nil
}

// each calls fn for every row and closes the file.
func (t *table) each(fn func(rec []string) error) (err error) {
	defer func() { err = errors.Join(err, t.Close()) }()
	for {
		rec, ok, err := t.next()
		if err != nil || !ok {
			return err
		}
		if err := fn(rec); err != nil {
			return err
		}
	}
}

func (t *table) integer(rec []string, column string) (int64, error) {
	s := rec[t.columns[column]]
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0, t.wrong(fmt.Sprintf("%s is %q, not a whole number", column, s))
	}
	return n, nil
}

// minor reads an amount with at most two decimals as hundredths.
func (t *table) minor(rec []string, column string) (int64, error) {
	s := rec[t.columns[column]]
	whole, cents, _ := strings.Cut(s, ".")
	if len(cents) > 2 {
		return 0, t.wrong(fmt.Sprintf("%s is %q, more than two decimals", column, s))
	}
	n, err := strconv.ParseInt(whole+(cents + "00")[:2], 10, 64)
	if err != nil {
		return 0, t.wrong(fmt.Sprintf("%s is %q, not an amount", column, s))
	}
	return n, nil
}

func (t *table) float32s(rec []string, from, to int) ([]float32, error) {
	out := make([]float32, 0, to-from)
	for i := from; i < to; i++ {
		v, err := strconv.ParseFloat(rec[i], 32)
		if err != nil {
			return nil, t.wrong(fmt.Sprintf("%s is %q, not a number", t.header[i], rec[i]))
		}
		out = append(out, float32(v))
	}
	return out, nil
}
