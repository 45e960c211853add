package storm_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/paybuf/paybuf/internal/trial/storm"
	"github.com/paybuf/paybuf/payment"
)

const othersLie = "the other body is accepted"

// shop accepts orders as Paybuf does, and lies once, about one of the first
// repetitions that it can lie about, if it is told how.
type shop struct {
	lie string

	mu       sync.Mutex
	first    map[string]order
	repeated int
	told     bool // the lie
}

type order struct {
	Number string `json:"order_number"`
	Amount int64  `json:"amount"`
	at     string
}

func (s *shop) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var asked order
	body, err := io.ReadAll(r.Body)
	if err == nil {
		err = json.Unmarshal(body, &asked, json.RejectUnknownMembers(false))
	}
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	first, known := s.first[asked.Number]
	if !known {
		first = order{Number: asked.Number, Amount: asked.Amount, at: fmt.Sprint(len(s.first))}
		s.first[asked.Number] = first
	}
	if known {
		s.repeated++
	}
	lie := ""
	otherBody := first.Amount != asked.Amount
	if s.repeated > 2 && !s.told && known && otherBody == (s.lie == othersLie) {
		lie, s.told = s.lie, true
	}
	path := "/v1/payments/pay_" + asked.Number
	if lie == "another payment" {
		path += "-again"
	}
	w.Header().Set("Location", path)
	if otherBody && lie != othersLie {
		w.WriteHeader(http.StatusConflict)
		fmt.Fprintf(w, `{"code":%q,"payment_url":"http://%s%s"}`, payment.CodeOrderConflict, r.Host, path)
		return
	}
	if lie == "another time" {
		first.at = "later"
	}
	known = known && lie != "it is new"
	if known && lie != "no header" {
		w.Header().Set("Idempotent-Replayed", "true")
	}
	w.WriteHeader(http.StatusAccepted)
	fmt.Fprintf(w, `{"id":%q,"order_number":%q,"amount":%d,"duplicate":%v,"accepted_at":%q,"status_url":"http://%s%s"}`,
		strings.TrimPrefix(path, "/v1/payments/"), asked.Number, asked.Amount, known, first.at, r.Host, path)
}

func sendTo(t *testing.T, lie string, others float64) (storm.Report, error) {
	t.Helper()
	server := httptest.NewServer(&shop{lie: lie, first: map[string]order{}})
	defer server.Close()
	s := storm.New(storm.Config{Doors: []string{server.URL}, Senders: 4})
	defer s.Close()
	s.Send(t.Context(), storm.Wave{Requests: 100, Repeats: 0.5, Others: others, Keyed: 0.5})
	return s.Judge()
}

func TestJudge_findsNoFaultWithWhoTellsTheTruth(t *testing.T) {
	report, err := sendTo(t, "", 0.3)
	if err != nil {
		t.Error(err)
	}
	if report.Requests != 100 || report.Firsts != report.Orders || report.Conflicts == 0 ||
		report.Firsts+report.Replayed+report.Conflicts != report.Requests {
		t.Errorf("it counts %+v", report)
	}
}

func TestJudge_findsEveryLie(t *testing.T) {
	for lie, others := range map[string]float64{
		"it is new": 0, "no header": 0, "another time": 0, "another payment": 0, othersLie: 1,
	} {
		if report, err := sendTo(t, lie, others); err == nil {
			t.Errorf("%s: no fault is found: %+v", lie, report)
		}
	}
}
