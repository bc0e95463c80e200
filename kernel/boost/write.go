package boost

import (
	"bufio"
	"encoding/json"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"surety/kernel/ident"
)

// Write writes the model in XGBoost's native JSON: keys, order and digits are
// those of XGBoost 1.7, so that either reads the other's file and a file of 1.7
// comes back byte for byte. Calibration, training report and bins stand in
// learner.attributes. The error is the writer's, its kind is unavailable.
func (m *Model) Write(w io.Writer) error {
	attributes, err := m.attributes()
	if err != nil {
		return err
	}
	p := &printer{w: bufio.NewWriterSize(w, 1<<16)}
	p.put(`{"learner":{"attributes":{`)
	for i, a := range attributes {
		p.comma(i)
		p.text(a[0])
		p.put(":")
		p.text(a[1])
	}
	p.put(`},"feature_names":`)
	p.texts(m.names)
	p.put(`,"feature_types":`)
	p.texts(m.types)
	p.put(`,"gradient_booster":{"model":{"gbtree_model_param":{`)
	if m.head.parallel != "" {
		p.pair("num_parallel_tree", m.head.parallel)
		p.put(",")
	}
	p.pair("num_trees", strconv.Itoa(len(m.trees)))
	p.put(`,"size_leaf_vector":"0"},"tree_info":[`)
	for i := range m.trees {
		p.comma(i)
		p.put("0")
	}
	p.put(`],"trees":[`)
	for i := range m.trees {
		p.comma(i)
		p.tree(&m.trees[i], m.features)
	}
	p.put(`]},"name":"gbtree"},"learner_model_param":{`)
	base := string(appendFloat(nil, m.baseScore))
	if m.baseVector {
		base = "[" + base + "]"
	}
	p.pair("base_score", base)
	if m.head.fromAverage != "" {
		p.put(",")
		p.pair("boost_from_average", m.head.fromAverage)
	}
	p.put(`,"num_class":"0",`)
	p.pair("num_feature", strconv.Itoa(m.features))
	if m.head.target != "" {
		p.put(",")
		p.pair("num_target", m.head.target)
	}
	p.put(`},"objective":{"name":"binary:logistic","reg_loss_param":{`)
	p.pair("scale_pos_weight", m.head.posWeight)
	p.put(`}}},"version":[`)
	for i, v := range m.head.version {
		p.comma(i)
		p.int(int32(v))
	}
	p.put("]}")
	if err := p.w.Flush(); err != nil {
		return ident.E(ident.KindUnavailable, "model_unwritable", "the model could not be written").Because(err)
	}
	return nil
}

// attributes are ours and the foreign ones, by name.
func (m *Model) attributes() ([][2]string, error) {
	out := slices.Clone(m.foreign)
	add := func(name string, v any) error {
		b, err := json.Marshal(v)
		out = append(out, [2]string{name, string(b)})
		if err != nil {
			return ident.E(ident.KindInternal, "model_attribute", "the attribute %s could not be written", name).Because(err)
		}
		return nil
	}
	if m.calibration != nil {
		if err := add(attrCalibration, m.calibration); err != nil {
			return nil, err
		}
	}
	if m.report != nil {
		if err := add(attrReport, m.report); err != nil {
			return nil, err
		}
	}
	if m.bins != nil {
		if err := add(attrBins, m.bins); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(out, func(a, b [2]string) int { return strings.Compare(a[0], b[0]) })
	return out, nil
}

// printer writes JSON; bufio keeps its first error for Flush.
type printer struct {
	w   *bufio.Writer
	buf []byte
}

func (p *printer) put(s string) { _, _ = p.w.WriteString(s) } // see Flush

func (p *printer) comma(i int) {
	if i > 0 {
		p.put(",")
	}
}

// text writes a string as XGBoost does: only what must be is escaped.
func (p *printer) text(s string) {
	b := append(p.buf[:0], '"')
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c == '\n':
			b = append(b, '\\', 'n')
		case c == '\r':
			b = append(b, '\\', 'r')
		case c == '\t':
			b = append(b, '\\', 't')
		case c < ' ':
			b = append(b, '\\', 'u', '0', '0', "01"[c>>4], "0123456789abcdef"[c&15])
		default:
			b = append(b, c)
		}
	}
	p.buf = append(b, '"')
	_, _ = p.w.Write(p.buf) // see Flush
}

func (p *printer) pair(key, value string) {
	p.text(key)
	p.put(":")
	p.text(value)
}

func (p *printer) texts(v []string) {
	p.put("[")
	for i, s := range v {
		p.comma(i)
		p.text(s)
	}
	p.put("]")
}

func (p *printer) int(v int32) {
	p.buf = strconv.AppendInt(p.buf[:0], int64(v), 10)
	_, _ = p.w.Write(p.buf) // see Flush
}

// appendFloat writes the shortest digits that read back to the same 32 bits,
// in XGBoost's form: 1.5E-3, 0E0.
func appendFloat(b []byte, x float32) []byte {
	if x == 0 {
		if math.Signbit(float64(x)) {
			b = append(b, '-')
		}
		return append(b, "0E0"...)
	}
	start := len(b)
	b = strconv.AppendFloat(b, float64(x), 'E', -1, 32)
	e := start + strings.IndexByte(string(b[start:]), 'E') + 1
	exponent := b[e:]
	out := b[:e]
	if exponent[0] == '-' {
		out = append(out, '-')
	}
	digits := exponent[1:]
	for len(digits) > 1 && digits[0] == '0' {
		digits = digits[1:]
	}
	return append(out, digits...) // moves to the left within b
}

func (p *printer) floats(key string, v []float32) {
	p.put(key)
	for i, x := range v {
		p.comma(i)
		p.buf = appendFloat(p.buf[:0], x)
		_, _ = p.w.Write(p.buf) // see Flush
	}
	p.put("]")
}

func (p *printer) ints(key string, v []int32) {
	p.put(key)
	for i, x := range v {
		p.comma(i)
		p.int(x)
	}
	p.put("]")
}

func (p *printer) tree(t *tree, features int) {
	p.floats(`{"base_weights":[`, t.weight)
	p.put(`,"categories":[],"categories_nodes":[],"categories_segments":[],"categories_sizes":[],"default_left":[`)
	words := [2]string{"0", "1"}
	if t.asBool {
		words = [2]string{"false", "true"}
	}
	for i, left := range t.defaultLeft {
		p.comma(i)
		if left {
			p.put(words[1])
		} else {
			p.put(words[0])
		}
	}
	p.put(`],"id":`)
	p.int(t.id)
	p.ints(`,"left_children":[`, t.left)
	p.floats(`,"loss_changes":[`, t.gain)
	p.ints(`,"parents":[`, t.parent)
	p.ints(`,"right_children":[`, t.right)
	p.floats(`,"split_conditions":[`, t.cond)
	p.ints(`,"split_indices":[`, t.feature)
	p.put(`,"split_type":[`)
	for i := range t.left {
		p.comma(i)
		p.put("0")
	}
	p.floats(`],"sum_hessian":[`, t.cover)
	p.put(`,"tree_param":{`)
	p.pair("num_deleted", strconv.Itoa(t.deleted))
	p.put(",")
	p.pair("num_feature", strconv.Itoa(features))
	p.put(",")
	p.pair("num_nodes", strconv.Itoa(len(t.left)))
	p.put(`,"size_leaf_vector":"0"}}`)
}
