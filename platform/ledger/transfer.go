package ledger

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"time"
	"unicode"
	"unicode/utf8"

	"surety/kernel/ident"
	"surety/kernel/money"
)

// Kind says what a transfer does.
type Kind string

// The kinds. Expire is written by Ledger.Expire alone; a caller who gives it is
// refused.
const (
	Single  Kind = "single"  // moves the money at once; "" means it too
	Pending Kind = "pending" // holds it until posted, voided or expired
	Post    Kind = "post"    // moves what a pending held, or part of it
	Void    Kind = "void"    // gives back what a pending held
	Expire  Kind = "expire"  // the same, because its time has passed
)

// Transfer moves Amount from one account to another: it debits Debit and credits
// Credit. Post and Void may leave out the accounts, the amount (all of it), Code
// and Ref; they are then those of the pending.
type Transfer struct {
	ID      ident.ID // made by the caller; the key to asking again
	Debit   string
	Credit  string
	Amount  money.Amount
	Kind    Kind
	Pending ident.ID  // Post and Void: the pending that ends
	Code    string    // what it is for, to programs: "payout"; may be empty
	Ref     ident.ID  // the object it belongs to: a claim, a payout; may be empty
	Memo    string    // what it is for, to people; one line
	At      time.Time // zero: now
	Expires time.Time // Pending only, zero: never
}

// maxMinor bounds an amount and every sum, as the constraints do.
const maxMinor = 4_000_000_000_000_000_000

// maxMemo bounds a memo, in bytes.
const maxMemo = 500

// reserved begins the ids that Expire makes.
const reserved = "expire."

// expiryID is the id of the expiry of a pending: always the same, so that two
// jobs that expire it write it once.
func expiryID(pending ident.ID) ident.ID {
	sum := sha256.Sum256([]byte(pending))
	return reserved + hex.EncodeToString(sum[:16])
}

// prepare checks what can be told from the transfers alone and fills in Kind and At.
func (l *Ledger) prepare(ts []Transfer) ([]Transfer, error) {
	now := l.clock.Now()
	out := make([]Transfer, len(ts))
	for i, t := range ts {
		if t.Kind == "" {
			t.Kind = Single
		}
		if t.At.IsZero() {
			t.At = now
		}
		if err := t.check(); err != nil {
			return nil, err
		}
		t.At = ident.FromMicros(ident.Micros(t.At))
		if !t.Expires.IsZero() {
			t.Expires = ident.FromMicros(ident.Micros(t.Expires))
		}
		out[i] = t
	}
	return out, nil
}

// check refuses what is wrong whatever the books say, in this order.
func (t Transfer) check() error {
	if err := ident.CheckID("id", t.ID); err != nil {
		return err
	}
	if len(t.ID) >= len(reserved) && t.ID[:len(reserved)] == reserved {
		return ident.Invalid("id", "id_reserved", "ids that begin with %q belong to the ledger; choose another", reserved)
	}
	var err error
	switch t.Kind {
	case Single, Pending:
		err = t.checkMove()
	case Post, Void:
		err = t.checkResolution()
	default:
		return ident.Invalid("kind", "kind_unknown", "%q is not single, pending, post or void", string(t.Kind))
	}
	if err != nil {
		return err
	}
	return t.checkRest()
}

func (t Transfer) checkMove() error {
	if err := ident.CheckID("debit", t.Debit); err != nil {
		return err
	}
	if err := ident.CheckID("credit", t.Credit); err != nil {
		return err
	}
	if t.Debit == t.Credit {
		return ident.Invalid("credit", "accounts_same", "money must move between two accounts, both are %q", t.Debit)
	}
	if err := t.Amount.CheckPositive("amount"); err != nil {
		return err
	}
	if t.Amount.Minor > maxMinor {
		return ident.Invalid("amount", "amount_too_large", "%s is more than the books can hold", t.Amount)
	}
	if t.Pending != "" {
		return ident.Invalid("pending", "pending_unexpected", "only a post or a void names a pending transfer")
	}
	return nil
}

func (t Transfer) checkResolution() error {
	if err := ident.CheckID("pending", t.Pending); err != nil {
		return err
	}
	if t.Pending == t.ID {
		return ident.Invalid("pending", "pending_itself", "a transfer cannot end itself")
	}
	if t.Debit != "" {
		if err := ident.CheckID("debit", t.Debit); err != nil {
			return err
		}
	}
	if t.Credit != "" {
		if err := ident.CheckID("credit", t.Credit); err != nil {
			return err
		}
	}
	if t.Amount == (money.Amount{}) {
		return nil
	}
	return t.Amount.CheckPositive("amount")
}

func (t Transfer) checkRest() error {
	if t.Code != "" {
		if err := ident.CheckID("code", t.Code); err != nil {
			return err
		}
	}
	if t.Ref != "" {
		if err := ident.CheckID("ref", t.Ref); err != nil {
			return err
		}
	}
	if len(t.Memo) > maxMemo {
		return ident.Invalid("memo", "memo_too_long", "the memo has %d bytes, at most %d are allowed", len(t.Memo), maxMemo)
	}
	if !oneLine(t.Memo) {
		return ident.Invalid("memo", "memo_unreadable", "the memo must be one line of readable text")
	}
	if y := t.At.Year(); y < 1971 || y > 9999 {
		return ident.Invalid("at", "time_invalid", "the time of a transfer must lie between the years 1971 and 9999")
	}
	if t.Expires.IsZero() {
		return nil
	}
	if t.Kind != Pending {
		return ident.Invalid("expires", "expires_unexpected", "only a pending transfer expires")
	}
	if y := t.Expires.Year(); y < 1971 || y > 9999 {
		return ident.Invalid("expires", "time_invalid", "the time of an expiry must lie between the years 1971 and 9999")
	}
	return nil
}

// oneLine accepts valid text without control or line-breaking characters: the
// memo goes into text exports, and PostgreSQL keeps no NUL.
func oneLine(s string) bool {
	if !utf8.ValidString(s) {
		return false
	}
	for _, r := range s {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			return false
		}
	}
	return true
}

// body is the hash that tells the same transfer from another of the same id:
// all of it but the times.
func (t Transfer) body() []byte {
	h := sha256.New()
	var n [8]byte
	for _, s := range []string{
		t.ID, t.Debit, t.Credit, string(t.Amount.Currency), string(t.Kind), t.Pending, t.Code, t.Ref, t.Memo,
	} {
		binary.BigEndian.PutUint64(n[:], uint64(len(s)))
		h.Write(n[:])
		h.Write([]byte(s))
	}
	binary.BigEndian.PutUint64(n[:], uint64(t.Amount.Minor))
	h.Write(n[:])
	return h.Sum(nil)
}

// sameExpiry compares when two pendings end, as given or as an interval.
func (t Transfer) sameExpiry(o Transfer) bool {
	if t.Expires.IsZero() || o.Expires.IsZero() {
		return t.Expires.IsZero() == o.Expires.IsZero()
	}
	return t.Expires.Equal(o.Expires) || t.Expires.Sub(t.At) == o.Expires.Sub(o.At)
}
