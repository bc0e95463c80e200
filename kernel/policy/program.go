package policy

import (
	"fmt"
	"slices"
	"sync"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types/ref"

	"surety/kernel/ident"
)

// program is a checked expression that cel-go can run: what rules and formulas share.
type program struct {
	expr    Expr
	what    string // "rule" or "formula": the field and the begin of the code of errors
	env     *Env
	prog    cel.Program
	uses    []string
	cost    uint64
	numbers int       // how long Row.N must be
	texts   int       // how long Row.S must be
	pool    sync.Pool // of *activation, so that a run allocates little
}

// prepare checks an expression whose value must be of type want, and makes it
// ready to run. An Int will do where a Double is wanted.
func (p *program) prepare(e *Env, x Expr, what string, want Type) (*cel.Ast, error) {
	p.expr, p.what, p.env = x, what, e
	if len(x.Text) > MaxText {
		return nil, ident.Invalid(what, what+"_too_long",
			"a %s has at most %d bytes, this one has %d", what, MaxText, len(x.Text))
	}
	tree, issues := e.cel.Compile(x.Text)
	if errs := issues.Errors(); len(errs) > 0 {
		first := errs[0]
		return nil, x.wrong(what, first.Location.Line(), first.Location.Column()+1, first.Message)
	}
	if !suits(tree.OutputType(), want) {
		return nil, x.wrong(what, 1, 1, "the answer must be "+wanted(want)+", this is "+tree.OutputType().String())
	}
	worst, err := e.cel.EstimateCost(tree, sizes{})
	if err != nil {
		return nil, x.wrong(what, 1, 1, err.Error())
	}
	if worst.Max > MaxCost {
		return nil, x.wrong(what, 1, 1, fmt.Sprintf("it could cost %d steps, %d are allowed", worst.Max, MaxCost))
	}
	if p.prog, err = e.cel.Program(tree, cel.EvalOptions(cel.OptOptimize)); err != nil {
		return nil, x.wrong(what, 1, 1, err.Error())
	}
	p.cost = worst.Max
	p.note(tree)
	return tree, nil
}

func suits(out *cel.Type, want Type) bool {
	ct, ok := celType(want)
	return ok && (out.IsExactType(ct) || want == Double && out.IsExactType(cel.IntType))
}

func wanted(t Type) string {
	switch t {
	case Bool:
		return "true or false"
	case Int:
		return "a whole number"
	case Double:
		return "a number"
	case String:
		return "text"
	}
	return string(t)
}

// note finds the variables that the expression mentions and how long a row must be.
func (p *program) note(tree *cel.Ast) {
	for _, info := range tree.NativeRep().ReferenceMap() {
		slot, declared := p.env.slots[info.Name]
		if !declared || slices.Contains(p.uses, info.Name) {
			continue
		}
		p.uses = append(p.uses, info.Name)
		switch p.env.vars[slot].Type {
		case String:
			p.texts = max(p.texts, slot+1)
		case Int, Double, Bool:
			p.numbers = max(p.numbers, slot+1)
		}
	}
	slices.Sort(p.uses)
}

// Text is the expression as it was written.
func (p *program) Text() string { return p.expr.Text }

// Uses names the variables that the expression mentions, sorted. An engine need
// not compute any other.
func (p *program) Uses() []string { return slices.Clone(p.uses) }

// Cost is the worst case in CEL cost units, known before the first run.
func (p *program) Cost() uint64 { return p.cost }

// run lets cel-go find the value, from a function or, if it is nil, from a row.
func (p *program) run(value func(name string) (any, bool), row *Row) (ref.Val, error) {
	a, _ := p.pool.Get().(*activation)
	if a == nil {
		a = &activation{env: p.env}
	}
	a.value, a.row = value, row
	out, _, err := p.prog.Eval(a)
	a.value, a.row = nil, nil
	p.pool.Put(a)
	if err != nil {
		return nil, p.failed(err)
	}
	return out, nil
}

// failed makes the error of an expression that gave no answer.
func (p *program) failed(why error) error {
	if why == nil {
		return ident.Invalid(p.what, p.what+"_failed", "the %s %q gave no answer", p.what, shorten(p.expr.Text))
	}
	return ident.Invalid(p.what, p.what+"_failed",
		"the %s %q could not be judged", p.what, shorten(p.expr.Text)).Because(why)
}

// short makes the error for a row that lacks slots.
func (p *program) short(row *Row) error {
	return p.failed(fmt.Errorf("the row has %d numbers and %d texts, %d and %d are needed",
		len(row.N), len(row.S), p.numbers, p.texts))
}
