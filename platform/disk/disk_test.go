package disk_test

import (
	"os"
	"path/filepath"
	"testing"

	"surety/platform/disk"
)

func TestWrite(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	for _, text := range []string{"one", "two"} {
		if err := disk.Write(dir, "f", []byte(text), 0o640); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(filepath.Join(dir, "f"))
		if err != nil || string(b) != text {
			t.Fatalf("%q %v", b, err)
		}
	}
	st, err := os.Stat(filepath.Join(dir, "f"))
	if err != nil || st.Mode().Perm() != 0o640 {
		t.Fatalf("%v %v", st.Mode(), err)
	}
	all, err := os.ReadDir(dir)
	if err != nil || len(all) != 1 {
		t.Fatalf("%d files are left in the folder, %v", len(all), err)
	}
}

// What cannot be written leaves nothing behind and says so.
func TestWriteFails(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "f"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := disk.Write(dir, "f", []byte("x"), 0o600); err == nil {
		t.Fatal("a folder was replaced by a file")
	}
	if all, _ := os.ReadDir(dir); len(all) != 1 {
		t.Fatalf("%d files are left in the folder", len(all))
	}
	if err := disk.Write(filepath.Join(dir, "g", "h"), "f", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := disk.MakeDir(filepath.Join(dir, "g", "h", "f")); err == nil {
		t.Fatal("a file was taken for a folder")
	}
}
