package payment

import (
	"flag"
	"os"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/states.md anew")

func TestStates_onlyThreeAreFinal(t *testing.T) {
	var final []State
	for _, state := range States() {
		if state.Final() {
			final = append(final, state)
		}
	}
	if !slices.Equal(final, []State{Succeeded, Failed, Canceled}) {
		t.Errorf("final states %v", final)
	}
}

func TestStates_everyStateIsReachedAndLeadsToAnEnd(t *testing.T) {
	for _, state := range States() {
		reached := state == Queued
		for _, from := range States() {
			reached = reached || from.MayBecome(state)
		}
		if !reached {
			t.Errorf("nothing becomes %s", state)
		}
		if !leadsToEnd(state, map[State]bool{}) {
			t.Errorf("%s leads to no final state", state)
		}
	}
}

func leadsToEnd(from State, seen map[State]bool) bool {
	if from.Final() {
		return true
	}
	seen[from] = true
	for _, to := range next[from] {
		if !seen[to] && leadsToEnd(to, seen) {
			return true
		}
	}
	return false
}

// What the payer may have heard is never sent again without asking first.
func TestStates_nothingUnknownIsPaidAgainDirectly(t *testing.T) {
	for _, from := range []State{Unknown, Pending, Paying} {
		if from.MayBecome(Paying) || from.MayBecome(Canceled) {
			t.Errorf("%s may be paid or canceled without evidence", from)
		}
	}
}

func TestParseState_knowsExactlyTheStates(t *testing.T) {
	for _, state := range States() {
		if got, err := ParseState(string(state)); err != nil || got != state {
			t.Errorf("ParseState(%s) = %s, %v", state, got, err)
		}
	}
	if _, err := ParseState("paid"); err == nil {
		t.Error(`"paid" is taken for a state`)
	}
}

func TestDiagram_isTheOneInTheDocs(t *testing.T) {
	const file = "../docs/states.md"
	want := "# States of a payment\n\n" +
		"Drawn from the table in `payment/state.go`; `make gen` draws it anew.\n\n" +
		"```mermaid\n" + Diagram() + "```\n"
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is stale; run `make gen`", file)
	}
	if !strings.Contains(want, "unknown --> retrying") {
		t.Error("the diagram lacks a step of the table")
	}
}

func TestCodeOf_onlyCodedTextIsShown(t *testing.T) {
	code, detail := CodeOf(os.ErrPermission)
	if code != CodeInternal || strings.Contains(detail, "permission") {
		t.Errorf("%s, %q; the text of an internal error must stay inside", code, detail)
	}
	wrapped := &Error{Code: CodeBufferFull, Detail: "no room", Cause: os.ErrDeadlineExceeded}
	if code, detail := CodeOf(wrapped); code != CodeBufferFull || detail != "no room" {
		t.Errorf("%s, %q", code, detail)
	}
}
