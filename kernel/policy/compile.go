package policy

import (
	"math"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/overloads"
	"cel.dev/cel-go/common/types"
)

// node is a part of an expression as Go can run it. Its type tells which
// function it has: num of an Int, dbl of a Double, str of a String; a Bool is a
// term. They are pure, and safe for many goroutines.
type node struct {
	typ   Type
	konst bool // it reads no row and cannot fail: asked with a nil row it tells its value
	slot  int  // of a plain variable, else -1
	num   func(*Row) (int64, fault)
	dbl   func(*Row) (float64, fault)
	str   func(*Row) (string, fault)
	bool  term
}

// compiler turns a checked CEL tree into nodes. What it does not know makes ok
// false, and the whole expression is left to cel-go.
type compiler struct {
	env  *Env
	tree *ast.AST
}

func (e *Env) closures(tree *cel.Ast) (n node, ok bool) {
	c := compiler{env: e, tree: tree.NativeRep()}
	return c.node(c.tree.Expr())
}

func (c *compiler) node(x ast.Expr) (node, bool) {
	switch x.Kind() {
	case ast.LiteralKind:
		return literal(x)
	case ast.IdentKind:
		return c.variable(x.ID())
	case ast.SelectKind:
		if !x.AsSelect().IsTestOnly() {
			return c.variable(x.ID()) // "payer.age_days" is one name
		}
	case ast.CallKind:
		return c.call(x)
	}
	return node{}, false
}

func literal(x ast.Expr) (node, bool) {
	switch v := x.AsLiteral().(type) {
	case types.Int:
		return constInt(int64(v)), true
	case types.Double:
		return constDouble(float64(v)), true
	case types.String:
		return constText(string(v)), true
	case types.Bool:
		return constBool(bool(v)), true
	}
	return node{}, false
}

func constInt(v int64) node {
	return node{typ: Int, konst: true, slot: -1, num: func(*Row) (int64, fault) { return v, 0 }}
}

func constDouble(v float64) node {
	return node{typ: Double, konst: true, slot: -1, dbl: func(*Row) (float64, fault) { return v, 0 }}
}

func constText(v string) node {
	return node{typ: String, konst: true, slot: -1, str: func(*Row) (string, fault) { return v, 0 }}
}

func constBool(v bool) node {
	return node{typ: Bool, konst: true, slot: -1, bool: term{kind: always, not: !v}}
}

func (c *compiler) variable(id int64) (node, bool) {
	info := c.tree.ReferenceMap()[id]
	if info == nil || info.Value != nil {
		return node{}, false
	}
	slot, declared := c.env.slots[info.Name]
	if !declared {
		return node{}, false
	}
	n := node{typ: c.env.vars[slot].Type, slot: slot}
	switch n.typ {
	case Int:
		n.num = func(row *Row) (int64, fault) { return row.N[slot], 0 }
	case Double:
		n.dbl = func(row *Row) (float64, fault) { return math.Float64frombits(uint64(row.N[slot])), 0 }
	case String:
		n.str = func(row *Row) (string, fault) { return row.text(slot) }
	case Bool:
		n.bool = term{kind: flag, slot: int32(slot)}
	default:
		return node{}, false
	}
	return n, true
}

// call compiles a function or an operator. The checker has made sure that one
// of CEL's overloads fits, so the name and the types of the parts say which.
func (c *compiler) call(x ast.Expr) (node, bool) {
	call := x.AsCall()
	name := call.FunctionName()
	if name == operators.In {
		return c.in(call.Args())
	}
	var parts []node
	if call.IsMemberFunction() {
		n, ok := c.node(call.Target())
		if !ok {
			return node{}, false
		}
		parts = append(parts, n)
	}
	for _, a := range call.Args() {
		n, ok := c.node(a)
		if !ok {
			return node{}, false
		}
		parts = append(parts, n)
	}
	n, ok := operation(name, parts)
	if !ok {
		return node{}, false
	}
	return settle(n, parts), true
}

func operation(name string, p []node) (node, bool) {
	switch name {
	case operators.LogicalAnd:
		return logic(p, false)
	case operators.LogicalOr:
		return logic(p, true)
	}
	switch len(p) {
	case 1:
		return unary(name, p[0])
	case 2:
		return binary(name, p[0], p[1])
	case 3:
		if name == operators.Conditional {
			return choose(p[0], p[1], p[2])
		}
	}
	return node{}, false
}

func unary(name string, p node) (node, bool) {
	switch name {
	case operators.LogicalNot:
		if p.typ != Bool {
			return node{}, false
		}
		p.bool.not = !p.bool.not
		return p, true
	case operators.Negate:
		return negate(p)
	case overloads.Size:
		return size(p)
	case overloads.TypeConvertInt:
		return toInt(p)
	case overloads.TypeConvertDouble:
		return toDouble(p)
	case overloads.TypeConvertString, overloads.TypeConvertBool:
		return p, name == string(p.typ) // only the conversion that changes nothing
	}
	return node{}, false
}

func binary(name string, a, b node) (node, bool) {
	if o, ok := comparisons[name]; ok {
		return compare(o, a, b)
	}
	switch {
	case a.typ != b.typ:
	case a.typ == Int:
		return intArithmetic(name, a, b)
	case a.typ == Double:
		return doubleArithmetic(name, a, b)
	case a.typ == String:
		return textOperation(name, a, b)
	}
	return node{}, false
}

// settle replaces an operation on constants by its value, unless it fails: then
// it must fail each time it is asked.
func settle(n node, parts []node) node {
	for _, p := range parts {
		if !p.konst {
			return n
		}
	}
	switch n.typ {
	case Int:
		if v, bad := n.num(nil); bad == 0 {
			return constInt(v)
		}
	case Double:
		if v, bad := n.dbl(nil); bad == 0 {
			return constDouble(v)
		}
	case String:
		if v, bad := n.str(nil); bad == 0 {
			return constText(v)
		}
	case Bool:
		if v, bad := n.bool.ask(nil); bad == 0 {
			return constBool(v)
		}
	}
	return n
}

// double is a number as a Double; any other node stays as it is.
func (n node) double() node {
	if n.typ != Int {
		return n
	}
	if n.konst {
		v, _ := n.num(nil)
		return constDouble(float64(v))
	}
	num := n.num
	return node{typ: Double, slot: -1, dbl: func(row *Row) (float64, fault) {
		v, bad := num(row)
		return float64(v), bad
	}}
}

// choose is CEL's a ? b : c: only the branch that is taken can fail.
func choose(when, yes, no node) (node, bool) {
	if when.typ != Bool || yes.typ != no.typ {
		return node{}, false
	}
	ask := when.bool.asked()
	n := node{typ: yes.typ, slot: -1}
	switch yes.typ {
	case Int:
		n.num = chooseFrom(ask, yes.num, no.num)
	case Double:
		n.dbl = chooseFrom(ask, yes.dbl, no.dbl)
	case String:
		n.str = chooseFrom(ask, yes.str, no.str)
	case Bool:
		n.bool = term{kind: asks, fn: chooseFrom(ask, yes.bool.asked(), no.bool.asked())}
	default:
		return node{}, false
	}
	return n, true
}

func chooseFrom[T any](ask func(*Row) (bool, fault), yes, no func(*Row) (T, fault)) func(*Row) (T, fault) {
	return func(row *Row) (T, fault) {
		ok, bad := ask(row)
		if bad != 0 {
			var zero T
			return zero, bad
		}
		if ok {
			return yes(row)
		}
		return no(row)
	}
}
