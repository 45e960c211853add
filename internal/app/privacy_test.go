package app_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/paybuf/paybuf/internal/app"
	"github.com/paybuf/paybuf/processor/payer/simulator"
)

// What must never be in a log, whatever happens.
const (
	cardNumber  = "4111111111111111"
	cardGrouped = "4111 1111 1111 1111"
	method      = "tok_zqmethod"
	description = "zqdescription"
	customer    = "zqcustomer"
	metadata    = "zqmetadata"
	payerToken  = "zqpayertoken"
)

// secretOrder is a request full of what must not be logged.
func secretOrder(number string, minor int) string {
	return fmt.Sprintf(`{"order_number":%q,"amount":%d,"currency":"EUR","payment_method":%q,`+
		`"customer":%q,"description":%q,"metadata":{"k":%q}}`, number, minor, method, customer, description, metadata)
}

func TestLog_neverHoldsASecretOrWhatWasBought(t *testing.T) {
	t.Parallel()
	database := newCluster(t)
	in := installOn(t, database.running.URL(), newPayer(t, func(o *simulator.Options) {
		o.Decline = 0.3
		o.Faults = simulator.Faults{Garbage: 0.2, WrongAmount: 0.2, ErrorAfter: 0.2, ResetAfter: 0.2, SendsMax: 1}
	}))
	opts := in.options(app.Roles()...)
	opts.Payer.Token = payerToken
	p := in.startWith(opts)
	p.awaitReady("")
	c := in.client(p, "acme")

	for i := range 30 {
		c.await(c.post(secretOrder("A-"+itoa(i), 100)).shown.ID)
	}
	provoke(in, c)
	database.stop()
	waiting := c.post(secretOrder("B-1", 100)).shown.ID
	c.get("/v1/payments/" + string(waiting))
	eventually(t, "the outage is logged", func() bool { return strings.Contains(in.logs.String(), "the ledger fails") })
	database.start()
	c.await(waiting)
	p.stop()

	log := in.logs.String()
	for _, said := range []string{"msg=request", "msg=payment", "dead letter", "mismatch=true", "status=409"} {
		if !strings.Contains(log, said) {
			t.Errorf("the test proves little: there is no %q in the log", said)
		}
	}
	secretPart := c.key[strings.LastIndex(c.key, "_")+1:]
	for what, secret := range map[string]string{
		"an API key": secretPart, "a payment method": method, "a card number": cardNumber,
		"a card number in groups": cardGrouped, "a description": description, "a customer": customer,
		"metadata": metadata, "the payer's token": payerToken, "the database's password": passwordOf(t, in.postgres),
		"the id key":   base64.StdEncoding.EncodeToString(in.secrets.IDKey),
		"the auth key": base64.StdEncoding.EncodeToString(in.secrets.AuthKey),
	} {
		if at := strings.Index(strings.ToLower(log), strings.ToLower(secret)); at >= 0 {
			t.Errorf("%s is in the log: ...%s", what, log[max(0, at-300):min(len(log), at+100)])
		}
	}
}

// provoke makes everybody complain who has something to say.
func provoke(in *installation, c *caller) {
	in.t.Helper()
	for body, want := range map[string]int{
		secretOrder("A-1", 999): http.StatusConflict,
		secretOrder("A-1", -1):  http.StatusUnprocessableEntity,
		strings.ReplaceAll(secretOrder("C-1", 1), method, cardNumber):       http.StatusUnprocessableEntity,
		strings.ReplaceAll(secretOrder("C-2", 1), description, cardGrouped): http.StatusUnprocessableEntity,
		secretOrder("C-3", 1)[:120]:                                         http.StatusBadRequest,
		`{"` + method + `":1,"` + cardNumber + `":2}`:                       http.StatusUnprocessableEntity,
		`"` + description + `"`:                                             http.StatusUnprocessableEntity,
		method + description:                                                http.StatusBadRequest,
	} {
		if got := c.post(body); got.status != want {
			in.t.Errorf("%s is answered %d %s", body, got.status, got.text)
		}
	}
	c.get("/v1/payments/" + method)
	c.get("/v1/payments?order_number=" + url.QueryEscape(cardGrouped) + "&" + description + "=1")
	c.get("/" + method)
	newCaller(in.t, c.url, c.key[:len(c.key)-1]+other(c.key[len(c.key)-1])).post(secretOrder("D-1", 1))
	newCaller(in.t, c.url, payerToken).post(secretOrder("D-1", 1))

	for _, poison := range []string{
		strings.Replace(secretOrder("E-1", 100), "100", `"`+method+`"`, 1), method + " " + cardNumber,
		`{"v":1,"` + method + `":"` + description + `","` + cardNumber + `":1}`,
		`{"v":1,"order_number":` + cardNumber + `}`,
		`{"v":1,"id":"` + method + `","tenant":"` + customer + `"}`,
		`{"v":1,"amount":1.5,"currency":"` + method + `","metadata":"` + metadata + `"}`,
		`{"v":1,"id":"pay_` + strings.Repeat("a", 26) + `","tenant":"acme","order_number":"E","amount":1,"currency":"` +
			method + `","payment_method":"` + method + `"}`,
	} {
		in.broker.publish("paybuf.intake.0.poison", []byte(poison))
	}
	eventually(in.t, "dead letters", func() bool { return in.count("SELECT count(*) FROM dead_letters") == "7" })
}

func passwordOf(t *testing.T, databaseURL string) string {
	t.Helper()
	parsed, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	password, given := parsed.User.Password()
	if !given || len(password) < 8 {
		t.Fatal("the database has no password")
	}
	return password
}
