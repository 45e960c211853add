package httppayer

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/paybuf/paybuf/payment"
)

// statements asks a server with one handler.
func statements(t *testing.T, path string, handler http.HandlerFunc) *Statements {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	s, err := NewStatements(server.URL+"/payer", path, Config{Token: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func aDay() payment.Period {
	from := time.Date(2026, 11, 21, 1, 0, 0, 0, time.FixedZone("", 3600))
	return payment.Period{From: from, Until: from.Add(24 * time.Hour)}
}

func TestStatement_asksForThePeriodAndStreamsTheAnswer(t *testing.T) {
	asked := make(chan *http.Request, 1)
	more := make(chan struct{})
	s := statements(t, "/statement", func(w http.ResponseWriter, r *http.Request) {
		asked <- r
		w.Header().Set("Content-Type", "text/csv; charset=utf-8")
		_, _ = io.WriteString(w, "first")
		_ = http.NewResponseController(w).Flush()
		<-more
		_, _ = io.WriteString(w, " second")
	})
	body, err := s.Statement(t.Context(), aDay())
	if err != nil {
		t.Fatal(err)
	}
	first := make([]byte, 5)
	if _, err := io.ReadFull(body, first); err != nil || string(first) != "first" {
		t.Fatalf("got %q, %v before the end", first, err)
	}
	close(more)
	rest, err := io.ReadAll(body)
	if err != nil || string(rest) != " second" {
		t.Errorf("got %q, %v", rest, err)
	}
	if err := body.Close(); err != nil {
		t.Error(err)
	}
	r := <-asked
	if r.URL.String() != "/payer/statement?from=2026-11-21T00%3A00%3A00Z&to=2026-11-22T00%3A00%3A00Z" ||
		r.Header.Get("Accept") != "text/csv" || r.Header.Get("Authorization") != "Bearer secret" {
		t.Errorf("asked is %s with %v", r.URL, r.Header)
	}
}

func TestStatement_whatIsNoStatementIsAnError(t *testing.T) {
	for name, handler := range map[string]http.HandlerFunc{
		"answers 404": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) },
		"answers 302": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) },
		"not text/csv": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			_, _ = io.WriteString(w, "4111111111111111")
		},
	} {
		_, err := statements(t, "/statement", handler).Statement(t.Context(), aDay())
		if err == nil || !strings.Contains(err.Error(), name) || strings.Contains(err.Error(), "4111") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// Half a statement must never look like a whole one: what it lacks would be missing.
func TestStatement_whatBreaksOffDoesNotEnd(t *testing.T) {
	s := statements(t, "/statement", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/csv")
		_, _ = io.WriteString(w, "half")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
	body, err := s.Statement(t.Context(), aDay())
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	if got, err := io.ReadAll(body); err == nil || string(got) != "half" {
		t.Errorf("got %q and no error", got)
	}
}

func TestStatement_hasALimit(t *testing.T) {
	body := &statement{ctx: t.Context(), body: io.NopCloser(strings.NewReader("123456")), leftBytes: 5}
	got, err := io.ReadAll(body)
	if string(got) != "12345" || !errors.Is(err, errStatementTooLarge) {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestNewStatements_takesAPathBelowThePayerOrAURL(t *testing.T) {
	for address, want := range map[string]string{
		"/statement":                     "https://payer.example/v1/statement",
		"reports/charges":                "https://payer.example/v1/reports/charges",
		"https://reports.example/charge": "https://reports.example/charge",
	} {
		s, err := NewStatements("https://payer.example/v1", address, Config{})
		if err != nil || s.url.String() != want {
			t.Errorf("%s: got %v, %v", address, s, err)
		}
	}
	for _, address := range []string{"ftp://x/y", "https://user:hunter2@x/y", "https://x/y?token=hunter2", "//x/y", "/x?y=hunter2"} {
		_, err := NewStatements("https://payer.example", address, Config{})
		if code, _ := payment.CodeOf(err); code != payment.CodeConfig || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: got %v", address, err)
		}
	}
}
