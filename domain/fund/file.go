package fund

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"surety/kernel/ident"
)

// writeFile puts a file into a folder so that its name never shows half of it:
//  1. a hidden temporary file is written and synced; a crash leaves it, unused;
//  2. it gets its name by rename; a crash before the sync of the folder may
//     undo that, and the caller writes the same file again;
//  3. the folder is synced: now it lasts.
//
// A file that is there with the same bytes is left alone, with others is refused.
func writeFile(dir, name string, data []byte) error {
	path := filepath.Join(dir, name)
	failed := func(err error) error {
		return ident.E(ident.KindUnavailable, "file_unwritten",
			"the file %s could not be written; see the disk and the folder", path).Because(err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return failed(err)
	}
	have, err := os.ReadFile(path)
	if err == nil && !bytes.Equal(have, data) {
		return ident.E(ident.KindInternal, "file_differs", "%s is there with other contents; it was not overwritten", path)
	}
	if err == nil {
		return failedOr(syncDir(dir), failed)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return failed(err)
	}
	f, err := os.CreateTemp(dir, ".tmp-*") // mode 0600: names and accounts are in it
	if err != nil {
		return failed(err)
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return failed(errors.Join(err, os.Remove(f.Name())))
	}
	return failedOr(syncDir(dir), failed)
}

func failedOr(err error, failed func(error) error) error {
	if err != nil {
		return failed(err)
	}
	return nil
}

// syncDir makes the names in a folder durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
