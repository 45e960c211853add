package httppayer_test

import (
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/paybuf/paybuf/payment"
	"github.com/paybuf/paybuf/processor/payer/httppayer"
	"github.com/paybuf/paybuf/processor/payer/payertest"
)

func TestNew_refusesWhatCannotWork(t *testing.T) {
	const good = "http://127.0.0.1:9090"
	for name, c := range map[string]struct {
		url string
		cfg httppayer.Config
	}{
		"nothing":              {url: ""},
		"no scheme":            {url: "127.0.0.1:9090"},
		"another scheme":       {url: "ftp://payer.example"},
		"no host":              {url: "http:///charges"},
		"only a port":          {url: "http://:9090"},
		"a password":           {url: "https://user:hunter2@payer.example"},
		"a password, bad port": {url: "https://user:hunter2@payer.example:x"},
		"a query":              {url: "https://payer.example?key=hunter2"},
		"an empty query":       {url: "https://payer.example?"},
		"a fragment":           {url: "https://payer.example#hunter2"},
		"a negative time-out":  {good, httppayer.Config{Timeout: -1}},
		"a negative look-up":   {good, httppayer.Config{LookupTimeout: -1}},
		"negative connections": {good, httppayer.Config{Connections: -1}},
		"a token of two lines": {good, httppayer.Config{Token: "hunter2\r\nX: y"}},
		"a token of two words": {good, httppayer.Config{Token: "hunter2 3"}},
	} {
		_, err := httppayer.New(c.url, c.cfg)
		coded, isCoded := errors.AsType[*payment.Error](err)
		if !isCoded || coded.Code != payment.CodeConfig {
			t.Errorf("%s: error is %v, want a configuration error", name, err)
			continue
		}
		if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: the secret is in the error: %v", name, err)
		}
	}
}

func TestTraits_areTheOperators(t *testing.T) {
	byDefault := dial(t, "https://payer.example", httppayer.Config{}).Traits()
	if byDefault.KeyWindow != 24*time.Hour || !byDefault.CanLookup || byDefault.VisibilityDelay <= 0 {
		t.Errorf("by default %+v", byDefault)
	}
	none := dial(t, "https://payer.example", httppayer.Config{Traits: &payment.Traits{}}).Traits()
	if none != (payment.Traits{}) {
		t.Errorf("a payer that offers nothing has %+v", none)
	}
}

func TestLookup_isNotSentToAPayerThatCannotBeAsked(t *testing.T) {
	var sends atomic.Int64
	payer := serve(t, func(http.ResponseWriter, *http.Request) { sends.Add(1) },
		httppayer.Config{Traits: &payment.Traits{KeyWindow: time.Hour}})
	request := payertest.NewRequest(t)
	answer := payer.Lookup(t.Context(), request.ID, request.Money)
	if answer.Verdict != payment.VerdictUnknown || answer.Failure.Code != "payer_no_lookup" {
		t.Errorf("answer is %s, %q", answer.Verdict, answer.Failure.Code)
	}
	if sends.Load() != 0 {
		t.Error("it was sent")
	}
}

func TestConfig_isNotSharedWithTheCaller(t *testing.T) {
	traits := payment.Traits{CanLookup: true}
	payer := dial(t, "https://payer.example", httppayer.Config{Traits: &traits})
	traits.CanLookup = false
	if !payer.Traits().CanLookup {
		t.Error("the traits changed after New")
	}
}
