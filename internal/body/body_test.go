package body_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/paybuf/paybuf/internal/body"
	"github.com/paybuf/paybuf/payment"
)

func wantCode(t *testing.T, what string, err error, want payment.Code) {
	t.Helper()
	got := payment.Code("")
	if err != nil {
		got, _ = payment.CodeOf(err)
	}
	if got != want {
		t.Errorf("%s: got %v, want code %q", what, err, want)
	}
}

func TestMediaType_isOneThatIsAllowed(t *testing.T) {
	for kind, want := range map[string]payment.Code{
		"application/json": "", "Application/JSON; charset=UTF-8": "", "": payment.CodeMediaType,
		"application/json; charset=latin1": payment.CodeMediaType, "text/plain": payment.CodeMediaType, "a/b/c": payment.CodeMediaType,
	} {
		header := http.Header{"Content-Type": {kind}}
		if kind == "" {
			header = http.Header{}
		}
		got, err := body.MediaType(header, "text/csv", body.JSON)
		wantCode(t, kind, err, want)
		if want == "" && got != body.JSON {
			t.Errorf("%s: got %q", kind, got)
		}
	}
	for _, header := range []http.Header{
		{"Content-Type": {body.JSON, body.JSON}}, {"Content-Type": {body.JSON}, "Content-Encoding": {"gzip"}},
	} {
		_, err := body.MediaType(header, body.JSON)
		wantCode(t, "header", err, payment.CodeMediaType)
	}
}

func TestRead_hasALimit(t *testing.T) {
	for text, want := range map[string]payment.Code{"": "", "12345678": "", "123456789": payment.CodeTooLarge} {
		for _, chunked := range []bool{false, true} {
			request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(text))
			if chunked {
				request.ContentLength = -1
			}
			recorder := httptest.NewRecorder()
			read, err := body.Read(recorder, request, 8, time.Second)
			wantCode(t, text, err, want)
			if err != nil && recorder.Header().Get("Connection") != "close" {
				t.Errorf("%s: the connection is kept", text)
			}
			if err == nil && read.String() != text {
				t.Errorf("read %q, want %q", read, text)
			}
			if err == nil {
				body.Done(read)
			}
		}
	}
}

func TestRead_aBodyThatBreaksOffIsMalformed(t *testing.T) {
	cause := errors.New("connection reset")
	request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", iotest.ErrReader(cause))
	_, err := body.Read(httptest.NewRecorder(), request, 8, time.Second)
	wantCode(t, "broken", err, payment.CodeMalformed)
	if !errors.Is(err, cause) {
		t.Errorf("the cause is lost: %v", err)
	}
}
