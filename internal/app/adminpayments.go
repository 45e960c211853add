package app

import (
	"context"

	"github.com/paybuf/paybuf/payment"
)

// storyAttemptsMax limits the attempts that an operator is shown of a payment.
const storyAttemptsMax = 100

// Story is what an operator needs to judge a payment.
type Story struct {
	Payment  payment.Payment
	Attempts []payment.Attempt // the last calls of the payer, oldest first
	Releases []payment.Release // latest first
}

// Story reads a payment of any tenant, with what the payer said and what operators
// decided.
func (a *Admin) Story(ctx context.Context, text string) (Story, error) {
	id, err := payment.ParseID(text)
	if err != nil {
		return Story{}, configError(err.Error())
	}
	var story Story
	if story.Payment, err = a.db.PaymentForOperator(ctx, id); err != nil {
		return Story{}, err
	}
	if story.Attempts, err = a.db.Attempts(ctx, id, storyAttemptsMax); err != nil {
		return Story{}, err
	}
	story.Releases, err = a.db.Releases(ctx, id)
	return story, err
}

// Payments lists payments of all tenants in a state, the longest so first.
func (a *Admin) Payments(ctx context.Context, state string, limit int) ([]payment.Payment, error) {
	parsed, err := payment.ParseState(state)
	if err != nil {
		return nil, configError(err.Error())
	}
	payments, err := a.db.ListForOperator(ctx, parsed, limit)
	return payments, asConfig(err)
}

// Release does with a parked payment what an operator has decided.
func (a *Admin) Release(ctx context.Context, release payment.Release) (payment.Payment, error) {
	if _, err := payment.ParseID(string(release.ID)); err != nil {
		return payment.Payment{}, configError(err.Error())
	}
	if !payment.Parked.MayBecome(release.To) {
		return payment.Payment{}, configError("--to must be retrying, unknown, succeeded, failed or canceled")
	}
	released, err := a.db.Release(ctx, release)
	return released, asConfig(err)
}

// asConfig says of what the ledger finds invalid that the command must change.
func asConfig(err error) error {
	if code, detail := payment.CodeOf(err); err != nil && code == payment.CodeInvalid {
		return configError(detail)
	}
	return err
}
