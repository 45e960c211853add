package ingest

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/paybuf/paybuf/payment"
)

const (
	// fieldErrorsMax limits the errors that one answer lists.
	fieldErrorsMax = 50
	// nameEchoBytesMax is the longest name of a member that an answer repeats.
	nameEchoBytesMax = 64

	cardDetail = "must not contain a card number"
	// anyCurrency stands in for one that was refused.
	anyCurrency = "EUR"
)

// document is what a body says, as far as it could be read.
type document struct {
	form     *shape
	draft    payment.Draft
	token    string // of a payment, "" if none was given
	noToken  bool   // the token is none, or not for this
	late     bool   // the token has expired
	noObject bool   // there are no members at all
	given    [membersCount]bool
	fields   []payment.FieldError // members of a wrong form
	cards    []payment.FieldError // refused members that hold a card number
	more     bool                 // not all that is wrong is in fields

	expiresIn int64 // of a new token, in seconds; 0 if not given
}

// request makes the domain's request of the document, or the error that lists
// all that is wrong with it.
func (d *document) request(key payment.IDKey, tenant payment.TenantID, at time.Time) (payment.Request, error) {
	d.redeem(key, tenant, at)
	refused := d.checkGiven()
	request, err := payment.NewRequest(key, tenant, d.draft, at)
	if refused || err != nil {
		return payment.Request{}, d.refusal(err)
	}
	return request, nil
}

// checkGiven sees to what must be given, and tells whether anything is refused so
// far.
func (d *document) checkGiven() (refused bool) {
	for _, index := range d.form.must {
		if !d.given[index] && !d.noObject && (index != memberOrderNumber || !d.given[memberPaymentToken]) {
			d.refuse(pointers[index], "is required")
		}
	}
	for _, index := range []int{memberRetryOf, memberNotBefore} {
		// Not the same as leaving it out, which is to pay at once.
		if d.given[index] && !d.isRefused(pointers[index]) && *d.textOf(index) == "" {
			d.refuse(pointers[index], "must not be empty")
		}
	}
	refused = d.noObject || len(d.fields)+len(d.cards) > 0
	if refused {
		d.standIn()
	}
	return refused
}

// standIn puts a valid value where a member was refused, so that the domain can
// judge the others. The request that comes of it is thrown away.
func (d *document) standIn() {
	for _, index := range d.form.must {
		if d.given[index] && !d.isRefused(pointers[index]) {
			continue
		}
		switch text := d.textOf(index); {
		case index == memberAmount:
			d.draft.AmountMinor = 1
		case *text != "": // given twice: the first is judged
		case index == memberCurrency:
			*text = anyCurrency
		default:
			*text = "-"
		}
	}
}

// textOf is where the text of a member belongs.
func (d *document) textOf(index int) *string {
	switch index {
	case memberOrderNumber:
		return &d.draft.OrderNumber
	case memberCurrency:
		return &d.draft.Currency
	case memberPaymentMethod:
		return &d.draft.PaymentMethod
	case memberCustomer:
		return &d.draft.Customer
	case memberRetryOf:
		return &d.draft.RetryOf
	case memberNotBefore:
		return &d.draft.NotBefore
	case memberPaymentToken:
		return &d.token
	default:
		return &d.draft.Description
	}
}

// refusal merges what the domain refuses, if anything, with what was refused
// before: sorted, each pointer once, card numbers first among equals.
func (d *document) refusal(domainErr error) error {
	fields := slices.Clone(d.cards)
	refusal := payment.Error{Code: payment.CodeInvalid, Detail: "the request has fields that must change"}
	if coded, ok := errors.AsType[*payment.Error](domainErr); ok {
		refusal.Code, refusal.Detail = coded.Code, coded.Detail
		fields = append(fields, coded.Fields...)
	}
	if d.noToken && refusal.Code != payment.CodeCardNumber {
		refusal.Code, refusal.Detail = payment.CodeTokenInvalid, "the payment token is not valid for this request"
	}
	if len(d.cards) > 0 {
		refusal.Code, refusal.Detail = payment.CodeCardNumber, cardRefusal
	}
	fields = append(fields, d.fields...)
	slices.SortStableFunc(fields, func(a, b payment.FieldError) int { return strings.Compare(a.Pointer, b.Pointer) })
	fields = slices.CompactFunc(fields, func(a, b payment.FieldError) bool { return a.Pointer == b.Pointer })
	if len(fields) > fieldErrorsMax {
		fields, d.more = fields[:fieldErrorsMax], true
	}
	if d.more {
		refusal.Detail += "; not all of them are listed"
	}
	refusal.Fields = fields
	return &refusal
}

// refuse notes what is wrong with a member. Members of a request are always
// noted; of what does not belong there, a body can hold more than anybody reads.
func (d *document) refuse(pointer, detail string) {
	if len(d.fields) >= fieldErrorsMax && !slices.Contains(pointers[:], pointer) {
		d.more = true
		return
	}
	d.fields = append(d.fields, payment.FieldError{Pointer: pointer, Detail: detail})
}

func (d *document) foundCard(pointer, detail string) {
	if len(d.cards) >= fieldErrorsMax {
		d.more = true
		return
	}
	d.cards = append(d.cards, payment.FieldError{Pointer: pointer, Detail: detail})
}

func (d *document) isRefused(pointer string) bool {
	at := func(field payment.FieldError) bool { return field.Pointer == pointer }
	return slices.ContainsFunc(d.fields, at) || slices.ContainsFunc(d.cards, at)
}

// pointerEscapes are those of RFC 6901, section 3.
var pointerEscapes = strings.NewReplacer("~", "~0", "/", "~1")

// pointerTo points to a member, or to what it is a member of if its name must not
// be repeated.
func pointerTo(parent, name string) string {
	pointer := parent + "/" + pointerEscapes.Replace(name)
	if len(name) > nameEchoBytesMax || payment.ContainsCardNumber(pointer) {
		return parent
	}
	return pointer
}
