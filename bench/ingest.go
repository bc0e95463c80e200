package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync/atomic"
	"time"

	"surety/kernel/ident"
)

// IngestConfig says how batches are sent.
type IngestConfig struct {
	Batch   int           // payments a request; 500 if zero
	Callers int           // 4 if zero
	For     time.Duration // 10 s if zero
	DB      string        // database URL; "" is SQLite
}

// IngestFigures are durable decisions in NDJSON batches over HTTP.
type IngestFigures struct {
	DurablePerSecond int64   `json:"durable_per_second"` // judged, on disk, answered
	BarePerSecond    int64   `json:"bare_per_second"`    // the same lines decoded, appended and synced by a handler that judges nothing
	Ratio            float64 `json:"ratio"`
	P50Millis        float64 `json:"p50_ms"` // of a batch
	P99Millis        float64 `json:"p99_ms"`
	Batch            int     `json:"batch"`
	Callers          int     `json:"callers"`
	Payments         int64   `json:"payments"`
	PostedPerSecond  int64   `json:"posted_per_second"` // into the tables, load and the time after it together
	DayMinutes       float64 `json:"thirty_million_minutes"`
	Cores            int     `json:"cores"`
}

// Tell writes the figures for people.
func (f IngestFigures) Tell(w io.Writer) {
	fmt.Fprintf(w, "ingest: %d durable decisions/s in batches of %d from %d callers over HTTP, client on the same %d cores\n",
		f.DurablePerSecond, f.Batch, f.Callers, f.Cores)
	fmt.Fprintf(w, "  a batch: p50 %.1f ms, p99 %.1f ms; a handler that judges nothing: %d/s; ours is %.0f %% of it\n",
		f.P50Millis, f.P99Millis, f.BarePerSecond, 100*f.Ratio)
	fmt.Fprintf(w, "  a day of 30 million would take %.1f minutes; rows reach the tables at %d/s\n", f.DayMinutes, f.PostedPerSecond)
	drawBars(w, "durable payments a second", []bar{{"judged", float64(f.DurablePerSecond), fmt.Sprint(f.DurablePerSecond)},
		{"bare", float64(f.BarePerSecond), fmt.Sprint(f.BarePerSecond)}})
}

// Ingest measures a house of its own, then the yardstick.
func Ingest(ctx context.Context, c IngestConfig) (f IngestFigures, err error) {
	if c.Batch == 0 {
		c.Batch = 500
	}
	if c.Callers == 0 {
		c.Callers = 4
	}
	if c.For == 0 {
		c.For = 10 * time.Second
	}
	h, err := openHouse(ctx, c.DB, "", crowd{housePayers, houseShops})
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, h.Close()) }()
	f.Batch, f.Callers, f.Cores = c.Batch, c.Callers, runtime.GOMAXPROCS(0)
	watch := ident.StartStopwatch()
	var sent atomic.Int64
	p, err := c.load(ctx, h.base+"/v1/payments/ingest", h.secret, &sent)
	if err != nil {
		return f, err
	}
	f.Payments = sent.Load()
	f.DurablePerSecond = int64(p.perSecond() * float64(c.Batch))
	f.P50Millis, f.P99Millis = millis(p.P50), millis(p.P99)
	f.DayMinutes = 30e6 / float64(max(1, f.DurablePerSecond)) / 60
	if err := h.app.Payment.Await(ctx); err != nil {
		return f, err
	}
	f.PostedPerSecond = int64(float64(f.Payments) / watch.Elapsed().Seconds())
	y, err := newBare(h.dir)
	if err != nil {
		return f, err
	}
	base, err := h.serve(y)
	if err != nil {
		return f, errors.Join(err, y.Close())
	}
	b, err := c.load(ctx, base, "", &sent)
	if err = errors.Join(err, y.Close()); err != nil {
		return f, err
	}
	f.BarePerSecond = int64(b.perSecond() * float64(c.Batch))
	f.Ratio = float64(f.DurablePerSecond) / float64(max(1, f.BarePerSecond))
	return f, nil
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// load sends batches; every line must be answered, none with a problem.
func (c IngestConfig) load(ctx context.Context, url, secret string, sent *atomic.Int64) (pace, error) {
	post := newPoster(url, secret, "application/x-ndjson", c.Callers)
	run := sent.Load()
	bodies, answers := make([][]byte, c.Callers), make([]bytes.Buffer, c.Callers)
	return storm(c.Callers, c.For, func(who, n int) error {
		at := ident.WallClock{}.Now().Format(time.RFC3339Nano)
		b := bodies[who][:0]
		for i := range c.Batch {
			k := (n*c.Batch+i)*c.Callers + who
			b = append(paymentJSON(b, fmt.Sprintf("i%d.%d", run, k), at, k*7919%housePayers, k%houseShops, k*7919%housePayers, 100+k%5000), '\n')
		}
		bodies[who] = b
		if err := post.post(ctx, b, &answers[who]); err != nil {
			return err
		}
		if got := bytes.Count(answers[who].Bytes(), []byte{'\n'}); got != c.Batch {
			return fmt.Errorf("%d lines were sent, %d answered", c.Batch, got)
		}
		if i := bytes.Index(answers[who].Bytes(), []byte(`"problem"`)); i >= 0 {
			return fmt.Errorf("a payment was refused: %.300s", answers[who].Bytes()[i:])
		}
		sent.Add(int64(c.Batch))
		return nil
	})
}
