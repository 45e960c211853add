package buffer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"

	"github.com/paybuf/paybuf/payment"
)

const (
	bindingBucket  = "PAYBUF_IDEMPOTENCY"
	bindingStream  = "KV_" + bindingBucket // as the KV buckets of NATS are named
	bindingPrefix  = "$KV." + bindingBucket + "."
	bindingSizeMax = 1 << 10

	// bindingResendWindow is how long the stream must know a resent binding. It is
	// far longer than anybody resends.
	bindingResendWindow = time.Minute

	idempotencyTTLMin = time.Minute
	idempotencyTTLMax = 30 * 24 * time.Hour
)

// KeyStats is how many idempotency keys are kept.
type KeyStats struct {
	Keys     uint64
	Bytes    uint64
	BytesMax int64 // at which requests with a new key are refused
}

// bindings is the bucket that binds idempotency keys to payments. NATS removes
// an entry when it is as old as the keys' time to live.
type bindings struct {
	cfg    Config
	js     jetstream.JetStream
	log    *slog.Logger
	bucket *Shard // only its stream, which is read as a shard's is
	node   string // this process, among those that bind
	count  atomic.Uint64

	end   time.Time     // of the bucket when this process began; zero if it was empty
	whole chan struct{} // closed when what the bucket may have lost after end is back

	mu    sync.Mutex
	stats KeyStats
}

func openBindings(ctx context.Context, js jetstream.JetStream, cfg Config) (*bindings, error) {
	k := &bindings{
		cfg: cfg, js: js, node: nuid.Next(), whole: make(chan struct{}),
		log: cfg.Logger.With(slog.String("bucket", bindingBucket)),
	}
	want := k.streamConfig()
	stream, err := openStream(ctx, js, want)
	if err != nil {
		return nil, err
	}
	k.bucket = &Shard{cfg: cfg, log: k.log, name: want.Name, js: js, stream: stream}
	k.end = stream.CachedInfo().State.LastTime
	return k, driftError(
		"bucket "+bindingBucket+" (stream "+want.Name+", whose max age is --idempotency-key-ttl)",
		streamDrift(want, stream.CachedInfo().Config))
}

// streamConfig is that of a KV bucket, so that NATS' own tools can look into it.
// Full, it refuses new keys; the default would forget the oldest.
func (k *bindings) streamConfig() jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:              bindingStream,
		Description:       "idempotency keys, hashed, and the payments they belong to",
		Subjects:          []string{bindingPrefix + ">"},
		MaxMsgs:           -1,
		Retention:         jetstream.LimitsPolicy,
		Discard:           jetstream.DiscardNew,
		Storage:           jetstream.FileStorage,
		Replicas:          k.cfg.Replicas,
		Duplicates:        bindingResendWindow,
		MaxAge:            k.cfg.IdempotencyTTL,
		MaxBytes:          k.cfg.IdempotencyBytesMax,
		MaxMsgSize:        bindingSizeMax,
		MaxMsgsPerSubject: 1,
		DenyDelete:        true,
		AllowRollup:       true,
		AllowDirect:       true,
	}
}

// nextID names one try to bind, of this process and of no other.
func (k *bindings) nextID() string { return fmt.Sprintf("%s.%x", k.node, k.count.Add(1)) }

// watch measures until ctx ends, and makes a bucket again that was lost: the
// audit binds the keys again whose receipts are still there.
func (k *bindings) watch(ctx context.Context) {
	ticker := time.NewTicker(gaugeInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		err := k.measure(ctx)
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			k.log.Error("the idempotency keys were lost; those that the journals know are bound again")
			_, err = openStream(ctx, k.js, k.streamConfig())
		}
		if err != nil {
			k.log.Debug("measure", slog.Any("error", err)) // the connection's handler has said it
		}
	}
}

func (k *bindings) measure(ctx context.Context) error {
	info, err := k.bucket.stream.Info(ctx)
	if err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.stats = KeyStats{Keys: info.State.Msgs, Bytes: info.State.Bytes, BytesMax: k.cfg.IdempotencyBytesMax}
	return nil
}

// IdempotencyKeys gives the last measurement, at most a second or so old.
func (b *Buffer) IdempotencyKeys() KeyStats {
	b.bindings.mu.Lock()
	defer b.bindings.mu.Unlock()
	return b.bindings.stats
}

func checkIdempotencyTTL(ttl time.Duration) error {
	if ttl >= idempotencyTTLMin && ttl <= idempotencyTTLMax {
		return nil
	}
	return &payment.Error{
		Code: payment.CodeConfig,
		Detail: fmt.Sprintf("idempotency keys cannot be kept for %s; give --idempotency-key-ttl between %s and %s",
			ttl, idempotencyTTLMin, idempotencyTTLMax),
	}
}
