package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/paybuf/paybuf/payment"
)

// The conditions that are told apart (Postgres manual, appendix A).
const (
	serializationFailure = "40001"
	deadlockDetected     = "40P01"
	readOnlyTransaction  = "25006"
	adminShutdown        = "57P01"
	crashShutdown        = "57P02"
	cannotConnectNow     = "57P03"
	foreignKeyViolation  = "23503"
	uniqueViolation      = "23505"
	undefinedTable       = "42P01"
)

var (
	// passingClasses: connection, clash, resources, locks, operator, system.
	passingClasses = []string{"08", "40", "53", "55", "57", "58"}
	// dataClasses: data exception, constraint violation, too large (for an index).
	dataClasses = []string{"22", "23", "54"}
)

// syntaxOrAccess is the class of a table, column or right that is missing.
const syntaxOrAccess = "42"

const (
	detailUnavailable = "the database does not answer"
	detailNoSchema    = "the schema that the Postgres URL names (search_path) is missing; create it"
	detailSchema      = "the database's tables do not fit this program; run `paybuf migrate up`"
	detailAccess      = "the database refuses access; check the Postgres URL, role and password"
	detailInvalid     = "the database refuses a value"
)

// coded gives err, which came of doing something, the code by which callers
// branch. The server's own words stay in the cause.
func coded(ctx context.Context, doing string, err error) error {
	if _, done := errors.AsType[*payment.Error](err); done {
		return err
	}
	cause := fmt.Errorf("%s: %w", doing, err)
	if ctx.Err() != nil {
		cause = fmt.Errorf("%s: %w: %w", doing, context.Cause(ctx), err)
	}
	code, detail := classOf(err)
	return &payment.Error{Code: code, Detail: detail, Cause: cause}
}

// classOf sorts by the class of the SQLSTATE, its first two characters. What is
// not an answer of the server is trouble on the way to it.
func classOf(err error) (payment.Code, string) {
	answer, ok := errors.AsType[*pgconn.PgError](err)
	if !ok || len(answer.Code) < 2 || answer.Code == readOnlyTransaction {
		return payment.CodeUnavailable, detailUnavailable
	}
	_, connecting := errors.AsType[*pgconn.ConnectError](err)
	switch class := answer.Code[:2]; {
	case slices.Contains(passingClasses, class):
		return payment.CodeUnavailable, detailUnavailable
	case connecting: // a role, database or setting that the server does not have
		return payment.CodeConfig, detailAccess
	case slices.Contains(dataClasses, class):
		return payment.CodeInvalid, detailInvalid
	case class == syntaxOrAccess:
		return payment.CodeConfig, detailSchema
	}
	return payment.CodeInternal, "internal error"
}

// is tells whether err is the server's answer with one of the given codes.
func is(err error, codes ...string) bool {
	answer, ok := errors.AsType[*pgconn.PgError](err)
	return ok && slices.Contains(codes, answer.Code)
}

// refused is the error for a call that makes no sense whatever the database
// holds.
func refused(format string, args ...any) error {
	return &payment.Error{Code: payment.CodeInvalid, Detail: fmt.Sprintf(format, args...)}
}
