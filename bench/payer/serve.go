package payer

import (
	"context"
	"fmt"
	"io"

	"github.com/paybuf/paybuf/bench/wire"
)

// tallyPath is where the count is asked for.
const tallyPath = "/tally"

// Serve runs the payer on a free port of loopback, writes its address to out as one
// line, and serves until in ends: so it never outlives who holds the other end.
func Serve(ctx context.Context, in io.Reader, out io.Writer) error {
	if err := wire.Serve(ctx, newBook().answer, in, out); err != nil {
		return fmt.Errorf("payer: %w", err)
	}
	return nil
}
