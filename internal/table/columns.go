package table

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/paybuf/paybuf/internal/nearest"
)

// partLenMin is from which length a column's name inside another tells that
// several were meant to be put together.
const partLenMin = 3

// Column puts a text together from a record. The zero value gives "".
type Column []piece

// piece is a fixed text, or the field at an index.
type piece struct {
	text  string
	index int
	field bool
}

// Of gives the column's text in a record.
func (c Column) Of(record []string) string {
	if len(c) == 1 && c[0].field {
		return record[c[0].index]
	}
	var text strings.Builder
	for _, piece := range c {
		if piece.field {
			text.WriteString(record[piece.index])
		} else {
			text.WriteString(piece.text)
		}
	}
	return text.String()
}

// Fixed is a column that is not in the file: the same text for each record.
func Fixed(text string) Column { return Column{{text: text}} }

// Header finds columns by name.
type Header []string

// NewHeader takes the names as they stand in a file.
func NewHeader(names []string) Header {
	head := slices.Clone(names)
	for i := range head {
		head[i] = strings.TrimSpace(head[i])
	}
	return head
}

// Has tells whether there is a column of that name.
func (h Header) Has(name string) bool { return slices.Contains(h, name) }

// Resolve finds one column, or the several that a text with braces puts together:
// "{order_id}-{part}". The error says which columns there are.
func (h Header) Resolve(text string) (Column, error) {
	if slices.Contains(h, text) || !strings.Contains(text, "{") {
		at, err := h.index(text)
		return Column{{index: at, field: true}}, err
	}
	var pieces Column
	for rest := text; rest != ""; {
		before, after, opened := strings.Cut(rest, "{")
		if before != "" {
			pieces = append(pieces, piece{text: before})
		}
		if !opened {
			break
		}
		name, remaining, closed := strings.Cut(after, "}")
		if !closed {
			return nil, fmt.Errorf("%q: a brace is not closed", text)
		}
		at, err := h.index(name)
		if err != nil {
			return nil, err
		}
		pieces = append(pieces, piece{index: at, field: true})
		rest = remaining
	}
	return pieces, nil
}

func (h Header) index(name string) (int, error) {
	at := slices.Index(h, name)
	if at < 0 {
		return 0, h.missing(name)
	}
	if slices.Contains(h[at+1:], name) {
		return 0, fmt.Errorf("two columns are named %q", name)
	}
	return at, nil
}

// missing says which columns there are, so that the mapping can be put right
// without opening the file.
func (h Header) missing(name string) error {
	quoted := make([]string, len(h))
	parts := make([]string, 0, len(h)) // columns that the name holds
	for i, column := range h {
		quoted[i] = strconv.Quote(column)
		if len(column) >= partLenMin && strings.Contains(name, column) {
			parts = append(parts, "{"+column+"}")
		}
	}
	hint := ""
	if near, ok := nearest.Name(name, h); len(parts) > 1 {
		hint = fmt.Sprintf("; several are put together in braces, such as %q", strings.Join(parts, "-"))
	} else if ok {
		hint = fmt.Sprintf("; did you mean %q?", near)
	}
	return fmt.Errorf("no column %q; the columns are %s%s", name, strings.Join(quoted, ", "), hint)
}
