package peer

import (
	"context"
	"errors"
	"net/http"
	"time"
)

// storeTimeout bounds the wait for Postgres.
const storeTimeout = 10 * time.Second

var errStoreSlow = errors.New("postgres did not answer in time")

// store keeps orders for good.
type store interface {
	// keep returns once the order is durable, or was before: then it is a duplicate.
	keep(ctx context.Context, o order) (duplicate bool, err error)
}

// storing answers once a store has the order.
func storing(s store) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		o, err := readOrder(w, r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		ctx, cancel := context.WithTimeoutCause(r.Context(), storeTimeout, errStoreSlow)
		defer cancel()
		duplicate, err := s.keep(ctx, o)
		if err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		accept(w, r, o, duplicate)
	}
}
