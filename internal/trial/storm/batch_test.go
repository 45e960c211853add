package storm_test

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/paybuf/paybuf/internal/trial/storm"
)

// batch accepts each line as a request of its own.
func (d *desk) batch(w http.ResponseWriter, r *http.Request) {
	var items []string
	for lines := bufio.NewScanner(r.Body); lines.Scan(); {
		one := httptest.NewRequest(http.MethodPost, "/v1/payments", strings.NewReader(lines.Text()))
		one.Host = r.Host
		answer := httptest.NewRecorder()
		d.shop.ServeHTTP(answer, one)
		items = append(items, fmt.Sprintf(`{"status":%d,"payment":%s}`, answer.Code, answer.Body))
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.asks["batch"]++; d.asks["batch"] == 1 { // the first answer is lost
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	w.WriteHeader(http.StatusAccepted)
	fmt.Fprintf(w, `{"items":[%s]}`, strings.Join(items, ","))
}

func TestSendBatches_eachIsSentUntilAllOfItIsAccepted(t *testing.T) {
	d := &desk{shop: &shop{first: map[string]order{}}, asks: map[string]int{}}
	server := httptest.NewServer(d)
	defer server.Close()
	s := storm.New(storm.Config{Doors: []string{server.URL}, Outages: true})
	defer s.Close()
	ctx, stop := context.WithCancel(t.Context())
	var sending sync.WaitGroup
	sending.Go(func() { s.SendBatches(ctx, time.Millisecond, 3) })
	for deadline := time.Now().Add(time.Minute); s.Accepted() < 6; <-time.After(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d orders are accepted after a minute", s.Accepted())
		}
	}
	stop()
	sending.Wait()
	report, err := s.Judge()
	if err != nil {
		t.Error(err)
	}
	if report.Tries["batch"] == 0 || report.Requests != report.Orders/3*4 || report.Replayed == 0 {
		t.Errorf("it counts %+v", report)
	}
}
