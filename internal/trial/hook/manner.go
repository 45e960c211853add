package hook

import (
	"net/http"
	"strconv"
	"time"
)

// Manner is how a consumer answers.
type Manner struct {
	Name    string
	accepts bool // with 2xx, whether the sender hears it or not
	answer  func(w http.ResponseWriter, r *http.Request, closing <-chan struct{})
}

const (
	dripPeriod  = 200 * time.Millisecond
	floodBytes  = 1 << 30
	pieceBytes  = 64 << 10
	answerBytes = "ok\n"
)

// Well is what a consumer should be: 200 at once.
var Well = Manner{Name: "well", accepts: true, answer: func(w http.ResponseWriter, _ *http.Request, _ <-chan struct{}) {
	_, _ = w.Write([]byte(answerBytes))
}}

// Fails answers with a status, and Retry-After if after is not 0.
func Fails(status int, after time.Duration) Manner {
	return Manner{
		Name: strconv.Itoa(status), accepts: status/100 == 2,
		answer: func(w http.ResponseWriter, _ *http.Request, _ <-chan struct{}) {
			if after > 0 {
				w.Header().Set("Retry-After", strconv.Itoa(int(after.Seconds())))
			}
			w.WriteHeader(status)
		},
	}
}

// Redirects sends to another place, where nothing may come.
func Redirects(to string) Manner {
	return Manner{Name: "redirect", answer: func(w http.ResponseWriter, r *http.Request, _ <-chan struct{}) {
		http.Redirect(w, r, to, http.StatusTemporaryRedirect)
	}}
}

// Hangs does not answer until the sender has gone.
var Hangs = Manner{Name: "hang", answer: func(_ http.ResponseWriter, r *http.Request, closing <-chan struct{}) {
	select {
	case <-r.Context().Done():
	case <-closing:
	}
}}

// Forgets takes the delivery and loses the answer: the sender sees a connection that
// ends.
var Forgets = Manner{Name: "reset", accepts: true, answer: func(http.ResponseWriter, *http.Request, <-chan struct{}) {
	panic(http.ErrAbortHandler)
}}

// Drips writes the headers of a failure at once, and its body byte by byte until the
// sender has gone.
var Drips = Manner{Name: "drip", answer: func(w http.ResponseWriter, r *http.Request, closing <-chan struct{}) {
	w.WriteHeader(http.StatusInternalServerError)
	ticker := time.NewTicker(dripPeriod)
	defer ticker.Stop()
	for {
		if _, err := w.Write([]byte(".")); err != nil || http.NewResponseController(w).Flush() != nil {
			return
		}
		select {
		case <-r.Context().Done():
			return
		case <-closing:
			return
		case <-ticker.C:
		}
	}
}}

// Floods fails with a body of 1 GB, or as much of it as the sender reads.
var Floods = Manner{Name: "flood", answer: func(w http.ResponseWriter, _ *http.Request, closing <-chan struct{}) {
	w.WriteHeader(http.StatusInternalServerError)
	piece := make([]byte, pieceBytes)
	for range floodBytes / pieceBytes {
		select {
		case <-closing:
			return
		default:
		}
		if _, err := w.Write(piece); err != nil {
			return
		}
	}
}}
