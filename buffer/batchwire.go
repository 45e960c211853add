package buffer

import (
	"fmt"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/paybuf/paybuf/payment"
)

// wireBatch is the list of a batch as it lies on the stream. It only has ids, so
// its version stays whatever its payments are bound to.
type wireBatch struct {
	Version   int              `json:"v"`
	ID        payment.BatchID  `json:"id"`
	Tenant    payment.TenantID `json:"tenant"`
	Payments  []payment.ID     `json:"payments"`
	CreatedAt int64            `json:"created_at_ms"`
}

func encodeBatch(batch payment.Batch) ([]byte, error) {
	data, err := json.Marshal(wireBatch{
		Version:   wireVersion,
		ID:        batch.ID,
		Tenant:    batch.Tenant,
		Payments:  batch.Payments,
		CreatedAt: batch.CreatedAt.UnixMilli(),
	})
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", batch.ID, err)
	}
	return data, nil
}

func decodeBatch(data []byte) (payment.Batch, error) {
	var wire wireBatch
	if err := json.Unmarshal(data, &wire); err != nil {
		return payment.Batch{}, fmt.Errorf("not the list of a batch: %w", err)
	}
	if wire.Version < 1 || wire.Version > wireVersion {
		return payment.Batch{}, fmt.Errorf("schema version %d is not known here (up to %d is)", wire.Version, wireVersion)
	}
	return payment.RestoreBatch(wire.ID, wire.Tenant, wire.Payments, time.UnixMilli(wire.CreatedAt))
}
