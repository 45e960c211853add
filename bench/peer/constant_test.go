package peer

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
)

func TestConstant_givesTheAnswerOfItsFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "answer.http")
	const text = "HTTP/1.1 200 OK\r\nContent-Length: 14\r\nContent-Type: application/json\r\nDate: Sat, 21 Nov 2026 09:00:00 GMT\r\n" +
		"Etag: \"v2\"\r\nVary: Authorization\r\n\r\n{\"final\":true}"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	constant, err := readConstant(file)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(constant)
	defer server.Close()
	for range 2 {
		response, err := http.Get(server.URL + "/v1/payments/pay_1")
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if err != nil || string(body) != `{"final":true}` || response.StatusCode != http.StatusOK || response.ContentLength != 14 ||
			response.Header.Get("ETag") != `"v2"` || response.Header.Get("Vary") != "Authorization" ||
			response.Header.Get("Date") == "Sat, 21 Nov 2026 09:00:00 GMT" {
			t.Errorf("%s %v %q, %v", response.Status, response.Header, body, err)
		}
	}
	if err := os.WriteFile(file, []byte("no answer"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, broken := range []string{file, file + "x"} {
		if _, err := readConstant(broken); err == nil {
			t.Errorf("%s is an answer", broken)
		}
	}
}
