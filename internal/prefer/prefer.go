// Package prefer reads what a client would like of an answer: the header Prefer of
// RFC 7240, as far as it is about waiting.
//
// It promises that a preference which is not understood changes nothing, as the RFC
// asks for. No other package reads the header or says what was made of it.
package prefer

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	header        = "Prefer"
	appliedHeader = "Preference-Applied"

	// waitMax is the longest wait: what the listener's 60 s for a whole answer leave.
	waitMax = 50 * time.Second
	// waitDigitsMax keeps a number of seconds within an int64; no longer one is less
	// than waitMax.
	waitDigitsMax = 9
)

// Preferences are what a client would like.
type Preferences struct {
	// Wait is how long the client lets an answer take, counted from when the request
	// was received (section 4.3): whole seconds, at most 50 s; 0 if it does not say.
	Wait time.Duration
	// RespondAsync asks for an answer that only accepts (section 4.1). Beside Wait it
	// is for when that time is over.
	RespondAsync bool
}

// Of reads the preferences of a request.
func Of(h http.Header) Preferences {
	var p Preferences
	seen := map[string]bool{} // only the first of a name counts (section 2)
	for _, list := range h[header] {
		for list != "" {
			var name, value string
			var ok bool
			if name, value, list, ok = next(list); !ok || seen[name] {
				continue
			}
			seen[name] = true
			switch name {
			case "wait":
				p.Wait = seconds(value)
			case "respond-async":
				p.RespondAsync = value == ""
			}
		}
	}
	return p
}

// Given tells whether there are preferences at all.
func Given(h http.Header) bool { return len(h[header]) > 0 }

// seconds reads delta-seconds (RFC 9111, section 1.2.2); 0 if it is something else.
func seconds(text string) time.Duration {
	if text == "" || strings.Trim(text, "0123456789") != "" {
		return 0
	}
	text = strings.TrimLeft(text, "0")
	if len(text) > waitDigitsMax {
		return waitMax
	}
	n, _ := strconv.ParseInt(text, 10, 64) // of digits; none are 0
	return min(time.Duration(n)*time.Second, waitMax)
}

// AppliedWait tells the client for how long its answer was let wait.
func AppliedWait(h http.Header, wait time.Duration) {
	h.Set(appliedHeader, "wait="+strconv.FormatInt(int64(wait/time.Second), 10))
}

// AppliedRespondAsync tells the client that it was not let wait, as it wished.
func AppliedRespondAsync(h http.Header) { h.Set(appliedHeader, "respond-async") }
