// Package nearest guesses what a wrong name was meant to be, so that an error
// can say it: a flag's variable, a column, a member of a request.
package nearest

import "strings"

// partLenMin is from which length a part of a name is taken for the name.
const partLenMin = 4

// Name gives the known name that is nearest to a wrong one, and whether any is
// near at all: reached with edits to less than half of the wrong one, or a part
// of it, or it a part of the known one. Case, "_", "-", "/" and spaces do not
// count, so that orderNumber is order_number.
func Name(wrong string, known []string) (string, bool) {
	sent := letters(wrong)
	best, bestDistance := "", (len(sent)+1)/2
	for _, name := range known {
		candidate := letters(name)
		distance := editDistance(sent, candidate)
		if holds(candidate, sent) || holds(sent, candidate) {
			distance = min(distance, 2) // a slip of one letter is nearer
		}
		if distance < bestDistance {
			best, bestDistance = name, distance
		}
	}
	return best, best != ""
}

func holds(name, part string) bool {
	return len(part) >= partLenMin && strings.Contains(name, part)
}

func letters(name string) string {
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
