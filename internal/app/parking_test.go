package app_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/paybuf/paybuf/internal/access"
	"github.com/paybuf/paybuf/internal/app"
	"github.com/paybuf/paybuf/internal/problem"
	"github.com/paybuf/paybuf/payment"
)

// line is one connection of a client's.
type line struct {
	net.Conn
	c       *caller
	answers *bufio.Reader
}

func (c *caller) dial() *line {
	c.t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(c.url, "http://"))
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(callTimeout))
	return &line{conn, c, bufio.NewReader(conn)}
}

func (l *line) ask(method string, id payment.ID, headers ...string) {
	l.c.t.Helper()
	text := fmt.Sprintf("%s /v1/payments/%s HTTP/1.1\r\nHost: pay.example\r\nAuthorization: Bearer %s\r\n", method, id, l.c.key)
	for _, header := range headers {
		text += header + "\r\n"
	}
	if _, err := io.WriteString(l, text+"\r\n"); err != nil {
		l.c.t.Fatal(err)
	}
}

func (l *line) read(method string) answer {
	l.c.t.Helper()
	response, err := http.ReadResponse(l.answers, &http.Request{Method: method})
	if err != nil {
		l.c.t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		l.c.t.Fatal(err)
	}
	got := answer{status: response.StatusCode, header: response.Header, text: string(body)}
	if len(body) > 0 {
		if err := json.Unmarshal(body, &got.shown); err != nil {
			l.c.t.Fatalf("%s: %v", body, err)
		}
	}
	return got
}

// schedule makes a payment that stays as it is until it is canceled.
func (c *caller) schedule(number string) payment.ID {
	c.t.Helper()
	later := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	id := c.post(strings.Replace(order(number, 100), "{", `{"not_before":"`+later+`",`, 1)).shown.ID
	c.becomes(id, payment.Scheduled)
	return id
}

func parked(count int) string { return fmt.Sprintf("paybuf_parked_connections %d\n", count) }

func TestParking_oneConnectionWaitsAgainAndAgain(t *testing.T) {
	t.Parallel()
	in := install(t)
	p := in.start()
	c := in.client(p, "acme")
	l := c.dial()
	for _, number := range []string{"A-1", "A-2", "A-3"} {
		id := c.schedule(number)
		l.ask(http.MethodGet, id, "Prefer: wait=40")
		p.awaitMetric(parked(1))
		l.ask(http.MethodGet, id) // is served after it
		c.cancel(id)
		got := l.read(http.MethodGet)
		wantCanceled(t, got, id)
		equal(t, "Preference-Applied", got.header.Get("Preference-Applied"), "wait=40")
		wantCanceled(t, l.read(http.MethodGet), id)
		p.awaitMetric(parked(0))
	}
}

func TestParking_whatDoesNotChangeIsAnsweredInTime(t *testing.T) {
	t.Parallel()
	in := install(t)
	p := in.start()
	c := in.client(p, "acme")
	id := c.schedule("A-1")
	tag := c.get("/v1/payments/" + string(id)).header.Get("ETag")
	l := c.dial()

	l.ask(http.MethodGet, id, "Prefer: wait=2", "If-None-Match: "+tag)
	p.awaitMetric(parked(1))
	got := l.read(http.MethodGet)
	equal(t, "status", got.status, http.StatusNotModified)
	equal(t, "Preference-Applied", got.header.Get("Preference-Applied"), "wait=2")

	l.ask(http.MethodHead, id, "Prefer: wait=2")
	p.awaitMetric(parked(1))
	got = l.read(http.MethodHead)
	equal(t, "status of HEAD", got.status, http.StatusOK)
	equal(t, "body of HEAD", got.text, "")
	equal(t, "entity tag of HEAD", got.header.Get("ETag"), tag)

	l.ask(http.MethodGet, id, "Prefer: wait=40", "If-None-Match: "+tag)
	p.awaitMetric(parked(1))
	c.cancel(id)
	wantCanceled(t, l.read(http.MethodGet), id)
}

func TestParking_aKeyThatIsRevokedMeanwhileIsRefused(t *testing.T) {
	t.Parallel()
	in := install(t)
	p := in.start()
	c := in.client(p, "acme")
	id := c.schedule("A-1")
	l := c.dial()
	l.ask(http.MethodGet, id, "Prefer: wait=40")
	p.awaitMetric(parked(1))

	other := newCaller(t, c.url, in.newKey("acme"))
	eventually(t, "the other key works", func() bool { return other.get("/v1/payments/"+string(id)).status == http.StatusOK })
	keyID, _ := access.KeyID(c.key)
	if _, err := in.admin(true).RevokeKey(t.Context(), keyID); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the key is revoked", func() bool { return c.get("/v1/payments/"+string(id)).status == http.StatusUnauthorized })
	other.cancel(id)
	equal(t, "status", l.read(http.MethodGet).status, http.StatusUnauthorized)

	l.c = other
	l.ask(http.MethodGet, id, "Prefer: wait=40") // what was refused is not left for this one
	wantCanceled(t, l.read(http.MethodGet), id)
}

func TestParking_aWaitIsCountedAndLoggedOnce(t *testing.T) {
	t.Parallel()
	in := install(t)
	p := in.start(app.RoleIngest, app.RoleStatus, app.RoleProcessor)
	c := in.client(p, "acme")
	id := c.schedule("A-1")
	const counted = `paybuf_http_request_seconds_count{method="HEAD",route="/v1/payments/{id}",status="200"} `
	l := c.dial()
	l.ask(http.MethodHead, id, "Prefer: wait=2")
	p.awaitMetric(parked(1))
	if text := newCaller(t, p.app.OperatorURL(), "").get("/metrics").text; strings.Contains(text, counted) {
		t.Error("it is counted before it is answered")
	}
	got := l.read(http.MethodHead)
	p.awaitMetric(counted + "1\n")
	p.awaitMetric(`paybuf_http_request_seconds_bucket{method="HEAD",route="/v1/payments/{id}",status="200",le="1"} 1` + "\n")
	lines := strings.Count(in.logs.String(), "method=HEAD")
	equal(t, "lines in the log", lines, 1)
	if id := got.header.Get(problem.RequestIDHeader); !strings.Contains(in.logs.String(), "request_id="+id) {
		t.Errorf("the log does not know %q", id)
	}
}

func TestParking_aStopAnswersAll(t *testing.T) {
	t.Parallel()
	const clients = 50
	in := install(t)
	p := in.start()
	c := in.client(p, "acme")
	id := c.schedule("A-1")
	lines := make([]*line, clients)
	for i := range lines {
		lines[i] = c.dial()
		lines[i].ask(http.MethodGet, id, "Prefer: wait=50")
	}
	p.awaitMetric(parked(clients))
	timed(t, "the stop", announcedMax, func() answer { p.stop(); return answer{} })
	for _, l := range lines {
		got := l.read(http.MethodGet)
		equal(t, "status", got.status, http.StatusOK)
		equal(t, "state", got.shown.State, payment.Scheduled)
	}
}
