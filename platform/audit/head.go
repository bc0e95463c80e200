package audit

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"surety/kernel/ident"
	"surety/platform/db"
)

// Head is a signed statement that the log has Size entries and the root Root.
// Only Note counts: Size and Root repeat it, and At is when it was signed.
type Head struct {
	Size int64     `json:"size"`
	Root tlog.Hash `json:"root"`
	At   time.Time `json:"at,omitzero"`
	Note string    `json:"note"` // C2SP tlog-checkpoint: origin, size, root, signature
}

// headText is the text of a checkpoint: https://c2sp.org/tlog-checkpoint.
func headText(origin string, size int64, root tlog.Hash) string {
	return fmt.Sprintf("%s\n%d\n%s\n", origin, size, root)
}

// ParseHead reads the note of a signed head and checks its signature.
func ParseHead(text string, v note.Verifier) (Head, error) {
	bad := func(why string, err error) (Head, error) {
		e := ident.Invalid("note", "head_invalid", "this is not a head signed by %s: %s", v.Name(), why)
		return Head{}, e.Because(err)
	}
	n, err := note.Open([]byte(text), note.VerifierList(v))
	if err != nil {
		return bad("the signature does not fit", err)
	}
	// Only one spelling of a signature is taken, so that every change shows.
	if _, err := base64.StdEncoding.Strict().DecodeString(n.Sigs[0].Base64); err != nil {
		return bad("the signature is not written in canonical base 64", err)
	}
	lines := strings.Split(n.Text, "\n")
	if len(lines) != 4 {
		return bad("it does not have three lines", nil)
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || size < 0 {
		return bad("its size is not a number", err)
	}
	root, err := tlog.ParseHash(lines[2])
	if err != nil {
		return bad("its root is not a hash", err)
	}
	if n.Text != headText(v.Name(), size, root) {
		return bad("it is of another log", nil)
	}
	return Head{Size: size, Root: root, Note: text}, nil
}

// SignHead signs the log as it is now, keeps the head and returns it. It
// refuses if the log does not extend the head signed last. Signing an unchanged
// log returns the head there is.
func (l *Log) SignHead(ctx context.Context) (Head, error) {
	var now, last Head
	var had bool
	err := l.db.View(ctx, func(tx *db.Tx) (err error) {
		if last, had, err = l.lastHead(tx); err != nil {
			return err
		}
		now, err = currentHead(tx)
		if err != nil || !had {
			return err
		}
		return extends(tx, last, now)
	})
	if err != nil || had && last.Size == now.Size {
		return last, err
	}
	signed, err := note.Sign(&note.Note{Text: headText(l.signer.Name(), now.Size, now.Root)}, l.signer)
	if err != nil {
		return Head{}, ident.E(ident.KindInternal, "audit_sign", "the head of the audit log could not be signed").Because(err)
	}
	now.Note, now.At = string(signed), l.clock.Now()
	err = l.db.Update(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec("insert into audit_signed (size, at, note) values ($1, $2, $3) on conflict (size) do nothing",
			now.Size, ident.Micros(now.At), now.Note)
		return err
	})
	if err != nil {
		return Head{}, err
	}
	return now, nil
}

func currentHead(tx *db.Tx) (h Head, err error) {
	found, err := tx.Row([]any{&h.Size}, "select size from audit_head where one = 1")
	if err != nil {
		return Head{}, err
	}
	if !found {
		return Head{}, ident.E(ident.KindInternal, "audit_head_missing", "the audit log has lost its head row")
	}
	h.Root, err = tlog.TreeHash(h.Size, treeReader{tx})
	return h, err
}

// extends refuses to put a new signature on a log that was rewritten or cut.
func extends(tx *db.Tx, last, now Head) error {
	if now.Size < last.Size {
		return ident.E(ident.KindInternal, "audit_rewound",
			"the audit log has %d entries but a head of %d was signed: entries were removed; run a full verification",
			now.Size, last.Size)
	}
	root, err := tlog.TreeHash(last.Size, treeReader{tx})
	if err != nil {
		return err
	}
	if root != last.Root {
		return ident.E(ident.KindInternal, "audit_forked",
			"the first %d entries of the audit log are not those that were signed; run a full verification", last.Size)
	}
	return nil
}

const headColumns = "select size, at, note from audit_signed "

// lastHead returns the signed head of the greatest size.
func (l *Log) lastHead(tx *db.Tx) (Head, bool, error) {
	heads, err := readHeads(tx, headColumns+"order by size desc limit 1")
	if err != nil || len(heads) == 0 {
		return Head{}, false, err
	}
	h, err := l.checked(heads[0])
	return h, true, err
}

// checked fills a stored head in from its note.
func (l *Log) checked(stored Head) (Head, error) {
	h, err := ParseHead(stored.Note, l.verifier)
	if err != nil || h.Size != stored.Size {
		return Head{}, ident.E(ident.KindInternal, "audit_damaged",
			"the stored head of size %d is not what was signed; run a full verification", stored.Size).Because(err)
	}
	h.At = stored.At
	return h, nil
}

// readHeads reads stored heads without checking them; Root is not filled in.
func readHeads(tx *db.Tx, query string, args ...any) (heads []Head, err error) {
	err = tx.Rows(query, args, func(scan func(...any) error) error {
		var h Head
		var at int64
		if err := scan(&h.Size, &at, &h.Note); err != nil {
			return err
		}
		h.At = ident.FromMicros(at)
		heads = append(heads, h)
		return nil
	})
	return heads, err
}

// maxHeads bounds what Heads returns.
const maxHeads = 1000

// Heads returns the signed heads, newest first, at most 1000.
func (l *Log) Heads(ctx context.Context) ([]Head, error) {
	var heads []Head
	err := l.db.View(ctx, func(tx *db.Tx) (err error) {
		heads, err = readHeads(tx, headColumns+"order by size desc limit $1", maxHeads)
		return err
	})
	if err != nil {
		return nil, err
	}
	for i := range heads {
		if heads[i], err = l.checked(heads[i]); err != nil {
			return nil, err
		}
	}
	return heads, nil
}

// ExportHead signs the log as it is now and writes the note to w, for keeping
// where whoever runs this database cannot reach. ParseHead reads it again.
func (l *Log) ExportHead(ctx context.Context, w io.Writer) (Head, error) {
	h, err := l.SignHead(ctx)
	if err != nil {
		return Head{}, err
	}
	_, err = io.WriteString(w, h.Note)
	return h, err
}
