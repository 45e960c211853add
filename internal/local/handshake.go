package local

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strconv"
	"time"
)

const (
	handshakeTimeout = 5 * time.Second
	// handshakeBytesMax is far above the list of authentication mechanisms.
	handshakeBytesMax = 4 << 10
)

// answers opens a connection as a client would and reports whether the server
// asks for the password. Done by hand, since Postgres' client programs may not
// be installed and SQL drivers belong to another package.
func answers(ctx context.Context, port int) bool {
	ctx, cancel := context.WithTimeoutCause(ctx, handshakeTimeout, errors.New("postgres did not answer a connection"))
	defer cancel()
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp4", net.JoinHostPort(loopback, strconv.Itoa(port)))
	if err != nil {
		return false
	}
	defer func() { _ = conn.Close() }()
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return false
		}
	}
	if _, err := conn.Write(startupMessage()); err != nil {
		return false
	}
	return asksForPassword(conn)
}

// asksForPassword reads the server's first message: a type, a length that
// counts itself, and a body. It is an Authentication message from a server that
// is ready, and an error from one that is starting. The body is read as well,
// because closing on unread bytes would be a reset in Postgres' log.
func asksForPassword(conn io.Reader) bool {
	header := make([]byte, 5)
	if _, err := io.ReadFull(conn, header); err != nil || header[0] != 'R' {
		return false
	}
	body := int64(binary.BigEndian.Uint32(header[1:])) - 4
	n, err := io.CopyN(io.Discard, conn, min(body, handshakeBytesMax))
	return err == nil && n == body
}

// startupMessage is protocol 3.0's first message ("StartupMessage" in
// Postgres' manual, section Message Formats).
func startupMessage() []byte {
	const protocol = 3 << 16
	body := binary.BigEndian.AppendUint32(nil, protocol)
	body = append(body, "user\x00"+roleName+"\x00database\x00"+databaseName+"\x00\x00"...)
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(body)+4)), body...) //nolint:gosec // A few dozen bytes.
}
