package policy

import (
	"errors"
	"fmt"
)

// fault says why a closure gave no value, without allocating: the reason in the
// low byte, above it the slot of the variable that is to blame. 0 is none.
type fault uint32

// The reasons of faults.
const (
	overflow fault = iota + 1
	divisionByZero
	modulusByZero
	tooLong // the slot says which
	textToInt
	textToDouble
)

// tooLongAt is the fault of a string over MaxString.
func tooLongAt(slot int) fault { return tooLong | fault(slot)<<8 }

// in says the fault in cel-go's words.
func (f fault) in(e *Env, row *Row) error {
	switch f & 0xff {
	case overflow:
		return errors.New("integer overflow")
	case divisionByZero:
		return errors.New("division by zero")
	case modulusByZero:
		return errors.New("modulus by zero")
	case tooLong:
		slot := int(f >> 8)
		return errTooLong(e.vars[slot].Name, row.S[slot])
	case textToInt:
		return errors.New("type conversion error from 'string' to 'int'")
	case textToDouble:
		return errors.New("type conversion error from 'string' to 'double'")
	}
	return fmt.Errorf("fault %d", f)
}

func errTooLong(name, s string) error {
	return fmt.Errorf("the variable %s has %d bytes, at most %d are allowed", name, len(s), MaxString)
}

// text reads a string from its slot.
func (r *Row) text(slot int) (string, fault) {
	s := r.S[slot]
	if len(s) > MaxString {
		return "", tooLongAt(slot)
	}
	return s, 0
}
