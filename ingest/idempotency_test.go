package ingest_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/paybuf/paybuf/ingest"
	"github.com/paybuf/paybuf/payment"
)

// keeper keeps keys in memory as the buffer keeps them for good.
type keeper struct {
	mu    sync.Mutex
	bound map[payment.KeyHash]payment.Request
	calls int
}

func newKeeper() *keeper { return &keeper{bound: map[payment.KeyHash]payment.Request{}} }

func (k *keeper) Reserve(_ context.Context, request payment.Request) (payment.Request, bool, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.calls++
	first, known := k.bound[request.KeyHash]
	switch {
	case !known:
		k.bound[request.KeyHash] = request
		return request, false, nil
	case first.ID != request.ID || first.Fingerprint() != request.Fingerprint():
		return payment.Request{}, false, &payment.Error{Code: payment.CodeKeyReused, Detail: "another request has this key"}
	}
	request.AcceptedAt = first.AcceptedAt
	return request, true, nil
}

// keys gives the hashes that are bound.
func (k *keeper) keys() []payment.KeyHash {
	k.mu.Lock()
	defer k.mu.Unlock()
	var all []payment.KeyHash
	for hash := range k.bound {
		all = append(all, hash)
	}
	return all
}

func (k *keeper) called() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.calls
}

func key(value string) func(*http.Request) { return header("Idempotency-Key", value) }

// forget empties the store, as the buffer forgets what was claimed long ago.
func (s *store) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.kept)
}

func TestPost_aRepetitionWithItsKeyGetsTheFirstAnswer(t *testing.T) {
	keys := newKeeper()
	service := serve(t, ingest.Config{Reserver: keys})
	first := service.post(t, valid, key(`"k-1"`))
	if first.status != http.StatusAccepted || !strings.Contains(first.body, `"duplicate":false`) {
		t.Fatalf("got %d %s", first.status, first.body)
	}
	want := strings.Replace(first.body, `"duplicate":false`, `"duplicate":true`, 1)
	for _, step := range []string{"at once", "when the buffer has forgotten the payment"} {
		if step != "at once" {
			service.store.forget()
		}
		again := service.post(t, valid, key("k-1")) // bare is the same key
		if again.status != http.StatusAccepted || again.body != want {
			t.Errorf("%s: got  %d %s\nwant 202 %s", step, again.status, again.body, want)
		}
		wantHeader(t, again, "Idempotent-Replayed", "true")
	}
	hash := idKey(t).HashIdempotencyKey("acme", "k-1")
	if bound := keys.keys(); len(bound) != 1 || bound[0] != hash {
		t.Errorf("bound %v, want %s", bound, hash)
	}
	if kept := service.store.all(); len(kept) != 1 || kept[0].KeyHash != hash {
		t.Errorf("kept %+v, want the key's hash in it", kept)
	}
}

func TestPost_aKeyBelongsToOneRequest(t *testing.T) {
	service := serve(t, ingest.Config{Reserver: newKeeper()})
	service.post(t, valid, key("k-1"))
	for name, body := range map[string]string{
		"another body":  strings.Replace(valid, "1999", "2000", 1),
		"another order": strings.Replace(valid, "A-1001", "A-1002", 1),
	} {
		got := service.post(t, body, key("k-1"))
		got.problem(t, 422, payment.CodeKeyReused)
		wantHeader(t, got, "Retry-After", "")
		if strings.Contains(got.body, "k-1") {
			t.Errorf("%s: the answer repeats the key: %s", name, got.body)
		}
	}
	if kept := service.store.all(); len(kept) != 1 || kept[0].Money.Minor() != 1999 {
		t.Errorf("kept %+v, want the first alone", kept)
	}
}

func TestPost_tenantsDoNotShareKeys(t *testing.T) {
	service := serve(t, ingest.Config{Reserver: newKeeper()})
	service.post(t, valid, key("k-1"))
	other := strings.Replace(valid, "A-1001", "A-1002", 1)
	got := service.post(t, other, key("k-1"), header("Authorization", "Bearer umbrella"))
	if got.status != http.StatusAccepted || !strings.Contains(got.body, `"duplicate":false`) {
		t.Errorf("got %d %s", got.status, got.body)
	}
}

func TestPost_aKeyWhoseFirstRequestIsUnderWayIsInUse(t *testing.T) {
	service := serve(t, ingest.Config{Reserver: newKeeper()})
	reached, release := make(chan struct{}), make(chan struct{})
	service.store.put = func(context.Context) error {
		close(reached)
		<-release
		return nil
	}
	var first answer
	var posting sync.WaitGroup
	posting.Go(func() { first = service.post(t, valid, key("k-1")) })
	<-reached
	service.store.put = nil
	for _, body := range []string{valid, strings.Replace(valid, "1999", "2000", 1)} {
		got := service.post(t, body, key("k-1"))
		got.problem(t, 409, payment.CodeKeyInUse)
		wantHeader(t, got, "Retry-After", "1")
	}
	if got := service.post(t, strings.Replace(valid, "A-1001", "A-1002", 1), key("k-2")); got.status != http.StatusAccepted {
		t.Errorf("another key: got %d %s", got.status, got.body)
	}
	close(release)
	posting.Wait()
	if first.status != http.StatusAccepted {
		t.Errorf("the first request: got %d %s", first.status, first.body)
	}
	again := service.post(t, valid, key("k-1"))
	wantHeader(t, again, "Idempotent-Replayed", "true")
}

func TestPost_aKeyWhoseRequestWasNotStoredIsTriedOn(t *testing.T) {
	for name, failure := range map[string]error{
		"unavailable": &payment.Error{Code: payment.CodeBufferUnavailable, Detail: "send it again"},
		"full":        &payment.Error{Code: payment.CodeBufferFull, Detail: "full"},
		"our mistake": errors.New("nil pointer"),
	} {
		t.Run(name, func(t *testing.T) {
			service := serve(t, ingest.Config{Reserver: newKeeper()})
			service.store.put = func(context.Context) error { return failure }
			if got := service.post(t, valid, key("k-1")); got.status < 500 {
				t.Fatalf("got %d %s", got.status, got.body)
			}
			service.store.put = nil
			service.post(t, strings.Replace(valid, "1999", "2000", 1), key("k-1")).problem(t, 422, payment.CodeKeyReused)
			if got := service.post(t, valid, key("k-1")); got.status != http.StatusAccepted {
				t.Errorf("got %d %s", got.status, got.body)
			}
		})
	}
}

func TestPost_whatTheReserverRefusesIsNotStored(t *testing.T) {
	for code, status := range map[payment.Code]int{
		payment.CodeBufferFull: 503, payment.CodeBufferUnavailable: 503, payment.CodeKeyInUse: 409, payment.CodeKeyReused: 422,
	} {
		service := serve(t, ingest.Config{Reserver: refuser(code)})
		service.post(t, valid, key("k-1")).problem(t, status, code)
		if kept := service.store.all(); len(kept) > 0 {
			t.Errorf("%s: kept %+v", code, kept)
		}
		if got := service.post(t, valid); got.status != http.StatusAccepted {
			t.Errorf("%s: without a key: got %d %s", code, got.status, got.body)
		}
	}
}

// refuser refuses every key with its code.
type refuser payment.Code

func (r refuser) Reserve(context.Context, payment.Request) (payment.Request, bool, error) {
	return payment.Request{}, false, &payment.Error{Code: payment.Code(r), Detail: "no"}
}

func TestPost_aConflictIsRepeatedUnderItsKey(t *testing.T) {
	service := serve(t, ingest.Config{Reserver: newKeeper()})
	service.post(t, valid)
	other := strings.Replace(valid, "1999", "2000", 1)
	for range 2 {
		service.post(t, other, key("k-1")).problem(t, 409, payment.CodeOrderConflict)
	}
	service.post(t, valid, key("k-1")).problem(t, 422, payment.CodeKeyReused)
}

func TestPost_aRefusedRequestLeavesItsKeyFree(t *testing.T) {
	keys := newKeeper()
	service := serve(t, ingest.Config{Reserver: keys})
	service.post(t, "{}", key("k-1")).problem(t, 422, payment.CodeInvalid)
	service.post(t, "{", key("k-1")).problem(t, 400, payment.CodeMalformed)
	service.post(t, valid, key("k-1"), header("Authorization", "")).problem(t, 401, payment.CodeUnauthenticated)
	if n := keys.called(); n != 0 {
		t.Errorf("the key was reserved %d times", n)
	}
	if got := service.post(t, valid, key("k-1")); got.status != http.StatusAccepted {
		t.Errorf("got %d %s", got.status, got.body)
	}
}

func TestPost_withoutAKeyNothingIsReserved(t *testing.T) {
	keys := newKeeper()
	service := serve(t, ingest.Config{Reserver: keys})
	service.post(t, valid)
	if n := keys.called(); n != 0 {
		t.Errorf("a key was reserved %d times", n)
	}
	if kept := service.store.all(); len(kept) != 1 || kept[0].KeyHash != "" {
		t.Errorf("kept %+v", kept)
	}
	unkept := serve(t, ingest.Config{})
	if got := unkept.post(t, valid, key("k-1")); got.status != http.StatusAccepted {
		t.Errorf("without a reserver: got %d %s", got.status, got.body)
	}
}

func TestPost_whatIsNoKeyIsNamed(t *testing.T) {
	keys := newKeeper()
	service := serve(t, ingest.Config{Reserver: keys})
	const (
		backslash = `in a quoted Idempotency-Key a backslash stands only before \ or "`
		unclosed  = "the Idempotency-Key has no closing quotation mark"
		goesOn    = "the Idempotency-Key goes on after its closing quotation mark"
		empty     = "the idempotency key is empty"
		invisible = "the idempotency key has something else than a visible ASCII character at byte "
		long      = "the idempotency key has more than 255 characters"
	)
	for value, want := range map[string]string{
		"":                                   empty,
		`""`:                                 empty,
		`"`:                                  unclosed,
		`"k`:                                 unclosed,
		`"k\"`:                               unclosed,
		`"k\`:                                backslash,
		`"k\n"`:                              backslash,
		`"k" `:                               "", // white space around a value is no part of it (RFC 9110, 5.5)
		`"k";a=1`:                            goesOn,
		`"k", "l"`:                           goesOn,
		"two words":                          invisible + "3",
		`"two words"`:                        invisible + "3",
		"k, l":                               invisible + "2",
		"schl\xfcssel":                       invisible + "4",
		strings.Repeat("x", 256):             long,
		`"` + strings.Repeat("x", 256) + `"`: long,
	} {
		got := service.post(t, valid, key(value))
		if want == "" {
			if got.status != http.StatusAccepted {
				t.Errorf("%q: got %d %s", value, got.status, got.body)
			}
			continue
		}
		if details := got.problem(t, 400, payment.CodeKeyInvalid); details.Detail != want {
			t.Errorf("%q: got %q, want %q", value, details.Detail, want)
		}
	}
	got := service.post(t, valid, key("k"), func(r *http.Request) { r.Header.Add("Idempotency-Key", "k") })
	if details := got.problem(t, 400, payment.CodeKeyInvalid); details.Detail != "there is more than one Idempotency-Key" {
		t.Errorf("got %q", details.Detail)
	}
	if n := keys.called(); n != 1 {
		t.Errorf("%d keys were reserved, want the valid one", n)
	}
}

func TestPost_aCardNumberForAKeyIsRefusedAndNeverRepeated(t *testing.T) {
	service := serve(t, ingest.Config{Reserver: newKeeper()})
	for _, value := range []string{card, `"` + card + `"`, "4242-4242-4242-4242", `"\"` + card + `"`} {
		got := service.post(t, valid, key(value))
		got.problem(t, 422, payment.CodeCardNumber)
		if payment.ContainsCardNumber(got.body) || strings.Contains(got.body, card[:8]) {
			t.Errorf("the answer repeats the card number: %s", got.body)
		}
	}
	if kept := service.store.all(); len(kept) > 0 {
		t.Errorf("kept %+v", kept)
	}
}

func TestPost_ofManyAtOnceWithOneKeyOneRequestIsStored(t *testing.T) {
	service := serve(t, ingest.Config{Reserver: newKeeper()})
	const clients = 32
	answers := make([]answer, clients)
	var posting sync.WaitGroup
	for i := range clients {
		posting.Go(func() {
			answers[i] = service.post(t, strings.Replace(valid, "A-1001", fmt.Sprintf("A-%d", i%4), 1), key("k-1"))
		})
	}
	posting.Wait()
	for _, got := range answers {
		if !slices.Contains([]int{202, 409, 422}, got.status) {
			t.Errorf("got %d %s", got.status, got.body)
		}
	}
	if kept := service.store.all(); len(kept) != 1 {
		t.Errorf("%d payments are stored under one key", len(kept))
	}
}

// FuzzKey checks what holds for every header: an answer of the contract that does
// not repeat it, and one key however it is written.
func FuzzKey(f *testing.F) {
	for _, value := range []string{
		"k", `"k"`, `"`, `""`, `"\"`, `"\\"`, `"\""`, `"a\b"`, `"k";p`, " k ", "a b", "\x00", "\xff", card,
		`"` + card + `"`, strings.Repeat("x", 256), "34d0263a-a517-4306-9413-295da6c74d05",
	} {
		f.Add(value)
	}
	quote := strings.NewReplacer(`\`, `\\`, `"`, `\"`)
	f.Fuzz(func(t *testing.T, value string) {
		status, bound, body := postKey(t, value)
		if (status == http.StatusAccepted) != (len(bound) == 1) || !slices.Contains([]int{202, 400, 422}, status) {
			t.Fatalf("%q: %d %s, bound %v", value, status, body, bound)
		}
		if payment.ContainsCardNumber(body) {
			t.Fatalf("%q: a card number is repeated: %s", value, body)
		}
		if strings.HasPrefix(value, `"`) {
			return
		}
		if valid := payment.CheckIdempotencyKey(value) == nil; valid != (status == http.StatusAccepted) {
			t.Fatalf("%q: %d %s, valid %t", value, status, body, valid)
		}
		quotedStatus, quotedBound, _ := postKey(t, `"`+quote.Replace(value)+`"`)
		if quotedStatus != status || !slices.Equal(quotedBound, bound) {
			t.Fatalf("%q: bare %d %v, quoted %d %v", value, status, bound, quotedStatus, quotedBound)
		}
		if status == http.StatusAccepted && bound[0] != idKey(t).HashIdempotencyKey("acme", value) {
			t.Fatalf("%q was taken for another key", value)
		}
	})
}

// postKey posts with a header that a real client might not be able to send.
func postKey(t *testing.T, value string) (status int, bound []payment.KeyHash, body string) {
	t.Helper()
	keys := newKeeper()
	router := newRouter(t, &store{kept: map[payment.ID]payment.Request{}}, ingest.Config{Reserver: keys})
	request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/payments", strings.NewReader(valid))
	request.Header.Set("Authorization", "Bearer acme")
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Idempotency-Key", value)
	recorder := httptest.NewRecorder()
	router.ServeHTTP(recorder, request)
	return recorder.Code, keys.keys(), recorder.Body.String()
}
