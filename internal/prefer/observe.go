package prefer

import (
	"net/http"
	"time"
)

// Observer is told how long an answer waited because its client wished so. A
// ResponseWriter that counts how long answers take implements it.
type Observer interface {
	ObserveWait(waited time.Duration)
}

// Observe tells w, if it or a writer that it wraps wants to know.
func Observe(w http.ResponseWriter, waited time.Duration) {
	for w != nil {
		if observer, ok := w.(Observer); ok {
			observer.ObserveWait(waited)
			return
		}
		wrapper, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return
		}
		w = wrapper.Unwrap()
	}
}
