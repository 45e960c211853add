package outbound

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// Limits of what a payer may send us.
const (
	// AnswerBytesMax limits a body.
	AnswerBytesMax = 64 << 10
	headerBytesMax = 16 << 10
)

// Times of a connection, as opposed to those of a call.
const (
	// idleTimeout is shorter than what servers grant (nginx 75 s, Go's ours),
	// so that we rather than they close a connection and no send meets a closed
	// one.
	idleTimeout = 30 * time.Second
	keepAlive   = 15 * time.Second
)

// ErrAnswerTooLarge ends an answer that goes on beyond AnswerBytesMax.
var ErrAnswerTooLarge = fmt.Errorf("the answer has more than %d bytes", AnswerBytesMax)

// NewTransport gives a transport with at most so many connections, all of which
// may idle. A call beyond waits for its turn, so it needs a deadline; there is no
// other. trust replaces the system's if it is not nil.
func NewTransport(connections int, trust *tls.Config) *http.Transport {
	dialer := &net.Dialer{KeepAlive: keepAlive} // the call's deadline bounds the dial
	only1 := new(http.Protocols)
	only1.SetHTTP1(true)
	return &http.Transport{
		DialContext:            dialer.DialContext,
		TLSClientConfig:        trust,
		Protocols:              only1,
		MaxConnsPerHost:        connections,
		MaxIdleConns:           connections,
		MaxIdleConnsPerHost:    connections,
		IdleConnTimeout:        idleTimeout,
		MaxResponseHeaderBytes: headerBytesMax,
		DisableCompression:     true, // the limit of the body is on what arrives
	}
}

// OneSend gives the request without the means to send its body a second time.
func OneSend(request *http.Request) *http.Request {
	once := request.WithContext(request.Context()) // a copy
	once.GetBody = nil
	return once
}

// BodyOf is what to read of an answer. After 101 (Switching Protocols) that is nothing:
// net/http hands the connection itself over as the body, and no deadline of the
// request ends a read from it any more.
func BodyOf(response *http.Response) io.Reader {
	if response.StatusCode == http.StatusSwitchingProtocols {
		return http.NoBody
	}
	return response.Body
}

// ReadAnswer reads to the end, so that the connection can be used again, or to
// the limit.
func ReadAnswer(body io.Reader) ([]byte, error) {
	read, err := io.ReadAll(io.LimitReader(body, AnswerBytesMax+1))
	if len(read) > AnswerBytesMax {
		return read[:AnswerBytesMax], ErrAnswerTooLarge
	}
	return read, err
}
