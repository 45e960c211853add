// Package outbound has what everybody owes who calls somebody else's server over
// HTTP: an answer is bounded, and what is shown of it is harmless. For adapters of
// payers an attempt is one send, too.
//
// One send is not what net/http does by itself. It sends a POST again on another
// connection if it carries an Idempotency-Key and its body can be rewound; it
// follows redirects; HTTP/2 sends refused streams again; proxies do what they
// like. NewTransport leaves out the last two, OneSend the first, and whoever
// calls a transport itself instead of an http.Client leaves out the redirects.
package outbound
