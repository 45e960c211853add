package body_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/paybuf/paybuf/internal/body"
	"github.com/paybuf/paybuf/payment"
)

var formShape = body.FormShape{
	What: "an endpoint", Members: []string{"url", "event_types", "overlap_seconds"}, BytesMax: 4096, Timeout: time.Second,
}

func readForm(t *testing.T, text string, shape body.FormShape) (*body.Form, error) {
	t.Helper()
	request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(text))
	if text != "" {
		request.Header.Set("Content-Type", body.JSON)
	}
	return body.ReadForm(httptest.NewRecorder(), request, shape)
}

// noted reads all members and gives what was noted, "pointer: detail" each.
func noted(t *testing.T, text string) []string {
	t.Helper()
	form, err := readForm(t, text, formShape)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	form.Text("url")
	form.Texts("event_types")
	form.Integer("overlap_seconds")
	var refusal *payment.Error
	var fields []string
	if err := form.Err(); errors.As(err, &refusal) {
		for _, field := range refusal.Fields {
			fields = append(fields, field.Pointer+": "+field.Detail)
		}
		if strings.Contains(err.Error(), "4242") {
			t.Errorf("%s: a card number is repeated: %v", text, err)
		}
	}
	return fields
}

func TestForm_givesItsMembers(t *testing.T) {
	form, err := readForm(t, ` {"url":"a\"\u00e9", "event_types":["x","y\n"], "overlap_seconds":-7} `, formShape)
	if err != nil {
		t.Fatal(err)
	}
	url, urlGiven := form.Text("url")
	types, typesGiven := form.Texts("event_types")
	seconds, secondsGiven := form.Integer("overlap_seconds")
	if url != "a\"é" || !urlGiven || !reflect.DeepEqual(types, []string{"x", "y\n"}) || !typesGiven || seconds != -7 || !secondsGiven {
		t.Errorf("got %q %q %d", url, types, seconds)
	}
	if form.Require("url"); form.Err() != nil || !form.Given("url") {
		t.Errorf("got %v", form.Err())
	}
	if empty, given := mustForm(t, `{"event_types":[]}`).Texts("event_types"); empty == nil || len(empty) > 0 || !given {
		t.Errorf("an empty array is read as %v", empty)
	}
	none := mustForm(t, "{}")
	if _, given := none.Text("url"); given || none.Given("url") {
		t.Error("there is a member in an empty object")
	}
	if none.Require("url"); !none.Refused("/url") {
		t.Error("a missing member is not refused")
	}
}

func mustForm(t *testing.T, text string) *body.Form {
	t.Helper()
	form, err := readForm(t, text, formShape)
	if err != nil {
		t.Fatal(err)
	}
	return form
}

func TestForm_notesAllThatIsWrong(t *testing.T) {
	long := strings.Repeat("x", 65)
	for text, want := range map[string][]string{
		`{"url":1,"event_types":{},"overlap_seconds":"7"}`: {
			"/url: must be a string", "/event_types: must be an array of strings", "/overlap_seconds: must be a JSON integer",
		},
		`{"url":null,"event_types":null,"overlap_seconds":null}`: {
			"/url: must not be null", "/event_types: must not be null", "/overlap_seconds: must not be null",
		},
		`{"event_types":["a",null]}`: {"/event_types/1: must not be null"},
		`{"event_types":[1,"a",{}]}`: {"/event_types/0: must be a string", "/event_types/2: must be a string"},
		`{"event_types":[["a"]]}`:    {"/event_types/0: must be a string"},
		`{"overlap_seconds":1e3}`:    {"/overlap_seconds: must be a whole number in plain digits, and not too large"},
		`{"overlap_seconds":1.0}`:    {"/overlap_seconds: must be a whole number in plain digits, and not too large"},
		`{"overlap_seconds":99999999999999999990}`: {
			"/overlap_seconds: must be a whole number in plain digits, and not too large",
		},
		`{"url":"a","url":"b"}`:    {"/url: is given more than once"},
		`{"URL":"a","a/b~":{}}`:    {`/URL: is not a member of an endpoint; did you mean "url"?`, "/a~1b~0: is not a member of an endpoint"},
		`{"` + long + `":1}`:       {": is not a member of an endpoint"},
		`[]`:                       {": must be a JSON object"},
		`"url"`:                    {": must be a JSON object"},
		`null`:                     {": must not be null"},
		`{"4242424242424242":1}`:   {": must not contain a card number"},
		`{"url":4242424242424242}`: {"/url: must not contain a card number"},
		`{"x":[{"y":"4242-4242-4242-4242"}]}`: {
			"/x: is not a member of an endpoint", "/x: must not contain a card number",
		},
	} {
		if got := noted(t, text); !reflect.DeepEqual(got, want) {
			t.Errorf("%s\ngot  %q\nwant %q", text, got, want)
		}
	}
}

func TestForm_aCardNumberHasACodeOfItsOwn(t *testing.T) {
	wantCode(t, "a card", mustForm(t, `{"url":"4242424242424242"}`).Err(), payment.CodeCardNumber)
	wantCode(t, "a mistake", mustForm(t, `{"x":1}`).Err(), payment.CodeInvalid)
}

func TestForm_whatIsNoDocumentIsUnreadable(t *testing.T) {
	for _, text := range []string{
		" ", "{", "}", "{]", `{"url"}`, `{"url":}`, `{"url":"a",}`, `{"url":"a" "x":1}`, `{url:1}`, `{}{}`, `{} x`, `[1,]`, `nul`,
		"{\"url\":\"\xff\"}", `{"url":"\ud800"}`, "\xef\xbb\xbf{}", `{"a":` + strings.Repeat("[", 2000),
	} {
		_, err := readForm(t, text, formShape)
		wantCode(t, text, err, payment.CodeMalformed)
	}
	_, err := readForm(t, "", formShape)
	wantCode(t, "nothing", err, payment.CodeMediaType)
	_, err = readForm(t, strings.Repeat(" ", 5000), formShape)
	wantCode(t, "too much", err, payment.CodeTooLarge)
}

func TestForm_mayBeNothingWhereThatIsEnough(t *testing.T) {
	shape := formShape
	shape.MayBeEmpty = true
	for _, text := range []string{"", "{}"} {
		form, err := readForm(t, text, shape)
		if err != nil || form.Err() != nil || form.Given("url") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestForm_namesNoMoreThanAnybodyReads(t *testing.T) {
	var members []string
	for i := range 200 {
		members = append(members, fmt.Sprintf(`"m%d":1`, i))
	}
	if got := noted(t, "{"+strings.Join(members, ",")+"}"); len(got) != 50 {
		t.Errorf("%d are named", len(got))
	}
}
