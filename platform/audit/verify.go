package audit

import (
	"context"
	"fmt"
	"math"
	"math/bits"
	"sort"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"surety/kernel/ident"
	"surety/platform/db"
)

// Report is what Verify found.
type Report struct {
	Entries  int      `json:"entries"`
	Heads    int      `json:"heads"`  // signed heads checked, those kept elsewhere included
	Signed   int64    `json:"signed"` // so many entries are covered by a signature that was checked
	Erased   int      `json:"erased"` // entries whose detail was erased
	OK       bool     `json:"ok"`
	Problems []string `json:"problems"` // each names its entry; at most 100, then how many more
}

const (
	maxProblems = 100
	pageSize    = 1000
)

// Verify checks the whole log: every entry's text, place, detail and hashes,
// every signed head, and the heads that were kept elsewhere (only their notes
// are used). It reads one entry at a time, so its memory does not grow with the
// log. Problems are in the Report; an error means that it could not look.
func Verify(ctx context.Context, d *db.DB, v note.Verifier, kept ...Head) (Report, error) {
	var c *checker
	err := d.View(ctx, func(tx *db.Tx) error {
		c = &checker{tx: tx, verifier: v}
		c.takeKept(kept)
		return c.run()
	})
	if err != nil {
		return Report{}, err
	}
	if c.more > 0 {
		c.report.Problems = append(c.report.Problems, fmt.Sprintf("and %d more problems", c.more))
	}
	c.report.OK = len(c.report.Problems) == 0
	return c.report, nil
}

// checker walks the log once. It does not use the code that wrote the log.
//
// Each check is local, so that one change gives one problem: a text against its
// stored hash, a stored subtree against its two stored halves, a signed root
// against the stored subtrees. If all hold, the signed roots are those of the
// texts.
type checker struct {
	tx       *db.Tx
	verifier note.Verifier
	report   Report
	more     int
	kept     []Head // sorted by size; those checked are taken off
	next     int64  // the index that comes next
	edge     [64]tlog.Hash
	lost     [64]bool // the edge of this level is not known: a row is missing
}

func (c *checker) problem(format string, args ...any) {
	if len(c.report.Problems) == maxProblems {
		c.more++
		return
	}
	c.report.Problems = append(c.report.Problems, fmt.Sprintf(format, args...))
}

// takeKept checks the signatures of the heads from elsewhere and compares them
// with one another: two heads of one size and different roots are a fork.
func (c *checker) takeKept(kept []Head) {
	for i, k := range kept {
		h, err := ParseHead(k.Note, c.verifier)
		if err != nil {
			c.problem("kept head %d is not signed with this log's key: %v", i+1, err)
			continue
		}
		c.kept = append(c.kept, h)
	}
	sort.SliceStable(c.kept, func(i, j int) bool { return c.kept[i].Size < c.kept[j].Size })
	for i := 1; i < len(c.kept); i++ {
		if a, b := c.kept[i-1], c.kept[i]; a.Size == b.Size && a.Root != b.Root {
			c.problem("fork: two kept heads of %d entries have different roots, %s and %s", a.Size, a.Root, b.Root)
		}
	}
}

func (c *checker) run() error {
	size, lastSigned, err := c.bounds()
	if err != nil {
		return err
	}
	for from := int64(0); from < size; {
		to := from + min(pageSize, size-from)
		empty, err := c.page(from, to)
		if err != nil {
			return err
		}
		if from = to; empty { // step over a gap, however wide
			_, err = c.tx.Row([]any{&from}, "select coalesce(min(l.idx), $1) from audit_leaf l where l.idx >= $2", size, to)
			if err != nil {
				return err
			}
		}
	}
	c.skipTo(size, nil)
	last, err := readHeads(c.tx, headColumns+"where size = $1", size)
	if err != nil {
		return err
	}
	c.checkHeads(last)
	beyond, err := readHeads(c.tx, headColumns+"where size > $1 and size <= $2 order by size limit 1000", size, lastSigned)
	if err != nil {
		return err
	}
	for _, h := range beyond {
		c.report.Heads++
		c.problem("entries were cut off: a head of %d entries was signed, the log has %d", h.Size, size)
	}
	for _, h := range c.kept {
		c.report.Heads++
		c.problem("entries were cut off or the log was rewound: a kept head has %d entries, the log has %d", h.Size, size)
	}
	return c.checkDetails()
}

// bounds reads how far the log goes, in one statement, for others may append.
func (c *checker) bounds() (size, lastSigned int64, err error) {
	var first, last int64
	_, err = c.tx.Row([]any{&size, &first, &last, &lastSigned}, `select
		coalesce((select h.size from audit_head h where h.one = 1), -1),
		coalesce((select min(l.idx) from audit_leaf l), 0),
		coalesce((select max(l.idx) from audit_leaf l), -1),
		coalesce((select max(s.size) from audit_signed s), -1)`)
	if err != nil {
		return 0, 0, err
	}
	last = min(last, math.MaxInt64-1)
	if size < 0 {
		c.problem("the head row of the log is missing")
		size = last + 1
	}
	if first < 0 {
		c.problem("there is an entry %d, before the beginning of the log", first)
	}
	if last >= size {
		c.problem("the log should end after %d entries but has an entry %d", size, last)
		size = last + 1
	}
	return size, lastSigned, nil
}

// page checks the entries from ≤ idx < to, and the heads of these sizes as the
// walk comes past them. It tells if there was no entry.
func (c *checker) page(from, to int64) (empty bool, err error) {
	heads, err := readHeads(c.tx, headColumns+"where size >= $1 and size < $2 order by size", from, to)
	if err != nil {
		return false, err
	}
	empty = true
	query := leafColumns + "where l.idx >= $1 and l.idx < $2 order by l.idx"
	err = c.tx.Rows(query, []any{from, to}, func(scan func(...any) error) error {
		r, err := scanRow(scan)
		if err != nil {
			return err
		}
		empty = false
		if r.idx < c.next {
			c.problem("entry %d (%s) is there twice", r.idx, r.id)
			return nil
		}
		heads = c.skipTo(r.idx, heads)
		heads = c.checkHeads(heads)
		c.checkLeaf(r)
		return nil
	})
	if err != nil {
		return false, err
	}
	if empty {
		c.checkHeads(heads)
	} else {
		c.skipTo(to, heads)
	}
	return empty, nil
}

// skipTo reports the entries missing before idx and forgets the subtrees that
// they completed. Heads signed inside the gap cannot be checked.
func (c *checker) skipTo(idx int64, heads []Head) []Head {
	if idx == c.next {
		return heads
	}
	heads = c.checkHeads(heads)
	if idx == c.next+1 {
		c.problem("entry %d is missing", c.next)
	} else {
		c.problem("entries %d to %d are missing", c.next, idx-1)
	}
	for level := range 63 {
		if idx>>level > c.next>>level {
			c.lost[level] = true
		}
	}
	for len(heads) > 0 && heads[0].Size < idx {
		c.report.Heads++
		heads = heads[1:]
	}
	for len(c.kept) > 0 && c.kept[0].Size < idx {
		c.report.Heads++
		c.kept = c.kept[1:]
	}
	c.next = idx
	return heads
}

func (c *checker) checkLeaf(r row) {
	c.report.Entries++
	name := fmt.Sprintf("entry %d (%s)", r.idx, r.id)
	c.checkHashes(name, r)
	c.checkColumns(name, r)
}

// checkHashes checks a leaf's hash and those of the subtrees it completes, and
// moves the edge past it.
func (c *checker) checkHashes(name string, r row) {
	levels := 1 + bits.TrailingZeros64(^uint64(r.idx)) // a leaf completes a subtree for each trailing 1
	if len(r.hashes) != levels*tlog.HashSize {
		c.problem("%s: its hashes have %d bytes, not %d", name, len(r.hashes), levels*tlog.HashSize)
		fixed := make([]byte, levels*tlog.HashSize)
		copy(fixed, r.hashes)
		r.hashes = fixed
	}
	h := tlog.RecordHash([]byte(r.body))
	for level := range levels {
		var stored tlog.Hash
		copy(stored[:], r.hashes[level*tlog.HashSize:])
		switch {
		case level == 0 && stored != h:
			c.problem("%s: its text or its hash was changed", name)
		case level > 0 && !c.lost[level-1] && stored != tlog.NodeHash(c.edge[level-1], h):
			c.problem("%s: the hash of the %d entries that end with it was changed", name, int64(1)<<level)
		}
		if level > 0 { // the left half is used up: the right half is the edge now
			c.edge[level-1], c.lost[level-1] = h, false
		}
		h = stored
	}
	c.edge[levels-1], c.lost[levels-1] = h, false
	c.next = r.idx + 1
}

// checkColumns compares what is searched with what was hashed, and the detail
// with its hash.
func (c *checker) checkColumns(name string, r row) {
	t, at, err := parseLeaf(r.body)
	if err != nil {
		c.problem("%s: its text cannot be read: %v", name, err)
		return
	}
	same := t.ID == r.id && ident.Micros(at) == r.at && t.Act == r.act &&
		t.Object == r.object && t.Actor == r.actor && string(t.Outcome) == r.outcome
	if !same {
		c.problem("%s: the columns beside its text were changed", name)
	}
	switch {
	case t.Detail == "" && r.detail == nil:
	case t.Detail == "":
		c.problem("%s: a detail was put to it that it never had", name)
	case r.detail == nil:
		c.problem("%s: its detail was removed", name)
	case *r.detail == "" && len(r.salt) == 0:
		c.report.Erased++
	case detailHash(r.salt, *r.detail) != t.Detail:
		c.problem("%s: its detail or its salt was changed", name)
	}
}

// checkHeads checks the stored and kept heads whose size the walk has reached,
// and returns the stored heads still to come.
func (c *checker) checkHeads(heads []Head) []Head {
	for len(heads) > 0 && heads[0].Size == c.next {
		stored := heads[0]
		heads = heads[1:]
		h, err := ParseHead(stored.Note, c.verifier)
		if err != nil || h.Size != stored.Size {
			c.report.Heads++
			c.problem("the stored head of size %d is not what was signed: %v", stored.Size, err)
			continue
		}
		c.checkHead("the signed head", h)
	}
	for len(c.kept) > 0 && c.kept[0].Size == c.next {
		h := c.kept[0]
		c.kept = c.kept[1:]
		c.checkHead("fork: the kept head", h)
	}
	return heads
}

func (c *checker) checkHead(what string, h Head) {
	c.report.Heads++
	root, known := c.root()
	switch {
	case !known: // a missing entry has been reported already
	case root != h.Root:
		c.problem("%s of %d entries has the root %s, but the log has %s: an entry before %d was rewritten",
			what, h.Size, h.Root, root, h.Size)
	default:
		c.report.Signed = h.Size
	}
}

// root folds the edge into the root of the entries seen so far (RFC 6962 §2.1).
func (c *checker) root() (root tlog.Hash, known bool) {
	if c.next == 0 {
		root, _ = tlog.TreeHash(0, nil)
		return root, true
	}
	first := true
	for level := range 63 {
		switch {
		case c.next>>level&1 == 0:
			continue
		case c.lost[level]:
			return tlog.Hash{}, false
		case first:
			root, first = c.edge[level], false
		default:
			root = tlog.NodeHash(c.edge[level], root)
		}
	}
	return root, true
}

// checkDetails looks for details of no entry and for erasures nobody recorded.
func (c *checker) checkDetails() error {
	find := func(format, query string, args ...any) error {
		return c.tx.Rows(query, args, func(scan func(...any) error) error {
			var id string
			if err := scan(&id); err != nil {
				return err
			}
			c.problem(format, id)
			return nil
		})
	}
	err := find("there is a detail of an entry %s that is not in the log", `select d.id from audit_detail d
		where not exists (select l.idx from audit_leaf l where l.id = d.id) order by d.id limit 1000`)
	if err != nil {
		return err
	}
	return find("entry %s: its detail was emptied without an act that erased it", `select d.id from audit_detail d
		where d.detail = '' and not exists
			(select l.idx from audit_leaf l where l.object = d.id and l.act = $1) order by d.id limit 1000`, actErase)
}
