package policy

import (
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/overloads"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

// textOperation is what CEL can do with two strings, but comparing them.
func textOperation(name string, a, b node) (node, bool) {
	switch name {
	case operators.Add:
		return node{typ: String, slot: -1, str: concat(a.str, b.str)}, true
	case overloads.Contains:
		return textTest(a, b, strings.Contains), true
	case overloads.StartsWith:
		return textTest(a, b, strings.HasPrefix), true
	case overloads.EndsWith:
		return textTest(a, b, strings.HasSuffix), true
	case overloads.Matches:
		return matches(a, b)
	}
	return node{}, false
}

func concat(a, b func(*Row) (string, fault)) func(*Row) (string, fault) {
	return func(row *Row) (string, fault) {
		x, bad := a(row)
		if bad != 0 {
			return "", bad
		}
		y, bad := b(row)
		if bad != 0 {
			return "", bad
		}
		return x + y, 0
	}
}

func textTest(a, b node, f func(s, part string) bool) node {
	l, r := a.str, b.str
	return node{typ: Bool, slot: -1, bool: term{kind: asks, fn: func(row *Row) (bool, fault) {
		x, bad := l(row)
		if bad != 0 {
			return false, bad
		}
		y, bad := r(row)
		if bad != 0 {
			return false, bad
		}
		return f(x, y), 0
	}}}
}

// matches knows patterns that are constant; they are compiled once, here.
func matches(a, pattern node) (node, bool) {
	if !pattern.konst {
		return node{}, false
	}
	p, _ := pattern.str(nil)
	re, err := regexp.Compile(p)
	if err != nil {
		return node{}, false
	}
	return textIs(a, re.MatchString), true
}

// textIs is a condition on one string.
func textIs(a node, f func(string) bool) node {
	str := a.str
	return node{typ: Bool, slot: -1, bool: term{kind: asks, fn: func(row *Row) (bool, fault) {
		s, bad := str(row)
		if bad != 0 {
			return false, bad
		}
		return f(s), 0
	}}}
}

// size counts characters, not bytes.
func size(p node) (node, bool) {
	if p.typ != String {
		return node{}, false
	}
	str := p.str
	return node{typ: Int, slot: -1, num: func(row *Row) (int64, fault) {
		s, bad := str(row)
		return int64(utf8.RuneCountInString(s)), bad
	}}, true
}

// few is the length up to which a list is searched faster than a table.
const few = 8

// in is x in [a, b, …] for a list of constants of x's type. In an empty list
// there is nothing, also for an x that fails: so says cel-go.
func (c *compiler) in(args []ast.Expr) (node, bool) {
	if len(args) != 2 || args[1].Kind() != ast.ListKind || len(args[1].AsList().OptionalIndices()) > 0 {
		return node{}, false
	}
	x, ok := c.node(args[0])
	if !ok {
		return node{}, false
	}
	items := args[1].AsList().Elements()
	if len(items) == 0 {
		return constBool(false), true
	}
	var n node
	switch x.typ {
	case Int:
		list, ok := literals(items, func(v ref.Val) (int64, bool) { n, ok := v.(types.Int); return int64(n), ok })
		if !ok {
			return node{}, false
		}
		n = node{typ: Bool, slot: -1, bool: term{kind: asks, fn: inOf(x.num, list)}}
	case String:
		list, ok := literals(items, func(v ref.Val) (string, bool) { s, ok := v.(types.String); return string(s), ok })
		if !ok {
			return node{}, false
		}
		n = textIs(x, member(list))
	default:
		return node{}, false
	}
	return settle(n, []node{x}), true
}

// literals reads a list of constants of one type.
func literals[T any](items []ast.Expr, of func(ref.Val) (T, bool)) ([]T, bool) {
	list := make([]T, 0, len(items))
	for _, item := range items {
		if item.Kind() != ast.LiteralKind {
			return nil, false
		}
		v, ok := of(item.AsLiteral())
		if !ok {
			return nil, false
		}
		list = append(list, v)
	}
	return list, true
}

func inOf[T comparable](x func(*Row) (T, fault), list []T) func(*Row) (bool, fault) {
	is := member(list)
	return func(row *Row) (bool, fault) {
		v, bad := x(row)
		if bad != 0 {
			return false, bad
		}
		return is(v), 0
	}
}

// member tells whether a value is in a list.
func member[T comparable](list []T) func(T) bool {
	if len(list) <= few {
		return func(v T) bool { return slices.Contains(list, v) }
	}
	set := make(map[T]struct{}, len(list))
	for _, v := range list {
		set[v] = struct{}{}
	}
	return func(v T) bool { _, ok := set[v]; return ok }
}
