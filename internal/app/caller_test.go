package app_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/paybuf/paybuf/payment"
)

const callTimeout = 20 * time.Second

func itoa(n int) string { return strconv.Itoa(n) }

// atoi gives 0 for what is no number.
func atoi(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0
	}
	return n
}

// caller is a client, written down here once more so that nothing of ours stands
// between a test and the API.
type caller struct {
	t    *testing.T
	url  string
	key  string // "" for none
	http *http.Client
}

func newCaller(t *testing.T, url, key string) *caller {
	t.Helper()
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	t.Cleanup(transport.CloseIdleConnections)
	return &caller{t: t, url: url, key: key, http: &http.Client{Transport: transport, Timeout: callTimeout}}
}

// client calls a process in the name of a new key of the tenant.
func (in *installation) client(p *process, tenant string) *caller {
	in.t.Helper()
	c := newCaller(in.t, p.app.URL(), in.newKey(tenant))
	eventually(in.t, "the new key works", func() bool {
		return c.get("/v1/payments?order_number=none").status == http.StatusOK ||
			c.post("not JSON").status == http.StatusBadRequest
	})
	return c
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	text   string
	shown  shown
}

// shown is the union of the members of a payment, a list and a problem.
type shown struct {
	ID             payment.ID    `json:"id"`
	Object         string        `json:"object"`
	OrderNumber    string        `json:"order_number"`
	Amount         int64         `json:"amount"`
	Currency       string        `json:"currency"`
	State          payment.State `json:"state"`
	Final          bool          `json:"final"`
	Version        int64         `json:"version"`
	Duplicate      bool          `json:"duplicate"`
	StatusURL      string        `json:"status_url"`
	AcceptedAt     string        `json:"accepted_at"`
	PayerReference string        `json:"payer_reference"`
	Attempts       int           `json:"attempts"`
	Failure        struct {
		Code string `json:"code"`
	} `json:"failure"`
	NotBefore    string     `json:"not_before"`
	RetryOf      payment.ID `json:"retry_of"`
	RetriedBy    payment.ID `json:"retried_by"`
	PaymentToken string     `json:"payment_token"`
	ExpiresAt    string     `json:"expires_at"`
	Data         []shown    `json:"data"`

	Code      payment.Code `json:"code"`
	Detail    string       `json:"detail"`
	PaymentID payment.ID   `json:"payment_id"`
	RequestID string       `json:"request_id"`
}

// order is a request's body.
func order(number string, minor int) string {
	return fmt.Sprintf(`{"order_number":%q,"amount":%d,"currency":"EUR","payment_method":"tok_visa"}`, number, minor)
}

// post sends a body to be paid.
func (c *caller) post(body string) answer {
	c.t.Helper()
	return c.must(c.tryPost(body))
}

// get reads a path or a whole URL; headers are "Name: value".
func (c *caller) get(path string, headers ...string) answer {
	c.t.Helper()
	return c.must(c.try(http.MethodGet, path, "", headers...))
}

func (c *caller) must(got answer, err error) answer {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
	return got
}

func (c *caller) tryPost(body string) (answer, error) {
	return c.try(http.MethodPost, "/v1/payments", body, "Content-Type: application/json")
}

// try is for calls that may find nobody, and for goroutines.
func (c *caller) try(method, path, body string, headers ...string) (answer, error) {
	target := path
	if strings.HasPrefix(path, "/") {
		target = c.url + path
	}
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, target, strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	if c.key != "" {
		request.Header.Set("Authorization", "Bearer "+c.key)
	}
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ": ")
		request.Header.Set(name, value)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return answer{}, err
	}
	got := answer{status: response.StatusCode, header: response.Header, text: string(text)}
	if strings.Contains(response.Header.Get("Content-Type"), "json") {
		err = json.Unmarshal(text, &got.shown)
	}
	return got, err
}

// accept sends an order that must be accepted and gives the answer.
func (c *caller) accept(number string, minor int) answer {
	c.t.Helper()
	got := c.post(order(number, minor))
	if got.status != http.StatusAccepted {
		c.t.Fatalf("%s: %d %s", number, got.status, got.text)
	}
	return got
}

// acceptMany sends orders of 100, 101, ... minor units and gives what was
// accepted by payment id.
func (c *caller) acceptMany(prefix string, n int) map[payment.ID]int64 {
	c.t.Helper()
	due := map[payment.ID]int64{}
	for i := range n {
		got := c.accept(prefix+itoa(i), 100+i)
		due[got.shown.ID] = got.shown.Amount
	}
	return due
}

// await polls a payment until it is final.
func (c *caller) await(id payment.ID) answer {
	c.t.Helper()
	var got answer
	eventually(c.t, "final: "+string(id), func() bool {
		got = c.get("/v1/payments/" + string(id))
		if got.status == http.StatusNotFound {
			c.t.Fatalf("%s was accepted and is 404", id)
		}
		return got.status == http.StatusOK && got.shown.Final
	})
	return got
}

// awaitSucceeded polls payments until each has succeeded.
func (c *caller) awaitSucceeded(due map[payment.ID]int64) {
	c.t.Helper()
	for id := range due {
		if got := c.await(id); got.shown.State != payment.Succeeded {
			c.t.Fatalf("%s ended as %s", id, got.text)
		}
	}
}

func equal[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}
