package simulator

// workers are the places of the sends that the payer works on at once; nil for any
// number.
type workers chan struct{}

func newWorkers(capacity int) workers {
	if capacity == 0 {
		return nil
	}
	return make(workers, capacity)
}

// turn is what became of a wish for a worker.
type turn int

const (
	turnCame    turn = iota // leave when done
	turnRefused             // all are busy, and nobody waits here
	turnClosed
)

// begin waits for a worker, or refuses if there is none and refuse is set.
func (w workers) begin(refuse bool, closing <-chan struct{}) turn {
	if w == nil {
		return turnCame
	}
	select {
	case w <- struct{}{}:
		return turnCame
	default:
	}
	if refuse {
		return turnRefused
	}
	select {
	case w <- struct{}{}:
		return turnCame
	case <-closing:
		return turnClosed
	}
}

func (w workers) leave() {
	if w != nil {
		<-w
	}
}
