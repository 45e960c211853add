package buffer

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/paybuf/paybuf/buffer/journal"
	"github.com/paybuf/paybuf/payment"
)

// Buffer is the durable queue between intake and processing. It is safe for
// concurrent use.
type Buffer struct {
	cfg    Config
	nc     *nats.Conn
	js     jetstream.JetStream
	shards []*Shard
	pub    *publisher
	keys   *Directory

	bindings  *bindings
	announcer *announcer

	journal *journal.Journal // nil if the durability needs none
	late    chan lateAnswer  // looked at after the request was accepted
	recent  *recent
	audit   *auditor
	tenants *tenants
	refused refusals
	// journalFull says why the journal takes nothing, nil while it does.
	journalFull atomic.Pointer[error]
	unsettled   atomic.Bool // the connection was lost, and where the streams end is not known yet

	stop context.CancelFunc
	wg   sync.WaitGroup
}

// Open connects, creates what a first start needs and refuses to run on streams
// that are configured otherwise than cfg says. Its background work (publishing,
// clearing away, measuring) ends with Close.
func Open(ctx context.Context, cfg Config) (*Buffer, error) {
	cfg = cfg.withDefaults()
	if err := cfg.check(); err != nil {
		return nil, err
	}
	nc, err := connect(ctx, cfg)
	if err != nil {
		return nil, err
	}
	b := &Buffer{cfg: cfg, nc: nc, tenants: newTenants(cfg)}
	if err := b.open(ctx); err != nil {
		nc.Close()
		return nil, err
	}
	return b, nil
}

func (b *Buffer) open(ctx context.Context) error {
	var err error
	if b.js, err = jetstream.New(b.nc, jetstream.WithDefaultTimeout(requestTimeout)); err != nil {
		return fmt.Errorf("buffer: %w", err)
	}
	if err := patiently(ctx, b.cfg.Logger, b.openStreams); err != nil {
		return err
	}
	if b.journal, err = openJournal(b.cfg); err != nil {
		return err
	}
	if b.pub, err = newPublisher(b.nc, b.journal, b.cfg); err != nil {
		b.closeJournal()
		return err
	}
	b.recent = newRecent(b.cfg.DedupWindow)
	b.remember(ctx)
	b.audit = newAuditor(b)
	b.late = make(chan lateAnswer, b.cfg.InFlightMax)
	b.announcer = newAnnouncer(b.nc, b.cfg.Logger)
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	b.stop = stop
	b.wg.Go(func() { b.pub.run(background) })
	b.wg.Go(func() { b.pub.watch(background) })
	b.wg.Go(func() { b.runLate(background) })
	b.wg.Go(func() { b.announcer.run(background) })
	b.wg.Go(func() { b.keys.run(background) })
	b.wg.Go(func() { b.bindings.watch(background) })
	if b.journal != nil {
		end := b.endBefore(ctx, time.Now())
		b.wg.Go(func() { b.audit.run(background, end) })
	}
	b.wg.Go(func() { b.resume(background) })
	b.wg.Go(func() { b.watchStores(background) })
	for _, shard := range b.shards {
		b.wg.Go(func() { shard.watch(background) })
		b.wg.Go(func() { shard.clearAway(background) })
	}
	return nil
}

// openStreams creates or checks what this installation keeps on the servers. It
// may be called again after an error.
func (b *Buffer) openStreams(ctx context.Context) error {
	b.shards = nil
	for number := range b.cfg.Shards {
		shard, err := openShard(ctx, b.js, number, b.tenants)
		if err != nil {
			return err
		}
		b.shards = append(b.shards, shard)
	}
	var err error
	if b.bindings, err = openBindings(ctx, b.js, b.cfg); err != nil {
		return err
	}
	b.keys, err = openDirectory(ctx, b.js, b.cfg)
	return err
}

// Close waits for the background work and closes the connection. Requests that
// still wait for the stream are told that their fate is unknown.
func (b *Buffer) Close() {
	b.stop()
	b.wg.Wait()
	b.nc.Close()
	b.closeJournal()
}

func (b *Buffer) closeJournal() {
	if b.journal == nil {
		return
	}
	if err := b.journal.Close(); err != nil { // what was accepted is synced already
		b.cfg.Logger.Warn("close the journal", slog.Any("error", err))
	}
}

// Shards gives the streams, each a source of deliveries of its own.
func (b *Buffer) Shards() []*Shard { return b.shards }

// Keys gives the directory of API keys.
func (b *Buffer) Keys() *Directory { return b.keys }

// Ping tells whether the stream answers, for readiness.
func (b *Buffer) Ping(ctx context.Context) error {
	for _, shard := range b.shards {
		if _, err := shard.stream.Info(ctx); err != nil {
			return unavailable(fmt.Errorf("stream %s: %w", shard.name, err))
		}
	}
	return nil
}

// shardOf spreads ids evenly; the same id always goes to the same stream, since
// a stream only knows its own repetitions.
func (b *Buffer) shardOf(id payment.ID) *Shard {
	if len(b.shards) == 1 {
		return b.shards[0]
	}
	hash := fnv.New32a()
	_, _ = hash.Write([]byte(id))                       // never fails
	return b.shards[hash.Sum32()%uint32(len(b.shards))] //nolint:gosec // a handful of shards
}

func connect(ctx context.Context, cfg Config) (*nats.Conn, error) {
	log := cfg.Logger
	options := []nats.Option{
		nats.Name("paybuf"),
		nats.MaxReconnects(-1),
		// No buffer: what is published while disconnected must fail at once and not
		// be sent minutes later, when its client was told 503 long ago.
		nats.ReconnectBufSize(-1),
		// A server that reads no more, on a machine that is there, is a lost one.
		nats.FlusherTimeout(flushTimeout),
		nats.Timeout(connectTimeout),
		// A server whose machine has vanished says nothing; by default nobody would
		// notice for four minutes.
		nats.PingInterval(pingInterval),
		nats.MaxPingsOutstanding(pingsUnansweredMax),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err == nil {
				return // closed by us
			}
			log.Warn("nats connection lost; reconnecting", slog.Any("error", err))
		}),
		nats.ReconnectHandler(func(nc *nats.Conn) {
			log.Info("nats connection is back", slog.String("server", nc.ConnectedUrlRedacted()))
		}),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			log.Warn("nats", slog.Any("error", err))
		}),
	}
	if (cfg.URL == "") == (cfg.InProcess == nil) {
		return nil, errors.New("buffer: give a NATS URL or an embedded server")
	}
	if cfg.InProcess != nil {
		options = append(options, nats.InProcessServer(cfg.InProcess))
	}
	if err := checkURLs(cfg.URL); err != nil {
		return nil, err
	}
	if err := context.Cause(ctx); err != nil {
		return nil, fmt.Errorf("buffer: %w", err)
	}
	nc, err := nats.Connect(cfg.URL, options...)
	if err != nil {
		return nil, &payment.Error{
			Code:   connectCode(err),
			Detail: "NATS does not answer; check that the server runs and that --nats names it",
			Cause:  err,
		}
	}
	return nc, nil
}

// connectCode tells servers that refuse whoever comes as we do from those that may
// answer the next start.
func connectCode(err error) payment.Code {
	for _, refusal := range []error{nats.ErrAuthorization, nats.ErrAuthExpired, nats.ErrSecureConnRequired} {
		if errors.Is(err, refusal) {
			return payment.CodeConfig
		}
	}
	return payment.CodeBufferUnavailable
}

// checkURLs refuses what cannot be read, in words that repeat nothing: a URL may
// hold a password, and the parser's own error shows it.
func checkURLs(urls string) error {
	for text := range strings.SplitSeq(urls, ",") {
		if parsed, err := url.Parse(strings.TrimSpace(text)); err != nil || (text != "" && parsed.Host == "") {
			return &payment.Error{
				Code:   payment.CodeConfig,
				Detail: "a NATS URL cannot be read; give nats://[user:password@]host:port, special characters percent-encoded",
			}
		}
	}
	return nil
}

// unavailable is the error of a request whose fate the stream has not told.
func unavailable(cause error) error {
	return &payment.Error{
		Code:       payment.CodeBufferUnavailable,
		Detail:     "the buffer does not answer; it is not known whether the request was stored: send it again",
		RetryAfter: retryAfterMin,
		Cause:      cause,
	}
}
