package submit

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// trial is one run against an API that lives as long as the test.
type trial struct {
	opts           Options
	stdout, stderr bytes.Buffer
}

// newTrial writes a file for the API at url, or starts the one given.
func newTrial(t *testing.T, api http.Handler, name, content string) *trial {
	t.Helper()
	server := httptest.NewServer(api)
	t.Cleanup(server.Close)
	return newTrialAt(t, server.URL, name, content)
}

func newTrialAt(t *testing.T, url, name, content string) *trial {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	tr := &trial{}
	tr.opts = Options{File: file, URL: url, Quiet: true, Stdout: &tr.stdout, Stderr: &tr.stderr}
	return tr
}

// run runs what cannot fail.
func (tr *trial) run(t *testing.T) Summary {
	t.Helper()
	summary, err := Run(t.Context(), tr.opts)
	if err != nil {
		t.Fatal(err)
	}
	checkSum(t, summary)
	return summary
}

// checkSum holds the promise that every row is counted once.
func checkSum(t *testing.T, s Summary) {
	t.Helper()
	if sum := s.Accepted + s.Duplicates + s.Conflicts + s.Refused + s.LostRequests; sum != s.Requests {
		t.Errorf("%d requests, but the counts add up to %d: %+v", s.Requests, sum, s)
	}
	if p := s.Settlement; p != nil {
		if sum := p.Succeeded + p.Failed + p.Canceled + p.Parked + p.Unsettled; sum != p.Payments {
			t.Errorf("%d payments, but the counts add up to %d: %+v", p.Payments, sum, p)
		}
	}
}

func wantCounts(t *testing.T, s Summary, accepted, duplicates, conflicts, refused, lost int64) {
	t.Helper()
	got := [5]int64{s.Accepted, s.Duplicates, s.Conflicts, s.Refused, s.LostRequests}
	if want := [5]int64{accepted, duplicates, conflicts, refused, lost}; got != want {
		t.Errorf("accepted, duplicates, conflicts, refused, lost = %v, want %v", got, want)
	}
}

// csvOf puts rows under the API's own column names.
func csvOf(rows ...string) string {
	return "order_number,amount,currency,payment_method\n" + strings.Join(rows, "\n") + "\n"
}
