package risk

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
	"time"
	"unicode/utf8"
)

// Decisions are written for every payment, so they write themselves: append by
// append, in the shape that encoding/json would give them by their tags.

// MarshalJSON writes the decision as one object.
func (d Decision) MarshalJSON() ([]byte, error) { return d.AppendJSON(make([]byte, 0, 2048)), nil }

// AppendJSON writes the decision as one object at the end of b.
func (d *Decision) AppendJSON(b []byte) []byte {
	b = append(b, `{"outcome":`...)
	b = appendText(b, string(d.Outcome))
	b = append(b, `,"score":`...)
	b = strconv.AppendInt(b, int64(d.Score), 10)
	b = append(b, `,"reasons":`...)
	b = appendReasons(b, d.Reasons)
	b = append(b, `,"proofs":`...)
	b = appendTexts(b, d.Proofs)
	if len(d.Shadow) > 0 {
		b = append(b, `,"shadow":`...)
		b = appendReasons(b, d.Shadow)
	}
	b = appendSome(b, `,"failed":`, d.Failed)
	b = append(b, `,"features":`...)
	b = d.Features.AppendJSON(b)
	b = append(b, `,"pack":{"name":`...)
	b = appendText(b, d.Pack.Name)
	b = append(b, `,"number":`...)
	b = strconv.AppendInt(b, int64(d.Pack.Number), 10)
	b = append(b, `,"sha256":`...)
	b = appendText(b, d.Pack.SHA256)
	b = append(b, `,"effective_from":"`...)
	b = d.Pack.EffectiveFrom.AppendFormat(b, time.RFC3339Nano)
	b = append(b, `"}`...)
	if d.Model != nil {
		b = append(b, `,"model":`...)
		b = d.Model.appendJSON(b)
	}
	for i := range d.Challengers {
		if i == 0 {
			b = append(b, `,"challengers":[`...)
		} else {
			b = append(b, ',')
		}
		b = d.Challengers[i].appendJSON(b)
	}
	if len(d.Challengers) > 0 {
		b = append(b, ']')
	}
	for _, f := range [...]struct{ key, value string }{{`,"stop":`, d.Stop}, {`,"stop_outcome":`, string(d.StopOutcome)}} {
		if f.value != "" {
			b = append(b, f.key...)
			b = appendText(b, f.value)
		}
	}
	b = appendSome(b, `,"listed":`, d.Listed)
	b = appendSome(b, `,"capped":`, d.Capped)
	if d.Late != "" {
		b = append(b, `,"late":`...)
		b = appendText(b, d.Late)
	}
	return append(b, '}')
}

func (m *ModelView) appendJSON(b []byte) []byte {
	b = append(b, `{"name":`...)
	b = appendText(b, m.Name)
	b = append(b, `,"version":`...)
	b = appendText(b, m.Version)
	b = append(b, `,"probability":`...)
	b = appendDouble(b, m.Probability)
	b = append(b, `,"margin":`...)
	b = strconv.AppendFloat(b, float64(m.Margin), 'g', -1, 32)
	if m.Price != 0 {
		b = append(b, `,"price":`...)
		b = strconv.AppendInt(b, m.Price, 10)
	}
	if len(m.Costs) > 0 {
		b = append(b, `,"costs":{`...)
		comma := false
		for _, o := range outcomes {
			cost, ok := m.Costs[o]
			if !ok {
				continue
			}
			if comma {
				b = append(b, ',')
			}
			comma = true
			b = append(appendText(b, string(o)), ':')
			b = strconv.AppendInt(b, cost, 10)
		}
		b = append(b, '}')
	}
	for i, c := range m.Contributions {
		if i == 0 {
			b = append(b, `,"contributions":[`...)
		} else {
			b = append(b, ',')
		}
		b = c.appendJSON(b)
	}
	if len(m.Contributions) > 0 {
		b = append(b, ']')
	}
	return append(b, '}')
}

func (c Contribution) appendJSON(b []byte) []byte {
	b = append(b, `{"feature":`...)
	b = appendText(b, c.Feature)
	b = append(b, `,"value":`...)
	b = appendDouble(b, c.Value)
	b = append(b, `,"margin":`...)
	b = appendDouble(b, c.Margin)
	return append(b, '}')
}

// MarshalJSON writes a missing value as null, for JSON has no NaN.
func (c Contribution) MarshalJSON() ([]byte, error) { return c.appendJSON(nil), nil }

// UnmarshalJSON reads null as a missing value.
func (c *Contribution) UnmarshalJSON(b []byte) error {
	var in struct {
		Feature string   `json:"feature"`
		Value   *float64 `json:"value"`
		Margin  float64  `json:"margin"`
	}
	if err := json.Unmarshal(b, &in); err != nil {
		return err
	}
	*c = Contribution{in.Feature, math.NaN(), in.Margin}
	if in.Value != nil {
		c.Value = *in.Value
	}
	return nil
}

// Equal reports whether two contributions are the same; two missing values are.
func (c Contribution) Equal(o Contribution) bool {
	return c.Feature == o.Feature && c.Margin == o.Margin && (c.Value == o.Value || c.Value != c.Value && o.Value != o.Value)
}

func appendReasons(b []byte, rs []Reason) []byte {
	if rs == nil {
		return append(b, "null"...)
	}
	b = append(b, '[')
	for i, r := range rs {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"code":`...)
		b = appendText(b, r.Code)
		b = append(b, `,"zh":`...)
		b = appendText(b, r.ZH)
		b = append(b, `,"en":`...)
		b = appendText(b, r.EN)
		b = append(b, `,"weight":`...)
		b = strconv.AppendInt(b, int64(r.Weight), 10)
		b = append(b, '}')
	}
	return append(b, ']')
}

func appendSome(b []byte, key string, list []string) []byte {
	if len(list) == 0 {
		return b
	}
	return appendTexts(append(b, key...), list)
}

func appendTexts(b []byte, list []string) []byte {
	if list == nil {
		return append(b, "null"...)
	}
	b = append(b, '[')
	for i, s := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendText(b, s)
	}
	return append(b, ']')
}

// appendDouble writes a number that can be told from a whole one; NaN and
// infinities, which JSON does not have, as null.
func appendDouble(b []byte, v float64) []byte {
	if v-v != 0 {
		return append(b, "null"...)
	}
	n := len(b)
	b = strconv.AppendFloat(b, v, 'g', -1, 64)
	if !bytes.ContainsAny(b[n:], ".e") {
		b = append(b, ".0"...)
	}
	return b
}

// appendText writes a string; what needs care is left to encoding/json.
func appendText(b []byte, s string) []byte {
	plain := utf8.ValidString(s)
	for i := 0; i < len(s) && plain; i++ {
		c := s[i]
		// U+2028 and U+2029 begin with 0xe2 and are escaped for JavaScript's sake.
		plain = c >= ' ' && c != '"' && c != '\\' && c != '<' && c != '>' && c != '&' && c != 0xe2
	}
	if plain {
		b = append(b, '"')
		b = append(b, s...)
		return append(b, '"')
	}
	text, err := json.Marshal(s)
	if err != nil {
		return append(b, `""`...) // a string always can be
	}
	return append(b, text...)
}
