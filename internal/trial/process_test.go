//go:build trial

package trial

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/paybuf/paybuf/internal/app"
	"github.com/paybuf/paybuf/internal/local/localtest"
)

// program is the path of the paybuf that is on trial, built by TestMain.
var program string

func TestMain(m *testing.M) {
	localtest.BeServer()
	dir, err := os.MkdirTemp("", "paybuf-trial-")
	if err != nil {
		panic(err)
	}
	program = filepath.Join(dir, "paybuf")
	if err := build(program); err != nil {
		panic(err)
	}
	flag.Parse()
	if err := buildMortal(dir); err != nil {
		panic(err)
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// build builds the product, with flags of go build.
func build(file string, flags ...string) error {
	args := append([]string{"build", "-o", file}, flags...)
	cmd := exec.Command("go", append(args, "github.com/paybuf/paybuf/cmd/paybuf")...)
	cmd.Stderr = os.Stderr
	return cmd.Run()
}

// process is a running paybuf command.
type process struct {
	cmd    *exec.Cmd
	log    string // file
	killed bool   // by us
	ended  chan struct{}
	err    error // of Wait, once ended is closed
}

// start runs a command, its messages going to a file in dir. It is killed at the
// end of the test, if it still runs then.
func start(t *testing.T, dir string, args ...string) *process {
	t.Helper()
	return startAs(t, program, nil, dir, args...)
}

// startAs is start for another program, and variables besides.
func startAs(t *testing.T, program string, environ []string, dir string, args ...string) *process {
	t.Helper()
	stderr, err := os.OpenFile(filepath.Join(dir, args[0]+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer stderr.Close() // the process has its own
	cmd := exec.Command(program, args...)
	cmd.Env = append(os.Environ(), environ...)
	cmd.Stdout, cmd.Stderr = stderr, stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatalf("start %v: %v", args, err)
	}
	p := &process{cmd: cmd, log: stderr.Name(), ended: make(chan struct{})}
	go func() { p.err = cmd.Wait(); close(p.ended) }()
	t.Cleanup(func() { p.stop(t) })
	return p
}

// kill is kill -9.
func (p *process) kill() {
	p.killed = true
	_ = p.cmd.Process.Kill()
	<-p.ended
}

// stop is a graceful stop, and what a test ends with.
func (p *process) stop(t *testing.T) {
	t.Helper()
	select {
	case <-p.ended:
		return
	default:
	}
	_ = p.cmd.Process.Signal(syscall.SIGCONT) // a stopped one hears nothing
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-time.After(90 * time.Second):
		p.kill()
		t.Errorf("%s did not stop by itself", p.cmd.Args[1])
	}
}

// output runs a command to its end and gives what it printed as JSON.
func output(ctx context.Context, t *testing.T, into any, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(ctx, program, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err := cmd.Output()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		t.Errorf("paybuf %s ended with exit code %d:\n%s", args[0], exit.ExitCode(), tail(stderr.Bytes()))
	} else if err != nil {
		t.Fatalf("paybuf %s: %v", args[0], err)
	}
	if err := json.Unmarshal(stdout, into); err != nil {
		t.Fatalf("paybuf %s printed no JSON: %v\n%s", args[0], err, stdout)
	}
}

func tail(text []byte) []byte {
	const bytesMax = 2000
	return text[max(0, len(text)-bytesMax):]
}

// installation is a directory with a dev and a payer on fixed addresses, so that
// both can be restarted under their clients.
type installation struct {
	dir, data, ledger  string
	address, operators string
	payerAddress       string
	devFlags           []string
	payer, dev         *process
}

func install(t *testing.T, payerFlags, devFlags []string) *installation {
	t.Helper()
	dir := keptDir(t)
	in := &installation{
		dir: dir, data: filepath.Join(dir, "data"), ledger: filepath.Join(dir, "payer.ndjson"),
		address: freeAddress(t), operators: freeAddress(t), payerAddress: freeAddress(t), devFlags: devFlags,
	}
	in.payer = start(t, dir, append([]string{
		"simulate-payer", "--listen", in.payerAddress, "--ledger", in.ledger,
	}, payerFlags...)...)
	waitForPort(t, in.payerAddress)
	in.startDev(t)
	return in
}

// keptDir is a directory that stays for a look if the test fails.
func keptDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "paybuf-trial-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil { // Postgres' own user must get in
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("kept for a look: %s", dir)
			return
		}
		_ = os.RemoveAll(dir)
	})
	return dir
}

func (in *installation) startDev(t *testing.T) {
	t.Helper()
	started := time.Now()
	_ = os.Remove(filepath.Join(in.data, "dev.json")) // a killed dev leaves it behind
	in.dev = start(t, in.dir, append([]string{
		"dev", "--data", in.data, "--listen", in.address, "--operator-listen", in.operators,
		"--payer", "http://" + in.payerAddress,
		// However slow the machine, a repetition is known to be one.
		"--dedup-window", "30m",
	}, in.devFlags...)...)
	for {
		if _, err := os.Stat(filepath.Join(in.data, "dev.json")); err == nil {
			t.Logf("dev is ready after %.1f s", time.Since(started).Seconds())
			return
		}
		select {
		case <-in.dev.ended:
			log, _ := os.ReadFile(in.dev.log)
			t.Fatalf("dev ended: %v\n%s", in.dev.err, tail(log))
		case <-time.After(20 * time.Millisecond):
		}
		if time.Since(started) > time.Minute {
			t.Fatal("dev is not ready after a minute")
		}
	}
}

// killPostgres is kill -9 of the server beside dev, whose children end with it.
func (in *installation) killPostgres(t *testing.T) {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(in.data, "postgres", "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	line, _, _ := bytes.Cut(content, []byte("\n"))
	pid, err := strconv.Atoi(string(line))
	if err != nil || pid < 2 {
		t.Fatalf("postmaster.pid names no process: %q", line)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
}

// idKey is what dev derives payment ids with.
func (in *installation) idKey(t *testing.T) []byte {
	t.Helper()
	secrets, err := app.LoadSecrets(filepath.Join(in.data, "secrets.json"))
	if err != nil {
		t.Fatal(err)
	}
	return secrets.IDKey
}

func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(listener.Addr().(*net.TCPAddr).Port))
}

func waitForPort(t *testing.T, address string) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			_ = conn.Close()
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("nobody listens on %s: %v", address, err)
		}
		<-time.After(20 * time.Millisecond)
	}
}

// metric reads one metric without labels from dev.
func (in *installation) metric(t *testing.T, name string) string {
	t.Helper()
	value, err := metric(in.operators, name)
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// metric reads one metric without labels from whoever listens for operators.
func metric(operators, name string) (string, error) {
	response, err := http.Get("http://" + operators + "/metrics")
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(body)) {
		if value, found := strings.CutPrefix(line, name+" "); found {
			return strings.TrimSpace(value), nil
		}
	}
	return "", fmt.Errorf("no metric %s", name)
}
