package audit

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/mod/sumdb/tlog"

	"surety/kernel/ident"
	"surety/platform/db"
)

const (
	saltSize  = 16
	maxDetail = 8 << 20 // bytes of JSON in one entry
	maxWord   = 200     // bytes of an act, object or actor in a leaf
)

// leafText is what is hashed: JSON with its keys in this order, for ever. A
// change of form needs a new V; entries already written are never rewritten.
type leafText struct {
	V         int             `json:"v"`
	ID        ident.ID        `json:"id"`
	At        string          `json:"at"` // RFC 3339, UTC, microseconds
	Act       string          `json:"act"`
	Object    ident.ID        `json:"object"`
	ActorKind ident.ActorKind `json:"actor_kind"`
	Actor     ident.ID        `json:"actor"`
	Outcome   Outcome         `json:"outcome"`
	Detail    string          `json:"detail"` // hex of SHA-256(salt‖detail), "" if there is none
}

// timeForm has a fixed width, so that one instant has one text.
const timeForm = "2006-01-02T15:04:05.000000Z"

// leaf is an entry on its way to the sealer.
type leaf struct {
	text   leafText
	at     int64
	json   string
	hash   tlog.Hash
	salt   []byte
	detail string // "" if there is none
}

// Append records an act in the act's own transaction and returns the entry's
// id. The entry gets its index, and can be read, when the batch is sealed at
// the end of the transaction; if the act fails, the entry is dropped with it.
// It must be called in an Update.
func (l *Log) Append(tx *db.Tx, e Entry) (ident.ID, error) {
	lf, err := l.newLeaf(e)
	if err != nil {
		return "", err
	}
	if err := tx.Seal(sealKey, lf); err != nil {
		return "", err
	}
	return lf.text.ID, nil
}

func (l *Log) newLeaf(e Entry) (*leaf, error) {
	if e.Act == "" {
		return nil, ident.Invalid("act", "required", "an audit entry must name its act")
	}
	switch e.Outcome {
	case Done, Refused, Read:
	default:
		return nil, ident.Invalid("outcome", "outcome", "an audit entry must say done, refused or read, not %q", e.Outcome)
	}
	now := l.clock.Now().UTC().Truncate(time.Microsecond)
	lf := &leaf{at: ident.Micros(now), text: leafText{
		V: 1, ID: l.ids.New("aud"), At: now.Format(timeForm), Act: clean(e.Act), Object: clean(e.Object),
		ActorKind: ident.ActorKind(clean(string(e.Actor.Kind))), Actor: clean(e.Actor.ID), Outcome: e.Outcome,
	}}
	if e.Detail != nil {
		if err := lf.addDetail(e.Detail); err != nil {
			return nil, err
		}
	}
	body, err := json.Marshal(lf.text)
	if err != nil {
		return nil, ident.E(ident.KindInternal, "audit_leaf", "an audit entry could not be written").Because(err)
	}
	lf.json = string(body)
	lf.hash = tlog.RecordHash(body)
	return lf, nil
}

func (lf *leaf) addDetail(detail any) error {
	body, err := json.Marshal(detail)
	if err != nil {
		return ident.E(ident.KindInternal, "audit_detail", "the detail of an audit entry is not JSON").Because(err)
	}
	if len(body) > maxDetail {
		return ident.E(ident.KindTooLarge, "audit_detail_size",
			"the detail of one audit entry has %d bytes, at most %d are allowed; split the batch", len(body), maxDetail)
	}
	lf.salt = make([]byte, saltSize)
	rand.Read(lf.salt) // never fails: it ends the process instead
	lf.detail = string(body)
	lf.text.Detail = detailHash(lf.salt, lf.detail)
	return nil
}

// detailHash commits to a detail without telling it: without the salt not even
// a guess of the detail can be checked, so erasing both forgets it.
func detailHash(salt []byte, detail string) string {
	h := sha256.New()
	h.Write(salt)
	h.Write([]byte(detail))
	return hex.EncodeToString(h.Sum(nil))
}

// clean makes any word fit to be kept: a refused attempt must be recorded
// whatever was asked for, also a NUL or half a character.
func clean(s string) string {
	ok := len(s) <= maxWord
	for i := 0; ok && i < len(s); i++ {
		ok = s[i] >= ' ' && s[i] < unicode.MaxASCII
	}
	if ok {
		return s
	}
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == utf8.RuneError {
			return '?'
		}
		return r
	}, s)
	for len(s) > maxWord {
		_, n := utf8.DecodeLastRuneInString(s)
		s = s[:len(s)-n]
	}
	return s
}
