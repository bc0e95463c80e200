package web

import (
	"errors"

	"surety/kernel/ident"
)

// FieldError is one thing wrong with a form; Field "" means the whole form.
type FieldError struct {
	Field   string
	Message string
}

// Errors are the things wrong with a form, in the order of its fields.
type Errors []FieldError

// For is the message for a field, "" if it is right.
func (e Errors) For(field string) string {
	for _, one := range e {
		if one.Field == field {
			return one.Message
		}
	}
	return ""
}

// Errors turns err (also several by errors.Join) into messages beside fields, in
// the words of this catalogue where it knows the code.
func (c *Catalogue) Errors(lang Lang, err error) Errors {
	if err == nil {
		return nil
	}
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		var out Errors
		for _, one := range many.Unwrap() {
			out = append(out, c.Errors(lang, one)...)
		}
		return out
	}
	field := ""
	var e *ident.Error
	if errors.As(err, &e) {
		field = e.Field
	}
	return Errors{{Field: field, Message: c.Explain(lang, err)}}
}
