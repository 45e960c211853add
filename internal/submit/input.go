package submit

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/paybuf/paybuf/client"
	"github.com/paybuf/paybuf/internal/table"
	"github.com/paybuf/paybuf/payment"
)

// request is one row of the input on its way to the API.
type request struct {
	row       Row
	sizeBytes int64 // in the input, for the progress

	orderNumber string     // chooses the lane
	retryOf     payment.ID // as the row has it
	order       client.Order
	json        []byte // sent as it is, in place of order, if not nil

	unsendable *Refusal // why the row cannot be sent at all; nil if it can
}

// refuse marks a row that cannot be expressed as a request.
func (r *request) refuse(code payment.Code, detail string) {
	r.unsendable = &Refusal{Row: r.row, Code: code, Detail: detail}
}

// requests reads an input row by row. At its end next gives io.EOF; any other
// error ends the reading too, with the rows before it sent.
type requests interface {
	next() (request, error)
}

// input is the file or standard input, to be read as often as Options.Repeat says.
type input struct {
	opts      Options
	sizeBytes int64 // of one pass; 0 if nobody knows
}

func newInput(opts Options) (*input, error) {
	in := &input{opts: opts}
	if opts.File == "-" {
		return in, nil
	}
	info, err := os.Stat(opts.File)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return nil, fmt.Errorf("%s is a directory", opts.File)
	}
	if info.Mode().IsRegular() {
		in.sizeBytes = info.Size()
	}
	return in, nil
}

// open begins a pass.
func (in *input) open(pass int) (requests, io.Closer, error) {
	if in.opts.File == "-" {
		rows, err := in.read(in.opts.Stdin, pass)
		return rows, io.NopCloser(nil), err
	}
	file, err := os.Open(in.opts.File)
	if err != nil {
		return nil, nil, err
	}
	rows, err := in.read(file, pass)
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("%s: %w", in.opts.File, err), file.Close())
	}
	return rows, file, nil
}

func (in *input) read(source io.Reader, pass int) (requests, error) {
	buffered := bufio.NewReaderSize(source, 64<<10)
	if err := table.SkipBOM(buffered); err != nil {
		return nil, err
	}
	if in.opts.Format == NDJSON {
		return newNDJSON(buffered, pass), nil
	}
	return newCSV(buffered, in.opts.CSV, pass)
}
