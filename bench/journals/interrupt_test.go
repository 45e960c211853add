package main

import (
	"context"
	"errors"
	"testing"
)

var errNow = errors.New("now")

// onWrite calls a function at each write.
type onWrite struct{ call func() }

func (w onWrite) Write(p []byte) (int, error) { w.call(); return len(p), nil }

// contextEndedBy gives a context and what ends it with errNow.
func contextEndedBy(t *testing.T) (context.Context, func()) {
	t.Helper()
	ctx, cancel := context.WithCancelCause(t.Context())
	t.Cleanup(func() { cancel(nil) })
	return ctx, func() { cancel(errNow) }
}
