package payment

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Limits of a request's texts, in bytes of UTF-8.
const (
	OrderNumberBytesMax   = 128
	PaymentMethodBytesMax = 255
	CustomerBytesMax      = 255
	DescriptionBytesMax   = 1000
	MetadataKeysMax       = 20
	MetadataKeyBytesMax   = 40
	MetadataValueBytesMax = 500
)

// Draft is a request as a boundary read it, not yet checked.
type Draft struct {
	OrderNumber   string
	AmountMinor   int64
	Currency      string
	PaymentMethod string // the payer's token; required
	Customer      string // "" if not given, as are all below
	Description   string
	Metadata      map[string]string
	RetryOf       string // the id of the failed or canceled payment that is tried again
	NotBefore     string // RFC 3339
}

// NotBeforeMax is how far ahead a payment may be scheduled.
const NotBeforeMax = 90 * 24 * time.Hour

// Request is a checked order to pay. Two requests with the same ID are about the
// same order; they are the same request if their fingerprints are equal too.
type Request struct {
	ID            ID
	Tenant        TenantID
	OrderNumber   string
	RetryOf       ID // "" unless this tries a failed payment again
	Money         Money
	PaymentMethod string
	Customer      string
	Description   string
	Metadata      map[string]string
	AcceptedAt    time.Time // UTC, whole milliseconds
	NotBefore     time.Time // when it may be paid; zero for at once, else as AcceptedAt
	KeyHash       KeyHash   // of the idempotency key that it came with, "" if none
}

// Fingerprint is the SHA-256 of what makes two requests for one order the same.
type Fingerprint [sha256.Size]byte

// NewRequest checks a draft and gives it its identity. The error is an *Error
// that lists every field that must change, not only the first.
func NewRequest(key IDKey, tenant TenantID, draft Draft, acceptedAt time.Time) (Request, error) {
	money, moneyErr := NewMoney(draft.AmountMinor, draft.Currency)
	fields := checkTexts(draft)
	notBefore, scheduleFields := checkSchedule(draft, acceptedAt)
	fields = append(fields, scheduleFields...)
	if coded, ok := moneyErr.(*Error); ok { //nolint:errorlint // NewMoney returns it bare
		fields = append(fields, coded.Fields...)
	}
	cards := cardFields(draft)
	if len(fields)+len(cards) > 0 {
		return Request{}, refusal(fields, cards)
	}
	return Request{
		ID:            key.Derive(tenant, draft.OrderNumber, ID(draft.RetryOf)),
		Tenant:        tenant,
		OrderNumber:   draft.OrderNumber,
		RetryOf:       ID(draft.RetryOf),
		Money:         money,
		PaymentMethod: draft.PaymentMethod,
		Customer:      draft.Customer,
		Description:   draft.Description,
		Metadata:      draft.Metadata,
		AcceptedAt:    acceptedAt.UTC().Truncate(time.Millisecond),
		NotBefore:     notBefore,
	}, nil
}

// checkSchedule reads what a draft says about its predecessor and its time.
func checkSchedule(draft Draft, acceptedAt time.Time) (notBefore time.Time, fields []FieldError) {
	if draft.RetryOf != "" {
		if _, err := ParseID(draft.RetryOf); err != nil {
			fields = append(fields, FieldError{Pointer: "/retry_of", Detail: "must be the id of a payment"})
		}
	}
	if draft.NotBefore == "" {
		return time.Time{}, fields
	}
	at, err := time.Parse(time.RFC3339, draft.NotBefore)
	switch {
	case err != nil:
		fields = append(fields, FieldError{Pointer: "/not_before", Detail: "must be a time such as 2026-11-21T09:00:00Z"})
	case at.Sub(acceptedAt) > NotBeforeMax:
		fields = append(fields, FieldError{Pointer: "/not_before", Detail: "must be at most 90 days ahead"})
	}
	return at.UTC().Truncate(time.Millisecond), fields
}

// Fingerprint covers order number, amount, currency, payment method, customer
// and the time before which it must not be paid. Description and metadata may differ between repetitions: clients put
// timestamps and trace ids there.
func (r Request) Fingerprint() Fingerprint {
	canonical := make([]byte, 0, 256)
	canonical = append(canonical, "paybuf request 1\x00"...)
	for _, text := range []string{r.OrderNumber, r.Money.Currency(), r.PaymentMethod, r.Customer} {
		canonical = binary.AppendUvarint(canonical, uint64(len(text)))
		canonical = append(canonical, text...)
	}
	canonical = binary.BigEndian.AppendUint64(canonical, uint64(r.Money.Minor())) //nolint:gosec // always positive
	if !r.NotBefore.IsZero() {                                                    // else as it was before there were schedules
		canonical = binary.BigEndian.AppendUint64(canonical, uint64(r.NotBefore.UnixMilli()))
	}
	return sha256.Sum256(canonical)
}

func refusal(fields, cards []FieldError) error {
	if len(cards) > 0 {
		return &Error{
			Code:   CodeCardNumber,
			Detail: "send the payer's token, never a card number",
			Fields: append(cards, fields...),
		}
	}
	return invalid(fields...)
}

func checkTexts(draft Draft) []FieldError {
	var fields []FieldError
	check := func(pointer, text string, bytesMin, bytesMax int) {
		if problem := textProblem(text, bytesMin, bytesMax); problem != "" {
			fields = append(fields, FieldError{Pointer: pointer, Detail: problem})
		}
	}
	check("/order_number", draft.OrderNumber, 1, OrderNumberBytesMax)
	check("/payment_method", draft.PaymentMethod, 1, PaymentMethodBytesMax)
	check("/customer", draft.Customer, 0, CustomerBytesMax)
	check("/description", draft.Description, 0, DescriptionBytesMax)
	if len(draft.Metadata) > MetadataKeysMax {
		fields = append(fields, FieldError{
			Pointer: "/metadata",
			Detail:  fmt.Sprintf("must have at most %d members", MetadataKeysMax),
		})
		return fields
	}
	for _, name := range metadataNames(draft, func(name, value string) bool {
		return textProblem(name, 1, MetadataKeyBytesMax) != "" || textProblem(value, 0, MetadataValueBytesMax) != ""
	}) {
		if problem := textProblem(name, 1, MetadataKeyBytesMax); problem != "" {
			fields = append(fields, FieldError{Pointer: "/metadata", Detail: "a member's name " + problem})
			continue
		}
		check(metadataPointer(name), draft.Metadata[name], 0, MetadataValueBytesMax)
	}
	return fields
}

// metadataNames gives the names of the members that something is wrong with,
// sorted. Nearly always there is none.
func metadataNames(draft Draft, wrong func(name, value string) bool) []string {
	var names []string
	for name, value := range draft.Metadata {
		if wrong(name, value) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// textProblem says what is wrong with a text, "" if nothing. Control characters
// are refused because Postgres cannot store NUL and because logs, CSV files and
// terminals would be at a client's mercy.
func textProblem(text string, bytesMin, bytesMax int) string {
	switch {
	case len(text) < bytesMin:
		return "must not be empty"
	case len(text) > bytesMax:
		return fmt.Sprintf("must be at most %d bytes", bytesMax)
	case !utf8.ValidString(text):
		return "must be valid UTF-8"
	case strings.ContainsFunc(text, unicode.IsControl):
		return "must not contain control characters"
	case bytesMin > 0 && strings.TrimSpace(text) != text:
		return "must not begin or end with white space"
	}
	return ""
}

// pointerEscapes are those of RFC 6901, section 3.
var pointerEscapes = strings.NewReplacer("~", "~0", "/", "~1")

func metadataPointer(name string) string { return "/metadata/" + pointerEscapes.Replace(name) }
