package policy

import (
	"maps"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/cost"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"

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
	MaxVars   = 1 << 14   // variables of one Env
	maxDepth  = 32        // nesting of parentheses and calls
	maxNodes  = 1000      // parts of one expression
)

// Var is one variable of an Env. Its slot is its place in the list.
type Var struct {
	Name string // letters, digits and underscores, with dots between parts: "payer.age_days"
	Type Type
}

// Env declares the variables that expressions may use. It is immutable.
type Env struct {
	cel   *cel.Env
	vars  []Var          // by slot
	slots map[string]int // by name
}

// NewEnv declares variables by name; their slots are in the order of the names.
// Names are letters, digits and underscores, with dots between parts
// ("payer.age_days"). Numbers of both kinds may be compared with each other
// ("ratio > 2").
func NewEnv(vars map[string]Type) (*Env, error) {
	list := make([]Var, 0, len(vars))
	for _, name := range slices.Sorted(maps.Keys(vars)) {
		list = append(list, Var{Name: name, Type: vars[name]})
	}
	return NewEnvOf(list)
}

// NewEnvOf declares variables in order: vars[i] has slot i of a Row. A name that
// stands there twice is an error of kind invalid that names it.
func NewEnvOf(vars []Var) (*Env, error) {
	if len(vars) > MaxVars {
		return nil, ident.Invalid("", "variables_too_many", "at most %d variables can be declared, these are %d", MaxVars, len(vars))
	}
	opts := []cel.EnvOption{
		cel.CrossTypeNumericComparisons(true),
		cel.ParserExpressionSizeLimit(MaxText),
		cel.ParserRecursionLimit(maxDepth),
		cel.ExpressionNodeLimit(maxNodes),
		cel.ASTValidators(cel.ValidateRegexLiterals(), cel.ValidateComprehensionNestingLimit(1)),
	}
	env := &Env{vars: slices.Clone(vars), slots: make(map[string]int, len(vars))}
	for i, v := range vars {
		if !validVariable(v.Name) {
			return nil, ident.Invalid(v.Name, "variable_invalid", "%q cannot be the name of a variable", v.Name)
		}
		ct, ok := celType(v.Type)
		if !ok {
			return nil, ident.Invalid(v.Name, "type_unknown", "variable %q has the unknown type %q", v.Name, v.Type)
		}
		if _, twice := env.slots[v.Name]; twice {
			return nil, ident.Invalid(v.Name, "variable_twice", "variable %q is declared twice", v.Name)
		}
		env.slots[v.Name] = i
		opts = append(opts, cel.Variable(v.Name, ct))
	}
	var err error
	if env.cel, err = cel.NewEnv(opts...); err != nil {
		return nil, ident.E(ident.KindInvalid, "variables_invalid", "these variables cannot be declared").Because(err)
	}
	return env, nil
}

// Slot is the place of a variable in a Row; ok is false if it is not declared.
func (e *Env) Slot(name string) (slot int, ok bool) { slot, ok = e.slots[name]; return slot, ok }

// Type is the declared type of a variable, "" if it is not declared.
func (e *Env) Type(name string) Type {
	if slot, ok := e.slots[name]; ok {
		return e.vars[slot].Type
	}
	return ""
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

// Rule is a compiled expression whose answer is yes or no. Safe for many goroutines.
type Rule struct {
	program
	fast *fold // nil: cel-go runs it
}

// Compile checks an expression and makes it ready to run. The error names line
// and column within the text.
func (e *Env) Compile(text string) (*Rule, error) { return e.CompileExpr(Expr{Text: text}) }

// CompileExpr is Compile for an expression read from a pack: errors name line
// and column of the pack.
func (e *Env) CompileExpr(x Expr) (*Rule, error) {
	r := &Rule{}
	tree, err := r.prepare(e, x, "rule", Bool)
	if err != nil {
		return nil, err
	}
	if n, ok := e.closures(tree); ok && n.typ == Bool {
		r.fast = n.fold()
	}
	return r, nil
}

// Eval answers the rule. The function gives each variable that is asked for; a
// variable that it does not give, a value of another type than declared, a
// string or list over its bound, an overflow and a division by zero are errors
// of kind invalid, never a silent "no".
func (r *Rule) Eval(value func(name string) (any, bool)) (bool, error) {
	return r.yes(value, nil)
}

func (r *Rule) yes(value func(name string) (any, bool), row *Row) (bool, error) {
	out, err := r.run(value, row)
	if err != nil {
		return false, err
	}
	yes, ok := out.(types.Bool)
	if !ok {
		return false, r.failed(nil)
	}
	return bool(yes), nil
}

// Test is Eval over a row: the same answer, and an error in the same cases. It
// does not allocate while it succeeds, unless the rule joins strings or is not
// Compiled. A row shorter than the variables it uses is an error; a variable of
// type List has no value in a row. The row must not be nil and must not change
// while Test runs.
func (r *Rule) Test(row *Row) (bool, error) {
	if len(row.N) < r.numbers || len(row.S) < r.texts {
		return false, r.short(row)
	}
	if r.fast == nil {
		return r.yes(nil, row)
	}
	yes, f := r.fast.test(row)
	if f != 0 {
		return false, r.failed(f.in(r.env, row))
	}
	return yes, nil
}

// Compiled reports whether Test runs the rule by itself, not by cel-go.
func (r *Rule) Compiled() bool { return r.fast != nil }

// EvalMap is Eval over a map; for tests and small tools.
func (r *Rule) EvalMap(vars map[string]any) (bool, error) {
	return r.Eval(func(name string) (any, bool) { v, ok := vars[name]; return v, ok })
}

// activation hands variables to CEL and checks each against its declaration.
type activation struct {
	env   *Env
	value func(string) (any, bool)
	row   *Row // asked if value is nil
}

// Parent implements cel.Activation: there is none.
func (a *activation) Parent() cel.Activation { return nil }

// ResolveName implements cel.Activation.
func (a *activation) ResolveName(name string) (any, bool) {
	slot, declared := a.env.slots[name]
	if !declared {
		return nil, false
	}
	if a.value == nil {
		return a.row.value(name, slot, a.env.vars[slot].Type), true
	}
	v, ok := a.value(name)
	if !ok {
		return types.NewErr("the variable %s has no value", name), true
	}
	return adapt(name, a.env.vars[slot].Type, v), true
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
		return types.WrapErr(errTooLong(name, s))
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
