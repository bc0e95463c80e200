package ledger

import (
	"regexp"
	"testing"

	"pgregory.net/rapid"
)

// Two ids never share a name, and every name is legal in both programs.
func TestExportNameIsInjective(t *testing.T) {
	legal := regexp.MustCompile(`^(Assets|Liabilities)(:[A-Z0-9][A-Za-z0-9-]*)+$`)
	id := rapid.StringMatching(`[aA0:._ce-]{1,6}`)
	seen := map[string]string{}
	rapid.Check(t, func(t *rapid.T) {
		x := id.Draw(t, "id")
		name := exportName(x, Debit)
		if !legal.MatchString(name) {
			t.Fatalf("%q becomes %q, which is not legal", x, name)
		}
		if other, taken := seen[name]; taken && other != x {
			t.Fatalf("%q and %q both become %q", x, other, name)
		}
		seen[name] = x
	})
}

// ExportName is for tests outside: the name of an account in the exports.
var ExportName = exportName
