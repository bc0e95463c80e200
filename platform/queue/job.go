package queue

import (
	"encoding/json"
	"time"

	"surety/kernel/ident"
)

// Job is what a handler gets.
type Job struct {
	ID      string          // "job_…"
	Kind    string          // names the handler, "payout.settled"
	Key     string          // unique within the kind; chosen by whoever put it
	Body    json.RawMessage // as it was put
	Due     time.Time       // when it became, or becomes, due; moved by each retry
	Attempt int             // which try this is: 1 is the first
}

// Decode reads the body into v. Fields that v does not have are passed over, so
// that an older process can read the jobs of a newer one.
func (j Job) Decode(v any) error {
	if err := json.Unmarshal(j.Body, v); err != nil {
		return ident.E(ident.KindInternal, "job_body", "the body of job %s (%s) cannot be read", j.ID, j.Kind).Because(err)
	}
	return nil
}

// State is where a job stands; the table is in the package comment.
type State string

// The states.
const (
	Ready  State = "ready"  // waits for its due time, or for a worker
	Leased State = "leased" // an outside handler is at it
	Done   State = "done"   // finished
	Dead   State = "dead"   // failed too often; a person must look
)

// Entry is a job as the console shows it.
type Entry struct {
	Job
	State       State
	Failures    int       // tries that ended in an error
	Lapses      int       // leases that ran out: the process stopped in the middle
	LeasedUntil time.Time // zero unless leased
	LastError   string    // "" if no try failed; kept after a later success
	Created     time.Time
	Ended       time.Time // when it became done or dead; zero before
	Handled     bool      // this process has a handler for the kind

	owner string // the id of the lease
}

// Count is how many jobs of a kind are in a state.
type Count struct {
	Kind    string
	State   State
	Jobs    int
	Oldest  time.Time // the earliest due time among them: how late the work is
	Handled bool      // this process has a handler for the kind
}

// Filter selects jobs for List. The zero Filter selects the newest 100.
type Filter struct {
	Kind  string // "" for all
	State State  // "" for all
	After string // the last id of the page before, "" for the first page
	Limit int    // 1 to 1000; 100 if zero
}
