package ingest_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-json-experiment/json"

	"github.com/paybuf/paybuf/ingest"
	"github.com/paybuf/paybuf/internal/problem"
	"github.com/paybuf/paybuf/payment"
)

// lists is a store that keeps the lists of batches too.
type lists struct {
	store
	fail     map[string]error // of single order numbers
	listFail error
	batches  []payment.Batch
}

func (l *lists) PutAll(ctx context.Context, requests []payment.Request) []payment.PutResult {
	results := make([]payment.PutResult, len(requests))
	for i, request := range requests {
		if results[i].Err = l.fail[request.OrderNumber]; results[i].Err != nil {
			continue
		}
		results[i].Receipt, results[i].Err = l.Put(ctx, request)
		results[i].Receipt.Durability = "tested"
	}
	return results
}

func (l *lists) PutBatch(_ context.Context, batch payment.Batch) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.listFail != nil {
		return l.listFail
	}
	l.batches = append(l.batches, batch)
	return nil
}

// batchService is a listening ingest of batches.
type batchService struct {
	service
	lists *lists
}

func newBatchRouter(t testing.TB, kept *lists, cfg ingest.Config) http.Handler {
	t.Helper()
	cfg.Clock = newClock().tell
	router := chi.NewRouter()
	router.NotFound(problem.NotFound)
	router.MethodNotAllowed(problem.MethodNotAllowed)
	ingest.NewBatch(kept, tokens{}, idKey(t), cfg).Routes(router)
	return router
}

func serveBatches(t *testing.T, cfg ingest.Config) *batchService {
	t.Helper()
	kept := &lists{store: store{kept: map[payment.ID]payment.Request{}}, fail: map[string]error{}}
	return &batchService{service{newServer(t, newBatchRouter(t, kept, cfg)), &kept.store}, kept}
}

func asJSON(r *http.Request)   { r.Header.Set("Content-Type", "application/json") }
func asNDJSON(r *http.Request) { r.Header.Set("Content-Type", "application/x-ndjson") }

// send posts a batch as the tenant acme.
func (s *batchService) send(t *testing.T, body string, edits ...func(*http.Request)) answer {
	t.Helper()
	toBatch := func(r *http.Request) { r.URL.Path = "/v1/payments/batch" }
	return s.post(t, body, append([]func(*http.Request){toBatch, asNDJSON}, edits...)...)
}

// batchShown is the answer to a batch as a client reads it.
type batchShown struct {
	ID         payment.BatchID `json:"id"`
	Object     string          `json:"object"`
	StatusURL  string          `json:"status_url"`
	Total      int             `json:"total"`
	Accepted   int             `json:"accepted"`
	Duplicates int             `json:"duplicates"`
	Refused    int             `json:"refused"`
	Items      []itemShown     `json:"items"`
}

type itemShown struct {
	Index   int `json:"index"`
	Status  int `json:"status"`
	Payment *struct {
		ID        payment.ID `json:"id"`
		Duplicate *bool      `json:"duplicate"`
	} `json:"payment"`
	Problem *details `json:"problem"`
}

func (a answer) batch(t *testing.T) batchShown {
	t.Helper()
	var got batchShown
	if err := json.Unmarshal([]byte(a.body), &got); err != nil || a.status != http.StatusAccepted {
		t.Fatalf("got %d %s, want a batch: %v", a.status, a.body, err)
	}
	if got.Total != len(got.Items) || got.Total != got.Accepted+got.Duplicates+got.Refused {
		t.Fatalf("the counts of %s do not add up", a.body)
	}
	for i, item := range got.Items {
		if item.Index != i || (item.Payment == nil) != (item.Problem != nil) ||
			(item.Problem != nil && item.Problem.Status != item.Status) || (item.Payment != nil && item.Status != 202) {
			t.Fatalf("item %d of %s", i, a.body)
		}
	}
	return got
}

// results gives each item's status, and the code if it was refused.
func (b batchShown) results() string { return resultsOf(b.Items) }

func resultsOf(items []itemShown) string {
	var all []string
	for _, item := range items {
		switch {
		case item.Problem != nil:
			all = append(all, fmt.Sprintf("%d %s", item.Status, item.Problem.Code))
		case *item.Payment.Duplicate:
			all = append(all, "duplicate")
		default:
			all = append(all, "new")
		}
	}
	return strings.Join(all, ", ")
}

// item is one payment request.
func item(number string, minor int) string {
	return fmt.Sprintf(`{"order_number":%q,"amount":%d,"currency":"EUR","payment_method":"tok"}`, number, minor)
}

func lines(items ...string) string { return strings.Join(items, "\n") }
func array(items ...string) string { return "[" + strings.Join(items, ",") + "]" }

func wantText(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s is\n%s, want\n%s", what, got, want)
	}
}

func TestBatch_isAnswered202WithAResultForEachItem(t *testing.T) {
	counted := map[string]int{}
	service := serveBatches(t, ingest.Config{CountItems: func(result string, n int) { counted[result] += n }})
	service.send(t, item("A-0", 1)) // a batch before this one
	got := service.send(t, lines(item("A-1", 100), item("A-0", 1), item("A-2", 0), item("A-0", 2)))
	shown := got.batch(t)
	wantText(t, "results", shown.results(), "new, duplicate, 422 invalid_request, 409 order_conflict")
	path := "/v1/batches/" + string(shown.ID)
	if _, err := payment.ParseBatchID(string(shown.ID)); err != nil || shown.Object != "batch" || shown.StatusURL != service.URL+path {
		t.Errorf("got %+v (%v)", shown, err)
	}
	wantHeader(t, got, "Location", path)
	wantHeader(t, got, "Retry-After", "1")
	wantHeader(t, got, "Paybuf-Durability", "tested")
	wantHeader(t, got, "Cache-Control", "no-store")
	wantHeader(t, got, "Idempotent-Replayed", "")

	conflict := shown.Items[3].Problem
	id := idKey(t).Derive("acme", "A-0", "")
	if conflict.PaymentID != string(id) || conflict.PaymentURL != service.URL+"/v1/payments/"+string(id) {
		t.Errorf("the conflict is %+v, want the payment that is there", conflict)
	}
	if errors := shown.Items[2].Problem.Errors; len(errors) != 1 || errors[0].Pointer != "/amount" {
		t.Errorf("the wrong item has the errors %+v", errors)
	}
	list := service.lists.batches[1]
	if list.ID != shown.ID || list.Tenant != "acme" || fmt.Sprint(list.Payments) != fmt.Sprint([]payment.ID{shown.Items[0].Payment.ID, id}) {
		t.Errorf("the list is %+v", list)
	}
	if fmt.Sprint(counted) != "map[accepted:2 duplicate:1 refused:2]" {
		t.Errorf("counted %v", counted)
	}
}

// The first item's payment is what a request of its own would have been answered.
func TestBatch_itemsLookLikeSingleRequests(t *testing.T) {
	single := serve(t, ingest.Config{PublicURL: "https://pay.example"})
	accepted := single.post(t, valid)
	refused := single.post(t, strings.Replace(valid, "1999", `"1999"`, 1))
	batches := serveBatches(t, ingest.Config{PublicURL: "https://pay.example"})
	got := batches.send(t, lines(valid, strings.Replace(valid, "1999", `"1999"`, 1)))
	if !strings.Contains(got.body, `{"index":0,"status":202,"payment":`+accepted.body+`}`) {
		t.Errorf("got %s, want %s in it", got.body, accepted.body)
	}
	if !strings.Contains(got.body, `{"index":1,"status":422,"problem":`+refused.body+`}`) {
		t.Errorf("got %s, want %s in it", got.body, refused.body)
	}
}

func TestBatch_ofLinesAndOfAnArrayAreTheSame(t *testing.T) {
	service := serveBatches(t, ingest.Config{})
	items := []string{item("A-1", 1), item("A-2", 2), item("A-1", 1)}
	first := service.send(t, "\n\r\n \t"+strings.Join(items, "\r\n\n  \r\n")+"\n").batch(t)
	wantText(t, "results", first.results(), "new, new, duplicate")
	again := service.send(t, " [\n"+strings.Join(items, "\n,\t")+"]\r\n", asJSON)
	wantText(t, "results", again.batch(t).results(), "duplicate, duplicate, duplicate")
	wantHeader(t, again, "Idempotent-Replayed", "true")
	if id := again.batch(t).ID; id != first.ID {
		t.Errorf("sent again it is %s, was %s", id, first.ID)
	}
	for _, kind := range []string{"application/x-ndjson; charset=utf-8", `Application/JSON; charset="UTF-8"`} {
		body := array(items...)
		if strings.HasPrefix(kind, "application/x") {
			body = lines(items...)
		}
		got := service.send(t, body, func(r *http.Request) { r.Header.Set("Content-Type", kind) })
		if got.batch(t).ID != first.ID {
			t.Errorf("%s: got %s", kind, got.body)
		}
	}
}

func TestBatch_badItemsNeverHarmTheirNeighbours(t *testing.T) {
	long := strings.Replace(item("A", 1), "tok", strings.Repeat("x", 64<<10), 1)
	for name, test := range map[string]struct{ item, result string }{
		"not JSON":        {`{"order_number":`, "400 malformed_request"},
		"two on one line": {item("B", 1) + item("C", 1), "400 malformed_request"},
		"bad UTF-8":       {"{\"order_number\":\"\xff\"}", "400 malformed_request"},
		"no object":       {`"A-1"`, "422 invalid_request"},
		"null":            {`null`, "422 invalid_request"},
		"an array":        {array(item("B", 1)), "422 invalid_request"},
		"empty":           {`{}`, "422 invalid_request"},
		"unknown member":  {strings.Replace(item("B", 1), "currency", "Currency", 1), "422 invalid_request"},
		"member twice":    {strings.Replace(item("B", 1), "{", `{"amount":1,`, 1), "422 invalid_request"},
		"card number":     {strings.Replace(item("B", 1), "tok", card, 1), "422 card_number_refused"},
		"card, not JSON":  {`{"payment_method":"` + card + `"`, "422 card_number_refused"},
		"nested too deep": {strings.Repeat("[", 40) + strings.Repeat("]", 40), "400 malformed_request"},
		"too long":        {long, "413 request_too_large"},
	} {
		t.Run(name, func(t *testing.T) {
			service := serveBatches(t, ingest.Config{})
			got := service.send(t, lines(item("A-1", 1), test.item, item("A-2", 2)))
			wantText(t, "results", got.batch(t).results(), "new, "+test.result+", new")
			if strings.Contains(got.body, card) {
				t.Errorf("the card number is repeated: %s", got.body)
			}
			if n := len(service.store.all()); n != 2 {
				t.Errorf("%d requests are kept, want 2", n)
			}
			if json.Unmarshal([]byte(test.item), new(any)) != nil {
				return // it would break the array
			}
			got = service.send(t, array(item("A-1", 1), test.item, item("A-2", 2)), asJSON)
			wantText(t, "results", got.batch(t).results(), "duplicate, "+test.result+", duplicate")
		})
	}
}

func TestBatch_isRefusedAsAWholeBeforeAnythingIsKept(t *testing.T) {
	many := make([]string, payment.BatchItemsMax+1)
	for i := range many {
		many[i] = item(fmt.Sprint("A-", i), 1)
	}
	good := item("A-1", 1)
	for name, test := range map[string]struct {
		body   string
		edit   func(*http.Request)
		status int
		code   payment.Code
		says   string
	}{
		"no lines":           {"", asNDJSON, 422, payment.CodeInvalid, "1 to 1000"},
		"blank lines":        {"\n \n\r\n", asNDJSON, 422, payment.CodeInvalid, "1 to 1000"},
		"no JSON":            {" ", asJSON, 422, payment.CodeInvalid, "1 to 1000"},
		"empty array":        {"[ ]", asJSON, 422, payment.CodeInvalid, "1 to 1000"},
		"one object":         {good, asJSON, 422, payment.CodeInvalid, "array"},
		"null":               {"null", asJSON, 422, payment.CodeInvalid, "array"},
		"a text with a card": {`"` + card + `"`, asJSON, 422, payment.CodeCardNumber, "token"},
		"too many lines":     {lines(many...), asNDJSON, 413, payment.CodeTooLarge, "1000 items"},
		"too many elements":  {array(many...), asJSON, 413, payment.CodeTooLarge, "1000 items"},
		"too long":           {strings.Repeat(" ", 8<<20) + good, asNDJSON, 413, payment.CodeTooLarge, "8388608"},
		"broken in between":  {"[" + good + ",{]," + good + "]", asJSON, 400, payment.CodeMalformed, fmt.Sprint("byte ", len(good)+3)},
		"broken at the end":  {"[" + good + "," + good, asJSON, 400, payment.CodeMalformed, "ends before"},
		"without a comma":    {"[" + good + good + "]", asJSON, 400, payment.CodeMalformed, fmt.Sprint("byte ", len(good)+1)},
		"a comma too many":   {"[" + good + ",]", asJSON, 400, payment.CodeMalformed, "byte"},
		"more after it":      {array(good) + "[]", asJSON, 400, payment.CodeMalformed, "goes on"},
		"lines as JSON":      {lines(good, good), asJSON, 422, payment.CodeInvalid, "array"},
		"a bracket":          {"]", asJSON, 400, payment.CodeMalformed, "byte 0"},
		"broken with a card": {`[{"payment_method":"` + card + `"}`, asJSON, 422, payment.CodeCardNumber, "token"},
		"bad UTF-8":          {"[\"\xff\"]", asJSON, 400, payment.CodeMalformed, "UTF-8"},
		"nested without end": {strings.Repeat("[", 1<<20), asJSON, 400, payment.CodeMalformed, ""},
		"another media type": {good, func(r *http.Request) { r.Header.Set("Content-Type", "text/csv") }, 415, payment.CodeMediaType, "application/x-ndjson or application/json"},
		"without one":        {good, func(r *http.Request) { r.Header.Del("Content-Type") }, 415, payment.CodeMediaType, "application/x-ndjson"},
		"another encoding":   {good, func(r *http.Request) { r.Header.Set("Content-Encoding", "gzip") }, 415, payment.CodeMediaType, "Encoding"},
		"an idempotency key": {good, key(`"k-1"`), 400, payment.CodeKeyInvalid, "order numbers"},
		"an empty one":       {good, key(""), 400, payment.CodeKeyInvalid, "order numbers"},
		"without a key":      {good, func(r *http.Request) { r.Header.Del("Authorization") }, 401, payment.CodeUnauthenticated, ""},
	} {
		t.Run(name, func(t *testing.T) {
			service := serveBatches(t, ingest.Config{})
			details := service.send(t, test.body, test.edit).problem(t, test.status, test.code)
			if !strings.Contains(details.Detail, test.says) || strings.Contains(details.Detail, card) {
				t.Errorf("the detail is %q, want %q in it", details.Detail, test.says)
			}
			if n := len(service.store.all()) + len(service.lists.batches); n != 0 {
				t.Errorf("%d requests and lists are kept", n)
			}
		})
	}
}

func TestBatch_ofAThousandLongItemsFits(t *testing.T) {
	service := serveBatches(t, ingest.Config{})
	var all []string
	for i := range payment.BatchItemsMax {
		all = append(all, strings.Replace(item(fmt.Sprint("A-", i), 1), "{", `{"description":"`+strings.Repeat("d", 1000)+`",`, 1))
	}
	if got := service.send(t, array(all...), asJSON).batch(t); got.Accepted != payment.BatchItemsMax {
		t.Errorf("%d were accepted", got.Accepted)
	}
}

// refusedBatch reads a problem that shows its items.
func refusedBatch(t *testing.T, got answer, status int, code payment.Code) []itemShown {
	t.Helper()
	var refused struct {
		Status int          `json:"status"`
		Code   payment.Code `json:"code"`
		Items  []itemShown  `json:"items"`
	}
	if err := json.Unmarshal([]byte(got.body), &refused); err != nil || got.header.Get("Content-Type") != problem.ContentType {
		t.Fatalf("got %d %s, want a problem: %v", got.status, got.body, err)
	}
	if got.status != status || refused.Status != status || refused.Code != code {
		t.Fatalf("got %d %s, want %d %s", got.status, got.body, status, code)
	}
	wantHeader(t, got, "Location", "")
	return refused.Items
}

func TestBatch_ofWhichNothingIsAcceptedIsAProblemWithItems(t *testing.T) {
	service := serveBatches(t, ingest.Config{})
	service.send(t, item("A-1", 1))
	got := service.send(t, lines(item("A-1", 2), "{", item("A-2", 0)))
	items := refusedBatch(t, got, http.StatusUnprocessableEntity, payment.CodeBatchRefused)
	wantText(t, "results", resultsOf(items), "409 order_conflict, 400 malformed_request, 422 invalid_request")
	wantHeader(t, got, "Retry-After", "")
	if n := len(service.lists.batches); n != 1 {
		t.Errorf("%d lists are kept, want that of the first batch", n)
	}
}

var (
	errFull    = &payment.Error{Code: payment.CodeBufferFull, Detail: "full", RetryAfter: 7 * time.Second}
	errUnknown = &payment.Error{Code: payment.CodeBufferUnavailable, Detail: "send it again", RetryAfter: time.Second}

	errOverShare = &payment.Error{Code: payment.CodeTenantShare, Detail: "too many", RetryAfter: 40 * time.Second}
)

func TestBatch_whatIsNotKeptIsToBeSentAgain(t *testing.T) {
	for name, test := range map[string]struct {
		fail       map[string]error
		status     int
		code       payment.Code
		retryAfter string
		results    string
	}{
		"some": {
			map[string]error{"A-2": errFull}, 202, "", "7",
			"new, 503 buffer_full, 422 invalid_request",
		},
		"all that are valid": {
			map[string]error{"A-1": errFull, "A-2": errFull}, 503, payment.CodeBufferFull, "7",
			"503 buffer_full, 503 buffer_full, 422 invalid_request",
		},
		"all, and of one nobody knows": {
			map[string]error{"A-1": errFull, "A-2": errUnknown}, 503, payment.CodeBufferUnavailable, "7",
			"503 buffer_full, 503 buffer_unavailable, 422 invalid_request",
		},
		"some, over the share": {
			map[string]error{"A-2": errOverShare}, 202, "", "40",
			"new, 429 tenant_share_exceeded, 422 invalid_request",
		},
		"all that are valid, over the share": {
			map[string]error{"A-1": errOverShare, "A-2": errOverShare}, 429, payment.CodeTenantShare, "40",
			"429 tenant_share_exceeded, 429 tenant_share_exceeded, 422 invalid_request",
		},
		"over the share, and without room": {
			map[string]error{"A-1": errOverShare, "A-2": errFull}, 503, payment.CodeBufferFull, "40",
			"429 tenant_share_exceeded, 503 buffer_full, 422 invalid_request",
		},
		"over the share, and our mistake": {
			map[string]error{"A-1": errors.New("nil pointer"), "A-2": errOverShare}, 429, payment.CodeTenantShare, "40",
			"500 internal_error, 429 tenant_share_exceeded, 422 invalid_request",
		},
		"our mistake": {
			map[string]error{"A-1": errors.New("nil pointer"), "A-2": errors.New("nil pointer")}, 500, payment.CodeInternal, "",
			"500 internal_error, 500 internal_error, 422 invalid_request",
		},
	} {
		t.Run(name, func(t *testing.T) {
			service := serveBatches(t, ingest.Config{})
			service.lists.fail = test.fail
			got := service.send(t, lines(item("A-1", 1), item("A-2", 1), item("A-3", 0)))
			wantHeader(t, got, "Retry-After", test.retryAfter)
			if strings.Contains(got.body, "nil pointer") {
				t.Errorf("the text of an internal error is shown: %s", got.body)
			}
			if test.status == http.StatusAccepted {
				wantText(t, "results", got.batch(t).results(), test.results)
				if list := service.lists.batches[0]; len(list.Payments) != 1 {
					t.Errorf("the list is %+v, want the item that is kept", list)
				}
				return
			}
			wantText(t, "results", resultsOf(refusedBatch(t, got, test.status, test.code)), test.results)
		})
	}
}

// The items are kept, but nobody could ask for the batch.
func TestBatch_withoutItsListThereIsNo202(t *testing.T) {
	service := serveBatches(t, ingest.Config{})
	service.lists.listFail = errUnknown
	got := service.send(t, lines(item("A-1", 1), item("A-2", 1)))
	items := refusedBatch(t, got, http.StatusServiceUnavailable, payment.CodeBufferUnavailable)
	wantText(t, "results", resultsOf(items), "new, new")
	wantHeader(t, got, "Retry-After", "1")

	service.lists.listFail = nil
	again := service.send(t, lines(item("A-1", 1), item("A-2", 1))).batch(t)
	wantText(t, "results", again.results(), "duplicate, duplicate")
}

func TestBatch_errorsOfAnItemAreListedInPart(t *testing.T) {
	service := serveBatches(t, ingest.Config{})
	var members []string
	for i := range 40 {
		members = append(members, fmt.Sprintf(`"unknown_%02d":1`, i))
	}
	bad := "{" + strings.Join(members, ",") + "}"
	problem := service.send(t, lines(bad, item("A-1", 1))).batch(t).Items[0].Problem
	if len(problem.Errors) != 10 || !strings.Contains(problem.Detail, "not all of them") {
		t.Errorf("got %+v", problem)
	}
}
