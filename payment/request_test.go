package payment

import (
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func validDraft() Draft {
	return Draft{
		OrderNumber: "A-1001", AmountMinor: 1999, Currency: "EUR", PaymentMethod: "tok_visa",
		Customer: "c_81", Description: "two books", Metadata: map[string]string{"cart": "918273"},
	}
}

func fieldsOf(t *testing.T, draft Draft) (Code, map[string]string) {
	t.Helper()
	_, err := NewRequest(mustKey(t, 'k'), "acme", draft, time.Now())
	if err == nil {
		return "", nil
	}
	coded, ok := errors.AsType[*Error](err)
	if !ok {
		t.Fatalf("%T is no coded error", err)
	}
	fields := map[string]string{}
	for _, field := range coded.Fields {
		fields[field.Pointer] = field.Detail
	}
	return coded.Code, fields
}

func TestNewRequest_keepsWhatItWasGiven(t *testing.T) {
	at := time.Date(2026, 11, 21, 10, 0, 0, 123_456_789, time.FixedZone("CET", 3600))
	request, err := NewRequest(mustKey(t, 'k'), "acme", validDraft(), at)
	if err != nil {
		t.Fatal(err)
	}
	if request.ID != mustKey(t, 'k').Derive("acme", "A-1001", "") || request.Tenant != "acme" || request.RetryOf != "" {
		t.Errorf("identity %s of %s, retry of %q", request.ID, request.Tenant, request.RetryOf)
	}
	if want := time.Date(2026, 11, 21, 9, 0, 0, 123_000_000, time.UTC); !request.AcceptedAt.Equal(want) || request.AcceptedAt.Location() != time.UTC {
		t.Errorf("accepted at %s, want %s", request.AcceptedAt, want)
	}
	if request.Money.String() != "19.99 EUR" || request.Metadata["cart"] != "918273" {
		t.Errorf("request %+v", request)
	}
}

func TestNewRequest_namesEveryFieldAtOnce(t *testing.T) {
	code, fields := fieldsOf(t, Draft{
		OrderNumber: "", AmountMinor: 0, Currency: "EUR", PaymentMethod: " tok",
		Customer: strings.Repeat("c", CustomerBytesMax+1), Description: "a\x00b",
		Metadata: map[string]string{"": "x", "a/b~c": "\xff", "ok": "fine"},
	})
	want := []string{"/amount", "/customer", "/description", "/metadata", "/metadata/a~1b~0c", "/order_number", "/payment_method"}
	if got := slices.Sorted(maps.Keys(fields)); code != CodeInvalid || !slices.Equal(got, want) {
		t.Errorf("code %s, fields %v; want %v", code, got, want)
	}
}

func TestNewRequest_limitsOfTexts(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(*Draft)
		at     string // "" if accepted
	}{
		{"longest order number", func(d *Draft) { d.OrderNumber = strings.Repeat("o", OrderNumberBytesMax) }, ""},
		{"longer order number", func(d *Draft) { d.OrderNumber = strings.Repeat("o", OrderNumberBytesMax+1) }, "/order_number"},
		{"letters of any script", func(d *Draft) { d.OrderNumber, d.Description = "Bestellung-ü", "本を二冊" }, ""},
		{"no customer", func(d *Draft) { d.Customer, d.Description, d.Metadata = "", "", nil }, ""},
		{"line break", func(d *Draft) { d.Description = "a\nb" }, "/description"},
		{"white space around the order number", func(d *Draft) { d.OrderNumber = "A-1 " }, "/order_number"},
		{"broken UTF-8", func(d *Draft) { d.Customer = "c\xc3" }, "/customer"},
		{"empty metadata value", func(d *Draft) { d.Metadata = map[string]string{"note": ""} }, ""},
		{"longer metadata value", func(d *Draft) { d.Metadata = map[string]string{"n": strings.Repeat("v", MetadataValueBytesMax+1)} }, "/metadata/n"},
		{"longer metadata name", func(d *Draft) { d.Metadata = map[string]string{strings.Repeat("n", MetadataKeyBytesMax+1): "v"} }, "/metadata"},
		{"too much metadata", func(d *Draft) {
			d.Metadata = map[string]string{}
			for i := range MetadataKeysMax + 1 {
				d.Metadata[strconv.Itoa(i)] = "v"
			}
		}, "/metadata"},
	} {
		t.Run(test.name, func(t *testing.T) {
			draft := validDraft()
			test.change(&draft)
			_, fields := fieldsOf(t, draft)
			if _, named := fields[test.at]; (test.at == "" && len(fields) > 0) || (test.at != "" && !named) {
				t.Errorf("fields %v, want %q", fields, test.at)
			}
		})
	}
}

func TestNewRequest_cardNumberAnywhereIsRefusedAndNotRepeated(t *testing.T) {
	const card = "4242 4242-4242 4242"
	for pointer, change := range map[string]func(*Draft){
		"/order_number":   func(d *Draft) { d.OrderNumber = card },
		"/payment_method": func(d *Draft) { d.PaymentMethod = card },
		"/customer":       func(d *Draft) { d.Customer = card },
		"/description":    func(d *Draft) { d.Description = "card " + card + " please" },
		"/metadata/note":  func(d *Draft) { d.Metadata = map[string]string{"note": card} },
		"/metadata":       func(d *Draft) { d.Metadata = map[string]string{card: "x"} },
		"/currency":       func(d *Draft) { d.Currency = card },
	} {
		draft := validDraft()
		change(&draft)
		_, err := NewRequest(mustKey(t, 'k'), "acme", draft, time.Now())
		if code, _ := CodeOf(err); code != CodeCardNumber {
			t.Errorf("%s: %v, want %s", pointer, err, CodeCardNumber)
			continue
		}
		if _, fields := fieldsOf(t, draft); fields[pointer] == "" {
			t.Errorf("fields %v do not name %s", fields, pointer)
		}
		if strings.Contains(err.Error(), "4242") {
			t.Errorf("%s: the error repeats the number: %v", pointer, err)
		}
	}
}

func TestFingerprint_coversWhatIsPaid(t *testing.T) {
	base := func(change func(*Draft)) Fingerprint {
		draft := validDraft()
		if change != nil {
			change(&draft)
		}
		request, err := NewRequest(mustKey(t, 'k'), "acme", draft, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		return request.Fingerprint()
	}
	first := base(nil)
	for name, change := range map[string]func(*Draft){
		"description": func(d *Draft) { d.Description = "other" },
		"metadata":    func(d *Draft) { d.Metadata = map[string]string{"trace": "1"} },
		"time":        nil,
	} {
		if base(change) != first {
			t.Errorf("another %s is taken for another request", name)
		}
	}
	for name, change := range map[string]func(*Draft){
		"order number":   func(d *Draft) { d.OrderNumber = "A-1002" },
		"amount":         func(d *Draft) { d.AmountMinor = 2000 },
		"currency":       func(d *Draft) { d.Currency = "USD" },
		"payment method": func(d *Draft) { d.PaymentMethod = "tok_mc" },
		"customer":       func(d *Draft) { d.Customer = "c_82" },
		"fields shifted": func(d *Draft) { d.PaymentMethod, d.Customer = "tok_visac", "_81" },
	} {
		if base(change) == first {
			t.Errorf("another %s is taken for the same request", name)
		}
	}
}

func TestContainsCardNumber_examples(t *testing.T) {
	for text, want := range map[string]bool{
		"4242424242424242":                        true,
		"4242 4242 4242 4242":                     true,
		"4242-4242-4242-4242":                     true,
		"4242 - 4242 - 4242 - 4242":               true,
		"4242\u00a04242\u20114242\u20134242":      true, // no-break space, other dashes
		"378282246310005":                         true, // 15 digits
		"4222222222222":                           true, // 13 digits
		"6304000000000000000":                     true, // 19 digits
		"pan4242424242424242":                     true,
		"card:4242424242424242.":                  true,
		"4242 4242 4242 4242 12/29":               true,
		"12 4242 4242 4242 4242":                  true,
		"tok_4242424242424242":                    true,
		"cafe 4242424242424242":                   true,
		"\uff14\uff12\uff14\uff12 4242 4242 4242": true,  // full-width digits
		"4242\u200b4242\u200b4242\u200b4242":      true,  // zero-width spaces
		"4242\u22124242\u22124242\u22124242":      true,  // minus signs
		"\u0664\u0662\u0664\u0662424242424242":    true,  // Arabic-Indic digits
		"4242424242424241":                        false, // check digit
		"424242424242":                            false, // 12 digits
		"42424242424242424242":                    false, // 20 digits
		"4242,4242,4242,4242":                     false,
		"":                                        false,
		"tok_visa":                                false,
		"+49 30 1234567":                          false,
		"0fb2036805020445edceb236ebe847c8":        false, // a 32-digit id with a run that passes
		"0fb2036805020445edceb236ebe847c8-1":      false,
		"52077492551466732827CA46228DCC1E":        false,
		"zz52077492551466732827ca46228dcc1e":      false,
		"550e8400-e29b-41d4-a716-446655440000":    false,
		"2026-11-21T10:00:00.000Z":                false,
	} {
		if got := ContainsCardNumber(text); got != want {
			t.Errorf("ContainsCardNumber(%q) = %v, want %v", text, got, want)
		}
	}
}

func TestContainsCardNumber_findsEveryCardInAnyGrouping(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		digits := rapid.StringOfN(rapid.RuneFrom([]rune("0123456789")), 12, 18, -1).Draw(t, "digits")
		for check := '0'; check <= '9'; check++ {
			if luhn(digits + string(check)) {
				digits += string(check)
				break
			}
		}
		var text strings.Builder
		text.WriteString(rapid.SampledFrom([]string{"", "card ", "x", "nr:"}).Draw(t, "before"))
		for i, digit := range digits {
			if i > 0 {
				text.WriteString(rapid.SampledFrom([]string{"", "", "", " ", "-", "  "}).Draw(t, "between"))
			}
			text.WriteRune(digit)
		}
		text.WriteString(rapid.SampledFrom([]string{"", ".", " thanks", "\u00fc"}).Draw(t, "after"))
		if !ContainsCardNumber(text.String()) {
			t.Fatalf("%q holds a card number", text.String())
		}
	})
}

// A body may be 64 KiB, and every byte of it is looked at: no text may cost more
// than its length.
func TestContainsCardNumber_takesNoLongerThanTheText(t *testing.T) {
	visits := func(text string) float64 {
		return testing.AllocsPerRun(1, func() { ContainsCardNumber(text) })
	}
	for _, piece := range []string{"g1", "1 ", "1-", "a1", "1", "12345678901234567890 ", "\u200b1"} {
		short, long := strings.Repeat(piece, 1000), strings.Repeat(piece, 32_000)
		if a, b := visits(short), visits(long); b > 64*(a+1) {
			t.Errorf("%q: %.0f allocations for 1,000 and %.0f for 32,000", piece, a, b)
		}
		done := make(chan bool)
		go func() { ContainsCardNumber(long); close(done) }()
		select {
		case <-done:
		case <-time.After(10 * time.Second):
			t.Fatalf("%q 32,000 times takes for ever", piece)
		}
	}
}
