package payment

import (
	"crypto/sha256"
	"encoding/json"
	"strconv"
	"time"
	"unicode/utf8"
)

// hash is what "the same body" means: SHA-256 of the request's JSON, with the time
// in UTC to the microsecond.
func (r *Request) hash() [sha256.Size]byte {
	var room [640]byte
	return sha256.Sum256(r.appendJSON(room[:0]))
}

// appendJSON writes exactly what json.Marshal writes of a request that passed
// Check; hashes that were stored years ago must still be equal.
func (r *Request) appendJSON(b []byte) []byte {
	b = appendText(append(b, `{"id":`...), r.ID)
	b = append(b, `,"at":"`...)
	b = r.At.UTC().Truncate(time.Microsecond).AppendFormat(b, time.RFC3339Nano)
	b = appendText(append(b, `","payer":`...), r.Payer)
	b = appendText(append(b, `,"payee":`...), r.Payee)
	b = strconv.AppendInt(append(b, `,"amount":{"value":`...), r.Amount.Minor, 10)
	b = appendText(append(b, `,"currency":`...), string(r.Amount.Currency))
	b = appendText(append(b, `},"type":`...), r.Type)
	b = appendText(append(b, `,"channel":`...), r.Channel)
	b = appendText(append(b, `,"device":`...), r.Device)
	b = appendText(append(b, `,"ip":`...), r.IP)
	b = appendText(append(b, `,"city":`...), r.City)
	if r.Settled {
		b = append(b, `,"settled":true`...)
	}
	for _, f := range [...]struct {
		name string
		v    *string
	}{
		{`,"terminal":`, &r.Terminal}, {`,"merchant":`, &r.Merchant}, {`,"card":`, &r.Card}, {`,"phone":`, &r.Phone},
		{`,"region":`, &r.Region},
	} {
		if *f.v != "" {
			b = appendText(append(b, f.name...), *f.v)
		}
	}
	if r.Lat.Given {
		b = r.Lat.append(append(b, `,"lat":`...))
	}
	if r.Lon.Given {
		b = r.Lon.append(append(b, `,"lon":`...))
	}
	return append(b, '}')
}

// appendText writes a JSON text as encoding/json does.
func appendText(b []byte, s string) []byte {
	for i := range len(s) {
		// U+2028 and U+2029, which are escaped, begin with E2.
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' || c == 0x7f || c == 0xe2 {
			return appendHard(b, s)
		}
	}
	if !utf8.ValidString(s) {
		return appendHard(b, s)
	}
	return append(append(append(b, '"'), s...), '"')
}

func appendHard(b []byte, s string) []byte {
	text, err := json.Marshal(s)
	if err != nil { // a string always encodes
		return append(b, `""`...)
	}
	return append(b, text...)
}
