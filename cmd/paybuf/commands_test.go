package main

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// eachCommand visits all commands with the words that lead to them.
func eachCommand(t *testing.T, visit func(path []string, cmd *cobra.Command)) {
	t.Helper()
	visited := 0
	var walk func(path []string, cmd *cobra.Command)
	walk = func(path []string, cmd *cobra.Command) {
		visited++
		visit(path, cmd)
		for _, child := range cmd.Commands() {
			walk(append(path[:len(path):len(path)], child.Name()), child)
		}
	}
	walk(nil, newRoot())
	if visited < 15 {
		t.Errorf("only %d commands were found", visited)
	}
}

func TestCommands_areAllExplained(t *testing.T) {
	eachCommand(t, func(path []string, cmd *cobra.Command) {
		name := cmd.CommandPath()
		if cmd.Short == "" || strings.HasSuffix(cmd.Short, ".") {
			t.Errorf("%s: its line in the list is %q", name, cmd.Short)
		}
		if !strings.Contains(cmd.Example, "  paybuf") {
			t.Errorf("%s has no example", name)
		}
		got := paybuf(t, append(path, "--help")...)
		if got.code != exitOK || got.stderr != "" {
			t.Errorf("%s --help: exit code %d and %q", name, got.code, got.stderr)
		}
		if !cmd.HasSubCommands() && !strings.Contains(got.stdout, "Exit codes: 0 ") {
			t.Errorf("%s --help does not tell its exit codes", name)
		}
	})
}

// What an example shows must at least be a command with flags that exist.
func TestCommands_examplesAreCommandLines(t *testing.T) {
	eachCommand(t, func(_ []string, cmd *cobra.Command) {
		text := strings.ReplaceAll(cmd.Example, "\\\n", " ")
		for line := range strings.Lines(text) {
			line, _, _ = strings.Cut(line, " # ")
			_, words, found := strings.Cut(strings.TrimSpace(line), "paybuf ")
			if !found || strings.Contains(line, "curl") {
				continue
			}
			shown, rest, err := newRoot().Find(strings.Fields(unquoted(words)))
			if err == nil && shown.HasParent() {
				err = shown.ParseFlags(rest)
			}
			if err != nil || !shown.HasParent() {
				t.Errorf("%s shows %q: %v", cmd.CommandPath(), strings.TrimSpace(line), err)
			}
		}
	})
}

// unquoted makes each quoted text one word.
func unquoted(words string) string {
	var line strings.Builder
	quote := rune(0)
	for _, r := range words {
		switch {
		case quote == 0 && (r == '"' || r == '\''):
			quote = r
		case r == quote:
			quote = 0
		case quote != 0 && r == ' ':
			line.WriteByte('_')
		default:
			line.WriteRune(r)
		}
	}
	return line.String()
}

func TestCommands_groupsShowWhatThereIs(t *testing.T) {
	for _, args := range [][]string{{}, {"migrate"}, {"tenant"}, {"key"}} {
		if printed := must(t, args...); !strings.Contains(printed, "Available Commands:") {
			t.Errorf("paybuf %v prints %s", args, printed)
		}
	}
	if printed := must(t, "--version"); !strings.Contains(printed, version) {
		t.Errorf("the version is %q", printed)
	}
}

func TestExitCode_is2ForWhatMustBeWrittenOtherwise(t *testing.T) {
	dir := t.TempDir()
	taken, err := net.Listen("tcp", anyPort)
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	secrets := filepath.Join(dir, "secrets.json")
	must(t, "secrets", secrets)
	for _, wrong := range []struct {
		text string
		args []string
	}{
		{`no command "sumbit"; did you mean submit?`, []string{"sumbit", "orders.csv"}},
		{`no command "creat"; did you mean create?`, []string{"tenant", "creat", "acme"}},
		{`no command "list"`, []string{"migrate", "list"}},
		{"--lisen; did you mean --listen?", []string{"dev", "--lisen", anyPort}},
		{"unknown shorthand", []string{"dev", "-x"}},
		{`"--pay-timeout" flag`, []string{"serve", "--pay-timeout", "soon"}},
		{"--pay-timeout must be greater than 0", []string{"dev", "--pay-timeout", "0s"}},
		{"--tenant-share must be greater than 0", []string{"dev", "--tenant-share", "0"}},
		{"--stream-messages-max must not be negative", []string{"dev", "--stream-messages-max", "-1"}},
		{"--concurrency must be greater than 0", []string{"dev", "--concurrency", "-1"}},
		{"--log-level loud", []string{"dev", "--log-level", "loud"}},
		{"--log-format xml", []string{"dev", "--log-format", "xml"}},
		{`"webhok" is no role`, []string{"dev", "--roles", "ingest,webhok"}},
		{"--payer-token-file", []string{"dev", "--payer-token-file", filepath.Join(dir, "none")}},
		{"127.0.0.1", []string{"dev", "--data", dir, "--listen", "0.0.0.0:8080"}},
		{"--secrets-file", []string{"serve"}},
		{"paybuf secrets", []string{"serve", "--secrets-file", filepath.Join(dir, "none")}},
		{"--postgres", []string{"serve", "--secrets-file", secrets}},
		{"--payer", []string{"serve", "--secrets-file", secrets, "--postgres", "postgres://db/x"}},
		{"--journal-dir", []string{"serve", "--roles", "ingest", "--secrets-file", secrets}},
		{"unknown command", []string{"serve", "ingest"}},
		{"needs one argument", []string{"submit"}},
		{"needs one argument", []string{"tenant", "create"}},
		{"none.csv", []string{"submit", filepath.Join(dir, "none.csv")}},
		{"--postgres", []string{"migrate", "up"}},
		{"--postgres", []string{"key", "list"}},
		{"no `paybuf dev` is ready", []string{"totals", "--data", dir}},
		{"payer:", []string{"simulate-payer", "--listen", taken.Addr().String(), "--ledger", filepath.Join(dir, "l")}},
		{"Decline", []string{"simulate-payer", "--listen", anyPort, "--decline", "2", "--ledger", filepath.Join(dir, "l")}},
		{"needs one argument", []string{"simulate-payer", "report"}},
	} {
		refuse(t, exitUsage, wrong.text, wrong.args...)
	}
}

func TestExitCode_is1ForWhatWasTriedAndFailed(t *testing.T) {
	nobody := "postgres://paybuf:password@" + unused(t) + "/paybuf"
	dir := t.TempDir()
	secrets := filepath.Join(dir, "secrets.json")
	must(t, "secrets", secrets)
	for _, failed := range []struct {
		text string
		args []string
	}{
		{"does not answer", []string{"migrate", "up", "--postgres", nobody}},
		{"does not answer", []string{"migrate", "status", "--postgres", nobody}},
		{"does not answer", []string{"tenant", "list", "--postgres", nobody}},
		// A service manager starts it again: the servers may be there by then.
		{"NATS does not answer", []string{
			"serve", "--roles", "ingest", "--secrets-file", secrets, "--nats", "nats://" + unused(t), "--journal-dir", dir,
		}},
		{"no such file", []string{"simulate-payer", "report", filepath.Join(t.TempDir(), "none")}},
		{"no such file", []string{"secrets", filepath.Join(t.TempDir(), "no", "folder")}},
	} {
		refuse(t, exitFailed, failed.text, failed.args...)
		if got := paybuf(t, failed.args...); strings.Contains(got.stderr, "password") {
			t.Errorf("%v repeats the password: %s", failed.args, got.stderr)
		}
	}
}

func TestSecrets_areNotOverwritten(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secrets.json")
	must(t, "secrets", file)
	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	refuse(t, exitUsage, "never replaced", "secrets", file)
	after, err := os.ReadFile(file)
	if err != nil || string(after) != string(before) {
		t.Errorf("the file changed (%v)", err)
	}
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	refuse(t, exitUsage, "chmod 600", "serve", "--secrets-file", file)
}

// unused is an address where nobody listens.
func unused(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", anyPort)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}
