package stripepayer_test

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/paybuf/paybuf/payment"
	"github.com/paybuf/paybuf/processor/payer/payertest"
	"github.com/paybuf/paybuf/processor/payer/stripepayer"
)

// mockStartMax bounds the building and the start of Stripe's mock, whose module
// may have to be fetched.
const mockStartMax = 5 * time.Minute

// startMock runs Stripe's own mock, which knows the shapes of requests and answers
// and keeps nothing. It has a module file of its own, so that it is never a
// dependency of the program.
func startMock(t *testing.T) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), mockStartMax)
	defer cancel()
	// -n builds the program, which Go keeps, and tells where it is.
	build := exec.CommandContext(ctx, "go", "tool", "-n", "-modfile="+filepath.Join("internal", "tools", "stripemock.mod"), "stripe-mock")
	build.Dir = filepath.Join("..", "..", "..")
	var stderr bytes.Buffer
	build.Stderr = &stderr
	output, err := build.Output()
	if err != nil {
		t.Fatalf("build stripe-mock: %v\n%s", err, stderr.Bytes())
	}
	program := strings.TrimSpace(string(output))
	running, end := context.WithCancel(context.Background())
	mock := exec.CommandContext(running, program, "-http-addr", "127.0.0.1:0")
	stdout, err := mock.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := mock.Start(); err != nil {
		t.Fatal(err)
	}
	listening := make(chan string, 1)
	var reader sync.WaitGroup
	reader.Go(func() {
		for lines := bufio.NewScanner(stdout); lines.Scan(); {
			if _, address, found := strings.Cut(lines.Text(), "Listening for HTTP at address: "); found {
				listening <- address
			}
		}
	})
	t.Cleanup(func() {
		end()
		reader.Wait()
		_ = mock.Wait() // it was killed
	})
	select {
	case address := <-listening:
		return "http://" + address
	case <-ctx.Done():
		t.Fatal("stripe-mock does not listen")
		return ""
	}
}

// spy keeps what went through to the mock, and what came back.
type spy struct {
	requests []*http.Request
	statuses []int
}

// through puts a spy in front of the mock.
func through(t *testing.T, mock string) (*spy, string) {
	t.Helper()
	target, err := url.Parse(mock)
	if err != nil {
		t.Fatal(err)
	}
	s := &spy{}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) },
		ModifyResponse: func(response *http.Response) error {
			s.requests, s.statuses = append(s.requests, response.Request), append(s.statuses, response.StatusCode)
			return nil
		},
	}
	server := httptest.NewServer(proxy)
	t.Cleanup(func() { server.Close(); http.DefaultTransport.(*http.Transport).CloseIdleConnections() }) //nolint:forcetypeassert // it is
	return s, server.URL
}

// The mock refuses parameters that Stripe does not know, and answers each request
// that it knows with an example.
func TestMock_takesWhatWeSendAndNothingThatStripeDoesNotKnow(t *testing.T) {
	mock := startMock(t)
	refusesUnknownParameters(t, mock)
	seen, address := through(t, mock)
	request := payertest.NewRequest(t)
	request.Customer = "cus_81"
	for name, change := range map[string]func(*stripepayer.Config){
		"there":  func(*stripepayer.Config) {},
		"absent": func(cfg *stripepayer.Config) { cfg.OffSession = true },
	} {
		payer := dial(t, address, change)
		answer := payer.Charge(t.Context(), request)
		payertest.CheckAnswer(t, answer)
		// The example is a PaymentIntent that waits for a payment method.
		if answer.Verdict != payment.VerdictUnknown || !strings.Contains(answer.Evidence.Excerpt, "status=requires_payment_method") {
			t.Errorf("%s: the charge is answered %+v", name, answer)
		}
		answer = payer.Lookup(t.Context(), request.ID, request.Money)
		payertest.CheckAnswer(t, answer)
		if answer.Verdict != payment.VerdictUnknown && answer.Verdict != payment.VerdictNotFound {
			t.Errorf("%s: the look-up is answered %+v", name, answer)
		}
	}
	if len(seen.statuses) < 4 {
		t.Errorf("%d requests came through, want a charge and a look-up for each", len(seen.statuses))
	}
	for i, status := range seen.statuses {
		if status != http.StatusOK {
			t.Errorf("%s %s is answered %d", seen.requests[i].Method, seen.requests[i].URL, status)
		}
	}
}

// refusesUnknownParameters is the control: the mock can say no.
func refusesUnknownParameters(t *testing.T, mock string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, mock+"/v1/payment_intents",
		strings.NewReader("amount=1999&currency=eur&confirmed_by_paybuf=true"))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+secretKey)
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Close = true
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusBadRequest || !strings.Contains(string(body), "additional properties") {
		t.Errorf("answer is %d %s (%v), want 400 about the parameter", response.StatusCode, body, err)
	}
}
