package api

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"slices"
	"strings"
	"testing"

	"surety/domain/report"
	"surety/platform/access"
)

var update = flag.Bool("update", false, "write the golden files")

// golden compares with a committed file, or writes it.
func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		must(t, os.WriteFile(path, got, 0o644))
		return
	}
	want, err := os.ReadFile(path)
	must(t, err)
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not what the code makes; look, then run: go test ./edge/api -update\n%s", path, firstDifference(got, want))
	}
}

func firstDifference(got, want []byte) string {
	a, b := strings.Split(string(got), "\n"), strings.Split(string(want), "\n")
	for i := range a {
		if i >= len(b) || a[i] != b[i] {
			old := ""
			if i < len(b) {
				old = b[i]
			}
			return "now:  " + a[i] + "\nfile: " + old
		}
	}
	return "the file is longer"
}

// tableOf is the table without anything below it.
func tableOf() []route { return (&server{cfg: Config{Report: &report.Service{}}}).table() }

// questions are the routes that are POST because what is asked about is too large
// for an address, and keep nothing.
var questions = []string{"certificate-verify", "pack-check", "pack-difference", "stop-preview"}

func TestEveryRouteHasItsAct(t *testing.T) {
	ids, patterns := map[string]bool{}, map[string]bool{}
	for _, r := range tableOf() {
		for _, act := range append([]access.Act{r.Act}, r.Also...) {
			if _, known := access.Lookup(act); !known {
				t.Errorf("%s: %q is not an act", r.pattern(), act)
			}
		}
		if r.ID == "" || r.Summary == "" || r.Do == nil || ids[r.ID] || patterns[r.pattern()] {
			t.Errorf("%s: id, summary, handler or uniqueness is missing", r.pattern())
		}
		ids[r.ID], patterns[r.pattern()] = true, true
		if r.Anonymous && r.Act != access.ActSessionOpen || r.Shown && r.Act != access.ActSessionClose {
			t.Errorf("%s: only sign-in and sign-out ask for no role", r.pattern())
		}
		spec, _ := access.Lookup(r.Act)
		if r.writes() && spec.Log != access.Always && !slices.Contains(questions, r.ID) {
			t.Errorf("%s writes, but its act %s is not always logged", r.pattern(), r.Act)
		}
		if !r.writes() && spec.Log == access.Always && r.ID != "incident-statements" {
			t.Errorf("%s reads, but its act %s is one that changes", r.pattern(), r.Act)
		}
	}
}

func TestDocument(t *testing.T) {
	raw, err := json.MarshalIndent(document(tableOf(), "v1"), "", "  ")
	must(t, err)
	again, err := json.MarshalIndent(document(tableOf(), "v1"), "", "  ")
	must(t, err)
	if !bytes.Equal(raw, again) {
		t.Fatal("the document is not the same twice")
	}
	golden(t, "openapi.json", append(raw, '\n'))
	var doc struct {
		OpenAPI string                               `json:"openapi"`
		Paths   map[string]map[string]map[string]any `json:"paths"`
	}
	must(t, json.Unmarshal(raw, &doc))
	n := 0
	for _, ops := range doc.Paths {
		for _, op := range ops {
			n++
			if op["x-surety-act"] == "" || op["operationId"] == "" || op["responses"] == nil {
				t.Errorf("%v is incomplete", op["operationId"])
			}
		}
	}
	if doc.OpenAPI != "3.1.0" || n != len(tableOf()) {
		t.Errorf("%s with %d operations, want %d", doc.OpenAPI, n, len(tableOf()))
	}
}
