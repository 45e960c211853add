package webhook

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/paybuf/paybuf/payment"
)

// secretBytesMin is what Standard Webhooks asks of a secret; above all, the library
// signs with an empty one.
const secretBytesMin = 24

var errSecretShort = errors.New("the secret is shorter than 24 bytes")

// signer signs with an endpoint's secrets, which are opened once.
type signer struct {
	of, oldOf payment.Sealed
	oldUntil  time.Time
	current   *standardwebhooks.Webhook
	old       *standardwebhooks.Webhook // nil if there is none
}

// newSigner opens the secrets that count now.
func newSigner(opener Opener, e payment.Endpoint, now time.Time) (*signer, error) {
	s := &signer{of: e.Secret, oldOf: e.OldSecret, oldUntil: e.OldSecretUntil}
	var err error
	if s.current, err = open(opener, e.Secret, e.ID); err != nil {
		return nil, err
	}
	if now.Before(e.OldSecretUntil) {
		if s.old, err = open(opener, e.OldSecret, e.ID); err != nil {
			return nil, fmt.Errorf("the secret before: %w", err)
		}
	}
	return s, nil
}

func open(opener Opener, sealed payment.Sealed, about payment.EndpointID) (*standardwebhooks.Webhook, error) {
	secret, err := opener.Open(sealed, string(about))
	if err != nil {
		return nil, fmt.Errorf("open the secret of %s: %w", about, err)
	}
	if len(secret) < secretBytesMin {
		return nil, errSecretShort
	}
	return standardwebhooks.NewWebhookRaw(secret) //nolint:wrapcheck // never fails
}

// isOf tells whether the signer has the endpoint's secrets as they are now.
func (s *signer) isOf(e payment.Endpoint) bool {
	return s.oldUntil.Equal(e.OldSecretUntil) && sameSealed(s.of, e.Secret) && sameSealed(s.oldOf, e.OldSecret)
}

func sameSealed(a, b payment.Sealed) bool { return a.KeyID == b.KeyID && bytes.Equal(a.Data, b.Data) }

// sign gives the header webhook-signature: the new secret's first.
func (s *signer) sign(id string, at time.Time, body []byte) (string, error) {
	signature, err := s.current.Sign(id, at, body)
	if err != nil || s.old == nil || !at.Before(s.oldUntil) {
		return signature, err //nolint:wrapcheck // never fails
	}
	old, err := s.old.Sign(id, at, body)
	return signature + " " + old, err //nolint:wrapcheck // never fails
}
