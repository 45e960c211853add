package listen

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// cursorBytesMax is far more than a cursor has: a longer file is something else.
const cursorBytesMax = 1 << 10

// readCursor gives the cursor that is kept in a file, "" if there is none.
func readCursor(file string) (string, error) {
	if file == "" {
		return "", nil
	}
	data, err := os.ReadFile(file) //nolint:gosec // the flag names it
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("--cursor-file: %w", err)
	}
	if len(data) > cursorBytesMax {
		return "", fmt.Errorf("--cursor-file: %s holds no cursor", file)
	}
	return strings.TrimSpace(string(data)), nil
}

// keepCursor replaces what is in a file as a whole, so that it holds a cursor whenever the
// program ends.
func keepCursor(file, cursor string) error {
	if file == "" {
		return nil
	}
	fresh, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+".*")
	if err != nil {
		return fmt.Errorf("--cursor-file: %w", err)
	}
	_, err = fresh.WriteString(cursor + "\n")
	err = errors.Join(err, fresh.Close())
	if err == nil {
		err = os.Rename(fresh.Name(), file)
	}
	if err != nil {
		return fmt.Errorf("--cursor-file: %w", errors.Join(err, os.Remove(fresh.Name())))
	}
	return nil
}
