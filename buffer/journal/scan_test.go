package journal

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"testing"
)

// guardedReader fails a scan that reads outside of its segment or too much at
// once.
type guardedReader struct {
	t    testing.TB
	data []byte // from behind the header on
}

func (r guardedReader) ReadAt(p []byte, off int64) (int, error) {
	off -= headerBytes
	if off < 0 || off+int64(len(p)) > int64(len(r.data)) || len(p) > windowBytes {
		r.t.Fatalf("read %d bytes at %d of %d", len(p), off, len(r.data))
	}
	return copy(p, r.data[off:]), nil
}

// scanned is what a scan made of some bytes.
type scanned struct {
	records []string
	bytes   int64 // of these records
	damaged int64 // bytes
	tail    tail
}

func scanBytes(t testing.TB, data []byte, salt uint32, salted bool) scanned {
	t.Helper()
	var result scanned
	last := int64(headerBytes)
	scan := scanner{
		src: guardedReader{t, data}, end: headerBytes + int64(len(data)), salt: salt, salted: salted,
		record: func(r Record) error {
			result.records = append(result.records, string(r.Payload))
			result.bytes += recordBytes(len(r.Payload))
			return nil
		},
		damaged: func(off, bytes int64) {
			if off < last || bytes <= 0 || off+bytes > headerBytes+int64(len(data)) {
				t.Fatalf("%d damaged bytes at %d after %d", bytes, off, last)
			}
			last = off + bytes
			if bytes >= alignBytes { // less is padding, and part of a record
				result.damaged += bytes
			}
		},
	}
	var err error
	if result.tail, err = scan.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	return result
}

// FuzzScan feeds the reader with anything. It must come to an end, stay within
// the bytes, and account for each of them.
func FuzzScan(f *testing.F) {
	const salt = 0x5A17
	var good []byte
	for _, payload := range receipts(0, 6) {
		good = appendRecord(good, salt, 1_800_000_000_000, []byte(payload))
	}
	f.Add([]byte{}, true)
	f.Add(good, true)
	f.Add(good[:len(good)-3], false)
	f.Add(append(slices.Clone(good), make([]byte, 100)...), true)
	f.Add(slices.Concat(good[:60], []byte("damage"), good[60:]), true)
	f.Add(slices.Concat(good[:64], make([]byte, 64), good), false)
	f.Add(slices.Concat(good[:24], good), true)
	f.Fuzz(func(t *testing.T, data []byte, salted bool) {
		result := scanBytes(t, data, salt, salted)
		total := result.bytes + result.damaged + result.tail.bytes
		// The padding of the last record may be missing.
		if short := total - int64(len(data)); short < 0 || short >= alignBytes {
			t.Errorf("%d records of %d bytes, %d damaged, %+v: %d bytes of %d are accounted for",
				len(result.records), result.bytes, result.damaged, result.tail, total, len(data))
		}
		// A record that was found is found again when it stands alone.
		for _, payload := range result.records {
			alone := scanBytes(t, appendRecord(nil, salt, 0, []byte(payload)), salt, true)
			if len(alone.records) != 1 || alone.records[0] != payload {
				t.Errorf("%q became %q", payload, alone.records)
			}
		}
	})
}

// FuzzParseHeader takes anything for a header.
func FuzzParseHeader(f *testing.F) {
	good := header{salt: 1, number: 2, allocated: segmentBytes}.encode()
	f.Add(good)
	f.Add(good[:headerUsedBytes])
	f.Add([]byte(segmentMagic))
	f.Fuzz(func(t *testing.T, block []byte) {
		head, err := parseHeader(block)
		if err == nil && string(head.encode()[:headerUsedBytes]) != string(block[:headerUsedBytes]) {
			t.Errorf("%x was read as %+v", block, head)
		}
	})
}

func TestScan_randomDamageOfALongSegmentStaysLocal(t *testing.T) {
	const salt, each = 99, 3000
	var data []byte
	var ends []int
	for n := range each {
		data = appendRecord(data, salt, 0, []byte(payloadOf(n)))
		ends = append(ends, len(data))
	}
	random := rand.New(rand.NewPCG(1, 2))
	hit := map[int]bool{}
	for range 40 {
		at := random.IntN(len(data))
		data[at] ^= 0x40
		n, _ := slices.BinarySearch(ends, at+1)
		start := 0
		if n > 0 {
			start = ends[n-1]
		}
		if at < start+recordHeaderBytes+len(payloadOf(n)) {
			hit[n] = true
		}
	}
	var want []string
	for n := range each {
		if !hit[n] {
			want = append(want, payloadOf(n))
		}
	}
	if got := scanBytes(t, data, salt, true); !slices.Equal(got.records, want) {
		t.Errorf("%d records are found, want %d of %d", len(got.records), len(want), each)
	}
}

func TestScan_readErrorIsNoDamage(t *testing.T) {
	scan := scanner{
		src: failingReader{}, end: 1 << 20,
		record:  func(Record) error { return nil },
		damaged: func(off, bytes int64) { t.Errorf("%d bytes at %d are called damaged", bytes, off) },
	}
	if _, err := scan.run(t.Context()); !errors.Is(err, errBadDisk) {
		t.Errorf("the scan gave %v", err)
	}
}

type failingReader struct{}

func (failingReader) ReadAt([]byte, int64) (int, error) { return 0, errBadDisk }

func TestScan_contextEndsTheSearchThroughGarbage(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	reason := errors.New("enough")
	scan := scanner{
		src: readerFunc(func(p []byte) (int, error) {
			cancel(reason)
			for i := range p {
				p[i] = 0xFA
			}
			return len(p), nil
		}),
		end: 1 << 40, record: func(Record) error { return nil }, damaged: func(int64, int64) {},
	}
	if _, err := scan.run(ctx); !errors.Is(err, reason) {
		t.Errorf("the scan gave %v", err)
	}
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) ReadAt(p []byte, _ int64) (int, error) { return f(p) }

var _ io.ReaderAt = readerFunc(nil)
