package prefer

import "strings"

const blank = " \t"

// next takes the first preference off a list, with its name in lower case (section
// 2) and without its parameters. ok is false if it is none; what follows the next
// comma may be one.
func next(list string) (name, value, rest string, ok bool) {
	name, rest = token(strings.TrimLeft(list, blank+","))
	ok = name != ""
	value, rest, ok = assigned(rest, ok)
	for {
		after, more := strings.CutPrefix(strings.TrimLeft(rest, blank), ";")
		if !more || !ok {
			break
		}
		var parameter string
		parameter, rest = token(strings.TrimLeft(after, blank))
		if parameter != "" { // there may be nothing between two semicolons
			_, rest, ok = assigned(rest, ok)
		}
	}
	rest = strings.TrimLeft(rest, blank)
	if ok && (rest == "" || rest[0] == ',') {
		return strings.ToLower(name), value, rest, true
	}
	_, rest, _ = strings.Cut(rest, ",")
	return "", "", rest, false
}

// assigned reads what an equals sign gives to a name, "" without one, which means the
// same.
func assigned(text string, ok bool) (value, rest string, stillOK bool) {
	after, given := strings.CutPrefix(strings.TrimLeft(text, blank), "=")
	if !given || !ok {
		return "", text, ok
	}
	after = strings.TrimLeft(after, blank)
	if quoted, isQuoted := strings.CutPrefix(after, `"`); isQuoted {
		return unquoted(quoted)
	}
	value, rest = token(after)
	return value, rest, value != ""
}

// unquoted reads a quoted-string behind its first quotation mark (RFC 9110, section
// 5.6.4).
func unquoted(text string) (value, rest string, ok bool) {
	var plain strings.Builder
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '"':
			return plain.String(), text[i+1:], true
		case text[i] == '\\' && i+1 < len(text):
			i++
		}
		plain.WriteByte(text[i])
	}
	return "", "", false
}

// token reads the characters of a token (RFC 9110, section 5.6.2).
func token(text string) (value, rest string) {
	end := strings.IndexFunc(text, func(r rune) bool {
		alnum := (r >= 'a' && r <= 'z') || (r >= 'A' && r <= 'Z') || (r >= '0' && r <= '9')
		return !alnum && !strings.ContainsRune("!#$%&'*+-.^_`|~", r)
	})
	if end < 0 {
		return text, ""
	}
	return text[:end], text[end:]
}
