package sim

import (
	"os/signal"
	"syscall"
)

// noRoom lets no file grow beyond so many bytes: a disk that is full. The signal
// that comes with it is ignored, so that the write fails as it does on a disk.
func noRoom(bytes int64) error {
	signal.Ignore(syscall.SIGXFSZ)
	return syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: uint64(bytes), Max: uint64(bytes)})
}
