package watch

import (
	_ "embed"
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"surety/kernel/ident"
	"surety/kernel/policy"
)

// Dimension is whose payments are counted together.
type Dimension string

// The dimensions.
const (
	Terminal Dimension = "terminal"
	Merchant Dimension = "merchant"
	Payee    Dimension = "payee"
	Device   Dimension = "device"
	Method   Dimension = "method" // risk.Event.Channel
	Region   Dimension = "region"
	Type     Dimension = "type"
)

// Dimensions lists all of them.
func Dimensions() []Dimension {
	return []Dimension{Terminal, Merchant, Payee, Device, Method, Region, Type}
}

// number is the dimension's place in the meter, -1 if there is none of that name.
func (d Dimension) number() int {
	for i, x := range Dimensions() {
		if x == d {
			return i
		}
	}
	return -1
}

// Measure is what is counted.
type Measure string

// The measures. Each but Labels is compared with the past 28 days of the key.
const (
	Count     Measure = "count"      // payments
	Amount    Measure = "amount"     // their sum
	Stopped   Measure = "stopped"    // payments that were not allowed; not those that a Stop held up
	Share     Measure = "share"      // stopped payments against as many as there are now
	NewPayers Measure = "new_payers" // first payments of a payer to that payee
	Labels    Measure = "labels"     // labelled frauds, by CUSUM; of the four large dimensions
)

// Measures lists all of them.
func Measures() []Measure { return []Measure{Count, Amount, Stopped, Share, NewPayers, Labels} }

// Watch says what rise is unusual. The zero Version is a new one.
type Watch struct {
	ID        ident.ID
	Owner     string // who answers for it
	Dimension Dimension
	Measure   Measure
	// Window is 5 to 60 whole minutes, or 2 to 24 whole hours: those begin on the
	// hour. Unused for Labels.
	Window time.Duration
	// FalseAlarms is how many of a thousand ordinary days may have one, over all
	// keys together: 100 is one in ten days.
	FalseAlarms int64
	// Floor is the least number of payments that is worth an alarm (of those that the
	// measure counts); 5 or more, for Labels 2 or more.
	Floor int64
	// FloorAmount is the least sum, minor units, in all measures but Labels; 0 is none.
	FloorAmount int64
	// Ratio is how many percent of the expected it must reach, 110 or more.
	Ratio   int64
	Enabled bool
	ZH, EN  string // what it is for, for people

	Edited  bool // a person has changed it: a newer pack leaves it alone
	Changed time.Time
	By      ident.ID
	Version int
}

// Check refuses a watch that could not be told from noise or would say nothing.
func (w Watch) Check() error {
	if err := ident.CheckID("id", w.ID); err != nil {
		return err
	}
	least := int64(follows)
	if w.Measure == Labels {
		least = 2
	}
	d := w.Dimension.number()
	minutes, whole := int64(w.Window/time.Minute), w.Window%time.Minute == 0
	window := whole && (minutes >= 5 && minutes <= 60 || minutes%60 == 0 && minutes > 60 && minutes <= 24*60)
	switch {
	case strings.TrimSpace(w.Owner) == "" || len(w.Owner) > 64:
		return ident.Invalid("owner", "required", "say in up to 64 bytes who answers for the watch %s", w.ID)
	case d < 0:
		return ident.Invalid("dimension", "dimension_unknown", "there is no dimension %q; see the list of them", w.Dimension)
	case !contains(Measures(), w.Measure):
		return ident.Invalid("measure", "measure_unknown", "there is no measure %q; see the list of them", w.Measure)
	case w.Measure == Labels && d >= nLarge:
		return ident.Invalid("dimension", "dimension_no_labels", "labels are watched by terminal, merchant, payee and device alone")
	case w.Measure == Labels && w.Window != 0:
		return ident.Invalid("window", "window_unused", "labels are watched from label to label: leave the window out")
	case w.Measure != Labels && !window:
		return ident.Invalid("window", "window_invalid", "the window is 5 to 60 minutes or 2 to 24 whole hours, not %s", w.Window)
	case w.FalseAlarms < 1 || w.FalseAlarms > 10_000:
		return ident.Invalid("false_alarms", "out_of_range", "false_alarms per 1000 days must be 1 to 10000, it is %d", w.FalseAlarms)
	case w.Floor < least || w.Floor > 1e9:
		return ident.Invalid("floor", "out_of_range", "floor must be %d or more: fewer payments are no rise", least)
	case w.FloorAmount < 0 || w.FloorAmount > 1e15:
		return ident.Invalid("floor_amount", "out_of_range", "floor_amount must be 0 (none) or more minor units")
	case w.Measure != Labels && (w.Ratio < 110 || w.Ratio > 100_000):
		return ident.Invalid("ratio", "out_of_range", "ratio must be 110 percent or more, it is %d", w.Ratio)
	}
	return checkWords(w.ZH, w.EN)
}

func checkWords(zh, en string) error {
	for _, f := range []struct{ field, v string }{{"zh", zh}, {"en", en}} {
		if n := utf8.RuneCountInString(f.v); strings.TrimSpace(f.v) == "" || n > 200 || !plain(f.v) {
			return ident.Invalid(f.field, "words", "say it in %s in 1 to 200 characters", f.field)
		}
	}
	return nil
}

// plain is UTF-8 text without control characters.
func plain(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
}

func contains[T comparable](all []T, v T) bool {
	for _, x := range all {
		if x == v {
			return true
		}
	}
	return false
}

// ticksPerDay is how often each key is looked at.
const ticksPerDay = 24 * 60 * 6

// limit is the natural logarithm of the chance below which a rise counts, among so
// many keys. By Bonferroni's inequality the expected number of false alarms a day
// is at most keys x looks x chance, whatever the looks have to do with each other:
// so chance = (FalseAlarms / 1000) / (keys x 8640). Windows that overlap say
// almost the same at each look, so there are far fewer in truth.
func (w Watch) limit(keys float64) float64 {
	return math.Log(float64(w.FalseAlarms)/1000) - math.Log(keys*ticksPerDay)
}

//go:embed packs/watches.yaml
var packText string

type packSpec struct {
	Watches []watchSpec `yaml:"watches"`
}

type watchSpec struct {
	ID          string `yaml:"id"`
	Owner       string `yaml:"owner"`
	Dimension   string `yaml:"dimension"`
	Measure     string `yaml:"measure"`
	Window      string `yaml:"window"`
	FalseAlarms int64  `yaml:"false_alarms"`
	Floor       int64  `yaml:"floor"`
	FloorAmount int64  `yaml:"floor_amount"`
	Ratio       int64  `yaml:"ratio"`
	Off         bool   `yaml:"off"`
	ZH          string `yaml:"zh"`
	EN          string `yaml:"en"`
}

const maxWatches = 200

// ReadPack reads watches from YAML; errors name the watch or the line and column.
func ReadPack(text string) ([]Watch, policy.Version, error) {
	var spec packSpec
	v, err := policy.Load(strings.NewReader(text), &spec)
	if err != nil {
		return nil, v, err
	}
	if len(spec.Watches) == 0 || len(spec.Watches) > maxWatches {
		return nil, v, ident.Invalid("watches", "pack_size", "a pack has 1 to %d watches, this one %d", maxWatches, len(spec.Watches))
	}
	var out []Watch
	for i, s := range spec.Watches {
		w := Watch{ID: s.ID, Owner: s.Owner, Dimension: Dimension(s.Dimension), Measure: Measure(s.Measure), FalseAlarms: s.FalseAlarms,
			Floor: s.Floor, FloorAmount: s.FloorAmount, Ratio: s.Ratio, Enabled: !s.Off, ZH: s.ZH, EN: s.EN}
		if s.Window != "" {
			if w.Window, err = time.ParseDuration(s.Window); err != nil {
				return nil, v, ident.Invalid("window", "window_invalid", "watch %d (%s): %q is not a time like 10m or 2h", i+1, s.ID, s.Window)
			}
		}
		if err := w.Check(); err != nil {
			return nil, v, ident.E(ident.KindInvalid, "watch_invalid", "watch %d (%s) of the pack is wrong", i+1, s.ID).Because(err)
		}
		for _, o := range out {
			if o.ID == w.ID {
				return nil, v, ident.Invalid("id", "watch_twice", "watch %d: there are two of the id %s", i+1, s.ID)
			}
		}
		out = append(out, w)
	}
	return out, v, nil
}
