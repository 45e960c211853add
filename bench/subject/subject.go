package subject

// Subject is a running server that takes payments.
type Subject struct {
	Name    string
	Address string // host:port
	// CountsRepeats says that it tells a repeated order.
	CountsRepeats bool

	PID         int // of the server
	PostgresPID int // of its postmaster, 0 if it has none

	stop func() error
}

// Stop ends the server and waits for it. An error says what was left behind, or
// that the server had ended before.
func (s *Subject) Stop() error { return s.stop() }
