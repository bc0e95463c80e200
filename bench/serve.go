package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"time"

	"surety/kernel/ident"
)

// ServeConfig says how single calls are made.
type ServeConfig struct {
	Connections int           // 32 if zero
	For         time.Duration // of each measurement; 8 s if zero
	DB          string        // database URL; "" is SQLite
}

// ServeFigures are durable decisions, one HTTP call a payment.
type ServeFigures struct {
	PerSecond     int64   `json:"per_second"`
	BarePerSecond int64   `json:"bare_per_second"` // a handler that decodes, appends, syncs in groups and judges nothing
	P50Millis     float64 `json:"p50_ms"`
	P99Millis     float64 `json:"p99_ms"`
	BareP50Millis float64 `json:"bare_p50_ms"`
	BareP99Millis float64 `json:"bare_p99_ms"`
	OneP50Millis  float64 `json:"one_caller_p50_ms"`
	Ratio         float64 `json:"ratio"`
	Connections   int     `json:"connections"`
	Cores         int     `json:"cores"`
	Database      string  `json:"database"`
}

// Tell writes the figures for people.
func (f ServeFigures) Tell(w io.Writer) {
	fmt.Fprintf(w, "serve: %s, %d connections, client on the same %d cores: %d durable decisions/s, "+
		"p50 %.2f ms, p99 %.2f ms; one caller p50 %.2f ms\n",
		f.Database, f.Connections, f.Cores, f.PerSecond, f.P50Millis, f.P99Millis, f.OneP50Millis)
	fmt.Fprintf(w, "  a handler that judges nothing: %d/s, p50 %.2f ms, p99 %.2f ms; ours is %.0f %% of it\n",
		f.BarePerSecond, f.BareP50Millis, f.BareP99Millis, 100*f.Ratio)
	drawBars(w, "durable answers a second", []bar{{"judged", float64(f.PerSecond), fmt.Sprint(f.PerSecond)},
		{"bare", float64(f.BarePerSecond), fmt.Sprint(f.BarePerSecond)}})
}

// Serve measures a house of its own and the yardstick, in turns: the machine is
// shared, and each must meet the same weather.
func Serve(ctx context.Context, c ServeConfig) (f ServeFigures, err error) {
	if c.Connections == 0 {
		c.Connections = 32
	}
	if c.For == 0 {
		c.For = 8 * time.Second
	}
	h, err := openHouse(ctx, c.DB, "", crowd{housePayers, houseShops})
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, h.Close()) }()
	y, err := newBare(h.dir)
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, y.Close()) }()
	bareBase, err := h.serve(y)
	if err != nil {
		return f, err
	}
	f.Connections, f.Cores, f.Database = c.Connections, runtime.GOMAXPROCS(0), string(h.app.DB.Dialect())
	one, err := c.load(ctx, 1, c.For/4, h.base+"/v1/payments/assess", h.secret, "o")
	if err != nil {
		return f, err
	}
	f.OneP50Millis = millis(one.P50)
	var ours, theirs []pace
	for turn := range 2 {
		p, err := c.load(ctx, c.Connections, c.For/2, h.base+"/v1/payments/assess", h.secret, fmt.Sprint("s", turn))
		if err != nil {
			return f, err
		}
		// The yardstick must not share the cores with rows still on their way to the tables.
		if err := h.app.Payment.Await(ctx); err != nil {
			return f, err
		}
		b, err := c.load(ctx, c.Connections, c.For/2, bareBase, "", fmt.Sprint("b", turn))
		if err != nil {
			return f, err
		}
		ours, theirs = append(ours, p), append(theirs, b)
	}
	p, b := better(ours), better(theirs)
	f.PerSecond, f.P50Millis, f.P99Millis = int64(p.perSecond()), millis(p.P50), millis(p.P99)
	f.BarePerSecond, f.BareP50Millis, f.BareP99Millis = int64(b.perSecond()), millis(b.P50), millis(b.P99)
	f.Ratio = p.perSecond() / b.perSecond()
	return f, nil
}

// better is the turn with more calls a second.
func better(turns []pace) pace {
	best := turns[0]
	for _, p := range turns[1:] {
		if p.perSecond() > best.perSecond() {
			best = p
		}
	}
	return best
}

func (c ServeConfig) load(ctx context.Context, callers int, length time.Duration, url, secret, run string) (pace, error) {
	post := newPoster(url, secret, "application/json", callers)
	bodies, answers := make([][]byte, callers), make([]bytes.Buffer, callers)
	return storm(callers, length, func(who, n int) error {
		k := n*callers + who
		at := ident.WallClock{}.Now().Format(time.RFC3339Nano)
		bodies[who] = paymentJSON(bodies[who][:0], fmt.Sprintf("%s.%d", run, k), at, k*7919%housePayers, k%houseShops,
			k*7919%housePayers, 100+k%5000)
		return post.post(ctx, bodies[who], &answers[who])
	})
}
