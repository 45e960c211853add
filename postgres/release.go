package postgres

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"github.com/paybuf/paybuf/internal/fault"
	"github.com/paybuf/paybuf/payment"
)

const (
	operatorBytesMax = 100
	releasesRowsMax  = 1000
)

// A release to retrying is an operator's word that nothing was charged, so the
// payer's key window begins anew with the next call: the payer is called as if it
// were the first time.
var releaseSQL = `
	WITH released AS (
		UPDATE payments p
		   SET state = $3, version = p.version + 1,
		       payer_reference = coalesce(nullif($4, ''), p.payer_reference),
		       failure_code = $5, failure_message = $6,
		       first_attempt_at = CASE $3 WHEN 'retrying' THEN NULL ELSE p.first_attempt_at END,
		       next_at = CASE WHEN $3 IN ('retrying', 'unknown') THEN now() END,
		       updated_at = now()
		 WHERE p.id = $1 AND p.version = $2 AND p.state = 'parked'
		RETURNING ` + workColumns + `
	), decided AS (
		INSERT INTO releases (payment_id, version, state, operator, reason, at)
		SELECT id, version, state, $7, $8, updated_at FROM released
	), ` + told(`SELECT id, tenant_id, version, 'payment.' || state, state, 'parked', `+failureDetail+`, updated_at
		  FROM released`) + `
	SELECT ` + workColumns + ` FROM released p`

// Release does with a parked payment what an operator has decided, puts on record
// who did and why, and gives the payment as it is then.
//
// Retrying lets it be sent again at once, Unknown lets the payer be asked at once;
// the others end it. A payment that failed has the code released_as_failed and the
// reason, which its tenant reads. The error has CodeInvalid if the decision is not
// whole, CodeNotFound if there is no such payment, and CodeNotReleasable if it is not
// parked in that version any more: so the same release again changes nothing.
func (db *DB) Release(ctx context.Context, r payment.Release) (payment.Payment, error) {
	if err := checkRelease(r); err != nil {
		return payment.Payment{}, err
	}
	var failure payment.Failure
	if r.To == payment.Failed {
		failure = payment.Failure{Code: payment.FailureReleased, Message: r.Reason}
	}
	var released []payment.Work
	fault.At(fault.PostgresReleasing)
	err := db.call(ctx, "release a payment", func(ctx context.Context, q querier) (err error) {
		released, err = readWorks(ctx, q, releaseSQL, r.ID, r.Version, string(r.To), r.PayerReference,
			failure.Code, failure.Message, r.Operator, r.Reason)
		return err
	})
	switch {
	case err != nil:
		return payment.Payment{}, err
	case len(released) == 0:
		return payment.Payment{}, db.whyNotReleasable(ctx, r)
	}
	fault.At(fault.PostgresReleased)
	db.tellOne(released[0].Payment)
	return released[0].Payment, nil
}

func checkRelease(r payment.Release) error {
	switch {
	case !payment.Parked.MayBecome(r.To):
		return refused("release: a parked payment may not become %s", r.To)
	case r.To == payment.Succeeded && r.PayerReference == "":
		return refused("release: a payment that succeeded needs the payer's reference of the charge")
	case r.To != payment.Succeeded && r.PayerReference != "":
		return refused("release: a payer's reference goes with a payment that succeeded")
	}
	return cmp.Or(
		checkDecision("the reason", r.Reason, 1, reasonBytesMax),
		checkDecision("the operator's name", r.Operator, 1, operatorBytesMax),
		checkDecision("the payer's reference", r.PayerReference, 0, payerTextBytesMax),
	)
}

// checkDecision refuses what must not be kept: tenants read reasons and references.
func checkDecision(name, text string, bytesMin, bytesMax int) error {
	switch {
	case len(text) < bytesMin || len(text) > bytesMax:
		return refused("release: %s must have %d to %d bytes", name, bytesMin, bytesMax)
	case !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl):
		return refused("release: %s must be UTF-8 without control characters", name)
	case payment.ContainsCardNumber(text):
		return refused("release: %s holds what may be a card number; leave it out, or put a prefix before an id of digits only", name)
	}
	return nil
}

// whyNotReleasable tells what the payment is now.
func (db *DB) whyNotReleasable(ctx context.Context, r payment.Release) error {
	now, err := db.PaymentForOperator(ctx, r.ID)
	if err != nil {
		return err
	}
	return &payment.Error{
		Code: payment.CodeNotReleasable, PaymentID: r.ID,
		Detail: fmt.Sprintf("the payment is %s in version %d now, and was to be released from parked in version %d; "+
			"look at it again", now.State, now.Version, r.Version),
	}
}

const releasesSQL = `
	SELECT payment_id, version - 1, state, operator, reason, at
	  FROM releases
	 WHERE payment_id = $1
	 ORDER BY version DESC
	 LIMIT $2`

// Releases reads what operators decided about a payment, the latest first.
func (db *DB) Releases(ctx context.Context, id payment.ID) ([]payment.Release, error) {
	var releases []payment.Release
	err := db.call(ctx, "read releases", func(ctx context.Context, q querier) error {
		rows, err := q.Query(ctx, releasesSQL, id, releasesRowsMax)
		if err != nil {
			return err
		}
		releases, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (payment.Release, error) {
			var r payment.Release
			err := row.Scan(&r.ID, &r.Version, &r.To, &r.Operator, &r.Reason, &r.At)
			r.At = r.At.UTC()
			return r, err
		})
		return err
	})
	return releases, err
}
