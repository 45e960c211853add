package local

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	// readyTimeout is generous because a recovery replays all that was written
	// since the last checkpoint.
	readyTimeout = 30 * time.Second
	stopTimeout  = 30 * time.Second
	retryPause   = 100 * time.Millisecond
	attemptsMax  = 50
)

var (
	errNotReady   = errors.New("postgres was not ready within " + readyTimeout.String())
	errNotStopped = errors.New("postgres took too long to stop")
	// errTransient marks a failed attempt that is worth another.
	errTransient = errors.New("postgres could not start yet")
)

// starter brings one cluster up.
type starter struct {
	cfg          PostgresConfig
	place        place
	programs     programs
	password     string
	passwordKept bool // false while the cluster may not know the password
	port         int
}

func (s *starter) url() string {
	u := url.URL{
		Scheme:   "postgres",
		User:     url.UserPassword(roleName, s.password),
		Host:     net.JoinHostPort(loopback, strconv.Itoa(s.port)),
		Path:     "/" + databaseName,
		RawQuery: "sslmode=disable",
	}
	return u.String()
}

// start takes over what runs, or creates what is missing and starts it. What
// stands in the way for a moment is waited out.
func (s *starter) start(ctx context.Context) (*postmaster, error) {
	if err := s.place.connect(ctx, s.cfg.Logger); err != nil {
		return nil, err
	}
	major, err := clusterMajor(s.place.cluster)
	if err != nil {
		return nil, err
	}
	if s.programs, err = findPrograms(ctx, major); err != nil {
		return nil, err
	}
	if s.password, s.passwordKept, err = s.place.loadPassword(); err != nil {
		return nil, err
	}
	for attempt := 1; ; attempt++ {
		server, err := s.attempt(ctx)
		if err == nil || !errors.Is(err, errTransient) || attempt == attemptsMax {
			return server, err
		}
		if err := pause(ctx, retryPause); err != nil {
			return nil, err
		}
	}
}

func (s *starter) attempt(ctx context.Context) (*postmaster, error) {
	if server, err := s.takeOver(ctx); server != nil || err != nil {
		return server, err
	}
	if err := s.prepare(ctx); err != nil {
		return nil, err
	}
	return s.launch(ctx)
}

// takeOver returns the running server if it is the one that we would start,
// and stops it otherwise; nil means that none runs now.
func (s *starter) takeOver(ctx context.Context) (*postmaster, error) {
	server, file, err := findPostmaster(s.place.cluster)
	if server == nil || err != nil {
		return nil, err
	}
	log := s.cfg.Logger.With(slog.Int("pid", file.pid), slog.String("cluster", s.place.cluster))
	if s.matches(file) {
		s.port = file.port
		if s.awaitReady(ctx, server) == nil {
			log.InfoContext(ctx, "took over the Postgres that an earlier process left running")
			return server, nil
		}
	}
	log.InfoContext(ctx, "restarting the Postgres that an earlier process left running")
	stopCtx, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), stopTimeout, errNotStopped)
	defer cancel()
	return nil, server.stop(stopCtx)
}

// matches reports whether the running server has the program and the settings
// that ours would have, and a password that we know. One that stops with its
// parent is about to.
func (s *starter) matches(file pidFile) bool {
	if s.cfg.StopWithParent || !s.passwordKept {
		return false
	}
	want := append([]string{s.programs.postgres}, serverArgs(s.cfg, s.place.cluster, file.port)...)
	line, err := commandLine(file.pid)
	return err == nil && line == strings.Join(want, " ")
}

// prepare leaves a complete cluster that knows the password, and keeps that.
func (s *starter) prepare(ctx context.Context) error {
	if err := shortenLog(s.place.log()); err != nil {
		return fmt.Errorf("shorten Postgres' log: %w", err)
	}
	exists, err := s.place.exists()
	if err != nil {
		return err
	}
	switch {
	case !exists:
		err = s.place.create(ctx, s.cfg, s.programs, s.password)
	case !s.passwordKept:
		err = s.place.resetPassword(ctx, s.cfg, s.programs, s.password)
	}
	if err != nil || s.passwordKept {
		return err
	}
	s.passwordKept = true
	return s.place.keepPassword(s.password)
}

// launch starts the server on a free port and waits until it is ready; it
// leaves none behind if it fails, and says what the server said.
func (s *starter) launch(ctx context.Context) (*postmaster, error) {
	var err error
	if s.port, err = s.place.choosePort(ctx); err != nil {
		return nil, err
	}
	logStart := fileSize(s.place.log())
	server, err := launch(s.cfg, s.place, s.programs, s.port)
	if err != nil {
		return nil, err
	}
	err = s.awaitReady(ctx, server)
	if err == nil {
		err = writeDurably(s.place.port(), strconv.Itoa(s.port)+"\n")
	}
	if err == nil {
		return server, nil
	}
	stopCtx, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), killTimeout, errNotStopped)
	defer cancel()
	err = errors.Join(err, server.stop(stopCtx))
	said := readFrom(s.place.log(), logStart)
	if s.willPass(ctx, said) {
		err = errors.Join(errTransient, err)
	}
	return nil, fmt.Errorf("%w; %s ends with:\n%s", err, s.place.log(), lastLines(said))
}

// willPass recognises by Postgres' own words what another attempt gets over:
// children of a server just killed that still hold its memory, a server that a
// process just killed had still started, a port that someone else was faster
// to take.
func (s *starter) willPass(ctx context.Context, said string) bool {
	return strings.Contains(said, "pre-existing shared memory block") ||
		strings.Contains(said, `lock file "postmaster.pid" already exists`) ||
		strings.Contains(said, "could not create any TCP/IP sockets") && !portIsFree(ctx, s.port)
}

func (s *starter) awaitReady(ctx context.Context, server *postmaster) error {
	ctx, cancel := context.WithTimeoutCause(ctx, readyTimeout, errNotReady)
	defer cancel()
	return server.awaitReady(ctx, s.port)
}

// pause waits, unless ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}
