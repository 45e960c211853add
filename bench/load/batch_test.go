package load

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// items answers a batch of which the first few are refused and the next few are
// called repeated.
func items(refused, repeated int) func(http.ResponseWriter, int) {
	return func(w http.ResponseWriter, n int) {
		results := make([]string, n)
		for i := range results {
			switch {
			case i < refused:
				results[i] = fmt.Sprintf(`{"index":%d,"status":503,"problem":{"code":"buffer_full"}}`, i)
			default:
				results[i] = fmt.Sprintf(`{"index":%d,"status":202,"payment":{"duplicate":%t}}`, i, i < refused+repeated)
			}
		}
		answer := fmt.Sprintf(`{"total":%d,"items":[%s]}`, n, strings.Join(results, ","))
		w.Header().Set("Content-Length", fmt.Sprint(len(answer)))
		w.WriteHeader(http.StatusAccepted)
		_, _ = w.Write([]byte(answer))
	}
}

func (s *shop) batchPlan() Plan {
	plan := s.plan()
	plan.Batch = 100
	return plan
}

func TestRun_countsEachPaymentOfABatch(t *testing.T) {
	for name, c := range map[string]struct{ refused, repeated int64 }{
		"all new":        {},
		"some refused":   {refused: 3},
		"some repeated":  {repeated: 2},
		"all called old": {repeated: 100},
	} {
		s := openShop(t)
		s.batches = items(int(c.refused), int(c.repeated))
		got, err := Run(t.Context(), s.batchPlan(), noProbe)
		if err != nil {
			t.Fatal(err)
		}
		batches := got.Latency.Count()
		if batches == 0 || got.Payments != 100*batches || got.Rate() != float64(got.Payments)/got.Window.Seconds() {
			t.Errorf("%s: %d payments in %d batches, %v per second", name, got.Payments, batches, got.Rate())
		}
		wrong := c.refused+c.repeated > 0
		misjudged := c.repeated * batches
		if got.Refused != c.refused*batches || got.Misjudged != misjudged || (got.FirstWrong != "") != wrong {
			t.Errorf("%s: %d refused and %d misjudged in %d batches", name, got.Refused, got.Misjudged, batches)
		}
		for number, times := range s.seen {
			if times != 1 {
				t.Fatalf("%s: %s was sent %d times", name, number, times)
			}
		}
	}
}

func TestFill_sendsJustAsManyAsAskedFor(t *testing.T) {
	s := openShop(t)
	s.batches = items(0, 0)
	plan := s.batchPlan()
	plan.Window = time.Minute
	got, err := Fill(t.Context(), plan, 1300)
	if err != nil {
		t.Fatal(err)
	}
	if len(s.seen) != 1300 || got.Payments != 1300 || got.Window <= 0 {
		t.Errorf("%d of 1300 orders were sent, %d answered in %s", len(s.seen), got.Payments, got.Window)
	}
	if _, err := Fill(t.Context(), plan, 1301); err == nil {
		t.Error("a batch was parted")
	}
}

func TestFill_failsUnlessAllAreAccepted(t *testing.T) {
	s := openShop(t)
	s.batches = items(1, 0)
	plan := s.batchPlan()
	plan.Window = time.Minute
	if _, err := Fill(t.Context(), plan, 1300); err == nil || !strings.Contains(err.Error(), "buffer_full") {
		t.Errorf("with a refused payment: %v", err)
	}
	s.batches = items(0, 0)
	errNow := errors.New("now")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errNow)
	if _, err := Fill(ctx, plan, 1300); !errors.Is(err, errNow) {
		t.Errorf("a canceled one ended with %v", err)
	}
}

func TestFill_stopsWhenItsTimeIsOver(t *testing.T) {
	s := openShop(t)
	s.batches = items(0, 0)
	plan := s.batchPlan()
	const many = 100_000_000 // more than ever come in that time
	got, err := Fill(t.Context(), plan, many)
	if err != nil {
		t.Fatal(err)
	}
	if got.Payments == 0 || got.Payments != int64(len(s.seen)) || got.Window < plan.Window {
		t.Errorf("%d of %d payments were answered in %s", got.Payments, len(s.seen), got.Window)
	}
}
