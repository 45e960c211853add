package problem_test

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/paybuf/paybuf/internal/problem"
	"github.com/paybuf/paybuf/payment"
)

// details is a problem as a client reads it.
type details struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	Code   string `json:"code"`
	Errors []struct {
		Pointer string `json:"pointer"`
		Detail  string `json:"detail"`
	} `json:"errors"`
	PaymentID  string `json:"payment_id"`
	PaymentURL string `json:"payment_url"`
	RequestID  string `json:"request_id"`
}

func get(t *testing.T, err error) (*http.Response, details) {
	t.Helper()
	recorder := httptest.NewRecorder()
	request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/v1/payments", nil)
	status := problem.Write(recorder, request, err)
	answer := recorder.Result()
	if status != answer.StatusCode {
		t.Errorf("Write says it sent %d, but sent %d", status, answer.StatusCode)
	}
	return answer, parse(t, recorder.Body.Bytes())
}

func parse(t *testing.T, body []byte) details {
	t.Helper()
	var got details
	if err := json.Unmarshal(body, &got, json.RejectUnknownMembers(true)); err != nil {
		t.Fatalf("the problem %s cannot be read: %v", body, err)
	}
	return got
}

func TestWrite_eachCodeHasItsStatus(t *testing.T) {
	want := map[payment.Code]int{
		payment.CodeInternal:          500,
		payment.CodeConfig:            500,
		payment.CodeMalformed:         400,
		payment.CodeInvalid:           422,
		payment.CodeCardNumber:        422,
		payment.CodeUnauthenticated:   401,
		payment.CodeNotFound:          404,
		payment.CodeMethodNotAllowed:  405,
		payment.CodeNotCancelable:     409,
		payment.CodeNotReleasable:     409,
		payment.CodeTokenInvalid:      422,
		payment.CodeTokenExpired:      410,
		payment.CodeOrderConflict:     409,
		payment.CodeKeyInvalid:        400,
		payment.CodeKeyInUse:          409,
		payment.CodeKeyReused:         422,
		payment.CodeBatchRefused:      422,
		payment.CodeTooLarge:          413,
		payment.CodeMediaType:         415,
		payment.CodeTenantShare:       429,
		payment.CodeTooManyOpen:       429,
		payment.CodeBufferFull:        503,
		payment.CodeBufferUnavailable: 503,
		payment.CodeUnavailable:       503,
		payment.CodeEndpointDisabled:  409,
		payment.CodeTooManyEndpoints:  422,
		payment.CodeNoWebhooks:        501,
	}
	for _, code := range declaredCodes(t) {
		status, known := want[code]
		if !known {
			t.Errorf("payment declares %q, for which no status is agreed", code)
			continue
		}
		answer, got := get(t, &payment.Error{Code: code, Detail: "why"})
		if answer.StatusCode != status || got.Status != status {
			t.Errorf("%s: sent %d, the body says %d, want %d", code, answer.StatusCode, got.Status, status)
		}
		if got.Code != string(code) || got.Type != "urn:paybuf:problem:"+string(code) || got.Title == "" {
			t.Errorf("%s: the problem is %+v", code, got)
		}
		if kind := answer.Header.Get("Content-Type"); kind != "application/problem+json" {
			t.Errorf("%s: Content-Type is %q", code, kind)
		}
	}
}

// declaredCodes reads the constants of type Code out of the package's source, so
// that a new one cannot be forgotten here.
func declaredCodes(t *testing.T) []payment.Code {
	t.Helper()
	files, err := filepath.Glob("../../payment/*.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("no source of package payment: %v", err)
	}
	var codes []payment.Code
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, source, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(node ast.Node) bool {
			if spec, ok := node.(*ast.ValueSpec); ok {
				codes = append(codes, codesOf(t, spec)...)
			}
			return true
		})
	}
	if len(codes) < 10 {
		t.Fatalf("found only the codes %v", codes)
	}
	return codes
}

func codesOf(t *testing.T, spec *ast.ValueSpec) []payment.Code {
	t.Helper()
	kind, ok := spec.Type.(*ast.Ident)
	if !ok || kind.Name != "Code" {
		return nil
	}
	var codes []payment.Code
	for _, value := range spec.Values {
		literal, ok := value.(*ast.BasicLit)
		if !ok {
			continue
		}
		text, err := strconv.Unquote(literal.Value)
		if err != nil {
			t.Fatal(err)
		}
		codes = append(codes, payment.Code(text))
	}
	return codes
}

func TestWrite_theTextOfAnInternalErrorStaysInside(t *testing.T) {
	for name, err := range map[string]error{
		"no code":       errors.New("password=hunter2"),
		"internal code": &payment.Error{Code: payment.CodeInternal, Detail: "hunter2"},
		"its fields": &payment.Error{Code: payment.CodeInternal, PaymentID: "hunter2",
			Fields: []payment.FieldError{{Pointer: "/hunter2", Detail: "hunter2"}}},
		"configuration": &payment.Error{Code: payment.CodeConfig, Detail: "hunter2"},
		"unknown code":  &payment.Error{Code: "hunter2", Detail: "hunter2"},
		"its cause":     &payment.Error{Code: payment.CodeUnavailable, Detail: "later", Cause: errors.New("hunter2")},
	} {
		t.Run(name, func(t *testing.T) {
			recorder := httptest.NewRecorder()
			problem.Write(recorder, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil), err)
			if body := recorder.Body.String(); strings.Contains(body, "hunter2") {
				t.Errorf("the client reads %s", body)
			}
		})
	}
}

func TestWrite_aCodeIsFoundThroughWrapping(t *testing.T) {
	err := fmt.Errorf("put: %w", &payment.Error{Code: payment.CodeBufferFull, Detail: "the buffer is full"})
	answer, got := get(t, err)
	if answer.StatusCode != 503 || got.Detail != "the buffer is full" {
		t.Errorf("got %d %q", answer.StatusCode, got.Detail)
	}
}

func TestWrite_namesEveryField(t *testing.T) {
	_, got := get(t, &payment.Error{
		Code:   payment.CodeInvalid,
		Detail: "the request has fields that must change",
		Fields: []payment.FieldError{
			{Pointer: "/amount", Detail: "must be greater than 0"},
			{Pointer: "/metadata/a~1b", Detail: "must be valid \xff UTF-8"},
		},
	})
	want := "[{/amount must be greater than 0} {/metadata/a~1b must be valid \uFFFD UTF-8}]"
	if text := fmt.Sprint(got.Errors); text != want {
		t.Errorf("errors are %s, want %s", text, want)
	}
}

func TestWrite_saysWhenToTryAgain(t *testing.T) {
	for _, test := range []struct {
		code payment.Code
		wait time.Duration
		want string
	}{
		{payment.CodeBufferFull, 0, "1"},
		{payment.CodeTenantShare, 0, "1"},
		{payment.CodeTenantShare, 7 * time.Second, "7"},
		{payment.CodeBufferFull, time.Millisecond, "1"},
		{payment.CodeBufferFull, time.Second, "1"},
		{payment.CodeBufferFull, time.Second + 1, "2"},
		{payment.CodeBufferUnavailable, 90 * time.Second, "90"},
		{payment.CodeUnavailable, -time.Second, "1"},
		{payment.CodeInvalid, 0, ""},
		{payment.CodeInternal, 0, ""},
	} {
		answer, _ := get(t, &payment.Error{Code: test.code, RetryAfter: test.wait})
		if got := answer.Header.Get("Retry-After"); got != test.want {
			t.Errorf("%s after %s: Retry-After is %q, want %q", test.code, test.wait, got, test.want)
		}
	}
}

func TestWrite_anUnauthenticatedClientIsChallenged(t *testing.T) {
	answer, _ := get(t, &payment.Error{Code: payment.CodeUnauthenticated, Detail: "no"})
	if got := answer.Header.Get("WWW-Authenticate"); got != "Bearer" {
		t.Errorf("WWW-Authenticate is %q, want Bearer", got)
	}
	answer, _ = get(t, &payment.Error{Code: payment.CodeNotFound, Detail: "no"})
	if got := answer.Header.Get("WWW-Authenticate"); got != "" {
		t.Errorf("a 404 challenges with %q", got)
	}
}

func TestWriteAbout_namesThePaymentThatIsThere(t *testing.T) {
	recorder := httptest.NewRecorder()
	recorder.Header().Set(problem.RequestIDHeader, "req-7")
	err := &payment.Error{Code: payment.CodeOrderConflict, Detail: "another body", PaymentID: "pay_x"}
	status := problem.WriteAbout(recorder, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", nil), err, "http://h/v1/payments/pay_x")
	got := parse(t, recorder.Body.Bytes())
	if status != 409 || got.PaymentID != "pay_x" || got.PaymentURL != "http://h/v1/payments/pay_x" {
		t.Errorf("got %d %+v", status, got)
	}
	if got.RequestID != "req-7" {
		t.Errorf("request_id is %q, want the one of the header", got.RequestID)
	}
}

func TestWrite_membersKeepTheirOrder(t *testing.T) {
	recorder := httptest.NewRecorder()
	problem.Write(recorder, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil),
		&payment.Error{Code: payment.CodeNotFound, Detail: "no such payment"})
	want := `{"type":"urn:paybuf:problem:not_found","title":"Not found","status":404,` +
		`"detail":"no such payment","code":"not_found"}`
	if got := recorder.Body.String(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestWrite_anAnswerToHeadHasNoBody(t *testing.T) {
	recorder := httptest.NewRecorder()
	problem.Write(recorder, httptest.NewRequestWithContext(t.Context(), http.MethodHead, "/", nil), &payment.Error{Code: payment.CodeNotFound})
	if recorder.Code != 404 || recorder.Body.Len() != 0 {
		t.Errorf("got %d with %d bytes", recorder.Code, recorder.Body.Len())
	}
}

func TestWriteItems_showsTheItemsBesideTheProblem(t *testing.T) {
	conflict := &payment.Error{Code: payment.CodeOrderConflict, Detail: "taken", PaymentID: "pay_1"}
	recorder := httptest.NewRecorder()
	request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/payments/batch", nil)
	status := problem.WriteItems(recorder, request, &payment.Error{Code: payment.CodeBatchRefused, Detail: "none"},
		[]problem.Document{problem.Of(conflict, "http://host/pay_1"), problem.Of(errors.New("secret"), "")})
	want := `{"type":"urn:paybuf:problem:batch_refused","title":"No item of the batch was accepted","status":422,` +
		`"detail":"none","code":"batch_refused","items":[` +
		`{"type":"urn:paybuf:problem:order_conflict","title":"The order number is taken by another request","status":409,` +
		`"detail":"taken","code":"order_conflict","payment_id":"pay_1","payment_url":"http://host/pay_1"},` +
		`{"type":"urn:paybuf:problem:internal_error","title":"Internal error","status":500,` +
		`"detail":"an error on our side","code":"internal_error"}]}`
	if got := recorder.Body.String(); status != http.StatusUnprocessableEntity || got != want {
		t.Errorf("\ngot  %d %s\nwant 422 %s", status, got, want)
	}
}
