package processor

import (
	"context"
	"time"
)

// takingMax is how long a graceful stop waits for the ledger's answer to a claim or
// a lease. Without that answer nobody knows what was taken on, and only the end of
// its lease brings it back: late, or in front of a human if the payer has neither
// keys nor a look-up.
const takingMax = 5 * time.Second

// lingering gives a context that outlives another by takingMax at most, until it is
// let go.
func lingering(ctx context.Context) (context.Context, context.CancelFunc) {
	lingers, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		time.AfterFunc(takingMax, func() { cancel(errStopped) })
	})
	return lingers, func() { stop(); cancel(nil) }
}
