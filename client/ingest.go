package client

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"iter"
	"math"
	"net/http"
	"slices"

	"surety/kernel/ident"
)

// What a host that judges very many payments needs: a stream of frames, as the
// document of POST /v1/payments/ingest describes them.

// typeFrames is a stream of payments, or of the answers to them, in binary.
const typeFrames = "application/x-surety-frames"

const (
	frameVersion = 1
	maxFrame     = 16 << 10 // bytes of one frame
)

// The words that stand as numbers in frames, from 1.
var (
	frameTypes    = []string{"transfer", "purchase", "deposit", "withdrawal"}
	frameOutcomes = []string{"allow", "challenge", "hold", "block"}
)

// IngestPayment is a payment with all that may be known of it.
type IngestPayment struct {
	Payment
	Terminal string   `json:"terminal,omitempty"` // the till or the reader
	Merchant string   `json:"merchant,omitempty"` // the shop, where it is not the payee itself
	Card     string   `json:"card,omitempty"`     // the host's own name for the card, never its number
	Phone    string   `json:"phone,omitempty"`    // the telephone number that is used; Surety keeps an index of it only
	Region   string   `json:"region,omitempty"`
	Lat      *float64 `json:"lat,omitempty"` // degrees north; with Lon or not at all
	Lon      *float64 `json:"lon,omitempty"` // degrees east
}

// IngestAnswer is the short answer to one payment of a stream.
type IngestAnswer struct {
	Line    int      `json:"line"` // counted from 1
	ID      string   `json:"id"`
	Outcome string   `json:"outcome"` // allow, challenge, hold, block
	Score   int      `json:"score"`   // permille
	Reasons []string `json:"reasons"` // codes
	Proofs  []string `json:"proofs"`  // any one of them will do
	Again   bool     `json:"again"`   // the answer was recorded before
	Problem *Problem `json:"problem"` // instead of all of these
}

// AppendPaymentFrame appends a payment as a frame. The error is KindInvalid, for
// what a frame cannot say at all; whether the payment is right, Surety answers.
func AppendPaymentFrame(b []byte, p *IngestPayment) ([]byte, error) {
	kind := 1 + slices.Index(frameTypes, p.Type)
	if kind == 0 {
		return b, ident.Invalid("type", "unknown", "type is %q; it must be transfer, purchase, deposit or withdrawal", p.Type)
	}
	if len(p.Amount.Currency) != 3 {
		return b, ident.Invalid("amount.currency", "currency_unknown", "%.10q is not an ISO 4217 currency", string(p.Amount.Currency))
	}
	start, flags := len(b), byte(0)
	if p.Settled {
		flags |= 1
	}
	if p.Lat != nil && p.Lon != nil {
		flags |= 2
	} else if p.Lat != nil || p.Lon != nil {
		return b, ident.Invalid("lat", "place_incomplete", "lat and lon are given both or not at all")
	}
	b = append(b, 0, 0, 0, 0, frameVersion, flags, byte(kind))
	b = append(b, p.Amount.Currency...)
	b = binary.LittleEndian.AppendUint64(b, uint64(ident.Micros(p.At)))
	if flags&2 != 0 {
		for _, d := range []float64{*p.Lat, *p.Lon} {
			if !(math.Abs(d) <= 180) { // a NaN is not
				return b[:start], ident.Invalid("lat", "place_out_of_range", "a place has at most 180 degrees, it is %g", d)
			}
			b = binary.LittleEndian.AppendUint32(b, uint32(int32(math.Round(d*1e6))))
		}
	}
	b = binary.AppendVarint(b, p.Amount.Minor)
	for _, text := range [...]string{p.ID, p.Payer, p.Payee, p.Channel, p.Device, p.IP, p.City, p.Terminal, p.Merchant, p.Card, p.Phone,
		p.Region} {
		b = append(binary.AppendUvarint(b, uint64(len(text))), text...)
	}
	if len(b)-start-4 > maxFrame {
		return b[:start], ident.E(ident.KindTooLarge, "line_too_long", "the payment takes more than %d bytes", maxFrame)
	}
	binary.LittleEndian.PutUint32(b[start:], uint32(len(b)-start-4))
	return b, nil
}

// ReadAnswerFrame reads one answer; io.EOF if there is none any more, and another
// error if the stream was cut off or is not Surety's.
func ReadAnswerFrame(r *bufio.Reader) (IngestAnswer, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return IngestAnswer{}, err
	}
	n := binary.LittleEndian.Uint32(head[:])
	if n > 1<<20 {
		return IngestAnswer{}, malformedAnswer()
	}
	body := make([]byte, n)
	if _, err := io.ReadFull(r, body); err != nil {
		return IngestAnswer{}, io.ErrUnexpectedEOF
	}
	return readAnswer(body)
}

func malformedAnswer() error {
	return ident.E(ident.KindUnknown, "not_surety", "this is not an answer of Surety's; is there a proxy between?")
}

// answerReader takes an answer apart; after a mistake everything is empty and bad set.
type answerReader struct {
	b   []byte
	bad bool
}

func (a *answerReader) take(n uint64) []byte {
	if n > uint64(len(a.b)) {
		a.b, a.bad = nil, true
		return nil
	}
	out := a.b[:n]
	a.b = a.b[n:]
	return out
}

func (a *answerReader) byte() byte {
	if b := a.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (a *answerReader) uvarint() uint64 {
	v, n := binary.Uvarint(a.b)
	if n <= 0 {
		a.b, a.bad = nil, true
		return 0
	}
	a.b = a.b[n:]
	return v
}

func (a *answerReader) text() string { return string(a.take(a.uvarint())) }

func (a *answerReader) texts() (out []string) {
	for range min(a.uvarint(), 1000) {
		out = append(out, a.text())
	}
	return out
}

func readAnswer(body []byte) (out IngestAnswer, err error) {
	a := answerReader{b: body}
	version := a.byte()
	out.Line = int(min(a.uvarint(), math.MaxInt32))
	switch kind := a.byte(); {
	case version != frameVersion:
		a.bad = true
	case kind == 0:
		out.Again = a.byte()&1 != 0
		outcome := int(a.byte())
		if outcome < 1 || outcome > len(frameOutcomes) {
			return out, malformedAnswer()
		}
		out.Outcome = frameOutcomes[outcome-1]
		out.Score = int(min(a.uvarint(), math.MaxInt32))
		out.ID, out.Reasons, out.Proofs = a.text(), a.texts(), a.texts()
	case kind == 1:
		p := &Problem{Kind: ident.Kind(a.text()), Code: a.text(), Detail: a.text()}
		p.Errors = []ProblemField{{Field: a.text(), Row: out.Line, Code: p.Code, Detail: p.Detail}}
		out.Problem = p
	default:
		a.bad = true
	}
	if a.bad || len(a.b) > 0 {
		return IngestAnswer{}, malformedAnswer()
	}
	return out, nil
}

// Ingest judges payments in the order given while they are still being made, and
// hands each short answer to got, in that order. An error of got stops it. What has
// no answer when an error is returned was not judged, or its answer was lost: send
// it again as it was. Payments of different accounts may be shared out over several
// calls at once; those of one account belong into one, for their order counts.
func (c *Client) Ingest(ctx context.Context, payments iter.Seq[IngestPayment], got func(IngestAnswer) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	pr, pw := io.Pipe()
	type end struct {
		n   int
		err error
	}
	sent := make(chan end, 1)
	go func() {
		n, err := writeFrames(pw, payments)
		sent <- end{n, err}
		if ident.CodeOf(err) != "" { // those before it are good
			err = nil
		}
		pw.CloseWithError(err)
	}()
	defer pr.Close() // a producer that waits is set free
	r := request{method: http.MethodPost, path: "/v1/payments/ingest", kind: typeFrames, accept: typeFrames, stream: pr}
	resp, err := c.send(ctx, r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	in := bufio.NewReaderSize(resp.Body, 64<<10)
	answered := 0
	for ; ; answered++ {
		a, err := ReadAnswerFrame(in)
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return broken(r, err)
		}
		if err := got(a); err != nil {
			return err
		}
	}
	pr.Close()
	e := <-sent
	if known := ident.CodeOf(e.err); known != "" { // a payment that cannot be sent
		return e.err
	}
	if e.n != answered {
		return ident.E(ident.KindUnavailable, "batch_stopped", "%d of %d payments were answered; send the others again", answered, e.n)
	}
	return nil
}

// writeFrames sends payments as frames, many in one write.
func writeFrames(w io.Writer, payments iter.Seq[IngestPayment]) (n int, err error) {
	const enough = 32 << 10
	var b []byte
	for p := range payments {
		if b, err = AppendPaymentFrame(b, &p); err != nil {
			break
		}
		n++
		if len(b) >= enough {
			if _, err = w.Write(b); err != nil {
				return n, err
			}
			b = b[:0]
		}
	}
	if _, failed := w.Write(b); err == nil {
		err = failed
	}
	return n, err
}
