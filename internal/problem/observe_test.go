package problem_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/paybuf/paybuf/internal/problem"
)

// logging is a middleware's ResponseWriter.
type logging struct {
	http.ResponseWriter
	errs []error
}

func (l *logging) ObserveError(err error) { l.errs = append(l.errs, err) }

// wrapping is a ResponseWriter that only passes through.
type wrapping struct{ http.ResponseWriter }

func (w wrapping) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// broken is a client that went away.
type broken struct{ http.ResponseWriter }

var errGone = errors.New("connection reset")

func (broken) Write([]byte) (int, error) { return 0, errGone }

func TestWrite_theErrorReachesTheLogThroughOtherWriters(t *testing.T) {
	log := &logging{ResponseWriter: httptest.NewRecorder()}
	cause := errors.New("the disk is on fire")
	status := problem.Write(wrapping{wrapping{log}}, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil), cause)
	if status != 500 || len(log.errs) != 1 || !errors.Is(log.errs[0], cause) {
		t.Errorf("status %d, observed %v, want 500 and the cause once", status, log.errs)
	}
}

func TestWrite_aClientThatIsGoneReachesTheLog(t *testing.T) {
	log := &logging{ResponseWriter: broken{httptest.NewRecorder()}}
	problem.Write(log, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil), errors.New("first"))
	if len(log.errs) != 2 || !errors.Is(log.errs[1], errGone) {
		t.Errorf("observed %v, want the error and then the failed write", log.errs)
	}
}

func TestObserve_withoutAnObserverNothingHappens(t *testing.T) {
	recorder := httptest.NewRecorder()
	problem.Observe(wrapping{recorder}, errors.New("lost"))
	problem.Observe(wrapping{nil}, errors.New("lost"))
	if recorder.Body.Len() != 0 || recorder.Code != http.StatusOK {
		t.Errorf("something was written: %d %s", recorder.Code, recorder.Body)
	}
}
