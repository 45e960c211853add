package httppayer_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/paybuf/paybuf/payment"
	"github.com/paybuf/paybuf/processor/payer/httppayer"
	"github.com/paybuf/paybuf/processor/payer/payertest"
)

// diesInUse answers the first request of a connection and takes the second to
// its grave.
func diesInUse(conn net.Conn, _ *http.Request, n int) bool {
	if n > 1 {
		return false
	}
	_, err := io.WriteString(conn, "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n")
	return err == nil
}

func TestCharge_isOneSend(t *testing.T) {
	server := payertest.NewRawPayer(t, diesInUse)
	payer := dial(t, server.URL, httppayer.Config{})
	for range 2 {
		if answer := payer.Charge(t.Context(), payertest.NewRequest(t)); answer.Verdict != payment.VerdictUnknown {
			t.Fatalf("verdict is %s, want unknown", answer.Verdict)
		}
	}
	if conns, sends := server.Conns.Load(), server.Sends.Load(); conns != 1 || sends != 2 {
		t.Errorf("two charges made %d sends on %d connections, want 2 on 1", sends, conns)
	}
}

// The control: the same server sees a third send from a request as one would
// write it, so the test above can fail.
func TestCharge_wouldBeTwoSendsWithGetBody(t *testing.T) {
	server := payertest.NewRawPayer(t, diesInUse)
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	for range 2 {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, bytes.NewReader([]byte("{}")))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Idempotency-Key", "pay_x")
		response, err := transport.RoundTrip(request)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, response.Body) // its end is what counts
		if err := response.Body.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if sends := server.Sends.Load(); sends != 3 {
		t.Errorf("two requests made %d sends, net/http is known to make 3", sends)
	}
}

func TestCharge_doesNotFollowRedirects(t *testing.T) {
	for _, code := range []int{301, 302, 303, 307, 308} {
		var elsewhere atomic.Int64
		payer := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/charges" {
				elsewhere.Add(1)
			}
			http.Redirect(w, r, "/elsewhere", code)
		}, httppayer.Config{})
		request := payertest.NewRequest(t)
		for _, answer := range []payment.Answer{
			payer.Charge(t.Context(), request), payer.Lookup(t.Context(), request.ID, request.Money),
		} {
			if answer.Verdict != payment.VerdictUnknown || answer.Evidence.HTTPStatus != code {
				t.Errorf("%d was answered %s with status %d", code, answer.Verdict, answer.Evidence.HTTPStatus)
			}
		}
		if elsewhere.Load() != 0 {
			t.Errorf("%d was followed", code)
		}
	}
}

func TestCharge_sendsWhatTheContractSays(t *testing.T) {
	request := payertest.NewRequest(t)
	var got *http.Request
	var bodies []string
	payer := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body) // a short body fails below
		got, bodies = r, append(bodies, string(body))
	}, httppayer.Config{Token: "psp_secret"})
	for range 20 {
		payer.Charge(t.Context(), request)
	}
	want := `{"reference":"` + string(request.ID) + `","order_number":"` + request.OrderNumber +
		`","amount":1999,"currency":"EUR","payment_method":"` + payertest.PaymentMethod +
		`","customer":"c_81","metadata":{"cart":"918273","shelf":"4"}}`
	for _, body := range bodies {
		if body != want {
			t.Fatalf("body is\n%s, want\n%s", body, want)
		}
	}
	for name, value := range map[string]string{
		"Idempotency-Key": string(request.ID), "Content-Type": jsonType, "Authorization": "Bearer psp_secret",
	} {
		if got.Header.Get(name) != value {
			t.Errorf("%s is %q, want %q", name, got.Header.Get(name), value)
		}
	}
	payer.Lookup(t.Context(), request.ID, request.Money)
	if got.Method != http.MethodGet || got.URL.String() != "/charges?reference="+string(request.ID) {
		t.Errorf("the look-up is %s %s", got.Method, got.URL)
	}
	if got.Header.Get("Authorization") != "Bearer psp_secret" || got.Header.Get("Cache-Control") != "no-cache" {
		t.Errorf("the look-up's header is %v", got.Header)
	}
}

func TestCharge_keepsToTheBaseURLsPath(t *testing.T) {
	var path string
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { path = r.URL.Path }))
	defer server.Close()
	for _, base := range []string{"/psp/v2", "/psp/v2/"} {
		dial(t, server.URL+base, httppayer.Config{}).Charge(t.Context(), payertest.NewRequest(t))
		if path != "/psp/v2/charges" {
			t.Errorf("under %q the path is %q", base, path)
		}
	}
}

// silent takes requests and answers none until the test ends.
func silent(t *testing.T) (handler http.HandlerFunc, arrived chan struct{}) {
	t.Helper()
	arrived = make(chan struct{}, 100)
	over := make(chan struct{})
	t.Cleanup(func() { close(over) })
	return func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // the client may leave
		arrived <- struct{}{}
		select {
		case <-r.Context().Done():
		case <-over:
		}
	}, arrived
}

func TestPayer_endsCallsByItsOwnTimeout(t *testing.T) {
	handler, _ := silent(t)
	payer := serve(t, handler, httppayer.Config{Timeout: 50 * time.Millisecond, LookupTimeout: 60 * time.Millisecond})
	request := payertest.NewRequest(t)
	began := time.Now()
	charge := payer.Charge(t.Context(), request)
	lookup := payer.Lookup(t.Context(), request.ID, request.Money)
	if took := time.Since(began); took < 100*time.Millisecond || took > 3*time.Second {
		t.Errorf("the calls took %s, want about 110 ms", took)
	}
	for _, answer := range []payment.Answer{charge, lookup} {
		if answer.Verdict != payment.VerdictUnknown || !strings.Contains(answer.Evidence.Excerpt, "in time") {
			t.Errorf("answer is %s, %q; want unknown, and the cause", answer.Verdict, answer.Evidence.Excerpt)
		}
	}
}

func TestCharge_withoutAConnectionWasNotSent(t *testing.T) {
	t.Run("the handshake hangs", func(t *testing.T) {
		var config net.ListenConfig
		listener, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0") // nobody accepts
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
		payer := dial(t, "https://"+listener.Addr().String(), httppayer.Config{Timeout: 50 * time.Millisecond})
		if answer := payer.Charge(t.Context(), payertest.NewRequest(t)); answer.Verdict != payment.VerdictNotCharged {
			t.Errorf("answer is %s (%+v), want not charged", answer.Verdict, answer)
		}
	})
	t.Run("all connections are busy", func(t *testing.T) {
		handler, arrived := silent(t)
		payer := serve(t, handler, httppayer.Config{Timeout: 200 * time.Millisecond, Connections: 1})
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		var first payment.Answer
		var call sync.WaitGroup
		call.Go(func() { first = payer.Charge(t.Context(), payertest.NewRequest(t)) })
		<-arrived
		second := payer.Charge(ctx, payertest.NewRequest(t))
		call.Wait()
		if first.Verdict != payment.VerdictUnknown || second.Verdict != payment.VerdictNotCharged {
			t.Errorf("answers are %s and %s, want unknown and not charged", first.Verdict, second.Verdict)
		}
		if len(arrived) != 0 {
			t.Error("what is not charged has arrived")
		}
	})
}

func TestCharge_givenUpIsUnknownEvenIfItWasNotSent(t *testing.T) {
	handler, arrived := silent(t)
	payer := serve(t, handler, httppayer.Config{Connections: 1})
	first, giveUpFirst := context.WithCancel(t.Context())
	second, giveUpSecond := context.WithCancel(t.Context())
	var calls sync.WaitGroup
	answers := make([]payment.Answer, 2)
	calls.Go(func() { answers[0] = payer.Charge(first, payertest.NewRequest(t)) })
	<-arrived
	calls.Go(func() { answers[1] = payer.Charge(second, payertest.NewRequest(t)) })
	giveUpSecond()
	giveUpFirst()
	calls.Wait()
	for i, answer := range answers {
		if answer.Verdict != payment.VerdictUnknown {
			t.Errorf("charge %d, given up, is %s, want unknown", i, answer.Verdict)
		}
	}
}

func TestPayer_usesItsConnectionsAgain(t *testing.T) {
	const concurrency, rounds = 16, 20
	var conns atomic.Int64
	request := payertest.NewRequest(t)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, with(succeeded, "%s", string(request.ID))) // it fails below
	}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			conns.Add(1)
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	payer := dial(t, server.URL, httppayer.Config{Connections: concurrency})
	for range rounds {
		var calls sync.WaitGroup
		for range concurrency {
			calls.Go(func() {
				if answer := payer.Charge(t.Context(), request); answer.Verdict != payment.VerdictCharged {
					t.Errorf("answer is %s", answer.Verdict)
				}
			})
		}
		calls.Wait()
	}
	if conns.Load() > concurrency {
		t.Errorf("%d connections for %d calls at once", conns.Load(), concurrency)
	}
}

func TestPayer_trustsOnlyWhomItIsTold(t *testing.T) {
	request := payertest.NewRequest(t)
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, with(succeeded, "%s", string(request.ID))) // it fails below
	}))
	t.Cleanup(server.Close)
	server.Config.ErrorLog = nil
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
	trusting := dial(t, server.URL, httppayer.Config{TLS: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}})
	if answer := trusting.Charge(t.Context(), request); answer.Verdict != payment.VerdictCharged {
		t.Errorf("a payer that we trust is answered %s (%+v)", answer.Verdict, answer)
	}
	stranger := dial(t, server.URL, httppayer.Config{})
	if answer := stranger.Charge(t.Context(), request); answer.Verdict != payment.VerdictNotCharged {
		t.Errorf("a payer that we do not trust was sent something: %s (%+v)", answer.Verdict, answer)
	}
}
