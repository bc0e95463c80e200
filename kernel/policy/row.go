package policy

import (
	"math"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

// Row holds the values of an Env's variables by slot, so that a rule reads them
// without looking names up. Only the slots that a rule uses are read; the other
// half of a slot (S of a number, N of a string) is never read.
type Row struct {
	N []int64  // Int as it is; Bool: 0 is false, all else true; Double as math.Float64bits
	S []string // String, at most MaxString bytes
}

// SetDouble puts a double into its slot.
func (r *Row) SetDouble(slot int, v float64) { r.N[slot] = int64(math.Float64bits(v)) }

// SetBool puts yes or no into its slot.
func (r *Row) SetBool(slot int, v bool) {
	r.N[slot] = 0
	if v {
		r.N[slot] = 1
	}
}

// value is a slot as CEL reads it. The row is long enough: the caller has looked.
func (r *Row) value(name string, slot int, t Type) ref.Val {
	switch t {
	case Int:
		return types.Int(r.N[slot])
	case Double:
		return types.Double(math.Float64frombits(uint64(r.N[slot])))
	case Bool:
		return types.Bool(r.N[slot] != 0)
	case String:
		return adaptString(name, r.S[slot])
	}
	return types.NewErr("the variable %s has no value", name)
}
