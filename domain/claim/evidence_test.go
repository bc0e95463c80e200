package claim_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"surety/domain/claim"
	"surety/kernel/ident"
	"surety/platform/db"
)

var (
	png  = "\x89PNG\r\n\x1a\n" + strings.Repeat("\x00\x01", 40)
	jpeg = "\xff\xd8\xff\xe0\x00\x10JFIF" + strings.Repeat("\x00", 40)
)

func (w *world) add(name, body string) (claim.Evidence, error) {
	return w.AddEvidence(w.ctx, w.song, "clm_1", name, strings.NewReader(body))
}

// kept lists the files in the folder that have a name for ever.
func (w *world) kept() (names []string) {
	w.Helper()
	w.ok(filepath.WalkDir(w.files, func(p string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, p)
		}
		return err
	}))
	return names
}

func TestEvidence(t *testing.T) {
	both(t, func(w *world) {
		w.file("clm_1", "P1")
		for body, want := range map[string]string{png: "image/png", jpeg: "image/jpeg", "%PDF-1.7\n%x": "application/pdf",
			"聊天记录：他说是我表弟": "text/plain; charset=utf-8", "GIF89a123456789": "image/gif"} {
			e, err := w.add("证据.bin", body)
			w.ok(err)
			if e.Type != want || e.Size != int64(len(body)) || e.Source != "claimant" || e.Name != "证据.bin" {
				w.Errorf("%+v", e)
			}
			got, back, err := w.OpenEvidence(w.ctx, w.song, "clm_1", e.ID)
			if err != nil || string(back) != body || got.SHA256 != e.SHA256 {
				w.Errorf("%v %+v", err, got)
			}
		}
		for name, body := range map[string]string{"page.png": "<!DOCTYPE html><script>alert(1)</script>",
			"a.pdf": "MZ\x90\x00\x03", "b.zip": "PK\x03\x04x",
			"c.svg": `<?xml version="1.0"?><svg/>`, "empty": "", "d": "\x7fELF\x02\x01"} {
			_, err := w.add(name, body)
			w.want(err, ident.KindInvalid, "evidence_type")
		}
		for _, name := range []string{"", ".", "..", "../../etc/passwd", `..\x`, "a/b", "a\x00.png", "a\nb",
			"a\u202egnp.exe", "\xff\xfe", strings.Repeat("x", 256)} {
			_, err := w.add(name, png)
			w.want(err, ident.KindInvalid, "file_name")
		}
		first, err := w.add("again.png", png)
		w.ok(err)
		second, err := w.add("renamed.png", png)
		w.ok(err)
		if first.ID != second.ID || first.Name != second.Name {
			w.Errorf("the same bytes are two pieces: %+v %+v", first, second)
		}
		if n := len(w.kept()); n != 5 {
			w.Errorf("%d files for 5 pieces: %v", n, w.kept())
		}
		_, _, err = w.OpenEvidence(w.ctx, w.tang, "clm_1", first.ID)
		w.want(err, ident.KindNotFound, "claim_not_found")
		_, _, err = w.OpenEvidence(w.ctx, w.song, "clm_1", "evd_none")
		w.want(err, ident.KindNotFound, "evidence_not_found")
		_, _, err = w.OpenEvidence(w.ctx, host, "clm_1", first.ID)
		w.want(err, ident.KindDenied, "not_allowed")
	})
}

func TestEvidenceOfOtherClaims(t *testing.T) {
	w := newWorld(t, db.SQLite)
	w.file("clm_1", "P1")
	w.file("clm_2", "P2")
	e, err := w.add("a.png", png)
	w.ok(err)
	_, _, err = w.OpenEvidence(w.ctx, w.song, "clm_2", e.ID)
	w.want(err, ident.KindNotFound, "evidence_not_found")
	w.move(handler, "clm_1", claim.Investigate)
	w.approve("clm_1", claim.ApprovePartial, 60)
	_, err = w.add("late.png", png+"1")
	w.want(err, ident.KindState, "decided")
	w.move(w.song, "clm_1", claim.Appeal)
	_, err = w.add("late.png", png+"1")
	w.ok(err)
}

// zeros is an endless file.
type zeros struct{ n int }

func (z *zeros) Read(p []byte) (int, error) {
	z.n += len(p)
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

func TestEvidenceTooLarge(t *testing.T) {
	w := newWorld(t, db.SQLite)
	w.file("clm_1", "P1")
	endless := &zeros{}
	_, err := w.AddEvidence(w.ctx, w.song, "clm_1", "a.txt", endless)
	w.want(err, ident.KindTooLarge, "evidence_too_large")
	if endless.n > claim.MaxEvidence+1<<20 {
		t.Errorf("%d bytes were read of an endless file", endless.n)
	}
	_, err = w.AddEvidence(w.ctx, w.song, "clm_1", "a.txt", io.MultiReader(io.LimitReader(&zeros{}, claim.MaxEvidence)))
	w.ok(err)
	broken := errors.New("the line broke")
	_, err = w.AddEvidence(w.ctx, w.song, "clm_1", "a.txt", io.MultiReader(strings.NewReader(strings.Repeat("y", 9000)), failing{broken}))
	if !errors.Is(err, broken) {
		t.Error(err)
	}
	if n := len(w.kept()); n != 1 {
		t.Errorf("%d files are left of one", n)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// One changed byte, or a missing file, is found when it is opened.
func TestEvidenceAltered(t *testing.T) {
	w := newWorld(t, db.SQLite)
	w.file("clm_1", "P1")
	e, err := w.add("a.png", png)
	w.ok(err)
	path := w.kept()[0]
	if filepath.Base(path) != e.SHA256 {
		t.Fatal(path)
	}
	for i := range len(png) {
		b := []byte(png)
		b[i] ^= 1
		w.ok(os.WriteFile(path, b, 0o600))
		_, _, err = w.OpenEvidence(w.ctx, handler, "clm_1", e.ID)
		w.want(err, ident.KindInternal, "evidence_altered")
	}
	w.ok(os.Remove(path))
	_, _, err = w.OpenEvidence(w.ctx, handler, "clm_1", e.ID)
	w.want(err, ident.KindInternal, "evidence_missing")
}

// A crash between the file and the row leaves a file that no claim names, never a
// row without its file; doing it again completes it.
func TestEvidenceCrashBeforeTheRow(t *testing.T) {
	both(t, func(w *world) {
		w.file("clm_1", "P1")
		w.faults.FailStatement("insert into claim_evidence")
		if _, err := w.add("a.png", png); err == nil {
			w.Fatal("the fault did not happen")
		}
		var rows []claim.Evidence
		read := func() {
			w.view(func(tx *db.Tx) (err error) { rows, err = w.Evidence(tx, "clm_1"); return err })
		}
		if read(); len(rows) != 0 || len(w.kept()) != 1 {
			w.Fatalf("%d rows, %d files", len(rows), len(w.kept()))
		}
		_, err := w.add("a.png", png)
		w.ok(err)
		if read(); len(rows) != 1 || len(w.kept()) != 1 {
			w.Fatalf("%d rows, %d files", len(rows), len(w.kept()))
		}
		for _, r := range rows {
			_, body, err := w.OpenEvidence(w.ctx, handler, "clm_1", r.ID)
			if err != nil || !bytes.Equal(body, []byte(png)) {
				w.Errorf("%v", err)
			}
		}
	})
}
