package ingest_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/paybuf/paybuf/ingest"
	"github.com/paybuf/paybuf/payment"
)

// FuzzBatch checks what holds for every body: each item has exactly the answer
// that it has alone, and an array that is no JSON leaves nothing behind.
func FuzzBatch(f *testing.F) {
	for _, body := range []string{
		"", "\n\n", "[]", "[", "]", "[,]", "{}", "null", valid, lines(valid, valid), array(valid, valid),
		lines(valid, "{", "", "\r", item("B", 0)), array(valid, "{", valid), array(valid, "[1,[2]]", "\"]\\\",[\""),
		array(valid, with(`"x":"],["`)) + " ", array(valid) + "\n" + valid, "\xef\xbb\xbf" + valid, array("\"\xff\""),
		lines(with(`"amount":1e3`), "\x00", "\u2028", with(`"customer":`+card)), "[1 2]", "[[[", "[" + valid + "\n,]",
	} {
		f.Add([]byte(body), true)
		f.Add([]byte(body), false)
	}
	f.Fuzz(func(t *testing.T, body []byte, isArray bool) {
		kept := &lists{store: store{kept: map[payment.ID]payment.Request{}}}
		request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/payments/batch", bytes.NewReader(body))
		request.Header.Set("Authorization", "Bearer acme")
		asNDJSON(request)
		texts := linesOf(body)
		if isArray {
			asJSON(request)
			texts = elementsOf(body)
		}
		recorder := httptest.NewRecorder()
		newBatchRouter(t, kept, ingest.Config{}).ServeHTTP(recorder, request)
		got := answer{recorder.Code, recorder.Header(), recorder.Body.String()}
		var shown batchShown
		if err := json.Unmarshal([]byte(got.body), &shown); err != nil {
			t.Fatalf("%q: %s: %v", body, got.body, err)
		}
		if len(shown.Items) == 0 {
			refusedAsAWhole(t, got, texts, kept)
			return
		}
		if len(shown.Items) != len(texts) {
			t.Fatalf("%q has %d items, want %d", body, len(shown.Items), len(texts))
		}
		alone := &lists{store: store{kept: map[payment.ID]payment.Request{}}}
		for i, text := range texts {
			if want := statusAlone(t, alone, text); shown.Items[i].Status != want {
				t.Fatalf("%q: item %q has %d, alone it has %d", body, text, shown.Items[i].Status, want)
			}
		}
		if len(kept.all()) != len(alone.all()) {
			t.Fatalf("%q: %d are kept, want %d", body, len(kept.all()), len(alone.all()))
		}
	})
}

func refusedAsAWhole(t *testing.T, got answer, texts []string, kept *lists) {
	t.Helper()
	if len(kept.all())+len(kept.batches) > 0 {
		t.Fatalf("refused with %d and kept", got.status)
	}
	if !slices.Contains([]int{400, 413, 422}, got.status) || (len(texts) > 0 && len(texts) <= payment.BatchItemsMax) {
		t.Fatalf("%q: got %d %s", texts, got.status, got.body)
	}
}

// statusAlone is what an item is answered as a request of its own.
func statusAlone(t *testing.T, kept *lists, text string) int {
	t.Helper()
	request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/payments", strings.NewReader(text))
	request.Header.Set("Authorization", "Bearer acme")
	asJSON(request)
	recorder := httptest.NewRecorder()
	newRouter(t, &kept.store, ingest.Config{}).ServeHTTP(recorder, request)
	return recorder.Code
}

// linesOf and elementsOf part a body in other ways than the program does.
func linesOf(body []byte) []string {
	var all []string
	for _, line := range strings.Split(string(body), "\n") {
		if text := strings.Trim(line, " \t\r"); text != "" {
			all = append(all, text)
		}
	}
	return all
}

func elementsOf(body []byte) []string {
	var values []jsontext.Value
	if json.Unmarshal(body, &values, jsontext.AllowDuplicateNames(true)) != nil {
		return nil
	}
	var all []string
	for _, value := range values {
		all = append(all, string(value))
	}
	return all
}
