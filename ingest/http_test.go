package ingest_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/paybuf/paybuf/ingest"
	"github.com/paybuf/paybuf/payment"
)

func header(name, value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set(name, value) }
}

func TestPost_whatIsCheckedFirstIsAnsweredFirst(t *testing.T) {
	service := serve(t, ingest.Config{})
	noKey, wrongKind := header("Authorization", ""), header("Content-Type", "text/plain")
	tooLong := strings.Repeat("x", 64<<10+1)

	service.post(t, tooLong, wrongKind, noKey).problem(t, 401, payment.CodeUnauthenticated)
	service.post(t, tooLong, wrongKind).problem(t, 415, payment.CodeMediaType)
	service.post(t, tooLong).problem(t, 413, payment.CodeTooLarge)
	service.post(t, "{").problem(t, 400, payment.CodeMalformed)
	service.post(t, "{}").problem(t, 422, payment.CodeInvalid)
	service.post(t, valid, noKey, func(r *http.Request) { r.Method = http.MethodPut }).
		problem(t, 405, payment.CodeMethodNotAllowed)
	service.post(t, valid, noKey, func(r *http.Request) { r.URL.Path += "s" }).problem(t, 404, payment.CodeNotFound)
}

func TestPost_anUnauthenticatedRequestIsChallenged(t *testing.T) {
	got := serve(t, ingest.Config{}).post(t, valid, header("Authorization", ""))
	if details := got.problem(t, 401, payment.CodeUnauthenticated); details.Detail != "there is no key" {
		t.Errorf("detail is %q, want the authenticator's", details.Detail)
	}
	wantHeader(t, got, "WWW-Authenticate", "Bearer")
}

func TestPost_anotherMethodIsToldWhatIsAllowed(t *testing.T) {
	got := serve(t, ingest.Config{}).post(t, "", func(r *http.Request) { r.Method = http.MethodDelete })
	got.problem(t, 405, payment.CodeMethodNotAllowed)
	wantHeader(t, got, "Allow", "POST")
}

func TestPost_onlyJSONInUTF8IsTaken(t *testing.T) {
	service := serve(t, ingest.Config{})
	for _, kind := range []string{
		"application/json", "Application/JSON", "application/json; charset=utf-8", `application/json;charset="UTF-8"`,
	} {
		if got := service.post(t, valid, header("Content-Type", kind)); got.status != http.StatusAccepted {
			t.Errorf("%s: got %d %s", kind, got.status, got.body)
		}
	}
	const (
		wanted  = "; send Content-Type: application/json"
		notJSON = "the body is not JSON" + wanted
		notUTF8 = "JSON is in UTF-8 (RFC 8259, section 8.1)" + wanted
	)
	for name, test := range map[string]struct {
		edit func(*http.Request)
		want string
	}{
		"none":     {func(r *http.Request) { r.Header.Del("Content-Type") }, "there is no Content-Type" + wanted},
		"two":      {func(r *http.Request) { r.Header.Add("Content-Type", "application/json") }, "there is more than one Content-Type" + wanted},
		"text":     {header("Content-Type", "text/plain"), notJSON},
		"form":     {header("Content-Type", "application/x-www-form-urlencoded"), notJSON},
		"JSON API": {header("Content-Type", "application/vnd.api+json"), notJSON},
		"nonsense": {header("Content-Type", "application/json; ="), notJSON},
		"latin":    {header("Content-Type", "application/json; charset=iso-8859-1"), notUTF8},
		"UTF-16":   {header("Content-Type", "application/json; charset=utf-16"), notUTF8},
		"gzip":     {header("Content-Encoding", "gzip"), "the body has a Content-Encoding; send it as it is"},
	} {
		t.Run(name, func(t *testing.T) {
			got := service.post(t, valid, test.edit).problem(t, 415, payment.CodeMediaType)
			if got.Detail != test.want {
				t.Errorf("got %q, want %q", got.Detail, test.want)
			}
		})
	}
}

func TestPost_aBodyHasALimit(t *testing.T) {
	service := serve(t, ingest.Config{})
	chunked := func(r *http.Request) { r.ContentLength = -1 }
	fits := valid + strings.Repeat(" ", 64<<10-len(valid))
	for name, edits := range map[string][]func(*http.Request){"with a length": nil, "chunked": {chunked}} {
		t.Run(name, func(t *testing.T) {
			if got := service.post(t, fits, edits...); got.status != http.StatusAccepted {
				t.Errorf("64 KiB: got %d %s", got.status, got.body)
			}
			got := service.post(t, fits+" ", edits...).problem(t, 413, payment.CodeTooLarge)
			if got.Detail != "the body has more than 65536 bytes" {
				t.Errorf("got %q", got.Detail)
			}
		})
	}
}

// speak opens a connection on which a request can be sent piece by piece.
func speak(t *testing.T, service *service, text string) (net.Conn, *bufio.Reader) {
	t.Helper()
	connection, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", service.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = connection.Close() })
	if err := connection.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(connection, text); err != nil {
		t.Fatal(err)
	}
	return connection, bufio.NewReader(connection)
}

func head(length int) string {
	return fmt.Sprintf("POST /v1/payments HTTP/1.1\r\nHost: pay.example\r\nAuthorization: Bearer acme\r\n"+
		"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n", length)
}

func readAnswer(t *testing.T, from *bufio.Reader) answer {
	t.Helper()
	response, err := http.ReadResponse(from, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	response.Header.Set("Connection", fmt.Sprint(response.Close))
	return answer{response.StatusCode, response.Header, string(body)}
}

func TestPost_aBodyThatDoesNotComeIsNotAwaitedForEver(t *testing.T) {
	service := serve(t, ingest.Config{BodyTimeout: 20 * time.Millisecond})
	_, from := speak(t, service, head(len(valid))+valid[:10])
	got := readAnswer(t, from)
	if details := got.problem(t, 400, payment.CodeMalformed); details.Detail != "the body did not come within 20ms" {
		t.Errorf("got %q", details.Detail)
	}
	wantHeader(t, got, "Connection", "true") // closed
}

func TestPost_aBodyThatEndsEarlyIsNotKept(t *testing.T) {
	service := serve(t, ingest.Config{})
	connection, from := speak(t, service, head(len(valid)+1)+valid)
	if err := connection.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	got := readAnswer(t, from).problem(t, 400, payment.CodeMalformed)
	if got.Detail != "the body ended before all of it had come" {
		t.Errorf("got %q", got.Detail)
	}
	if kept := service.store.all(); len(kept) > 0 {
		t.Errorf("kept %+v", kept)
	}
}

// The limit of the body's arrival must not cut the wait for the buffer short.
func TestPost_theBufferMayTakeLongerThanTheBody(t *testing.T) {
	const bodyTimeout = 30 * time.Millisecond
	service := serve(t, ingest.Config{BodyTimeout: bodyTimeout})
	service.store.put = func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, 3*bodyTimeout)
		defer cancel()
		<-ctx.Done()
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return nil
		}
		return ctx.Err() // the request was ended from outside
	}
	connection, from := speak(t, service, head(len(valid))+valid)
	if got := readAnswer(t, from); got.status != http.StatusAccepted {
		t.Errorf("got %d %s", got.status, got.body)
	}
	if _, err := io.WriteString(connection, head(len(valid))+valid); err != nil {
		t.Fatal(err)
	}
	if got := readAnswer(t, from); !strings.Contains(got.body, `"duplicate":true`) {
		t.Errorf("the second request of the connection: got %d %s", got.status, got.body)
	}
}

func TestPost_aClientThatLeavesEndsTheWaitForTheBuffer(t *testing.T) {
	service := serve(t, ingest.Config{})
	put, left := make(chan struct{}), make(chan error, 1)
	service.store.put = func(ctx context.Context) error {
		close(put)
		<-ctx.Done()
		left <- context.Cause(ctx)
		return ctx.Err()
	}
	connection, _ := speak(t, service, head(len(valid))+valid)
	<-put
	if err := connection.Close(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-left:
	case <-time.After(10 * time.Second):
		t.Fatal("the wait went on")
	}
	if kept := service.store.all(); len(kept) > 0 {
		t.Errorf("kept %+v", kept)
	}
}

func TestPost_aStrangeHostIsNotRepeated(t *testing.T) {
	service := serve(t, ingest.Config{})
	got := service.post(t, valid, func(r *http.Request) { r.Host = "evil.example'()" })
	if !strings.Contains(got.body, `"status_url":"/v1/payments/pay_`) {
		t.Errorf("got %d %s", got.status, got.body)
	}
}
