package peer

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"os"
)

// constant gives every request the same answer, with no router before it: the least that
// a look-up by net/http can cost here.
type constant struct {
	header http.Header
	body   []byte
}

// readConstant reads a whole HTTP answer from a file.
func readConstant(file string) (*constant, error) {
	opened, err := os.Open(file) //nolint:gosec // made by who started us
	if err != nil {
		return nil, fmt.Errorf("the answer: %w", err)
	}
	defer func() { _ = opened.Close() }() // it was only read
	response, err := http.ReadResponse(bufio.NewReader(opened), nil)
	if err != nil {
		return nil, fmt.Errorf("the answer: %w", err)
	}
	defer func() { _ = response.Body.Close() }() // it is of the file
	body, err := io.ReadAll(io.LimitReader(response.Body, bodyBytesMax))
	if err != nil {
		return nil, fmt.Errorf("the answer: %w", err)
	}
	response.Header.Del("Date") // net/http sets it by itself
	return &constant{header: response.Header, body: body}, nil
}

// ServeHTTP implements http.Handler.
func (c *constant) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	header := w.Header()
	for name, values := range c.header {
		header[name] = values
	}
	_, _ = w.Write(c.body) // the client has gone: nobody to tell
}
