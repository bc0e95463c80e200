package bench

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"sync"
)

// bare is the yardstick of durable answers over HTTP: it decodes the JSON, appends
// the record to a file, answers when a shared fsync has happened, and knows
// nothing else. What a product adds to it is what it costs.
type bare struct {
	f *os.File

	mu      sync.Mutex
	pending []byte          // guarded by mu
	waiting []chan struct{} // guarded by mu
	wake    chan struct{}
	done    chan struct{}
	err     error // written by the committer before it answers
}

func newBare(dir string) (*bare, error) {
	f, err := os.OpenFile(filepath.Join(dir, "bare.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	b := &bare{f: f, wake: make(chan struct{}, 1), done: make(chan struct{})}
	go b.commit()
	return b, nil
}

// commit writes and syncs what many callers appended, then answers all of them.
func (b *bare) commit() {
	defer close(b.done)
	for range b.wake {
		b.mu.Lock()
		buf, waiting := b.pending, b.waiting
		b.pending, b.waiting = nil, nil
		b.mu.Unlock()
		if len(waiting) == 0 {
			continue
		}
		if _, err := b.f.Write(buf); err != nil {
			b.err = err
		}
		if err := b.f.Sync(); err != nil {
			b.err = err
		}
		for _, w := range waiting {
			close(w)
		}
	}
}

func (b *bare) append(record []byte) error {
	w := make(chan struct{})
	b.mu.Lock()
	b.pending = append(b.pending, record...)
	b.waiting = append(b.waiting, w)
	b.mu.Unlock()
	select {
	case b.wake <- struct{}{}:
	default:
	}
	<-w
	return b.err
}

func (b *bare) Close() error {
	close(b.wake)
	<-b.done
	return b.f.Close()
}

type barePayment struct {
	ID     string `json:"id"`
	At     string `json:"at"`
	Payer  string `json:"payer"`
	Payee  string `json:"payee"`
	Amount struct {
		Value    int64  `json:"value"`
		Currency string `json:"currency"`
	} `json:"amount"`
	Type    string `json:"type"`
	Channel string `json:"channel"`
	Device  string `json:"device"`
	IP      string `json:"ip"`
	City    string `json:"city"`
}

type bareAnswer struct {
	ID      string `json:"id"`
	Outcome string `json:"outcome"`
	Score   int    `json:"score"`
}

// ServeHTTP takes one payment, or many as NDJSON, and answers each when durable.
func (b *bare) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var answers, records []byte
	in := bufio.NewScanner(r.Body)
	in.Buffer(make([]byte, 0, 16<<10), 1<<20)
	for in.Scan() {
		if len(bytes.TrimSpace(in.Bytes())) == 0 {
			continue
		}
		var p barePayment
		if err := json.Unmarshal(in.Bytes(), &p); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		record, err := json.Marshal(p)
		answer, err2 := json.Marshal(bareAnswer{ID: p.ID, Outcome: "allow"})
		if err := errors.Join(err, err2); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		records = append(append(records, record...), '\n')
		answers = append(append(answers, answer...), '\n')
	}
	if err := b.append(records); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(answers) // the caller has gone
}
