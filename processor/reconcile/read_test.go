package reconcile

import (
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/paybuf/paybuf/internal/table"
	"github.com/paybuf/paybuf/payment"
)

const header = "reference,charge_id,status,amount,currency,charged_at\n"

// readAll reads a statement to its end or its first error.
func readAll(text string, columns Columns) (lines []payment.StatementLine, err error) {
	r, err := newReader(strings.NewReader(text), columns)
	if err != nil {
		return nil, err
	}
	for {
		line, err := r.next()
		if errors.Is(err, io.EOF) {
			return lines, nil
		}
		if err != nil {
			return lines, err
		}
		lines = append(lines, line)
	}
}

func TestRead_takesTheDefaultColumns(t *testing.T) {
	lines, err := readAll("\ufeff"+header+"pay_1,ch_1,succeeded,1999,EUR,2026-11-21T10:00:00.5+01:00\n"+
		",ch_2, Refunded ,0,JPY,2026-11-21T09:00:00Z\n", Columns{})
	if err != nil || len(lines) != 2 {
		t.Fatalf("%d lines, %v", len(lines), err)
	}
	at := time.Date(2026, 11, 21, 9, 0, 0, 5e8, time.UTC)
	if got := lines[0]; got.Reference != "pay_1" || got.ChargeID != "ch_1" || got.Status != payment.ChargeSucceeded ||
		got.AmountMinor != 1999 || got.Currency != "EUR" || !got.ChargedAt.Equal(at) || got.Number != 2 {
		t.Errorf("got %+v", got)
	}
	if got := lines[1]; got.Reference != "" || got.Status != payment.ChargeRefunded || got.AmountMinor != 0 || got.Number != 3 {
		t.Errorf("got %+v", got)
	}
}

func TestRead_columnsAreNamedAndAmountsMayBeMajor(t *testing.T) {
	lines, err := readAll("when;,id,value,ref,extra\n2026-11-21T09:00:00Z,ch_1,19.99,pay_1,x\n", Columns{
		Reference: "ref", ChargeID: "id", Amount: "value", Unit: table.Major, FixedCurrency: "EUR", ChargedAt: "when;",
	})
	if err != nil || len(lines) != 1 || lines[0].AmountMinor != 1999 || lines[0].Status != payment.ChargeSucceeded {
		t.Errorf("got %+v, %v", lines, err)
	}
}

func TestRead_anErrorNamesLineAndColumnAndNeverTheContent(t *testing.T) {
	const card = "4111111111111111"
	good := "pay_1,ch_1,succeeded,1999,EUR,2026-11-21T09:00:00Z\n"
	for _, c := range []struct{ row, want string }{
		{"pay_1," + card + ",succeeded,1999,EUR,2026-11-21T09:00:00Z", `line 3, column "charge_id": holds what may be a card number`},
		{"pay_1,,succeeded,1999,EUR,2026-11-21T09:00:00Z", `line 3, column "charge_id"`},
		{"pay_1,ch\x001,succeeded,1999,EUR,2026-11-21T09:00:00Z", `line 3, column "charge_id"`},
		{"pay_1," + strings.Repeat("x", 256) + ",succeeded,1,EUR,2026-11-21T09:00:00Z", `line 3, column "charge_id"`},
		{strings.Repeat("x", 256) + ",ch_2,succeeded,1,EUR,2026-11-21T09:00:00Z", `line 3, column "reference"`},
		{"pay_1,ch_2," + card + ",1999,EUR,2026-11-21T09:00:00Z", `line 3, column "status": must be one of succeeded`},
		{"pay_1,ch_2,succeeded,19.99,EUR,2026-11-21T09:00:00Z", `line 3, column "amount"`},
		{"pay_1,ch_2,succeeded,-1,EUR,2026-11-21T09:00:00Z", `line 3, column "amount": must not be negative`},
		{"pay_1,ch_2,succeeded,1999," + card + ",2026-11-21T09:00:00Z", `line 3, column "currency"`},
		{"pay_1,ch_2,succeeded,1999,EUR," + card, `line 3, column "charged_at"`},
		{"pay_1,ch_2", "line 3: wrong number of fields"},
		{`pay_1,"ch_2"x,succeeded,1999,EUR,2026-11-21T09:00:00Z`, "line 3: "},
		{`pay_1,"` + strings.Repeat("x\n", table.RowBytesMax), "line 3: a row has more than"},
	} {
		lines, err := readAll(header+good+c.row+"\n"+good, Columns{})
		wrong, ok := errors.AsType[*FormatError](err)
		if !ok || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), card) || wrong.Line != 3 {
			t.Errorf("%.60q: got %v, want %s", c.row, err, c.want)
		}
		if len(lines) != 1 {
			t.Errorf("%.60q: %d lines were read before it", c.row, len(lines))
		}
	}
}

func TestRead_aReferenceThatMayBeACardNumberIsNotKept(t *testing.T) {
	lines, err := readAll(header+"INV 4111 1111 1111 1111 x,ch_1,succeeded,1999,EUR,2026-11-21T09:00:00Z\n", Columns{})
	if err != nil || lines[0].Reference != "INV #### #### #### #### x" {
		t.Errorf("got %+v, %v", lines, err)
	}
}

func TestRead_saysWhichColumnIsMissing(t *testing.T) {
	for _, c := range []struct {
		text    string
		columns Columns
		want    string
	}{
		{"", Columns{}, "the file is empty"},
		{"\xff\xfer\x00", Columns{}, "UTF-16"},
		{"references,charge_id\n", Columns{}, `reference: no column "reference"; the columns are "references", "charge_id"; did you mean "references"?`},
		{header, Columns{Status: "state"}, `status: no column "state"`},
		{header, Columns{Unit: "cents"}, "must be minor or major"},
		{header, Columns{Currency: "currency", FixedCurrency: "EUR"}, "not both"},
	} {
		_, err := readAll(c.text, c.columns)
		if _, ok := errors.AsType[*FormatError](err); !ok || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want %s", err, c.want)
		}
	}
}

func TestRead_aSourceThatBreaksIsNoFormatError(t *testing.T) {
	broken := errors.New("the connection broke")
	r, err := newReader(io.MultiReader(strings.NewReader(header+"pay_1,ch_1,"), errorReader{broken}), Columns{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = r.next()
	if _, wrong := errors.AsType[*FormatError](err); wrong || !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}

type errorReader struct{ err error }

func (e errorReader) Read([]byte) (int, error) { return 0, e.err }
