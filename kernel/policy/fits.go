package policy

import (
	"encoding"
	"reflect"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
)

// fits refuses a value of another kind than the Go type it is meant for. The
// YAML package would quietly make 1 of 1.5, 5 of "5" and "true" of true: in a
// limit or a weight that is a wrong decision. Unknown fields are left to its
// strict mode.
func fits(n ast.Node, t reflect.Type) error {
	for t != nil && t.Kind() == reflect.Pointer && !ownReader(t) {
		t = t.Elem()
	}
	if t == nil || t.Kind() == reflect.Interface || ownReader(reflect.PointerTo(t)) {
		return nil
	}
	switch k := t.Kind(); {
	case t == reflect.TypeFor[time.Duration]():
		return must[*ast.StringNode](n, `a duration such as "24h"`)
	case k >= reflect.Int && k <= reflect.Uint64:
		return must[*ast.IntegerNode](n, "a whole number")
	case k == reflect.Float32 || k == reflect.Float64:
		if n.Type() == ast.IntegerType {
			return nil
		}
		return must[*ast.FloatNode](n, "a number")
	case k == reflect.Bool:
		return must[*ast.BoolNode](n, "true or false")
	case k == reflect.String:
		if n.Type() == ast.LiteralType {
			return nil
		}
		return must[*ast.StringNode](n, "text (put it in quotes)")
	case k == reflect.Slice || k == reflect.Array:
		return fitsItems(n, t)
	case k == reflect.Map || k == reflect.Struct:
		return fitsFields(n, t)
	}
	return nil
}

// ownReader reports a type that reads its YAML itself.
func ownReader(t reflect.Type) bool {
	return t.Implements(reflect.TypeFor[yaml.NodeUnmarshaler]()) ||
		t.Implements(reflect.TypeFor[yaml.BytesUnmarshaler]()) ||
		t.Implements(reflect.TypeFor[yaml.InterfaceUnmarshaler]()) ||
		t.Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
}

func must[N ast.Node](n ast.Node, want string) error {
	if _, ok := n.(N); !ok {
		return atNode(n, "here must stand "+want)
	}
	return nil
}

func fitsItems(n ast.Node, t reflect.Type) error {
	list, ok := n.(*ast.SequenceNode)
	if !ok {
		return atNode(n, "here must stand a list")
	}
	for _, item := range list.Values {
		if err := fits(item, t.Elem()); err != nil {
			return err
		}
	}
	return nil
}

func fitsFields(n ast.Node, t reflect.Type) error {
	m, ok := n.(ast.MapNode)
	if !ok {
		return atNode(n, "here must stand fields with names")
	}
	for it := m.MapRange(); it.Next(); {
		elem := t
		if t.Kind() == reflect.Map {
			elem = t.Elem()
		} else if elem = fieldType(t, it.Key().GetToken().Value); elem == nil {
			continue // unknown: strict decoding refuses it
		}
		if err := fits(it.Value(), elem); err != nil {
			return err
		}
	}
	return nil
}

// fieldType finds the type of the field that a key names, also in inlined structs.
func fieldType(t reflect.Type, key string) reflect.Type {
	for i := range t.NumField() {
		f := t.Field(i)
		name, rest, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if strings.Contains(rest, "inline") {
			in := f.Type
			if in.Kind() == reflect.Pointer {
				in = in.Elem()
			}
			if found := fieldType(in, key); found != nil {
				return found
			}
			continue
		}
		if name == "" {
			name = strings.ToLower(f.Name)
		}
		if name == key && f.IsExported() {
			return f.Type
		}
	}
	return nil
}
