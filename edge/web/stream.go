package web

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/a-h/templ"

	"surety/kernel/ident"
)

// heartbeat is how often a silent stream shows that it lives: proxies drop
// connections after 30 to 60 silent seconds.
const heartbeat = 15 * time.Second

// message is one server-sent event. Target "" is the live region itself, else
// the id of an element inside it.
type message struct {
	Target string `json:"target"`
	HTML   string `json:"html"`
}

// Stream answers with server-sent events. fn sends HTML for the Live region that
// listens (event "") or for the element with that id inside it, and returns when
// it is done or when send fails: then the browser has gone. The browser connects
// again by itself after two seconds, so fn begins by sending the present state.
func Stream(w http.ResponseWriter, r *http.Request, fn func(send func(event, html string) error) error) error {
	control := http.NewResponseController(w)
	_ = control.SetWriteDeadline(time.Time{}) // a writer without deadlines has none to lift
	h := w.Header()
	h.Set("Content-Type", "text/event-stream; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no")
	w.WriteHeader(http.StatusOK)
	if _, err := fmt.Fprint(w, "retry: 2000\n\n"); err != nil {
		return err
	}
	if err := control.Flush(); err != nil {
		return ident.E(ident.KindInternal, "stream_unflushable", "this connection cannot stream").Because(err)
	}
	return fn(func(event, html string) error {
		if err := r.Context().Err(); err != nil {
			return err
		}
		if event == ping {
			if _, err := fmt.Fprint(w, ": alive\n\n"); err != nil {
				return err
			}
			return control.Flush()
		}
		raw, err := json.Marshal(message{Target: event, HTML: html})
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(w, "data: %s\n\n", raw); err != nil {
			return err
		}
		return control.Flush()
	})
}

// ping is the event that StreamEvery sends to keep the connection; it carries
// nothing.
const ping = "\x00ping"

// StreamEvery renders the live part again every interval and sends it when it
// has changed, until the browser goes. live takes its state from the stores
// each time; an error of it ends the stream, and the browser comes back.
func StreamEvery(w http.ResponseWriter, r *http.Request, every time.Duration,
	live func(ctx context.Context) (templ.Component, error)) error {
	return Stream(w, r, func(send func(event, html string) error) error {
		tick := time.NewTicker(every)
		defer tick.Stop()
		last, silent := "", time.Duration(0)
		for {
			c, err := live(r.Context())
			if err != nil {
				return err
			}
			html, err := HTML(r.Context(), c)
			if err != nil {
				return err
			}
			silent += every
			switch {
			case html != last:
				err, last, silent = send("", html), html, 0
			case silent >= heartbeat:
				err, silent = send(ping, ""), 0
			}
			if err != nil {
				return err
			}
			select {
			case <-r.Context().Done():
				return r.Context().Err()
			case <-tick.C:
			}
		}
	})
}
