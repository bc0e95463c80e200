package api

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"surety/kernel/ident"
	"surety/kernel/money"
)

type sample struct {
	ID     string         `json:"id"`
	N      int            `json:"n"`
	Yes    bool           `json:"yes"`
	At     time.Time      `json:"at,omitzero"`
	Amount money.Amount   `json:"amount,omitzero"`
	List   []string       `json:"list"`
	Sub    *sample        `json:"sub,omitempty"`
	Any    any            `json:"any"`
	Map    map[string]int `json:"map"`
}

func TestStrictRefuses(t *testing.T) {
	for _, c := range []struct{ name, body, code, field string }{
		{"empty", "", "body_empty", ""},
		{"blank", " \n", "body_empty", ""},
		{"truncated", `{"id":"a","n":1`, "json_truncated", ""},
		{"truncated text", `{"id":"a`, "json_truncated", ""},
		{"two values", `{} {}`, "json_malformed", ""},
		{"not an object", `[1]`, "type_wrong", ""},
		{"unknown", `{"idd":"a"}`, "field_unknown", "idd"},
		{"unknown deep", `{"sub":{"sub":{"x":1}}}`, "field_unknown", "sub.sub.x"},
		{"other case", `{"ID":"a"}`, "field_unknown", "ID"},
		{"twice", `{"id":"a","id":"b"}`, "field_twice", "id"},
		{"twice escaped", `{"id":"a","\u0069d":"b"}`, "field_twice", "id"},
		{"twice in any", `{"any":{"a":1,"a":2}}`, "field_twice", "any.a"},
		{"twice in amount", `{"amount":{"value":1,"value":2,"currency":"CNY"}}`, "field_twice", "amount.value"},
		{"exponent", `{"n":1e9}`, "type_wrong", "n"},
		{"fraction", `{"n":1.0}`, "type_wrong", "n"},
		{"too large", `{"n":9223372036854775808}`, "type_wrong", "n"},
		{"text for number", `{"n":"1"}`, "type_wrong", "n"},
		{"full width", `{"n":１２}`, "json_malformed", ""},
		{"number for text", `{"id":1}`, "type_wrong", "id"},
		{"number for bool", `{"yes":1}`, "type_wrong", "yes"},
		{"object for text", `{"id":{}}`, "type_wrong", "id"},
		{"text for list", `{"list":"a"}`, "type_wrong", "list"},
		{"number in list", `{"list":["a",2]}`, "type_wrong", "list[1]"},
		{"amount exponent", `{"amount":{"value":1e9,"currency":"CNY"}}`, "amount_not_integer", "amount.value"},
		{"amount currency", `{"sub":{"amount":{"value":1,"currency":"XXX"}}}`, "currency_unknown", "sub.amount.currency"},
		{"amount name", `{"amount":{"VALUE":1,"currency":"CNY"}}`, "amount_malformed", "amount"},
		{"amount text", `{"amount":"1"}`, "amount_malformed", "amount"},
		{"time", `{"at":"yesterday"}`, "time_malformed", "at"},
		{"nul", `{"id":"a\u0000b"}`, "control_character", "id"},
		{"gb18030", "{\"id\":\"\xd2\xfc\"}", "not_utf8", ""},
		{"deep", strings.Repeat(`{"any":`, 40) + "1" + strings.Repeat("}", 40), "json_too_deep", "*"},
		{"deep list", `{"any":` + strings.Repeat(`[`, 40) + strings.Repeat("]", 40) + "}", "json_too_deep", "*"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var v sample
			err := decodeStrict([]byte(c.body), &v)
			if ident.KindOf(err) != ident.KindInvalid || ident.CodeOf(err) != c.code {
				t.Fatalf("%s: %v (code %q), want %s", c.body, err, ident.CodeOf(err), c.code)
			}
			if got := parts(err)[0].Field; got != c.field && c.field != "*" {
				t.Errorf("%s: field %q, want %q", c.body, got, c.field)
			}
		})
	}
}

func TestStrictAccepts(t *testing.T) {
	body := `{"id":"尹","n":-3,"yes":true,"at":"2026-05-30T09:00:00+08:00","amount":{"currency":"CNY","value":12},
"list":["a"],"sub":{"id":"b"},"any":[1,{"x":null}],"map":{"a":1}}`
	var v sample
	must(t, decodeStrict([]byte(body), &v))
	if v.ID != "尹" || v.N != -3 || v.Amount != money.Of(12, money.CNY) || v.Sub.ID != "b" || v.Map["a"] != 1 || v.At.IsZero() {
		t.Errorf("%+v", v)
	}
}

// What is accepted means to encoding/json what it says, and nothing panics.
func FuzzStrict(f *testing.F) {
	for _, s := range []string{`{}`, `{"id":"a","n":1}`, `{"amount":{"value":1,"currency":"CNY"}}`, `{"any":[{}]}`, `{"id":"a","id":"b"}`,
		`{"at":"2026-05-30T09:00:00+08:00"}`, `{"map":{"a":1}}`, "{\"id\":\"\xff\"}", `{"sub":{"list":["x",null]}}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var v, again sample
		if err := decodeStrict(b, &v); err != nil {
			if ident.KindOf(err) != ident.KindInvalid {
				t.Fatalf("%q: %v", b, err)
			}
			return
		}
		dec := json.NewDecoder(bytes.NewReader(b))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&again); err != nil {
			t.Fatalf("%q was taken: %v", b, err)
		}
		one, _ := json.Marshal(v)
		two, _ := json.Marshal(again)
		if !bytes.Equal(one, two) {
			t.Fatalf("%q: %s and %s", b, one, two)
		}
	})
}
