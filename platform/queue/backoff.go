package queue

import (
	"crypto/sha256"
	"encoding/binary"
	"strings"
	"time"
	"unicode/utf8"
)

// backoff is how long to wait after the failures-th failure (1 is the first):
// base doubled each time, at most limit, and of that between a half and the
// whole. Which part is a function of the job's id, so that jobs that failed
// together do not come back together, and a simulation sees the same times again.
// It is at least a millisecond: Drain must come to an end.
func backoff(id string, failures int, base, limit time.Duration) time.Duration {
	d := base
	for i := 1; i < failures && d < limit; i++ {
		d *= 2
	}
	d = min(d, limit)
	sum := sha256.Sum256(binary.BigEndian.AppendUint64([]byte(id), uint64(failures)))
	half := d / 2
	part := time.Duration(binary.BigEndian.Uint64(sum[:8]) % uint64(half+1))
	return max(d-half+part, time.Millisecond).Truncate(time.Microsecond)
}

// maxError bounds what is kept of an error.
const maxError = 1000

// errorText makes an error fit for a text column: PostgreSQL refuses NUL and
// broken UTF-8, and a stack trace is for the log.
func errorText(err error) string {
	s := strings.ToValidUTF8(strings.ReplaceAll(err.Error(), "\x00", ""), "?")
	if len(s) <= maxError {
		return s
	}
	cut := maxError
	for !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}
