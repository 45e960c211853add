package outbound

import (
	"crypto/tls"
	"errors"
	"net"
	"syscall"
)

// isQuiet tells that nothing has come over an idle connection: neither its end, nor
// bytes that nobody asked for and that would be taken for the next answer. It does
// not wait, and takes nothing away.
func isQuiet(conn net.Conn) bool {
	if secured, isSecured := conn.(*tls.Conn); isSecured {
		conn = secured.NetConn()
	}
	socket, isSocket := conn.(syscall.Conn)
	if !isSocket {
		return false
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return false
	}
	quiet := false
	err = raw.Control(func(fd uintptr) {
		var one [1]byte
		_, _, peekErr := syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		quiet = errors.Is(peekErr, syscall.EAGAIN)
	})
	return err == nil && quiet
}
