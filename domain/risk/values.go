package risk

import (
	"bytes"
	"encoding/json"
	"iter"
	"math"
	"slices"
	"strconv"

	"surety/kernel/ident"
	"surety/kernel/policy"
)

// Value is one feature with its value: an int64, a float64, a bool or a string;
// nil if it could not be computed.
type Value struct {
	Name  string
	Value any
}

// Values are the features of a decision, in the order of the pack. They share
// the pack's names and hold bare numbers, so that a decision is small. The zero
// Values hold nothing. As JSON they are one object in that order.
type Values struct {
	layout *layout
	n      []int64  // by slot
	s      []string // by slot
	broken []int    // slots without a value
}

// layout says which values a row holds, in the order in which people see them.
type layout struct {
	infos []FeatureInfo
	slots []int
	keys  [][]byte // as they begin in JSON: `"amount":`
	at    map[string]int
}

// newLayout records each fact that is always recorded or that somebody reads, and
// every feature.
func (p *Pack) newLayout() *layout {
	used := map[string]bool{}
	note := func(names []string) {
		for _, n := range names {
			used[n] = true
		}
	}
	for i := range p.rules {
		note(p.rules[i].when.Uses())
	}
	for _, x := range p.values {
		note(x.formula.Uses())
	}
	l := &layout{at: map[string]int{}}
	for f := range nFacts {
		if i := &factInfos[f]; i.flags&always != 0 || used[i.Name] {
			l.add(i.FeatureInfo, p.facts[f])
		}
	}
	for _, x := range p.features {
		l.add(x.info, x.slot)
	}
	return l
}

func (l *layout) add(info FeatureInfo, slot int) {
	l.at[info.Name] = len(l.infos)
	l.infos = append(l.infos, info)
	l.slots = append(l.slots, slot)
	l.keys = append(l.keys, append(appendText(nil, info.Name), ':'))
}

// values copies what a row holds.
func (p *Pack) valuesOf(s *scratch) Values {
	v := Values{layout: p.record, n: slices.Clone(s.row.N[:s.fixed]), s: slices.Clone(s.row.S)}
	if len(s.broken) > 0 {
		v.broken = slices.Clone(s.broken)
	}
	return v
}

// Len is how many features there are.
func (v Values) Len() int {
	if v.layout == nil {
		return 0
	}
	return len(v.layout.infos)
}

// At is the feature at a place, from 0.
func (v Values) At(i int) Value {
	slot := v.layout.slots[i]
	info := &v.layout.infos[i]
	out := Value{Name: info.Name}
	switch {
	case slices.Contains(v.broken, slot):
	case info.Type == policy.String:
		out.Value = v.s[slot]
	case info.Type == policy.Bool:
		out.Value = v.n[slot] != 0
	case info.Type == policy.Double:
		out.Value = math.Float64frombits(uint64(v.n[slot]))
	default:
		out.Value = v.n[slot]
	}
	return out
}

// All goes through the features in order.
func (v Values) All() iter.Seq[Value] {
	return func(yield func(Value) bool) {
		for i := range v.Len() {
			if !yield(v.At(i)) {
				return
			}
		}
	}
}

// Get finds a value by the feature's name.
func (v Values) Get(name string) (any, bool) {
	if v.layout == nil {
		return nil, false
	}
	i, ok := v.layout.at[name]
	if !ok {
		return nil, false
	}
	return v.At(i).Value, true
}

// Equal reports whether the same features have the same values, in the same order.
func (v Values) Equal(o Values) bool {
	if v.Len() != o.Len() {
		return false
	}
	for i := range v.Len() {
		if v.At(i) != o.At(i) {
			return false
		}
	}
	return true
}

// AppendJSON writes {"amount": 100, …} at the end of b. A double always has a
// point or an exponent, so that it is read back as one.
func (v Values) AppendJSON(b []byte) []byte {
	b = append(b, '{')
	for i := range v.Len() {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, v.layout.keys[i]...)
		slot := v.layout.slots[i]
		switch t := v.layout.infos[i].Type; {
		case v.broken != nil && slices.Contains(v.broken, slot):
			b = append(b, "null"...)
		case t == policy.String:
			b = appendText(b, v.s[slot])
		case t == policy.Bool:
			b = strconv.AppendBool(b, v.n[slot] != 0)
		case t == policy.Double:
			b = appendDouble(b, math.Float64frombits(uint64(v.n[slot])))
		default:
			b = strconv.AppendInt(b, v.n[slot], 10)
		}
	}
	return append(b, '}')
}

// MarshalJSON writes {"amount": 100, …}.
func (v Values) MarshalJSON() ([]byte, error) { return v.AppendJSON(nil), nil }

// UnmarshalJSON reads what MarshalJSON wrote, also by an earlier version with
// other features, in the order written.
func (v *Values) UnmarshalJSON(b []byte) error {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	if _, err := dec.Token(); err != nil {
		return err
	}
	l := &layout{at: map[string]int{}}
	*v = Values{layout: l}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return err
		}
		value, err := dec.Token()
		if err != nil {
			return err
		}
		text, _ := name.(string)
		if err := v.put(text, value); err != nil {
			return err
		}
	}
	return nil
}

// put adds a value as JSON says it.
func (v *Values) put(name string, value any) error {
	slot := len(v.n)
	info := FeatureInfo{Name: name}
	var n int64
	var s string
	switch x := value.(type) {
	case nil:
		v.broken = append(v.broken, slot)
	case bool:
		info.Type = policy.Bool
		if x {
			n = 1
		}
	case string:
		info.Type, s = policy.String, x
	case json.Number:
		var err error
		if info.Type = policy.Int; bytes.ContainsAny([]byte(x), ".eE") {
			var f float64
			info.Type = policy.Double
			f, err = x.Float64()
			n = bits(f)
		} else {
			n, err = x.Int64()
		}
		if err != nil {
			return ident.Invalid("features", "feature_not_number", "the feature %s is %s, which is out of range", name, x)
		}
	default:
		return ident.Invalid("features", "feature_not_plain", "the feature %s is no plain value", name)
	}
	v.n, v.s = append(v.n, n), append(v.s, s)
	v.layout.add(info, slot)
	return nil
}
