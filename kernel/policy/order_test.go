package policy

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestOrder(t *testing.T) {
	for _, c := range []struct {
		names string
		uses  string // "a:b,c" a uses b and c
		order string
		cycle string
	}{
		{"a b c", "", "a b c", ""},
		{"c b a", "", "c b a", ""},
		{"a b c", "a:c b:a", "c a b", ""},
		{"a b c d", "a:d,b b:d", "d b a c", ""},
		{"a b", "a:amount,b b:amount", "b a", ""}, // amount is not to be sorted
		{"a a b", "a:b", "b a", ""},
		{"", "", "", ""},
		{"a", "a:a", "", "a"},
		{"a b c", "a:b b:c c:a", "", "a b c"},
		{"x a b c", "x:a a:b b:c c:b", "", "b c"}, // only the circle, not the way into it
		{"a b c d", "a:b,c b:d d:b", "", "b d"},
	} {
		uses := map[string][]string{}
		for _, u := range strings.Fields(c.uses) {
			name, list, _ := strings.Cut(u, ":")
			uses[name] = strings.Split(list, ",")
		}
		order, cycle := Order(strings.Fields(c.names), func(n string) []string { return uses[n] })
		if strings.Join(order, " ") != c.order || strings.Join(cycle, " ") != c.cycle {
			t.Errorf("%s with %s: %v, circle %v", c.names, c.uses, order, cycle)
		}
	}
}

// Whatever the graph: an order has each name once and after all it uses, a
// circle is one, and there is one of the two.
func TestOrderHolds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 12).Draw(t, "names")
		names, uses := make([]string, n), map[string][]string{}
		for i := range names {
			names[i] = fmt.Sprint("v", i)
		}
		for _, e := range rapid.SliceOfN(rapid.IntRange(0, 12*13-1), 0, 2*n).Draw(t, "uses") {
			from := fmt.Sprint("v", e%12)
			uses[from] = append(uses[from], fmt.Sprint("v", e/12))
		}
		of := func(name string) []string { return uses[name] }
		order, cycle := Order(names, of)
		again, _ := Order(names, of)
		if !slices.Equal(order, again) {
			t.Fatalf("%v, then %v", order, again)
		}
		for i, name := range cycle {
			if next := cycle[(i+1)%len(cycle)]; !slices.Contains(uses[name], next) || !slices.Contains(names, name) {
				t.Fatalf("%v is no circle: %s does not use %s", cycle, name, next)
			}
		}
		if cycle != nil {
			if order != nil {
				t.Fatalf("order %v and circle %v", order, cycle)
			}
			return
		}
		if len(order) != n {
			t.Fatalf("order %v of %v", order, names)
		}
		for i, name := range order {
			for _, u := range uses[name] {
				if slices.Contains(names, u) && !slices.Contains(order[:i], u) {
					t.Fatalf("%s stands before %s in %v", name, u, order)
				}
			}
		}
	})
}

// A chain as long as a pack can name does not exhaust the stack.
func TestOrderDeep(t *testing.T) {
	names := make([]string, MaxVars)
	for i := range names {
		names[i] = fmt.Sprint(i)
	}
	uses := func(name string) []string {
		var i int
		_, _ = fmt.Sscan(name, &i)
		return []string{fmt.Sprint(i + 1)}
	}
	order, cycle := Order(names, uses)
	if cycle != nil || len(order) != len(names) || order[0] != names[len(names)-1] {
		t.Errorf("%d names, circle of %d", len(order), len(cycle))
	}
}
