package api

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"time"

	"surety/domain/payment"
	"surety/kernel/ident"
	"surety/kernel/money"
	"surety/platform/access"
)

// typeFrames is a stream of payments, or of the answers to them, in binary.
const typeFrames = "application/x-surety-frames"

const (
	// chunk is how many payments of a stream are one act at most.
	chunk = 500
	// ingestBuffer holds a chunk of lines.
	ingestBuffer = 256 << 10
	// ingestLimit bounds one stream: no more than nonsense, for what is held in
	// memory is bounded by the chunk.
	ingestLimit = 1 << 40
	// ingestIdle is how long a stream may rest.
	ingestIdle = 2 * time.Minute
)

// IngestLine is the short answer to one payment of a stream.
type IngestLine struct {
	Line    int      `json:"line" doc:"counted from 1, blank lines too"`
	ID      string   `json:"id,omitempty"`
	Outcome string   `json:"outcome,omitempty" enum:"allow,challenge,hold,block"`
	Score   int      `json:"score,omitempty" doc:"permille"`
	Reasons []string `json:"reasons,omitempty" doc:"codes, the weightiest first"`
	Proofs  []string `json:"proofs,omitempty" doc:"any one of them will do"`
	Again   bool     `json:"again,omitempty" doc:"the answer was recorded before"`
	Problem *Problem `json:"problem,omitempty" doc:"instead of all of these"`
}

const ingestText = "Like assess-batch, with short answers, for many payments a second. Up to 500 that have come are judged together and " +
	"answered while more is sent; an answer is durable. Send payments of different accounts over several connections; of one account " +
	"over one, for their order counts. If it stops with a problem, lines without an answer were not judged.\n\n" +
	"`" + typeFrames + "` is the same in binary; the answer is too. A frame is its length (4 bytes, little endian, at most " +
	"16384) and so many bytes. *Varint* is the signed zigzag LEB128 of Protocol Buffers, *uvarint* the unsigned, *text* a uvarint length " +
	"and UTF-8.\n\n" +
	"Payment: version (1 byte: 1); flags (1 byte: 1 settled, 2 a place is given); type (1 byte: 1 transfer, 2 purchase, 3 deposit, " +
	"4 withdrawal); currency (3 bytes); at (8 bytes, signed, little endian: microseconds since 1970 UTC); if a place is given lat and " +
	"lon (4 bytes each, signed, little endian: millionths of a degree); amount (varint, minor units); then the texts id, payer, payee, " +
	"channel, device, ip, city, terminal, merchant, card, phone, region.\n\n" +
	"Answer: version (1 byte: 1); line (uvarint: the number of the frame, from 1); kind (1 byte: 0 judged, 1 problem). Judged: flags " +
	"(1 byte: 1 recorded before); outcome (1 byte: 1 allow, 2 challenge, 3 hold, 4 block); score (uvarint); id (text); how many reasons " +
	"(uvarint) and their codes (texts); how many proofs (uvarint) and their codes (texts). Problem: kind, code, detail, field (texts)."

func (s *server) ingestRoute() route {
	return route{Method: "POST", Path: "/v1/payments/ingest", ID: "payment-ingest", Act: access.ActPaymentAssess,
		Summary: "Judge a stream of payments, with short answers", Text: ingestText, Long: true,
		In: body{Types: []string{typeNDJSON, typeFrames}, Limit: ingestLimit, JSON: reflect.TypeFor[PaymentIn](),
			Doc: "one PaymentIn a line, or frames"},
		Out: answer{Type: typeNDJSON, JSON: reflect.TypeFor[IngestLine](), Doc: "one IngestLine for each payment, in the same order, or frames"},
		Do:  s.ingest}
}

// ingested is one payment of a chunk, or what is wrong with it.
type ingested struct {
	line int
	err  error
}

// ingestChunk is what is judged together.
type ingestChunk struct {
	items []ingested
	reqs  []payment.Request // of the items without an error, in their order
	ended error             // why the stream ends after it; nil if it goes on
}

// feed gives the payments of a body one by one. The error ends the stream;
// io.EOF is its good end. bad is about this payment alone.
type feed interface {
	next() (line int, r payment.Request, bad, err error)
	pending() bool // the next one has come as a whole
}

// ingest judges a stream. One goroutine reads and takes apart, this one judges and
// answers, so the next chunk is read while one becomes durable.
func (s *server) ingest(c *call) error {
	_ = http.NewResponseController(c.w).EnableFullDuplex() // HTTP/2 is so already
	in := bufio.NewReaderSize(c.r.Body, ingestBuffer)
	var from feed = &lineSource{lineReader{in: in}}
	out := ingestWriter{c: c, kind: typeNDJSON, line: appendLine}
	if c.r.Header.Get("Content-Type") == typeFrames {
		from = &frameSource{in: in}
		out.kind, out.line = typeFrames, appendFrame
	}
	chunks, stop := make(chan ingestChunk, 1), make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.readChunks(c, from, chunks, stop)
	}()
	ended := false
	defer func() { // the reader must be gone before the server takes the connection back
		close(stop)
		if !ended { // it may wait for bytes that never come
			_ = http.NewResponseController(c.w).SetReadDeadline(time.Unix(1, 0))
		}
		<-done
	}()
	for part := range chunks {
		ended = part.ended != nil
		s.extend(c)
		if err := s.ingestChunk(c, &out, &part); err != nil {
			return err
		}
		if ended {
			return out.end(&part)
		}
	}
	return nil
}

// extend gives a stream that moves more time.
func (s *server) extend(c *call) {
	now := ident.WallClock{}.Now()
	control := http.NewResponseController(c.w)
	_ = control.SetReadDeadline(now.Add(ingestIdle)) // a recorder of a test has no connection
	_ = control.SetWriteDeadline(now.Add(ingestIdle))
}

// readChunks gathers what has come. Where the length of the body is known, nobody
// waits for an answer before they send on, so chunks are full.
func (s *server) readChunks(c *call, from feed, chunks chan<- ingestChunk, stop <-chan struct{}) {
	defer close(chunks)
	whole := c.r.ContentLength >= 0
	for {
		part := ingestChunk{items: make([]ingested, 0, chunk), reqs: make([]payment.Request, 0, chunk)}
		for len(part.items) < chunk && (len(part.items) == 0 || whole || from.pending()) {
			line, r, bad, err := from.next()
			if err != nil {
				part.ended = err
				break
			}
			part.items = append(part.items, ingested{line, bad})
			if bad == nil {
				part.reqs = append(part.reqs, r)
			}
		}
		select {
		case chunks <- part:
		case <-stop:
			return
		}
		if part.ended != nil {
			return
		}
	}
}

// ingestChunk judges a chunk and answers it.
func (s *server) ingestChunk(c *call, out *ingestWriter, part *ingestChunk) error {
	var res []payment.Result
	if len(part.reqs) > 0 {
		var err error
		if res, err = s.cfg.Payment.AssessBatch(c.ctx, c.actor, part.reqs); err != nil {
			return out.stop(part, err)
		}
		s.count(res)
	}
	return out.write(part, res)
}

// ingestWriter sends answers. Nothing is sent before the first one, so that an error
// before it is an ordinary problem.
type ingestWriter struct {
	c     *call
	kind  string
	line  func(b []byte, line int, r *payment.Result, p *Problem) []byte // one of r and p
	begun bool
	buf   []byte
}

func (o *ingestWriter) begin() {
	if !o.begun {
		o.begun = true
		o.c.w.Header().Set("Content-Type", o.kind)
		o.c.w.WriteHeader(http.StatusOK)
	}
}

func (o *ingestWriter) send() error {
	o.begin()
	if _, err := o.c.w.Write(o.buf); err != nil {
		return err
	}
	return http.NewResponseController(o.c.w).Flush()
}

// write answers a chunk.
func (o *ingestWriter) write(part *ingestChunk, res []payment.Result) error {
	if len(part.items) == 0 {
		return nil
	}
	o.buf = o.buf[:0]
	for _, item := range part.items {
		if item.err == nil {
			if r := &res[0]; r.Err == nil {
				o.buf = o.line(o.buf, item.line, r, nil)
			} else {
				item.err = r.Err
			}
			res = res[1:]
		}
		if item.err != nil {
			o.buf = o.line(o.buf, item.line, nil, o.c.lineProblem(item.line, item.err).Problem)
		}
	}
	return o.send()
}

// end closes a stream, also one without any payment; a body that ended badly gets
// that as the answer to the line after the last.
func (o *ingestWriter) end(part *ingestChunk) error {
	if errors.Is(part.ended, io.EOF) {
		if o.begun {
			return nil
		}
		o.buf = o.buf[:0]
		return o.send()
	}
	last := 0
	if n := len(part.items); n > 0 {
		last = part.items[n-1].line
	}
	return o.stop(&ingestChunk{items: []ingested{{line: last + 1}}}, readFailure(part.ended))
}

// stop gives the payments under way the error that ends the stream. Before the
// first answer it is the problem of the whole request.
func (o *ingestWriter) stop(part *ingestChunk, err error) error {
	if !o.begun {
		return err
	}
	o.c.w.err = err
	o.c.s.cfg.Log.Error("stream stopped", "request", o.c.w.id, "error", cause(err))
	o.buf = o.buf[:0]
	for _, item := range part.items {
		if item.err == nil {
			item.err = err
		}
		o.buf = o.line(o.buf, item.line, nil, o.c.lineProblem(item.line, item.err).Problem)
	}
	_ = o.send() // the caller has gone: there is nobody to tell
	return nil
}

// lineSource reads NDJSON.
type lineSource struct{ lineReader }

func (l *lineSource) next() (line int, r payment.Request, bad, err error) {
	text, err := l.read()
	if err != nil {
		return 0, r, nil, err
	}
	in, bad := decodePayment(text)
	if bad == nil {
		r = in.request()
	}
	return l.row, r, bad, nil
}

// appendLine writes an IngestLine as json.Marshal would.
func appendLine(b []byte, line int, r *payment.Result, p *Problem) []byte {
	b = strconv.AppendInt(append(b, `{"line":`...), int64(line), 10)
	if p != nil {
		text, err := json.Marshal(p)
		if err != nil { // a struct of strings and numbers always encodes
			text = []byte(`{"kind":"internal"}`)
		}
		return append(append(append(b, `,"problem":`...), text...), "}\n"...)
	}
	d := &r.Payment.Decision
	b = appendText(append(b, `,"id":`...), r.Payment.ID)
	b = appendText(append(b, `,"outcome":`...), string(d.Outcome))
	if d.Score != 0 {
		b = strconv.AppendInt(append(b, `,"score":`...), int64(d.Score), 10)
	}
	if len(d.Reasons) > 0 {
		b = append(b, `,"reasons":[`...)
		for i := range d.Reasons {
			b = appendText(comma(b, i), d.Reasons[i].Code)
		}
		b = append(b, ']')
	}
	if len(d.Proofs) > 0 {
		b = append(b, `,"proofs":[`...)
		for i, code := range d.Proofs {
			b = appendText(comma(b, i), code)
		}
		b = append(b, ']')
	}
	if r.Again {
		b = append(b, `,"again":true`...)
	}
	return append(b, "}\n"...)
}

// The numbers that stand for words in frames, from 1.
var (
	frameTypes    = []string{"transfer", "purchase", "deposit", "withdrawal"}
	frameOutcomes = []string{"allow", "challenge", "hold", "block"}
)

const frameVersion = 1

// frameSource reads frames.
type frameSource struct {
	in  *bufio.Reader
	row int
}

func (f *frameSource) next() (line int, r payment.Request, bad, err error) {
	head, err := f.in.Peek(4)
	if err != nil {
		if len(head) > 0 {
			err = io.ErrUnexpectedEOF
		}
		return 0, r, nil, err
	}
	n := int(min(binary.LittleEndian.Uint32(head), maxLine+1))
	if n > maxLine {
		return 0, r, nil, ident.E(ident.KindTooLarge, "line_too_long", "frame %d has more than %d bytes", f.row+1, maxLine)
	}
	frame, err := f.in.Peek(4 + n)
	if err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return 0, r, nil, err
	}
	f.row++
	r, bad = readFrame(string(frame[4:]))
	_, err = f.in.Discard(4 + n)
	return f.row, r, bad, err
}

func (f *frameSource) pending() bool {
	have := f.in.Buffered()
	head, err := f.in.Peek(min(4, have))
	return err == nil && have >= 4 && have-4 >= int(binary.LittleEndian.Uint32(head))
}

// frameReader takes a frame apart; after a mistake everything is empty and bad set.
type frameReader struct {
	s   string
	bad bool
}

func (f *frameReader) take(n int) string {
	if n < 0 || n > len(f.s) {
		f.s, f.bad = "", true
		return ""
	}
	s := f.s[:n]
	f.s = f.s[n:]
	return s
}

func (f *frameReader) byte() byte {
	if b := f.take(1); b != "" {
		return b[0]
	}
	return 0
}

// fixed is a number of n bytes, little endian.
func (f *frameReader) fixed(n int) (v uint64) {
	for i, c := range []byte(f.take(n)) {
		v |= uint64(c) << (8 * i)
	}
	return v
}

func (f *frameReader) uvarint() (v uint64) {
	for shift := 0; shift < 64; shift += 7 {
		c := f.byte()
		if f.bad || shift == 63 && c > 1 {
			break
		}
		v |= uint64(c&0x7f) << shift
		if c < 0x80 {
			return v
		}
	}
	f.s, f.bad = "", true
	return 0
}

func (f *frameReader) text() string { return f.take(int(min(f.uvarint(), maxLine+1))) }

// readFrame reads a payment. What it says is judged by the service, as in JSON.
func readFrame(frame string) (r payment.Request, err error) {
	f := frameReader{s: frame}
	version, flags, kind := f.byte(), f.byte(), f.byte()
	if version != frameVersion && !f.bad {
		return r, ident.Invalid("version", "frame_version", "the frame has version %d, %d is known", version, frameVersion)
	}
	currency := f.take(3)
	r.At = ident.FromMicros(int64(f.fixed(8)))
	if flags&2 != 0 {
		r.Lat = payment.Degree{Micro: int32(uint32(f.fixed(4))), Given: true}
		r.Lon = payment.Degree{Micro: int32(uint32(f.fixed(4))), Given: true}
	}
	u := f.uvarint()
	r.Amount = money.Of(int64(u>>1)^-int64(u&1), money.Currency(currency))
	r.Settled = flags&1 != 0
	for _, text := range [...]*string{&r.ID, &r.Payer, &r.Payee, &r.Channel, &r.Device, &r.IP, &r.City, &r.Terminal, &r.Merchant, &r.Card,
		&r.Phone, &r.Region} {
		*text = f.text()
	}
	switch {
	case f.bad || f.s != "":
		return payment.Request{}, ident.Invalid("", "frame_malformed", "the frame is not a payment as the document describes it")
	case flags > 3:
		return payment.Request{}, ident.Invalid("flags", "unknown", "the flags %d are not known", flags)
	case kind < 1 || int(kind) > len(frameTypes):
		return payment.Request{}, ident.Invalid("type", "unknown", "the type %d is not known", kind)
	}
	r.Type = frameTypes[kind-1]
	return r, r.Amount.Check("amount.currency")
}

// appendFrame writes an answer.
func appendFrame(b []byte, line int, r *payment.Result, p *Problem) []byte {
	start := len(b)
	b = append(b, 0, 0, 0, 0, frameVersion)
	b = binary.AppendUvarint(b, uint64(line))
	if p != nil {
		field := ""
		if len(p.Errors) > 0 {
			field = p.Errors[0].Field
		}
		b = append(b, 1)
		for _, text := range [...]string{p.Kind, p.Code, p.Detail, field} {
			b = appendFrameText(b, text)
		}
	} else {
		d := &r.Payment.Decision
		again := byte(0)
		if r.Again {
			again = 1
		}
		b = append(b, 0, again, byte(1+slices.Index(frameOutcomes, string(d.Outcome))))
		b = binary.AppendUvarint(b, uint64(max(0, d.Score)))
		b = appendFrameText(b, r.Payment.ID)
		b = binary.AppendUvarint(b, uint64(len(d.Reasons)))
		for i := range d.Reasons {
			b = appendFrameText(b, d.Reasons[i].Code)
		}
		b = binary.AppendUvarint(b, uint64(len(d.Proofs)))
		for _, code := range d.Proofs {
			b = appendFrameText(b, code)
		}
	}
	binary.LittleEndian.PutUint32(b[start:], uint32(len(b)-start-4))
	return b
}

func appendFrameText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}
