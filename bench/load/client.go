package load

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"
)

const (
	// answerBytesMax is the longest answer that is understood, head and body; each
	// further item of a batch adds to it.
	answerBytesMax = 8 << 10
	itemBytesMax   = 1 << 10
)

var (
	headEnd      = []byte("\r\n\r\n")
	lengthPrefix = []byte("\r\nContent-Length: ")

	errAnswerTooLong = errors.New("the answer is too long")
	errNoLength      = errors.New("the answer has no Content-Length")
	errNotHTTP       = errors.New("the answer is not HTTP/1.1")
	errSurplus       = errors.New("the server sent more than one answer")
)

// client is one connection that is kept alive. It understands just what the
// measured servers say.
type client struct {
	conn   net.Conn
	buffer []byte
}

// answer is what the measurement needs of an answer.
type answer struct {
	status int
	text   []byte
}

func dial(ctx context.Context, plan Plan, deadline time.Time) (*client, error) {
	return dialWith(ctx, plan.Address, answerBytesMax+(plan.items()-1)*itemBytesMax, deadline)
}

// dialWith connects to host:port for answers of at most so many bytes.
func dialWith(ctx context.Context, address string, bytesMax int, deadline time.Time) (*client, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", errors.Join(err, context.Cause(ctx)))
	}
	if err := conn.SetDeadline(deadline); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return &client{conn: conn, buffer: make([]byte, bytesMax)}, nil
}

// exchange sends a request and waits for its answer, which holds until the next
// call.
func (c *client) exchange(request []byte) (answer, error) {
	if _, err := c.conn.Write(request); err != nil {
		return answer{}, fmt.Errorf("send: %w", err)
	}
	filled, whole := 0, 0
	for whole == 0 || filled < whole {
		if filled == len(c.buffer) {
			return answer{}, errAnswerTooLong
		}
		n, err := c.conn.Read(c.buffer[filled:])
		if err != nil {
			return answer{}, fmt.Errorf("receive: %w", err)
		}
		filled += n
		if whole == 0 {
			if whole, err = wholeLen(c.buffer[:filled], len(c.buffer)); err != nil {
				return answer{}, err
			}
		}
	}
	if filled > whole {
		return answer{}, errSurplus
	}
	return parse(c.buffer[:whole])
}

// wholeLen is how long the answer will be, 0 as long as its head is incomplete.
func wholeLen(received []byte, bytesMax int) (int, error) {
	head := bytes.Index(received, headEnd)
	if head < 0 {
		return 0, nil
	}
	_, rest, found := bytes.Cut(received[:head+2], lengthPrefix)
	if !found {
		return 0, errNoLength
	}
	digits, _, _ := bytes.Cut(rest, headEnd[:2])
	body, err := strconv.Atoi(string(digits))
	if err != nil || body < 0 || body > bytesMax {
		return 0, errAnswerTooLong
	}
	return head + len(headEnd) + body, nil
}

func parse(whole []byte) (answer, error) {
	const start, statusLen = "HTTP/1.1 ", 3
	if len(whole) < len(start)+statusLen || string(whole[:len(start)]) != start {
		return answer{}, errNotHTTP
	}
	status, err := strconv.Atoi(string(whole[len(start) : len(start)+statusLen]))
	if err != nil {
		return answer{}, errNotHTTP
	}
	return answer{status: status, text: whole}, nil
}
