package risk

import (
	"time"

	"surety/platform/tally"
)

// A payment that is judged again must be judged as it was at first: what became
// of it since, its own label and its own refusal, must not speak for or against
// it. The memory reads a payment that it holds with the flags that it holds, so
// they are taken off while it is read, under the locks of the judgement.

// ownFlags are those that tell what became of a payment.
const ownFlags = flagFraud | flagRefused

// probe asks for the flags of a held payment: for each of them, the windows of
// its instant with and without it differ by one.
func probe(dim tally.Dim) (*tally.Plan, error) {
	var ws []tally.Window
	for want := range uint16(ownFlags + 1) {
		for _, before := range []bool{false, true} {
			ws = append(ws, tally.Window{Span: time.Microsecond, Mask: ownFlags, Want: want, Before: before})
		}
	}
	return tally.NewPlan(dim, ws)
}

// stripFlags takes the flags off if the memory holds the payment, and returns
// what they were, for restore.
func (p *Pack) stripFlags(s *scratch, tx *tally.Tx) (flags uint16) {
	for i, n := range p.entities {
		if !n.own() || s.at[i] < 0 {
			continue
		}
		ev := &s.events[i]
		if !tx.Flag(s.at[i], ev.ID, ev.At, 0, 0) {
			return 0 // it stands in all histories or in none
		}
		var cells [2 * (ownFlags + 1)]tally.Cell
		tx.Read(s.at[i], tally.Query{At: ev.At, This: ev}, n.probe, cells[:])
		for want := range uint16(ownFlags + 1) {
			if cells[2*want].Count > cells[2*want+1].Count {
				flags = want
			}
		}
		break
	}
	p.flag(s, tx, 0, flags)
	return flags
}

// flag sets and clears flags of the payment wherever it is held.
func (p *Pack) flag(s *scratch, tx *tally.Tx, set, clear uint16) {
	if set|clear == 0 {
		return
	}
	for i, n := range p.entities {
		if n.own() && s.at[i] >= 0 {
			tx.Flag(s.at[i], s.events[i].ID, s.events[i].At, set, clear)
		}
	}
}

// readAsNew fills the features as if the payment came for the first time.
func (p *Pack) readAsNew(s *scratch, tx *tally.Tx) {
	flags := p.stripFlags(s, tx)
	p.read(s, tx)
	p.flag(s, tx, flags, 0)
}
