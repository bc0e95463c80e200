package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	"surety/kernel/ident"
)

// pace is what a load measured.
type pace struct {
	Calls    int
	Seconds  float64
	P50, P99 time.Duration
}

func (p pace) perSecond() float64 { return float64(p.Calls) / max(p.Seconds, 1e-9) }

// storm lets callers call one after another for a time. The first tenth warms up
// and is not counted.
func storm(callers int, length time.Duration, call func(who, n int) error) (pace, error) {
	watch := ident.StartStopwatch()
	warm := length / 10
	times := make([][]time.Duration, callers)
	errs := make([]error, callers)
	var wg sync.WaitGroup
	for who := range callers {
		wg.Go(func() {
			for n := 0; ; n++ {
				before := watch.Elapsed()
				if before > length+warm {
					return
				}
				if errs[who] = call(who, n); errs[who] != nil {
					return
				}
				if before >= warm {
					times[who] = append(times[who], watch.Elapsed()-before)
				}
			}
		})
	}
	wg.Wait()
	p := pace{Seconds: (watch.Elapsed() - warm).Seconds()}
	var all []time.Duration
	for _, t := range times {
		all = append(all, t...)
	}
	if err := errors.Join(errs...); err != nil {
		return p, err
	}
	if len(all) == 0 {
		return p, ident.Invalid("for", "too_short", "no call was finished in %s; measure longer", length)
	}
	slices.Sort(all)
	p.Calls, p.P50, p.P99 = len(all), all[len(all)/2], all[len(all)*99/100]
	return p, nil
}

// poster sends bodies over kept connections.
type poster struct {
	http   *http.Client
	url    string
	secret string
	kind   string // content type
}

func newPoster(url, secret, kind string, connections int) *poster {
	return &poster{http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: connections, MaxConnsPerHost: connections}},
		url: url, secret: secret, kind: kind}
}

// post sends one body, reads the whole answer into buf and demands 200.
func (p *poster) post(ctx context.Context, body []byte, buf *bytes.Buffer) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", p.kind)
	if p.secret != "" {
		req.Header.Set("Authorization", "Bearer "+p.secret)
	}
	resp, err := p.http.Do(req)
	if err != nil {
		return err
	}
	buf.Reset()
	_, err = io.Copy(buf, resp.Body)
	if err = errors.Join(err, resp.Body.Close()); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %d: %.300s", p.url, resp.StatusCode, buf.Bytes())
	}
	return nil
}

// paymentJSON is a payment as a host sends it, about 230 bytes.
func paymentJSON(b []byte, id, at string, payer, shop, device, minor int) []byte {
	return fmt.Appendf(b, `{"id":%q,"at":%q,"payer":%q,"payee":%q,"amount":{"value":%d,"currency":"CNY"},`+
		`"type":"purchase","channel":"qr","device":"dev-%d","ip":"10.0.0.1","city":"成都"}`,
		id, at, payerName(payer), shopName(shop), minor, device)
}
