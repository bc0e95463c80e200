package notice

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"surety/kernel/ident"
	"surety/platform/disk"
)

// The files of LoadOrCreateKey.
const (
	keyFile    = "certificate.key" // secret, 0600
	PublicFile = "certificate.pub" // to be given to whoever checks certificates
)

// LoadOrCreateKey reads the key that signs certificates from dir, or makes one
// there. Keep a copy: certificates signed with a lost key can still be checked
// with the public file, but a new key is another signer. Two processes that start
// at once agree on one key: the file appears whole, and only if there is none.
func LoadOrCreateKey(dir string) (ed25519.PrivateKey, error) {
	path := filepath.Join(dir, keyFile)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := createKey(dir, path); err != nil {
			return nil, keyError(path, err)
		}
		text, err = os.ReadFile(path)
	}
	if err != nil {
		return nil, keyError(path, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm()&0o077 != 0 {
		return nil, ident.E(ident.KindInternal, "certificate_key_open",
			"others may read the certificate key %s; make it 0600, and think whether it is still secret", path).Because(err)
	}
	seed, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(seed) != ed25519.SeedSize {
		return nil, keyError(path, errors.Join(err, errors.New("it does not hold 32 bytes in base64")))
	}
	key := ed25519.NewKeyFromSeed(seed)
	if err := disk.Write(dir, PublicFile, []byte(EncodeKey(key.Public().(ed25519.PublicKey))+"\n"), 0o644); err != nil {
		return nil, keyError(path, err)
	}
	return key, nil
}

// createKey writes a new seed beside and links it to its name, which fails if the
// name is taken: then the other process's key is the key.
func createKey(dir, path string) error {
	seed := make([]byte, ed25519.SeedSize)
	if _, err := rand.Read(seed); err != nil {
		return err
	}
	tmp := keyFile + ".new." + base64.RawURLEncoding.EncodeToString(seedName())
	if err := disk.Write(dir, tmp, []byte(base64.StdEncoding.EncodeToString(seed)+"\n"), 0o600); err != nil {
		return err
	}
	defer os.Remove(filepath.Join(dir, tmp))
	if err := os.Link(filepath.Join(dir, tmp), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

func seedName() []byte {
	b := make([]byte, 9)
	rand.Read(b)
	return b
}

func keyError(path string, err error) error {
	return ident.E(ident.KindInternal, "certificate_key", "the certificate key %s cannot be used", path).Because(err)
}
