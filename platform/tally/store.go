package tally

import (
	"math/bits"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"surety/kernel/ident"
)

// Config is what a Store needs. The zero value of each field means its default.
type Config struct {
	// Horizon is how far back events are kept; default 92 days.
	Horizon time.Duration
	// Cap is how many events one entity keeps one by one, the newest; default
	// 4096, at most MaxCap. Older ones of a hotter entity become tiles of an
	// hour. It bounds the time of a read as well as memory.
	Cap int
	// Caps is the Cap of single dimensions, by Dim; 0 and what is not there means
	// Cap. A dimension of few entities that everybody visits (regions, channels)
	// wants a small one, for who reads one keeps all others from it meanwhile.
	Caps []int
	// Columns is, by Dim, how many columns its events carry, 0 to MaxColumns; a
	// dimension that is not in it carries none.
	Columns []uint8
	// Shards is how many parts have a lock of their own, a power of two up to
	// 65,536; default 1024, fewer if Memory is small.
	Shards int
	// Memory bounds what is held, in bytes; 0 is no bound. Beyond it Observe
	// gives up the entities that were not seen for longest. It cannot be less
	// than 64 KiB a shard.
	Memory int64
}

const (
	defaultShards  = 1024
	memoryPerShard = 64 << 10
)

// Store holds all entities. It is safe for many goroutines.
type Store struct {
	horizon int64
	memory  int64
	columns [256]uint8   // by Dim
	caps    [256]int32   // by Dim
	top     [256]uint8   // by Dim: the largest class that an entity needs
	cutoff  atomic.Int64 // events at or before it do not exist
	shift   int          // of a key's place, leaves the shard
	shards  []shard
	views   []atomic.Pointer[view]
	arena   *arena
	tiles   atomic.Int64 // bytes of tiles, which lie in Go's heap
	txs     sync.Pool
}

// New makes an empty store. Errors are KindInvalid and name the field.
func New(cfg Config) (*Store, error) {
	if cfg.Horizon == 0 {
		cfg.Horizon = 92 * 24 * time.Hour
	}
	if cfg.Cap == 0 {
		cfg.Cap = 4096
	}
	if cfg.Shards == 0 {
		cfg.Shards = defaultShards
		for cfg.Memory > 0 && cfg.Shards > 1 && int64(cfg.Shards)*4*memoryPerShard > cfg.Memory {
			cfg.Shards /= 2
		}
	}
	if err := cfg.check(); err != nil {
		return nil, err
	}
	s := &Store{horizon: cfg.Horizon.Microseconds(), memory: cfg.Memory, arena: newArena(),
		shift: 64 - bits.TrailingZeros(uint(cfg.Shards)), shards: make([]shard, cfg.Shards), views: make([]atomic.Pointer[view], cfg.Shards)}
	copy(s.columns[:], cfg.Columns)
	for dim := range s.caps {
		most := cfg.Cap
		if dim < len(cfg.Caps) && cfg.Caps[dim] > 0 {
			most = cfg.Caps[dim]
		}
		s.caps[dim] = int32(most)
		// A quarter more than Cap, so that what became tiles is not moved out one by one.
		for capacity(int(s.top[dim]), int(s.columns[dim])) < most+most/4+1 {
			s.top[dim]++
		}
	}
	s.txs.New = func() any { return &Tx{store: s} }
	return s, nil
}

func (cfg *Config) check() error {
	if cfg.Horizon < time.Second {
		return ident.Invalid("horizon", "horizon_invalid", "the horizon must be a second or more, it is %s", cfg.Horizon)
	}
	if cfg.Cap < 1 || cfg.Cap > MaxCap {
		return ident.Invalid("cap", "cap_invalid", "an entity keeps 1 to %d events, not %d", MaxCap, cfg.Cap)
	}
	for d, n := range cfg.Caps {
		if n < 0 || n > MaxCap {
			return ident.Invalid("caps", "cap_invalid", "an entity of dimension %d keeps 1 to %d events, not %d", d, MaxCap, n)
		}
	}
	if cfg.Shards < 1 || cfg.Shards > 1<<16 || cfg.Shards&(cfg.Shards-1) != 0 {
		return ident.Invalid("shards", "shards_invalid", "the number of shards must be a power of two up to 65536, it is %d", cfg.Shards)
	}
	if cfg.Memory < 0 || cfg.Memory > 0 && cfg.Memory < int64(cfg.Shards)*memoryPerShard {
		return ident.Invalid("memory", "memory_invalid", "%d shards need %d bytes or more, the bound is %d",
			cfg.Shards, cfg.Shards*memoryPerShard, cfg.Memory)
	}
	if n := max(len(cfg.Columns), len(cfg.Caps)); n > 256 {
		return ident.Invalid("columns", "columns_invalid", "there are 256 dimensions, %d have columns or caps", n)
	}
	for d, n := range cfg.Columns {
		if n > MaxColumns {
			return ident.Invalid("columns", "columns_invalid", "dimension %d has %d columns; the most is %d", d, n, MaxColumns)
		}
	}
	return nil
}

// Advance moves the edge of memory to now less the horizon; it never moves back.
// Events at or before the edge do not exist from then on. The time must come
// from a trusted clock and not from an event: one payment dated 2099 would empty
// the memory.
func (s *Store) Advance(now int64) {
	for to := now - s.horizon; ; {
		was := s.cutoff.Load()
		if to <= was || s.cutoff.CompareAndSwap(was, to) {
			return
		}
	}
}

// edge is the cutoff as events can have it.
func (s *Store) edge() int64 { return min(max(0, s.cutoff.Load()), maxAt) }

func (s *Store) publish(sh *shard) {
	i := (uintptr(unsafe.Pointer(sh)) - uintptr(unsafe.Pointer(&s.shards[0]))) / unsafe.Sizeof(shard{})
	s.views[i].Store(&view{sh.slots, sh.size})
}

// lockAll stops the world, for what must see one moment of all.
func (s *Store) lockAll() {
	for i := range s.shards {
		s.shards[i].mu.Lock()
	}
}

func (s *Store) unlockAll() {
	for i := range s.shards {
		s.shards[i].mu.Unlock()
	}
}

// Stats counts what is held, shard by shard.
func (s *Store) Stats() Stats {
	var st Stats
	heap := len(s.shards) * int(unsafe.Sizeof(shard{})+8)
	for i := range s.shards {
		sh := &s.shards[i]
		sh.mu.Lock()
		st.Entities += int(sh.count)
		if r := sh.rest; r != nil {
			st.Events += int(sh.events)
			st.Evicted += r.evicted
			for _, h := range r.hot {
				st.Tiles += h.count()
				st.Events -= h.off
			}
			heap += int(unsafe.Sizeof(rest{})) + 8*len(r.ghosts)
			for c := range r.classes {
				heap += 8*cap(r.classes[c].runs) + 4*cap(r.far[c])
			}
		}
		sh.mu.Unlock()
	}
	st.Bytes = s.arena.peak.Load()*pageBytes + s.tiles.Load() + int64(heap)
	return st
}
