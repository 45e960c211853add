package submit

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/paybuf/paybuf/client"
)

// batchBytesMax is when a batch is full whatever it counts: half of what the API
// takes, since a row of CSV is longer as JSON.
const batchBytesMax = 4 << 20

// serve sends what comes over a lane: one by one, or all that waits as a batch, be
// it a single row: only what is in a batch is found by its id.
func (s *sender) serve(ctx context.Context, lane <-chan request) {
	for first := range lane {
		if s.batch > 1 {
			s.sendBatch(ctx, s.collect(first, lane))
		} else {
			s.send(ctx, first)
		}
	}
}

func (s *sender) collect(first request, lane <-chan request) []request {
	batch, bytes := []request{first}, first.sizeBytes
	for len(batch) < s.batch && bytes < batchBytesMax {
		select {
		case next, open := <-lane:
			if !open {
				return batch
			}
			batch, bytes = append(batch, next), bytes+next.sizeBytes
		default:
			return batch
		}
	}
	return batch
}

// sendBatch gets the answers to several requests of one lane. Those that are put
// off are sent as batches of one, in their order, as patiently as any other.
func (s *sender) sendBatch(ctx context.Context, batch []request) {
	if s.halted(ctx) {
		return
	}
	began := time.Now()
	items, err := s.submitBatch(ctx, batch)
	took := time.Since(began)
	for i, next := range batch {
		switch {
		case err != nil:
			s.count(next.row, client.Payment{}, err, took)
		case items[i].Payment != nil:
			s.count(next.row, *items[i].Payment, nil, took)
		case !items[i].Temporary():
			s.count(next.row, client.Payment{}, items[i].Err(), took)
		case s.halted(ctx) || len(batch) == 1: // the client has repeated it for as long as it may
			s.count(next.row, client.Payment{}, fmt.Errorf("%w: %w", client.ErrNoAnswer, items[i].Err()), took)
		default:
			s.sendBatch(ctx, batch[i:i+1])
			continue
		}
		s.meter.advance(next.sizeBytes)
	}
}

// submitBatch gives a result for each request. The error is about all of them.
func (s *sender) submitBatch(ctx context.Context, batch []request) ([]client.BatchItem, error) {
	lines := make([][]byte, len(batch))
	for i, next := range batch {
		lines[i] = next.json
		if next.json == nil {
			line, err := json.Marshal(next.order)
			if err != nil {
				return nil, fmt.Errorf("write an order: %w", err)
			}
			lines[i] = line
		}
	}
	answer, err := s.api.SubmitBatchJSON(ctx, lines)
	if err == nil {
		s.tally.batch(answer.ID)
	}
	problem, refused := errors.AsType[*client.Problem](err)
	if refused && !errors.Is(err, client.ErrNoAnswer) && len(problem.Items) == len(batch) {
		return problem.Items, nil
	}
	return answer.Items, err
}
