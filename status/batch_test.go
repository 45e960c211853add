package status_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-json-experiment/json"

	"github.com/paybuf/paybuf/internal/object"
	"github.com/paybuf/paybuf/internal/problem"
	"github.com/paybuf/paybuf/payment"
	"github.com/paybuf/paybuf/status"
)

// batchWorld is a world that knows batches too.
type batchWorld struct {
	world
	kept, peeked map[payment.BatchID]payment.Batch
}

func (w *batchWorld) Batch(_ context.Context, tenant payment.TenantID, id payment.BatchID) (payment.Batch, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.note("batch " + string(tenant))
	if w.readerDown {
		return payment.Batch{}, errDown
	}
	if batch, found := w.kept[id]; found && batch.Tenant == tenant {
		return batch, nil
	}
	return payment.Batch{}, &payment.Error{Code: payment.CodeNotFound, Detail: "no row of " + string(id)}
}

func (w *batchWorld) CountStates(ctx context.Context, batch payment.Batch) (map[payment.State]int, error) {
	items, err := w.BatchPayments(ctx, batch, payment.BatchPage{Limit: payment.BatchItemsMax})
	counts := map[payment.State]int{}
	for _, item := range items {
		counts[item.Payment.State]++
	}
	return counts, err
}

func (w *batchWorld) BatchPayments(
	_ context.Context, batch payment.Batch, page payment.BatchPage,
) ([]payment.BatchItem, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.note("payments")
	if w.readerDown {
		return nil, errDown
	}
	var items []payment.BatchItem
	for i, id := range batch.Payments {
		item := payment.BatchItem{Position: i, Payment: payment.Payment{Request: payment.Request{ID: id}, State: payment.Queued}}
		if at := slices.IndexFunc(w.claimed, func(p payment.Payment) bool { return p.ID == id }); at >= 0 {
			item.Payment = w.claimed[at]
		}
		if i >= page.From && (page.State == "" || page.State == item.Payment.State) && len(items) < page.Limit {
			items = append(items, item)
		}
	}
	return items, nil
}

func (w *batchWorld) PeekBatch(_ context.Context, id payment.BatchID) (payment.Batch, bool, error) {
	if w.beforePeek != nil {
		w.beforePeek()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.note("peek")
	if w.backlogDown {
		return payment.Batch{}, false, errDown
	}
	batch, found := w.peeked[id]
	return batch, found, nil
}

// batchService is a listening status of batches.
type batchService struct {
	service
	batches *batchWorld
}

func serveBatches(t *testing.T) *batchService {
	t.Helper()
	world := &batchWorld{kept: map[payment.BatchID]payment.Batch{}, peeked: map[payment.BatchID]payment.Batch{}}
	router := chi.NewRouter()
	router.NotFound(problem.NotFound)
	router.MethodNotAllowed(problem.MethodNotAllowed)
	status.NewBatches(world, world, tokens{}, idKey(t), status.Config{}).Routes(router)
	server := httptest.NewServer(router)
	t.Cleanup(server.Close)
	return &batchService{service{server, &world.world}, world}
}

// batchOf makes the batch of n orders of the tenant acme.
func batchOf(t *testing.T, n int) payment.Batch {
	t.Helper()
	var requests []payment.Request
	for i := range n {
		requests = append(requests, request(t, "acme", fmt.Sprint("A-", i)))
	}
	at := time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)
	batch, err := payment.NewBatch(idKey(t), "acme", requests, at)
	if err != nil {
		t.Fatal(err)
	}
	return batch
}

type batchShown struct {
	ID          payment.BatchID       `json:"id"`
	Object      string                `json:"object"`
	StatusURL   string                `json:"status_url"`
	PaymentsURL string                `json:"payments_url"`
	CreatedAt   string                `json:"created_at"`
	Total       int                   `json:"total"`
	Final       bool                  `json:"final"`
	Counts      map[payment.State]int `json:"counts"`
}

func (a answer) batch(t *testing.T) batchShown {
	t.Helper()
	var got batchShown
	if err := json.Unmarshal([]byte(a.body), &got, json.RejectUnknownMembers(true)); err != nil || a.status != http.StatusOK {
		t.Fatalf("got %d %s, want a batch: %v", a.status, a.body, err)
	}
	return got
}

func TestBatch_countsItsPaymentsUntilAllAreFinal(t *testing.T) {
	service := serveBatches(t)
	batch := batchOf(t, 3)
	service.batches.kept[batch.ID] = batch
	service.world.claim(in(request(t, "acme", "A-0"), payment.Succeeded, 2))
	got := service.get(t, object.BatchPath(batch.ID))
	shown := got.batch(t)
	url := service.URL + object.BatchPath(batch.ID)
	if shown.ID != batch.ID || shown.Object != "batch" || shown.StatusURL != url || shown.PaymentsURL != url+"/payments" ||
		shown.Total != 3 || shown.Final || shown.Counts[payment.Succeeded] != 1 || shown.Counts[payment.Queued] != 2 ||
		len(shown.Counts) != len(payment.States()) || shown.CreatedAt != "2026-11-21T09:00:00.000Z" {
		t.Errorf("got %s", got.body)
	}
	wantHeader(t, got, "Retry-After", "1")
	wantHeader(t, got, "Cache-Control", "private, no-cache")
	wantHeader(t, got, "Vary", "Authorization")
	wantAsked(t, service.world, "batch acme", "payments")

	service.world.claim(in(request(t, "acme", "A-1"), payment.Failed, 2))
	service.world.claim(in(request(t, "acme", "A-2"), payment.Canceled, 2))
	got = service.get(t, object.BatchPath(batch.ID))
	if !got.batch(t).Final {
		t.Errorf("got %s, want it final", got.body)
	}
	wantHeader(t, got, "Retry-After", "")
}

func TestBatch_anAcceptedOneIsNeverNotFound(t *testing.T) {
	batch := batchOf(t, 2)
	for name, test := range map[string]struct {
		meanwhile func(*batchWorld)
		asked     []string
	}{
		"waiting": {
			func(w *batchWorld) { w.peeked[batch.ID] = batch },
			[]string{"batch acme", "peek", "payments"},
		},
		"claimed and trimmed between the look-ups": {
			func(w *batchWorld) { w.beforePeek = func() { w.kept[batch.ID] = batch } },
			[]string{"batch acme", "peek", "batch acme", "payments"},
		},
		"claimed": {
			func(w *batchWorld) { w.kept[batch.ID] = batch },
			[]string{"batch acme", "payments"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			service := serveBatches(t)
			test.meanwhile(service.batches)
			if got := service.get(t, object.BatchPath(batch.ID)).batch(t); got.ID != batch.ID || got.Counts[payment.Queued] != 2 {
				t.Errorf("got %+v", got)
			}
			wantAsked(t, service.world, test.asked...)
		})
	}
}

func TestBatch_aLookUpThatFailedIsNo404(t *testing.T) {
	batch := batchOf(t, 1)
	for name, down := range map[string]func(*batchWorld){
		"the ledger":                  func(w *batchWorld) { w.readerDown = true },
		"the buffer":                  func(w *batchWorld) { w.backlogDown = true },
		"the ledger, the second time": func(w *batchWorld) { w.beforePeek = func() { w.readerDown = true } },
		"the ledger, for the payments": func(w *batchWorld) {
			w.peeked[batch.ID], w.beforePeek = batch, func() { w.readerDown = true }
		},
	} {
		for _, suffix := range []string{"", "/payments"} {
			service := serveBatches(t)
			down(service.batches)
			got := service.get(t, object.BatchPath(batch.ID)+suffix)
			got.problem(t, http.StatusServiceUnavailable, payment.CodeUnavailable)
			if got.header.Get("Retry-After") == "" {
				t.Errorf("%s: there is no Retry-After", name)
			}
		}
	}
}

func TestBatch_foreignAndUnknownCannotBeToldApart(t *testing.T) {
	service := serveBatches(t)
	kept, peeked := batchOf(t, 1), batchOf(t, 2)
	service.batches.kept[kept.ID] = kept
	service.batches.peeked[peeked.ID] = peeked
	asOther := func(r *http.Request) { r.Header.Set("Authorization", "Bearer umbrella") }
	var first answer
	for i, id := range []string{string(kept.ID), string(peeked.ID), string(batchOf(t, 3).ID), "bat_x", "pay_x", "%20"} {
		for _, suffix := range []string{"", "/payments", "/payments?limit=0"} {
			got := service.get(t, "/v1/batches/"+id+suffix, asOther)
			got.problem(t, http.StatusNotFound, payment.CodeNotFound)
			wantAsked(t, service.world, "batch umbrella", "peek", "batch umbrella")
			if i == 0 && suffix == "" {
				first = got
			}
			if got.body != first.body {
				t.Errorf("%s%s is answered %s, another %s", id, suffix, got.body, first.body)
			}
		}
	}
	noKey := func(r *http.Request) { r.Header.Del("Authorization") }
	service.get(t, object.BatchPath(kept.ID), noKey).problem(t, http.StatusUnauthorized, payment.CodeUnauthenticated)
}

type pageShown struct {
	Object     string  `json:"object"`
	Data       []shown `json:"data"`
	NextCursor *string `json:"next_cursor"`
}

func (a answer) page(t *testing.T) pageShown {
	t.Helper()
	var got pageShown
	if err := json.Unmarshal([]byte(a.body), &got); err != nil || a.status != http.StatusOK || got.Object != "list" {
		t.Fatalf("got %d %s, want a list: %v", a.status, a.body, err)
	}
	return got
}

func TestBatchPayments_pagesListEachOnceInOrder(t *testing.T) {
	service := serveBatches(t)
	batch := batchOf(t, 250)
	service.batches.kept[batch.ID] = batch
	for i := range 250 {
		if i%3 == 0 {
			service.world.claim(in(request(t, "acme", fmt.Sprint("A-", i)), payment.Succeeded, 2))
		}
	}
	for query, want := range map[string]struct{ pages, payments int }{
		"?":                        {3, 250}, // a hundred each
		"?limit=1000":              {1, 250},
		"?limit=249":               {2, 250},
		"?limit=250":               {1, 250},
		"?limit=7&state=succeeded": {12, 84},
		"?limit=83&state=queued":   {2, 166},
		"?limit=1000&state=parked": {1, 0},
	} {
		var ids []payment.ID
		pages, cursor := 0, ""
		for more := true; more && pages < 100; pages++ {
			page := service.get(t, object.BatchPath(batch.ID)+"/payments"+query+cursor).page(t)
			for _, shown := range page.Data {
				ids = append(ids, shown.ID)
			}
			if more = page.NextCursor != nil; more {
				cursor = "&cursor=" + *page.NextCursor
			}
		}
		inOrder := slices.DeleteFunc(slices.Clone(batch.Payments), func(id payment.ID) bool { return !slices.Contains(ids, id) })
		if pages != want.pages || len(ids) != want.payments || !slices.Equal(ids, inOrder) {
			t.Errorf("%s: %d payments on %d pages, want %d on %d", query, len(ids), pages, want.payments, want.pages)
		}
	}
}

func TestBatchPayments_refusesWhatItDoesNotKnow(t *testing.T) {
	service := serveBatches(t)
	batch := batchOf(t, 1)
	service.batches.kept[batch.ID] = batch
	for query, says := range map[string]string{
		"limit=0": "1 to 1000", "limit=1001": "1 to 1000", "limit=x": "1 to 1000", "limit=": "1 to 1000",
		"state=paid": "one of queued, scheduled, paying", "state=": "one of", "state=queued&state=paying": "more than once",
		"cursor=1": "next_cursor", "cursor=": "next_cursor", "cursor=YXQ6MDE": "next_cursor", // at:01
		"cursor=YXQ6OTk5OQ": "next_cursor", "cursor=YXQ6LTE": "next_cursor", // at:9999, at:-1
		"order_number=A-1": `"order_number"`, "x=4242424242424242": "unknown parameter", "4242424242424242=1": "unknown parameter",
	} {
		details := service.get(t, object.BatchPath(batch.ID)+"/payments?"+query).problem(t, 422, payment.CodeInvalid)
		if !strings.Contains(details.Detail, says) || strings.Contains(details.Detail, "4242") {
			t.Errorf("%s: %q does not say %q", query, details.Detail, says)
		}
	}
	service.get(t, object.BatchPath(batch.ID)+"/payments?limit=%zz").problem(t, 400, payment.CodeMalformed)
}

func TestBatch_headIsGetWithoutABody(t *testing.T) {
	service := serveBatches(t)
	batch := batchOf(t, 1)
	service.batches.kept[batch.ID] = batch
	asHead := func(r *http.Request) { r.Method = http.MethodHead }
	for _, path := range []string{object.BatchPath(batch.ID), object.BatchPath(batch.ID) + "/payments"} {
		if got := service.get(t, path, asHead); got.status != http.StatusOK || got.body != "" {
			t.Errorf("%s: got %d %q", path, got.status, got.body)
		}
	}
}
