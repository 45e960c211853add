package subject

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	askTimeout      = 5 * time.Second
	metricsBytesMax = 4 << 20
	backlogTimeout  = 20 * time.Second
	backlogPoll     = 50 * time.Millisecond
	backlogMetric   = "paybuf_buffer_backlog{"
)

var (
	errAskSlow      = errors.New("the operators' listener did not answer in time")
	errBacklogShort = errors.New("payments are missing")
	errNoBacklog    = errors.New("its metrics do not tell the backlog")
)

// isReady asks Paybuf whether it is ready.
func (s *Subject) isReady(ctx context.Context) (bool, error) {
	status, _, err := s.ask(ctx, "/readyz")
	return status == http.StatusOK, err
}

// AwaitBacklog waits until Paybuf says that so many payments wait, or more. It is an
// error if it does not within 20 s: then some were lost.
func (s *Subject) AwaitBacklog(ctx context.Context, payments int) error {
	ctx, cancel := context.WithTimeoutCause(ctx, backlogTimeout, errBacklogShort)
	defer cancel()
	ticker := time.NewTicker(backlogPoll)
	defer ticker.Stop()
	for {
		_, metrics, err := s.ask(ctx, "/metrics")
		if err != nil {
			return fmt.Errorf("backlog: %w", err)
		}
		waiting, err := backlogIn(metrics)
		if err != nil {
			return fmt.Errorf("backlog: %w", err)
		}
		if waiting >= float64(payments) {
			return nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return fmt.Errorf("backlog: %.0f of %d payments wait: %w", waiting, payments, context.Cause(ctx))
		}
	}
}

func (s *Subject) ask(ctx context.Context, path string) (status int, body []byte, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, askTimeout, errAskSlow)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.OperatorURL+path, http.NoBody)
	if err != nil {
		return 0, nil, fmt.Errorf("ask %s: %w", path, err)
	}
	request.Close = true // asked seldom: nothing is to stay open between
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, nil, fmt.Errorf("ask %s: %w", path, errors.Join(err, context.Cause(ctx)))
	}
	defer func() { _ = response.Body.Close() }() // read as far as we want
	body, err = io.ReadAll(io.LimitReader(response.Body, metricsBytesMax))
	if err != nil {
		return 0, nil, fmt.Errorf("ask %s: %w", path, err)
	}
	return response.StatusCode, body, nil
}

// backlogIn adds up the backlogs of all streams in Prometheus' text format.
func backlogIn(metrics []byte) (float64, error) {
	total, found := 0.0, false
	for line := range bytes.Lines(metrics) {
		rest, is := strings.CutPrefix(string(line), backlogMetric)
		if !is {
			continue
		}
		_, value, _ := strings.Cut(rest, "} ")
		waiting, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
		if err != nil {
			return 0, fmt.Errorf("%q is no metric: %w", line, err)
		}
		total, found = total+waiting, true
	}
	if !found {
		return 0, errNoBacklog
	}
	return total, nil
}
