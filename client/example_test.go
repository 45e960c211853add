package client_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/paybuf/paybuf/client"
	"github.com/paybuf/paybuf/payment"
)

// exampleAPI stands in for Paybuf: it accepts, and reads as succeeded.
func exampleAPI() *httptest.Server {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/payments", says(http.StatusAccepted, paymentJSON(payment.Queued, false)))
	mux.HandleFunc("GET /v1/payments/{id}", says(http.StatusOK, paymentJSON(payment.Succeeded, false)))
	return httptest.NewServer(mux)
}

func Example() {
	api := exampleAPI() // in real life "https://pay.example.com"
	defer api.Close()

	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	paybuf := client.New(api.URL, client.Config{Key: "pbk_..."})
	accepted, err := paybuf.Submit(ctx, client.Order{
		OrderNumber:   "A-1",
		AmountMinor:   1999, // 19.99 euros
		Currency:      "EUR",
		PaymentMethod: "tok_visa",
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("accepted:", accepted.State)

	paid, err := paybuf.Wait(ctx, accepted.ID)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("in the end:", paid.State)
	// Output:
	// accepted: queued
	// in the end: succeeded
}

func ExampleProblem() {
	api := httptest.NewServer(says(http.StatusUnprocessableEntity, `{"code":"invalid_request",
		"detail":"the request has fields that must change",
		"errors":[{"pointer":"/currency","detail":"must be in upper case: EUR"}]}`))
	defer api.Close()

	_, err := client.New(api.URL, client.Config{}).Submit(context.Background(), client.Order{
		OrderNumber: "A-1", AmountMinor: 1999, Currency: "eur", PaymentMethod: "tok_visa",
	})
	var problem *client.Problem
	switch {
	case errors.Is(err, client.ErrNoAnswer): // first, since it may hold a problem too
		fmt.Println("send the same order again")
	case errors.As(err, &problem):
		for _, field := range problem.Errors {
			fmt.Println(problem.Code, field.Pointer, field.Detail)
		}
	}
	// Output:
	// invalid_request /currency must be in upper case: EUR
}
