package localtest

import (
	"log/slog"
	"testing"

	"github.com/paybuf/paybuf/internal/local"
)

// NATS returns an embedded server with an empty JetStream of the test's own,
// which does not listen. It is stopped when the test ends, so clients must be
// closed by then.
func NATS(t testing.TB) *local.NATS {
	t.Helper()
	n, err := local.StartNATS(t.Context(), local.NATSConfig{
		Dir: t.TempDir(), Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal("localtest: ", err)
	}
	t.Cleanup(n.Stop)
	return n
}
