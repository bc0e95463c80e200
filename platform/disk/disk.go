// Package disk puts files where a loss of power cannot take them: what every part
// of the house that keeps files needs, written once.
//
// Invariants:
//   - When Write returns nil, the file has its name and all its bytes, durably;
//     before that the name shows the old file or none, never half of one.
//   - When MakeDir returns nil, the folder and all the folders that it made lasts.
//
// It knows nothing of what is in the files, and it is no database.
package disk

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// MakeDir makes a folder with its parents, for the owner alone, and makes their
// names durable: a folder whose own name is lost takes its files with it.
func MakeDir(dir string) error {
	dir = filepath.Clean(dir)
	var made []string // the folders that are not there, the deepest first
	for d := dir; ; d = filepath.Dir(d) {
		_, err := os.Stat(d)
		if err == nil || d == filepath.Dir(d) {
			break
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		made = append(made, d)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for _, d := range made {
		if err := SyncDir(filepath.Dir(d)); err != nil {
			return err
		}
	}
	return nil
}

// SyncDir makes the names in a folder durable.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Write puts a file into a folder, which it makes if need be:
//  1. a hidden temporary file is written and synced; a crash leaves it, unused;
//  2. it gets its name by rename; a crash before the next step may undo that;
//  3. the folder is synced: now it lasts.
func Write(dir, name string, data []byte, mode os.FileMode) error {
	if err := MakeDir(dir); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".tmp-*") // mode 0600 until it is whole
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Chmod(mode)
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), filepath.Join(dir, name))
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return SyncDir(dir)
}
