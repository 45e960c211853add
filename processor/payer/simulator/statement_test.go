package simulator

import (
	"encoding/csv"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/paybuf/paybuf/payment"
	"github.com/paybuf/paybuf/processor/payer/payertest"
)

// statementOf asks for a statement over HTTP and gives its rows by charge.
func statementOf(t *testing.T, server *httptest.Server, query url.Values) map[string][]string {
	t.Helper()
	response, err := server.Client().Get(server.URL + "/statement?" + query.Encode())
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if kind := response.Header.Get("Content-Type"); response.StatusCode != http.StatusOK || kind != "text/csv; charset=utf-8" {
		t.Fatalf("answered %d with %s", response.StatusCode, kind)
	}
	rows, err := csv.NewReader(response.Body).ReadAll()
	if err != nil || len(rows) == 0 || strings.Join(rows[0], ",") != "reference,charge_id,status,amount,currency,charged_at" {
		t.Fatalf("got %v, %v", rows, err)
	}
	charges := map[string][]string{}
	for _, row := range rows[1:] {
		charges[row[1]] = row
	}
	return charges
}

func TestStatement_listsEachChargeOfItsPeriodAndNothingElse(t *testing.T) {
	e := open(t, Options{Pending: 0.3, PendingFor: time.Hour, Decline: 0.3, Seed: 7})
	server := httptest.NewServer(e.Handler())
	defer server.Close()
	began := time.Now()
	for range 50 {
		e.Charge(t.Context(), payertest.NewRequest(t))
	}
	all := statementOf(t, server, nil)
	if want := e.Summary().Charges; int64(len(all)) != want || want == 0 || want == 50 {
		t.Errorf("%d charges are listed, the ledger has %d", len(all), want)
	}
	for charge, err := range Charges(e.opts.Ledger) {
		row := all[charge.ID]
		if err != nil || row == nil || row[0] != charge.Reference || row[2] != "succeeded" || row[4] != charge.Money.Currency() ||
			row[5] != charge.At.UTC().Format(time.RFC3339Nano) {
			t.Fatalf("%+v is listed as %v, %v", charge, row, err)
		}
		// From is included, to is not.
		one := statementOf(t, server, url.Values{"from": {row[5]}, "to": {charge.At.Add(1).UTC().Format(time.RFC3339Nano)}})
		if one[charge.ID] == nil {
			t.Errorf("%s is not in its own moment", charge.ID)
		}
		if before := statementOf(t, server, url.Values{"to": {row[5]}}); before[charge.ID] != nil {
			t.Errorf("%s is in the time before it", charge.ID)
		}
	}
	if early := statementOf(t, server, url.Values{"to": {began.Format(time.RFC3339Nano)}}); len(early) != 0 {
		t.Errorf("%d charges before the first", len(early))
	}
}

func TestStatement_refusesABoundThatIsNoTime(t *testing.T) {
	server := httptest.NewServer(open(t, Options{}).Handler())
	defer server.Close()
	response, err := server.Client().Get(server.URL + "/statement?from=yesterday")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if body, _ := io.ReadAll(response.Body); response.StatusCode != http.StatusBadRequest || !strings.Contains(string(body), "from and to") {
		t.Errorf("answered %d %s", response.StatusCode, body)
	}
}

func TestStatement_aLedgerThatCannotBeReadIsNoWholeStatement(t *testing.T) {
	e := open(t, Options{})
	server := httptest.NewServer(e.Handler())
	defer server.Close()
	e.Charge(t.Context(), payertest.NewRequest(t))
	if err := os.WriteFile(e.opts.Ledger, []byte("garbage\ngarbage\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	response, err := server.Client().Get(server.URL + "/statement")
	if err != nil {
		return // cut off before anything was sent
	}
	defer response.Body.Close()
	if body, err := io.ReadAll(response.Body); err == nil {
		t.Errorf("it ends well: %q", body)
	}
	if err := WriteStatement(io.Discard, filepath.Join(t.TempDir(), "none"), time.Time{}, time.Time{}); err == nil {
		t.Error("there is a statement of no ledger")
	}
}

func TestDouble_isThePayersOwnMistakeAndShowsInItsStatementAlone(t *testing.T) {
	e := open(t, Options{Double: 1})
	request := payertest.NewRequest(t)
	first := e.Charge(t.Context(), request)
	wantVerdict(t, first, payment.VerdictCharged)
	again := e.Charge(t.Context(), request) // a replay charges nothing
	if again.PayerReference != first.PayerReference {
		t.Errorf("the answer names %s, and then %s", first.PayerReference, again.PayerReference)
	}
	wantCounts(t, e, 2, 1, 1)
	wantCounts(t, reopen(t, e), 2, 1, 1)
}

func TestDouble_isARateAndIsNotOfDeclines(t *testing.T) {
	if _, err := Open(Options{Ledger: filepath.Join(t.TempDir(), "l"), Double: 1.5}); err == nil {
		t.Error("a rate above 1 is taken")
	}
	e := open(t, Options{Double: 1, Decline: 1})
	e.Charge(t.Context(), payertest.NewRequest(t))
	wantCounts(t, e, 0, 0, 0)
}
