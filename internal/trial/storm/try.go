package storm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/paybuf/paybuf/payment"
)

const answerBytesMax = 64 << 10

// answer is one that settles a request: it was accepted, or refused as another
// body of an order that has a payment.
type answer struct {
	sent     request
	accepted bool

	id         payment.ID // of the payment that the order has
	amount     int64      // if accepted, as all below
	duplicate  bool
	acceptedAt string
}

// shown is what an answer's body holds, of a payment or of a problem.
type shown struct {
	ID         payment.ID    `json:"id"`
	Number     string        `json:"order_number"`
	Amount     int64         `json:"amount"`
	Duplicate  bool          `json:"duplicate"`
	AcceptedAt string        `json:"accepted_at"`
	StatusURL  string        `json:"status_url"`
	State      payment.State `json:"state"`
	Code       payment.Code  `json:"code"`
	PaymentURL string        `json:"payment_url"`
}

// try sends a request once. If it must be sent again, again says why; the error
// says why if that may not go on.
func (s *Storm) try(ctx context.Context, r request) (got answer, again string, err error) {
	door := s.cfg.Doors[r.door%len(s.cfg.Doors)]
	response, body, err := s.post(ctx, door, r)
	if err != nil {
		if s.cfg.Outages {
			return answer{}, "no answer", err
		}
		return answer{}, "", err
	}
	var said shown
	if err := json.Unmarshal(body, &said); err != nil {
		return answer{}, "", fmt.Errorf("%s: %d %s: %w", r.number(), response.StatusCode, body, err)
	}
	wrong := fmt.Errorf("%s from %s: %d %s", r.number(), door, response.StatusCode, body)
	path := response.Header.Get("Location")
	switch status := response.StatusCode; {
	case status == http.StatusAccepted, status == http.StatusOK:
		got := answer{
			sent: r, accepted: true, id: said.ID, amount: said.Amount,
			duplicate: said.Duplicate, acceptedAt: said.AcceptedAt,
		}
		replayed := response.Header.Get("Idempotent-Replayed") == "true"
		if said.Number != r.number() || said.Amount != r.amount() || said.AcceptedAt == "" || replayed != said.Duplicate ||
			path != payments+"/"+string(said.ID) || said.StatusURL != door+path || (status == http.StatusOK && !replayed) {
			return answer{}, "", fmt.Errorf("it contradicts itself (%v): %w", response.Header, wrong)
		}
		return got, "", nil
	case said.Code == payment.CodeOrderConflict && status == http.StatusConflict:
		id, found := strings.CutPrefix(path, payments+"/")
		if !found || said.PaymentURL != door+path {
			return answer{}, "", fmt.Errorf("it does not name the payment (%v): %w", response.Header, wrong)
		}
		return answer{sent: r, id: payment.ID(id)}, "", nil
	case said.Code == payment.CodeKeyInUse && status == http.StatusConflict,
		s.cfg.Outages && status == http.StatusServiceUnavailable:
		if response.Header.Get("Retry-After") == "" {
			return answer{}, "", fmt.Errorf("it does not say when to come again: %w", wrong)
		}
		return answer{}, string(said.Code), wrong
	}
	return answer{}, "", wrong
}

const payments = "/v1/payments"

func (s *Storm) post(ctx context.Context, door string, r request) (*http.Response, []byte, error) {
	body := fmt.Sprintf(`{"order_number":%q,"amount":%d,"currency":"EUR","payment_method":"tok_visa"}`, r.number(), r.amount())
	post, err := http.NewRequestWithContext(ctx, http.MethodPost, door+payments, strings.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	post.GetBody = nil // nothing below sends again
	post.Header.Set("Content-Type", "application/json")
	post.Header.Set("Authorization", "Bearer "+s.cfg.Key)
	if r.keyed {
		post.Header.Set("Idempotency-Key", fmt.Sprintf(`"%s-%d"`, r.number(), r.amount()))
	}
	response, err := s.http.Do(post)
	if err != nil {
		return nil, nil, err
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, answerBytesMax))
	return response, text, errors.Join(err, response.Body.Close())
}
