package sim

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// calls are the system calls by which a process changes files.
const calls = "open,openat,creat,close,write,pwrite64,writev,pwritev,pwritev2,truncate,ftruncate,fallocate,fsync,fdatasync," +
	"sync_file_range,rename,renameat,renameat2,unlink,unlinkat,link,linkat"

func haveStrace() error {
	if _, err := exec.LookPath("strace"); err != nil {
		return fmt.Errorf("power loss is played with strace, which is not installed (Debian package strace): %w", err)
	}
	return nil
}

// traced lets strace write down every change that cmd makes to files, with its
// bytes. A call is written down before the process goes on, so nothing that was
// acknowledged after a sync can be missing.
func traced(cmd *exec.Cmd, file string) *exec.Cmd {
	args := []string{"-f", "-y", "-xx", "-s", "1000000", "--seccomp-bpf", "-e", "trace=" + calls, "-e", "signal=none", "-o", file}
	out := exec.Command("strace", append(append(args, cmd.Path), cmd.Args[1:]...)...)
	out.Env, out.Dir = cmd.Env, cmd.Dir
	return out
}

// powerLoss replays what the life wrote, forgets what was not synced, and leaves
// the rest for the next life.
func (r *round) powerLoss(trace string) error {
	f, err := os.Open(trace)
	if err != nil {
		return err
	}
	defer f.Close()
	t := &tape{disk: r.disk, open: map[string]string{}, at: map[string]int64{}}
	sc := bufio.NewScanner(f)
	sc.Buffer(make([]byte, 1<<20), 64<<20)
	for sc.Scan() {
		if err := t.line(sc.Text()); err != nil {
			return fmt.Errorf("trace: %w", err)
		}
	}
	if err := sc.Err(); err != nil {
		return err
	}
	// A call that was under way when the power went may have done its part, unsynced.
	for _, text := range t.open {
		if !strings.Contains(text, "sync") {
			if err := t.call(text, -1); err != nil {
				return err
			}
		}
	}
	dropped, torn, err := r.disk.lose(r.rnd)
	r.rep.Dropped += dropped
	r.rep.Torn += torn
	return err
}

// tape reads a trace into a disk.
type tape struct {
	disk *disk
	open map[string]string // calls under way, by thread
	at   map[string]int64  // where the next write to a descriptor goes
}

// line takes one line: "pid call(args) = result", or one half of it.
func (t *tape) line(text string) error {
	pid, rest, _ := strings.Cut(text, " ")
	rest = strings.TrimLeft(rest, " ")
	if head, ok := strings.CutSuffix(rest, " <unfinished ...>"); ok {
		t.open[pid] = head
		return nil
	}
	if strings.HasPrefix(rest, "<... ") {
		_, tail, ok := strings.Cut(rest, " resumed>")
		if !ok {
			return nil
		}
		rest = t.open[pid] + tail
		delete(t.open, pid)
	}
	head, result, ok := cutLast(rest, " = ")
	if !ok {
		return nil // a signal, an exit
	}
	num, _, _ := strings.Cut(result, "<")
	num, _, _ = strings.Cut(num, " ")
	n, err := strconv.ParseInt(num, 0, 64)
	if err != nil || n < 0 {
		return nil // "?" or an error: nothing was changed
	}
	return t.call(head, n)
}

func cutLast(s, sep string) (before, after string, ok bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// call replays one call; n is its result, -1 if it was never seen.
func (t *tape) call(text string, n int64) error {
	name, rest, ok := strings.Cut(text, "(")
	if !ok {
		return nil
	}
	args := strings.Split(strings.TrimSuffix(strings.TrimRight(rest, " "), ")"), ", ")
	fd, path := target(args[0])
	if name != "open" && name != "openat" && name != "creat" && !strings.HasPrefix(name, "rename") &&
		!strings.HasPrefix(name, "unlink") && !strings.HasPrefix(name, "link") && path != t.disk.root && !t.disk.holds(path) {
		return nil
	}
	switch name {
	case "open", "openat", "creat":
		return t.opened(name, args, n)
	case "write":
		data, err := bytesOf(args[1])
		if err != nil {
			return err
		}
		data = done(data, n)
		key := fd + path
		t.disk.write(path, t.at[key], data)
		t.at[key] += int64(len(data))
	case "pwrite64":
		data, err := bytesOf(args[1])
		if err != nil {
			return err
		}
		off, err := strconv.ParseInt(args[3], 0, 64)
		if err != nil {
			return err
		}
		t.disk.write(path, off, done(data, n))
	case "ftruncate":
		size, err := strconv.ParseInt(args[1], 0, 64)
		if err != nil {
			return err
		}
		t.disk.truncate(path, size)
	case "fsync", "fdatasync":
		t.disk.sync(path)
	case "close":
	case "rename", "renameat", "renameat2", "unlink", "unlinkat":
		return t.named(name, args)
	default: // a way of writing that nobody here uses: it must not go unseen
		return fmt.Errorf("%s on %s is not understood", name, path)
	}
	return nil
}

// done is what a write wrote; all of it, if nobody knows.
func done(data []byte, n int64) []byte {
	if n >= 0 && n < int64(len(data)) {
		return data[:n]
	}
	return data
}

func (t *tape) opened(name string, args []string, n int64) error {
	at := 0
	if name == "openat" {
		at = 1
	}
	path, err := pathOf(args, at)
	if err != nil || !t.disk.holds(path) {
		return err
	}
	flags := "O_CREAT|O_TRUNC"
	if name != "creat" && len(args) > at+1 {
		flags = args[at+1]
	}
	if !strings.Contains(flags, "O_CREAT") && t.disk.names[path] == nil || strings.Contains(flags, "O_DIRECTORY") {
		return nil
	}
	t.at[strconv.FormatInt(n, 10)+path] = 0
	t.disk.open(path, strings.Contains(flags, "O_TRUNC"))
	return nil
}

func (t *tape) named(name string, args []string) error {
	first, second := 0, 1
	if strings.HasSuffix(name, "at") || name == "renameat2" {
		first, second = 1, 3
	}
	from, err := pathOf(args, first)
	if err != nil {
		return err
	}
	if strings.HasPrefix(name, "unlink") {
		if t.disk.holds(from) {
			t.disk.remove(from)
		}
		return nil
	}
	to, err := pathOf(args, second)
	if err == nil && t.disk.holds(to) {
		t.disk.rename(from, to)
	}
	return err
}

// pathOf is a path in the arguments, made whole with the folder before it.
func pathOf(args []string, n int) (string, error) {
	if n >= len(args) {
		return "", fmt.Errorf("a path is missing in %q", args)
	}
	b, err := bytesOf(args[n])
	if err != nil {
		return "", err
	}
	path := string(b)
	if !filepath.IsAbs(path) && n > 0 {
		_, dir := target(args[n-1])
		path = filepath.Join(dir, path)
	}
	return filepath.Clean(path), nil
}

// target is a descriptor and its path: `7<\x2f…>`.
func target(arg string) (fd, path string) {
	fd, rest, ok := strings.Cut(arg, "<")
	if !ok {
		return fd, ""
	}
	rest, _, _ = strings.Cut(rest, ">")
	b, err := bytesOf(`"` + rest + `"`)
	if err != nil {
		return fd, rest
	}
	return fd, string(b)
}

// bytesOf reads `"\x00\x01"`.
func bytesOf(arg string) ([]byte, error) {
	arg, ok := strings.CutPrefix(arg, `"`)
	arg, ended := strings.CutSuffix(arg, `"`)
	if !ok || !ended { // "…": strace has cut it off, which must not happen
		return nil, fmt.Errorf("not a whole string: %.40s", arg)
	}
	out, err := hex.DecodeString(strings.ReplaceAll(arg, `\x`, ""))
	if err != nil {
		return nil, fmt.Errorf("not hex: %.40s", arg)
	}
	return out, nil
}
