package fund

import (
	"slices"
	"strconv"
	"time"

	"surety/kernel/ident"
)

// Bank plays the bank in the demo, the simulation and the tests; production has a
// real one. It reads the files that this package writes and answers as a bank
// does. It keeps to the contract of a bank: a file that is wrong is refused whole,
// and a file that it has seen (by its MsgId) is answered as before but paid once.
// The zero Bank is ready. It is not safe for several goroutines.
type Bank struct {
	seen    map[string]string // MsgId -> the file
	payouts []ident.ID
}

// Paid lists the ids of all that it has paid, in order, and repeats what was paid
// twice: what an auditor compares with the books.
func (b *Bank) Paid() []ident.ID { return slices.Clone(b.payouts) }

// AnswerAll takes a pain.001 and returns the pain.002 that says what became of
// each transaction: settled, or rejected with the reason code that reject has for
// its id ("AC01").
func (b *Bank) AnswerAll(pain001 []byte, reject map[string]string, now time.Time) (pain002 []byte, err error) {
	in, err := read001(pain001)
	if err != nil {
		return nil, err
	}
	h := in.Init.Header
	if b.seen == nil {
		b.seen = map[string]string{}
	}
	before, again := b.seen[h.MsgID]
	if again && before != string(pain001) {
		return nil, ident.E(ident.KindConflict, "message_exists", "the bank has another file %s", h.MsgID)
	}
	b.seen[h.MsgID] = string(pain001)
	out := doc002{Report: report002{
		MsgID: "A-" + clean(h.MsgID, maxID-2), Created: now.UTC().Format(time.RFC3339),
		Group: group002{MsgID: h.MsgID, Name: "pain.001.001.09", Count: h.Count, Sum: h.Sum},
	}}
	n := 0
	for _, p := range in.Init.Payments {
		answer := payments002{ID: p.ID}
		for _, t := range p.Txs {
			n++
			a := t.Amount
			tx := tx002{StatusID: strconv.Itoa(n), InstrID: t.InstrID, EndToEnd: []string{t.EndToEnd}, Status: []string{"ACSC"},
				Ref: "BANK-" + strconv.Itoa(n), Original: &orig002{Amount: []amountXML{a}}}
			if code := reject[t.EndToEnd]; code != "" {
				tx.Status, tx.Ref, tx.Reasons = []string{"RJCT"}, "", []reason002{{Code: code}}
			} else if !again {
				b.payouts = append(b.payouts, t.EndToEnd)
			}
			answer.Txs = append(answer.Txs, tx)
		}
		out.Report.Payments = append(out.Report.Payments, answer)
	}
	return marshal(out)
}
