package ingest_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/paybuf/paybuf/ingest"
	"github.com/paybuf/paybuf/payment"
)

// with is a valid body with its members replaced or added.
func with(members string) string {
	base := map[string]string{
		"order_number": `"A-1"`, "amount": `1999`, "currency": `"EUR"`, "payment_method": `"tok_visa"`,
	}
	name, _, _ := strings.Cut(strings.TrimPrefix(members, `"`), `"`)
	delete(base, name)
	body := "{"
	for _, member := range []string{"order_number", "amount", "currency", "payment_method"} {
		if value, kept := base[member]; kept {
			body += fmt.Sprintf("%q:%s,", member, value)
		}
	}
	return body + members + "}"
}

func wantFields(t *testing.T, got details, want ...problemField) {
	t.Helper()
	if !slices.Equal(got.Errors, want) {
		t.Errorf("got the errors\n%q\nwant\n%q", got.Errors, want)
	}
}

func TestPost_aWrongMemberIsNamedWithWhatIsExpected(t *testing.T) {
	service := serve(t, ingest.Config{})
	long := strings.Repeat("x", 1001)
	for name, test := range map[string]struct {
		body, pointer, detail string
	}{
		"null order number":    {with(`"order_number":null`), "/order_number", "must not be null"},
		"number as text":       {with(`"order_number":1001`), "/order_number", "must be a string, not a number"},
		"empty order number":   {with(`"order_number":""`), "/order_number", "must not be empty"},
		"blank order number":   {with(`"order_number":" A"`), "/order_number", "must not begin or end with white space"},
		"long order number":    {with(`"order_number":"` + long[:129] + `"`), "/order_number", "must be at most 128 bytes"},
		"NUL":                  {with(`"order_number":"a\u0000"`), "/order_number", "must not contain control characters"},
		"null amount":          {with(`"amount":null`), "/amount", "must not be null"},
		"amount as text":       {with(`"amount":"1999"`), "/amount", "must be a JSON integer, not a string"},
		"boolean amount":       {with(`"amount":true`), "/amount", "must be a JSON integer, not a boolean"},
		"decimal amount":       {with(`"amount":19.99`), "/amount", "must be an integer in minor units, not 19.99"},
		"integral decimal":     {with(`"amount":1.0`), "/amount", "must be an integer in minor units, not 1.0"},
		"exponent":             {with(`"amount":1e3`), "/amount", "must be an integer in minor units, not 1e3"},
		"long decimal":         {with(`"amount":0.1234567890123`), "/amount", "must be an integer in minor units"},
		"zero amount":          {with(`"amount":0`), "/amount", "must be greater than 0"},
		"minus zero":           {with(`"amount":-0`), "/amount", "must be greater than 0"},
		"negative amount":      {with(`"amount":-1`), "/amount", "must be greater than 0"},
		"over the limit":       {with(`"amount":1000000000001`), "/amount", "must be at most 1000000000000 minor units"},
		"over 64 bits":         {with(`"amount":100000000000000000000`), "/amount", "must be at most 1000000000000 minor units"},
		"wraps to 1 in 64 bit": {with(`"amount":18446744073709551617`), "/amount", "must be at most 1000000000000 minor units"},
		"under 64 bits":        {with(`"amount":-100000000000000000000`), "/amount", "must be greater than 0"},
		"10^30":                {with(`"amount":1` + strings.Repeat("0", 30)), "/amount", "must be at most 1000000000000 minor units"},
		"1e400":                {with(`"amount":1e400`), "/amount", "must be an integer in minor units, not 1e400"},
		"lower-case currency":  {with(`"currency":"eur"`), "/currency", "must be in upper case: EUR"},
		"unknown currency":     {with(`"currency":"XXX"`), "/currency", "must be an active ISO 4217 code such as EUR"},
		"currency list":        {with(`"currency":["EUR"]`), "/currency", "must be a string, not an array"},
		"no payment method":    {with(`"payment_method":""`), "/payment_method", "must not be empty"},
		"method object":        {with(`"payment_method":{"card":{}}`), "/payment_method", "must be a string, not an object"},
		"null customer":        {with(`"customer":null`), "/customer", "must not be null"},
		"long customer":        {with(`"customer":"` + long[:256] + `"`), "/customer", "must be at most 255 bytes"},
		"false description":    {with(`"description":false`), "/description", "must be a string, not a boolean"},
		"long description":     {with(`"description":"` + long + `"`), "/description", "must be at most 1000 bytes"},
		"null metadata":        {with(`"metadata":null`), "/metadata", "must not be null"},
		"metadata list":        {with(`"metadata":[]`), "/metadata", "must be an object of strings, not an array"},
		"metadata text":        {with(`"metadata":"{}"`), "/metadata", "must be an object of strings, not a string"},
		"metadata number":      {with(`"metadata":{"a":1}`), "/metadata/a", "must be a string, not a number"},
		"metadata null":        {with(`"metadata":{"a":null}`), "/metadata/a", "must not be null"},
		"metadata object":      {with(`"metadata":{"a":{"b":["c"]}}`), "/metadata/a", "must be a string, not an object"},
		"metadata twice":       {with(`"metadata":{"a":"1","a":"1"}`), "/metadata/a", "is given more than once"},
		"metadata pointer":     {with(`"metadata":{"a/b~c":1}`), "/metadata/a~1b~0c", "must be a string, not a number"},
		"metadata nameless":    {with(`"metadata":{"":"1"}`), "/metadata", "a member's name must not be empty"},
		"metadata long name":   {with(`"metadata":{"` + long[:41] + `":"1"}`), "/metadata", "a member's name must be at most 40 bytes"},
		"metadata long value":  {with(`"metadata":{"a":"` + long[:501] + `"}`), "/metadata/a", "must be at most 500 bytes"},
		"metadata long both":   {with(`"metadata":{"` + long[:65] + `":1}`), "/metadata", "a member's name must be at most 40 bytes"},
		"twice":                {with(`"amount":1,"amount":1`), "/amount", "is given more than once"},
		"twice by escape":      {with(`"amount":1,"\u0061mount":2`), "/amount", "is given more than once"},
		"metadata again":       {with(`"metadata":{},"metadata":{"a":"1"}`), "/metadata", "is given more than once"},
		"unknown":              {with(`"colour":"red"`), "/colour", "is not a member of a payment request"},
		"unknown object":       {with(`"a/b":{"x":[1,null]}`), "/a~1b", "is not a member of a payment request"},
		"unknown twice":        {with(`"x":1,"x":2`), "/x", "is not a member of a payment request"},
		"nameless":             {with(`"":1`), "/", "is not a member of a payment request"},
		"retry of no id":       {with(`"retry_of":"pay_x"`), "/retry_of", "must be the id of a payment"},
		"retry of nothing":     {with(`"retry_of":""`), "/retry_of", "must not be empty"},
		"retry of null":        {with(`"retry_of":null`), "/retry_of", "must not be null"},
		"not before a day":     {with(`"not_before":"2026-11-21"`), "/not_before", "must be a time such as 2026-11-21T09:00:00Z"},
		"not before a number":  {with(`"not_before":1795252000`), "/not_before", "must be a string, not a number"},
		"not before nothing":   {with(`"not_before":""`), "/not_before", "must not be empty"},
		"not before null":      {with(`"not_before":null`), "/not_before", "must not be null"},
		"not before next year": {with(`"not_before":"2027-11-21T09:00:00Z"`), "/not_before", "must be at most 90 days ahead"},
		"reserved number": {with(`"order_number":"token-1"`), "/order_number",
			"begins with token-, which is reserved for payment tokens"},
		"number and token": {valid[:len(valid)-1] + `,"payment_token":"pbt_x"}`, "/payment_token",
			"must not be given beside order_number, which it stands for"},
		"token of null":  {strings.Replace(valid, `"order_number":"A-1001"`, `"payment_token":null`, 1), "/payment_token", "must not be null"},
		"of a token":     {with(`"expires_in":60`), "/expires_in", "is not a member of a payment request"},
		"misspelt token": {with(`"payment_tokn":"x"`), "/payment_tokn", `is not a member of a payment request; did you mean "payment_token"?`},
		"unknown, long":  {with(`"` + long[:65] + `":1`), "", "has a member with an unknown name of 65 bytes"},
		"other case":     {with(`"Customer":"c"`), "/Customer", `is not a member of a payment request; did you mean "customer"?`},
		"camel case":     {with(`"orderNumber":"c"`), "/orderNumber", `is not a member of a payment request; did you mean "order_number"?`},
		"misspelt":       {with(`"curency":"c"`), "/curency", `is not a member of a payment request; did you mean "currency"?`},
		"part":           {with(`"method":"c"`), "/method", `is not a member of a payment request; did you mean "payment_method"?`},
		"more":           {with(`"customer_id":"c"`), "/customer_id", `is not a member of a payment request; did you mean "customer"?`},
		"array":          {`[` + valid + `]`, "", "must be a JSON object, not an array"},
		"text":           {`"hello"`, "", "must be a JSON object, not a string"},
		"null":           {`null`, "", "must not be null"},
	} {
		t.Run(name, func(t *testing.T) {
			got := service.post(t, test.body).problem(t, 422, payment.CodeInvalid)
			wantFields(t, got, problemField{test.pointer, test.detail})
			if got.Detail != "the request has fields that must change" {
				t.Errorf("detail is %q", got.Detail)
			}
		})
	}
	if kept := service.store.all(); len(kept) > 0 {
		t.Errorf("%d refused requests were kept", len(kept))
	}
}

func TestPost_everythingThatIsWrongIsNamedAtOnce(t *testing.T) {
	service := serve(t, ingest.Config{})
	t.Run("empty object", func(t *testing.T) {
		got := service.post(t, `{}`).problem(t, 422, payment.CodeInvalid)
		wantFields(
			t, got,
			problemField{"/amount", "is required"},
			problemField{"/currency", "is required"},
			problemField{"/order_number", "is required"},
			problemField{"/payment_method", "is required"},
		)
	})
	t.Run("form and content", func(t *testing.T) {
		got := service.post(t, `{"zeta":1,"order_number":7,"amount":-5,"currency":"EURO","customer":" ",
			"description":"a\u0007","metadata":{"b":"`+strings.Repeat("x", 501)+`","a":2,"a":""},"amount":5}`).
			problem(t, 422, payment.CodeInvalid)
		wantFields(
			t, got,
			problemField{"/amount", "is given more than once"},
			problemField{"/currency", "must be an active ISO 4217 code such as EUR"},
			problemField{"/description", "must not contain control characters"},
			problemField{"/metadata/a", "must be a string, not a number"},
			problemField{"/metadata/b", "must be at most 500 bytes"},
			problemField{"/order_number", "must be a string, not a number"},
			problemField{"/payment_method", "is required"},
			problemField{"/zeta", "is not a member of a payment request"},
		)
	})
	t.Run("amount beside a wrong currency", func(t *testing.T) {
		for _, currency := range []string{`"XXX"`, `7`} {
			body := fmt.Sprintf(`{"order_number":"A","amount":0,"currency":%s,"payment_method":"t"}`, currency)
			got := service.post(t, body).problem(t, 422, payment.CodeInvalid)
			if len(got.Errors) != 2 || got.Errors[0] != (problemField{"/amount", "must be greater than 0"}) {
				t.Errorf("got %q, want amount and currency", got.Errors)
			}
		}
	})
}

func TestPost_theListOfErrorsIsBounded(t *testing.T) {
	service := serve(t, ingest.Config{})
	var body strings.Builder
	body.WriteString(`{"metadata":{`)
	for i := range 2000 {
		fmt.Fprintf(&body, `"m%d":%d,`, i, i)
	}
	body.WriteString(`"z":1}`)
	for i := range 1000 {
		fmt.Fprintf(&body, `,"u%d":%d`, i, i)
	}
	body.WriteString(`}`)
	got := service.post(t, body.String()).problem(t, 422, payment.CodeInvalid)
	if len(got.Errors) != 50 || !strings.HasSuffix(got.Detail, "; not all of them are listed") {
		t.Errorf("%d errors, detail %q", len(got.Errors), got.Detail)
	}
	for _, field := range []problemField{
		{"/amount", "is required"}, {"/currency", "is required"}, {"/metadata", "must have at most 20 members"},
	} {
		if !slices.Contains(got.Errors, field) {
			t.Errorf("%v is missing", field)
		}
	}
}

func TestPost_whatIsNoJSONIsMalformed(t *testing.T) {
	service := serve(t, ingest.Config{})
	for name, test := range map[string]struct{ body, detail string }{
		"empty":             {"", "the body is empty; send a JSON object"},
		"blank":             {" \n", "the body is empty; send a JSON object"},
		"byte order mark":   {"\xef\xbb\xbf" + valid, "the body begins with a byte order mark, which JSON must not have (RFC 8259, section 8.1)"},
		"not UTF-8":         {with("\"customer\":\"\xff\""), "the body is not valid UTF-8"},
		"UTF-16":            {"\xfe\xff\x00{\x00}", "the body is not valid UTF-8"},
		"lone surrogate":    {with(`"customer":"\ud800"`), "the body is not valid JSON at byte 93"},
		"cut in a name":     {`{"order_num`, "the body ends before its JSON does"},
		"cut in a value":    {`{"amount":`, "the body ends before its JSON does"},
		"cut in unknown":    {`{"x":[1,`, "the body ends before its JSON does"},
		"trailing comma":    {`{"amount":1,}`, "the body is not valid JSON at byte 11"},
		"no comma":          {`{"amount":1"currency":"EUR"}`, "the body is not valid JSON at byte 11"},
		"single quotes":     {`{'amount':1}`, "the body is not valid JSON at byte 1"},
		"comment":           {`{/* a */"amount":1}`, "the body is not valid JSON at byte 1"},
		"leading zero":      {`{"amount":01}`, "the body is not valid JSON at byte 11"},
		"leading plus":      {`{"amount":+1}`, "the body is not valid JSON at byte 10"},
		"NaN":               {`{"amount":NaN}`, "the body is not valid JSON at byte 10"},
		"number for a name": {`{1:2}`, "the body is not valid JSON at byte 1"},
		"CSV":               {"A-1,1999,EUR", "the body is not valid JSON at byte 0"},
		"form":              {"amount=1999", "the body is not valid JSON at byte 0"},
		"raw control":       {"{\"customer\":\"a\nb\"}", "the body is not valid JSON at byte 14"},
		"second object":     {valid + valid, "the body goes on after its JSON document"},
		"trailing garbage":  {valid + " x", "the body goes on after its JSON document"},
		"trailing NUL":      {valid + "\x00", "the body goes on after its JSON document"},
		"trailing brace":    {valid + "}", "the body goes on after its JSON document"},
		"deep arrays":       {with(`"x":` + strings.Repeat("[", 30000)), "the body is nested deeper than 16 levels"},
		"deep objects":      {with(`"x":` + strings.Repeat(`{"a":`, 12000)), "the body is nested deeper than 16 levels"},
		"deep at the top":   {strings.Repeat("[", 60000), "the body is nested deeper than 16 levels"},
		"deep in metadata":  {with(`"metadata":{"a":` + strings.Repeat("[", 20)), "the body is nested deeper than 16 levels"},
	} {
		t.Run(name, func(t *testing.T) {
			got := service.post(t, test.body).problem(t, 400, payment.CodeMalformed)
			if got.Detail != test.detail {
				t.Errorf("got %q, want %q", got.Detail, test.detail)
			}
			wantFields(t, got)
		})
	}
}
