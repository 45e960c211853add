package buffer

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/paybuf/paybuf/payment"
)

// Config sets a buffer up. The zero value of each field but the connection's is
// a working default.
type Config struct {
	// URL of the NATS servers, comma separated; or InProcess, a server embedded in
	// this process. Exactly one is given.
	URL       string
	InProcess nats.InProcessConnProvider

	Shards      int           // streams to spread payments over; default 1
	Replicas    int           // copies of each stream; default 1
	DedupWindow time.Duration // how long the stream knows a repetition; default 2 min
	AckWait     time.Duration // after which an unacknowledged payment comes again; default 30 s

	// Durability is what a receipt stands for; default JournalAndStream.
	Durability Durability
	// JournalDir is this node's directory for its journal. It is needed by Put
	// alone: a process that only reads leaves it empty and has no journal.
	JournalDir          string
	JournalSegmentBytes int64         // default 64 MiB
	JournalBytesMax     int64         // at which the node refuses payments; default 8 GiB
	AuditAfter          time.Duration // age at which a receipt must have a row; default 1 min
	AuditInterval       time.Duration // default 10 s

	// IdempotencyTTL is how long an idempotency key is kept: 1 min to 30 d, default
	// 24 h. IdempotencyBytesMax is what all of them may take; default 1 GiB.
	IdempotencyTTL      time.Duration
	IdempotencyBytesMax int64

	StreamBytesMax    int64 // per stream; default 4 GiB
	StreamMessagesMax int64 // per stream; 0 for as many as StreamBytesMax holds
	InFlightMax       int   // requests waiting for the stream at once; default 4096
	// TenantShare is how much of the room that others leave one tenant may hold, of
	// each of these three limits: above 0, at most 1, which turns it off; default 0.5.
	TenantShare float64
	// PutTimeout is how long a request waits for the stream's word before the
	// client is told to send it again; default 5 s.
	PutTimeout time.Duration

	Logger *slog.Logger
}

const (
	messageBytesMax = 128 << 10 // a 64 KiB request with every character escaped
	ackPendingMax   = 20_000    // payments handed out and not yet claimed, per stream
	connectTimeout  = 10 * time.Second
	requestTimeout  = 5 * time.Second // one call of the JetStream API

	flushTimeout       = 2 * time.Second
	pingInterval       = 5 * time.Second
	pingsUnansweredMax = 2 // then another server is looked for
)

// check finds what no default can mend.
func (c Config) check() error {
	if !(c.TenantShare > 0 && c.TenantShare <= 1) { // NaN neither
		return &payment.Error{
			Code:   payment.CodeConfig,
			Detail: fmt.Sprintf("a tenant's share of %g is not above 0 and at most 1", c.TenantShare),
		}
	}
	if c.StreamMessagesMax < 0 {
		return &payment.Error{Code: payment.CodeConfig, Detail: "the limit of messages on a stream is negative"}
	}
	return checkIdempotencyTTL(c.IdempotencyTTL)
}

func (c Config) withDefaults() Config {
	setDefault(&c.Shards, 1)
	setDefault(&c.Replicas, 1)
	setDefault(&c.DedupWindow, 2*time.Minute)
	setDefault(&c.AckWait, 30*time.Second)
	setDefault(&c.Durability, JournalAndStream)
	setDefault(&c.JournalSegmentBytes, 64<<20)
	setDefault(&c.JournalBytesMax, 8<<30)
	setDefault(&c.AuditAfter, time.Minute)
	setDefault(&c.AuditInterval, 10*time.Second)
	setDefault(&c.IdempotencyTTL, 24*time.Hour)
	setDefault(&c.IdempotencyBytesMax, 1<<30)
	setDefault(&c.StreamBytesMax, 4<<30)
	setDefault(&c.InFlightMax, 4096)
	setDefault(&c.TenantShare, 0.5)
	setDefault(&c.PutTimeout, 5*time.Second)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// messagesMax is the limit as JetStream has it.
func (c Config) messagesMax() int64 {
	if c.StreamMessagesMax == 0 {
		return -1
	}
	return c.StreamMessagesMax
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
