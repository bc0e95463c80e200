package audit

import (
	"surety/kernel/ident"
	"surety/platform/db"
)

// actErase is the act under which an erasure is recorded; Verify knows it.
const actErase = "audit.erase"

// Erase forgets the detail of an entry and its salt, and records who did so.
// The entry itself and all proofs stay true. Whether the law allows it (a legal
// hold beats an erasure) is for the caller to have decided.
func (l *Log) Erase(tx *db.Tx, actor ident.Actor, id ident.ID) error {
	miss := ident.E(ident.KindState, "no_detail", "the audit entry %q has no detail, or it was erased before", id)
	err := tx.ExecOne(miss, "update audit_detail set salt = $1, detail = '' where id = $2 and detail <> ''", []byte{}, id)
	if err != nil {
		return err
	}
	_, err = l.Append(tx, Entry{Act: actErase, Object: id, Actor: actor, Outcome: Done})
	return err
}
