package submit

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/paybuf/paybuf/client"
)

// laneDepth is how many rows may wait for one connection, so that a slow order
// does not stop the others at once.
const laneDepth = 64

// errGone and errRefusesAll are why the rest of an input is not sent.
var (
	errGone       = fmt.Errorf("%d requests in a row had no answer", lostInRowMax)
	errRefusesAll = errors.New("the API would refuse every request")
)

// sender sends requests over lanes. All requests of one order number go over the
// same lane, one after the other, so the first in the file is the first to be
// answered.
type sender struct {
	api         *client.Client
	concurrency int
	batch       int // requests to send at once; 0 and 1 mean one by one
	tally       *tally
	patience    *patience
	meter       *meter

	stopped atomic.Pointer[error] // why the rest of the input is left alone; nil if it is not
}

// pass sends all requests of one reading of the input and returns when each has
// its answer. The error is the input's.
func (s *sender) pass(ctx context.Context, rows requests) error {
	lanes := make([]chan request, s.concurrency)
	var open sync.WaitGroup
	for i := range lanes {
		lanes[i] = make(chan request, max(laneDepth, s.batch))
		open.Go(func() { s.serve(ctx, lanes[i]) })
	}
	err := s.deal(ctx, rows, lanes)
	for _, lane := range lanes {
		close(lane)
	}
	open.Wait()
	return err
}

// deal reads the input and gives each request to its lane.
func (s *sender) deal(ctx context.Context, rows requests, lanes []chan request) error {
	for !s.halted(ctx) {
		next, err := rows.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if next.unsendable != nil {
			s.tally.unsendable(*next.unsendable)
			s.meter.advance(next.sizeBytes)
			continue
		}
		select {
		case lanes[laneOf(next.orderNumber, len(lanes))] <- next:
		case <-ctx.Done():
		}
	}
	return nil
}

func laneOf(orderNumber string, lanes int) int {
	hash := fnv.New32a()
	_, _ = io.WriteString(hash, orderNumber) // never fails
	return int(hash.Sum32() % uint32(lanes)) //nolint:gosec // 1 to concurrencyMax
}

// send gets the answer to one request. What waits in a lane when the run is
// stopped was never sent and is not counted.
func (s *sender) send(ctx context.Context, next request) {
	if s.halted(ctx) {
		return
	}
	began := time.Now()
	accepted, err := s.submit(ctx, next)
	s.count(next.row, accepted, err, time.Since(began))
	s.meter.advance(next.sizeBytes)
}

func (s *sender) submit(ctx context.Context, next request) (client.Payment, error) {
	if next.json != nil {
		return s.api.SubmitJSON(ctx, next.json)
	}
	return s.api.Submit(ctx, next.order)
}

// count puts an answer in its class.
func (s *sender) count(row Row, accepted client.Payment, err error, took time.Duration) {
	problem, isProblem := errors.AsType[*client.Problem](err)
	switch {
	case err == nil:
		s.tally.accepted(accepted.ID, accepted.Duplicate, took)
	case errors.Is(err, client.ErrNoAnswer) || !isProblem:
		s.tally.lost(row, err)
		if s.patience.lost() {
			s.stop(errGone)
		}
		return
	case problem.Status == http.StatusConflict:
		s.tally.conflict(took)
	default:
		s.tally.refused(Refusal{Row: row, Code: problem.Code, Detail: detailOf(problem)}, took)
		if refusesAll(problem.Status) {
			s.stop(fmt.Errorf("%w: %w", errRefusesAll, problem))
		}
	}
	s.patience.answered()
	s.meter.answered()
}

// refusesAll tells that a status is about the key or the URL and not about one
// request, so the next would fare no better.
func refusesAll(status int) bool {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusMethodNotAllowed:
		return true
	}
	return false
}

// halted tells that nothing more is to be sent.
func (s *sender) halted(ctx context.Context) bool { return ctx.Err() != nil || s.stopped.Load() != nil }

// stop leaves the rest of the input alone; the first reason is kept.
func (s *sender) stop(reason error) { s.stopped.CompareAndSwap(nil, &reason) }

// reason is why the rest of the input was left alone, nil if it was not.
func (s *sender) reason() error {
	if reason := s.stopped.Load(); reason != nil {
		return *reason
	}
	return nil
}

// detailOf is what a problem says, field by field.
func detailOf(problem *client.Problem) string {
	detail := problem.Detail
	orDefault(&detail, problem.Title)
	for i, field := range problem.Errors {
		separator := "; "
		if i == 0 {
			separator = ": "
		}
		detail += separator + field.String()
	}
	return detail
}
