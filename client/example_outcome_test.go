package client_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/paybuf/paybuf/client"
	"github.com/paybuf/paybuf/payment"
)

func ExampleClient_SubmitAndWait() {
	api := exampleAPI()
	defer api.Close()

	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	paid, err := client.New(api.URL, client.Config{}).SubmitAndWait(ctx, client.Order{
		OrderNumber: "A-1", AmountMinor: 1999, Currency: "EUR", PaymentMethod: "tok_visa",
	})
	if err != nil {
		log.Fatal(err)
	}
	switch paid.State {
	case payment.Succeeded:
		fmt.Println("paid")
	case payment.Parked:
		fmt.Println("somebody has to look into it")
	default:
		fmt.Println("not paid:", paid.Failure.Code)
	}
	// Output:
	// paid
}

// A consumer keeps the cursor where it keeps what it makes of the events, best in the
// same transaction.
func ExampleClient_Feed() {
	api := httptest.NewServer(page("cur_2", false,
		eventJSON(1, payment.Queued, payment.Paying), eventJSON(2, payment.Paying, payment.Succeeded)))
	defer api.Close()

	stored := "cur_0" // read at the start; "" if there is none yet
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	for event, err := range client.New(api.URL, client.Config{}).Feed(ctx, client.FeedOptions{After: stored}) {
		if errors.Is(err, client.ErrNoAnswer) {
			log.Print(err) // and on it goes, from the same place
			continue
		}
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(event.Type, event.Data.OrderNumber)
		stored = event.Cursor
		if event.Data.Final {
			break
		}
	}
	fmt.Println("the next time from", stored)
	// Output:
	// payment.paying A-1
	// payment.succeeded A-1
	// the next time from cur_2
}

func ExampleWebhook() {
	webhook, err := client.NewWebhook("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	if err != nil {
		log.Fatal(err)
	}
	seen := map[string]bool{} // in real life a table with the event's ID as its key
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		event, err := webhook.Read(r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if !seen[event.ID] {
			seen[event.ID] = true
			fmt.Println(event.Data.OrderNumber, event.Data.State)
		}
		w.WriteHeader(http.StatusNoContent)
	})

	// What Paybuf does, twice:
	body := eventJSON(2, payment.Paying, payment.Succeeded)
	for range 2 {
		request := httptest.NewRequestWithContext(context.Background(), http.MethodPost, "/paybuf", strings.NewReader(body))
		if err := webhook.Sign(request.Header, "evt_1_2", time.Now(), []byte(body)); err != nil {
			log.Fatal(err)
		}
		answer := httptest.NewRecorder()
		handler(answer, request)
		fmt.Println(answer.Code)
	}
	// Output:
	// A-1 succeeded
	// 204
	// 204
}
