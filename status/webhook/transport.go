package webhook

import (
	"net"
	"net/http"
	"time"
)

// Limits of a connection, and of what comes on it.
const (
	answerBytesMax  = 64 << 10
	headerBytesMax  = 64 << 10
	excerptBytesMax = 1 << 10

	dialTimeout = 5 * time.Second
	tlsTimeout  = 5 * time.Second
	idleTimeout = 30 * time.Second
	keepAlive   = 15 * time.Second
	idleMax     = 1024 // connections
)

// newTransport gives the one transport of a sender. Each address is checked when it is
// dialled, after names were resolved, so that no answer of a name server leads inside.
// A proxy would dial in our place and is not used.
//
// It speaks HTTP/1.1 only: then a request has a connection of its own, which is closed
// when the answer is too large or too slow, and another request is never behind it.
func newTransport(cfg Config) *http.Transport {
	dialer := &net.Dialer{
		Timeout: dialTimeout, KeepAlive: keepAlive, Control: cfg.Targets.guardian().Safe, Resolver: cfg.Resolver,
	}
	only1 := new(http.Protocols)
	only1.SetHTTP1(true)
	return &http.Transport{
		Proxy:                  nil,
		DialContext:            dialer.DialContext,
		TLSClientConfig:        cfg.TLS,
		TLSHandshakeTimeout:    tlsTimeout,
		Protocols:              only1,
		MaxConnsPerHost:        cfg.Concurrency, // never waits: there are no more requests
		MaxIdleConns:           idleMax,
		MaxIdleConnsPerHost:    cfg.EndpointConcurrency,
		IdleConnTimeout:        idleTimeout,
		MaxResponseHeaderBytes: headerBytesMax,
		DisableCompression:     true, // what is not inflated is no bomb
	}
}
