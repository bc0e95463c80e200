package policy

import (
	"fmt"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"

	"surety/kernel/ident"
)

// Pos is a place in a pack.
type Pos struct {
	Line   int    // from 1; 0 if it did not come from a pack, or the field is not there
	Column int    // from 1
	Path   string // "features[3].window", items counted from 0; "" if unknown
}

// Given reports whether the value stood in a pack.
func (p Pos) Given() bool { return p.Line > 0 }

// Wrong makes an error of kind invalid that names the place: "features[3].window:
// line 12, column 9: …". Its field is the path, its row the line.
func (p Pos) Wrong(code, format string, args ...any) error {
	why := fmt.Sprintf(format, args...)
	if p.Line > 0 {
		why = fmt.Sprintf("line %d, column %d: %s", p.Line, p.Column, why)
	}
	if p.Path != "" {
		why = p.Path + ": " + why
	}
	e := ident.Invalid(p.Path, code, "%s", why)
	e.Row = p.Line
	return e
}

// placeOf finds where a value begins: a mapping or list at its first key or item.
func placeOf(n ast.Node) Pos {
	pos := Pos{Line: 1, Column: 1, Path: strings.TrimPrefix(strings.TrimPrefix(n.GetPath(), "$"), ".")}
	tok := n.GetToken()
	switch m := n.(type) {
	case *ast.MappingNode:
		if !m.IsFlowStyle && len(m.Values) > 0 {
			tok = m.Values[0].Key.GetToken()
		}
	case *ast.MappingValueNode:
		tok = m.Key.GetToken()
	}
	if tok != nil && tok.Position != nil {
		pos.Line, pos.Column = tok.Position.Line, tok.Position.Column
	}
	return pos
}

// At is a value of a pack with the place where it stands. It decodes as a T
// would, with the same strictness: At[int64], At[[]string] or At of a struct.
// A field that is not in the pack is the zero At, which is not Given.
type At[T any] struct {
	Pos
	Value T
}

// UnmarshalYAML reads the value and keeps its place. It implements
// yaml.NodeUnmarshaler.
func (a *At[T]) UnmarshalYAML(n ast.Node) error {
	var v T
	if err := decode(n, &v); err != nil {
		return err
	}
	a.Pos, a.Value = placeOf(n), v
	return nil
}

// Text is a text of a pack with the place where it stands; made in Go it is
// Text{Value: "…"}.
type Text struct {
	Value  string
	Line   int // of the pack, from 1; 0 if it came from elsewhere
	Column int // of the pack, from 1

	path string
}

// UnmarshalYAML reads a text and keeps its place. It implements yaml.NodeUnmarshaler.
func (t *Text) UnmarshalYAML(n ast.Node) error {
	var a At[string]
	if err := a.UnmarshalYAML(n); err != nil {
		return err
	}
	*t = Text{Value: a.Value, Line: a.Line, Column: a.Column, path: a.Path}
	return nil
}

// Pos is where the text stands.
func (t Text) Pos() Pos { return Pos{Line: t.Line, Column: t.Column, Path: t.path} }

// Wrong makes an error of kind invalid that names the place of the text.
func (t Text) Wrong(code, format string, args ...any) error {
	return t.Pos().Wrong(code, format, args...)
}

// String is the text alone.
func (t Text) String() string { return t.Value }

// Expr is an expression as it stands in a pack, with the place where it begins,
// so that a mistake in it is shown by line and column of the pack. In YAML it is
// a plain string; an expression made in Go is Expr{Text: "…"}.
type Expr struct {
	Text   string
	Line   int // of the pack, from 1; 0 if it came from elsewhere
	Column int // of the pack, from 1

	block bool   // each of its lines begins at Column
	path  string // of the field in the pack: "rules[2].when"
}

// UnmarshalYAML reads an expression and keeps its place. It implements
// yaml.NodeUnmarshaler.
func (x *Expr) UnmarshalYAML(n ast.Node) error {
	tok := n.GetToken()
	pos := tok.Position
	switch s := n.(type) {
	case *ast.StringNode:
		*x = Expr{Text: s.Value, Line: pos.Line, Column: pos.Column}
		if tok.Type == token.DoubleQuoteType || tok.Type == token.SingleQuoteType {
			x.Column++
		}
	case *ast.LiteralNode: // | or >: the text begins on the next line
		origin := s.Value.GetToken().Origin
		indent := len(origin) - len(strings.TrimLeft(origin, " "))
		*x = Expr{Text: s.Value.Value, Line: pos.Line + 1, Column: indent + 1, block: true}
	case *ast.BoolNode:
		*x = Expr{Text: s.String(), Line: pos.Line, Column: pos.Column}
	default:
		return atNode(n, "an expression is written as text")
	}
	if strings.TrimSpace(x.Text) == "" {
		return atNode(n, "the expression is empty")
	}
	x.path = placeOf(n).Path
	return nil
}

// Pos is where the expression begins.
func (x Expr) Pos() Pos { return Pos{Line: x.Line, Column: x.Column, Path: x.path} }

// Wrong makes an error of kind invalid that names the place of the expression.
func (x Expr) Wrong(code, format string, args ...any) error {
	return x.Pos().Wrong(code, format, args...)
}

// wrong makes the error for a mistake at line:column of the text, counted from 1.
// what is "rule" or "formula".
func (x Expr) wrong(what string, line, column int, why string) error {
	line, column = max(line, 1), max(column, 1) // the parser names no place for what is too deep
	if x.Line > 0 {
		if line <= 1 || x.block {
			column += max(x.Column, 1) - 1
		}
		line = x.Line + line - 1
	}
	e := ident.Invalid(what, what+"_invalid", "line %d, column %d: %s (in %q)", line, column, why, shorten(x.Text))
	e.Row = line
	return e
}

func shorten(s string) string {
	if len(s) <= 120 {
		return s
	}
	return strings.ToValidUTF8(s[:117], "") + "…"
}
