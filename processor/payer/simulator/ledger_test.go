package simulator

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/paybuf/paybuf/payment"
)

func discard(entry) error { return nil }

func testEntry(number uint64, became status) entry {
	return entry{
		Number: number, Reference: fmt.Sprintf("pay_%d", number), Key: fmt.Sprintf("pay_%d", number),
		Status: became, Amount: int64(100 + number), Currency: "EUR", Body: "0011223344556677",
	}
}

func lineOf(t *testing.T, e entry) string {
	t.Helper()
	line, err := e.line()
	if err != nil {
		t.Fatal(err)
	}
	return string(line)
}

func ledgerFile(t *testing.T, content string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "ledger.ndjson")
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func contentOf(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func TestLedger_cutsATornEndAtEveryByte(t *testing.T) {
	first, last := lineOf(t, testEntry(1, succeeded)), lineOf(t, testEntry(2, succeeded))
	for keep := range len(last) {
		name := ledgerFile(t, first+last[:keep])
		seen := 0
		l, err := openLedger(name, func(entry) error { seen++; return nil })
		if err != nil {
			t.Fatalf("with %d bytes of the last line: %v", keep, err)
		}
		b, err := l.add([]byte(lineOf(t, testEntry(3, succeeded))))
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(b.wait(), l.close()); err != nil {
			t.Fatal(err)
		}
		if want := first + lineOf(t, testEntry(3, succeeded)); seen != 1 || contentOf(t, name) != want {
			t.Fatalf("with %d bytes of the last line, %d entries were seen and the file is\n%s", keep, seen, contentOf(t, name))
		}
	}
}

func TestLedger_cutsAGarbledEnd(t *testing.T) {
	first := lineOf(t, testEntry(1, succeeded))
	for _, end := range []string{"\x00\x00\x00", "\x00\x00\n", "{}\n", strings.Repeat("x", 2*entryBytesMax)} {
		summary, err := ReadLedger(ledgerFile(t, first+end))
		if end[len(end)-1] == 'x' {
			if err == nil {
				t.Error("a line over the limit is no torn entry, and was passed over")
			}
			continue
		}
		if err != nil || summary.Charges != 1 {
			t.Errorf("with %q at the end: %+v, %v", end, summary, err)
		}
	}
}

func TestLedger_refusesWhatIsGarbledBeforeTheEnd(t *testing.T) {
	good := lineOf(t, testEntry(1, succeeded))
	for name, bad := range map[string]string{
		"not JSON":           "oops\n",
		"no number":          strings.Replace(good, `"number":1`, `"number":0`, 1),
		"another status":     strings.Replace(good, "succeeded", "refunded", 1),
		"no amount":          strings.Replace(good, "101", "0", 1),
		"an unknown member":  strings.Replace(good, "{", `{"more":1,`, 1),
		"an unknown unit":    strings.Replace(good, "EUR", "EUX", 1),
		"two lines in one":   strings.TrimSpace(good) + good,
		"an unreadable body": strings.Replace(good, "0011", "00zz", 1),
	} {
		file := ledgerFile(t, good+bad+good)
		if _, err := openLedger(file, newMemory(newBook(Options{})).add); err == nil {
			t.Errorf("%s: it was passed over", name)
		}
		if contentOf(t, file) != good+bad+good {
			t.Errorf("%s: the file was changed", name)
		}
	}
}

func TestLedger_keepsAllLinesOfManyWriters(t *testing.T) {
	const writers, each = 32, 50
	name := ledgerFile(t, "")
	l, err := openLedger(name, discard)
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for i := range each {
				b, err := l.add([]byte(lineOf(t, testEntry(uint64(w*each+i+1), succeeded))))
				if err != nil || b.wait() != nil {
					t.Errorf("writer %d: %v", w, err)
				}
			}
		})
	}
	all.Wait()
	if err := l.close(); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for charge, err := range Charges(name) {
		if err != nil {
			t.Fatal(err)
		}
		seen[charge.Reference] = true
	}
	if len(seen) != writers*each {
		t.Errorf("%d lines in the file, want %d", len(seen), writers*each)
	}
}

func TestLedger_afterAFailedWriteNothingIsSaidToBeWritten(t *testing.T) {
	l, err := openLedger(ledgerFile(t, ""), discard)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.file.Close(); err != nil { // the disk is gone
		t.Fatal(err)
	}
	for range 2 {
		b, err := l.add([]byte("x\n"))
		if err != nil {
			t.Fatal(err)
		}
		if b.wait() == nil {
			t.Error("a line that is not on the disk was said to be")
		}
	}
	if l.close() == nil {
		t.Error("close hides the failed write")
	}
	if _, err := l.add(nil); !errors.Is(err, errLedgerClosed) {
		t.Errorf("add after close: %v", err)
	}
}

func TestReadLedger_countsDoublesAndDecisions(t *testing.T) {
	again := testEntry(4, succeeded)
	again.Reference = "pay_1"
	third := testEntry(5, succeeded)
	third.Reference, third.Currency = "pay_1", "BRL"
	var content string
	for _, e := range []entry{
		testEntry(1, succeeded), testEntry(2, declined), testEntry(3, pending), again, third,
		testEntry(3, succeeded), testEntry(6, pending), testEntry(7, pending), testEntry(7, declined),
	} {
		content += lineOf(t, e)
	}
	file := ledgerFile(t, content)
	got, err := ReadLedger(file)
	if err != nil {
		t.Fatal(err)
	}
	want := Summary{Charges: 4, References: 2, Doubled: 1, Declined: 2, Pending: 1}
	if got.Charges != want.Charges || got.References != want.References || got.Doubled != want.Doubled ||
		got.Declined != want.Declined || got.Pending != want.Pending {
		t.Errorf("summary is %+v, want %+v", got, want)
	}
	if got.Sums["EUR"] != 101+104+103 || got.Sums["BRL"] != 105 {
		t.Errorf("sums are %v", got.Sums)
	}
	engine, err := Open(Options{Ledger: file, PendingFor: 1 << 40})
	if err != nil {
		t.Fatal(err)
	}
	defer engine.Close()
	if memory := engine.Summary(); fmt.Sprint(memory) != fmt.Sprint(got) {
		t.Errorf("the engine counts %+v, the file %+v", memory, got)
	}
}

func TestCharges_givesEachMovementOfMoneyUntilTheReaderStops(t *testing.T) {
	file := ledgerFile(t, lineOf(t, testEntry(1, succeeded))+lineOf(t, testEntry(2, declined))+lineOf(t, testEntry(3, succeeded)))
	var got []string
	for charge, err := range Charges(file) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, charge.ID+" "+charge.Reference+" "+charge.Money.String())
	}
	if fmt.Sprint(got) != "[ch_1 pay_1 1.01 EUR ch_3 pay_3 1.03 EUR]" {
		t.Errorf("charges are %v", got)
	}
	n := 0
	for range Charges(file) {
		n++
		break
	}
	if n != 1 {
		t.Errorf("%d charges before the reader stopped", n)
	}
	for _, err := range Charges(filepath.Join(t.TempDir(), "none")) {
		if !errors.Is(err, os.ErrNotExist) {
			t.Errorf("error of a missing file is %v", err)
		}
	}
}

func TestOpen_refusesImpossibleOptions(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ledger.ndjson")
	nan := 0.0
	nan /= nan
	for name, opts := range map[string]Options{
		"Ledger":         {},
		"Decline":        {Ledger: file, Decline: 1.1},
		"Pending":        {Ledger: file, Pending: -0.1},
		"PendingDecline": {Ledger: file, PendingDecline: nan},
		"beside it":      {Ledger: file, Decline: 0.6, Pending: 0.6},
		"WrongAmount":    {Ledger: file, Faults: Faults{WrongAmount: 2}},
		"Late":           {Ledger: file, Faults: Faults{Late: 2}},
		"together":       {Ledger: file, Faults: Faults{Hang: 0.9, Garbage: 0.2}},
		"Error":          {Ledger: file, Lookups: LookupFaults{Error: -1}},
		"Latency":        {Ledger: file, Latency: -1},
		"HangTimeout":    {Ledger: file, Faults: Faults{HangTimeout: -1}},
		"SendsMax":       {Ledger: file, Faults: Faults{SendsMax: -1}},
	} {
		_, err := Open(opts)
		coded, isCoded := errors.AsType[*payment.Error](err)
		if !isCoded || coded.Code != payment.CodeConfig || !strings.Contains(coded.Detail, name) {
			t.Errorf("%s: error is %v", name, err)
		}
	}
	if _, err := os.Stat(file); !errors.Is(err, os.ErrNotExist) {
		t.Error("refused options left a file")
	}
}
