package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/pflag"

	"github.com/paybuf/paybuf/client"
	"github.com/paybuf/paybuf/internal/submit"
	"github.com/paybuf/paybuf/payment"
)

const (
	// apiPatience is for how long somebody at a terminal waits for a first answer.
	apiPatience = 10 * time.Second
	// apiQuietTries are without an answer before that is said.
	apiQuietTries = 3
)

// addAPI adds where the API is, and with which key it is asked.
func addAPI(flags *pflag.FlagSet, url, key *string) {
	flags.StringVar(url, "url", submit.URLDefault, "where Paybuf is")
	flags.StringVar(key, "key", "", "API key; better in PAYBUF_KEY, since others can see flags")
}

// apiFlags are those of the commands that see what a client sees.
type apiFlags struct{ url, key string }

func (f *apiFlags) add(flags *pflag.FlagSet) { addAPI(flags, &f.url, &f.key) }

// client gives a client that tells people when they have to wait for an answer.
func (f *apiFlags) client(stderr io.Writer, patience time.Duration) (*client.Client, error) {
	if err := client.CheckURL(f.url); err != nil {
		return nil, usageError{fmt.Errorf("--url: %w", err)}
	}
	return client.New(f.url, client.Config{Key: f.key, MayRetry: func(retry client.Retry) bool {
		if retry.Attempts == apiQuietTries {
			say(stderr, "no answer yet: %v\n", retry.Err)
		}
		return retry.Spent+retry.Wait <= patience
	}}), nil
}

// explained makes of a client's error one that says what to do. An interrupted run has
// nothing to explain.
func (f *apiFlags) explained(ctx context.Context, err error) error {
	problem, refused := errors.AsType[*client.Problem](err)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return &exitError{code: exitInterrupted}
	case errors.Is(err, client.ErrNoAnswer):
		return &payment.Error{Code: payment.CodeUnavailable, Detail: "Paybuf does not answer at " + f.url, Cause: err}
	case !refused:
		return err
	}
	told := &payment.Error{Code: problem.Code, Detail: problem.Error()}
	if problem.Detail != "" {
		told.Detail = problem.Detail
		for _, field := range problem.Errors {
			told.Fields = append(told.Fields, payment.FieldError{Pointer: field.Pointer, Detail: field.Detail})
		}
	}
	if problem.Code == payment.CodeUnauthenticated {
		told.Detail += "; the key is given as PAYBUF_KEY or --key"
	}
	if problem.Code == payment.CodeInvalid || problem.Code == payment.CodeMalformed {
		return usageError{told}
	}
	return told
}
