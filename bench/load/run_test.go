package load

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// shop is a server that knows what it was sent.
type shop struct {
	address string
	answer  func(w http.ResponseWriter, repeats bool)
	batches func(w http.ResponseWriter, items int) // answers instead, if it is set

	mu   sync.Mutex
	seen map[string]int
}

func openShop(t *testing.T) *shop {
	t.Helper()
	s := &shop{seen: map[string]int{}, answer: func(w http.ResponseWriter, repeats bool) {
		w.WriteHeader(http.StatusAccepted)
		_, _ = fmt.Fprintf(w, `{"duplicate":%t}`, repeats)
	}}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	s.address = strings.TrimPrefix(server.URL, "http://")
	return s
}

func (s *shop) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var numbers []string
	decoder := json.NewDecoder(r.Body)
	for decoder.More() {
		var body struct {
			OrderNumber string `json:"order_number"`
		}
		if err := decoder.Decode(&body); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		numbers = append(numbers, body.OrderNumber)
	}
	s.mu.Lock()
	repeats := false
	for _, number := range numbers {
		s.seen[number]++
		repeats = repeats || s.seen[number] > 1
	}
	s.mu.Unlock()
	if s.batches != nil {
		s.batches(w, len(numbers))
		return
	}
	s.answer(w, repeats)
}

func (s *shop) plan() Plan {
	return Plan{
		Address: s.address, Connections: 8, CountsRepeats: true,
		WarmUp: 20 * time.Millisecond, Window: 100 * time.Millisecond,
	}
}

func noProbe() error { return nil }

func TestRun_sendsEachOrderOnceAndCountsTheWindowOnly(t *testing.T) {
	s := openShop(t)
	probes := 0
	got, err := Run(t.Context(), s.plan(), func() error { probes++; return nil })
	if err != nil {
		t.Fatal(err)
	}
	counted := got.Latency.Count()
	if counted == 0 || counted >= int64(len(s.seen)) {
		t.Errorf("%d answers were counted of %d orders sent, warm-up included", counted, len(s.seen))
	}
	for number, times := range s.seen {
		if times != 1 {
			t.Errorf("%s was sent %d times", number, times)
		}
	}
	if got.Repeats != 0 || got.Refused != 0 || got.Misjudged != 0 || probes != 2 {
		t.Errorf("%d repeats, %d refused, %d misjudged, %d probes", got.Repeats, got.Refused, got.Misjudged, probes)
	}
	if got.Window < 100*time.Millisecond || got.Rate() != float64(counted)/got.Window.Seconds() {
		t.Errorf("a rate of %v in %s", got.Rate(), got.Window)
	}
}

func TestRun_repeatsWhatWasAnswered(t *testing.T) {
	s := openShop(t)
	plan := s.plan()
	plan.RepeatPercent = 20
	got, err := Run(t.Context(), plan, noProbe)
	if err != nil {
		t.Fatal(err)
	}
	share := float64(got.Repeats) / float64(got.Latency.Count())
	if got.FirstWrong != "" || share < 0.1 || share > 0.3 {
		t.Errorf("%.0f %% repeats; first wrong: %s", share*100, got.FirstWrong)
	}
}

func TestRun_countsWrongAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		answer             func(http.ResponseWriter, bool)
		refused, misjudged int64 // of each answer
	}{
		"refusals": {answer: func(w http.ResponseWriter, _ bool) {
			http.Error(w, "no room", http.StatusServiceUnavailable)
		}, refused: 1},
		"first orders called repeated": {answer: func(w http.ResponseWriter, _ bool) {
			w.WriteHeader(http.StatusAccepted)
			_, _ = w.Write([]byte(`{"duplicate":true}`))
		}, misjudged: 1},
	} {
		s := openShop(t)
		s.answer = c.answer
		got, err := Run(t.Context(), s.plan(), noProbe)
		if err != nil {
			t.Fatal(err)
		}
		all := got.Latency.Count()
		if all == 0 || got.Refused != c.refused*all || got.Misjudged != c.misjudged*all || got.FirstWrong == "" {
			t.Errorf("%s: of %d, %d are refused and %d misjudged, such as %q", name, all, got.Refused, got.Misjudged, got.FirstWrong)
		}
	}
}

func TestRun_asksNothingOfAServerThatCountsNoRepeats(t *testing.T) {
	s := openShop(t)
	s.answer = func(w http.ResponseWriter, _ bool) { w.WriteHeader(http.StatusAccepted) }
	plan := s.plan()
	plan.RepeatPercent, plan.CountsRepeats = 100, false
	got, err := Run(t.Context(), plan, noProbe)
	if err != nil || got.FirstWrong != "" || got.Repeats == 0 {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestRun_isWorthNothingIfAConnectionBreaks(t *testing.T) {
	s := openShop(t)
	s.answer = func(http.ResponseWriter, bool) { panic(http.ErrAbortHandler) }
	if _, err := Run(t.Context(), s.plan(), noProbe); err == nil {
		t.Error("a server that hangs up was measured")
	}
	plan := s.plan()
	plan.Address = "127.0.0.1:1"
	if _, err := Run(t.Context(), plan, noProbe); err == nil {
		t.Error("a server that is not there was measured")
	}
}

func TestRun_endsWithItsContextAndItsProbe(t *testing.T) {
	s := openShop(t)
	errNow := errors.New("now")
	ctx, cancel := context.WithCancelCause(t.Context())
	plan := s.plan()
	plan.Window = time.Hour
	_, err := Run(ctx, plan, func() error { cancel(errNow); return nil })
	if !errors.Is(err, errNow) {
		t.Errorf("a canceled run ended with %v", err)
	}
	if _, err := Run(t.Context(), s.plan(), func() error { return errNow }); !errors.Is(err, errNow) {
		t.Errorf("a run whose probe failed ended with %v", err)
	}
}

func TestRun_refusesAPlanOutOfRange(t *testing.T) {
	for _, plan := range []Plan{
		{Connections: 0},
		{Connections: ConnectionsMax + 1},
		{Connections: 1, Run: runsMax},
		{Connections: 1, Batch: BatchMax + 1},
		{Connections: 1, RepeatPercent: 101},
		{Connections: 1, Batch: 2, RepeatPercent: 20},
		{Connections: 1, Batch: 2, Keyed: true},
	} {
		if _, err := Run(t.Context(), plan, noProbe); err == nil {
			t.Errorf("%+v was carried out", plan)
		}
	}
}
