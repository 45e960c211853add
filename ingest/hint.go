package ingest

import "strings"

// hintDistanceMax is how many letters may differ in a name that is taken for a
// known one; hintPartLenMin is how long a part of one must be to suggest it.
const (
	hintDistanceMax = 2
	hintPartLenMin  = 4
)

// hint suggests the member that was probably meant by an unknown name, "" if
// none is near. It repeats known names only.
func hint(name string) string {
	if len(name) > nameEchoBytesMax {
		return ""
	}
	sent := lettersOnly(name)
	best, bestDistance := "", hintDistanceMax+1
	for _, pointer := range pointers {
		known := lettersOnly(pointer)
		distance := editDistance(sent, known)
		if len(sent) >= hintPartLenMin && (strings.Contains(known, sent) || strings.Contains(sent, known)) {
			distance = min(distance, hintDistanceMax) // "order", "customer_id"
		}
		if distance < bestDistance {
			best, bestDistance = pointer[1:], distance
		}
	}
	if best == "" {
		return ""
	}
	return `; did you mean "` + best + `"?`
}

// lettersOnly makes orderNumber, Order-Number and order_number the same.
func lettersOnly(name string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune("_-/ ", r) {
			return -1
		}
		return r
	}, strings.ToLower(name))
}

// editDistance counts the bytes to insert, remove or replace (Levenshtein).
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
