package subject

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/paybuf/paybuf/internal/local"
)

const commandTimeout = time.Minute

var errCommandSlow = errors.New("the command took too long")

// Installation is what several processes of one Paybuf share: a NATS, a Postgres, its
// secrets and its tenants. All of it is made by Paybuf's own commands.
type Installation struct {
	program, dir string
	postgres     *local.Postgres
	nats         *Subject
	environment  []string
	processes    int
}

// Install starts a NATS and makes an installation on a Postgres with nothing in it. The
// Postgres stays its caller's. Call it from the main goroutine, locked to its thread.
func Install(ctx context.Context, program, dir string, postgres *local.Postgres) (_ *Installation, err error) {
	nats, err := startOurselves(ctx, natsName, dir, []string{StoreVariable + "=" + filepath.Join(dir, "nats")})
	if err != nil {
		return nil, err
	}
	secrets := filepath.Join(dir, "secrets.json")
	i := &Installation{program: program, dir: dir, postgres: postgres, nats: nats, environment: []string{
		"PAYBUF_POSTGRES=" + postgres.URL(), "PAYBUF_NATS=nats://" + nats.Address, "PAYBUF_SECRETS_FILE=" + secrets,
	}}
	defer func() {
		if err != nil {
			err = errors.Join(err, i.Stop())
		}
	}()
	if _, err := i.command(ctx, "secrets", secrets); err != nil {
		return nil, err
	}
	_, err = i.command(ctx, "migrate", "up")
	return i, err
}

// Set gives all further processes a setting, such as PAYBUF_LOG_LEVEL.
func (i *Installation) Set(variable, value string) {
	i.environment = append(i.environment, variable+"="+value)
}

// AddTenant makes a tenant and gives an API key of it.
func (i *Installation) AddTenant(ctx context.Context, tenant string) (apiKey string, err error) {
	if _, err := i.command(ctx, "tenant", "create", tenant); err != nil {
		return "", err
	}
	return i.command(ctx, "key", "create", tenant)
}

// command runs one of Paybuf's commands and gives what it prints.
func (i *Installation) command(ctx context.Context, args ...string) (string, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, commandTimeout, errCommandSlow)
	defer cancel()
	cmd := exec.CommandContext(ctx, i.program, args...) //nolint:gosec // just built
	cmd.Env = slices.Concat(ownEnvironment(), i.environment)
	var said, complained strings.Builder
	cmd.Stdout, cmd.Stderr = &said, &complained
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("paybuf %s: %w\n%s", strings.Join(args, " "), errors.Join(err, context.Cause(ctx)), complained.String())
	}
	return strings.TrimSpace(said.String()), nil
}

// Serve runs `paybuf serve` with some roles, such as "ingest,processor", and further
// flags, on free ports of loopback. Call it from the main goroutine, locked to its thread.
func (i *Installation) Serve(ctx context.Context, roles string, flags ...string) (*Subject, error) {
	i.processes++
	name := fmt.Sprintf("serve-%d-%s", i.processes, strings.ReplaceAll(roles, ",", "-"))
	args := append([]string{
		"serve", "--roles", roles, "--listen", "127.0.0.1:0", "--operator-listen", "127.0.0.1:0",
		"--journal-dir", filepath.Join(i.dir, "journal"),
	}, flags...)
	cmd := exec.CommandContext(context.WithoutCancel(ctx), i.program, args...) //nolint:gosec // just built
	cmd.Env = i.environment
	log := filepath.Join(i.dir, name+".log")
	started := time.Now()
	p, err := start(name, cmd, log)
	if err != nil {
		return nil, err
	}
	s := &Subject{
		Name: name, CountsRepeats: true, PID: cmd.Process.Pid, kill: p.kill,
		PostgresPID: i.postgres.PID(), PostgresURL: i.postgres.URL(),
	}
	s.stop = func() error { return p.stop(p.terminate) }
	err = p.awaitReady(ctx, func() (bool, error) {
		said, err := os.ReadFile(log) //nolint:gosec // made by us
		if err != nil || !s.findIn(string(said)) {
			return false, err
		}
		return s.isReady(ctx)
	})
	s.ReadyAfter = time.Since(started)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start %s: %w%s", name, err, p.lastWords()), s.stop())
	}
	return s, nil
}

// findIn reads where a process is that has said so.
func (s *Subject) findIn(said string) bool {
	const none = "none"
	_, rest, found := strings.Cut(said, "ready: clients ")
	line, _, whole := strings.Cut(rest, "\n")
	clients, operators, parted := strings.Cut(line, ", operators ")
	if !found || !whole || !parted {
		return false
	}
	if clients != none {
		s.Address = strings.TrimPrefix(clients, "http://")
	}
	s.OperatorURL = operators
	return true
}

// Stop stops the NATS, when all processes have been stopped.
func (i *Installation) Stop() error { return i.nats.Stop() }
