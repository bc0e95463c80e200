package journal

import (
	"bufio"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

func crcOf(s string) uint32 { return crc32.Checksum([]byte(s), table) }

// TestChild is the process that is killed: it appends without end and says what
// was acknowledged.
func TestChild(t *testing.T) {
	dir := os.Getenv("JOURNAL_CHILD")
	if dir == "" {
		t.Skip("it is the child of TestKill")
	}
	j := open(t, dir)
	_, end := j.Bounds()
	var out sync.Mutex
	for g := range 4 {
		go func() {
			for i := 0; ; i++ {
				r := fmt.Sprintf("%d.%d.%d.%s", end, g, i, strings.Repeat("k", rand.IntN(600)))
				at, err := j.Append(ctx, []byte(r))
				out.Lock()
				if err != nil {
					fmt.Println("failed", err)
				} else {
					fmt.Println(at, crcOf(r))
				}
				out.Unlock()
				if i%40 == 39 && g == 0 && at > 200_000 {
					if err := j.Trim(at - 200_000); err != nil {
						fmt.Println("failed", err)
					}
				}
			}
		}()
	}
	time.Sleep(time.Minute)
}

// What was acknowledged before a kill -9 is there after it, at its place.
func TestKill(t *testing.T) {
	dir := t.TempDir()
	cycles := 25
	if testing.Short() {
		cycles = 5
	}
	acked := map[Position]uint32{}
	for range cycles {
		cmd := exec.Command(os.Args[0], "-test.run=^TestChild$", "-test.v")
		cmd.Env = append(os.Environ(), "JOURNAL_CHILD="+dir)
		pipe, err := cmd.StdoutPipe()
		must(t, err)
		must(t, cmd.Start())
		lines := bufio.NewScanner(pipe)
		n, limit := 0, 50+rand.IntN(400)
		for lines.Scan() {
			place, crc, ok := strings.Cut(lines.Text(), " ")
			at, err := strconv.ParseUint(place, 10, 64)
			if place == "failed" {
				t.Fatal(lines.Text())
			}
			if !ok || err != nil {
				continue // the test's own words
			}
			sum, err := strconv.ParseUint(crc, 10, 32)
			must(t, err)
			acked[Position(at)] = uint32(sum)
			if n++; n == limit {
				must(t, cmd.Process.Kill())
			}
		}
		_ = cmd.Wait() // it was killed
		if n < limit {
			t.Fatalf("the child ended after %d records", n)
		}
		j := open(t, dir)
		first, _ := j.Bounds()
		must(t, j.Read(0, func(at, _ Position, b []byte) error {
			if sum, ok := acked[at]; ok && sum == crcOf(string(b)) {
				delete(acked, at)
			}
			return nil
		}))
		for at := range acked {
			if at >= first {
				t.Fatalf("the record at %d was acknowledged and is lost", at)
			}
		}
		clear(acked)
		must(t, j.Close())
	}
}
