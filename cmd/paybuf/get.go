package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/paybuf/paybuf/client"
	"github.com/paybuf/paybuf/internal/submit"
	"github.com/paybuf/paybuf/payment"
)

// errWaitOver is the cause of the end of a --wait.
var errWaitOver = errors.New("the time to wait is over")

// getFlags are what `paybuf get` is told.
type getFlags struct {
	api    apiFlags
	wait   time.Duration
	asJSON bool
}

func newGet() *cobra.Command {
	var f getFlags
	cmd := &cobra.Command{
		Use:   "get ID|ORDER_NUMBER",
		Short: "Show what became of a payment, and wait for it if asked to",
		Long: `Shows a payment as the API has it, by its id or by its order number. An order that
was tried again has several payments; --wait is for the last of them. With --json an
id gives an object, an order number an array.

Exit codes: 0 shown and, with --wait, succeeded, 1 there is no such payment, Paybuf
does not answer, or the outcome is not known in time, 2 the flags must change, 3 with
--wait: failed, canceled or parked, 130 interrupted.`,
		Example: `  paybuf get A-1001
  paybuf get pay_mzsvhyd2xjbxqhnmdpkpczr4ce --wait 30s --json`,
		Args: onePayment(),
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd, args[0]) },
	}
	f.api.add(cmd.Flags())
	cmd.Flags().DurationVar(&f.wait, "wait", 0, "how long to wait for the outcome, such as 30s")
	addJSON(cmd, &f.asJSON)
	return cmd
}

func (f *getFlags) run(cmd *cobra.Command, what string) error {
	if err := checkNotNegative(cmd.Flags(), "wait"); err != nil {
		return err
	}
	api, err := f.api.client(cmd.ErrOrStderr(), apiPatience)
	if err != nil {
		return err
	}
	found, err := f.api.find(cmd.Context(), api, what)
	if err != nil {
		return err
	}
	newest := &found[last(found)]
	if f.wait > 0 {
		if err := f.await(cmd.Context(), api, newest); err != nil {
			return err
		}
	}
	if err := showFound(cmd, f.asJSON, what, found); err != nil || f.wait == 0 {
		return err
	}
	if !newest.Final && newest.State != payment.Parked {
		say(cmd.ErrOrStderr(), "no outcome within %s\n", f.wait)
	}
	return ending(newest.State)
}

// await brings a payment up to what is known of it in time.
func (f *getFlags) await(ctx context.Context, api *client.Client, p *client.Payment) error {
	waiting, cancel := context.WithTimeoutCause(ctx, f.wait, errWaitOver)
	defer cancel()
	ended, err := api.Wait(waiting, p.ID)
	if ended.State != "" {
		*p = ended
	}
	if errors.Is(err, errWaitOver) {
		return nil // the state says that it is not known
	}
	return f.api.explained(ctx, err)
}

// foundView is a payment as clients' scripts see it.
type foundView struct {
	ID             payment.ID    `json:"id"`
	OrderNumber    string        `json:"order_number"`
	Amount         *int64        `json:"amount"`
	Currency       *string       `json:"currency"`
	State          payment.State `json:"state"`
	Final          bool          `json:"final"`
	Version        int64         `json:"version"`
	Attempts       int           `json:"attempts"`
	PayerReference string        `json:"payer_reference,omitzero"`
	FailureCode    string        `json:"failure_code,omitzero"`
	FailureMessage string        `json:"failure_message,omitzero"`
	RetryOf        payment.ID    `json:"retry_of,omitzero"`
	RetriedBy      payment.ID    `json:"retried_by,omitzero"`
	AcceptedAt     *time.Time    `json:"accepted_at"`
	NotBefore      *time.Time    `json:"not_before"`
	UpdatedAt      *time.Time    `json:"updated_at"`
	StatusURL      string        `json:"status_url"`
}

func viewFound(p client.Payment) foundView {
	view := foundView{
		ID: p.ID, OrderNumber: p.OrderNumber, State: p.State, Final: p.Final, Version: p.Version, Attempts: p.Attempts,
		PayerReference: p.PayerReference, FailureCode: p.Failure.Code, FailureMessage: p.Failure.Message,
		RetryOf: p.RetryOf, RetriedBy: p.RetriedBy, AcceptedAt: optionalTime(p.AcceptedAt),
		NotBefore: optionalTime(p.NotBefore), UpdatedAt: optionalTime(p.UpdatedAt), StatusURL: p.StatusURL,
	}
	if p.Currency != "" {
		view.Amount, view.Currency = &p.AmountMinor, &p.Currency
	}
	return view
}

func showFound(cmd *cobra.Command, asJSON bool, what string, found []client.Payment) error {
	_, err := payment.ParseID(what)
	switch {
	case asJSON && err == nil:
		return show(cmd, true, viewFound(found[0]), nil, nil)
	case asJSON:
		views := []foundView{}
		for _, p := range found {
			views = append(views, viewFound(p))
		}
		return show(cmd, true, views, nil, nil)
	}
	for i, p := range found {
		if i > 0 {
			say(cmd.OutOrStdout(), "\n")
		}
		if err := showPayment(cmd, p); err != nil {
			return fmt.Errorf("print %s: %w", p.ID, err)
		}
	}
	return nil
}

// showPayment leaves out what there is nothing of. Texts of a payer are quoted, since they
// may hold anything.
func showPayment(cmd *cobra.Command, p client.Payment) error {
	rows := [][]string{
		{"order number", submit.Printable(p.OrderNumber)}, {"amount", amount(p.AmountMinor, p.Currency)},
		{"attempts", strconv.Itoa(p.Attempts)}, {"version", strconv.FormatInt(p.Version, 10)},
	}
	for _, optional := range [][2]string{
		{"why", why(p.Failure)}, {"payer's reference", submit.Printable(p.PayerReference)},
		{"tries again", string(p.RetryOf)}, {"tried again by", string(p.RetriedBy)},
		{"not before", shortTime(p.NotBefore)}, {"accepted", shortTime(p.AcceptedAt)}, {"changed", shortTime(p.UpdatedAt)},
	} {
		if optional[1] != "" && optional[1] != "-" {
			rows = append(rows, optional[:])
		}
	}
	return show(cmd, false, nil, []string{string(p.ID), string(p.State)}, rows)
}
