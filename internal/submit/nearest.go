package submit

import "strings"

// nearest finds the name that a wrong one was most likely meant to be: one that
// holds it, is held by it, or is reached with edits to less than half of it.
func nearest(wrong string, names []string) (string, bool) {
	wrong = strings.ToLower(wrong)
	best, bestDistance := "", (len(wrong)+1)/2
	for _, name := range names {
		lower := strings.ToLower(name)
		distance := editDistance(wrong, lower)
		if holds(lower, wrong) || holds(wrong, lower) {
			distance = min(distance, 1)
		}
		if distance < bestDistance {
			best, bestDistance = name, distance
		}
	}
	return best, best != ""
}

// holds tells that a name is a part of another which is long enough to mean it.
func holds(name, part string) bool { return len(part) >= 3 && strings.Contains(name, part) }

// editDistance is the Levenshtein distance in bytes.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}
