package webhook

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"
)

// Config tunes a sender. The zero value of each field is a working default.
type Config struct {
	// Concurrency is how many requests may be under way at once; default 256. One
	// tenant may have half of what others leave.
	Concurrency int
	// EndpointConcurrency is the same for one endpoint, at most; default 16. It begins
	// with 4, gets more while requests succeed, and fewer when they time out.
	EndpointConcurrency int
	Timeout             time.Duration // of a request, from the dial to the end of the answer; default 15 s

	// Schedule has the pauses before the tries of a delivery, the first of which is 0.
	// Default 0 s, 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h. Each is drawn
	// from a fifth below to a fifth above.
	Schedule     []time.Duration
	DisableAfter time.Duration // that an endpoint has failed without a success; default 5 days
	Keep         time.Duration // of deliveries that have ended; default 30 days

	Lease     time.Duration // of a worker; default 15 s
	HoldEvery time.Duration // how often it is extended; default 1 s
	IdleAfter time.Duration // without work, after which an endpoint is given back; default 30 s

	EndpointsMax int // that are held at once; default 10,000
	QueueMax     int // deliveries that are fetched ahead in all; default 8,192
	ResultsMax   int // that wait for being written, or are to come; sending pauses then; default 4,096

	PublicURL   string // before the paths of status URLs
	Version     string // for the header User-Agent
	Targets     Targets
	StopTimeout time.Duration // for writing the last results; default 5 s

	Delivered func(sinceEvent time.Duration) // is called for each success; may be nil
	Logger    *slog.Logger

	Resolver *net.Resolver // of host names; the system's if nil
	TLS      *tls.Config   // whom to trust; the system's if nil
}

const (
	scheduleLenMax = 50
	pauseMax       = 24 * time.Hour // that an endpoint may ask for

	holdMoreMax   = 256  // endpoints that are taken at once
	wantsMax      = 256  // endpoints that are asked about at once
	wantRowsMax   = 8000 // deliveries that are asked for at once, and those that are left out
	recordMax     = 256  // results that are written at once
	recordLinger  = 2 * time.Millisecond
	roundPauseMin = 5 * time.Millisecond // between two questions to the outbox

	outboxTimeout = 5 * time.Second
	outboxBackoff = 100 * time.Millisecond
	outboxWaitMax = 5 * time.Second

	sweepEvery   = time.Minute
	sweepTimeout = 30 * time.Second
)

// DefaultSchedule gives the pauses before ten tries, which take three days.
func DefaultSchedule() []time.Duration {
	return []time.Duration{
		0, 5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour,
		10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour,
	}
}

func (c Config) withDefaults() Config {
	const day = 24 * time.Hour
	setDefault(&c.Concurrency, 256)
	setDefault(&c.EndpointConcurrency, min(16, c.Concurrency))
	setDefault(&c.Timeout, 15*time.Second)
	if len(c.Schedule) == 0 {
		c.Schedule = DefaultSchedule()
	}
	setDefault(&c.DisableAfter, 5*day)
	setDefault(&c.Keep, 30*day)
	setDefault(&c.Lease, 15*time.Second)
	setDefault(&c.HoldEvery, time.Second)
	setDefault(&c.IdleAfter, 30*time.Second)
	setDefault(&c.EndpointsMax, 10_000)
	setDefault(&c.QueueMax, 8192)
	setDefault(&c.ResultsMax, 4096)
	setDefault(&c.Version, "devel")
	setDefault(&c.StopTimeout, 5*time.Second)
	if c.Delivered == nil {
		c.Delivered = func(time.Duration) {}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// Check refuses settings that cannot work. New does the same.
func (c Config) Check() error {
	c = c.withDefaults()
	for _, n := range []struct {
		name  string
		value int64
	}{
		{"concurrency", int64(c.Concurrency)}, {"concurrency of an endpoint", int64(c.EndpointConcurrency)},
		{"time-out", int64(c.Timeout)}, {"time of failing", int64(c.DisableAfter)}, {"time of keeping", int64(c.Keep)},
		{"number of endpoints", int64(c.EndpointsMax)}, {"length of the queue", int64(c.QueueMax)},
		{"number of results", int64(c.ResultsMax)}, {"lease", int64(c.Lease)}, {"pause between extensions", int64(c.HoldEvery)},
	} {
		if n.value < 0 {
			return fmt.Errorf("webhooks: the %s must not be negative", n.name)
		}
	}
	if c.Lease < 3*c.HoldEvery {
		return fmt.Errorf("webhooks: a lease of %s is too short to be extended every %s", c.Lease, c.HoldEvery)
	}
	if c.Schedule[0] != 0 {
		return errors.New("webhooks: a schedule begins with 0s: the first try is made at once")
	}
	if len(c.Schedule) > scheduleLenMax {
		return fmt.Errorf("webhooks: a schedule has at most %d tries", scheduleLenMax)
	}
	for _, pause := range c.Schedule {
		if pause < 0 {
			return errors.New("webhooks: a pause of the schedule must not be negative")
		}
	}
	return c.Targets.check()
}

// leaseMargin covers the way of an extension, and the time between two looks at the
// clock.
func (c Config) leaseMargin() time.Duration { return c.Lease / 5 }

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
