package problem_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/go-chi/chi/v5"

	"github.com/paybuf/paybuf/internal/problem"
)

func router() http.Handler {
	nothing := func(http.ResponseWriter, *http.Request) {}
	sub := chi.NewRouter()
	sub.Delete("/things/{id}", nothing)

	router := chi.NewRouter()
	router.NotFound(problem.NotFound)
	router.MethodNotAllowed(problem.MethodNotAllowed)
	router.Post("/v1/payments", nothing)
	router.Get("/v1/payments", nothing)
	router.Head("/v1/payments", nothing)
	router.Get("/v1/payments/{id}", nothing)
	router.Mount("/admin", sub)
	return router
}

func TestRoutes_refusalsAreProblems(t *testing.T) {
	for _, test := range []struct {
		method, path string
		status       int
		allow        string
		detail       string
	}{
		{"GET", "/nowhere", 404, "", "there is nothing at this path"},
		{"GET", "/v1/payments/", 404, "", "there is nothing at this path"},
		{"BREW", "/nowhere", 404, "", "there is nothing at this path"},
		{"DELETE", "/v1/payments", 405, "GET, HEAD, POST", "this path allows GET, HEAD, POST"},
		{"OPTIONS", "/v1/payments", 405, "GET, HEAD, POST", "this path allows GET, HEAD, POST"},
		{"BREW", "/v1/payments", 405, "GET, HEAD, POST", "this path allows GET, HEAD, POST"},
		{"POST", "/v1/payments/pay%2Fx", 405, "GET", "this path allows GET"},
		{"GET", "/admin/things/7", 405, "DELETE", "this path allows DELETE"},
	} {
		t.Run(test.method+" "+test.path, func(t *testing.T) {
			recorder := httptest.NewRecorder()
			router().ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), test.method, test.path, nil))
			if recorder.Code != test.status || recorder.Header().Get("Allow") != test.allow {
				t.Errorf("got %d, Allow %q, want %d, %q",
					recorder.Code, recorder.Header().Get("Allow"), test.status, test.allow)
			}
			if got := parse(t, recorder.Body.Bytes()); got.Detail != test.detail {
				t.Errorf("detail is %q, want %q", got.Detail, test.detail)
			}
		})
	}
}

func TestMethodNotAllowed_withoutARouterNothingIsAllowed(t *testing.T) {
	recorder := httptest.NewRecorder()
	problem.MethodNotAllowed(recorder, httptest.NewRequestWithContext(t.Context(), http.MethodPut, "/", nil))
	if recorder.Code != http.StatusNotFound {
		t.Errorf("got %d, want 404", recorder.Code)
	}
}
