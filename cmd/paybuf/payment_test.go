package main

import (
	"os/user"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/paybuf/paybuf/internal/local/localtest"
)

// paymentShown is a payment as scripts see it.
type paymentShown struct {
	ID             string `json:"id"`
	Tenant         string `json:"tenant"`
	OrderNumber    string `json:"order_number"`
	Amount         *int64 `json:"amount"`
	State          string `json:"state"`
	Version        int64  `json:"version"`
	PayerReference string `json:"payer_reference"`
	FailureCode    string `json:"failure_code"`
	FailureMessage string `json:"failure_message"`
}

// storyShown is what `paybuf payment show --json` prints.
type storyShown struct {
	Payment paymentShown `json:"payment"`
	Calls   []struct {
		Kind       string     `json:"kind"`
		Verdict    string     `json:"verdict"`
		HTTPStatus int        `json:"http_status"`
		RequestID  string     `json:"request_id"`
		Excerpt    string     `json:"excerpt"`
		EndedAt    *time.Time `json:"ended_at"`
	} `json:"calls"`
	Releases []struct {
		Version  int64  `json:"version"`
		To       string `json:"to"`
		Operator string `json:"operator"`
		Reason   string `json:"reason"`
	} `json:"releases"`
}

// ids of payments that parkedPayments makes.
const (
	parkedID = "pay_aaaaaaaaaaaaaaaaaaaaaaaaaa"
	latestID = "pay_baaaaaaaaaaaaaaaaaaaaaaaaa"
	bareID   = "pay_caaaaaaaaaaaaaaaaaaaaaaaaa"
)

// parkedPayments is a database with two parked payments and a bare one.
func parkedPayments(t *testing.T) (postgresURL string) {
	t.Helper()
	postgresURL, _ = migrated(t)
	const insertSQL = `INSERT INTO payments (id, tenant_id, order_number, amount_minor, currency, payment_method,
		fingerprint, state, failure_code, version, attempts, updated_at, customer, description, metadata,
		accepted_at, created_at) `
	for _, sql := range []string{
		insertSQL + `SELECT id, 'acme', number, amount, currency, method, fingerprint, state, failure, 3, 1, now() - age,
			'', '', '{}', now(), now() FROM (VALUES
			('` + parkedID + `', 'A-1', 1999, 'EUR', 'tok_secret', sha256('a'), 'parked', 'outcome_unknown', interval '2 hours'),
			('` + latestID + `', 'A-2', 500, 'EUR', 'tok_secret', sha256('b'), 'parked', 'retries_exhausted', interval '1 hour'),
			('` + bareID + `', 'A-3', NULL, NULL, NULL, NULL, 'canceled', '', interval '0'))
			AS p (id, number, amount, currency, method, fingerprint, state, failure, age)`,
		`INSERT INTO attempts (payment_id, version, kind, number, started_at, ended_at, verdict, http_status, request_id, excerpt)
			VALUES ('` + parkedID + `', 1, 'charge', 1, now(), now(), 'unknown', 502, 'req_77', 'bad gateway')`,
	} {
		localtest.Query(t, postgresURL, sql)
	}
	return postgresURL
}

func TestPayment_listShowsTheLongestParkedFirst(t *testing.T) {
	t.Setenv("PAYBUF_POSTGRES", parkedPayments(t))
	listed := read[[]paymentShown](t, must(t, "payment", "list", "--state", "parked", "--json"))
	if len(listed) != 2 || listed[0].ID != parkedID || listed[1].ID != latestID || *listed[0].Amount != 1999 {
		t.Errorf("listed are %+v", listed)
	}
	equal(t, "lines with a limit", strings.Count(must(t, "payment", "list", "--limit", "1"), "\n"), 2)
	equal(t, "none", must(t, "payment", "list", "--state", "unknown", "--json"), "[]\n")
	refuse(t, exitUsage, "succeeded are not listed", "payment", "list", "--state", "succeeded")
	refuse(t, exitUsage, "not a payment state", "payment", "list", "--state", "lost")
	refuse(t, exitUsage, "--limit must be greater than 0", "payment", "list", "--limit", "0")
}

func TestPayment_showTellsTheWholeStoryAndNoSecret(t *testing.T) {
	t.Setenv("PAYBUF_POSTGRES", parkedPayments(t))
	printed := must(t, "payment", "show", parkedID, "--json")
	story := read[storyShown](t, printed)
	if p := story.Payment; p.State != "parked" || p.Tenant != "acme" || p.Version != 3 || p.FailureCode != "outcome_unknown" {
		t.Errorf("the payment is %+v", p)
	}
	if len(story.Calls) != 1 || story.Calls[0].Kind != "charge" || story.Calls[0].Verdict != "unknown" ||
		story.Calls[0].HTTPStatus != 502 || story.Calls[0].EndedAt == nil {
		t.Errorf("the calls are %+v", story.Calls)
	}
	table := must(t, "payment", "show", parkedID)
	for _, text := range []string{parkedID, "parked", "A-1", "19.99 EUR", "outcome_unknown", "req_77", "bad gateway", "502"} {
		if !strings.Contains(table, text) {
			t.Errorf("it does not show %q:\n%s", text, table)
		}
	}
	if strings.Contains(table+printed, "tok_secret") {
		t.Error("the payment method is shown")
	}
	if bare := read[storyShown](t, must(t, "payment", "show", bareID, "--json")).Payment; bare.Amount != nil || bare.State != "canceled" {
		t.Errorf("the bare one is %+v", bare)
	}
	if table := must(t, "payment", "show", bareID); strings.Contains(table, `""`) || !strings.Contains(strings.Join(strings.Fields(table), " "), "amount -") {
		t.Errorf("what the bare one does not have is shown:\n%s", table)
	}
	refuse(t, exitFailed, "no such payment", "payment", "show", "pay_daaaaaaaaaaaaaaaaaaaaaaaaa")
	refuse(t, exitUsage, "not a payment id", "payment", "show", "pay_1")
}

func TestPayment_releaseIsMadeOnceAndStaysOnRecord(t *testing.T) {
	t.Setenv("PAYBUF_POSTGRES", parkedPayments(t))
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	release := func(id, to string, more ...string) []string {
		return append([]string{"payment", "release", id, "--to", to, "--version", "3", "--reason", "asked them"}, more...)
	}
	printed := must(t, release(parkedID, "succeeded", "--payer-reference", "ch_1", "--json")...)
	if p := read[paymentShown](t, printed); p.State != "succeeded" || p.Version != 4 || p.PayerReference != "ch_1" {
		t.Errorf("released is %+v", p)
	}
	refuse(t, exitFailed, "succeeded in version 4", release(parkedID, "failed")...)
	refuse(t, exitFailed, "canceled in version 3", release(bareID, "retrying")...)
	story := read[storyShown](t, must(t, "payment", "show", parkedID, "--json"))
	if len(story.Releases) != 1 || story.Releases[0].Operator != me.Username || story.Releases[0].Reason != "asked them" ||
		story.Releases[0].To != "succeeded" || story.Releases[0].Version != 3 {
		t.Errorf("on record are %+v", story.Releases)
	}
	must(t, release(latestID, "failed", "--operator", "grace")...)
	failed := read[storyShown](t, must(t, "payment", "show", latestID, "--json"))
	equal(t, "the tenant's reason", failed.Payment.FailureCode+" "+failed.Payment.FailureMessage, "released_as_failed asked them")
	equal(t, "who", failed.Releases[0].Operator, "grace")
	if table := must(t, "payment", "show", latestID); !strings.Contains(table, "grace") {
		t.Errorf("the table does not say who:\n%s", table)
	}
}

func TestPayment_releaseNamesWhatIsMissing(t *testing.T) {
	t.Setenv("PAYBUF_POSTGRES", parkedPayments(t))
	whole := map[string]string{
		"--to": "succeeded", "--version": strconv.Itoa(3), "--reason": "r", "--operator": "ada", "--payer-reference": "ch_1",
	}
	for missing := range whole {
		args := []string{"payment", "release", parkedID}
		for flag, value := range whole {
			switch {
			case flag != missing:
				args = append(args, flag, value)
			case flag == "--operator": // otherwise it is who the system says
				args = append(args, flag, "")
			}
		}
		refuse(t, exitUsage, missing, args...)
	}
	refuse(t, exitUsage, "--to must be", "payment", "release", parkedID,
		"--to", "paying", "--version", "3", "--reason", "r", "--operator", "ada")
	refuse(t, exitUsage, "card number", "payment", "release", parkedID,
		"--to", "failed", "--version", "3", "--reason", "it was 4242424242424242", "--operator", "ada")
	equal(t, "still parked", read[storyShown](t, must(t, "payment", "show", parkedID, "--json")).Payment.State, "parked")
}
