package localtest

import (
	"log/slog"
	"testing"

	"github.com/paybuf/paybuf/internal/local"
)

// Cluster returns three servers with an empty JetStream of the test's own. They
// are stopped when the test ends, so clients must be closed by then.
func Cluster(t testing.TB) *local.NATSCluster {
	t.Helper()
	c, err := local.StartNATSCluster(t.Context(), local.NATSClusterConfig{
		Dir: t.TempDir(), SyncAlways: true, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal("localtest: ", err)
	}
	t.Cleanup(c.Stop)
	return c
}
