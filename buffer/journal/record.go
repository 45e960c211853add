package journal

import (
	"encoding/binary"
	"hash/crc32"
	"time"
)

const (
	// recordMagic is FA 'r' 'j' FB on the disk. FA and FB occur in no UTF-8 text,
	// so that no JSON payload holds anything that looks like a record.
	recordMagic       = 0xFB6A72FA
	recordHeaderBytes = 24
	alignBytes        = 8
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Record is what was appended, and when.
type Record struct {
	At time.Time // to the millisecond, UTC; one moment for a whole Commit
	// Payload is valid only until the function that was given it returns.
	Payload []byte
}

// recordHeader is the head of a record as it lies in the file.
type recordHeader struct {
	crc    uint32
	length int // of the payload
	salt   uint32
	at     int64 // Unix milliseconds
}

// recordBytes is what a payload takes in a segment.
func recordBytes(payload int) int64 {
	return align(recordHeaderBytes + int64(payload))
}

func align(n int64) int64 {
	return (n + alignBytes - 1) &^ (alignBytes - 1)
}

// appendRecord encodes a record behind buf, whose length is a multiple of
// alignBytes.
func appendRecord(buf []byte, salt uint32, at int64, payload []byte) []byte {
	start := len(buf)
	order := binary.LittleEndian
	buf = order.AppendUint32(buf, recordMagic)
	buf = order.AppendUint32(buf, 0)                    // the CRC, below
	buf = order.AppendUint32(buf, uint32(len(payload))) //nolint:gosec // at most RecordBytesMax
	buf = order.AppendUint32(buf, salt)
	buf = order.AppendUint64(buf, uint64(at)) //nolint:gosec // the same 64 bits
	buf = append(buf, payload...)
	order.PutUint32(buf[start+4:], checksum(buf[start:]))
	return append(buf, make([]byte, align(int64(len(buf)))-int64(len(buf)))...)
}

// checksum covers length, salt, time and payload: the record but for the magic
// and the sum itself.
func checksum(record []byte) uint32 {
	return crc32.Checksum(record[8:], castagnoli)
}

// parseRecordHeader reads the first recordHeaderBytes of b. It tells whether a
// record may begin there; only its CRC proves it.
func parseRecordHeader(b []byte) (recordHeader, bool) {
	order := binary.LittleEndian
	if len(b) < recordHeaderBytes || order.Uint32(b) != recordMagic || order.Uint32(b[8:]) > RecordBytesMax {
		return recordHeader{}, false
	}
	return recordHeader{
		crc:    order.Uint32(b[4:]),
		length: int(order.Uint32(b[8:])),
		salt:   order.Uint32(b[12:]),
		at:     int64(order.Uint64(b[16:])), //nolint:gosec // the same 64 bits
	}, true
}
