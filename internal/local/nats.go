package local

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

const (
	// natsReadyTimeout is generous because a start reads back every message
	// block that has no index, as after a kill -9.
	natsReadyTimeout = 60 * time.Second

	fileBytesMaxDefault = 16 << 30
	memoryBytesMax      = 256 << 20
	// syncInterval is how long a power cut may take back what was acknowledged. The
	// server's own two minutes are longer than a receipt lives in Paybuf's journal:
	// that goes a minute after its payment has a row, and with it what else would
	// be restored from it, such as an idempotency key.
	syncInterval    = 15 * time.Second
	payloadBytesMax = 1 << 20
)

// NATSConfig says where and how to run an embedded NATS server with JetStream.
type NATSConfig struct {
	// Dir holds the JetStream store. It is made if missing.
	Dir string
	// SyncAlways has every stored message reach the disk before it is
	// acknowledged. Without it the server syncs every 15 seconds, and whoever
	// publishes needs a journal.
	SyncAlways bool
	// MaxFileBytes limits the store; a stream that is full refuses messages.
	// 0 means 16 GiB.
	MaxFileBytes int64
	// Listen is a host:port on a loopback address, where port 0 picks a free
	// one. Empty means that only our own process can connect.
	Listen string
	// Logger hears of the server's warnings and errors; nil means slog.Default.
	Logger *slog.Logger
}

// NATS is a running embedded server, whose store no other process can open
// until it is stopped or our process ends.
type NATS struct {
	opts *server.Options // as they were given: a server changes its own
	log  *slog.Logger
	lock *fileLock

	mu     sync.Mutex
	server *server.Server // nil while there is none
}

// StartNATS starts a server on cfg.Dir with all the streams and consumers that
// it held before, and returns once it accepts connections.
//
// Errors: ErrInUse if another process has the store open for longer than a few
// seconds; otherwise the server's own reason for not starting.
func StartNATS(ctx context.Context, cfg NATSConfig) (*NATS, error) {
	if cfg.Dir == "" {
		return nil, errors.New("start NATS: no directory given")
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	opts, err := natsOptions(cfg)
	if err != nil {
		return nil, fmt.Errorf("start NATS: %w", err)
	}
	return openNATS(ctx, opts, cfg.Logger)
}

// openNATS locks the store that the options name and runs a server on it.
func openNATS(ctx context.Context, opts *server.Options, log *slog.Logger) (*NATS, error) {
	if err := mkdirExact(opts.StoreDir, 0o700); err != nil {
		return nil, fmt.Errorf("start NATS: make its directory: %w", err)
	}
	held, err := lock(ctx, filepath.Join(opts.StoreDir, "lock"))
	if err != nil {
		return nil, fmt.Errorf("start NATS: %w", err)
	}
	given := opts.Clone()
	srv, err := runNATS(ctx, opts, &natsLogger{log: log})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start NATS in %s: %w", opts.StoreDir, err), held.release())
	}
	if address, listens := srv.Addr().(*net.TCPAddr); listens {
		given.Port = address.Port // the next server's too
	}
	return &NATS{opts: given, log: log, lock: held, server: srv}, nil
}

// natsOptions translates the configuration into the server's.
func natsOptions(cfg NATSConfig) (*server.Options, error) {
	opts := &server.Options{
		ServerName:             "paybuf",
		DontListen:             cfg.Listen == "",
		NoSigs:                 true, // signals are our process' business
		MaxPayload:             payloadBytesMax,
		JetStream:              true,
		StoreDir:               cfg.Dir,
		SyncAlways:             cfg.SyncAlways,
		SyncInterval:           syncInterval,
		JetStreamMaxStore:      cfg.MaxFileBytes,
		JetStreamMaxMemory:     memoryBytesMax,
		DisableJetStreamBanner: true,
	}
	if opts.JetStreamMaxStore == 0 {
		opts.JetStreamMaxStore = fileBytesMaxDefault
	}
	if cfg.Listen == "" {
		return opts, nil
	}
	var err error
	opts.Host, opts.Port, err = parseListen(cfg.Listen)
	return opts, err
}

// parseListen splits host:port and refuses what other machines could reach:
// the embedded server asks nobody for a password.
func parseListen(listen string) (host string, port int, err error) {
	host, text, err := net.SplitHostPort(listen)
	if err != nil {
		return "", 0, fmt.Errorf("listen address %q is not host:port: %w", listen, err)
	}
	ip := net.ParseIP(host)
	if host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return "", 0, fmt.Errorf("listen address %q is not on loopback: the embedded server has no authentication", listen)
	}
	port, err = strconv.Atoi(text)
	if err != nil {
		return "", 0, fmt.Errorf("listen address %q has no numeric port: %w", listen, err)
	}
	if port <= 0 {
		port = server.RANDOM_PORT
	}
	return host, port, nil
}

// runNATS starts a server and leaves none behind if it does not become ready.
func runNATS(ctx context.Context, opts *server.Options, logger *natsLogger) (*server.Server, error) {
	srv, err := server.NewServer(opts)
	if err != nil {
		return nil, err
	}
	srv.SetLoggerV2(logger, false, false, false)
	ctx, cancel := context.WithTimeoutCause(ctx, natsReadyTimeout, errors.New("the server was not ready within "+natsReadyTimeout.String()))
	defer cancel()
	started := make(chan struct{})
	go func() {
		defer close(started)
		srv.Start() // reads the store back before it returns
	}()
	err = awaitNATS(ctx, srv, logger, started)
	if err != nil {
		srv.Shutdown()
		<-started
		srv.WaitForShutdown()
		return nil, err
	}
	return srv, nil
}

func awaitNATS(ctx context.Context, srv *server.Server, logger *natsLogger, started <-chan struct{}) error {
	select {
	case <-started:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return poll(ctx, readyPoll, func() (bool, error) {
		if err := logger.fatal(); err != nil {
			return false, err
		}
		return srv.JetStreamEnabled() && srv.ReadyForConnections(readyPoll), nil
	})
}

// InProcessConnProvider connects a client of our own process without a socket.
// It has the shape that the NATS client's InProcessServer option wants.
type InProcessConnProvider interface {
	InProcessConn() (net.Conn, error)
}

// InProcess is what the NATS client's InProcessServer option takes. After Restart
// it connects to the new server.
func (n *NATS) InProcess() InProcessConnProvider { return n }

// InProcessConn implements InProcessConnProvider.
func (n *NATS) InProcessConn() (net.Conn, error) {
	running := n.current()
	if running == nil {
		return nil, errNotRunning
	}
	return running.InProcessConn()
}

// ClientURL is where the server listens, or "" if it does not.
func (n *NATS) ClientURL() string {
	running := n.current()
	if running == nil || running.Addr() == nil {
		return ""
	}
	return running.ClientURL()
}

func (n *NATS) current() *server.Server {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.server
}

// Stop disconnects all clients, writes everything out and waits for it.
func (n *NATS) Stop() {
	halt(n.current())
	_ = n.lock.release() // closing the descriptor frees the lock even if it reports an error
}
