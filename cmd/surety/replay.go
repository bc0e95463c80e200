package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"surety/app"
	"surety/domain/rulebook"
	"surety/kernel/ident"
	"surety/kernel/money"
)

// span is a stretch of time on the command line.
type span struct {
	From string `required:"" help:"Payments made from here: a day (2026-05-18, UTC) or a time (2026-05-18T08:00:00+08:00)."`
	To   string `required:"" help:"And before this; a day ends before it begins."`
}

func (s span) times() (from, to time.Time, err error) {
	if from, err = when("from", s.From); err != nil {
		return from, to, err
	}
	to, err = when("to", s.To)
	return from, to, err
}

// when reads a day or a time.
func when(name, text string) (time.Time, error) {
	for _, layout := range []string{time.DateOnly, time.RFC3339Nano} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("--%s: %q is neither a day like 2026-05-18 nor a time like 2026-05-18T08:00:00+08:00", name, text)
}

type replayCmd struct {
	place   `embed:""`
	span    `embed:""`
	Pack    string `help:"The rules to try: a file, or the SHA-256 of a kept pack; the running ones if empty."`
	Model   string `help:"The model to try: an XGBoost JSON file, the SHA-256 of a kept one, or none; the champion in force if empty."`
	Against string `help:"Compare with what was decided at the time, or with a kept pack (SHA-256)." default:"as_decided"`
	JSON    bool   `help:"Print one JSON object."`
}

// Help says what it does to a house that is being served.
func (c *replayCmd) Help() string {
	return `It lives through the recorded payments again with other rules or another model and compares. It only reads, but for one
entry in the audit log, so a server on the same database goes on: on SQLite it reads a snapshot of the file and never waits for the
writer, nor the writer for it. What the server has acknowledged in the last seconds may not be in the database yet. It needs about
as much memory as the running engine.`
}

// beside is with, for a command that may run beside a server: it leaves alone the
// payments' journal, which one process at a time may have.
func (e *env) beside(p place, fn func(a *app.App) error) error {
	cfg := p.config(e.log)
	cfg.NoJournal = true
	a, err := app.Open(e.ctx, cfg)
	if err != nil {
		return err
	}
	return errors.Join(fn(a), a.Close())
}

// Run asks history.
func (c *replayCmd) Run(e *env) error {
	q, err := c.question()
	if err != nil {
		return err
	}
	return e.beside(c.place, func(a *app.App) error {
		bar := newBar(e.err, "hours of payments")
		rep, err := a.Rulebook.Replay(e.ctx, ident.Job("surety replay"), q, bar.set)
		bar.done()
		if err != nil {
			return err
		}
		if c.JSON {
			return e.print(rep)
		}
		tellReplay(e.out, rep)
		return nil
	})
}

func (c *replayCmd) question() (q rulebook.Question, err error) {
	q = rulebook.Question{Pack: c.Pack, Model: c.Model, Against: c.Against}
	if q.From, q.To, err = c.times(); err != nil {
		return q, err
	}
	text, found, err := fileOr(c.Pack)
	if err != nil {
		return q, err
	}
	if found {
		q.Pack, q.Text = "", string(text)
		for _, p := range rulebook.Check(q.Text) {
			return q, fmt.Errorf("%s:%d:%d: %s", c.Pack, p.Line, p.Column, p.Message)
		}
	}
	if c.Model == rulebook.NoModel {
		return q, nil
	}
	if q.File, found, err = fileOr(c.Model); found {
		q.Model = ""
	}
	return q, err
}

// fileOr reads a file if the text names one; a text that cannot be the SHA-256 of
// something kept must.
func fileOr(name string) (b []byte, found bool, err error) {
	if name == "" {
		return nil, false, nil
	}
	if b, err = os.ReadFile(name); err == nil {
		return b, true, nil
	}
	if len(name) == 64 && !strings.ContainsFunc(name, func(r rune) bool { return !strings.ContainsRune("0123456789abcdef", r) }) {
		return nil, false, nil
	}
	return nil, false, err
}

// tellReplay prints the comparison as tables.
func tellReplay(w io.Writer, r rulebook.ReplayReport) {
	amount := func(minor int64) string { return money.Of(minor, money.Currency(r.Currency)).String() }
	against := "what was decided at the time"
	if r.Against != rulebook.AsDecided {
		against = "pack " + r.Against[:min(8, len(r.Against))]
	}
	model := "rules only"
	if r.Model != "" {
		model = "model " + r.Model[:8]
	}
	fmt.Fprintf(w, "Pack %s, %s, against %s\n%s to %s, warmed by %d earlier payments\n\n", r.Pack, model, against,
		r.From.Format(time.DateTime), r.To.Format(time.DateTime), r.Warmed)
	fmt.Fprintf(w, "Payments %d, the same outcome for %d; set aside %d, failed %d\n\n", r.Payments, r.Same, r.SetAside, r.Failed)
	fmt.Fprintf(w, "%-22s %9s %22s %9s %22s %9s\n", "", "payments", "amount", "thefts", "of them", "people")
	for _, row := range []struct {
		name string
		c    rulebook.Cell
	}{{"Stopped then", r.Before}, {"Stopped now", r.After}, {"More", r.More}, {"Less", r.Less}, {"Thefts known today", r.Thefts}} {
		fmt.Fprintf(w, "%-22s %9d %22s %9d %22s %9d\n", row.name, row.c.Payments, amount(row.c.Minor), row.c.Frauds,
			amount(row.c.FraudMinor), row.c.Payers)
	}
	fmt.Fprintf(w, "\nStolen money saved %s, let go %s\n", amount(r.Saved), amount(r.LetGo))
	for _, m := range r.Moves {
		fmt.Fprintf(w, "  %-9s -> %-9s %7d payments, %d thefts\n", m.Before, m.After, m.Payments, m.Frauds)
	}
	tellRules(w, r.Rules)
	tellDays(w, r.Days)
	fmt.Fprintf(w, "\n%s\n%s\n", r.Sum().ZH, r.Sum().EN)
}

func tellRules(w io.Writer, rules []rulebook.RuleCount) {
	rules = slices.DeleteFunc(slices.Clone(rules), func(r rulebook.RuleCount) bool { return r.Before+r.After+r.Shadow == 0 })
	if len(rules) == 0 {
		return
	}
	fmt.Fprintf(w, "\n%-28s %-7s %8s %8s %8s %8s %8s %8s %9s\n", "Rule", "mode", "then", "now", "new", "gone", "shadow", "thefts", "precision")
	for _, r := range rules {
		precision := "-"
		if share, ok := r.Precision(); ok {
			precision = fmt.Sprintf("%.1f %%", 100*share)
		}
		fmt.Fprintf(w, "%-28s %-7s %8d %8d %8d %8d %8d %8d %9s\n", r.ID, r.Mode, r.Before, r.After, r.New, r.Gone, r.Shadow, r.Frauds, precision)
	}
}

// tellDays shows challenges a day as bars, as many days as fit a screen.
func tellDays(w io.Writer, days []rulebook.Day) {
	const most, width = 31, 50
	days = slices.DeleteFunc(slices.Clone(days), func(d rulebook.Day) bool { return d.ChallengedBefore+d.ChallengedAfter == 0 })
	if len(days) == 0 {
		return
	}
	top := int64(1)
	for _, d := range days {
		top = max(top, d.ChallengedBefore, d.ChallengedAfter)
	}
	fmt.Fprintf(w, "\nChallenges a day            █ then and now, ░ only then, ▒ only now; days without any are left out\n")
	if len(days) > most {
		fmt.Fprintf(w, "(the last %d of %d days)\n", most, len(days))
		days = days[len(days)-most:]
	}
	for _, d := range days {
		then, now := int(d.ChallengedBefore*width/top), int(d.ChallengedAfter*width/top)
		fmt.Fprintf(w, "%s %6d -> %6d %s%s%s\n", d.Day, d.ChallengedBefore, d.ChallengedAfter, strings.Repeat("█", min(then, now)),
			strings.Repeat("░", max(0, then-now)), strings.Repeat("▒", max(0, now-then)))
	}
}
