package local

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
)

func TestNATSLogger_handsOverWarningsAndErrorsWithTheirCause(t *testing.T) {
	var logged bytes.Buffer
	l := &natsLogger{log: slog.New(slog.NewTextHandler(&logged, nil))}
	l.Noticef("notice %d", 1)
	l.Debugf("debug %d", 2)
	l.Tracef("trace of %s", "a payment")
	if logged.Len() > 0 {
		t.Errorf("logged %q", logged.String())
	}
	l.Warnf("store at %d%%", 90)
	l.Errorf("out of %s\n", "disk")
	for _, want := range []string{"level=WARN", `cause="store at 90%"`, "level=ERROR", `cause="out of disk"`} {
		if !strings.Contains(logged.String(), want) {
			t.Errorf("%q lacks %s", logged.String(), want)
		}
	}
}

func TestNATSLogger_keepsTheFirstFatalReasonUnlogged(t *testing.T) {
	var logged bytes.Buffer
	l := &natsLogger{log: slog.New(slog.NewTextHandler(&logged, nil))}
	if err := l.fatal(); err != nil {
		t.Errorf("before anything happened: %v", err)
	}
	l.Fatalf("no %s", "space")
	l.Fatalf("and then this")
	if err := l.fatal(); err == nil || err.Error() != "no space" {
		t.Errorf("the reason is %v", err)
	}
	if logged.Len() > 0 {
		t.Errorf("logged what will be returned: %q", logged.String())
	}
}
