package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/paybuf/paybuf/internal/parking"
)

// Limits on what one connection may take.
const (
	readHeaderTimeout = 10 * time.Second
	readTimeout       = 30 * time.Second
	writeTimeout      = 60 * time.Second
	idleTimeout       = 2 * time.Minute
	headerBytesMax    = 16 << 10
)

// server is one listener and what it serves.
type server struct {
	listener net.Listener
	http     *http.Server
}

func (s *server) url() string {
	if s == nil {
		return ""
	}
	return "http://" + s.listener.Addr().String()
}

// serve listens before it returns, so that an address in use is an error of the
// start. It sets *to and sees to the stop. Connections come back through the lot, if
// there is one.
func (a *App) serve(name, address string, handler http.Handler, lot *parking.Lot, to **server) error {
	var listen net.ListenConfig
	listener, err := listen.Listen(context.Background(), "tcp", address)
	if err != nil {
		return configError(fmt.Sprintf("%s: %v", name, err))
	}
	s := &server{listener: listener, http: &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    headerBytesMax,
		ErrorLog:          slog.NewLogLogger(a.log.Handler(), slog.LevelDebug),
	}}
	*to = s
	var wg sync.WaitGroup
	accept := func(from net.Listener) {
		if err := s.http.Serve(from); !errors.Is(err, http.ErrServerClosed) {
			a.fatal <- errPart(name, err)
		}
	}
	if lot != nil {
		s.http.Handler, s.http.ConnContext = lot.Handler(handler), lot.ConnContext
		wg.Go(func() { accept(lot) })
	}
	wg.Go(func() { accept(listener) })
	a.onStop(name, func(ctx context.Context) {
		ctx, cancel := context.WithTimeout(ctx, serverStopTime)
		defer cancel()
		if err := s.http.Shutdown(ctx); err != nil {
			a.log.Warn("requests were cut off", slog.String("part", name), slog.Any("error", err))
			_ = s.http.Close() // Shutdown has said what there is to say
		}
		wg.Wait()
	})
	return nil
}
