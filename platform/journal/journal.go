package journal

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"surety/kernel/ident"
	"surety/platform/disk"
)

// Position is a place in the journal: how many bytes of segments lie before it.
// It only grows, also over restarts.
type Position uint64

// The sizes of segments and what fits into one.
const (
	defaultSegment = 64 << 20
	minSegment     = 16 << 10
	maxSegment     = 1 << 30
	maxGroup       = 4 << 20 // what the committer gathers at most; one call may bring more
)

// Config is what Open needs.
type Config struct {
	// Dir is the folder; it is made if it is not there. Nobody else may write to it.
	Dir string
	// Segment is how many bytes a file has, from 16 KiB to 1 GiB; 64 MiB if zero. A
	// call of Append may bring half of it.
	Segment int64
	// Faults lets a test fail a commit; nil in production.
	Faults *Faults
}

// Journal is an open journal. It is safe for many goroutines.
type Journal struct {
	dir    string
	size   int64 // of a segment
	id     journalID
	faults *Faults
	lock   *os.File

	mu       sync.Mutex
	waiting  []*waiter  // what the committer has not taken; guarded by mu
	segments []*segment // in order, the last but one or last is written to; guarded by mu
	end      Position   // after the last durable group; guarded by mu
	shut     bool       // no append is taken any more; guarded by mu
	wake     chan struct{}
	stop     chan struct{}
	stopped  sync.WaitGroup
	hurry    atomic.Bool // somebody waits for the segment that is being made
	spare    sync.Mutex  // held while the spare file is made, used or left behind

	failOnce sync.Once
	failed   chan struct{}
	failure  error // set before failed is closed

	writer // of the committer alone
}

// waiter is one call of Append on its way.
type waiter struct {
	records [][]byte
	crcs    []uint32
	size    int64    // of the records with their frames
	at      Position // of the first record
	done    chan error
}

// Open opens the journal of a folder, or makes an empty one. It cuts off what a
// crash left half written at the end, which was never acknowledged, and refuses a
// journal that is damaged anywhere else (code journal_damaged).
func Open(cfg Config) (*Journal, error) {
	if cfg.Segment == 0 {
		cfg.Segment = defaultSegment
	}
	if cfg.Dir == "" || cfg.Segment < minSegment || cfg.Segment > maxSegment || cfg.Segment%sector != 0 {
		return nil, ident.E(ident.KindInternal, "config", "a journal needs a folder, and segments of %d to %d bytes, a multiple of %d",
			minSegment, maxSegment, sector)
	}
	if err := disk.MakeDir(cfg.Dir); err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	held, err := lockFolder(cfg.Dir)
	if err != nil {
		return nil, err
	}
	j := &Journal{
		dir: cfg.Dir, size: cfg.Segment, faults: cfg.Faults, lock: held,
		wake: make(chan struct{}, 1), stop: make(chan struct{}), failed: make(chan struct{}),
	}
	j.hurry.Store(true)
	if err := j.load(); err != nil {
		return nil, errors.Join(fmt.Errorf("journal: %w", err), j.closeFiles())
	}
	j.began = ident.WallClock{}.Now()
	j.startCommitter()
	return j, nil
}

// load reads the folder and leaves the writer at the end of what is sound.
func (j *Journal) load() error {
	starts, err := listSegments(j.dir)
	if err != nil {
		return err
	}
	if len(starts) == 0 {
		rand.Read(j.id[:]) // never fails: it ends the process instead
		s, err := j.makeSegment(0, 0)
		if err != nil {
			return err
		}
		j.segments, j.active, j.off = []*segment{s}, s, sector
		j.end = s.start + sector
		return nil
	}
	for i, start := range starts {
		s, id, err := openSegment(filepath.Join(j.dir, segmentName(start)), start)
		if s != nil {
			j.segments = append(j.segments, s)
		}
		if err != nil {
			return err
		}
		if i == 0 {
			j.id = id
		} else if before := j.segments[i-1]; before.end() != start {
			return damage(before.path, before.size, fmt.Sprintf("the file that follows it is missing, the next is %s", s.path))
		}
		if id != j.id {
			return damage(s.path, 8, "it belongs to another journal")
		}
	}
	return j.scanAll()
}

// scanAll finds the end. Of the segments after it there is at most one, which was
// made ahead and holds nothing.
func (j *Journal) scanAll() error {
	cut := -1 // the segment that was not ended
	var at scanned
	var last groupPlace
	for i, s := range j.segments {
		found, err := j.id.scan(s.f, s.start, s.size)
		if err != nil {
			return err
		}
		switch {
		case cut >= 0 && (found.last != 0 || found.later):
			return damage(j.segments[cut].path, at.bad, "sound records follow it")
		case cut >= 0:
			continue
		case !found.rolled && found.later:
			return damage(s.path, found.bad, "sound records follow it")
		case !found.rolled:
			cut, at = i, found
		}
		if found.last != 0 {
			last = groupPlace{s, found.last, found.end}
		}
	}
	if cut < 0 { // the last was ended, and the crash came before the next was made
		s, err := j.makeSegment(j.segments[len(j.segments)-1].end(), 0)
		if err != nil {
			return err
		}
		j.segments, cut, at = append(j.segments, s), len(j.segments), scanned{end: sector}
	}
	if ahead := j.segments[cut+1:]; len(ahead) > 1 {
		return damage(j.segments[cut].path, at.bad, "several empty files follow it")
	} else if len(ahead) == 1 {
		j.next = make(chan made, 1)
		j.next <- made{s: ahead[0]}
	}
	j.segments = j.segments[:cut+1]
	j.active, j.off = j.segments[cut], at.end
	j.end = j.active.start + Position(at.end)
	return last.harden()
}

// groupPlace is where a group stands in a file.
type groupPlace struct {
	s        *segment // nil if there is none
	off, end int64
}

// harden makes the last group durable: whoever wrote it may have died before its
// sync, or after a sync that failed, when the pages only look clean.
func (g groupPlace) harden() error {
	if g.s == nil {
		return nil
	}
	b := make([]byte, g.end-g.off)
	if _, err := g.s.f.ReadAt(b, g.off); err != nil {
		return err
	}
	if _, err := g.s.f.WriteAt(b, g.off); err != nil {
		return err
	}
	return syncData(g.s.f)
}

// ID names the journal, for its owner to keep beside a position: a position says
// nothing in another journal.
func (j *Journal) ID() string { return hex.EncodeToString(j.id[:]) }

// Bounds are the position before the first record that is still kept and the
// position after the last durable one.
func (j *Journal) Bounds() (first, end Position) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.segments[0].start, j.end
}

// Append writes the records, none of them empty, and returns the position of the
// first once all are durable. They are kept together or not at all.
//
// Errors: KindInvalid and KindTooLarge (they cannot be written); KindUnavailable
// (nothing was written: closing, no room, or the journal has failed before);
// KindUnknown (the write or its sync failed: only the next Open tells).
func (j *Journal) Append(ctx context.Context, records ...[]byte) (Position, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	w := &waiter{records: records, crcs: make([]uint32, len(records)), done: make(chan error, 1)}
	for i, r := range records {
		if len(r) == 0 {
			return 0, ident.Invalid("record", "empty", "record %d is empty", i+1)
		}
		w.crcs[i] = crc32.Checksum(r, table)
		w.size += frameHeader + int64(len(r))
	}
	if len(records) == 0 {
		return 0, ident.Invalid("record", "none", "there is nothing to append")
	}
	if groupSize(w.size) > j.size/2 {
		return 0, ident.E(ident.KindTooLarge, "record_too_large", "%d bytes are more than one append may bring (%d)", w.size, j.size/2)
	}
	if err := j.hand(w); err != nil {
		return 0, err
	}
	err := <-w.done
	return w.at, err
}

// hand gives a waiter to the committer.
func (j *Journal) hand(w *waiter) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.Failure(); err != nil {
		return unavailable(err)
	}
	if j.shut {
		return ident.E(ident.KindUnavailable, "closing", "the journal is closing")
	}
	j.waiting = append(j.waiting, w)
	select {
	case j.wake <- struct{}{}:
	default: // it is awake already
	}
	return nil
}

func unavailable(err error) error {
	return ident.E(ident.KindUnavailable, "journal_failed",
		"the journal has stopped after an I/O error; nothing was written").Because(err)
}

// Failed is closed when a write or a sync failed: the process must stop.
func (j *Journal) Failed() <-chan struct{} { return j.failed }

// Failure is the error behind Failed, nil if there was none.
func (j *Journal) Failure() error {
	select {
	case <-j.failed:
		return j.failure
	default:
		return nil
	}
}

// poison records the first I/O error and stops all further acknowledgements.
func (j *Journal) poison(err error) {
	j.failOnce.Do(func() {
		j.failure = err
		close(j.failed)
	})
}

// Close waits for the appends under way, marks the end and closes the files.
func (j *Journal) Close() error {
	j.mu.Lock()
	first := !j.shut
	j.shut = true
	j.mu.Unlock()
	if !first {
		return nil
	}
	close(j.stop)
	j.stopped.Wait()
	return j.closeFiles()
}

func (j *Journal) closeFiles() (err error) {
	for _, s := range j.segments {
		err = errors.Join(err, s.f.Close())
	}
	return errors.Join(err, j.lock.Close())
}
