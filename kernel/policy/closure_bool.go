package policy

import (
	"cmp"
	"math"

	"cel.dev/cel-go/common/operators"
)

// op is a comparison.
type op uint8

const (
	less op = iota
	lessEqual
	greater
	greaterEqual
	equal
	unequal
)

// comparisons names the operators as CEL does. It is never written.
var comparisons = map[string]op{
	operators.Less: less, operators.LessEquals: lessEqual,
	operators.Greater: greater, operators.GreaterEquals: greaterEqual,
	operators.Equals: equal, operators.NotEquals: unequal,
}

// swapped is the comparison that says the same with the sides changed.
func (o op) swapped() op { return [...]op{greater, greaterEqual, less, lessEqual, equal, unequal}[o] }

// holds compares as Go does, which is as CEL does: NaN is unequal to all and
// neither less nor greater, -0.0 equals 0.0, strings go by their bytes.
func holds[T cmp.Ordered](o op, a, b T) bool {
	switch o {
	case less:
		return a < b
	case lessEqual:
		return a <= b
	case greater:
		return a > b
	case greaterEqual:
		return a >= b
	case equal:
		return a == b
	}
	return a != b
}

// kind says how a term finds its answer.
type kind uint8

const (
	asks        kind = iota // fn
	always                  // true
	flag                    // the Bool in slot
	intConst                // the Int in slot beside k
	intSlot                 // the Int in slot beside the Int in slot k
	mixedConst              // the Int in slot beside the Double of bits k
	doubleConst             // the Double in slot beside the Double of bits k
	doubleSlot              // the Double in slot beside the Double in slot k
	textConst               // the String in slot beside s
)

// term is a condition. The kinds that compare a slot directly are the hot ones:
// a rule is mostly a few of them, and none of them calls a function.
type term struct {
	kind kind
	op   op
	not  bool // turns the answer round
	slot int32
	k    int64
	s    string
	fn   func(*Row) (bool, fault)
	sub  *fold // if it is an && or || (fn asks it), so that one of the same kind around it can take its terms
}

// fold is an && (stop false) or || (stop true) of terms, asked from left to
// right. As CEL demands, one term that decides the answer decides it though
// others fail, and the first fault counts only if none does.
type fold struct {
	stop  bool
	terms []term
}

func (f *fold) test(row *Row) (bool, fault) {
	var first fault
	for i := range f.terms {
		t := &f.terms[i]
		var ok bool
		switch t.kind {
		case flag:
			ok = row.N[t.slot] != 0
		case intConst:
			ok = holds(t.op, row.N[t.slot], t.k)
		case intSlot:
			ok = holds(t.op, row.N[t.slot], row.N[t.k])
		case mixedConst:
			ok = holds(t.op, float64(row.N[t.slot]), math.Float64frombits(uint64(t.k)))
		case doubleConst:
			ok = holds(t.op, math.Float64frombits(uint64(row.N[t.slot])), math.Float64frombits(uint64(t.k)))
		case doubleSlot:
			ok = holds(t.op, math.Float64frombits(uint64(row.N[t.slot])), math.Float64frombits(uint64(row.N[t.k])))
		case always:
			ok = true
		case textConst:
			s := row.S[t.slot]
			if len(s) > MaxString {
				first = cmp.Or(first, tooLongAt(int(t.slot)))
				continue
			}
			ok = holds(t.op, s, t.s)
		default:
			var bad fault
			if ok, bad = t.fn(row); bad != 0 {
				first = cmp.Or(first, bad)
				continue
			}
		}
		if (ok != t.not) == f.stop {
			return f.stop, 0
		}
	}
	return !f.stop && first == 0, first
}

// fold makes a condition ready to be asked.
func (n node) fold() *fold {
	if n.bool.sub != nil && !n.bool.not {
		return n.bool.sub
	}
	return &fold{terms: []term{n.bool}}
}

// ask finds the answer of one term.
func (t term) ask(row *Row) (bool, fault) { return (&fold{terms: []term{t}}).test(row) }

// asked is a term as a function.
func (t term) asked() func(*Row) (bool, fault) {
	if t.kind == asks && !t.not {
		return t.fn
	}
	return (&fold{terms: []term{t}}).test
}

// logic makes an && or || of conditions and takes in those of its parts that are
// of the same kind: the order of the terms and so the first fault stay.
func logic(parts []node, stop bool) (node, bool) {
	f := &fold{stop: stop}
	for _, p := range parts {
		switch {
		case p.typ != Bool:
			return node{}, false
		case p.konst && p.bool.not != stop:
			return constBool(stop), true // it decides, whatever the others say
		case p.konst:
			continue
		case p.bool.sub != nil && p.bool.sub.stop == stop && !p.bool.not:
			f.terms = append(f.terms, p.bool.sub.terms...)
		default:
			f.terms = append(f.terms, p.bool)
		}
	}
	return node{typ: Bool, slot: -1, bool: term{kind: asks, fn: f.test, sub: f}}, true
}

// compare compares two values. An Int beside a Double is compared as a Double,
// as cel-go does.
func compare(o op, a, b node) (node, bool) {
	if a.konst && !b.konst { // the hot forms have the constant on the right
		a, b, o = b, a, o.swapped()
	}
	if a.typ == Bool && b.typ == Bool && b.konst && (o == equal || o == unequal) {
		if b.bool.not == (o == equal) { // beside false, or not beside true
			a.bool.not = !a.bool.not
		}
		return a, true
	}
	if t, ok := hot(o, a, b); ok {
		return node{typ: Bool, slot: -1, bool: t}, true
	}
	t := term{kind: asks}
	switch {
	case a.typ == Int && b.typ == Int:
		t.fn = compareOf(o, a.num, b.num)
	case (a.typ == Int || a.typ == Double) && (b.typ == Int || b.typ == Double):
		t.fn = compareOf(o, a.double().dbl, b.double().dbl)
	case a.typ == String && b.typ == String:
		t.fn = compareOf(o, a.str, b.str)
	case a.typ == Bool && b.typ == Bool:
		t.fn = compareOf(o, a.bool.number(), b.bool.number())
	default:
		return node{}, false
	}
	return node{typ: Bool, slot: -1, bool: t}, true
}

// hot finds the forms that a fold compares without calling a function.
func hot(o op, a, b node) (term, bool) {
	t := term{op: o, slot: int32(a.slot)}
	if a.slot < 0 || !b.konst && b.slot < 0 {
		return t, false
	}
	switch {
	case a.typ == Int && b.typ == Int && b.konst:
		t.kind = intConst
		t.k, _ = b.num(nil)
	case a.typ == Int && b.typ == Int:
		t.kind, t.k = intSlot, int64(b.slot)
	case a.typ == Double && b.typ == Double && !b.konst:
		t.kind, t.k = doubleSlot, int64(b.slot)
	case a.typ == Double && (b.typ == Double || b.typ == Int) && b.konst:
		v, _ := b.double().dbl(nil)
		t.kind, t.k = doubleConst, int64(math.Float64bits(v))
	case a.typ == Int && b.typ == Double && b.konst:
		v, _ := b.dbl(nil)
		t.kind, t.k = mixedConst, int64(math.Float64bits(v))
	case a.typ == String && b.typ == String && b.konst:
		t.kind = textConst
		t.s, _ = b.str(nil)
	default:
		return t, false
	}
	return t, true
}

func compareOf[T cmp.Ordered](o op, a, b func(*Row) (T, fault)) func(*Row) (bool, fault) {
	return func(row *Row) (bool, fault) {
		x, bad := a(row)
		if bad != 0 {
			return false, bad
		}
		y, bad := b(row)
		if bad != 0 {
			return false, bad
		}
		return holds(o, x, y), 0
	}
}

// number is a condition as 0 or 1: false is less than true.
func (t term) number() func(*Row) (int64, fault) {
	ask := t.asked()
	return func(row *Row) (int64, fault) {
		yes, bad := ask(row)
		if yes {
			return 1, bad
		}
		return 0, bad
	}
}
