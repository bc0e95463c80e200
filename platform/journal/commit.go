package journal

import (
	"errors"
	"io"
	"syscall"
	"time"

	"surety/kernel/ident"
)

// restTime is how long the journal rests before an empty group proves that the
// last one was acknowledged.
const restTime = time.Second

// writer is what only the committer touches.
type writer struct {
	active   *segment
	off      int64     // where the next group goes
	began    time.Time // when the active segment began to be filled
	unproved bool      // the last group is not empty
	buf      []byte
	next     chan made // the segment being made, nil if none is
}

// made is a segment that another goroutine has made while the committer went on.
type made struct {
	s   *segment
	err error
}

func (j *Journal) startCommitter() {
	j.stopped.Add(1)
	go func() {
		defer j.stopped.Done()
		j.run()
	}()
}

// run commits until Close.
func (j *Journal) run() {
	rest := time.NewTimer(restTime)
	defer rest.Stop()
	for {
		select {
		case <-j.wake:
			for ws := j.take(); len(ws) > 0; ws = j.take() {
				j.commit(ws)
			}
			rest.Reset(restTime)
		case <-rest.C:
			j.prove()
		case <-j.stop:
			for ws := j.take(); len(ws) > 0; ws = j.take() {
				j.commit(ws)
			}
			j.prove()
			j.discardNext()
			return
		}
	}
}

// take is what waits now, at most a group full.
func (j *Journal) take() []*waiter {
	j.mu.Lock()
	defer j.mu.Unlock()
	n, size := 0, int64(0)
	for n < len(j.waiting) && (n == 0 || groupSize(size+j.waiting[n].size) <= min(maxGroup, j.size/2)) {
		size += j.waiting[n].size
		n++
	}
	ws := j.waiting[:n:n]
	if j.waiting = j.waiting[n:]; len(j.waiting) == 0 {
		j.waiting = nil
	}
	return ws
}

// commit writes one group and answers those who wait for it.
func (j *Journal) commit(ws []*waiter) {
	err := j.Failure()
	if err != nil {
		err = unavailable(err)
	} else {
		err = j.write(ws)
	}
	for _, w := range ws {
		w.done <- err
	}
}

// prove follows the last group with an empty one: damage to it is damage from now
// on, and not the end of a write that was cut off.
func (j *Journal) prove() {
	if j.unproved && j.Failure() == nil {
		// An error has poisoned the journal; nobody waits for this group.
		_ = j.write(nil)
	}
}

// write is one group. The error has a kind, and says whether it was written.
func (j *Journal) write(ws []*waiter) error {
	var size int64
	count := 0
	for _, w := range ws {
		size += w.size
		count += len(w.records)
	}
	if err := j.room(groupSize(size)); err != nil {
		return err
	}
	at := j.active.start + Position(j.off)
	b := grow(j.buf, groupHeader)
	j.id.putGroup(b, at, group{length: size, count: count})
	for _, w := range ws {
		w.at = at + Position(len(b))
		for i, r := range w.records {
			b = j.id.putRecord(b, at+Position(len(b)), r, w.crcs[i])
		}
	}
	b = append(b, zeros[:groupSize(size)-int64(len(b))]...)
	if j.buf = b; cap(b) > 2*maxGroup {
		j.buf = nil // one very large call does not hold memory for ever
	}
	if err := j.put(b); err != nil {
		return err
	}
	j.unproved = count > 0
	j.prepare()
	return nil
}

// put writes the bytes of a group at the end and makes them durable.
func (j *Journal) put(b []byte) error {
	f := j.faults.next()
	if f.lost != nil {
		return f.lost
	}
	part := b
	if f.torn {
		part = b[:min(f.keep, len(b))]
	}
	_, err := j.active.f.WriteAt(part, j.off)
	if f.torn && err == nil {
		err = io.ErrShortWrite
	}
	if err == nil {
		err = syncData(j.active.f)
	}
	if f.slow > 0 {
		time.Sleep(f.slow)
	}
	if err == nil {
		err = f.mute
	}
	if err != nil {
		j.poison(err)
		return ident.E(ident.KindUnknown, "outcome_unknown",
			"it is not known whether this happened; ask again by its id").Because(err)
	}
	j.off += int64(len(b))
	j.mu.Lock()
	j.end = j.active.start + Position(j.off)
	j.mu.Unlock()
	return nil
}

// prepare has the next segment made while this one fills, in about half of the time
// that is left at the present rate.
func (j *Journal) prepare() {
	if j.next != nil || j.off < j.size/4 {
		return
	}
	j.next = make(chan made, 1)
	j.hurry.Store(false)
	quarter := ident.WallClock{}.Now().Sub(j.began)
	rest := max(0, min(quarter*3/2/time.Duration(j.size/fillPart+1)-time.Millisecond, longestRest))
	start, out := j.active.end(), j.next
	go func() {
		s, err := j.makeSegment(start, rest)
		out <- made{s, err}
	}()
}

// room sees to it that so many bytes fit, and goes on to the next segment if not.
// One sector of each segment is kept for the word that it was ended.
func (j *Journal) room(need int64) error {
	for j.off+need > j.active.size-sector {
		if err := j.roll(); err != nil {
			return err
		}
	}
	return nil
}

// roll ends the segment. The next one is in the folder before that; a crash in
// between leaves it empty.
func (j *Journal) roll() error {
	j.hurry.Store(true)
	if j.next == nil {
		j.next = make(chan made, 1)
		s, err := j.makeSegment(j.active.end(), 0)
		j.next <- made{s, err}
	}
	m := <-j.next
	if m.err != nil {
		j.next = nil
		code, text := "journal_no_room", "the journal cannot get another file; nothing was written"
		if errors.Is(m.err, syscall.ENOSPC) {
			code, text = "disk_full", "the disk is full; nothing was written"
		}
		return ident.E(ident.KindUnavailable, code, "%s", text).Because(m.err)
	}
	b := make([]byte, sector)
	j.id.putGroup(b, j.active.start+Position(j.off), group{flags: flagRoll})
	if err := j.put(b); err != nil {
		j.next <- m
		return err
	}
	j.next, j.active, j.off, j.began = nil, m.s, sector, ident.WallClock{}.Now()
	j.mu.Lock()
	j.segments = append(j.segments, m.s)
	j.mu.Unlock()
	return nil
}

// discardNext waits for a segment that is being made; it stays in the folder,
// empty, and the next Open finds it.
func (j *Journal) discardNext() {
	if j.next == nil {
		return
	}
	j.hurry.Store(true)
	if m := <-j.next; m.err == nil {
		_ = m.s.f.Close() // nothing in it is needed
	}
}
