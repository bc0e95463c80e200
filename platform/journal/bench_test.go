package journal

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
)

// plain is what one would write instead: gather, append, fsync, without frames,
// checksums or a file made ready.
type plain struct {
	mu   sync.Mutex
	wait []chan error
	buf  []byte
	wake chan struct{}
	f    *os.File
}

func (p *plain) run() {
	for range p.wake {
		p.mu.Lock()
		wait, buf := p.wait, p.buf
		p.wait, p.buf = nil, nil
		p.mu.Unlock()
		_, err := p.f.Write(buf)
		if err == nil {
			err = p.f.Sync()
		}
		for _, w := range wait {
			w <- err
		}
	}
}

func (p *plain) append(b []byte) error {
	done := make(chan error, 1)
	p.mu.Lock()
	p.buf, p.wait = append(p.buf, b...), append(p.wait, done)
	p.mu.Unlock()
	select {
	case p.wake <- struct{}{}:
	default:
	}
	return <-done
}

// BenchmarkAppend says how many records a second become durable, beside plain
// group fsync, for some callers at once and sizes of records.
func BenchmarkAppend(b *testing.B) {
	for _, c := range []struct{ callers, size int }{{1, 1200}, {32, 1200}, {256, 100}, {4, 600_000}} {
		run := func(b *testing.B, do func([]byte) error) {
			b.SetBytes(int64(c.size))
			var n atomic.Int64
			var wg sync.WaitGroup
			rec := make([]byte, c.size)
			for i := range rec {
				rec[i] = byte(i)
			}
			b.ResetTimer()
			for range c.callers {
				wg.Go(func() {
					for n.Add(1) <= int64(b.N) {
						if err := do(rec); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
		}
		b.Run(fmt.Sprintf("journal/%dx%d", c.callers, c.size), func(b *testing.B) {
			j, err := Open(Config{Dir: b.TempDir()})
			must(b, err)
			defer j.Close()
			run(b, func(r []byte) error { _, err := j.Append(ctx, r); return err })
		})
		b.Run(fmt.Sprintf("plain/%dx%d", c.callers, c.size), func(b *testing.B) {
			f, err := os.Create(filepath.Join(b.TempDir(), "log"))
			must(b, err)
			defer f.Close()
			p := &plain{wake: make(chan struct{}, 1), f: f}
			go p.run()
			defer close(p.wake)
			run(b, p.append)
		})
	}
}
