package peer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

const (
	batchPath      = path + "/batch"
	batchBytesMax  = 8 << 20
	batchOrdersMax = 1000
)

var errBatchLarge = errors.New("too many orders for one batch")

// bulkStore keeps many orders at once. It serves to fill a queue before it is
// measured how fast that is worked off.
type bulkStore interface {
	keepAll(ctx context.Context, orders []order) (duplicates []bool, err error)
}

// batchAnswer has an item per order, and of Paybuf's answer just what tells how it
// went.
type batchAnswer struct {
	Results []batchItem `json:"results"`
}

type batchItem struct {
	Status    int  `json:"status"`
	Duplicate bool `json:"duplicate"`
}

// storingBatches answers once all orders of a batch are stored.
func storingBatches(s bulkStore) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		orders, err := readOrders(http.MaxBytesReader(w, r.Body, batchBytesMax))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		ctx, cancel := context.WithTimeoutCause(r.Context(), storeTimeout, errStoreSlow)
		defer cancel()
		duplicates, err := s.keepAll(ctx, orders)
		if err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		said := batchAnswer{Results: make([]batchItem, len(duplicates))}
		for i, duplicate := range duplicates {
			said.Results[i] = batchItem{Status: http.StatusAccepted, Duplicate: duplicate}
		}
		body, err := json.Marshal(said)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Length", strconv.Itoa(len(body))) // a long body has none by itself
		writeAccepted(w, body)
	}
}

// readOrders reads one order after the other to the end.
func readOrders(from io.Reader) ([]order, error) {
	var orders []order
	decoder := jsontext.NewDecoder(from)
	for len(orders) <= batchOrdersMax {
		var o order
		err := json.UnmarshalDecode(decoder, &o, json.RejectUnknownMembers(true))
		switch {
		case errors.Is(err, io.EOF):
			return orders, nil
		case err != nil:
			return nil, fmt.Errorf("decode an order: %w", err)
		case !o.isWhole():
			return nil, errIncomplete
		}
		orders = append(orders, o)
	}
	return nil, errBatchLarge
}
