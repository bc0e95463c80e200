package vault

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"

	"surety/kernel/ident"
)

// Config is what New needs. LoadOrCreate makes it from the key file.
type Config struct {
	// Keys are the sealing keys by id, 32 bytes each. An id is 1 to 32 of a-z 0-9 -.
	Keys map[string][]byte
	// Current is the id of the key that seals.
	Current string
	// IndexKey is the key of the blind index, at least 32 bytes. It cannot be
	// rotated without indexing every row again.
	IndexKey []byte
}

// redacted is how a Config or a Vault prints.
const redacted = "vault(keys not shown)"

// String implements fmt.Stringer: a log line must never hold a key.
func (Config) String() string { return redacted }

// GoString implements fmt.GoStringer for %#v.
func (Config) GoString() string { return redacted }

// MarshalText keeps the keys out of JSON, and so out of structured logs.
func (Config) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// Vault seals and opens. It is safe for many goroutines.
type Vault struct {
	keys    map[string]cipher.AEAD
	current string
	index   []byte
}

// String implements fmt.Stringer.
func (Vault) String() string { return redacted }

// GoString implements fmt.GoStringer.
func (Vault) GoString() string { return redacted }

const (
	version   = 1
	keySize   = 32
	nonceSize = 12
	tagSize   = 16
	maxKeyID  = 32
	maxPlain  = 64 << 10
	indexSize = 16
)

// New checks the keys and returns a Vault.
func New(cfg Config) (*Vault, error) {
	v := &Vault{keys: map[string]cipher.AEAD{}, current: cfg.Current, index: append([]byte(nil), cfg.IndexKey...)}
	for id, key := range cfg.Keys {
		if !goodKeyID(id) {
			return nil, ident.E(ident.KindInternal, "vault_key_id", "a key id of the vault is not 1 to %d of a-z 0-9 -",
				maxKeyID)
		}
		if len(key) != keySize {
			return nil, ident.E(ident.KindInternal, "vault_key_size", "vault key %s has %d bytes, it must have %d",
				id, len(key), keySize)
		}
		block, err := aes.NewCipher(key)
		if err != nil {
			return nil, ident.E(ident.KindInternal, "vault_key", "vault key %s cannot be used", id).Because(err)
		}
		if v.keys[id], err = cipher.NewGCM(block); err != nil {
			return nil, ident.E(ident.KindInternal, "vault_key", "vault key %s cannot be used", id).Because(err)
		}
	}
	if v.keys[v.current] == nil {
		return nil, ident.E(ident.KindInternal, "vault_current", "the vault's current key is not among its keys")
	}
	if len(v.index) < keySize {
		return nil, ident.E(ident.KindInternal, "vault_index_key", "the vault's index key has %d bytes, at least %d are needed",
			len(v.index), keySize)
	}
	return v, nil
}

func goodKeyID(id string) bool {
	for _, c := range []byte(id) {
		if !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-') {
			return false
		}
	}
	return id != "" && len(id) <= maxKeyID
}

// Seal encrypts plain as the field of the row. Each call gives another envelope.
// Field is a constant like "party.phone"; it must never change for stored rows.
func (v *Vault) Seal(row ident.ID, field, plain string) ([]byte, error) {
	if err := checkPlace(row, field); err != nil {
		return nil, err
	}
	if len(plain) > maxPlain {
		return nil, ident.E(ident.KindTooLarge, "too_long", "%s has %d bytes, at most %d can be kept",
			field, len(plain), maxPlain)
	}
	head := append([]byte{version, byte(len(v.current))}, v.current...)
	out := make([]byte, len(head)+nonceSize, len(head)+nonceSize+len(plain)+tagSize)
	copy(out, head)
	if _, err := rand.Read(out[len(head):]); err != nil {
		return nil, ident.E(ident.KindInternal, "no_randomness", "the system gives no random numbers; nothing was sealed").
			Because(err)
	}
	return v.keys[v.current].Seal(out, out[len(head):], []byte(plain), place(head, row, field)), nil
}

// Open decrypts what Seal made for the same row and field. Its errors are
// KindInternal: either the database was changed behind our back, or the key file
// is not the right one. They say which, and never hold plaintext.
func (v *Vault) Open(row ident.ID, field string, sealed []byte) (string, error) {
	if err := checkPlace(row, field); err != nil {
		return "", err
	}
	id, err := KeyID(sealed)
	if err != nil {
		return "", err
	}
	key := v.keys[id]
	if key == nil {
		return "", ident.E(ident.KindInternal, "sealed_key_missing",
			"%s of %s is sealed with key %s, which is not in the key file; restore the file that has it", field, row, id)
	}
	head, rest := sealed[:2+len(id)], sealed[2+len(id):]
	plain, err := key.Open(nil, rest[:nonceSize], rest[nonceSize:], place(head, row, field))
	if err != nil {
		return "", ident.E(ident.KindInternal, "sealed_broken",
			"%s of %s does not open: it was changed, or belongs to another row or field", field, row)
	}
	return string(plain), nil
}

// KeyID returns the id of the key that sealed an envelope; it is not proven
// until the envelope is opened. Rows whose key is not Current can be sealed again.
func KeyID(sealed []byte) (string, error) {
	broken := func(why string) error {
		return ident.E(ident.KindInternal, "sealed_malformed", "a sealed value is %s", why)
	}
	if len(sealed) < 2 {
		return "", broken("cut off")
	}
	if sealed[0] != version {
		return "", broken("of an unknown version")
	}
	n := int(sealed[1])
	if len(sealed) < 2+n+nonceSize+tagSize {
		return "", broken("cut off")
	}
	id := string(sealed[2 : 2+n])
	if !goodKeyID(id) {
		return "", broken("not an envelope")
	}
	return id, nil
}

// Current returns the id of the key that seals.
func (v *Vault) Current() string { return v.current }

// Index returns the blind index of a normalised value: 16 bytes, equal for equal
// field and value. The index of "" is empty and not nil: a value that is absent
// must be neither stored as findable nor looked up.
func (v *Vault) Index(field, plain string) []byte {
	if plain == "" {
		return []byte{}
	}
	mac := hmac.New(sha256.New, v.index)
	mac.Write(frame(frame([]byte("surety/vault/index/1"), field), plain))
	return mac.Sum(nil)[:indexSize]
}

func checkPlace(row ident.ID, field string) error {
	if row == "" || field == "" {
		return ident.E(ident.KindInternal, "vault_place", "a sealed value needs the id of its row and the name of its field")
	}
	return nil
}

// place is the associated data: all that an envelope is bound to. Each part
// carries its length, so that no two places look alike.
func place(head []byte, row ident.ID, field string) []byte {
	out := frame([]byte("surety/vault/seal/1"), string(head))
	return frame(frame(out, row), field)
}

func frame(to []byte, part string) []byte {
	to = binary.BigEndian.AppendUint32(to, uint32(len(part)))
	return append(to, part...)
}
