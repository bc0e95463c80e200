package bench

import (
	"bufio"
	"context"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"surety/kernel/ident"
)

// velocityLua is one velocity call as people write it: four counters in a hash
// and the number of different others by HyperLogLog, kept for a time.
const velocityLua = `redis.call('HINCRBY', KEYS[1], ARGV[1], 1)
redis.call('HINCRBY', KEYS[1], ARGV[2], ARGV[3])
redis.call('HINCRBY', KEYS[1], ARGV[4], 1)
redis.call('HINCRBY', KEYS[1], ARGV[5], ARGV[3])
redis.call('PFADD', KEYS[2], ARGV[6])
local n = redis.call('PFCOUNT', KEYS[2])
redis.call('EXPIRE', KEYS[1], 2592000)
redis.call('EXPIRE', KEYS[2], 2592000)
return n`

// redisServer is one redis-server of our own on a socket.
type redisServer struct {
	cmd    *exec.Cmd
	socket string
}

func startRedis(dir string) (*redisServer, error) {
	path, err := exec.LookPath("redis-server")
	if err != nil {
		return nil, ident.Invalid("redis-server", "not_installed",
			"redis-server is not installed; it is the yardstick (Debian: apt-get install redis-server)")
	}
	dir, err = filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	tmp, err := os.MkdirTemp("", "sr")
	if err != nil {
		return nil, err
	}
	s := &redisServer{socket: filepath.Join(tmp, "r.sock")}
	s.cmd = exec.Command(path, "--port", "0", "--unixsocket", s.socket, "--save", "", "--appendonly", "no", "--dir", dir)
	if err := s.cmd.Start(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(tmp))
	}
	for range 200 {
		if c, err := net.Dial("unix", s.socket); err == nil {
			return s, c.Close()
		}
		time.Sleep(10 * time.Millisecond)
	}
	return nil, errors.Join(ident.E(ident.KindUnavailable, "redis", "redis-server did not start"), s.Close())
}

func (s *redisServer) Close() error {
	_ = s.cmd.Process.Kill() // it may have gone already
	_ = s.cmd.Wait()         // it was killed
	return os.RemoveAll(filepath.Dir(s.socket))
}

// pipe is one connection that many callers share: what they send meanwhile goes
// in one write, as the best clients do it.
type pipe struct {
	conn net.Conn
	send chan call
	wait chan call
	once sync.WaitGroup
}

type call struct {
	text    []byte
	replies int
	done    chan error
}

func newPipe(socket string) (*pipe, error) {
	c, err := net.Dial("unix", socket)
	if err != nil {
		return nil, err
	}
	p := &pipe{conn: c, send: make(chan call, 4096), wait: make(chan call, 4096)}
	p.once.Go(p.write)
	p.once.Go(p.read)
	return p, nil
}

func (p *pipe) write() {
	defer close(p.wait)
	w := bufio.NewWriterSize(p.conn, 1<<16)
	for c := range p.send {
		for more := true; more; {
			_, err := w.Write(c.text)
			if err != nil {
				c.done <- err
				return
			}
			p.wait <- c
			select {
			case c, more = <-p.send:
			default:
				more = false
			}
		}
		if w.Flush() != nil {
			return // the reader will say it
		}
	}
}

func (p *pipe) read() {
	r := bufio.NewReaderSize(p.conn, 1<<16)
	for c := range p.wait {
		var err error
		for range c.replies {
			line, e := r.ReadSlice('\n')
			if e != nil {
				err = e
			} else if line[0] == '-' {
				err = fmt.Errorf("redis: %s", line)
			}
			if n, ok := strings.CutPrefix(string(line), "$"); ok && e == nil { // a bulk string has a second line
				if size, _ := strconv.Atoi(strings.TrimSpace(n)); size >= 0 {
					_, err = r.ReadSlice('\n')
				}
			}
		}
		c.done <- err
	}
}

func (p *pipe) do(text []byte, replies int, done chan error) error {
	p.send <- call{text, replies, done}
	return <-done
}

func (p *pipe) Close() error {
	close(p.send)
	p.once.Wait()
	return p.conn.Close()
}

// command appends a command in Redis' own protocol.
func command(b []byte, args ...string) []byte {
	b = fmt.Appendf(b, "*%d\r\n", len(args))
	for _, a := range args {
		b = fmt.Appendf(b, "$%d\r\n%s\r\n", len(a), a)
	}
	return b
}

// redisVelocity is decisions a second of three velocity calls in one pipeline,
// 128 callers, nothing durable.
func redisVelocity(_ context.Context, dir string, s shape, length time.Duration) (rate float64, err error) {
	server, err := startRedis(dir)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	p, err := newPipe(server.socket)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	if err := p.do(command(nil, "SCRIPT", "LOAD", velocityLua), 1, make(chan error, 1)); err != nil {
		return 0, err
	}
	sum := sha1.Sum([]byte(velocityLua))
	sha := hex.EncodeToString(sum[:])
	const callers = 128
	rnd, done, text := make([]*rand.Rand, callers), make([]chan error, callers), make([][]byte, callers)
	for i := range callers {
		rnd[i], done[i] = rand.New(rand.NewPCG(uint64(i), 3)), make(chan error, 1)
	}
	got, err := storm(callers, length, func(who, _ int) error {
		d := s.draw(rnd[who])
		b := text[who][:0]
		for _, e := range [3][2]string{{"p" + strconv.Itoa(d.payer), strconv.Itoa(d.payee)}, {"q" + strconv.Itoa(d.payee), strconv.Itoa(d.payer)},
			{"d" + strconv.Itoa(d.device), strconv.Itoa(d.payer)}} {
			b = command(b, "EVALSHA", sha, "2", "{"+e[0]+"}", "{"+e[0]+"}u", "h1c", "h1s", strconv.Itoa(d.minor), "d1c", "d1s", e[1])
		}
		text[who] = b
		return p.do(b, 3, done[who])
	})
	return got.perSecond(), err
}
