package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// orders writes a file of n orders, each of which stands in it twice.
func orders(t *testing.T, n int) string {
	t.Helper()
	var rows strings.Builder
	rows.WriteString("order_number,amount,currency,payment_method\n")
	for range 2 {
		for i := range n {
			fmt.Fprintf(&rows, "A-%d,%d,EUR,tok_visa\n", i, 100+i)
		}
	}
	file := filepath.Join(t.TempDir(), "orders.csv")
	if err := os.WriteFile(file, []byte(rows.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// sumOf is what n orders come to.
func sumOf(n int) int64 { return int64(100*n + n*(n-1)/2) }

// submitted is what `submit --json` prints, as far as tests need it.
type submitted struct {
	Requests   int64 `json:"requests"`
	Accepted   int64 `json:"accepted"`
	Duplicates int64 `json:"duplicates"`
	Lost       int64 `json:"lost"`
	Settlement struct {
		Succeeded int64 `json:"succeeded"`
	} `json:"settlement"`
}

// charged is what `simulate-payer report --json` prints.
type charged struct {
	Charges int64            `json:"charges"`
	Doubled int64            `json:"doubled"`
	Sums    map[string]int64 `json:"sums"`
}

// wantOnce checks the payer's ledger: n orders, each charged once.
func wantOnce(t *testing.T, ledger string, n int) {
	t.Helper()
	got := paybuf(t, "simulate-payer", "report", ledger, "--json")
	sum := read[charged](t, got.stdout)
	if got.code != exitOK || sum.Charges != int64(n) || sum.Doubled != 0 || sum.Sums["EUR"] != sumOf(n) {
		t.Errorf("exit code %d, and the payer has charged %+v, want %d orders and %d", got.code, sum, n, sumOf(n))
	}
}

// awaitCharges waits until the payer has made some charges.
func awaitCharges(t *testing.T, ledger string, atLeast int64) {
	t.Helper()
	eventually(t, fmt.Sprintf("%d charges", atLeast), func() bool {
		got := paybuf(t, "simulate-payer", "report", ledger, "--json")
		return got.code == exitOK && read[charged](t, got.stdout).Charges >= atLeast
	})
}

// get asks a URL, with a key unless it is empty.
func get(t *testing.T, url, key string) (status int, body string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if key != "" {
		request.Header.Set("Authorization", "Bearer "+key)
	}
	request.Close = true // no connection is left when the test ends
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(text)
}
