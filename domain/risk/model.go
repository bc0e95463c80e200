package risk

import (
	"cmp"
	"math"
	"slices"

	"surety/kernel/boost"
	"surety/kernel/ident"
	"surety/kernel/policy"
)

// Scorer is a model that is to judge payments.
type Scorer struct {
	Name    string
	Version string // SHA-256 of its file, hex
	Model   *boost.Model
}

// ModelView is what a model said of a payment.
type ModelView struct {
	Name        string  `json:"name"`
	Version     string  `json:"version"` // SHA-256 of its file, hex
	Probability float64 `json:"probability"`
	Margin      float32 `json:"margin"`
	// Price is what a challenge cost then, in permille of its plain cost, when the
	// day's budget was ahead of the clock; 0: plain.
	Price int64 `json:"price,omitempty"`
	// Costs is what each outcome would cost on average, minor units; of payments
	// only that the model or the rules would not simply allow. Pack.Expected gives
	// them for any.
	Costs map[Outcome]int64 `json:"costs,omitempty"`
	// Contributions are the model's reasons, largest first; of stopped payments only.
	Contributions []Contribution `json:"contributions,omitempty"`
}

// Contribution is what one feature added to the margin of a model.
type Contribution struct {
	Feature string  `json:"feature"`
	Value   float64 `json:"value"` // of the feature; NaN, written as null, if it is missing
	Margin  float64 `json:"margin"`
}

// maxReasons is how many contributions a decision carries.
const maxReasons = 8

// input is a number of the row as models and training read it.
type input struct {
	name     string
	alias    string
	slot     int
	kind     policy.Type
	declared bool // the value for missing is no number
	missing  int64
}

// read is the one place where a feature becomes a model's number: the same in
// live, in training and in recomputing.
func (in *input) read(row *policy.Row) float64 {
	v := row.N[in.slot]
	if in.declared && v == in.missing {
		return math.NaN()
	}
	if in.kind == policy.Double {
		return math.Float64frombits(uint64(v))
	}
	return float64(v)
}

// loadNumbers lists what models may read, in the order of the record.
func (p *Pack) loadNumbers() {
	for i, slot := range p.record.slots {
		info := &p.record.infos[i]
		if info.Type == policy.String {
			continue
		}
		in := input{name: info.Name, alias: info.Alias, slot: slot, kind: info.Type}
		for _, x := range p.features {
			if x.slot == slot {
				in.declared, in.missing = x.declared, x.missing
			}
		}
		if f := factByName(info.Name); f == factPayerAge || f == factPayeeAge {
			in.declared, in.missing = true, unknown
		}
		p.numbers = append(p.numbers, in)
	}
}

// model is a scorer whose inputs are found.
type model struct {
	*Scorer
	inputs []input
	slots  []int
}

// fit finds the features that a model asks for, by name or by alias.
func (p *Pack) fit(s *Scorer) (*model, error) {
	if s.Model == nil || s.Name == "" || s.Version == "" {
		return nil, ident.Invalid("model", "model_invalid", "a model needs its name, its version and its trees")
	}
	m := &model{Scorer: s}
	names := s.Model.Features()
	if len(names) == 0 {
		return nil, ident.Invalid("model", "model_names", "model %s does not name its features: nobody can tell which they are", s.Name)
	}
	for _, name := range names {
		in := p.number(name)
		if in == nil {
			return nil, ident.Invalid("model", "model_feature", "model %s reads %q, which pack %s has not as a number",
				s.Name, name, p.version)
		}
		m.inputs = append(m.inputs, *in)
		m.slots = append(m.slots, in.slot)
	}
	return m, nil
}

func (p *Pack) fitAll(champion *Scorer, challengers []*Scorer) (first *model, others []*model, err error) {
	if champion != nil {
		if first, err = p.fit(champion); err != nil {
			return nil, nil, err
		}
	}
	for _, c := range challengers {
		if c == nil {
			return nil, nil, ident.Invalid("model", "model_invalid", "a challenger is missing")
		}
		m, err := p.fit(c)
		if err != nil {
			return nil, nil, err
		}
		others = append(others, m)
	}
	return first, others, nil
}

// score asks the model. It does not panic: whatever is wrong is an error, and the
// rules decide.
func (m *model) score(s *scratch) (view ModelView, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = ident.E(ident.KindInternal, "model_failed", "model %s failed: %v", m.Name, r)
		}
	}()
	view = ModelView{Name: m.Name, Version: m.Version}
	if len(s.broken) > 0 && s.reads(m.slots) {
		return view, ident.E(ident.KindInternal, "model_failed", "model %s lacks a feature that could not be computed", m.Name)
	}
	s.input = s.input[:0]
	for i := range m.inputs {
		s.input = append(s.input, float32(m.inputs[i].read(&s.row)))
	}
	view.Margin = m.Model.Margin(s.input)
	view.Probability = m.Model.Calibrated(view.Margin)
	if !(view.Probability >= 0 && view.Probability <= 1) || view.Margin != view.Margin {
		return view, ident.E(ident.KindInternal, "model_failed", "model %s says %v", m.Name, view.Probability)
	}
	return view, nil
}

// explain finds the model's reasons, the weightiest first. Like score it does not
// panic; without an explanation there is none.
func (m *model) explain(s *scratch) (out []Contribution) {
	defer func() {
		if r := recover(); r != nil {
			out = nil // a score without its reasons is still a score
		}
	}()
	s.input = s.input[:0]
	for i := range m.inputs {
		s.input = append(s.input, float32(m.inputs[i].read(&s.row)))
	}
	s.reason = slices.Grow(s.reason[:0], len(s.input)+1)[:len(s.input)+1]
	m.Model.Explain(s.input, s.reason)
	for i := range m.inputs {
		if s.reason[i] != 0 {
			out = append(out, Contribution{m.inputs[i].name, m.inputs[i].read(&s.row), s.reason[i]})
		}
	}
	slices.SortStableFunc(out, func(a, b Contribution) int { return cmp.Compare(math.Abs(b.Margin), math.Abs(a.Margin)) })
	return slices.Clip(out[:min(len(out), maxReasons)])
}

// SetModels puts models in force: the champion decides with the rules, the
// challengers are only noted. A nil champion: the rules decide alone. A model
// that reads a feature the pack lacks is refused by name, and nothing changes.
func (en *Engine) SetModels(champion *Scorer, challengers []*Scorer) error {
	en.mu.Lock()
	defer en.mu.Unlock()
	if en.next != nil {
		return ident.E(ident.KindConflict, "publishing", "a pack is being published with its models; wait until it is in force")
	}
	next := *en.run
	var err error
	if next.champion, next.challengers, err = next.pack.fitAll(champion, challengers); err != nil {
		return err
	}
	en.run = &next
	return nil
}

// FeatureNames are the names of what Features returns, by place.
func (en *Engine) FeatureNames() []string {
	en.mu.RLock()
	defer en.mu.RUnlock()
	return en.run.pack.FeatureNames()
}

// FeatureNames are the numbers that a model may read, in the order of Features.
func (p *Pack) FeatureNames() []string {
	out := make([]string, len(p.numbers))
	for i := range p.numbers {
		out[i] = p.numbers[i].name
	}
	return out
}

// Features are the numbers of a payment as a model would read them now, in the
// order of FeatureNames; NaN where one is missing. It changes nothing.
func (en *Engine) Features(e Event, f Facts) ([]float64, error) {
	en.mu.RLock()
	defer en.mu.RUnlock()
	at, err := en.check(&e)
	if err != nil {
		return nil, err
	}
	r := en.run
	s := r.scratch()
	defer r.release(s)
	r.store.Advance(en.now())
	var h hashes
	r.pack.hash(&e, &h)
	r.pack.prepare(s, &e, &h, at)
	r.pack.accountFacts(&e, &f, &s.row)
	r.pack.readLists(en.lists, s, &e, &f)
	func() {
		tx := r.store.Begin(s.keys)
		defer tx.End()
		r.pack.readAsNew(s, tx)
	}()
	r.pack.compute(s)
	return r.pack.numbersOf(s), nil
}

// NumberOf is a recorded feature as a model would read it, by name or by alias:
// NaN if it is missing or could not be computed. ok is false if the pack has no
// such number or the record does not carry it.
func (p *Pack) NumberOf(v Values, name string) (x float64, ok bool) {
	in := p.number(name)
	if in == nil {
		return math.NaN(), false
	}
	got, ok := v.Get(in.name)
	if !ok {
		return math.NaN(), false
	}
	switch n := got.(type) {
	case int64:
		if in.declared && in.kind == policy.Int && n == in.missing {
			return math.NaN(), true
		}
		return float64(n), true
	case float64:
		if in.declared && in.kind == policy.Double && bits(n) == in.missing {
			return math.NaN(), true
		}
		return n, true
	case bool:
		if n {
			return 1, true
		}
		return 0, true
	}
	return math.NaN(), true
}

// number finds what a model may read, by name or else by alias; nil if there is none.
func (p *Pack) number(name string) *input {
	i := slices.IndexFunc(p.numbers, func(in input) bool { return in.name == name })
	if i < 0 {
		i = slices.IndexFunc(p.numbers, func(in input) bool { return in.alias != "" && in.alias == name })
	}
	if i < 0 {
		return nil
	}
	return &p.numbers[i]
}

// numbersOf are the numbers of a row; what is broken is NaN.
func (p *Pack) numbersOf(s *scratch) []float64 {
	out := make([]float64, len(p.numbers))
	for i := range p.numbers {
		out[i] = p.numbers[i].read(&s.row)
		if len(s.broken) > 0 && slices.Contains(s.broken, p.numbers[i].slot) {
			out[i] = math.NaN()
		}
	}
	return out
}
