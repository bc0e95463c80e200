package risk

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"hash/crc32"
	"io"

	"surety/kernel/ident"
)

// A snapshot is a head and the memory behind it:
//
//	magic, length of the head (4 bytes), CRC-32C of the head (4 bytes), head, memory
//
// The head is JSON; the memory guards itself.
const (
	magic       = "SURETYR1"
	maxHeadSize = 256 << 20
)

// head says which memory follows, and what was counted by the day.
type head struct {
	Layout string            `json:"layout"`
	Pack   string            `json:"pack"` // for people: the pack that ran
	Days   map[int64]*dayUse `json:"days"`
	Stops  map[string]int64  `json:"stops"`
}

// Snapshot writes the memory and the counts of the last days. Payments wait while
// it runs: give it a writer that is quick. What is told twice counts once, so a
// journal may be replayed from any place before the snapshot.
func (en *Engine) Snapshot(w io.Writer) error {
	en.mu.Lock()
	defer en.mu.Unlock()
	h := head{Layout: en.run.pack.shape, Pack: en.run.pack.version.String(), Days: en.use.days, Stops: map[string]int64{}}
	for id, n := range en.use.stops {
		h.Stops[id] = n
	}
	if en.stops != nil {
		for _, s := range en.stops.all {
			h.Stops[s.ID] = s.used.Load()
		}
	}
	text, err := json.Marshal(h)
	if err != nil {
		return ident.E(ident.KindInternal, "snapshot_head", "the head of the snapshot could not be written").Because(err)
	}
	b := append([]byte(nil), magic...)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(text)))
	b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(text, crc32.MakeTable(crc32.Castagnoli)))
	if _, err := w.Write(append(b, text...)); err != nil {
		return err
	}
	return en.run.store.Snapshot(w)
}

// Restore takes the memory of a snapshot in place of the one there is. One that
// is cut, changed, or of another layout (code "layout_differs") is refused, and
// nothing changes: the caller then replays its journal.
func (en *Engine) Restore(r io.Reader) error {
	h, err := readHead(r)
	if err != nil {
		return err
	}
	en.mu.Lock()
	defer en.mu.Unlock()
	if en.next != nil {
		return ident.E(ident.KindConflict, "publishing", "a pack is being published; its memory cannot be restored now")
	}
	if h.Layout != en.run.pack.shape {
		return ident.E(ident.KindConflict, "layout_differs", "the snapshot was taken by %s, whose memory has another shape than that of %s",
			h.Pack, en.run.pack.version)
	}
	next, err := en.start(en.run.pack)
	if err != nil {
		return err
	}
	if err := next.store.Restore(r); err != nil {
		return err
	}
	next.champion, next.challengers = en.run.champion, en.run.challengers
	en.run = next
	en.use.mu.Lock()
	defer en.use.mu.Unlock()
	en.use.days, en.use.stops = h.Days, h.Stops
	if en.stops != nil {
		for _, s := range en.stops.all {
			s.used.Store(max(s.used.Load(), h.Stops[s.ID]))
		}
	}
	return nil
}

func readHead(r io.Reader) (head, error) {
	var h head
	damaged := func(why string, err error) error {
		return ident.Invalid("snapshot", "snapshot_damaged", "the snapshot cannot be used: %s", why).Because(err)
	}
	begin := make([]byte, len(magic)+8)
	if _, err := io.ReadFull(r, begin); err != nil {
		return h, damaged("it is cut in its first bytes", err)
	}
	if string(begin[:len(magic)]) != magic {
		return h, damaged("it does not begin as one", nil)
	}
	size, sum := binary.LittleEndian.Uint32(begin[len(magic):]), binary.LittleEndian.Uint32(begin[len(magic)+4:])
	if size > maxHeadSize {
		return h, damaged("its head is too long", nil)
	}
	var text bytes.Buffer // grows with what is there: a false length must not take the memory
	if n, err := io.CopyN(&text, r, int64(size)); n != int64(size) {
		return h, damaged("it is cut in its head", err)
	}
	if crc32.Checksum(text.Bytes(), crc32.MakeTable(crc32.Castagnoli)) != sum {
		return h, damaged("its head was changed", nil)
	}
	if err := json.Unmarshal(text.Bytes(), &h); err != nil {
		return h, damaged("its head cannot be read", err)
	}
	for _, d := range h.Days {
		if d == nil || d.Counted == nil || d.Fired == nil || d.Stopped == nil {
			return h, damaged("its head lacks counts", nil)
		}
	}
	return h, nil
}
