package app

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/go-chi/chi/v5"
	"github.com/go-json-experiment/json"

	"github.com/paybuf/paybuf/internal/problem"
)

// lockedBuffer is a log that is read while it is written.
type lockedBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *lockedBuffer) Write(line []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(line)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// observed serves handlers behind the middleware that every client passes.
func observed(t *testing.T, log io.Writer, routes map[string]http.HandlerFunc) *httptest.Server {
	t.Helper()
	a := &App{log: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	a.metrics = newMetrics(a)
	r := chi.NewRouter()
	r.Use(a.observe)
	r.NotFound(problem.NotFound)
	for path, handler := range routes {
		r.Get(path, handler)
	}
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	return server
}

func get(t *testing.T, server *httptest.Server, path string) (*http.Response, []byte) {
	t.Helper()
	response, err := server.Client().Get(server.URL + path)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, body
}

func TestObserve_aPanicIsOneProblemAndTheProcessLives(t *testing.T) {
	var log lockedBuffer
	server := observed(t, &log, map[string]http.HandlerFunc{
		"/panic": func(http.ResponseWriter, *http.Request) { panic("a secret of the process") },
		"/fine":  func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) },
	})
	for range 3 {
		response, body := get(t, server, "/panic")
		var shown struct {
			Code      string `json:"code"`
			RequestID string `json:"request_id"`
		}
		if err := json.Unmarshal(body, &shown); err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		if response.StatusCode != http.StatusInternalServerError || shown.Code != "internal_error" {
			t.Errorf("a panic is answered %d %s", response.StatusCode, body)
		}
		if shown.RequestID == "" || shown.RequestID != response.Header.Get(problem.RequestIDHeader) {
			t.Errorf("the request's id is %q in the body and %q in the header",
				shown.RequestID, response.Header.Get(problem.RequestIDHeader))
		}
		if strings.Contains(string(body), "secret") {
			t.Errorf("the client is told too much: %s", body)
		}
		if !strings.Contains(log.String(), "msg=panic request_id="+shown.RequestID) {
			t.Errorf("the log does not say that %s was a panic", shown.RequestID)
		}
	}
	if response, body := get(t, server, "/fine"); response.StatusCode != http.StatusNoContent {
		t.Errorf("afterwards: %d %s", response.StatusCode, body)
	}
	server.Close() // so that all lines are written
	for _, said := range []string{"a secret of the process", "observe_internal_test.go", "status=500"} {
		if !strings.Contains(log.String(), said) {
			t.Errorf("the log does not say %q", said)
		}
	}
}

// A client that has got half an answer must not take it for the whole.
func TestObserve_aPanicAfterTheFirstByteBreaksTheAnswerOff(t *testing.T) {
	var log lockedBuffer
	server := observed(t, &log, map[string]http.HandlerFunc{
		"/half": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusOK)
			_, _ = io.WriteString(w, `{"id":"pay_1",`)
			_ = http.NewResponseController(w).Flush()
			panic("too late")
		},
	})
	response, err := server.Client().Get(server.URL + "/half")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if body, err := io.ReadAll(response.Body); err == nil {
		t.Errorf("the client takes %q for a whole answer", body)
	}
	if !strings.Contains(log.String(), "too late") {
		t.Errorf("the log does not say why: %s", log.String())
	}
}

func TestObserve_everyAnswerHasAnIDOfItsOwnAndNoRouteIsInvented(t *testing.T) {
	var log lockedBuffer
	server := observed(t, &log, map[string]http.HandlerFunc{"/v1/payments/{id}": problem.NotFound})
	ids := map[string]bool{}
	for _, path := range []string{"/tok_in_a_path", "/v1/payments/tok_in_a_path?key=tok_in_a_query", "/"} {
		response, _ := get(t, server, path)
		ids[response.Header.Get(problem.RequestIDHeader)] = true
	}
	server.Close() // so that all lines are written
	if len(ids) != 3 || ids[""] {
		t.Errorf("the ids are %v", ids)
	}
	for text, said := range map[string]bool{"tok_": false, "route=none": true, "route=/v1/payments/{id}": true} {
		if strings.Contains(log.String(), text) != said {
			t.Errorf("%q is in the log: %t\n%s", text, !said, log.String())
		}
	}
}
