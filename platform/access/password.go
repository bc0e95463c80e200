package access

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"
	"golang.org/x/text/unicode/norm"

	"surety/kernel/ident"
)

// The cost of a password, as OWASP's Password Storage Cheat Sheet has it.
const (
	argonMemory  = 19 * 1024 // KiB
	argonTime    = 2
	argonThreads = 1
	argonKey     = 32
	argonSalt    = 16

	minPassword = 12  // characters, PCI DSS 8.3.6
	maxPassword = 256 // bytes, so that hashing has a bound
)

// argonHead begins every hash we write; another cost would be another head.
const argonHead = "$argon2id$v=19$m=19456,t=2,p=1$"

// normalPassword writes a password in one form (NFKC, NIST SP 800-63B 5.1.1.2):
// keyboards differ in how they compose a letter.
func normalPassword(p string) string { return norm.NFKC.String(p) }

// checkPassword refuses passwords that are too short, too long or not text.
func checkPassword(p string) error {
	p = normalPassword(p)
	switch {
	case !utf8.ValidString(p):
		return ident.Invalid("password", "password_malformed", "the password is not text")
	case utf8.RuneCountInString(p) < minPassword:
		return ident.Invalid("password", "password_short", "the password needs at least %d characters", minPassword)
	case len(p) > maxPassword:
		return ident.Invalid("password", "password_long", "the password may have at most %d bytes", maxPassword)
	}
	return nil
}

// hashPassword takes tens of milliseconds: never call it inside an Update.
func (a *Access) hashPassword(ctx context.Context, p string) (string, error) {
	salt := make([]byte, argonSalt)
	if _, err := io.ReadFull(a.rand, salt); err != nil {
		return "", noRandomness(err)
	}
	sum, err := a.argon(ctx, p, salt)
	if err != nil {
		return "", err
	}
	b64 := base64.RawStdEncoding
	return argonHead + b64.EncodeToString(salt) + "$" + b64.EncodeToString(sum), nil
}

// matches compares a password with a hash in constant time. It is as slow as
// hashPassword.
func (a *Access) matches(ctx context.Context, p, phc string) (bool, error) {
	body, ok := strings.CutPrefix(phc, argonHead)
	saltText, sumText, ok2 := strings.Cut(body, "$")
	if !ok || !ok2 {
		return false, ident.E(ident.KindInternal, "password_hash", "a stored password hash cannot be read")
	}
	salt, err := base64.RawStdEncoding.DecodeString(saltText)
	if err != nil {
		return false, fmt.Errorf("stored password salt: %w", err)
	}
	want, err := base64.RawStdEncoding.DecodeString(sumText)
	if err != nil || len(want) != argonKey {
		return false, ident.E(ident.KindInternal, "password_hash", "a stored password hash cannot be read")
	}
	got, err := a.argon(ctx, p, salt)
	if err != nil {
		return false, err
	}
	return subtle.ConstantTimeCompare(got, want) == 1, nil
}

// argon waits for its turn: only a few passwords are hashed at once. A password
// that is too long to be anybody's is cut, so that it costs what others cost.
func (a *Access) argon(ctx context.Context, p string, salt []byte) ([]byte, error) {
	if len(p) > 4*maxPassword {
		p = p[:4*maxPassword]
	}
	select {
	case a.hashing <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-a.hashing }()
	return argon2.IDKey([]byte(normalPassword(p)), salt, argonTime, argonMemory, argonThreads, argonKey), nil
}

func noRandomness(err error) error {
	return ident.E(ident.KindInternal, "no_randomness", "the system gives no randomness").Because(err)
}

// random returns 256 random bits as 43 characters of URL-safe base 64.
func (a *Access) random() (string, error) {
	var b [32]byte
	if _, err := io.ReadFull(a.rand, b[:]); err != nil {
		return "", noRandomness(err)
	}
	return base64.RawURLEncoding.EncodeToString(b[:]), nil
}
