package risk

import (
	"math"
	"slices"
	"strings"
	"time"

	"surety/kernel/ident"
	"surety/kernel/policy"
	"surety/platform/tally"
)

// kind is how a feature is computed.
type kind uint8

const (
	kindCount    kind = iota
	kindSum           // of amounts, minor units
	kindMean          // of amounts
	kindStd           // of amounts, of the whole and not of a sample
	kindMin           // amount
	kindMax           // amount
	kindDistinct      // different values of a field
	kindFirst         // seconds since the first event in the window
	kindLast          // seconds since the last
	kindSpeed         // km/h from the place of the last event with a place
	kindShare         // events known as theft of all, 0 to 1
	kindBurst         // rate in the window over the rate in a longer one
	kindListed
	kindValue // a formula
)

var kindNames = [...]string{"count", "sum", "mean", "std", "min", "max", "distinct", "first", "last", "speed", "share", "burst",
	"listed", "value"}

// double reports the kinds whose value is no whole number.
func (k kind) double() bool { return k == kindMean || k == kindStd || k == kindShare || k == kindBurst }

// noField says that a feature counts nothing distinct.
const noField = field(255)

// FeatureInfo describes one feature: what a rule may name, and what a person
// reads beside its value.
type FeatureInfo struct {
	Name   string      `json:"name"`
	Type   policy.Type `json:"type"` // int, double, bool or string
	Unit   string      `json:"unit"` // "minor", "s", "h", "d", "percent", ""
	ZH     string      `json:"zh"`
	EN     string      `json:"en"`
	Kind   string      `json:"kind"`             // "fact", "count", "value" …
	Entity string      `json:"entity,omitempty"` // whose history it is read from
	Alias  string      `json:"alias,omitempty"`  // its name elsewhere: a model may ask for it by this
}

// featureSpec is a feature as it stands in a pack, perhaps for several windows.
type featureSpec struct {
	Name     policy.Text              `yaml:"name"`
	Kind     policy.Text              `yaml:"kind"`
	Entity   policy.Text              `yaml:"entity"`
	Of       policy.Text              `yaml:"of"`      // what is distinct, or is on the list
	Windows  policy.At[[]policy.Text] `yaml:"windows"` // NAME_1h, NAME_7d …
	Window   policy.Text              `yaml:"window"`  // one, without a mark in the name
	Against  policy.Text              `yaml:"against"` // burst: the longer window
	Delay    policy.Text              `yaml:"delay"`   // the window ends so long ago
	Where    policy.Expr              `yaml:"where"`   // which events count
	Attempts bool                     `yaml:"attempts"`
	Before   bool                     `yaml:"before"` // leaves this payment out
	Label    policy.Text              `yaml:"label"`  // "fraud": only those known as theft by now
	List     policy.Text              `yaml:"list"`
	Value    policy.Expr              `yaml:"value"`
	Type     policy.Text              `yaml:"type"`    // of a value: int, double, bool or string
	Missing  policy.At[float64]       `yaml:"missing"` // the value where there is none; no number to a model
	Unit     string                   `yaml:"unit"`
	ZH       policy.Text              `yaml:"zh"`
	EN       policy.Text              `yaml:"en"`
	Alias    policy.Text              `yaml:"alias"`
}

// feature is one feature, ready to be read.
type feature struct {
	info FeatureInfo
	spec *featureSpec
	kind kind
	slot int

	entity      *entity
	counts      field         // what distinct counts, fieldPlace for speed, noField
	wheres      []policy.Expr // its conditions, to be made filters
	span, delay time.Duration
	against     time.Duration
	cell, other int // places of its windows in the entity's plan
	column      int // of counts in the cell

	declared bool  // missing is no number to a model
	missing  int64 // as it stands in a row: a double as its bits

	list   ListKind
	listOf listOf

	formula *policy.Formula
	after   []int // slots of features that the formula uses
}

const maxFeatures = 400

// loadFeatures makes features of specs, one for each window.
func loadFeatures(specs []featureSpec, entities []*entity) ([]*feature, error) {
	var out []*feature
	for i := range specs {
		xs, err := specs[i].features(entities)
		if err != nil {
			return nil, err
		}
		out = append(out, xs...)
	}
	if len(out) > maxFeatures {
		return nil, ident.Invalid("features", "pack_size", "a pack has at most %d features, this one has %d", maxFeatures, len(out))
	}
	return out, nil
}

func (fs *featureSpec) features(entities []*entity) ([]*feature, error) {
	if fs.Name.Value == "" {
		return nil, fs.Kind.Wrong("feature_invalid", "a feature has no name")
	}
	if fs.ZH.Value == "" || fs.EN.Value == "" {
		return nil, fs.Name.Wrong("feature_invalid", "%s must be said in zh and in en", fs.Name)
	}
	x := feature{spec: fs, counts: noField, info: FeatureInfo{Name: fs.Name.Value, Unit: fs.Unit, ZH: fs.ZH.Value, EN: fs.EN.Value,
		Alias: fs.Alias.Value}}
	switch k := slices.Index(kindNames[:], fs.Kind.Value); {
	case fs.Kind.Value == "" && fs.Value.Text != "":
		x.kind = kindValue
	case k < 0:
		return nil, fs.at(fs.Kind).Wrong("feature_invalid", "%s: there is no kind %q; there are %s", fs.Name, fs.Kind,
			strings.Join(kindNames[:], ", "))
	default:
		x.kind = kind(k)
	}
	x.info.Kind = kindNames[x.kind]
	if err := fs.unused(&x); err != nil {
		return nil, err
	}
	switch x.kind {
	case kindListed:
		return []*feature{&x}, fs.listed(&x)
	case kindValue:
		return []*feature{&x}, fs.valued(&x)
	}
	if err := fs.windowed(&x, entities); err != nil {
		return nil, err
	}
	return fs.each(x)
}

// at is the place of a field of the feature, or of its name where that is missing.
func (fs *featureSpec) at(field policy.Text) policy.Pos {
	if p := field.Pos(); p.Line > 0 {
		return p
	}
	return fs.Name.Pos()
}

// unused refuses what a kind has no use for: it would be said in vain.
func (fs *featureSpec) unused(x *feature) error {
	history := x.kind < kindListed
	for _, f := range []struct {
		name  string
		at    policy.Pos
		given bool
		may   bool
	}{
		{"value", fs.Value.Pos(), fs.Value.Text != "", x.kind == kindValue},
		{"type", fs.Type.Pos(), fs.Type.Value != "", x.kind == kindValue},
		{"list", fs.List.Pos(), fs.List.Value != "", x.kind == kindListed},
		{"of", fs.Of.Pos(), fs.Of.Value != "", x.kind == kindListed || x.kind == kindDistinct},
		{"against", fs.Against.Pos(), fs.Against.Value != "", x.kind == kindBurst},
		{"entity", fs.Entity.Pos(), fs.Entity.Value != "", history},
		{"window", fs.Window.Pos(), fs.Window.Value != "", history},
		{"windows", fs.Windows.Pos, fs.Windows.Given(), history},
		{"delay", fs.Delay.Pos(), fs.Delay.Value != "", history},
		{"where", fs.Where.Pos(), fs.Where.Text != "", history},
		{"label", fs.Label.Pos(), fs.Label.Value != "", history && x.kind != kindShare},
		{"attempts", fs.Name.Pos(), fs.Attempts, history},
		{"before", fs.Name.Pos(), fs.Before, history},
		{"missing", fs.Missing.Pos, fs.Missing.Given(), x.kind != kindListed},
	} {
		if f.given && !f.may {
			return f.at.Wrong("feature_invalid", "%s: a feature of kind %s has no use for %q", fs.Name, x.info.Kind, f.name)
		}
	}
	return nil
}

func (fs *featureSpec) listed(x *feature) error {
	x.info.Type = policy.Bool
	x.list = fs.List.Value
	if x.list != ListAllow && x.list != ListDeny && x.list != ListWatch {
		return fs.at(fs.List).Wrong("feature_invalid", "%s: list must be allow, deny or watch, it is %q", fs.Name, x.list)
	}
	for i, o := range listOfs {
		if o.word == fs.Of.Value {
			x.listOf = listOf(i)
			return nil
		}
	}
	return fs.at(fs.Of).Wrong("feature_invalid", "%s: nothing called %q can be on a list", fs.Name, fs.Of)
}

func (fs *featureSpec) valued(x *feature) error {
	x.info.Type = policy.Type(fs.Type.Value)
	switch x.info.Type {
	case policy.Int, policy.Double:
		return x.setMissing()
	case policy.Bool, policy.String:
		if fs.Missing.Given() {
			return fs.Missing.Wrong("feature_invalid", "%s: only a number can have a value for %q", fs.Name, "missing")
		}
		return nil
	}
	return fs.at(fs.Type).Wrong("feature_invalid", "%s: type must be int, double, bool or string, it is %q", fs.Name, fs.Type)
}

// setMissing fixes what stands where there is nothing: what the pack says, or -1
// for a time or a speed that cannot be told, or 0.
func (x *feature) setMissing() error {
	v := x.spec.Missing.Value
	if x.declared = x.spec.Missing.Given(); !x.declared && (x.kind == kindFirst || x.kind == kindLast || x.kind == kindSpeed) {
		x.declared, v = true, -1
	}
	if x.info.Type == policy.Double {
		x.missing = int64(math.Float64bits(v))
		return nil
	}
	if v != math.Trunc(v) || math.Abs(v) > 1<<53 {
		return x.spec.Missing.Wrong("feature_invalid", "%s is a whole number, and so must be its value for missing", x.spec.Name)
	}
	x.missing = int64(v)
	return nil
}

func (fs *featureSpec) windowed(x *feature, entities []*entity) error {
	i := slices.IndexFunc(entities, func(n *entity) bool { return n.name == fs.Entity.Value })
	if i < 0 {
		return fs.at(fs.Entity).Wrong("feature_invalid", "%s: there is no entity %q", fs.Name, fs.Entity)
	}
	x.entity, x.info.Entity = entities[i], fs.Entity.Value
	x.info.Type = policy.Int
	if x.kind.double() {
		x.info.Type = policy.Double
	}
	switch x.kind {
	case kindDistinct:
		f := slices.Index(fieldNames[:nFields], fs.Of.Value)
		if f < 0 {
			return fs.at(fs.Of).Wrong("feature_invalid", "%s: of must name what is counted once, one of %s", fs.Name,
				strings.Join(fieldNames[:nFields], ", "))
		}
		x.counts = field(f)
	case kindSpeed:
		x.counts = fieldPlace
		x.wheres = append(x.wheres, policy.Expr{Text: factInfos[factPlace].Name})
	}
	if fs.Where.Text != "" {
		x.wheres = append(x.wheres, fs.Where)
	}
	if fs.Label.Value != "" && fs.Label.Value != "fraud" {
		return fs.Label.Wrong("feature_invalid", `%s: label can only be "fraud"`, fs.Name)
	}
	var err error
	if fs.Delay.Value != "" {
		if x.delay, err = span(fs.Delay); err != nil {
			return err
		}
	}
	if (x.kind == kindBurst) != (fs.Against.Value != "") {
		return fs.at(fs.Against).Wrong("feature_invalid", `%s: a burst, and nothing else, names a longer window with "against"`, fs.Name)
	}
	if x.kind == kindBurst {
		if x.against, err = span(fs.Against); err != nil {
			return err
		}
	}
	return x.setMissing()
}

// each makes the feature of each window.
func (fs *featureSpec) each(x feature) ([]*feature, error) {
	windows, mark := fs.Windows.Value, true
	if fs.Window.Value != "" {
		windows, mark = []policy.Text{fs.Window}, false
	}
	if len(windows) == 0 || fs.Window.Value != "" && fs.Windows.Given() {
		return nil, fs.Name.Wrong("feature_invalid", "%s needs windows, or one window", fs.Name)
	}
	if fs.Alias.Value != "" && len(windows) > 1 {
		return nil, fs.Alias.Wrong("feature_invalid", "%s: an alias is for one window", fs.Name)
	}
	var out []*feature
	for _, w := range windows {
		y := x
		var err error
		if y.span, err = span(w); err != nil {
			return nil, err
		}
		if y.span+y.delay > maxSpan || x.kind == kindBurst && y.against <= y.span {
			return nil, w.Wrong("feature_invalid", "%s: the window must be shorter than what it is compared with, and end within %d days",
				fs.Name, maxSpan/day)
		}
		if mark {
			y.info.Name += "_" + w.Value
		}
		zh, en := spanWords(w.Value)
		y.info.ZH = strings.ReplaceAll(fs.ZH.Value, "{window}", zh)
		y.info.EN = strings.ReplaceAll(fs.EN.Value, "{window}", en)
		out = append(out, &y)
	}
	return out, nil
}

// plan asks the entity for the windows that the feature reads.
func (x *feature) plan() {
	n := x.entity
	w := tally.Window{Span: x.span, Delay: x.delay, Squares: x.kind == kindStd,
		// A payment is not in its own past, nor among what its payer received.
		Before: x.spec.Before || x.kind == kindFirst || x.kind == kindLast || x.kind == kindSpeed || !n.own()}
	if !x.spec.Attempts {
		w.Mask |= flagRefused
	}
	if x.spec.Label.Value != "" {
		w.Mask, w.Want = w.Mask|flagFraud, w.Want|flagFraud
	}
	for _, where := range x.wheres {
		w.Mask, w.Want = w.Mask|n.bit(where.Text), w.Want|n.bit(where.Text)
	}
	if x.counts != noField {
		x.column = slices.Index(n.root.columns, x.counts)
		if x.kind == kindSpeed {
			w.Latest = true
		} else {
			w.Distinct = 1 << x.column
		}
	}
	x.cell = n.window(w)
	switch x.kind {
	case kindShare:
		w.Mask, w.Want = w.Mask|flagFraud, w.Want|flagFraud
		x.other = n.window(w)
	case kindBurst:
		w.Span = x.against
		x.other = n.window(w)
	}
	n.reads = append(n.reads, x)
}

// reach is how far back the feature looks.
func (x *feature) reach() time.Duration { return max(x.span, x.against) + x.delay }
