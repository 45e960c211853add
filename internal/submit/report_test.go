package submit

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/paybuf/paybuf/payment"
)

func fullSummary() Summary {
	return Summary{
		Requests: 12_345, Accepted: 12_000, Duplicates: 200, Conflicts: 100, Refused: 43, LostRequests: 2,
		Refusals: []Refusal{
			{Row: Row{Pass: 1, Line: 7}, Code: payment.CodeInvalid, Detail: "/amount must be\x1b[2J greater than 0"},
			{Row: Row{Pass: 2, Line: 7}, Code: payment.CodeInvalid, Detail: "again"},
		},
		LostRows: []Row{{Pass: 1, Line: 9}, {Pass: 2, Line: 3}}, LastError: "connection refused",
		Retries: 17, Stopped: "gone",
		Duration: 10 * time.Second, LatencyP50: 2100 * time.Microsecond, LatencyP99: 1234 * time.Millisecond,
		Settlement: &Settlement{
			Payments: 12_000, Succeeded: 11_990, Failed: 5, Canceled: 1, Parked: 1, Unsettled: 3,
			SucceededMinor: map[string]int64{"JPY": 5, "EUR": 1_234_567_890}, Duration: 61 * time.Second,
			LastError: "HTTP 404",
		},
	}
}

func TestSummary_isATableForPeople(t *testing.T) {
	var out bytes.Buffer
	if err := fullSummary().write(&out); err != nil {
		t.Fatal(err)
	}
	const want = `requests               12,345  in 10s, 1,234/s, p50 2.1ms, p99 1.234s
  accepted             12,000  new payments
  same again              200  answered with the first answer
  another body            100  conflicts: the order number is taken
  refused                  43  not payments: something must change
  lost                      2  without a definite answer
retried sends              17
payments               12,000  distinct, waited for 1m1s
  succeeded            11,990
  failed                    5
  canceled                  1
  parked                    1  wait for a human
  unsettled                 3  not final in time
sum succeeded   1,234,567,890  EUR in minor units
sum succeeded               5  JPY in minor units

refused, the first 2 of 43:
  line 7: invalid_request: /amount must be [2J greater than 0
  line 7 (pass 2): invalid_request: again

lost, the first 2 of 2: line 9, 3 (pass 2)
  the latest because of: connection refused

unsettled; a payment could not be read: HTTP 404

stopped before the end of the input: gone

The same file may be sent again: an order number is paid at most once.
`
	if got := out.String(); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func TestSummary_isOneJSONObjectForPrograms(t *testing.T) {
	var out bytes.Buffer
	if err := fullSummary().writeJSON(&out); err != nil {
		t.Fatal(err)
	}
	const want = `{"requests":12345,"accepted":12000,"duplicates":200,"conflicts":100,"refused":43,"lost":2,"retries":17,` +
		`"refusals":[{"pass":1,"line":7,"code":"invalid_request","detail":"/amount must be\u001b[2J greater than 0"},` +
		`{"pass":2,"line":7,"code":"invalid_request","detail":"again"}],` +
		`"lost_rows":[{"pass":1,"line":9},{"pass":2,"line":3}],"last_error":"connection refused","stopped":"gone",` +
		`"interrupted":false,"duration_seconds":10,"per_second":1234.3,` +
		`"latency_p50_seconds":0.0021,"latency_p99_seconds":1.234,` +
		`"settlement":{"payments":12000,"succeeded":11990,"failed":5,"canceled":1,"parked":1,"unsettled":3,` +
		`"succeeded_minor":{"EUR":1234567890,"JPY":5},"duration_seconds":61,"last_error":"HTTP 404"}}` + "\n"
	if got := out.String(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestSummary_emptyListsAreNotNullInJSON(t *testing.T) {
	var out bytes.Buffer
	if err := (Summary{}).writeJSON(&out); err != nil {
		t.Fatal(err)
	}
	var back struct {
		Refusals, LostRows *[]any
		Settlement         *any
	}
	if err := json.Unmarshal(out.Bytes(), &back, json.MatchCaseInsensitiveNames(true)); err != nil {
		t.Fatal(err)
	}
	if back.Refusals == nil || back.Settlement != nil {
		t.Errorf("got %s", out.String())
	}
}

func TestExitCode_isOneForEachKindOfEnd(t *testing.T) {
	lost := Summary{LostRequests: 1}
	unsettled := Summary{Settlement: &Settlement{Unsettled: 1}}
	parked := Summary{Refused: 3, Conflicts: 2, Settlement: &Settlement{Parked: 1, Failed: 1}}
	for name, c := range map[string]struct {
		summary Summary
		err     error
		want    int
	}{
		"all answered":     {parked, nil, ExitAnswered},
		"a row lost":       {lost, nil, ExitLost},
		"unsettled":        {unsettled, nil, ExitLost},
		"the file is bad":  {lost, errors.New("no such file"), ExitUsage},
		"stopped by hand":  {Summary{Interrupted: true, LostRequests: 1}, nil, ExitInterrupted},
		"stopped, and bad": {Summary{Interrupted: true}, errors.New("x"), ExitInterrupted},
	} {
		if got := ExitCode(c.summary, c.err); got != c.want {
			t.Errorf("%s: got %d, want %d", name, got, c.want)
		}
	}
}

func TestGrouped_putsACommaBetweenThousands(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0", 999: "999", 1000: "1,000", -1000: "-1,000", -999: "-999", 1234567: "1,234,567",
		-1 << 63: "-9,223,372,036,854,775,808",
	} {
		if got := grouped(n); got != want {
			t.Errorf("%d: got %s, want %s", n, got, want)
		}
	}
}
