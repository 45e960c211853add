package consumer

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/paybuf/paybuf/bench/wire"
)

// Secret is the one of all endpoints.
const Secret = "whsec_YmVuY2htYXJrcyBoYXZlIG5vIHNlY3JldHMh" //nolint:gosec // nobody else's

const (
	checkEvery = 100 // deliveries, of which one's signature is checked

	hookPath     = "/hook/"
	tallyPath    = "/tally"
	receiptsPath = "/receipts"
	resetPath    = "/reset"
)

// Tally is what the consumer has counted.
type Tally struct {
	Deliveries int64     `json:"deliveries"` // requests
	Events     int64     `json:"events"`     // that they were about, each once per endpoint
	Hung       int64     `json:"hung"`       // requests that were never answered
	Checked    int64     `json:"checked"`    // signatures
	Forged     int64     `json:"forged"`     // that were wrong
	First      time.Time `json:"first"`      // delivery; zero if there was none
	Last       time.Time `json:"last"`
}

// Receipt is when an endpoint was told first of an event.
type Receipt struct {
	Event string    `json:"event"` // webhook-id
	At    time.Time `json:"at"`
}

// log keeps what came.
type log struct {
	key []byte

	mu       sync.Mutex
	hangs    string // the path that is never answered
	tally    Tally
	receipts map[string]time.Time // by path and event
}

func newLog() *log {
	key, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(Secret, "whsec_")) // a constant
	return &log{key: key, receipts: map[string]time.Time{}}
}

// answer gives the status and the body of what a request is answered.
func (l *log) answer(r wire.Request) (status int, body any) {
	switch path := r.Target.Path; {
	case r.Method == http.MethodPost && strings.HasPrefix(path, hookPath):
		return l.take(path, r), nil
	case r.Route() == "GET "+tallyPath:
		l.mu.Lock()
		defer l.mu.Unlock()
		return http.StatusOK, l.tally
	case r.Route() == "GET "+receiptsPath:
		return http.StatusOK, l.all()
	case r.Route() == "POST "+resetPath:
		l.reset(r.Target.Query().Get("hangs"))
		return http.StatusOK, struct{}{}
	}
	return http.StatusNotFound, nil
}

// take counts a delivery.
func (l *log) take(path string, r wire.Request) (status int) {
	now, id := time.Now(), r.Header("webhook-id")
	l.mu.Lock()
	defer l.mu.Unlock()
	if path == l.hangs {
		l.tally.Hung++
		return wire.Never
	}
	l.tally.Deliveries++
	if l.tally.First.IsZero() {
		l.tally.First = now
	}
	l.tally.Last = now
	if l.tally.Deliveries%checkEvery == 1 {
		l.tally.Checked++
		if !l.isSigned(id, r) {
			l.tally.Forged++
		}
	}
	key := path + " " + id
	if _, known := l.receipts[key]; !known {
		l.receipts[key] = now
		l.tally.Events++
	}
	return http.StatusNoContent
}

// isSigned makes the signature of Standard Webhooks 1.0.0 and looks for it.
func (l *log) isSigned(id string, r wire.Request) bool {
	mac := hmac.New(sha256.New, l.key)
	mac.Write([]byte(id + "." + r.Header("webhook-timestamp") + "."))
	mac.Write(r.Body)
	want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	return id != "" && slices.Contains(strings.Fields(r.Header("webhook-signature")), want)
}

func (l *log) all() []Receipt {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := make([]Receipt, 0, len(l.receipts))
	for key, at := range l.receipts {
		_, event, _ := strings.Cut(key, " ")
		all = append(all, Receipt{Event: event, At: at})
	}
	return all
}

func (l *log) reset(hangs string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.hangs, l.tally, l.receipts = hangs, Tally{}, map[string]time.Time{}
}
