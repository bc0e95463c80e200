package watch

import (
	"strings"
	"time"
	"unicode/utf8"

	"surety/domain/risk"
	"surety/kernel/ident"
	"surety/platform/access"
)

// StopState is where a stop stands.
type StopState string

// The states of a stop.
const (
	Proposed  StopState = "proposed"  // waits for a second person
	Active    StopState = "active"    // touches what matches
	Lifted    StopState = "lifted"    // taken back by a person; final
	Expired   StopState = "expired"   // its time is over; final
	Exhausted StopState = "exhausted" // it has touched as many as it may; final
)

// StopStates lists all of them.
func StopStates() []StopState { return []StopState{Proposed, Active, Lifted, Expired, Exhausted} }

// StopEvent is what can happen to a stop.
type StopEvent string

// The events of a stop.
const (
	Approve StopEvent = "approve" // a second person agrees
	Extend  StopEvent = "extend"  // it goes on for longer
	Lift    StopEvent = "lift"    // a person takes it back
	Expire  StopEvent = "expire"  // the clock
	Exhaust StopEvent = "exhaust" // the limit
)

// StopEvents lists all of them.
func StopEvents() []StopEvent { return []StopEvent{Approve, Extend, Lift, Expire, Exhaust} }

// stopMoves is the one table of what may happen in which state.
var stopMoves = map[StopState]map[StopEvent]StopState{
	Proposed: {Approve: Active, Lift: Lifted, Expire: Expired},
	Active:   {Extend: Active, Lift: Lifted, Expire: Expired, Exhaust: Exhausted},
}

// NextStop is the state after an event, or a KindState error.
func NextStop(s StopState, e StopEvent) (StopState, error) {
	if to, ok := stopMoves[s][e]; ok {
		return to, nil
	}
	return s, ident.E(ident.KindState, "stop_"+string(s), "a stop that is %s cannot be moved by %s", s, e)
}

// Name is the state for people; lang is "zh", anything else is English.
func (s StopState) Name(lang string) string {
	w := map[StopState][2]string{Proposed: {"待第二人确认", "waits for a second person"}, Active: {"生效中", "active"},
		Lifted: {"已解除", "lifted"}, Expired: {"已到期", "expired"}, Exhausted: {"已达上限", "limit reached"}}[s]
	if lang == "zh" {
		return w[0]
	}
	return w[1]
}

// The bounds of a stop. One person may touch MaxAlone payments with it; up to
// MaxStop, or to block all of a region, a channel or a type, takes two.
const (
	MaxStopTime = 72 * time.Hour // from the act on; each extension is one more act
	MaxAlone    = 1000
	MaxStop     = 10_000
	maxReason   = 400 // characters
)

// StopIn orders a stop. The id is the caller's: the same order again is the same
// stop.
type StopIn struct {
	ID      ident.ID     `json:"id"`
	Alarm   ident.ID     `json:"alarm"` // it is made from, "" if none
	Match   risk.Match   `json:"match"`
	Outcome risk.Outcome `json:"outcome"` // challenge, hold or block
	Until   time.Time    `json:"until"`
	Limit   int64        `json:"limit"` // payments that it may touch
	ZH      string       `json:"zh"`    // what the payer is told
	EN      string       `json:"en"`
	Reason  string       `json:"reason"` // why, for the house
}

// Stop is one act that touches all payments that match.
type Stop struct {
	StopIn
	State   StopState
	From    time.Time // when it was ordered, or approved
	Used    int64     // payments that it has touched
	By      ident.ID
	Second  ident.ID // the other of two people, "" if one was enough
	Created time.Time
	Ended   time.Time // zero while it has not
	EndedBy ident.ID
	Words   string // why it was lifted
	Version int

	body []byte
}

// broad says that the match names nobody, only a kind of payments.
func broad(m risk.Match) bool {
	return m.Payer == "" && m.Payee == "" && m.Device == "" && m.Terminal == "" && m.Merchant == "" && m.Card == ""
}

// TwoPeople says whether a stop of this kind takes two.
func (in StopIn) TwoPeople() bool {
	return in.Limit > MaxAlone || in.Outcome == risk.Block && broad(in.Match)
}

// check refuses an order that could not be. Times are as the database keeps them.
func (in *StopIn) check(now time.Time) error {
	in.Until = in.Until.UTC().Truncate(time.Microsecond)
	in.Reason = strings.TrimSpace(in.Reason)
	if err := ident.CheckID("id", in.ID); err != nil {
		return err
	}
	if in.Alarm != "" {
		if err := ident.CheckID("alarm", in.Alarm); err != nil {
			return err
		}
	}
	if in.Match == (risk.Match{}) {
		return ident.Invalid("match", "match_empty", "say which payments: at least one of payer, payee, device, terminal, merchant, "+
			"channel, region, type, card")
	}
	for _, f := range in.fields() {
		if len(f.value) > 128 || !plain(f.value) {
			return ident.Invalid("match."+f.column, "match_invalid", "%s must be plain text of at most 128 bytes", f.column)
		}
	}
	if in.Limit < 1 || in.Limit > MaxStop {
		return ident.Invalid("limit", "out_of_range", "say how many payments it may touch, 1 to %d", MaxStop)
	}
	if n := utf8.RuneCountInString(in.Reason); n == 0 || n > maxReason || !plain(in.Reason) {
		return ident.Invalid("reason", "required", "say in 1 to %d characters why", maxReason)
	}
	if err := checkWords(in.ZH, in.EN); err != nil {
		return err
	}
	if err := checkUntil(in.Until, now); err != nil {
		return err
	}
	return in.engine(now, 0).Check()
}

func checkUntil(until, now time.Time) error {
	if !until.After(now) || until.After(now.Add(MaxStopTime)) {
		return ident.Invalid("until", "out_of_range", "a stop ends within %d hours from now; it can be extended later",
			int(MaxStopTime/time.Hour))
	}
	return nil
}

// hash is what "the same order" means.
func (in StopIn) hash() ([]byte, error) {
	h, err := access.ContentHash(in)
	return h[:], err
}

// engine is the stop as the engine knows it.
func (in StopIn) engine(from time.Time, used int64) risk.Stop {
	return risk.Stop{ID: in.ID, ZH: in.ZH, EN: in.EN, Match: in.Match, Outcome: in.Outcome, From: from, Until: in.Until,
		Limit: in.Limit, Used: used}
}

// field is one thing that a match names.
type field struct{ column, value string }

// fields are the match by the columns of table payment, in a fixed order.
func (in StopIn) fields() []field {
	m := in.Match
	return []field{{"payer", m.Payer}, {"payee", m.Payee}, {"device", m.Device}, {"terminal", m.Terminal}, {"merchant", m.Merchant},
		{"channel", m.Channel}, {"region", m.Region}, {"type", m.Type}, {"card", m.Card}}
}

// summary says a stop in one line for the second person and for lists.
func (in StopIn) summary() string {
	var b strings.Builder
	b.WriteString(string(in.Outcome) + " up to ")
	b.WriteString(itoa(in.Limit) + " payments with")
	for _, f := range in.fields() {
		if f.value != "" {
			b.WriteString(" " + f.column + "=" + f.value)
		}
	}
	b.WriteString(" until " + in.Until.Format(time.RFC3339) + ": " + in.Reason)
	return b.String()
}

// Match is what a stop made from the alarm would match.
func (a Alarm) Match() risk.Match {
	switch a.Dimension {
	case Terminal:
		return risk.Match{Terminal: a.Key}
	case Merchant:
		return risk.Match{Merchant: a.Key}
	case Payee:
		return risk.Match{Payee: a.Key}
	case Device:
		return risk.Match{Device: a.Key}
	case Method:
		return risk.Match{Channel: a.Key}
	case Region:
		return risk.Match{Region: a.Key}
	case Type:
		return risk.Match{Type: a.Key}
	}
	return risk.Match{}
}
