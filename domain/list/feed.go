package list

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
	"time"

	"surety/domain/party"
	"surety/kernel/ident"
	"surety/platform/access"
	"surety/platform/db"
)

// Scheme says how a phone or a name was hashed, so that the receiver can hash
// those it knows and compare. It hides them from a passing look; who holds the salt
// can still try numbers one by one, so the feed goes only to partners.
type Scheme struct {
	Name  string `json:"name"`  // "hmac-sha256"
	Salt  string `json:"salt"`  // the key, in hexadecimal; this house's own, it stays the same
	Text  string `json:"text"`  // what is hashed
	Phone string `json:"phone"` // how a phone is folded first
	Names string `json:"names"` // how a name is folded first
}

// Shared is an entry as other institutions get it. Free text is not shared: it may
// name people.
type Shared struct {
	ID         ident.ID  // one id, one entry; what comes later replaces it
	Kind       Kind      // deny or watch
	Subject    Subject   // of the value
	Value      string    // of an account, device or address; "" for the others
	Hash       string    // of a phone or a name, in hexadecimal
	Signal     string    // what it is about, "" if nothing was named
	Confidence int       // permille
	From       time.Time // it holds from then
	Until      time.Time // and until then; zero: until it is withdrawn
	Changed    time.Time // last
	Withdrawn  bool      // it stands no more
}

// Feed is a page of what this house shares.
type Feed struct {
	Scheme Scheme
	Items  []Shared
	Next   string // where the next page begins, also when there is none yet: ask again later with it
	More   bool   // there is a next page already
}

// Share gives what this house found out itself (source own, deny or watch), in the
// order of its changes, from a place on: "" for the beginning, the Next of the page
// before, or an RFC 3339 time. What was changed comes again, what was removed
// comes as withdrawn; what is over is left out, for the receiver knows its end.
// limit is 100 if zero and at most 1000. The look is logged.
func (s *Service) Share(ctx context.Context, actor ident.Actor, since string, limit int) (Feed, error) {
	seq, id, from, err := openSince(since)
	if err != nil {
		return Feed{}, err
	}
	if limit <= 0 {
		limit = 100
	}
	limit = min(limit, 1000)
	salt := s.cfg.Vault.Index("list.share", "salt 1")
	feed := Feed{Scheme: Scheme{Name: "hmac-sha256", Salt: hexText(salt), Text: "the subject, a colon, the folded value; in UTF-8",
		Phone: "digits only, without 86 or 0086 before eleven digits",
		Names: "Unicode NFKC without invisible characters, no white space, lower case"}}
	err = s.cfg.Access.View(ctx, actor, access.ActListRead, access.Object{}, func(tx *db.Tx) error {
		feed.Items, feed.Next, feed.More = nil, since, false
		if since == "" {
			feed.Next = sinceText(0, "")
		}
		return s.shared(tx, &feed, salt, seq, id, from, limit)
	})
	return feed, err
}

// shared reads one page; it looks for one entry more to know whether there is
// another.
func (s *Service) shared(tx *db.Tx, feed *Feed, salt []byte, seq int64, id string, from time.Time, limit int) error {
	return tx.Rows(`select `+columns+`, seq, changed_at from risk_list_entry
where source = 'own' and kind <> 'allow' and (seq, id) > ($1, $2) and changed_at >= $3 and (ends = 0 or ends > $4)
order by seq, id limit $5`,
		[]any{seq, id, ident.Micros(from), ident.Micros(s.cfg.Clock.Now()), limit + 1}, func(scan func(...any) error) error {
			var place, changed int64
			e, err := s.scan(scan, &place, &changed)
			if err != nil {
				return err
			}
			if len(feed.Items) == limit {
				feed.More = true
				return nil
			}
			feed.Items = append(feed.Items, share(e, ident.FromMicros(changed), salt))
			feed.Next = sinceText(place, e.ID)
			return nil
		})
}

// share is what may be shared of an entry.
func share(e Entry, changed time.Time, salt []byte) Shared {
	o := Shared{ID: e.ID, Kind: e.Kind, Subject: e.Subject, Signal: e.Signal, Confidence: e.Confidence, From: e.From, Until: e.Until,
		Changed: changed, Withdrawn: !e.RemovedAt.IsZero()}
	switch e.Subject {
	case Phone:
		o.Hash = shareHash(salt, e.Subject, party.NormalPhone(e.Value))
	case Name:
		o.Hash = shareHash(salt, e.Subject, party.NormalName(e.Value))
	default:
		o.Value = e.Value
	}
	return o
}

// shareHash is the hash that Scheme describes.
func shareHash(salt []byte, subject Subject, folded string) string {
	mac := hmac.New(sha256.New, salt)
	mac.Write([]byte(string(subject) + ":" + folded)) // a hash never fails to write
	return hexText(mac.Sum(nil))
}

// sinceText names a place in the feed; receivers do not look into it.
func sinceText(seq int64, id string) string { return strconv.FormatInt(seq, 10) + "~" + id }

func openSince(since string) (seq int64, id string, from time.Time, err error) {
	if since == "" {
		return 0, "", from, nil
	}
	if from, err = time.Parse(time.RFC3339Nano, since); err == nil {
		return 0, "", from.UTC(), nil
	}
	text, id, ok := strings.Cut(since, "~")
	seq, err = strconv.ParseInt(text, 10, 64)
	if err != nil || !ok || seq < 0 || id != "" && ident.CheckID("since", id) != nil {
		return 0, "", from, ident.Invalid("since", "since_malformed",
			"since is the next of an earlier answer, or a time like 2026-05-30T09:00:00+08:00")
	}
	return seq, id, time.Time{}, nil
}

// hexText is a hash as it is shared.
func hexText(b []byte) string { return hex.EncodeToString(b) }
