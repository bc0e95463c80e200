package risk

import (
	"cmp"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"surety/kernel/ident"
	"surety/kernel/policy"
)

// Recompute makes a recorded decision anew from its own features: with the pack
// and the models that made it, it comes to the same, to the byte. If others are
// in force, the error (KindState) says which are needed; Pack.Recompute takes any.
func (en *Engine) Recompute(d Decision, e Event) (Decision, error) {
	en.mu.RLock()
	defer en.mu.RUnlock()
	p := en.run.pack
	if d.Pack.SHA256 != p.version.SHA256 {
		return Decision{}, ident.E(ident.KindState, "pack_other", "pack %s made the decision, %s is in force", d.Pack, p.version)
	}
	champion, challengers := en.run.scorers()
	return p.Recompute(d, e, champion, challengers)
}

// Recompute makes a recorded decision anew with this pack and these models. All
// that was not a function of the features is taken from the record: the stop that
// touched the payment, the rules that were over their limit, the price of a
// challenge, a model that had failed, and the word of a challenger that is not among
// challengers.
func (p *Pack) Recompute(d Decision, e Event, champion *Scorer, challengers []*Scorer) (Decision, error) {
	j, err := p.rejudge(d, e, champion, challengers)
	if err != nil {
		return Decision{}, err
	}
	j.judge()
	var out Decision
	j.s.v.decision(j.s, j.champion, &out)
	return out, nil
}

// rejudgement is a judgement of recorded features.
type rejudgement struct {
	pack        *Pack
	d           Decision
	e           Event
	s           *scratch
	champion    *model
	challengers []*model
	fixed       bool // the model's word is that of the record
}

// rejudge reads the record into a row.
func (p *Pack) rejudge(d Decision, e Event, champion *Scorer, challengers []*Scorer) (*rejudgement, error) {
	if err := e.Check(); err != nil {
		return nil, err
	}
	j := &rejudgement{pack: p, d: d, e: e, s: p.newScratch()}
	for i, slot := range p.record.slots {
		info := &p.record.infos[i]
		v, ok := d.Features.Get(info.Name)
		if !ok {
			return nil, ident.Invalid("features", "feature_missing", "the decision has no feature %s, which pack %s reads", info.Name, p.version)
		}
		if !j.set(slot, info.Type, v) {
			return nil, ident.Invalid("features", "feature_type", "the decision's feature %s is %v, and no %s", info.Name, v, info.Type)
		}
	}
	if d.Model == nil {
		champion = nil
	}
	if d.Model != nil && (champion == nil || champion.Version != d.Model.Version) {
		return nil, ident.E(ident.KindState, "model_other", "model %s of version %s made the decision; it is not at hand",
			d.Model.Name, d.Model.Version)
	}
	challengers = slices.DeleteFunc(slices.Clone(challengers), func(s *Scorer) bool {
		return !slices.ContainsFunc(d.Challengers, func(v ModelView) bool { return v.Version == s.Version && v.Name == s.Name })
	})
	var err error
	j.champion, j.challengers, err = p.fitAll(champion, challengers)
	return j, err
}

// set puts a value into a slot; nil breaks it. False if it has another type.
func (j *rejudgement) set(slot int, t policy.Type, v any) bool {
	row := &j.s.row
	switch x := v.(type) {
	case nil:
		j.s.broken = append(j.s.broken, slot)
		return true
	case int64:
		row.N[slot] = x
		return t == policy.Int
	case float64:
		row.SetDouble(slot, x)
		return t == policy.Double
	case bool:
		row.SetBool(slot, x)
		return t == policy.Bool
	case string:
		if t == policy.String {
			row.S[slot] = x
			return true
		}
	}
	return false
}

// judge finds the outcome of the row as it stands.
func (j *rejudgement) judge() {
	p, s, v := j.pack, j.s, &j.s.v
	v.reset(p, &j.e)
	for _, f := range j.d.Failed {
		if strings.HasPrefix(f, "where:") {
			v.failed = append(v.failed, f)
		}
	}
	p.ask(s, j.e.Type)
	for _, f := range j.d.Failed {
		if strings.HasPrefix(f, "model:") {
			v.failed = append(v.failed, f)
		}
	}
	n := 0
	for _, r := range v.fired {
		if slices.Contains(j.d.Capped, r.id) {
			v.capped = append(v.capped, r)
			continue
		}
		v.fired[n] = r
		n++
	}
	v.fired = v.fired[:n]
	price := int64(plainPrice)
	if m := j.d.Model; m != nil {
		price = max(price, m.Price)
	}
	amount := s.row.N[p.facts[factAmount]]
	if m := j.d.Model; m != nil && j.fixed {
		v.scored, v.champion = true, *m
		v.costs = p.costs.expected(m.Probability, amount, price)
		v.modelSays = cheapest(v.costs)
	} else {
		v.consult(s, j.champion, j.challengers, amount, price)
		j.recordedOthers()
	}
	if j.d.Stop != "" {
		v.stopID, v.stopSays = j.d.Stop, j.d.StopOutcome
		for _, r := range j.d.Reasons {
			if r.Code == ReasonStop {
				v.stopReason = r
			}
		}
	}
	v.late = j.d.Late
	s.listed = j.d.Listed
	v.combine()
}

// recordedOthers lets challengers that are not at hand say what they said, in the
// order of the record.
func (j *rejudgement) recordedOthers() {
	v := &j.s.v
	var out []ModelView
	for _, was := range j.d.Challengers {
		i := slices.IndexFunc(v.others, func(m ModelView) bool { return m.Version == was.Version && m.Name == was.Name })
		if i >= 0 {
			was = v.others[i]
		}
		out = append(out, was)
	}
	v.others = out
}

// Change is one feature that, changed alone, would have made the outcome milder.
type Change struct {
	Feature string  `json:"feature"`
	ZH      string  `json:"zh"`
	EN      string  `json:"en"`
	Unit    string  `json:"unit,omitempty"`
	From    any     `json:"from"` // as in Value
	To      any     `json:"to"`   // the nearest value that was found to do
	Outcome Outcome `json:"outcome"`
}

// WhatWouldChange looks for single features whose change would have made the
// outcome milder, mildest outcome first: a yes for a no, a number moved to the
// nearest place that was found. What is derived from the changed feature follows
// it; the model's probability is taken as it was, for the pack has no model. Each
// change was judged and found to do. Of a decision that this pack cannot read, or
// that was allowed, there are none.
func (p *Pack) WhatWouldChange(d Decision, e Event) []Change {
	model := d.Model
	d.Model = nil
	j, err := p.rejudge(d, e, nil, nil)
	if err != nil || d.Outcome == Allow {
		return nil
	}
	j.d.Model, j.fixed = model, true
	return j.changes()
}

// WhatWouldChange is Pack.WhatWouldChange with the champion asked again about
// each change, if it is the one that made the decision.
func (en *Engine) WhatWouldChange(d Decision, e Event) []Change {
	en.mu.RLock()
	defer en.mu.RUnlock()
	champion, _ := en.run.scorers()
	j, err := en.run.pack.rejudge(d, e, champion, nil)
	if err != nil {
		return en.run.pack.WhatWouldChange(d, e)
	}
	if d.Outcome == Allow {
		return nil
	}
	return j.changes()
}

// changes tries every feature. The facts of the engine's own doubts (a currency,
// what failed) and a person's order do not change.
func (j *rejudgement) changes() (out []Change) {
	j.judge()
	was := j.s.v.outcome
	ints, texts := j.candidates()
	for i, slot := range j.pack.record.slots {
		info := &j.pack.record.infos[i]
		from, _ := j.d.Features.Get(info.Name)
		if from == nil || info.Kind == kindNames[kindListed] && from == false { // a list nobody was put on is no answer
			continue
		}
		best, milder := any(nil), was
		for _, to := range j.tries(info.Type, from, ints, texts) {
			if o := j.with(slot, info.Type, from, to); o.severity() < milder.severity() ||
				best != nil && o == milder && nearer(from, to, best) {
				best, milder = to, o
			}
		}
		if best == nil {
			continue
		}
		best = j.closest(slot, info.Type, from, best, milder)
		out = append(out, Change{info.Name, info.ZH, info.EN, info.Unit, from, best, milder})
	}
	slices.SortStableFunc(out, func(a, b Change) int { return cmp.Compare(a.Outcome.severity(), b.Outcome.severity()) })
	return out
}

// with is the outcome if a slot had another value; the row is then as before.
func (j *rejudgement) with(slot int, t policy.Type, from, to any) Outcome {
	n, s := slices.Clone(j.s.row.N), slices.Clone(j.s.row.S)
	broken := len(j.s.broken)
	j.set(slot, t, to)
	moved := []int{slot}
	for _, x := range j.pack.values {
		if x.slot != slot && intersect(x.after, moved) && !slices.Contains(j.s.broken[:broken], x.slot) {
			j.pack.computeOne(j.s, x)
			moved = append(moved, x.slot)
		}
	}
	j.judge()
	o := j.s.v.outcome
	copy(j.s.row.N, n)
	copy(j.s.row.S, s)
	j.s.broken = j.s.broken[:broken]
	return o
}

func intersect(a, b []int) bool {
	return slices.ContainsFunc(a, func(x int) bool { return slices.Contains(b, x) })
}

// literals are numbers and texts as they stand in conditions.
var literals = regexp.MustCompile(`"[^"\\]*"|'[^'\\]*'|\d+(\.\d+)?`)

// candidates are the numbers and texts that the rules which fired, and the values
// they use, compare with.
func (j *rejudgement) candidates() (numbers []float64, texts []string) {
	var all strings.Builder
	for _, r := range j.s.v.fired {
		all.WriteString(r.when.Text() + " ")
	}
	for _, x := range j.pack.values {
		all.WriteString(x.formula.Text() + " ")
	}
	for _, m := range literals.FindAllString(all.String(), -1) {
		if n, err := strconv.ParseFloat(m, 64); err == nil {
			numbers = append(numbers, n)
		} else {
			texts = append(texts, m[1:len(m)-1])
		}
	}
	for _, l := range j.pack.limits {
		numbers = append(numbers, float64(l.value))
	}
	return append(numbers, 0), texts
}

// tries are other values for a feature.
func (j *rejudgement) tries(t policy.Type, from any, numbers []float64, texts []string) (out []any) {
	switch x := from.(type) {
	case bool:
		return []any{!x}
	case string:
		for _, s := range texts {
			if s != x {
				out = append(out, s)
			}
		}
	case int64:
		for _, n := range numbers {
			for _, v := range []int64{int64(n) - 1, int64(n), int64(n) + 1} {
				if v != x && v >= -1 {
					out = append(out, v)
				}
			}
		}
		out = append(out, x/2, x*2, x*100)
	case float64:
		for _, n := range numbers {
			out = append(out, n, math.Nextafter(n, math.Inf(-1)), math.Nextafter(n, math.Inf(1)))
		}
		out = append(out, x/2, x*2, x*100)
	}
	return out
}

func number(v any) (float64, bool) {
	switch x := v.(type) {
	case int64:
		return float64(x), true
	case float64:
		return x, true
	}
	return 0, false
}

func nearer(from, a, b any) bool {
	f, ok := number(from)
	x, _ := number(a)
	y, _ := number(b)
	return ok && math.Abs(x-f) < math.Abs(y-f)
}

// closest halves the way between the value that was and one that does, as long
// as it can, and keeps to values that were judged and do.
func (j *rejudgement) closest(slot int, t policy.Type, was, does any, want Outcome) any {
	if from, ok := was.(int64); ok {
		to, _ := does.(int64)
		for d := to - from; d > 1 || d < -1; d = to - from {
			if mid := from + d/2; j.with(slot, t, was, mid) == want {
				to = mid
			} else {
				from = mid
			}
		}
		return to
	}
	if from, ok := was.(float64); ok {
		to, _ := does.(float64)
		for range 60 {
			if mid := from + (to-from)/2; j.with(slot, t, was, mid) == want {
				to = mid
			} else {
				from = mid
			}
		}
		return to
	}
	return does
}
