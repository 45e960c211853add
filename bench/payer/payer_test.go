package payer

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/go-json-experiment/json"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// open serves a payer until the test ends and gives its address.
func open(t *testing.T) string {
	t.Helper()
	in, hold := io.Pipe()
	told, out := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- Serve(context.Background(), in, out) }()
	t.Cleanup(func() {
		_ = hold.Close()
		if err := <-ended; err != nil {
			t.Errorf("it ended with %v", err)
		}
	})
	address, err := bufio.NewReader(told).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(address)
}

// caller is Go's own client, as the pipelines use it.
func caller(t *testing.T) *http.Client {
	t.Helper()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func call(t *testing.T, client *http.Client, method, url, body string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	said, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(said)
}

const order = `{"reference":"pay_1","order_number":"A-1","amount":1999,"currency":"EUR","payment_method":"tok_visa",` +
	`"customer":"c_81","metadata":{"cart":"918273"}}`

const made = `{"id":"ch_pay_1","reference":"pay_1","status":"succeeded","amount":1999,"currency":"EUR","decline_code":null}`

func TestPayer_speaksTheGenericContract(t *testing.T) {
	base, client := "http://"+open(t), caller(t)
	for _, c := range []struct {
		method, path, body string
		status             int
		want               string
	}{
		{http.MethodGet, "/charges?reference=pay_1", "", 404, `{"error":"not_found"}`},
		{http.MethodPost, "/charges", order, 201, made},
		{http.MethodGet, "/charges?reference=pay_1", "", 200, made},
		{http.MethodGet, "/charges?reference=pay_2", "", 404, `{"error":"not_found"}`},
		{http.MethodPost, "/charges", `{"amount":1,"currency":"EUR"}`, 400, `{"error":"reference, amount and currency are required"}`},
		{http.MethodPost, "/charge", order, 404, `{"error":"no_such_path"}`},
		{http.MethodDelete, "/charges", "", 404, `{"error":"no_such_path"}`},
	} {
		if status, said := call(t, client, c.method, base+c.path, c.body); status != c.status || said != c.want {
			t.Errorf("%s %s: %d %s", c.method, c.path, status, said)
		}
	}
	if status, _ := call(t, client, http.MethodPost, base+"/charges", "{"); status != http.StatusBadRequest {
		t.Errorf("half a charge is answered by %d", status)
	}
}

func TestPayer_countsEveryChargeOfAReference(t *testing.T) {
	address := open(t)
	teller := NewTeller(address)
	defer teller.Close()
	const callers, times = 8, 25
	client := caller(t)
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for range times {
				if status, said := call(t, client, http.MethodPost, "http://"+address+"/charges", order); status != 201 || said != made {
					t.Errorf("%d %s", status, said)
				}
			}
		})
	}
	wg.Wait()
	_, _ = call(t, client, http.MethodPost, "http://"+address+"/charges", strings.Replace(order, "pay_1", "pay_2", 1))
	got, err := teller.Tally(t.Context())
	if want := (Tally{Charges: callers*times + 1, References: 2}); err != nil || got != want {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
}

func TestTeller_saysThatNobodyAnswers(t *testing.T) {
	gone := NewTeller("127.0.0.1:1")
	defer gone.Close()
	if _, err := gone.Tally(t.Context()); err == nil {
		t.Error("nobody has counted")
	}
	elsewhere := NewTeller(open(t) + "/elsewhere")
	defer elsewhere.Close()
	if _, err := elsewhere.Tally(t.Context()); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("another page: %v", err)
	}
}

// A client may send as it likes: bytewise, several at once, or nothing any more.
func TestServe_readsRequestsHoweverTheyCome(t *testing.T) {
	address := open(t)
	var dialer net.Dialer
	conn, err := dialer.DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	one := "POST /charges HTTP/1.1\r\nHost: x\r\ncontent-length: 54\r\n\r\n" +
		`{"reference":"pay_00001","amount":7,"currency":"EUR"} `
	for i := range len(one) {
		if _, err := io.WriteString(conn, one[i:i+1]); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := io.WriteString(conn, one+one+"GET /tally HTTP/1.1\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	reader := bufio.NewReader(conn)
	var last string
	for range 4 {
		response, err := http.ReadResponse(reader, nil)
		if err != nil {
			t.Fatal(err)
		}
		said, err := io.ReadAll(response.Body)
		if err := errors.Join(err, response.Body.Close()); err != nil {
			t.Fatal(err)
		}
		last = string(said)
	}
	var got Tally
	if err := json.Unmarshal([]byte(last), &got); err != nil || got.Charges != 3 || got.References != 1 {
		t.Errorf("%s: %v", last, err)
	}
}
