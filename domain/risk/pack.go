package risk

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"surety/kernel/ident"
	"surety/kernel/money"
	"surety/kernel/policy"
	"surety/platform/tally"
)

//go:embed packs/default.yaml packs/handbook.yaml
var packs embed.FS

// The bounds of a pack.
const (
	maxRules  = 500
	maxLimits = 100
)

// The memory of every pack: windows of 90 days can be asked for without a replay.
const (
	leastHorizon = 92 * day
	defaultSlack = 2 * day
	maxSlack     = 30 * day
)

// packSpec is a pack as it stands in YAML.
type packSpec struct {
	Currency         policy.Text            `yaml:"currency"`           // of all amounts in the rules
	UTCOffsetMinutes policy.At[int]         `yaml:"utc_offset_minutes"` // for "hour" and for days: 480 for China
	Slack            policy.Text            `yaml:"slack"`              // how late a payment may come; 2d if empty
	Degraded         degradedSpec           `yaml:"degraded"`
	Limits           map[string]int64       `yaml:"limits"` // minor units or counts, read as limit.NAME
	Entities         map[string]entitySpec  `yaml:"entities"`
	Features         []featureSpec          `yaml:"features"`
	Costs            policy.At[costsSpec]   `yaml:"costs"`
	Rules            policy.At[[]*ruleSpec] `yaml:"rules"`
}

type degradedSpec struct {
	ChallengeFrom policy.At[int64] `yaml:"challenge_from"` // minor units
}

// Pack is a pack that is checked and compiled: entities, features, rules and
// costs. It is immutable and safe for many goroutines.
type Pack struct {
	text          string
	version       policy.Version
	currency      money.Currency
	offset        time.Duration
	slack         time.Duration
	horizon       time.Duration // how far back the memory goes
	tolerated     time.Duration // how late a payment may come and have all its windows
	challengeFrom int64
	shape         string // the hash that Layout returns

	limits   []limit
	slots    []policy.Var // of a row, texts first; the limits come after them
	texts    int          // slots of texts
	facts    [nFacts]int  // slot of each fact
	entities []*entity
	hashed   []field // the fields whose hashes somebody reads
	cells    int     // the most that an entity reads
	features []*feature
	listed   []*feature
	values   []*feature // derived, in the order of computing
	record   *layout    // what a decision carries
	numbers  []input    // what a model may read
	costs    costs
	rules    []rule // by priority, highest first
}

// limit is a constant of the pack.
type limit struct {
	name  string // without "limit."
	value int64
}

// DefaultPack is the text of the pack that comes with the product.
func DefaultPack() (string, error) { return packText("default") }

// HandbookPack is the text of a pack with the features of the Fraud Detection
// Handbook, under their names there, and twelve more of streaming.
func HandbookPack() string {
	text, err := packText("handbook")
	if err != nil {
		return "" // no engine takes it
	}
	return text
}

func packText(name string) (string, error) {
	text, err := packs.ReadFile("packs/" + name + ".yaml")
	if err != nil {
		return "", ident.E(ident.KindInternal, "pack_missing", "the %s rules are missing from this build", name).Because(err)
	}
	return string(text), nil
}

// LoadPack reads, checks and compiles a pack. Errors are of kind invalid and name
// line and column. A pack without entities and without features has those of the
// default pack.
func LoadPack(text string) (*Pack, error) {
	var spec packSpec
	version, err := policy.Load(strings.NewReader(text), &spec)
	if err != nil {
		return nil, err
	}
	if len(spec.Entities) == 0 && len(spec.Features) == 0 {
		if err := spec.borrow(); err != nil {
			return nil, err
		}
	}
	p := &Pack{text: text, version: version, currency: money.Currency(spec.Currency.Value),
		challengeFrom: spec.Degraded.ChallengeFrom.Value, offset: time.Duration(spec.UTCOffsetMinutes.Value) * time.Minute}
	for _, load := range []func(*packSpec) error{p.loadHead, p.loadLimits, p.loadFeatures, p.loadCosts, p.loadRules} {
		if err := load(&spec); err != nil {
			return nil, err
		}
	}
	p.record = p.newLayout()
	p.loadNumbers()
	p.shape = p.fingerprint()
	return p, nil
}

// borrow takes entities and features of the default pack.
func (spec *packSpec) borrow() error {
	text, err := DefaultPack()
	if err != nil {
		return err
	}
	var own packSpec
	if _, err := policy.Load(strings.NewReader(text), &own); err != nil {
		return err
	}
	spec.Entities, spec.Features = own.Entities, own.Features
	return nil
}

func (p *Pack) loadHead(spec *packSpec) error {
	if err := money.Of(1, p.currency).Check("currency"); err != nil {
		return spec.Currency.Wrong("currency_unknown", "currency must be a code such as CNY, it is %q", spec.Currency)
	}
	if p.offset < -14*time.Hour || p.offset > 14*time.Hour {
		return spec.UTCOffsetMinutes.Wrong("offset_invalid", "utc_offset_minutes must lie between -840 and 840")
	}
	if p.challengeFrom < 1 {
		return spec.Degraded.ChallengeFrom.Wrong("limit_invalid",
			"degraded.challenge_from must be 1 or more: it guards payments when rules fail")
	}
	p.slack = defaultSlack
	if spec.Slack.Value != "" {
		var err error
		if p.slack, err = span(spec.Slack); err != nil {
			return err
		}
		if p.slack > maxSlack {
			return spec.Slack.Wrong("span_invalid", "slack is %s, at most %d days are allowed", spec.Slack, maxSlack/day)
		}
	}
	return nil
}

func (p *Pack) loadLimits(spec *packSpec) error {
	if len(spec.Limits) > maxLimits {
		return ident.Invalid("limits", "pack_size", "a pack has at most %d limits, this one has %d", maxLimits, len(spec.Limits))
	}
	for _, name := range slices.Sorted(maps.Keys(spec.Limits)) {
		p.limits = append(p.limits, limit{name, spec.Limits[name]})
	}
	return nil
}

// loadFeatures makes entities and features, gives every value its slot, and
// compiles filters and formulas.
func (p *Pack) loadFeatures(spec *packSpec) (err error) {
	if p.entities, err = loadEntities(spec.Entities); err != nil {
		return err
	}
	if p.features, err = loadFeatures(spec.Features, p.entities); err != nil {
		return err
	}
	if err := p.placeSlots(); err != nil {
		return err
	}
	env, err := p.env()
	if err != nil {
		return err
	}
	if err := settle(p.entities, p.features, env); err != nil {
		return err
	}
	if err := p.checkFilters(); err != nil {
		return err
	}
	for _, x := range p.features {
		switch x.kind {
		case kindListed:
			p.listed = append(p.listed, x)
		case kindValue:
			if x.formula, err = env.Formula(x.spec.Value, x.info.Type); err != nil {
				return err
			}
			p.values = append(p.values, x)
		default:
			x.plan()
		}
	}
	if err := p.order(); err != nil {
		return err
	}
	return p.plan()
}

// placeSlots gives each fact and feature its slot, texts first, so that the texts
// of a row are few.
func (p *Pack) placeSlots() error {
	names := map[string]policy.Pos{}
	for _, texts := range []bool{true, false} {
		for f := range nFacts {
			if i := &factInfos[f]; (i.Type == policy.String) == texts {
				p.facts[f] = len(p.slots)
				p.slots = append(p.slots, policy.Var{Name: i.Name, Type: i.Type})
				names[i.Name] = policy.Pos{}
			}
		}
		for _, x := range p.features {
			if (x.info.Type == policy.String) != texts {
				continue
			}
			if _, twice := names[x.info.Name]; twice {
				return x.spec.Name.Wrong("feature_invalid", "there are two features %s; facts have names too", x.info.Name)
			}
			names[x.info.Name] = x.spec.Name.Pos()
			x.slot = len(p.slots)
			p.slots = append(p.slots, policy.Var{Name: x.info.Name, Type: x.info.Type})
		}
		if texts {
			p.texts = len(p.slots)
		}
	}
	return nil
}

func (p *Pack) env() (*policy.Env, error) {
	vars := slices.Clone(p.slots)
	for _, l := range p.limits {
		vars = append(vars, policy.Var{Name: "limit." + l.name, Type: policy.Int})
	}
	return policy.NewEnvOf(vars)
}

// checkFilters refuses a filter that reads more than the payment itself: it must
// say the same when a journal is replayed, whatever is known of accounts by then.
func (p *Pack) checkFilters() error {
	for _, x := range p.features {
		for _, w := range x.wheres {
			for _, f := range x.entity.root.filters {
				if f.text != w.Text {
					continue
				}
				for _, name := range f.when.Uses() {
					if i := factByName(name); (i < 0 || factInfos[i].flags&ofEvent == 0) && !strings.HasPrefix(name, "limit.") {
						return w.Wrong("feature_invalid", "%s: a condition on events can use only what the payment itself says, not %s", x.spec.Name, name)
					}
				}
			}
		}
	}
	return nil
}

func factByName(name string) fact {
	for f := range nFacts {
		if factInfos[f].Name == name {
			return f
		}
	}
	return -1
}

// order sorts the derived values so that each comes after those it uses.
func (p *Pack) order() error {
	by := map[string]*feature{}
	names := make([]string, len(p.values))
	for i, x := range p.values {
		by[x.info.Name], names[i] = x, x.info.Name
	}
	sorted, circle := policy.Order(names, func(name string) []string { return by[name].formula.Uses() })
	if circle != nil {
		x := by[circle[0]]
		return x.spec.Value.Wrong("feature_circle", "these values use each other in a circle: %s -> %s",
			strings.Join(circle, " -> "), circle[0])
	}
	for i, name := range sorted {
		x := by[name]
		p.values[i] = x
		x.after = p.slotsOf(x.formula.Uses())
	}
	return nil
}

// slotsOf are the slots of names; limits have none that could be broken.
func (p *Pack) slotsOf(names []string) (out []int) {
	for _, name := range names {
		if i := slices.IndexFunc(p.slots, func(v policy.Var) bool { return v.Name == name }); i >= 0 {
			out = append(out, i)
		}
	}
	return out
}

// plan prepares the reading of histories.
func (p *Pack) plan() (err error) {
	longest := time.Duration(0)
	wanted := map[field]bool{}
	for _, n := range p.entities {
		for _, f := range append(n.key, n.columns...) {
			wanted[f] = f != fieldPlace
		}
		if n.own() {
			if n.probe, err = probe(n.dim); err != nil {
				return err
			}
		}
		if len(n.windows) == 0 {
			continue
		}
		if n.plan, err = tally.NewPlan(n.root.dim, n.windows); err != nil {
			return err
		}
		p.cells = max(p.cells, len(n.windows))
	}
	for f := range nFields {
		if wanted[f] {
			p.hashed = append(p.hashed, f)
		}
	}
	for _, x := range p.features {
		longest = max(longest, x.reach())
	}
	p.horizon = max(leastHorizon, longest+p.slack)
	p.tolerated = p.horizon - longest
	return nil
}

// fingerprint is a hash of all that decides what the memory holds. Windows are
// not in it: another window of what is kept needs no replay.
func (p *Pack) fingerprint() string {
	var b strings.Builder
	fmt.Fprintf(&b, "1 %s %s %s\n", p.currency, p.offset, p.horizon)
	for _, n := range p.entities {
		fmt.Fprintf(&b, "%q %v %q", n.name, n.key, n.root.name)
		if n.own() {
			fmt.Fprintf(&b, " %v", n.columns)
			for _, f := range n.filters {
				fmt.Fprintf(&b, " %q", f.text)
				for _, name := range f.when.Uses() {
					for _, l := range p.limits {
						if name == "limit."+l.name {
							fmt.Fprintf(&b, " %q=%d", l.name, l.value)
						}
					}
				}
			}
		}
		b.WriteByte('\n')
	}
	sum := sha256.Sum256([]byte(b.String()))
	return hex.EncodeToString(sum[:])
}

// store makes an empty memory of the pack's shape.
func (p *Pack) store(capacity int, memory int64) (*tally.Store, error) {
	columns, caps := make([]uint8, 1), make([]int, 1)
	for _, n := range p.entities {
		if n.own() {
			columns, caps = append(columns, uint8(len(n.columns))), append(caps, n.most(capacity))
		}
	}
	return tally.New(tally.Config{Horizon: p.horizon, Cap: capacity, Caps: caps, Columns: columns, Memory: memory})
}

// crowdedCap is how many payments a place keeps one by one where many people pay:
// its newest. Older ones are kept by the hour; a busy merchant's month would
// otherwise be read payment by payment in each decision, a hundred microseconds.
const crowdedCap = 512

// most is how many payments a history keeps one by one; 0 for the common number. An
// account that pays, a device, a card or a pair keeps all that one person makes.
func (n *entity) most(capacity int) int {
	if capacity > 0 || len(n.key) != 1 {
		return 0
	}
	switch n.key[0] {
	case fieldPayee, fieldAddress, fieldTerminal, fieldMerchant, fieldRegion:
		return crowdedCap
	}
	return 0
}

// minor is what the payment counts in sums: an amount of another currency cannot
// be added to them, the payment itself is still counted.
func (p *Pack) minor(e *Event) int64 {
	if e.Amount.Currency != p.currency {
		return 0
	}
	return e.Amount.Minor
}

// Text is the pack as it was written.
func (p *Pack) Text() string { return p.text }

// Layout is a hash of what decides the shape of the memory: entities, their
// fields and conditions, the currency and the horizon. A pack of the same Layout
// can take over the memory as it is.
func (p *Pack) Layout() string { return p.shape }

// EntityInfo describes what has a history.
type EntityInfo struct {
	Name string   `json:"name"`
	Key  []string `json:"key"`          // fields of the payment
	As   string   `json:"as,omitempty"` // whose history is read
}

// PackInfo describes a pack.
type PackInfo struct {
	Version  policy.Version   `json:"version"`
	Layout   string           `json:"layout"`
	Currency money.Currency   `json:"currency"`
	Degraded money.Amount     `json:"degraded_challenge_from"`
	Slack    string           `json:"slack"` // how late a payment may come and be judged in full
	Limits   map[string]int64 `json:"limits"`
	Costs    CostsInfo        `json:"costs"`
	Entities []EntityInfo     `json:"entities"`
	Features []FeatureInfo    `json:"features"` // as decisions carry them, facts first
	Rules    []RuleInfo       `json:"rules"`    // highest priority first
}

// Info describes the pack.
func (p *Pack) Info() PackInfo {
	info := PackInfo{Version: p.version, Layout: p.shape, Currency: p.currency, Slack: p.slack.String(),
		Degraded: money.Of(p.challengeFrom, p.currency), Limits: map[string]int64{}, Costs: p.costs.info(),
		Features: slices.Clone(p.record.infos)}
	for _, l := range p.limits {
		info.Limits[l.name] = l.value
	}
	for _, n := range p.entities {
		e := EntityInfo{Name: n.name}
		for _, f := range n.key {
			e.Key = append(e.Key, fieldNames[f])
		}
		if !n.own() {
			e.As = n.root.name
		}
		info.Entities = append(info.Entities, e)
	}
	for i := range p.rules {
		info.Rules = append(info.Rules, p.rules[i].info())
	}
	return info
}

// ourPack is the default pack, read once.
var ourPack = sync.OnceValues(func() (*Pack, error) {
	text, err := DefaultPack()
	if err != nil {
		return nil, err
	}
	return LoadPack(text)
})

// Features lists the features of the default pack in the order in which people
// see them; Engine.Pack has those of the pack in force.
func Features() []FeatureInfo {
	p, err := ourPack()
	if err != nil {
		return nil // no engine starts with such a build
	}
	return slices.Clone(p.record.infos)
}

// Horizon is how far back the memory of this pack reaches: whoever fills one tells
// it all payments since then.
func (p *Pack) Horizon() time.Duration { return p.horizon }
