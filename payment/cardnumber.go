package payment

import (
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
	uuidLen       = 36
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
	check("/not_before", draft.NotBefore)
	if _, err := ParseID(draft.RetryOf); err != nil { // ids are drawn, so one may look like anything
		check("/retry_of", draft.RetryOf)
	}
	for _, name := range metadataNames(draft, func(name, value string) bool {
		return ContainsCardNumber(name) || ContainsCardNumber(value)
	}) {
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
// dashes. Digits of any script count; digits within a long hexadecimal word, such
// as a hash, do not (ADR 0012), nor do those of a UUID (ADR 0013). It takes time in proportion to the text.
func ContainsCardNumber(text string) bool {
	if fewDigits(text) {
		return false
	}
	text = foldDigits(text)
	var groups []string // of digits, with only spaces and dashes between them
	for len(text) > 0 {
		if isUUID(text) {
			groups, text = nil, text[uuidLen:]
			continue
		}
		word := prefixLen(text, isAlnum)
		if word == 0 {
			n := separatorsLen(text)
			if n == 0 {
				groups, n = nil, 1 // any other byte ends a number
			}
			text = text[n:]
			continue
		}
		var found bool
		if groups, found = cardInWord(text[:word], groups); found {
			return true
		}
		text = text[word:]
	}
	return false
}

// fewDigits tells of nearly every text, and fast, that it cannot hold a card
// number: it is ASCII, and nowhere are there enough digits with only spaces and
// dashes between them.
func fewDigits(text string) bool {
	digits := 0
	for i := range len(text) {
		switch char := text[i]; {
		case char > unicode.MaxASCII:
			return false
		case isDigit(char):
			if digits++; digits == cardDigitsMin {
				return false
			}
		case char != '-' && !unicode.IsSpace(rune(char)):
			digits = 0
		}
	}
	return true
}

// cardInWord goes on with the groups in front of a word of letters and digits, and
// gives those that what follows the word may go on with.
func cardInWord(word string, groups []string) ([]string, bool) {
	if len(word) >= hexWordLenMin && isHexID(word) {
		return nil, false
	}
	for len(word) > 0 {
		n := prefixLen(word, isDigit)
		if n == 0 { // letters
			groups, word = nil, word[prefixLen(word, func(b byte) bool { return !isDigit(b) }):]
			continue
		}
		groups = append(groups, word[:n])
		if endsInCard(groups) {
			return nil, true
		}
		word = word[n:]
	}
	return groups, false
}

// foldDigits writes the digits of every script in ASCII, and what looks like a
// space, a dash or nothing as one.
func foldDigits(text string) string {
	if strings.IndexFunc(text, func(r rune) bool { return r > unicode.MaxASCII }) < 0 {
		return text
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r <= unicode.MaxASCII:
			return r
		case unicode.Is(unicode.Nd, r):
			return '0' + digitValue(r)
		case unicode.Is(unicode.Cf, r):
			return ' ' // zero-width space, soft hyphen
		case r == minusSign:
			return '-'
		}
		return r
	}, text)
}

const minusSign = '\u2212'

// digitValue relies on how Unicode encodes decimal digits: in runs of ten, zero
// first (The Unicode Standard, section 4.6).
func digitValue(r rune) rune {
	code := uint32(r) //nolint:gosec // a rune of a text is not negative
	for _, table := range unicode.Nd.R16 {
		if code >= uint32(table.Lo) && code <= uint32(table.Hi) {
			return rune(code-uint32(table.Lo)) % 10 //nolint:gosec // within one table
		}
	}
	for _, table := range unicode.Nd.R32 {
		if code >= table.Lo && code <= table.Hi {
			return rune(code-table.Lo) % 10 //nolint:gosec // within one table
		}
	}
	return 0
}

// endsInCard tells whether the last groups, joined, are a card number.
func endsInCard(groups []string) bool {
	digits := ""
	for _, group := range slices.Backward(groups) {
		if len(digits)+len(group) > cardDigitsMax {
			return false
		}
		digits = group + digits
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
	for _, b := range []byte(word) {
		switch lower := b | 0x20; {
		case lower >= 'a' && lower <= 'f':
			letters++
		case !isDigit(b):
			return false
		}
	}
	return letters > 0
}

// isUUID tells whether a text begins with a UUID (RFC 9562, section 4) that holds
// a letter and is a word of its own. One in 340 random ones would be taken for a
// card number, and they are what most clients make their keys of.
func isUUID(text string) bool {
	if len(text) < uuidLen || (len(text) > uuidLen && isAlnum(text[uuidLen])) {
		return false
	}
	for _, dash := range []int{8, 13, 18, 23} {
		if text[dash] != '-' {
			return false
		}
	}
	return isHexID(text[:8] + text[9:13] + text[14:18] + text[19:23] + text[24:uuidLen])
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
