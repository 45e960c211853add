package main

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/paybuf/paybuf/internal/local/localtest"
)

// differences is what `reconcile --json` prints, as far as tests need it.
type differences struct {
	Lines         int64            `json:"lines"`
	Charges       int64            `json:"charges"`
	Settled       int64            `json:"settled"`
	Discrepancies map[string]int64 `json:"discrepancies"`
	Clean         bool             `json:"clean"`
}

const (
	statementHeader = "reference,charge_id,status,amount,currency,charged_at\n"
	statementRow    = "pay_unknown,ch_%d,succeeded,1999,EUR,2026-11-21T09:00:00Z\n"
)

// statementFile writes a statement of n charges that nobody here asked for.
func statementFile(t *testing.T, n int) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "statement.csv")
	file, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	buffered := bufio.NewWriter(file)
	fmt.Fprint(buffered, statementHeader)
	for i := range n {
		fmt.Fprintf(buffered, statementRow, i)
	}
	if err := buffered.Flush(); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestReconcile_exitCodesTellCleanFromOpen(t *testing.T) {
	url, _ := migrated(t)
	t.Setenv("PAYBUF_POSTGRES", url)
	empty := statementFile(t, 0)
	if got := read[differences](t, must(t, "reconcile", "--statement", empty, "--json")); !got.Clean || got.Lines != 0 {
		t.Errorf("an empty statement is %+v", got)
	}
	file := statementFile(t, 2)
	got := paybuf(t, "reconcile", "--statement", file, "--quiet", "--json")
	shown := read[differences](t, got.stdout)
	if got.code != exitDiffers || shown.Clean || shown.Charges != 2 || shown.Discrepancies["foreign"] != 2 || got.stderr != "" {
		t.Errorf("exit code %d, %+v, %q", got.code, shown, got.stderr)
	}
	table := paybuf(t, "reconcile", "--statement", file)
	equal(t, "exit code of the table", table.code, exitDiffers)
	equal(t, "the table counts", strings.Contains(table.stdout, "open: foreign                    2"), true)

	type open struct {
		ID       int64     `json:"id"`
		Kind     string    `json:"kind"`
		ChargeID string    `json:"charge_id"`
		FirstAt  time.Time `json:"first_at"`
	}
	listed := read[[]open](t, must(t, "reconcile", "list", "--json"))
	if len(listed) != 2 || listed[0].Kind != "foreign" || listed[0].ChargeID != "ch_0" || time.Since(listed[0].FirstAt) > time.Hour {
		t.Fatalf("listed are %+v", listed)
	}
	equal(t, "lines of the list", strings.Count(must(t, "reconcile", "list"), "\n"), 3)
	id := strconv.FormatInt(listed[0].ID, 10)
	refuse(t, exitUsage, "--reason", "reconcile", "resolve", id)
	refuse(t, exitUsage, "card number", "reconcile", "resolve", id, "--reason", "4111 1111 1111 1111")
	refuse(t, exitUsage, "number", "reconcile", "resolve", "ch_0", "--reason", "x")
	must(t, "reconcile", "resolve", id, "--reason", "our rent", "--operator", "ada")
	refuse(t, exitFailed, "no open discrepancy", "reconcile", "resolve", id, "--reason", "again")
	must(t, "reconcile", "resolve", strconv.FormatInt(listed[1].ID, 10), "--reason", "our rent")
	must(t, "reconcile", "--statement", file)
	equal(t, "none are listed", must(t, "reconcile", "list", "--json"), "[]\n")
	equal(t, "on record", localtest.Query(t, url, "SELECT resolved_by FROM discrepancies WHERE id = "+id)[0], "ada")
}

func TestReconcile_saysWhatMustBeWrittenOtherwise(t *testing.T) {
	url, _ := migrated(t)
	t.Setenv("PAYBUF_POSTGRES", url)
	bad := filepath.Join(t.TempDir(), "bad.csv")
	const card = "4111111111111111"
	if err := os.WriteFile(bad, []byte(statementHeader+"x,"+card+",succeeded,1,EUR,2026-11-21T09:00:00Z\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	good := statementFile(t, 1)
	for _, wrong := range []struct {
		text string
		args []string
	}{
		{"give --statement FILE", nil},
		{"none.csv", []string{"--statement", filepath.Join(t.TempDir(), "none.csv")}},
		{`bad.csv: line 2, column "charge_id"`, []string{"--statement", bad}},
		{`no column "id"`, []string{"--statement", good, "--charge-column", "id"}},
		{"minor or major", []string{"--statement", good, "--amount-unit", "cents"}},
		{"--from must be a time", []string{"--statement", good, "--from", "yesterday"}},
		{"give both --from and --to", []string{"--statement", good, "--from", "2026-11-21T00:00:00Z"}},
		{"--from must be before --to", []string{"--statement", good, "--from", "2026-11-21T00:00:00Z", "--to", "2026-11-21T00:00:00Z"}},
		{"--margin must be greater than 0", []string{"--statement", good, "--margin", "0s"}},
		{"card number", []string{"--statement", good, "--name", card}},
		{"unknown command", []string{"lst"}},
	} {
		refuse(t, exitUsage, wrong.text, append([]string{"reconcile"}, wrong.args...)...)
	}
	if got := paybuf(t, "reconcile", "--statement", bad); strings.Contains(got.stderr+got.stdout, card) {
		t.Errorf("it repeats the card number: %s", got.stderr)
	}
	if kept := strings.Join(localtest.Query(t, url, "SELECT count(*) FROM statement_lines"), ""); kept != "0" {
		t.Errorf("%s lines were kept", kept)
	}
}

// The killed process leaves lines, verdicts or neither; the next run leaves what one
// run alone would have left.
func TestReconcile_killedAnywhereTheNextRunCompletesIt(t *testing.T) {
	url, _ := migrated(t)
	t.Setenv("PAYBUF_POSTGRES", url)
	const charges = 20_000
	file := statementFile(t, charges)
	count := func(from string) int {
		n, err := strconv.Atoi(localtest.Query(t, url, "SELECT count(*) FROM "+from)[0])
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	for _, stage := range []string{"statement_lines", "discrepancies"} {
		p := start(t, "reconcile", "--statement", file, "--quiet")
		eventually(t, "some "+stage+" are there", func() bool { return count(stage) > 0 || p.hasEnded() })
		p.kill()
	}
	got := paybuf(t, "reconcile", "--statement", file, "--quiet", "--json")
	shown := read[differences](t, got.stdout)
	if got.code != exitDiffers || shown.Charges != charges || shown.Discrepancies["foreign"] != charges {
		t.Errorf("exit code %d, %+v", got.code, shown)
	}
	equal(t, "lines", count("statement_lines WHERE judged"), charges)
	equal(t, "discrepancies", count("discrepancies"), charges)
	equal(t, "statements on record", count("statements WHERE done_at IS NOT NULL"), 1)
}

func TestSimulatePayer_itsStatementIsReadByReconcile(t *testing.T) {
	url, _ := migrated(t)
	ledger := filepath.Join(t.TempDir(), "payer.ndjson")
	line := `{"number":%d,"reference":"pay_x","status":"succeeded","amount":5,"currency":"EUR","body":"0011223344556677","at":"2026-11-%dT09:00:00Z"}` + "\n"
	if err := os.WriteFile(ledger, []byte(fmt.Sprintf(line, 1, 20)+fmt.Sprintf(line, 2, 21)), 0o600); err != nil {
		t.Fatal(err)
	}
	printed := must(t, "simulate-payer", "statement", "--ledger", ledger, "--from", "2026-11-21T00:00:00Z")
	equal(t, "the statement", printed, statementHeader+"pay_x,ch_2,succeeded,5,EUR,2026-11-21T09:00:00Z\n")
	file := filepath.Join(t.TempDir(), "statement.csv")
	if err := os.WriteFile(file, []byte(printed), 0o600); err != nil {
		t.Fatal(err)
	}
	got := paybuf(t, "reconcile", "--statement", file, "--postgres", url, "--json")
	equal(t, "foreign charges", read[differences](t, got.stdout).Discrepancies["foreign"], 1)
	refuse(t, exitFailed, "no such file", "simulate-payer", "statement", "--ledger", filepath.Join(t.TempDir(), "none"))
	refuse(t, exitUsage, "--to must be a time", "simulate-payer", "statement", "--ledger", ledger, "--to", "now")
}
