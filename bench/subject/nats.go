package subject

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/url"

	"github.com/paybuf/paybuf/internal/local"
)

// serveNATS runs a NATS server as `paybuf dev` has one inside, but listening on a free
// port of loopback. It writes its address to out as one line, and serves until in ends.
func serveNATS(ctx context.Context, dir string, in io.Reader, out io.Writer) error {
	server, err := local.StartNATS(ctx, local.NATSConfig{
		Dir: dir, Listen: "127.0.0.1:0", Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return err
	}
	defer server.Stop()
	at, err := url.Parse(server.ClientURL())
	if err != nil {
		return fmt.Errorf("nats: %w", err)
	}
	_, err = fmt.Fprintln(out, at.Host)
	if err == nil {
		_, err = io.Copy(io.Discard, in)
	}
	return err
}
