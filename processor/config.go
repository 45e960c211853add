package processor

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"time"
)

// Config tunes a processor. The zero value of each field is a working default.
type Config struct {
	// Concurrency is how many calls of the payer may run at once, at most; default
	// 128. ConcurrencyMin is how far a payer that is overloaded may lower that;
	// default a 32nd, at least 1.
	Concurrency, ConcurrencyMin int
	// PayerRate is how many calls a second may begin; default 0, as many as may be.
	PayerRate  float64
	PayTimeout time.Duration // of one call; default 10 s
	// Lease is how long a payment belongs to the worker that took it. After that
	// another may take it over and asks the payer first. Default 3 x PayTimeout.
	Lease   time.Duration
	DuePoll time.Duration // how often the ledger is asked for due work; default 50 ms

	// Pauses are drawn from 0 (a tenth of the base, to be exact) to a cap that begins
	// at the base, doubles with each try and ends at the max.
	RetryBase, RetryMax   time.Duration // after a certain non-charge; default 500 ms and 5 min
	LookupBase, LookupMax time.Duration // between questions about a lost answer; default those of a retry
	// PendingPoll and PendingMax are for a payer that decides later; default 10 s
	// and 15 min.
	PendingPoll, PendingMax time.Duration
	// AttemptsMax is after how many calls that certainly did not charge a payment is
	// left to a human; default 600, more than a day at RetryMax.
	AttemptsMax int
	// ParkAfter is the age, since the first attempt, at which a payment without an
	// outcome is left to a human; default 72 h. PendingParkAfter is the same for one
	// that the payer has yet to decide; default 14 days.
	ParkAfter, PendingParkAfter time.Duration

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
	setDefault(&c.ConcurrencyMin, max(1, c.Concurrency/32))
	setDefault(&c.PayTimeout, 10*time.Second)
	setDefault(&c.Lease, 3*c.PayTimeout)
	setDefault(&c.DuePoll, 50*time.Millisecond)
	setDefault(&c.RetryBase, 500*time.Millisecond)
	setDefault(&c.RetryMax, 5*time.Minute)
	setDefault(&c.LookupBase, c.RetryBase)
	setDefault(&c.LookupMax, c.RetryMax)
	setDefault(&c.PendingPoll, 10*time.Second)
	setDefault(&c.PendingMax, max(c.PendingPoll, 15*time.Minute))
	setDefault(&c.AttemptsMax, 600)
	setDefault(&c.ParkAfter, 72*time.Hour)
	setDefault(&c.PendingParkAfter, max(c.ParkAfter, 14*24*time.Hour))
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
	if c.ConcurrencyMin < 1 || c.ConcurrencyMin > c.Concurrency {
		return fmt.Errorf("the least concurrency must be 1 to %d, not %d", c.Concurrency, c.ConcurrencyMin)
	}
	if !(c.PayerRate >= 0) || math.IsInf(c.PayerRate, 0) { // also refuses NaN
		return errors.New("the payer's rate must not be negative")
	}
	if c.Lease < c.PayTimeout+2*leaseMargin {
		return fmt.Errorf("a lease of %s is too short for calls of %s; it must be at least %s",
			c.Lease, c.PayTimeout, c.PayTimeout+2*leaseMargin)
	}
	// One claimed payment and one taken over may wait for the rate.
	if slack := c.Lease - c.PayTimeout - leaseMargin; c.PayerRate > 0 && 2/c.PayerRate > slack.Seconds() {
		return fmt.Errorf("a rate of %g calls a second is too slow for a lease of %s; it must be at least %g",
			c.PayerRate, c.Lease, 2/slack.Seconds())
	}
	return nil
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
