package load

import (
	"context"
	"errors"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"
)

// orders counts what the shop was sent.
func (s *shop) orders() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return int64(len(s.seen))
}

func TestSustain_countsAllThatItSentAndNothingTwice(t *testing.T) {
	s := openShop(t)
	probes := 0
	bound := Bound{InFlightMax: 100, Done: func(context.Context) (int64, error) { return s.orders(), nil }}
	got, err := Sustain(t.Context(), s.plan(), bound, func() error { probes++; return nil })
	if err != nil {
		t.Fatal(err)
	}
	if got.Payments == 0 || got.Payments != s.orders() || got.Latency.Count() != got.Payments || probes != 2 {
		t.Errorf("%d payments were counted of %d, %d latencies, %d probes", got.Payments, s.orders(), got.Latency.Count(), probes)
	}
	for number, times := range s.seen {
		if times != 1 {
			t.Errorf("%s was sent %d times", number, times)
		}
	}
}

func TestSustain_neverHasMoreUnderWayThanItMay(t *testing.T) {
	const inFlightMax = 20
	s := openShop(t)
	plan := s.plan()
	plan.Connections = 40
	// Nothing is ever done, so what may be sent are the first.
	nothing := Bound{InFlightMax: inFlightMax, Done: func(context.Context) (int64, error) { return 0, nil }}
	got, err := Sustain(t.Context(), plan, nothing, noProbe)
	if err != nil || got.Payments != inFlightMax || s.orders() != inFlightMax {
		t.Errorf("%d payments of %d were counted: %v", got.Payments, s.orders(), err)
	}
}

func TestSustain_isWorthNothingIfAnAnswerIsWrongOrNobodyKnowsWhatIsDone(t *testing.T) {
	s := openShop(t)
	all := Bound{InFlightMax: 10, Done: func(context.Context) (int64, error) { return s.orders(), nil }}
	lost := errors.New("lost")
	unknown := Bound{InFlightMax: 10, Done: func(context.Context) (int64, error) { return 0, lost }}
	if _, err := Sustain(t.Context(), s.plan(), unknown, noProbe); !errors.Is(err, lost) {
		t.Errorf("nobody knows: %v", err)
	}
	if _, err := Sustain(t.Context(), s.plan(), all, func() error { return lost }); !errors.Is(err, lost) {
		t.Errorf("a probe that fails: %v", err)
	}
	s.answer = func(w http.ResponseWriter, _ bool) { http.Error(w, "no room", http.StatusServiceUnavailable) }
	if _, err := Sustain(t.Context(), s.plan(), all, noProbe); err == nil || !strings.Contains(err.Error(), "no room") {
		t.Errorf("refused: %v", err)
	}
	if _, err := Sustain(t.Context(), Plan{Address: "127.0.0.1:1", Connections: 1}, all, noProbe); err == nil {
		t.Error("nobody listens")
	}
}

func TestPace_sendsByTheTimetableAndKnowsWhenEachWasAccepted(t *testing.T) {
	s := openShop(t)
	plan := s.plan()
	plan.WarmUp, plan.Window = 50*time.Millisecond, 150*time.Millisecond
	before := time.Now()
	got, err := Pace(t.Context(), plan, 1000)
	after := time.Now()
	if err != nil {
		t.Fatal(err)
	}
	if got.Payments != 200 || s.orders() != 200 || len(got.Accepted) != 150 || got.LateMax < 0 {
		t.Errorf("%d payments of %d, %d accepted in the window, late by %s", got.Payments, s.orders(), len(got.Accepted), got.LateMax)
	}
	for number, at := range got.Accepted {
		if s.seen[number] != 1 || at.Before(before.Add(plan.WarmUp)) || at.After(after) {
			t.Errorf("%s was sent %d times and accepted at %s", number, s.seen[number], at)
		}
	}
}

func TestPace_needsARate(t *testing.T) {
	s := openShop(t)
	for _, none := range []float64{0, -1, math.NaN(), math.Inf(1)} {
		if _, err := Pace(t.Context(), s.plan(), none); err == nil || s.orders() != 0 {
			t.Errorf("%v: %v, and %d orders were sent", none, err, s.orders())
		}
	}
}

func TestPace_isWorthNothingIfAnAnswerIsWrongOrItIsEnded(t *testing.T) {
	s := openShop(t)
	stop := errors.New("stop")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(stop)
	if _, err := Pace(ctx, s.plan(), 1000); !errors.Is(err, stop) && !errors.Is(err, context.Canceled) {
		t.Errorf("ended: %v", err)
	}
	s.answer = func(w http.ResponseWriter, _ bool) { http.Error(w, "no room", http.StatusServiceUnavailable) }
	if _, err := Pace(t.Context(), s.plan(), 1000); err == nil || !strings.Contains(err.Error(), "no room") {
		t.Errorf("refused: %v", err)
	}
}
