package payment

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"time"
)

const batchIDPrefix = "bat_"

// BatchItemsMax is how many requests one batch may hold.
const BatchItemsMax = 1000

// BatchID names one batch for its status URL: "bat_" and 26 characters of
// lower-case base32, like those of an ID.
type BatchID string

// Batch lists payments that were accepted together. It never changes.
type Batch struct {
	ID        BatchID
	Tenant    TenantID
	Payments  []ID // 1 to BatchItemsMax, each once, in the order of the request
	CreatedAt time.Time
}

// BatchItem is one payment of a batch that is listed.
type BatchItem struct {
	Position int // in Batch.Payments
	// Payment is what is known of it. One that nobody has claimed yet is Queued and
	// has only its ID.
	Payment Payment
}

// BatchPage says which payments of a batch to list.
type BatchPage struct {
	From  int   // position of the first that may be listed
	State State // only those in this state; "" for all
	Limit int
}

// PutResult is the buffer's answer to one request of several: a receipt, or the
// error that Put gives.
type PutResult struct {
	Receipt Receipt
	Err     error
}

// NewBatch makes the batch of the requests that were accepted together, 1 to
// BatchItemsMax of them. Of requests with the same id the first counts.
func NewBatch(key IDKey, tenant TenantID, accepted []Request, createdAt time.Time) (Batch, error) {
	if n := len(accepted); n < 1 || n > BatchItemsMax {
		return Batch{}, fmt.Errorf("a batch of %d payments; it must have 1 to %d", n, BatchItemsMax)
	}
	batch := Batch{Tenant: tenant, CreatedAt: createdAt.UTC().Truncate(time.Millisecond)}
	first := make([]Request, 0, len(accepted))
	seen := make(map[ID]struct{}, len(accepted))
	for _, request := range accepted {
		if _, repeated := seen[request.ID]; repeated {
			continue
		}
		seen[request.ID] = struct{}{}
		first = append(first, request)
		batch.Payments = append(batch.Payments, request.ID)
	}
	batch.ID = key.DeriveBatch(tenant, first)
	return batch, nil
}

// DeriveBatch gives the id of a tenant's batch of requests: the same whenever the
// same requests are accepted in the same order, and not to be guessed without the
// key. No tenant's name begins with the zero byte that keeps it apart from the
// identity of a payment.
func (k IDKey) DeriveBatch(tenant TenantID, requests []Request) BatchID {
	list := sha256.New()
	for _, request := range requests {
		fingerprint := request.Fingerprint()
		list.Write([]byte(request.ID)) // of one length, as the fingerprint is
		list.Write(fingerprint[:])
	}
	return BatchID(batchIDPrefix + k.digest("", "paybuf batch", string(tenant), string(list.Sum(nil))))
}

// ParseBatchID checks the form of a batch's id; whether there is such a batch is
// another question.
func ParseBatchID(text string) (BatchID, error) {
	encoded, prefixed := strings.CutPrefix(text, batchIDPrefix)
	if !prefixed || !encodesID(encoded) {
		return "", errors.New("not a batch id")
	}
	return BatchID(text), nil
}

// RestoreBatch gives back a batch that was kept, for a boundary that has kept it.
func RestoreBatch(id BatchID, tenant TenantID, payments []ID, createdAt time.Time) (Batch, error) {
	if _, err := ParseBatchID(string(id)); err != nil {
		return Batch{}, err
	}
	if _, err := ParseTenantID(string(tenant)); err != nil {
		return Batch{}, err
	}
	if n := len(payments); n < 1 || n > BatchItemsMax {
		return Batch{}, fmt.Errorf("%s has %d payments", id, n)
	}
	seen := make(map[ID]struct{}, len(payments))
	for i, paymentID := range payments {
		if _, err := ParseID(string(paymentID)); err != nil {
			return Batch{}, fmt.Errorf("%s, payment %d: %w", id, i, err)
		}
		seen[paymentID] = struct{}{}
	}
	if len(seen) != len(payments) {
		return Batch{}, fmt.Errorf("%s has a payment twice", id)
	}
	return Batch{ID: id, Tenant: tenant, Payments: payments, CreatedAt: createdAt.UTC()}, nil
}
