package audit

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"surety/kernel/ident"
	"surety/platform/disk"
)

// The files of LoadOrCreateKey.
const (
	keyFile    = "audit.key" // secret, 0600
	publicFile = "audit.pub" // to be given to whoever checks proofs
)

// LoadOrCreateKey reads the log's signing key from dir, or makes one there. The
// key's name is the log's origin and is different for every installation.
func LoadOrCreateKey(dir string) (note.Signer, note.Verifier, error) {
	path := filepath.Join(dir, keyFile)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		if err := createKey(dir, path); err != nil {
			return nil, nil, keyError(path, err)
		}
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, nil, keyError(path, err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, nil, ident.E(ident.KindInternal, "audit_key_open",
			"others may read the audit key %s (mode %o); make it 0600, and think whether it is still secret",
			path, info.Mode().Perm())
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, keyError(path, err)
	}
	signer, verifier, public, err := parseKey(strings.TrimSpace(string(text)))
	if err != nil {
		return nil, nil, keyError(path, err)
	}
	return signer, verifier, writePublic(filepath.Join(dir, publicFile), public)
}

func keyError(path string, err error) error {
	return ident.E(ident.KindInternal, "audit_key", "the audit key %s cannot be used", path).Because(err)
}

// createKey writes a new key so that two processes starting at once agree on
// one: the whole file appears under its name, and only if there is none.
func createKey(dir, path string) error {
	if err := disk.MakeDir(dir); err != nil {
		return err
	}
	var tag [4]byte
	rand.Read(tag[:])
	secret, _, err := note.GenerateKey(rand.Reader, "surety-audit-"+hex.EncodeToString(tag[:]))
	if err != nil {
		return err
	}
	tmp, err := os.CreateTemp(dir, keyFile+"-*") // made with mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.WriteString(secret + "\n")
	if err := errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	if err := os.Link(tmp.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return disk.SyncDir(dir)
}

// parseKey reads "PRIVATE+KEY+name+hash+base64(alg‖seed)", the form of
// note.GenerateKey, and works the public half out of it.
func parseKey(secret string) (note.Signer, note.Verifier, string, error) {
	signer, err := note.NewSigner(secret)
	if err != nil {
		return nil, nil, "", err
	}
	// base 64 itself may hold a "+": the seed is all that follows the fourth.
	parts := strings.SplitN(secret, "+", 5)
	raw, err := base64.StdEncoding.DecodeString(parts[len(parts)-1])
	if err != nil {
		return nil, nil, "", err
	}
	if len(raw) != 1+ed25519.SeedSize {
		return nil, nil, "", errors.New("the key has a wrong length")
	}
	pub := ed25519.NewKeyFromSeed(raw[1:]).Public().(ed25519.PublicKey)
	public, err := note.NewEd25519VerifierKey(signer.Name(), pub)
	if err != nil {
		return nil, nil, "", err
	}
	verifier, err := note.NewVerifier(public)
	return signer, verifier, public, err
}

func writePublic(path, public string) error {
	want := []byte(public + "\n")
	if have, err := os.ReadFile(path); err == nil && bytes.Equal(have, want) {
		return nil
	}
	if err := os.WriteFile(path, want, 0o644); err != nil {
		return keyError(path, err)
	}
	return nil
}

// ReadPublicKey reads the public half that LoadOrCreateKey wrote into dir, for
// checking without the secret.
func ReadPublicKey(dir string) (note.Verifier, error) {
	path := filepath.Join(dir, publicFile)
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, keyError(path, err)
	}
	v, err := note.NewVerifier(strings.TrimSpace(string(text)))
	if err != nil {
		return nil, keyError(path, err)
	}
	return v, nil
}
