//go:build trial

package trial

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/paybuf/paybuf/internal/trial/hook"
)

// referenceTime limits the other reference library's look at a spool.
const referenceTime = 5 * time.Minute

// referenced is what verify.mjs prints.
type referenced struct {
	Deliveries, Verified, Forged, Refused int
	Faults                                []string
}

// refer has the npm reference library verify spools, and forgeries of what they hold.
// The error is that of the program.
func refer(t *testing.T, spools ...string) (referenced, error) {
	t.Helper()
	if _, err := os.Stat(filepath.Join("verify", "node_modules")); err != nil {
		t.Fatalf("the reference library is not installed (run make trial): %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), referenceTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", append([]string{filepath.Join("verify", "verify.mjs")}, spools...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, failed := cmd.Output()
	var got referenced
	if err := json.Unmarshal(stdout, &got); err != nil {
		t.Fatalf("verify.mjs: %v\n%s%s", errors.Join(failed, err), stdout, stderr.Bytes())
	}
	return got, failed
}

// wantVerified has both reference libraries agree that a consumer's deliveries are
// genuine and that nothing made of them passes.
func wantVerified(t *testing.T, consumer *hook.Consumer, spool string) hook.Report {
	t.Helper()
	report, err := consumer.Judge()
	if err != nil {
		t.Error(err)
	}
	if err := consumer.Flush(); err != nil {
		t.Fatal(err)
	}
	started := time.Now()
	got, err := refer(t, spool)
	if err != nil {
		t.Errorf("verify.mjs: %v: %s", err, strings.Join(got.Faults, "\n"))
	}
	equal(t, "deliveries that the npm library verified", got.Verified, report.Deliveries)
	equal(t, "forgeries that it was shown", got.Forged, report.Forged)
	equal(t, "forgeries that it refused", got.Refused, report.Forged)
	t.Logf("both libraries: %d deliveries of %d events verify, %d forgeries do not; npm took %.1f s",
		report.Deliveries, report.Events, report.Forged, time.Since(started).Seconds())
	return report
}

// line is one of a spool, as hook writes it.
type line struct {
	AtMs    int64             `json:"at_ms"`
	Headers map[string]string `json:"headers"`
	Body    []byte            `json:"body"`
	Secrets []string          `json:"secrets"`
}

// genuine is a delivery that verifies, of an hour ago.
func genuine(t *testing.T) line {
	t.Helper()
	secret := "whsec_" + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, 32))
	library, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	at, body := time.Now().Add(-time.Hour), []byte(`{"id":"evt_a_1","text":"Grüße"}`)
	signature, err := library.Sign("evt_a_1", at, body)
	if err != nil {
		t.Fatal(err)
	}
	return line{
		AtMs: at.UnixMilli(), Body: body, Secrets: []string{secret},
		Headers: map[string]string{
			http.CanonicalHeaderKey("webhook-id"):        "evt_a_1",
			http.CanonicalHeaderKey("webhook-timestamp"): strconv.FormatInt(at.Unix(), 10),
			http.CanonicalHeaderKey("webhook-signature"): signature,
		},
	}
}

func TestReference_theOtherLibraryTellsTheGenuineFromEachOther(t *testing.T) {
	for _, test := range []struct {
		name, want string
		change     func(l *line)
	}{
		{"genuine", "", func(*line) {}},
		{"body", "refuses it", func(l *line) { l.Body[0] ^= 1 }},
		{"id", "refuses it", func(l *line) { l.Headers["Webhook-Id"] = "evt_a_2" }},
		{"late", "refuses it", func(l *line) { l.AtMs += (6 * time.Minute).Milliseconds() }},
		{"no secret known", "no secret", func(l *line) { l.Secrets = nil }},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := genuine(t)
			test.change(&l)
			text, err := json.Marshal(l)
			if err != nil {
				t.Fatal(err)
			}
			spool := filepath.Join(t.TempDir(), "spool.ndjson")
			if err := os.WriteFile(spool, append(text, '\n'), 0o600); err != nil {
				t.Fatal(err)
			}
			got, err := refer(t, spool)
			if told := strings.Join(got.Faults, "\n"); (err == nil) != (test.want == "") || !strings.Contains(told, test.want) {
				t.Errorf("%+v, %v; want %q", got, err, test.want)
			}
			if test.want == "" && (got.Verified != 1 || got.Forged != 6 || got.Refused != 6) {
				t.Errorf("%+v, want one verified and six forgeries refused", got)
			}
		})
	}
	t.Run("nothing", func(t *testing.T) {
		spool := filepath.Join(t.TempDir(), "spool.ndjson")
		if err := os.WriteFile(spool, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := refer(t, spool); err == nil {
			t.Errorf("%+v, want that nothing was delivered", got)
		}
	})
}
