// Package object is the API's JSON payment object.
//
// It promises that a payment looks the same wherever it is shown: same members,
// same order, same bytes for the same version, so that a strong ETag holds. What
// must not be repeated to anybody, the payment method, has no member. No other
// package knows the members' names or where a payment's URL is.
package object

import (
	"strconv"
	"time"

	"github.com/paybuf/paybuf/payment"
)

// timeLayout is RFC 3339 in UTC with milliseconds, as exact as payments are kept.
const timeLayout = "2006-01-02T15:04:05.000Z"

// Payment is the wire form. Amount is in the currency's minor unit, and exact in
// a double: payment.AmountMinorMax is below 2^53. Amount and currency are null of
// an order that was canceled before its request came.
type Payment struct {
	ID          payment.ID    `json:"id"`
	Object      string        `json:"object"` // "payment"
	OrderNumber string        `json:"order_number"`
	Amount      *int64        `json:"amount"`
	Currency    *string       `json:"currency"`
	State       payment.State `json:"state"`
	Final       bool          `json:"final"`
	Version     int64         `json:"version"`
	Duplicate   *bool         `json:"duplicate,omitzero"` // only in an answer to a POST
	StatusURL   string        `json:"status_url"`
	AcceptedAt  string        `json:"accepted_at"`

	*Details // only where the payment itself was looked up
}

// Details are the members that the answer to a new request leaves out: the
// client has just sent them, or nothing has happened yet. Texts that were not
// given are null.
type Details struct {
	Customer       *string           `json:"customer"`
	Description    *string           `json:"description"`
	Metadata       map[string]string `json:"metadata"`
	NotBefore      *string           `json:"not_before"`
	RetryOf        *payment.ID       `json:"retry_of"`
	RetriedBy      *payment.ID       `json:"retried_by"` // the only member that changes without the version
	PayerReference *string           `json:"payer_reference"`
	Failure        *Failure          `json:"failure"` // null unless failed or parked
	Attempts       int               `json:"attempts"`
	UpdatedAt      string            `json:"updated_at"`
}

// Failure is why a payment failed or was parked.
type Failure struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// List is the wire form of several payments.
type List struct {
	Object     string    `json:"object"` // "list"
	Data       []Payment `json:"data"`
	NextCursor *string   `json:"next_cursor"` // null on the last page
}

// Of shows a payment with all that is known of it. base is what Base gives.
func Of(p payment.Payment, base string) Payment {
	shown := brief(p, base)
	shown.Details = &Details{
		Customer:       orNull(p.Customer),
		Description:    orNull(p.Description),
		Metadata:       p.Metadata,
		NotBefore:      timeOrNull(p.NotBefore),
		RetryOf:        orNull(p.RetryOf),
		RetriedBy:      orNull(p.RetriedBy),
		PayerReference: orNull(p.PayerReference),
		Failure:        failureOrNull(p),
		Attempts:       p.Attempts,
		UpdatedAt:      timeText(p.UpdatedAt),
	}
	return shown
}

// Accepted shows the request that a POST was answered with: its own, or the one
// that it repeats.
func Accepted(request payment.Request, base string, duplicate bool) Payment {
	shown := brief(payment.Queue(request), base)
	shown.Duplicate = &duplicate
	return shown
}

// Outcome shows a final payment to the POST that it came of, or that repeats it.
func Outcome(p payment.Payment, base string, duplicate bool) Payment {
	shown := Of(p, base)
	shown.Duplicate = &duplicate
	return shown
}

// ETag is the entity tag of a payment as Of shows it (RFC 9110, section 8.8.3).
// A final payment gets no other version when it is tried again, yet shows it.
func ETag(p payment.Payment) string {
	tag := "v" + strconv.FormatInt(p.Version, 10)
	if p.RetriedBy != "" {
		tag += ".retried"
	}
	return `"` + tag + `"`
}

// ListOf shows payments in the order given; next is "" on the last page.
func ListOf(payments []payment.Payment, next, base string) List {
	list := List{Object: "list", Data: make([]Payment, 0, len(payments)), NextCursor: orNull(next)}
	for _, p := range payments {
		list.Data = append(list.Data, Of(p, base))
	}
	return list
}

func brief(p payment.Payment, base string) Payment {
	return Payment{
		ID:          p.ID,
		Object:      "payment",
		OrderNumber: p.OrderNumber,
		Amount:      orNull(p.Money.Minor()),
		Currency:    orNull(p.Money.Currency()),
		State:       p.State,
		Final:       p.State.Final(),
		Version:     p.Version,
		StatusURL:   base + Path(p.ID),
		AcceptedAt:  timeText(p.AcceptedAt),
	}
}

func timeText(at time.Time) string { return at.UTC().Format(timeLayout) }

func timeOrNull(at time.Time) *string {
	if at.IsZero() {
		return nil
	}
	return new(timeText(at))
}

// orNull shows what was not given as null.
func orNull[T comparable](given T) *T {
	var nothing T
	if given == nothing {
		return nil
	}
	return &given
}

// failureOrNull shows no tenant what its payment only went through on the way:
// that is for operators.
func failureOrNull(p payment.Payment) *Failure {
	if p.State != payment.Failed && p.State != payment.Parked || p.Failure == (payment.Failure{}) {
		return nil
	}
	return &Failure{Code: p.Failure.Code, Message: p.Failure.Message}
}
