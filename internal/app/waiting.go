package app

import (
	"context"
	"errors"
	"log/slog"
	"sync"

	"github.com/paybuf/paybuf/internal/parking"
	"github.com/paybuf/paybuf/payment"
	"github.com/paybuf/paybuf/postgres"
	"github.com/paybuf/paybuf/status"
	"github.com/paybuf/paybuf/status/await"
)

// announce tells all processes what the ledger has committed. The ledger starts
// before the buffer does, and commits nothing before that.
func (a *App) announce(changes []payment.Change) {
	if a.buffer != nil {
		a.buffer.Announce(changes)
	}
}

// startWaiting lets clients wait for changes, wherever these are made.
func (a *App) startWaiting(context.Context) error {
	if a.db == nil || !a.opts.servesClients() {
		return nil
	}
	a.finals = status.NewFinals(0, a.buffer.Connected)
	a.hub = await.New(a.db, await.Config{
		Connected: a.buffer.Connected,
		Logger:    a.log.With(slog.String("part", "waiting")),
	})
	a.lot = parking.New(parking.Config{})
	deaf, err := a.buffer.Changes(func(changes []payment.Change) {
		a.finals.Changed(changes)
		a.hub.Changed(changes)
	})
	if err != nil {
		return err
	}
	running, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { a.hub.Run(running) })
	wg.Go(func() { a.lot.Run(running) })
	a.onStop("waiting", func(context.Context) { deaf(); cancel(); wg.Wait() })
	return nil
}

// releaseWaiting has all who wait answered with what is known, the parked ones while
// the listener still takes them back.
func (a *App) releaseWaiting(ctx context.Context) {
	a.hub.Release()
	ctx, cancel := context.WithTimeoutCause(ctx, serverStopTime, errAnswersSlow)
	defer cancel()
	if err := a.lot.Drain(ctx); err != nil {
		a.log.Warn("some who waited are not answered", slog.Any("error", err))
	}
}

var errAnswersSlow = errors.New("answering those who wait took too long")

// statusReader is the ledger, but that those who ask for a payment at the same time
// share a statement.
type statusReader struct {
	*postgres.DB
	together *await.Together
}

func newStatusReader(db *postgres.DB) statusReader {
	return statusReader{DB: db, together: await.NewTogether(db)}
}

// Payment finds a tenant's payment as the ledger does.
func (r statusReader) Payment(ctx context.Context, tenant payment.TenantID, id payment.ID) (payment.Payment, error) {
	return r.together.Payment(ctx, tenant, id)
}
