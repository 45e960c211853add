package consumer

import (
	"bufio"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// open serves a consumer until the test ends, and gives its address and a teller of it.
func open(t *testing.T) (address string, teller *Teller) {
	t.Helper()
	in, hold := io.Pipe()
	told, out := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- Serve(context.Background(), in, out) }()
	line, err := bufio.NewReader(told).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	address = strings.TrimSpace(line)
	teller = NewTeller(address)
	t.Cleanup(func() {
		teller.Close()
		_ = hold.Close()
		if err := <-ended; err != nil {
			t.Errorf("it ended with %v", err)
		}
	})
	return address, teller
}

// deliver sends an event to an endpoint and gives the status.
func deliver(ctx context.Context, url, event, body, signature string) (int, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		return 0, err
	}
	request.Header.Set("webhook-id", event)
	request.Header.Set("webhook-timestamp", "1795252000")
	request.Header.Set("webhook-signature", signature)
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	response, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		return 0, err
	}
	return response.StatusCode, response.Body.Close()
}

// sign makes the signature of a body.
func sign(t *testing.T, event, body string) string {
	t.Helper()
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(Secret, "whsec_"))
	if err != nil || len(key) < 24 || len(key) > 64 {
		t.Fatalf("the secret has %d bytes: %v", len(key), err)
	}
	mac := hmac.New(sha256.New, key)
	_, _ = fmt.Fprintf(mac, "%s.1795252000.%s", event, body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

func TestConsumer_countsWhatItIsToldAndWhen(t *testing.T) {
	address, teller := open(t)
	before := time.Now()
	for _, c := range []struct {
		endpoint int
		event    string
	}{{1, "evt_a_1"}, {1, "evt_a_2"}, {2, "evt_a_1"}, {1, "evt_a_1"}} {
		status, err := deliver(t.Context(), "http://"+address+HookPath(c.endpoint), c.event, "{}", "v1,old "+sign(t, c.event, "{}"))
		if err != nil || status != http.StatusNoContent {
			t.Fatalf("%v: %d, %v", c, status, err)
		}
	}
	got, err := teller.Tally(t.Context())
	if err != nil || got.Deliveries != 4 || got.Events != 3 || got.Checked != 1 || got.Forged != 0 ||
		got.First.Before(before) || !got.Last.After(got.First) {
		t.Errorf("%+v, %v", got, err)
	}
	receipts, err := teller.Receipts(t.Context())
	if err != nil || len(receipts) != 3 {
		t.Fatalf("%v, %v", receipts, err)
	}
	for _, receipt := range receipts {
		if !strings.HasPrefix(receipt.Event, "evt_a_") || receipt.At.Before(got.First) || receipt.At.After(got.Last) {
			t.Errorf("%+v", receipt)
		}
	}
	if err := teller.Reset(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	if got, err := teller.Tally(t.Context()); err != nil || got != (Tally{}) {
		t.Errorf("after a reset: %+v, %v", got, err)
	}
}

func TestConsumer_findsASignatureThatIsWrong(t *testing.T) {
	for name, signature := range map[string]string{
		"of another body":  sign(t, "evt_a_1", "{ }"),
		"of another event": sign(t, "evt_a_2", "{}"),
		"none":             "",
		"of no version":    strings.TrimPrefix(sign(t, "evt_a_1", "{}"), "v1,"),
	} {
		address, teller := open(t)
		if _, err := deliver(t.Context(), "http://"+address+HookPath(1), "evt_a_1", "{}", signature); err != nil {
			t.Fatal(err)
		}
		if got, err := teller.Tally(t.Context()); err != nil || got.Checked != 1 || got.Forged != 1 {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func TestConsumer_neverAnswersWhereItHangs(t *testing.T) {
	address, teller := open(t)
	if err := teller.Reset(t.Context(), HookPath(7)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if status, err := deliver(ctx, "http://"+address+HookPath(7), "evt_a_1", "{}", ""); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("it answered by %d, %v", status, err)
	}
	if status, err := deliver(t.Context(), "http://"+address+HookPath(8), "evt_a_1", "{}", sign(t, "evt_a_1", "{}")); err != nil || status != http.StatusNoContent {
		t.Errorf("another endpoint: %d, %v", status, err)
	}
	if got, err := teller.Tally(t.Context()); err != nil || got.Hung != 1 || got.Deliveries != 1 {
		t.Errorf("%+v, %v", got, err)
	}
	if status, err := deliver(t.Context(), "http://"+address+"/elsewhere", "evt_a_1", "{}", ""); err != nil || status != http.StatusNotFound {
		t.Errorf("no endpoint: %d, %v", status, err)
	}
}
