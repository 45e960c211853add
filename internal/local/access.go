package local

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strconv"
	"strings"
)

// loadPassword reads the password that keepPassword kept, or makes a new one,
// which is then to be given to the cluster and kept.
func (p place) loadPassword() (password string, kept bool, err error) {
	text, err := os.ReadFile(p.password())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", false, fmt.Errorf("read the cluster's password: %w", err)
	}
	if password := strings.TrimSpace(string(text)); password != "" {
		return password, true, nil
	}
	return rand.Text(), false, nil
}

// keepPassword keeps a password that the cluster has been given. Kept only
// then, a file never names a password that the cluster does not know.
func (p place) keepPassword(password string) error {
	if err := writeDurably(p.password(), password+"\n"); err != nil {
		return fmt.Errorf("keep the cluster's password: %w", err)
	}
	return nil
}

// choosePort returns the port of the last start if it is free, else any that is.
func (p place) choosePort(ctx context.Context) (int, error) {
	if text, err := os.ReadFile(p.port()); err == nil {
		port, err := strconv.Atoi(strings.TrimSpace(string(text)))
		if err == nil && port > 0 && portIsFree(ctx, port) {
			return port, nil
		}
	}
	return listenBriefly(ctx, 0)
}

func portIsFree(ctx context.Context, port int) bool {
	_, err := listenBriefly(ctx, port)
	return err == nil
}

// listenBriefly proves a port free by listening on it; 0 picks one.
func listenBriefly(ctx context.Context, port int) (int, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp4", net.JoinHostPort(loopback, strconv.Itoa(port)))
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	addr, ok := listener.Addr().(*net.TCPAddr)
	if err := listener.Close(); err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	if !ok {
		return 0, fmt.Errorf("find a free port: listening on %s", listener.Addr())
	}
	return addr.Port, nil
}
