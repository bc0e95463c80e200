package sim

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"surety/app"
	"surety/domain/fund"
	"surety/kernel/ident"
)

// CrashConfig is what Crash needs.
type CrashConfig struct {
	Rounds  int    // pay-outs to live through
	Seed    uint64 // of every choice
	Victims int    // people of the incident; 12 if zero
	// Postgres is a URL of a server on which databases may be made; "" is SQLite.
	Postgres string
	// Power forgets what was written and not synced, too. SQLite only; needs strace.
	Power bool
	// Dir is where the houses stand; a temporary folder if "".
	Dir string
	// Command starts a process that calls Child(spec, stdin, stdout).
	Command func(spec string) *exec.Cmd
	// Progress is told after each round; nil for silence.
	Progress func(done, total int)

	work string // what the child does; "pay" if ""
	sync string // of the bare control
}

// CrashReport is what came of it. Everything but the first group must be zero.
type CrashReport struct {
	Rounds  int     `json:"rounds"`
	Lives   int     `json:"lives"` // processes started
	Kills   int     `json:"kills"` // of them killed
	Acks    int     `json:"acks"`  // acts that were acknowledged, and looked for after the restart
	Paid    int     `json:"people_paid"`
	Dropped int     `json:"writes_dropped"` // un-synced writes that a power loss forgot
	Torn    int     `json:"writes_torn"`    // un-synced writes of which a part was kept
	Seed    uint64  `json:"seed"`
	Seconds float64 `json:"seconds"`

	Lost        int      `json:"acks_lost"`
	PaidTwice   int      `json:"paid_twice"`
	NotPaid     int      `json:"not_paid"`
	NotVerified int      `json:"not_verified"`
	Problems    []string `json:"problems"`
}

// OK reports that nothing was lost and everybody was paid exactly once.
func (r CrashReport) OK() bool {
	return r.Lost+r.PaidTwice+r.NotPaid+r.NotVerified == 0 && len(r.Problems) == 0
}

// maxProblems bounds how many are told.
const maxProblems = 20

func (r *CrashReport) problem(format string, args ...any) {
	if len(r.Problems) < maxProblems {
		r.Problems = append(r.Problems, fmt.Sprintf(format, args...))
	}
}

// Crash prepares an incident once, and then lets a child pay it out from a copy,
// round after round, killing it at random points until a last life may end. What
// each life acknowledged is looked for in the next; at the end everybody must
// have been paid exactly once, in the books and at the bank.
func Crash(ctx context.Context, cfg CrashConfig) (rep CrashReport, err error) {
	if cfg.Command == nil || cfg.Rounds <= 0 {
		return rep, errors.New("crash: Command and Rounds are needed")
	}
	if cfg.Power && cfg.Postgres != "" {
		return rep, errors.New("crash: power loss is played on SQLite only: PostgreSQL's pages are written by its own server")
	}
	if cfg.Victims == 0 {
		cfg.Victims = 12
	}
	if cfg.work == "" {
		cfg.work = "pay"
	}
	if cfg.Power {
		if err := haveStrace(); err != nil {
			return rep, err
		}
	}
	if cfg.Dir == "" {
		if cfg.Dir, err = os.MkdirTemp("", "surety-crash-"); err != nil {
			return rep, err
		}
		defer os.RemoveAll(cfg.Dir)
	}
	began := ident.WallClock{}.Now()
	c := &crash{cfg: cfg, rnd: rand.New(rand.NewPCG(cfg.Seed, 1)), rep: &rep}
	rep.Seed, rep.Problems = cfg.Seed, []string{}
	defer c.close(ctx)
	if err := c.template(ctx); err != nil {
		return rep, err
	}
	for n := range cfg.Rounds {
		if err := ctx.Err(); err != nil {
			return rep, err
		}
		if err := c.round(ctx, n); err != nil {
			return rep, fmt.Errorf("seed %d, round %d: %w", cfg.Seed, n, err)
		}
		rep.Rounds++
		if cfg.Progress != nil {
			cfg.Progress(n+1, cfg.Rounds)
		}
	}
	rep.Seconds = time.Since(began).Seconds()
	return rep, nil
}

// crash is one call of Crash under way.
type crash struct {
	cfg  CrashConfig
	rnd  *rand.Rand
	rep  *CrashReport
	span time.Duration // how long a whole life takes after its start
	pg   *pgCopies
}

func (c *crash) close(ctx context.Context) {
	if c.pg != nil {
		c.pg.close(ctx)
	}
}

func (c *crash) tpl() string { return filepath.Join(c.cfg.Dir, "template") }

// bare reports that a control is at work that has no house.
func (c *crash) bare() bool { return c.cfg.work == "bare" }

// template makes the prepared house, and lives once undisturbed for the time it takes.
func (c *crash) template(ctx context.Context) (err error) {
	if err := os.MkdirAll(c.tpl(), 0o700); err != nil || c.bare() {
		c.span = 60 * time.Millisecond
		return err
	}
	url := ""
	if c.cfg.Postgres != "" {
		if c.pg, err = newPGCopies(ctx, c.cfg.Postgres); err != nil {
			return err
		}
		url = c.pg.template()
	}
	a, err := app.Open(ctx, app.Config{Dir: c.tpl(), DB: url, Clock: ident.NewManualClock(start)})
	if err != nil {
		return err
	}
	if err := errors.Join(prepare(ctx, a, c.cfg.Victims), a.Close()); err != nil {
		return err
	}
	c.span = 150 * time.Millisecond
	if c.cfg.work != "pay" {
		return nil
	}
	r, err := c.newRound(ctx, -1)
	if err != nil {
		return err
	}
	defer r.end(ctx)
	if _, err := r.life(ctx, -1); err != nil {
		return err
	}
	c.span = r.lasted
	return nil
}

// round is one pay-out, from the copied template to everybody paid. One that was
// quicker than the first kill is lived again: a round has a kill.
func (c *crash) round(ctx context.Context, n int) error {
	for range 50 {
		before := c.rep.Kills
		if err := c.payOut(ctx, n); err != nil || c.rep.Kills > before {
			return err
		}
		c.span = c.span * 9 / 10
	}
	return errors.New("no kill comes before the end")
}

func (c *crash) payOut(ctx context.Context, n int) error {
	r, err := c.newRound(ctx, n)
	if err != nil {
		return err
	}
	defer r.end(ctx)
	kills := 1 + c.rnd.IntN(3)
	for {
		wait := time.Duration(-1)
		if kills > 0 {
			wait = time.Duration(c.rnd.Int64N(int64(c.span)))
		}
		kills--
		done, err := r.life(ctx, wait)
		if err != nil {
			return err
		}
		if done {
			break
		}
		if r.lives > 20 {
			return errors.New("the pay-out does not end")
		}
	}
	if c.cfg.work != "pay" {
		return nil
	}
	return r.check(ctx)
}

// round is the state of one pay-out over its lives.
type round struct {
	*crash
	n, lives int
	dir      string
	desk     string
	db       string
	bank     fund.Bank
	acks     map[string]bool // what was acknowledged, in any life
	size     int64           // of the audit log, as last acknowledged
	lasted   time.Duration
	disk     *disk // what would survive a power loss; nil without Power
}

func (c *crash) newRound(ctx context.Context, n int) (*round, error) {
	r := &round{crash: c, n: n, acks: map[string]bool{}}
	at := filepath.Join(c.cfg.Dir, "round-"+strconv.Itoa(n))
	r.dir, r.desk = filepath.Join(at, "house"), filepath.Join(at, "desk")
	if err := os.MkdirAll(r.desk, 0o700); err != nil {
		return nil, err
	}
	if err := copyDir(c.tpl(), r.dir); err != nil {
		return nil, err
	}
	if c.pg != nil {
		url, err := c.pg.copy(ctx, "round_"+strconv.Itoa(n+1))
		if err != nil {
			return nil, err
		}
		r.db = url
	}
	if c.cfg.Power {
		d, err := readDisk(r.dir)
		if err != nil {
			return nil, err
		}
		r.disk = d
	}
	return r, nil
}

// copyDir copies a house that is closed; its keys stay the owner's alone.
func copyDir(from, to string) error {
	return filepath.WalkDir(from, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		at := filepath.Join(to, strings.TrimPrefix(path, from))
		if e.IsDir() {
			return os.MkdirAll(at, 0o700)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(at, b, 0o600)
	})
}

func (r *round) end(ctx context.Context) {
	if r.pg != nil {
		r.pg.drop(ctx, "round_"+strconv.Itoa(r.n+1))
	}
	os.RemoveAll(filepath.Dir(r.dir))
}

// lifeEnds is how long a life may take before the round is given up.
const lifeEnds = time.Minute

// life starts a child and kills it wait after its start; never if wait is
// negative. done reports that it came to its end.
func (r *round) life(ctx context.Context, wait time.Duration) (done bool, err error) {
	s := spec{Work: r.cfg.work, Dir: r.dir, DB: r.db, Desk: r.desk, Life: r.lives, Sync: r.cfg.sync,
		Now: start.Add(time.Hour + time.Duration(r.lives)*5*time.Minute)} // leases of the dead have run out
	r.lives++
	r.rep.Lives++
	text, err := json.Marshal(s)
	if err != nil {
		return false, err
	}
	ctx, cancel := context.WithTimeout(ctx, lifeEnds)
	defer cancel()
	cmd := r.cfg.Command(string(text))
	trace := filepath.Join(filepath.Dir(r.dir), "trace")
	if r.disk != nil {
		cmd = traced(cmd, trace)
	}
	c, err := begin(ctx, cmd)
	if err != nil {
		return false, err
	}
	killed, done, err := r.listen(c, wait)
	failed := c.wait()
	if err != nil {
		return false, err
	}
	if killed {
		r.rep.Kills++
	}
	if !done && !killed {
		return false, fmt.Errorf("the child ended by itself: %w: %s", failed, c.stderr)
	}
	if r.disk != nil {
		if err := r.powerLoss(trace); err != nil {
			return false, err
		}
	}
	return done, nil
}

// listen reads what the child says until its end, plays the bank, and kills.
func (r *round) listen(c *child, wait time.Duration) (killed, done bool, err error) {
	was, began := map[string]bool{}, time.Time{}
	var kill <-chan time.Time
	for {
		select {
		case <-kill:
			c.kill()
			killed, kill = true, nil
		case line, open := <-c.lines:
			if !open {
				return killed, done, nil
			}
			verb, rest, _ := strings.Cut(line, " ")
			switch verb {
			case "born":
				var pid int64
				pid, err = strconv.ParseInt(rest, 10, 64)
				c.pid.Store(pid)
			case "was":
				r.found(rest, was)
			case "start":
				r.lookForLost(was)
				began = ident.WallClock{}.Now()
				if wait >= 0 {
					kill = time.After(wait)
				}
			case "ack":
				r.acked(rest)
			case "bank":
				err = r.answer(c, rest)
			case "done":
				r.lasted, done = time.Since(began), true
			case "failed":
				if !killed {
					err = errors.New("the child failed: " + rest)
				}
			}
			if err != nil {
				c.kill()
				return killed, done, err
			}
		}
	}
}

func (r *round) acked(fact string) {
	r.rep.Acks++
	if size, ok := strings.CutPrefix(fact, "audit "); ok {
		if n, err := strconv.ParseInt(size, 10, 64); err == nil {
			r.size = max(r.size, n)
		}
		return
	}
	r.acks[fact] = true
}

func (r *round) found(fact string, was map[string]bool) {
	if size, ok := strings.CutPrefix(fact, "audit "); ok {
		if n, err := strconv.ParseInt(size, 10, 64); err == nil && n < r.size {
			r.rep.Lost++
			r.rep.problem("round %d, life %d: the audit log had %d entries and has %d", r.n, r.lives, r.size, n)
		}
		return
	}
	was[fact] = true
}

// lookForLost compares what was acknowledged with what a life found at its start.
func (r *round) lookForLost(was map[string]bool) {
	for fact := range r.acks {
		if !was[fact] {
			r.rep.Lost++
			r.rep.problem("round %d, life %d: acknowledged and gone: %s", r.n, r.lives, fact)
		}
	}
}

// answer plays the bank: it pays what it has not seen and answers every time.
func (r *round) answer(c *child, name string) error {
	file, err := os.ReadFile(filepath.Join(r.dir, "bank", "out", name))
	if err != nil {
		return err
	}
	answer, err := r.bank.AnswerAll(file, nil, start.Add(2*time.Hour))
	if err != nil {
		return fmt.Errorf("the bank refuses %s: %w", name, err)
	}
	if err := os.WriteFile(filepath.Join(r.desk, name), answer, 0o600); err != nil {
		return err
	}
	_, _ = io.WriteString(c.stdin, "answered\n") // it may have been killed meanwhile
	return nil
}

// check is the end of a round: everybody was paid exactly once, the bank and the
// books agree, and the house verifies.
func (r *round) check(ctx context.Context) error {
	a, err := app.Open(ctx, app.Config{Dir: r.dir, DB: r.db, Clock: ident.NewManualClock(start.Add(12 * time.Hour))})
	if err != nil {
		return err
	}
	return errors.Join(r.everybodyOnce(ctx, a), r.verified(ctx, a), a.Close())
}

func (r *round) verified(ctx context.Context, a *app.App) error {
	v, err := a.Verify(ctx)
	if err != nil {
		return err
	}
	if !v.OK {
		r.rep.NotVerified++
		r.rep.problem("round %d: %v %v %v", r.n, v.Problems, v.Books.Problems, v.Audit.Problems)
	}
	return nil
}

func (r *round) everybodyOnce(ctx context.Context, a *app.App) error {
	paid, err := paidInBooks(ctx, a)
	if err != nil {
		return err
	}
	atBank := map[string]int{}
	for _, id := range r.bank.Paid() {
		atBank[id]++
	}
	p, err := hire(ctx, a)
	if err != nil {
		return err
	}
	_, vs, err := a.Incident.View(ctx, p.lead, incidentID)
	if err != nil {
		return err
	}
	for _, v := range vs {
		books, bank := paid[v.Payout], atBank[v.Payout]
		switch {
		case books == 1 && bank == 1:
			r.rep.Paid++
		case books > 1 || bank > 1:
			r.rep.PaidTwice++
			r.rep.problem("round %d: %s was paid %d times in the books, %d at the bank", r.n, v.ID, books, bank)
		default:
			r.rep.NotPaid++
			r.rep.problem("round %d: %s was paid %d times in the books, %d at the bank", r.n, v.ID, books, bank)
		}
		delete(paid, v.Payout)
		delete(atBank, v.Payout)
	}
	for id := range atBank {
		r.rep.PaidTwice++
		r.rep.problem("round %d: the bank paid %s, which is nobody's", r.n, id)
	}
	for id := range paid {
		r.rep.PaidTwice++
		r.rep.problem("round %d: the books paid %s, which is nobody's", r.n, id)
	}
	return nil
}

// child is a running child.
type child struct {
	cmd    *exec.Cmd
	pid    atomic.Int64 // of the process that works, not of what watches it
	lines  chan string
	stdin  io.WriteCloser
	stderr *bytes.Buffer
}

func begin(ctx context.Context, cmd *exec.Cmd) (*child, error) {
	c := &child{cmd: cmd, lines: make(chan string, 64), stderr: new(bytes.Buffer)}
	cmd.Stderr = c.stderr
	var err error
	if c.stdin, err = cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, c.kill)
	go func() {
		defer stop()
		defer close(c.lines)
		sc := bufio.NewScanner(out)
		for sc.Scan() {
			c.lines <- sc.Text()
		}
	}()
	return c, nil
}

// kill ends the child as a power switch does: nothing of it runs any more.
func (c *child) kill() {
	if pid := int(c.pid.Load()); pid != 0 && pid != c.cmd.Process.Pid {
		_ = syscall.Kill(pid, syscall.SIGKILL) // the watched one; the watcher ends with it
		return
	}
	_ = c.cmd.Process.Kill()
}

func (c *child) wait() error {
	for range c.lines { // what it said last
	}
	return c.cmd.Wait()
}
