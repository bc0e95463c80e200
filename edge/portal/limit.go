package portal

import (
	"net/http"
	"net/netip"
	"sync"
	"time"

	"surety/kernel/ident"
)

// limiter counts tries by address in windows of a minute. It is per process and
// forgets with it: it keeps a guesser slow, it is not a wall.
type limiter struct {
	clock ident.Clock
	most  int

	mu     sync.Mutex
	window int64          // the minute that is counted; guarded by mu
	tries  map[string]int // by address, of this minute; guarded by mu
}

func newLimiter(clock ident.Clock, most int) *limiter {
	return &limiter{clock: clock, most: most, tries: map[string]int{}}
}

// take counts a try, or refuses it.
func (l *limiter) take(r *http.Request) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := l.clock.Now().Unix() / int64(time.Minute/time.Second); now != l.window {
		l.window = now
		clear(l.tries)
	}
	who := address(r)
	if l.tries[who] >= l.most {
		return ident.E(ident.KindLimit, "too_many_guesses", "at most %d tries a minute; wait a minute and try again", l.most)
	}
	l.tries[who]++
	return nil
}

// address is who asks: of IPv6 the network of 64 bits, which one household has.
func address(r *http.Request) string {
	ap, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	a := ap.Addr().Unmap()
	if a.Is6() {
		if net, err := a.WithZone("").Prefix(64); err == nil {
			return net.String()
		}
	}
	return a.String()
}
