package risk

import (
	"embed"
	"slices"
	"strings"
	"time"

	"surety/kernel/ident"
	"surety/kernel/money"
	"surety/kernel/policy"
)

//go:embed packs/default.yaml
var packs embed.FS

// Mode says what a rule does when it fires.
type Mode string

// The modes of a rule.
const (
	Live   Mode = "live"
	Shadow Mode = "shadow" // noted in the decision, not acted on
	Off    Mode = "off"    // not asked
)

// The bounds of a pack.
const (
	maxRules  = 500
	maxLimits = 100
)

// packSpec is a pack as it stands in YAML.
type packSpec struct {
	Currency         string           `yaml:"currency"`           // of all amounts in the rules
	UTCOffsetMinutes int              `yaml:"utc_offset_minutes"` // for "hour": 480 for China
	Degraded         degradedSpec     `yaml:"degraded"`
	Limits           map[string]int64 `yaml:"limits"` // minor units or counts, read as limit.NAME
	Rules            []ruleSpec       `yaml:"rules"`
}

type degradedSpec struct {
	ChallengeFrom int64 `yaml:"challenge_from"` // minor units
}

type ruleSpec struct {
	ID       string      `yaml:"id"`
	Owner    string      `yaml:"owner"`    // who answers for it
	Priority int         `yaml:"priority"` // 0 to 100
	Mode     string      `yaml:"mode"`
	Types    []string    `yaml:"types"` // of payments it is asked about; none: all
	When     policy.Expr `yaml:"when"`
	Outcome  string      `yaml:"outcome"`
	Score    int         `yaml:"score"` // permille, 0 to 1000
	Reason   wordsSpec   `yaml:"reason"`
	Proofs   []string    `yaml:"proofs"`
}

type wordsSpec struct {
	ZH string `yaml:"zh"`
	EN string `yaml:"en"`
}

// pack is a pack that is checked and compiled. It is immutable.
type pack struct {
	version       policy.Version
	currency      money.Currency
	offset        time.Duration
	challengeFrom int64
	limits        map[string]any // "limit.small": int64
	index         map[string]int // feature name to its place in a vector
	rules         []rule         // by priority, highest first
}

type rule struct {
	id       string
	owner    string
	priority int
	mode     Mode
	types    []Type
	outcome  Outcome
	reason   Reason
	proofs   []string
	when     *policy.Rule
}

func (r *rule) about(t Type) bool { return len(r.types) == 0 || slices.Contains(r.types, t) }

// DefaultPack is the text of the pack that comes with the product.
func DefaultPack() (string, error) {
	text, err := packs.ReadFile("packs/default.yaml")
	if err != nil {
		return "", ident.E(ident.KindInternal, "pack_missing", "the default rules are missing from this build").Because(err)
	}
	return string(text), nil
}

// loadPack reads, checks and compiles a pack.
func loadPack(text string) (*pack, error) {
	var spec packSpec
	version, err := policy.Load(strings.NewReader(text), &spec)
	if err != nil {
		return nil, err
	}
	p := &pack{version: version, currency: money.Currency(spec.Currency), challengeFrom: spec.Degraded.ChallengeFrom,
		offset: time.Duration(spec.UTCOffsetMinutes) * time.Minute, limits: map[string]any{}, index: map[string]int{}}
	if err := money.Of(1, p.currency).Check("currency"); err != nil {
		return nil, err
	}
	if p.offset < -14*time.Hour || p.offset > 14*time.Hour {
		return nil, ident.Invalid("utc_offset_minutes", "offset_invalid", "utc_offset_minutes must lie between -840 and 840")
	}
	if p.challengeFrom < 1 {
		return nil, ident.Invalid("degraded.challenge_from", "limit_invalid",
			"degraded.challenge_from must be 1 or more: it guards payments when rules fail")
	}
	if len(spec.Rules) == 0 || len(spec.Rules) > maxRules || len(spec.Limits) > maxLimits {
		return nil, ident.Invalid("rules", "pack_size",
			"a pack has 1 to %d rules and at most %d limits", maxRules, maxLimits)
	}
	vars := map[string]policy.Type{}
	for i, f := range infos {
		vars[f.Name] = f.Type
		p.index[f.Name] = i
	}
	for name, v := range spec.Limits {
		vars["limit."+name] = policy.Int
		p.limits["limit."+name] = v
	}
	env, err := policy.NewEnv(vars)
	if err != nil {
		return nil, err
	}
	for _, rs := range spec.Rules {
		r, err := rs.compile(env)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(p.rules, func(o rule) bool { return o.id == r.id }) {
			return nil, rs.wrong("id", "there are two rules of this id")
		}
		p.rules = append(p.rules, r)
	}
	slices.SortStableFunc(p.rules, func(a, b rule) int { return b.priority - a.priority })
	return p, nil
}

// wrong names the rule, the field and the line where the rule's condition stands.
func (rs *ruleSpec) wrong(field, why string) error {
	e := ident.Invalid("rules."+rs.ID+"."+field, "rule_invalid", "rule %q, %s: %s", rs.ID, field, why)
	e.Row = rs.When.Line
	return e
}

func (rs *ruleSpec) compile(env *policy.Env) (rule, error) {
	r := rule{id: rs.ID, owner: rs.Owner, priority: rs.Priority, mode: Mode(rs.Mode),
		outcome: Outcome(rs.Outcome), proofs: rs.Proofs,
		reason: Reason{Code: rs.ID, ZH: rs.Reason.ZH, EN: rs.Reason.EN, Weight: rs.Score}}
	switch {
	case ident.CheckID("id", rs.ID) != nil || rs.ID == ReasonDegraded || rs.ID == ReasonCurrency:
		return r, rs.wrong("id", "an id is 1 to 64 letters, digits and - _ . : and not a word of the engine's own")
	case rs.Owner == "":
		return r, rs.wrong("owner", "somebody must answer for it")
	case rs.Priority < 0 || rs.Priority > 100:
		return r, rs.wrong("priority", "it must be 0 to 100")
	case r.mode != Live && r.mode != Shadow && r.mode != Off:
		return r, rs.wrong("mode", "it must be live, shadow or off")
	case r.outcome.severity() == 0:
		return r, rs.wrong("outcome", "it must be allow, challenge, hold or block")
	case rs.Score < 0 || rs.Score > 1000:
		return r, rs.wrong("score", "it must be 0 to 1000")
	case rs.Reason.ZH == "" || rs.Reason.EN == "":
		return r, rs.wrong("reason", "it must be said in zh and in en: the payer has a right to it")
	case r.outcome == Challenge && len(rs.Proofs) == 0:
		return r, rs.wrong("proofs", "a challenge must say which proofs will do")
	}
	for _, t := range rs.Types {
		if !knownType(Type(t)) {
			return r, rs.wrong("types", "there is no payment type "+t)
		}
		r.types = append(r.types, Type(t))
	}
	for _, code := range rs.Proofs {
		if _, ok := proofInfo(code); !ok {
			return r, rs.wrong("proofs", "there is no proof "+code)
		}
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
}

// PackInfo describes the pack in force.
type PackInfo struct {
	Version  policy.Version   `json:"version"`
	Currency money.Currency   `json:"currency"`
	Degraded money.Amount     `json:"degraded_challenge_from"`
	Limits   map[string]int64 `json:"limits"`
	Rules    []RuleInfo       `json:"rules"` // highest priority first
}

func (p *pack) info() PackInfo {
	info := PackInfo{Version: p.version, Currency: p.currency,
		Degraded: money.Of(p.challengeFrom, p.currency), Limits: map[string]int64{}}
	for name, v := range p.limits {
		n, _ := v.(int64)
		info.Limits[strings.TrimPrefix(name, "limit.")] = n
	}
	for _, r := range p.rules {
		info.Rules = append(info.Rules, RuleInfo{ID: r.id, Owner: r.owner, Priority: r.priority, Mode: r.mode,
			Types: slices.Clone(r.types), When: r.when.Text(), Outcome: r.outcome, Score: r.reason.Weight,
			ZH: r.reason.ZH, EN: r.reason.EN, Proofs: slices.Clone(r.proofs)})
	}
	return info
}
