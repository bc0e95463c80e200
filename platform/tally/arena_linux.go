package tally

import (
	"syscall"
	"unsafe"
)

// hidden says that memory comes from the system and not from Go's heap: the
// garbage collector does not know it, and neither does the race detector.
const hidden = true

const hugePage = 2 << 20

// region asks the system for n bytes, all zero, none of them touched. Of a
// large one it asks for huge pages, which save most of the cost of a random
// read; where there are none it goes on with small ones.
func region(n int) (p unsafe.Pointer, free func(), err error) {
	huge := n > chunkBytes
	length := n
	if huge {
		length += hugePage // so that it can begin at a huge page
	}
	raw, err := syscall.Mmap(-1, 0, length, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_PRIVATE|syscall.MAP_ANON|syscall.MAP_NORESERVE)
	if err != nil {
		return nil, nil, err
	}
	skip := 0
	if huge {
		if over := int(uintptr(unsafe.Pointer(&raw[0])) % hugePage); over > 0 {
			skip = hugePage - over
		}
		_ = syscall.Madvise(raw[skip:skip+n], syscall.MADV_HUGEPAGE) // advice: slower without it, not wrong
	}
	return unsafe.Pointer(&raw[skip]), func() { _ = syscall.Munmap(raw) }, nil
}
