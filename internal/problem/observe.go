package problem

import "net/http"

// Observer is a ResponseWriter that wants to know the error behind an answer.
// The middleware that writes the one log line of a request is one: handlers
// answer, and it alone logs.
type Observer interface {
	ObserveError(err error)
}

// Observe hands err to the first Observer among w and the writers that it wraps
// (Unwrap as http.ResponseController knows it). Without one the error is dropped.
func Observe(w http.ResponseWriter, err error) {
	for w != nil {
		if observer, ok := w.(Observer); ok {
			observer.ObserveError(err)
			return
		}
		wrapper, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return
		}
		w = wrapper.Unwrap()
	}
}
