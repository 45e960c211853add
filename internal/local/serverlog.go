package local

import (
	"os"
	"strings"
)

const (
	// logBytesMax bounds postgres.log, checked at each start; one older file is
	// kept.
	logBytesMax     = 10 << 20
	logTailBytesMax = 8 << 10
	logTailLinesMax = 20
)

// shortenLog moves a log that has grown too long out of the way.
func shortenLog(path string) error {
	if fileSize(path) <= logBytesMax {
		return nil
	}
	return os.Rename(path, path+".1")
}

// fileSize is 0 for a file that is not there.
func fileSize(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}

// readFrom returns the last bytes of what was appended to a file since offset.
func readFrom(path string, offset int64) string {
	file, err := os.Open(path) //nolint:gosec // The path comes from our own configuration.
	if err != nil {
		return ""
	}
	defer func() { _ = file.Close() }()
	offset = max(offset, fileSize(path)-logTailBytesMax)
	buf := make([]byte, logTailBytesMax)
	n, _ := file.ReadAt(buf, offset)
	return string(buf[:n])
}

func lastLines(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-logTailLinesMax):], "\n")
}
