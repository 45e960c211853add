package client_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paybuf/paybuf/client"
	"github.com/paybuf/paybuf/payment"
)

const (
	secret    = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	oldSecret = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
)

// signed are the headers of a body, made without the code under test.
func signed(t *testing.T, secret, id string, at time.Time, body string) http.Header {
	t.Helper()
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil {
		t.Fatal(err)
	}
	stamp := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, key)
	_, _ = io.WriteString(mac, id+"."+stamp+"."+body)
	header := http.Header{}
	header.Set("webhook-id", id)
	header.Set("webhook-timestamp", stamp)
	header.Set("webhook-signature", "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	return header
}

func verifier(t *testing.T, secrets ...string) *client.Webhook {
	t.Helper()
	w, err := client.NewWebhook(secrets...)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func TestWebhook_givesTheEventOfAGenuineOne(t *testing.T) {
	body := eventJSON(3, payment.Paying, payment.Succeeded)
	event, err := verifier(t, secret).Verify(signed(t, secret, "evt_x_3", time.Now(), body), []byte(body))
	if err != nil || event.Type != "payment.succeeded" || event.Data.State != payment.Succeeded || string(event.JSON) != body {
		t.Errorf("got %+v, %v", event, err)
	}
}

func TestWebhook_eitherSecretCountsWhileTheyAreExchanged(t *testing.T) {
	body := eventJSON(3, payment.Paying, payment.Succeeded)
	for _, by := range []string{secret, oldSecret} {
		if _, err := verifier(t, secret, oldSecret).Verify(signed(t, by, "evt_x_3", time.Now(), body), []byte(body)); err != nil {
			t.Error(err)
		}
	}
	both := signed(t, secret, "evt_x_3", time.Now(), body)
	old := signed(t, oldSecret, "evt_x_3", time.Now(), body)
	both.Set("webhook-signature", old.Get("webhook-signature")+" v2,other "+both.Get("webhook-signature"))
	if _, err := verifier(t, secret).Verify(both, []byte(body)); err != nil {
		t.Error(err)
	}
}

func TestWebhook_saysWhichCheckHasFailed(t *testing.T) {
	body := eventJSON(3, payment.Paying, payment.Succeeded)
	now := time.Now()
	set := func(name, value string) http.Header {
		header := signed(t, secret, "evt_x_3", now, body)
		header.Set(name, value)
		return header
	}
	for name, test := range map[string]struct {
		header http.Header
		body   string
		want   error
		text   string
	}{
		"nothing at all":    {http.Header{}, body, client.ErrWebhookHeader, "webhook-id"},
		"no time":           {set("webhook-timestamp", ""), body, client.ErrWebhookHeader, "webhook-timestamp"},
		"no signature":      {set("webhook-signature", ""), body, client.ErrWebhookHeader, "webhook-signature"},
		"a date":            {set("webhook-timestamp", "2026-11-21"), body, client.ErrWebhookHeader, "unix"},
		"old":               {signed(t, secret, "evt_x_3", now.Add(-6*time.Minute), body), body, client.ErrWebhookTime, "old"},
		"ahead":             {signed(t, secret, "evt_x_3", now.Add(6*time.Minute), body), body, client.ErrWebhookTime, "ahead"},
		"another secret":    {signed(t, oldSecret, "evt_x_3", now, body), body, client.ErrWebhookSignature, ""},
		"another body":      {signed(t, secret, "evt_x_3", now, body), body + " ", client.ErrWebhookSignature, ""},
		"another id":        {set("webhook-id", "evt_x_4"), body, client.ErrWebhookSignature, ""},
		"moved in time":     {set("webhook-timestamp", strconv.FormatInt(now.Unix()+1, 10)), body, client.ErrWebhookSignature, ""},
		"another version":   {set("webhook-signature", "v9,"+"AAAA"), body, client.ErrWebhookSignature, ""},
		"no event, genuine": {signed(t, secret, "evt_x_3", now, `{}`), `{}`, client.ErrWebhookBody, ""},
	} {
		event, err := verifier(t, secret).Verify(test.header, []byte(test.body))
		if !errors.Is(err, test.want) || !strings.Contains(err.Error(), test.text) || event.ID != "" {
			t.Errorf("%s: got %+v, %v", name, event, err)
		}
	}
}

func TestWebhook_aSecretThatIsNoneIsRefusedAndNotRepeated(t *testing.T) {
	for name, secrets := range map[string][]string{
		"none":       {},
		"empty":      {""},
		"no prefix":  {strings.TrimPrefix(secret, "whsec_")},
		"no base64":  {"whsec_*hidden*"},
		"short":      {"whsec_aGlkZGVu"},
		"long":       {"whsec_" + base64.StdEncoding.EncodeToString(make([]byte, 65))},
		"the second": {secret, "whsec_aGlkZGVu"},
	} {
		_, err := client.NewWebhook(secrets...)
		if err == nil || strings.Contains(err.Error(), "hidden") || strings.Contains(err.Error(), "aGlkZGVu") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestWebhook_readsNoMoreThanAnEventCanHave(t *testing.T) {
	w := verifier(t, secret)
	request := func(body string) *http.Request {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(body))
		r.Header = signed(t, secret, "evt_x_3", time.Now(), body)
		return r
	}
	if event, err := w.Read(request(eventJSON(3, payment.Paying, payment.Failed))); err != nil || event.Sequence != 3 {
		t.Errorf("got %+v, %v", event, err)
	}
	if _, err := w.Read(request(strings.Repeat(" ", 1<<20) + "{}")); !errors.Is(err, client.ErrWebhookBody) {
		t.Errorf("got %v", err)
	}
	broken := request("{}")
	broken.Body = io.NopCloser(io.MultiReader(strings.NewReader("{"), brokenReader{}))
	if _, err := w.Read(broken); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got %v", err)
	}
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestWebhook_signsAsItVerifies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		body := eventJSON(3, payment.Paying, payment.Succeeded)
		header := http.Header{}
		if err := verifier(t, secret, oldSecret).Sign(header, "evt_x_3", time.Now(), []byte(body)); err != nil {
			t.Fatal(err)
		}
		first := signed(t, secret, "evt_x_3", time.Now(), body).Get("webhook-signature")
		second := signed(t, oldSecret, "evt_x_3", time.Now(), body).Get("webhook-signature")
		if got := header.Get("webhook-signature"); got != first+" "+second || header.Get("Content-Type") != "application/json" {
			t.Errorf("got %q", got)
		}
		if _, err := verifier(t, oldSecret).Verify(header, []byte(body)); err != nil {
			t.Error(err)
		}
		time.Sleep(5*time.Minute + time.Second)
		if _, err := verifier(t, oldSecret).Verify(header, []byte(body)); !errors.Is(err, client.ErrWebhookTime) {
			t.Errorf("got %v", err)
		}
	})
}
