package load

import "sync"

// valve lets so many payments in as may be under way at once.
type valve struct {
	mu      sync.Mutex
	changed *sync.Cond
	max     int64
	entered int64
	done    int64
	closed  bool
}

func newValve(inFlightMax int64) *valve {
	v := &valve{max: inFlightMax}
	v.changed = sync.NewCond(&v.mu)
	return v
}

// enter waits for room and takes it; false once the valve is closed.
func (v *valve) enter() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	for !v.closed && v.entered-v.done >= v.max {
		v.changed.Wait()
	}
	if v.closed {
		return false
	}
	v.entered++
	return true
}

// leave says how many are done, all told.
func (v *valve) leave(done int64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.done = done
	v.changed.Broadcast()
}

// close sends all away who wait, and all who come.
func (v *valve) close() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.closed = true
	v.changed.Broadcast()
}
