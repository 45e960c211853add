package payment

// CheckOrderNumber tells whether a text can be an order number at all, for those
// who look one up: what NewRequest refuses was never stored, and may be what a
// store cannot even be asked for. The error is an *Error with CodeInvalid or
// CodeCardNumber and does not repeat the text.
func CheckOrderNumber(text string) error {
	if ContainsCardNumber(text) {
		return &Error{Code: CodeCardNumber, Detail: "an order number must not contain a card number"}
	}
	if problem := textProblem(text, 1, OrderNumberBytesMax); problem != "" {
		return &Error{Code: CodeInvalid, Detail: "an order number " + problem}
	}
	return nil
}
