package storm

import (
	"context"
	"fmt"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/paybuf/paybuf/payment"
)

const batches = payments + "/batch"

// SendBatches sends a batch of new orders each period, one of them twice, until
// ctx ends. Each is sent until every item has an answer that stands.
func (s *Storm) SendBatches(ctx context.Context, period time.Duration, orders int) {
	ticker := time.NewTicker(period)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if err := s.sendBatch(context.WithoutCancel(ctx), s.nextBatch(orders)); err != nil {
			s.fault(err)
		}
	}
}

// nextBatch makes new orders, and repeats the first of them.
func (s *Storm) nextBatch(orders int) []request {
	s.mu.Lock()
	defer s.mu.Unlock()
	items := make([]request, 0, orders+1)
	for range orders {
		items = append(items, request{order: len(s.sent)})
		s.sent = append(s.sent, 1)
	}
	return append(items, items[0])
}

func (s *Storm) sendBatch(ctx context.Context, items []request) error {
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	var lines strings.Builder
	for _, item := range items {
		lines.WriteString(item.body() + "\n")
	}
	for door := items[0].order; ; door++ {
		answers, err := s.tryBatch(ctx, s.cfg.Doors[door%len(s.cfg.Doors)], items, lines.String())
		if err == nil {
			for i, got := range answers {
				s.note(items[i], got)
			}
			return nil
		}
		if ctx.Err() != nil {
			return err
		}
		s.countTry("batch")
		select {
		case <-time.After(againAfter):
		case <-ctx.Done():
		}
	}
}

// tryBatch sends a batch once. The error is why it must be sent again.
func (s *Storm) tryBatch(ctx context.Context, door string, items []request, lines string) ([]answer, error) {
	post, err := http.NewRequestWithContext(ctx, http.MethodPost, door+batches, strings.NewReader(lines))
	if err != nil {
		return nil, err
	}
	post.GetBody = nil // nothing below sends again
	post.Header.Set("Content-Type", "application/x-ndjson")
	came, err := s.do(post)
	if err != nil {
		return nil, err
	}
	wrong := fmt.Errorf("a batch is answered %d %s", came.status, came.body)
	var said struct {
		Items []struct {
			Status  int   `json:"status"`
			Payment shown `json:"payment"`
			Problem shown `json:"problem"`
		} `json:"items"`
	}
	if err := json.Unmarshal(came.body, &said); err != nil || came.status != http.StatusAccepted || len(said.Items) != len(items) {
		return nil, wrong
	}
	answers := make([]answer, len(items))
	for i, item := range said.Items {
		p := item.Payment
		switch {
		case item.Status == http.StatusAccepted && p.Number == items[i].number() && p.Amount == items[i].amount():
			answers[i] = answer{
				sent: items[i], accepted: true, id: p.ID, amount: p.Amount, duplicate: p.Duplicate, acceptedAt: p.AcceptedAt,
			}
		case item.Status == http.StatusConflict && item.Problem.Code == payment.CodeOrderConflict:
			// Another sender was faster, with the other body of the order.
			answers[i] = answer{sent: items[i], id: payment.ID(path.Base(item.Problem.PaymentURL))}
		default:
			return nil, wrong
		}
	}
	return answers, nil
}
