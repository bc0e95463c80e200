package api

import (
	"context"
	"net/http"
	"time"

	"surety/platform/db"
)

// The probes and the document say nothing about anybody and are open to all.

// openapi sends the document.
func (s *server) openapi(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/openapi+json")
	_, _ = w.Write(s.spec) // the caller has gone: there is nobody to tell
}

// healthz says that the process lives; it looks at nothing else.
func (s *server) healthz(w http.ResponseWriter, _ *http.Request) { say(w, http.StatusOK, "ok") }

// readyz says whether requests can be served: the database answers and no commit
// has met a failing disk.
func (s *server) readyz(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 5*time.Second)
	defer cancel()
	err := s.cfg.DB.Failure()
	if err == nil {
		err = s.cfg.DB.View(ctx, func(tx *db.Tx) error {
			var one int
			_, err := tx.Row([]any{&one}, "select 1")
			return err
		})
	}
	if err != nil {
		s.cfg.Log.Error("not ready", "error", err)
		say(w, http.StatusServiceUnavailable, "not ready")
		return
	}
	say(w, http.StatusOK, "ready")
}

func say(w http.ResponseWriter, code int, text string) {
	w.Header().Set("Content-Type", typeText)
	w.WriteHeader(code)
	_, _ = w.Write([]byte(text + "\n")) // the caller has gone: there is nobody to tell
}
