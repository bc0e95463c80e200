package boost

import "sync"

// inParallel splits 0..n into contiguous parts for up to threads workers, each
// part at least grain long, and waits for all. Nothing may depend on the parts.
func inParallel(threads, n, grain int, work func(worker, from, to int)) {
	parts := min(threads, n/max(grain, 1))
	if parts <= 1 {
		if n > 0 {
			work(0, 0, n)
		}
		return
	}
	var wait sync.WaitGroup
	for w := 1; w < parts; w++ {
		wait.Go(func() { work(w, n*w/parts, n*(w+1)/parts) })
	}
	work(0, 0, n/parts)
	wait.Wait()
}
