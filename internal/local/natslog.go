package local

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"

	"github.com/nats-io/nats-server/v2/server"
)

var _ server.Logger = (*natsLogger)(nil)

// natsLogger hands the embedded server's log to slog: its text becomes the
// attribute "cause", since it is the reason for what the operator sees. What
// the server calls fatal is kept for StartNATS to return, and not logged too.
type natsLogger struct {
	log *slog.Logger

	mu     sync.Mutex
	reason error
}

// Noticef logs at debug level: the server's notices tell of every start.
func (l *natsLogger) Noticef(format string, v ...any) {
	l.write(slog.LevelDebug, "embedded NATS server: notice", format, v)
}

// Warnf logs a warning.
func (l *natsLogger) Warnf(format string, v ...any) {
	l.write(slog.LevelWarn, "embedded NATS server: warning", format, v)
}

// Errorf logs an error.
func (l *natsLogger) Errorf(format string, v ...any) {
	l.write(slog.LevelError, "embedded NATS server: error", format, v)
}

// Fatalf keeps the first reason for which the server could not start.
func (l *natsLogger) Fatalf(format string, v ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.reason == nil {
		l.reason = errors.New(strings.TrimSpace(fmt.Sprintf(format, v...)))
	}
}

// Debugf is never called: debugging is off.
func (l *natsLogger) Debugf(string, ...any) {}

// Tracef is never called: tracing would log payments.
func (l *natsLogger) Tracef(string, ...any) {}

func (l *natsLogger) write(level slog.Level, message, format string, v []any) {
	l.log.LogAttrs(context.Background(), level, message,
		slog.String("cause", strings.TrimSpace(fmt.Sprintf(format, v...))))
}

// fatal returns what the server said before it gave up, or nil.
func (l *natsLogger) fatal() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.reason
}
