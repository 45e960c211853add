//go:build trial

package trial

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/paybuf/paybuf/payment"
)

// fileEnv names the CSV of payments: order_id, payment_sequential, payment_type,
// payment_value in BRL.
const fileEnv = "PAYBUF_TRIAL_CSV"

const currency = "BRL"

// mapping is which columns make the order number.
type mapping struct {
	name     string
	template string // of `paybuf submit --order-column`
	order    func(row map[string]string) string
}

var (
	perPart = mapping{"one order per part", "{order_id}-{payment_sequential}", func(row map[string]string) string {
		return row["order_id"] + "-" + row["payment_sequential"]
	}}
	perOrder = mapping{"one order for all parts", "order_id", func(row map[string]string) string { return row["order_id"] }}
)

// expectation is what a file must lead to, if its rows come in file order.
type expectation struct {
	rows, refused, sameAgain, anotherBody int64
	bodies                                int64 // distinct other bodies
	sumMinor                              int64
	orders                                map[string]int64 // minor units by order number: what is charged once
}

func dataFile(t *testing.T) string {
	t.Helper()
	file := os.Getenv(fileEnv)
	if file == "" {
		t.Fatalf("%s does not name the CSV file of payments (see CONTRIBUTING.md)", fileEnv)
	}
	return file
}

// expect reads the file with none of the code that it judges, but for the exact
// arithmetic of payment.ParseMajor, which has tests of its own.
func expect(t *testing.T, file string, m mapping) expectation {
	t.Helper()
	in, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	reader := csv.NewReader(in)
	header, err := reader.Read()
	if err != nil {
		t.Fatal(err)
	}
	want := expectation{orders: map[string]int64{}}
	first, others := map[string]string{}, map[string]bool{}
	for {
		record, err := reader.Read()
		if errors.Is(err, io.EOF) {
			want.bodies = int64(len(others))
			return want
		}
		if err != nil {
			t.Fatal(err)
		}
		row := map[string]string{}
		for i, name := range header {
			row[name] = record[i]
		}
		want.rows++
		want.add(row, m, first, others)
	}
}

func (e *expectation) add(row map[string]string, m mapping, first map[string]string, others map[string]bool) {
	money, err := payment.ParseMajor(row["payment_value"], currency)
	if err != nil {
		e.refused++
		return
	}
	order := m.order(row)
	body := fmt.Sprintf("%d %s", money.Minor(), row["payment_type"])
	known, repeated := first[order]
	switch {
	case !repeated:
		first[order] = body
		e.orders[order] = money.Minor()
		e.sumMinor += money.Minor()
	case known == body:
		e.sameAgain++
	default:
		e.anotherBody++
		others[strings.Join([]string{order, body}, " ")] = true
	}
}
