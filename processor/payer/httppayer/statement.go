package httppayer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"time"

	"github.com/paybuf/paybuf/payment"
)

const (
	// statementTimeout bounds a statement from the first byte asked to the last byte
	// read, with the time that its reader takes: 10 million rows in ten minutes.
	statementTimeout = 30 * time.Minute
	// statementBytesMax has room for 40 million rows.
	statementBytesMax = 4 << 30
)

var (
	errStatementSlow     = errors.New("the payer's statement took too long")
	errStatementTooLarge = fmt.Errorf("the payer's statement has more than %d bytes", int64(statementBytesMax))
)

// Statements fetches a payer's statements:
//
//	GET {url}?from=<RFC 3339>&to=<RFC 3339>   Accept: text/csv
//
// answered 200 with a CSV file of the charges made in [from, to). It is safe for
// concurrent use.
type Statements struct {
	url   *url.URL
	payer *Payer
}

// NewStatements makes a fetcher. address is a URL, or a path below the payer's own
// URL such as /statement. The error is a *payment.Error with CodeConfig.
func NewStatements(payerURL, address string, cfg Config) (*Statements, error) {
	payer, err := New(payerURL, cfg)
	if err != nil {
		return nil, err
	}
	base, err := parseBase(payerURL)
	if err != nil {
		return nil, err
	}
	if relative, err := url.Parse(address); err == nil && relative.String() == relative.EscapedPath() {
		return &Statements{url: base.JoinPath(address), payer: payer}, nil
	}
	own, err := parseBase(address)
	if err != nil {
		return nil, badConfig("the statements' URL must be a path below the payer's, or begin with http:// or https://, " +
			"and have no user, query or fragment")
	}
	return &Statements{url: own, payer: payer}, nil
}

// Statement asks for the charges of a period. Whoever reads it must close it; what
// is cut off by a limit, a deadline or the payer ends in an error and not in io.EOF.
func (s *Statements) Statement(ctx context.Context, period payment.Period) (io.ReadCloser, error) {
	address := *s.url
	address.RawQuery = url.Values{
		"from": {period.From.UTC().Format(time.RFC3339Nano)}, "to": {period.Until.UTC().Format(time.RFC3339Nano)},
	}.Encode()
	ctx, cancel := context.WithTimeoutCause(ctx, statementTimeout, errStatementSlow)
	request := s.payer.newRequest(ctx, call{method: http.MethodGet, url: &address})
	request.Header.Set("Accept", "text/csv")
	response, err := s.payer.transport.RoundTrip(request)
	if err != nil {
		defer cancel()
		return nil, fmt.Errorf("ask for the statement: %w", because(ctx, err))
	}
	if err := checkStatement(response); err != nil {
		err = errors.Join(err, response.Body.Close())
		cancel()
		return nil, err
	}
	return &statement{ctx: ctx, cancel: cancel, body: response.Body, leftBytes: statementBytesMax}, nil
}

// Close closes idle connections.
func (s *Statements) Close() { s.payer.Close() }

// checkStatement refuses what is no statement, a proxy's page above all. The body
// is not repeated.
func checkStatement(response *http.Response) error {
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("ask for the statement: the payer answers %d", response.StatusCode)
	}
	if kind, _, err := mime.ParseMediaType(response.Header.Get("Content-Type")); err != nil || kind != "text/csv" {
		return errors.New("ask for the statement: the payer's answer is not text/csv")
	}
	return nil
}

// statement is a body with a limit and a deadline.
type statement struct {
	ctx       context.Context //nolint:containedctx // the deadline of this one body
	cancel    context.CancelFunc
	body      io.ReadCloser
	leftBytes int64
}

// Read implements io.Reader.
func (s *statement) Read(into []byte) (int, error) {
	if s.leftBytes <= 0 {
		return 0, errStatementTooLarge
	}
	n, err := s.body.Read(into[:min(int64(len(into)), s.leftBytes)])
	s.leftBytes -= int64(n)
	if err != nil && !errors.Is(err, io.EOF) {
		err = because(s.ctx, err)
	}
	return n, err
}

// Close implements io.Closer.
func (s *statement) Close() error {
	defer s.cancel()
	return s.body.Close()
}
