package policy

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"surety/kernel/ident"
)

// The bounds of a pack's text.
const (
	MaxPack    = 256 << 10 // bytes
	maxNesting = 32        // of lists and mappings
)

// Version says exactly which pack was used.
type Version struct {
	Name          string    `json:"name"`           // "risk"
	Number        int       `json:"number"`         // 1, 2, 3 …
	SHA256        string    `json:"sha256"`         // of the bytes that were read, in hex
	EffectiveFrom time.Time `json:"effective_from"` // UTC; what is decided from then on is decided by it
}

// String is "risk 3 (9f86d081)", for people; the short hash tells texts apart.
func (v Version) String() string {
	return fmt.Sprintf("%s %d (%s)", v.Name, v.Number, v.SHA256[:min(8, len(v.SHA256))])
}

// InForce picks the version that decides at a time: the latest that is already
// effective, the higher number if two begin together. ok is false if none is.
func InForce(versions []Version, at time.Time) (v Version, ok bool) {
	for _, c := range versions {
		if c.EffectiveFrom.After(at) {
			continue
		}
		later := c.EffectiveFrom.After(v.EffectiveFrom) || c.EffectiveFrom.Equal(v.EffectiveFrom) && c.Number > v.Number
		if !ok || later {
			v, ok = c, true
		}
	}
	return v, ok
}

// header is the value of the first key of a pack.
type header struct {
	Name          string `yaml:"name"`
	Number        int64  `yaml:"number"`
	EffectiveFrom string `yaml:"effective_from"`
}

// Load reads one pack: its "pack" key becomes the Version, all else is decoded
// into the struct that into points to, strictly. Errors are of kind invalid,
// name line and column, and have the line as Row; into is then undefined.
func Load(r io.Reader, into any) (Version, error) {
	text, err := io.ReadAll(io.LimitReader(r, MaxPack+1))
	if err != nil {
		return Version{}, ident.E(ident.KindUnavailable, "pack_unreadable", "the pack could not be read").Because(err)
	}
	root, err := parse(text)
	if err != nil {
		return Version{}, err
	}
	var head *ast.MappingValueNode
	rest := root.Values[:0:0]
	for _, kv := range root.Values {
		if kv.Key.String() == "pack" {
			head = kv
		} else {
			rest = append(rest, kv)
		}
	}
	if head == nil {
		return Version{}, at(1, 1, `the pack has no "pack: {name, number, effective_from}"`)
	}
	v, err := readHeader(head)
	if err != nil {
		return Version{}, err
	}
	sum := sha256.Sum256(text)
	v.SHA256 = hex.EncodeToString(sum[:])
	root.Values = rest
	if len(rest) == 0 {
		return v, nil
	}
	if err := decode(root, into); err != nil {
		return Version{}, err
	}
	return v, nil
}

func readHeader(kv *ast.MappingValueNode) (Version, error) {
	pos := kv.Key.GetToken().Position
	var h header
	if err := decode(kv.Value, &h); err != nil {
		return Version{}, err
	}
	from, err := time.Parse(time.DateOnly, h.EffectiveFrom)
	if err != nil {
		from, err = time.Parse(time.RFC3339, h.EffectiveFrom)
	}
	switch {
	case h.Name == "":
		return Version{}, at(pos.Line, pos.Column, "the pack has no name")
	case h.Number < 1 || h.Number > math.MaxInt32:
		return Version{}, at(pos.Line, pos.Column, "the pack's number must be 1 or more")
	case err != nil:
		return Version{}, at(pos.Line, pos.Column, "effective_from must be a day (2026-11-01) or an RFC 3339 time")
	}
	return Version{Name: h.Name, Number: int(h.Number), EffectiveFrom: from.UTC()}, nil
}

// parse reads YAML into a tree that is one mapping and holds no surprises.
func parse(text []byte) (root *ast.MappingNode, err error) {
	if len(text) > MaxPack {
		return nil, ident.E(ident.KindTooLarge, "pack_too_large", "a pack has at most %d bytes", MaxPack)
	}
	if line := tooDeep(text); line > 0 {
		return nil, at(line, 1, "it is nested too deeply")
	}
	defer func() { // a parser's defect must not stop the product
		if r := recover(); r != nil {
			root, err = nil, at(1, 1, fmt.Sprintf("it cannot be read as YAML: %v", r))
		}
	}()
	file, err := parser.ParseBytes(text, 0)
	if err != nil {
		return nil, placed(err)
	}
	docs := file.Docs
	if len(docs) != 1 || docs[0].Body == nil {
		return nil, at(1, 1, "a pack is exactly one YAML document")
	}
	var c checker
	ast.Walk(&c, docs[0].Body)
	if c.err != nil {
		return nil, c.err
	}
	switch body := docs[0].Body.(type) {
	case *ast.MappingNode:
		return body, nil
	case *ast.MappingValueNode:
		return ast.Mapping(body.Start, false, body), nil
	}
	return nil, at(1, 1, `a pack begins with "pack: {name, number, effective_from}"`)
}

// tooDeep bounds nesting before the parser, which recurses, sees the text. It
// counts brackets also inside strings: no honest pack comes near the bound.
func tooDeep(text []byte) int {
	line, depth, indent, fresh, dashes := 1, 0, 0, true, 0
	for _, c := range text {
		switch c {
		case '\n':
			line, indent, fresh, dashes = line+1, 0, true, 0
			continue
		case '[', '{':
			depth++
		case ']', '}':
			depth = max(0, depth-1)
		}
		if fresh && (c == ' ' || c == '-' || c == '?' || c == ':') {
			indent++
			if c != ' ' {
				dashes++
			}
		} else {
			fresh = false
		}
		if depth > maxNesting || indent > 8*maxNesting || dashes > maxNesting {
			return line
		}
	}
	return 0
}

// checker refuses what makes YAML say something else than it seems to.
type checker struct{ err error }

// Visit implements ast.Visitor.
func (c *checker) Visit(n ast.Node) ast.Visitor {
	if c.err != nil {
		return nil
	}
	switch n.(type) {
	case *ast.AnchorNode, *ast.AliasNode, *ast.MergeKeyNode:
		c.refuse(n, "anchors, aliases and merges are not allowed in a pack")
	case *ast.TagNode:
		c.refuse(n, "tags are not allowed in a pack")
	case *ast.DirectiveNode:
		c.refuse(n, "directives are not allowed in a pack")
	case *ast.InfinityNode, *ast.NanNode:
		c.refuse(n, "this is not a number that can be compared")
	case *ast.NullNode:
		c.refuse(n, "a value is missing here")
	case *ast.IntegerNode:
		if t := strings.TrimLeft(n.GetToken().Value, "+-"); len(t) > 1 && t[0] == '0' {
			c.refuse(n, "write whole numbers in decimal, without a leading zero")
		}
	}
	return c
}

func (c *checker) refuse(n ast.Node, why string) {
	c.err = atNode(n, why)
}

func decode(n ast.Node, into any) (err error) {
	defer func() { // the decoder reflects on the caller's type: report, do not die
		if r := recover(); r != nil {
			err = ident.E(ident.KindInternal, "pack_undecodable", "the pack could not be decoded: %v", r)
		}
	}()
	if err := fits(n, reflect.TypeOf(into)); err != nil {
		return err
	}
	if err := yaml.NodeToValue(n, into, yaml.Strict()); err != nil {
		return placed(err)
	}
	return nil
}

// placed turns the YAML package's error into ours with line and column.
func placed(err error) error {
	var own *ident.Error
	if errors.As(err, &own) {
		return own
	}
	var ye yaml.Error
	if errors.As(err, &ye) {
		line, column := 1, 1
		if t := ye.GetToken(); t != nil && t.Position != nil {
			line, column = t.Position.Line, t.Position.Column
		}
		return at(line, column, ye.GetMessage())
	}
	return at(1, 1, strings.TrimSpace(err.Error()))
}

func atNode(n ast.Node, why string) error {
	if t := n.GetToken(); t != nil && t.Position != nil {
		return at(t.Position.Line, t.Position.Column, why)
	}
	return at(1, 1, why)
}

func at(line, column int, why string) *ident.Error {
	e := ident.Invalid("pack", "pack_invalid", "line %d, column %d: %s", line, column, why)
	e.Row = line
	return e
}
