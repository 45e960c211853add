package client_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/paybuf/paybuf/client"
	"github.com/paybuf/paybuf/payment"
)

func listJSON(next string, numbers ...string) http.HandlerFunc {
	data := ""
	for i, number := range numbers {
		if i > 0 {
			data += ","
		}
		data += fmt.Sprintf(`{"id":%q,"order_number":%q,"state":"parked"}`, testID(number), number)
	}
	return says(http.StatusOK, `{"object":"list","data":[`+data+`],"next_cursor":`+next+`}`)
}

func TestPayments_goesThroughAllPages(t *testing.T) {
	var queries []string
	api := feedOf(&queries, listJSON(`"page_2"`, "A-1", "A-2"), listJSON(`null`, "A-3"))
	from := time.Date(2026, 11, 21, 9, 0, 0, 5e6, time.FixedZone("CET", 3600))
	var numbers []string
	for listed, err := range api.Payments(t.Context(), client.ListOptions{
		State: payment.Parked, CreatedAfter: from, CreatedBefore: from.Add(time.Hour), Limit: 2,
	}) {
		if err != nil {
			t.Fatal(err)
		}
		numbers = append(numbers, listed.OrderNumber)
	}
	if !slices.Equal(numbers, []string{"A-1", "A-2", "A-3"}) {
		t.Errorf("got %q", numbers)
	}
	const filter = "created_after=2026-11-21T08%3A00%3A00.005Z&created_before=2026-11-21T09%3A00%3A00.005Z"
	if want := []string{filter + "&limit=2&state=parked", filter + "&cursor=page_2&limit=2&state=parked"}; !slices.Equal(queries, want) {
		t.Errorf("asked %q\nwant  %q", queries, want)
	}
}

func TestList_byOrderNumberAsksForNothingElse(t *testing.T) {
	var queries []string
	api := feedOf(&queries, listJSON(`null`, "A 1"), listJSON(`null`))
	got, err := api.List(t.Context(), client.ListOptions{OrderNumber: "A 1"})
	if err != nil || len(got.Payments) != 1 || got.NextCursor != "" || queries[0] != "order_number=A+1" {
		t.Errorf("asked %q, got %+v, %v", queries, got, err)
	}
	if _, err := api.List(t.Context(), client.ListOptions{}); err != nil || queries[1] != "" {
		t.Errorf("asked %q, got %v", queries[1], err)
	}
}

func TestPayments_endsWithAnError(t *testing.T) {
	for name, handler := range map[string]http.HandlerFunc{
		"a refusal":         says(http.StatusUnauthorized, `{"code":"unauthenticated"}`),
		"no list":           says(http.StatusOK, `[]`),
		"no payments in it": says(http.StatusOK, `{"data":[{"id":"x"}]}`),
	} {
		errs := 0
		for _, err := range client.New(serve(t, handler), client.Config{}).Payments(t.Context(), client.ListOptions{}) {
			problem, refused := errors.AsType[*client.Problem](err)
			if !errors.Is(err, client.ErrNoAnswer) && (!refused || problem.Code != payment.CodeUnauthenticated) {
				t.Errorf("%s: got %v", name, err)
			}
			errs++
		}
		if errs != 1 {
			t.Errorf("%s: %d errors", name, errs)
		}
	}
}
