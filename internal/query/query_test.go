package query_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/paybuf/paybuf/internal/query"
	"github.com/paybuf/paybuf/payment"
)

// read reads a query that must be readable.
func read(t *testing.T, rawQuery string, known ...string) *query.Query {
	t.Helper()
	q, err := query.Read(rawQuery, known...)
	if err != nil {
		t.Fatalf("%s: %v", rawQuery, err)
	}
	return q
}

// wantDetail checks what a refusal says, and its code.
func wantDetail(t *testing.T, err error, code payment.Code, detail string) {
	t.Helper()
	if got, says := payment.CodeOf(err); err == nil || got != code || says != detail {
		t.Errorf("got %s %q, want %s %q", got, says, code, detail)
	}
}

func TestRead_givesWhatIsThereOnce(t *testing.T) {
	q := read(t, "state=paying&limit=7&since=2026-11-21T09:00:00%2B01:00&empty=", "state", "limit", "since", "empty", "absent")
	state, given := q.Text("state")
	if state != "paying" || !given || q.Limit() != 7 {
		t.Errorf("got state %q, limit %d", state, q.Limit())
	}
	if want := time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC); !q.Time("since").Equal(want) {
		t.Errorf("got since %v", q.Time("since"))
	}
	if value, given := q.Text("empty"); value != "" || !given {
		t.Errorf("empty: got %q, %t", value, given)
	}
	if _, given := q.Text("absent"); given || !q.Time("absent").IsZero() {
		t.Error("what is absent was given")
	}
	if err := q.Err(); err != nil {
		t.Error(err)
	}
	if limit := read(t, "").Limit(); limit != 100 {
		t.Errorf("without a limit it is %d", limit)
	}
}

func TestErr_namesAllThatIsWrong(t *testing.T) {
	q := read(t, "limit=0&since=yesterday&state=a&state=b&foo=1", "since", "limit", "state", "until")
	q.Limit()
	q.Time("since")
	q.Require("state")
	q.Require("until")
	q.RefuseCursor()
	wantDetail(t, q.Err(), payment.CodeInvalid, strings.Join([]string{
		`the query has an unknown parameter "foo"; since, limit, state and until are known`,
		"state is given more than once", "limit must be 1 to 1000",
		"since must be an RFC 3339 time such as 2026-11-21T09:00:00Z (in a query, + is written %2B)",
		"until is required", "cursor must be the next_cursor of an answer",
	}, "; "))
	if _, given := q.Text("state"); given {
		t.Error("what is there twice was given")
	}
}

func TestErr_isBounded(t *testing.T) {
	q := read(t, strings.Repeat("x", 3)+"=1")
	for range 1000 {
		q.Refuse("again")
	}
	if _, detail := payment.CodeOf(q.Err()); strings.Count(detail, "again") != 9 {
		t.Errorf("got %d bytes", len(detail))
	}
}

func TestRead_saysWhatIsKnown(t *testing.T) {
	long := strings.Repeat("x", 65)
	for _, test := range []struct {
		query  string
		known  []string
		detail string
	}{
		{"x=1", nil, `the query has an unknown parameter "x"; none is known here`},
		{"x=1", []string{"after"}, `the query has an unknown parameter "x"; only after is known`},
		{"x=1", []string{"a", "b"}, `the query has an unknown parameter "x"; a and b are known`},
		{"State=1", []string{"state", "b"}, `the query has an unknown parameter "State"; state and b are known`},
		{"4242424242424242=1", nil, "the query has an unknown parameter; none is known here"},
		{long + "=1", nil, "the query has an unknown parameter; none is known here"},
		{"%FF=1", nil, "the query has an unknown parameter; none is known here"},
	} {
		wantDetail(t, read(t, test.query, test.known...).Err(), payment.CodeInvalid, test.detail)
	}
}

func TestRead_refusesWhatIsNoQuery(t *testing.T) {
	for _, rawQuery := range []string{"%zz", "a=1;b=2", "a=%"} {
		_, err := query.Read(rawQuery, "a", "b")
		wantDetail(t, err, payment.CodeMalformed, "the query cannot be read")
		wantDetail(t, query.None(rawQuery), payment.CodeMalformed, "the query cannot be read")
	}
}

func TestNone_refusesAnyParameter(t *testing.T) {
	if err := query.None(""); err != nil {
		t.Error(err)
	}
	wantDetail(t, query.None("a=1"), payment.CodeInvalid, `the query has an unknown parameter "a"; none is known here`)
}

func TestRefuseFor_aCardNumberIsRefusedAlone(t *testing.T) {
	q := read(t, "name=1")
	q.RefuseFor(payment.CheckOrderNumber("4242424242424242"))
	q.RefuseFor(errors.New("what a database says"))
	wantDetail(t, q.Err(), payment.CodeCardNumber, "an order number must not contain a card number")
}

func TestRefuseFor_showsOnlyWhatIsSafe(t *testing.T) {
	q := read(t, "")
	q.RefuseFor(errors.New("what a database says"))
	wantDetail(t, q.Err(), payment.CodeInvalid, "internal error")
}

func TestLimit_isWithinItsBounds(t *testing.T) {
	for value, ok := range map[string]bool{"1": true, "1000": true, "0": false, "1001": false, "-1": false, "x": false, "": false, "1.0": false} {
		q := read(t, "limit="+value, query.LimitParameter)
		if limit := q.Limit(); (q.Err() == nil) != ok || limit < 1 || limit > query.LimitMax {
			t.Errorf("%q: got %d, %v", value, limit, q.Err())
		}
	}
}
