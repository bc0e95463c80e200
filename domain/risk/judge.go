package risk

import (
	"slices"
	"time"

	"surety/kernel/ident"
)

// verdict is which rules fired, what the model says, and what follows.
type verdict struct {
	pack     *Pack
	outcome  Outcome
	fired    []*rule // live and within their limits, by priority
	shadow   []*rule
	capped   []*rule // live and over their limits
	failed   []string
	currency bool // the payment is in another currency than the pack
	large    bool // it is challenged if anything fails

	stops      *stops
	stop       *stop
	stopID     string
	stopReason Reason
	stopSays   Outcome

	scored    bool // the champion has spoken
	champion  ModelView
	modelSays Outcome
	costs     [4]float64
	others    []ModelView
	late      string
}

func (v *verdict) reset(p *Pack, e *Event) {
	*v = verdict{pack: p, fired: v.fired[:0], shadow: v.shadow[:0], capped: v.capped[:0],
		currency: e.Amount.Currency != p.currency}
	v.large = v.currency || e.Amount.Minor >= p.challengeFrom
}

// consult asks the champion and the challengers about the row.
func (v *verdict) consult(s *scratch, champion *model, challengers []*model, amount, price int64) {
	if champion != nil && !v.currency {
		view, err := champion.score(s)
		if err != nil {
			v.failed = append(v.failed, "model:"+champion.Name)
		} else {
			if price > plainPrice {
				view.Price = price
			}
			v.scored, v.champion = true, view
			v.costs = v.pack.costs.expected(view.Probability, amount, price)
			v.modelSays = cheapest(v.costs)
		}
	}
	for _, m := range challengers {
		if view, err := m.score(s); err == nil { // one that fails takes nothing away
			v.others = append(v.others, view)
		}
	}
}

// combine finds the outcome. Of the rules the highest priority at which one fires
// decides, there the severest; the model makes it severer, unless a rule of
// higher priority than the model's allows the payment; a person's order makes it
// severer in any case.
func (v *verdict) combine() {
	v.outcome = Allow
	decided := -1
	for _, r := range v.fired {
		if decided < 0 {
			decided = r.priority
		}
		if r.priority == decided && r.outcome.severity() > v.outcome.severity() {
			v.outcome = r.outcome
		}
	}
	allowed := v.outcome == Allow && decided > v.pack.costs.priority
	if v.scored && !allowed && v.modelSays.severity() > v.outcome.severity() {
		v.outcome = v.modelSays
	}
	if v.stopSays.severity() > v.outcome.severity() {
		v.outcome = v.stopSays
	}
	if (len(v.failed) > 0 && v.large || v.currency) && v.outcome == Allow {
		v.outcome = Challenge
	}
}

// extra are the reasons of the engine's own.
func (v *verdict) extra() (out []Reason) {
	if v.stopID != "" {
		out = append(out, v.stopReason)
	}
	if v.scored && v.modelSays != Allow && v.outcome != Allow {
		out = append(out, Reason{ReasonModel, "模型判断被盗用的可能性较高", "the model finds a theft too likely",
			int(v.champion.Probability * 1000)})
	}
	if len(v.failed) > 0 {
		out = append(out, Reason{ReasonDegraded, "部分规则或模型未能运行，按其余规则判断",
			"some rules or the model could not be judged; the others decided", 100})
	}
	if v.currency {
		out = append(out, Reason{ReasonCurrency, "规则没有该币种的限额", "the rules have no limits in this currency", 100})
	}
	return out
}

// decision puts the verdict into words, in d. It needs no lock. champion explains
// itself if the payment is stopped.
func (v *verdict) decision(s *scratch, champion *model, d *Decision) {
	*d = Decision{Outcome: v.outcome, Reasons: v.extra(), Failed: v.failed, Features: v.pack.valuesOf(s), Pack: v.pack.version,
		Stop: v.stopID, StopOutcome: v.stopSays, Challengers: v.others, Late: v.late}
	if len(s.listed) > 0 {
		d.Listed = slices.Clone(s.listed)
	}
	for _, r := range v.fired {
		d.Reasons = append(d.Reasons, r.reason)
	}
	if v.outcome == Challenge || v.outcome == Hold {
		d.Proofs = v.proofs()
	}
	for _, r := range v.shadow {
		d.Shadow = append(d.Shadow, r.reason)
	}
	for _, r := range v.capped {
		d.Shadow = append(d.Shadow, r.reason)
		d.Capped = append(d.Capped, r.id)
	}
	if v.scored {
		view := v.champion
		if v.outcome != Allow || v.modelSays != Allow {
			view.Costs = costMap(v.costs)
		}
		if v.outcome != Allow && champion != nil {
			view.Contributions = champion.explain(s)
		}
		d.Model = &view
	}
	if len(d.Reasons) == 0 {
		return
	}
	// Each reason leaves a share of the doubt that the others left.
	left := 1_000_000_000
	for _, r := range d.Reasons {
		left = left / 1000 * (1000 - r.Weight)
	}
	d.Score = (1_000_000_000 - left) / 1_000_000
	slices.SortStableFunc(d.Reasons, func(a, b Reason) int { return b.Weight - a.Weight })
}

// proofs are those that every rule that spoke takes: a password that is enough
// for the hour of the night is not enough for a strange device. A rule that would
// leave none is passed over, the one of lower priority first.
func (v *verdict) proofs() (out []string) {
	for _, r := range v.fired {
		if len(r.proofs) == 0 {
			continue
		}
		if out == nil {
			out = slices.Clone(r.proofs)
			continue
		}
		both := slices.DeleteFunc(slices.Clone(out), func(code string) bool { return !slices.Contains(r.proofs, code) })
		if len(both) > 0 {
			out = both
		}
	}
	if len(out) == 0 && v.outcome == Challenge {
		return []string{"face", "callback"} // the engine's own challenge
	}
	return out
}

// setStop notes the order that touches the payment.
func (v *verdict) setStop(s *stop) {
	v.stop, v.stopID, v.stopSays = s, s.ID, s.Outcome
	v.stopReason = Reason{ReasonStop, s.ZH, s.EN, stopWeight}
}

func (v *verdict) clearStop() { v.stop, v.stopID, v.stopSays = nil, "", "" }

const stopWeight = 950

// check refuses an event that is wrong in itself or comes from the future, and
// returns its time.
func (en *Engine) check(e *Event) (int64, error) {
	if err := e.Check(); err != nil {
		return 0, err
	}
	now := en.clock.Now()
	if e.At.After(now.Add(maxAhead)) {
		return 0, ident.Invalid("at", "time_in_future", "the payment is dated %s, more than a day after now",
			e.At.UTC().Format(time.RFC3339))
	}
	return ident.Micros(e.At), nil
}

// maxAhead is how far the clocks of two houses may differ.
const maxAhead = day
