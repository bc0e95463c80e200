package claim

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"surety/kernel/ident"
	"surety/platform/access"
	"surety/platform/db"
	"surety/platform/disk"
)

// MaxEvidence is how large one file may be.
const MaxEvidence = 20 << 20

// evidenceTypes are what is accepted, as found in the bytes: pictures, papers and
// plain text. Nothing that a browser would run.
var evidenceTypes = []string{"image/jpeg", "image/png", "image/gif", "image/webp", "application/pdf", "text/plain; charset=utf-8"}

// Files keeps evidence in a folder by the hash of its bytes: the same bytes are
// the same file, and a changed byte is another name.
type Files struct {
	dir string
}

// OpenFiles makes the folder if it is not there.
func OpenFiles(dir string) (*Files, error) {
	return &Files{dir}, disk.MakeDir(dir)
}

// stored is a file that is durably in the folder.
type stored struct {
	sha256 string
	size   int64
	kind   string
}

func (f *Files) path(sum string) string { return filepath.Join(f.dir, sum[:2], sum) }

// put writes r under the hash of its bytes. It is durable when put returns: the
// bytes are synced before the rename, and the folder after it. A crash leaves a
// temporary file at most.
func (f *Files) put(r io.Reader) (stored, error) {
	in := bufio.NewReaderSize(r, 4096)
	head, err := in.Peek(512)
	if err != nil && !errors.Is(err, io.EOF) {
		return stored{}, err
	}
	kind := http.DetectContentType(head)
	if len(head) == 0 || !slices.Contains(evidenceTypes, kind) {
		return stored{}, ident.Invalid("file", "evidence_type", "this kind of file is not taken; send a picture, a PDF or plain text")
	}
	tmp, err := os.CreateTemp(f.dir, ".new-*")
	if err != nil {
		return stored{}, err
	}
	defer os.Remove(tmp.Name()) // gone already after the rename
	defer tmp.Close()
	h := sha256.New()
	n, err := io.Copy(io.MultiWriter(tmp, h), io.LimitReader(in, MaxEvidence+1))
	if err != nil {
		return stored{}, err
	}
	if n > MaxEvidence {
		return stored{}, ident.E(ident.KindTooLarge, "evidence_too_large", "a file may have at most %d MB", MaxEvidence>>20)
	}
	s := stored{hex.EncodeToString(h.Sum(nil)), n, kind}
	if err := tmp.Sync(); err != nil {
		return stored{}, err
	}
	folder := filepath.Dir(f.path(s.sha256))
	if err := disk.MakeDir(folder); err != nil {
		return stored{}, err
	}
	if err := os.Rename(tmp.Name(), f.path(s.sha256)); err != nil {
		return stored{}, err
	}
	return s, disk.SyncDir(folder)
}

// open opens a file and checks that its bytes still are what its name says.
func (f *Files) open(sum string) ([]byte, error) {
	b, err := os.ReadFile(f.path(sum))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ident.E(ident.KindInternal, "evidence_missing", "the file is not in the folder; restore it from the backup").Because(err)
	}
	if err != nil {
		return nil, err
	}
	if h := sha256.Sum256(b); hex.EncodeToString(h[:]) != sum {
		return nil, ident.E(ident.KindInternal, "evidence_altered", "the file's bytes are not the ones that were handed in")
	}
	return b, nil
}

// Evidence is one file handed in with a claim.
type Evidence struct {
	ID     ident.ID
	Claim  ident.ID
	SHA256 string
	Size   int64
	Type   string // as found in the bytes
	Name   string // as the sender called it; sealed at rest
	Source string // claimant, us, police, merchant
	At     time.Time
}

// plainName refuses names that are paths, and characters that could make a name
// look like another one. Names are shown and offered for saving, never opened.
func plainName(name string) bool {
	return name != "" && name != "." && name != ".." && len(name) <= 255 && utf8.ValidString(name) &&
		!strings.ContainsFunc(name, func(r rune) bool {
			return r == '/' || r == '\\' || unicode.IsControl(r) || unicode.Is(unicode.Cf, r)
		})
}

// AddEvidence takes a file for a claim. The file is durable before the row that
// names it, so a crash leaves at most a file that no claim names. The same bytes
// twice are one piece of evidence.
func (s *Service) AddEvidence(ctx context.Context, actor ident.Actor, claim ident.ID, name string, r io.Reader) (e Evidence, err error) {
	if !plainName(name) {
		return e, ident.Invalid("name", "file_name", "the file needs a plain name of at most 255 bytes")
	}
	if _, _, err := s.View(ctx, actor, claim); err != nil {
		return e, err // before a byte of a stranger's file is kept
	}
	st, err := s.cfg.Files.put(r)
	if err != nil {
		return e, err
	}
	e = Evidence{
		ID: s.cfg.IDs.New("evd"), Claim: claim, SHA256: st.sha256, Size: st.size, Type: st.kind, Name: name,
		Source: byWhom(actor), At: s.cfg.Clock.Now(),
	}
	err = s.cfg.Access.Run(ctx, func(tx *db.Tx) error { return s.addEvidence(tx, actor, &e) })
	return e, err
}

func (s *Service) addEvidence(tx *db.Tx, actor ident.Actor, e *Evidence) error {
	c, err := s.load(tx, e.Claim)
	if err != nil {
		return err
	}
	err = s.cfg.Access.Check(tx, actor, access.ActClaimEvidenceAdd, access.Object{ID: e.Claim, Owner: c.Claimant},
		map[string]string{"sha256": e.SHA256})
	if err != nil {
		return err
	}
	switch {
	case c.Status == Closed || c.Status == Withdrawn:
		return ident.E(ident.KindState, "not_in_this_state", "the claim is closed; appeal first if you disagree")
	case c.Decision != Undecided && c.Status == Decided:
		return ident.E(ident.KindState, "decided", "the claim is decided; appeal if you disagree, then add files")
	}
	sealed, err := s.cfg.Vault.Seal(e.ID, "name", e.Name)
	if err != nil {
		return err
	}
	n, err := tx.Exec(`insert into claim_evidence (id, claim, sha256, size, type, sealed, source, at)
values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict (claim, sha256) do nothing`,
		e.ID, e.Claim, e.SHA256, e.Size, e.Type, sealed, e.Source, ident.Micros(e.At))
	if err != nil || n == 1 {
		return err
	}
	all, err := s.Evidence(tx, e.Claim)
	if i := slices.IndexFunc(all, func(have Evidence) bool { return have.SHA256 == e.SHA256 }); i >= 0 {
		*e = all[i]
	}
	return err
}

// Evidence lists a claim's files, oldest first.
func (s *Service) Evidence(tx *db.Tx, claim ident.ID) (out []Evidence, err error) {
	err = tx.Rows(`select id, claim, sha256, size, type, sealed, source, at from claim_evidence where claim = $1 order by id`,
		[]any{claim}, func(scan func(...any) error) error {
			var e Evidence
			var sealed []byte
			var at int64
			if err := scan(&e.ID, &e.Claim, &e.SHA256, &e.Size, &e.Type, &sealed, &e.Source, &at); err != nil {
				return err
			}
			e.At = ident.FromMicros(at)
			var err error
			e.Name, err = s.cfg.Vault.Open(e.ID, "name", sealed)
			out = append(out, e)
			return err
		})
	return out, err
}

// OpenEvidence returns a file's bytes, checked against their hash; the look is
// recorded.
func (s *Service) OpenEvidence(ctx context.Context, actor ident.Actor, claim, evidence ident.ID) (e Evidence, body []byte, err error) {
	var owner ident.ID
	var all []Evidence
	err = s.cfg.DB.View(ctx, func(tx *db.Tx) error {
		c, err := s.load(tx, claim)
		if err != nil {
			return err
		}
		owner = c.Claimant
		all, err = s.Evidence(tx, claim)
		return err
	})
	if err != nil {
		return e, nil, err
	}
	err = s.cfg.Access.View(ctx, actor, access.ActClaimEvidenceRead, access.Object{ID: claim, Owner: owner}, func(*db.Tx) error { return nil })
	if err != nil {
		return e, nil, err
	}
	for _, e := range all {
		if e.ID == evidence {
			body, err := s.cfg.Files.open(e.SHA256)
			return e, body, err
		}
	}
	return e, nil, ident.NotFound("evidence", evidence)
}
