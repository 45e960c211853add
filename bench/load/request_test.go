package load

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/paybuf/paybuf/payment"
)

// parsed reads a request as a server does, and gives the order number of each line
// of its body.
func parsed(t *testing.T, raw []byte) (r *http.Request, numbers []string) {
	t.Helper()
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(raw)))
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil || int64(len(body)) != r.ContentLength {
		t.Fatalf("the body has %d bytes, its length says %d: %v", len(body), r.ContentLength, err)
	}
	for line := range strings.Lines(string(body)) {
		var document struct {
			OrderNumber string `json:"order_number"`
		}
		if err := json.Unmarshal([]byte(line), &document); err != nil {
			t.Fatal(err)
		}
		if err := payment.CheckOrderNumber(document.OrderNumber); err != nil {
			t.Errorf("Paybuf would refuse %q: %v", document.OrderNumber, err)
		}
		numbers = append(numbers, document.OrderNumber)
	}
	return r, numbers
}

func TestRequest_isValidAndDiffersInItsOrderOnly(t *testing.T) {
	request := newRequest(Plan{Address: "127.0.0.1:8080", Run: 12}, 255)
	for _, order := range []int{0, 7, 4111, 12_345_678, countsMax - 1, 41_111_111} {
		r, numbers := parsed(t, request.of(order))
		if want := fmt.Sprintf("R012C255N%08d", order); len(numbers) != 1 || numbers[0] != want {
			t.Errorf("order %d has the numbers %q, not %q", order, numbers, want)
		}
		if r.URL.Path != "/v1/payments" || r.Header.Get("Content-Type") != "application/json" || r.Header.Get("Idempotency-Key") != "" {
			t.Errorf("it goes to %s with %v", r.URL, r.Header)
		}
	}
}

func TestRequest_hasAKeyPerOrder(t *testing.T) {
	request := newRequest(Plan{Run: 12, Keyed: true}, 255)
	for _, order := range []int{0, 41_111_111} {
		r, numbers := parsed(t, request.of(order))
		want := fmt.Sprintf("R012C255N%08d", order)
		if key := r.Header.Get("Idempotency-Key"); key != want || len(numbers) != 1 || numbers[0] != want {
			t.Errorf("order %d has the key %q and the numbers %q, not %q", order, key, numbers, want)
		}
	}
}

func TestRequest_ofABatchHasALinePerOrder(t *testing.T) {
	request := newRequest(Plan{Run: 3, Batch: 100}, 1)
	for _, first := range []int{0, 99_950, 100} { // also back again, and over a carry
		r, numbers := parsed(t, request.of(first))
		if r.URL.Path != "/v1/payments/batch" || r.Header.Get("Content-Type") != "application/x-ndjson" || len(numbers) != 100 {
			t.Fatalf("%d orders go to %s with %v", len(numbers), r.URL, r.Header)
		}
		for i, number := range numbers {
			if want := fmt.Sprintf("R003C001N%08d", first+i); number != want {
				t.Errorf("item %d of the batch from %d is %q, not %q", i, first, number, want)
			}
		}
	}
}
