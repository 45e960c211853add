package submit

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/paybuf/paybuf/client"
	"github.com/paybuf/paybuf/internal/table"
	"github.com/paybuf/paybuf/payment"
)

// Defaults of Options.
const (
	URLDefault         = "http://127.0.0.1:8080"
	ConcurrencyDefault = 16
	GiveUpAfterDefault = 2 * time.Minute
	WaitTimeoutDefault = 5 * time.Minute
)

const (
	concurrencyMax = 1024
	repeatMax      = 1_000_000
)

// Format is how the requests are written down.
type Format string

// The formats.
const (
	CSV    Format = "csv"    // a header row, then one request per row (RFC 4180)
	NDJSON Format = "ndjson" // one request object of the API per line
)

// AmountUnit is what the amounts of a CSV file count.
type AmountUnit = table.Unit

// The units.
const (
	Minor = table.Minor
	Major = table.Major
)

// Options are what the flags of `paybuf submit` set. The zero value of each but
// File is its default.
type Options struct {
	File   string // a path, or "-" for Stdin
	Format Format // by default told by the name's end: .csv, .ndjson or .jsonl
	CSV    Columns

	URL string // of the API; URLDefault
	Key string // API key; none by default

	Concurrency int // connections; ConcurrencyDefault, at most 1,024
	Batch       int // requests that go as one batch, at most; 0 sends each alone
	Repeat      int // how often the whole file is sent; 1
	// GiveUpAfter is how long a request is repeated while no request at all is
	// answered; GiveUpAfterDefault. It is also the longest Retry-After that is
	// waited for.
	GiveUpAfter time.Duration

	// RetryFailed, if not empty, names batches: of the file only those rows are sent
	// whose payments in them have failed, as tries of these again.
	RetryFailed []payment.BatchID

	Wait        bool          // for the end of every payment that was accepted
	WaitTimeout time.Duration // of all of that waiting; WaitTimeoutDefault

	Quiet bool // no progress
	JSON  bool // the summary as one JSON object

	Stdin  io.Reader // os.Stdin
	Stdout io.Writer // for the summary; os.Stdout
	Stderr io.Writer // for progress; os.Stderr
}

// Columns maps the columns of a CSV file, by their names in its header row.
type Columns struct {
	// Order names the column of the order number, or puts it together from several
	// named in braces: "{order_id}-{part}". The default is "order_number".
	Order string
	// Amount is "amount" by default, in AmountUnit, by default Minor.
	Amount     string
	AmountUnit AmountUnit
	// Currency is "currency" by default; FixedCurrency stands for every row instead.
	Currency, FixedCurrency string
	// PaymentMethod is "payment_method" by default; FixedPaymentMethod stands for
	// every row instead.
	PaymentMethod, FixedPaymentMethod string
	// Customer and Description may be missing unless they are named here. They are
	// "customer" and "description" by default.
	Customer, Description string
	// NotBefore is the column of the time before which a row must not be paid; it is
	// "not_before" by default and may be missing. FixedNotBefore stands for every row
	// instead. Both are RFC 3339, and empty for at once.
	NotBefore, FixedNotBefore string
}

// withDefaults fills in what was left out.
func (o Options) withDefaults() Options {
	orDefault(&o.URL, URLDefault)
	orDefault(&o.Concurrency, ConcurrencyDefault)
	orDefault(&o.Repeat, 1)
	orDefault(&o.GiveUpAfter, GiveUpAfterDefault)
	orDefault(&o.WaitTimeout, WaitTimeoutDefault)
	orDefault(&o.CSV.AmountUnit, Minor)
	orDefault(&o.Format, formatOf(o.File))
	orDefault[io.Reader](&o.Stdin, os.Stdin)
	orDefault[io.Writer](&o.Stdout, os.Stdout)
	orDefault[io.Writer](&o.Stderr, os.Stderr)
	return o
}

func orDefault[T comparable](value *T, fallback T) {
	var zero T
	if *value == zero {
		*value = fallback
	}
}

// formatOf tells the format by a file's name, "" if the name does not.
func formatOf(file string) Format {
	switch strings.ToLower(filepath.Ext(file)) {
	case ".csv":
		return CSV
	case ".ndjson", ".jsonl":
		return NDJSON
	}
	return ""
}

// check finds what cannot work before anything is sent.
func (o Options) check() error {
	if err := client.CheckURL(o.URL); err != nil {
		return err
	}
	switch {
	case o.File == "":
		return errors.New("no file: name one, or - for standard input")
	case o.Format == "":
		return fmt.Errorf("%s: the name does not end in .csv, .ndjson or .jsonl: say which format it has", o.File)
	case o.Format != CSV && o.Format != NDJSON:
		return fmt.Errorf("format %q: must be csv or ndjson", o.Format)
	case o.Concurrency < 1 || o.Concurrency > concurrencyMax:
		return fmt.Errorf("concurrency %d: must be 1 to %d", o.Concurrency, concurrencyMax)
	case o.Batch < 0 || o.Batch > payment.BatchItemsMax:
		return fmt.Errorf("batch %d: must be 0 to %d", o.Batch, payment.BatchItemsMax)
	case o.Repeat < 1 || o.Repeat > repeatMax:
		return fmt.Errorf("repeat %d: must be 1 to %d", o.Repeat, repeatMax)
	case o.Repeat > 1 && o.File == "-":
		return errors.New("standard input can be read only once: name a file to repeat it")
	case o.GiveUpAfter < 0 || o.WaitTimeout < 0:
		return errors.New("a time to give up after must not be negative")
	}
	for _, batch := range o.RetryFailed {
		if _, err := payment.ParseBatchID(string(batch)); err != nil {
			return fmt.Errorf("%q: %w", batch, err)
		}
	}
	if o.Format == NDJSON && (o.CSV.NotBefore != "" || o.CSV.FixedNotBefore != "") {
		return errors.New("not before: of NDJSON each row says it itself, as its member not_before")
	}
	return o.CSV.check()
}

func (c Columns) check() error {
	switch {
	case c.AmountUnit != Minor && c.AmountUnit != Major:
		return fmt.Errorf("amount unit %q: must be minor or major", c.AmountUnit)
	case c.Currency != "" && c.FixedCurrency != "":
		return errors.New("currency: give a column or one for all rows, not both")
	case c.PaymentMethod != "" && c.FixedPaymentMethod != "":
		return errors.New("payment method: give a column or one for all rows, not both")
	case c.NotBefore != "" && c.FixedNotBefore != "":
		return errors.New("not before: give a column or one time for all rows, not both")
	}
	if _, err := readTime(c.FixedNotBefore); err != nil {
		return err
	}
	return nil
}
