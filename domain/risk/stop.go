package risk

import (
	"sync/atomic"
	"time"

	"surety/kernel/ident"
)

// Stop is an order of a person that touches all payments that match, above all
// rules, until it ends or has touched as many as it may.
type Stop struct {
	ID      string
	ZH, EN  string // the reason that is told
	Match   Match
	Outcome Outcome   // Challenge, Hold or Block
	From    time.Time // zero: at once
	Until   time.Time // zero: until it is taken away
	Limit   int64     // payments that it may touch, 1 or more
	Used    int64     // payments that it has touched already
}

// Match says which payments: all that is given must be equal, and something must
// be given.
type Match struct {
	Payer, Payee, Device, Terminal, Merchant string
	Channel, Region, Type, Card              string
}

// matchFields are the fields of a Match, those that few payments share first: a
// stop is looked for under the first that is given.
var matchFields = [...]field{fieldCard, fieldPayer, fieldDevice, fieldTerminal, fieldPayee, fieldMerchant,
	fieldRegion, fieldChannel, fieldType}

func (m *Match) field(f field) string {
	switch f {
	case fieldCard:
		return m.Card
	case fieldPayer:
		return m.Payer
	case fieldDevice:
		return m.Device
	case fieldTerminal:
		return m.Terminal
	case fieldPayee:
		return m.Payee
	case fieldMerchant:
		return m.Merchant
	case fieldRegion:
		return m.Region
	case fieldChannel:
		return m.Channel
	case fieldType:
		return m.Type
	}
	return ""
}

// Matches reports whether the payment is one of those.
func (m Match) Matches(e *Event) bool {
	given := false
	for _, f := range matchFields {
		if want := m.field(f); want != "" {
			if e.field(f) != want {
				return false
			}
			given = true
		}
	}
	return given
}

// Check refuses a stop that could not be, or that would touch everything.
func (s Stop) Check() error {
	if err := ident.CheckID("id", s.ID); err != nil {
		return err
	}
	given := false
	for _, f := range matchFields {
		given = given || s.Match.field(f) != ""
	}
	switch {
	case !given:
		return ident.Invalid("match", "match_empty", "stop %s matches every payment: say which it is about", s.ID)
	case s.Match.Type != "" && !knownType(Type(s.Match.Type)):
		return ident.Invalid("match.type", "type_unknown", "stop %s: there is no payment type %q", s.ID, s.Match.Type)
	case s.Outcome != Challenge && s.Outcome != Hold && s.Outcome != Block:
		return ident.Invalid("outcome", "outcome_invalid", "stop %s must challenge, hold or block; it says %q", s.ID, s.Outcome)
	case s.ZH == "" || s.EN == "":
		return ident.Invalid("reason", "required", "stop %s must say why in zh and in en: the payer has a right to it", s.ID)
	case s.Limit < 1 || s.Used < 0:
		return ident.Invalid("limit", "limit_invalid", "stop %s must say how many payments it may touch, 1 or more", s.ID)
	case !s.From.IsZero() && !s.Until.IsZero() && !s.From.Before(s.Until):
		return ident.Invalid("until", "until_invalid", "stop %s ends before it begins", s.ID)
	}
	return nil
}

const maxStops = 10_000

// stop is a stop in force; used is shared with whatever replaces it under the
// same id.
type stop struct {
	Stop
	used *atomic.Int64
}

func (s *stop) inForce(at time.Time) bool {
	return !at.Before(s.From) && (s.Until.IsZero() || at.Before(s.Until))
}

func (s *stop) left() int64 { return s.Limit - s.used.Load() }

// stops are found by the first field that is given, so that a thousand of them
// cost a payment no more than a few looks.
type stops struct {
	all []*stop
	id  map[string]*stop
	by  [nFields]map[string][]*stop
}

// find is the severest stop that matches and may still touch a payment; of equal
// ones the first set. touched tells which stop has touched this payment already.
func (st *stops) find(e *Event, touched func() string) *stop {
	var best *stop
	for _, f := range matchFields {
		for _, s := range st.by[f][e.field(f)] {
			if (best == nil || s.Outcome.severity() > best.Outcome.severity()) && s.inForce(e.At) && s.Match.Matches(e) &&
				(s.left() > 0 || s.ID == touched()) {
				best = s
			}
		}
	}
	return best
}

// SetStops puts stops in force in place of all that were. A stop that was there
// goes on counting where it stands, or from Used if that is more. It changes
// nothing if one of them is wrong: the error names it.
func (en *Engine) SetStops(list []Stop) error {
	if len(list) > maxStops {
		return ident.Invalid("stops", "too_many", "at most %d stops can be in force, these are %d", maxStops, len(list))
	}
	next := &stops{id: map[string]*stop{}}
	for _, s := range list {
		if err := s.Check(); err != nil {
			return err
		}
		if next.id[s.ID] != nil {
			return ident.Invalid("id", "stop_twice", "there are two stops %s", s.ID)
		}
		next.id[s.ID] = &stop{Stop: s, used: new(atomic.Int64)}
	}
	en.mu.Lock()
	defer en.mu.Unlock()
	for _, s := range list {
		x := next.id[s.ID]
		if en.stops != nil && en.stops.id[s.ID] != nil {
			x.used = en.stops.id[s.ID].used
		}
		x.used.Store(max(x.used.Load(), s.Used, en.use.stopUsed(s.ID)))
		next.all = append(next.all, x)
		for _, f := range matchFields {
			if v := s.Match.field(f); v != "" {
				if next.by[f] == nil {
					next.by[f] = map[string][]*stop{}
				}
				next.by[f][v] = append(next.by[f][v], x)
				break
			}
		}
	}
	if len(next.all) == 0 {
		next = nil
	}
	en.stops = next
	return nil
}

// StopUses is how many payments each stop in force has touched, by id.
func (en *Engine) StopUses() map[string]int64 {
	en.mu.RLock()
	defer en.mu.RUnlock()
	out := map[string]int64{}
	if en.stops != nil {
		for _, s := range en.stops.all {
			out[s.ID] = s.used.Load()
		}
	}
	return out
}
