package boost

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"surety/kernel/ident"
)

// Our attributes in a model file. XGBoost keeps attributes it does not know.
const (
	attrCalibration = "surety_calibration"
	attrReport      = "surety_report"
	attrBins        = "surety_bins"
)

// ReadXGBoost reads a model in XGBoost's native JSON (versions 1.0 to 3), at
// most 256 MiB: booster gbtree, objective binary:logistic, no categories. All
// trees of the file are scored, as Booster.predict does. Anything else, a file
// cut short and a tree that does not hold together are refused with an error
// that names tree and node; of the reader's own failures the kind is unavailable.
func ReadXGBoost(r io.Reader) (*Model, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		return nil, ident.E(ident.KindUnavailable, "model_unreadable", "the model file could not be read").Because(err)
	}
	if len(text) > maxFile {
		return nil, ident.E(ident.KindTooLarge, "model_too_large", "the model file is larger than %d MiB", maxFile>>20)
	}
	if bytes.HasPrefix(text, []byte("{L")) || bytes.HasPrefix(text, []byte("binf")) {
		return nil, ident.Invalid("", "model_binary", "this is one of XGBoost's binary formats: save the model with a name that ends in .json")
	}
	m, err := parse(text)
	if err != nil {
		// A file for something else fails in many ways; what it is says more.
		if other := otherKind(text); other != nil {
			return nil, other
		}
		return nil, err
	}
	return m, nil
}

// otherKind says that the file is for another booster or objective, nil if it
// is for ours or cannot be told.
func otherKind(text []byte) error {
	var booster, objective string
	name := func(s *scan, to *string) func(string) error {
		return func(key string) (err error) {
			if key != "name" {
				return s.skip()
			}
			*to, err = s.text()
			return err
		}
	}
	s := &scan{b: text}
	err := s.object(func(key string) error {
		if key != "learner" {
			return s.skip()
		}
		return s.object(func(key string) error {
			switch key {
			case "gradient_booster":
				return s.object(name(s, &booster))
			case "objective":
				return s.object(name(s, &objective))
			}
			return s.skip()
		})
	})
	if booster != "" && booster != "gbtree" {
		return ident.Invalid("gradient_booster.name", "model_booster", "the booster is %q, only gbtree can be scored", booster)
	}
	if objective != "" && objective != "binary:logistic" {
		return ident.Invalid("objective.name", "model_objective",
			"the objective is %q, only binary:logistic can be scored", objective)
	}
	_ = err // a broken file is reported by who called
	return nil
}

// place puts words before the message of an error.
func place(err error, format string, args ...any) error {
	var e *ident.Error
	if errors.As(err, &e) {
		e.Message = fmt.Sprintf(format, args...) + ": " + e.Message
	}
	return err
}

// reader is the state of one parse.
type reader struct {
	scan
	m                  *Model
	booster, objective string
	base               string
	classes            string
	features           string
	count, leafVector  string // num_trees, size_leaf_vector
	attributes         [][2]string
	nodes              int
}

func parse(text []byte) (*Model, error) {
	r := &reader{scan: scan{b: text}, m: &Model{}}
	seen := false
	err := r.object(func(key string) error {
		switch key {
		case "learner":
			seen = true
			return r.learner()
		case "version":
			return r.array(func(i int) error {
				v, err := r.integer()
				if i < 3 {
					r.m.head.version[i] = int(v)
				}
				return err
			})
		}
		return r.skip()
	})
	if err == nil {
		err = r.end()
	}
	if err != nil {
		return nil, err
	}
	if !seen {
		return nil, ident.Invalid("learner", "model_json", `the file has no "learner": it is not a model in XGBoost's JSON`)
	}
	return r.finish()
}

func (r *reader) learner() error {
	return r.object(func(key string) error {
		switch key {
		case "attributes":
			return r.object(func(key string) error {
				v, err := r.text()
				if r.attributes = append(r.attributes, [2]string{key, v}); len(r.attributes) > maxAttributes {
					return r.fail("more than %d attributes", maxAttributes)
				}
				return err
			})
		case "feature_names":
			return r.texts(&r.m.names)
		case "feature_types":
			return r.texts(&r.m.types)
		case "gradient_booster":
			return r.object(func(key string) error {
				switch key {
				case "model":
					return r.model()
				case "name":
					return r.textTo(&r.booster)
				}
				return r.skip()
			})
		case "learner_model_param":
			return r.fields(map[string]*string{"base_score": &r.base, "num_class": &r.classes, "num_feature": &r.features,
				"num_target": &r.m.head.target, "boost_from_average": &r.m.head.fromAverage})
		case "objective":
			return r.object(func(key string) error {
				switch key {
				case "name":
					return r.textTo(&r.objective)
				case "reg_loss_param":
					return r.fields(map[string]*string{"scale_pos_weight": &r.m.head.posWeight})
				}
				return r.skip()
			})
		}
		return r.skip()
	})
}

func (r *reader) textTo(to *string) (err error) {
	*to, err = r.text()
	return err
}

// fields reads an object of texts, of which only those named are kept.
func (r *reader) fields(to map[string]*string) error {
	return r.object(func(key string) error {
		if p := to[key]; p != nil {
			return r.textTo(p)
		}
		return r.skip()
	})
}

func (r *reader) texts(to *[]string) error {
	return r.array(func(i int) error {
		if i >= maxFeatures {
			return r.fail("more than %d features", maxFeatures)
		}
		v, err := r.text()
		if len(v) > maxName {
			return r.fail("a feature's name or type of more than %d bytes", maxName)
		}
		*to = append(*to, v)
		return err
	})
}

// model reads gradient_booster.model.
func (r *reader) model() error {
	return r.object(func(key string) error {
		switch key {
		case "gbtree_model_param":
			return r.fields(map[string]*string{"num_trees": &r.count, "size_leaf_vector": &r.leafVector,
				"num_parallel_tree": &r.m.head.parallel})
		case "tree_info":
			return r.array(func(i int) error {
				group, err := r.integer()
				if err == nil && group != 0 {
					err = ident.Invalid("tree_info", "model_classes", "tree %d belongs to class %d: only one class can be scored", i, group)
				}
				return err
			})
		case "trees":
			return r.array(func(i int) error {
				if i >= maxTrees {
					return r.fail("more than %d trees", maxTrees)
				}
				t, err := r.tree(i)
				r.m.trees = append(r.m.trees, t)
				return err
			})
		}
		return r.skip()
	})
}

// each reads an array of one value a node.
func (r *reader) each(tree int, what string, value func(node int) error) (n int, err error) {
	err = r.array(func(i int) error {
		n = i + 1
		if i >= maxTreeNodes {
			return r.fail("tree %d has more than %d nodes", tree, maxTreeNodes)
		}
		if r.nodes++; r.nodes > 16*maxNodes {
			return r.fail("the trees up to number %d have more than %d nodes", tree, maxNodes)
		}
		if err := value(i); err != nil {
			return place(err, "tree %d node %d, %s", tree, i, what)
		}
		return nil
	})
	if err != nil && n == 0 {
		return 0, place(err, "tree %d, %s", tree, what)
	}
	if err != nil && !strings.HasPrefix(err.(*ident.Error).Message, "tree ") {
		return n, place(err, "tree %d node %d, %s", tree, n-1, what)
	}
	return n, err
}

// tree reads one tree and checks that its arrays are of one length; what they
// hold is checked when all is read.
func (r *reader) tree(number int) (tree, error) {
	t := tree{id: int32(number)}
	var nodes, deleted, vector string
	lengths := map[string]int{}
	floats := func(to *[]float32) func(int) error {
		return func(int) error { v, err := r.number(); *to = append(*to, v); return err }
	}
	ints := func(to *[]int32) func(int) error {
		return func(int) error { v, err := r.integer(); *to = append(*to, v); return err }
	}
	arrays := map[string]func(int) error{
		"base_weights": floats(&t.weight), "loss_changes": floats(&t.gain), "split_conditions": floats(&t.cond),
		"sum_hessian": floats(&t.cover), "left_children": ints(&t.left), "right_children": ints(&t.right),
		"parents": ints(&t.parent), "split_indices": ints(&t.feature),
		"default_left": func(int) error {
			yes, word, err := r.flag()
			t.defaultLeft, t.asBool = append(t.defaultLeft, yes), word
			return err
		},
	}
	err := r.object(func(key string) (err error) {
		if value := arrays[key]; value != nil {
			lengths[key], err = r.each(number, key, value)
			return err
		}
		switch key {
		case "id":
			t.id, err = r.integer()
			return err
		case "tree_param":
			return r.fields(map[string]*string{"num_nodes": &nodes, "num_deleted": &deleted, "size_leaf_vector": &vector})
		case "split_type":
			_, err = r.each(number, key, func(int) error { return r.zero("is a split by category, which cannot be scored") })
			return err
		case "categories", "categories_nodes":
			_, err = r.each(number, key, func(int) error { return r.fail("splits by category cannot be scored") })
			return err
		}
		return r.skip()
	})
	if err != nil {
		if !strings.HasPrefix(err.(*ident.Error).Message, "tree ") {
			err = place(err, "tree %d", number)
		}
		return t, err
	}
	if vector != "" && vector != "0" && vector != "1" {
		return t, ident.Invalid("size_leaf_vector", "model_targets", "tree %d has leaves of %s values, only one can be scored", number, vector)
	}
	return t, t.sizes(number, lengths, len(arrays), nodes, deleted)
}

// zero takes a number that must be 0.
func (r *reader) zero(otherwise string) error {
	v, err := r.integer()
	if err == nil && v != 0 {
		err = r.fail("the node %s", otherwise)
	}
	return err
}

// sizes checks that every array of the tree is there and as long as num_nodes.
func (t *tree) sizes(number int, lengths map[string]int, arrays int, nodes, deleted string) error {
	field := fmt.Sprintf("trees[%d]", number)
	want, err := strconv.Atoi(nodes)
	if err != nil || want < 1 {
		return ident.Invalid(field, "tree_size", "tree %d: num_nodes is %q, it must be a number from 1 on", number, nodes)
	}
	for _, key := range slices.Sorted(mapKeys(lengths)) {
		if n := lengths[key]; n != want {
			return ident.Invalid(field, "tree_size", "tree %d node %d: num_nodes is %d but %s has %d values", number, min(n, want), want, key, n)
		}
	}
	if len(lengths) != arrays {
		return ident.Invalid(field, "tree_size", "tree %d: only %d of %d arrays are there", number, len(lengths), arrays)
	}
	if t.deleted, err = strconv.Atoi(deleted); deleted != "" && err != nil {
		return ident.Invalid(field, "tree_size", "tree %d: num_deleted is %q, it must be a number", number, deleted)
	}
	return nil
}

func mapKeys(m map[string]int) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// finish checks what the whole file says together.
func (r *reader) finish() (*Model, error) {
	m := r.m
	bad := func(field, code, format string, args ...any) (*Model, error) {
		return nil, ident.Invalid(field, code, format, args...)
	}
	if r.booster != "gbtree" {
		return bad("gradient_booster.name", "model_booster", "the booster is %q, only gbtree can be scored", r.booster)
	}
	if r.objective != "binary:logistic" {
		return bad("objective.name", "model_objective", "the objective is %q, only binary:logistic can be scored", r.objective)
	}
	if c := r.classes; c != "" && c != "0" && c != "1" {
		return bad("num_class", "model_classes", "the model has %s classes, only two-way models can be scored", c)
	}
	if v := r.leafVector; v != "" && v != "0" && v != "1" || m.head.target != "" && m.head.target != "0" && m.head.target != "1" {
		return bad("num_target", "model_targets", "the model has more than one target (%s), only one can be scored", m.head.target)
	}
	if n, err := strconv.Atoi(r.count); err != nil || n != len(m.trees) {
		return bad("num_trees", "model_trees", "num_trees is %q but the file has %d trees", r.count, len(m.trees))
	}
	n, err := strconv.Atoi(r.features)
	if err != nil {
		return bad("num_feature", "model_features", "num_feature is %q, it must be a number", r.features)
	}
	m.features = n
	base := r.base
	if len(base) > 2 && base[0] == '[' && base[len(base)-1] == ']' {
		m.baseVector, base = true, base[1:len(base)-1]
	}
	score, err := strconv.ParseFloat(base, 32)
	if err != nil {
		return bad("base_score", "model_base_score", "the base score is %q, it must be a number", r.base)
	}
	m.baseScore = float32(score)
	if len(m.types) != 0 && len(m.types) != m.features {
		return bad("feature_types", "model_features", "the model has %d features but %d types", m.features, len(m.types))
	}
	if i := slices.Index(m.types, "c"); i >= 0 {
		return bad("feature_types", "model_category", "feature %d is a category, which cannot be scored", i)
	}
	if err := r.ours(); err != nil {
		return nil, err
	}
	if err := m.seal(); err != nil {
		return nil, err
	}
	return m, m.checkExtras()
}

// ours takes our attributes out of the file's.
func (r *reader) ours() error {
	for _, a := range r.attributes {
		var to any
		switch a[0] {
		case attrCalibration:
			r.m.calibration = &Calibration{}
			to = r.m.calibration
		case attrReport:
			r.m.report = &Report{}
			to = r.m.report
		case attrBins:
			to = &r.m.bins
		default:
			r.m.foreign = append(r.m.foreign, a)
			continue
		}
		if err := json.Unmarshal([]byte(a[1]), to); err != nil {
			return ident.Invalid(a[0], "model_attribute", "the attribute %s is damaged", a[0]).Because(err)
		}
	}
	slices.SortFunc(r.m.foreign, func(a, b [2]string) int { return strings.Compare(a[0], b[0]) })
	return nil
}

// checkExtras checks calibration and bins, which a file may bring from anywhere.
func (m *Model) checkExtras() error {
	if m.calibration != nil {
		if err := m.calibration.check(); err != nil {
			return err
		}
	}
	if m.bins == nil {
		return nil
	}
	if len(m.bins) != m.features+1 {
		return ident.Invalid(attrBins, "model_attribute", "the model has %d features but bins for %d", m.features, len(m.bins)-1)
	}
	for i := range m.bins {
		if err := m.bins[i].check(); err != nil {
			return err
		}
	}
	return nil
}
