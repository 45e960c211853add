package buffer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/paybuf/paybuf/payment"
)

const (
	streamPrefix    = "PAYBUF_"
	intakePrefix    = "paybuf.intake."
	conflictPrefix  = "paybuf.conflict."
	consumerName    = "processor"
	messageIDHeader = "Nats-Msg-Id"

	aheadLooksMax = 10
	aheadPause    = 100 * time.Millisecond
)

// Shard is one stream and its consumer.
type Shard struct {
	cfg      Config
	log      *slog.Logger
	name     string
	number   string
	js       jetstream.JetStream
	stream   jetstream.Stream
	consumer jetstream.Consumer
	gauge    gauge

	fullUntil atomic.Int64 // Unix time in ns
	index     int          // among the buffer's
	tenants   *tenants
	health    health
}

func openShard(ctx context.Context, js jetstream.JetStream, number int, t *tenants) (*Shard, error) {
	s := &Shard{cfg: t.cfg, js: js, index: number, number: strconv.Itoa(number), tenants: t}
	s.name = streamPrefix + s.number
	s.log = s.cfg.Logger.With(slog.String("stream", s.name))
	if err := s.ensureStream(ctx); err != nil {
		return nil, err
	}
	if err := s.ensureConsumer(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// ensureStream creates the stream at an installation's first start. A stream
// that differs is somebody's decision or somebody's mistake; either way a human
// must look, so it is an error that shows the difference. Only the subjects that
// an earlier version did not know are added.
func (s *Shard) ensureStream(ctx context.Context) error {
	want := s.streamConfig()
	stream, err := openStream(ctx, s.js, want)
	if err == nil {
		stream, err = s.addSubjects(ctx, stream, want.Subjects)
	}
	if err != nil {
		return err
	}
	s.stream = stream
	have := stream.CachedInfo().Config
	drift := streamDrift(want, have)
	if s.cfg.Durability == StreamOnly && have.PersistMode == jetstream.AsyncPersistMode {
		// The other way round is only slower. NATS cannot change it.
		drift = append(drift, "it acknowledges before it writes, which is right only beside a journal; begin anew for --durability stream")
	}
	return driftError("stream "+s.name, drift)
}

// openStream finds a stream, or creates it as wanted.
func openStream(ctx context.Context, js jetstream.JetStream, want jetstream.StreamConfig) (jetstream.Stream, error) {
	stream, err := js.Stream(ctx, want.Name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		stream, err = js.CreateStream(ctx, want)
	}
	if err != nil {
		return nil, fmt.Errorf("stream %s: %w", want.Name, err)
	}
	return stream, nil
}

// addSubjects lets a stream of an earlier version take what this one publishes
// besides. It is the one difference that needs no human, since nothing can be lost
// by it; a stream with a subject that we do not know is left to the drift.
func (s *Shard) addSubjects(ctx context.Context, stream jetstream.Stream, want []string) (jetstream.Stream, error) {
	have := stream.CachedInfo().Config
	added := 0
	for _, subject := range want {
		if !slices.Contains(have.Subjects, subject) {
			added++
		}
	}
	if added == 0 || len(have.Subjects)+added != len(want) {
		return stream, nil
	}
	s.log.Info("the stream takes further subjects now", slog.String("was", strings.Join(have.Subjects, " ")))
	have.Subjects = want
	return s.js.UpdateStream(ctx, have)
}

func (s *Shard) ensureConsumer(ctx context.Context) error {
	want := s.consumerConfig()
	consumer, err := s.stream.Consumer(ctx, consumerName)
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		consumer, err = s.stream.CreateConsumer(ctx, want)
	}
	ahead := false
	if err == nil {
		ahead, err = s.isAhead(ctx, consumer)
	}
	if ahead {
		s.log.Error("the stream has lost its tail, and its consumer is ahead of it; all that is left is handed out again")
		consumer, err = s.replaceConsumer(ctx, want)
	}
	if err != nil {
		return fmt.Errorf("consumer %s of %s: %w", consumerName, s.name, err)
	}
	s.consumer = consumer
	return driftError("consumer "+consumerName+" of "+s.name, consumerDrift(want, consumer.CachedInfo().Config))
}

// isAhead tells that the consumer has seen more than the stream has. The stream
// will give those sequences out again, and the consumer would pass them over.
//
// Other processes may be at work, so the stream is asked after its consumer. The
// leader of a replicated stream may still be a moment behind the server that
// leads the consumer, so it is given time.
func (s *Shard) isAhead(ctx context.Context, consumer jetstream.Consumer) (bool, error) {
	info := consumer.CachedInfo()
	seen := max(info.AckFloor.Stream, info.Delivered.Stream)
	looks := 1
	if s.cfg.Replicas > 1 {
		looks = aheadLooksMax
	}
	for look := range looks {
		if look > 0 {
			pause(ctx, aheadPause)
		}
		stream, err := s.stream.Info(ctx)
		if err != nil || seen <= stream.State.LastSeq {
			return false, err
		}
	}
	return true, nil
}

// replaceConsumer begins anew at the stream's first message. What was claimed
// before comes again, and the ledger knows it.
func (s *Shard) replaceConsumer(ctx context.Context, want jetstream.ConsumerConfig) (jetstream.Consumer, error) {
	if err := s.stream.DeleteConsumer(ctx, consumerName); err != nil {
		return nil, err
	}
	return s.stream.CreateConsumer(ctx, want)
}

// streamConfig holds the facts that the design rests on. Limits retention with a
// janitor of our own, since a work queue forgets an acknowledged id on restart;
// DiscardNew, since the default deletes the oldest unprocessed payment.
func (s *Shard) streamConfig() jetstream.StreamConfig {
	cfg := jetstream.StreamConfig{
		Name:        s.name,
		Description: "accepted payments that no processor has claimed yet",
		Subjects:    []string{intakePrefix + s.number + ".*", conflictPrefix + s.number + ".*", batchPrefix + s.number + ".*"},
		Retention:   jetstream.LimitsPolicy,
		Discard:     jetstream.DiscardNew,
		Storage:     jetstream.FileStorage,
		Replicas:    s.cfg.Replicas,
		Duplicates:  s.cfg.DedupWindow,
		MaxBytes:    s.cfg.StreamBytesMax,
		MaxMsgs:     s.cfg.messagesMax(),
		MaxMsgSize:  messageBytesMax,
		DenyDelete:  true,
		AllowDirect: true,
	}
	if s.cfg.writesBehind() {
		// The server dies with us, and the journal has what it had not written yet.
		cfg.PersistMode = jetstream.AsyncPersistMode
	}
	return cfg
}

// consumerConfig never gives a payment up: MaxDeliver would strand it, BackOff
// would override AckWait.
func (s *Shard) consumerConfig() jetstream.ConsumerConfig {
	return jetstream.ConsumerConfig{
		Durable:       consumerName,
		AckPolicy:     jetstream.AckExplicitPolicy,
		AckWait:       s.cfg.AckWait,
		MaxDeliver:    -1,
		MaxAckPending: ackPendingMax,
	}
}

func streamDrift(want, have jetstream.StreamConfig) []string {
	var drift []string
	note := differ(&drift)
	note("subjects", strings.Join(want.Subjects, " "), strings.Join(have.Subjects, " "))
	note("retention", want.Retention, have.Retention)
	note("discard", want.Discard, have.Discard)
	note("storage", want.Storage, have.Storage)
	note("replicas", want.Replicas, have.Replicas)
	note("duplicate window", want.Duplicates, have.Duplicates)
	note("max bytes", want.MaxBytes, have.MaxBytes)
	note("max messages", want.MaxMsgs, have.MaxMsgs)
	note("max message size", want.MaxMsgSize, have.MaxMsgSize)
	note("max age", want.MaxAge, have.MaxAge)
	note("deny delete", want.DenyDelete, have.DenyDelete)
	note("allow direct", want.AllowDirect, have.AllowDirect)
	return drift
}

func consumerDrift(want, have jetstream.ConsumerConfig) []string {
	var drift []string
	note := differ(&drift)
	note("ack policy", want.AckPolicy, have.AckPolicy)
	note("ack wait", want.AckWait, have.AckWait)
	note("max deliver", want.MaxDeliver, have.MaxDeliver)
	note("max ack pending", want.MaxAckPending, have.MaxAckPending)
	note("backoff steps", len(want.BackOff), len(have.BackOff))
	note("filter", want.FilterSubject, have.FilterSubject)
	return drift
}

func differ(drift *[]string) func(what string, want, have any) {
	return func(what string, want, have any) {
		if want != have {
			*drift = append(*drift, fmt.Sprintf("%s is %v, should be %v", what, have, want))
		}
	}
}

func driftError(what string, drift []string) error {
	if len(drift) == 0 {
		return nil
	}
	return &payment.Error{
		Code: payment.CodeConfig,
		Detail: fmt.Sprintf("%s differs from this configuration (%s); change the configuration, or the server's with `nats`",
			what, strings.Join(drift, "; ")),
	}
}
