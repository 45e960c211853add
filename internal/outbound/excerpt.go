package outbound

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/paybuf/paybuf/payment"
)

// Hidden stands for what is not shown.
const Hidden = "[hidden]"

// freeEscapes finds runs of \uXXXX; a run, since two may make one character.
var freeEscapes = regexp.MustCompile(`(?:\\u[0-9a-fA-F]{4})+`)

// Excerpt is what may be shown of a text that others wrote, a payer say: without the
// secrets that are named and without card numbers, printable, and at most
// payment.EvidenceBytesMax. Secrets are hidden before it cuts, since half of one is
// one too. Empty secrets are none.
func Excerpt(text string, secrets ...string) string {
	return ExcerptOf(text, payment.EvidenceBytesMax, secrets...)
}

// ExcerptOf is Excerpt with another limit.
func ExcerptOf(text string, bytesMax int, secrets ...string) string {
	escapes := strings.Contains(text, `\`) // nearly no text has one, and all below that it needs not
	if escapes {
		text = unescaped(text)
	}
	for _, secret := range secrets {
		if secret == "" {
			continue
		}
		text = strings.ReplaceAll(text, secret, Hidden)
		if escapes {
			text = strings.ReplaceAll(text, quotedJSON(secret), Hidden)
		}
	}
	if payment.ContainsCardNumber(text) {
		text = strings.Map(maskDigit, text)
	}
	if !isPlain(text) {
		text = strings.Map(printableRune, text)
	}
	return cut(text, bytesMax)
}

// isPlain tells of nearly every text, and fast, that all of it is printable.
func isPlain(text string) bool {
	for i := range len(text) {
		if text[i] < ' ' || text[i] > '~' {
			return false
		}
	}
	return true
}

// unescaped undoes the escapes that a JSON writer is free to use, `\/` and
// `\u00e9`, so that a secret looks the same whoever wrote it. It works on half a
// JSON text too.
func unescaped(text string) string {
	text = strings.ReplaceAll(text, `\/`, "/")
	return freeEscapes.ReplaceAllStringFunc(text, func(escapes string) string {
		plain, err := jsontext.AppendUnquote(nil, `"`+escapes+`"`)
		if err != nil {
			return escapes
		}
		return string(plain)
	})
}

func quotedJSON(secret string) string {
	quoted, err := jsontext.AppendQuote(nil, secret)
	if err != nil {
		return secret
	}
	return string(quoted[1 : len(quoted)-1])
}

// cut shortens to the limit at a character's border.
func cut(text string, bytesMax int) string {
	if len(text) <= bytesMax {
		return text
	}
	end := bytesMax
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end]
}

func maskDigit(r rune) rune {
	if unicode.IsDigit(r) {
		return '#'
	}
	return r
}

// printableRune replaces what could disturb a terminal, a log or a database;
// strings.Map has made bad UTF-8 into U+FFFD.
func printableRune(r rune) rune {
	if unicode.IsPrint(r) {
		return r
	}
	return ' '
}
