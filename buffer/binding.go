package buffer

import (
	"fmt"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/paybuf/paybuf/payment"
)

// binding is what an idempotency key belongs to.
type binding struct {
	payment     payment.ID
	fingerprint payment.Fingerprint
	acceptedAt  time.Time // UTC, whole milliseconds
	by          string    // the try that made it, "" if it was made again from a receipt
}

// wireBinding is a binding as it lies in the bucket.
type wireBinding struct {
	Payment     payment.ID `json:"id"`
	Fingerprint []byte     `json:"fingerprint"`
	AcceptedAt  int64      `json:"accepted_at_ms"`
	By          string     `json:"by,omitzero"`
}

func bindingOf(request payment.Request, by string) binding {
	return binding{
		payment: request.ID, fingerprint: request.Fingerprint(), acceptedAt: request.AcceptedAt.UTC(), by: by,
	}
}

func (b binding) encode() ([]byte, error) {
	data, err := json.Marshal(wireBinding{
		Payment: b.payment, Fingerprint: b.fingerprint[:], AcceptedAt: milliseconds(b.acceptedAt), By: b.by,
	})
	if err != nil {
		return nil, fmt.Errorf("encode the binding to %s: %w", b.payment, err)
	}
	return data, nil
}

func decodeBinding(data []byte) (binding, error) {
	var wire wireBinding
	if err := json.Unmarshal(data, &wire); err != nil {
		return binding{}, fmt.Errorf("not a binding: %w", err)
	}
	b := binding{payment: wire.Payment, acceptedAt: fromMilliseconds(wire.AcceptedAt), by: wire.By}
	if copy(b.fingerprint[:], wire.Fingerprint) != len(b.fingerprint) {
		return binding{}, fmt.Errorf("the binding to %s has a short fingerprint", wire.Payment)
	}
	return b, nil
}
