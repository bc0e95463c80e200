package audit

import (
	"context"
	"encoding/json"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"surety/kernel/ident"
	"surety/platform/db"
)

// Proof shows to anyone with the log's public key that an entry is in the log
// under a signed head. It tells nothing of the entry's detail.
type Proof struct {
	ID    ident.ID         `json:"id"`
	Index int64            `json:"index"`
	Leaf  string           `json:"leaf"` // the entry's text, as it was hashed
	Path  tlog.RecordProof `json:"path"`
	Head  Head             `json:"head"`
}

// Extension shows that the log of size New begins with the log of size Old.
type Extension struct {
	Old  int64          `json:"old"`
	New  int64          `json:"new"`
	Path tlog.TreeProof `json:"path"`
}

// Prove makes the inclusion proof of an entry against the latest signed head;
// it signs one if the entry is newer.
func (l *Log) Prove(ctx context.Context, id ident.ID) (Proof, error) {
	p, covered, err := l.prove(ctx, id)
	if err != nil || covered {
		return p, err
	}
	if _, err := l.SignHead(ctx); err != nil {
		return Proof{}, err
	}
	p, covered, err = l.prove(ctx, id)
	if err == nil && !covered {
		err = ident.E(ident.KindInternal, "audit_damaged",
			"entry %d is beyond the end of the audit log; run a full verification", p.Index)
	}
	return p, err
}

func (l *Log) prove(ctx context.Context, id ident.ID) (p Proof, covered bool, err error) {
	err = l.db.View(ctx, func(tx *db.Tx) error {
		p, covered = Proof{ID: id}, false
		found, err := tx.Row([]any{&p.Index, &p.Leaf}, "select idx, body from audit_leaf where id = $1", id)
		if err != nil {
			return err
		}
		if !found {
			return ident.NotFound("audit_entry", id)
		}
		var had bool
		if p.Head, had, err = l.lastHead(tx); err != nil || !had || p.Head.Size <= p.Index {
			return err
		}
		covered = true
		p.Path, err = tlog.ProveRecord(p.Head.Size, p.Index, treeReader{tx})
		return err
	})
	return p, covered, err
}

// VerifyProof checks a proof without the database. It believes nothing in it
// but the signature.
func VerifyProof(p Proof, v note.Verifier) error {
	head, err := ParseHead(p.Head.Note, v)
	if err != nil {
		return err
	}
	var text leafText
	if err := json.Unmarshal([]byte(p.Leaf), &text); err != nil || text.ID != p.ID {
		return ident.Invalid("leaf", "proof_invalid", "the proof's text is not the entry %q", p.ID).Because(err)
	}
	if p.Index < 0 || p.Index >= head.Size {
		return ident.Invalid("index", "proof_invalid", "the signed head does not reach entry %d", p.Index)
	}
	if err := tlog.CheckRecord(p.Path, head.Size, head.Root, p.Index, tlog.RecordHash([]byte(p.Leaf))); err != nil {
		return ident.Invalid("path", "proof_invalid", "the entry is not in the log under this head").Because(err)
	}
	return nil
}

// Consistency makes the proof that the log of the new size begins with the log
// of the old size. Sizes are those of two signed heads.
func (l *Log) Consistency(ctx context.Context, oldSize, newSize int64) (Extension, error) {
	e := Extension{Old: oldSize, New: newSize}
	if oldSize < 0 || newSize < oldSize {
		return e, ident.Invalid("old", "size", "the old size must lie between 0 and the new size")
	}
	err := l.db.View(ctx, func(tx *db.Tx) error {
		now, err := currentHead(tx)
		if err != nil {
			return err
		}
		if newSize > now.Size {
			return ident.Invalid("new", "size", "the log has only %d entries", now.Size)
		}
		if oldSize == 0 {
			return nil // everything extends the empty log
		}
		e.Path, err = tlog.ProveTree(newSize, oldSize, treeReader{tx})
		return err
	})
	return e, err
}

// VerifyConsistency checks without the database that the log under head now
// begins with the log under head old.
func VerifyConsistency(e Extension, old, now Head, v note.Verifier) error {
	o, err := ParseHead(old.Note, v)
	if err != nil {
		return err
	}
	n, err := ParseHead(now.Note, v)
	if err != nil {
		return err
	}
	if e.Old != o.Size || e.New != n.Size {
		return ident.Invalid("old", "proof_invalid", "the proof is for the sizes %d and %d, the heads have %d and %d",
			e.Old, e.New, o.Size, n.Size)
	}
	if o.Size == 0 && len(e.Path) == 0 {
		return nil
	}
	if o.Size < 1 || n.Size < o.Size {
		return ident.Invalid("old", "proof_invalid", "the old head is not older than the new one")
	}
	if err := tlog.CheckTree(e.Path, n.Size, n.Root, o.Size, o.Root); err != nil {
		return ident.Invalid("path", "proof_invalid",
			"the new head does not extend the old one: the log was rewritten").Because(err)
	}
	return nil
}
