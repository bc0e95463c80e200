package list

import (
	"io"
	"slices"
	"time"

	"surety/kernel/ident"
)

// What only tests reach.
var (
	Harmless = harmless
	Bare     = bare
)

// ReadCSV reads a file without writing it.
func (s *Service) ReadCSV(r io.Reader) (out []Statement, problems []*ident.Error) {
	rows, problems := s.readFile(CSV, r)
	for _, row := range rows {
		out = append(out, row.Statement)
	}
	return out, problems
}

// Normal puts a statement into its canonical form.
func (s *Service) Normal(st *Statement) error { return s.normal(st) }

// Plain is an entry as the index takes it, for the models of tests.
type Plain struct {
	ID, Value, Signal string
	Kind              Kind
	Subject           Subject
	Confidence        int
	From, Until       time.Time
	Gone              bool
}

// NewTestIndex is an index that knows two signals.
func NewTestIndex() *Index { return newIndex(map[string]byte{"sim_swap": 1, "phishing": 2}) }

// Put brings entries into the index.
func (x *Index) Put(ps []Plain, cutoff time.Time, afresh bool) {
	items := make([]item, len(ps))
	for i, p := range ps {
		items[i] = item{id: p.ID, kind: p.Kind, subject: p.Subject, signal: x.signals[p.Signal], confidence: uint16(p.Confidence),
			from: ident.Micros(p.From), until: ident.Micros(p.Until), value: p.Value, gone: p.Gone}
	}
	x.put(slices.Clip(items), ident.Micros(cutoff), afresh)
}

// Size is how many entries the index holds, and in how many bytes.
func (x *Index) Size() (int, int64) { return x.size() }
