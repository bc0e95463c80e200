package risk

import (
	"maps"
	"slices"
	"strings"
	"time"

	"surety/kernel/ident"
	"surety/kernel/policy"
	"surety/platform/tally"
)

// The flags of a counted event. Filters of features take the other bits.
const (
	flagFraud   = 1 << 0 // known to be a theft
	flagRefused = 1 << 1 // an attempt that came to nothing
	firstFilter = 2      // the first bit of a filter
	maxFilters  = 10     // of one entity
)

// maxEntities bounds a pack: each costs a look into memory for each payment.
const maxEntities = 12

// entitySpec is an entity as it stands in a pack.
type entitySpec struct {
	Key policy.At[[]policy.Text] `yaml:"key"` // one field of the event, or two
	As  policy.Text              `yaml:"as"`  // another entity, whose history is read under this key
}

// entity is something that has a history. One that is read "as" another has none
// of its own: the payer as a payee is what he received.
type entity struct {
	name string
	key  []field
	root *entity // whose history it is: itself, or the one that "as" names

	dim     tally.Dim // of a root, from 1
	columns []field   // of a root: what is counted distinct, at most tally.MaxColumns
	filters []*filter // of a root; filter i has bit firstFilter+i

	windows []tally.Window // that are read, each once
	plan    *tally.Plan    // nil if nothing is read
	probe   *tally.Plan    // of a root: see stripFlags
	reads   []*feature
}

// filter is a condition on events that features of an entity share.
type filter struct {
	text string
	when *policy.Rule
}

func (n *entity) own() bool { return n.root == n }

// loadEntities makes the entities in the order of their names, so that numbers
// do not depend on the order in the text.
func loadEntities(specs map[string]entitySpec) ([]*entity, error) {
	if len(specs) > maxEntities {
		return nil, ident.Invalid("entities", "pack_size", "a pack has at most %d entities, this one has %d", maxEntities, len(specs))
	}
	var out []*entity
	byName := map[string]*entity{}
	for _, name := range slices.Sorted(maps.Keys(specs)) {
		spec := specs[name]
		n := &entity{name: name}
		n.root = n
		if !entityName(name) {
			return nil, spec.Key.Wrong("entity_invalid", "%q is no name of an entity: 1 to 32 small letters, digits and _", name)
		}
		if l := len(spec.Key.Value); l < 1 || l > 2 {
			return nil, spec.Key.Wrong("entity_invalid", "the key of an entity is one field of the payment, or two; %s has %d", name, l)
		}
		for _, w := range spec.Key.Value {
			f := slices.Index(fieldNames[:keyFields], w.Value)
			if f < 0 {
				return nil, w.Wrong("field_unknown", "no entity can be named by %q; there are %s", w.Value,
					strings.Join(fieldNames[:keyFields], ", "))
			}
			if slices.Contains(n.key, field(f)) {
				return nil, w.Wrong("entity_invalid", "the two fields of a key must differ")
			}
			n.key = append(n.key, field(f))
		}
		byName[name] = n
		out = append(out, n)
	}
	dim := tally.Dim(0)
	for _, n := range out {
		as := specs[n.name].As
		if as.Value == "" {
			dim++
			n.dim = dim
			continue
		}
		root, ok := byName[as.Value]
		if !ok || root == n || specs[as.Value].As.Value != "" || len(root.key) != len(n.key) {
			return nil, as.Wrong("entity_invalid", "%q is no other entity with a history of its own and a key of as many fields", as.Value)
		}
		n.root = root
	}
	return out, nil
}

func entityName(s string) bool {
	if s == "" || len(s) > 32 {
		return false
	}
	for _, c := range s {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' {
			return false
		}
	}
	return true
}

// window finds a window of the entity or adds it: two features that read the
// same events share one.
func (n *entity) window(w tally.Window) int {
	for i := range n.windows {
		v := &n.windows[i]
		if v.Span == w.Span && v.Delay == w.Delay && v.Mask == w.Mask && v.Want == w.Want && v.Before == w.Before {
			v.Distinct |= w.Distinct
			v.Squares = v.Squares || w.Squares
			v.Latest = v.Latest || w.Latest
			return i
		}
	}
	n.windows = append(n.windows, w)
	return len(n.windows) - 1
}

// settle fixes the places of columns and filters in the histories, sorted, so
// that they do not depend on the order of the features.
func settle(entities []*entity, specs []*feature, env *policy.Env) error {
	for _, x := range specs {
		if x.entity == nil {
			continue
		}
		root := x.entity.root
		if x.counts != noField && !slices.Contains(root.columns, x.counts) {
			root.columns = append(root.columns, x.counts)
			if len(root.columns) > tally.MaxColumns {
				return x.spec.Of.Wrong("feature_invalid", "the history of %s keeps at most %d fields to tell apart", root.name, tally.MaxColumns)
			}
		}
		for _, w := range x.wheres {
			same := func(f *filter) bool { return f.text == w.Text }
			if slices.ContainsFunc(root.filters, same) {
				continue
			}
			rule, err := env.CompileExpr(w)
			if err != nil {
				return err
			}
			root.filters = append(root.filters, &filter{w.Text, rule})
			if len(root.filters) > maxFilters {
				return w.Wrong("feature_invalid", "the history of %s knows at most %d different conditions", root.name, maxFilters)
			}
		}
	}
	for _, n := range entities {
		slices.Sort(n.columns)
		slices.SortFunc(n.filters, func(a, b *filter) int { return strings.Compare(a.text, b.text) })
	}
	return nil
}

// bit is the flag of a condition.
func (n *entity) bit(text string) uint16 {
	i := slices.IndexFunc(n.root.filters, func(f *filter) bool { return f.text == text })
	return 1 << (firstFilter + i)
}

// span reads a length of time: "10m", "1h", "7d".
func span(t policy.Text) (time.Duration, error) {
	units := map[byte]time.Duration{'s': time.Second, 'm': time.Minute, 'h': time.Hour, 'd': day}
	s, n := t.Value, int64(0)
	for i := range len(s) {
		if c := s[i]; i == len(s)-1 && i > 0 && units[c] > 0 && n > 0 {
			if d := time.Duration(n) * units[c]; d/units[c] == time.Duration(n) && d <= maxSpan {
				return d, nil
			}
		} else if c < '0' || c > '9' || i > 8 || i == 0 && c == '0' {
			break
		}
		n = n*10 + int64(s[i]-'0')
	}
	return 0, t.Wrong("span_invalid", `%q is no length of time: write 10m, 1h or 7d, at most %dd`, t.Value, maxSpan/day)
}

// maxSpan bounds how far back a window may reach, its delay included.
const maxSpan = 1100 * day

// spanWords are a length of time for people.
func spanWords(s string) (zh, en string) {
	n, unit := s[:len(s)-1], s[len(s)-1]
	words := map[byte][2]string{'s': {"秒", "second"}, 'm': {"分钟", "minute"}, 'h': {"小时", "hour"}, 'd': {"天", "day"}}[unit]
	if n == "1" && unit == 'd' {
		return "24小时", "24 hours"
	}
	plural := "s"
	if n == "1" {
		plural = ""
	}
	return n + words[0], n + " " + words[1] + plural
}
