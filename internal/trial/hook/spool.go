package hook

import (
	"bufio"
	"errors"
	"os"

	"github.com/go-json-experiment/json"
)

// spool keeps deliveries for another verifier, one JSON object per line.
type spool struct {
	file *os.File
	out  *bufio.Writer
}

// spooled is a line: internal/trial/verify/verify.mjs reads it.
type spooled struct {
	AtMs    int64             `json:"at_ms"` // when it came, milliseconds since 1970
	Headers map[string]string `json:"headers"`
	Body    []byte            `json:"body"`    // base64
	Secrets []string          `json:"secrets"` // each must verify it
}

func openSpool(path string) (*spool, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600) //nolint:gosec // the test chooses where
	if err != nil {
		return nil, err
	}
	return &spool{file: file, out: bufio.NewWriter(file)}, nil
}

func (s *spool) write(d *Delivery) error {
	line := spooled{AtMs: d.At.UnixMilli(), Headers: map[string]string{}, Body: d.Body, Secrets: d.Secrets}
	for name := range d.Header {
		line.Headers[name] = d.Header.Get(name)
	}
	text, err := json.Marshal(line, json.Deterministic(true))
	if err != nil {
		return err
	}
	_, err = s.out.Write(append(text, '\n'))
	return err
}

func (s *spool) flush() error { return errors.Join(s.out.Flush(), s.file.Sync()) }
