package submit

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/paybuf/paybuf/internal/table"
	"github.com/paybuf/paybuf/payment"
)

// readAll reads an input to its end.
func readAll(t *testing.T, format Format, content string) (read []request, err error) {
	t.Helper()
	in := &input{opts: Options{File: "-", Format: format, Stdin: strings.NewReader(content)}.withDefaults()}
	rows, _, err := in.open(1)
	if err != nil {
		return nil, err
	}
	for {
		next, err := rows.next()
		if errors.Is(err, io.EOF) {
			return read, nil
		}
		if err != nil {
			return read, err
		}
		read = append(read, next)
	}
}

func mustReadAll(t *testing.T, format Format, content string) []request {
	t.Helper()
	read, err := readAll(t, format, content)
	if err != nil {
		t.Fatal(err)
	}
	return read
}

func TestCSV_readsWhatSpreadsheetsWrite(t *testing.T) {
	const header = "order_number,amount,currency,payment_method,description"
	for name, content := range map[string]string{
		"plain":             header + "\nA-1,5,EUR,tok,\"two, \"\"good\"\" books\"\n",
		"byte order mark":   "\xef\xbb\xbf" + header + "\nA-1,5,EUR,tok,\"two, \"\"good\"\" books\"\n",
		"quotes, and a BOM": "\xef\xbb\xbf\"order_number\",amount,currency,payment_method,description\nA-1,5,EUR,tok,\"two, \"\"good\"\" books\"\n",
		"CRLF":              header + "\r\nA-1,5,EUR,tok,\"two, \"\"good\"\" books\"\r\n",
		"no end of line":    header + "\nA-1,5,EUR,tok,\"two, \"\"good\"\" books\"",
		"blank lines":       header + "\n\nA-1,5,EUR,tok,\"two, \"\"good\"\" books\"\n\n\n",
	} {
		read := mustReadAll(t, CSV, content)
		if len(read) != 1 || read[0].unsendable != nil {
			t.Errorf("%s: got %+v", name, read)
			continue
		}
		order := read[0].order
		if order.OrderNumber != "A-1" || order.AmountMinor != 5 || order.Description != `two, "good" books` {
			t.Errorf("%s: got %+v", name, order)
		}
	}
}

func TestCSV_countsLinesAsAnEditorDoes(t *testing.T) {
	read := mustReadAll(t, CSV, "order_number,amount,currency,payment_method\n"+
		"A-1,5,EUR,\"tok\nof two lines\"\n\nA-2,5,EUR,tok\n")
	if len(read) != 2 || read[0].row != (Row{Pass: 1, Line: 2}) || read[1].row != (Row{Pass: 1, Line: 5}) {
		t.Errorf("got %+v", read)
	}
}

func TestCSV_aBrokenRowIsRefusedAloneWithItsLine(t *testing.T) {
	read := mustReadAll(t, CSV, csvOf("A-1,5,EUR,tok", "A-2,5,EUR", `A-3,5,E"UR,tok`, "A-4,abc,EUR,tok", "A-5,5,EUR,tok"))
	if len(read) != 5 {
		t.Fatalf("got %d rows", len(read))
	}
	for i, want := range []payment.Code{"", payment.CodeMalformed, payment.CodeMalformed, payment.CodeInvalid, ""} {
		refusal := read[i].unsendable
		switch {
		case (refusal == nil) != (want == ""):
			t.Errorf("row %d: got %+v", i, refusal)
		case refusal != nil && (refusal.Code != want || refusal.Line != int64(i+2) || refusal.Detail == ""):
			t.Errorf("row %d: got %+v", i, refusal)
		}
	}
}

func TestCSV_aQuoteThatIsNeverClosedDoesNotFillTheMemory(t *testing.T) {
	rest := strings.Repeat("A-2,5,EUR,tok\n", 4*table.RowBytesMax/14)
	read, err := readAll(t, CSV, csvOf("A-1,5,EUR,tok", `A-2,5,EUR,"tok`)+rest)
	if !errors.Is(err, table.ErrRowTooLong) || !strings.Contains(err.Error(), "after line 2") || len(read) != 1 {
		t.Errorf("got %d rows, %v", len(read), err)
	}
}

func TestCSV_isNotLimitedAsAWhole(t *testing.T) {
	read := mustReadAll(t, CSV, csvOf(strings.Repeat("A-2,5,EUR,tok\n", 3*table.RowBytesMax/14)))
	if len(read) != 3*table.RowBytesMax/14 {
		t.Errorf("got %d rows", len(read))
	}
}

func TestInput_saysWhatIsWrongWithAFile(t *testing.T) {
	for name, c := range map[string]struct{ content, want string }{
		"empty":      {"", "the file is empty"},
		"only a BOM": {"\xef\xbb\xbf", "the file is empty"},
		"UTF-16":     {"\xff\xfeo\x00r\x00", "save it as UTF-8"},
		"semicolons": {"order_number;amount\n", `the columns are "order_number;amount"`},
	} {
		if _, err := readAll(t, CSV, c.content); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
}

func TestNDJSON_passesLinesOnUntouched(t *testing.T) {
	lines := []string{
		`{"order_number":"A-1","amount":5,"unknown":[1,{"order_number":"x"}]}`,
		` { "amount" : 1e2, "order_number" : "A-2" } `,
		`{"order_number":7}`,
		`{"order_number":"A-4","order_number":"A-4"}`,
	}
	read := mustReadAll(t, NDJSON, "\xef\xbb\xbf"+strings.Join(lines, "\n")+"\n")
	for i, number := range []string{"A-1", "A-2", "7", "A-4"} {
		got := read[i]
		if got.unsendable != nil || string(got.json) != lines[i] || got.orderNumber != number || got.row.Line != int64(i+1) {
			t.Errorf("line %d: got %+v, JSON %s", i+1, got, got.json)
		}
	}
}

func TestNDJSON_oneOrderNumberIsOneLaneHoweverItIsWritten(t *testing.T) {
	read := mustReadAll(t, NDJSON, `{"order_number":"A"}`+"\r\n\n"+`{"order_number":"\u0041"}`)
	if len(read) != 2 || read[0].orderNumber != "A" || read[1].orderNumber != "A" || read[1].row.Line != 3 {
		t.Errorf("got %+v", read)
	}
}

func TestNDJSON_refusesWhatIsNoObjectWithAnOrderNumber(t *testing.T) {
	for line, want := range map[string]string{
		`{"amount":5}`:                 "no order_number",
		`null`:                         "no order_number",
		`[{"order_number":"A"}]`:       "not one JSON object",
		`{"order_number":"A"`:          "not one JSON object",
		`{"order_number":"A"} {"a":1}`: "not one JSON object",
		`order_number,amount`:          "not one JSON object",
	} {
		read := mustReadAll(t, NDJSON, line)
		if len(read) != 1 || read[0].unsendable == nil || !strings.Contains(read[0].unsendable.Detail, want) {
			t.Errorf("%s: got %+v", line, read)
		}
	}
}

func TestNDJSON_aLineWithoutEndDoesNotFillTheMemory(t *testing.T) {
	read, err := readAll(t, NDJSON, "{\"order_number\":\"A\"}\n"+strings.Repeat("x", 2*table.RowBytesMax))
	if !errors.Is(err, table.ErrRowTooLong) || !strings.Contains(err.Error(), "after line 1") || len(read) != 1 {
		t.Errorf("got %d rows, %v", len(read), err)
	}
}
