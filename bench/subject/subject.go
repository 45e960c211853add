package subject

import "time"

// Subject is a running server that takes payments.
type Subject struct {
	Name    string
	Address string // host:port
	// CountsRepeats says that it tells a repeated order.
	CountsRepeats bool

	PID         int // of the server
	PostgresPID int // of its postmaster, 0 if it has none
	PostgresURL string

	// Of Paybuf alone: where its operators ask, and how long it took from its exec
	// until it was ready.
	OperatorURL string
	ReadyAfter  time.Duration

	stop, kill func() error
}

// url is where an HTTP server is.
func (s *Subject) url() string { return "http://" + s.Address }

// Stop ends the server and waits for it. An error says what was left behind, or
// that the server had ended before.
func (s *Subject) Stop() error { return s.stop() }

// Kill ends Paybuf as kill -9 does, and waits for it; Stop is then no more to be
// called. Its Postgres goes on until Paybuf is started again on the same directory
// and stopped, or StopPostgres is called.
func (s *Subject) Kill() error { return s.kill() }
