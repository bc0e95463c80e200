package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"

	"surety/sim"
)

type simCmd struct {
	Runs  int    `help:"How many lives." default:"100"`
	Seed  uint64 `help:"Of the first; the others count on from it. A random one if 0."`
	Steps int    `help:"Acts of each life." default:"80"`
	JSON  bool   `help:"Print one JSON object."`
}

// simSum is what came of all lives.
type simSum struct {
	Runs     int      `json:"runs"`
	Seed     uint64   `json:"seed"` // of the first
	Calls    int      `json:"calls"`
	Refused  int      `json:"refused_as_foreseen"`
	Faults   int      `json:"faults"`
	Restarts int      `json:"restarts"`
	Claims   int      `json:"claims"`
	Payouts  int      `json:"payouts"`
	Settled  int      `json:"settled"`
	Rejected int      `json:"rejected"`
	Paid     int64    `json:"paid_minor"`
	Problems []string `json:"problems"`
	Seconds  float64  `json:"seconds"` // of all lives, added up
}

func (s *simSum) add(r sim.Report) {
	s.Runs++
	s.Calls += r.Calls
	s.Refused += r.Refused
	s.Faults += r.Faults
	s.Restarts += r.Restarts
	s.Claims += r.Claims
	s.Payouts += r.Payouts
	s.Settled += r.Settled
	s.Rejected += r.Rejected
	s.Paid += r.Paid
	s.Seconds += r.Seconds
	s.Problems = append(s.Problems, r.Problems...)
}

// Run lives random lives and prints what the auditor found; a problem names the
// seed that shows it again.
func (c *simCmd) Run(e *env) error {
	if c.Seed == 0 {
		c.Seed = rand.Uint64() >> 16
	}
	sum, err := c.live(e)
	if err != nil {
		return err
	}
	if c.JSON {
		if err := e.print(sum); err != nil {
			return err
		}
	} else {
		fmt.Fprintf(e.out, "%d lives from seed %d: %d calls, %d faults, %d restarts.\n", sum.Runs, sum.Seed, sum.Calls, sum.Faults, sum.Restarts)
		fmt.Fprintf(e.out, "%d claims, %d payouts: %d settled, %d rejected.\n", sum.Claims, sum.Payouts, sum.Settled, sum.Rejected)
		for _, p := range sum.Problems {
			fmt.Fprintf(e.out, "  FOUND  %s\n", p)
		}
		if len(sum.Problems) == 0 {
			fmt.Fprintln(e.out, "The auditor agrees with every balance, every payout and every claim.")
		}
	}
	if len(sum.Problems) > 0 {
		return errQuiet
	}
	return nil
}

// live runs the lives, as many at once as there are processors. The first that
// cannot be lived ends it.
func (c *simCmd) live(e *env) (simSum, error) {
	ctx, stop := context.WithCancelCause(e.ctx)
	defer stop(nil)
	bar := newBar(e.err, "lives")
	sum := simSum{Seed: c.Seed, Problems: []string{}}
	seeds := make(chan uint64)
	var mu sync.Mutex
	var all sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		all.Go(func() {
			for seed := range seeds {
				rep, err := sim.Run(ctx, sim.Config{Seed: seed, Steps: c.Steps})
				if err != nil {
					stop(err)
					continue
				}
				mu.Lock()
				sum.add(rep)
				bar.set(sum.Runs, c.Runs)
				mu.Unlock()
			}
		})
	}
	for n := range c.Runs {
		select {
		case seeds <- c.Seed + uint64(n):
		case <-ctx.Done():
		}
	}
	close(seeds)
	all.Wait()
	bar.done()
	return sum, context.Cause(ctx)
}
