package api

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"

	"surety/domain/payment"
	"surety/kernel/ident"
)

const (
	// maxLine bounds one line of a batch: a payment takes some 300 bytes.
	maxLine = 16 << 10
	// lines is how many lines share one act at most.
	lines = 500
)

// lineReader yields the lines of a body, and knows whether another has arrived.
type lineReader struct {
	in  *bufio.Reader
	row int
}

// read returns the next line that is not blank, or io.EOF. A last line without
// an end is a line: whether it is whole, its JSON tells. The line is the caller's
// until the next read.
func (l *lineReader) read() ([]byte, error) {
	for {
		line, err := l.in.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) || len(line) > maxLine {
			return nil, ident.E(ident.KindTooLarge, "line_too_long", "line %d has more than %d bytes", l.row+1, maxLine)
		}
		if len(line) > 0 {
			l.row++
		}
		if text := bytes.TrimSpace(line); len(text) > 0 && (err == nil || errors.Is(err, io.EOF)) {
			return text, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// pending reports whether a whole line waits in the buffer.
func (l *lineReader) pending() bool {
	have, err := l.in.Peek(l.in.Buffered())
	return err == nil && bytes.IndexByte(have, '\n') >= 0
}

// assessBatch judges line by line as they come: what has arrived together is one
// act, and is answered before more is waited for.
func (s *server) assessBatch(c *call) error {
	_ = http.NewResponseController(c.w).EnableFullDuplex() // HTTP/2 is so already
	in := &lineReader{in: bufio.NewReaderSize(c.r.Body, maxLine)}
	out := lineWriter{c: c}
	for {
		var rows []int
		var reqs []payment.Request
		answers := map[int]BatchLine{}
		var ended error
		for len(rows) < lines && (len(rows) == 0 || in.pending()) {
			line, err := in.read()
			if err != nil {
				ended = err
				break
			}
			rows = append(rows, in.row)
			p, err := decodePayment(line)
			if err != nil {
				answers[in.row] = c.lineProblem(in.row, err)
				continue
			}
			reqs = append(reqs, p.request())
		}
		if err := s.assessLines(c, rows, reqs, answers); err != nil {
			return out.stop(rows, answers, err)
		}
		if err := out.write(rows, answers); err != nil {
			return err
		}
		switch {
		case ended == nil:
		case errors.Is(ended, io.EOF):
			return out.end()
		default:
			return out.stop([]int{in.row + 1}, nil, readFailure(ended))
		}
	}
}

func readFailure(err error) error {
	if ident.CodeOf(err) != "" {
		return err
	}
	return readError(err)
}

// assessLines judges the requests and puts the answers to the rows that have none.
func (s *server) assessLines(c *call, rows []int, reqs []payment.Request, answers map[int]BatchLine) error {
	if len(reqs) == 0 {
		return nil
	}
	res, err := s.cfg.Payment.AssessBatch(c.ctx, c.actor, reqs)
	if err != nil {
		return err
	}
	s.count(res)
	i := 0
	for _, row := range rows {
		if _, answered := answers[row]; answered {
			continue
		}
		if res[i].Err != nil {
			answers[row] = c.lineProblem(row, res[i].Err)
		} else {
			p := wirePayment(res[i].Payment, c.actor)
			answers[row] = BatchLine{Line: row, Again: res[i].Again, Payment: &p}
		}
		i++
	}
	return nil
}

// lineProblem is an error of one line, which it names as the row.
func (c *call) lineProblem(row int, err error) BatchLine {
	var known *ident.Error
	if errors.As(err, &known) {
		named := *known
		named.Row = row
		err = &named
	}
	p := problemOf(err, c.w.id, "", true)
	return BatchLine{Line: row, Problem: &p}
}

// lineWriter sends NDJSON. Nothing is sent before the first line, so that an
// error before it is an ordinary problem.
type lineWriter struct {
	c     *call
	begun bool
}

func (o *lineWriter) begin() {
	if !o.begun {
		o.begun = true
		o.c.w.Header().Set("Content-Type", typeNDJSON)
		o.c.w.WriteHeader(http.StatusOK)
	}
}

func (o *lineWriter) send(v any) error {
	o.begin()
	line, err := json.Marshal(v)
	if err != nil {
		return ident.E(ident.KindInternal, "encode", "the answer cannot be written").Because(err)
	}
	_, err = o.c.w.Write(append(line, '\n'))
	return err
}

func (o *lineWriter) flush() error { return http.NewResponseController(o.c.w).Flush() }

func (o *lineWriter) write(rows []int, answers map[int]BatchLine) error {
	if len(rows) == 0 {
		return nil
	}
	for _, row := range rows {
		if err := o.send(answers[row]); err != nil {
			return err
		}
	}
	return o.flush()
}

// end closes a batch, also one without any line.
func (o *lineWriter) end() error {
	o.begin()
	return o.flush()
}

// stop gives the lines under way the error that ends the stream. Before the first
// answer it is the problem of the whole request.
func (o *lineWriter) stop(rows []int, answers map[int]BatchLine, err error) error {
	if !o.begun {
		return err
	}
	o.c.w.err = err
	o.c.s.cfg.Log.Error("batch stopped", "request", o.c.w.id, "error", cause(err))
	for _, row := range rows {
		line, answered := answers[row]
		if !answered {
			line = o.c.lineProblem(row, err)
		}
		if err := o.send(line); err != nil {
			return nil // the caller has gone: there is nobody to tell
		}
	}
	return o.flush()
}

// ImportLine is one line of an import's progress: a count, or at the end the
// report or the problem.
type ImportLine struct {
	Done    int           `json:"done,omitempty"`
	Total   int           `json:"total,omitempty"`
	Report  *ImportReport `json:"report,omitempty"`
	Problem *Problem      `json:"problem,omitempty"`
}

// importPayments reads the host's export; with NDJSON wanted, it tells how far it is.
func (s *server) importPayments(c *call) error {
	text := newTextReader(c.r.Body)
	var progress func(done, total int)
	out := lineWriter{c: c}
	if strings.Contains(c.r.Header.Get("Accept"), typeNDJSON) {
		progress = func(done, total int) {
			if out.send(ImportLine{Done: done, Total: total}) == nil {
				_ = out.flush() // a caller who has gone does not stop an import
			}
		}
	}
	rep, err := s.cfg.Payment.ImportCSV(c.ctx, c.actor, text, progress)
	if err != nil {
		err = text.pick(err)
		if !out.begun {
			return err
		}
		c.w.err = err
		p := problemOf(err, c.w.id, "", true)
		return out.send(ImportLine{Problem: &p})
	}
	wire := ImportReport{Rows: rep.Rows, Assessed: rep.Assessed, Again: rep.Again, Outcomes: rep.Outcomes, Refused: fields(rep.Refused)}
	for outcome, n := range rep.Outcomes {
		s.meters.decided(outcome, n)
	}
	if progress == nil {
		return c.reply(wire)
	}
	return out.send(ImportLine{Report: &wire})
}

// fields are refused rows as they are told.
func fields(es []*ident.Error) []ProblemField {
	out := make([]ProblemField, 0, len(es))
	for _, e := range es {
		out = append(out, ProblemField{Field: e.Field, Row: e.Row, Code: e.Code, Detail: e.Message})
	}
	return out
}
