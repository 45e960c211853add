package app_test

import (
	"bytes"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
)

var discard = slog.New(slog.DiscardHandler)

// logs keeps what an installation logs, at every level, and shows the end of it
// if the test fails.
type logs struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func newLogs(t *testing.T) *logs {
	t.Helper()
	l := &logs{}
	t.Cleanup(func() {
		if !t.Failed() {
			return
		}
		const linesMax = 40
		lines := slices.DeleteFunc(strings.Split(l.String(), "\n"), func(line string) bool {
			return strings.Contains(line, "level=DEBUG")
		})
		t.Logf("the end of the log:\n%s", strings.Join(lines[max(0, len(lines)-linesMax):], "\n"))
	})
	return l
}

func (l *logs) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// Write implements io.Writer.
func (l *logs) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(line)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
