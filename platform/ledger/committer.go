package ledger

import (
	"context"
	"runtime"
	"sync"

	"surety/kernel/ident"
	"surety/platform/db"
)

// maxGather bounds the transfers of one coalesced batch.
const maxGather = 512

// maxYields is how often in vain gather lets others run before it goes on.
const maxYields = 3

// Committer books the independent transfers of many callers in set-based
// batches, each caller with an outcome of its own. It is for callers who do
// nothing else in the same transaction; an act of the domain, which audits and
// queues too, uses db.Update and Ledger.Transfer.
type Committer struct {
	ledger *Ledger
	db     *db.DB
	calls  chan *call
	done   sync.WaitGroup

	mu     sync.RWMutex // held for reading while a call is handed in
	closed bool         // guarded by mu; then calls is closed
}

// call is one caller's transfers on their way.
type call struct {
	ts  []Transfer
	out chan error // buffered, 1
}

// NewCommitter starts a committer on d. Close it before d.
func NewCommitter(l *Ledger, d *db.DB) (*Committer, error) {
	if l == nil || d == nil {
		return nil, ident.E(ident.KindInternal, "ledger_config", "a committer needs a ledger and a database")
	}
	c := &Committer{ledger: l, db: d, calls: make(chan *call, maxGather)}
	// SQLite has one writer, and larger batches serve it best. On PostgreSQL one
	// batch is judged while another becomes durable, as db.Update does it.
	flights := 1
	if d.Dialect() == db.Postgres {
		flights = 2
	}
	for range flights {
		c.done.Add(1)
		go c.run()
	}
	return c, nil
}

// Transfer books ts, all or nothing, and returns once that is durable. Its
// errors are those of Ledger.Transfer and of db.Update.
func (c *Committer) Transfer(ctx context.Context, ts ...Transfer) error {
	if len(ts) == 0 {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	ready, err := c.ledger.prepare(ts)
	if err != nil {
		return err
	}
	if !orderFree(ready) {
		return c.alone(ctx, ready)
	}
	mine := &call{ts: ready, out: make(chan error, 1)}
	if err := c.hand(ctx, mine); err != nil {
		return err
	}
	return <-mine.out
}

// hand gives a call to the committer; after Close it never gets in.
func (c *Committer) hand(ctx context.Context, k *call) error {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.closed {
		return ident.E(ident.KindUnavailable, "closing", "the ledger is closing; nothing was written")
	}
	select {
	case c.calls <- k:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// orderFree reports whether the call can be put in some order among others
// whatever they are: one transfer, or no holds given back (two calls that each
// give back what the other takes would have no order).
func orderFree(ts []Transfer) bool {
	if len(ts) == 1 {
		return true
	}
	for _, t := range ts {
		if t.Kind == Post || t.Kind == Void {
			return false
		}
	}
	return len(ts) <= maxGather
}

// alone books one call as an act of its own.
func (c *Committer) alone(ctx context.Context, ts []Transfer) error {
	return c.db.Update(ctx, func(tx *db.Tx) error {
		return within(tx, func() error {
			_, err := c.ledger.apply(tx, ts, guardTotal)
			return err
		})
	})
}

// Close waits for the calls under way.
func (c *Committer) Close() {
	c.mu.Lock()
	if !c.closed {
		c.closed = true
		close(c.calls)
	}
	c.mu.Unlock()
	c.done.Wait()
}

func (c *Committer) run() {
	defer c.done.Done()
	for first := range c.calls {
		c.flush(c.gather(first))
	}
}

// gather takes what is already waiting, and yields to callers who have just had
// their answer and are about to ask again; it never waits for time to pass.
func (c *Committer) gather(first *call) []*call {
	calls, n := []*call{first}, len(first.ts)
	for yields := 0; n < maxGather; {
		select {
		case next, open := <-c.calls:
			if !open {
				return calls
			}
			calls = append(calls, next)
			n += len(next.ts)
			yields = 0
		default:
			if yields++; yields > maxYields {
				return calls
			}
			runtime.Gosched()
		}
	}
	return calls
}

// flush books calls as one batch; if one of them is refused, each is booked by
// itself, still in one physical transaction, to learn which.
func (c *Committer) flush(calls []*call) {
	if len(calls) == 1 {
		calls[0].out <- c.alone(context.Background(), calls[0].ts)
		return
	}
	var all []Transfer
	for _, k := range calls {
		all = append(all, k.ts...)
	}
	err := c.db.Update(context.Background(), func(tx *db.Tx) error {
		_, err := c.ledger.apply(tx, all, guardEach)
		return err
	})
	switch ident.KindOf(err) {
	case "", ident.KindUnknown, ident.KindUnavailable:
		for _, k := range calls {
			k.out <- err
		}
		return
	}
	var each sync.WaitGroup
	for _, k := range calls {
		each.Add(1)
		go func() {
			defer each.Done()
			k.out <- c.alone(context.Background(), k.ts)
		}()
	}
	each.Wait()
}
