package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"syscall"
)

// plain is what one writes first: each group goes to the end of a file, and then
// the file is synced. Nothing is allocated in advance.
type plain struct {
	*loop
	file *os.File
	buf  []byte
}

const (
	plainMode      = 0o600
	frameHeadBytes = 8 // length and CRC
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func openPlain(cfg Config) (*plain, error) {
	file, err := os.OpenFile(filepath.Join(cfg.Dir, "records"), os.O_WRONLY|os.O_CREATE|os.O_APPEND, plainMode)
	if err != nil {
		return nil, err
	}
	p := &plain{file: file}
	p.loop = newLoop(p.commit)
	return p, nil
}

func (p *plain) commit(payloads [][]byte) error {
	p.buf = p.buf[:0]
	for _, payload := range payloads {
		p.buf = binary.LittleEndian.AppendUint32(p.buf, uint32(len(payload))) //nolint:gosec // a few hundred bytes
		p.buf = binary.LittleEndian.AppendUint32(p.buf, crc32.Checksum(payload, castagnoli))
		p.buf = append(p.buf, payload...)
	}
	if _, err := p.file.Write(p.buf); err != nil {
		return err
	}
	for {
		err := syscall.Fdatasync(int(p.file.Fd()))
		if err == nil {
			return nil
		}
		if !errors.Is(err, syscall.EINTR) { // Go's scheduler sends signals
			return fmt.Errorf("fdatasync: %w", err)
		}
	}
}

func (p *plain) Close() error {
	p.close()
	return p.file.Close()
}
