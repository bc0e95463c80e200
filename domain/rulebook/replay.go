package rulebook

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"surety/domain/payment"
	"surety/domain/risk"
	"surety/kernel/ident"
	"surety/kernel/money"
	"surety/kernel/policy"
	"surety/platform/access"
)

// Question is what somebody asks history.
type Question struct {
	From time.Time `json:"from"` // payments made from here
	To   time.Time `json:"to"`   // and before this
	// Pack is the sha256 of a kept pack; Text is one that is kept nowhere. Neither:
	// the pack that runs.
	Pack string `json:"pack,omitempty"`
	Text string `json:"text,omitempty"`
	// Model is the sha256 of a model, "none" for rules only, "" for the champion in
	// force.
	Model string `json:"model,omitempty"`
	// Against is AsDecided (or ""), or the sha256 of a pack to compare with.
	Against string `json:"against,omitempty"`
	// File is a model that is kept nowhere; it comes before Model.
	File []byte `json:"-"`
}

// Words of a Question.
const (
	AsDecided = "as_decided" // compare with what was decided at the time
	NoModel   = "none"       // rules only
)

// maxSpan bounds the span of a question.
const maxSpan = 400 * 24 * time.Hour

// Check refuses a question that has no answer, fields in a fixed order.
func (q Question) Check() error {
	switch {
	case q.From.IsZero():
		return ident.Invalid("from", "required", "from is missing: which payments?")
	case !q.From.Before(q.To):
		return ident.Invalid("to", "window", "to must be after from")
	case q.To.Sub(q.From) > maxSpan:
		return ident.Invalid("to", "window_too_long", "at most %d days at a time", maxSpan/(24*time.Hour))
	case q.Pack != "" && q.Text != "":
		return ident.Invalid("text", "twice", "name a pack or give a text, not both")
	}
	return nil
}

// Sample is one payment of a cell.
type Sample struct {
	Payment string       `json:"payment"`
	At      time.Time    `json:"at"`
	Minor   int64        `json:"minor"`
	Before  risk.Outcome `json:"before"`
	After   risk.Outcome `json:"after"`
	Fraud   bool         `json:"fraud"`
	Rules   []string     `json:"rules"` // that speak against it in the end
}

// maxSamples bounds the payments named in one cell: the largest.
const maxSamples = 20

// Cell is a set of payments.
type Cell struct {
	Payments   int64    `json:"payments"`
	Minor      int64    `json:"minor"` // sum, in the pack's currency; others are counted and not summed
	Frauds     int64    `json:"frauds"`
	FraudMinor int64    `json:"fraud_minor"`
	Ordinary   int64    `json:"ordinary"` // not known as thefts
	Payers     int64    `json:"payers"`   // distinct, of the ordinary ones: people who would be disturbed
	Samples    []Sample `json:"samples,omitempty"`

	seen map[string]struct{}
}

// Move is the payments that went from one outcome to another.
type Move struct {
	Before risk.Outcome `json:"before"`
	After  risk.Outcome `json:"after"`
	Cell
}

// Day is one day of the span, local to the pack.
type Day struct {
	Day              string `json:"day"`
	Payments         int64  `json:"payments"`
	ChallengedBefore int64  `json:"challenged_before"`
	ChallengedAfter  int64  `json:"challenged_after"`
	StoppedBefore    int64  `json:"stopped_before"`
	StoppedAfter     int64  `json:"stopped_after"`
}

// RuleCount is one rule over the span.
type RuleCount struct {
	ID       string `json:"id"`
	ZH       string `json:"zh"`
	EN       string `json:"en"`
	Mode     string `json:"mode"`     // "" if the pack no longer has it
	Before   int64  `json:"before"`   // payments it spoke against then
	After    int64  `json:"after"`    // payments it would speak against
	New      int64  `json:"new"`      // of these, those it did not then
	Gone     int64  `json:"gone"`     // those it did then and would not
	Shadow   int64  `json:"shadow"`   // noted only
	Stopped  int64  `json:"stopped"`  // of After and Shadow: payments that would be stopped in the end
	Frauds   int64  `json:"frauds"`   // of After and Shadow: thefts
	Ordinary int64  `json:"ordinary"` // of After and Shadow: in order, by a label or because nobody has complained in time
	Unknown  int64  `json:"unknown"`  // of After and Shadow: too young to tell
}

// Precision is the share of thefts among the payments it speaks against of which
// the end is known; ok is false if there are none.
func (r RuleCount) Precision() (share float64, ok bool) {
	if r.Frauds+r.Ordinary == 0 {
		return 0, false
	}
	return float64(r.Frauds) / float64(r.Frauds+r.Ordinary), true
}

// ReplayReport is history's answer. The same question about the same history gets
// the same report, to the byte.
type ReplayReport struct {
	From    time.Time      `json:"from"`
	To      time.Time      `json:"to"`
	Pack    policy.Version `json:"pack"`
	Model   string         `json:"model"` // sha256; "" for rules only
	Against string         `json:"against"`

	Warmed   int   `json:"warmed"`    // payments before the span, which warmed the memory
	Payments int64 `json:"payments"`  // judged
	Same     int64 `json:"same"`      // of these: the same outcome
	SetAside int64 `json:"set_aside"` // not compared: a person's order stopped them at the time
	Failed   int64 `json:"failed"`    // could not be judged

	Currency string `json:"currency"`     // of all sums
	More     Cell   `json:"more"`         // went then, would be stopped
	Less     Cell   `json:"less"`         // were stopped then, would go
	Moves    []Move `json:"moves"`        // every change of outcome, mildest first
	Before   Cell   `json:"before"`       // stopped then
	After    Cell   `json:"after"`        // would be stopped
	Thefts   Cell   `json:"thefts"`       // known today, whatever their outcome
	Saved    int64  `json:"saved_minor"`  // money of thefts that went and would be stopped
	LetGo    int64  `json:"let_go_minor"` // money of thefts that were stopped and would go

	Days  []Day       `json:"days"`
	Rules []RuleCount `json:"rules"`
}

// Replay asks history. It changes nothing and needs about as much memory as the
// engine of the span. progress, which may be nil, is told hours of history.
func (s *Service) Replay(ctx context.Context, actor ident.Actor, q Question, progress func(done, total int)) (ReplayReport, error) {
	if err := s.mayTry(ctx, actor, q); err != nil {
		return ReplayReport{}, err
	}
	return s.replay(ctx, q, progress)
}

// mayTry checks and records that somebody tries rules.
func (s *Service) mayTry(ctx context.Context, actor ident.Actor, q Question) error {
	if err := q.Check(); err != nil {
		return err
	}
	return s.cfg.Access.Update(ctx, actor, access.ActRiskEdit, access.Object{ID: q.Pack},
		map[string]any{"replay": []time.Time{q.From, q.To}, "model": q.Model, "against": q.Against}, nothing)
}

// replay is Replay after the check.
func (s *Service) replay(ctx context.Context, q Question, progress func(done, total int)) (ReplayReport, error) {
	if q.Against == "" {
		q.Against = AsDecided
	}
	next, model, err := s.pastOf(ctx, q, q.Pack, q.Text)
	if err != nil {
		return ReplayReport{}, err
	}
	pasts := []*past{next}
	if q.Against != AsDecided {
		before, _, err := s.pastOf(ctx, q, q.Against, "")
		if err != nil {
			return ReplayReport{}, err
		}
		pasts = append(pasts, before)
	}
	c := newComparison(q, next.pack, model, s.cfg.Clock.Now().Add(-s.cfg.Delay))
	w := walk{s: s, from: q.From, to: q.To, pasts: pasts, progress: progress, visit: func(st *step) error { return c.visit(pasts, st) }}
	if err := w.run(ctx); err != nil {
		return ReplayReport{}, err
	}
	return c.report(w.warmed), nil
}

// pastOf makes the engine of a question, with its pack and its model.
func (s *Service) pastOf(ctx context.Context, q Question, sha, text string) (*past, string, error) {
	text, err := s.textOf(ctx, sha, text)
	if err != nil {
		return nil, "", err
	}
	pack, err := risk.LoadPack(text)
	if err != nil {
		return nil, "", err
	}
	p, err := s.newPast(pack, q.From.Add(-reachOf(pack)))
	if err != nil {
		return nil, "", err
	}
	model, err := s.modelFor(ctx, p, q)
	return p, model, err
}

// textOf is a pack's text: given, kept, or the running one.
func (s *Service) textOf(ctx context.Context, sha, text string) (string, error) {
	switch {
	case text != "":
		return text, nil
	case sha == "" || sha == s.cfg.Engine.Pack().Version.SHA256:
		return s.cfg.Engine.Running().Text(), nil
	}
	p, err := s.Pack(ctx, sha)
	return p.Text, err
}

// comparison gathers what a replay finds.
type comparison struct {
	rep     ReplayReport
	info    risk.PackInfo
	mature  time.Time // payments before this without a label are in order
	zone    *time.Location
	moves   map[[2]risk.Outcome]*Move
	rules   map[string]*RuleCount
	days    []Day
	failure error // the first
}

func newComparison(q Question, p *risk.Pack, model string, mature time.Time) *comparison {
	info := p.Info()
	c := &comparison{info: info, mature: mature, zone: zoneOf(p), moves: map[[2]risk.Outcome]*Move{}, rules: map[string]*RuleCount{}}
	c.rep = ReplayReport{From: q.From.UTC(), To: q.To.UTC(), Pack: info.Version, Model: model, Against: q.Against,
		Currency: string(info.Currency), Days: []Day{}}
	for _, r := range info.Rules {
		c.rules[r.ID] = &RuleCount{ID: r.ID, ZH: r.ZH, EN: r.EN, Mode: string(r.Mode)}
	}
	return c
}

// visit judges one payment in each past and compares.
func (c *comparison) visit(pasts []*past, st *step) error {
	after, err := pasts[0].judge(st)
	before := st.recorded
	if err == nil && len(pasts) > 1 {
		before, err = pasts[1].judge(st)
	}
	if err != nil {
		// One that live refused as malformed is in no journal: this is the engine's
		// own doubt, such as a time far from all others.
		c.rep.Failed++
		if c.failure == nil {
			c.failure = err
		}
		return nil
	}
	if len(pasts) == 1 && before.Stop != "" {
		c.rep.SetAside++
		return nil
	}
	c.add(st, before, after)
	return nil
}

// stopped reports an outcome that is not simply to let go.
func stopped(o risk.Outcome) bool { return o != risk.Allow }

func (c *comparison) add(st *step, before, after risk.Decision) {
	rep := &c.rep
	rep.Payments++
	day := c.day(st.event.At)
	day.Payments++
	day.ChallengedBefore += one(before.Outcome == risk.Challenge)
	day.ChallengedAfter += one(after.Outcome == risk.Challenge)
	day.StoppedBefore += one(stopped(before.Outcome))
	day.StoppedAfter += one(stopped(after.Outcome))
	sample := Sample{Payment: st.req.ID, At: st.event.At, Minor: c.minor(st.req), Before: before.Outcome, After: after.Outcome,
		Fraud: st.fraud(), Rules: codes(after.Reasons)}
	if before.Outcome == after.Outcome {
		rep.Same++
	} else {
		key := [2]risk.Outcome{before.Outcome, after.Outcome}
		if c.moves[key] == nil {
			c.moves[key] = &Move{Before: before.Outcome, After: after.Outcome}
		}
		c.moves[key].add(st, sample)
	}
	was, is := stopped(before.Outcome), stopped(after.Outcome)
	if was {
		rep.Before.add(st, sample)
	}
	if is {
		rep.After.add(st, sample)
	}
	if sample.Fraud {
		rep.Thefts.add(st, sample)
	}
	switch {
	case is && !was:
		rep.More.add(st, sample)
	case was && !is:
		rep.Less.add(st, sample)
	}
	c.byRule(st, before, after)
}

func one(yes bool) int64 {
	if yes {
		return 1
	}
	return 0
}

// fraud reports a payment that is known today as a theft.
func (st *step) fraud() bool { return st.labelled && st.label.Fraud }

// minor is what the payment adds to sums.
func (c *comparison) minor(r payment.Request) int64 {
	if r.Amount.Currency != c.info.Currency {
		return 0
	}
	return r.Amount.Minor
}

// day is the last day, or a new one: payments come in the order of their times.
func (c *comparison) day(at time.Time) *Day {
	name := at.In(c.zone).Format(time.DateOnly)
	if n := len(c.days); n == 0 || c.days[n-1].Day != name {
		c.days = append(c.days, Day{Day: name})
	}
	return &c.days[len(c.days)-1]
}

// add puts a payment into the cell.
func (c *Cell) add(st *step, s Sample) {
	c.Payments++
	c.Minor += s.Minor
	if s.Fraud {
		c.Frauds++
		c.FraudMinor += s.Minor
	} else {
		c.Ordinary++
		if c.seen == nil {
			c.seen = map[string]struct{}{}
		}
		c.seen[st.req.Payer] = struct{}{}
	}
	// Largest first; of equal ones those that came first.
	i, _ := slices.BinarySearchFunc(c.Samples, s.Minor, func(have Sample, minor int64) int {
		if have.Minor >= minor {
			return -1
		}
		return 1
	})
	if i < maxSamples {
		c.Samples = slices.Insert(c.Samples, i, s)
		c.Samples = c.Samples[:min(len(c.Samples), maxSamples)]
	}
}

// close counts the people.
func (c *Cell) close(samples bool) {
	c.Payers, c.seen = int64(len(c.seen)), nil
	if !samples {
		c.Samples = nil
	}
}

// codes are the rules among reasons, by name.
func codes(rs []risk.Reason) []string {
	out := make([]string, 0, len(rs))
	for _, r := range rs {
		out = append(out, r.Code)
	}
	slices.Sort(out)
	return out
}

func (c *comparison) byRule(st *step, before, after risk.Decision) {
	was, is, noted := codes(before.Reasons), codes(after.Reasons), codes(after.Shadow)
	for _, id := range was {
		r := c.rule(id, before.Reasons)
		r.Before++
		if !slices.Contains(is, id) {
			r.Gone++
		}
	}
	for _, id := range is {
		r := c.rule(id, after.Reasons)
		r.After++
		if !slices.Contains(was, id) {
			r.New++
		}
		c.worth(r, st, after.Outcome)
	}
	for _, id := range noted {
		r := c.rule(id, after.Shadow)
		r.Shadow++
		c.worth(r, st, after.Outcome)
	}
}

// worth counts what became of a payment that a rule speaks against.
func (c *comparison) worth(r *RuleCount, st *step, o risk.Outcome) {
	r.Stopped += one(stopped(o))
	switch {
	case st.fraud():
		r.Frauds++
	case st.labelled || st.event.At.Before(c.mature):
		r.Ordinary++
	default:
		r.Unknown++
	}
}

// rule is the count of a rule; one that only the other pack has, or the engine's
// own reason, has the words it spoke with.
func (c *comparison) rule(id string, from []risk.Reason) *RuleCount {
	if r := c.rules[id]; r != nil {
		return r
	}
	r := &RuleCount{ID: id}
	for _, said := range from {
		if said.Code == id {
			r.ZH, r.EN = said.ZH, said.EN
		}
	}
	c.rules[id] = r
	return r
}

func (c *comparison) report(warmed int) ReplayReport {
	rep := c.rep
	rep.Warmed = warmed
	rep.Saved, rep.LetGo = rep.More.FraudMinor, rep.Less.FraudMinor
	rep.More.close(true)
	rep.Less.close(true)
	for _, cell := range []*Cell{&rep.Before, &rep.After, &rep.Thefts} {
		cell.close(false)
	}
	rep.Days = append(rep.Days, c.days...)
	rep.Moves = make([]Move, 0, len(c.moves))
	for _, m := range c.moves {
		m.close(true)
		rep.Moves = append(rep.Moves, *m)
	}
	slices.SortFunc(rep.Moves, func(a, b Move) int {
		if d := rank(a.Before) - rank(b.Before); d != 0 {
			return d
		}
		return rank(a.After) - rank(b.After)
	})
	rep.Rules = make([]RuleCount, 0, len(c.rules))
	for _, r := range c.rules {
		rep.Rules = append(rep.Rules, *r)
	}
	slices.SortFunc(rep.Rules, func(a, b RuleCount) int { return strings.Compare(a.ID, b.ID) })
	return rep
}

// rank orders outcomes, mildest first.
func rank(o risk.Outcome) int {
	return slices.Index([]risk.Outcome{risk.Allow, risk.Challenge, risk.Hold, risk.Block}, o)
}

// Sum says the report in one sentence.
func (r ReplayReport) Sum() Text {
	unit := func(minor int64) string { return money.Of(minor, money.Currency(r.Currency)).String() }
	return Text{
		ZH: fmt.Sprintf("%d 笔付款中，多拦 %d 笔（其中盗付 %d 笔，%s），少拦 %d 笔（其中盗付 %d 笔，%s），多打扰 %d 位正常付款人。",
			r.Payments, r.More.Payments, r.More.Frauds, unit(r.Saved), r.Less.Payments, r.Less.Frauds, unit(r.LetGo), r.More.Payers),
		EN: fmt.Sprintf("Of %d payments, %d more would be stopped (%d thefts, %s) and %d fewer (%d thefts, %s); "+
			"%d ordinary payers would be disturbed anew.",
			r.Payments, r.More.Payments, r.More.Frauds, unit(r.Saved), r.Less.Payments, r.Less.Frauds, unit(r.LetGo), r.More.Payers),
	}
}
