package processor

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paybuf/paybuf/payment"
)

// settlesNothing is a ledger that takes payments on and writes no outcome.
type settlesNothing struct{ *memoryLedger }

func (settlesNothing) Settle(context.Context, []payment.Outcome) (int, error) {
	return 0, &payment.Error{Code: payment.CodeUnavailable, Detail: "no outcome can be written"}
}

func TestRun_stopsInTimeHoweverManyOutcomesCannotBeWritten(t *testing.T) {
	const stopTimeout = 5 * time.Second
	synctest.Test(t, func(t *testing.T) {
		source := &queueSource{}
		source.add(deliveries(t, 1000)...)
		ledger := settlesNothing{newMemoryLedger()}
		p, err := New([]Source{source}, ledger, newScriptedPayer(), Config{Concurrency: 4, StopTimeout: stopTimeout})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { p.Run(ctx); close(ended) }()
		after(time.Minute) // more outcomes wait than there is room for
		stop()
		began := time.Now()
		select {
		case <-ended:
		case <-time.After(time.Hour):
			t.Fatal("it does not stop")
		}
		if took := time.Since(began); took > 2*stopTimeout+leaseMargin {
			t.Errorf("stopping took %s, want at most %s", took, 2*stopTimeout)
		}
	})
}
