package audit

import (
	"encoding/json"
	"time"

	"surety/kernel/ident"
)

// Outcome says what became of an act.
type Outcome string

// The outcomes. A refused attempt is recorded like one that went through.
const (
	Done    Outcome = "done"
	Refused Outcome = "refused"
	Read    Outcome = "read"
)

// Entry is one act to record.
type Entry struct {
	Act     string // "claim.file"
	Object  ident.ID
	Actor   ident.Actor // kind and id are kept, the name is not
	Outcome Outcome
	// Detail is anything JSON can hold. It is kept beside the log with a salt;
	// the log itself holds only SHA-256(salt‖detail), so that it can be erased.
	// One entry may carry many sub-acts here (a batch of payment decisions).
	Detail any
}

// Record is an entry as it was recorded.
type Record struct {
	Index     int64           `json:"index"` // place in the log, from 0, without gaps
	ID        ident.ID        `json:"id"`
	At        time.Time       `json:"at"`
	Act       string          `json:"act"`
	Object    ident.ID        `json:"object"`
	ActorKind ident.ActorKind `json:"actor_kind"`
	Actor     ident.ID        `json:"actor"`
	Outcome   Outcome         `json:"outcome"`
	Detail    json.RawMessage `json:"detail,omitempty"` // nil if there is none or it was erased
	Erased    bool            `json:"erased,omitempty"`
}

// Filter chooses records; a zero field chooses all.
type Filter struct {
	Actor   ident.ID
	Act     string
	Object  ident.ID
	Outcome Outcome
	From    time.Time // at or after
	To      time.Time // before
	Before  int64     // only entries of a smaller index: the page after; 0 for the newest
	Limit   int       // 100 if zero, at most 1000
}
