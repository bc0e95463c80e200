package webtest

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"surety/edge/web"
)

// keyUse finds T(lang, "key"), Say(ctx, "key") and text keys in templates.
var keyUse = regexp.MustCompile(`\b(?:T|Say)\((?:[^()"]|\([^()]*\))*,\s*"([a-z0-9_.]+)"\s*(\+?)`)

// CheckCatalogue fails if the catalogue lacks a text in one language, if the
// places for values differ, or if the sources in dir (.go and .templ) ask for a
// key that neither it nor the shared words have. A key that is put together
// ("state." + s) counts as a prefix: some key must begin so.
func CheckCatalogue(t testing.TB, c *web.Catalogue, dir string) {
	t.Helper()
	for _, p := range c.Problems() {
		t.Error(p)
	}
	var files []string
	for _, pattern := range []string{"*.templ", "*.go"} {
		found, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	for _, f := range files {
		if strings.HasSuffix(f, "_templ.go") || strings.HasSuffix(f, "_test.go") {
			continue
		}
		src, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range keyUse.FindAllStringSubmatch(string(src), -1) {
			known := c.Has(m[1])
			if m[2] == "+" {
				known = c.HasPrefix(m[1])
			}
			if !known {
				t.Errorf("%s: no text for the key %q", f, m[1])
			}
		}
	}
}
