//go:build !linux

package local

import "errors"

func fileSystem(string) (free, all int64, err error) {
	return 0, 0, errors.New("not known on this system")
}
