package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"

	"surety/sim"
)

type crashCmd struct {
	Rounds  int    `help:"How many pay-outs to live through." default:"200"`
	Victims int    `help:"How many people each pays." default:"12"`
	DB      string `help:"URL of a PostgreSQL server on which databases may be made; SQLite files if empty." env:"SURETY_BENCH_PG"`
	Power   bool   `help:"Lose the power, not only the process: what was not synced is forgotten (SQLite; needs strace)."`
	Seed    uint64 `help:"Of every choice; a random one if 0."`
	JSON    bool   `help:"Print one JSON object."`
	Child   string `hidden:"" help:"What a process does that will be killed."`
}

// Run kills a pay-out at random points, round after round, and checks each time
// that everybody is paid exactly once and nothing acknowledged is lost.
func (c *crashCmd) Run(e *env) error {
	if c.Child != "" {
		if sim.Child(c.Child, os.Stdin, e.out) != 0 {
			return errQuiet
		}
		return nil
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	if c.Seed == 0 {
		c.Seed = rand.Uint64()
	}
	cfg := sim.CrashConfig{Rounds: c.Rounds, Victims: c.Victims, Seed: c.Seed, Power: c.Power,
		Command: func(spec string) *exec.Cmd { return exec.Command(self, "crash", "--child", spec) }}
	if !c.Power {
		cfg.Postgres = c.DB
	}
	bar := newBar(e.err, "rounds")
	cfg.Progress = bar.set
	rep, err := sim.Crash(e.ctx, cfg)
	bar.done()
	if err != nil {
		return err
	}
	if c.JSON {
		if err := e.print(rep); err != nil {
			return err
		}
	} else {
		c.tell(e, rep)
	}
	if !rep.OK() {
		return errQuiet
	}
	return nil
}

func (c *crashCmd) tell(e *env, r sim.CrashReport) {
	what := "killed"
	if c.Power {
		what = "lost to a power cut"
	}
	fmt.Fprintf(e.out, "%d pay-outs, %d processes started, %d of them %s in %.0f s (seed %d).\n",
		r.Rounds, r.Lives, r.Kills, what, r.Seconds, r.Seed)
	fmt.Fprintf(e.out, "People paid exactly once   %d\n", r.Paid)
	fmt.Fprintf(e.out, "Paid twice                 %d\n", r.PaidTwice)
	fmt.Fprintf(e.out, "Not paid                   %d\n", r.NotPaid)
	fmt.Fprintf(e.out, "Acknowledged acts          %d\n", r.Acks)
	fmt.Fprintf(e.out, "Acknowledged acts lost     %d\n", r.Lost)
	fmt.Fprintf(e.out, "Houses that do not verify  %d\n", r.NotVerified)
	if c.Power {
		fmt.Fprintf(e.out, "Un-synced writes forgotten %d, torn %d\n", r.Dropped, r.Torn)
	}
	for _, p := range r.Problems {
		fmt.Fprintf(e.out, "  FOUND  %s\n", p)
	}
}
