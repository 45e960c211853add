package ingest

import "github.com/paybuf/paybuf/internal/nearest"

// The members of bodies.
const (
	memberOrderNumber = iota
	memberAmount
	memberCurrency
	memberPaymentMethod
	memberCustomer
	memberDescription
	memberMetadata
	memberRetryOf
	memberNotBefore
	memberPaymentToken
	memberExpiresIn
	membersCount
)

var pointers = [membersCount]string{
	"/order_number", "/amount", "/currency", "/payment_method", "/customer", "/description", "/metadata",
	"/retry_of", "/not_before", "/payment_token", "/expires_in",
}

// shape is what one kind of body may hold, and what it must.
type shape struct {
	what string
	may  [membersCount]bool
	must []int
}

var (
	requestShape = shape{
		what: "a payment request",
		may: [membersCount]bool{
			memberOrderNumber: true, memberAmount: true, memberCurrency: true, memberPaymentMethod: true,
			memberCustomer: true, memberDescription: true, memberMetadata: true,
			memberRetryOf: true, memberNotBefore: true, memberPaymentToken: true,
		},
		must: []int{memberOrderNumber, memberAmount, memberCurrency, memberPaymentMethod},
	}
	tokenShape = shape{
		what: "a request for a payment token",
		may:  [membersCount]bool{memberAmount: true, memberCurrency: true, memberExpiresIn: true},
		must: []int{memberAmount, memberCurrency},
	}
)

// hint suggests the member that was probably meant by an unknown name, "" if
// none is near. It repeats known names only.
func (s *shape) hint(name string) string {
	if len(name) > nameEchoBytesMax {
		return ""
	}
	var known []string
	for index, may := range s.may {
		if may {
			known = append(known, pointers[index])
		}
	}
	pointer, found := nearest.Name(name, known)
	if !found {
		return ""
	}
	return `; did you mean "` + pointer[1:] + `"?`
}
