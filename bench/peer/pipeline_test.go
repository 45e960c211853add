package peer

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
)

// till is a payer that knows what it was asked, and says what the test wants.
type till struct {
	mu     sync.Mutex
	keys   map[string]int
	bodies []chargeRequest
	say    func(w http.ResponseWriter, asked chargeRequest, times int)
}

func openTill(t *testing.T) (*till, string) {
	t.Helper()
	c := &till{keys: map[string]int{}, say: func(w http.ResponseWriter, asked chargeRequest, _ int) { charged(w, asked) }}
	server := httptest.NewServer(c)
	t.Cleanup(server.Close)
	return c, server.URL
}

func charged(w http.ResponseWriter, asked chargeRequest) {
	w.WriteHeader(http.StatusCreated)
	_, _ = fmt.Fprintf(w, `{"id":"ch_1","reference":%q,"status":"succeeded","amount":%d,"currency":%q,"decline_code":null}`,
		asked.Reference, asked.Amount, asked.Currency)
}

func (c *till) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var asked chargeRequest
	if err := json.UnmarshalRead(r.Body, &asked); err != nil || r.URL.Path != "/charges" {
		http.Error(w, "what?", http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	key := r.Header.Get("Idempotency-Key")
	c.keys[key]++
	times := c.keys[key]
	c.bodies = append(c.bodies, asked)
	c.mu.Unlock()
	c.say(w, asked, times)
}

func (r *running) awaitJobs(condition string, wanted int) {
	r.t.Helper()
	deadline := time.Now().Add(time.Minute)
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for r.count("river_job WHERE "+condition) < wanted {
		if time.Now().After(deadline) {
			r.t.Fatalf("%s was not reached by %d jobs", condition, wanted)
		}
		<-ticker.C
	}
}

func TestPipeline_chargesEachOrderOnceUnderItsIDAndCompletesTheJob(t *testing.T) {
	c, url := openTill(t)
	r := runWith(t, Pipeline, url)
	for _, number := range []string{"A-1", "A-2", "A-1", "A-3", "A-2"} {
		if status, _ := r.post(body(number)); status != http.StatusAccepted {
			t.Errorf("%s: %d", number, status)
		}
	}
	r.awaitJobs("state = 'completed'", 3)
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, key := range []string{"pay_A-1", "pay_A-2", "pay_A-3"} {
		if c.keys[key] != 1 {
			t.Errorf("%s was charged %d times", key, c.keys[key])
		}
	}
	first := c.bodies[0]
	if len(c.bodies) != 3 || first.Amount != 1999 || first.Currency != "EUR" || first.PaymentMethod != "tok_visa" ||
		"pay_"+first.OrderNumber != first.Reference || first.Customer != "c_81" || first.Metadata["cart"] != "918273" {
		t.Errorf("the payer was asked for %+v", c.bodies)
	}
}

func TestPipeline_leavesTheJobOfAnOrderThatWasNotCharged(t *testing.T) {
	c, url := openTill(t)
	c.say = func(w http.ResponseWriter, asked chargeRequest, _ int) {
		if asked.OrderNumber == "A-1" {
			http.Error(w, "not now", http.StatusServiceUnavailable)
			return
		}
		charged(w, asked)
	}
	r := runWith(t, Pipeline, url)
	_, _ = r.post(body("A-1"))
	_, _ = r.post(body("A-2"))
	r.awaitJobs("state = 'completed'", 1)
	r.awaitJobs("state = 'retryable' AND args->>'order_number' = 'A-1'", 1)
}

func TestCharge_believesOnlyAnAnswerAboutItself(t *testing.T) {
	wanted := chargeRequest{Reference: "pay_A-1", Amount: 1999, Currency: "EUR"}
	const good = `{"id":"ch_1","reference":"pay_A-1","status":"succeeded","amount":1999,"currency":"EUR","decline_code":null}`
	if err := judge(wanted, http.StatusCreated, []byte(good)); err != nil {
		t.Error(err)
	}
	for name, said := range map[string]string{
		"declined":          strings.Replace(good, "succeeded", "declined", 1),
		"another's":         strings.Replace(good, "A-1", "A-2", 1),
		"another amount":    strings.Replace(good, "1999", "1998", 1),
		"another currency":  strings.Replace(good, "EUR", "USD", 1),
		"nothing":           "{}",
		"a page":            "<p>thanks</p>",
		"half of an answer": good[:20],
	} {
		if err := judge(wanted, http.StatusCreated, []byte(said)); err == nil {
			t.Errorf("%s is taken for a charge", name)
		}
	}
	if err := judge(wanted, http.StatusNonAuthoritativeInfo, []byte(good)); !errors.Is(err, errNotCharged) {
		t.Errorf("another status: %v", err)
	}
}

func batchOf(numbers ...string) string {
	var lines strings.Builder
	for _, number := range numbers {
		lines.WriteString(body(number) + "\n")
	}
	return lines.String()
}

func TestBatch_keepsAllOrdersOfItAndTellsRepeats(t *testing.T) {
	r := run(t, River)
	var got batchAnswer
	if status := r.postTo(r.url+"/batch", batchOf("A-1", "A-2", "A-3"), &got); status != http.StatusAccepted {
		t.Fatal(status)
	}
	if status := r.postTo(r.url+"/batch", batchOf("A-2", "A-4"), &got); status != http.StatusAccepted {
		t.Fatal(status)
	}
	if want := (batchAnswer{Results: []batchItem{{Status: 202, Duplicate: true}, {Status: 202}}}); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %+v", got)
	}
	if jobs := r.count("river_job"); jobs != 4 {
		t.Errorf("%d jobs", jobs)
	}
}

func TestBatch_isRefusedWholeIfOneIsNoOrder(t *testing.T) {
	r := run(t, River)
	many := make([]string, batchOrdersMax+1)
	for i := range many {
		many[i] = fmt.Sprint("A-", i)
	}
	for _, wrong := range []string{
		batchOf("A-1") + "{", batchOf("A-1", ""), batchOf("A-1") + `{"colour":1}`, batchOf(many...),
	} {
		if status := r.postTo(r.url+"/batch", wrong, nil); status != http.StatusBadRequest {
			t.Errorf("%.100q is answered by %d", wrong, status)
		}
	}
	if jobs := r.count("river_job"); jobs != 0 {
		t.Errorf("%d jobs", jobs)
	}
}
