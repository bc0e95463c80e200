package policy

import (
	"math"
	"strconv"

	"cel.dev/cel-go/common/operators"
)

// intArithmetic is + - * / % of whole numbers. What does not fit into 64 bits
// is a fault, never a wrapped number.
func intArithmetic(name string, a, b node) (node, bool) {
	var f func(x, y int64) (int64, fault)
	switch name {
	case operators.Add:
		f = addInt
	case operators.Subtract:
		f = subInt
	case operators.Multiply:
		f = mulInt
	case operators.Divide:
		f = divInt
	case operators.Modulo:
		f = modInt
	default:
		return node{}, false
	}
	l, r := a.num, b.num
	n := node{typ: Int, slot: -1}
	if b.konst {
		y, _ := r(nil)
		n.num = func(row *Row) (int64, fault) {
			x, bad := l(row)
			if bad != 0 {
				return 0, bad
			}
			return f(x, y)
		}
		return n, true
	}
	n.num = func(row *Row) (int64, fault) {
		x, bad := l(row)
		if bad != 0 {
			return 0, bad
		}
		y, bad := r(row)
		if bad != 0 {
			return 0, bad
		}
		return f(x, y)
	}
	return n, true
}

func addInt(x, y int64) (int64, fault) {
	if s := x + y; (s > x) == (y > 0) {
		return s, 0
	}
	return 0, overflow
}

func subInt(x, y int64) (int64, fault) {
	if d := x - y; (d < x) == (y > 0) {
		return d, 0
	}
	return 0, overflow
}

func mulInt(x, y int64) (int64, fault) {
	if x == 0 || y == 0 {
		return 0, 0
	}
	p := x * y
	if y == -1 && x == math.MinInt64 || p/y != x { // the first wraps in the division too
		return 0, overflow
	}
	return p, 0
}

func divInt(x, y int64) (int64, fault) {
	switch {
	case y == 0:
		return 0, divisionByZero
	case y == -1 && x == math.MinInt64:
		return 0, overflow
	}
	return x / y, 0
}

func modInt(x, y int64) (int64, fault) {
	switch {
	case y == 0:
		return 0, modulusByZero
	case y == -1 && x == math.MinInt64:
		return 0, overflow
	}
	return x % y, 0
}

// doubleArithmetic is + - * / of IEEE 754 doubles: it cannot fail, a division
// by zero is infinite. Each step is rounded, on every machine: the conversion
// forbids Go to fuse two steps into one.
func doubleArithmetic(name string, a, b node) (node, bool) {
	var f func(x, y float64) float64
	switch name {
	case operators.Add:
		f = func(x, y float64) float64 { return float64(x + y) }
	case operators.Subtract:
		f = func(x, y float64) float64 { return float64(x - y) }
	case operators.Multiply:
		f = func(x, y float64) float64 { return float64(x * y) }
	case operators.Divide:
		f = func(x, y float64) float64 { return x / y }
	default:
		return node{}, false
	}
	l, r := a.dbl, b.dbl
	return node{typ: Double, slot: -1, dbl: func(row *Row) (float64, fault) {
		x, bad := l(row)
		if bad != 0 {
			return 0, bad
		}
		y, bad := r(row)
		if bad != 0 {
			return 0, bad
		}
		return f(x, y), 0
	}}, true
}

func negate(p node) (node, bool) {
	switch p.typ {
	case Int:
		num := p.num
		return node{typ: Int, slot: -1, num: func(row *Row) (int64, fault) {
			v, bad := num(row)
			if bad == 0 && v == math.MinInt64 {
				bad = overflow
			}
			return -v, bad
		}}, true
	case Double:
		dbl := p.dbl
		return node{typ: Double, slot: -1, dbl: func(row *Row) (float64, fault) {
			v, bad := dbl(row)
			return -v, bad
		}}, true
	}
	return node{}, false
}

// toInt is int(x): a double is cut towards zero, and must lie strictly between
// the least and the greatest int64.
func toInt(p node) (node, bool) {
	n := node{typ: Int, slot: -1}
	switch p.typ {
	case Int:
		return p, true
	case Double:
		dbl := p.dbl
		n.num = func(row *Row) (int64, fault) {
			v, bad := dbl(row)
			if bad != 0 {
				return 0, bad
			}
			if v > math.MinInt64 && v < math.MaxInt64 { // false for NaN; both bounds round to powers of two
				return int64(v), 0
			}
			return 0, overflow
		}
	case String:
		str := p.str
		n.num = func(row *Row) (int64, fault) {
			s, bad := str(row)
			if bad != 0 {
				return 0, bad
			}
			v, err := strconv.ParseInt(s, 10, 64)
			if err != nil {
				return 0, textToInt
			}
			return v, 0
		}
	default:
		return node{}, false
	}
	return n, true
}

// toDouble is double(x): the nearest double; a text may also be "NaN" or "-inf".
func toDouble(p node) (node, bool) {
	switch p.typ {
	case Double:
		return p, true
	case Int:
		return p.double(), true
	case String:
		str := p.str
		return node{typ: Double, slot: -1, dbl: func(row *Row) (float64, fault) {
			s, bad := str(row)
			if bad != 0 {
				return 0, bad
			}
			v, err := strconv.ParseFloat(s, 64)
			if err != nil {
				return 0, textToDouble
			}
			return v, 0
		}}, true
	}
	return node{}, false
}
