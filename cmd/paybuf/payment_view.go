package main

import (
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/paybuf/paybuf/internal/app"
	"github.com/paybuf/paybuf/internal/submit"
	"github.com/paybuf/paybuf/payment"
)

// paymentView is a payment as operators' scripts see it. Amount and Currency are
// null if it was canceled before its request came.
type paymentView struct {
	ID             payment.ID       `json:"id"`
	Tenant         payment.TenantID `json:"tenant"`
	OrderNumber    string           `json:"order_number"`
	RetryOf        payment.ID       `json:"retry_of,omitzero"`
	RetriedBy      payment.ID       `json:"retried_by,omitzero"`
	Amount         *int64           `json:"amount"`
	Currency       *string          `json:"currency"`
	State          payment.State    `json:"state"`
	Version        int64            `json:"version"`
	PayerReference string           `json:"payer_reference,omitzero"`
	FailureCode    string           `json:"failure_code,omitzero"`
	FailureMessage string           `json:"failure_message,omitzero"`
	Attempts       int              `json:"attempts"`
	AcceptedAt     time.Time        `json:"accepted_at"`
	NotBefore      *time.Time       `json:"not_before"`
	NextAt         *time.Time       `json:"next_at"`
	UpdatedAt      time.Time        `json:"updated_at"`
}

// attemptView is one call of the payer with its evidence.
type attemptView struct {
	Version        int64      `json:"version"`
	Kind           string     `json:"kind"`
	Number         int        `json:"number"`
	StartedAt      time.Time  `json:"started_at"`
	EndedAt        *time.Time `json:"ended_at"`
	Verdict        string     `json:"verdict,omitzero"`
	PayerReference string     `json:"payer_reference,omitzero"`
	HTTPStatus     int        `json:"http_status,omitzero"`
	RequestID      string     `json:"request_id,omitzero"`
	Excerpt        string     `json:"excerpt,omitzero"`
}

// releaseView is what an operator has decided about the version before.
type releaseView struct {
	Version  int64         `json:"version"`
	To       payment.State `json:"to"`
	Operator string        `json:"operator"`
	Reason   string        `json:"reason"`
	At       time.Time     `json:"at"`
}

type storyView struct {
	Payment  paymentView   `json:"payment"`
	Calls    []attemptView `json:"calls"`
	Releases []releaseView `json:"releases"`
}

func viewPayment(p payment.Payment) paymentView {
	view := paymentView{
		ID: p.ID, Tenant: p.Tenant, OrderNumber: p.OrderNumber, RetryOf: p.RetryOf, RetriedBy: p.RetriedBy,
		State: p.State, Version: p.Version, PayerReference: p.PayerReference,
		FailureCode: p.Failure.Code, FailureMessage: p.Failure.Message, Attempts: p.Attempts,
		AcceptedAt: p.AcceptedAt.UTC(), NotBefore: optionalTime(p.NotBefore),
		NextAt: optionalTime(p.NextAt), UpdatedAt: p.UpdatedAt.UTC(),
	}
	if !p.Bare() {
		minor, currency := p.Money.Minor(), p.Money.Currency()
		view.Amount, view.Currency = &minor, &currency
	}
	return view
}

func viewStory(story app.Story) storyView {
	view := storyView{Payment: viewPayment(story.Payment), Calls: []attemptView{}, Releases: []releaseView{}}
	for _, a := range story.Attempts {
		view.Calls = append(view.Calls, attemptView{
			Version: a.Version, Kind: a.Kind, Number: a.Number, StartedAt: a.StartedAt, EndedAt: optionalTime(a.EndedAt),
			Verdict: a.Verdict, PayerReference: a.PayerReference, HTTPStatus: a.Evidence.HTTPStatus,
			RequestID: a.Evidence.RequestID, Excerpt: a.Evidence.Excerpt,
		})
	}
	for _, r := range story.Releases {
		view.Releases = append(view.Releases, releaseView{
			Version: r.Version, To: r.To, Operator: r.Operator, Reason: r.Reason, At: r.At,
		})
	}
	return view
}

// amountOf is "-" if the payment was canceled before its request came.
func amountOf(p payment.Payment) string {
	if p.Bare() {
		return "-"
	}
	return p.Money.String()
}

func whyOf(failure payment.Failure) string {
	if failure == (payment.Failure{}) {
		return "-"
	}
	return failure.Code + " " + strconv.Quote(failure.Message)
}

// showStory prints the payment, then its calls, then its releases. Texts of a payer
// or a client are quoted where they may hold anything.
func showStory(cmd *cobra.Command, asJSON bool, story app.Story) error {
	if asJSON {
		return show(cmd, true, viewStory(story), nil, nil)
	}
	p := story.Payment
	rows := [][]string{
		{"tenant", string(p.Tenant)}, {"order number", submit.Printable(p.OrderNumber)}, {"amount", amountOf(p)},
		{"version", strconv.FormatInt(p.Version, 10)}, {"why", whyOf(p.Failure)},
		{"payer's reference", p.PayerReference}, {"tries again", string(p.RetryOf)}, {"tried again by", string(p.RetriedBy)},
		{"accepted", shortTime(p.AcceptedAt)}, {"not before", shortTime(p.NotBefore)},
		{"due", shortTime(p.NextAt)}, {"changed", shortTime(p.UpdatedAt)},
	}
	if err := show(cmd, false, nil, []string{string(p.ID), string(p.State)}, rows); err != nil {
		return err
	}
	calls := [][]string{}
	for _, a := range story.Attempts {
		calls = append(calls, []string{
			fmt.Sprintf("%s %d", a.Kind, a.Number), shortTime(a.StartedAt), shortTime(a.EndedAt), a.Verdict,
			strconv.Itoa(a.Evidence.HTTPStatus), strconv.Quote(a.Evidence.RequestID), strconv.Quote(a.Evidence.Excerpt),
		})
	}
	say(cmd.OutOrStdout(), "\n")
	header := []string{"CALL", "STARTED", "ENDED", "VERDICT", "HTTP", "REQUEST ID", "EXCERPT"}
	if err := show(cmd, false, nil, header, calls); err != nil || len(story.Releases) == 0 {
		return err
	}
	releases := [][]string{}
	for _, r := range story.Releases {
		releases = append(releases, []string{
			string(r.To), strconv.FormatInt(r.Version, 10), r.Operator, shortTime(r.At), strconv.Quote(r.Reason),
		})
	}
	say(cmd.OutOrStdout(), "\n")
	return show(cmd, false, nil, []string{"RELEASED TO", "FROM VERSION", "BY", "AT", "REASON"}, releases)
}
