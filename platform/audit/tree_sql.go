package audit

import (
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"surety/kernel/ident"
	"surety/platform/db"
)

// treeReader reads stored hashes out of the leaves that completed them.
type treeReader struct{ tx *db.Tx }

// ReadHashes implements tlog.HashReader with one query.
func (r treeReader) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	if len(indexes) == 0 {
		return nil, nil
	}
	var query strings.Builder
	query.WriteString("select idx, hashes from audit_leaf where idx in (")
	rows := make(map[int64][]byte, len(indexes))
	var args []any
	for _, index := range indexes {
		leaf, _ := place(index)
		if _, asked := rows[leaf]; asked {
			continue
		}
		rows[leaf] = nil
		args = append(args, leaf)
		if len(args) > 1 {
			query.WriteString(", ")
		}
		query.WriteString("$" + strconv.Itoa(len(args)))
	}
	query.WriteString(")")
	err := r.tx.Rows(query.String(), args, func(scan func(...any) error) error {
		var leaf int64
		var hashes []byte
		if err := scan(&leaf, &hashes); err != nil {
			return err
		}
		rows[leaf] = hashes
		return nil
	})
	if err != nil {
		return nil, err
	}
	out := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		leaf, level := place(index)
		if len(rows[leaf]) < (level+1)*tlog.HashSize {
			return nil, ident.E(ident.KindInternal, "audit_damaged",
				"entry %d of the audit log, or a hash of it, is missing; run a full verification", leaf)
		}
		copy(out[i][:], rows[leaf][level*tlog.HashSize:])
	}
	return out, nil
}

// place says which leaf's row holds a stored hash, and at which level in it:
// a subtree is completed by the last leaf under it.
func place(index int64) (leaf int64, level int) {
	level, n := tlog.SplitStoredHashIndex(index)
	return (n+1)<<level - 1, level
}
