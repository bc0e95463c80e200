package audit

import (
	"math/bits"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"surety/kernel/ident"
	"surety/platform/db"
)

// seal appends the leaves of one physical transaction: it takes the next
// indexes by one update of the head row, whose lock makes other writers wait
// until this transaction has ended, and then writes with few statements.
func seal(tx *db.Tx, items []any) error {
	var size int64
	found, err := tx.Row([]any{&size},
		"update audit_head set size = size + $1 where one = 1 returning size", int64(len(items)))
	if err != nil {
		return err
	}
	if !found {
		return ident.E(ident.KindInternal, "audit_head_missing",
			"the audit log has lost its head row; nothing may be written")
	}
	size -= int64(len(items))
	e, err := loadEdge(tx, size)
	if err != nil {
		return err
	}
	leaves := make([]*leaf, len(items))
	hashes := make([][]byte, len(items))
	for i, item := range items {
		leaves[i] = item.(*leaf)
		stored, err := tlog.StoredHashesForRecordHash(size+int64(i), leaves[i].hash, e)
		if err != nil {
			return err
		}
		hashes[i] = make([]byte, 0, len(stored)*tlog.HashSize)
		for level, h := range stored {
			e[level] = h
			hashes[i] = append(hashes[i], h[:]...)
		}
	}
	if err := insertLeaves(tx, size, leaves, hashes); err != nil {
		return err
	}
	return insertDetails(tx, leaves)
}

// edge holds the last complete subtree of each level: all that appending needs.
type edge [64]tlog.Hash

// ReadHashes implements tlog.HashReader: appending asks only for the edge.
func (e *edge) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		level, _ := tlog.SplitStoredHashIndex(index)
		out[i] = e[level]
	}
	return out, nil
}

// loadEdge reads the edge of a tree of the size. Only the levels whose bit is
// set in size are needed: the others are completed before they are asked for.
func loadEdge(tx *db.Tx, size int64) (*edge, error) {
	var indexes []int64
	for level := range 63 {
		if size>>level&1 == 1 {
			indexes = append(indexes, tlog.StoredHashIndex(level, size>>level-1))
		}
	}
	hashes, err := treeReader{tx}.ReadHashes(indexes)
	if err != nil {
		return nil, err
	}
	e := new(edge)
	for i, index := range indexes {
		level, _ := tlog.SplitStoredHashIndex(index)
		e[level] = hashes[i]
	}
	return e, nil
}

func insertLeaves(tx *db.Tx, first int64, leaves []*leaf, hashes [][]byte) error {
	const columns = 9
	for start := 0; start < len(leaves); {
		n := chunk(len(leaves) - start)
		args := make([]any, 0, n*columns)
		for i := start; i < start+n; i++ {
			l := leaves[i]
			args = append(args, first+int64(i), l.text.ID, l.at, l.text.Act, l.text.Object, l.text.Actor,
				string(l.text.Outcome), l.json, hashes[i])
		}
		const head = "insert into audit_leaf (idx, id, at, act, object, actor, outcome, body, hashes) values "
		if _, err := tx.Exec(manyRows(head, n, columns), args...); err != nil {
			return err
		}
		start += n
	}
	return nil
}

func insertDetails(tx *db.Tx, leaves []*leaf) error {
	const columns = 3
	var with []*leaf
	for _, l := range leaves {
		if l.detail != "" {
			with = append(with, l)
		}
	}
	for start := 0; start < len(with); {
		n := chunk(len(with) - start)
		args := make([]any, 0, n*columns)
		for _, l := range with[start : start+n] {
			args = append(args, l.text.ID, l.salt, l.detail)
		}
		const head = "insert into audit_detail (id, salt, detail) values "
		if _, err := tx.Exec(manyRows(head, n, columns), args...); err != nil {
			return err
		}
		start += n
	}
	return nil
}

// chunk is how many of n rows the next statement takes: a power of two up to
// 128, so that there are only eight texts to prepare.
func chunk(n int) int {
	return min(128, 1<<(bits.Len(uint(n))-1))
}

// manyRows appends n rows of placeholders to an insert statement.
func manyRows(head string, n, columns int) string {
	var b strings.Builder
	b.Grow(len(head) + n*columns*6)
	b.WriteString(head)
	for i := range n * columns {
		switch {
		case i == 0:
			b.WriteString("($")
		case i%columns == 0:
			b.WriteString("), ($")
		default:
			b.WriteString(", $")
		}
		b.WriteString(strconv.Itoa(i + 1))
	}
	b.WriteString(")")
	return b.String()
}
