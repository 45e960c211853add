package buffer

import (
	"errors"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/paybuf/paybuf/payment"
)

// wireAPIKey is a key as it lies in the bucket. No secret can be had from it.
type wireAPIKey struct {
	Tenant    payment.TenantID `json:"tenant"`
	Hash      []byte           `json:"hash"`
	Label     string           `json:"label,omitzero"`
	CreatedAt int64            `json:"created_at_ms"`
	ExpiresAt int64            `json:"expires_at_ms,omitzero"`
	RevokedAt int64            `json:"revoked_at_ms,omitzero"`
}

func encodeAPIKey(key payment.APIKey) ([]byte, error) {
	data, err := json.Marshal(wireAPIKey{
		Tenant:    key.Tenant,
		Hash:      key.Hash[:],
		Label:     key.Label,
		CreatedAt: milliseconds(key.CreatedAt),
		ExpiresAt: milliseconds(key.ExpiresAt),
		RevokedAt: milliseconds(key.RevokedAt),
	})
	if err != nil {
		return nil, fmt.Errorf("encode key %s: %w", key.ID, err)
	}
	return data, nil
}

func decodeAPIKey(id string, data []byte) (payment.APIKey, error) {
	var wire wireAPIKey
	if err := json.Unmarshal(data, &wire); err != nil {
		return payment.APIKey{}, err
	}
	key := payment.APIKey{
		ID:        id,
		Tenant:    wire.Tenant,
		Label:     wire.Label,
		CreatedAt: fromMilliseconds(wire.CreatedAt),
		ExpiresAt: fromMilliseconds(wire.ExpiresAt),
		RevokedAt: fromMilliseconds(wire.RevokedAt),
	}
	if copy(key.Hash[:], wire.Hash) != len(key.Hash) {
		return payment.APIKey{}, errors.New("hash is too short")
	}
	return key, nil
}

func milliseconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func fromMilliseconds(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}
