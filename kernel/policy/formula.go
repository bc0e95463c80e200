package policy

import (
	"errors"
	"math"

	"cel.dev/cel-go/common/types"

	"surety/kernel/ident"
)

// Formula is a compiled expression whose answer is a value. It has the bounds
// of a rule and is safe for many goroutines.
type Formula struct {
	program
	want Type
	num  func(*Row) (int64, fault)
	dbl  func(*Row) (float64, fault)
	str  func(*Row) (string, fault)
	yes  *fold
}

// Formula checks an expression whose value is of type want (Int, Double, Bool or
// String) and makes it ready to run. Where a Double is wanted an Int is
// converted. Errors are those of CompileExpr, with "formula" for "rule".
func (e *Env) Formula(x Expr, want Type) (*Formula, error) {
	if want != Int && want != Double && want != Bool && want != String {
		return nil, ident.Invalid("formula", "type_unknown", "the value of a formula cannot be of type %q", want)
	}
	f := &Formula{want: want}
	tree, err := f.prepare(e, x, "formula", want)
	if err != nil {
		return nil, err
	}
	if n, ok := e.closures(tree); ok {
		if want == Double {
			n = n.double()
		}
		if n.typ == want {
			f.take(n)
		}
	}
	return f, nil
}

func (f *Formula) take(n node) {
	switch n.typ {
	case Int:
		f.num = n.num
	case Double:
		f.dbl = n.dbl
	case String:
		f.str = n.str
	case Bool:
		f.yes = n.fold()
	}
}

// Type is the type that was wanted: the method to call.
func (f *Formula) Type() Type { return f.want }

// Compiled reports whether the formula runs by itself, not by cel-go.
func (f *Formula) Compiled() bool {
	return f.num != nil || f.dbl != nil || f.str != nil || f.yes != nil
}

// Int is the value of an Int formula. What Test says of errors and rows holds
// for all four; the method of another type is an error of kind internal.
func (f *Formula) Int(row *Row) (int64, error) {
	if err := f.may(Int, row); err != nil {
		return 0, err
	}
	if f.num != nil {
		v, bad := f.num(row)
		if bad != 0 {
			return 0, f.failed(bad.in(f.env, row))
		}
		return v, nil
	}
	out, err := f.run(nil, row)
	if err != nil {
		return 0, err
	}
	v, ok := out.(types.Int)
	if !ok {
		return 0, f.failed(nil)
	}
	return int64(v), nil
}

// Double is the value of a Double formula; it may be NaN or infinite.
func (f *Formula) Double(row *Row) (float64, error) {
	if err := f.may(Double, row); err != nil {
		return 0, err
	}
	if f.dbl != nil {
		v, bad := f.dbl(row)
		if bad != 0 {
			return 0, f.failed(bad.in(f.env, row))
		}
		return v, nil
	}
	out, err := f.run(nil, row)
	if err != nil {
		return 0, err
	}
	switch v := out.(type) {
	case types.Double:
		return float64(v), nil
	case types.Int:
		return float64(v), nil
	}
	return math.NaN(), f.failed(nil)
}

// Bool is the value of a Bool formula.
func (f *Formula) Bool(row *Row) (bool, error) {
	if err := f.may(Bool, row); err != nil {
		return false, err
	}
	if f.yes != nil {
		v, bad := f.yes.test(row)
		if bad != 0 {
			return false, f.failed(bad.in(f.env, row))
		}
		return v, nil
	}
	out, err := f.run(nil, row)
	if err != nil {
		return false, err
	}
	v, ok := out.(types.Bool)
	if !ok {
		return false, f.failed(nil)
	}
	return bool(v), nil
}

// String is the value of a String formula. One of more than MaxString bytes is
// an error, for no rule could read it.
func (f *Formula) String(row *Row) (string, error) {
	if err := f.may(String, row); err != nil {
		return "", err
	}
	var v string
	if f.str != nil {
		var bad fault
		if v, bad = f.str(row); bad != 0 {
			return "", f.failed(bad.in(f.env, row))
		}
	} else {
		out, err := f.run(nil, row)
		if err != nil {
			return "", err
		}
		s, ok := out.(types.String)
		if !ok {
			return "", f.failed(nil)
		}
		v = string(s)
	}
	if len(v) > MaxString {
		return "", f.failed(errLong)
	}
	return v, nil
}

var errLong = errors.New("the text it makes is too long")

// may refuses a method of another type and a row that lacks slots.
func (f *Formula) may(t Type, row *Row) error {
	if f.want != t {
		return ident.E(ident.KindInternal, "formula_type", "the formula %q is of type %s, its value was asked for as %s",
			shorten(f.expr.Text), f.want, t)
	}
	if len(row.N) < f.numbers || len(row.S) < f.texts {
		return f.short(row)
	}
	return nil
}
