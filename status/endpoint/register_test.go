package endpoint_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/paybuf/paybuf/internal/object"
	"github.com/paybuf/paybuf/internal/sealed"
	"github.com/paybuf/paybuf/payment"
	"github.com/paybuf/paybuf/status/endpoint"
)

// secretOf decodes a secret as a receiver does.
func secretOf(t *testing.T, text string) []byte {
	t.Helper()
	encoded, prefixed := strings.CutPrefix(text, "whsec_")
	secret, err := base64.StdEncoding.DecodeString(encoded)
	if !prefixed || err != nil {
		t.Fatalf("%q is no secret: %v", text, err)
	}
	return secret
}

// sealedSecret reads a secret of an endpoint past the ledger.
func (s *service) sealedSecret(id payment.EndpointID, column string) payment.Sealed {
	s.t.Helper()
	found := s.query(fmt.Sprintf("SELECT %s_key || ' ' || encode(%s, 'hex') FROM webhook_endpoints WHERE id = '%s'", column, column, id))
	keyID, digits, _ := strings.Cut(strings.Join(found, ""), " ")
	data, err := hex.DecodeString(digits)
	if err != nil {
		s.t.Fatal(err)
	}
	return payment.Sealed{KeyID: keyID, Data: data}
}

// opened is a secret of an endpoint, read with the service's keys.
func (s *service) opened(id payment.EndpointID, column string) []byte {
	s.t.Helper()
	plain, err := s.keys.Open(s.sealedSecret(id, column), string(id))
	if err != nil {
		s.t.Fatal(err)
	}
	return plain
}

func TestCreate_showsTheSecretOnceAndKeepsItSealed(t *testing.T) {
	t.Parallel()
	s := serve(t)
	own := "whsec_" + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("zq"), 16))
	for _, given := range []string{"", own} {
		body := `{"url":"` + shopURL + `","description":"till 3","event_types":["payment.succeeded","payment.failed"]}`
		if given != "" {
			body = strings.TrimSuffix(body, "}") + `,"secret":"` + given + `"}`
		}
		var created object.Endpoint
		got := s.post(object.EndpointCollectionPath, body).want(http.StatusCreated, &created)
		secret := secretOf(t, created.Secret)
		if given != "" && created.Secret != given || len(secret) != 32 {
			t.Errorf("the secret is %s", created.Secret)
		}
		if got.header.Get("Location") != path(created) || got.header.Get("Cache-Control") != "no-store" {
			t.Errorf("got the header %v", got.header)
		}
		if created.Object != "webhook_endpoint" || created.URL != shopURL || *created.Description != "till 3" ||
			!reflect.DeepEqual(created.EventTypes, []string{"payment.succeeded", "payment.failed"}) ||
			created.Status != payment.EndpointEnabled || created.StatusReason != nil || created.OldSecretUntil != nil ||
			created.FailingSince != nil || created.PausedUntil != nil || created.CreatedAt == "" {
			t.Errorf("got %s", got.body)
		}
		if !bytes.Equal(s.opened(created.ID, "secret"), secret) {
			t.Error("the sealed secret is another one")
		}
		s.wantUnseen(created.ID, created.Secret)
	}
}

// wantUnseen checks that a secret can be found nowhere any more.
func (s *service) wantUnseen(id payment.EndpointID, text string) {
	s.t.Helper()
	raw := secretOf(s.t, text)
	rows := strings.Join(s.query("SELECT n::text FROM webhook_endpoints n"), "\n")
	item := object.EndpointPath(id)
	for where, said := range map[string]string{
		"the database":     rows,
		"the list":         s.get(object.EndpointCollectionPath).want(200, nil).body,
		"the endpoint":     s.get(item).want(200, nil).body,
		"a change":         s.call(http.MethodPatch, item, `{"description":"x"}`).want(200, nil).body,
		"the log's errors": s.errs.String(),
	} {
		for _, form := range []string{text[6:], hex.EncodeToString(raw), string(raw), fmt.Sprintf("%d", raw)} {
			if strings.Contains(said, form) {
				s.t.Errorf("%s shows the secret: %s", where, said)
			}
		}
		if strings.Contains(said, `"secret"`) {
			s.t.Errorf("%s has a member for it: %s", where, said)
		}
	}
}

func (o *observed) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

func TestCreate_namesAllThatMustChange(t *testing.T) {
	t.Parallel()
	s := serve(t)
	short := base64.StdEncoding.EncodeToString(make([]byte, 23))
	long := base64.StdEncoding.EncodeToString(make([]byte, 65))
	for body, want := range map[string][]string{
		`{}`:            {"/url is required"},
		`{"url":null}`:  {"/url must not be null"},
		`{"url":""}`:    {"/url must not be empty"},
		`{"url":"x.y"}`: {"/url must be an absolute URL such as https://shop.example/webhooks"},
		`{"url":"/x"}`:  {"/url must be an absolute URL such as https://shop.example/webhooks"},
		`{"url":"https:///x"}`: {
			"/url must be an absolute URL such as https://shop.example/webhooks",
		},
		`{"url":"ftp://shop.example/"}`:                                 {"/url must be an absolute URL such as https://shop.example/webhooks"},
		`{"url":"http://shop.example/"}`:                                {"/url must begin with https://"},
		`{"url":"https://u@s.example/"}`:                                {"/url must not contain a user name or a password; the signature says who is calling"},
		`{"url":"https://u:p@s.example"}`:                               {"/url must not contain a user name or a password; the signature says who is calling"},
		`{"url":"https://s.example/#"}`:                                 {"/url must not have a fragment, which would not be sent"},
		`{"url":"https://s.example/#a"}`:                                {"/url must not have a fragment, which would not be sent"},
		`{"url":"https://s.example/\n"}`:                                {"/url must not contain white space or control characters"},
		`{"url":" https://s.example/"}`:                                 {"/url must not contain white space or control characters"},
		`{"url":"https://s.example/` + strings.Repeat("x", 2048) + `"}`: {"/url must be at most 2048 bytes"},
		`{"url":1,"description":2,"event_types":"x","secret":3,"statas":4}`: {
			"/statas is not a member of a webhook endpoint", "/url must be a string", "/description must be a string",
			"/event_types must be an array of strings", "/secret must be a string",
		},
		`{"url":"` + shopURL + `","url":"` + shopURL + `"}`:                             {"/url is given more than once"},
		`{"url":"` + shopURL + `","description":"` + strings.Repeat("x", 1001) + `"}`:   {"/description must be at most 1000 bytes"},
		`{"url":"` + shopURL + `","description":"a\u0000b"}`:                            {"/description must not contain control characters"},
		`{"url":"` + shopURL + `","event_types":["payment.paying","payment.paying"]}`:   {"/event_types/1 is there already"},
		`{"url":"` + shopURL + `","event_types":["payment.paying","payment.succeded"]}`: {`/event_types/1 is not a type of event; did you mean "payment.succeeded"?`},
		`{"url":"` + shopURL + `","event_types":[3,"payment.succeded","payment.paying","payment.paying"]}`: {
			"/event_types/0 must be a string", `/event_types/1 is not a type of event; did you mean "payment.succeeded"?`,
			"/event_types/3 is there already",
		},
		`{"url":"` + shopURL + `","event_types":[null]}`:                                    {"/event_types/0 must not be null"},
		`{"url":"` + shopURL + `","status":"enabled"}`:                                      {"/status is not a member of a webhook endpoint"},
		`{"url":"` + shopURL + `","secret":"` + short + `"}`:                                {secretRule},
		`{"url":"` + shopURL + `","secret":"whsec_` + short + `"}`:                          {secretRule},
		`{"url":"` + shopURL + `","secret":"whsec_` + long + `"}`:                           {secretRule},
		`{"url":"` + shopURL + `","secret":"whsec_` + strings.Repeat("zq", 16) + "*" + `"}`: {secretRule},
		`[]`: {" must be a JSON object"},
	} {
		got := s.post(object.EndpointCollectionPath, body)
		said := got.wantProblem(422, payment.CodeInvalid)
		var fields []string
		for _, field := range said.Errors {
			fields = append(fields, field.Pointer+" "+field.Detail)
		}
		if !reflect.DeepEqual(fields, want) {
			t.Errorf("%.100s\ngot  %q\nwant %q", body, fields, want)
		}
		if strings.Contains(got.body, "zqzq") || strings.Contains(got.body, "u:p") {
			t.Errorf("the answer repeats a secret: %s", got.body)
		}
	}
	s.post(object.EndpointCollectionPath, `{"url":`).wantProblem(400, payment.CodeMalformed)
	s.post(object.EndpointCollectionPath, "").wantProblem(415, payment.CodeMediaType)
	s.post(object.EndpointCollectionPath, strings.Repeat(" ", 17<<10)).wantProblem(413, payment.CodeTooLarge)
	s.post(object.EndpointCollectionPath, `{"url":"`+shopURL+`","description":"4242424242424242"}`).wantProblem(422, payment.CodeCardNumber)
	if n := s.query("SELECT count(*) FROM webhook_endpoints")[0]; n != "0" {
		t.Errorf("%s were made", n)
	}
}

const secretRule = "/secret must be whsec_ and the base64 of 24 to 64 bytes; leave it out to get one"

func TestCreate_withoutKeysIsNotConfigured(t *testing.T) {
	t.Parallel()
	s := serve(t, func(cfg *endpoint.Config) { cfg.Keys = sealed.Keys{} })
	s.post(object.EndpointCollectionPath, `{"url":"`+shopURL+`"}`).wantProblem(501, payment.CodeNoWebhooks)
	s.get(object.EndpointCollectionPath).want(200, nil)
}

func TestCreate_hasALimitAlsoAtOnce(t *testing.T) {
	t.Parallel()
	s := serve(t)
	var made, refused atomic.Int64
	var wg sync.WaitGroup
	for range payment.EndpointsMax + 10 {
		wg.Go(func() {
			switch got := s.post(object.EndpointCollectionPath, `{"url":"`+shopURL+`"}`); got.status {
			case 201:
				made.Add(1)
			case 422:
				refused.Add(1)
			}
		})
	}
	wg.Wait()
	if made.Load() != payment.EndpointsMax || refused.Load() != 10 {
		t.Fatalf("%d were made and %d refused", made.Load(), refused.Load())
	}
	s.post(object.EndpointCollectionPath, `{"url":"`+shopURL+`"}`).wantProblem(422, payment.CodeTooManyEndpoints)
	s.post(object.EndpointCollectionPath, `{"url":"`+shopURL+`"}`, asUmbrella).want(201, nil)
	var list object.EndpointList
	s.get(object.EndpointCollectionPath).want(200, &list)
	if len(list.Data) != payment.EndpointsMax {
		t.Fatalf("%d are listed", len(list.Data))
	}
	s.call(http.MethodDelete, path(list.Data[7]), "").want(204, nil)
	s.create()
}

func TestList_hasTheOldestFirst(t *testing.T) {
	t.Parallel()
	s := serve(t)
	if got := s.get(object.EndpointCollectionPath).want(200, nil); got.body != `{"object":"list","data":[],"next_cursor":null}` {
		t.Errorf("got %s", got.body)
	}
	first, second := s.create(), s.create()
	var list object.EndpointList
	s.get(object.EndpointCollectionPath).want(200, &list)
	if len(list.Data) != 2 || list.Data[0].ID != first.ID || list.Data[1].ID != second.ID {
		t.Errorf("got %+v", list)
	}
	head := s.call(http.MethodHead, path(first), "")
	if head.status != 200 || head.body != "" || head.header.Get("Content-Length") == "" {
		t.Errorf("HEAD is answered %+v", head)
	}
}

// change changes an endpoint.
func (s *service) change(e object.Endpoint, body string) object.Endpoint {
	s.t.Helper()
	var changed object.Endpoint
	s.call(http.MethodPatch, path(e), body).want(200, &changed)
	return changed
}

func TestChange_changesWhatIsGivenAndNothingElse(t *testing.T) {
	t.Parallel()
	s := serve(t)
	e := s.create(`"description":"a","event_types":["payment.failed"]`)
	secret := s.opened(e.ID, "secret")
	changed := s.change(e, `{"description":"b"}`)
	if *changed.Description != "b" || changed.URL != e.URL || len(changed.EventTypes) != 1 || changed.Status != "enabled" {
		t.Errorf("got %+v", changed)
	}
	changed = s.change(e, `{"description":"","event_types":[],"url":"https://other.example/"}`)
	if changed.Description != nil || changed.URL != "https://other.example/" || len(changed.EventTypes) != 0 || changed.CreatedAt != e.CreatedAt {
		t.Errorf("got %+v", changed)
	}
	if !bytes.Equal(s.opened(e.ID, "secret"), secret) {
		t.Error("the secret changed")
	}
	for _, body := range []string{`{}`, `{"secret":"x"}`, `{"status":"deleted"}`, `{"status":""}`, `{"status":null}`, `{"url":"x"}`, `{"id":"x"}`} {
		s.call(http.MethodPatch, path(e), body).wantProblem(422, payment.CodeInvalid)
	}
}

func TestChange_whoEnablesSaysThatItWorksAgain(t *testing.T) {
	t.Parallel()
	s := serve(t)
	e := s.create()
	off := s.change(e, `{"status":"disabled"}`)
	if off.Status != payment.EndpointDisabled || off.StatusReason == nil || off.StatusReason.Code != payment.DisabledByOwner ||
		off.StatusReason.Message == "" || off.StatusAt == e.StatusAt {
		t.Errorf("disabled it is %+v", off)
	}
	if again := s.change(e, `{"status":"disabled"}`); again.StatusAt != off.StatusAt {
		t.Errorf("disabled again it is %+v", again)
	}
	for _, reason := range []string{payment.DisabledGone, payment.DisabledFailing} {
		s.query(`UPDATE webhook_endpoints SET status = 'disabled', status_reason = '` + reason + `',
			failing_since = now() - interval '5 days', resume_at = now() + interval '1 hour'`)
		var shown object.Endpoint
		s.get(path(e)).want(200, &shown)
		if shown.StatusReason == nil || shown.StatusReason.Code != reason || shown.StatusReason.Message == "" ||
			shown.FailingSince == nil || shown.PausedUntil == nil {
			t.Errorf("it is %+v", shown)
		}
		if kept := s.change(e, `{"status":"disabled","description":"x"}`); kept.StatusReason.Code != reason {
			t.Errorf("the reason becomes %+v", kept.StatusReason)
		}
		on := s.change(e, `{"status":"enabled"}`)
		if on.Status != payment.EndpointEnabled || on.StatusReason != nil || on.FailingSince != nil || on.PausedUntil != nil {
			t.Errorf("enabled it is %+v", on)
		}
	}
}

func TestChange_ofTheURLForgetsWhatWasKnownOfTheOther(t *testing.T) {
	t.Parallel()
	s := serve(t)
	e := s.create()
	failing := `UPDATE webhook_endpoints SET failing_since = now() - interval '4 days', resume_at = now() + interval '1 hour'`
	s.query(failing)
	same := s.change(e, `{"url":"`+shopURL+`","status":"enabled"}`)
	if same.FailingSince == nil || same.PausedUntil == nil {
		t.Errorf("without a change it is %+v", same)
	}
	if other := s.change(e, `{"url":"https://other.example/"}`); other.FailingSince != nil || other.PausedUntil != nil {
		t.Errorf("at another URL it is %+v", other)
	}
}

func TestChange_whatWaitsForADisabledOneIsDead(t *testing.T) {
	t.Parallel()
	s := serve(t)
	e, other := s.create(), s.create()
	s.pay("acme", "A-1", "A-2")
	s.change(e, `{"status":"disabled"}`)
	s.pay("acme", "A-3")
	want := []string{"dead endpoint_disabled", "dead endpoint_disabled", "dead endpoint_disabled"}
	if got := s.states(e); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v", got)
	}
	if got := s.states(other); !reflect.DeepEqual(got, []string{"waiting", "waiting", "waiting"}) {
		t.Errorf("another's are %v", got)
	}
}

func TestDelete_leavesNoSecretAndNothingThatWaits(t *testing.T) {
	t.Parallel()
	s := serve(t)
	e := s.create()
	s.post(path(e, "/rotate-secret"), "").want(200, nil)
	s.pay("acme", "A-1")
	got := s.call(http.MethodDelete, path(e), "").want(204, nil)
	if got.body != "" {
		t.Errorf("got %s", got.body)
	}
	s.pay("acme", "A-2")
	for _, again := range []answer{
		s.call(http.MethodDelete, path(e), ""), s.get(path(e)), s.call(http.MethodPatch, path(e), `{"status":"enabled"}`),
		s.post(path(e, "/rotate-secret"), ""), s.post(path(e, "/test"), ""), s.get(path(e, "/deliveries")),
	} {
		again.wantProblem(404, payment.CodeNotFound)
	}
	row := s.query(`SELECT status || encode(secret, 'hex') || secret_key || (old_secret IS NULL AND old_secret_key IS NULL)
		FROM webhook_endpoints`)
	if !reflect.DeepEqual(row, []string{"deletedtrue"}) {
		t.Errorf("the row is %v", row)
	}
	if rows := s.query("SELECT state || ' ' || reason FROM webhook_deliveries"); !reflect.DeepEqual(rows, []string{"dead endpoint_deleted"}) {
		t.Errorf("the deliveries are %v", rows)
	}
}
