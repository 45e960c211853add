package load

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/paybuf/paybuf/payment"
)

func TestOrders_areNewUnlessRepeatsAreAskedFor(t *testing.T) {
	orders := newOrders(0, 1)
	for want := range 5000 {
		if got, repeats := orders.next(); got != want || repeats {
			t.Fatalf("order %d is number %d, a repeat: %t", want, got, repeats)
		}
	}
}

func TestOrders_repeatTheShareAskedFor(t *testing.T) {
	for every, wanted := range map[int]int{5: 2000, 2: 5000, 1: 10_000 - repeatableMin} {
		orders, seen, repeated := newOrders(every, 7), map[int]bool{}, 0
		for range 10_000 {
			order, repeats := orders.next()
			if repeats != seen[order] {
				t.Fatalf("every %d: order %d was sent before: %t; it is called a repeat: %t", every, order, seen[order], repeats)
			}
			seen[order] = true
			if repeats {
				repeated++
			}
		}
		if off := wanted - repeated; off < 0 || off > repeatableMin {
			t.Errorf("every %d: %d of 10000 are repeats, not %d", every, repeated, wanted)
		}
	}
}

func TestRequest_isValidAndDiffersInItsOrderOnly(t *testing.T) {
	request := newRequest("127.0.0.1:8080", 12, 255)
	seen := map[string]bool{}
	for _, order := range []int{0, 7, 4111, 12_345_678, countsMax - 1, 41_111_111} {
		parsed, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(request.of(order))))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(parsed.Body)
		if err != nil || int64(len(body)) != parsed.ContentLength {
			t.Fatalf("the body has %d bytes, its length says %d: %v", len(body), parsed.ContentLength, err)
		}
		var document struct {
			OrderNumber string `json:"order_number"`
		}
		if err := json.Unmarshal(body, &document); err != nil {
			t.Fatal(err)
		}
		if want := fmt.Sprintf("R012C255N%08d", order); document.OrderNumber != want {
			t.Errorf("order %d has the number %q, not %q", order, document.OrderNumber, want)
		}
		if err := payment.CheckOrderNumber(document.OrderNumber); err != nil {
			t.Errorf("Paybuf would refuse %q: %v", document.OrderNumber, err)
		}
		seen[document.OrderNumber] = true
	}
	if len(seen) != 6 {
		t.Errorf("6 orders have %d numbers", len(seen))
	}
}
