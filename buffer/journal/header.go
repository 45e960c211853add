package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"time"
)

const (
	segmentMagic  = "PAYBUFJL"
	formatVersion = 1
	// headerBytes is a block of its own, so that appending never rewrites the
	// sectors of the header.
	headerBytes     = 4096
	headerUsedBytes = 44
)

var errHeader = errors.New("the segment's header is damaged")

// header is the first block of a segment.
type header struct {
	salt      uint32 // in each of its records too, random
	number    uint64
	createdAt time.Time
	allocated int64 // size of the file until it is sealed, and never after
}

func (h header) encode() []byte {
	order := binary.LittleEndian
	block := make([]byte, 0, headerBytes)
	block = append(block, segmentMagic...)
	block = order.AppendUint32(block, formatVersion)
	block = order.AppendUint32(block, h.salt)
	block = order.AppendUint64(block, h.number)
	block = order.AppendUint64(block, uint64(h.createdAt.UnixMilli()))
	block = order.AppendUint64(block, uint64(h.allocated)) //nolint:gosec // not negative
	block = order.AppendUint32(block, crc32.Checksum(block, castagnoli))
	return block[:headerBytes]
}

// parseHeader gives errHeader for a damaged header. An intact one of a later
// version is another error: its records could not be told from damage.
func parseHeader(block []byte) (header, error) {
	order := binary.LittleEndian
	const sumAt = headerUsedBytes - 4
	if len(block) < headerUsedBytes || string(block[:8]) != segmentMagic ||
		order.Uint32(block[sumAt:]) != crc32.Checksum(block[:sumAt], castagnoli) {
		return header{}, errHeader
	}
	if version := order.Uint32(block[8:]); version != formatVersion {
		return header{}, fmt.Errorf("format version %d, this program knows %d; start the newer program", version, formatVersion)
	}
	return header{
		salt:      order.Uint32(block[12:]),
		number:    order.Uint64(block[16:]),
		createdAt: time.UnixMilli(int64(order.Uint64(block[24:]))).UTC(), //nolint:gosec // the same 64 bits
		allocated: int64(order.Uint64(block[32:])),                       //nolint:gosec // the same 64 bits
	}, nil
}
