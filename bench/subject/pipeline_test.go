package subject

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/paybuf/paybuf/bench/payer"
)

func TestPipeline_ofPaybufPaysByThePayer(t *testing.T) {
	lock(t)
	dir := reachable(t)
	program, err := BuildPaybuf(t.Context(), "../..", dir)
	if err != nil {
		t.Fatal(err)
	}
	till, err := StartPayer(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := till.Stop(); err != nil || !isGone(till.PID) {
			t.Errorf("the payer still runs: %v", err)
		}
	}()
	s, err := StartPaybufPipeline(t.Context(), program, dir, till)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	}()
	if s.PostgresURL == "" || s.PostgresPID == 0 {
		t.Errorf("it has no Postgres: %+v", s)
	}
	body := `{"order_number":"A-1","amount":1999,"currency":"EUR","payment_method":"tok_visa"}`
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url()+"/v1/payments", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil || response.StatusCode != http.StatusAccepted {
		t.Fatalf("%v, %v", response, err)
	}
	defer response.Body.Close()
	awaitCharges(t, till, 1)
}

func awaitCharges(t *testing.T, till *Subject, wanted int64) {
	t.Helper()
	teller := payer.NewTeller(till.Address)
	defer teller.Close()
	deadline := time.Now().Add(time.Minute)
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		tally, err := teller.Tally(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if tally.Charges == wanted {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the payer has charged %+v", tally)
		}
		<-ticker.C
	}
}
