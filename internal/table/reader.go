package table

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
)

// RowBytesMax limits one row, so that a quote which is never closed does not draw
// the whole file into memory. No row of ours needs nearly as much.
const RowBytesMax = 1 << 20

// ErrRowTooLong ends the reading of a file: where the next row begins is unknown.
var ErrRowTooLong = fmt.Errorf("a row has more than %d bytes; a quote may not be closed", RowBytesMax)

// RowError is a row that is no CSV. The row after it can be read.
type RowError struct {
	Line int64 // on which the row begins
	Err  error
}

// Error implements error. It does not repeat what stands in the row.
func (e *RowError) Error() string { return fmt.Sprintf("line %d: %v", e.Line, e.Err) }

// Unwrap gives what is wrong.
func (e *RowError) Unwrap() error { return e.Err }

// Reader reads row after row.
type Reader struct {
	reader  *csv.Reader
	limiter *rowLimiter
	header  Header
	line    int64
	offset  int64 // of the end of the last row
	size    int64
}

// NewReader reads the row that names the columns.
func NewReader(source io.Reader) (*Reader, error) {
	limiter := &rowLimiter{source: source, leftBytes: RowBytesMax}
	reader := csv.NewReader(limiter)
	reader.ReuseRecord = true
	names, err := reader.Read()
	if errors.Is(err, io.EOF) {
		return nil, errors.New("the file is empty: a row that names the columns is needed")
	}
	if err != nil {
		return nil, fmt.Errorf("the row that names the columns: %w", err)
	}
	return &Reader{reader: reader, limiter: limiter, header: NewHeader(names), line: 1, offset: reader.InputOffset()}, nil
}

// Header names the columns.
func (r *Reader) Header() Header { return r.header }

// Line is on which the last row begins; 1 is the file's first.
func (r *Reader) Line() int64 { return r.line }

// SizeBytes is how many bytes of the file the last row took.
func (r *Reader) SizeBytes() int64 { return r.size }

// Next gives the next record, which is good until the next call. At the end its
// error is io.EOF; a *RowError is about this row alone; any other ends the file.
func (r *Reader) Next() ([]string, error) {
	r.limiter.renew()
	record, err := r.reader.Read()
	if errors.Is(err, io.EOF) {
		return nil, io.EOF
	}
	malformed, isMalformed := errors.AsType[*csv.ParseError](err)
	if err != nil && !isMalformed {
		return nil, err
	}
	r.size = r.reader.InputOffset() - r.offset
	r.offset = r.reader.InputOffset()
	if isMalformed {
		r.line = int64(malformed.StartLine)
		return nil, &RowError{Line: r.line, Err: malformed.Err}
	}
	line, _ := r.reader.FieldPos(0)
	r.line = int64(line)
	return record, nil
}

// rowLimiter fails a read when more was asked for since renew than one row may
// have. What is buffered above it is read ahead, so the limit is not exact.
type rowLimiter struct {
	source    io.Reader
	leftBytes int
}

func (l *rowLimiter) renew() { l.leftBytes = RowBytesMax }

// Read implements io.Reader.
func (l *rowLimiter) Read(into []byte) (int, error) {
	if l.leftBytes <= 0 {
		return 0, ErrRowTooLong
	}
	n, err := l.source.Read(into[:min(len(into), l.leftBytes)])
	l.leftBytes -= n
	return n, err
}

// SkipBOM drops the mark with which Excel begins a UTF-8 file, and refuses the one
// of UTF-16.
func SkipBOM(buffered *bufio.Reader) error {
	start, err := buffered.Peek(3)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	switch {
	case bytes.Equal(start, []byte("\xef\xbb\xbf")):
		_, err := buffered.Discard(len(start))
		return err
	case bytes.HasPrefix(start, []byte("\xff\xfe")) || bytes.HasPrefix(start, []byte("\xfe\xff")):
		return errors.New("the file is UTF-16: save it as UTF-8")
	}
	return nil
}
