package wire

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/go-json-experiment/json"
)

const askTimeout = 10 * time.Second

var errAskSlow = errors.New("it did not answer in time")

// Client asks a server that Serve runs, again and again.
type Client struct {
	name, url string
	client    *http.Client
}

// NewClient makes a client of the server at host:port, which is called name in errors.
func NewClient(name, address string) *Client {
	return &Client{name: name, url: "http://" + address, client: &http.Client{Transport: &http.Transport{}}}
}

// Ask sends a request without a body and reads the JSON of its 200 into to.
func (c *Client) Ask(ctx context.Context, method, path string, to any) error {
	ctx, cancel := context.WithTimeoutCause(ctx, askTimeout, errAskSlow)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, c.url+path, http.NoBody)
	if err != nil {
		return fmt.Errorf("ask %s: %w", c.name, err)
	}
	response, err := c.client.Do(request)
	if err != nil {
		return fmt.Errorf("ask %s: %w", c.name, errors.Join(err, context.Cause(ctx)))
	}
	defer func() { _ = response.Body.Close() }() // read to its end, or of no more use
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("ask %s: it answers %s", c.name, response.Status)
	}
	if err := json.UnmarshalRead(response.Body, to); err != nil {
		return fmt.Errorf("ask %s: %w", c.name, err)
	}
	return nil
}

// Close closes the connection.
func (c *Client) Close() { c.client.CloseIdleConnections() }
