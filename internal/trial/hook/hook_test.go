package hook_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/paybuf/paybuf/internal/trial/hook"
	"github.com/paybuf/paybuf/payment"
)

var (
	secret = "whsec_" + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{1}, 32))
	newer  = "whsec_" + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{2}, 32))
)

// sender is one that signs as Standard Webhooks says.
type sender struct {
	t        *testing.T
	consumer *hook.Consumer
	spool    string
	secrets  []string
}

func start(t *testing.T) *sender {
	t.Helper()
	s := &sender{t: t, spool: filepath.Join(t.TempDir(), "spool.ndjson"), secrets: []string{secret}}
	var err error
	if s.consumer, err = hook.Start(hook.Config{Spool: s.spool}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.consumer.Close(); err != nil {
			t.Error(err)
		}
	})
	s.trust(secret)
	return s
}

func (s *sender) trust(secret string) {
	s.t.Helper()
	if err := s.consumer.Trust(secret); err != nil {
		s.t.Fatal(err)
	}
}

// event is the id and the body of one.
func event(of string, sequence int64, state payment.State) (id, body string) {
	id = fmt.Sprintf("evt_%s_%d", of, sequence)
	return id, fmt.Sprintf(`{"id":%q,"object":"event","type":"payment.%s","sequence":%d,"payment_id":"pay_%s","version":%d,`+
		`"data":{"order_number":"A-%s","state":%q,"final":%t}}`, id, state, sequence, of, sequence, of, state, state.Final())
}

// request is a delivery, signed by each secret.
func (s *sender) request(id, body string) *http.Request {
	s.t.Helper()
	now := time.Now()
	var signatures []string
	for _, secret := range s.secrets {
		library, err := standardwebhooks.NewWebhook(secret)
		if err != nil {
			s.t.Fatal(err)
		}
		signature, err := library.Sign(id, now, []byte(body))
		if err != nil {
			s.t.Fatal(err)
		}
		signatures = append(signatures, signature)
	}
	post, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, s.consumer.URL(), strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	post.GetBody = nil
	post.Header.Set("Content-Type", "application/json")
	post.Header.Set("webhook-id", id)
	post.Header.Set("webhook-timestamp", strconv.FormatInt(now.Unix(), 10))
	post.Header.Set("webhook-signature", strings.Join(signatures, " "))
	return post
}

// do sends and gives the status, 0 if there was no answer in time.
func (s *sender) do(post *http.Request) int {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(post.Context(), time.Second)
	defer cancel()
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	defer client.CloseIdleConnections()
	response, err := client.Do(post.WithContext(ctx))
	if err != nil {
		return 0
	}
	defer response.Body.Close()
	return response.StatusCode
}

func (s *sender) deliver(of string, sequence int64, state payment.State) int {
	s.t.Helper()
	return s.do(s.request(event(of, sequence, state)))
}

func (s *sender) wantFault(want string) {
	s.t.Helper()
	if _, err := s.consumer.Judge(); err == nil || !strings.Contains(err.Error(), want) {
		s.t.Errorf("Judge: %v, want %q", err, want)
	}
}

func TestJudge_signedInLineAndEqualIsFine(t *testing.T) {
	s := start(t)
	s.deliver("a", 1, payment.Paying)
	s.deliver("b", 2, payment.Paying)
	s.deliver("a", 1, payment.Paying)
	s.deliver("a", 3, payment.Succeeded)
	report, err := s.consumer.Judge()
	if err != nil {
		t.Error(err)
	}
	if err := s.consumer.InLine(); err != nil {
		t.Error(err)
	}
	if want := (hook.Report{Deliveries: 4, Events: 3, Repeats: 1, Forged: 24}); report != want {
		t.Errorf("report %+v, want %+v", report, want)
	}
	lacks := s.consumer.Lacks(map[payment.ID]payment.State{"pay_a": payment.Succeeded, "pay_b": payment.Failed})
	if len(lacks) != 1 || !strings.Contains(lacks[0], "pay_b") {
		t.Errorf("it lacks %q, want pay_b alone", lacks)
	}
	if times := s.consumer.Times(); times["evt_a_1"] != 2 || times["evt_a_3"] != 1 || len(times) != 3 {
		t.Errorf("times %v", times)
	}
}

func TestJudge_eachFaultIsFound(t *testing.T) {
	id, body := event("a", 1, payment.Succeeded)
	for _, test := range []struct {
		name, want string
		send       func(s *sender)
	}{
		{"unsigned", "no secret verifies it", func(s *sender) {
			post := s.request(id, body)
			post.Header.Del("webhook-signature")
			s.do(post)
		}},
		{"another's secret", "no secret verifies it", func(s *sender) {
			s.secrets = []string{newer}
			s.do(s.request(id, body))
		}},
		{"old", "no secret verifies it", func(s *sender) {
			post := s.request(id, body)
			post.Header.Set("webhook-timestamp", strconv.FormatInt(time.Now().Add(-time.Hour).Unix(), 10))
			s.do(post)
		}},
		{"another body", "it was", func(s *sender) {
			s.do(s.request(id, body))
			s.do(s.request(id, body+" "))
		}},
		{"another end", "was succeeded and is failed", func(s *sender) {
			s.do(s.request(id, body))
			s.deliver("a", 2, payment.Failed)
		}},
		{"id of another event", "its body is about", func(s *sender) { s.do(s.request("evt_b_1", body)) }},
		{"no event", "its body is no event", func(s *sender) { s.do(s.request(id, "hello")) }},
		{"type of another state", "its payment is", func(s *sender) {
			s.do(s.request(id, strings.Replace(body, "payment.succeeded", "payment.failed", 1)))
		}},
		{"too large", "too large", func(s *sender) { s.do(s.request(id, body+strings.Repeat(" ", 20<<10))) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := start(t)
			test.send(s)
			s.wantFault(test.want)
		})
	}
}

func TestInLine_laterEventFirstIsAFault(t *testing.T) {
	for _, test := range []struct {
		name, want string
		send       func(s *sender)
	}{
		{"overtaken", "it came first after", func(s *sender) {
			s.deliver("a", 2, payment.Succeeded)
			s.deliver("a", 1, payment.Paying)
		}},
		{"back to an earlier version", "it came first after", func(s *sender) {
			s.deliver("a", 1, payment.Paying)
			_, body := event("a", 2, payment.Succeeded)
			s.do(s.request("evt_a_2", strings.Replace(body, `"version":2`, `"version":0`, 1)))
		}},
		{"before the one before it was accepted", "was accepted", func(s *sender) {
			s.consumer.Behave(1, hook.Fails(http.StatusInternalServerError, 0))
			s.deliver("a", 1, payment.Paying)
			s.deliver("a", 2, payment.Succeeded)
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := start(t)
			test.send(s)
			if err := s.consumer.InLine(); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("InLine: %v, want %q", err, test.want)
			}
		})
	}
}

func TestInLine_aConflictBelongsToNoVersion(t *testing.T) {
	s := start(t)
	s.deliver("a", 2, payment.Succeeded)
	_, body := event("a", 3, payment.Paying)
	body = strings.NewReplacer(`"version":3`, `"version":1`, "payment.paying", payment.EventConflict).Replace(body)
	s.do(s.request("evt_a_3", body))
	if _, err := s.consumer.Judge(); err != nil {
		t.Error(err)
	}
	if err := s.consumer.InLine(); err != nil {
		t.Error(err)
	}
}

func TestTrust_whileRotatingBothSecretsVerify(t *testing.T) {
	s := start(t)
	s.deliver("a", 1, payment.Paying)
	s.trust(newer)
	s.secrets = []string{newer, secret}
	s.deliver("a", 2, payment.Retrying)
	s.secrets = []string{newer}
	s.deliver("a", 3, payment.Succeeded)
	if _, err := s.consumer.Judge(); err != nil {
		t.Error(err)
	}
	var by []int
	for _, d := range s.consumer.Deliveries() {
		by = append(by, len(d.Secrets))
	}
	if fmt.Sprint(by) != "[1 2 1]" {
		t.Errorf("verified by %v secrets, want 1, both, 1", by)
	}
}

func TestBehave_aSenderThatInsistsGetsThrough(t *testing.T) {
	for _, test := range []struct {
		manner hook.Manner
		want   int
		told   bool // the consumer has it whatever the sender heard
	}{
		{hook.Fails(http.StatusInternalServerError, 0), 500, false},
		{hook.Fails(http.StatusGone, 0), 410, false},
		{hook.Redirects("http://127.0.0.1:1/"), 307, false},
		{hook.Hangs, 0, false},
		{hook.Drips, 500, false},
		{hook.Floods, 500, false},
		{hook.Forgets, 0, true},
	} {
		t.Run(test.manner.Name, func(t *testing.T) {
			s := start(t)
			s.consumer.Behave(1, test.manner)
			if got := s.deliver("a", 1, payment.Succeeded); got != test.want {
				t.Errorf("answered %d, want %d", got, test.want)
			}
			if told := len(s.consumer.Finals()) == 1; told != test.told {
				t.Errorf("told: %v, want %v", told, test.told)
			}
			s.consumer.Behave(0)
			if got := s.deliver("a", 1, payment.Succeeded); got != http.StatusOK {
				t.Errorf("mended, it answered %d", got)
			}
			report, err := s.consumer.Judge()
			if err != nil || report.Deliveries != 2 || report.Repeats != 1 {
				t.Errorf("report %+v, %v", report, err)
			}
		})
	}
}

func TestFails_namesThePauseThatItWants(t *testing.T) {
	s := start(t)
	s.consumer.Behave(1, hook.Fails(http.StatusTooManyRequests, 2*time.Second))
	response, err := http.DefaultClient.Do(s.request(event("a", 1, payment.Paying)))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if got := response.Header.Get("Retry-After"); got != "2" || response.StatusCode != http.StatusTooManyRequests {
		t.Errorf("%d with Retry-After %q", response.StatusCode, got)
	}
}

func TestFloods_aReaderMayHaveAGigabyte(t *testing.T) {
	s := start(t)
	s.consumer.Behave(1, hook.Floods)
	response, err := http.DefaultClient.Do(s.request(event("a", 1, payment.Paying)))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	const enough = 8 << 20
	if n, err := io.CopyN(io.Discard, response.Body, enough); n != enough || err != nil {
		t.Errorf("it gave %d bytes: %v", n, err)
	}
}

func TestSpool_holdsEachDeliveryAsItCame(t *testing.T) {
	s := start(t)
	id, body := event("a", 1, payment.Succeeded)
	s.do(s.request(id, body))
	if err := s.consumer.Flush(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(s.spool)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Count(text, []byte("\n")) != 1 {
		t.Errorf("spool: %s, want one line", text)
	}
	for _, want := range []string{
		fmt.Sprintf(`"Webhook-Id":%q`, id), fmt.Sprintf(`"secrets":[%q]`, secret),
		`"body":"` + base64.StdEncoding.EncodeToString([]byte(body)) + `"`,
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("spool: %s, want %s", text, want)
		}
	}
}
