// Package surety_test keeps the house in order: style and structure are checked
// like behaviour, so that no review has to argue about them.
package surety_test

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

// The house. A package may import what its row names and nothing else of ours;
// "floor/..." means every package of that floor, and a row "x/..." holds for x
// and all below it. The most exact row counts.
var house = []struct{ pkg, may string }{
	{"kernel/ident", ""},
	{"kernel/money", "kernel/ident"},
	{"kernel/name", "kernel/money kernel/ident"},
	{"kernel/policy", "kernel/money kernel/ident"},
	{"kernel/boost", "kernel/ident"},

	{"platform/tally", "kernel/..."},
	{"platform/journal", "kernel/... platform/disk"},
	{"platform/disk", ""},
	{"platform/vault", "kernel/... platform/disk"},
	{"platform/db/dbtest", "kernel/... platform/db"},
	{"platform/...", "kernel/... platform/disk and those to its right"},
	{"domain/...", "kernel/... platform/... and those to its right"},

	// edge and above
	{"edge/web/...", "kernel/... edge/web/..."},
	{"edge/api", "kernel/... platform/... domain/... edge/web/..."},
	{"edge/console", "kernel/... platform/... domain/... edge/web/..."},
	{"edge/portal", "kernel/... platform/... domain/... edge/web/..."},
	{"client", "kernel/ident kernel/money"},
	{"app/...", "kernel/... platform/... domain/... edge/... client app/..."},
	{"sim/...", "kernel/... platform/... domain/... edge/... client app/... sim/..."},
	{"bench", "kernel/... platform/... domain/... client app/..."},
	{"cmd/surety", "kernel/... platform/... domain/... client app/... sim/... bench"},
}

// On these two floors a package may import those to its right.
var floors = []string{
	"platform/ledger > platform/access > platform/audit > platform/queue > platform/db",
	"domain/report > domain/incident > domain/authority > domain/trace > domain/claim > domain/fund > " +
		"domain/watch > domain/rulebook > domain/payment > domain/risk > domain/list > domain/payee > domain/notice > domain/party",
}

// onlyTests may be imported by tests alone.
var onlyTests = []string{"platform/db/dbtest", "edge/web/webtest"}

const (
	maxFunction = 70  // lines of a function, from func to the closing brace
	maxColumns  = 140 // characters of a line; a tab is one
	maxInTests  = 185 // tables of cases may be wider
)

// source is one Go file of the product.
type source struct {
	path, dir string // with slashes, relative to the root
	text      []byte
	set       *token.FileSet
	tree      *ast.File
	test      bool
	generated bool
}

func (s source) at(p token.Pos) string { return fmt.Sprintf("%s:%d", s.path, s.set.Position(p).Line) }

// walk calls fn for each file of the product: no hidden folders, no test data.
func walk(t *testing.T, fn func(path string)) {
	t.Helper()
	err := filepath.WalkDir(".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		aside := name[0] == '.' || name[0] == '_' || slices.Contains([]string{"testdata", "node_modules", "vendor"}, name)
		if d.IsDir() && p != "." && aside {
			return filepath.SkipDir
		}
		if !d.IsDir() {
			fn(filepath.ToSlash(p))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// sources parses every Go file that is built; files behind the tag "pin" only
// keep modules in go.mod.
func sources(t *testing.T) []source {
	t.Helper()
	var out []source
	walk(t, func(p string) {
		if !strings.HasSuffix(p, ".go") {
			return
		}
		text, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.HasPrefix(text, []byte("//go:build pin\n")) {
			return
		}
		s := source{path: p, dir: path.Dir(p), text: text, set: token.NewFileSet(), test: strings.HasSuffix(p, "_test.go")}
		if s.tree, err = parser.ParseFile(s.set, p, text, parser.ParseComments); err != nil {
			t.Errorf("%s does not parse: %v", p, err)
			return
		}
		s.generated = strings.HasSuffix(p, "_templ.go") || ast.IsGenerated(s.tree)
		out = append(out, s)
	})
	if len(out) == 0 {
		t.Fatal("no Go file was found: the check checks nothing")
	}
	return out
}

// covers reports whether a pattern of the table holds for a package.
func covers(pattern, pkg string) bool {
	if floor, all := strings.CutSuffix(pattern, "/..."); all {
		return pkg == floor || strings.HasPrefix(pkg, floor+"/")
	}
	return pattern == pkg
}

// row finds what a package may import; the most exact row counts.
func row(pkg string) (may []string, ok bool) {
	best := ""
	for _, r := range house {
		if covers(r.pkg, pkg) && len(r.pkg) >= len(best) {
			best, may, ok = r.pkg, strings.Fields(r.may), true
		}
	}
	const right = "and those to its right"
	if !strings.HasSuffix(strings.Join(may, " "), right) {
		return may, ok
	}
	may = may[:len(may)-len(strings.Fields(right))]
	for _, f := range floors {
		order := strings.Split(f, " > ")
		if i := slices.Index(order, pkg); i >= 0 {
			return append(may, order[i+1:]...), true
		}
	}
	return nil, false // a package of the floor that has no place in it
}

func TestImportsPointDown(t *testing.T) {
	for _, s := range sources(t) {
		if s.dir == "." {
			continue
		}
		may, ok := row(s.dir)
		if !ok {
			t.Errorf("%s: package %s has no row in the table of the house", s.path, s.dir)
			continue
		}
		for _, spec := range s.tree.Imports {
			full, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			pkg, ours := strings.CutPrefix(full, "surety/")
			if !ours || pkg == s.dir {
				continue
			}
			if slices.Contains(onlyTests, pkg) {
				if !s.test {
					t.Errorf("%s: %s imports %s, which is for tests only", s.at(spec.Pos()), s.dir, pkg)
				}
				continue
			}
			if !slices.ContainsFunc(may, func(p string) bool { return covers(p, pkg) }) {
				t.Errorf("%s: %s imports %s, which the house does not allow", s.at(spec.Pos()), s.dir, pkg)
			}
		}
	}
}

func TestPackagesSayWhatTheyAre(t *testing.T) {
	docs := map[string]string{}
	names := map[string]string{}
	for _, s := range sources(t) {
		if s.test {
			continue
		}
		names[s.dir] = s.tree.Name.Name
		if s.tree.Doc != nil {
			docs[s.dir] += s.tree.Doc.Text()
		}
	}
	for dir, name := range names {
		want := "Package " + name + " "
		if name == "main" {
			want = "Command " + path.Base(dir) + " "
		}
		if !strings.HasPrefix(docs[dir], want) || len(docs[dir]) < len(want)+40 {
			t.Errorf("%s: the package comment must begin %q and say what the package is for", dir, want)
		}
	}
}

func TestExportsAreDocumented(t *testing.T) {
	for _, s := range sources(t) {
		if s.test || s.generated || s.tree.Name.Name == "main" {
			continue
		}
		for _, d := range s.tree.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Name.IsExported() && d.Doc == nil && exportedReceiver(d) {
					t.Errorf("%s: %s has no comment", s.at(d.Pos()), d.Name.Name)
				}
			case *ast.GenDecl:
				undocumented(d, func(n *ast.Ident) { t.Errorf("%s: %s has no comment", s.at(n.Pos()), n.Name) })
			}
		}
	}
}

// exportedReceiver is true for functions and for methods of exported types.
func exportedReceiver(d *ast.FuncDecl) bool {
	if d.Recv == nil {
		return true
	}
	x := d.Recv.List[0].Type
	for {
		switch y := x.(type) {
		case *ast.StarExpr:
			x = y.X
		case *ast.IndexExpr:
			x = y.X
		case *ast.IndexListExpr:
			x = y.X
		case *ast.Ident:
			return y.IsExported()
		default:
			return true
		}
	}
}

// undocumented reports exported names of a declaration that neither have a
// comment nor stand in a commented group.
func undocumented(d *ast.GenDecl, report func(*ast.Ident)) {
	for _, spec := range d.Specs {
		switch spec := spec.(type) {
		case *ast.TypeSpec:
			if spec.Name.IsExported() && spec.Doc == nil && (d.Doc == nil || len(d.Specs) > 1) {
				report(spec.Name)
			}
		case *ast.ValueSpec:
			for _, n := range spec.Names {
				if n.IsExported() && spec.Doc == nil && spec.Comment == nil && d.Doc == nil {
					report(n)
				}
			}
		}
	}
}

func TestSizes(t *testing.T) {
	for _, s := range sources(t) {
		if s.generated {
			continue
		}
		for _, d := range s.tree.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			if n := s.set.Position(f.End()).Line - s.set.Position(f.Pos()).Line + 1; n > maxFunction {
				t.Errorf("%s: %s has %d lines, at most %d are allowed", s.at(f.Pos()), f.Name.Name, n, maxFunction)
			}
		}
		limit := maxColumns
		if s.test {
			limit = maxInTests
		}
		var long []string // one message a file, as there are seldom one or two
		for i, line := range bytes.Split(s.text, []byte("\n")) {
			if n := utf8.RuneCount(line); n > limit {
				long = append(long, fmt.Sprintf("%d (%d)", i+1, n))
			}
		}
		if len(long) > 0 {
			t.Errorf("%s: more than %d columns in line %s", s.path, limit, strings.Join(long, ", "))
		}
	}
}

func TestGofmt(t *testing.T) {
	for _, s := range sources(t) {
		if s.generated {
			continue
		}
		if clean, err := format.Source(s.text); err != nil || !bytes.Equal(clean, s.text) {
			t.Errorf("%s is not as gofmt writes it (%v)", s.path, err)
		}
	}
}

// Where money is counted there are no floats, not in tests either.
func TestNoFloatNearMoney(t *testing.T) {
	exact := []string{"kernel/money", "platform/ledger", "domain/fund"}
	for _, s := range sources(t) {
		if !slices.Contains(exact, s.dir) || path.Base(s.path) == "bench.go" { // rates per second are no money
			continue
		}
		ast.Inspect(s.tree, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.Ident:
				if n.Name == "float64" || n.Name == "float32" {
					t.Errorf("%s: %s near money", s.at(n.Pos()), n.Name)
				}
			case *ast.BasicLit:
				if n.Kind == token.FLOAT {
					t.Errorf("%s: the float %s near money", s.at(n.Pos()), n.Value)
				}
			}
			return true
		})
	}
}

// Time is a parameter or comes from a Clock, in programs and tests too.
func TestOneClock(t *testing.T) {
	for _, s := range sources(t) {
		if s.dir == "kernel/ident" || s.generated {
			continue
		}
		ast.Inspect(s.tree, func(n ast.Node) bool {
			if sel, ok := n.(*ast.SelectorExpr); ok && sel.Sel.Name == "Now" {
				if x, ok := sel.X.(*ast.Ident); ok && x.Name == "time" {
					t.Errorf("%s: time.Now: take a time or a Clock", s.at(n.Pos()))
				}
			}
			return true
		})
	}
}

// A panic needs its reason beside it: a defect of ours or a broken machine.
func TestPanicsAreExplained(t *testing.T) {
	for _, s := range sources(t) {
		if s.test || s.generated || s.dir == "kernel/ident" {
			continue
		}
		explained := map[int]bool{}
		for _, g := range s.tree.Comments {
			explained[s.set.Position(g.Pos()).Line] = true
		}
		ast.Inspect(s.tree, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok {
				f, ok := call.Fun.(*ast.Ident)
				if ok && f.Name == "panic" && !explained[s.set.Position(call.End()).Line] {
					t.Errorf("%s: a panic without a comment on its line", s.at(n.Pos()))
				}
			}
			return true
		})
	}
}

// banned is SQL that means different things to the two databases, or that tells
// the time there.
var banned = []struct {
	what    string
	pattern *regexp.Regexp
	except  []string
}{
	{"select *", regexp.MustCompile(`(?i)\bselect\s+(\w+\.)?\*`), nil},
	{"now()", regexp.MustCompile(`(?i)\b(now\(\)|current_timestamp)`), nil},
	{"for update", regexp.MustCompile(`(?i)\bfor\s+update\b`), []string{"platform/db", "platform/queue"}},
	{"like", regexp.MustCompile(`(?i)\s(i?like|glob)\s+('|\$|lower|cast)`), nil},
}

// sqlish tells SQL from prose: "for update" may stand in a message.
var sqlish = regexp.MustCompile(`(?i)\b(select\s.*\bfrom|insert\s+into|update\s+\w+\s+set|delete\s+from|` +
	`create\s+(table|index|trigger)|where\s)|\$\d`)

var sqlComment = regexp.MustCompile(`--[^\n]*`)

func TestOneSQL(t *testing.T) {
	check := func(where, dir, text string) {
		text = sqlComment.ReplaceAllString(text, "")
		if !sqlish.MatchString(strings.ReplaceAll(text, "\n", " ")) {
			return
		}
		for _, b := range banned {
			if b.pattern.MatchString(text) && !slices.Contains(b.except, dir) {
				t.Errorf("%s: banned SQL: %s", where, b.what)
			}
		}
	}
	for _, s := range sources(t) {
		if s.test || s.generated {
			continue
		}
		ast.Inspect(s.tree, func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
				if text, err := strconv.Unquote(lit.Value); err == nil {
					check(s.at(lit.Pos()), s.dir, text)
				}
			}
			return true
		})
	}
	walk(t, func(p string) {
		if path.Ext(p) != ".sql" {
			return
		}
		text, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		check(p, strings.TrimSuffix(path.Dir(p), "/migrations"), string(text))
	})
}

// What is left to do stands in the tracker, not in the source.
func TestNothingLeftToDo(t *testing.T) {
	word := regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|XX` + `X:|HA` + `CK)\b`)
	walk(t, func(p string) {
		if !slices.Contains([]string{".go", ".sql", ".templ", ".js", ".css", ".sh", ".yaml", ".yml", ".md"}, path.Ext(p)) {
			return
		}
		text, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		for i, line := range strings.Split(string(text), "\n") {
			if w := word.FindString(line); w != "" {
				t.Errorf("%s:%d: %s", p, i+1, w)
			}
		}
	})
}

// The check itself must be able to fail.
func TestTheRulesBite(t *testing.T) {
	for sql, bad := range map[string]bool{
		"select * from t":                             true,
		"select t.* from t":                           true,
		"select count(*) from t":                      false,
		"insert into t values (now())":                true,
		"select a from t for update":                  true,
		"select a from t where b like $1":             true,
		"select a from t where b = 'I like it'":       false,
		"update t set a = $1 where b = $2":            false,
		"press this for update, we like it; select *": false,
	} {
		got := false
		for _, b := range banned {
			got = got || sqlish.MatchString(sql) && b.pattern.MatchString(sql)
		}
		if got != bad {
			t.Errorf("%q: banned = %v", sql, got)
		}
	}
	for _, c := range []struct {
		from, to string
		may      bool
	}{
		{"kernel/money", "kernel/policy", false}, {"platform/queue", "platform/audit", false},
		{"platform/audit", "platform/queue", true},
		{"domain/fund", "domain/claim", false}, {"domain/claim", "domain/fund", true}, {"domain/claim", "edge/web", false},
		{"client", "domain/claim", false}, {"edge/web", "domain/notice", false}, {"edge/api", "edge/console", false},
		{"app/demo", "edge/api", true}, {"sim", "app", true}, {"app", "sim", false}, {"sim", "cmd/surety", false},
		{"platform/queue", "platform/vault", false}, {"domain/party", "platform/vault", true}, {"domain/claim",
			"domain/party", true},
		{"domain/claim", "platform/ledger", true}, {"domain/claim", "kernel/name", true},
	} {
		may, ok := row(c.from)
		if got := slices.ContainsFunc(may, func(p string) bool { return covers(p, c.to) }); !ok || got != c.may {
			t.Errorf("%s may import %s: %v", c.from, c.to, got)
		}
	}
}
