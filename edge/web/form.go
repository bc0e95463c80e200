package web

import (
	"context"
	"strings"

	"github.com/a-h/templ"
)

// Option is one thing to choose.
type Option struct {
	Value string
	Label string
	Hint  string // under the label, of a Choice only
}

// FieldProps make one field with its label, hint and error.
type FieldProps struct {
	Name         string
	ID           string // "" is made from Name
	Label        string
	Type         string // text (""), email, password, tel, number, money, date, datetime-local, search, textarea, select, file, checkbox
	Value        string // of a checkbox: "on" ticks it
	Hint         string
	Error        string // beside the field
	Optional     bool   // fields are required unless they say so
	Options      []Option
	Unit         string // after the field: "CNY"
	Autocomplete string // as HTML knows it: "username", "one-time-code"
	Accept       string // of a file: "image/*,application/pdf"
	Multiple     bool
	Max          int // most characters, 0 for none
	compact      bool
}

// ChoiceProps make a question with one answer of few: large cards.
type ChoiceProps struct {
	Name    string
	Label   string // the question
	Value   string
	Options []Option
	Error   string
	Hint    string
}

// FormProps make a form with an error summary on top.
type FormProps struct {
	Action  string
	Get     bool // a search; else it posts
	Upload  bool // has a file field
	Errors  Errors
	Hidden  []Hidden
	Submit  string // "" is "Save"
	Danger  bool
	Cancel  Link
	Buttons templ.Component // more buttons after the first
	ID      string
}

func fieldID(name, id string) string {
	if id != "" {
		return id
	}
	return "f-" + strings.NewReplacer(".", "-", "[", "-", "]", "").Replace(name)
}

// inputType is the HTML type of a field; money is text with a decimal keyboard,
// for a number field would round and accept 1e9.
func inputType(f FieldProps) string {
	switch f.Type {
	case "", "money", "number":
		return "text"
	}
	return f.Type
}

func inputMode(f FieldProps) string {
	switch f.Type {
	case "money":
		return "decimal"
	case "number":
		return "numeric"
	}
	return ""
}

// describedBy names the hint and the error of a field for a screen reader.
func describedBy(id, hint, problem string) string {
	var ids []string
	if hint != "" {
		ids = append(ids, id+"-hint")
	}
	if problem != "" {
		ids = append(ids, id+"-error")
	}
	return strings.Join(ids, " ")
}

func method(f FormProps) string {
	if f.Get {
		return "get"
	}
	return "post"
}

func submitLabel(ctx context.Context, f FormProps) string {
	if f.Submit != "" {
		return f.Submit
	}
	return Say(ctx, "form.save")
}

// fieldAria are the attributes that the field's rules give its control.
func fieldAria(id string, f FieldProps) templ.Attributes {
	out := templ.Attributes{}
	if by := describedBy(id, f.Hint, f.Error); by != "" {
		out["aria-describedby"] = by
	}
	if f.Error != "" {
		out["aria-invalid"] = "true"
	}
	if !f.Optional && !f.compact && f.Type != "checkbox" {
		out["aria-required"] = "true"
	}
	if m := inputMode(f); m != "" {
		out["inputmode"] = m
	}
	if f.Autocomplete != "" {
		out["autocomplete"] = f.Autocomplete
	}
	if f.Accept != "" {
		out["accept"] = f.Accept
	}
	if f.Max > 0 {
		out["maxlength"] = itoa(f.Max)
	}
	if f.compact {
		out["data-filter"] = true
	}
	return out
}
