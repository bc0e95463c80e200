package list

import (
	"net/netip"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"surety/domain/party"
	"surety/kernel/ident"
	"surety/kernel/name"
	"surety/platform/vault"
)

// Kind is which of the three lists.
type Kind string

// The lists.
const (
	Allow Kind = "allow" // known to be good
	Deny  Kind = "deny"  // known to be bad
	Watch Kind = "watch" // worth a look
)

// Subject is what kind of thing stands on a list.
type Subject string

// The subjects.
const (
	Account Subject = "account" // the host's id, or BANK:… for one outside
	Device  Subject = "device"  // as the host names it
	Phone   Subject = "phone"   // a telephone number; kept sealed
	Name    Subject = "name"    // of a person or a merchant; kept sealed
	Address Subject = "address" // a network of IPv4 or IPv6 addresses, as CIDR
)

// Source is who says so.
type Source string

// The sources.
const (
	Carrier     Source = "carrier"
	Police      Source = "police"
	Institution Source = "institution" // another bank or payment company
	Own         Source = "own"         // found out in this house; only this is shared
	Other       Source = "other"
)

// personal is true where the value itself names a person.
func (s Subject) personal() bool { return s == Phone || s == Name }

// code of a kind in memory; 0 if there is no such kind.
func (k Kind) code() byte {
	switch k {
	case Allow:
		return 1
	case Deny:
		return 2
	case Watch:
		return 3
	}
	return 0
}

// code of a subject in memory; 0 if there is no such subject.
func (s Subject) code() byte {
	switch s {
	case Account:
		return 1
	case Device:
		return 2
	case Phone:
		return 3
	case Name:
		return 4
	case Address:
		return 5
	}
	return 0
}

func (s Source) known() bool {
	switch s {
	case Carrier, Police, Institution, Own, Other:
		return true
	}
	return false
}

// Reason is why, in both languages.
type Reason struct {
	ZH string `json:"zh"`
	EN string `json:"en"`
}

// Statement is an entry as somebody says it.
type Statement struct {
	ID         ident.ID // the caller's
	Kind       Kind
	Subject    Subject
	Value      string // in any spelling; an address may be one (10.0.0.1) or a network (10.0.0.0/8)
	Reason     Reason // one of the two is enough; it then stands for both
	Source     Source
	Confidence int       // permille, 1 to 1000: how sure the source is
	Signal     string    // the signal that it is about, "" if none; see Signals
	Note       string    // for those who look at the entry itself; kept sealed
	From       time.Time // zero: from now on
	Until      time.Time // zero: until it is removed, which only deny may
}

// Entry is a statement as it stands in the record.
type Entry struct {
	Statement            // the value is canonical
	Masked     bool      // the value is a phone or a name and shown in part
	Reported   bool      // it came as shared intelligence
	AddedBy    ident.ID  // actor
	AddedAt    time.Time // UTC, as all times here
	RemovedBy  ident.ID  // "" while it is not removed
	RemovedAt  time.Time // zero while it is not removed
	RemovedWhy string
	Version    int // 1, and 1 more with each change
}

// State is what an entry is at a time.
type State string

// The states of an entry.
const (
	Waiting State = "waiting" // it has not begun
	Live    State = "live"
	Expired State = "expired"
	Removed State = "removed"
)

// At says what the entry is at a time.
func (e Entry) At(t time.Time) State {
	switch {
	case !e.RemovedAt.IsZero() && !t.Before(e.RemovedAt):
		return Removed
	case !e.Until.IsZero() && !t.Before(e.Until):
		return Expired
	case t.Before(e.From):
		return Waiting
	}
	return Live
}

// The bounds of an entry.
const (
	MaxAllow    = 90 * day  // an allow entry is looked at again after this
	MaxWatch    = 366 * day // and a watch entry
	maxDeny     = 36600 * day
	maxPast     = 3660 * day // how long ago an entry may have begun
	maxAhead    = 366 * day  // how long ahead it may begin
	maxReason   = 200        // characters, of each language
	maxNote     = 400        // characters
	maxDevice   = 128        // bytes, as a payment's
	maxNameText = 300        // bytes
	day         = 24 * time.Hour
)

// normal checks what does not depend on the time and puts the statement into its
// canonical form. The checks come in the order of the fields; the first that
// fails is told.
func (st *Statement) normal() *ident.Error {
	switch {
	case st.Kind.code() == 0:
		return ident.Invalid("kind", "unknown", `kind is %q; it must be "allow", "deny" or "watch"`, clip(string(st.Kind)))
	case st.Subject.code() == 0:
		return ident.Invalid("subject", "unknown",
			`subject is %q; it must be "account", "device", "phone", "name" or "address"`, clip(string(st.Subject)))
	}
	var err *ident.Error
	if st.Value, err = canonical(st.Subject, st.Value); err != nil {
		return err
	}
	st.Reason.ZH, st.Reason.EN = strings.TrimSpace(st.Reason.ZH), strings.TrimSpace(st.Reason.EN)
	if st.Reason.ZH == "" {
		st.Reason.ZH = st.Reason.EN
	}
	if st.Reason.EN == "" {
		st.Reason.EN = st.Reason.ZH
	}
	for _, text := range []string{st.Reason.ZH, st.Reason.EN} {
		if !plainLine(text, 1, maxReason) || strings.Contains(text, bar) {
			return ident.Invalid("reason", "reason_text", "say why in one line of 1 to %d characters without %q", maxReason, bar)
		}
	}
	if !st.Source.known() {
		return ident.Invalid("source", "unknown",
			`source is %q; it must be "carrier", "police", "institution", "own" or "other"`, clip(string(st.Source)))
	}
	if st.Confidence < 1 || st.Confidence > 1000 {
		return ident.Invalid("confidence", "out_of_range", "confidence is in permille, a whole number from 1 to 1000")
	}
	if !plainLine(st.Note, 0, maxNote) {
		return ident.Invalid("note", "note_text", "a note is one line of at most %d characters", maxNote)
	}
	st.From, st.Until = micro(st.From), micro(st.Until)
	return nil
}

// micro is a time as it is kept.
func micro(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return t.UTC().Truncate(time.Microsecond)
}

// term checks the time that the statement is to hold, as of now, and fills in
// when it begins.
func (st *Statement) term(now time.Time) *ident.Error {
	if st.From.IsZero() {
		st.From = now
	}
	if st.From.Before(now.Add(-maxPast)) || st.From.After(now.Add(maxAhead)) {
		return ident.Invalid("from", "from_range", "from must lie within the last ten years or the next %d days", maxAhead/day)
	}
	return checkUntil(st.Kind, st.From, st.Until, now)
}

// checkUntil bounds an expiry: the time counts from the entry's beginning, or
// from now if that is past.
func checkUntil(k Kind, from, until, now time.Time) *ident.Error {
	start := from
	if start.Before(now) {
		start = now
	}
	limit := map[Kind]time.Duration{Allow: MaxAllow, Deny: maxDeny, Watch: MaxWatch}[k]
	switch {
	case until.IsZero() && k == Deny:
		return nil
	case until.IsZero():
		return ident.Invalid("until", "until_required", "a %s entry needs an expiry, at most %d days away", k, limit/day)
	case !until.After(now):
		return ident.Invalid("until", "until_past", "until has passed already; it must lie in the future")
	case !until.After(from):
		return ident.Invalid("until", "until_before_from", "until must be after from")
	case until.Sub(start) > limit:
		return ident.Invalid("until", "until_too_late", "a %s entry lasts at most %d days", k, limit/day)
	}
	return nil
}

// canonical is a value in the one spelling that is kept and asked for. A name
// keeps its spelling; its index folds it.
func canonical(s Subject, value string) (string, *ident.Error) {
	switch s {
	case Account:
		if err := ident.CheckID("value", value); err != nil {
			return "", ident.Invalid("value", ident.CodeOf(err), "an account is 1 to 64 of A-Z a-z 0-9 - _ . : as the host writes it")
		}
		return value, nil
	case Device:
		if value == "" || len(value) > maxDevice || !plainLine(value, 1, maxDevice) || strings.TrimSpace(value) != value {
			return "", ident.Invalid("value", "device_text", "a device is 1 to %d bytes in one line, without white space around it", maxDevice)
		}
		return value, nil
	case Phone:
		digits := party.NormalPhone(value)
		if len(digits) < 5 || len(digits) > 20 || strings.ContainsFunc(value, unicode.IsLetter) || !ascii(digits) {
			return "", ident.Invalid("value", "phone_digits", "a phone number has 5 to 20 digits and no letters")
		}
		return digits, nil
	case Name:
		text := strings.TrimSpace(value)
		if len(text) > maxNameText || !plainLine(text, 1, maxNameText) || party.NormalName(text) == "" {
			return "", ident.Invalid("value", "name_text", "a name is one line of 1 to %d bytes", maxNameText)
		}
		return text, nil
	}
	p, err := readPrefix(value)
	if err != nil {
		return "", err
	}
	return p.String(), nil
}

func ascii(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r >= utf8.RuneSelf })
}

// The widest networks that may be listed: a slip such as 0.0.0.0/0 must not stop
// everybody. No registry hands out wider ones.
const (
	widest4 = 8
	widest6 = 16
)

// readPrefix reads an address or a network. An IPv4 address within IPv6
// (::ffff:10.0.0.1) is the IPv4 address.
func readPrefix(text string) (netip.Prefix, *ident.Error) {
	wrong := func(code, format string, args ...any) (netip.Prefix, *ident.Error) {
		return netip.Prefix{}, ident.Invalid("value", code, format, args...)
	}
	var p netip.Prefix
	if a, err := netip.ParseAddr(text); err == nil && a.Zone() == "" {
		a = a.Unmap()
		p = netip.PrefixFrom(a, a.BitLen())
	} else if p, err = netip.ParsePrefix(text); err != nil {
		return wrong("address", "%q is not an address such as 203.0.113.7 or a network such as 203.0.113.0/24 or 2001:db8::/32", clip(text))
	}
	if p.Masked() != p {
		return wrong("address_bits", "%s has bits beyond its mask; write %s if the whole network is meant", p, p.Masked())
	}
	if a := p.Addr(); a.Is4In6() {
		p = netip.PrefixFrom(a.Unmap(), p.Bits()-96) // masked, so at least 96 bits
	}
	least := widest6
	if p.Addr().Is4() {
		least = widest4
	}
	if p.Bits() < least {
		return wrong("address_wide", "%s is too wide; the widest network is /%d", p, least)
	}
	return p, nil
}

// plainLine is text in one line with least to most characters and nothing that
// does not print.
func plainLine(s string, least, most int) bool {
	n := utf8.RuneCountInString(s)
	return utf8.ValidString(s) && n >= least && n <= most &&
		!strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' })
}

// clip keeps a stranger's text short in our answers.
func clip(s string) string {
	if r := []rune(s); len(r) > 60 {
		return string(r[:60]) + "…"
	}
	return s
}

// masked is a value as it may be shown in a table or a log.
func masked(s Subject, value string) string {
	switch s {
	case Phone:
		return vault.MaskPhone(value)
	case Name:
		return name.Mask(value)
	}
	return value
}

// bar stands between the two languages where a reason has one column.
const bar = "|"

// column is the reason as one text.
func (r Reason) column() string {
	if r.ZH == r.EN {
		return r.ZH
	}
	return r.ZH + " " + bar + " " + r.EN
}

// readReason is the reverse of column.
func readReason(text string) Reason {
	if zh, en, two := strings.Cut(text, bar); two {
		return Reason{ZH: strings.TrimSpace(zh), EN: strings.TrimSpace(en)}
	}
	return Reason{ZH: text, EN: text}
}
