package store

import (
	"fmt"
	"strings"
)

// lines hands what a logger writes to a function, line by line.
type lines func(line string)

func (l lines) Write(p []byte) (int, error) {
	for line := range strings.Lines(string(p)) {
		l(strings.TrimSpace(line))
	}
	return len(p), nil
}

func (l lines) sayf(format string, args ...any) { l(fmt.Sprintf(format, args...)) }
