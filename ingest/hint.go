package ingest

import "github.com/paybuf/paybuf/internal/nearest"

// hint suggests the member that was probably meant by an unknown name, "" if
// none is near. It repeats known names only.
func hint(name string) string {
	if len(name) > nameEchoBytesMax {
		return ""
	}
	pointer, found := nearest.Name(name, pointers[:])
	if !found {
		return ""
	}
	return `; did you mean "` + pointer[1:] + `"?`
}
