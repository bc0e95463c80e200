package risk

import (
	"cmp"
	"errors"
	"slices"

	"surety/kernel/ident"
	"surety/kernel/policy"
)

// Mode says what a rule does when it fires.
type Mode string

// The modes of a rule.
const (
	Live   Mode = "live"
	Shadow Mode = "shadow" // noted in the decision, not acted on
	Off    Mode = "off"    // not asked
)

const maxPerDay = 1_000_000

// ruleSpec is a rule as it stands in a pack.
type ruleSpec struct {
	ID       policy.Text      `yaml:"id"`
	Owner    policy.Text      `yaml:"owner"`    // who answers for it
	Priority policy.At[int]   `yaml:"priority"` // 0 to 100
	Mode     policy.Text      `yaml:"mode"`
	Types    []policy.Text    `yaml:"types"` // of payments it is asked about; none: all
	When     policy.Expr      `yaml:"when"`
	Outcome  policy.Text      `yaml:"outcome"`
	Score    policy.At[int]   `yaml:"score"` // permille, 0 to 1000
	Reason   wordsSpec        `yaml:"reason"`
	Proofs   []policy.Text    `yaml:"proofs"`
	PerDay   policy.At[int64] `yaml:"per_day"` // payments it may stop on one local day; no limit if it is not there
}

type wordsSpec struct {
	ZH policy.Text `yaml:"zh"`
	EN policy.Text `yaml:"en"`
}

// rule is a rule, ready to be asked.
type rule struct {
	id       string
	owner    string
	priority int
	mode     Mode
	types    uint8 // set of Type.bit
	outcome  Outcome
	reason   Reason
	proofs   []string
	perDay   int64 // 0: no limit
	when     *policy.Rule
	uses     []int // slots that it reads
}

// stops reports whether the rule's own outcome keeps a payment from going at once.
func (r *rule) stops() bool { return r.outcome != Allow }

func (p *Pack) loadRules(spec *packSpec) error {
	list := spec.Rules.Value
	if len(list) == 0 || len(list) > maxRules {
		return spec.Rules.Wrong("pack_size", "a pack has 1 to %d rules, this one has %d", maxRules, len(list))
	}
	env, err := p.env()
	if err != nil {
		return err
	}
	var wrong []error // one of each rule, so that an editor shows all of them
	for _, rs := range list {
		if rs == nil {
			return spec.Rules.Wrong("rule_invalid", "there is an empty rule")
		}
		r, err := rs.compile(env)
		if err == nil && slices.ContainsFunc(p.rules, func(o rule) bool { return o.id == r.id }) {
			err = rs.ID.Wrong("rule_invalid", "there are two rules of the id %s", r.id)
		}
		if err != nil {
			wrong = append(wrong, err)
			continue
		}
		r.uses = p.slotsOf(r.when.Uses())
		p.rules = append(p.rules, r)
	}
	if len(wrong) == 1 {
		return wrong[0]
	}
	if len(wrong) > 1 {
		return errors.Join(wrong...)
	}
	slices.SortStableFunc(p.rules, func(a, b rule) int { return b.priority - a.priority })
	return nil
}

// wrong names the rule, the field and where it stands; a field that is not there
// is looked for where the rule begins.
func (rs *ruleSpec) wrong(at policy.Pos, field, why string) error {
	for _, p := range []policy.Pos{rs.ID.Pos(), rs.Owner.Pos(), rs.Mode.Pos(), rs.When.Pos()} {
		if !at.Given() {
			at = p
		}
	}
	return at.Wrong("rule_invalid", "rule %q, %s: %s", rs.ID.Value, field, why)
}

func (rs *ruleSpec) compile(env *policy.Env) (rule, error) {
	r := rule{id: rs.ID.Value, owner: rs.Owner.Value, priority: rs.Priority.Value, mode: Mode(rs.Mode.Value), types: 255,
		outcome: Outcome(rs.Outcome.Value), perDay: rs.PerDay.Value,
		reason: Reason{Code: rs.ID.Value, ZH: rs.Reason.ZH.Value, EN: rs.Reason.EN.Value, Weight: rs.Score.Value}}
	switch {
	case ident.CheckID("id", r.id) != nil || ownCode(r.id):
		return r, rs.wrong(rs.ID.Pos(), "id", "an id is 1 to 64 letters, digits and - _ . : and not a word of the engine's own")
	case r.owner == "":
		return r, rs.wrong(rs.Owner.Pos(), "owner", "somebody must answer for it")
	case r.priority < 0 || r.priority > 100:
		return r, rs.wrong(rs.Priority.Pos, "priority", "it must be 0 to 100")
	case r.mode != Live && r.mode != Shadow && r.mode != Off:
		return r, rs.wrong(rs.Mode.Pos(), "mode", "it must be live, shadow or off")
	case r.outcome.severity() == 0:
		return r, rs.wrong(rs.Outcome.Pos(), "outcome", "it must be allow, challenge, hold or block")
	case rs.Score.Value < 0 || rs.Score.Value > 1000:
		return r, rs.wrong(rs.Score.Pos, "score", "it must be 0 to 1000")
	case r.reason.ZH == "" || r.reason.EN == "":
		return r, rs.wrong(cmp.Or(rs.Reason.ZH.Pos(), rs.Reason.EN.Pos()), "reason",
			"it must be said in zh and in en: the payer has a right to it")
	case r.outcome == Challenge && len(rs.Proofs) == 0:
		return r, rs.wrong(rs.Outcome.Pos(), "proofs", "a challenge must say which proofs will do")
	case rs.PerDay.Given() && (r.perDay < 1 || r.perDay > maxPerDay || !r.stops()):
		return r, rs.wrong(rs.PerDay.Pos, "per_day", "it must be 1 to 1000000, of a rule that stops payments")
	}
	if len(rs.Types) > 0 {
		r.types = 0
	}
	for _, t := range rs.Types {
		if !knownType(Type(t.Value)) {
			return r, rs.wrong(t.Pos(), "types", "there is no payment type "+t.Value)
		}
		r.types |= Type(t.Value).bit()
	}
	for _, code := range rs.Proofs {
		if _, ok := proofInfo(code.Value); !ok {
			return r, rs.wrong(code.Pos(), "proofs", "there is no proof "+code.Value)
		}
		r.proofs = append(r.proofs, code.Value)
	}
	if rs.When.Text == "" {
		return r, rs.wrong(rs.When.Pos(), "when", "it has no condition")
	}
	var err error
	r.when, err = env.CompileExpr(rs.When)
	return r, err
}

// RuleInfo describes one rule to people.
type RuleInfo struct {
	ID       string   `json:"id"`
	Owner    string   `json:"owner"`
	Priority int      `json:"priority"`
	Mode     Mode     `json:"mode"`
	Types    []Type   `json:"types"` // none: all
	When     string   `json:"when"`
	Outcome  Outcome  `json:"outcome"`
	Score    int      `json:"score"`
	ZH       string   `json:"zh"`
	EN       string   `json:"en"`
	Proofs   []string `json:"proofs"`
	PerDay   int64    `json:"per_day,omitempty"` // payments it may stop on one day; 0: no limit
}

func (r *rule) info() RuleInfo {
	info := RuleInfo{ID: r.id, Owner: r.owner, Priority: r.priority, Mode: r.mode, When: r.when.Text(), Outcome: r.outcome,
		Score: r.reason.Weight, ZH: r.reason.ZH, EN: r.reason.EN, Proofs: slices.Clone(r.proofs), PerDay: r.perDay}
	if r.types == 255 {
		return info
	}
	for _, t := range []Type{Transfer, Purchase, Deposit, Withdrawal} {
		if r.types&t.bit() != 0 {
			info.Types = append(info.Types, t)
		}
	}
	return info
}

// ask asks every rule of the pack about the values of a row.
func (p *Pack) ask(s *scratch, t Type) {
	bit := t.bit()
	v := &s.v
	for i := range p.rules {
		r := &p.rules[i]
		if r.mode == Off || r.types&bit == 0 {
			continue
		}
		yes, err := false, error(nil)
		broken := len(s.broken) > 0 && s.reads(r.uses)
		if !broken {
			yes, err = r.when.Test(&s.row)
		}
		switch {
		case broken || err != nil:
			if r.mode == Live { // a shadow rule that fails takes nothing away
				v.failed = append(v.failed, r.id)
			}
		case !yes:
		case r.mode == Shadow:
			v.shadow = append(v.shadow, r)
		default:
			v.fired = append(v.fired, r)
		}
	}
}
