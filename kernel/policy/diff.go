package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
)

// Change is one place where two packs differ.
type Change struct {
	Path   string `json:"path"`             // "rules[new_device].weight", "limits.basic[2]"
	Before string `json:"before,omitempty"` // "" if it was added
	After  string `json:"after,omitempty"`  // "" if it was removed
}

// String is "limits.basic: 1000 -> 500".
func (c Change) String() string {
	switch {
	case c.Before == "":
		return c.Path + ": added " + c.After
	case c.After == "":
		return c.Path + ": removed " + c.Before
	}
	return c.Path + ": " + c.Before + " -> " + c.After
}

// Diff lists what changed from pack text a to pack text b, by path, sorted.
// Comments, order of keys and layout do not count. Items of a list that all
// have an "id", "code" or "name" are compared by it, others by position.
func Diff(a, b []byte) ([]Change, error) {
	va, err := loose(a)
	if err != nil {
		return nil, err
	}
	vb, err := loose(b)
	if err != nil {
		return nil, err
	}
	var out []Change
	diff(&out, "", va, vb)
	slices.SortStableFunc(out, func(x, y Change) int { return strings.Compare(x.Path, y.Path) })
	return out, nil
}

func loose(text []byte) (any, error) {
	root, err := parse(text)
	if err != nil {
		return nil, err
	}
	var v any
	if err := yaml.NodeToValue(root, &v); err != nil {
		return nil, placed(err)
	}
	return v, nil
}

func diff(out *[]Change, path string, a, b any) {
	switch x := a.(type) {
	case map[string]any:
		if y, ok := b.(map[string]any); ok {
			diffMaps(out, path, x, y)
			return
		}
	case []any:
		if y, ok := b.([]any); ok {
			diffLists(out, path, x, y)
			return
		}
	}
	if sa, sb := show(a), show(b); sa != sb {
		*out = append(*out, Change{Path: path, Before: sa, After: sb})
	}
}

func diffMaps(out *[]Change, path string, a, b map[string]any) {
	for k, va := range a {
		vb, ok := b[k]
		if !ok {
			*out = append(*out, Change{Path: join(path, k), Before: show(va)})
			continue
		}
		diff(out, join(path, k), va, vb)
	}
	for k, vb := range b {
		if _, ok := a[k]; !ok {
			*out = append(*out, Change{Path: join(path, k), After: show(vb)})
		}
	}
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func diffLists(out *[]Change, path string, a, b []any) {
	ka, kb := keys(a), keys(b)
	if ka == nil || kb == nil {
		ka, kb = positions(len(a)), positions(len(b))
	}
	for i, k := range ka {
		j := slices.Index(kb, k)
		if j < 0 {
			*out = append(*out, Change{Path: path + "[" + k + "]", Before: show(a[i])})
			continue
		}
		diff(out, path+"["+k+"]", a[i], b[j])
	}
	for j, k := range kb {
		if !slices.Contains(ka, k) {
			*out = append(*out, Change{Path: path + "[" + k + "]", After: show(b[j])})
		}
	}
}

// keys names each item by its id, code or name; nil unless all have one and no
// two share it.
func keys(list []any) []string {
	for _, field := range []string{"id", "code", "name"} {
		names := make([]string, 0, len(list))
		for _, item := range list {
			m, _ := item.(map[string]any)
			s, ok := m[field].(string)
			if !ok || slices.Contains(names, s) {
				break
			}
			names = append(names, s)
		}
		if len(names) == len(list) {
			return names
		}
	}
	return nil
}

func positions(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprint(i + 1)
	}
	return out
}

// show writes a value on one line so that equal values are equal text. Maps are
// printed by fmt in the order of their keys.
func show(v any) string {
	switch x := v.(type) {
	case nil:
		return "null"
	case string:
		return fmt.Sprintf("%q", x)
	case map[string]any, []any:
		return fmt.Sprint(x)
	}
	return fmt.Sprint(v)
}
