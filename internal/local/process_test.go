package local

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

func TestRunTool_quotesWhatTheProgramSaid(t *testing.T) {
	var self account
	script := []string{"-c", "cat; echo and an error >&2; exit 3"}
	err := self.runTool(t.Context(), "/bin/sh", script, "input")
	if err == nil || !strings.Contains(err.Error(), "exit status 3") || !strings.Contains(err.Error(), "inputand an error") {
		t.Errorf("the error is %v", err)
	}
	if err := self.runTool(t.Context(), "/bin/sh", []string{"-c", "true"}, ""); err != nil {
		t.Error(err)
	}
	if err := self.runTool(t.Context(), "/no/such/program", nil, ""); err == nil {
		t.Error("ran a program that does not exist")
	}
}

func TestRunTool_endsWithItsContextTogetherWithItsHelpers(t *testing.T) {
	var self account
	reason := errors.New("enough")
	ctx, cancel := context.WithTimeoutCause(t.Context(), 50*time.Millisecond, reason)
	defer cancel()
	begun := time.Now()
	err := self.runTool(ctx, "/bin/sh", []string{"-c", "sleep 60 & wait"}, "")
	if !errors.Is(err, reason) || time.Since(begun) > 30*time.Second {
		t.Errorf("after %s: %v", time.Since(begun), err)
	}
}

func TestCommand_hidesOurEnvironment(t *testing.T) {
	t.Setenv("PGOPTIONS", "-c fsync=off")
	t.Setenv("PAYBUF_SECRET", "hush")
	var self account
	err := self.runTool(t.Context(), "/bin/sh", []string{"-c", "env; pwd; exit 1"}, "")
	if err == nil || strings.Contains(err.Error(), "PGOPTIONS") || strings.Contains(err.Error(), "hush") {
		t.Errorf("the environment is %v", err)
	}
}
