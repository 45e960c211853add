package status

import "strings"

// noneMatch tells whether an If-None-Match names the etag, so that the client has
// what it asks for (RFC 9110, section 13.1.2). It compares weakly, as the RFC
// says: a cache on the way may have weakened our strong tag. What is no list of
// entity tags matches nothing, since a full answer is always right.
func noneMatch(lists []string, etag string) bool {
	for _, list := range lists {
		if strings.Trim(list, " \t") == "*" {
			return true
		}
		for {
			tag, rest, ok := nextTag(list)
			if !ok {
				break
			}
			if tag == etag {
				return true
			}
			list = rest
		}
	}
	return false
}

// nextTag takes the first entity tag off a list, without its weakness. Tags may
// hold commas.
func nextTag(list string) (tag, rest string, ok bool) {
	list = strings.TrimPrefix(strings.TrimLeft(list, " \t,"), "W/")
	if !strings.HasPrefix(list, `"`) {
		return "", "", false
	}
	end := strings.IndexByte(list[1:], '"')
	if end < 0 {
		return "", "", false
	}
	return list[:end+2], list[end+2:], true
}
