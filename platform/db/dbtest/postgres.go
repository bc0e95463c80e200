package dbtest

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"sort"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// pgServer is one throw-away server for all tests of a test binary.
type pgServer struct {
	dir string // holds the data and the socket; short, for socket paths are
	cmd *exec.Cmd
	log *bytes.Buffer
}

var (
	once    sync.Once
	started *pgServer
	failure error
)

// Main runs the tests and stops the server, if one was started.
func Main(m *testing.M) int {
	code := m.Run()
	Stop()
	return code
}

// Stop stops the server and removes its data. Programs that use NewURL outside
// a test binary's Main call it at their end.
func Stop() {
	if started == nil {
		return
	}
	started.cmd.Process.Signal(syscall.SIGQUIT)
	started.cmd.Wait()
	os.RemoveAll(started.dir)
}

func server() (*pgServer, error) {
	once.Do(func() { started, failure = startServer() })
	return started, failure
}

// startServer makes a data folder and starts the server on a socket in it. The
// server runs with fsync, so that what a test says of durability is true.
func startServer() (*pgServer, error) {
	bin, err := findBinaries()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "spg")
	if err != nil {
		return nil, err
	}
	cred, err := credential(dir)
	if err != nil {
		return nil, err
	}
	data := filepath.Join(dir, "d")
	initdb := exec.Command(filepath.Join(bin, "initdb"), "-D", data, "-U", "postgres",
		"-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C")
	initdb.SysProcAttr = &syscall.SysProcAttr{Credential: cred}
	initdb.Dir = dir
	if out, err := initdb.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w\n%s", err, out)
	}
	s := &pgServer{dir: dir, log: new(bytes.Buffer)}
	s.cmd = exec.Command(filepath.Join(bin, "postgres"), "-D", data, "-k", dir, "-h", "",
		"-c", "max_connections=200", "-c", "shared_buffers=256MB", "-c", "max_wal_size=4GB",
		"-c", "log_min_messages=fatal")
	s.cmd.Dir = dir
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: cred, Pdeathsig: syscall.SIGQUIT}
	if err := startWithParent(s.cmd); err != nil {
		return nil, err
	}
	return s, s.wait()
}

// startWithParent starts cmd from a thread that lives as long as the process:
// the kernel sends the death signal when the starting thread ends.
func startWithParent(cmd *exec.Cmd) error {
	errs := make(chan error)
	go func() {
		runtime.LockOSThread()
		errs <- cmd.Start()
		select {} // keep the thread
	}()
	return <-errs
}

func (s *pgServer) wait() error {
	const pause, patience = 20 * time.Millisecond, 30 * time.Second
	for waited := time.Duration(0); ; waited += pause {
		h, err := sql.Open("pgx", s.url("postgres"))
		if err != nil {
			return err
		}
		err = h.Ping()
		h.Close()
		if err == nil {
			return nil
		}
		if waited > patience {
			return fmt.Errorf("the server did not start: %w\n%s", err, s.log)
		}
		time.Sleep(pause)
	}
}

// findBinaries looks where $SURETY_PG_BIN says, where pg_config says, and where
// Debian puts them; the newest wins.
func findBinaries() (string, error) {
	var tried []string
	if d := os.Getenv("SURETY_PG_BIN"); d != "" {
		tried = append(tried, d)
	}
	if out, err := exec.Command("pg_config", "--bindir").Output(); err == nil {
		tried = append(tried, strings.TrimSpace(string(out)))
	}
	debian, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	sort.Sort(sort.Reverse(sort.StringSlice(debian)))
	tried = append(tried, debian...)
	for _, d := range tried {
		if _, err := os.Stat(filepath.Join(d, "initdb")); err == nil {
			return d, nil
		}
	}
	return "", fmt.Errorf("no initdb in %v (Debian package postgresql)", tried)
}

// credential is the user to run the server as: PostgreSQL refuses root.
func credential(dir string) (*syscall.Credential, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, _ := strconv.Atoi(u.Uid)
		gid, _ := strconv.Atoi(u.Gid)
		if err := os.Chown(dir, uid, gid); err != nil {
			return nil, err
		}
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
	}
	return nil, errors.New("running as root, and there is neither a user postgres nor nobody to run PostgreSQL as")
}
