package payment

import (
	"fmt"
	"slices"
	"strings"
)

// State is where a payment stands. The names are part of the API.
type State string

// The states, in the order of a payment's life.
const (
	Queued    State = "queued"    // accepted, in the buffer; no row yet
	Scheduled State = "scheduled" // never sent; due at its not_before
	Paying    State = "paying"    // attempt recorded, lease held; the payer may have heard us
	Retrying  State = "retrying"  // certainly not charged; due at NextAt
	Unknown   State = "unknown"   // the answer was lost: ask the payer, never re-send blindly
	Pending   State = "pending"   // the payer accepted it and decides later
	Parked    State = "parked"    // needs a human
	Succeeded State = "succeeded" // charged, once
	Failed    State = "failed"    // not charged: declined by the payer's word, or never sent
	Canceled  State = "canceled"  // never sent, or known not to be charged
)

// next is the whole truth about which state may follow which. A state that is
// missing on the left is final. The states of docs/states.md are drawn from it.
var next = map[State][]State{
	Queued:    {Scheduled, Paying, Failed, Canceled},
	Scheduled: {Paying, Canceled},
	Paying:    {Succeeded, Failed, Retrying, Unknown, Pending, Parked},
	Retrying:  {Paying, Canceled, Parked},
	Unknown:   {Succeeded, Failed, Retrying, Pending, Parked},
	Pending:   {Succeeded, Failed, Unknown, Parked},
	Parked:    {Retrying, Unknown, Succeeded, Failed, Canceled},
}

// States gives all states in the order of a payment's life.
func States() []State {
	return []State{Queued, Scheduled, Paying, Retrying, Unknown, Pending, Parked, Succeeded, Failed, Canceled}
}

// ParseState reads a state's name.
func ParseState(text string) (State, error) {
	if state := State(text); slices.Contains(States(), state) {
		return state, nil
	}
	return "", fmt.Errorf("%q is not a payment state", text)
}

// Final tells that a state never changes again.
func (s State) Final() bool { return len(next[s]) == 0 }

// MayBecome tells whether the table allows the step from s to to. Staying is no
// step: a payment that is asked about again keeps its state.
func (s State) MayBecome(to State) bool { return slices.Contains(next[s], to) }

// Diagram draws the table as a Mermaid state diagram.
func Diagram() string {
	var diagram strings.Builder
	diagram.WriteString("stateDiagram-v2\n    [*] --> queued\n")
	for _, from := range States() {
		for _, to := range next[from] {
			fmt.Fprintf(&diagram, "    %s --> %s\n", from, to)
		}
		if from.Final() {
			fmt.Fprintf(&diagram, "    %s --> [*]\n", from)
		}
	}
	return diagram.String()
}
