package load

import (
	"errors"
	"io"
	"net"
	"strings"
	"testing"
)

// talk answers one request with the given pieces, each sent by itself.
func talk(t *testing.T, pieces ...string) (answer, error) {
	t.Helper()
	ours, theirs := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer theirs.Close()
		_, _ = io.ReadFull(theirs, make([]byte, len("request")))
		for _, piece := range pieces {
			_, _ = io.WriteString(theirs, piece)
		}
	}()
	c := client{conn: ours, buffer: make([]byte, answerBytesMax)}
	got, err := c.exchange([]byte("request"))
	_ = ours.Close()
	<-done
	return got, err
}

func TestClient_understandsAnAnswerHoweverItIsCut(t *testing.T) {
	const whole = "HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: 18\r\nX: y\r\n\r\n{\"duplicate\":true}"
	for cut := range whole {
		if cut == 0 {
			continue
		}
		got, err := talk(t, whole[:cut], whole[cut:])
		if err != nil || got.status != 202 || string(got.text) != whole {
			t.Fatalf("cut at %d: %d, %v", cut, got.status, err)
		}
	}
}

func TestClient_refusesWhatItWouldMisread(t *testing.T) {
	for name, c := range map[string]struct {
		said string
		want error
	}{
		"no length":       {"HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", errNoLength},
		"not a length":    {"HTTP/1.1 202 Accepted\r\nContent-Length: -4\r\n\r\n", errAnswerTooLong},
		"a huge length":   {"HTTP/1.1 202 Accepted\r\nContent-Length: 99999999\r\n\r\n", errAnswerTooLong},
		"an endless head": {"HTTP/1.1 202 Accepted\r\nX: " + strings.Repeat("y", answerBytesMax), errAnswerTooLong},
		"another version": {"HTTP/1.0 202 Accepted\r\nContent-Length: 0\r\n\r\n", errNotHTTP},
		"no status":       {"HTTP/1.1 abc\r\nContent-Length: 0\r\n\r\n", errNotHTTP},
		"too short":       {"\r\nContent-Length: 0\r\n\r\n", errNotHTTP},
		"two answers":     {"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\nHTTP", errSurplus},
		"a broken one":    {"HTTP/1.1 202 Accepted\r\nContent-Length: 9\r\n\r\n", io.EOF},
	} {
		if _, err := talk(t, c.said); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
	}
}
