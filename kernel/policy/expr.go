package policy

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/cost"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"

	"surety/kernel/ident"
)

// Type is the declared type of a variable.
type Type string

// The types that a variable of a rule may have.
const (
	Int    Type = "int"    // Go: int, int64
	Double Type = "double" // Go: float64, int, int64
	Bool   Type = "bool"   // Go: bool
	String Type = "string" // Go: string, at most MaxString bytes
	List   Type = "list"   // of strings; Go: []string, at most MaxList items
)

// The bounds that make the cost of a rule known before it runs.
const (
	MaxText   = 4096      // bytes of one expression
	MaxString = 1024      // bytes of one string value
	MaxList   = 256       // items of one list value
	MaxCost   = 1_000_000 // CEL cost units of the worst case: a few milliseconds
	maxDepth  = 32        // nesting of parentheses and calls
	maxNodes  = 1000      // parts of one expression
)

// Env declares the variables that expressions may use. It is immutable.
type Env struct {
	cel  *cel.Env
	vars map[string]Type
}

// NewEnv declares variables by name. Names are letters, digits and underscores,
// with dots between parts ("payer.age_days"). Numbers of both kinds may be
// compared with each other ("ratio > 2").
func NewEnv(vars map[string]Type) (*Env, error) {
	opts := []cel.EnvOption{
		cel.CrossTypeNumericComparisons(true),
		cel.ParserExpressionSizeLimit(MaxText),
		cel.ParserRecursionLimit(maxDepth),
		cel.ExpressionNodeLimit(maxNodes),
		cel.ASTValidators(cel.ValidateRegexLiterals(), cel.ValidateComprehensionNestingLimit(1)),
	}
	kept := make(map[string]Type, len(vars))
	for name, t := range vars {
		if !validVariable(name) {
			return nil, ident.Invalid(name, "variable_invalid", "%q cannot be the name of a variable", name)
		}
		ct, ok := celType(t)
		if !ok {
			return nil, ident.Invalid(name, "type_unknown", "variable %q has the unknown type %q", name, t)
		}
		kept[name] = t
		opts = append(opts, cel.Variable(name, ct))
	}
	env, err := cel.NewEnv(opts...)
	if err != nil {
		return nil, ident.E(ident.KindInvalid, "variables_invalid", "these variables cannot be declared").Because(err)
	}
	return &Env{cel: env, vars: kept}, nil
}

func celType(t Type) (*cel.Type, bool) {
	switch t {
	case Int:
		return cel.IntType, true
	case Double:
		return cel.DoubleType, true
	case Bool:
		return cel.BoolType, true
	case String:
		return cel.StringType, true
	case List:
		return cel.ListType(cel.StringType), true
	}
	return nil, false
}

func validVariable(name string) bool {
	for part := range strings.SplitSeq(name, ".") {
		if part == "" || part[0] >= '0' && part[0] <= '9' {
			return false
		}
		for i := range len(part) {
			c := part[i] | 0x20
			if (c < 'a' || c > 'z') && part[i] != '_' && (part[i] < '0' || part[i] > '9') {
				return false
			}
		}
	}
	return len(name) <= 64
}

// Expr is an expression as it stands in a pack, with the place where it begins,
// so that a mistake in it is shown by line and column of the pack. In YAML it is
// a plain string; an expression made in Go is Expr{Text: "…"}.
type Expr struct {
	Text   string
	Line   int // of the pack, from 1; 0 if it came from elsewhere
	Column int // of the pack, from 1

	block bool // each of its lines begins at Column
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
	return nil
}

// Rule is a compiled expression whose answer is yes or no. Safe for many goroutines.
type Rule struct {
	expr Expr
	prog cel.Program
	vars map[string]Type
	uses []string
	cost uint64
	pool sync.Pool // of *activation, so that Eval allocates little
}

// Compile checks an expression and makes it ready to run. The error names line
// and column within the text.
func (e *Env) Compile(text string) (*Rule, error) { return e.CompileExpr(Expr{Text: text}) }

// CompileExpr is Compile for an expression read from a pack: errors name line
// and column of the pack.
func (e *Env) CompileExpr(x Expr) (*Rule, error) {
	if len(x.Text) > MaxText {
		return nil, ident.Invalid("rule", "rule_too_long",
			"a rule has at most %d bytes, this one has %d", MaxText, len(x.Text))
	}
	tree, issues := e.cel.Compile(x.Text)
	if errs := issues.Errors(); len(errs) > 0 {
		first := errs[0]
		return nil, x.wrong(first.Location.Line(), first.Location.Column()+1, first.Message)
	}
	if !tree.OutputType().IsExactType(cel.BoolType) {
		return nil, x.wrong(1, 1, "the answer must be true or false, this is "+tree.OutputType().String())
	}
	worst, err := e.cel.EstimateCost(tree, sizes{})
	if err != nil {
		return nil, x.wrong(1, 1, err.Error())
	}
	if worst.Max > MaxCost {
		return nil, x.wrong(1, 1, fmt.Sprintf("it could cost %d steps, %d are allowed", worst.Max, MaxCost))
	}
	prog, err := e.cel.Program(tree, cel.EvalOptions(cel.OptOptimize))
	if err != nil {
		return nil, x.wrong(1, 1, err.Error())
	}
	r := &Rule{expr: x, prog: prog, vars: e.vars, cost: worst.Max}
	for _, info := range tree.NativeRep().ReferenceMap() {
		if _, declared := e.vars[info.Name]; declared && !slices.Contains(r.uses, info.Name) {
			r.uses = append(r.uses, info.Name)
		}
	}
	slices.Sort(r.uses)
	return r, nil
}

// wrong makes the error for a mistake at line:column of the text, counted from 1.
func (x Expr) wrong(line, column int, why string) error {
	line, column = max(line, 1), max(column, 1) // the parser names no place for what is too deep
	if x.Line > 0 {
		if line <= 1 || x.block {
			column += max(x.Column, 1) - 1
		}
		line = x.Line + line - 1
	}
	e := ident.Invalid("rule", "rule_invalid", "line %d, column %d: %s (in %q)", line, column, why, shorten(x.Text))
	e.Row = line
	return e
}

func shorten(s string) string {
	if len(s) <= 120 {
		return s
	}
	return strings.ToValidUTF8(s[:117], "") + "…"
}

// Text is the expression as it was written.
func (r *Rule) Text() string { return r.expr.Text }

// Uses names the variables that the expression mentions, sorted. An engine need
// not compute any other.
func (r *Rule) Uses() []string { return slices.Clone(r.uses) }

// Cost is the worst case in CEL cost units, known before the first run.
func (r *Rule) Cost() uint64 { return r.cost }

// Eval answers the rule. The function gives each variable that is asked for; a
// variable that it does not give, a value of another type than declared, a
// string or list over its bound, an overflow and a division by zero are errors
// of kind invalid, never a silent "no".
func (r *Rule) Eval(value func(name string) (any, bool)) (bool, error) {
	a, _ := r.pool.Get().(*activation)
	if a == nil {
		a = &activation{vars: r.vars}
	}
	a.value = value
	out, _, err := r.prog.Eval(a)
	a.value = nil
	r.pool.Put(a)
	if err != nil {
		return false, ident.Invalid("rule", "rule_failed",
			"the rule %q could not be judged", shorten(r.expr.Text)).Because(err)
	}
	yes, ok := out.(types.Bool)
	if !ok {
		return false, ident.Invalid("rule", "rule_failed", "the rule %q gave no answer", shorten(r.expr.Text))
	}
	return bool(yes), nil
}

// EvalMap is Eval over a map; for tests and small tools.
func (r *Rule) EvalMap(vars map[string]any) (bool, error) {
	return r.Eval(func(name string) (any, bool) { v, ok := vars[name]; return v, ok })
}

// activation hands variables to CEL and checks each against its declaration.
type activation struct {
	value func(string) (any, bool)
	vars  map[string]Type
}

// Parent implements cel.Activation: there is none.
func (a *activation) Parent() cel.Activation { return nil }

// ResolveName implements cel.Activation.
func (a *activation) ResolveName(name string) (any, bool) {
	t, declared := a.vars[name]
	if !declared {
		return nil, false
	}
	v, ok := a.value(name)
	if !ok {
		return types.NewErr("the variable %s has no value", name), true
	}
	return adapt(name, t, v), true
}

// adapt turns a Go value into CEL's, or into an error that CEL passes on.
func adapt(name string, t Type, v any) ref.Val {
	switch t {
	case Int:
		switch n := v.(type) {
		case int64:
			return types.Int(n)
		case int:
			return types.Int(n)
		}
	case Double:
		switch n := v.(type) {
		case float64:
			return types.Double(n)
		case int64:
			return types.Double(n)
		case int:
			return types.Double(n)
		}
	case Bool:
		if b, ok := v.(bool); ok {
			return types.Bool(b)
		}
	case String:
		if s, ok := v.(string); ok {
			return adaptString(name, s)
		}
	case List:
		if l, ok := v.([]string); ok {
			return adaptList(name, l)
		}
	}
	return types.NewErr("the variable %s is declared %s, it was given a %T", name, t, v)
}

func adaptString(name, s string) ref.Val {
	if len(s) > MaxString {
		return types.NewErr("the variable %s has %d bytes, at most %d are allowed", name, len(s), MaxString)
	}
	return types.String(s)
}

func adaptList(name string, l []string) ref.Val {
	if len(l) > MaxList {
		return types.NewErr("the variable %s has %d items, at most %d are allowed", name, len(l), MaxList)
	}
	for _, s := range l {
		if len(s) > MaxString {
			return types.NewErr("an item of %s has %d bytes, at most %d are allowed", name, len(s), MaxString)
		}
	}
	return types.NewStringList(types.DefaultTypeAdapter, l)
}

// sizes tells CEL's estimator how large a variable can be.
type sizes struct{}

// EstimateSize implements cost.Estimator by the bounds that Eval enforces.
func (sizes) EstimateSize(n cost.AstNode) *cost.SizeEstimate {
	if len(n.Path()) == 0 {
		return nil
	}
	item := cost.SizeEstimate{Min: 0, Max: MaxString}
	if n.Type().Kind() == types.ListKind {
		return &cost.SizeEstimate{Min: 0, Max: MaxList, Elem: &item}
	}
	return &item
}

// EstimateCallCost implements cost.Estimator: the standard costs hold.
func (sizes) EstimateCallCost(_, _ string, _ *cost.AstNode, _ []cost.AstNode) *cost.CallEstimate {
	return nil
}
