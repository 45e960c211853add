package processor

import (
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// Config tunes a processor. The zero value of each field is a working default.
type Config struct {
	Concurrency int           // calls of the payer at once; default 128
	PayTimeout  time.Duration // of one call; default 10 s
	// Lease is how long a payment belongs to the worker that took it. After that
	// another may take it over and asks the payer first. Default 3 x PayTimeout.
	Lease   time.Duration
	DuePoll time.Duration // how often the ledger is asked for due work; default 250 ms

	RetryBase time.Duration // backoff after a certain non-charge, doubled each time; default 500 ms
	RetryMax  time.Duration // cap of a backoff, also between look-ups; default 5 min
	// PendingPoll is how often a payer that decides later is asked; default 10 s.
	PendingPoll time.Duration
	// ParkAfter is the age at which a payment without an outcome is left to a
	// human; default 72 h.
	ParkAfter time.Duration

	BreakerDelay time.Duration // pause after the payer has failed mostly; default 2 s
	// StopTimeout is for calls in flight at a graceful stop, and then again for
	// writing their outcomes; default PayTimeout + 5 s, at most 25 s. Calls that are
	// cut off are asked about later.
	StopTimeout time.Duration

	Logger *slog.Logger
}

const (
	batchMax      = 256 // claims or outcomes per statement
	ledgerBackoff = 100 * time.Millisecond
	ledgerWaitMax = 5 * time.Second
	// stopTimeoutMax keeps a graceful stop within what service managers allow.
	stopTimeoutMax = 25 * time.Second
	// leaseMargin covers the time between two looks at the clock.
	leaseMargin = time.Second
)

func (c Config) withDefaults() Config {
	setDefault(&c.Concurrency, 128)
	setDefault(&c.PayTimeout, 10*time.Second)
	setDefault(&c.Lease, 3*c.PayTimeout)
	setDefault(&c.DuePoll, 250*time.Millisecond)
	setDefault(&c.RetryBase, 500*time.Millisecond)
	setDefault(&c.RetryMax, 5*time.Minute)
	setDefault(&c.PendingPoll, 10*time.Second)
	setDefault(&c.ParkAfter, 72*time.Hour)
	setDefault(&c.BreakerDelay, 2*time.Second)
	setDefault(&c.StopTimeout, min(c.PayTimeout+5*time.Second, stopTimeoutMax))
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// Check refuses settings under which a worker could never start a call. New does
// the same.
func (c Config) Check() error {
	c = c.withDefaults()
	if c.Concurrency < 1 {
		return errors.New("concurrency must be at least 1")
	}
	if c.Lease < c.PayTimeout+2*leaseMargin {
		return fmt.Errorf("a lease of %s is too short for calls of %s; it must be at least %s",
			c.Lease, c.PayTimeout, c.PayTimeout+2*leaseMargin)
	}
	return nil
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
