package main

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// command gives a command as it is just before it runs: flags read, environment
// applied.
func command(t *testing.T, environ []string, args ...string) (*cobra.Command, error) {
	t.Helper()
	cmd, rest, err := newRoot().Find(args)
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.ParseFlags(rest); err != nil {
		t.Fatal(err)
	}
	return cmd, applyEnvironment(cmd, environ)
}

func TestEnvironment_aVariableSetsItsFlagAndAFlagWins(t *testing.T) {
	environ := []string{
		"PAYBUF_PAY_TIMEOUT=3s", "PAYBUF_ROLES=ingest,status", "PAYBUF_CONCURRENCY=7", "PAYBUF_PAYER_NO_LOOKUP=true",
		"PAYBUF_LISTEN=", "HOME=/root", "PAYBUF",
	}
	cmd, err := command(t, environ, "serve", "--concurrency", "9")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"pay-timeout":     "3s",
		"roles":           "[ingest,status]",
		"concurrency":     "9",
		"payer-no-lookup": "true",
		"listen":          "",
		"operator-listen": "127.0.0.1:8081",
	} {
		equal(t, "--"+name, cmd.Flags().Lookup(name).Value.String(), want)
	}
}

func TestEnvironment_eachFlagOfEachCommandHasAVariable(t *testing.T) {
	eachCommand(t, func(path []string, _ *cobra.Command) {
		cmd, err := command(t, nil, path...)
		if err != nil {
			t.Fatal(err)
		}
		cmd.Flags().VisitAll(func(flag *pflag.Flag) {
			value := strings.Trim(flag.DefValue, "[]")
			entry := "PAYBUF_" + strings.ToUpper(strings.ReplaceAll(flag.Name, "-", "_")) + "=" + value
			set, err := command(t, []string{entry}, path...)
			if err != nil || !set.Flags().Lookup(flag.Name).Changed {
				t.Errorf("%s does not set --%s of %s (%v)", entry, flag.Name, cmd.CommandPath(), err)
			}
		})
	})
}

func TestEnvironment_anUnknownVariableIsAnErrorWithTheNearestName(t *testing.T) {
	for wrong, meant := range map[string]string{
		"PAYBUF_PAY_TIMEOT": "PAYBUF_PAY_TIMEOUT",
		"PAYBUF_PAYTIMEOUT": "PAYBUF_PAY_TIMEOUT",
		"PAYBUF_LISTENN":    "PAYBUF_LISTEN",
		"PAYBUF_POSTGRESS":  "PAYBUF_POSTGRES",
	} {
		_, err := command(t, []string{wrong + "=1s"}, "serve")
		if err == nil || !strings.Contains(err.Error(), wrong+" is not known; did you mean "+meant+"?") {
			t.Errorf("%s: %v", wrong, err)
		}
		if !isUsage(err) {
			t.Errorf("%s: the exit code is not that of usage", wrong)
		}
	}
	_, err := command(t, []string{"PAYBUF_XYZZYPLUGH=1"}, "serve")
	if err == nil || strings.Contains(err.Error(), "did you mean") {
		t.Errorf("a far-fetched name is suggested: %v", err)
	}
}

func TestEnvironment_aVariableOfAnotherCommandIsNoError(t *testing.T) {
	if _, err := command(t, []string{"PAYBUF_HANG_CHARGES=perhaps", "PAYBUF_TEST_POSTGRES=x"}, "serve"); err != nil {
		t.Error(err)
	}
}

func TestEnvironment_aBadValueNamesItsVariableAndNotItsSecret(t *testing.T) {
	for _, bad := range []string{"PAYBUF_PAY_TIMEOUT=soon", "PAYBUF_CONCURRENCY=many", "PAYBUF_PAYER_NO_LOOKUP=perhaps"} {
		name, _, _ := strings.Cut(bad, "=")
		_, err := command(t, []string{bad}, "serve")
		if err == nil || !strings.HasPrefix(err.Error(), name+":") || !isUsage(err) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

// The same by way of a whole command.
func TestEnvironment_isWhatACommandRunsWith(t *testing.T) {
	dir := t.TempDir()
	byVariable, byFlag := filepath.Join(dir, "variable.ndjson"), filepath.Join(dir, "flag.ndjson")
	t.Setenv("PAYBUF_LEDGER", byVariable)
	t.Setenv("PAYBUF_LISTEN", anyPort)
	for want, args := range map[string][]string{
		byVariable: {"simulate-payer"},
		byFlag:     {"simulate-payer", "--ledger", byFlag},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		got := paybufUntil(ctx, args...)
		cancel()
		if got.code != exitOK || !strings.Contains(got.stderr, "ledger "+want) {
			t.Errorf("%v: exit code %d and %s", args, got.code, got.stderr)
		}
	}

	t.Setenv("PAYBUF_LEDGR", "x")
	refuse(t, exitUsage, "did you mean PAYBUF_LEDGER?", "simulate-payer")
	if got := paybuf(t, "simulate-payer", "--help"); got.code != exitOK {
		t.Errorf("help is refused: %s", got.stderr)
	}
}

func TestEnvironment_whatKubernetesSetsIsNotOurs(t *testing.T) {
	for _, entry := range []string{
		"PAYBUF_SERVICE_HOST=10.0.0.1", "PAYBUF_SERVICE_PORT_HTTP=80", "PAYBUF_PORT=tcp://10.0.0.1:80", "PAYBUF_PORT_80_TCP=x",
	} {
		if err := applyEnvironment(newRoot(), []string{entry}); err != nil {
			t.Errorf("%s: %v", entry, err)
		}
	}
}
