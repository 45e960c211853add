package app_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/paybuf/paybuf/internal/local/localtest"
	"github.com/paybuf/paybuf/payment"
	"github.com/paybuf/paybuf/processor/payer/simulator"
)

// What was accepted shows at once and is only ever seen to go on, also at the
// moment when it moves from the buffer to the ledger.
func TestAccepted_isNever404AndNeverGoesBack(t *testing.T) {
	t.Parallel()
	const clients, orders = 24, 12
	in := installOn(t, localtest.Postgres(t), newPayer(t, func(o *simulator.Options) {
		o.Jitter = 20 * time.Millisecond // so that states are seen that a quick payer hides
	}))
	c := in.client(in.start(), "acme")
	due := &sync.Map{}
	var wg sync.WaitGroup
	for n := range clients {
		wg.Go(func() {
			for i := range orders {
				id, err := follow(c, fmt.Sprintf("A-%d-%d", n, i))
				if err != nil {
					t.Errorf("order A-%d-%d: %v", n, i, err)
					return
				}
				due.Store(id, int64(100))
			}
		})
	}
	wg.Wait()
	charged := map[payment.ID]int64{}
	for id, minor := range due.Range {
		charged[id.(payment.ID)] = minor.(int64)
	}
	equal(t, "payments", len(charged), clients*orders)
	in.payer.wantOnce(charged)
}

// follow sends an order and watches its payment without a pause until it is
// final. The error is what no client may ever see.
func follow(c *caller, number string) (payment.ID, error) {
	accepted, err := c.tryPost(order(number, 100))
	if err != nil {
		return "", err
	}
	if accepted.status != http.StatusAccepted {
		return "", fmt.Errorf("answered %d %s", accepted.status, accepted.text)
	}
	last := accepted.shown
	for deadline := time.Now().Add(waitMax); !last.Final; {
		if time.Now().After(deadline) {
			return "", fmt.Errorf("still %s", last.State)
		}
		got, err := c.try(http.MethodGet, accepted.shown.StatusURL, "")
		if err != nil {
			return "", err
		}
		if got.status != http.StatusOK {
			return "", fmt.Errorf("was %s, then answered %d %s", last.State, got.status, got.text)
		}
		if err := goesOn(last, got.shown); err != nil {
			return "", err
		}
		last = got.shown
	}
	if last.State != payment.Succeeded {
		return "", fmt.Errorf("ended as %s", last.State)
	}
	return last.ID, nil
}

// goesOn tells whether a later look may follow an earlier one.
func goesOn(before, after shown) error {
	switch {
	case after.Version < before.Version:
		return fmt.Errorf("version %d came after %d", after.Version, before.Version)
	case after.Version == before.Version && after.State != before.State:
		return fmt.Errorf("version %d is %s and was %s", after.Version, after.State, before.State)
	case after.State == payment.Queued && before.State != payment.Queued:
		return fmt.Errorf("queued after %s", before.State)
	case after.Amount != before.Amount || after.AcceptedAt != before.AcceptedAt:
		return fmt.Errorf("another amount or time of acceptance: %+v after %+v", after, before)
	}
	return nil
}
