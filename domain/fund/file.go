package fund

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"surety/kernel/ident"
	"surety/platform/disk"
)

// writeFile puts a file into a folder, durably and whole (see package disk). A
// file that is there with the same bytes is left alone, with others is refused.
func writeFile(dir, name string, data []byte) error {
	path := filepath.Join(dir, name)
	have, err := os.ReadFile(path)
	switch {
	case err == nil && !bytes.Equal(have, data):
		return ident.E(ident.KindInternal, "file_differs", "%s is there with other contents; it was not overwritten", path)
	case err == nil:
		err = disk.SyncDir(dir) // a crash may have come before that
	case errors.Is(err, fs.ErrNotExist):
		err = disk.Write(dir, name, data, 0o600) // names and accounts are in it
	}
	if err != nil {
		return ident.E(ident.KindUnavailable, "file_unwritten",
			"the file %s could not be written; see the disk and the folder", path).Because(err)
	}
	return nil
}
