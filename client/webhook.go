package client

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

const (
	webhookBytesMax = 1 << 20 // of a body; an event has a few kB

	// The key's size in a secret (Standard Webhooks 1.0.0).
	secretBytesMin = 24
	secretBytesMax = 64
	secretPrefix   = "whsec_"
)

// What a request fails of that is not, or may not be, a webhook of Paybuf's. Answer all of
// them with 400.
var (
	ErrWebhookHeader    = errors.New("webhook: a header is missing or unreadable")
	ErrWebhookTime      = errors.New("webhook: its time is more than 5 minutes from now")
	ErrWebhookSignature = errors.New("webhook: no signature is by a secret of this endpoint")
	ErrWebhookBody      = errors.New("webhook: the body is no event")
)

var errNoEvent = errors.New("not an event: it has no id or no type")

// webhookHeaders are those that every webhook has.
var webhookHeaders = []string{
	standardwebhooks.HeaderWebhookID, standardwebhooks.HeaderWebhookTimestamp, standardwebhooks.HeaderWebhookSignature,
}

// Webhook tells Paybuf's webhooks from others by their signatures (Standard Webhooks
// 1.0.0). It may be used by many goroutines at once.
type Webhook struct {
	keys []*standardwebhooks.Webhook
}

// NewWebhook takes the secret of an endpoint, "whsec_...", as the API has shown it. While
// secrets are being exchanged it takes the old one, too.
func NewWebhook(secrets ...string) (*Webhook, error) {
	if len(secrets) == 0 {
		return nil, errors.New("webhook: no secret")
	}
	w := &Webhook{}
	for _, secret := range secrets {
		key, err := newKey(secret)
		if err != nil {
			return nil, fmt.Errorf("webhook: %w", err)
		}
		w.keys = append(w.keys, key)
	}
	return w, nil
}

// newKey reads a secret. Its errors do not repeat it.
func newKey(secret string) (*standardwebhooks.Webhook, error) {
	encoded, ok := strings.CutPrefix(secret, secretPrefix)
	raw, err := base64.StdEncoding.DecodeString(encoded)
	switch {
	case !ok:
		return nil, errors.New("a secret begins with " + secretPrefix)
	case err != nil:
		return nil, errors.New("a secret is base64 after " + secretPrefix)
	case len(raw) < secretBytesMin || len(raw) > secretBytesMax:
		return nil, fmt.Errorf("a secret holds %d to %d bytes", secretBytesMin, secretBytesMax)
	}
	return standardwebhooks.NewWebhookRaw(raw)
}

// Read reads the body of a request, up to 1 MiB, and verifies it.
func (w *Webhook) Read(r *http.Request) (Event, error) {
	body, err := io.ReadAll(io.LimitReader(r.Body, webhookBytesMax+1))
	if err != nil {
		return Event{}, fmt.Errorf("webhook: read the body: %w", err)
	}
	if len(body) > webhookBytesMax {
		return Event{}, fmt.Errorf("%w: it has more than %d bytes", ErrWebhookBody, webhookBytesMax)
	}
	return w.Verify(r.Header, body)
}

// Verify gives the event in a body, whose bytes must be those that came, if its signature
// is by one of the secrets and not older than 5 minutes. The error Is one of the ErrWebhook
// above. Events may come more than once and in another order than they happened: keep the
// IDs of those dealt with, and compare Version.
func (w *Webhook) Verify(header http.Header, body []byte) (Event, error) {
	for _, name := range webhookHeaders {
		if header.Get(name) == "" {
			return Event{}, fmt.Errorf("%w: there is no %s", ErrWebhookHeader, name)
		}
	}
	err := ErrWebhookSignature
	for _, key := range w.keys {
		if err = explained(key.Verify(body, header)); err == nil || !errors.Is(err, ErrWebhookSignature) {
			break
		}
	}
	if err != nil {
		return Event{}, err
	}
	event, err := readEvent(body)
	if err != nil {
		return Event{}, fmt.Errorf("%w: %w", ErrWebhookBody, err)
	}
	return event, nil
}

// explained says which check has failed.
func explained(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, standardwebhooks.ErrNoMatchingSignature):
		return ErrWebhookSignature
	case errors.Is(err, standardwebhooks.ErrMessageTooOld):
		return fmt.Errorf("%w: it is too old", ErrWebhookTime)
	case errors.Is(err, standardwebhooks.ErrMessageTooNew):
		return fmt.Errorf("%w: it is ahead of our clock", ErrWebhookTime)
	}
	return fmt.Errorf("%w: %s is not in unix seconds", ErrWebhookHeader, standardwebhooks.HeaderWebhookTimestamp)
}

// Sign sets the headers with which Paybuf sends a body at a time, signed with each of the
// secrets. It is for trying a handler; id is the event's, without a dot.
func (w *Webhook) Sign(header http.Header, id string, at time.Time, body []byte) error {
	signatures := make([]string, 0, len(w.keys))
	for _, key := range w.keys {
		signature, err := key.Sign(id, at, body)
		if err != nil {
			return fmt.Errorf("webhook: sign: %w", err)
		}
		signatures = append(signatures, signature)
	}
	header.Set("Content-Type", "application/json")
	header.Set(standardwebhooks.HeaderWebhookID, id)
	header.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(at.Unix(), 10))
	header.Set(standardwebhooks.HeaderWebhookSignature, strings.Join(signatures, " "))
	return nil
}
