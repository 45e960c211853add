// Package localtest gives tests the real things to talk to: a fresh schema in
// a real Postgres, a fresh embedded JetStream. One Postgres serves all tests of
// a test binary; it is started by the first that asks and never outlives the
// binary, even if that is killed.
//
// It is for tests only, and besides package postgres the only one that speaks
// SQL, for the sake of making and dropping schemas.
package localtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
)

const stopTimeout = 30 * time.Second

// Main runs a package's tests, stops what they shared, and exits: with the
// tests' own code, or with 1 if they passed but left goroutines behind. Call it
// from TestMain.
func Main(m *testing.M) {
	BeServer()
	os.Exit(run(m))
}

func run(m *testing.M) int {
	shared.usable = true
	code := m.Run()
	ctx, cancel := context.WithTimeoutCause(context.Background(), stopTimeout, errors.New("the test server took too long to stop"))
	defer cancel()
	err := shared.stop(ctx)
	if code == 0 {
		err = errors.Join(err, goleak.Find())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "localtest:", err)
		return max(code, 1)
	}
	return code
}
