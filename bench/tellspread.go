package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/paybuf/paybuf/bench/report"
)

// spreadRoundsMax bounds how often it is repeated: more often than other runs, since
// each is short and two of them differ by more than what is looked for.
const spreadRoundsMax = 5

// spreadOverFew measures what an endpoint that hangs takes from the others, most of which
// are of its own tenant or of one other.
func (b *bench) spreadOverFew(ctx context.Context, h *house, t *report.Telling) error {
	return b.spreadOver(ctx, h, t, report.FewTenants)
}

// spreadOverSeveral does so where most others are of other tenants.
func (b *bench) spreadOverSeveral(ctx context.Context, h *house, t *report.Telling) error {
	return b.spreadOver(ctx, h, t, report.SeveralTenants)
}

func (b *bench) spreadOver(ctx context.Context, h *house, t *report.Telling, tenants int) error {
	keys := []string{h.key}
	for i := 1; i < tenants; i++ {
		key, err := h.installation.AddTenant(ctx, fmt.Sprintf("%s%d", tellTenant, i))
		if err != nil {
			return err
		}
		keys = append(keys, key)
	}
	return b.spread(ctx, h, t, keys...)
}

// spread measures deliveries to many endpoints, by turns with one that hangs and without.
func (b *bench) spread(ctx context.Context, h *house, t *report.Telling, keys ...string) (err error) {
	k, err := h.openHooks(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, k.closeHooks()) }()
	if err := k.register(ctx, b.opts.tell.endpoints/len(keys), keys...); err != nil {
		return err
	}
	if err := b.fillHouse(ctx, h, b.opts.tell.spread, keys...); err != nil {
		return err
	}
	if err := k.outbox.Keep(ctx); err != nil {
		return err
	}
	for round := range min(2*b.opts.rounds-1, spreadRoundsMax) {
		for turn := range 2 {
			run := report.Fairness{Tenants: len(keys), Endpoints: b.opts.tell.endpoints, Round: round, Hangs: (round+turn)%2 == 0}
			if err := b.spreadOnce(ctx, k, &run); err != nil {
				return fmt.Errorf("round %d, one hangs: %t: %w", round+1, run.Hangs, err)
			}
			t.Fairness = append(t.Fairness, run)
		}
	}
	return nil
}

func (b *bench) spreadOnce(ctx context.Context, k *hooks, run *report.Fairness) error {
	done, err := k.send(ctx, k.url(0), run.Hangs) // the others are counted, in both cases
	if err != nil {
		return err
	}
	run.Deliveries, run.Took, run.Hung = done.deliveries, done.took, done.tally.Hung
	b.say("endpoints  %d of %d tenants  one hangs: %-5t %8.0f/s\n", run.Endpoints, run.Tenants, run.Hangs, run.Rate())
	return nil
}
