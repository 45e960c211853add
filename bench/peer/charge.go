package peer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/go-json-experiment/json"
)

const (
	chargeTimeout  = 10 * time.Second
	answerBytesMax = 64 << 10
)

var (
	errPayerSlow  = errors.New("the payer did not answer in time")
	errNotCharged = errors.New("the payer has not charged what was asked")
)

// chargeRequest and chargeAnswer are the generic payer's contract.
type chargeRequest struct {
	Reference     string            `json:"reference"`
	OrderNumber   string            `json:"order_number"`
	Amount        int64             `json:"amount"`
	Currency      string            `json:"currency"`
	PaymentMethod string            `json:"payment_method"`
	Customer      string            `json:"customer,omitzero"`
	Metadata      map[string]string `json:"metadata,omitempty"`
}

type chargeAnswer struct {
	ID        string `json:"id"`
	Reference string `json:"reference"`
	Status    string `json:"status"`
	Amount    int64  `json:"amount"`
	Currency  string `json:"currency"`
}

// payerClient calls the payer, on connections that are kept.
type payerClient struct {
	url       string
	transport *http.Transport
}

func newPayerClient(payerURL string) *payerClient {
	return &payerClient{url: payerURL + "/charges", transport: &http.Transport{
		MaxIdleConns: WorkersMax, MaxIdleConnsPerHost: WorkersMax, DisableCompression: true,
	}}
}

func (p *payerClient) close() { p.transport.CloseIdleConnections() }

// charge sends an order once, with its id as the key.
func (p *payerClient) charge(ctx context.Context, o order) error {
	wanted := chargeRequest{
		Reference: idOf(o), OrderNumber: o.OrderNumber, Amount: o.Amount, Currency: o.Currency,
		PaymentMethod: o.PaymentMethod, Customer: o.Customer, Metadata: o.Metadata,
	}
	body, err := json.Marshal(wanted)
	if err != nil {
		return fmt.Errorf("encode the charge: %w", err)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, chargeTimeout, errPayerSlow)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("charge: %w", err)
	}
	request.GetBody = nil // the transport is not to send it twice by itself
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Idempotency-Key", wanted.Reference)
	response, err := p.transport.RoundTrip(request)
	if err != nil {
		return fmt.Errorf("charge: %w", errors.Join(err, context.Cause(ctx)))
	}
	defer func() { _ = response.Body.Close() }() // read to its end
	said, err := io.ReadAll(io.LimitReader(response.Body, answerBytesMax))
	if err != nil {
		return fmt.Errorf("charge: %w", err)
	}
	return judge(wanted, response.StatusCode, said)
}

// judge holds the payer's answer against what was asked.
func judge(wanted chargeRequest, status int, said []byte) error {
	var got chargeAnswer
	if status != http.StatusCreated {
		return fmt.Errorf("%w: status %d", errNotCharged, status)
	}
	if err := json.Unmarshal(said, &got); err != nil {
		return fmt.Errorf("read the payer's answer: %w", err)
	}
	if got.Status != "succeeded" || got.Reference != wanted.Reference || got.Amount != wanted.Amount || got.Currency != wanted.Currency {
		return fmt.Errorf("%w: it answers for %s", errNotCharged, got.Reference)
	}
	return nil
}
