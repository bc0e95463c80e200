package vault

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"surety/kernel/ident"
	"surety/platform/disk"
)

// KeyFile is the name of the key file in its folder.
const KeyFile = "vault-keys.json"

// keyFile is the key file's content; []byte is base64 in JSON.
type keyFile struct {
	Version  int               `json:"version"` // 1
	Current  string            `json:"current"`
	IndexKey []byte            `json:"index_key"`
	Keys     map[string][]byte `json:"keys"`
}

// LoadOrCreate opens the vault of a folder. If there is no key file it makes one,
// with mode 0600, and returns only when the file and its name are on the disk:
// nothing may be sealed with a key that a power cut takes away. Two processes may
// start at once: one file wins and both use it. A file that others may read
// or that cannot be read whole is refused, never replaced.
func LoadOrCreate(dir string) (*Vault, error) {
	path := filepath.Join(dir, KeyFile)
	k, err := load(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := create(dir, path); err != nil {
			return nil, keyError("vault_create", "the vault's key file %s cannot be made", path).Because(err)
		}
		k, err = load(path)
	}
	if err != nil {
		return nil, err
	}
	return New(Config{Keys: k.Keys, Current: k.Current, IndexKey: k.IndexKey})
}

// Rotate adds a new key to the folder's key file, makes it the current one and
// returns the new Vault. Values sealed before still open. Processes that run on
// must be started again before they meet a value sealed with the new key. Only
// one Rotate may run at a time.
func Rotate(dir string) (*Vault, error) {
	path := filepath.Join(dir, KeyFile)
	k, err := load(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, keyError("vault_no_keys", "there is no key file %s to rotate", path)
	}
	if err != nil {
		return nil, err
	}
	if err := k.add(); err != nil {
		return nil, err
	}
	v, err := New(Config{Keys: k.Keys, Current: k.Current, IndexKey: k.IndexKey})
	if err != nil {
		return nil, err
	}
	tmp, err := write(dir, k)
	if err == nil {
		if err = os.Rename(tmp, path); err != nil {
			os.Remove(tmp)
		}
	}
	if err == nil {
		err = disk.SyncDir(dir)
	}
	if err != nil {
		return nil, keyError("vault_rotate", "the vault's key file %s could not be replaced for certain; "+
			"see which keys it holds before going on", path).Because(err)
	}
	return v, nil
}

func keyError(code, format string, args ...any) *ident.Error {
	return ident.E(ident.KindInternal, code, format, args...)
}

// add makes a new key and its random id, and makes it the current one.
func (k *keyFile) add() error {
	secret := make([]byte, keySize+4)
	if _, err := rand.Read(secret); err != nil {
		return keyError("no_randomness", "the system gives no random numbers; no key was made").Because(err)
	}
	k.Current = "k" + hex.EncodeToString(secret[keySize:])
	k.Keys[k.Current] = secret[:keySize]
	return nil
}

// load reads the key file. The error is fs.ErrNotExist only if there is none.
func load(path string) (*keyFile, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err != nil {
		return nil, keyError("vault_unreadable", "the vault's key file %s cannot be opened", path).Because(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, keyError("vault_unreadable", "the vault's key file %s cannot be opened", path).Because(err)
	}
	if mode := info.Mode(); !mode.IsRegular() || mode.Perm()&0o077 != 0 {
		return nil, keyError("vault_loose", "the vault's key file %s has mode %v; only its owner may read it: chmod 600 it",
			path, mode)
	}
	raw, err := io.ReadAll(io.LimitReader(f, 1<<20))
	if err != nil {
		return nil, keyError("vault_unreadable", "the vault's key file %s cannot be read", path).Because(err)
	}
	var k keyFile
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&k); err != nil { // the cause might quote the file: it is left out
		return nil, keyError("vault_malformed", "the vault's key file %s is not what surety wrote; "+
			"restore it from its copy", path)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) || k.Version != 1 || k.Keys[k.Current] == nil {
		return nil, keyError("vault_malformed", "the vault's key file %s is not what this surety can read; "+
			"restore it from its copy", path)
	}
	return &k, nil
}

// create makes a key file unless another process is quicker:
//  1. a temporary file is written and synced; a crash leaves it, unused;
//  2. it gets its name by link, which fails if the name is taken: never replaced;
//  3. the folder is synced: now the keys last, and may be used.
func create(dir, path string) error {
	if err := disk.MakeDir(dir); err != nil {
		return err
	}
	k := &keyFile{Version: 1, IndexKey: make([]byte, keySize), Keys: map[string][]byte{}}
	if _, err := rand.Read(k.IndexKey); err != nil {
		return err
	}
	if err := k.add(); err != nil {
		return err
	}
	tmp, err := write(dir, k)
	if err != nil {
		return err
	}
	defer os.Remove(tmp)
	if err := os.Link(tmp, path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return disk.SyncDir(dir)
}

// write puts the keys into a new file, synced and for the owner alone.
func write(dir string, k *keyFile) (name string, err error) {
	raw, err := json.MarshalIndent(k, "", "  ")
	if err != nil {
		return "", err
	}
	f, err := os.CreateTemp(dir, ".vault-*") // mode 0600
	if err != nil {
		return "", err
	}
	_, err = f.Write(append(raw, '\n'))
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		os.Remove(f.Name())
		return "", fmt.Errorf("write %s: %w", f.Name(), err)
	}
	return f.Name(), nil
}
