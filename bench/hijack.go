package bench

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"surety/domain/risk"
	"surety/kernel/ident"
	"surety/kernel/money"
)

// HijackFigures say what the default pack does with a theft through a hijacked
// telephone number.
type HijackFigures struct {
	LostMinor       int64 `json:"lost_minor"`       // went to the thief
	AttemptedMinor  int64 `json:"attempted_minor"`  // the thief tried
	OrdinaryStopped int   `json:"ordinary_stopped"` // the owner's own payments that were not simply allowed
	Ordinary        int   `json:"ordinary"`
	Attempts        int   `json:"attempts"`
	PublishedLost   int64 `json:"published_lost_minor"` // what the company of the account lost
	Lines           []HijackLine
}

// HijackLine is one attempt of the thief.
type HijackLine struct {
	At      time.Time
	Minor   int64
	Payee   string
	Outcome risk.Outcome
	Proofs  []string
	Lost    bool
	Reasons []string
}

// MarshalJSON leaves the lines out: they are for people.
func (f HijackFigures) MarshalJSON() ([]byte, error) {
	type plain HijackFigures
	p := struct {
		plain
		Lines *struct{} `json:"Lines,omitempty"`
	}{plain: plain(f)}
	return json.Marshal(p)
}

// Tell writes the figures for people.
func (f HijackFigures) Tell(w io.Writer) {
	fmt.Fprintf(w, "hijack: lost %s of %s that the thief tried (published: %s); %d of %d ordinary payments stopped\n",
		yuan(f.LostMinor), yuan(f.AttemptedMinor), yuan(f.PublishedLost), f.OrdinaryStopped, f.Ordinary)
	for _, l := range f.Lines {
		went := "stopped"
		if l.Lost {
			went = "LOST"
		}
		fmt.Fprintf(w, "  %s  %12s  to %-15s %-9s %-7s %s\n", l.At.Format("01-02 15:04"), yuan(l.Minor), l.Payee, l.Outcome, went,
			strings.Join(l.Reasons, ", "))
	}
	drawBars(w, "lost, of 100,000.00", []bar{{"published", float64(f.PublishedLost), yuan(f.PublishedLost)},
		{"this run", float64(f.LostMinor), yuan(f.LostMinor)}})
}

func yuan(minor int64) string { return fmt.Sprintf("%d.%02d", minor/100, minor%100) }

// story is one line of the scenario.
type story struct {
	At               time.Time `json:"at"`
	Kind             string    `json:"kind"`
	Account          string    `json:"account"`
	Verification     string    `json:"verification"`
	Device           string    `json:"device"`
	Type             string    `json:"type"`
	Payer            string    `json:"payer"`
	Payee            string    `json:"payee"`
	AmountFen        int64     `json:"amount_fen"`
	Channel          string    `json:"channel"`
	IP               string    `json:"ip"`
	City             string    `json:"city"`
	Factors          []string  `json:"factors"`
	Thief            bool      `json:"thief"`             // the answer key, not shown to the engine
	PublishedOutcome string    `json:"published_outcome"` // the answer key, not shown to the engine
}

// Hijack plays the scenario to an engine with the default pack, in order of time.
// A challenge stops the thief only if no proof that would do is among those that
// he used: he has the password and the text messages.
func Hijack(_ context.Context, path string) (f HijackFigures, err error) {
	lines, err := readStory(path)
	if err != nil {
		return f, err
	}
	clock := ident.NewManualClock(lines[0].At)
	en, err := risk.New(risk.Config{Clock: clock})
	if err != nil {
		return f, err
	}
	known := map[string]risk.Account{}
	for i, l := range lines {
		clock.Set(l.At)
		switch l.Kind {
		case "account":
			a := known[l.Account]
			a.Opened, a.Verification, a.Kind = l.At, l.Verification, "person"
			known[l.Account] = a
		case "device_bound":
			a := known[l.Account]
			a.Device = l.Device
			known[l.Account] = a
		case "payment":
			e := risk.Event{ID: fmt.Sprint("h", i), At: l.At, Payer: l.Payer, Payee: l.Payee, Amount: money.Of(l.AmountFen, money.CNY),
				Type: risk.Type(l.Type), Channel: l.Channel, Device: l.Device, IP: l.IP, City: l.City}
			d, err := en.Assess(e, risk.Facts{Payer: known[l.Payer], Payee: known[l.Payee]})
			if err != nil {
				return f, err
			}
			went := d.Outcome == risk.Allow || d.Outcome == risk.Challenge && passes(d.Proofs, l.Factors)
			if !went && d.Outcome != risk.Block {
				if err := en.Refuse(e); err != nil {
					return f, err
				}
			}
			f.count(l, d, went)
		}
	}
	return f, nil
}

func passes(proofs, has []string) bool {
	return slices.ContainsFunc(proofs, func(p string) bool { return slices.Contains(has, p) })
}

func (f *HijackFigures) count(l story, d risk.Decision, went bool) {
	if !l.Thief {
		f.Ordinary++
		if d.Outcome != risk.Allow {
			f.OrdinaryStopped++
		}
		return
	}
	f.Attempts++
	f.AttemptedMinor += l.AmountFen
	if went {
		f.LostMinor += l.AmountFen
	}
	if l.PublishedOutcome == "lost" {
		f.PublishedLost += l.AmountFen
	}
	line := HijackLine{At: l.At, Minor: l.AmountFen, Payee: l.Payee, Outcome: d.Outcome, Proofs: d.Proofs, Lost: went}
	for _, r := range d.Reasons {
		line.Reasons = append(line.Reasons, r.Code)
	}
	f.Lines = append(f.Lines, line)
}

func readStory(path string) (out []story, err error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, ident.Invalid("file", "file_missing", "%s cannot be read; --file names the scenario", path).Because(err)
	}
	in := bufio.NewScanner(bytes.NewReader(b))
	in.Buffer(nil, 1<<20)
	for n := 1; in.Scan(); n++ {
		var l story
		if err := json.Unmarshal(in.Bytes(), &l); err != nil {
			return nil, ident.Invalid("file", "file_malformed", "%s, line %d is not an event", path, n).Because(err)
		}
		out = append(out, l)
	}
	if len(out) == 0 {
		return nil, ident.Invalid("file", "file_malformed", "%s has no event", path)
	}
	slices.SortStableFunc(out, func(a, b story) int { return a.At.Compare(b.At) })
	return out, in.Err()
}
