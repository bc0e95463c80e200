package payment

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"surety/kernel/ident"
	"surety/kernel/money"
	"surety/platform/access"
)

// drawText is any text that Check lets pass, with what JSON escapes.
func drawText(t *rapid.T, name string) string {
	return rapid.StringOfN(rapid.OneOf(rapid.Rune(), rapid.SampledFrom([]rune("aZ9<>&\"\\\u2028\u2029乐\x7f\x01�"))), 0, 12, 100).Draw(t, name)
}

func drawRequest(t *rapid.T) Request {
	r := Request{
		ID: "p-1", At: time.UnixMicro(rapid.Int64Range(1, 253402300799999999).Draw(t, "at")).In(time.FixedZone("x", 8*3600)),
		Payer: "A:1", Payee: "BANK:x_2", Amount: money.Of(rapid.Int64Min(1).Draw(t, "minor"), "CNY"), Type: "purchase",
		Settled: rapid.Bool().Draw(t, "settled"),
	}
	for _, f := range []*string{&r.Channel, &r.Device, &r.IP, &r.City, &r.Terminal, &r.Merchant, &r.Card, &r.Phone, &r.Region} {
		*f = drawText(t, "text")
	}
	if rapid.Bool().Draw(t, "place") {
		r.Lat = Degree{rapid.Int32Range(-90_000_000, 90_000_000).Draw(t, "lat"), true}
		r.Lon = Degree{rapid.Int32Range(-180_000_000, 180_000_000).Draw(t, "lon"), true}
	}
	return r
}

// old is the request as it was before it had a place and a terminal: the hashes of
// those days are in the table.
type old struct {
	ID      string       `json:"id"`
	At      time.Time    `json:"at"`
	Payer   string       `json:"payer"`
	Payee   string       `json:"payee"`
	Amount  money.Amount `json:"amount"`
	Type    string       `json:"type"`
	Channel string       `json:"channel"`
	Device  string       `json:"device"`
	IP      string       `json:"ip"`
	City    string       `json:"city"`
	Settled bool         `json:"settled,omitempty"`
}

// The hash is of what json.Marshal writes, and bodies without the new fields have
// the hashes that they always had.
func TestHashStays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := drawRequest(t)
		at := r.At.UTC().Truncate(time.Microsecond)
		whole := r
		whole.At = at
		want, err := json.Marshal(whole)
		if err != nil {
			t.Fatal(err)
		}
		if got := r.appendJSON(nil); string(got) != string(want) {
			t.Fatalf("%s, want %s", got, want)
		}
		var back Request
		if err := json.Unmarshal(want, &back); err != nil || !back.At.Equal(at) {
			t.Fatal(err)
		}
		bare := Request{ID: r.ID, At: r.At, Payer: r.Payer, Payee: r.Payee, Amount: r.Amount, Type: r.Type, Channel: r.Channel, Device: r.Device,
			IP: r.IP, City: r.City, Settled: r.Settled}
		text, err := json.Marshal(old{bare.ID, at, bare.Payer, bare.Payee, bare.Amount, bare.Type, bare.Channel, bare.Device, bare.IP, bare.City,
			bare.Settled})
		if err != nil || bare.hash() != sha256.Sum256(text) {
			t.Fatalf("%s has another hash", text)
		}
		if r != bare && r.hash() == bare.hash() {
			t.Fatal("a field is not in the hash")
		}
	})
	// One that was computed by the release before.
	r := Request{ID: "P1", At: time.Date(2026, 5, 18, 1, 0, 0, 0, time.UTC), Payer: "W1", Payee: "W2", Amount: money.Of(1500, money.CNY),
		Type: "transfer", Channel: "app", Device: "dev-1", IP: "10.0.0.1", City: "乐山"}
	const was = `{"id":"P1","at":"2026-05-18T01:00:00Z","payer":"W1","payee":"W2","amount":{"value":1500,"currency":"CNY"},` +
		`"type":"transfer","channel":"app","device":"dev-1","ip":"10.0.0.1","city":"乐山"}`
	if r.hash() != sha256.Sum256([]byte(was)) {
		t.Errorf("%s", r.appendJSON(nil))
	}
}

func TestDegree(t *testing.T) {
	for text, want := range map[string]Degree{
		"0": {0, true}, "-0": {0, true}, "29.552106": {29_552_106, true}, "-103.7653": {-103_765_300, true}, "180": {180_000_000, true},
		"0.0000005": {1, true}, "0.00000049999": {0, true}, "-0.0000015": {-2, true}, "179.9999999": {180_000_000, true},
	} {
		if got, ok := ParseDegree(text); !ok || got != want {
			t.Errorf("%s: %+v %v", text, got, ok)
		}
	}
	for _, text := range []string{"", "-", ".5", "1.", "1e1", "+1", "1,5", "180.0000005", "1000", "--1", " 1", "NaN", "0x1", "1.2.3"} {
		if got, ok := ParseDegree(text); ok {
			t.Errorf("%q was read as %+v", text, got)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		d := Degree{rapid.Int32Range(-180_000_000, 180_000_000).Draw(t, "micro"), true}
		text, err := json.Marshal(d)
		var back Degree
		if err != nil || json.Unmarshal(text, &back) != nil || back != d {
			t.Fatalf("%+v is written %s and read %+v", d, text, back)
		}
	})
}

// What a record holds is what was put into it.
func TestRecordHolds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := header{actor: ident.Actor{Kind: ident.Key, ID: "key_1"}, act: access.ActPaymentImport, created: rapid.Int64().Draw(t, "created"),
			count: rapid.IntRange(1, 5).Draw(t, "count")}
		var want []row
		b := h.append(nil)
		for range h.count {
			r := row{Request: drawRequest(t), state: Held, outcome: "hold", score: rapid.IntRange(0, 1000).Draw(t, "score"), created: h.created,
				decision: drawText(t, "decision")}
			r.At = r.At.UTC()
			r.hash = r.Request.hash()
			b = r.append(b, []byte(r.decision))
			want = append(want, r)
		}
		var got []row
		err := openRecord(b, func(g header, i int, r *row) error {
			if !reflect.DeepEqual(g, h) || i != len(got) {
				return fmt.Errorf("%+v at %d", g, i)
			}
			got = append(got, *r)
			return nil
		})
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("%v\n%+v\n%+v", err, got, want)
		}
	})
}

// Whatever stands in a record, it is read whole or refused.
func FuzzOpenRecord(f *testing.F) {
	h := header{actor: ident.Actor{Kind: ident.Key, ID: "key_1"}, act: access.ActPaymentImport, created: 1, count: 1}
	r := row{Request: Request{ID: "p", Lat: Degree{1, true}, Lon: Degree{2, true}}, state: Allowed, outcome: "allow"}
	f.Add(r.append(h.append(nil), []byte("{}")))
	f.Add([]byte{recordVersion})
	f.Add([]byte{2})
	f.Fuzz(func(t *testing.T, b []byte) {
		n := 0
		if err := openRecord(b, func(header, int, *row) error { n++; return nil }); err == nil && n == 0 && len(b) > 20 {
			return // a record of no payments is none of ours, and harmless
		} else if err != nil && !ident.Is(err, ident.KindInternal) {
			t.Fatal(err)
		}
	})
}

// An id that was added is never said to be new, and few new ones are said to be
// known.
func TestFilter(t *testing.T) {
	var f filter
	const n = 300_000
	for i := range n {
		f.add(keyOf(fmt.Sprint("known-", i)))
	}
	wrong := 0
	for i := range n {
		if !f.may(keyOf(fmt.Sprint("known-", i))) {
			t.Fatalf("known-%d is lost", i)
		}
		if f.may(keyOf(fmt.Sprint("new-", i))) {
			wrong++
		}
	}
	if wrong > n/200 || wrong == 0 || len(f.gens) < 3 {
		t.Fatalf("%d of %d are wrong, in %d generations", wrong, n, len(f.gens))
	}
}

// The poster rests only while more comes than it can move, and ever less as the
// backlog grows.
func TestThrottle(t *testing.T) {
	at := time.Date(2026, 5, 18, 1, 0, 0, 0, time.UTC)
	run := func(perSecond, backlog int64) time.Duration {
		th := throttle{full: 4_000_000, ended: at}
		// A step of 10 ms that moved 100: the database takes 10,000 a second.
		return th.pause(at.Add(90*time.Millisecond), at.Add(100*time.Millisecond), 100, perSecond/10, backlog)
	}
	calm, hot, fuller, full := run(4_000, 50_000), run(50_000, 50_000), run(50_000, 1_500_000), run(50_000, 3_000_000)
	if calm != 0 || hot != 990*time.Millisecond || fuller >= hot || fuller == 0 || full != 0 || run(50_000, 10) != 0 {
		t.Errorf("calm %v, hot %v, fuller %v, full %v", calm, hot, fuller, full)
	}
}

func TestCardNumbers(t *testing.T) {
	for s, want := range map[string]bool{
		"4111111111111111": true, "4111 1111-1111 1111": true, "4111111111111112": false, "card_4111111111111111": false, "": false,
		"0": false, strings.Repeat("0", 20): false, "6222021234567890128": luhn("6222021234567890128"),
	} {
		if isCardNumber(s) != want {
			t.Errorf("%q: %v", s, !want)
		}
	}
}

// luhn is the check digit written another way.
func luhn(s string) bool {
	sum := 0
	for i, c := range s {
		d := int(c - '0')
		if (len(s)-i)%2 == 0 {
			d = d*2/10 + d*2%10
		}
		sum += d
	}
	return sum%10 == 0
}
