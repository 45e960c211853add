package object

import (
	"fmt"
	"net/http"
	"strconv"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// encoding makes equal payments equal bytes (metadata in one order), and lets a
// payer's reference that is not UTF-8 not stand between a client and its answer.
var encoding = json.JoinOptions(json.Deterministic(true), jsontext.AllowInvalidUTF8(true))

// Marshal gives what Write would: of an event, the body of its webhook.
func Marshal(shown any) ([]byte, error) {
	body, err := json.Marshal(shown, encoding)
	if err != nil {
		return nil, fmt.Errorf("marshal payment: %w", err)
	}
	return body, nil
}

// Write answers with a Payment or a List. An error means that the client is gone.
func Write(w http.ResponseWriter, status int, shown any) error {
	body, err := Marshal(shown)
	if err != nil {
		return err
	}
	header := w.Header()
	header.Set("Content-Type", "application/json")
	header.Set("Content-Length", strconv.Itoa(len(body)))
	header.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	if _, err := w.Write(body); err != nil {
		return fmt.Errorf("write payment: %w", err)
	}
	return nil
}
