//go:build unix

package parking

import (
	"errors"
	"net"
	"syscall"
)

// hasLeft tells whether the client has closed its connection. One that has sent more
// before it did so is not found out.
func hasLeft(conn net.Conn) bool {
	socket, ok := conn.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return true // it is closed
	}
	left := false
	err = raw.Control(func(fd uintptr) { // Read would wait for a server that reads again
		var one [1]byte
		n, _, err := syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK)
		waits := errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EINTR)
		left = !waits && (err != nil || n == 0)
	})
	return left || err != nil
}
