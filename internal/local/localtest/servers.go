package localtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/paybuf/paybuf/internal/local"
)

// nodeVariable tells a child that it is a NATS server, and which. It does not
// begin like our variables, which the tests of commands take away.
const nodeVariable = "TEST_BE_NATS_NODE"

// Servers is a JetStream server or cluster each of whose servers is a process, which can
// really be killed.
type Servers struct {
	t     testing.TB
	nodes []*node
}

// node is one server; its address and its store stay the same.
type node struct {
	cfg   local.NATSNodeConfig
	cmd   *exec.Cmd // nil while it does not run
	leash io.Closer // it ends when this is closed, so also when we die
}

// NewServers starts n servers, one or a cluster, with an empty JetStream of the test's own. They are
// stopped when the test ends. The servers are the test binary itself, whose
// TestMain must begin with BeServer or be Main.
func NewServers(t testing.TB, n int) *Servers {
	t.Helper()
	addresses := freeAddresses(t, 2*n)
	s := &Servers{t: t}
	for i := range n {
		s.nodes = append(s.nodes, &node{cfg: local.NATSNodeConfig{
			NATSConfig: local.NATSConfig{Dir: filepath.Join(t.TempDir(), "node-"+strconv.Itoa(i)), Listen: addresses[i]},
			Node:       i, Routes: addresses[n:],
		}})
	}
	t.Cleanup(func() {
		for i := range s.nodes {
			s.Kill(i)
		}
	})
	for i := range s.nodes {
		s.Start(i)
	}
	return s
}

// BeServer makes this process the NATS server that it was started to be, and
// returns at once if it was not.
func BeServer() {
	text := os.Getenv(nodeVariable)
	if text == "" {
		return
	}
	var cfg local.NATSNodeConfig
	err := json.Unmarshal([]byte(text), &cfg)
	if err == nil {
		err = serve(cfg)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "localtest:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func serve(cfg local.NATSNodeConfig) error {
	cfg.Logger = slog.New(slog.DiscardHandler)
	start := func(ctx context.Context) (*local.NATS, error) { return local.StartNATSNode(ctx, cfg) }
	if len(cfg.Routes) == 1 {
		start = func(ctx context.Context) (*local.NATS, error) { return local.StartNATS(ctx, cfg.NATSConfig) }
	}
	server, err := start(context.Background())
	if err != nil {
		return err
	}
	defer server.Stop()
	_, err = io.Copy(io.Discard, os.Stdin) // ends with who started us
	return err
}

// URLs gives where the servers listen, also those that do not run.
func (s *Servers) URLs() []string {
	var urls []string
	for _, n := range s.nodes {
		urls = append(urls, "nats://"+n.cfg.Listen)
	}
	return urls
}

// Start starts a server that does not run, with what it has stored.
func (s *Servers) Start(i int) {
	s.t.Helper()
	if err := s.nodes[i].start(); err != nil {
		s.t.Fatal("localtest: start a NATS server: ", err)
	}
}

func (n *node) start() error {
	text, err := json.Marshal(n.cfg)
	if err != nil {
		return err
	}
	program, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.Command(program, "-test.run=^$") //nolint:noctx // it lives until it is killed, or we are
	cmd.Env = append(os.Environ(), nodeVariable+"="+string(text))
	cmd.Stderr = os.Stderr
	if n.leash, err = cmd.StdinPipe(); err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	n.cmd = cmd
	return nil
}

// Kill is kill -9.
func (s *Servers) Kill(i int) {
	n := s.nodes[i]
	if n.cmd == nil {
		return
	}
	_ = n.cmd.Process.Kill()
	_ = n.cmd.Wait() // it was killed, and nothing else can be said of it
	_ = n.leash.Close()
	n.cmd = nil
}

// Pause has the kernel stop a server until Resume: it takes connections and
// requests, and answers none.
func (s *Servers) Pause(i int) {
	s.t.Helper()
	s.signal(i, syscall.SIGSTOP)
	// Its threads stop one after the other; the kernel tells when all have.
	var status syscall.WaitStatus
	for !status.Stopped() {
		_, err := syscall.Wait4(s.nodes[i].cmd.Process.Pid, &status, syscall.WUNTRACED, nil)
		if err != nil && !errors.Is(err, syscall.EINTR) {
			s.t.Fatalf("localtest: wait for a NATS server to stop: %v", err)
		}
	}
}

// Resume undoes Pause.
func (s *Servers) Resume(i int) { s.signal(i, syscall.SIGCONT) }

func (s *Servers) signal(i int, what syscall.Signal) {
	s.t.Helper()
	if err := s.nodes[i].cmd.Process.Signal(what); err != nil {
		s.t.Fatalf("localtest: %s to a NATS server: %v", what, err)
	}
}

// freeAddresses finds ports on loopback on which nobody listens.
func freeAddresses(t testing.TB, n int) (addresses []string) {
	t.Helper()
	for range n {
		listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // it is closed at the end of this function
		if err != nil {
			t.Fatal("localtest: find a free port: ", err)
		}
		defer func() { _ = listener.Close() }()
		addresses = append(addresses, listener.Addr().String())
	}
	return addresses
}

// poll waits until something holds.
func poll(t testing.TB, what string, holds func() error) {
	t.Helper()
	var err error
	for deadline := time.Now().Add(startTimeout); ; <-time.After(20 * time.Millisecond) {
		if err = holds(); err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("localtest: not within %s: %s: %v", startTimeout, what, err)
		}
	}
}
