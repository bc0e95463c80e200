package bench

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"

	"surety/kernel/ident"
)

// pgServer is a PostgreSQL of our own with the settings of the comparison.
type pgServer struct {
	dir string
	cmd *exec.Cmd
	url string
}

// pgBin finds the server's programs.
func pgBin() (string, error) {
	if dir := os.Getenv("SURETY_PG_BIN"); dir != "" {
		return dir, nil
	}
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil || len(found) == 0 {
		return "", ident.Invalid("postgres", "not_installed",
			"PostgreSQL is not installed; it is the yardstick (Debian: apt-get install postgresql, or SURETY_PG_BIN)")
	}
	return filepath.Dir(slices.Max(found)), nil
}

// startPostgres makes and starts one in a folder of its own. It will not run as
// root; then it runs as nobody.
func startPostgres() (s *pgServer, err error) {
	bin, err := pgBin()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("/var/tmp", "spg") // a disk, and a short name for the socket
	if err != nil {
		return nil, err
	}
	s = &pgServer{dir: dir}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	var as *syscall.SysProcAttr
	if os.Geteuid() == 0 {
		u, err := user.Lookup("nobody")
		if err != nil {
			return s, err
		}
		uid, _ := strconv.Atoi(u.Uid)
		gid, _ := strconv.Atoi(u.Gid)
		if err := errors.Join(os.Chmod(dir, 0o700), os.Chown(dir, uid, gid)); err != nil {
			return s, err
		}
		as = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
	}
	init := exec.Command(filepath.Join(bin, "initdb"), "-D", filepath.Join(dir, "d"), "-U", "bench", "-A", "trust",
		"--data-checksums", "--no-sync")
	init.SysProcAttr, init.Dir = as, dir
	if out, err := init.CombinedOutput(); err != nil {
		return s, fmt.Errorf("initdb: %w: %s", err, out)
	}
	args := []string{"-D", filepath.Join(dir, "d"), "-k", dir, "-c", "listen_addresses="}
	for _, set := range []string{"shared_buffers=2GB", "effective_cache_size=8GB", "work_mem=32MB", "max_wal_size=8GB",
		"checkpoint_timeout=15min", "random_page_cost=1.1", "max_connections=200"} {
		args = append(args, "-c", set)
	}
	s.cmd = exec.Command(filepath.Join(bin, "postgres"), args...)
	s.cmd.SysProcAttr, s.cmd.Dir, s.cmd.Stderr = as, dir, io.Discard
	if err := s.cmd.Start(); err != nil {
		return s, err
	}
	s.url = "host=" + dir + " user=bench dbname=postgres"
	for range 500 {
		if c, err := net.Dial("unix", filepath.Join(dir, ".s.PGSQL.5432")); err == nil {
			return s, c.Close()
		}
		time.Sleep(20 * time.Millisecond)
	}
	return s, ident.E(ident.KindUnavailable, "postgres", "PostgreSQL did not start")
}

func (s *pgServer) Close() error {
	if s.cmd != nil && s.cmd.Process != nil {
		_ = s.cmd.Process.Signal(syscall.SIGQUIT) // it may have gone already
		_ = s.cmd.Wait()                          // it was told to quit
	}
	return os.RemoveAll(s.dir)
}

// pgSchema is the best-tuned table: in order of time, with covering indexes.
var pgSchema = []string{
	`create table payments0 (payer int not null, payee int not null, device int not null, amount bigint not null, country smallint not null,
 status smallint not null, ts timestamptz not null, ref uuid not null)`,
	`insert into payments0 select ($2 * power(random(), 2))::int, ($3 * power(random(), 3))::int, ($4 * power(random(), 2))::int,
 (100 + 99900 * power(random(), 4))::bigint, (random() * 40)::smallint, (random() * 3)::smallint,
 timestamptz '2026-01-01' - random() * interval '90 days', gen_random_uuid() from generate_series(1, $1::int)`,
	`create table payments (id bigint generated always as identity primary key, payer int not null, payee int not null, device int not null,
 amount bigint not null, country smallint not null, status smallint not null, ts timestamptz not null, ref uuid not null)`,
	`insert into payments (payer, payee, device, amount, country, status, ts, ref)
 select payer, payee, device, amount, country, status, ts, ref from payments0 order by ts`,
	`drop table payments0`,
	`create index on payments (payer, ts) include (amount, payee)`,
	`create index on payments (payee, ts) include (payer)`,
	`create index on payments (device, ts) include (payer)`,
	`vacuum analyze payments`,
}

// velocitySQL reads eight figures over payer, payee (30 days: hot ones too) and
// device; then the payment is inserted and committed durably.
const velocitySQL = `select a.n1, a.s1, a.s30, a.d30, b.n30, b.d30, c.n1, c.d30 from
 (select count(*) filter (where ts > $4::timestamptz - interval '1 hour') n1,
   coalesce(sum(amount) filter (where ts > $4::timestamptz - interval '1 day'), 0) s1, coalesce(sum(amount), 0) s30,
   count(distinct payee) d30
   from payments where payer = $1 and ts > $4::timestamptz - interval '30 days') a,
 (select count(*) n30, count(distinct payer) d30 from payments where payee = $2 and ts > $4::timestamptz - interval '30 days') b,
 (select count(*) filter (where ts > $4::timestamptz - interval '1 day') n1, count(distinct payer) d30
   from payments where device = $3 and ts > $4::timestamptz - interval '30 days') c`

const insertSQL = `insert into payments (payer, payee, device, amount, country, status, ts, ref)
 values ($1, $2, $3, $4, 1, 1, $5, gen_random_uuid())`

// sqlVelocity is decisions a second of the best-tuned SQL, eight connections.
func sqlVelocity(ctx context.Context, s shape, length time.Duration, tell func(string, int, int)) (rate float64, err error) {
	server, err := startPostgres()
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	d, err := sql.Open("pgx", server.url)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	for n := 0; d.PingContext(ctx) != nil && n < 500; n++ { // the socket is there before the server is
		time.Sleep(20 * time.Millisecond)
	}
	for i, q := range pgSchema {
		tell("steps of PostgreSQL's table", i, len(pgSchema))
		var args []any
		if i == 1 {
			args = []any{s.rows, float64(s.payers), float64(s.payees), float64(s.devices)}
		}
		if _, err := d.ExecContext(ctx, q, args...); err != nil {
			return 0, fmt.Errorf("%.60s: %w", q, err)
		}
	}
	tell("steps of PostgreSQL's table", len(pgSchema), len(pgSchema))
	const callers = 8
	d.SetMaxOpenConns(callers)
	d.SetMaxIdleConns(callers)
	rnd := make([]*rand.Rand, callers)
	for i := range rnd {
		rnd[i] = rand.New(rand.NewPCG(uint64(i), 5))
	}
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	decide := func(who, _ int) error {
		p := s.draw(rnd[who])
		tx, err := d.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		var v [8]int64
		err = tx.QueryRowContext(ctx, velocitySQL, p.payer, p.payee, p.device, now).Scan(&v[0], &v[1], &v[2], &v[3], &v[4], &v[5], &v[6], &v[7])
		if err == nil {
			_, err = tx.ExecContext(ctx, insertSQL, p.payer, p.payee, p.device, p.minor, now)
		}
		if err != nil {
			return errors.Join(err, tx.Rollback())
		}
		return tx.Commit()
	}
	if _, err := storm(callers, length/2, decide); err != nil { // the cache fills
		return 0, err
	}
	got, err := storm(callers, length, decide)
	return got.perSecond(), err
}
