package ingest_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/paybuf/paybuf/ingest"
	"github.com/paybuf/paybuf/payment"
)

func asTenant(name string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+name) }
}

func TestBatch_tooManyAtOnceWaitForAPlace(t *testing.T) {
	service := serveBatches(t, ingest.Config{BatchTimeout: 900 * time.Millisecond})
	release, entered := make(chan struct{}), make(chan struct{}, 100)
	service.store.put = func(context.Context) error {
		entered <- struct{}{}
		<-release
		return nil
	}
	var wg sync.WaitGroup
	for n := range 16 {
		wg.Go(func() {
			if got := service.send(t, item(fmt.Sprint("A-", n), 1), asTenant(fmt.Sprint("t-", n))); got.status != http.StatusAccepted {
				t.Errorf("batch %d: %d %s", n, got.status, got.body)
			}
		})
	}
	for range 16 {
		<-entered
	}
	got := service.send(t, item("B", 1))
	got.problem(t, http.StatusServiceUnavailable, payment.CodeBufferFull)
	wantHeader(t, got, "Retry-After", "1")
	wg.Go(func() { // gets the first place that is free
		if got := service.send(t, item("C", 1)); got.status != http.StatusAccepted {
			t.Errorf("the last batch: %d %s", got.status, got.body)
		}
	})
	close(release)
	wg.Wait()
}

// slowBodies sends batches of the tenant acme whose bodies begin and go on only
// when they are told to.
func (s *batchService) slowBodies(t *testing.T, n int) (goOn func()) {
	t.Helper()
	var wg sync.WaitGroup
	var bodies []*io.PipeWriter
	for i := range n {
		body, writer := io.Pipe()
		bodies = append(bodies, writer)
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+"/v1/payments/batch", body)
		if err != nil {
			t.Fatal(err)
		}
		asNDJSON(request)
		asTenant("acme")(request)
		wg.Go(func() {
			response, err := s.Client().Do(request)
			if err != nil {
				t.Errorf("slow batch %d: %v", i, err)
				return
			}
			_ = response.Body.Close()
		})
	}
	goOn = sync.OnceFunc(func() {
		for _, body := range bodies {
			_ = body.Close()
		}
		wg.Wait()
	})
	t.Cleanup(goOn)
	return goOn
}

func TestBatch_slowBodiesOfOneTenantLeavePlacesForOthers(t *testing.T) {
	service := serveBatches(t, ingest.Config{BatchTimeout: 3 * time.Second})
	goOn := service.slowBodies(t, 16)
	var got answer
	for until := time.Now().Add(8 * time.Second); got.status != http.StatusTooManyRequests; {
		if got = service.send(t, item("A", 1)); time.Now().After(until) {
			t.Fatalf("got %d %s, want 429 at last", got.status, got.body)
		}
	}
	got.problem(t, http.StatusTooManyRequests, payment.CodeTenantShare)
	wantHeader(t, got, "Retry-After", "1")
	if got := service.send(t, item("B", 1), asTenant("globex")); got.status != http.StatusAccepted {
		t.Errorf("another tenant: %d %s", got.status, got.body)
	}
	var wg sync.WaitGroup
	wg.Go(func() { // gets the tenant's first place that is free
		if got := service.send(t, item("C", 1)); got.status != http.StatusAccepted {
			t.Errorf("when places are free: %d %s", got.status, got.body)
		}
	})
	goOn()
	wg.Wait()
}
