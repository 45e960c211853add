package payment

import (
	"maps"
	"slices"
	"strings"
	"unicode"
)

// Card numbers have 13 to 19 digits (ISO/IEC 7812-1, and 13 for old Visa cards).
const (
	cardDigitsMin = 13
	cardDigitsMax = 19
	// hexWordLenMin is the length from which a word of only hexadecimal digits
	// that holds a letter is taken for a generated id. One in 350 random 32-digit
	// ids holds 13 digits in a row that pass the check sum by chance.
	hexWordLenMin = 24
)

// cardFields names the fields of a draft that hold a card number. The text of
// the field is never repeated.
func cardFields(draft Draft) []FieldError {
	const detail = "must not contain a card number"
	var fields []FieldError
	check := func(pointer, text string) {
		if ContainsCardNumber(text) {
			fields = append(fields, FieldError{Pointer: pointer, Detail: detail})
		}
	}
	check("/order_number", draft.OrderNumber)
	check("/currency", draft.Currency)
	check("/payment_method", draft.PaymentMethod)
	check("/customer", draft.Customer)
	check("/description", draft.Description)
	for _, name := range slices.Sorted(maps.Keys(draft.Metadata)) {
		if ContainsCardNumber(name) {
			fields = append(fields, FieldError{Pointer: "/metadata", Detail: "a member's name " + detail})
			continue
		}
		check(metadataPointer(name), draft.Metadata[name])
	}
	return fields
}

// ContainsCardNumber tells whether a text holds 13 to 19 digits that pass the
// Luhn check (ISO/IEC 7812-1, annex B), also in groups parted by spaces or
// dashes. Digits within a long hexadecimal word, such as a hash, do not count.
func ContainsCardNumber(text string) bool {
	var groups []string // of digits, with only spaces and dashes between them
	for len(text) > 0 {
		if n := noDigitsLen(text); n > 0 {
			groups, text = nil, text[n:]
			continue
		}
		n := prefixLen(text, isDigit)
		groups = append(groups, text[:n])
		if endsInCard(groups) {
			return true
		}
		text = text[n:]
		if n := separatorsLen(text); n > 0 {
			text = text[n:]
		} else {
			groups = nil
		}
	}
	return false
}

// noDigitsLen is the length of what stands in front of the next digit that could
// be a card's: other characters, and whole hexadecimal words.
func noDigitsLen(text string) int {
	word := prefixLen(text, isAlnum)
	if word >= hexWordLenMin && isHexID(text[:word]) {
		return word
	}
	return prefixLen(text, func(b byte) bool { return !isDigit(b) && isAlnum(b) == (word > 0) })
}

// endsInCard tells whether the last groups, joined, are a card number.
func endsInCard(groups []string) bool {
	digits := ""
	for _, group := range slices.Backward(groups) {
		digits = group + digits
		if len(digits) > cardDigitsMax {
			return false
		}
		if len(digits) >= cardDigitsMin && luhn(digits) {
			return true
		}
	}
	return false
}

func luhn(digits string) bool {
	sum := 0
	for i := range len(digits) {
		n := int(digits[len(digits)-1-i] - '0')
		if i%2 == 1 {
			n *= 2
		}
		sum += n/10 + n%10
	}
	return sum%10 == 0
}

func isHexID(word string) bool {
	letters := 0
	for _, r := range strings.ToLower(word) {
		switch {
		case r >= 'a' && r <= 'f':
			letters++
		case r < '0' || r > '9':
			return false
		}
	}
	return letters > 0
}

func isDigit(b byte) bool { return b >= '0' && b <= '9' }

func isAlnum(b byte) bool {
	return isDigit(b) || (b|0x20 >= 'a' && b|0x20 <= 'z')
}

func prefixLen(text string, of func(byte) bool) int {
	n := 0
	for n < len(text) && of(text[n]) {
		n++
	}
	return n
}

// separatorsLen is the length of the spaces and dashes, of any script, in front.
func separatorsLen(text string) int {
	for i, r := range text {
		if !unicode.IsSpace(r) && !unicode.Is(unicode.Pd, r) {
			return i
		}
	}
	return len(text)
}
