package postgres

import (
	"strings"
	"unicode/utf8"
)

// payerTextBytesMax limits what a payer's answer can make us store in one field.
const payerTextBytesMax = 1000

// storable makes a text that came from outside fit a column: Postgres stores no
// NUL and no invalid UTF-8, and an outcome must never be lost over a payer's odd
// bytes.
func storable(text string, bytesMax int) string {
	const replacement = "\uFFFD"
	text = strings.ReplaceAll(strings.ToValidUTF8(text, replacement), "\x00", replacement)
	if len(text) <= bytesMax {
		return text
	}
	end := bytesMax
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end]
}
