package boost

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"

	"surety/kernel/ident"
)

// small is two trees over three features, as XGBoost writes them.
func small() string {
	one := `{"base_weights":[1E-1,2E-1,-3E-1,1E0,2E0],"categories":[],"categories_nodes":[],"categories_segments":[],"categories_sizes":[],` +
		`"default_left":[1,0,0,0,0],"id":0,"left_children":[1,3,-1,-1,-1],"loss_changes":[5E0,2E0,0E0,0E0,0E0],` +
		`"parents":[2147483647,0,0,1,1],"right_children":[2,4,-1,-1,-1],"split_conditions":[5E-1,-2.5E0,-3E-2,1E-1,2E-1],` +
		`"split_indices":[0,2,0,0,0],"split_type":[0,0,0,0,0],"sum_hessian":[1E1,6E0,4E0,2E0,4E0],` +
		`"tree_param":{"num_deleted":"0","num_feature":"3","num_nodes":"5","size_leaf_vector":"0"}}`
	two := `{"base_weights":[1E-1],"categories":[],"categories_nodes":[],"categories_segments":[],"categories_sizes":[],` +
		`"default_left":[0],"id":1,"left_children":[-1],"loss_changes":[0E0],"parents":[2147483647],"right_children":[-1],` +
		`"split_conditions":[1E-2],"split_indices":[0],"split_type":[0],"sum_hessian":[1E1],` +
		`"tree_param":{"num_deleted":"0","num_feature":"3","num_nodes":"1","size_leaf_vector":"0"}}`
	return `{"learner":{"attributes":{"note":"a \"b\" \\ \n ü"},"feature_names":["a","b","c"],"feature_types":["float","int","i"],` +
		`"gradient_booster":{"model":{"gbtree_model_param":{"num_parallel_tree":"1","num_trees":"2","size_leaf_vector":"0"},` +
		`"tree_info":[0,0],"trees":[` + one + `,` + two + `]},"name":"gbtree"},` +
		`"learner_model_param":{"base_score":"5E-1","boost_from_average":"1","num_class":"0","num_feature":"3","num_target":"1"},` +
		`"objective":{"name":"binary:logistic","reg_loss_param":{"scale_pos_weight":"1"}}},"version":[1,7,4]}`
}

func read(text string) (*Model, error) { return ReadXGBoost(strings.NewReader(text)) }

func TestSmallFile(t *testing.T) {
	m, err := read(small())
	if err != nil {
		t.Fatal(err)
	}
	if got := string(written(t, m)); got != small() {
		t.Errorf("written:\n%s\nread:\n%s", got, small())
	}
	if m.Trees() != 2 || m.Depth() != 2 || fmt.Sprint(m.Features()) != "[a b c]" {
		t.Errorf("%d trees, depth %d, features %v", m.Trees(), m.Depth(), m.Features())
	}
	if got := m.Importance(); got[0] != 5.0/7 || got[1] != 0 || got[2] != 2.0/7 {
		t.Errorf("importance %v", got)
	}
	for _, c := range []struct {
		row  []float32
		want float32
	}{
		{[]float32{0.5, 0, 0}, -0.03 + 0.01}, // not below the threshold: right
		{[]float32{0.4, 0, -2.5}, 0.2 + 0.01},
		{[]float32{0.4, 0, -2.6}, 0.1 + 0.01},
		{[]float32{}, 0.2 + 0.01}, // missing: left, then right
	} {
		if got := m.Margin(c.row); !near(got, c.want, 1e-7) {
			t.Errorf("%v: margin %v, want %v", c.row, got, c.want)
		}
	}
}

func near(a, b, by float32) bool { return a-b <= by && b-a <= by }

// What other versions write differently.
func TestOtherVersions(t *testing.T) {
	for name, c := range map[string][]string{
		"3.1":        {`"5E-1"`, `"[5E-1]"`},
		"1.2":        {`"default_left":[1,0,0,0,0]`, `"default_left":[true,false,false,false,false]`},
		"1.0":        {`"split_type":[0,0,0,0,0],`, ``, `"categories":[],"categories_nodes":[],"categories_segments":[],"categories_sizes":[],`, ``},
		"no average": {`"boost_from_average":"1",`, ``, `,"num_target":"1"`, ``},
		"root":       {`"parents":[2147483647,0,0,1,1]`, `"parents":[-1,0,0,1,1]`},
		"unknown":    {`"name":"gbtree"`, `"cats":{"enc":[],"x":[[{}]]},"name":"gbtree"`},
		"spaces":     {`,"`, " ,\n\t\"", `":`, `" : `},
		"plain":      {`5E-1,-2.5E0`, `0.5,-2.5`, `1E1,6E0`, `10.0,6`},
	} {
		text := strings.NewReplacer(c...).Replace(small())
		m, err := read(text)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := m.Margin([]float32{0.4, 0, -2.6}); !near(got, 0.11, 1e-7) {
			t.Errorf("%s: margin %v", name, got)
		}
		again, err := read(string(written(t, m)))
		if err != nil {
			t.Errorf("%s, written: %v", name, err)
		} else if !bytes.Equal(written(t, again), written(t, m)) {
			t.Errorf("%s: what was written is not what is read", name)
		}
	}
}

// A pruned node stays in the file and leads nowhere.
func TestDeletedNodes(t *testing.T) {
	text := strings.NewReplacer(
		`"left_children":[1,3,-1,-1,-1]`, `"left_children":[1,-1,-1,-1,-1]`, `"right_children":[2,4,-1,-1,-1]`, `"right_children":[2,-1,-1,-1,-1]`,
		`"split_indices":[0,2,0,0,0]`, `"split_indices":[0,0,0,2147483647,2147483647]`, `"num_deleted":"0","num_feature":"3","num_nodes":"5"`,
		`"num_deleted":"2","num_feature":"3","num_nodes":"5"`).Replace(small())
	m, err := read(text)
	if err != nil {
		t.Fatal(err)
	}
	if got := string(written(t, m)); got != text {
		t.Errorf("written:\n%s\nread:\n%s", got, text)
	}
	if _, err := read(strings.Replace(text, `"num_deleted":"2"`, `"num_deleted":"1"`, 1)); ident.CodeOf(err) != "tree_deleted" {
		t.Errorf("a wrong count of deleted nodes: %v", err)
	}
}

func TestRefusals(t *testing.T) {
	for _, c := range []struct{ old, new, code, says string }{
		{`"binary:logistic"`, `"reg:squarederror"`, "model_objective", `"reg:squarederror"`},
		{`"binary:logistic"`, `"multi:softprob"`, "model_objective", `"multi:softprob"`},
		{`"name":"gbtree"`, `"name":"dart"`, "model_booster", `"dart"`},
		{`"name":"gbtree"`, `"name":"gblinear"`, "model_booster", `"gblinear"`},
		{`"num_class":"0"`, `"num_class":"3"`, "model_classes", "3 classes"},
		{`"num_target":"1"`, `"num_target":"2"`, "model_targets", "more than one target"},
		{`"tree_info":[0,0]`, `"tree_info":[0,1]`, "model_classes", "tree 1"},
		{`"num_trees":"2"`, `"num_trees":"3"`, "model_trees", "2 trees"},
		{`"base_score":"5E-1"`, `"base_score":"0E0"`, "model_base_score", "base score"},
		{`"base_score":"5E-1"`, `"base_score":"NaN"`, "model_base_score", "base score"},
		{`"base_score":"5E-1"`, `"base_score":"x"`, "model_base_score", "base score"},
		{`"num_feature":"3","num_target"`, `"num_feature":"2","num_target"`, "model_features", "3 types"},
		{`"feature_names":["a","b","c"]`, `"feature_names":["a","b"]`, "model_features", "2 names"},
		{`"feature_types":["float","int","i"]`, `"feature_types":["float","int","c"]`, "model_category", "feature 2"},
		{`[5E-1,-2.5E0,`, `[NaN,-2.5E0,`, "tree_threshold", "tree 0 node 0"},
		{`[5E-1,-2.5E0,`, `[5E-1,-Infinity,`, "tree_threshold", "tree 0 node 1"},
		{`[5E-1,-2.5E0,`, `[5E-1,1E99,`, "tree_threshold", "tree 0 node 1"},
		{`-2.5E0,-3E-2,1E-1`, `-2.5E0,-3E-2,NaN`, "tree_leaf", "tree 0 node 3"},
		{`-2.5E0,-3E-2,1E-1`, `-2.5E0,-3E9,1E-1`, "tree_leaf", "tree 0 node 2"},
		{`-2.5E0,-3E-2,1E-1`, `-2.5E0,null,1E-1`, "model_json", "tree 0 node 2, split_conditions"},
		{`-2.5E0,-3E-2,1E-1`, `-2.5E0,"1",1E-1`, "model_json", "tree 0 node 2, split_conditions"},
		{`-2.5E0,-3E-2,1E-1`, `-2.5E0,0x1p3,1E-1`, "model_json", "tree 0 node 2, split_conditions"},
		{`[1,3,-1,-1,-1]`, `[1,7,-1,-1,-1]`, "tree_child", "tree 0 node 1"},
		{`[1,3,-1,-1,-1]`, `[1,0,-1,-1,-1]`, "tree_cycle", "tree 0 node 1"},
		{`[1,3,-1,-1,-1]`, `[1,1,-1,-1,-1]`, "tree_cycle", "tree 0 node 1"},
		{`[1,3,-1,-1,-1]`, `[2,3,-1,-1,-1]`, "tree_cycle", "tree 0 node 0"},
		{`[1,3,-1,-1,-1]`, `[1,-1,-1,-1,-1]`, "tree_child", "tree 0 node 1"},
		{`[1,3,-1,-1,-1]`, `[1,-7,-1,-1,-1]`, "tree_child", "tree 0 node 1"},
		{`[1,3,-1,-1,-1]`, `[1,99999999999,-1,-1,-1]`, "model_json", "tree 0 node 1, left_children"},
		{`[1,3,-1,-1,-1]`, `[1,3,-1,-1]`, "tree_size", "tree 0 node 4: num_nodes is 5 but left_children has 4"},
		{`[1,3,-1,-1,-1]`, `[1,3,-1,-1,-1,-1]`, "tree_size", "left_children has 6"},
		{`"left_children":[1,3,-1,-1,-1],`, ``, "tree_size", "tree 0: only 8 of 9 arrays"},
		{`[2147483647,0,0,1,1]`, `[2147483647,0,0,1,0]`, "tree_parent", "tree 0 node 4"},
		{`[2147483647,0,0,1,1]`, `[3,0,0,1,1]`, "tree_parent", "tree 0 node 0"},
		{`"split_indices":[0,2,0,0,0]`, `"split_indices":[0,3,0,0,0]`, "tree_feature", "tree 0 node 1: it asks for feature 3"},
		{`"split_indices":[0,2,0,0,0]`, `"split_indices":[-1,2,0,0,0]`, "tree_feature", "tree 0 node 0"},
		{`"split_type":[0,0,0,0,0]`, `"split_type":[0,1,0,0,0]`, "model_json", "tree 0 node 1, split_type"},
		{`"categories_nodes":[]`, `"categories_nodes":[1]`, "model_json", "tree 0 node 0, categories_nodes"},
		{`"default_left":[1,0,0,0,0]`, `"default_left":[1,2,0,0,0]`, "model_json", "tree 0 node 1, default_left"},
		{`[1E1,6E0,4E0,2E0,4E0]`, `[1E1,6E0,-4E0,2E0,4E0]`, "tree_number", "tree 0 node 2"},
		{`[1E1,6E0,4E0,2E0,4E0]`, `[1E1,6E0,4E0,NaN,4E0]`, "tree_number", "tree 0 node 3"},
		{`"loss_changes":[5E0`, `"loss_changes":[Infinity`, "tree_number", "tree 0 node 0"},
		{`"num_nodes":"5","size_leaf_vector":"0"`, `"num_nodes":"5","size_leaf_vector":"3"`, "model_targets", "tree 0"},
		{`"num_nodes":"5"`, `"num_nodes":"x"`, "tree_size", "tree 0"},
		{`"version":[1,7,4]}`, `"version":[1,7,4]} {}`, "model_json", "something follows"},
		{`"version":[1,7,4]`, `"version":[1,7,4],"version":[1,7,4]`, "model_json", `"version" stands twice`},
		{`"version":[1,7,4]`, `"version":[1,7,4],`, "model_json", "byte"},
		{`{"learner":`, `{"x":`, "model_json", "learner"},
		{`{"learner":`, `[{"learner":`, "model_json", "byte 0"},
		{`"note":"a`, `"surety_calibration":"{}","note":"a`, "model_attribute", "calibration"},
		{`"note":"a`, `"surety_calibration":"x","note":"a`, "model_attribute", "calibration"},
		{`"note":"a`, `"surety_bins":"[]","note":"a`, "model_attribute", "bins"},
		{`"note":"a`, `"note":"` + "\x01" + `a`, "model_json", "text"},
	} {
		text := strings.Replace(small(), c.old, c.new, 1)
		if text == small() {
			t.Fatalf("%s is not in the file", c.old)
		}
		_, err := read(text)
		if ident.CodeOf(err) != c.code || !ident.Is(err, ident.KindInvalid) || !strings.Contains(fmt.Sprint(err), c.says) {
			t.Errorf("%s -> %s: %v, want %s with %q", c.old, c.new, err, c.code, c.says)
		}
	}
}

// However a file is cut, it is refused; inside a tree with the tree's number.
func TestCutShort(t *testing.T) {
	text := small()
	trees := strings.Index(text, `"trees":[`) + len(`"trees":[`)
	second := strings.Index(text, `,{"base_weights":[1E-1],`)
	after := strings.Index(text, `]},"name":"gbtree"`)
	for n := range len(text) {
		_, err := read(text[:n])
		if !ident.Is(err, ident.KindInvalid) {
			t.Fatalf("cut after %d bytes: %v", n, err)
		}
		if want := "tree 0"; n > trees && n < second && !strings.Contains(err.Error(), want) {
			t.Fatalf("cut after %d bytes: %v, want %s", n, err, want)
		}
		if want := "tree 1"; n > second+1 && n < after-1 && !strings.Contains(err.Error(), want) {
			t.Fatalf("cut after %d bytes: %v, want %s", n, err, want)
		}
	}
	cut := text[:strings.Index(text, `-2.5E0`)+1]
	if _, err := read(cut); !strings.Contains(err.Error(), "tree 0 node 1, split_conditions") {
		t.Errorf("cut in a threshold: %v", err)
	}
}

func TestBounds(t *testing.T) {
	if _, err := read(strings.Repeat("[", 100_000)); ident.CodeOf(err) != "model_json" {
		t.Errorf("deep nesting: %v", err)
	}
	deep := `{"learner":` + strings.Repeat(`{"a":`, 1000)
	if _, err := read(deep); ident.CodeOf(err) != "model_json" {
		t.Errorf("deep nesting: %v", err)
	}
	if _, err := ReadXGBoost(iotest.ErrReader(errors.New("no disk"))); !ident.Is(err, ident.KindUnavailable) {
		t.Errorf("a reader that fails: %v", err)
	}
	for _, text := range []string{"{L\x00\x00\x00\x00\x00\x00\x00\x07learner{", "binf\x00\x00"} {
		if _, err := read(text); ident.CodeOf(err) != "model_binary" {
			t.Errorf("a binary model: %v", err)
		}
	}
	// A chain of one-sided questions deeper than the bound.
	var tr tree
	for i := range int32(2*maxDepth + 5) {
		tr.parent, tr.cond = append(tr.parent, (i-1)/2*2), append(tr.cond, 0)
		tr.left, tr.right = append(tr.left, -1), append(tr.right, -1)
		tr.feature, tr.defaultLeft = append(tr.feature, 0), append(tr.defaultLeft, false)
		tr.cover, tr.gain, tr.weight = append(tr.cover, 1), append(tr.gain, 0), append(tr.weight, 0)
	}
	tr.parent[0] = noParent
	for i := int32(0); i+2 < int32(len(tr.left)); i += 2 {
		tr.left[i], tr.right[i] = i+1, i+2
	}
	if err := tr.check(0, 1); ident.CodeOf(err) != "tree_depth" {
		t.Errorf("a tree that is too deep: %v", err)
	}
}

// A trained model with all its attributes comes back to the bit.
func TestRoundTrip(t *testing.T) {
	d, _ := payments(5, 5000, 1)
	m, rep := mustFit(t, Train{Trees: 30, Stop: 20, Calibrate: true}, d)
	text := written(t, m)
	again, err := ReadXGBoost(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(written(t, again), text) {
		t.Error("what is read is not written the same")
	}
	if got, ok := again.Report(); !ok || fmt.Sprint(got) != fmt.Sprint(func() Report { rep.Settings.Threads = 0; return rep }()) {
		t.Errorf("report %+v, want %+v", got, rep)
	}
	if !json.Valid(text) {
		t.Error("the file is not JSON")
	}
	a, b := make([]float64, 8), make([]float64, 8)
	for i := range int32(500) {
		row := d.row(i)
		if !same(m.Margin(row), again.Margin(row)) || m.Calibrated(m.Margin(row)) != again.Calibrated(again.Margin(row)) {
			t.Fatalf("row %d scores differently", i)
		}
		m.Explain(row, a)
		again.Explain(row, b)
		if fmt.Sprint(a) != fmt.Sprint(b) {
			t.Fatalf("row %d is explained differently", i)
		}
	}
	if fmt.Sprint(m.Bins()) != fmt.Sprint(again.Bins()) {
		t.Error("the bins differ")
	}
}

func TestFloatsAreWrittenAsXGBoostDoes(t *testing.T) {
	for x, want := range map[float32]string{0: "0E0", 1: "1E0", -2.5: "-2.5E0", 1681: "1.681E3", 1e10: "1E10", 1.5e-7: "1.5E-7", 3.4028235e38: "3.4028235E38"} {
		if got := string(appendFloat(nil, x)); got != want {
			t.Errorf("%v is written %s, want %s", x, got, want)
		}
	}
}

// Any number of a good file changed to any other: refused, or sound.
func TestChangedNumbers(t *testing.T) {
	d, _ := payments(7, 1000, 0)
	m, _ := mustFit(t, Train{Trees: 4, Depth: 3}, d)
	text := string(written(t, m))
	var numbers [][]int
	for _, at := range regexp.MustCompile(`[\[,:]"?-?[0-9][0-9.E-]*`).FindAllStringIndex(text, -1) {
		numbers = append(numbers, []int{at[0] + 1, at[1]})
	}
	r := rand.New(rand.NewPCG(8, 8))
	refused := 0
	for range 4000 {
		at := numbers[r.IntN(len(numbers))]
		with := []string{"0", "1", "2", "5", "-1", "-2", "14", "15", "2147483647", "-2147483648", "NaN", "Infinity", "-Infinity", "1E39", "1E-45", "-0E0",
			"3E38", "99999999999", "true", "null", "[]", "{}", `"`, "", "1E", "--1", "+1"}[r.IntN(27)]
		if !sound(t, []byte(text[:at[0]]+with+text[at[1]:])) {
			refused++
		}
	}
	if refused < 1000 || refused > 3900 {
		t.Errorf("%d of 4000 changes were refused", refused)
	}
}

// sound reads a file and reports false if it was refused; if it was not, it
// must score, explain and come back.
func sound(t *testing.T, text []byte) bool {
	t.Helper()
	m, err := ReadXGBoost(bytes.NewReader(text))
	if err != nil {
		if k := ident.KindOf(err); k != ident.KindInvalid {
			t.Fatalf("an error of kind %s: %v", k, err)
		}
		return false
	}
	r := rand.New(rand.NewPCG(1, 1))
	out := make([]float64, m.features+1)
	for range 3 {
		row := randomRow(r, m)
		if got, want := m.Margin(row), plain(m, row); !same(got, want) {
			t.Fatalf("margin %v, want %v", got, want)
		}
		m.Explain(row, out)
		for i, v := range out {
			if v-v != 0 {
				t.Fatalf("feature %d is explained by %v", i, v)
			}
		}
		if p := m.Calibrated(m.Margin(row)); !(p >= 0 && p <= 1) {
			t.Fatalf("probability %v", p)
		}
	}
	again, err := ReadXGBoost(bytes.NewReader(written(t, m)))
	if err != nil {
		t.Fatalf("what was written cannot be read: %v", err)
	}
	if !bytes.Equal(written(t, again), written(t, m)) {
		t.Fatal("a second round differs")
	}
	return true
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(small()))
	f.Add([]byte(strings.ReplaceAll(small(), "-1", "1")))
	d, _ := payments(6, 600, 0)
	m, _, err := Fit(f.Context(), Train{Trees: 3, Depth: 2, Stop: 2, Calibrate: true}, d, nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(written(f, m))
	f.Fuzz(func(t *testing.T, text []byte) { sound(t, text) })
}
