package ident

import (
	"errors"
	"fmt"
)

// Kind says what the caller can do about an error.
type Kind string

// The kinds of errors.
const (
	KindInvalid     Kind = "invalid"     // the request itself is wrong; it will never work as it is
	KindNotFound    Kind = "not_found"   // no such object, or none that this actor may know of
	KindConflict    Kind = "conflict"    // the id is taken by another body, or the version has moved on
	KindState       Kind = "state"       // not allowed in the object's present state
	KindDenied      Kind = "denied"      // this actor may not
	KindUnsignedIn  Kind = "unsigned"    // nobody is signed in, or the key is wrong
	KindLimit       Kind = "limit"       // a limit, a balance or a rate would be exceeded
	KindTooLarge    Kind = "too_large"   // a body or a file over its limit
	KindUnavailable Kind = "unavailable" // nothing was written; try the same again later
	KindUnknown     Kind = "unknown"     // it may or may not have happened: look the id up
	KindInternal    Kind = "internal"    // a defect of ours
)

// Error is an error with a kind, a stable code for programs, a message for the
// person who asked, and the place that is wrong. Err is the chain for operators
// and is never shown to a customer.
type Error struct {
	Kind    Kind
	Code    string // snake_case, stable: "amount_negative"
	Message string // one plain sentence that says what to do
	Field   string // JSON path or column, "" if the whole request is meant
	Row     int    // row of a file, counted from 1; 0 if it is not about a file
	Err     error  // cause, may be nil
}

// Error implements error with all that an operator needs.
func (e *Error) Error() string {
	s := string(e.Kind) + ": " + e.Message
	if e.Row > 0 {
		s = fmt.Sprintf("row %d: %s", e.Row, s)
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// E makes an error of any kind.
func E(k Kind, code, format string, args ...any) *Error {
	return &Error{Kind: k, Code: code, Message: fmt.Sprintf(format, args...)}
}

// Invalid makes a KindInvalid error that names the field.
func Invalid(field, code, format string, args ...any) *Error {
	return &Error{Kind: KindInvalid, Code: code, Field: field, Message: fmt.Sprintf(format, args...)}
}

// NotFound says that there is no such thing; what is "claim", "account" ….
func NotFound(what, id string) *Error {
	return &Error{Kind: KindNotFound, Code: what + "_not_found", Message: fmt.Sprintf("there is no %s %q", what, id)}
}

// Because adds a cause and returns e.
func (e *Error) Because(err error) *Error { e.Err = err; return e }

// KindOf returns the kind of the first Error in the chain; an error of no kind
// is KindInternal, and nil has the kind "".
func KindOf(err error) Kind {
	if err == nil {
		return ""
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return KindInternal
}

// CodeOf returns the code of the first Error in the chain, or "".
func CodeOf(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// Join is all problems as one error, nil if there are none.
func Join(problems []*Error) error {
	errs := make([]error, len(problems))
	for i, p := range problems {
		errs[i] = p
	}
	return errors.Join(errs...)
}

// Is reports whether err is of kind k.
func Is(err error, k Kind) bool { return err != nil && KindOf(err) == k }
