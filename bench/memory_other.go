//go:build !linux

package bench

import "runtime"

// memory is what the Go heap holds; on this system nobody tells more.
func memory() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse)
}
